"""
The Python client and the real daemon: whole answers, streams both ways, cancelling, and who shares what.
A sentence that holds for the blocking client and the asynchronous one in both loops is one test of `ask`.
"""

import ast
import asyncio
import contextlib
import functools
import gc
import hashlib
import io
import itertools
import os
import random
import signal
import threading
import warnings

import pytest
import trio

from support.fakedaemon import FakeDaemon, serves, words
from support.origin import RawOrigin, chunk, chunked_response, response, serve
from support.ports import free_port
from support.python_client import (NAME, Asker, InThread, fetchpool, many, run_in, sockets_to,
                                   until)
from support.timing import eventually, scaled
from support.upload_origin import UploadOrigin, answer_early, said_of, take_all
from support.words_origin import digest, words_origin


@pytest.fixture
def origin():
    with words_origin() as origin:
        yield origin


def clients_named(daemon, name=NAME):
    return [row for row in daemon.ask("clients") if row["name"] == name]


def sha(data):
    return hashlib.sha256(data).digest()


# ---- Whole answers -------------------------------------------------------------------------------

def test_an_answer_has_all_that_the_daemon_says(ask, nginx):
    url = nginx.url("/text")
    first, second = ask.fetch(url), ask.fetch(url)
    for answer in (first, second):
        assert (answer.status, answer.http, answer.url, answer.redirects) == (200, "2", url, 0)
        assert answer.body == b"hello\n"
        assert answer.header("CONTENT-type") == "text/plain"
        assert answer.header("none") is None and answer.header("none", "x") == "x"
        assert answer.connection.peer == f"127.0.0.1:{nginx.ports[nginx.H2]}"
        assert 0 < answer.timing.first_byte <= answer.timing.total
    assert not first.connection.reused and first.timing.tls > 0
    assert second.connection.reused and second.timing.tls == 0
    assert first.connection.id == second.connection.id
    assert (first.connection.requests, second.connection.requests) == (1, 2)
    assert repr(first) == f"<Response 200 {url}>"


def test_no_status_is_an_error(ask, nginx):
    for status in (204, 304, 404, 503):
        assert ask.fetch(nginx.url(f"/status/{status}")).status == status


def test_header_fields_keep_order_repeats_and_bytes_both_ways(ask):
    def answer(request):
        seen.append(request.head)
        return (b"HTTP/1.1 200 OK\r\nB: 1\r\nA: caf\xe9\r\nb: \xc3\xa9\r\nContent-Length: 0\r\n\r\n")

    seen = []
    with RawOrigin(serve(answer)) as origin:
        got = ask.fetch(origin.url(), headers=[("X", "1"), ("y", "caf\udce9"), (b"x", b"\xff2")])
    assert got.headers == [("B", "1"), ("A", "caf\udce9"), ("b", "\u00e9"), ("Content-Length", "0")]
    assert b"\r\nX: 1\r\ny: caf\xe9\r\nx: \xff2" in seen[0]


def test_header_fields_may_be_a_mapping(ask, nginx):
    answer = ask.fetch(nginx.url("/echo"), headers={"X-Echo": "a", "Authorization": b"b"})
    assert answer.body == b"GET|a|b||"


def test_json_is_read(ask):
    with RawOrigin(serve(lambda request: response(body=b'{"a": [1, "\xc3\xa9"]}'))) as origin:
        assert ask.fetch(origin.url()).json() == {"a": [1, "\u00e9"]}
    with RawOrigin(serve(lambda request: response(body=b"<html>"))) as origin:
        with pytest.raises(ValueError):
            ask.fetch(origin.url()).json()


def test_a_request_may_be_made_once_and_sent_often(ask, nginx):
    request = fetchpool.Request(nginx.url("/echo"), "POST", {"X-Echo": "1"}, b"abc")
    assert [ask.fetch(request).body for _ in range(2)] == [b"POST|1|||3"] * 2
    with pytest.raises(TypeError, match="no further keys"):
        ask.fetch(request, timeout=5)


def test_redirects_are_followed_where_that_is_asked_for(ask, nginx):
    assert ask.fetch(nginx.url("/chain/3")).status == 302
    answer = ask.fetch(nginx.url("/chain/3"), redirects=5)
    assert (answer.body, answer.redirects, answer.url) == (b"end of chain\n", 3, nginx.url("/chain/0"))
    error = ask.error(nginx.url("/loop"), redirects=2)
    assert (error.code, error.name) == (207, "REDIRECTS")


def test_a_coding_is_undone_where_that_is_asked_for(ask, nginx):
    answer = ask.fetch(nginx.url("/gzip/words"), decompress=True)
    assert answer.header("content-encoding") == "gzip"
    assert answer.body == b"the same words again and again\n" * 4000


def test_the_version_of_http_may_be_chosen(ask, nginx):
    for http, said in [("1.1", "1.1"), ("2", "2"), ("auto", "2"), (None, "2")]:
        assert ask.fetch(nginx.url("/text"), http=http).http == said


def test_what_tls_is_to_trust_and_to_show_goes_with_the_request(ask, nginx, authority):
    leaf = authority.client("alice")
    mutual = fetchpool.Tls(cert=leaf.cert.read_bytes(), key=leaf.key.read_bytes())
    assert ask.fetch(nginx.url("/identity", nginx.MUTUAL), tls=mutual).body == b"CN=alice"
    assert ask.fetch(nginx.url("/identity", nginx.MUTUAL)).body == b""
    stranger = fetchpool.Tls(ca=authority.stranger.cert.read_bytes())
    assert ask.fetch(nginx.url("/text", nginx.STRANGER), tls=stranger).body == b"hello\n"
    assert ask.error(nginx.url("/text"), tls=stranger).code == 104
    named = fetchpool.Tls(server_name="other.test")
    assert ask.fetch(nginx.url("/sni", nginx.OTHER), tls=named).body == b"other.test"
    assert ask.error(nginx.url("/text"), tls=fetchpool.Tls(verify=False)).code == 2
    error = ask.error(nginx.url("/text"), tls=fetchpool.Tls(ca=b"no PEM"))
    assert error.code == 1 and "tls.ca" in error.message


def test_a_tag_and_a_name_are_shown(asker, daemon, nginx):
    ask = asker(daemon.path, name="caf\u00e9")
    ask.fetch(nginx.url("/text"), tag="billing")
    rows = clients_named(daemon, "caf\u00e9")
    assert [(row["tag"], row["pid"]) for row in rows] == [("billing", os.getpid())]


def test_the_largest_answer_is_bounded(ask, nginx):
    error = ask.error(nginx.url("/files/page"), max_body=65535)
    assert (error.code, error.error_class) == (204, "maybe processed")
    assert len(ask.fetch(nginx.url("/files/page"), max_body=65536).body) == 65536


def test_sixteen_mebibytes_come_whole(ask, nginx):
    assert sha(ask.fetch(nginx.url("/files/sixteen")).body) == sha(nginx.file("sixteen"))


# ---- Errors --------------------------------------------------------------------------------------

def test_an_error_carries_code_name_class_and_sentence(ask):
    port = free_port()
    error = ask.error(f"http://127.0.0.1:{port}/")
    assert type(error) is fetchpool.NotSent
    assert (error.code, error.name, error.error_class) == (103, "CONNECT", "not sent")
    assert error.code is not None and error.code == fetchpool.Code.CONNECT
    assert error.message == f"connect to 127.0.0.1:{port} failed: connection refused"
    assert str(error) == f"{error.message} (CONNECT 103)"
    assert repr(error) == f"NotSent(103, {error.message!r})"


@pytest.mark.parametrize("keys, code", [
    ({"timeout": 0.05}, 200), ({"first_byte_timeout": 0.05}, 200), ({"timeout": 0.05, "take": True}, 200)])
def test_a_deadline_is_a_timeout_error_that_says_whether_it_was_sent(ask, slow, keys, code):
    error = ask.error(slow.url(), **keys)
    assert error.code == code and type(error) is fetchpool.MaybeProcessedTimeout
    assert isinstance(error, (fetchpool.Timeout, TimeoutError, fetchpool.MaybeProcessed))


def test_a_deadline_of_the_handshake_was_not_sent(ask, stalled_handshake):
    error = ask.error(stalled_handshake.url(), connect_timeout=0.1)
    assert error.code == 105 and type(error) is fetchpool.NotSentTimeout
    assert isinstance(error, TimeoutError) and isinstance(error, fetchpool.NotSent)
    assert "100 ms" in error.message


REFUSED = [
    ({"method": "GE T"}, "method"), ({"headers": [("Connection", "x")]}, "Connection"),
    ({"headers": [("a b", "x")]}, "a b"), ({"headers": [("a", "x\r\ny: z")]}, "0x0d"),
    ({"http": "3"}, "http"), ({"retry": "maybe"}, "retry"), ({"redirects": 51}, "redirects"),
    ({"tag": "x" * 129}, "tag"), ({"proxy": "gopher://x"}, "proxy"), ({"max_body": 2**40}, "max_body"),
]


def test_what_the_daemon_refuses_is_refused_with_its_sentence(ask):
    for keys, sentence in REFUSED:
        error = ask.error("https://127.0.0.1:9/", **keys)
        assert type(error) is fetchpool.Refused and error.code == 1 and error.error_class == "refused"
        assert sentence in error.message


WRONG_TYPES = [
    ({"method": 5}, "method must be str, not int"), ({"timeout": "5"}, "timeout must be a number"),
    ({"timeout": True}, "timeout must be a number"), ({"idle_timeout": b"5"}, "idle_timeout must be"),
    ({"upload_timeout": "5"}, "upload_timeout must be a number"),
    ({"window": 1.5}, "window must be int, not float"), ({"max_body": "1"}, "max_body must be int"),
    ({"redirects": True}, "redirects must be int, not bool"), ({"decompress": 1}, "decompress must be bool"),
    ({"http": 2}, "http must be str"), ({"retry": False}, "retry must be str"), ({"tag": 5}, "tag must be"),
    ({"proxy": object()}, "proxy must be str, not object"), ({"tls": {}}, "tls must be Tls, not dict"),
    ({"tls": fetchpool.Tls(ca="PEM")}, "tls.ca must be bytes, not str"),
    ({"tls": fetchpool.Tls(server_name=b"x")}, "tls.server_name must be str, not bytes"),
    ({"tls": fetchpool.Tls(verify="no")}, "tls.verify must be bool, not str"),
    ({"headers": 5}, "headers must be a mapping or pairs, not int"),
    ({"headers": None}, "headers must be a mapping or pairs, not NoneType"),
    ({"headers": "ab"}, "headers must be a mapping or pairs, not str"),
    ({"headers": ["ab"]}, "headers must be pairs of name and value, not 'ab'"),
    ({"headers": [("a",)]}, "headers must be pairs of name and value"),
    ({"headers": {"a": 5}}, "header field 'a': names and values must be str or bytes, not int"),
    ({"frobnicate": 5}, "unexpected keyword argument 'frobnicate'; help"),
    ({"timout": 5}, "unexpected keyword argument 'timout'; did you mean 'timeout'?"),
]

WRONG_VALUES = [
    ({"timeout": -1}, "timeout must be 0 or more seconds, not -1"),
    ({"queue_timeout": float("nan")}, "queue_timeout must be 0 or more seconds, not nan"),
    ({"upload_timeout": -1}, "upload_timeout must be 0 or more seconds, not -1"),
    ({"window": 0}, "window must be 1 or more, not 0"), ({"window": 2**63}, "window must be"),
    ({"max_body": -1}, "max_body must be 0 or more, not -1"), ({"redirects": -1}, "redirects must be"),
]


def test_what_is_of_another_type_or_out_of_bounds_is_named_before_anything_is_sent(ask, daemon):
    for kind_of_error, cases in [(TypeError, WRONG_TYPES), (ValueError, WRONG_VALUES)]:
        for keys, sentence in cases:
            for function in (ask.fetch, ask.open):
                with pytest.raises(kind_of_error) as caught:
                    function("https://127.0.0.1:9/", **keys)
                assert sentence in str(caught.value)
    for url in (None, b"http://127.0.0.1:9/", 5):
        with pytest.raises(TypeError, match="url must be str"):
            ask.fetch(url)
    assert sockets_to(daemon.path) == 0


@pytest.mark.parametrize("make", [fetchpool.Client, fetchpool.AsyncClient])
def test_a_name_that_the_daemon_would_not_take_is_none(make):
    with pytest.raises(TypeError, match="name must be str, not int"):
        make("/s", name=5)
    with pytest.raises(ValueError, match="128 bytes at most"):
        make("/s", name="\u00e9" * 65)


@pytest.mark.parametrize("argument, name", [
    ("/usr/bin/worker.py", "worker.py"), ("/opt/tool/__main__.py", "tool"), ("", "python"),
    ("x" * 300, "x" * 128), ("\u20ac" * 100, "\u20ac" * 42), ("caf\udce9", "caf?")])
def test_a_client_has_its_programs_name(asker, daemon, monkeypatch, argument, name):
    monkeypatch.setattr("sys.argv", [argument])
    ask = asker(daemon.path, name=None)
    assert ask.call("ping") == "pong"
    assert len(clients_named(daemon, name)) == 1


def test_what_cannot_be_packed_leaves_the_socket_to_the_next(ask, daemon):
    ask.call("ping")
    for what in (object(), 2**65):
        with pytest.raises((TypeError, OverflowError)):
            ask.call("stats", what=what)
    with pytest.raises(UnicodeEncodeError):
        ask.fetch("http://127.0.0.1:9/\ud800")
    with pytest.raises(fetchpool.Refused) as caught:
        ask.call("stats", what=bytes(17 << 20))
    assert caught.value.code == fetchpool.Code.TOO_LARGE
    assert len(clients_named(daemon)) == sockets_to(daemon.path) == 1
    assert ask.call("ping") == "pong"


def test_a_url_that_is_none_is_refused(ask):
    for url in ("", "localhost", "ftp://localhost/", "http://u:p@localhost/", "http://", "http://a b/",
                "http://localhost:0/"):
        assert type(ask.error(url)) is fetchpool.Refused


# ---- Streamed answers ----------------------------------------------------------------------------

def test_bodies_of_many_sizes_come_to_the_byte(ask, origin):
    for length, seed in itertools.product([0, 1, 65536, 262_144, 262_145, 3_000_000], (1, 2)):
        stream, body = ask.take(origin.url(f"/{length}/{seed}"))
        assert sha(body) == digest(length, seed)
        assert stream.bytes == length and stream.status == 200
        assert stream.trailers == ([] if seed == 1 else [("X-Sum", "1")])
        assert stream.timing.total > 0


def test_a_large_file_over_http_2_comes_to_the_byte(ask, nghttpd):
    target, sum_of_it = nghttpd.large(64 << 20)
    stream = ask.open(nghttpd.url(target))
    summed = hashlib.sha256()
    while piece := ask.read_piece(stream):
        summed.update(piece)
    assert summed.hexdigest() == sum_of_it and stream.http == "2"


def test_a_window_of_any_size_is_kept_to(ask, origin):
    for window in (1, 1000, 100_000, 10_000_000):
        length = min(3_000_000, window * 300)
        stream = ask.open(origin.url(f"/{length}/1"), window=window)
        pieces = []
        while piece := ask.read_piece(stream):
            assert 0 < len(piece) <= min(65536, window)
            pieces.append(piece)
        assert sha(b"".join(pieces)) == digest(length, 1)


def test_reading_on_after_the_end_gives_nothing(ask, origin):
    stream, body = ask.take(origin.url("/10/1"))
    assert len(body) == 10
    assert ask.read_piece(stream) is None and ask.read(stream) == b""
    ask.close_stream(stream)
    ask.close_stream(stream)


def test_pieces_come_as_the_origin_sends_them(ask):
    more = threading.Event()

    def script(connection):
        connection.read_request()
        connection.write(chunked_response([b"one"], last=False))
        assert more.wait(scaled(10))
        connection.write(chunk(b"two") + b"0\r\n\r\n")

    with RawOrigin(script) as origin:
        stream = ask.open(origin.url())
        assert ask.read_piece(stream) == b"one"
        more.set()
        assert ask.read_piece(stream) == b"two"
        assert ask.read_piece(stream) is None


def test_a_body_that_is_cut_off_gives_what_came_and_then_the_error(ask):
    def script(connection):
        connection.read_request()
        connection.write(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nfive.")

    with RawOrigin(script) as origin:
        stream = ask.open(origin.url())
        assert ask.read_piece(stream) == b"five."
        for _ in range(2):  # whoever reads on does not take it for the end
            with pytest.raises(fetchpool.MaybeProcessed) as caught:
                ask.read_piece(stream)
            assert caught.value.code == fetchpool.Code.TRUNCATED
        assert ask.error(origin.url()).code == 202


def test_an_answer_without_a_body_has_its_end_at_once(ask, nginx):
    for target, method, status in [("/text", "HEAD", 200), ("/status/204", "GET", 204),
                                   ("/status/304", "GET", 304)]:
        stream, body = ask.take(nginx.url(target), method=method)
        assert (stream.status, body) == (status, b"")


def test_a_stream_that_is_closed_early_is_cancelled_at_the_origin(ask, daemon):
    def script(connection):
        connection.read_request()
        connection.write(chunked_response([], last=False))
        while True:
            connection.write(chunk(bytes(60_000)))

    with RawOrigin(script) as origin:
        stream = ask.open(origin.url())
        assert len(ask.read_piece(stream)) > 0
        ask.close_stream(stream)
        assert origin.connections[0].closed.wait(scaled(5))
        eventually(lambda: daemon.stats()["in_flight"] == 0, 5, "nothing on its way")
        assert len(clients_named(daemon)) == 1


def test_a_generators_pieces_go_as_they_come(ask):
    """The first has arrived before the second is asked for."""
    with UploadOrigin(take_all) as origin:
        def pieces():
            yield b"a"
            origin.await_arrivals(1)
            origin.arrivals[0].await_bytes(1)
            yield b"b"

        assert ask.fetch(origin.url(), method="PUT", body=pieces()).status == 200
        assert origin.arrivals[0].digest == hashlib.sha256(b"ab").hexdigest()


def test_who_reads_on_after_closing_early_is_told(ask, nginx):
    for _ in range(2):
        stream = ask.open(nginx.url("/files/sixteen"))
        ask.close_stream(stream)
        with pytest.raises(fetchpool.MaybeProcessed, match="closed before its end"):
            ask.read(stream)


def test_a_closed_stream_leaves_its_socket_to_the_next(ask, daemon, nginx):
    for _ in range(5):
        ask.close_stream(ask.open(nginx.url("/files/mebibyte")))
    assert ask.fetch(nginx.url("/text")).status == 200
    assert [row["requests"] for row in clients_named(daemon)] == [7]


def test_a_loop_over_a_stream_may_be_left(daemon, loop, nginx):
    async def main():
        async with fetchpool.AsyncClient(daemon.path) as client:
            async with client.stream(nginx.url("/files/mebibyte")) as stream:
                async for piece in stream:
                    assert 0 < len(piece) <= 65536
                    break
            stream = await client.stream(nginx.url("/files/page"))
            pieces = [piece async for piece in stream]
            assert b"".join(pieces) == nginx.file("page")
            await stream.aclose()

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")  # trio warns of generators that are not exhausted
        run_in(loop, main)
        gc.collect()
    assert [each for each in caught if issubclass(each.category, ResourceWarning)] == []


def test_a_stopped_reader_stops_only_itself(ask, origin, nginx):
    stopped = ask.open(origin.url("/3000000/1"))
    first = ask.read_piece(stopped)
    for _ in range(3):
        _, body = ask.take(origin.url("/1000000/2"))
        assert sha(body) == digest(1_000_000, 2)
    assert sha(first + ask.read(stopped)) == digest(3_000_000, 1)


# ---- Bodies of requests --------------------------------------------------------------------------

SIZES = [0, 1, 262_144, 262_145, 1_000_000]


@pytest.fixture
def taker():
    with UploadOrigin(take_all) as origin:
        yield origin


def upload(ask, origin, body, **keys):
    answer = ask.fetch(origin.url(), method="PUT", body=body, **keys)
    assert answer.status == 200
    return answer.body, origin.arrivals[-1]


def test_bytes_are_sent_with_their_length(ask, taker):
    for make, size in itertools.product([bytes, bytearray, memoryview], SIZES):
        said, arrival = upload(ask, taker, make(words(size)))
        assert said == said_of(words(size))
        assert arrival.value("content-length") == str(size)


def test_a_file_is_sent_from_where_it_stands_with_the_length_that_is_left(ask, taker, tmp_path):
    for size in SIZES:
        path = tmp_path / "file"
        path.write_bytes(b"skipped" + words(size))
        with open(path, "rb") as file:
            file.seek(7)
            said, arrival = upload(ask, taker, file)
        assert said == said_of(words(size))
        assert arrival.value("content-length") == str(size)


@pytest.mark.parametrize("window", ["262144", "4MiB"])
def test_an_upload_goes_as_far_as_it_was_granted(start_daemon, asker, taker, window):
    """The daemon grants anew when half of its window has gone to the origin, but for the last byte."""
    ask = asker(start_daemon({"limits": {"upload_window": window}}).path)
    for size in (262_143, 262_144, 1_000_000):
        for _ in range(3):
            assert upload(ask, taker, iter([words(size)]), body_size=size)[0] == said_of(words(size))
            assert upload(ask, taker, iter([words(size)]))[0] == said_of(words(size))


def test_a_file_in_memory_is_one_too(ask, taker):
    file = io.BytesIO(words(500_000))
    file.seek(8)
    said, arrival = upload(ask, taker, file)
    assert said == said_of(words(500_000)[8:])
    assert arrival.value("content-length") == "499992"


@pytest.mark.parametrize("size", [0, 500_000])
def test_a_pipe_is_sent_to_its_end(ask, taker, size):
    ours, theirs = os.pipe()

    def fill():
        with open(theirs, "wb") as file:
            file.write(words(size))

    thread = threading.Thread(target=fill)
    thread.start()
    with open(ours, "rb") as file:
        said, arrival = upload(ask, taker, file)
    thread.join()
    assert said == said_of(words(size))
    assert arrival.value("transfer-encoding") == "chunked"


def test_an_iterable_is_sent_piece_by_piece(ask, taker):
    for pieces in [], [b""], [b"", b"a", b"", b"b"], [words(200_000)] * 3:
        whole = b"".join(pieces)
        for size in (None, len(whole)):
            said, arrival = upload(ask, taker, iter(pieces), body_size=size)
            assert said == said_of(whole)
            assert arrival.value("content-length") == (None if size is None else str(size))


def test_a_list_of_bytes_is_an_iterable(ask, taker):
    assert upload(ask, taker, [b"one", bytearray(b"two"), memoryview(b"three")])[0] == said_of(b"onetwothree")


class Both:
    """As some of httpx's streams are."""

    def __iter__(self):
        yield b"one"

    async def __aiter__(self):
        yield b"one"


def test_an_iterable_that_is_both_is_good_for_either(ask, taker):
    assert upload(ask, taker, Both())[0] == said_of(b"one")


def test_an_asynchronous_iterable_needs_an_asynchronous_client(asker, daemon, taker, kind):
    async def pieces():
        yield b"one"
        yield words(300_000)

    ask = asker(daemon.path)
    if kind == "sync":
        with pytest.raises(TypeError, match="AsyncClient"):
            ask.fetch(taker.url(), method="PUT", body=pieces())
    else:
        assert upload(ask, taker, pieces())[0] == said_of(b"one" + words(300_000))


def test_pieces_are_asked_for_as_the_origin_takes_them(ask, daemon):
    """The daemon holds 256 KiB of it, the sockets between some more."""
    asked = [0]

    def pieces():
        while asked[0] < 1000:
            asked[0] += 1
            yield bytes(65536)

    def script(arrival):
        arrival.invite()
        paused.wait(scaled(10))
        counts.append(asked[0])
        arrival.read_all()
        arrival.answer(200)

    paused, counts = threading.Event(), []
    with UploadOrigin(script, receive_buffer=65536) as origin:
        thread = threading.Thread(
            target=lambda: ask.fetch(origin.url(), method="PUT", body=pieces()))
        thread.start()
        before = [-1]

        def stands_still():
            before.append(asked[0])
            return before[-1] == before[-2] > 0

        origin.await_arrivals(1)
        eventually(lambda: asked[0] > 0, 5, "some of it was asked for")
        while not stands_still():
            paused.wait(0.3)  # it is the silence that is awaited
        paused.set()
        thread.join(scaled(20))
    assert asked[0] == 1000 and counts[0] * 65536 < 4 << 20


def test_both_bodies_stream_at_once(ask, nghttpd):
    stream, body = ask.take(nghttpd.url("/echo"), method="POST",
                            body=iter([words(50_000)] * 40))
    assert sha(body) == sha(words(50_000) * 40)


def test_an_answer_may_be_the_body_of_the_next_request(ask, taker, origin):
    stream = ask.open(origin.url("/3000000/1"))
    assert upload(ask, taker, stream, body_size=3_000_000)[0] == said_of(words(3_000_000, 1))
    assert stream.bytes == 3_000_000


def test_what_cannot_be_a_body_is_named_before_anything_is_sent(ask, daemon, tmp_path):
    (tmp_path / "text").write_text("words")
    with open(tmp_path / "text") as text:
        for body, said in [("text", "must be bytes, not str"), (5, "not int"), (object(), "not object"),
                           (text, "opened for bytes"), (io.StringIO("text"), "opened for bytes"),
                           ({"a": 1}, "not dict")]:
            with pytest.raises(TypeError, match=said):
                ask.fetch("http://127.0.0.1:9/", method="PUT", body=body)
    for size, error, said in [("5", TypeError, "body_size must be a number of bytes, not str"),
                              (True, TypeError, "not bool"), (-1, ValueError, "not -1")]:
        with pytest.raises(error, match=said):
            ask.fetch("http://127.0.0.1:9/", method="PUT", body=iter([]), body_size=size)
    for body in (b"abc", bytes(300_000)):
        with pytest.raises(ValueError, match=f"body_size is 5, but the body has {len(body)} bytes"):
            ask.fetch("http://127.0.0.1:9/", method="PUT", body=body, body_size=5)
    assert daemon.stats()["requests"] == 0


OTHER_LENGTHS = [
    (10, 11, "the upload ended after 10 of 11 bytes"), (0, 1, "the upload ended after 0 of 1 bytes"),
    (300_000, 300_001, "the upload ended after 300000 of 300001 bytes"),
    (11, 10, "the upload is longer than the 10 bytes announced"),
    (1, 0, "the upload is longer than the 0 bytes announced"),
    (262_145, 262_144, "the upload is longer than the 262144 bytes announced"),
    (1_000_001, 1_000_000, "the upload is longer than the 1000000 bytes announced")]


def test_an_upload_of_another_length_is_stopped_and_never_complete(ask, taker, nginx, daemon):
    for length, announced, said in OTHER_LENGTHS:
        pieces = [words(length)[at:at + 50_000] for at in range(0, length, 50_000)]
        error = ask.error(taker.url(), method="PUT", body=iter(pieces), body_size=announced)
        assert (type(error), error.code, error.message) == (fetchpool.MaybeProcessed, 906, said)
    eventually(lambda: daemon.stats()["in_flight"] == 0, 5, "nothing on its way")
    announced_some = [arrival for arrival in taker.arrivals if arrival.value("content-length") != "0"]
    assert announced_some  # the largest at least: the others may be stopped on their way to it
    assert all(arrival.was_never_complete() for arrival in announced_some)
    assert ask.fetch(nginx.url("/text")).status == 200


def test_what_is_added_to_a_file_meanwhile_is_not_sent(ask, tmp_path):
    def script(arrival):
        arrival.read(1)
        with open(tmp_path / "file", "ab") as more:
            more.write(b"more")
        take_all(arrival)

    (tmp_path / "file").write_bytes(words(1_000_000))
    with UploadOrigin(script) as origin, open(tmp_path / "file", "rb") as file:
        assert upload(ask, origin, file)[0] == said_of(words(1_000_000))


def test_a_pipe_that_has_nothing_yet_is_not_taken_for_its_end(ask, taker):
    ours, theirs = os.pipe()
    os.set_blocking(ours, False)
    os.write(theirs, b"some")
    with open(ours, "rb", buffering=0) as file:
        with pytest.raises(BlockingIOError, match="must be a blocking one"):
            ask.fetch(taker.url(), method="PUT", body=file)
    os.close(theirs)
    assert all(arrival.was_never_complete() for arrival in taker.arrivals)


@pytest.mark.parametrize("piece", ["text", 5, None], ids=repr)
def test_a_piece_that_is_no_bytes_ends_the_request(ask, taker, daemon, nginx, piece):
    with pytest.raises(TypeError, match=f"must be bytes, not {type(piece).__name__}"):
        ask.fetch(taker.url(), method="PUT", body=iter([b"good", piece]))
    eventually(lambda: daemon.stats()["in_flight"] == 0, 5, "nothing on its way")
    assert all(arrival.was_never_complete() for arrival in taker.arrivals)
    assert ask.fetch(nginx.url("/text")).status == 200


class Mishap(Exception):
    pass


@pytest.mark.parametrize("before", [0, 1, 300_000])
def test_a_body_that_raises_ends_the_request_with_its_own_exception(ask, taker, daemon, nginx, before):
    def pieces():
        if before:
            yield words(before)
        raise Mishap

    with pytest.raises(Mishap):
        ask.fetch(taker.url(), method="PUT", body=pieces())
    with pytest.raises(Mishap):
        ask.take(taker.url(), method="PUT", body=pieces())
    eventually(lambda: daemon.stats()["in_flight"] == 0, 5, "nothing on its way")
    assert all(arrival.was_never_complete() for arrival in taker.arrivals)
    assert ask.fetch(nginx.url("/text")).status == 200


@pytest.mark.parametrize("status", [413, 417])
def test_an_early_answer_ends_an_upload_and_the_client_serves_the_next(ask, nginx, status):
    def endless():
        while True:
            yield bytes(65536)

    with UploadOrigin(answer_early(status, b"no")) as origin:
        answer = ask.fetch(origin.url(), method="PUT", body=endless())
        assert answer.status == status
        stream, _ = ask.take(origin.url(), method="PUT", body=endless())
        assert stream.status == status
        assert ask.fetch(nginx.url("/text")).status == 200


# ---- Connections to the daemon -------------------------------------------------------------------

def test_one_request_after_the_other_takes_one_socket(ask, daemon, nginx):
    for _ in range(5):
        ask.fetch(nginx.url("/text"))
        ask.take(nginx.url("/text"))
    assert ask.call("ping") == "pong"
    assert [row["requests"] for row in clients_named(daemon)] == [12]


def test_nothing_is_opened_before_the_first_request(daemon, kind, asker):
    ask = asker(daemon.path)
    assert sockets_to(daemon.path) == 0
    ask.call("ping")
    assert sockets_to(daemon.path) == 1


def test_the_daemon_is_asked_about_itself(ask, daemon, nginx):
    ask.fetch(nginx.url("/text"))
    assert ask._ask("hello")["pool"] == daemon.stats()["pool"]
    assert ask._ask("stats")["requests"] == 1
    assert [row["origin"] for row in ask._ask("connections")] == [nginx.origin()]
    assert [row["origin"] for row in ask._ask("origins")] == [nginx.origin()]
    assert NAME in [row["name"] for row in ask._ask("clients")]
    assert ask._ask("ping") is None
    with pytest.raises(fetchpool.Refused, match="unknown method"):
        ask.call("frobnicate")


def test_a_request_may_be_checked(ask, nginx):
    verdict = ask.call("check", url=nginx.url("/"), method="POST")
    assert verdict["verdict"] == "allowed"
    with pytest.raises(fetchpool.Refused, match="method"):
        ask.call("check", url=nginx.url("/"), method="A B")


def test_the_pool_is_the_same_for_all_clients(daemon, loop):
    async def main():
        async with fetchpool.AsyncClient(daemon.path) as client:
            return await client.pool(), await client.pool()

    with fetchpool.Client(daemon.path) as client:
        assert set(run_in(loop, main)) == {client.pool}


def test_a_closed_client_says_so(daemon, kind, nginx):
    ask = Asker(kind, daemon.path)
    ask.fetch(nginx.url("/text"))
    if kind == "sync":
        ask.client.close()
        ask.client.close()
    else:
        ask.in_loop(ask.client.aclose)
        ask.in_loop(ask.client.aclose)
    for _ in range(2):
        with pytest.raises(RuntimeError, match="was closed"):
            ask.fetch(nginx.url("/text"))
    ask.close()


# ---- Processes, threads and loops ----------------------------------------------------------------

def in_child(function):
    """What function() returns in a forked child, which ends without a word otherwise."""
    ours, theirs = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(ours)
        try:
            said = repr(function())
        except BaseException as error:
            said = f"{type(error).__name__}: {error}"
        os.write(theirs, said.encode())
        os._exit(0)
    os.close(theirs)
    try:
        with open(ours) as file:
            return file.read()
    finally:
        os.kill(pid, signal.SIGKILL)  # if this was left by the test's deadline
        os.waitpid(pid, 0)


def test_a_client_is_used_on_both_sides_of_a_fork(daemon, origin):
    with fetchpool.Client(daemon.path, name=NAME) as client:
        def take(seed):
            return sha(client.fetch(origin.url(f"/1000000/{seed}")).body) == digest(1_000_000, seed)

        assert take(1)
        both = InThread(in_child, lambda: [take(seed) for seed in range(10)] and os.getpid())
        assert all(take(seed) for seed in range(10, 20))
        assert int(both.result()) != os.getpid()
        assert take(1)
        assert sockets_to(daemon.path) == 1


def test_a_child_has_sockets_of_its_own_and_its_parent_keeps_its(daemon, nginx):
    url = nginx.url("/text")
    with fetchpool.Client(daemon.path, name=NAME) as client:
        client.fetch(url)

        def child():
            client.fetch(url)
            return sorted(row["pid"] for row in client.clients() if row["name"] == NAME), os.getpid(), \
                sockets_to(daemon.path)

        said, pid, count = ast.literal_eval(in_child(child))
        assert said == sorted([os.getpid(), pid]) and count == 1
        client.fetch(url)
        assert [(row["pid"], row["requests"]) for row in clients_named(daemon)] == [(os.getpid(), 3)]


def test_a_stream_of_the_parent_is_an_error_in_the_child_and_whole_in_the_parent(ask, daemon, origin, kind):
    stream = ask.open(origin.url("/1000000/1"))
    first = ask.read_piece(stream)

    def read():
        return stream.read_piece() if kind == "sync" else asyncio.run(stream.read_piece())

    def close():
        return stream.close() if kind == "sync" else asyncio.run(stream.aclose())

    assert in_child(read) == ("MaybeProcessed: the request is that of the process that this one was "
                              "forked from (STOPPED 906)")
    assert in_child(close) == "None"
    assert sha(first + ask.read(stream)) == digest(1_000_000, 1)


def test_an_asynchronous_client_is_used_in_a_child_with_a_loop_of_its_own(daemon, origin, loop):
    client = fetchpool.AsyncClient(daemon.path, name=NAME)

    async def take(seed):
        return sha((await client.fetch(origin.url(f"/300000/{seed}"))).body) == digest(300_000, seed)

    async def child():
        good = await take(2)
        await client.aclose()
        return good, sockets_to(daemon.path)

    async def parent():
        assert await take(1)
        async with client.stream(origin.url("/300000/3")) as stream:
            first = await stream.read_piece()
            assert in_child(lambda: InThread(run_in, loop, child).result()) == "(True, 0)"
            assert sha(first + await stream.read()) == digest(300_000, 3)
        assert await take(4)
        assert [row["pid"] for row in await client.clients() if row["name"] == NAME] == [os.getpid()]
        await client.aclose()

    run_in(loop, parent)
    assert sockets_to(daemon.path) == 0


def test_sixty_four_threads_share_one_client(daemon, origin):
    failures = []

    def use(number):
        for turn in range(4):
            size = 100_000 + number
            _, body = sync_take(client, origin.url(f"/{size}/{turn}"))
            answer = client.fetch(origin.url(f"/10/{turn}"), method="PUT", body=words(300_000, 9))
            if sha(body) != digest(size, turn) or sha(answer.body) != digest(10, turn):
                failures.append((number, turn))

    with fetchpool.Client(daemon.path, name=NAME) as client:
        threads = [InThread(use, number) for number in range(64)]
        for thread in threads:
            thread.result(60)
        assert failures == []
        assert 1 <= len(clients_named(daemon)) == sockets_to(daemon.path) <= 64
    assert origin.uploads.count(digest(300_000, 9)) == 256


def sync_take(client, url):
    with client.stream(url) as stream:
        return stream, stream.read()


def test_no_more_idle_sockets_are_kept_than_are_of_use(daemon, slow, gate):
    with fetchpool.Client(daemon.path, name=NAME) as client:
        threads = [InThread(client.fetch, slow.url(f"/{number}")) for number in range(80)]
        slow.await_requests(80)
        assert sockets_to(daemon.path) == 80
        gate.open_for_all()
        for thread in threads:
            thread.result()
        assert sockets_to(daemon.path) == 64


def test_each_loop_has_one_connection_and_all_share_one_client(daemon, origin):
    client = fetchpool.AsyncClient(daemon.path, name=NAME)
    meeting = threading.Barrier(4)

    async def use(loop):
        seeds = range(20)
        gathered = await many(loop, [functools.partial(client.fetch, origin.url(f"/100000/{seed}"))
                                     for seed in seeds])
        assert [sha(answer.body) for answer in gathered] == [digest(100_000, seed) for seed in seeds]
        meeting.wait(scaled(10))
        count = len([row for row in await client.clients() if row["name"] == NAME])
        meeting.wait(scaled(10))
        return count

    loops = ["asyncio", "trio", "asyncio", "trio"]
    threads = [InThread(run_in, loop, use, loop) for loop in loops]
    assert [thread.result() for thread in threads] == [4] * 4

    async def again():
        assert (await client.fetch(origin.url("/5/1"))).status == 200
        assert sockets_to(daemon.path) == 1  # those of the loops that have ended are closed
        await client.aclose()

    asyncio.run(again())
    assert sockets_to(daemon.path) == 0


def test_one_client_in_one_loop_after_the_other(daemon, nginx, loop):
    client = fetchpool.AsyncClient(daemon.path, name=NAME)

    async def use():
        return (await client.fetch(nginx.url("/text"))).status

    for _ in range(5):
        assert run_in(loop, use) == 200
        assert sockets_to(daemon.path) == 1

    async def close():
        await client.aclose()

    run_in(loop, close)
    assert sockets_to(daemon.path) == 0


def test_without_a_loop_the_asynchronous_client_says_so():
    with pytest.raises(RuntimeError, match="needs a running asyncio or trio loop"):
        fetchpool.AsyncClient("/s").fetch("http://127.0.0.1:9/").send(None)


# ---- More than the daemon takes at once ----------------------------------------------------------

def test_more_than_the_daemon_takes_at_once_wait_for_room_and_all_end(start_daemon, loop, slow, gate):
    daemon = start_daemon({"limits": {"requests_per_client": 10}})

    async def main():
        async with fetchpool.AsyncClient(daemon.path, name=NAME) as client:
            opener = InThread(watch)
            answers = await many(loop, [functools.partial(client.fetch, slow.url(f"/{number}"))
                                        for number in range(100)])
            assert [answer.body for answer in answers] == [f"/{number}".encode() for number in range(100)]
            opener.result()

    def watch():
        slow.await_requests(10)
        with daemon.client() as asking:
            rows = [row for row in asking.call("clients") if row["name"] == NAME]
            assert [row["in_flight"] for row in rows] == [10]
        gate.open_for_all()

    run_in(loop, main)
    assert len(slow.requests) == 100


@pytest.mark.parametrize("is_stream", [False, True], ids=["whole", "streamed"])
def test_without_room_a_request_ends_with_queue_timeout_and_was_not_sent(start_daemon, loop, slow, gate,
                                                                        is_stream):
    daemon = start_daemon({"limits": {"requests_per_client": 2}})

    async def main():
        async with fetchpool.AsyncClient(daemon.path) as client:
            async def waits():
                await until(loop, lambda: len(slow.requests) == 2)
                try:
                    await client.fetch(slow.url("/late"), queue_timeout=0.1)
                except fetchpool.NotSentTimeout as error:
                    gate.open_for_all()
                    return error

            async def runs():
                if not is_stream:
                    return await client.fetch(slow.url("/runs"))
                async with client.stream(slow.url("/runs")) as stream:
                    await stream.read()
                    return stream

            *answers, error = await many(loop, [runs, runs, waits])
            assert (error.code, error.message) == (
                101, "the client's other requests left no room for this one within 100 ms")
            assert [answer.status for answer in answers] == [200, 200]
            assert (await client.fetch(slow.url("/next"))).status == 200

    run_in(loop, main)
    assert "/late" not in [request.target for request in slow.requests]


def test_streams_that_nobody_reads_hold_their_place_until_they_are_closed(start_daemon, loop, origin):
    daemon = start_daemon({"limits": {"requests_per_client": 2}})

    async def main():
        async with fetchpool.AsyncClient(daemon.path) as client:
            stopped = [await client.stream(origin.url("/3000000/1")) for _ in range(2)]
            with pytest.raises(fetchpool.NotSentTimeout, match="left no room"):
                await client.fetch(origin.url("/5/1"), queue_timeout=0.05)
            await stopped[0].aclose()
            assert (await client.fetch(origin.url("/5/1"))).status == 200
            assert sha(await stopped[1].read()) == digest(3_000_000, 1)

    run_in(loop, main)


# ---- Cancelling ----------------------------------------------------------------------------------

async def cancelled_when(loop, function, is_time):
    """Runs it in a task of its own until is_time(), then cancels that; waits for its end."""
    if loop == "asyncio":
        task = asyncio.ensure_future(function())
        await until(loop, is_time)
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        assert task.cancelled()
    else:
        ended = trio.Event()

        async def run():
            with scope:
                await function()
            ended.set()

        async with trio.open_nursery() as nursery:
            scope = trio.CancelScope()
            nursery.start_soon(run)
            await until(loop, is_time)
            scope.cancel()
            await ended.wait()
            assert scope.cancelled_caught


def is_held(connection):
    connection.read_request()
    connection.write(chunked_response([b"some"], last=False))
    connection.await_end()


def is_not_answered(connection):
    connection.read_request()
    connection.await_end()


async def ends_at_the_origin(origin, daemon):
    assert origin.connections[-1].closed.wait(scaled(5))
    eventually(lambda: daemon.stats()["in_flight"] == 0, 5, "nothing on its way")


@pytest.mark.parametrize("way", ["fetch", "stream", "read", "upload"])
def test_a_cancelled_task_cancels_its_request_at_the_origin(daemon, nginx, loop, way):
    script = {"read": is_held}.get(way, is_not_answered)

    async def main():
        async with fetchpool.AsyncClient(daemon.path, name=NAME) as client:
            async def ask():
                if way == "fetch":
                    await client.fetch(origin.url())
                elif way == "upload":
                    await client.fetch(origin.url(), method="PUT", body=iter([bytes(65536)] * 10_000))
                else:
                    async with client.stream(origin.url()) as stream:
                        while True:
                            read.append(await stream.read_piece())

            await client.ping()
            read = []
            await cancelled_when(loop, ask, lambda: read if way == "read" else origin.connections and (
                origin.requests or way == "upload"))
            await ends_at_the_origin(origin, daemon)
            assert (await client.fetch(nginx.url("/text"))).status == 200
            assert len(clients_named(daemon)) == 1  # it is the same socket

    with RawOrigin(script) as origin:
        run_in(loop, main)


def test_a_task_that_waits_for_its_turn_is_cancelled_before_anything_is_sent(start_daemon, loop, slow, gate):
    daemon = start_daemon({"pool": {"connections_per_origin": 1}})

    async def main():
        async with fetchpool.AsyncClient(daemon.path) as client:
            def waits():
                return daemon.stats()["queued"] == 1

            async def second():
                await until(loop, lambda: slow.requests)
                await cancelled_when(loop, functools.partial(client.fetch, slow.url("/second")), waits)
                eventually(lambda: daemon.stats()["queued"] == 0, 5, "it waits no more")
                gate.open_for_all()

            answer, _ = await many(loop, [functools.partial(client.fetch, slow.url("/first")), second])
            assert answer.body == b"/first"

    run_in(loop, main)
    assert [request.target for request in slow.requests] == ["/first"]


def test_a_task_that_waits_for_room_is_cancelled_and_the_next_has_its_place(start_daemon, loop, slow, gate):
    daemon = start_daemon({"limits": {"requests_per_client": 1}})

    async def main():
        async with fetchpool.AsyncClient(daemon.path) as client:
            async def second():
                await until(loop, lambda: slow.requests)
                link, = client._links.values()
                await cancelled_when(loop, functools.partial(client.fetch, slow.url("/second")),
                                     lambda: len(link.waiting) == 1)
                gate.open_for_all()
                assert (await client.fetch(slow.url("/third"))).body == b"/third"

            await many(loop, [functools.partial(client.fetch, slow.url("/first")), second])

    run_in(loop, main)
    assert [request.target for request in slow.requests] == ["/first", "/third"]


def test_a_timeout_of_the_loops_own_is_a_cancel(daemon, loop, slow):
    async def main():
        async with fetchpool.AsyncClient(daemon.path) as client:
            if loop == "asyncio":
                with pytest.raises(asyncio.TimeoutError):
                    await asyncio.wait_for(client.fetch(slow.url()), 0.1)
            else:
                with trio.move_on_after(0.1) as scope:
                    await client.fetch(slow.url())
                assert scope.cancelled_caught
            eventually(lambda: daemon.stats()["in_flight"] == 0, 5, "nothing on its way")

    run_in(loop, main)


def test_closing_ends_what_runs_and_what_waits(start_daemon, loop, slow, origin):
    daemon = start_daemon({"limits": {"requests_per_client": 2}})

    async def main():
        client = fetchpool.AsyncClient(daemon.path)
        stream = await client.stream(origin.url("/3000000/1"))

        async def fails(call):
            with pytest.raises(fetchpool.MaybeProcessed) as caught:
                await call()
            assert (caught.value.code, caught.value.message) == (906, "the client was closed")

        async def close():
            link, = client._links.values()
            await until(loop, lambda: len(link.waiting) == 1 and slow.requests)
            await client.aclose()

        fetch = functools.partial(client.fetch, slow.url())
        await many(loop, [functools.partial(fails, fetch), functools.partial(fails, fetch), close])
        await fails(stream.read)
        assert sockets_to(daemon.path) == 0
        eventually(lambda: daemon.stats()["in_flight"] == 0, 5, "nothing on its way")

    run_in(loop, main)


def test_closing_one_loops_client_from_another_loop(daemon, loop, slow):
    client = fetchpool.AsyncClient(daemon.path)

    async def ask():
        await client.fetch(slow.url())

    thread = InThread(run_in, loop, ask)
    slow.await_requests(1)

    async def close():
        await client.aclose()

    run_in(loop, close)
    with pytest.raises(fetchpool.MaybeProcessed, match="the client was closed"):
        thread.result()
    assert sockets_to(daemon.path) == 0


# ---- Signals -------------------------------------------------------------------------------------

class Interrupted(Exception):
    pass


@pytest.fixture
def interrupt():
    """interrupt(when): raises Interrupted in the main thread, by a signal, as soon as when() is true."""
    def interrupted(*_):
        raise Interrupted

    before = signal.signal(signal.SIGUSR1, interrupted)
    threads = []

    def arm(when):
        def run():
            eventually(when, 10, "the time of the signal")
            signal.pthread_kill(threading.main_thread().ident, signal.SIGUSR1)

        threads.append(InThread(run))

    yield arm
    for thread in threads:
        thread.result()
    signal.signal(signal.SIGUSR1, before)


@pytest.mark.parametrize("way", ["fetch", "read"])
def test_what_a_signal_raises_ends_the_request_at_the_origin_and_the_client_goes_on(daemon, nginx, interrupt,
                                                                                   way):
    with RawOrigin(is_held if way == "read" else is_not_answered) as origin, \
            fetchpool.Client(daemon.path, name=NAME) as client:
        interrupt(lambda: origin.requests)
        with pytest.raises(Interrupted):
            if way == "fetch":
                client.fetch(origin.url())
            else:
                with client.stream(origin.url()) as stream:
                    while True:
                        stream.read_piece()
        assert origin.connections[0].closed.wait(scaled(5))
        assert sockets_to(daemon.path) == 0
        assert client.fetch(nginx.url("/text")).status == 200
        eventually(lambda: daemon.stats()["in_flight"] == 0, 5, "nothing on its way")


def test_a_signal_while_an_answer_is_seen_out_costs_its_socket(path, interrupt, monkeypatch):
    def does_not_hear(peer):
        request_id = peer.begin()
        peer.head(request_id)
        peer.data(request_id, b"some")
        peer.await_note("cancel")
        cancelled.set()
        list(peer.events())

    cancelled = threading.Event()
    monkeypatch.setattr("fetchpool._link._CANCEL_WAIT_SECONDS", 20)
    with FakeDaemon(path, does_not_hear, serves), fetchpool.Client(path) as client:
        stream = client.stream("http://origin.test/")
        assert stream.read_piece() == b"some"
        interrupt(cancelled.is_set)
        with pytest.raises(Interrupted):
            stream.close()
        assert sockets_to(path) == 0
        assert client.fetch("http://origin.test/").status == 200


def test_signals_that_raise_nothing_disturb_nothing(daemon, origin):
    """One each millisecond."""
    before = signal.signal(signal.SIGALRM, lambda *_: None)
    deadline = signal.setitimer(signal.ITIMER_REAL, 0.001, 0.001)
    try:
        with fetchpool.Client(daemon.path) as client:
            for seed in range(10):
                _, body = sync_take(client, origin.url(f"/1000000/{seed}"))
                assert sha(body) == digest(1_000_000, seed)
                client.fetch(origin.url("/0/1"), method="PUT", body=iter([words(100_000)] * 10),
                             body_size=1_000_000)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)  # before its handler goes
        signal.signal(signal.SIGALRM, before)
        signal.setitimer(signal.ITIMER_REAL, *deadline)
    assert origin.uploads.count(sha(words(100_000) * 10)) == 10


# ---- Storms --------------------------------------------------------------------------------------

STORM = 1000


def open_descriptors():
    return len(os.listdir("/proc/self/fd"))


async def storm(loop, functions, pauses):
    """Each in a task that is cancelled after its pause, if it has not ended. How many were."""
    cancelled = []

    async def run(function, pause):
        if loop == "asyncio":
            task = asyncio.ensure_future(function())
            await asyncio.sleep(pause)
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
            cancelled.append(task.cancelled())
        else:
            with trio.move_on_after(pause) as scope:
                await function()
            cancelled.append(scope.cancelled_caught)

    await many(loop, [functools.partial(run, *each) for each in zip(functions, pauses)])
    return sum(cancelled)


@pytest.mark.deadline(60)
def test_a_storm_of_cancelled_tasks_leaves_nothing_behind(daemon, nginx, origin, loop):
    async def fetch(client, number):
        await client.fetch(nginx.url("/files/page"))

    async def read(client, number):
        async with client.stream(origin.url(f"/300000/{number % 2}"), window=10_000) as stream:
            await stream.read()

    async def upload(client, number):
        await client.fetch(origin.url("/0/1"), method="PUT", body=iter([bytes(50_000)] * 10),
                           body_size=500_000)

    async def upload_slowly(client, number):
        async def pieces():
            for _ in range(10):
                await (asyncio.sleep if loop == "asyncio" else trio.sleep)(0.001)
                yield bytes(50_000)

        await client.fetch(origin.url("/0/1"), method="PUT", body=pieces())

    async def main():
        async with fetchpool.AsyncClient(daemon.path, name=NAME) as client:
            await client.ping()
            before = open_descriptors()
            random_one = random.Random(loop)
            kinds = [fetch, read, upload, upload_slowly]
            count = await storm(loop, [functools.partial(kinds[number % 4], client, number)
                                       for number in range(STORM)],
                                [random_one.uniform(0, 1.5) for _ in range(STORM)])
            assert STORM / 10 < count < STORM
            eventually(lambda: daemon.stats()["in_flight"] == 0, 10, "nothing on its way")
            # What the daemon said of them is read when the loop turns.
            assert (await client.fetch(nginx.url("/text"))).status == 200
            assert len(clients_named(daemon)) == sockets_to(daemon.path) == 1
            link, = client._links.values()
            assert (len(link.connection.exchanges), link.handed, len(link.waiting), len(link.blocked)) == (
                0, 0, 0, 0)
            answers = await many(loop, [functools.partial(client.fetch, origin.url("/1000/2"))
                                        for _ in range(300)])
            assert {sha(answer.body) for answer in answers} == {digest(1000, 2)}
            eventually(lambda: open_descriptors() <= before + len(origin.connections), 5,
                       "as many descriptors as before, but for the origin's")

    run_in(loop, main)
    assert sockets_to(daemon.path) == 0


@pytest.mark.deadline(60)
def test_a_storm_at_a_client_that_connects_anew_leaves_nothing_behind(daemon, nginx, loop):
    """Cancelled while hello is awaited, in the queue for a place, and in the middle."""
    async def main():
        random_one = random.Random(loop)
        for _ in range(20):
            async with fetchpool.AsyncClient(daemon.path) as client:
                await storm(loop, [functools.partial(client.fetch, nginx.url("/text"))] * 50,
                            [random_one.uniform(0, 0.02) for _ in range(50)])
                assert (await client.fetch(nginx.url("/text"))).status == 200

    run_in(loop, main)
    assert sockets_to(daemon.path) == 0
    eventually(lambda: daemon.stats()["in_flight"] == 0, 5, "nothing on its way")
