"""
Streamed answers, by a client that is not ours: what comes, in which order, and never a byte more
than was granted (the client of tests/support checks that of every message).
"""

import gzip
import itertools
import random
import threading
import time

import pytest

from support.bodies import body, digest
from support.calm import calm
from support.client import DEFAULT_WINDOW, MAX_DATA_BYTES, Refused, header, pack
from support.compression import brotli, zstd_stored
from support.timing import SANITIZED
from support.h2origin import H2Origin
from support.nginx import Nginx
from support.origin import RawOrigin, chunked_response, greet, response, serve
from support.ports import free_port
from support.timing import Stopwatch, scaled

PLENTY = 4 << 20
TIMING = {"queue", "resolve", "connect", "tls", "first_byte", "total"}


def once(data):
    """A script that answers one request with these bytes, and closes."""

    def script(connection):
        connection.read_request()
        connection.write(data)

    return script


def parts_of(data, size):
    return [data[at:at + size] for at in range(0, len(data), size)]


FRAMINGS = {
    "with its length": lambda data: response(body=data),
    "in chunks": lambda data: chunked_response(parts_of(data, 10_007)),
    "until it closes": lambda data: response(length=False) + data,
}
LENGTHS = [0, 1, 1000, MAX_DATA_BYTES, MAX_DATA_BYTES + 1, 1_000_000]
SERVERS = [Nginx.PLAIN, Nginx.H1, Nginx.H2]


# ---- Bodies ---------------------------------------------------------------------------------------

@pytest.mark.parametrize("length", LENGTHS)
@pytest.mark.parametrize("framing", FRAMINGS.values(), ids=FRAMINGS.keys())
def test_a_body_comes_as_data_and_ends_with_its_length(client, framing, length):
    data = body(length)
    with RawOrigin(once(framing(data))) as origin:
        stream = client.stream(origin.url(), window=PLENTY)
        assert stream.body() == data
        assert stream.answer["status"] == 200 and stream.answer["http"] == "1.1"
        assert stream.end["bytes"] == length
        assert stream.end["trailers"] == []


@pytest.mark.parametrize("name", ["empty", "one", "small", "page", "mebibyte", "sixteen-and-one"])
@pytest.mark.parametrize("server", SERVERS)
def test_a_real_origins_body_comes_whole(client, nginx, server, name):
    stream = client.stream(nginx.url(f"/files/{name}", server), flow=MAX_DATA_BYTES)
    assert stream.body() == nginx.file(name)
    assert stream.answer["http"] == ("2" if server == Nginx.H2 else "1.1")


@pytest.mark.parametrize("method, target", [("HEAD", "/files/page"), ("GET", "/status/204"),
                                            ("GET", "/status/304"), ("HEAD", "/files/empty"),
                                            ("GET", "/files/empty")])
@pytest.mark.parametrize("server", SERVERS)
def test_an_answer_without_a_body_ends_at_once(client, nginx, server, method, target):
    for window in (None, 0):
        stream = client.stream(nginx.url(target, server), window=window, method=method)
        assert stream.body() == b"" and stream.sizes == []
        assert stream.end["bytes"] == 0


def test_the_answer_is_that_of_a_plain_fetch_without_its_body(client, nginx):
    plain = client.fetch(nginx.url("/files/page"))
    stream = client.stream(nginx.url("/files/page"))
    stream.finish()
    assert stream.answer.keys() == plain.keys() - {"body"}
    for key in ("status", "http", "url", "redirects"):
        assert stream.answer[key] == plain[key]
    assert header(stream.answer, "content-length") == ["65536"]
    assert stream.answer["connection"]["id"] == plain["connection"]["id"]
    assert stream.answer["connection"]["reused"]


def test_the_end_says_bytes_timing_and_trailers(client, nginx):
    stream = client.stream(nginx.url("/files/page"))
    end = stream.finish()
    assert end.keys() == {"bytes", "timing", "trailers"}
    assert end["timing"].keys() == TIMING == stream.answer["timing"].keys()
    assert end["timing"]["total"] >= stream.answer["timing"]["total"]
    for phase in TIMING - {"total"}:
        assert end["timing"][phase] == stream.answer["timing"][phase], phase


def test_the_answer_comes_with_its_header_fields_and_each_part_when_the_origin_sends_it(client):
    parts = [b"one", b"two", b"three"]
    cue = threading.Semaphore(0)

    def script(connection):
        connection.read_request()
        connection.write(response(headers=[("Content-Length", "11")], length=False))
        for part in parts:
            cue.acquire(timeout=scaled(10))
            connection.write(part)
        connection.await_end()

    with RawOrigin(script) as origin:
        stream = client.stream(origin.url())
        assert header(stream.head(), "content-length") == ["11"]
        for count, part in zip(itertools.accumulate(map(len, parts)), parts):
            cue.release()
            with Stopwatch() as watch:
                stream.take(count)
            assert stream.pieces[-1] == part and watch.seconds < scaled(0.1)
        stream.finish()


def test_interim_answers_are_not_shown(client):
    early = b"HTTP/1.1 103 Early Hints\r\nLink: <x>\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n"
    with RawOrigin(once(early + response(body=b"late"))) as origin:
        stream = client.stream(origin.url())
        assert stream.body() == b"late" and stream.answer["status"] == 200
        assert header(stream.answer, "link") == []


def test_a_stream_and_plain_requests_go_side_by_side(client, nginx):
    stopped = client.stream(nginx.url("/files/sixteen"), window=1000)
    stopped.take(1000)
    for _ in range(10):
        assert client.fetch(nginx.url("/files/page"))["body"] == nginx.file("page")
    assert client.call("ping") == "pong"
    stopped.start_flow()
    assert stopped.body() == nginx.file("sixteen")


@pytest.mark.parametrize("server", SERVERS)
def test_a_hundred_streams_at_once_on_one_client_connection_are_each_right(client, nginx, server):
    names = ["mebibyte", "page", "small", "empty", "one"]
    generator = random.Random("hundred")
    streams = []
    for number in range(100):
        window = generator.choice([None, 0, 1, 1000, 100_000])
        streams.append((names[number % 5], client.stream(
            nginx.url(f"/files/{names[number % 5]}", server), window=window)))
    for _, stream in streams:
        stream.head(20)
        stream.start_flow(generator.choice([1000, 10_000, MAX_DATA_BYTES]))
    for name, stream in streams:
        assert stream.body(20) == nginx.file(name)
    assert client.streams == {} and client.notifications == []


# ---- Trailers -------------------------------------------------------------------------------------

TRAILERS = [["X-Sum", "abc"], ["x-sum", "def"], ["Empty", ""]]


def test_trailers_of_chunks_come_with_the_end_in_order(client):
    data = chunked_response([b"some", b"thing"], TRAILERS, [("Trailer", "X-Sum")])
    with RawOrigin(once(data)) as origin:
        stream = client.stream(origin.url())
        assert stream.body() == b"something"
        assert stream.end["trailers"] == TRAILERS
        assert header(stream.answer, "x-sum") == []


@pytest.mark.parametrize("data", [b"something", b""], ids=["with a body", "without one"])
def test_trailers_of_http_2_come_with_the_end_in_order(client, authority, data):
    trailers = [(name.lower(), value) for name, value in TRAILERS]

    def script(session, stream, _):
        session.h2.send_headers(stream, [(":status", "200"), ("x-head", "1")])
        session.send_body(stream, [data] if data else [], trailers)

    with H2Origin(authority.server, script) as origin:
        stream = client.stream(origin.url(host="localhost"))
        assert stream.body() == data
        assert stream.end["trailers"] == [list(pair) for pair in trailers]
        assert header(stream.answer, "x-sum") == []


def test_trailers_that_are_no_utf_8_come_as_bin(client):
    with RawOrigin(once(chunked_response([b"x"], [("X-\xe9", "\xff")]))) as origin:
        stream = client.stream(origin.url())
        assert stream.finish()["trailers"] == [[b"X-\xe9", b"\xff"]]


# ---- The window -----------------------------------------------------------------------------------

@pytest.mark.parametrize("window", [0, 1, 1000, 65_537, None, 1_000_000])
@pytest.mark.parametrize("server", SERVERS)
def test_the_window_is_honoured_to_the_byte(client, nginx, server, window):
    granted = DEFAULT_WINDOW if window is None else window
    stream = client.stream(nginx.url("/files/mebibyte", server), window=window)
    stream.head()
    stream.take(granted)
    client.read_for(0.15)  # the stream fails by itself if there is more
    assert stream.taken == granted and not stream.is_over
    stream.grant(1)
    stream.take(granted + 1)
    stream.grant(PLENTY)
    assert stream.body() == nginx.file("mebibyte")


@pytest.mark.parametrize("server", SERVERS)
def test_a_window_in_single_bytes_gives_single_bytes(client, nginx, server):
    stream = client.stream(nginx.url("/files/small", server), window=0)
    stream.head()
    for count in range(1, 1001):
        stream.grant(1)
        stream.take(count)
    assert stream.sizes == [1] * 1000
    assert stream.body() == nginx.file("small")


@pytest.mark.parametrize("server", SERVERS)
def test_a_window_in_steps_of_any_size_gives_every_byte(client, nginx, server):
    generator = random.Random("steps")
    stream = client.stream(nginx.url("/files/mebibyte", server), window=0)
    stream.head()
    while stream.granted < 1 << 20:
        step = int(2 ** generator.uniform(0, 17))
        stream.grant(step)
        stream.take(min(stream.granted, 1 << 20))
    assert stream.body() == nginx.file("mebibyte")


def test_grants_given_before_the_answer_count(client):
    def script(connection):
        connection.read_request()
        connection.await_release()
        connection.write(response(body=bytes(5000)))
        connection.await_end()

    with RawOrigin(script) as origin:
        stream = client.stream(origin.url(), window=0)
        for _ in range(3):
            stream.grant(1000)
        origin.await_requests(1)
        origin.release()
        stream.take(3000)
        client.read_for(0.1)
        assert stream.taken == 3000
        stream.grant(2000)
        assert stream.body() == bytes(5000)


def test_a_body_of_exactly_its_window_ends_without_another_grant(client, nginx):
    for server in SERVERS:
        assert client.stream(nginx.url("/files/page", server), window=65536).body() == \
            nginx.file("page")


def test_grants_beyond_every_number_do_not_wrap(client, nginx):
    stream = client.stream(nginx.url("/files/mebibyte"), window=2**64 - 1)
    for _ in range(3):
        stream.grant(2**64 - 1)
    assert stream.body() == nginx.file("mebibyte")


def test_a_grant_of_nothing_is_nothing(client, nginx):
    stream = client.stream(nginx.url("/files/small"), window=0)
    stream.head()
    for _ in range(10):
        stream.grant(0)
    client.read_for(0.1)
    assert stream.taken == 0
    stream.grant(1000)
    assert stream.body() == nginx.file("small")


# ---- Together with other keys ---------------------------------------------------------------------

@pytest.mark.parametrize("framing", FRAMINGS.values(), ids=FRAMINGS.keys())
def test_max_body_bounds_a_stream(client, framing):
    with RawOrigin(once(framing(body(5000)))) as origin:
        stream = client.stream(origin.url(), max_body=4999)
        error = stream.error()
        assert error.code == 204 and "4999" in error.message
        assert stream.taken <= 4999


@pytest.mark.parametrize("framing", FRAMINGS.values(), ids=FRAMINGS.keys())
def test_a_body_of_exactly_max_body_comes_whole(client, framing):
    with RawOrigin(once(framing(body(5000)))) as origin:
        assert client.stream(origin.url(), max_body=5000).body() == body(5000)


def test_the_daemons_max_body_does_not_bound_streams(start_daemon, nginx):
    client = start_daemon({"limits": {"max_body": "1000"}}).client()
    assert client.refused(nginx.url("/files/page")).code == 204
    for keys in ({}, {"max_body": 1 << 40}):
        stream = client.stream(nginx.url("/files/page"), **keys)
        assert stream.body() == nginx.file("page")


def test_decompress_gives_the_decoded_bytes_and_counts_them(client, nginx):
    words = (nginx.directory / "files" / "words").read_bytes()
    for server in SERVERS:
        stream = client.stream(nginx.url("/gzip/words", server), window=0, decompress=True)
        stream.head()
        for step in (1, 999, 50_000):
            stream.grant(step)
            stream.take(stream.granted)
        client.read_for(0.1)
        stream.grant(len(words))
        assert stream.body() == words
        assert stream.end["bytes"] == len(words)


@pytest.mark.parametrize("framing", FRAMINGS.values(), ids=FRAMINGS.keys())
def test_a_gzipped_stream_is_undone_and_max_body_counts_decoded_bytes(client, framing):
    data = b"the same again and again\n" * 40_000
    coded = framing(gzip.compress(data)).replace(b"\r\n", b"\r\nContent-Encoding: gzip\r\n", 1)
    with RawOrigin(once(coded)) as origin:
        stream = client.stream(origin.url(), decompress=True, window=len(data), max_body=len(data))
        assert stream.body() == data
        assert client.stream(origin.url(), decompress=True, window=len(data),
                             max_body=len(data) - 1).error().code == 204


CODINGS = {"br": brotli, "zstd": zstd_stored}


@pytest.mark.parametrize("coding", CODINGS)
def test_a_coding_that_was_not_asked_for_is_205(client, coding):
    """What libcurl decodes at one go has a bound with gzip alone."""
    coded = response(body=CODINGS[coding](b"words " * 1000), headers=[("Content-Encoding", coding)])
    with RawOrigin(once(coded)) as origin:
        assert client.refused(origin.url(), decompress=True).code == 205
        assert client.stream(origin.url(), decompress=True).error().code == 205
        for request in origin.requests:
            assert "gzip" in request.value("accept-encoding")
            assert coding not in request.value("accept-encoding")


@pytest.mark.parametrize("fields", [
    [("Content-Encoding", "gzip, gzip")],
    [("Content-Encoding", "gzip"), ("Content-Encoding", "gzip")]], ids=["one field", "two"])
def test_one_coding_within_another_is_205_on_a_stream(daemon, client, fields):
    """The outer one is decoded whole, whoever takes it: 254 bytes would be 58 MB in libcurl."""
    bomb = gzip.compress(gzip.compress(bytes(40 << 20)))
    before = daemon.resident_kib()
    with RawOrigin(once(response(body=bomb, headers=fields))) as origin:
        error = client.stream(origin.url(), decompress=True, window=0).error()
    assert error.code == 205 and "more than one content coding" in error.message
    assert SANITIZED or daemon.resident_kib() < before + 8192


def test_without_decompress_the_coded_bytes_come(client):
    coded = gzip.compress(b"words " * 1000)
    with RawOrigin(serve(lambda _: response(body=coded,
                                            headers=[("Content-Encoding", "gzip")]))) as origin:
        assert client.stream(origin.url()).body() == coded


@pytest.mark.parametrize("server", SERVERS)
def test_redirects_are_followed_and_only_the_last_answer_is_streamed(client, nginx, server):
    stream = client.stream(nginx.url("/chain/5", server), redirects=5)
    assert stream.body() == b"end of chain\n"
    assert stream.answer["redirects"] == 5
    assert stream.answer["url"] == nginx.url("/chain/0", server)
    stream = client.stream(nginx.url("/chain/5", server))
    assert stream.body() and stream.answer["status"] == 302


def test_the_bodies_of_redirects_take_nothing_of_the_window(client):
    def answer(request):
        if request.target == "/next":
            return response(body=b"there")
        return response(302, bytes(100_000), [("Location", "/next")])

    with RawOrigin(serve(answer)) as origin:
        assert client.stream(origin.url(), redirects=1, window=5, max_body=5).body() == b"there"


def test_a_stream_is_sent_again_where_nothing_of_an_answer_came(client):
    def script(connection):
        if connection.number > 0:
            return serve(greet)(connection)
        connection.read_request()
        connection.answer()
        connection.read_request()
        connection.reset()

    with RawOrigin(script) as origin:
        client.fetch(origin.url("/warm"))
        assert client.stream(origin.url("/order")).body() == b"hello\n"
        assert [request.target for request in origin.requests] == ["/warm", "/order", "/order"]


# ---- Errors ---------------------------------------------------------------------------------------

def test_an_error_before_the_answer_is_an_ordinary_one(client, nginx):
    """The stream fails by itself where an `error` notification comes before the answer."""
    nothing = f"http://127.0.0.1:{free_port()}/"
    for url, code, keys in (("nonsense", 1, {}), (nothing, 103, {}),
                            ("http://no-such-host.invalid/", 102, {}),
                            (nginx.url("/text", Nginx.STRANGER), 104, {}),
                            (nginx.url("/loop"), 207, {"redirects": 3}),
                            (nginx.url("/text"), 1, {"window": -1}),
                            (nginx.url("/text"), 1, {"window": "1"})):
        stream = client.stream(url, **keys)
        assert stream.error().code == code and stream.answer is None
    assert client.notifications == []


def test_an_origin_that_closes_before_the_answer_is_201(client):
    with RawOrigin(once(b"")) as origin:
        stream = client.stream(origin.url())
        assert stream.error().code == 201 and stream.answer is None


def test_an_error_after_the_answer_is_a_notification_after_the_data_that_came(client):
    with RawOrigin(once(response(body=bytes(1000))[:-1])) as origin:
        stream = client.stream(origin.url())
        error = stream.error()
        assert error.code == 202 and error.message
        assert stream.answer["status"] == 200
        assert stream.taken <= 999


# ---- Ids ------------------------------------------------------------------------------------------

def test_an_id_may_be_used_again_after_the_end_of_its_stream(daemon, client, nginx):
    with RawOrigin(once(response(body=bytes(1000))[:-1])) as cut, calm(daemon):
        for _ in range(20):
            assert client.stream(nginx.url("/files/page"), id=42).body() == nginx.file("page")
            assert client.stream(cut.url(), id=42).error().code == 202
            client.send("fetch", {"url": nginx.url("/text")}, id=42)
            assert client.receive(42)["body"] == b"hello\n"
            cancelled = client.stream(nginx.url("/files/page"), window=0, id=42)
            cancelled.head()
            cancelled.cancel()
            assert cancelled.error().code == 208
        assert client.notifications == []


def test_an_id_of_an_open_stream_is_error_5_and_the_stream_is_unharmed(client, nginx):
    stream = client.stream(nginx.url("/files/page"), window=0, id=7)
    stream.head()
    del client.streams[7]  # its window is shut: what comes for its id is the errors
    for method in ("fetch", "ping"):
        client.send(method, {"url": nginx.url("/text")}, id=7)
        with pytest.raises(Refused) as refused:
            client.receive(7)
        assert refused.value.code == 5
    client.streams[7] = stream
    stream.grant(PLENTY)
    assert stream.body() == nginx.file("page")


def test_what_comes_late_for_an_ended_stream_is_ignored(daemon, client, nginx):
    with calm(daemon, offenders=0):
        for _ in range(20):
            stream = client.stream(nginx.url("/files/small"), id=9)
            stream.finish()
            for _ in range(3):
                client.notify("window", 9, 1000)
                client.notify("cancel", 9)
        assert client.call("ping") == "pong"
        assert client.stream(nginx.url("/files/page"), id=9, window=10).head()["status"] == 200
        client.streams[9].take(10)
        client.read_for(0.1)  # the late grants were nobody's: the stream fails if they count here
        assert client.notifications == []


def test_window_and_cancel_of_an_id_that_never_was_are_ignored(daemon, client):
    with calm(daemon, offenders=0):
        client.notify("window", 4_000_000_000, 1)
        client.notify("cancel", 0)
        client.notify("later", {"a": "notification of a newer protocol"})
        assert client.call("ping") == "pong" and client.notifications == []


def test_a_window_for_a_request_that_is_not_streamed_does_no_harm(client, nginx):
    request = client.send("fetch", {"url": nginx.url("/files/page")})
    client.notify("window", request, 5)
    assert client.receive(request)["body"] == nginx.file("page")


WRONG = {
    "data for a request without upload": [2, "data", [1, b"x"]],
    "an end for a request without upload": [2, "end", [1, {}]],
    "a window without its params": [2, "window", []],
    "a window without its bytes": [2, "window", [1]],
    "a window of less than nothing": [2, "window", [1, -1]],
    "a window of a string": [2, "window", [1, "5"]],
    "a cancel without an id": [2, "cancel", []],
    "a cancel of a string": [2, "cancel", ["1"]],
    "a cancel of an id too large": [2, "cancel", [2**32]],
    "params that are no array": [2, "cancel", 1],
    "data without bytes": [2, "data", [1]],
    "data of a number": [2, "data", [1, 5]],
    "data of 64 KiB and one": [2, "data", [1, bytes(MAX_DATA_BYTES + 1)]],
}


@pytest.mark.parametrize("message", WRONG.values(), ids=WRONG.keys())
def test_a_wrong_notification_closes_its_connection_with_one_log_line(daemon, nginx, message):
    other = daemon.client()
    bystander = other.stream(nginx.url("/files/mebibyte"), window=0)
    bystander.head()
    client = daemon.client()
    client.stream(nginx.url("/files/mebibyte"), window=0, id=1).head()
    client.write(pack(message))
    assert client.closed_within(1)
    daemon.assert_one_complaint()
    bystander.grant(PLENTY)
    assert bystander.body() == nginx.file("mebibyte")


# ---- Limits ---------------------------------------------------------------------------------------

def test_hello_says_the_limits_of_streams(start_daemon):
    daemon = start_daemon({"timeouts": {"stream": "1h", "client_stall": "7s"},
                           "limits": {"upload_window": "128KiB"}})
    limits = daemon.client().call("hello", {"client": "test"})["limits"]
    assert limits["stream_timeout"] == 3_600_000
    assert limits["client_stall"] == 7000
    assert limits["upload_window"] == 128 << 10


def test_beside_streams_a_request_too_many_is_refused_and_not_left_unread(start_daemon, nginx):
    """Behind it stands the `window` that the streams wait for."""
    client = start_daemon({"limits": {"requests_per_client": 4}}).client()
    streams = [client.stream(nginx.url("/files/page"), window=0) for _ in range(4)]
    for stream in streams:
        stream.head()
    assert client.refused(nginx.url("/text")).code == 100
    assert client.stream(nginx.url("/text")).error().code == 100
    for stream in streams:
        stream.grant(PLENTY)
        assert stream.body() == nginx.file("page")
    assert client.fetch(nginx.url("/text"))["body"] == b"hello\n"


def test_the_timeout_of_plain_requests_is_not_that_of_streams(start_daemon):
    def script(connection):
        connection.read_request()
        connection.write(response(headers=[("Content-Length", "8")], length=False))
        for _ in range(8):
            time.sleep(0.1)
            connection.write(b"x")

    client = start_daemon({"timeouts": {"total": "300ms"}}).client()
    with RawOrigin(script) as origin:
        assert client.refused(origin.url()).code == 200
        assert client.stream(origin.url()).body() == b"x" * 8


@pytest.mark.parametrize("config, keys", [({"stream": "400ms"}, {}), ({}, {"timeout": 400})],
                         ids=["the daemon's", "its own"])
def test_the_timeout_of_streams_ends_one_that_is_under_way(start_daemon, config, keys):
    def script(connection):
        connection.read_request()
        connection.write(response(headers=[("Content-Length", "1000")], length=False))
        while True:
            connection.write(b"x")
            if connection.origin.released.wait(0.05):
                return

    client = start_daemon({"timeouts": config}).client()
    with RawOrigin(script) as origin, Stopwatch() as watch:
        stream = client.stream(origin.url(), **keys)
        error = stream.error()
        assert error.code == 200 and 0 < stream.taken < 1000
    assert 0.35 <= watch.seconds <= 0.4 + scaled(1)


def test_after_a_half_close_a_stream_goes_on_to_its_end(daemon, nginx):
    client = daemon.client()
    stream = client.stream(nginx.url("/files/mebibyte"), window=1 << 20)
    client.half_close()
    assert stream.body() == nginx.file("mebibyte")
    assert client.closed_within(1)


def test_a_client_that_goes_away_ends_its_streams_at_the_origin(daemon):
    def script(connection):
        connection.read_request()
        connection.write(response(headers=[("Content-Length", "1000000")], length=False) + b"x")
        connection.await_end()

    with RawOrigin(script) as origin:
        client = daemon.client()
        streams = [client.stream(origin.url()) for _ in range(5)]
        for stream in streams:
            stream.take(1)
        client.close()
        for connection in origin.connections:
            assert connection.closed.wait(scaled(1))


def test_each_of_many_short_streams_gives_back_what_it_took(daemon, nginx):
    with calm(daemon):
        client = daemon.client()
        for _ in range(500):
            assert digest(client.stream(nginx.url("/files/small")).body()) == \
                digest(nginx.file("small"))
