"""What is sent again and what never: a dead reused connection, seen from the origin."""

import threading

import pytest

from support.client import Refused
from support.counting import Gate, seen
from support.h2origin import H2Origin
from support.many import Many
from support.origin import RawOrigin
from support.timing import Stopwatch, scaled
from support.upload_client import UploadClient
from support.upload_origin import H2UploadOrigin, UploadOrigin


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


@pytest.mark.parametrize("method, keys, times", [
    ("GET", {}, 3), ("PUT", {}, 3), ("POST", {}, 1), ("GET", {"retry": "never"}, 1),
    ("POST", {"retry": "always"}, 3)], ids=str)
def test_a_new_connection_that_dies_counts_like_a_reused_one(client, daemon, method, keys, times):
    def script(connection):
        connection.read_request()
        connection.reset()

    with RawOrigin(script) as origin:
        error = client.refused(origin.url(), method=method, **keys)
        assert error.code == 201
        assert len(origin.requests) == len(origin.connections) == times
        assert daemon.stats()["retries"] == times - 1


def test_a_request_is_sent_again_twice_and_not_for_ever(client, daemon):
    def script(connection):
        connection.read_request()
        if connection.number == 0:
            connection.answer(body=b"warm")
            connection.read_request()
        connection.reset()

    with RawOrigin(script) as origin:
        client.fetch(origin.url())
        assert client.refused(origin.url("/target")).code == 201
        assert seen(origin, "/target") == 3
        assert daemon.stats()["retries"] == 2


def test_the_second_attempt_may_be_the_one_that_gets_through(client):
    def script(connection):
        connection.read_request()
        if connection.number < 2:
            connection.reset()
        connection.answer(body=b"third")

    with RawOrigin(script) as origin:
        assert client.fetch(origin.url())["body"] == b"third"


def test_what_is_sent_again_goes_over_a_fresh_connection(client):
    """Five idle connections, each of which dies with the next request: none of them is tried twice."""
    gate = Gate()

    def script(connection):
        connection.read_request()
        if connection.number < 5:
            gate.wait(connection.origin)
            connection.answer()
            connection.read_request()
            connection.reset()
        connection.answer(body=b"fresh")
        connection.await_end()

    with RawOrigin(script) as origin:
        ids = [client.send("fetch", {"url": origin.url("/warm")}) for _ in range(5)]
        origin.await_requests(5)
        gate.open_for_all()
        for each in ids:
            client.receive(each)
        answer = client.fetch(origin.url("/target"))
        assert answer["body"] == b"fresh" and not answer["connection"]["reused"]
        assert seen(origin, "/target") == 2


def test_the_deadline_holds_for_all_attempts_together(client):
    slow = threading.Event()

    def script(connection):
        connection.read_request()
        slow.wait(0.4)
        connection.reset()

    with RawOrigin(script) as origin:
        with Stopwatch() as watch:
            error = client.refused(origin.url(), timeout=600)
        assert error.code in (200, 201) and 0.3 <= watch.seconds <= scaled(1)
        assert len(origin.requests) <= 2


def test_the_answer_says_which_connection_and_times_of_the_last_attempt(client):
    def script(connection):
        connection.read_request()
        if connection.number == 0:
            connection.reset()
        connection.answer()
        connection.await_end()

    with RawOrigin(script) as origin:
        answer = client.fetch(origin.url())
        rows = [row for row in client.call("connections") if row["origin"].endswith(f":{origin.port}")]
        assert [row["id"] for row in rows] == [answer["connection"]["id"]]
        assert answer["connection"]["requests"] == 1 and not answer["connection"]["reused"]
        timing = answer["timing"]
        phases = sum(timing[name] for name in ("queue", "resolve", "connect", "tls", "first_byte"))
        assert phases <= timing["total"]


@pytest.mark.parametrize("at_once", [1, 20])
def test_an_origin_that_resets_everything_sees_little_more_than_what_was_asked(client, daemon,
                                                                               at_once):
    """[pool] retry_budget: a fifth of its requests, and three."""
    def script(connection):
        connection.read_request()
        connection.reset()

    count = 100
    with RawOrigin(script) as origin:
        requests = [{"url": origin.url(f"/{number}")} for number in range(count)]
        answers = Many([client]).run(requests, at_once=at_once)
        assert {getattr(answer, "code", None) for answer in answers} == {201}
        again = len(origin.requests) - count
        assert 3 <= again <= count * 0.2 + 3
        row, = [row for row in daemon.ask("origins") if row["origin"].endswith(f":{origin.port}")]
        assert daemon.stats()["retries"] == row["retries"] == again


def test_a_budget_of_its_own_for_each_origin(client):
    def script(connection):
        connection.read_request()
        connection.reset()

    with RawOrigin(script) as spent:
        for _ in range(10):
            client.refused(spent.url())
        with RawOrigin(behave_after_first) as other:
            client.fetch(other.url("/warm"))
            assert client.fetch(other.url("/target"))["status"] == 200


def test_a_budget_of_nothing_still_has_three(start_daemon):
    def script(connection):
        connection.read_request()
        connection.reset()

    daemon = start_daemon({"pool": {"retry_budget": "0"}})
    with RawOrigin(script) as origin:
        client = daemon.client()
        for _ in range(20):
            client.refused(origin.url())
        assert len(origin.requests) == 20 + 3


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


@pytest.mark.parametrize("method", ["GET", "POST", "PURGE"])
@pytest.mark.parametrize("times", [1, 2])
def test_a_refused_stream_is_sent_again_whatever_its_method(client, daemon, authority, method, times):
    with H2Origin(authority.server, reset_with(REFUSED_STREAM, times)) as origin:
        answer = client.fetch(origin.url(host="localhost"), method=method, body=b"whole")
        assert answer["body"] == b"done"
        assert [body for _, _, body in origin.streams] == [b"whole"] * (times + 1)
        assert daemon.stats()["retries"] == times


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("retry, times", [("never", 1), ("safe", 3), ("always", 3)])
def test_a_stream_refused_too_often_is_109(client, authority, method, retry, times):
    with H2Origin(authority.server, reset_with(REFUSED_STREAM, 10)) as origin:
        error = client.refused(origin.url(host="localhost"), method=method, retry=retry)
        assert error.code == 109
        assert len(origin.streams) == times


@pytest.mark.parametrize("method, retry, times", [
    ("POST", "safe", 1), ("GET", "never", 1), ("GET", "safe", 3), ("POST", "always", 3)], ids=str)
def test_a_stream_reset_for_another_reason_is_sent_again_where_it_is_idempotent(
        client, authority, method, retry, times):
    with H2Origin(authority.server, reset_with(INTERNAL_ERROR, 5)) as origin:
        error = client.refused(origin.url(host="localhost"), method=method, body=b"x", retry=retry)
        assert error.code in (201, 202, 203)
        assert len(origin.streams) == times


def test_a_stream_reset_in_the_middle_of_the_body_is_error_202(client, authority):
    def script(session, stream, headers):
        session.answer(stream, 200, b"half of it", [("content-length", "1000")], end=False)
        session.h2.reset_stream(stream, INTERNAL_ERROR)
        session.flush()

    with H2Origin(authority.server, script) as origin:
        assert client.refused(origin.url(host="localhost")).code == 202


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_streams_not_processed_before_goaway_are_sent_again(client, authority, method):
    def script(session, stream, headers):
        if session.connection.number == 0:
            session.h2.close_connection(last_stream_id=0)
            session.flush()
            raise ConnectionError("gone")
        session.answer(stream, 200, b"second connection")

    with H2Origin(authority.server, script) as origin:
        answer = client.fetch(origin.url(host="localhost"), method=method)
        assert answer["body"] == b"second connection"
        assert len(origin.streams) == 2


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


# ---- Uploads ---------------------------------------------------------------------------------------

@pytest.mark.parametrize("retry", ["safe", "always"])
def test_an_upload_of_which_bytes_were_taken_is_sent_once(daemon, open_origin, retry):
    def script(arrival):
        arrival.read(1)
        arrival.lose()

    with open_origin(script) as origin:
        client = UploadClient(daemon)
        upload = client.upload(origin.url("/target", host="localhost"), method="PUT", retry=retry)
        upload.write(bytes(100_000))
        assert upload.refusal().code == 201
        assert [arrival.target for arrival in origin.arrivals] == ["/target"]
        assert origin.arrivals[0].was_never_complete()


@pytest.mark.parametrize("method", ["PUT", "POST"])
def test_a_refused_upload_of_which_bytes_were_taken_is_109_and_sent_once(daemon, authority, method):
    def script(arrival):
        arrival.read(1)
        arrival.reset(REFUSED_STREAM)

    with H2UploadOrigin(authority.server, script) as origin:
        client = UploadClient(daemon)
        upload = client.upload(origin.url("/target", host="localhost"), method=method)
        upload.write(bytes(100_000))
        assert upload.refusal().code == 109
        assert len(origin.arrivals) == 1


def test_an_upload_over_a_connection_that_died_long_ago_arrives_whole_or_not_at_all(daemon):
    """Counted by the origin: never twice."""
    def script(arrival):
        arrival.read_all()
        arrival.answer(200, b"%d" % arrival.total)
        if arrival.target == "/warm":
            arrival.lose()

    with UploadOrigin(script) as origin:
        client = UploadClient(daemon)
        for number in range(10):
            client.fetch(origin.url("/warm"))
            upload = client.upload(origin.url(f"/{number}"), method="POST", upload_size=70_000)
            upload.write(bytes(70_000))
            if not upload.is_over:
                upload.end()
            try:
                assert upload.answer()["body"] == b"70000"
            except Refused as error:
                assert error.code in (109, 201)
        targets = [arrival.target for arrival in origin.arrivals if arrival.target != "/warm"]
        assert len(targets) == len(set(targets))
