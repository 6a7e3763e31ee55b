"""Every phase has its bound: 105 if it passed before the request was sent, 200 after."""

import threading

import pytest

from support.origin import FullBacklog, RawOrigin
from support.timing import Stopwatch, scaled

LIMIT = 400  # ms
SLACK = 1.0  # s


def in_time(watch, limit_ms=LIMIT):
    assert limit_ms / 1000 * 0.9 <= watch.seconds <= limit_ms / 1000 + scaled(SLACK)


def silent(connection):
    connection.read_request()
    connection.await_release()


@pytest.fixture
def silent_origin():
    with RawOrigin(silent) as origin:
        yield origin


def test_a_tcp_handshake_that_stalls_is_error_105_at_the_connect_timeout(client):
    with FullBacklog() as origin, Stopwatch() as watch:
        error = client.refused(origin.url(), connect_timeout=LIMIT)
    assert error.code == 105 and f"127.0.0.1:{origin.port}" in error.message
    in_time(watch)


def test_a_tls_handshake_that_stalls_is_error_105_at_the_connect_timeout(client, stalled_handshake):
    with Stopwatch() as watch:
        error = client.refused(stalled_handshake.url(), connect_timeout=LIMIT)
    assert error.code == 105 and f"127.0.0.1:{stalled_handshake.port}" in error.message
    in_time(watch)


def test_the_whole_timeout_during_the_handshake_is_error_105(client, stalled_handshake):
    with Stopwatch() as watch:
        assert client.refused(stalled_handshake.url(), timeout=LIMIT).code == 105
    in_time(watch)


def test_no_first_byte_in_time_is_error_200(client, silent_origin):
    with Stopwatch() as watch:
        error = client.refused(silent_origin.url(), first_byte_timeout=LIMIT)
    assert error.code == 200 and "first_byte" in error.message
    in_time(watch)


def test_the_whole_timeout_after_sending_is_error_200(client, silent_origin):
    with Stopwatch() as watch:
        error = client.refused(silent_origin.url(), timeout=LIMIT)
    assert error.code == 200 and str(silent_origin.port) in error.message
    in_time(watch)


def test_a_timeout_over_h2_is_error_200_and_leaves_the_connection_to_others(client, nginx):
    first = client.fetch(nginx.url("/text"))["connection"]["id"]
    error = client.refused(nginx.url("/slow/page"), timeout=LIMIT)
    assert error.code == 200
    answer = client.fetch(nginx.url("/text"))
    assert answer["body"] == b"hello\n" and answer["connection"]["id"] == first


def test_silence_in_the_middle_of_the_body_is_error_200_at_the_idle_timeout(client):
    def script(connection):
        connection.read_request()
        connection.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nsome")
        connection.await_release()

    with RawOrigin(script) as origin:
        with Stopwatch() as watch:
            error = client.refused(origin.url(), idle_timeout=LIMIT)
        assert error.code == 200 and "idle" in error.message
        in_time(watch)


def test_silence_in_the_middle_of_the_header_ends_at_the_first_byte_or_idle_timeout(client):
    def script(connection):
        connection.read_request()
        connection.write(b"HTTP/1.1 200 OK\r\nX-Half: ")
        connection.await_release()

    with RawOrigin(script) as origin:
        with Stopwatch() as watch:
            error = client.refused(origin.url(), first_byte_timeout=LIMIT, idle_timeout=LIMIT)
        assert error.code == 200
        in_time(watch)


def drip(connection):
    """A byte each 50 ms, for ever."""
    connection.read_request()
    connection.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
    while not connection.origin.released.wait(0.05):
        connection.write(b".")


@pytest.mark.long
def test_a_slow_body_that_keeps_coming_is_not_idle_but_ends_at_the_whole_timeout(client):
    with RawOrigin(drip) as origin:
        with Stopwatch() as watch:
            error = client.refused(origin.url(), idle_timeout=scaled(400), timeout=1500)
        assert error.code == 200 and "idle" not in error.message
        in_time(watch, 1500)


def test_a_slow_first_byte_is_no_idle_time(client):
    def script(connection):
        connection.read_request()
        threading.Event().wait(0.6)
        connection.answer(body=b"late")

    with RawOrigin(script) as origin:
        assert client.fetch(origin.url(), idle_timeout=200)["body"] == b"late"


@pytest.mark.long
def test_an_origin_that_does_not_read_the_upload_ends_at_the_timeout(client, daemon):
    def script(connection):
        connection.read_until(b"\r\n\r\n")
        connection.await_release()

    with RawOrigin(script) as origin:
        before = daemon.cpu_seconds()
        with Stopwatch() as watch:
            error = client.refused(origin.url(), method="POST", body=b"x" * (15 << 20), timeout=2000)
        assert error.code == 200
        in_time(watch, 2000)
        assert daemon.cpu_seconds() - before < scaled(0.4)


@pytest.mark.parametrize("key, code", [("total", 200), ("first_byte", 200)])
def test_the_daemons_own_timeouts_hold_where_the_client_gives_none(start_daemon, silent_origin, key,
                                                                  code):
    client = start_daemon({"timeouts": {key: f"{LIMIT}ms"}}).client()
    with Stopwatch() as watch:
        assert client.refused(silent_origin.url()).code == code
    in_time(watch)


def test_the_daemons_own_connect_timeout_holds_where_the_client_gives_none(start_daemon,
                                                                         stalled_handshake):
    client = start_daemon({"timeouts": {"connect": f"{LIMIT}ms"}}).client()
    with Stopwatch() as watch:
        assert client.refused(stalled_handshake.url()).code == 105
    in_time(watch)


def test_the_daemons_own_idle_timeout_holds_where_the_client_gives_none(start_daemon):
    def script(connection):
        connection.read_request()
        connection.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nsome")
        connection.await_release()

    client = start_daemon({"timeouts": {"idle": f"{LIMIT}ms"}}).client()
    with RawOrigin(script) as origin, Stopwatch() as watch:
        assert client.refused(origin.url()).code == 200
    in_time(watch)


def test_a_timeout_ends_only_its_own_request(client, silent_origin):
    long = client.send("fetch", {"url": silent_origin.url("/long"), "timeout": 20000})
    silent_origin.await_requests(1)
    short = client.send("fetch", {"url": silent_origin.url("/short"), "timeout": LIMIT})
    assert client.receive_message(short)[2][0] == 200
    assert client.answers.get(long) in (None, [])
    silent_origin.release()
    assert client.receive_message(long)[2][0] == 201


def test_a_timed_out_connection_is_not_used_again(client):
    def script(connection):
        connection.read_request()
        if connection.number == 0:
            connection.await_end()
        else:
            connection.answer(body=b"second")

    with RawOrigin(script) as origin:
        assert client.refused(origin.url(), timeout=LIMIT).code == 200
        answer = client.fetch(origin.url())
        assert answer["body"] == b"second" and not answer["connection"]["reused"]


TIMEOUTS = ["timeout", "queue_timeout", "connect_timeout", "first_byte_timeout", "idle_timeout"]
DAY = 86_400_000


@pytest.mark.parametrize("key", TIMEOUTS)
def test_a_timeout_may_be_as_long_as_a_day(client, nginx, key):
    assert client.fetch(nginx.url("/text"), **{key: DAY})["status"] == 200


@pytest.mark.parametrize("key", TIMEOUTS)
@pytest.mark.parametrize("value", [0, DAY + 1, 1 << 32, (1 << 63) - 1, (1 << 64) - 2])
def test_a_timeout_that_is_none_is_error_1_naming_it(client, nginx, key, value):
    error = client.refused(nginx.url("/text"), **{key: value})
    assert error.code == 1 and key in error.message


def test_a_request_that_waits_for_anothers_handshake_ends_at_its_own_queue_timeout(
        client, stalled_handshake):
    first = client.send("fetch", {"url": stalled_handshake.url(), "connect_timeout": 5000})
    stalled_handshake.await_connections(1)
    with Stopwatch() as watch:
        error = client.refused(stalled_handshake.url(), queue_timeout=LIMIT, connect_timeout=5000,
                               timeout=1000)
    assert error.code in (101, 105)
    assert watch.seconds < 1 + scaled(SLACK)
    stalled_handshake.release()
    assert 100 <= client.receive_message(first)[2][0] < 200
