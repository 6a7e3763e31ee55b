"""Which connection carries what: reuse, sharing, HTTP versions, true figures."""

import contextlib
import subprocess
import sys
import threading

import pytest

from support.daemon import FETCHPOOL, environment
from support.origin import RawOrigin, greet, response, serve
from support.timing import SANITIZED, eventually, scaled

PROCESS = """
import sys
from support.client import Client
with Client(sys.argv[1]) as client:
    client.call("ping")
    print("ready", flush=True)
    sys.stdin.readline()
    answer = client.fetch(sys.argv[2], timeout=10000)
    print(answer["status"], answer["http"], answer["connection"]["id"], flush=True)
"""


def processes_at_once(daemon, url, count):
    """That many Python processes, all of which ask at the same moment; what each got."""
    with contextlib.ExitStack() as stack:
        children = [stack.enter_context(subprocess.Popen(
            [sys.executable, "-c", PROCESS, str(daemon.path), url], stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, text=True, cwd=__file__.rsplit("/", 2)[0]))
            for _ in range(count)]
        for child in children:
            assert child.stdout.readline() == "ready\n"
        for child in children:
            child.stdin.write("go\n")
            child.stdin.flush()
        return [child.communicate()[0].split() for child in children]


def test_20_processes_at_the_same_moment_share_one_h2_connection(daemon, nginx, tag):
    answers = processes_at_once(daemon, nginx.url(f"/text?{tag}"), 20)
    assert {tuple(answer) for answer in answers} == {("200", "2", answers[0][2])}
    lines = nginx.log_of(tag, 20)
    assert len({line.connection for line in lines}) == 1


@pytest.mark.deadline(60)
def test_200_short_lived_commands_share_one_connection(daemon, nginx, tag):
    command = [FETCHPOOL, "-s", "-o", "/dev/null", nginx.url(f"/text?{tag}")]
    settings = environment(daemon.directory, FETCHPOOL_SOCKET=str(daemon.path))
    for _ in range(50):
        four = [subprocess.Popen(command, env=settings, stdin=subprocess.DEVNULL) for _ in range(4)]
        assert [process.wait(10) for process in four] == [0] * 4
    lines = nginx.log_of(tag, 200)
    assert len(lines) == 200
    assert len({line.connection for line in lines}) == 1
    assert max(int(line.requests) for line in lines) == 200


@pytest.mark.parametrize("server, http", [("plain", "1.1"), ("h1", "1.1"), ("h2", "2")])
def test_requests_one_after_another_share_a_connection(client, nginx, server, http):
    answers = [client.fetch(nginx.url("/text", server)) for _ in range(10)]
    connections = [answer["connection"] for answer in answers]
    assert {answer["http"] for answer in answers} == {http}
    assert len({connection["id"] for connection in connections}) == 1
    assert [connection["reused"] for connection in connections] == [False] + [True] * 9
    assert [connection["requests"] for connection in connections] == list(range(1, 11))
    ages = [connection["age_ms"] for connection in connections]
    assert ages == sorted(ages) and ages[0] < 5000
    assert {connection["peer"] for connection in connections} == {f"127.0.0.1:{nginx.ports[server]}"}


def test_clients_share_what_another_opened(daemon, nginx):
    first = daemon.client().fetch(nginx.url("/text"))["connection"]
    second = daemon.client().fetch(nginx.url("/text"))["connection"]
    assert first["id"] == second["id"] and second["reused"]


def test_a_connection_survives_the_client_that_opened_it(daemon, nginx):
    with daemon.client() as client:
        first = client.fetch(nginx.url("/text"))["connection"]["id"]
    assert daemon.client().fetch(nginx.url("/text"))["connection"]["id"] == first


def test_origins_that_differ_in_scheme_host_or_port_share_nothing(client, nginx):
    urls = [nginx.url("/text", nginx.H2), nginx.url("/text", nginx.H1),
            nginx.url("/text", nginx.PLAIN), nginx.url("/text", nginx.H2, host="127.0.0.1")]
    assert len({client.fetch(url)["connection"]["id"] for url in urls}) == 4


def test_http_1_1_requests_at_the_same_time_have_a_connection_each(client):
    def script(connection):
        connection.read_request()
        connection.await_release()
        connection.answer()
        connection.await_end()

    with RawOrigin(script) as origin:
        ids = [client.send("fetch", {"url": origin.url()}) for _ in range(5)]
        origin.await_requests(5)
        origin.release()
        assert len({client.receive(i)["connection"]["id"] for i in ids}) == 5
        assert len(origin.connections) == 5


def test_http_1_1_is_spoken_when_asked_even_to_an_h2_origin(client, nginx):
    assert client.fetch(nginx.url("/text"), http="1.1")["http"] == "1.1"


def test_http_2_is_chosen_by_itself_and_when_asked(client, nginx):
    assert client.fetch(nginx.url("/text"))["http"] == "2"
    assert client.fetch(nginx.url("/text"), http="2")["http"] == "2"
    assert client.fetch(nginx.url("/text"), http="auto")["http"] == "2"


def test_http_2_from_an_origin_that_only_has_1_1_is_error_104(client, nginx):
    error = client.refused(nginx.url("/text", nginx.H1), http="2")
    assert error.code == 104 and f"localhost:{nginx.ports[nginx.H1]}" in error.message


def test_a_request_for_1_1_does_not_take_the_h2_connection_and_the_other_way(client, nginx):
    h2 = client.fetch(nginx.url("/text"))
    h1 = client.fetch(nginx.url("/text"), http="1.1")
    again = client.fetch(nginx.url("/text"), http="2")
    assert h1["connection"]["id"] != h2["connection"]["id"]
    assert h1["http"] == "1.1" and again["http"] == "2"


def test_timing_is_plausible_for_a_new_connection(client, nginx):
    timing = client.fetch(nginx.url("/text"))["timing"]
    assert timing["tls"] > 0 and timing["connect"] > 0 and timing["first_byte"] > 0
    phases = sum(timing[name] for name in ("queue", "resolve", "connect", "tls", "first_byte"))
    assert phases <= timing["total"] < 10_000_000


def test_the_phases_of_a_reused_connection_are_0(client, nginx):
    for server in (nginx.PLAIN, nginx.H1, nginx.H2):
        client.fetch(nginx.url("/text", server))
        timing = client.fetch(nginx.url("/text", server))["timing"]
        assert (timing["resolve"], timing["connect"], timing["tls"]) == (0, 0, 0)
        assert 0 < timing["first_byte"] <= timing["total"]
        assert timing["queue"] + timing["first_byte"] <= timing["total"]


def test_the_first_byte_is_counted_from_the_request_and_the_total_to_the_last_byte(client):
    waits = threading.Event()

    def script(connection):
        connection.read_request()
        waits.wait(0.2)
        connection.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\na")
        waits.wait(0.3)
        connection.write(b"b")
        connection.await_end()

    with RawOrigin(script) as origin:
        timing = client.fetch(origin.url())["timing"]
        assert 200_000 <= timing["first_byte"] < timing["total"] - 250_000
        assert timing["total"] >= 500_000


def test_a_plain_connection_has_no_tls_time(client, nginx):
    assert client.fetch(nginx.url("/text", nginx.PLAIN))["timing"]["tls"] == 0


def test_the_timing_of_a_redirect_is_a_sum(client, nginx):
    answer = client.fetch(nginx.url(f"/to?url={nginx.url('/text', nginx.H1)}"), redirects=1)
    timing = answer["timing"]
    assert timing["total"] >= timing["tls"] + timing["connect"] + timing["first_byte"]


def test_the_peer_of_a_connection_is_the_address_that_answered(client):
    with RawOrigin() as origin:
        answer = client.fetch(origin.url(host="localhost"))
        assert answer["connection"]["peer"] == f"127.0.0.1:{origin.port}"


def test_a_connection_that_the_origin_closes_is_dropped_and_not_offered_again(daemon, client):
    def script(connection):
        connection.read_request()
        connection.answer(200, b"bye", [("Connection", "close")])

    with RawOrigin(script) as origin:
        for _ in range(3):
            assert not client.fetch(origin.url())["connection"]["reused"]
    assert daemon.connections() == []


def is_retired(daemon):
    """No pooled connection that a request could be given."""
    return all(row["state"] == "closing" for row in daemon.connections())


def test_an_idle_connection_that_the_origin_closes_is_retired(daemon, client):
    def script(connection):
        connection.read_request()
        connection.answer(200, b"hello")
        connection.await_release()

    with RawOrigin(script) as origin:
        client.fetch(origin.url())
        assert not is_retired(daemon)
        origin.release()
        eventually(lambda: is_retired(daemon), 5, "the closed connection is retired")
        assert not client.fetch(origin.url())["connection"]["reused"]


def test_what_an_origin_says_unasked_is_never_the_next_answer(client):
    said = threading.Event()

    def script(connection):
        connection.read_request()
        connection.answer(200, b"hello")
        if connection.number == 0:
            connection.await_release()
            connection.write(response(200, b"poison"))
            said.set()
        connection.await_end()

    with RawOrigin(script) as origin:
        client.fetch(origin.url())
        origin.release()
        assert said.wait(scaled(5))
        answer = client.fetch(origin.url())
        assert answer["body"] == b"hello" and not answer["connection"]["reused"]


@pytest.mark.long
@pytest.mark.parametrize("key", ["idle_timeout", "lifetime"])
def test_a_connection_past_its_time_is_not_used_again(start_daemon, key):
    daemon = start_daemon({"pool": {key: "1s"}})
    client = daemon.client()
    with RawOrigin() as origin:
        first = client.fetch(origin.url())["connection"]["id"]
        eventually(lambda: all(row["age_ms"] > 3100 for row in daemon.connections()), 10, "its age")
        assert client.fetch(origin.url())["connection"]["id"] != first


def test_the_pool_holds_no_more_than_it_is_configured_to(start_daemon):
    daemon = start_daemon({"pool": {"max_connections": "3"}})
    client = daemon.client()
    with contextlib.ExitStack() as stack:
        origins = [stack.enter_context(RawOrigin()) for _ in range(6)]
        for origin in origins:
            assert client.fetch(origin.url())["status"] == 200
        eventually(lambda: len(daemon.connections()) <= 3, 5, "at most three pooled connections")


def test_tls_sessions_are_resumed_on_new_connections(client, nginx, tag):
    """The server ends the connection after each answer and logs whether a session came back."""
    for _ in range(3):
        assert not client.fetch(nginx.url(f"/text?{tag}", nginx.ONCE))["connection"]["reused"]
    lines = nginx.log_of(tag, 3)
    assert len({line.connection for line in lines}) == 3
    assert [line.resumed for line in lines] == [".", "r", "r"]


def test_handshakes_saved_counts_what_reuse_saved(daemon, nginx):
    client = daemon.client()
    for _ in range(10):
        client.fetch(nginx.url("/text"))
    assert daemon.stats()["handshakes_saved"] == 9


def test_a_restarted_daemon_is_met_by_a_client_as_a_closed_connection(start_daemon, nginx):
    first = start_daemon()
    client = first.client()
    client.fetch(nginx.url("/text"))
    assert first.stop() == 0
    second = start_daemon(path=first.path)
    assert client.closed_within(1)
    assert second.client().fetch(nginx.url("/text"))["status"] == 200


# ---- Many clients --------------------------------------------------------------------------------

IDLE_CLIENTS = 5000


@pytest.mark.deadline(90)
def test_5000_idle_clients_cost_less_than_4_kib_each_and_work(start_daemon, nginx):
    daemon = start_daemon({"limits": {"max_clients": "8000", "clients_per_user": "6000"}})
    for _ in range(10):
        with daemon.client() as client:
            client.fetch(nginx.url("/text"))
    before = daemon.resident_kib()
    clients = []
    for _ in range(IDLE_CLIENTS):
        client = daemon.client()
        client.unpacker = None  # each keeps a large buffer, on this side
        clients.append(client)
    assert len(daemon.ask("clients")) == IDLE_CLIENTS + 1
    grown = daemon.resident_kib() - before
    if not SANITIZED:
        assert grown / IDLE_CLIENTS < 4, f"{grown} KiB for {IDLE_CLIENTS} clients"
    for number in range(0, IDLE_CLIENTS, 500):
        daemon.clients.remove(clients[number])
        clients[number].close()
    assert daemon.client().fetch(nginx.url("/text"))["connection"]["reused"]


@pytest.mark.deadline(90)
def test_5000_clients_that_asked_once_and_are_idle_again_cost_less_than_4_kib_each(start_daemon):
    daemon = start_daemon({"limits": {"max_clients": "8000", "clients_per_user": "6000"}})
    warm = daemon.client()
    warm.call("ping")
    before = daemon.resident_kib()
    for _ in range(IDLE_CLIENTS):
        client = daemon.client()
        assert client.call("ping") == "pong"
        client.unpacker = None
    grown = daemon.resident_kib() - before
    if not SANITIZED:
        assert grown / IDLE_CLIENTS < 4, f"{grown} KiB for {IDLE_CLIENTS} clients"


def test_one_client_more_than_allowed_waits_until_another_leaves(start_daemon):
    daemon = start_daemon({"limits": {"max_clients": "3"}})
    clients = [daemon.client() for _ in range(3)]
    for client in clients:
        assert client.call("ping") == "pong"
    fourth = daemon.client()
    request = fourth.send("ping")
    assert clients[0].call("ping") == "pong"
    assert fourth.answers == {}
    clients[0].close()
    assert fourth.receive(request) == "pong"


def test_requests_of_one_client_beyond_its_share_are_read_when_one_has_ended(start_daemon):
    daemon = start_daemon({"limits": {"requests_per_client": "4"}})
    client = daemon.client()

    def script(connection):
        while True:
            connection.read_request()
            connection.await_release()
            connection.answer(body=b"done")

    with RawOrigin(script) as origin:
        ids = [client.send("fetch", {"url": origin.url()}) for _ in range(6)]
        origin.await_requests(4)
        assert daemon.ask("ping") == "pong"
        assert len(origin.requests) == 4
        origin.release()
        for request in ids:
            assert client.receive(request)["body"] == b"done"


def test_greetings_over_a_reused_connection_are_not_shifted(client):
    with RawOrigin(serve(greet)) as origin:
        for _ in range(50):
            assert client.fetch(origin.url())["body"] == b"hello\n"
        assert len(origin.connections) == 1
