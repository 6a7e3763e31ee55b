"""
What an origin or a proxy can do to the daemon and to clients: closing at the worst moment, stalling,
odd answers. Each test is an attack that once worked.
"""

import contextlib
import ctypes
import os
import socket
import subprocess

import pytest

from support.h2origin import H2Origin
from support.origin import Proxy, RawOrigin, greet, response, serve
from support.ports import free_port
from support.timing import Stopwatch, eventually, scaled


def stop_listening(origin):
    """From here on the origin's port refuses."""
    with contextlib.suppress(OSError):
        origin.listener.shutdown(socket.SHUT_RDWR)
    origin.acceptor.join(scaled(5))
    origin.listener.close()


def handshake(connection):
    """For origins with handshake=False."""
    connection.socket = connection.origin.context.wrap_socket(connection.socket, server_side=True)


def stall_first(connection):
    """The first connection's TLS handshake stalls; every other one is served."""
    if connection.number == 0:
        connection.await_end()
    else:
        handshake(connection)
        serve(greet)(connection)


# ---- A second sending that fails ------------------------------------------------------------------

SENT_TWICE = [("GET", {}), ("PUT", {"body": b"x"}), ("DELETE", {}),
              ("POST", {"body": b"x", "retry": "always"})]


@pytest.mark.parametrize("method, keys", SENT_TWICE, ids=[method for method, _ in SENT_TWICE])
def test_what_was_sent_is_never_called_not_sent_because_its_second_sending_was_refused(client, method,
                                                                                     keys):
    def script(connection):
        connection.read_request()
        connection.answer()
        connection.read_request()
        stop_listening(connection.origin)

    with RawOrigin(script) as origin:
        client.fetch(origin.url("/warm"))
        error = client.refused(origin.url("/order"), method=method, **keys)
        assert error.code == 201 and f"127.0.0.1:{origin.port}" in error.message
        assert [request.target for request in origin.requests] == ["/warm", "/order"]


@pytest.mark.parametrize("method, keys", SENT_TWICE, ids=[method for method, _ in SENT_TWICE])
def test_what_was_sent_is_never_called_not_sent_because_its_second_handshake_failed(client, authority,
                                                                                  method, keys):
    def script(connection):
        if connection.number > 0:
            return
        handshake(connection)
        connection.read_request()
        connection.answer()
        connection.read_request()

    with RawOrigin(script, leaf=authority.server, handshake=False) as origin:
        client.fetch(origin.url("/warm", host="localhost"))
        error = client.refused(origin.url("/order", host="localhost"), method=method, **keys)
        assert error.code == 201
        assert [request.target for request in origin.requests] == ["/warm", "/order"]


# ---- Redirects that lead nowhere ------------------------------------------------------------------

def redirecting(status, location, body=b""):
    return serve(lambda request: response(status, body, [("Location", location)]))


def test_a_post_that_is_redirected_to_where_nobody_listens_is_207_and_says_where(client):
    elsewhere = f"http://127.0.0.1:{free_port()}"
    with RawOrigin(redirecting(307, elsewhere + "/order")) as origin:
        error = client.refused(origin.url(), method="POST", body=b"x", redirects=3)
        assert error.code == 207
        assert error.message.startswith(f"redirect to {elsewhere}: connect to 127.0.0.1:")
        assert "failed: connection refused" in error.message


def test_a_get_that_is_redirected_to_where_nobody_listens_is_still_not_sent(client):
    elsewhere = f"127.0.0.1:{free_port()}"
    with RawOrigin(redirecting(302, f"http://{elsewhere}/")) as origin:
        error = client.refused(origin.url(), redirects=3)
        assert error.code == 103 and elsewhere in error.message


@pytest.mark.parametrize("chunked", [False, True], ids=["with its length", "in chunks"])
def test_the_body_of_a_redirect_has_the_daemons_max_body_as_its_bound(start_daemon, chunked):
    """A redirect whose body never ends would never be followed."""
    def script(connection):
        connection.read_request()
        if chunked:
            connection.write(b"HTTP/1.1 302 Found\r\nLocation: /next\r\n"
                             b"Transfer-Encoding: chunked\r\n\r\n")
            while not connection.origin.released.is_set():
                connection.write(b"1000\r\n" + b"x" * 0x1000 + b"\r\n")
        connection.answer(302, b"x" * 50_001, [("Location", "/next")])
        serve(greet)(connection)

    client = start_daemon({"limits": {"max_body": "50000"}}).client()
    with RawOrigin(script) as origin:
        error = client.refused(origin.url(), redirects=3)
        assert error.code == 204 and "50000" in error.message
        assert len(origin.requests) == 1


def test_the_body_of_a_redirect_is_not_held_against_the_requests_max_body(client):
    def answer(request):
        if request.target == "/next":
            return response(body=b"there")
        return response(302, b"x" * 1000, [("Location", "/next")])

    with RawOrigin(serve(answer)) as origin:
        assert client.fetch(origin.url(), redirects=3, max_body=5)["body"] == b"there"


# ---- Handshakes that stall ------------------------------------------------------------------------

DAY = 86_400_000


def stall(client, origin, **keys):
    """A request that is at its handshake, for a day."""
    client.send("fetch", {"url": origin.url(host="localhost"), "connect_timeout": DAY,
                          "timeout": DAY, **keys})
    origin.await_connections(1)


@pytest.mark.parametrize("share", [1000, 200])
def test_a_stalled_handshake_holds_others_up_for_no_longer_than_share(start_daemon, authority, share):
    daemon = start_daemon({"timeouts": {"share": f"{share}ms"}} if share != 1000 else {})
    with RawOrigin(stall_first, leaf=authority.server, handshake=False) as origin:
        stall(daemon.client(), origin)
        clients = [daemon.client() for _ in range(3)]
        with Stopwatch() as watch:
            asked = [client.send("fetch", {"url": origin.url(host="localhost")})
                     for client in clients]
            answers = [client.receive(request) for client, request in zip(clients, asked)]
        assert share * 0.9 <= watch.seconds * 1000 <= share + scaled(700)
        for answer in answers:
            assert answer["body"] == b"hello\n"
            assert share * 900 <= answer["timing"]["queue"] <= answer["timing"]["total"]
        daemon.close_clients()


def own_terms(authority):
    alice = authority.client("alice")
    return {
        "no verification": {"verify": False},
        "authorities": {"ca": authority.pem.read_bytes()},
        "server name": {"server_name": "localhost"},
        "certificate": {"cert": alice.cert.read_bytes(), "key": alice.key.read_bytes()},
    }


def assert_at_once(daemon, origin):
    """A request on default terms is answered without a wait."""
    with Stopwatch() as watch:
        answer = daemon.client().fetch(origin.url(host="localhost"))
    assert answer["body"] == b"hello\n"
    assert watch.seconds < scaled(0.5)
    assert answer["timing"]["queue"] < scaled(500_000)


@pytest.mark.parametrize("terms", ["no verification", "authorities", "server name", "certificate"])
def test_a_stalled_handshake_on_other_terms_holds_nobody_up(start_daemon, authority, terms):
    daemon = start_daemon({"tls": {"allow_insecure": "yes"}})
    with RawOrigin(stall_first, leaf=authority.server, handshake=False) as origin:
        stall(daemon.client(), origin, tls=own_terms(authority)[terms])
        assert_at_once(daemon, origin)
        daemon.close_clients()


def test_a_proxy_of_a_clients_own_that_stalls_holds_nobody_else_up(start_daemon, authority):
    daemon = start_daemon({"proxy": {"allow_client": "yes"}})
    with RawOrigin(lambda connection: connection.await_end()) as proxy, \
            RawOrigin(leaf=authority.server) as origin:
        daemon.client().send("fetch", {"url": origin.url(host="localhost"), "proxy": proxy.url(),
                                       "connect_timeout": DAY, "timeout": DAY})
        proxy.await_connections(1)
        assert_at_once(daemon, origin)
        daemon.close_clients()


def assert_waited(timing, least_ms):
    """The wait is in `queue`, and the phases make up no more than the whole."""
    assert timing["queue"] >= least_ms * 1000
    assert timing["resolve"] < scaled(100_000)
    assert sum(timing[name] for name in ("queue", "resolve", "connect", "tls", "first_byte")) \
        <= timing["total"]


def test_the_wait_for_a_connection_that_turns_out_to_be_anothers_alone_is_counted_as_queue(
        start_daemon, authority):
    """HTTP/1.1, and the first answer comes only when the second request has."""
    def script(connection):
        if connection.number == 0:
            connection.origin.released.wait(0.3)
        handshake(connection)
        connection.read_request()
        connection.origin.await_requests(2)
        connection.answer()
        connection.await_end()

    daemon = start_daemon({"timeouts": {"share": "600ms"}})
    with RawOrigin(script, leaf=authority.server, handshake=False) as origin:
        first, second = daemon.client(), daemon.client()
        opening = first.send("fetch", {"url": origin.url(host="localhost")})
        origin.await_connections(1)
        waiting = second.send("fetch", {"url": origin.url(host="localhost")})
        assert first.receive(opening)["timing"]["queue"] < scaled(100_000)
        answer = second.receive(waiting)
        assert not answer["connection"]["reused"]
        assert_waited(answer["timing"], 250)


def test_the_wait_for_a_connection_is_counted_as_queue_whatever_comes_of_it(start_daemon, authority):
    """One of those who wait gets the connection after its first answer, another opens its own."""
    def script(connection):
        if connection.number == 0:
            connection.origin.released.wait(0.3)
        handshake(connection)
        if connection.number == 0:
            connection.read_request()
            connection.answer()
        connection.read_request()
        connection.origin.await_requests(3)
        connection.answer()
        connection.await_end()

    daemon = start_daemon({"timeouts": {"share": "10s"}})
    with RawOrigin(script, leaf=authority.server, handshake=False) as origin:
        clients = [daemon.client() for _ in range(3)]
        asked = [clients[0].send("fetch", {"url": origin.url(host="localhost")})]
        origin.await_connections(1)
        asked += [client.send("fetch", {"url": origin.url(host="localhost")}) for client in clients[1:]]
        answers = [client.receive(request) for client, request in zip(clients, asked)]
        assert sorted(answer["connection"]["reused"] for answer in answers) == [False, False, True]
        assert answers[0]["timing"]["queue"] < scaled(100_000)
        for answer in answers[1:]:
            assert_waited(answer["timing"], 250)


def test_nobody_waits_for_a_connection_to_an_origin_that_speaks_http_1(start_daemon, authority):
    """Once an answer has shown that nothing can be shared there, also when no connection is left."""
    def script(connection):
        request = connection.read_request()
        if request.target == "/first":
            connection.answer(headers=[("Connection", "close")])
            return
        connection.origin.await_requests(3)
        connection.answer()
        connection.await_end()

    daemon = start_daemon({"timeouts": {"share": "60s"}})
    with RawOrigin(script, leaf=authority.server) as origin:
        clients = [daemon.client() for _ in range(2)]
        clients[0].fetch(origin.url("/first", host="localhost"))
        asked = [client.send("fetch", {"url": origin.url("/both", host="localhost")}) for client in clients]
        answers = [client.receive(request) for client, request in zip(clients, asked)]
        assert [answer["connection"]["reused"] for answer in answers] == [False, False]


# ---- What is said of connections ------------------------------------------------------------------

def end_tls(connection):
    """Says good-bye in TLS, then closes."""
    connection.socket.settimeout(0.1)
    with contextlib.suppress(OSError):
        connection.socket.unwrap()


def is_retired(daemon):
    return all(row["state"] == "closing" for row in daemon.connections())


def test_an_idle_tls_connection_that_the_origin_closes_is_retired_within_a_second(daemon, authority):
    def script(connection):
        connection.read_request()
        connection.answer()
        connection.await_release()
        end_tls(connection)

    with RawOrigin(script, leaf=authority.server) as origin:
        client = daemon.client()
        client.fetch(origin.url(host="localhost"))
        assert not is_retired(daemon)
        origin.release()
        eventually(lambda: is_retired(daemon), 1, lambda: f"retired: {daemon.connections()}")
        answer = client.fetch(origin.url("/post", host="localhost"), method="POST", body=b"x")
        assert not answer["connection"]["reused"]


def test_an_idle_h2_connection_that_the_origin_closes_is_retired_within_a_second(daemon, authority):
    def script(session, stream, headers):
        session.answer(stream, 200, b"last")
        session.connection.await_release()
        session.h2.close_connection()
        session.flush()
        end_tls(session.connection)
        raise ConnectionError("gone")

    with H2Origin(authority.server, script) as origin:
        client = daemon.client()
        client.fetch(origin.url(host="localhost"))
        assert not is_retired(daemon)
        origin.release()
        eventually(lambda: is_retired(daemon), 1, lambda: f"retired: {daemon.connections()}")
        assert not client.fetch(origin.url(host="localhost"))["connection"]["reused"]


CLONE_NEWNET = 0x40000000


def enter_network(handle):
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.setns(handle.fileno(), CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "setns")


@contextlib.contextmanager
def network_of(daemon):
    """What is opened inside is opened in the daemon's network namespace."""
    with open("/proc/thread-self/ns/net") as ours, open(f"/proc/{daemon.pid}/ns/net") as theirs:
        enter_network(theirs)
        try:
            yield
        finally:
            enter_network(ours)


ALONE = ["unshare", "-n", "sh", "-c", 'ip link set lo up && exec "$@"', "sh"]
PORTS = "/proc/sys/net/ipv4/ip_local_port_range"


def test_two_connections_from_one_local_port_are_not_mistaken_for_each_other(start_daemon, authority):
    """The kernel gives a port twice where the far ends differ: with two in all, it must."""
    if os.geteuid() != 0 or subprocess.run([*ALONE, "test", "-w", PORTS]).returncode != 0:
        pytest.skip("a network namespace is not permitted here")
    daemon = start_daemon(wrapper=ALONE)
    silent, client = daemon.client(), daemon.client()
    with contextlib.ExitStack() as stack:
        with network_of(daemon):
            stalled = [stack.enter_context(RawOrigin(stall_first, leaf=authority.server,
                                                     handshake=False)) for _ in range(2)]
            origin = stack.enter_context(RawOrigin())
            with open(PORTS, "w") as ports:
                ports.write("39998 39999")
        for each in stalled:
            stall(silent, each)
        answers = [client.fetch(origin.url())["connection"] for _ in range(2)]
        assert [answer["peer"] for answer in answers] == [f"127.0.0.1:{origin.port}"] * 2
        assert [answer["reused"] for answer in answers] == [False, True]
        open_ones = [row for row in client.call("connections") if row["state"] != "opening"]
        assert [row["peer"] for row in open_ones] == [f"127.0.0.1:{origin.port}"]
        silent.close()
        for each in stalled:
            assert each.connections[0].closed.wait(scaled(5))
        answer = client.fetch(origin.url())["connection"]
        assert answer["reused"] and answer["requests"] == 3
        assert answer["peer"] == f"127.0.0.1:{origin.port}"
        assert len(client.call("connections")) == len(origin.connections) == 1


# ---- Odd answers ----------------------------------------------------------------------------------

ENDS = {"in the head": b"HTTP/1.1 200 OK\r\nContent-",
        "in the body": b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nsome"}


@pytest.mark.parametrize("beginning", ENDS.values(), ids=ENDS.keys())
def test_an_answer_that_ends_early_is_not_explained_by_an_older_error(client, beginning):
    """localhost is ::1 first, where nobody listens: that was another connection's error."""
    def script(connection):
        connection.read_request()
        connection.write(beginning)

    with RawOrigin(script) as origin:
        error = client.refused(origin.url(host="localhost"))
        assert error.code in (201, 202)
        assert "refused" not in error.message.lower()


FOLDS = {
    "A: b\r\n c\r\n\td\r\n": [["A", "b c d"]],
    "A: b;\r\n  Path=/; X: y\r\n": [["A", "b; Path=/; X: y"]],
    "A: b  \r\n \t c  \r\nB: d\r\n": [["A", "b c"], ["B", "d"]],
    "A:\r\n b\r\n": [["A", "b"]],
    "A: b\r\n \r\n": [["A", "b"]],
    "A: b\r\n Content-Length: 5\r\n": [["A", "b Content-Length: 5"]],
}


@pytest.mark.parametrize("lines, fields", FOLDS.items(), ids=[repr(lines) for lines in FOLDS])
def test_a_folded_line_belongs_to_the_field_above_with_one_space_between(client, lines, fields):
    def script(connection):
        connection.read_request()
        connection.write(b"HTTP/1.1 200 OK\r\n" + lines.encode() + b"Content-Length: 2\r\n\r\nhi")
        serve(greet)(connection)

    with RawOrigin(script) as origin:
        answer = client.fetch(origin.url())
        assert answer["headers"] == [*fields, ["Content-Length", "2"]]
        assert answer["body"] == b"hi"
        assert client.fetch(origin.url())["body"] == b"hello\n"


AMBIGUOUS = ["Content-Length:\r\n 2\r\n", "Content-Length: 2\r\n 0\r\n", "Content-Length: 2\r\n\t5\r\n"]


@pytest.mark.parametrize("length", AMBIGUOUS, ids=repr)
def test_a_folded_content_length_never_shifts_the_next_answer(client, length):
    def script(connection):
        connection.read_request()
        connection.write(b"HTTP/1.1 200 OK\r\n" + length.encode() + b"\r\nhi" + b"poison" * 4)
        if connection.number == 0:
            connection.await_end()

    with RawOrigin(script) as origin:
        client.send("fetch", {"url": origin.url()}, id=500)
        _, _, error, result = client.receive_message(500)
        assert (error[0] == 203) if error else (result["body"] == b"hi")
        origin.script = serve(greet)
        answer = client.fetch(origin.url())
        assert answer["body"] == b"hello\n" and not answer["connection"]["reused"]


def test_a_fold_below_the_first_line_belongs_to_no_field(client):
    def script(connection):
        connection.read_request()
        connection.write(b"HTTP/1.1 200 OK\r\n x: y\r\nContent-Length: 2\r\n\r\nhi")
        connection.await_end()

    with RawOrigin(script) as origin:
        client.send("fetch", {"url": origin.url()}, id=500)
        _, _, error, result = client.receive_message(500)
        assert (error[0] == 203) if error else result["headers"] == [["Content-Length", "2"]]
    assert client.call("ping") == "pong"


def test_a_field_name_that_is_no_utf_8_comes_as_bin(client):
    def script(connection):
        connection.read_request()
        connection.write(b"HTTP/1.1 200 OK\r\n\xff\xfe: a\r\nX-\xe9: \xe9\r\nB: b\r\n"
                         b"Content-Length: 2\r\n\r\nhi")
        connection.await_end()

    with RawOrigin(script) as origin:
        assert client.fetch(origin.url())["headers"] == [[b"\xff\xfe", "a"], [b"X-\xe9", b"\xe9"],
                                                         ["B", "b"], ["Content-Length", "2"]]


# ---- Proxies --------------------------------------------------------------------------------------

def test_a_proxy_over_tls_is_verified_with_the_daemons_ca_file(start_daemon, authority):
    with Proxy(leaf=authority.server) as proxy:
        client = start_daemon({"proxy": {"url": proxy.url(host="localhost")}}).client()
        assert client.fetch("http://origin.test/")["body"] == \
            b"through the proxy: http://origin.test/"


def test_a_proxy_over_tls_that_is_not_to_be_trusted_sees_no_request(start_daemon, authority):
    with Proxy(leaf=authority.stranger) as proxy:
        client = start_daemon({"proxy": {"url": proxy.url(host="localhost")}}).client()
        assert client.refused("http://origin.test/").code in (104, 107)
        assert proxy.requests == []
