"""What is sent again and what never: a dead reused connection, seen from the origin."""

import pytest

from support.h2origin import H2Origin
from support.origin import RawOrigin


def close_second(connection):
    connection.read_request()
    connection.answer(body=b"answer %d" % connection.number)
    connection.read_request()


def behave_after_first(connection):
    connection.read_request()
    connection.answer(body=b"answer %d" % connection.number)
    connection.read_request()
    if connection.number == 0:
        connection.reset()
    else:
        connection.answer()


@pytest.mark.parametrize("script", [behave_after_first, close_second], ids=["reset", "close"])
@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "PUT", "DELETE"])
def test_an_idempotent_request_is_silently_sent_again_once(client, script, method):
    with RawOrigin(script) as origin:
        client.fetch(origin.url("/warm"))
        answer = client.fetch(origin.url("/target"), method=method)
        assert answer["status"] == 200 and not answer["connection"]["reused"]
        assert [request.target for request in origin.requests] == ["/warm", "/target", "/target"]


@pytest.mark.parametrize("script", [behave_after_first, close_second], ids=["reset", "close"])
@pytest.mark.parametrize("method", ["POST", "PATCH", "PURGE"])
def test_a_request_that_may_do_something_is_seen_by_the_origin_exactly_once(client, script, method):
    with RawOrigin(script) as origin:
        client.fetch(origin.url("/warm"))
        error = client.refused(origin.url("/target"), method=method, body=b"once")
        assert 200 <= error.code <= 299
        assert [request.target for request in origin.requests] == ["/warm", "/target"]


@pytest.mark.parametrize("script", [behave_after_first, close_second], ids=["reset", "close"])
def test_retry_never_is_never(client, script):
    with RawOrigin(script) as origin:
        client.fetch(origin.url("/warm"))
        error = client.refused(origin.url("/target"), retry="never")
        assert 200 <= error.code <= 299
        assert [request.target for request in origin.requests] == ["/warm", "/target"]


def test_retry_always_sends_even_a_post_again(client):
    with RawOrigin(behave_after_first) as origin:
        client.fetch(origin.url("/warm"))
        answer = client.fetch(origin.url("/target"), method="POST", body=b"again", retry="always")
        assert answer["status"] == 200
        assert [request.body for request in origin.requests] == [b"", b"again", b"again"]


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_new_connection_that_dies_is_not_tried_again(client, method):
    def script(connection):
        connection.read_request()
        connection.reset()

    with RawOrigin(script) as origin:
        error = client.refused(origin.url(), method=method)
        assert error.code == 201
        assert len(origin.requests) == 1


def test_a_request_is_sent_again_once_and_not_for_ever(client):
    def script(connection):
        connection.read_request()
        if connection.number == 0:
            connection.answer(body=b"warm")
            connection.read_request()
        connection.reset()

    with RawOrigin(script) as origin:
        client.fetch(origin.url())
        error = client.refused(origin.url("/target"))
        assert error.code == 201
        assert len(origin.requests) <= 3


def test_nothing_is_sent_again_once_a_byte_of_the_answer_came(client):
    def script(connection):
        connection.read_request()
        connection.answer(body=b"warm")
        connection.read_request()
        connection.write(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf")

    with RawOrigin(script) as origin:
        client.fetch(origin.url())
        assert client.refused(origin.url("/target")).code == 202
        assert len(origin.requests) == 2


def test_a_post_on_a_connection_that_the_origin_closed_long_ago_is_sent_once(client, daemon):
    def script(connection):
        connection.read_request()
        connection.answer(body=b"%d" % connection.number)

    with RawOrigin(script) as origin:
        for number in range(20):
            answer = client.fetch(origin.url(f"/{number}"), method="GET")
            assert origin.connections[-1].closed.wait(5)
            try:
                client.fetch(origin.url(f"/post{number}"), method="POST", body=b"x")
            except Exception as error:
                assert getattr(error, "code", None) in (109, 201), error
            assert answer["status"] == 200
        posts = [request.target for request in origin.requests if request.method == "POST"]
        assert len(posts) == len(set(posts))


# ---- HTTP/2 --------------------------------------------------------------------------------------

REFUSED_STREAM, INTERNAL_ERROR = 7, 2


def reset_with(code, times):
    left = [times]

    def script(session, stream, headers):
        if left[0] > 0:
            left[0] -= 1
            session.h2.reset_stream(stream, code)
            session.flush()
        else:
            session.answer(stream, 200, b"done")

    return script


def test_a_refused_stream_is_sent_again_where_its_method_is_idempotent(client, authority):
    with H2Origin(authority.server, reset_with(REFUSED_STREAM, 1)) as origin:
        assert client.fetch(origin.url(host="localhost"))["body"] == b"done"
        assert len(origin.streams) == 2


@pytest.mark.parametrize("keys", [{"method": "POST"}, {"retry": "never"}], ids=str)
def test_a_refused_stream_is_an_error_of_class_200_otherwise(client, authority, keys):
    with H2Origin(authority.server, reset_with(REFUSED_STREAM, 1)) as origin:
        error = client.refused(origin.url(host="localhost"), **keys)
        assert 200 <= error.code <= 299
        assert len(origin.streams) == 1


def test_a_stream_reset_for_another_reason_is_not_sent_again(client, authority):
    with H2Origin(authority.server, reset_with(INTERNAL_ERROR, 5)) as origin:
        error = client.refused(origin.url(host="localhost"), method="POST", body=b"x")
        assert error.code in (201, 202, 203)
        assert len(origin.streams) == 1


def test_a_stream_reset_in_the_middle_of_the_body_is_error_202(client, authority):
    def script(session, stream, headers):
        session.answer(stream, 200, b"half of it", [("content-length", "1000")], end=False)
        session.h2.reset_stream(stream, INTERNAL_ERROR)
        session.flush()

    with H2Origin(authority.server, script) as origin:
        assert client.refused(origin.url(host="localhost")).code == 202


def test_streams_not_processed_before_goaway_are_sent_again(client, authority):
    def script(session, stream, headers):
        if session.connection.number == 0:
            session.h2.close_connection(last_stream_id=0)
            session.flush()
            raise ConnectionError("gone")
        session.answer(stream, 200, b"second connection")

    with H2Origin(authority.server, script) as origin:
        assert client.fetch(origin.url(host="localhost"))["body"] == b"second connection"


def test_a_reset_of_one_stream_leaves_the_others_of_its_connection(client, authority):
    def script(session, stream, headers):
        path = dict(headers)[":path"]
        if path == "/reset":
            session.h2.reset_stream(stream, INTERNAL_ERROR)
            session.flush()
        else:
            session.answer(stream, 200, path.encode())

    with H2Origin(authority.server, script) as origin:
        first = client.fetch(origin.url("/a", host="localhost"))
        client.refused(origin.url("/reset", host="localhost"), method="POST")
        second = client.fetch(origin.url("/b", host="localhost"))
        assert second["connection"]["id"] == first["connection"]["id"]
