"""
R1: every allocation fails in turn, those of the daemon, of the libraries under it, and of the
library that clients use. Each time the client gets an answer or a clean close, the next client is
served as if nothing had been, and nothing leaks.
"""

import re
import time

import pytest

from support.bodies import body
from support.client import Client, Closed, Refused
from support.daemon import BUILD, FETCHPOOLD, ROOT, Daemon
from support.driver import compile_against_library
from support.fakedaemon import FakeDaemon, serves, streams
from support.failmalloc import CURL, INIH, MSGPACK, OURS, UV, Failmalloc
from support.origin import Proxy, RawOrigin, response
from support.timing import SANITIZED, eventually
from support.upload_client import UploadClient
from support.upload_origin import UploadOrigin, said_of

pytestmark = pytest.mark.skipif(SANITIZED, reason="a sanitizer has an allocator of its own")

LIBRARY = BUILD / "libfetchpool.so"
FOREIGN = (CURL, UV, MSGPACK, INIH)

# A client that cannot be accepted for want of memory is tried again after a second.
MOST_SECONDS = 3

CLEAN = (Refused, Closed, ConnectionError)


# ---- What clients do -----------------------------------------------------------------------------

class Setting:
    """A daemon under the shim, and the origins that scenarios use."""

    def __init__(self, daemon, nginx, authority, origins):
        self.daemon, self.nginx, self.authority = daemon, nginx, authority
        self.closing, self.dying, self.uploads, self.proxy = origins

    def client(self):
        return Client(self.daemon.path, MOST_SECONDS)

    def fetch(self, url, **keys):
        with self.client() as client:
            return client.fetch(url, **keys)


def closing_origin(connection):
    connection.read_request()
    connection.write(response(body=b"hello\n", headers=[("Connection", "close"), ("X-A", "b")]))


CARRIED = 9  # the retry budget allows one in five requests


def dying_origin(connection):
    """A connection carries so many requests, and dies of the next."""
    for _ in range(CARRIED):
        connection.read_request()
        connection.write(response(body=b"hello\n"))
    connection.read_request()
    connection.reset()


def whole_new(setting):
    answer = setting.fetch(setting.closing.url("/"), headers=[["X-One", "1"], ["X-Two", "2"]],
                           method="POST", body=b"some", tag="tagged")
    assert (answer["status"], answer["body"]) == (200, b"hello\n")
    assert ["X-A", "b"] in answer["headers"] and not answer["connection"]["reused"]


def whole_tls(setting):
    answer = setting.fetch(setting.nginx.url("/text", setting.nginx.ONCE))
    assert (answer["status"], answer["body"]) == (200, b"hello\n")


def whole_reused(setting):
    answer = setting.fetch(setting.nginx.url("/text", setting.nginx.H1))
    assert (answer["status"], answer["body"]) == (200, b"hello\n")


def retried(setting):
    with setting.client() as client:
        for _ in range(CARRIED):
            assert client.fetch(setting.dying.url("/"), retry="always")["body"] == b"hello\n"


def stream_page(setting, server):
    with setting.client() as client:
        stream = client.stream(setting.nginx.url("/files/page", server), window=16384, flow=8192)
        assert stream.body() == setting.nginx.file("page")


def streamed(setting):
    stream_page(setting, setting.nginx.H1)


def streamed_h2(setting):
    stream_page(setting, setting.nginx.H2)


def cancelled(setting):
    with setting.client() as client:
        stream = client.stream(setting.nginx.url("/files/mebibyte"), window=1000)
        stream.take(1000)
        stream.cancel()
        error = stream.error()
        if error.code != 208:
            raise error


def uploaded(setting):
    data = body(100_000)
    client = UploadClient(setting.daemon)
    try:
        answer = client.send_all(setting.uploads.url("/put"), data)
        assert (answer["status"], answer["body"]) == (200, said_of(data))
    finally:
        client.close()


def redirected(setting):
    answer = setting.fetch(setting.nginx.url("/chain/3", setting.nginx.H1), redirects=5)
    assert (answer["body"], answer["redirects"]) == (b"end of chain\n", 3)


def with_identity(setting):
    leaf = setting.authority.client("alice")
    tls = {"cert": leaf.cert.read_bytes(), "key": leaf.key.read_bytes(),
           "ca": setting.authority.pem.read_bytes()}
    answer = setting.fetch(setting.nginx.url("/identity", setting.nginx.MUTUAL), tls=tls)
    assert answer["body"] == b"CN=alice"


def by_proxy(setting):
    answer = setting.fetch("http://origin.test/x", proxy=setting.proxy.url())
    assert answer["body"] == b"through the proxy: http://origin.test/x"


def two_at_a_time(setting):
    with setting.client() as one, setting.client() as other:
        url = setting.nginx.url("/files/page")
        sent = [(client, client.send("fetch", {"url": url})) for client in (one, other) * 2]
        for client, request in sent:
            assert client.receive(request)["body"] == setting.nginx.file("page")


def questions(setting):
    with setting.client() as client:
        client.call("hello", {"client": "test_r1", "version": "1"})
        assert client.call("ping") == "pong"
        for method in ("stats", "connections", "origins", "clients"):
            client.call(method)


def broken_messages(setting):
    with setting.client() as client:
        assert client.refused_call("fetch", {"url": 5}).code in (1, 100, 299)
        assert client.refused_call("no such method").code in (1, 4, 100, 299)
        client.write(b"\x94\x00\x01\xa5fetch\xc1")
        assert client.closed_within(MOST_SECONDS)


def text(setting):
    url = setting.nginx.url("/text", setting.nginx.PLAIN)
    answer = setting.daemon.text(f"GET {url}\nping\nconnections\nhelp\n".encode(), MOST_SECONDS)
    if not answer or b"error: " in answer:
        raise Closed("a person is told so, or sees the end")
    assert answer.startswith(b"HTTP/1.1 200") and b"pong\n" in answer and b"GET URL" in answer


SCENARIOS = [whole_new, whole_tls, whole_reused, retried, streamed, streamed_h2, cancelled, uploaded,
             redirected, with_identity, by_proxy, two_at_a_time, questions, broken_messages, text]


# ---- The daemon ----------------------------------------------------------------------------------

@pytest.fixture
def shims(tmp_path):
    """shims(owners): one for this test."""
    made = []

    def make(owners=(OURS,)):
        made.append(Failmalloc(tmp_path, owners))
        return made[-1]

    yield make
    for shim in made:
        shim.close()


@pytest.fixture
def settings(start_daemon, nginx, authority):
    def make(shim, **sections):
        daemon = start_daemon({"proxy": {"allow_client": "yes"}, **sections},
                              more_environment=shim.environment)
        return Setting(daemon, nginx, authority, origins)

    with RawOrigin(closing_origin) as closing, RawOrigin(dying_origin) as dying, \
            UploadOrigin() as uploads, Proxy() as proxy:
        origins = closing, dying, uploads, proxy
        yield make


def attempt(scenario, setting, what):
    """With its one failure: right, or an error, or a close; and in time."""
    began = time.monotonic()
    try:
        scenario(setting)
    except CLEAN:
        pass
    except (TimeoutError, AssertionError) as error:
        raise AssertionError(f"{what()}: {error!r}") from error
    assert time.monotonic() - began < MOST_SECONDS, what()


def sweep(scenario, setting, shim):
    """Every allocation of the scenario fails in turn. Returns how many there were."""
    for number in shim.each():
        attempt(scenario, setting, lambda: f"allocation {number} of the scenario, at {shim.site(FETCHPOOLD)}")
        shim.disarm()
        try:
            scenario(setting)
        except (*CLEAN, TimeoutError, AssertionError) as error:
            raise AssertionError(f"after allocation {number}, at {shim.site(FETCHPOOLD)}: {error!r}") from error
    return number - 1


def live(shim):
    """Once it stays the same."""
    seen = [shim.live()]

    def is_steady():
        time.sleep(0.05)
        seen.append(shim.live())
        return len(seen) > 4 and len(set(seen[-4:])) == 1

    eventually(is_steady, 5, lambda: f"the daemon goes on allocating: {seen[-10:]}")
    return seen[-1]


@pytest.mark.deadline(120)
@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.__name__)
def test_r1_an_allocation_that_fails_costs_one_request_at_most(settings, shims, scenario):
    """Twice, for what is kept for good is kept after the first time."""
    shim = shims()
    setting = settings(shim)
    broken_messages(setting)  # the account of those who have been warned
    scenario(setting)
    assert sweep(scenario, setting, shim) > 5
    before = live(shim)
    sweep(scenario, setting, shim)
    assert live(shim) <= before


@pytest.mark.long
@pytest.mark.deadline(600)
@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.__name__)
def test_r1_a_library_under_the_daemon_without_memory_costs_one_request_at_most(settings, shims,
                                                                               scenario):
    """Without memory, libcurl forgets sockets that it should wait for: deadlines end these."""
    shim = shims(FOREIGN)
    setting = settings(shim, timeouts={"total": "1s", "stream": "1s"})
    broken_messages(setting)
    scenario(setting)
    sweep(scenario, setting, shim)
    before = live(shim)
    sweep(scenario, setting, shim)
    assert live(shim) <= before


# ---- Its start -----------------------------------------------------------------------------------

class Start(Daemon):
    """One that may end instead of listening."""

    def _start(self, *arguments):
        try:
            super()._start(*arguments)
            self.is_up = True
        except AssertionError:
            self.is_up = False
            self.exit_code = self.process.returncode


@pytest.mark.long
@pytest.mark.deadline(300)
@pytest.mark.parametrize("owners", [(OURS,), (CURL, MSGPACK, INIH)], ids=["ours", "libraries"])
def test_r1_a_start_without_memory_fails_with_a_word_or_serves(shims, nginx, authority, owners,
                                                              tmp_path):
    """Without libuv, which ends the process where it has no memory for its table of descriptors."""
    shim = shims(owners)
    config = {"tls": {"ca_file": authority.pem}, "proxy": {"allow_client": "yes"},
              "daemon": {"access_log": tmp_path / "access.log"}}
    ended = 0
    for number in shim.each():
        daemon = Start(config, more_environment=shim.environment)
        has_failed = shim.disarm()
        if daemon.is_up:
            assert daemon.client().fetch(nginx.url("/text"))["body"] == b"hello\n", number
            daemon.finish()
            continue
        said = (number, daemon.exit_code, daemon.lines, shim.site(FETCHPOOLD))
        daemon.remove()
        assert has_failed and daemon.exit_code == 1 and daemon.lines, said
        ended += 1
    assert ended > 0


# ---- The library ---------------------------------------------------------------------------------

DAEMON_GONE, NO_MEMORY = 901, 904
BAD_ARGUMENT = 905  # what could not be made was NULL
URL = "http://origin.test/9000/5"

ROUNDS = {
    "libdriver": [("get", URL), ("full", URL), ("query", "ping"), ("post", URL, 100_000, 5000)],
    "streamdriver": [("down", URL), ("get", URL), ("up", URL, 5000, 7), ("trailers", URL)],
    "asyncdriver": [("down", URL), ("whole", URL), ("up", URL, 5000, 7), ("run",)],
}

FULL = {
    "url": URL, "method": "POST", "headers": [["X-Name", "value"]] * 9, "body": b"body",
    "tls": {"ca": b"CA", "cert": b"CERTIFICATE", "key": b"KEY", "server_name": "server.test"},
    "proxy": "http://proxy.test:1/", "tag": "tag"}


@pytest.fixture(params=ROUNDS)
def driver(request, tmp_path):
    return compile_against_library(ROOT / f"tests/support/{request.param}.c",
                                   tmp_path / request.param)


def is_without_memory(line):
    """A call's line that names one of these codes; behind a request, that the answer is lost."""
    lost = f"{DAEMON_GONE} "  # all that the driver shows of a query's error
    return (re.search(rf"\b({NO_MEMORY}|{BAD_ARGUMENT})\b", line) or "no memory for" in line
            or line == lost)


@pytest.mark.deadline(120)
def test_r1_the_library_without_memory_fails_the_call_and_nothing_else(run, driver, path, shims,
                                                                     monkeypatch):
    """Its drivers end by themselves, with no descriptor more than before: the runner sees to it."""
    steps = [word for step in ROUNDS[driver.name] for word in step]
    script = serves if driver.name == "libdriver" else streams()
    shim = shims((OURS, MSGPACK))
    for name, value in shim.environment.items():
        monkeypatch.setenv(name, value)
    with FakeDaemon(path, script) as fake:
        right = sorted(run(*steps))
        assert not any(map(is_without_memory, right))
        for number in shim.each():
            del fake.requests[:]
            lines = run(*steps)
            where = (number, lines, shim.site(LIBRARY))
            wrong = [line for line in lines if line not in right]
            assert all(map(is_without_memory, wrong)), where
            sent = [request for request in fake.requests if "tag" in request]
            assert sent in ([], [FULL]), where
            assert (shim.live(OURS), shim.live(MSGPACK)) == (0, 0), where
        assert sorted(lines) == right
