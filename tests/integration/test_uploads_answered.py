"""
What an origin says to an upload before it is over: Expect: 100-continue, O20 (an early answer),
redirects, a connection that dies. Heard, with the right status or error; and no body goes twice.
"""

import hashlib
import socket
import time

import pytest

from support.bodies import body
from support.calm import calm
from support.client import Refused, header
from support.origin import Gone
from support.timing import Stopwatch, scaled
from support.upload_client import UploadClient, data_bytes, is_cut_off
from support.upload_origin import (H2UploadOrigin, UploadOrigin, answer_early, open_upload_origin,
                                   said_of, stop_reading, take_all)

MIB = 1 << 20


@pytest.fixture
def client(daemon):
    return UploadClient(daemon)


# ---- Expect: 100-continue ------------------------------------------------------------------------

def ask_first(arrival):
    """Keeps what was asked for in the head, then takes all."""
    arrival.origin.expected = arrival.value("expect")
    take_all(arrival)


@pytest.mark.parametrize("size, expects", [
    (None, True), (1 << 30, True), (MIB + 1, True), (MIB, False), (5, False), (0, False)])
def test_only_uploads_that_are_large_or_may_be_ask_before_they_send(client, size, expects):
    with UploadOrigin(ask_first) as origin:
        upload = client.upload(origin.url(), **({} if size is None else {"upload_size": size}))
        upload.data(b"x" * min(size or 10, 10) if size != 0 else b"")
        origin.await_arrivals(1)
        assert origin.arrivals[0].value("expect") == ("100-continue" if expects else None)


def test_http_2_never_asks_before_it_sends(client, authority):
    with H2UploadOrigin(authority.server) as origin:
        client.send_all(origin.url(), body(2 * MIB))
        client.send_all(origin.url(), body(2 * MIB), upload_size=2 * MIB)
        assert [arrival.value("expect") for arrival in origin.arrivals] == [None, None]


def test_a_whole_body_does_not_ask(client):
    with UploadOrigin() as origin:
        client.fetch(origin.url(), method="POST", body=body(2 * MIB))
        assert origin.arrivals[0].value("expect") is None


def quiet_for(connection, seconds):
    """Does nothing come for so long?"""
    connection.socket.settimeout(seconds)
    try:
        connection.read_more()
        return False
    except Gone:  # which a time-out is to OriginConnection, too
        return True
    finally:
        connection.socket.settimeout(None)


@pytest.mark.parametrize("keys", [{}, {"upload_size": 2 * MIB}], ids=["unknown", "known"])
def test_the_body_follows_the_origins_word(start_daemon, keys):
    def script(arrival):
        assert arrival.value("expect") == "100-continue"
        assert arrival.buffer == b"" and quiet_for(arrival.connection, 0.4)
        arrival.go_on()
        take_all(arrival)

    client = UploadClient(start_daemon({"timeouts": {"expect": "20s"}}))
    data = body(2 * MIB)
    with UploadOrigin(script) as origin, Stopwatch() as watch:
        assert client.send_all(origin.url(), data, **keys)["body"] == said_of(data)
    assert watch.seconds < scaled(5)


def test_an_origin_that_says_nothing_gets_the_body_after_a_while(start_daemon):
    def script(arrival):
        assert arrival.value("expect") == "100-continue"
        arrival.is_awaited = False
        with Stopwatch() as watch:
            arrival.read(1)
        arrival.origin.waited = watch.seconds
        take_all(arrival)

    client = UploadClient(start_daemon({"timeouts": {"expect": "400ms"}}))
    with UploadOrigin(script) as origin:
        data = body(MIB)
        assert client.send_all(origin.url(), data)["body"] == said_of(data)
        assert 0.3 < origin.waited < 0.4 + scaled(0.5)


def test_with_an_expect_of_0_it_does_not_ask(start_daemon):
    client = UploadClient(start_daemon({"timeouts": {"expect": "0s"}}))
    with UploadOrigin() as origin:
        data = body(MIB)
        assert client.send_all(origin.url(), data)["body"] == said_of(data)
        assert origin.arrivals[0].value("expect") is None


def test_more_than_one_word_is_no_harm(client):
    def script(arrival):
        arrival.connection.write(b"HTTP/1.1 102 Processing\r\n\r\n")
        arrival.go_on()
        arrival.go_on()
        take_all(arrival)
        assert arrival.is_complete

    with UploadOrigin(script) as origin:
        data = body(MIB)
        assert client.send_all(origin.url(), data)["body"] == said_of(data)


@pytest.mark.parametrize("keys", [{}, {"upload_size": 2 * MIB}], ids=["unknown", "known"])
@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("status", [401, 403, 413, 500])
def test_an_answer_instead_of_the_word_is_handed_over_and_no_byte_is_sent(daemon, client, status,
                                                                         stream, keys):
    def script(arrival):
        if arrival.target == "/no":
            arrival.answer(status, b"no", [("X-Why", "because")])
        else:
            take_all(arrival)

    with calm(daemon), UploadOrigin(script) as origin:
        upload = client.upload(origin.url("/no"), stream=stream, **keys)
        upload.write(b"x" * 1000)
        answer = upload.answer()
        assert (answer["status"], answer["body"]) == (status, b"no")
        assert header(answer, "x-why") == ["because"]
        assert origin.arrivals[0].was_never_complete()
        assert origin.arrivals[0].total == 0
        after = client.send_all(origin.url("/yes"), b"next", upload_size=4)
        assert after["body"] == said_of(b"next") and not after["connection"]["reused"]


@pytest.mark.parametrize("keys", [{}, {"upload_size": 2 * MIB}], ids=["unknown", "known"])
def test_417_is_asked_again_without_asking_first_and_the_body_is_sent_once(client, keys):
    """
    RFC 9110, 10.1.1: a client should repeat the request without the expectation. Not over the same
    connection: an origin that reads on would take the repeated request for the first one's body.
    """
    def script(arrival):
        if arrival.value("expect"):
            arrival.answer(417, b"")
        else:
            take_all(arrival)

    data = body(2 * MIB)
    with UploadOrigin(script) as origin:
        answer = client.send_all(origin.url(), data, seconds=3, **keys)
        assert answer["status"] in (200, 417)
        assert sum(arrival.total for arrival in origin.arrivals) == \
            (2 * MIB if answer["status"] == 200 else 0)
        assert [arrival.is_complete for arrival in origin.arrivals] == \
            ([False, True] if answer["status"] == 200 else [False])


@pytest.mark.parametrize("keys", [{}, {"upload_size": 2 * MIB}], ids=["unknown", "known"])
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("status", [200, 204, 304, 404])
def test_a_connection_that_is_owed_a_body_serves_nobody_else(daemon, client, keys, stream, status):
    """
    RFC 9110, 10.1.1: an origin that answers without the body may read on for it, and does not say so.
    Whatever came next over that connection, from whomever, would be taken for that body.
    """
    def script(arrival):
        arrival.answer(status, b"" if status in (204, 304) else b"well")

    with calm(daemon, offenders=0), UploadOrigin(script) as origin:
        upload = client.upload(origin.url(), stream=stream, **keys)
        assert upload.answer(3)["status"] == status
        after = UploadClient(daemon).fetch(origin.url("/next"))
        assert (after["status"], after["connection"]["reused"]) == (200, False)
        assert origin.arrivals[0].was_never_complete()
        assert [arrival.target for arrival in origin.arrivals] == ["/", "/next"]


# ---- O20: an answer before the end ---------------------------------------------------------------

def refuse_and_close(arrival):
    arrival.read(1)
    arrival.answer(413, b"too much", [("Connection", "close")])
    arrival.connection.socket.shutdown(socket.SHUT_WR)


def refuse_and_reset(arrival):
    arrival.read(1)
    arrival.answer(413, b"too much")
    arrival.reset(0)


REFUSALS = {
    "1.1, and goes on reading": ("1.1", answer_early(413, b"too much")),
    "1.1, and closes": ("1.1", refuse_and_close),
    "2, and goes on reading": ("2", answer_early(413, b"too much")),
    "2, and resets the stream": ("2", refuse_and_reset),
}


@pytest.mark.parametrize("version, refuse", REFUSALS.values(), ids=REFUSALS.keys())
@pytest.mark.parametrize("keys", [{}, {"upload_size": 64 * MIB}], ids=["unknown", "known"])
@pytest.mark.parametrize("stream", [False, True])
def test_o20_a_refusal_before_the_end_is_heard(daemon, client, authority, version, refuse, keys,
                                               stream):
    with calm(daemon, offenders=0), open_upload_origin(version, authority, refuse) as origin:
        upload = client.upload(origin.url("/no"), stream=stream, **keys)
        sent = upload.write(bytes(64 * MIB), seconds=10)
        assert sent < 64 * MIB
        answer = upload.answer()
        assert (answer["status"], answer["body"]) == (413, b"too much")
        client.put(data_bytes(upload.id, b"late"))
        first = origin.arrivals[0]
        after = client.send_all(origin.url("/next"), b"next", upload_size=4)
        assert after["body"] == said_of(b"next")
        assert version == "2" or not after["connection"]["reused"]
        assert first.was_never_complete()


def test_o20_a_refusal_is_heard_by_a_client_that_sends_nothing_meanwhile(daemon, client,
                                                                        open_origin):
    origin = open_origin(answer_early(403, b"no", after=10))
    upload = client.upload(origin.url(), upload_size=100_000)
    upload.write(b"x" * 10)
    with Stopwatch() as watch:
        assert upload.answer()["status"] == 403
    assert watch.seconds < scaled(1)
    assert is_cut_off(daemon, origin)


@pytest.mark.parametrize("stream", [False, True])
def test_o20_a_refusal_whose_body_comes_later_is_heard_whole(daemon, client, open_origin, stream):
    def script(arrival):
        arrival.read(10)
        arrival.start(413)
        time.sleep(0.2)
        arrival.send(b"too ")
        time.sleep(0.1)
        arrival.send(b"much")
        arrival.finish()

    origin = open_origin(script)
    upload = client.upload(origin.url(), stream=stream, upload_size=64 * MIB)
    upload.write(bytes(64 * MIB))
    answer = upload.answer()
    assert (answer["status"], answer["body"]) == (413, b"too much")
    assert is_cut_off(daemon, origin)


def test_o20_an_early_refusal_leaves_an_h2_connection_to_others(daemon, client, authority):
    def script(arrival):
        (answer_early(413) if arrival.target == "/no" else take_all)(arrival)

    with H2UploadOrigin(authority.server, script) as origin:
        other = client.upload(origin.url("/other"))
        other.write(b"half ")
        origin.await_arrivals(1)[0].await_bytes(5)
        for _ in range(20):
            refused = client.upload(origin.url("/no"))
            refused.write(bytes(4 * MIB))
            assert refused.answer()["status"] == 413
        other.write(b"whole")
        other.end()
        answer = other.answer()
        assert answer["body"] == said_of(b"half whole")
        assert len(origin.connections) == 1
        assert len(daemon.connections()) == 1


def test_o20_a_refusal_is_heard_where_the_connection_takes_nothing_more(client, authority):
    """The stopped upload has used up the window that all streams share."""
    def script(arrival):
        (stop_reading if arrival.target == "/stop" else answer_early(413, after=0))(arrival)

    with H2UploadOrigin(authority.server, script, connection_window=0) as origin:
        stopped = client.upload(origin.url("/stop"))
        stopped.write_until_stalled(0.3)
        for stream in (False, True):
            refused = client.upload(origin.url("/no"), stream=stream, upload_size=MIB)
            refused.write(bytes(100_000))
            assert refused.answer()["status"] == 413
        assert not stopped.is_over
        assert len(origin.connections) == 1


def test_o20_a_good_answer_before_the_end_does_not_stop_the_upload(client, open_origin, http):
    origin = open_origin(answer_early(200, b"fine so far", after=10))
    upload = client.upload(origin.url(), stream=True, upload_size=MIB)
    upload.write(b"x" * 1000)
    assert upload.await_head()["status"] == 200
    upload.write(b"x" * (MIB - 1000))
    if not upload.is_over:
        upload.end()
    assert upload.answer()["body"] == b"fine so far"
    arrival = origin.arrivals[0]
    assert arrival.ended.wait(scaled(5))
    # An HTTP/2 stream that the origin has ended may be left by its client; a half-sent HTTP/1.1
    # message must not be followed by another.
    after = client.send_all(origin.url(), b"0123456789", upload_size=10)
    assert after["status"] == 200
    if http == "1.1":
        assert after["connection"]["reused"] == arrival.is_complete


def test_o20_an_answer_that_begins_early_and_ends_late_is_whole(client, open_origin):
    def script(arrival):
        arrival.start(200)
        arrival.send(b"begun ")
        arrival.read_all()
        arrival.send(arrival.digest.encode())
        arrival.finish()

    data = body(2 * MIB)
    for stream in (False, True):
        answer = client.send_all(open_origin(script).url(), data, stream=stream)
        assert answer["body"] == b"begun " + hashlib.sha256(data).hexdigest().encode()


# ---- Redirects -----------------------------------------------------------------------------------

def redirect(status, to="/target", after_all=True):
    def script(arrival):
        if arrival.target == "/target":
            take_all(arrival)
            return
        if after_all:
            arrival.read_all()
        arrival.answer(status, b"", [("Location", to)])

    return script


@pytest.mark.parametrize("status, method", [(303, "POST"), (303, "PUT"), (301, "POST"),
                                            (302, "POST")])
def test_a_redirect_that_turns_an_upload_into_a_get_is_followed(client, open_origin, status,
                                                                method):
    origin = open_origin(redirect(status))
    for keys in ({}, {"upload_size": 1000}):
        answer = client.send_all(origin.url("/from"), b"x" * 1000, method=method, redirects=1,
                                 **keys)
        assert answer["status"] == 200 and answer["redirects"] == 1
        assert answer["url"] == origin.url("/target") and answer["body"] == said_of(b"")
        assert origin.arrivals[-1].method == "GET"
        assert origin.arrivals[-1].value("content-length") is None


@pytest.mark.parametrize("status, method", [(307, "POST"), (308, "POST"), (307, "PUT"),
                                            (301, "PUT"), (302, "PUT")])
def test_a_redirect_of_an_upload_that_is_gone_is_error_207(client, open_origin, status, method):
    origin = open_origin(redirect(status))
    for keys in ({}, {"upload_size": 1000}):
        upload = client.upload(origin.url("/from"), method=method, redirects=5, **keys)
        upload.write(b"x" * 1000)
        upload.end()
        assert upload.refusal().code == 207
    assert [arrival.target for arrival in origin.arrivals] == ["/from", "/from"]


def test_a_redirect_that_nobody_asked_to_follow_is_an_answer(client, open_origin):
    answer = client.send_all(open_origin(redirect(307)).url("/from"), b"x" * 1000)
    assert answer["status"] == 307 and header(answer, "location") == ["/target"]


@pytest.mark.parametrize("status", [307, 308])
@pytest.mark.parametrize("keys", [{}, {"upload_size": 2 * MIB}], ids=["unknown", "known"])
def test_a_redirect_before_the_first_byte_is_followed_with_the_body(start_daemon, status, keys):
    client = UploadClient(start_daemon({"timeouts": {"expect": "20s"}}))
    data = body(2 * MIB)
    with UploadOrigin(redirect(status, after_all=False)) as origin, \
            UploadOrigin() as elsewhere, \
            UploadOrigin(redirect(status, elsewhere.url("/target"), after_all=False)) as away:
        for first, last in ((origin, origin), (away, elsewhere)):
            answer = client.send_all(first.url("/from"), data, redirects=2, **keys)
            assert answer["body"] == said_of(data) and answer["url"] == last.url("/target")
            assert first.arrivals[0].total == 0 and first.arrivals[0].was_never_complete()


def test_an_empty_upload_is_redirected_like_any_other_request(client, open_origin):
    origin = open_origin(redirect(307))
    answer = client.send_all(origin.url("/from"), b"", redirects=1, upload_size=0)
    assert answer["body"] == said_of(b"") and answer["redirects"] == 1
    assert [arrival.method for arrival in origin.arrivals] == ["POST", "POST"]


def test_a_redirect_before_the_end_is_error_207(daemon, client, open_origin):
    def script(arrival):
        arrival.read(1000)
        arrival.answer(307, b"", [("Location", "/target")])

    origin = open_origin(script)
    upload = client.upload(origin.url("/from"), redirects=1, upload_size=100_000)
    upload.write(b"x" * 1000)
    assert upload.refusal(3).code == 207
    assert is_cut_off(daemon, origin)


@pytest.mark.parametrize("status", [304, 307, 404, 503])
def test_o20_any_early_answer_that_is_no_good_one_is_heard(daemon, client, open_origin, http,
                                                           status):
    """From a client that waits, and where no redirect is to be followed."""
    length = [] if http == "1.1" or status == 304 else [("content-length", "0")]
    origin = open_origin(answer_early(status, b"", length, after=10))
    upload = client.upload(origin.url(), upload_size=100_000)
    upload.write(b"x" * 1000)
    assert upload.answer(3)["status"] == status
    assert is_cut_off(daemon, origin)


def test_a_417_to_an_upload_that_was_empty_from_the_start_is_asked_again(client):
    """Its end has come before its origin was asked."""
    def script(arrival):
        if arrival.value("expect"):
            arrival.answer(417, b"")
        else:
            take_all(arrival)

    with UploadOrigin(script) as origin:
        upload = client.upload(origin.url())
        upload.end()
        assert upload.answer(3)["status"] == 200
        assert len(origin.arrivals) == 2


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_a_417_that_comes_when_the_upload_has_begun_is_an_answer_like_any_other(start_daemon,
                                                                                stream):
    """libcurl would send it again, and fail: some of it is gone."""
    def script(arrival):
        arrival.is_awaited = False  # it is not invited: it begins by itself
        arrival.read(100)
        arrival.answer(417, b"no")

    daemon = start_daemon({"timeouts": {"expect": "100ms"}})
    with UploadOrigin(script) as origin:
        upload = UploadClient(daemon).upload(origin.url(), stream=stream)
        upload.write(b"x" * 100)
        assert upload.answer(3)["status"] == 417
        assert len(origin.arrivals) == 1


# ---- A body goes once ----------------------------------------------------------------------------

def warm_then(script):
    def warmed(arrival):
        (take_all if arrival.target == "/warm" else script)(arrival)

    return warmed


def reset_after(count):
    def script(arrival):
        if len(arrival.origin.arrivals) > 2:
            take_all(arrival)
            return
        arrival.read(count)
        arrival.lose()

    return script


@pytest.mark.parametrize("method", ["PUT", "POST", "DELETE"])
@pytest.mark.parametrize("retry", ["safe", "always"])
@pytest.mark.parametrize("keys", [{}, {"upload_size": 1000}], ids=["unknown", "known"])
def test_an_upload_some_of_which_is_gone_is_never_sent_again(client, method, retry, keys):
    with UploadOrigin(warm_then(reset_after(1))) as origin:
        client.fetch(origin.url("/warm"))
        upload = client.upload(origin.url("/there"), method=method, retry=retry, **keys)
        upload.write(b"x" * 1000)
        error = upload.refusal()
        assert 200 <= error.code <= 299
        assert [arrival.target for arrival in origin.arrivals] == ["/warm", "/there"]


@pytest.mark.parametrize("method", ["PUT", "POST"])
@pytest.mark.parametrize("keys", [{}, {"upload_size": 1000}], ids=["unknown", "known"])
def test_a_pooled_connection_that_dies_as_the_upload_begins_costs_no_second_body(client, method,
                                                                                keys):
    """Whether anything of the body was taken is a race; that it arrives at most once is not."""
    with UploadOrigin(warm_then(reset_after(0))) as origin:
        client.fetch(origin.url("/warm"))
        upload = client.upload(origin.url("/there"), method=method, **keys)
        upload.write(b"x" * 1000)
        if not upload.is_over:
            upload.end()
        try:
            answer = upload.answer()
        except Refused as error:
            assert 200 <= error.code <= 299
            assert len(origin.arrivals) == 2
        else:  # nothing was taken of it, and a PUT may be sent again
            assert method == "PUT" and answer["body"] == said_of(b"x" * 1000)
            assert len(origin.arrivals) == 3
        assert sum(arrival.total > 0 for arrival in origin.arrivals) <= 1


@pytest.mark.parametrize("method", ["PUT", "POST"])
def test_an_h2_stream_that_is_refused_after_some_of_the_upload_is_an_error(client, authority,
                                                                          method):
    def script(arrival):
        if len(arrival.origin.arrivals) == 1:
            arrival.read(1000)
            arrival.reset(7)  # REFUSED_STREAM: the origin has done nothing
        else:
            take_all(arrival)

    with H2UploadOrigin(authority.server, script) as origin:
        upload = client.upload(origin.url(), method=method)
        upload.write(b"x" * 1000)
        error = upload.refusal()
        assert error.code == 109 or 200 <= error.code <= 299
        assert len(origin.arrivals) == 1


def test_an_h2_connection_that_goes_away_in_the_middle_of_an_upload_is_an_error_of_class_200(
        client, authority):
    def script(arrival):
        arrival.read(1000)
        arrival.lose()

    with H2UploadOrigin(authority.server, script) as origin:
        upload = client.upload(origin.url(), method="PUT")
        upload.write(b"x" * 1000)
        assert 200 <= upload.refusal().code <= 299
        assert len(origin.arrivals) == 1
