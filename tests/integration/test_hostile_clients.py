"""
What one client can do to the daemon and to the others: identities and trust that must not cross,
sizes, vanishing, hoarding. Each test is an attack that once worked.
"""

import contextlib
import fcntl
import os
import pathlib
import select
import shutil
import signal
import socket
import subprocess
import sys

import pytest

from support import daemon as daemons
from support.bodies import body
from support.calm import calm
from support.certificates import Authority
from support.client import request_bytes
from support.daemon import Daemon
from support.h2origin import H2Origin
from support.origin import Proxy, RawOrigin
from support.timing import SANITIZED, Stopwatch, eventually, scaled


def hold(connection):
    """Takes a request and never answers it."""
    connection.read_request()
    connection.await_end()


def can(*command):
    """Whether a command that needs privileges works here."""
    return subprocess.run(command, capture_output=True, timeout=scaled(10)).returncode == 0


def await_nothing_runs(daemon):
    """Within a second no request runs, and no connection works for one."""
    eventually(lambda: daemon.stats()["in_flight"] == 0, 1, "no request is in flight")
    eventually(lambda: all(row["state"] != "active" for row in daemon.connections()), 1,
               lambda: f"no connection is active: {daemon.connections()}")


# ---- Another client's identity --------------------------------------------------------------------

ALICE, BOB = "Basic YWxpY2U6c2VjcmV0", "Basic Ym9iOng="


@pytest.fixture
def open_daemon(start_daemon):
    """A daemon that lets clients name proxies."""
    return start_daemon({"proxy": {"allow_client": "yes"}})


@pytest.fixture
def proxy():
    with Proxy() as proxy:
        yield proxy


def credentials_shown(proxy):
    return [request.value("proxy-authorization") for request in proxy.requests]


def start_slow_tunnel(daemon, nginx, proxy):
    """A request that is being answered, slowly; its connection could carry others over HTTP/2."""
    client = daemon.client()
    client.send("fetch", {"url": nginx.url("/slow/page"), "proxy": proxy})
    eventually(lambda: [row["http"] for row in daemon.connections()
                        if row["state"] == "active"] not in ([], [""]), 5, "its answer has begun")


@pytest.mark.parametrize("user, shown", [("", None), ("bob:x@", BOB), ("alice:secret@", ALICE)],
                         ids=["nobody", "bob", "alice herself"])
def test_a_tunnel_opened_with_ones_credentials_carries_nobody_elses_streams(open_daemon, nginx, proxy,
                                                                          user, shown):
    start_slow_tunnel(open_daemon, nginx, f"http://alice:secret@127.0.0.1:{proxy.port}")
    answer = open_daemon.client().fetch(nginx.url("/text"),
                                        proxy=f"http://{user}127.0.0.1:{proxy.port}")
    assert answer["body"] == b"hello\n"
    assert answer["connection"]["reused"] == (user == "alice:secret@")
    assert credentials_shown(proxy) == [ALICE] + [shown] * (user != "alice:secret@")
    open_daemon.close_clients()


def test_a_tunnel_opened_without_credentials_is_not_used_with_them(open_daemon, nginx, proxy):
    start_slow_tunnel(open_daemon, nginx, proxy.url())
    answer = open_daemon.client().fetch(nginx.url("/text"),
                                        proxy=f"http://alice:secret@127.0.0.1:{proxy.port}")
    assert answer["body"] == b"hello\n" and not answer["connection"]["reused"]
    assert credentials_shown(proxy) == [None, ALICE]
    open_daemon.close_clients()


def test_an_idle_connection_to_a_proxy_does_not_keep_its_credentials(open_daemon, nginx, proxy):
    """Through a tunnel they are shown when it is opened, else with each request."""
    for url, again in (("http://origin.test/", [ALICE]), (nginx.url("/text"), [])):
        proxy.requests.clear()
        for user in ("alice:secret@", "", "bob:x@", "alice:secret@"):
            open_daemon.client().fetch(url, proxy=f"http://{user}127.0.0.1:{proxy.port}")
        assert credentials_shown(proxy) == [ALICE, None, BOB, *again]


def test_http_2_with_credentials_for_a_proxy_is_http_2_or_an_error(open_daemon, nginx, proxy):
    client = open_daemon.client()
    keys = {"http": "2", "proxy": f"http://alice:secret@127.0.0.1:{proxy.port}"}
    answer = client.receive_message(client.send("fetch", {"url": nginx.url("/text"), **keys}))
    assert answer[2] or answer[3]["http"] == "2"


def answer_unless_slow(session, stream, headers):
    if not dict(headers)[":path"].startswith("/slow"):
        session.answer(stream, 200, b"done")


@pytest.fixture
def h2_origin(authority):
    """Leaves the streams for /slow open."""
    with H2Origin(authority.server, answer_unless_slow) as origin:
        yield origin


def connections_of(origin, path):
    """The numbers of the origin's connections over which that was asked for."""
    return [number for number, headers, _ in origin.streams if dict(headers)[":path"] == path]


def start_slow(client, origin, **keys):
    """A stream that stays open: the connection is in use and has room for others."""
    client.send("fetch", {"url": origin.url("/slow", host="localhost"), **keys})
    with origin.news:
        assert origin.news.wait_for(lambda: connections_of(origin, "/slow"), scaled(5))


def identity(leaf):
    return {"cert": leaf.cert.read_bytes(), "key": leaf.key.read_bytes()}


def test_a_connection_with_a_client_certificate_is_for_the_same_one_alone(daemon, h2_origin,
                                                                         authority):
    tls = identity(authority.client("alice"))
    alice, other = daemon.client(), daemon.client()
    start_slow(alice, h2_origin, tls=tls)
    without = other.fetch(h2_origin.url("/without", host="localhost"))["connection"]
    with_it = other.fetch(h2_origin.url("/with", host="localhost"), tls=tls)["connection"]
    assert not without["reused"] and with_it["reused"]
    numbers = [connections_of(h2_origin, path) for path in ("/slow", "/without", "/with")]
    assert numbers == [[0], [1], [0]]
    daemon.close_clients()


def test_a_connection_without_a_client_certificate_is_not_used_for_one(daemon, h2_origin, authority):
    other, alice = daemon.client(), daemon.client()
    start_slow(other, h2_origin)
    answer = alice.fetch(h2_origin.url("/alice", host="localhost"),
                         tls=identity(authority.client("alice")))
    assert not answer["connection"]["reused"]
    assert connections_of(h2_origin, "/alice") != connections_of(h2_origin, "/slow")
    daemon.close_clients()


# ---- Another trust --------------------------------------------------------------------------------

FAKE_STORE = 'mount --bind "$0" /etc/ssl/certs && exec "$@"'


@pytest.fixture
def system_authority(tmp_path):
    """An authority that the "system" trusts: a directory to lie over /etc/ssl/certs."""
    authority = Authority(tmp_path / "system")
    store = tmp_path / "certs"
    store.mkdir()
    shutil.copy(authority.pem, store / "system.pem")
    shutil.copy(authority.pem, store / "ca-certificates.crt")
    subprocess.run(["openssl", "rehash", store], check=True, capture_output=True)
    authority.store = store
    return authority


@pytest.fixture
def daemon_of_that_system(system_authority):
    """A daemon without ca_file for whom that authority is the system's trust."""
    unshare = ["unshare", "-m"] if os.geteuid() == 0 else ["unshare", "-rm"]
    if not can(*unshare, "sh", "-c", FAKE_STORE, system_authority.store, "true"):
        pytest.skip("a mount namespace is not permitted here")
    daemon = Daemon({}, wrapper=[*unshare, "sh", "-c", FAKE_STORE, system_authority.store])
    with contextlib.ExitStack() as stack:
        stack.callback(daemon.finish)
        yield daemon


def test_tls_ca_is_the_only_trust_and_not_one_more(daemon_of_that_system, system_authority,
                                                   authority):
    client = daemon_of_that_system.client()
    # Of another subject than the system's: OpenSSL looks an issuer up by its name.
    pinned = {"ca": authority.stranger.cert.read_bytes()}
    with RawOrigin(leaf=system_authority.server) as origin:
        url = origin.url(host="localhost")
        assert client.refused(url, tls=pinned).code == 104
        assert client.fetch(url)["status"] == 200  # so the faked trust store is in force
        assert client.refused(url, tls=pinned).code == 104
        assert len(origin.requests) == 1


# ---- Sizes ----------------------------------------------------------------------------------------

LONG_NAMES = {"129 bytes": "N" * 129, "65 letters of two bytes": "é" * 65, "1 MiB": "N" * (1 << 20)}


@pytest.mark.parametrize("name", LONG_NAMES.values(), ids=LONG_NAMES.keys())
def test_a_clients_name_that_is_too_long_is_error_1_and_not_kept(daemon, name):
    with calm(daemon):
        client = daemon.client()
        error = client.refused_call("hello", {"client": name})
        assert error.code == 1 and "client" in error.message and "128" in error.message
        assert client.call("ping") == "pong"
        assert all(len(row["name"]) <= 128 for row in client.call("clients"))


@pytest.mark.parametrize("tag", LONG_NAMES.values(), ids=LONG_NAMES.keys())
def test_a_tag_that_is_too_long_is_error_1_and_nothing_is_sent(daemon, tag):
    with RawOrigin() as origin, calm(daemon):
        client = daemon.client()
        error = client.refused(origin.url(), tag=tag)
        assert error.code == 1 and "tag" in error.message and "128" in error.message
        assert origin.connections == []
        assert [row["tag"] for row in client.call("clients")] == [""]


def test_names_and_tags_may_be_as_long_as_max_name(start_daemon, nginx):
    for limit in (128, 16):
        daemon = start_daemon({"limits": {"max_name": limit}})
        client = daemon.client()
        client.call("hello", {"client": "n" * limit})
        client.fetch(nginx.url("/text"), tag="t" * limit)
        row = client.call("clients")[0]
        assert (row["name"], row["tag"]) == ("n" * limit, "t" * limit)
        assert client.refused_call("hello", {"client": "n" * (limit + 1)}).code == 1
        assert client.refused(nginx.url("/text"), tag="t" * (limit + 1)).code == 1


MAX_PEM = 64 << 10


@pytest.mark.parametrize("key", ["ca", "cert", "key"])
@pytest.mark.parametrize("length", [MAX_PEM + 1, 4 << 20], ids=["one byte more", "4 MiB"])
def test_pem_that_is_too_long_is_error_1_naming_it_and_holds_nobody_up(daemon, authority, key, length):
    tls = identity(authority.client("alice")) if key != "ca" else {}
    pem = authority.pem.read_bytes()
    tls[key] = (pem * (length // len(pem) + 1))[:length]
    with RawOrigin(leaf=authority.server) as origin, calm(daemon):
        error = daemon.client().refused(origin.url(host="localhost"), tls=tls)
        assert error.code == 1
        assert f"tls.{key}" in error.message and str(MAX_PEM) in error.message
        assert origin.connections == []


def test_pem_as_long_as_max_pem_is_used_and_takes_less_than_a_tenth_of_a_second(daemon, authority):
    pem = authority.pem.read_bytes()
    bundle = pem * (MAX_PEM // len(pem))
    bundle += b"#" * (MAX_PEM - len(bundle))
    used = daemon.cpu_seconds()  # in which the loop stands still
    with RawOrigin(leaf=authority.server) as origin:
        answer = daemon.client().fetch(origin.url(host="localhost"), tls={"ca": bundle})
        assert answer["status"] == 200
    assert daemon.cpu_seconds() - used < scaled(0.1)


@pytest.mark.parametrize("method", ["M" * 65, "M" * 70_000], ids=len)
def test_a_method_that_is_too_long_is_error_1_and_others_keep_their_connection(daemon, h2_origin,
                                                                             method):
    victim, attacker = daemon.client(), daemon.client()
    start_slow(victim, h2_origin)
    error = attacker.refused(h2_origin.url("/long", host="localhost"), method=method)
    assert error.code == 1 and "method" in error.message and "64" in error.message
    victim.fetch(h2_origin.url("/after", host="localhost"))
    assert connections_of(h2_origin, "/after") == connections_of(h2_origin, "/slow")
    daemon.close_clients()


def test_a_method_of_64_letters_is_sent(client):
    with RawOrigin() as origin:
        assert client.fetch(origin.url(), method="M" * 64)["status"] == 200
        assert origin.requests[0].method == "M" * 64


@pytest.mark.parametrize("name", ["a" * 254, "a." * 127, "a" * 70_000, ".", "..", ""],
                         ids=lambda name: name if len(name) < 9 else f"{len(name)} bytes")
def test_a_server_name_that_no_host_can_have_is_error_1(client, authority, name):
    with RawOrigin(leaf=authority.server) as origin:
        error = client.refused(origin.url(host="localhost"), tls={"server_name": name})
        assert error.code == 1 and "server_name" in error.message
        assert origin.connections == []


def test_the_longest_server_name_is_asked_for(client, authority):
    with RawOrigin(leaf=authority.server) as origin:
        longest = ("a" * 49 + ".") * 5 + "abc"
        assert len(longest) == 253
        error = client.refused(origin.url(host="localhost"), tls={"server_name": longest})
        assert error.code == 104 and error.message.startswith("certificate of ")


# ---- Bytes that are no text -----------------------------------------------------------------------

NO_TEXT = b"\xff\xfe\x9b31m"


def test_a_name_and_a_tag_that_are_no_utf_8_are_shown_as_bin(daemon, nginx):
    client, plain = daemon.client(), daemon.client()
    client.call("hello", {"client": NO_TEXT})
    client.fetch(nginx.url("/text"), tag=NO_TEXT)
    plain.call("hello", {"client": "plaîn"})
    plain.fetch(nginx.url("/text"), tag="tâg")
    rows = daemon.client().call("clients")
    assert [(row["name"], row["tag"]) for row in rows[:2]] == [(NO_TEXT, NO_TEXT), ("plaîn", "tâg")]


def test_a_process_name_that_is_no_utf_8_is_shown_as_bin(daemon):
    comm = pathlib.Path("/proc/self/comm")
    before = comm.read_bytes()
    try:
        comm.write_bytes(NO_TEXT)
        assert [row["name"] for row in daemon.client().call("clients")] == [NO_TEXT]
    finally:
        comm.write_bytes(before)


# ---- Clients that vanish --------------------------------------------------------------------------

ONE_REQUEST = """
import sys, time
from support.client import Client
with Client(sys.argv[1]) as client:
    client.send("fetch", {"url": sys.argv[2]})
    time.sleep(600)
"""


def leave_by_close(daemon, url):
    client = daemon.client()
    client.send("fetch", {"url": url})
    return client.close


def leave_by_half_close(daemon, url):
    client = daemon.client()
    client.send("fetch", {"url": url})

    def leave():
        client.half_close()
        client.close()

    return leave


def leave_by_kill(daemon, url):
    child = subprocess.Popen([sys.executable, "-c", ONE_REQUEST, str(daemon.path), url],
                             cwd=__file__.rsplit("/", 2)[0])

    def leave():
        child.kill()
        child.wait()

    return leave


@pytest.mark.parametrize("enter", [leave_by_close, leave_by_half_close, leave_by_kill],
                         ids=["closed", "half closed, then closed", "killed"])
def test_a_stop_does_not_wait_for_the_request_of_a_client_that_has_gone(start_daemon, enter):
    daemon = start_daemon({"timeouts": {"drain": "20s"}})
    with RawOrigin(hold) as origin:
        leave = enter(daemon, origin.url())
        origin.await_requests(1)
        daemon.signal(signal.SIGTERM)
        daemon.await_line("drain|stopping|shutting")
        with Stopwatch() as watch:
            leave()
            assert daemon.wait() == 0
        assert watch.seconds < scaled(1)


def test_a_client_that_half_closed_and_then_vanished_leaves_nothing_running(daemon):
    with RawOrigin(hold) as origin, calm(daemon):
        client = daemon.client()
        client.send("fetch", {"url": origin.url()})
        origin.await_requests(1)
        client.half_close()
        for _ in range(2):  # the daemon has looked at the half close when it has answered these
            assert daemon.ask("ping") == "pong"
        assert daemon.stats()["in_flight"] == 1
        client.close()
        await_nothing_runs(daemon)
        assert origin.connections[0].closed.wait(scaled(1))


def fill(client):
    """Writes pings until the daemon and the kernel have taken all that they take."""
    client.socket.setblocking(False)
    pings = b"".join(request_bytes(1000 + number, "ping") for number in range(4000))
    sent = 0
    while select.select([], [client.socket], [], scaled(0.1))[1]:
        with contextlib.suppress(BlockingIOError):
            sent += client.socket.send(pings[sent % len(pings):])
    return sent


def test_a_client_with_its_share_in_flight_and_more_behind_vanishes_and_leaves_nothing(start_daemon):
    daemon = start_daemon({"limits": {"requests_per_client": "8"}})
    with RawOrigin(hold) as origin, calm(daemon):
        client = daemon.client()
        for _ in range(8):
            client.send("fetch", {"url": origin.url()})
        origin.await_requests(8)
        assert fill(client) > 64 << 10
        client.close()
        await_nothing_runs(daemon)
        for connection in origin.connections:
            assert connection.closed.wait(scaled(1))


# ---- Somebody else's socket -----------------------------------------------------------------------

@pytest.fixture
def directory():
    path = daemons.temporary_directory()
    yield path
    shutil.rmtree(path)


@pytest.mark.parametrize("kind", [socket.SOCK_DGRAM, socket.SOCK_SEQPACKET],
                         ids=lambda kind: kind.name)
def test_a_socket_of_another_kind_at_the_path_is_refused_and_left_alone(directory, kind):
    path = directory / "s"
    with socket.socket(socket.AF_UNIX, kind) as other, socket.socket(socket.AF_UNIX, kind) as peer:
        other.bind(str(path))
        if kind == socket.SOCK_SEQPACKET:
            other.listen()
        inode = path.stat().st_ino
        done = daemons.run("--socket", path, seconds=4)
        assert done.returncode == 1
        assert f"cannot listen at {path}: " in done.stderr
        assert path.stat().st_ino == inode
        peer.connect(str(path))
        assert [each.name for each in directory.iterdir()] == ["s"]


def test_a_lock_that_somebody_holds_does_not_delay_the_stop(start_daemon):
    daemon = start_daemon()
    daemon.ask("ping")
    with open(f"{daemon.path}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with Stopwatch() as watch:
            assert daemon.stop() == 0
    assert watch.seconds < 1 + scaled(1)


# ---- Hoarding -------------------------------------------------------------------------------------

MIB = 1 << 20


def all_but_the_last_byte(connection):
    connection.read_request()
    connection.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (4 * MIB))
    connection.write(body(4 * MIB)[:-1])
    connection.await_release()
    connection.write(body(4 * MIB)[-1:])
    connection.await_end()


def test_bodies_that_come_in_are_bounded_by_max_unread_for_each_client(start_daemon, nginx):
    daemon = start_daemon({"limits": {"max_body": "4MiB", "max_unread": "8MiB"}})
    client, other = daemon.client(), daemon.client()
    other.fetch(nginx.url("/files/mebibyte"))
    resident = daemon.resident_kib()
    with RawOrigin(all_but_the_last_byte) as origin:
        asked = [client.send("fetch", {"url": origin.url()}) for _ in range(12)]
        origin.await_requests(12)
        eventually(lambda: daemon.stats()["requests_failed"] >= 10, 5,
                   lambda: f"only two of twelve bodies have room: {daemon.stats()}")
        assert other.fetch(nginx.url("/files/mebibyte"))["body"] == nginx.file("mebibyte")
        if not SANITIZED:
            peak = daemon.status("VmHWM") - resident
            assert peak < 24 << 10, f"{peak} KiB for twelve bodies of 4 MiB"
        origin.release()
        outcomes = [client.receive_message(request) for request in asked]
    errors = [error for _, _, error, _ in outcomes if error]
    assert all(code == 204 and "max_unread" in message for code, message in errors), errors
    whole = [result["body"] for _, _, _, result in outcomes if result]
    assert whole and all(each == body(4 * MIB) for each in whole)
    assert len(whole) + len(errors) == 12 and len(errors) >= 10


def test_bodies_one_after_another_are_not_counted_together(start_daemon, nginx):
    daemon = start_daemon({"limits": {"max_body": "1MiB", "max_unread": "2MiB"}})
    client = daemon.client()
    for _ in range(8):
        assert client.fetch(nginx.url("/files/mebibyte"))["body"] == nginx.file("mebibyte")


def test_more_stalled_requests_than_descriptors_wait_and_clients_still_come_in(start_daemon, nginx):
    daemon = start_daemon({"pool": {"max_connections": "100"},
                           "limits": {"requests_per_client": "1000"}},
                          wrapper=["prlimit", "--nofile=256:256"])
    hoarder, other = daemon.client(), daemon.client()
    with RawOrigin(lambda connection: connection.await_end()) as origin:
        for _ in range(300):
            hoarder.send("fetch", {"url": origin.url()})
        newcomers = [daemon.client() for _ in range(5)]
        assert [client.call("ping", seconds=2) for client in newcomers] == ["pong"] * 5
        refusal = other.refused(nginx.url("/text"), queue_timeout=500)
        assert refusal.code == 101 and "max_connections" in refusal.message
        hoarder.close()
        eventually(lambda: other.call("stats")["in_flight"] == 0, 2, "the hoarder's requests end")
        assert other.fetch(nginx.url("/text"))["status"] == 200


@pytest.mark.parametrize("terms", [[{}], [{}, {"server_name": "localhost"}]],
                         ids=["of one pool", "of both pools"])
@pytest.mark.parametrize("threads", [1, 4])
def test_idle_connections_make_room_for_new_ones_when_descriptors_are_few(start_daemon, terms, threads):
    daemon = start_daemon({"pool": {"threads": threads}}, wrapper=["prlimit", "--nofile=256:256"])
    client = daemon.client()
    with contextlib.ExitStack() as stack:
        for number in range(150):
            origin = stack.enter_context(RawOrigin())
            tls = terms[number % len(terms)]
            assert client.fetch(origin.url(), tls=tls)["body"] == b"hello\n"


# ---- When memory is short -------------------------------------------------------------------------

FAILING_CALLOC = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void *__libc_calloc(size_t count, size_t size);

/* Fails for the daemon's own code, and for no library, while the file is there. */
void *calloc(size_t count, size_t size)
{
    Dl_info caller;
    int error = errno;
    const char *flag = getenv("FAILING_CALLOC");
    if (flag && access(flag, F_OK) == 0 && dladdr(__builtin_return_address(0), &caller) &&
        strstr(caller.dli_fname, "fetchpoold")) {
        errno = ENOMEM;
        return NULL;
    }
    errno = error;
    return __libc_calloc(count, size);
}
"""


class Shortage:
    """A daemon whose calloc() fails between begin() and end()."""

    def __init__(self, start_daemon, directory):
        (directory / "calloc.c").write_text(FAILING_CALLOC)
        subprocess.run(["cc", "-shared", "-fPIC", "-o", directory / "calloc.so",
                        directory / "calloc.c", "-ldl"], check=True)
        self.flag = directory / "short"
        self.daemon = start_daemon(more_environment={"LD_PRELOAD": str(directory / "calloc.so"),
                                                     "FAILING_CALLOC": str(self.flag)})

    def begin(self):
        self.flag.touch()

    def end(self):
        self.flag.unlink(missing_ok=True)


@pytest.fixture
def shortage(start_daemon, tmp_path):
    if SANITIZED:
        pytest.skip("AddressSanitizer has a calloc of its own")
    shortage = Shortage(start_daemon, tmp_path)
    yield shortage
    shortage.end()


def test_a_client_that_found_no_memory_is_accepted_when_there_is_some_again(shortage):
    daemon = shortage.daemon
    before = daemon.client()
    assert before.call("ping") == "pong"
    shortage.begin()
    logged = len(daemon.lines)
    unlucky = daemon.client()
    asked = unlucky.send("ping")
    daemon.await_line("accepted", after=logged)
    shortage.end()
    assert before.call("ping") == "pong"
    with Stopwatch() as watch:
        assert unlucky.receive(asked, seconds=5) == "pong"
    assert watch.seconds < scaled(2)
    assert daemon.ask("ping") == "pong"


def test_a_redirect_for_which_there_is_no_memory_is_207_where_the_first_hop_may_have_acted(shortage):
    def script(connection):
        connection.read_request()
        shortage.begin()
        connection.answer(307, headers=[("Location", "/again")])
        connection.await_end()

    client = shortage.daemon.client()
    with RawOrigin(script) as origin:
        error = client.refused(origin.url("/order"), method="POST", body=b"1", redirects=3)
        shortage.end()
        assert error.code == 207
        assert error.message.startswith(f"redirect to {origin.url('')}: ")
        assert [request.target for request in origin.requests] == ["/order"]


# ---- What the log says ----------------------------------------------------------------------------

def test_a_refused_request_has_a_line_at_debug_without_what_it_held(daemon):
    client = daemon.client()
    client.refused("ftp://127.0.0.1/?token=hush", tag="odd")
    client.refused("http://me:hush@127.0.0.1/")
    daemon.client().refused("http://127.0.0.1:9/", headers=[["Content-Length", "hush"]])
    eventually(lambda: len(daemon.lines_matching("^<7>.*refused: error 1")) == 3, 5, "three lines")
    assert all(f"pid {os.getpid()}" in line for line in daemon.lines_matching("refused: error"))
    assert not daemon.lines_matching("hush")


def test_a_request_whose_client_went_away_has_a_line_at_debug(daemon):
    with RawOrigin(hold) as origin:
        client = daemon.client()
        client.send("fetch", {"url": origin.url("/?token=hush"), "tag": "odd"})
        origin.await_requests(1)
        client.close()
        line = daemon.await_line("client gone")
        assert line.startswith("<7>") and f"pid {os.getpid()}" in line and "odd" in line
        assert f"GET {origin.url('')}" in line
        assert not daemon.lines_matching("hush")
