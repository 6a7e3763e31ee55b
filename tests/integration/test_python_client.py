"""
The Python client and the real daemon: whole answers, streams both ways, cancelling, and who shares what.
A sentence that holds for the blocking client and the asynchronous one in both loops is one test of `ask`.
"""

import hashlib
import io
import os
import threading

import pytest

from support.fakedaemon import words
from support.origin import RawOrigin, chunk, chunked_response, response, serve
from support.ports import free_port
from support.python_client import NAME, Asker, fetchpool, run_in, sockets_to
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


@pytest.mark.parametrize("status", [204, 304, 404, 503])
def test_no_status_is_an_error(ask, nginx, status):
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


@pytest.mark.parametrize("http, said", [("1.1", "1.1"), ("2", "2"), ("auto", "2"), (None, "2")])
def test_the_version_of_http_may_be_chosen(ask, nginx, http, said):
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


@pytest.mark.parametrize("keys, sentence", [
    ({"method": "GE T"}, "method"), ({"headers": [("Connection", "x")]}, "Connection"),
    ({"headers": [("a b", "x")]}, "a b"), ({"headers": [("a", "x\r\ny: z")]}, "0x0d"),
    ({"http": "3"}, "http"), ({"retry": "maybe"}, "retry"), ({"redirects": 51}, "redirects"),
    ({"tag": "x" * 129}, "tag"), ({"proxy": "gopher://x"}, "proxy"), ({"max_body": 2**40}, "max_body"),
])
def test_what_the_daemon_refuses_is_refused_with_its_sentence(ask, keys, sentence):
    error = ask.error("https://127.0.0.1:9/", **keys)
    assert type(error) is fetchpool.Refused and error.code == 1 and error.error_class == "refused"
    assert sentence in error.message


@pytest.mark.parametrize("url", ["", "localhost", "ftp://localhost/", "http://u:p@localhost/", "http://",
                                 "http://a b/", "http://localhost:0/"])
def test_a_url_that_is_none_is_refused(ask, url):
    assert type(ask.error(url)) is fetchpool.Refused


# ---- Streamed answers ----------------------------------------------------------------------------

@pytest.mark.parametrize("length", [0, 1, 65536, 262_144, 262_145, 3_000_000])
def test_bodies_of_many_sizes_come_to_the_byte(ask, origin, length):
    for seed in (1, 2):
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


@pytest.mark.parametrize("window", [1, 1000, 100_000, 10_000_000])
def test_a_window_of_any_size_is_kept_to(ask, origin, window):
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
        with pytest.raises(fetchpool.MaybeProcessed) as caught:
            ask.read_piece(stream)
        assert caught.value.code == fetchpool.Code.TRUNCATED
        assert ask.read_piece(stream) is None
        assert ask.error(origin.url()).code == 202


@pytest.mark.parametrize("target, method, status", [("/text", "HEAD", 200), ("/status/204", "GET", 204),
                                                    ("/status/304", "GET", 304)])
def test_an_answer_without_a_body_has_its_end_at_once(ask, nginx, target, method, status):
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
        assert ask.read_piece(stream) is None


def test_a_closed_stream_leaves_its_socket_to_the_next(ask, daemon, nginx):
    for _ in range(5):
        ask.close_stream(ask.open(nginx.url("/files/mebibyte")))
    assert ask.fetch(nginx.url("/text")).status == 200
    assert [row["requests"] for row in clients_named(daemon)] == [7]


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


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("make", [bytes, bytearray, memoryview], ids=lambda make: make.__name__)
def test_bytes_are_sent_with_their_length(ask, taker, make, size):
    said, arrival = upload(ask, taker, make(words(size)))
    assert said == said_of(words(size))
    assert arrival.value("content-length") == str(size)


@pytest.mark.parametrize("size", SIZES)
def test_a_file_is_sent_from_where_it_stands_with_the_length_that_is_left(ask, taker, size, tmp_path):
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


@pytest.mark.parametrize("pieces", [[], [b""], [b"", b"a", b"", b"b"], [words(200_000)] * 3],
                         ids=["none", "an empty one", "some empty", "large"])
@pytest.mark.parametrize("is_sized", [False, True], ids=["unsized", "sized"])
def test_an_iterable_is_sent_piece_by_piece(ask, taker, pieces, is_sized):
    whole = b"".join(pieces)
    said, arrival = upload(ask, taker, iter(pieces), body_size=len(whole) if is_sized else None)
    assert said == said_of(whole)
    assert arrival.value("content-length") == (str(len(whole)) if is_sized else None)


def test_a_list_of_bytes_is_an_iterable(ask, taker):
    assert upload(ask, taker, [b"one", bytearray(b"two"), memoryview(b"three")])[0] == said_of(b"onetwothree")


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
