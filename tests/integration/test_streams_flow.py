"""
Streams and memory: bodies of a gibibyte, readers that stop, and what the daemon holds meanwhile.
"""

import hashlib
import struct
import time

import pytest

from support.calm import calm
from support.client import DEFAULT_WINDOW, MAX_DATA_BYTES
from support.h2origin import H2Origin
from support.memory import peak_of
from support.nginx import Nginx
from support.origin import RawOrigin, response
from support.reader import NOBODY, Reader, open_to_all
from support.timing import SANITIZED, eventually, scaled

MIB = 1 << 20
KIB_OF_MIB = 1024
LARGE = 64 * MIB if SANITIZED else 1 << 30
PROTOCOLS = [Nginx.H1, Nginx.H2]

# Over HTTP/2 libcurl grants an origin so much for one stream, however small the client's window is.
HELD_BY_ONE_H2_STREAM = 20 * MIB


def assert_grew_at_most(peak, mebibytes):
    if not SANITIZED:  # whose allocator keeps what was freed
        assert peak.growth_kib <= mebibytes * KIB_OF_MIB, f"{peak.growth_kib} KiB"


# ---- A gibibyte -----------------------------------------------------------------------------------

@pytest.mark.long
@pytest.mark.deadline(120)
@pytest.mark.parametrize("server", PROTOCOLS)
def test_a_gibibyte_comes_down_whole_and_the_daemon_does_not_grow_by_it(daemon, nginx, server):
    target, digest = nginx.large(LARGE)
    with calm(daemon, offenders=0):
        client = daemon.client()
        client.fetch(nginx.url("/files/page", server))
        with peak_of(daemon) as peak:
            stream = client.stream(nginx.url(target, server), flow=MAX_DATA_BYTES, keep=False)
            stream.finish(100)
        assert stream.taken == LARGE and stream.digest() == digest
        assert_grew_at_most(peak, 16)


@pytest.mark.deadline(90)
# Not over TLS with http/1.1: a hundred handshakes at once hold the loop for longer than calm() allows.
@pytest.mark.long
@pytest.mark.parametrize("server", [Nginx.PLAIN, Nginx.H2])
def test_a_hundred_large_streams_on_one_client_connection_are_each_right(daemon, nginx, server):
    length = (1 if SANITIZED else 4) * MIB
    target, digest = nginx.large(length)
    with calm(daemon, offenders=0):
        client = daemon.client()
        streams = [client.stream(nginx.url(f"{target}?{number}", server), flow=MAX_DATA_BYTES,
                                 keep=False) for number in range(100)]
        for stream in streams:
            stream.finish(60)
            assert stream.taken == length and stream.digest() == digest


# ---- Backpressure ---------------------------------------------------------------------------------

NUMBERED = [struct.pack(">Q", number) * 2048 for number in range(4096)]  # 64 MiB, in 16 KiB


def endless(connection):
    connection.read_request()
    connection.write(response(headers=[("Connection", "close")], length=False))
    connection.written = 0
    connection.write_endlessly()


def settled(measure, seconds=5):
    """What measure() says once it has said the same for a third of a second."""
    last, since = measure(), time.monotonic()

    def is_settled():
        nonlocal last, since
        if (now := measure()) != last:
            last, since = now, time.monotonic()
        return time.monotonic() - since > 0.3

    eventually(is_settled, seconds, lambda: f"still moving at {last}")
    return last


@pytest.mark.parametrize("window", [0, 1000, DEFAULT_WINDOW, MIB])
def test_a_stopped_stream_makes_an_http_1_1_origin_stop(daemon, window):
    with RawOrigin(endless) as origin, calm(daemon, offenders=0), peak_of(daemon) as peak:
        client = daemon.client()
        stream = client.stream(origin.url(), window=window, keep=False)
        stream.head()
        stream.take(window)
        connection = origin.connections[0]
        # The last write() may be stuck: of it the kernel has a part that is not counted.
        read = settled(lambda: connection.written) - connection.in_kernel()
        client.read_for(0.1)
        assert stream.taken == window
        assert read <= window + 256 * 1024, f"the daemon read {read} bytes for a window of {window}"
        stream.start_flow()
        stream.take(window + 32 * MIB)
        stream.cancel()
        assert stream.error().code == 208
        assert connection.closed.wait(scaled(1))
    assert_grew_at_most(peak, 8)


def test_a_socket_that_nobody_reads_makes_an_http_1_1_origin_stop(daemon):
    """The window is wide open; what stops is the reading."""
    with RawOrigin(endless) as origin, calm(daemon, offenders=0), peak_of(daemon) as peak:
        client = daemon.client()
        stream = client.stream(origin.url(), window=1 << 40, keep=False)
        stream.take(1)
        connection = origin.connections[0]
        read = settled(lambda: connection.written) - connection.in_kernel() - stream.taken
        assert read <= 2 * MIB, f"the daemon read {read} bytes that nobody takes"
        stream.take(stream.taken + 32 * MIB)
    assert_grew_at_most(peak, 8)


def test_a_stopped_stream_holds_no_more_than_an_http_2_stream_may(daemon, authority):
    def script(session, stream, _):
        session.h2.send_headers(stream, [(":status", "200")])
        session.send_body(stream, NUMBERED)

    with H2Origin(authority.server, script) as origin, calm(daemon, offenders=0):
        client = daemon.client()
        with peak_of(daemon) as peak:
            stream = client.stream(origin.url(host="localhost"), window=1000, keep=False)
            stream.take(1000)
            sent = settled(lambda: sum(origin.sessions[0].sent.values()))
            client.read_for(0.1)
        assert sent <= HELD_BY_ONE_H2_STREAM
        assert_grew_at_most(peak, HELD_BY_ONE_H2_STREAM // MIB + 4)
        stream.start_flow()
        stream.finish(20)
        assert stream.digest() == hashlib.sha256(b"".join(NUMBERED)).hexdigest()


@pytest.mark.long
@pytest.mark.deadline(60)
def test_a_reader_slower_than_its_http_2_origin_is_bounded_like_one_that_stops(daemon, nginx):
    """
    It is stopped and goes on many times, beside others on the same connection, and each time libcurl
    grants the origin anew: what waits must be taken from it before, or it grows with each time.
    """
    length = (16 if SANITIZED else 256) * MIB
    target, digest = nginx.large(length)
    with calm(daemon, offenders=0):
        client, other = daemon.client(), daemon.client()
        client.fetch(nginx.url("/text"))
        stream = client.stream(nginx.url(target), window=MAX_DATA_BYTES, flow=MAX_DATA_BYTES // 4,
                               keep=False)
        held = []
        with peak_of(daemon) as peak:
            for step in range(1, 65):
                stream.take(length * step // 64, 20)
                other.fetch(nginx.url("/files/mebibyte"))
                held.append(other.call("stats")["paused_bytes"])
            stream.finish()
        assert stream.digest() == digest
        # One such lot taken from libcurl, and one that libcurl has taken in since.
        assert max(held) <= 2 * HELD_BY_ONE_H2_STREAM, [count // MIB for count in held]
        assert_grew_at_most(peak, 2 * HELD_BY_ONE_H2_STREAM // MIB + 8)


@pytest.mark.long
@pytest.mark.parametrize("server", PROTOCOLS)
def test_a_reader_that_takes_little_by_little_is_not_a_stalled_one(start_daemon, nginx, server):
    daemon = start_daemon({"timeouts": {"client_stall": "1s"}})
    client = daemon.client()
    stream = client.stream(nginx.url("/files/mebibyte", server), window=0)
    stream.head()
    for step in range(6):
        client.read_for(0.4)
        stream.grant(1)
        stream.take(step + 1)
    stream.grant(MIB)
    assert stream.body() == nginx.file("mebibyte")


@pytest.mark.long
def test_a_stream_that_waits_for_its_origin_is_not_a_stalled_one(start_daemon):
    def script(connection):
        connection.read_request()
        connection.write(response(headers=[("Content-Length", "4")], length=False) + b"on")
        connection.origin.released.wait(scaled(1.5))
        connection.write(b"ce")
        connection.await_end()

    client = start_daemon({"timeouts": {"client_stall": "400ms"}}).client()
    with RawOrigin(script) as origin:
        assert client.stream(origin.url()).body() == b"once"


@pytest.mark.parametrize("server", PROTOCOLS)
def test_the_idle_timeout_does_not_run_while_the_client_is_the_one_who_waits(client, nginx, server):
    stream = client.stream(nginx.url("/files/sixteen", server), window=1000, idle_timeout=300)
    stream.take(1000)
    client.read_for(scaled(1))
    assert not stream.is_over
    stream.start_flow()
    assert stream.body() == nginx.file("sixteen")


# ---- Memory of stopped streams: [limits] paused_memory --------------------------------------------

def stop(client, url):
    """
    A stream that took its first window and then nothing. By then libcurl has granted its origin all
    of HELD_BY_ONE_H2_STREAM, which comes as soon as another stream of the connection moves.
    Until one more of them waits, or until another had to go for it.
    """
    waiting = client.call("stats")["paused_streams"]
    stream = client.stream(url, keep=False)
    stream.take(DEFAULT_WINDOW)
    end = time.monotonic() + scaled(0.3)
    while client.call("stats")["paused_streams"] <= waiting and time.monotonic() < end:
        client.read_for(0.01)
    return stream


def failed(streams):
    return [stream for stream in streams if stream.is_over]


def assert_too_slow(streams, name):
    for stream in streams:
        assert stream.failure and stream.failure.code == 206, stream.end
        assert name in stream.failure.message


@pytest.mark.long
@pytest.mark.deadline(60)
def test_beyond_paused_memory_those_that_have_waited_longest_go_first(start_daemon, nginx):
    daemon = start_daemon({"limits": {"paused_memory": "48MiB"}})
    target, digest = nginx.large(64 * MIB)
    with calm(daemon, offenders=0):
        client, other = daemon.client(), daemon.client()
        client.fetch(nginx.url("/text"))
        with peak_of(daemon) as peak:
            streams = []
            for _ in range(12):
                streams.append(stop(client, nginx.url(target)))
            runs = other.stream(nginx.url(target), flow=MAX_DATA_BYTES, keep=False)
            runs.finish(30)
            client.read_for(0.3)
        gone = failed(streams)
        assert runs.digest() == digest
        assert 0 < len(gone) < 12 and gone == streams[:len(gone)], [s.is_over for s in streams]
        assert_too_slow(gone, "paused_memory")
        assert_grew_at_most(peak, 48 + 16)
        for stream in streams[len(gone):]:
            stream.start_flow()
            stream.finish(30)
            assert stream.digest() == digest


@pytest.mark.deadline(60)
def test_one_that_took_something_has_not_waited_longest(start_daemon, nginx):
    daemon = start_daemon({"limits": {"paused_memory": "48MiB"}})
    target, _ = nginx.large(64 * MIB)
    client = daemon.client()
    first = stop(client, nginx.url(target))
    streams = [stop(client, nginx.url(target))]
    first.grant(1)
    first.take(1001)
    while not failed([first, *streams]) and len(streams) < 20:
        streams.append(stop(client, nginx.url(target)))
    assert streams[0].is_over  # before the first, or with it, where one had to go was not enough


@pytest.mark.long
@pytest.mark.deadline(60)
def test_one_users_excess_does_not_touch_another_users_streams(start_daemon, nginx):
    daemon = start_daemon({"limits": {"paused_memory": "32MiB"}})
    open_to_all(daemon)
    target, digest = nginx.large(64 * MIB)
    with Reader(daemon, nginx.url(target), DEFAULT_WINDOW, uid=NOBODY) as other:  # has waited longest of all
        client = daemon.client()
        streams = [stop(client, nginx.url(target)) for _ in range(8)]
        client.read_for(0.2)
        assert_too_slow(failed(streams), "paused_memory")
        assert failed(streams)
        assert other.resume() == (None, digest)


@pytest.mark.deadline(60)
def test_beyond_paused_memory_total_the_longest_of_the_user_with_most_goes_first(start_daemon, nginx):
    daemon = start_daemon({"limits": {"paused_memory": "1GiB", "paused_memory_total": "48MiB"}})
    open_to_all(daemon)
    target, digest = nginx.large(64 * MIB)
    with Reader(daemon, nginx.url(target), DEFAULT_WINDOW, uid=NOBODY) as other:
        client = daemon.client()
        streams = [stop(client, nginx.url(target)) for _ in range(8)]
        client.read_for(0.2)
        gone = failed(streams)
        assert gone and gone == streams[:len(gone)]
        assert_too_slow(gone, "paused_memory_total")
        assert other.resume() == (None, digest)


@pytest.mark.long
def test_streams_of_http_1_1_are_counted_as_well(start_daemon, nginx):
    """Each holds some tens of KiB: a hundred of them hold more than the least that can be set."""
    daemon = start_daemon({"limits": {"paused_memory": "1MiB"}})
    client = daemon.client()
    with peak_of(daemon) as peak:
        streams = [client.stream(nginx.url("/files/sixteen", Nginx.H1), window=1000, keep=False)
                   for _ in range(100)]
        for stream in streams:
            client.read_until(lambda: stream.taken or stream.is_over, "bytes")
        client.read_for(0.3)
    assert 0 < len(failed(streams)) < 100
    assert_too_slow(failed(streams), "paused_memory")
    assert daemon.stats()["paused_bytes"] <= MIB
    assert_grew_at_most(peak, 24)


def test_the_daemon_says_what_waits(daemon, nginx):
    with calm(daemon, offenders=0):
        client = daemon.client()
        assert daemon.stats()["paused_streams"] == daemon.stats()["paused_bytes"] == 0
        streams = [stop(client, nginx.url("/files/sixteen")) for _ in range(2)]
        stats = daemon.stats()
        assert stats["paused_streams"] == 2
        assert 4 * MIB < stats["paused_bytes"] <= 2 * HELD_BY_ONE_H2_STREAM
        for stream in streams:
            stream.start_flow()
            stream.finish()
        eventually(lambda: daemon.stats()["paused_bytes"] == 0, 5, "nothing waits any more")
        assert daemon.stats()["paused_streams"] == 0
