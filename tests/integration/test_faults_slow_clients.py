"""
The rows about clients that are slow, silent or dead: C2 (a byte a second; nothing at
all), C6 W (writes and never reads), C8 W (`kill -9` in every state), with the witness and the calm.
"""

import contextlib
import select
import socket
import subprocess
import time

import pytest

from support.calm import calm
from support.client import Client, pack, request_bytes
from support.origin import FullBacklog, RawOrigin
from support.timing import SANITIZED, Stopwatch, eventually, scaled
from support.upload_client import Child, UploadClient, data_bytes, upload_bytes
from support.upload_origin import open_upload_origin, said_of, stop_reading
from support.witness import Witness

MIB = 1 << 20


@pytest.fixture
def witness(daemon, nginx):
    return lambda: Witness(daemon, nginx.url("/files/small"), nginx.file("small"))


# ---- C2: a byte at a time, and nothing at all ----------------------------------------------------

FRAME_MS = 1000
FRAME = {"timeouts": {"frame": f"{FRAME_MS}ms"}}


def seconds_to_close(talk, message, pause):
    """Sends it a byte at a time; how long until the daemon closed the connection."""
    with Stopwatch() as watch:
        for byte in message:
            try:
                talk.send(bytes([byte]))
            except OSError:
                break
            if select.select([talk], [], [], pause)[0]:
                break
        else:
            raise AssertionError("the whole message was taken")
        talk.settimeout(scaled(1))
        with contextlib.suppress(ConnectionResetError):
            while talk.recv(65536):
                pass
    return watch.seconds


SLOW = {
    "a request": request_bytes(1, "fetch", {"url": "http://127.0.0.1:9/" + "x" * 200}),
    "a notification": data_bytes(1, b"x" * 200),
    "an upload's data announced and not sent": data_bytes(1, b"x" * 60_000)[:200],
}


def connect(daemon):
    talk = socket.socket(socket.AF_UNIX)
    talk.connect(str(daemon.path))
    return talk


@pytest.mark.parametrize("message", SLOW.values(), ids=SLOW.keys())
def test_c2_a_message_a_byte_at_a_time_is_closed_at_the_frame_deadline(start_daemon, message):
    daemon = start_daemon(FRAME)
    with calm(daemon), connect(daemon) as talk:
        seconds = seconds_to_close(talk, message, 0.1)
        assert FRAME_MS / 1000 * 0.9 <= seconds <= FRAME_MS / 1000 + scaled(1)
        daemon.assert_one_complaint()


def test_c2_a_line_a_byte_at_a_time_is_closed_at_the_frame_deadline(start_daemon):
    daemon = start_daemon(FRAME)
    with calm(daemon), connect(daemon) as talk:
        seconds = seconds_to_close(talk, b"GET http://127.0.0.1:9/" + b"x" * 200, 0.1)
        assert FRAME_MS / 1000 * 0.9 <= seconds <= FRAME_MS / 1000 + scaled(1)


@pytest.mark.parametrize("length", [1, 20, 40])
def test_c2_a_message_that_stops_in_the_middle_is_closed_at_the_frame_deadline(start_daemon,
                                                                              length):
    daemon = start_daemon(FRAME)
    with calm(daemon):
        client = UploadClient(daemon)
        client.put(SLOW["a request"][:length])
        with Stopwatch() as watch:
            assert client.closed_within(FRAME_MS / 1000 + 1)
        assert watch.seconds >= FRAME_MS / 1000 * 0.9
        daemon.assert_one_complaint()


@pytest.mark.long
def test_c2_the_frame_deadline_is_of_one_message_and_not_of_the_connection(start_daemon):
    """Each message takes most of the time that it may; together they take thrice as much."""
    daemon = start_daemon(FRAME)
    with calm(daemon, offenders=0):
        client = UploadClient(daemon)
        for number in range(4):
            message = request_bytes(100 + number, "ping")
            client.put(message[:5])
            client.idle(FRAME_MS / 1000 * 0.7)
            client.put(message[5:])
            client.wait(lambda: 100 + number in client.answers)  # noqa: B023


def test_c2_whole_messages_followed_by_the_beginning_of_one_are_answered_then_closed(start_daemon):
    daemon = start_daemon(FRAME)
    with calm(daemon):
        client = UploadClient(daemon)
        client.put(request_bytes(100, "ping") + request_bytes(101, "ping")[:-1])
        client.wait(lambda: 100 in client.answers)
        assert client.closed_within(FRAME_MS / 1000 + 1)


def test_c2_a_message_that_waits_for_the_daemon_to_read_it_is_not_late(start_daemon):
    """With its share of requests in flight a client is not read: that is not its slowness."""
    daemon = start_daemon({"timeouts": {"frame": "300ms"}, "limits": {"requests_per_client": "2"}})
    with RawOrigin(hold) as origin, calm(daemon, offenders=0):
        client = UploadClient(daemon)
        for number in range(5):
            client.put(request_bytes(100 + number, "fetch", {"url": origin.url()}))
        message = request_bytes(200, "ping")
        client.put(message[:3])
        origin.await_requests(2)
        client.idle(1)
        client.put(message[3:])
        origin.release()
        expected = [*range(100, 105), 200]
        client.wait(lambda: all(number in client.answers for number in expected))
        assert all(client.answers[number][2] is None for number in expected)


def test_c2_a_connection_that_says_nothing_is_allowed_and_counted(start_daemon):
    daemon = start_daemon({"timeouts": {"frame": "300ms"}})
    with calm(daemon, offenders=0):
        silent = [UploadClient(daemon) for _ in range(20)]
        served = UploadClient(daemon)
        assert served.call("ping") == "pong"
        served.idle(1)
        assert len(served.call("clients")) == 21
        assert served.call("stats")["clients"] == 21
        for client in silent:
            assert client.call("ping") == "pong"


def test_c2_a_slow_client_holds_up_nobody(daemon, witness):
    with calm(daemon, offenders=0), witness():
        talks = [connect(daemon) for _ in range(20)]
        for byte in SLOW["a request"][:20]:
            for talk in talks:
                talk.send(bytes([byte]))
            time.sleep(0.05)
        for talk in talks:
            talk.close()


# ---- C6: writes and never reads ------------------------------------------------------------------

def hold(connection):
    connection.read_request()
    connection.await_release()
    connection.answer(body=b"released")


REQUESTS = 100_000
IN_FLIGHT = 256
MEMORY_KIB = 16 << 10


def write_all_that_is_taken(client, messages, patience=1.0):
    """Until nothing was taken for so long, or all was; how many bytes. Reads nothing."""
    sent = 0
    while sent < len(messages):
        if not select.select([], [client.socket], [], scaled(patience))[1]:
            break
        sent += client.socket.send(messages[sent:sent + MIB])
    return sent


def requests_for(url, **keys):
    return b"".join(request_bytes(1000 + number, "fetch", {"url": url, **keys})
                    for number in range(REQUESTS))


@contextlib.contextmanager
def bounded_memory(daemon):
    peak = daemon.status("VmHWM")
    yield
    if not SANITIZED:  # whose allocator keeps what was freed
        assert daemon.status("VmHWM") - peak <= MEMORY_KIB


@pytest.mark.long
@pytest.mark.deadline(60)
def test_c6_a_client_that_writes_100000_requests_is_read_up_to_its_bound_in_flight(daemon, witness):
    with RawOrigin(hold) as origin, calm(daemon, offenders=0), bounded_memory(daemon), witness():
        client = UploadClient(daemon)
        messages = requests_for(origin.url())
        assert write_all_that_is_taken(client, messages) < len(messages)
        origin.await_requests(IN_FLIGHT)
        time.sleep(0.2)
        assert len(origin.requests) == IN_FLIGHT
        client.close()
        origin.release()


@pytest.mark.long
@pytest.mark.deadline(60)
def test_c6_answers_that_nobody_reads_stop_the_reading(daemon, nginx, witness, tag):
    with calm(daemon, offenders=0), bounded_memory(daemon), witness():
        client = UploadClient(daemon)
        messages = requests_for(nginx.url(f"/files/small?{tag}"))
        taken = write_all_that_is_taken(client, messages)
        assert taken < len(messages)
        before = daemon.cpu_seconds()
        time.sleep(1)
        assert daemon.cpu_seconds() - before < scaled(0.1)  # the witness' requests
        # What was taken whole is answered once there is room.
        whole = taken * REQUESTS // len(messages) - 1
        client.wait(lambda: len(client.answers) >= whole - 1, 20)
        assert all(answer[2] is None for answer in client.answers.values())
        client.close()


@pytest.mark.long
def test_c6_streams_beyond_the_bound_in_flight_are_refused_with_100(daemon, http, authority):
    """
    Not left unread, as without streams: what the running ones wait for may stand behind it.
    Each takes libcurl some 80 KiB at a time, of which the allocator keeps a part for the next.
    """
    with open_upload_origin(http, authority) as origin, \
            calm(daemon, offenders=0, memory_kib=24 << 10):
        client = UploadClient(daemon)
        uploads = [client.upload(origin.url(f"/{number}"), upload_size=5)
                   for number in range(IN_FLIGHT)]
        for _ in range(3):
            assert client.upload(origin.url()).refusal().code == 100
        assert client.call("ping") == "pong"
        for upload in uploads:
            upload.write(b"12345")
        for upload in uploads:
            upload.end()
        for upload in uploads:
            assert upload.answer(20)["body"] == said_of(b"12345")
        assert client.send_all(origin.url(), b"next")["body"] == said_of(b"next")
        assert len(origin.arrivals) == IN_FLIGHT + 1


def test_c6_one_stream_among_requests_is_enough_to_refuse(start_daemon):
    daemon = start_daemon({"limits": {"requests_per_client": "4"}})
    with RawOrigin(hold) as origin, calm(daemon, offenders=0):
        client = UploadClient(daemon)
        stream = client.upload(origin.url(), upload=False, stream=True, method="GET")
        for number in range(3):
            client.put(request_bytes(100 + number, "fetch", {"url": origin.url()}))
        refused = client.upload(origin.url(), upload=False, method="GET").refusal()
        assert refused.code == 100 and "4" in refused.message
        origin.await_requests(4)
        origin.release()
        assert stream.answer()["body"] == b"released"
        client.wait(lambda: all(100 + number in client.answers for number in range(3)))


@pytest.mark.long
@pytest.mark.deadline(60)
def test_c6_100000_streams_of_a_client_that_reads_nothing_take_bounded_memory(daemon, witness):
    with RawOrigin(hold) as origin, calm(daemon, offenders=0), bounded_memory(daemon), witness():
        client = UploadClient(daemon)
        messages = requests_for(origin.url(), stream=True)
        assert write_all_that_is_taken(client, messages) < len(messages)
        origin.await_requests(IN_FLIGHT)
        assert len(origin.requests) == IN_FLIGHT
        client.wait(lambda: len(client.answers) >= 1000)
        assert {answer[2][0] for answer in client.answers.values()} == {100}
        client.close()
        origin.release()


# ---- C8: kill -9 ---------------------------------------------------------------------------------

CANCELLED_WITHIN = 0.1


def row_of(daemon, child):
    return next((row for row in daemon.ask("clients") if row["pid"] == child.process.pid), None)


def await_row(daemon, child, **values):
    def is_so():
        row = row_of(daemon, child)
        return row is not None and all(row[name] == value for name, value in values.items())

    eventually(is_so, 5, lambda: f"{values} instead of {row_of(daemon, child)}")


def kill_and_await_the_end(daemon, child, others=0):
    """The daemon has forgotten the client and all it had, within a tenth of a second."""
    pid = child.process.pid
    with Client(daemon.path) as watcher:
        child.kill()
        with Stopwatch() as watch:
            while pid in [row["pid"] for row in watcher.call("clients")]:
                assert time.monotonic() - watch.start < scaled(5), "the client is still there"
                time.sleep(0.005)
    assert watch.seconds <= scaled(CANCELLED_WITHIN)


def await_quota(daemon, others=0):
    eventually(lambda: daemon.stats()["in_flight"] == others, 1,
               lambda: f"{daemon.stats()['in_flight']} in flight")


def hold_handshake(connection):
    connection.socket.settimeout(scaled(20))
    connection.await_end()


def fetch_bytes(url, **keys):
    return request_bytes(1, "fetch", {"url": url, **keys})


KINDS = {"whole": {}, "streamed": {"stream": True}, "upload": {"upload": True, "method": "POST"}}


@pytest.fixture(params=KINDS.values(), ids=KINDS.keys())
def keys(request):
    return request.param


def test_c8_killed_while_waiting_for_anothers_connection(start_daemon, authority, nginx, keys):
    daemon = start_daemon({"timeouts": {"share": "60s"}})
    with calm(daemon, offenders=0), \
            Witness(daemon, nginx.url("/files/small"), nginx.file("small")), \
            RawOrigin(hold_handshake, leaf=authority.server, handshake=False) as origin:
        first = daemon.client()
        first.send("fetch", {"url": origin.url()})
        origin.await_connections(1)
        with Child(daemon, fetch_bytes(origin.url(), **keys)) as child:
            await_row(daemon, child, in_flight=1)
            kill_and_await_the_end(daemon, child)
        assert len(origin.connections) == 1 and not origin.connections[0].closed.is_set()
        first.close()
        assert origin.connections[0].closed.wait(scaled(1))
    await_quota(daemon)


SILENT_SERVER = "127.77.0.1"
OWN_RESOLVER = ["unshare", "-m", "sh", "-c",
                'mount --bind "$1" /etc/resolv.conf && shift && exec "$@"', "sh"]


@pytest.fixture
def silent_name_server(tmp_path):
    """A name server that takes every question and answers none, and the file that names it."""
    resolver = tmp_path / "resolv.conf"
    resolver.write_text(f"nameserver {SILENT_SERVER}\noptions timeout:1 attempts:2\n")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        try:
            server.bind((SILENT_SERVER, 53))
        except OSError as error:
            pytest.skip(f"no name server can be run here: {error}")
        if subprocess.run([*OWN_RESOLVER, resolver, "true"], capture_output=True).returncode != 0:
            pytest.skip("a mount namespace is not permitted here")
        server.settimeout(scaled(5))
        yield server, resolver


@pytest.mark.long
def test_c8_killed_while_its_name_is_looked_up(start_daemon, nginx, silent_name_server, keys):
    server, resolver = silent_name_server
    daemon = start_daemon(wrapper=[*OWN_RESOLVER, resolver])
    with calm(daemon, offenders=0), \
            Witness(daemon, nginx.url("/files/small"), nginx.file("small")):
        with Child(daemon, fetch_bytes("http://never.answered.test/", **keys)) as child:
            assert b"never" in server.recv(512)
            kill_and_await_the_end(daemon, child)
    await_quota(daemon)


def test_c8_killed_while_its_connection_is_opened(daemon, witness, keys):
    with FullBacklog() as origin, calm(daemon, offenders=0), witness():
        with Child(daemon, fetch_bytes(origin.url(), **keys)) as child:
            await_row(daemon, child, in_flight=1)
            time.sleep(0.1)  # the first SYN is out
            kill_and_await_the_end(daemon, child)
        assert not [row for row in daemon.connections() if str(origin.port) in row["origin"]]
    await_quota(daemon)


def test_c8_killed_in_the_middle_of_the_tls_handshake(daemon, witness, authority, keys):
    with calm(daemon, offenders=0), witness(), \
            RawOrigin(hold_handshake, leaf=authority.server, handshake=False) as origin:
        with Child(daemon, fetch_bytes(origin.url(), **keys)) as child:
            origin.await_connections(1)
            eventually(lambda: origin.connections[0].received, 5, "a ClientHello")
            kill_and_await_the_end(daemon, child)
        assert origin.connections[0].closed.wait(scaled(CANCELLED_WITHIN * 2))
    await_quota(daemon)


def test_c8_killed_while_it_sends(daemon, witness, authority, http):
    """The origin takes a part; over h2, what its window lets through."""
    def script(arrival):
        arrival.read(1000)
        stop_reading(arrival)

    with calm(daemon, offenders=0), witness(), \
            open_upload_origin(http, authority, script) as origin:
        messages = upload_bytes(1, origin.url(), upload_size=900_000)
        messages += data_bytes(1, b"x" * 60_000) * 4
        with Child(daemon, messages) as child:
            origin.await_arrivals(1)[0].await_bytes(1000)
            kill_and_await_the_end(daemon, child)
        origin.release()
        with Stopwatch() as watch:
            assert origin.arrivals[0].was_never_complete()
        assert watch.seconds < scaled(CANCELLED_WITHIN * 2)
        answer = UploadClient(daemon).send_all(origin.url("/next"), b"next", upload_size=4)
        assert answer["body"] == said_of(b"next")
        assert http == "2" or not answer["connection"]["reused"]
    await_quota(daemon)


def pour(arrival):
    """An endless answer."""
    arrival.read_all()
    arrival.start(200)
    while not arrival.is_left() and not arrival.origin.released.is_set():
        arrival.send(b"x" * 16384)


@pytest.mark.parametrize("reads", [True, False], ids=["receiving", "stalled"])
def test_c8_killed_while_it_receives_or_stalls(daemon, witness, authority, http, reads):
    window = (1 << 40) if reads else MIB
    with calm(daemon, offenders=0), witness(), \
            open_upload_origin(http, authority, pour) as origin:
        with Child(daemon, fetch_bytes(origin.url(), stream=True, window=window), reads) as child:
            origin.await_arrivals(1)
            if reads:
                eventually(lambda: row_of(daemon, child)["bytes"] > MIB, 5, "a mebibyte")
            else:
                eventually(lambda: daemon.stats()["paused_streams"] == 1, 5, "a paused stream")
            kill_and_await_the_end(daemon, child)
        eventually(origin.arrivals[0].is_left, 0.5, "the origin hears of it")
        assert UploadClient(daemon).fetch(origin.url("/next"))["body"] == said_of(b"")
        assert daemon.stats()["paused_streams"] == 0
    await_quota(daemon)


def test_c8_killed_with_many_requests_in_every_state(daemon, witness, authority):
    """One client, 60 requests: uploads that wait, streams that are not read, answers to come."""
    def script(arrival):
        {"/pour": pour, "/stop": stop_reading}[arrival.target](arrival)

    with calm(daemon, offenders=0), witness(), FullBacklog() as dark, \
            open_upload_origin("2", authority, script) as origin:
        messages = b""
        for number in range(20):
            messages += pack([0, 3 * number, "fetch", [{"url": origin.url("/pour"),
                                                        "stream": True}]])
            messages += upload_bytes(3 * number + 1, origin.url("/stop"))
            messages += data_bytes(3 * number + 1, b"x" * 10_000)
            messages += pack([0, 3 * number + 2, "fetch", [{"url": dark.url()}]])
        with Child(daemon, messages) as child:
            origin.await_arrivals(40)
            await_row(daemon, child, in_flight=60)
            eventually(lambda: daemon.stats()["paused_streams"] == 20, 5,
                       lambda: f"{daemon.stats()['paused_streams']} paused")
            kill_and_await_the_end(daemon, child)
        for arrival in origin.arrivals:
            eventually(arrival.is_left, 1, "each stream is reset")
        origin.release()
    await_quota(daemon)
