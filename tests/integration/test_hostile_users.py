"""
What one user can do to another by being denied, by being patient, by asking much at once, and by
saying one thing where a rule looks at another. Each test is something that once worked.
"""

import gzip
import os
import socket
import time

import pytest

from support.calm import stretch
from support.client import request_bytes
from support.daemon import run, write_config
from support.either_origin import shake_hands
from support.namespace import DAEMON, ORIGINS
from support.nameserver import NameServer
from support.origin import FullBacklog, Gone, RawOrigin, response, serve
from support.ports import free_port
from support.timing import Stopwatch, eventually, scaled
from support.users import NOBODY, client_of, needs_root

ALICE, BOB = NOBODY, NOBODY - 1
DENIED, CONNECT, BODY_TOO_LARGE = 2, 103, 204
DAY_MS = 24 * 60 * 60 * 1000
MIB = 1 << 20


def both(daemon, seconds=10):
    return client_of(daemon, ALICE, seconds), client_of(daemon, BOB, seconds)


def send_many(client, urls, **keys):
    return [client.send("fetch", {"url": url, **keys}) for url in urls]


def codes_of(client, requests, seconds=None):
    """0 for an answer."""
    errors = [client.receive_message(request, seconds)[2] for request in requests]
    return [error[0] if error else 0 for error in errors]


def check(client, url, **keys):
    return client.call("check", {"url": url, **keys})


# ---- Origins that fail for one user only ---------------------------------------------------------

TIMES, AT_ONCE = 5, 4  # more than the failures that make the daemon leave an origin alone


def close_after(request):
    return response(body=b"hello\n", headers=[("Connection", "close")])


def assert_served_beside(daemon, url):
    """Alice reaches nothing, and Bob, whose every request needs a connection of its own, is served."""
    alice, bob = both(daemon)
    for _ in range(TIMES):
        asked = send_many(alice, [url] * AT_ONCE)
        assert bob.fetch(url)["status"] == 200
        assert set(codes_of(alice, asked)) <= {DENIED, CONNECT}
        assert bob.fetch(url)["status"] == 200


def assert_told(daemon, url):
    """The address that she may go to has refused; it may not the next time."""
    for _ in range(TIMES):
        error = client_of(daemon, ALICE).refused(url)
        assert error.code == CONNECT
        assert error.message.endswith("connection refused; others of its addresses are denied")


@pytest.fixture
def refusing():
    """refusing(port): at ::1 that port is nobody's, so that what asks there is refused."""
    held = []

    def refuse(port):
        held.append(socket.socket(socket.AF_INET6))
        held[-1].setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        try:
            held[-1].bind(("::1", port))
        except OSError as error:
            pytest.skip(f"no IPv6 here: {error}")

    yield refuse
    for each in held:
        each.close()


@pytest.fixture
def half_denied(start, refusing):
    """A daemon, and an origin whose one address refuses and whose other is denied to Alice."""
    with RawOrigin(serve(close_after)) as origin:
        refusing(origin.port)
        yield start(jobs={"users": ALICE, "networks_deny": "127.0.0.0/8"}), origin.url(host="localhost")


@pytest.fixture(params=[0, 1], ids=["the first", "the second"])
def half_denied_place(request, start, network, tmp_path):
    """The same with two addresses of IPv4, of which that one is denied, and its rule."""
    denied = ORIGINS[request.param]
    with network.daemon.inside():
        names = NameServer(DAEMON, tmp_path, {"both.test": tuple(ORIGINS[:2])})
    with network.origins.inside():
        origin = RawOrigin(serve(close_after), address=denied)
    with names, origin:
        yield start(jobs={"users": ALICE, "networks_deny": denied},
                    wrapper=network.wrapper(names.resolver)), origin.url(host="both.test"), denied


@needs_root
def test_an_origin_that_only_fails_for_whom_an_address_is_denied_serves_others(half_denied):
    assert_served_beside(*half_denied)


@needs_root
def test_it_does_whichever_address_is_denied(half_denied_place):
    daemon, url, _ = half_denied_place
    assert_served_beside(daemon, url)


@needs_root
def test_who_is_denied_one_address_and_refused_at_the_other_is_told_both(half_denied):
    assert_told(*half_denied)


@needs_root
def test_both_are_told_whichever_address_is_denied(half_denied_place):
    daemon, url, _ = half_denied_place
    assert_told(daemon, url)


PATIENT = {"connect_timeout": DAY_MS, "timeout": DAY_MS}


@pytest.fixture
def tried(start, authority):
    """A daemon, Alice, Bob, and an origin that has failed, and is tried for Alice by what hangs."""
    port = free_port()
    daemon = start({"pool": {"failing_least": "100ms"}, "timeouts": {"connect": "1s"}},
                   jobs={"users": ALICE, "proxies": "any"})
    alice, bob = both(daemon)
    url = f"https://127.0.0.1:{port}/"
    assert [alice.refused(url).code for _ in range(3)] == [CONNECT] * 3

    def hang_once(connection):
        if connection.number == 0:
            connection.await_end()
            raise Gone
        shake_hands(connection)
        serve(close_after)(connection)

    with RawOrigin(hang_once, leaf=authority.server, handshake=False, port=port) as origin:
        time.sleep(0.2)  # it is left alone
        alice.send("fetch", {"url": url, **PATIENT})
        origin.await_connections(1)
        yield alice, bob, origin


@needs_root
def test_while_an_origin_is_tried_for_a_patient_user_others_wait_for_a_second(tried):
    _, bob, origin = tried
    assert bob.fetch(origin.url(), connect_timeout=6000)["status"] == 200
    assert bob.fetch(origin.url())["status"] == 200
    assert not origin.connections[0].closed.is_set()


@needs_root
def test_what_goes_by_proxies_that_hang_does_not_count_as_trying_the_origin(tried):
    """Bob would wait anew for each."""
    alice, bob, origin = tried
    request = bob.send("fetch", {"url": origin.url(), "connect_timeout": DAY_MS})
    with FullBacklog() as proxy, Stopwatch() as watch:
        while not bob.answers:
            alice.send("fetch", {"url": origin.url(), "proxy": proxy.url(), **PATIENT})
            bob.read_for(0.3)
            assert time.monotonic() - watch.start < scaled(5), "Bob is not served"
    assert bob.receive(request)["status"] == 200


# ---- Lines of the log ----------------------------------------------------------------------------

DENIALS = 2000


def lines_of_users(daemon):
    return daemon.lines_matching(r"^<4>.*client pid")


DIFFERENT = {
    "proxies": lambda i: {"url": "http://127.0.0.1:1/", "proxy": f"http://{'h' * 150}{i}:1"},
    "networks_deny": lambda i: {"url": f"http://10.0.{i >> 8}.{i & 255}:1/"},
    "networks_allow": lambda i: {"url": f"http://11.0.{i >> 8}.{i & 255}:1/"},
    "built in": lambda i: {"url": f"http://169.254.{i >> 8}.{i & 255}:1/"},
    "inside others": lambda i: {"url": f"http://[64:ff9b::a00:{i:x}]:1/"},
    "server names": lambda i: {"url": "https://127.0.0.1:1/", "tls": {"server_name": f"n{i}.test"}},
}


@needs_root
@pytest.mark.parametrize("keys_of", DIFFERENT.values(), ids=DIFFERENT.keys())
def test_what_is_denied_in_thousands_of_forms_is_one_line(start, keys_of):
    daemon = start(jobs={"users": ALICE, "deny": "https://*.test", "networks_deny": "10.0.0.0/8",
                         "networks_allow": "127.0.0.0/8 64:ff9b::/96"})
    client = client_of(daemon, ALICE)
    codes = set()
    for first in range(0, DENIALS, 100):
        asked = [client.send("fetch", keys_of(i)) for i in range(first, first + 100)]
        codes.update(codes_of(client, asked))
    assert codes == {DENIED}
    eventually(lambda: lines_of_users(daemon), 5, "a line")
    daemon.stats()  # what comes before it has been written
    assert len(lines_of_users(daemon)) == 1, lines_of_users(daemon)[:3]


# ---- The processor -------------------------------------------------------------------------------

BOMBS = 40
GZIPPED = [("Content-Encoding", "gzip")]


@needs_root
@pytest.mark.parametrize("is_warm", [True, False], ids=["a warm connection", "a new one"])
def test_an_answer_is_decoded_soon_while_another_users_bombs_are(start, is_warm):
    bomb = response(body=gzip.compress(bytes(32 * MIB), 9), headers=GZIPPED)
    body = os.urandom(300_000)

    def all_at_once(connection):
        connection.read_request()
        connection.origin.await_requests(BOMBS)
        connection.write(bomb)
        connection.await_end()

    with RawOrigin(all_at_once) as origin, \
            RawOrigin(serve(lambda _: response(body=gzip.compress(body, 1), headers=GZIPPED))) as other:
        alice, bob = both(start(), 60)
        if is_warm:
            bob.fetch(other.url(), decompress=True)
        asked = send_many(alice, [origin.url()] * BOMBS, decompress=True)
        origin.await_requests(BOMBS)
        with Stopwatch() as watch_all:
            with Stopwatch() as watch_bob:
                assert bob.fetch(other.url(), decompress=True)["body"] == body
            assert set(codes_of(alice, asked)) == {BODY_TOO_LARGE}
        assert watch_bob.seconds < watch_all.seconds / 4, \
            f"{watch_bob.seconds:.2f} s of {watch_all.seconds:.2f} s"


CLIENTS, MESSAGES = 200, 4
MOST_BUSY_US = 150_000


@needs_root
@pytest.mark.parametrize("rules", [0, 20])
def test_long_urls_of_many_clients_at_once_do_not_hold_the_loop(start, rules):
    url = "http://127.0.0.1:1/" + "a/" * 8000
    deny = [f"*://*/v{number}/x" for number in range(rules)]
    daemon = start(**({"jobs": {"users": ALICE, "deny": [*deny, "*://127.0.0.1:1"]}} if deny else {}))
    clients = [client_of(daemon, ALICE, 60) for _ in range(CLIENTS)]
    assert {client.call("ping") for client in clients} == {"pong"}
    messages = b"".join(request_bytes(number, "fetch", {"url": url}) for number in range(MESSAGES))
    scheduled = daemon.waited_for_cpu()
    for client in clients:
        client.write(messages)
    codes = {code for client in clients for code in codes_of(client, range(MESSAGES))}
    assert codes == {DENIED if deny else CONNECT}
    busy = daemon.stats()["loop_busy_max_us"]
    most = scaled(MOST_BUSY_US) * stretch(scheduled, daemon.waited_for_cpu())
    assert busy < most, f"the loop was held for {busy} us, more than {most:.0f}"


# ---- What is said to be another than it is -------------------------------------------------------

@needs_root
def test_an_https_proxy_without_a_port_is_asked_about_at_443(start):
    daemon = start(other={"users": ALICE, "proxies": "https://127.0.0.1:1080"},
                   own={"users": BOB, "proxies": "https://127.0.0.1"})
    alice, bob = both(daemon)
    for proxy, allowed in (("https://127.0.0.1", bob), ("HTTPS://127.0.0.1/", bob),
                           ("https://127.0.0.1:443", bob), ("https://127.0.0.1:1080", alice)):
        for client in alice, bob:
            found = check(client, "http://192.0.2.1/", proxy=proxy)["verdict"]
            assert found == ("allowed" if client is allowed else "denied"), proxy
    error = alice.refused("http://192.0.2.1/", proxy="https://127.0.0.1")
    assert error.code == DENIED and "no rule matches proxy https://127.0.0.1:443" in error.message


@needs_root
@pytest.mark.parametrize("name", ["forbidden.example", "FORBIDDEN.Example", "forbidden.example."])
def test_a_server_name_is_denied_as_a_host_is(start, authority, name):
    with RawOrigin(leaf=authority.server) as origin:
        daemon = start(jobs={"users": ALICE, "deny": "*://forbidden.example"})
        client = client_of(daemon, ALICE)
        for more in {}, {"stream": True}:
            error = client.refused(origin.url(), tls={"server_name": name}, **more)
            assert (error.code, error.message) == (
                DENIED, 'denied by policy "jobs": deny = *://forbidden.example')
        assert check(client, origin.url(), tls={"server_name": name})["verdict"] == "denied"
        assert origin.connections == []
        assert client.fetch(origin.url(), tls={"server_name": "localhost"})["status"] == 200


@needs_root
def test_a_server_name_and_the_host_must_both_be_allowed(start, authority):
    with RawOrigin(leaf=authority.server) as origin:
        host, name = "https://127.0.0.1:*", "GET https://localhost:*/v1/"
        daemon = start(host={"users": ALICE, "allow": host}, name={"users": BOB, "allow": name},
                       both={"users": "root", "allow": [host, name]})
        url, tls = origin.url("/v1/x"), {"server_name": "localhost"}
        for client in both(daemon):
            assert client.refused(url, tls=tls).message.endswith("no allow rule matches")
        client = daemon.client()
        for keys in {"url": origin.url("/v2/x")}, {"url": url, "method": "POST"}:
            assert client.refused(tls=tls, **keys).message.endswith("no allow rule matches")
        assert origin.connections == []
        assert client.fetch(url, tls=tls)["status"] == 200
        assert client_of(daemon, ALICE).fetch(origin.url("/v2/x"))["status"] == 200


BINDING = ["Authorization: Negotiate hush", "Authorization: NTLM hush", "authorization: negotiate hush",
           "AUTHORIZATION: ntlm", "Authorization: @PATH"]


@pytest.mark.parametrize("header", BINDING)
def test_credentials_that_hold_for_a_connection_are_not_the_daemons_to_add(tmp_path, header):
    """Whoever had the connection next would be taken for the daemon's user."""
    token = tmp_path / "token"
    token.write_text("Negotiate hush\n")
    config = write_config(tmp_path / "fetchpool.conf", {
        'origin "https://api.test"': {"header": header.replace("PATH", str(token))}})
    for more in ["--check"], ["--socket", tmp_path / "s"]:
        done = run("--config", config, *more)
        assert done.returncode != 0 and "https://api.test" in done.stderr, done
        assert "authorization: " in done.stderr.lower() and "connection" in done.stderr
        assert "hush" not in done.stdout + done.stderr
    assert not (tmp_path / "s").exists()


@pytest.mark.parametrize("header", ["Authorization: Bearer Negotiate", "Authorization: NTLMx y",
                                    "X-Authorization: NTLM y"])
def test_what_only_looks_like_them_is_added(tmp_path, header):
    config = write_config(tmp_path / "fetchpool.conf", {'origin "https://api.test"': {"header": header}})
    done = run("--check", "--config", config)
    assert done.returncode == 0, done.stderr


# ---- To ask, and not to disturb ------------------------------------------------------------------

FULL = pytest.mark.parametrize("pool", [{"connections_per_origin": 1}, {"max_connections": 1}],
                               ids=lambda pool: next(iter(pool)))


@needs_root
@FULL
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_check_answers_while_there_is_no_room_for_a_connection(start, pool, host):
    def wait(connection):
        connection.read_request()
        connection.await_release()
        connection.answer()

    with RawOrigin(wait) as origin:
        daemon = start({"pool": pool, "timeouts": {"queue": "2s"}})
        alice, bob = both(daemon)
        request = alice.send("fetch", {"url": origin.url(host=host)})
        origin.await_requests(1)
        found = check(bob, origin.url(host=host))
        assert found["verdict"] == "allowed"
        assert "127.0.0.1" in [row["address"] for row in found["addresses"]]
        origin.release()
        assert alice.receive(request)["status"] == 200
        assert len(origin.connections) == 1


@needs_root
@FULL
def test_check_closes_no_idle_connection(start, pool):
    with RawOrigin() as origin, RawOrigin() as other:
        daemon = start({"pool": pool})
        alice, bob = both(daemon)
        bob.fetch(origin.url())
        for url in origin.url(), other.url(), other.url(host="localhost"):
            assert check(alice, url)["verdict"] == "allowed"
        assert bob.fetch(origin.url())["connection"]["reused"]
        assert len(origin.connections) == 1 and other.connections == []


@needs_root
def test_check_answers_while_an_origin_is_left_alone_and_leaves_it_so(start):
    daemon = start({"pool": {"failing_least": "60s", "failing_most": "60s"}})
    port = free_port()
    alice, bob = both(daemon)
    assert [alice.refused(f"http://127.0.0.1:{port}/").code for _ in range(3)] == [CONNECT] * 3
    with RawOrigin(port=port) as origin:
        for _ in range(5):
            found = check(bob, origin.url())
            assert (found["verdict"], found["addresses"][0]["address"]) == ("allowed", "127.0.0.1")
        assert bob.refused(origin.url()).code == CONNECT
        row, = [row for row in daemon.ask("origins") if row["origin"] == origin.url("")]
        assert row["state"] == "failing" and row["retry_in_ms"] > 0
        assert origin.connections == []
