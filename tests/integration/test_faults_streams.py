"""The rows about streamed answers, with the witness (W) and the calm after each."""

import gzip
import hashlib
import struct
import time

import pytest

from support.calm import calm
from support.client import DEFAULT_WINDOW, MAX_DATA_BYTES
from support.compression import brotli, zstd_repeated
from support.h2origin import H2Origin
from support.memory import peak_of
from support.nameserver import NotPermitted, SilentNameServer
from support.nginx import Nginx
from support.origin import FullBacklog, RawOrigin, chunked_response, response, serve
from support.timing import SANITIZED, Stopwatch, eventually, scaled
from support.witness import Witness

MIB = 1 << 20
LARGE = 64 * MIB if SANITIZED else 1 << 30
PROTOCOLS = [Nginx.H1, Nginx.H2]
HELD_BY_ONE_H2_STREAM = 20  # MiB that libcurl grants an origin, however small the client's window


def witness_of(daemon, nginx):
    return Witness(daemon, nginx.url("/files/small"), nginx.file("small"))


def assert_grew_at_most(peak, mebibytes):
    if not SANITIZED:  # whose allocator keeps what was freed
        assert peak.growth_kib <= mebibytes * 1024, f"{peak.growth_kib} KiB"


def head_of(length):
    return response(headers=[("Content-Length", str(length))], length=False)


# ---- C7: a reader that stops ----------------------------------------------------------------------

CLIENT_STALL = 2.0


def read_and_stop(client, url):
    """A reader in the middle of its body, who has just stopped to grant."""
    stream = client.stream(url, flow=MAX_DATA_BYTES, keep=False)
    stream.take(LARGE // 16, 20)
    stream.flow = None
    stream.ungranted = 0
    return stream


def held_at_most(server):
    return 16 + (HELD_BY_ONE_H2_STREAM if server == Nginx.H2 else 0)


def assert_shares_the_witness_connection(stream, client, nginx):
    plain = client.fetch(nginx.url("/text"))
    assert stream.answer["connection"]["id"] == plain["connection"]["id"]


@pytest.mark.long
@pytest.mark.deadline(60)
@pytest.mark.parametrize("server", PROTOCOLS)
def test_c7_a_reader_that_stops_to_grant_in_the_middle_of_a_gibibyte_is_206(start_daemon, nginx,
                                                                          server):
    daemon = start_daemon({"timeouts": {"client_stall": f"{CLIENT_STALL:.0f}s"}})
    target, _ = nginx.large(LARGE)
    with calm(daemon), witness_of(daemon, nginx), peak_of(daemon) as peak:
        client = daemon.client()
        stream = read_and_stop(client, nginx.url(target, server))
        if server == Nginx.H2:
            assert_shares_the_witness_connection(stream, client, nginx)
        stream.take(stream.granted)
        with Stopwatch() as watch:
            error = stream.error()
        assert error.code == 206 and "client_stall" in error.message
        assert CLIENT_STALL * 0.8 <= watch.seconds <= CLIENT_STALL + scaled(1)
        assert client.fetch(nginx.url("/text"))["body"] == b"hello\n"
    assert_grew_at_most(peak, held_at_most(server))


@pytest.mark.long
@pytest.mark.deadline(60)
@pytest.mark.parametrize("window", [DEFAULT_WINDOW, 1 << 40], ids=["a window", "no bound"])
@pytest.mark.parametrize("server", PROTOCOLS)
def test_c7_a_reader_that_leaves_its_socket_unread_is_206(start_daemon, nginx, server, window):
    daemon = start_daemon({"timeouts": {"client_stall": f"{CLIENT_STALL:.0f}s"}})
    target, _ = nginx.large(LARGE)
    with calm(daemon), witness_of(daemon, nginx), peak_of(daemon) as peak:
        client = daemon.client()
        stream = client.stream(nginx.url(target, server), window=window, keep=False)
        stream.head()
        eventually(lambda: daemon.stats()["paused_streams"] == 1, 5, "the stream is paused")
        eventually(lambda: daemon.stats()["paused_streams"] == 0, CLIENT_STALL + 2, "it has ended")
        assert stream.error().code == 206
        assert client.fetch(nginx.url("/text"))["body"] == b"hello\n"
    assert_grew_at_most(peak, held_at_most(server))


@pytest.mark.long
@pytest.mark.deadline(90)
@pytest.mark.parametrize("server", PROTOCOLS)
def test_c7_a_reader_that_goes_on_in_time_gets_every_byte(start_daemon, nginx, server):
    daemon = start_daemon({"timeouts": {"client_stall": f"{CLIENT_STALL:.0f}s"}})
    target, digest = nginx.large(LARGE)
    with calm(daemon, offenders=0), witness_of(daemon, nginx), peak_of(daemon) as peak:
        client = daemon.client()
        stream = read_and_stop(client, nginx.url(target, server))
        stream.take(stream.granted)
        client.read_for(CLIENT_STALL * 0.6)
        assert not stream.is_over
        stream.start_flow()
        stream.take(LARGE // 8, 20)
        time.sleep(CLIENT_STALL * 0.6)  # nobody reads
        stream.finish(60)
        assert stream.digest() == digest
    assert_grew_at_most(peak, held_at_most(server))


# ---- O6: bodies that end early --------------------------------------------------------------------

def written(data, end="close"):
    """An origin over http/1.1 that writes these bytes, then closes in one of several ways."""

    def script(connection):
        connection.read_request()
        connection.write(data)
        if end == "reset":
            connection.reset()

    return script


SHORT = {
    "by its length": written(response(body=bytes(1000))[:-1]),
    "by its length, to nothing": written(head_of(1000)),
    "without the last chunk": written(chunked_response([bytes(500)], last=False)),
    "in the middle of a chunk": written(chunked_response([bytes(500), bytes(500)])[:-300]),
    "before the end of the last chunk": written(chunked_response([bytes(500)])[:-2]),
    "by a TCP reset": written(response(body=bytes(1000))[:-1], "reset"),
}


def streamed_error(client, url):
    stream = client.stream(url)
    return stream.error()


def plain_error(client, url):
    return client.refused(url)


WAYS = pytest.mark.parametrize("error_of", [streamed_error, plain_error], ids=["streamed", "whole"])


@WAYS
@pytest.mark.parametrize("script", SHORT.values(), ids=SHORT.keys())
def test_o6_a_body_cut_short_is_202_and_never_complete(daemon, script, error_of):
    with RawOrigin(script) as origin, calm(daemon):
        client = daemon.client()
        for _ in range(5):
            assert error_of(client, origin.url()).code == 202


@WAYS
@pytest.mark.parametrize("script", SHORT.values(), ids=SHORT.keys())
def test_o6_the_same_over_tls(daemon, authority, script, error_of):
    with RawOrigin(script, leaf=authority.server) as origin, calm(daemon):
        assert error_of(daemon.client(), origin.url(host="localhost")).code == 202


@WAYS
def test_o6_a_body_without_length_that_tls_does_not_close_is_202(daemon, authority, error_of):
    """Whoever cuts the TCP connection would decide where such a body ends."""
    with RawOrigin(written(response(length=False) + bytes(1000)), leaf=authority.server) as origin, \
            calm(daemon):
        assert error_of(daemon.client(), origin.url(host="localhost")).code == 202


def test_o6_a_body_without_length_that_tls_closes_is_complete(client, authority):
    def script(connection):
        connection.read_request()
        connection.write(response(length=False) + bytes(1000))
        connection.socket.unwrap()

    with RawOrigin(script, leaf=authority.server) as origin:
        assert client.stream(origin.url(host="localhost")).body() == bytes(1000)


NO_ERROR, INTERNAL_ERROR, REFUSED_STREAM, CANCEL = 0, 2, 7, 8


def send_some(session, stream, length=None):
    fields = [(":status", "200")] + ([("content-length", str(length))] if length else [])
    session.h2.send_headers(stream, fields)
    session.h2.send_data(stream, bytes(1000))
    session.flush()


def reset_with(code, length=None):
    def script(session, stream, _):
        send_some(session, stream, length)
        session.h2.reset_stream(stream, code)
        session.flush()

    return script


def end_below_its_length(session, stream, _):
    send_some(session, stream, 2000)
    session.connection.write(struct.pack(">I", 0)[1:] + b"\0\1" + struct.pack(">I", stream))


def close_in_the_middle(session, stream, _):
    send_some(session, stream)
    raise ConnectionError("closed")


def go_away_in_the_middle(session, stream, _):
    send_some(session, stream)
    session.h2.close_connection()
    session.flush()
    raise ConnectionError("closed")


SHORT_H2 = {
    "reset with an error": reset_with(INTERNAL_ERROR),
    # Without its length it would be taken for whole: libcurl 8.14 takes such a reset for an end.
    "reset without one": reset_with(NO_ERROR, 2000),
    "reset as refused": reset_with(REFUSED_STREAM),
    "reset as cancelled": reset_with(CANCEL),
    "ended below its length": end_below_its_length,
    "closed": close_in_the_middle,
    "closed after GOAWAY": go_away_in_the_middle,
}


@WAYS
@pytest.mark.parametrize("script", SHORT_H2.values(), ids=SHORT_H2.keys())
def test_o6_a_body_cut_short_over_http_2_is_202_and_never_complete(daemon, authority, script,
                                                                 error_of):
    with H2Origin(authority.server, script) as origin, calm(daemon):
        assert error_of(daemon.client(), origin.url(host="localhost")).code == 202
        assert len(origin.streams) == 1  # and not sent again


def test_o6_a_stopped_reader_hears_of_the_cut_after_what_came(daemon, authority):
    with H2Origin(authority.server, reset_with(INTERNAL_ERROR)) as origin, calm(daemon):
        client = daemon.client()
        stream = client.stream(origin.url(host="localhost"), window=10)
        stream.take(10)
        client.read_for(0.2)
        stream.grant(DEFAULT_WINDOW)
        assert stream.error().code == 202


# ---- O10: slow and silent origins -----------------------------------------------------------------

LIMIT = 500  # ms


def in_time(watch):
    assert LIMIT / 1000 * 0.9 <= watch.seconds <= LIMIT / 1000 + scaled(1)


def trickle(before, data, pause=0.1):
    """A second would be a test of minutes: a tenth of one."""

    def script(connection):
        connection.read_request()
        connection.write(before)
        for byte in data:
            connection.write(bytes([byte]))
            if connection.origin.released.wait(pause):
                return
        connection.await_end()

    return script


@pytest.mark.parametrize("keys", [{"stream": True}, {}], ids=["streamed", "whole"])
def test_o10_header_fields_byte_by_byte_end_at_first_byte_timeout(daemon, keys):
    with RawOrigin(trickle(b"", response(body=b"x"))) as origin, calm(daemon), Stopwatch() as watch:
        error = daemon.client().refused(origin.url(), first_byte_timeout=LIMIT, **keys)
        assert error.code == 200 and "first_byte" in error.message
    in_time(watch)


@pytest.mark.parametrize("silence", [b"", b"HTTP/1.1 200 OK\r\nX: "], ids=["at once", "in a field"])
def test_o10_silence_before_the_answer_ends_at_first_byte_timeout(daemon, silence):
    with RawOrigin(trickle(silence, b"")) as origin, calm(daemon), Stopwatch() as watch:
        stream = daemon.client().stream(origin.url(), first_byte_timeout=LIMIT)
        assert stream.error().code == 200 and stream.answer is None
    in_time(watch)


@WAYS
def test_o10_a_body_byte_by_byte_is_not_idle_and_ends_at_its_timeout(daemon, error_of):
    with RawOrigin(trickle(head_of(1000), bytes(1000), 0.02)) as origin, calm(daemon):
        client = daemon.client()
        with Stopwatch() as watch:
            if error_of is streamed_error:
                stream = client.stream(origin.url(), idle_timeout=200, timeout=LIMIT)
                assert stream.error().code == 200 and stream.taken > 5
            else:
                assert client.refused(origin.url(), idle_timeout=200, timeout=LIMIT).code == 200
    in_time(watch)


SILENCES = {"after the header fields": b"", "in the middle of the body": b"some"}


@pytest.mark.parametrize("some", SILENCES.values(), ids=SILENCES.keys())
def test_o10_silence_in_a_streamed_body_ends_at_idle_timeout(daemon, some):
    with RawOrigin(trickle(head_of(1000) + some, b"")) as origin, calm(daemon):
        with Stopwatch() as watch:
            stream = daemon.client().stream(origin.url(), idle_timeout=LIMIT)
            error = stream.error()
        assert error.code == 200 and "idle" in error.message
        assert b"".join(stream.pieces) == some
        in_time(watch)


def test_o10_a_silent_http_2_stream_ends_alone(daemon, authority):
    def script(session, stream, headers):
        if dict(headers)[":path"] == "/silent":
            send_some(session, stream, 2000)
        else:
            session.answer(stream, 200, b"hello")

    with H2Origin(authority.server, script) as origin, calm(daemon):
        client = daemon.client()
        with Stopwatch() as watch:
            stream = client.stream(origin.url("/silent", "localhost"), idle_timeout=LIMIT)
            stream.take(1000)
            assert client.fetch(origin.url("/", "localhost"))["body"] == b"hello"
            assert stream.error().code == 200
        in_time(watch)
        assert client.fetch(origin.url("/", "localhost"))["connection"]["reused"]
        assert len(origin.connections) == 1 and len(origin.resets) == 1


# ---- O12: bodies without an end -------------------------------------------------------------------

def endless(connection):
    connection.read_request()
    connection.write(response(headers=[("Transfer-Encoding", "chunked")], length=False))
    connection.write_endlessly(b"4000\r\n" + bytes(0x4000) + b"\r\n")


def zeros():
    while True:
        yield bytes(16384)


def endless_h2(session, stream, _):
    session.h2.send_headers(stream, [(":status", "200")])
    session.send_body(stream, zeros())


def endless_origin(kind, authority):
    return RawOrigin(endless) if kind == "h1" else H2Origin(authority.server, endless_h2)


@WAYS
@pytest.mark.parametrize("kind", ["h1", "h2"])
def test_o12_an_endless_body_ends_at_max_body(daemon, authority, kind, error_of):
    with endless_origin(kind, authority) as origin, calm(daemon), peak_of(daemon) as peak:
        client = daemon.client()
        if error_of is streamed_error:
            stream = client.stream(origin.url(host="localhost"), flow=MAX_DATA_BYTES, max_body=5 * MIB)
            assert stream.error().code == 204 and stream.taken <= 5 * MIB
        else:
            assert client.refused(origin.url(host="localhost"), max_body=5 * MIB).code == 204
    assert_grew_at_most(peak, 16)


@pytest.mark.parametrize("kind", ["h1", "h2"])
def test_o12_an_endless_body_is_bounded_by_the_window_and_ends_when_it_is_cancelled(daemon, authority,
                                                                                  kind):
    with endless_origin(kind, authority) as origin, calm(daemon, offenders=0):
        client = daemon.client()
        with peak_of(daemon) as peak:
            stream = client.stream(origin.url(host="localhost"), window=MIB, keep=False)
            stream.take(MIB)
            client.read_for(0.5)
            stream.grant(8 * MIB)
            stream.take(9 * MIB)
            client.read_for(0.5)
        stream.cancel()
        assert stream.error().code == 208 and stream.taken == 9 * MIB
        if kind == "h1":
            assert origin.connections[0].closed.wait(scaled(1))
    assert_grew_at_most(peak, 4 if kind == "h1" else HELD_BY_ONE_H2_STREAM + 4)


# ---- O13: bombs -----------------------------------------------------------------------------------

BOMB = 200 * MIB


def gzip_bomb():
    return gzip.compress(bytes(BOMB), 6)


BOMBS = {"gzip": gzip_bomb, "br": lambda: brotli(bytes(BOMB)),
         "zstd": lambda: zstd_repeated(b"\0", BOMB)}


def bomb_origin(coding, field="Content-Encoding"):
    data = response(body=BOMBS[coding](), headers=[(field, coding)])
    return RawOrigin(serve(lambda _: data))


@pytest.mark.long
@pytest.mark.deadline(60)
@pytest.mark.parametrize("window", [0, DEFAULT_WINDOW])
def test_o13_a_gzip_bomb_waits_for_its_reader_within_paused_memory(start_daemon, nginx, window):
    daemon = start_daemon({"limits": {"paused_memory": "32MiB"}})
    with bomb_origin("gzip") as origin, calm(daemon), witness_of(daemon, nginx):
        client = daemon.client()
        with peak_of(daemon) as peak:
            stream = client.stream(origin.url(), window=window, keep=False, decompress=True)
            stream.head()
            stream.take(window)
            client.read_for(0.5)
        assert_grew_at_most(peak, 32 + 16)
        if stream.is_over:
            assert stream.failure.code == 206
        else:
            stream.start_flow()
            stream.finish(30)
            assert stream.taken == BOMB
            assert stream.digest() == hashlib.sha256(bytes(BOMB)).hexdigest()


@pytest.mark.long
@pytest.mark.deadline(60)
def test_o13_a_gzip_bomb_that_is_read_comes_whole(daemon, nginx):
    with bomb_origin("gzip") as origin, calm(daemon), witness_of(daemon, nginx), \
            peak_of(daemon) as peak:
        stream = daemon.client().stream(origin.url(), flow=MAX_DATA_BYTES, keep=False,
                                        decompress=True)
        stream.finish(30)
        assert stream.taken == BOMB
    assert_grew_at_most(peak, 64 + 16)


@pytest.mark.parametrize("coding", BOMBS)
def test_o13_a_bomb_is_stopped_at_max_body(daemon, nginx, coding):
    with bomb_origin(coding) as origin, calm(daemon), witness_of(daemon, nginx), \
            peak_of(daemon) as peak:
        error = daemon.client().refused(origin.url(), decompress=True, max_body=MIB)
        assert error.code == (204 if coding == "gzip" else 205)
    assert_grew_at_most(peak, 16)


@pytest.mark.parametrize("coding", ["br", "zstd"])
def test_o13_a_bomb_that_a_stream_did_not_ask_for_is_205(daemon, nginx, coding):
    with bomb_origin(coding) as origin, calm(daemon), witness_of(daemon, nginx), \
            peak_of(daemon) as peak:
        stream = daemon.client().stream(origin.url(), decompress=True, window=0)
        assert stream.error().code == 205
    assert_grew_at_most(peak, 16)


@pytest.mark.parametrize("keys", [{}, {"decompress": True}], ids=["as it is", "decompressed"])
@WAYS
def test_o13_a_transfer_encoding_of_gzip_that_nobody_asked_for_is_an_error(daemon, nginx, error_of,
                                                                         keys):
    data = response(headers=[("Transfer-Encoding", "gzip, chunked")], length=False)
    bomb = gzip_bomb()
    data += f"{len(bomb):x}\r\n".encode() + bomb + b"\r\n0\r\n\r\n"
    with RawOrigin(serve(lambda _: data)) as origin, calm(daemon), witness_of(daemon, nginx), \
            peak_of(daemon) as peak:
        client = daemon.client()
        if error_of is streamed_error:
            error = client.stream(origin.url(), **keys).error()
        else:
            error = client.refused(origin.url(), **keys)
        assert error.code in (203, 205)
        assert origin.requests[0].values("te") == []
    assert_grew_at_most(peak, 16)


# ---- O26: stopped streams beside one that runs ----------------------------------------------------

STOPPED = 99
RUN = (16 if SANITIZED else 96) * MIB
ROUNDS = 5
SHARE = 0.9


def rate(client, nginx, connection):
    """The better of two: what else the machine does can only slow one down."""
    return max(rate_once(client, nginx, connection) for _ in range(2))


def rate_once(client, nginx, connection):
    target, digest = nginx.large(RUN)
    begin = time.monotonic()
    stream = client.stream(nginx.url(target), window=4 * MIB, flow=4 * MAX_DATA_BYTES, keep=False)
    stream.finish(60)
    seconds = time.monotonic() - begin
    assert stream.digest() == digest
    assert stream.answer["connection"]["id"] == connection
    return RUN / seconds


def stop_many(client, nginx, count, window=DEFAULT_WINDOW):
    """
    nginx closes a connection ("http2 flood detected") when 10,000 DATA frames of 8 KiB
    (http2_chunk_size) are allocated for its streams. By default a blocked stream has at most eight,
    its output_buffers of 2 x 32 KiB; with larger ones, 99 stopped streams are enough.
    """
    target, _ = nginx.large(RUN)
    streams = [client.stream(nginx.url(target), window=window, keep=False) for _ in range(count)]
    for stream in streams:
        client.read_until(lambda: stream.is_over or (stream.answer and stream.taken == window),
                          "a full window")
    return streams


def assert_stopped_or_too_slow(streams):
    for stream in streams:
        if stream.is_over:
            assert stream.failure and stream.failure.code == 206, stream.failure or stream.end
    return sum(not stream.is_over for stream in streams)


def cancel_all(client, streams):
    for stream in streams:
        if not stream.is_over:
            stream.cancel()
    for stream in streams:
        client.read_until(lambda: stream.is_over, "the end of what is cancelled")


def enough(alone, beside):
    """The best of each, as soon as they say so: what else the machine does only slows one down."""
    return len(alone) >= 3 and max(beside) >= SHARE * max(alone)


@pytest.mark.long
@pytest.mark.deadline(150)
def test_o26_beside_99_stopped_streams_one_runs_at_full_speed(daemon, nginx):
    with calm(daemon, offenders=0):
        runner, stopper = daemon.client(), daemon.client()
        connection = runner.fetch(nginx.url("/text"))["connection"]["id"]
        rate_once(runner, nginx, connection)
        alone, beside = [], []
        with peak_of(daemon) as peak:
            while len(alone) < ROUNDS and not enough(alone, beside):
                alone.append(rate(runner, nginx, connection))
                streams = stop_many(stopper, nginx, STOPPED)
                rate_once(runner, nginx, connection)  # meanwhile the origin fills what libcurl granted
                beside.append(rate(runner, nginx, connection))
                stopper.read_for(0.05)
                assert assert_stopped_or_too_slow(streams) > 0
                cancel_all(stopper, streams)
        assert enough(alone, beside), f"{beside} beside, {alone} alone, in bytes a second"
        assert_grew_at_most(peak, 64 + 32)


@pytest.mark.long
@pytest.mark.deadline(120)
def test_o26_after_500_cancelled_streams_one_runs_at_full_speed(start_daemon, nginx):
    daemon = start_daemon({"limits": {"paused_memory": "8GiB", "paused_memory_total": "8GiB"}})
    with calm(daemon, offenders=0):
        client = daemon.client()
        connection = client.fetch(nginx.url("/text"))["connection"]["id"]
        rate_once(client, nginx, connection)
        keeper = stop_many(daemon.client(), nginx, 1, 0)  # an unused connection is ended after a cancel
        before, after = [], []
        while len(before) < ROUNDS and not enough(before, after):
            before.append(rate(client, nginx, connection))
            for window in (0, 1, 1000, 10_000, 0):
                cancel_all(client, stop_many(client, nginx, 100, window))
            rate_once(client, nginx, connection)  # what the origin had sent is still on its way
            after.append(rate(client, nginx, connection))
        assert enough(before, after), f"{after} after, {before} before, in bytes a second"
        assert not any(stream.is_over for stream in keeper)


# ---- Cancel, in every phase -----------------------------------------------------------------------

WITHIN = 0.1  # s


def cancelled(client, stream, code):
    with Stopwatch() as watch:
        stream.cancel()
        error = stream.error()
    assert error.code == code, error
    assert watch.seconds <= scaled(WITHIN)


@pytest.mark.long
def test_cancel_while_its_name_is_looked_up_is_108(start_daemon, tmp_path):
    try:
        with SilentNameServer(tmp_path) as names:
            daemon = start_daemon(wrapper=names.wrapper)
            with calm(daemon, offenders=0):
                client = daemon.client()
                stream = client.stream("http://never.answered.test/")
                names.await_question(b"never")
                cancelled(client, stream, 108)
    except NotPermitted as reason:
        pytest.skip(str(reason))


def test_cancel_while_it_connects_is_108(daemon):
    with FullBacklog() as origin, calm(daemon, offenders=0):
        client = daemon.client()
        stream = client.stream(origin.url())
        client.read_for(0.1)
        cancelled(client, stream, 108)


def test_cancel_in_its_tls_handshake_is_108(daemon, authority):
    with RawOrigin(lambda connection: connection.await_end(), leaf=authority.server,
                   handshake=False) as origin, calm(daemon, offenders=0):
        client = daemon.client()
        stream = client.stream(origin.url(host="localhost"))
        eventually(lambda: origin.connections and origin.connections[0].received, 5, "a ClientHello")
        cancelled(client, stream, 108)
        assert origin.connections[0].closed.wait(scaled(1))


def silent(connection):
    connection.read_request()
    connection.await_end()


@pytest.mark.parametrize("keys", [{"stream": True}, {}], ids=["streamed", "whole"])
def test_cancel_while_it_waits_for_its_answer_is_208(daemon, keys):
    with RawOrigin(silent) as origin, calm(daemon, offenders=0):
        client = daemon.client()
        request = client.send("fetch", {"url": origin.url(), **keys})
        origin.await_requests(1)
        with Stopwatch() as watch:
            client.notify("cancel", request)
            assert client.receive_message(request)[2][0] == 208
        assert watch.seconds <= scaled(WITHIN)
        assert origin.connections[0].closed.wait(scaled(1))


def test_cancel_while_it_waits_for_a_connection_that_another_opens_is_108(start_daemon, authority):
    daemon = start_daemon({"timeouts": {"share": "60s"}})
    with RawOrigin(lambda connection: connection.await_end(), leaf=authority.server,
                   handshake=False) as origin, calm(daemon, offenders=0):
        client = daemon.client()
        first, second = [client.stream(origin.url(host="localhost")) for _ in range(2)]
        origin.await_connections(1)
        client.read_for(0.1)
        cancelled(client, second, 108)
        assert len(origin.connections) == 1 and not origin.connections[0].closed.is_set()
        cancelled(client, first, 108)


@pytest.mark.parametrize("window", [0, 1000, DEFAULT_WINDOW], ids=["stalled at once", "stalled",
                                                                 "receiving"])
def test_cancel_while_it_receives_or_stalls_is_208(daemon, window):
    with RawOrigin(trickle(head_of(100_000) + bytes(2000), bytes(1000), 0.01)) as origin, \
            calm(daemon, offenders=0):
        client = daemon.client()
        stream = client.stream(origin.url(), window=window)
        stream.head()
        stream.take(min(window, 2000))
        cancelled(client, stream, 208)
        assert origin.connections[0].closed.wait(scaled(1))


@pytest.mark.parametrize("window", [0, 1000, DEFAULT_WINDOW])
def test_cancel_resets_the_stream_at_its_http_2_origin_before_the_next_request(daemon, authority,
                                                                             window):
    """Not at once: libcurl 8.14 leaves the frame in its buffer until the connection is used again."""
    def script(session, stream, headers):
        if dict(headers)[":path"] == "/next":
            assert origin.resets == [(0, 1)]
            session.answer(stream, 200, b"next")
        else:
            send_some(session, stream, 2000)

    with H2Origin(authority.server, script) as origin, calm(daemon, offenders=0):
        client = daemon.client()
        stream = client.stream(origin.url(host="localhost"), window=window)
        stream.head()
        stream.take(min(window, 1000))
        cancelled(client, stream, 208)
        assert client.fetch(origin.url("/next", "localhost"))["body"] == b"next"
        assert len(origin.connections) == 1 and not origin.connections[0].closed.is_set()


@pytest.mark.long
def test_cancel_leaves_the_shared_http_2_connection_usable(daemon, nginx):
    with calm(daemon, offenders=0), witness_of(daemon, nginx):
        client = daemon.client()
        target, digest = nginx.large(16 * MIB)
        connection = client.fetch(nginx.url("/text"))["connection"]["id"]
        runs = client.stream(nginx.url(target), flow=MAX_DATA_BYTES, keep=False)
        for window in [0, 1, 1000, DEFAULT_WINDOW] * 10:
            stream = client.stream(nginx.url("/files/sixteen"), window=window, keep=False)
            stream.head()
            stream.take(window)
            cancelled(client, stream, 208)
        for _ in range(10):  # before there is anything of an answer
            stream = client.stream(nginx.url("/files/sixteen"))
            stream.cancel()
            assert stream.error().code in (108, 208)
        runs.finish(20)
        assert runs.digest() == digest
        answer = client.fetch(nginx.url("/text"))
        assert answer["connection"]["id"] == connection and answer["connection"]["reused"]
        assert client.notifications == []


def test_each_cancel_is_answered_once_or_the_end_came_first(daemon, nginx):
    with calm(daemon, offenders=0):
        client = daemon.client()
        for _ in range(200):
            stream = client.stream(nginx.url("/files/small"))
            stream.cancel()
            client.read_until(lambda: stream.is_over, "an end")
            assert stream.end or stream.failure.code in (108, 208)
        assert client.call("ping") == "pong"
        assert client.notifications == [] and not any(client.answers.values())
