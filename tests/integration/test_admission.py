"""
Who may start, who waits, who is refused: rows C11 and C12, and each limit.

An origin whose requests wait at a gate makes order visible without a clock: it is let go one by one.
"""

import contextlib
import os
import re
import resource
import socket

import pytest

from support.calm import calm
from support.client import Client, Refused, request_bytes
from support.counting import Gate, StreamsOrigin, seen
from support.origin import RawOrigin
from support.timing import Stopwatch, eventually, scaled
from support.users import NOBODY, as_user, client_of, needs_root, open_to_all
from support.witness import Witness


def witness_of(daemon, nginx):
    return Witness(daemon, nginx.url("/files/small"), nginx.file("small"))


def send_many(client, url, count, **keys):
    return [client.send("fetch", {"url": url, **keys}) for _ in range(count)]


def await_stat(daemon, name, value, seconds=5):
    eventually(lambda: daemon.stats()[name] == value, seconds,
               lambda: f"{name} is {daemon.stats()[name]} instead of {value}")


def row_of(rows, key, end):
    row, = [row for row in rows if str(row[key]).endswith(str(end))]
    return row


def open_connections(daemon):
    return [row for row in daemon.connections() if row["state"] != "closing"]


# ---- C11: more connections than one user may have ------------------------------------------------

CROWD = 5000
ALLOWED = 2048  # the default of [limits] clients_per_user


@pytest.fixture
def many_descriptors():
    """This process holds the clients' ends."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    need = CROWD + 1000
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, need), max(hard, need)))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def connect(daemon):
    talk = socket.socket(socket.AF_UNIX)
    talk.connect(str(daemon.path))  # waits while the backlog is full: not so with a timeout
    talk.settimeout(scaled(10))
    return talk


def ask_and_read(talk, last=b"pong"):
    """What is answered to a ping, up to the close or to that text."""
    answer = b""
    try:
        talk.sendall(request_bytes(1, "ping"))
        while not answer.endswith(last):
            part = talk.recv(4096)
            if not part:
                break
            answer += part
    except (BrokenPipeError, ConnectionResetError):
        pass
    return answer


def sort_of(answer):
    if answer.endswith(b"pong"):
        return "allowed"
    return "refused" if b"clients_per_user" in answer else "closed" if not answer else answer


@needs_root
@pytest.mark.deadline(60)
def test_c11_5000_connections_by_one_user_are_capped_and_another_connects_at_once(
        many_descriptors, start_daemon, nginx):
    daemon = start_daemon()
    open_to_all(daemon)
    with calm(daemon, offenders=1), witness_of(daemon, nginx), contextlib.ExitStack() as stack:
        with as_user(NOBODY):
            crowd = [stack.enter_context(connect(daemon)) for _ in range(CROWD)]
        with Stopwatch() as watch:
            answer = daemon.client().fetch(nginx.url("/text"))
        assert answer["body"] == b"hello\n" and watch.seconds < scaled(1)
        sorts = [sort_of(ask_and_read(talk)) for talk in crowd]
        assert set(sorts) == {"allowed", "refused", "closed"}, set(sorts)
        assert sorts.count("allowed") == ALLOWED
        assert sorts.count("refused") <= ALLOWED
        with Stopwatch() as watch:
            assert daemon.client().fetch(nginx.url("/text"))["body"] == b"hello\n"
        assert watch.seconds < scaled(1)


@pytest.fixture
def capped(start_daemon):
    """NOBODY may have two connections."""
    daemon = start_daemon({"limits": {"clients_per_user": "2"}})
    open_to_all(daemon)
    return daemon


@needs_root
def test_c11_the_first_request_of_one_too_many_is_error_100_naming_the_limit(capped):
    with calm(capped):
        allowed = [client_of(capped, NOBODY) for _ in range(2)]
        assert [client.call("ping") for client in allowed] == ["pong"] * 2
        refused = client_of(capped, NOBODY)
        request = refused.send("ping")
        error = refused.receive_message(request)[2]
        assert error[0] == 100 and "clients_per_user" in error[1] and "2" in error[1]
        assert refused.closed_within(1)
        assert not refused.notifications
        assert [client.call("ping") for client in allowed] == ["pong"] * 2


@needs_root
def test_c11_the_same_in_text(capped):
    with calm(capped):
        allowed = [client_of(capped, NOBODY) for _ in range(2)]
        assert [client.call("ping") for client in allowed] == ["pong"] * 2
        with as_user(NOBODY):
            said = capped.text(b"ping\nping\n")
        assert said.startswith(b"error") and b"clients_per_user" in said
        assert b"pong" not in said and said.count(b"error") == 1


@needs_root
def test_c11_when_one_leaves_the_next_may_come(capped):
    with calm(capped):
        first, second = client_of(capped, NOBODY), client_of(capped, NOBODY)
        assert first.call("ping") == second.call("ping") == "pong"

        def may_come():
            with as_user(NOBODY), Client(capped.path) as client:
                try:
                    return client.call("ping") == "pong"
                except Refused as error:
                    assert error.code == 100
                    return False

        assert not may_come()
        first.close()
        eventually(may_come, 2, "the place is free")
        assert second.call("ping") == "pong"


@needs_root
def test_c11_refused_ones_are_kept_in_bounds_too(capped):
    """Sixteen at a time may wait for their refusal; beyond that they are closed at once."""
    with calm(capped):
        for client in [client_of(capped, NOBODY) for _ in range(2)]:
            assert client.call("ping") == "pong"
        refused = [client_of(capped, NOBODY) for _ in range(16)]
        beyond = [client_of(capped, NOBODY) for _ in range(5)]
        for client in beyond:
            assert client.closed_within(1) and not client.notifications
        for client in refused:
            assert client.refused_call("ping").code == 100
        assert client_of(capped, os.getuid()).call("ping") == "pong"


# ---- C12: one user's ten thousand ----------------------------------------------------------------

@needs_root
@pytest.mark.deadline(60)
def test_c12_ten_thousand_of_one_user_delay_another_not_at_all_and_there_by_a_turn(
        start_daemon, nginx, slow, gate):
    daemon = start_daemon({"pool": {"connections_per_origin": "2"}})
    open_to_all(daemon)
    with calm(daemon, offenders=0, memory_kib=64 << 10), witness_of(daemon, nginx):
        hogs = [client_of(daemon, NOBODY) for _ in range(40)]
        for client in hogs:
            url = slow.url("/hog")
            client.write(b"".join(request_bytes(id, "fetch", {"url": url}) for id in range(1, 251)))
        await_stat(daemon, "queued", 10_000 - 2, 20)
        slow.await_requests(2)

        other = daemon.client()
        with Stopwatch() as watch:
            assert other.fetch(nginx.url("/text"))["body"] == b"hello\n"
        assert watch.seconds < scaled(0.25)

        mine = other.send("fetch", {"url": slow.url("/mine")})
        await_stat(daemon, "queued", 10_000 - 1)
        for count in range(3, 7):  # two run, and it is somebody's turn
            gate.open()
            slow.await_requests(count)
            if seen(slow, "/mine"):
                break
        assert seen(slow, "/mine"), f"not among the next {count - 2}"
        gate.open(4)
        assert other.receive(mine)["body"] == b"/mine"
        daemon.close_clients()
        await_stat(daemon, "queued", 0)
        gate.open_for_all()


# ---- Turns ---------------------------------------------------------------------------------------

@needs_root
def test_two_users_take_turns_at_an_origin(start_daemon, slow, gate):
    daemon = start_daemon({"pool": {"connections_per_origin": "1"}})
    open_to_all(daemon)
    first, second = client_of(daemon, NOBODY), daemon.client()
    ids = [(first, each) for each in send_many(first, slow.url("/first"), 10)]
    await_stat(daemon, "queued", 9)
    ids += [(second, each) for each in send_many(second, slow.url("/second"), 5)]
    await_stat(daemon, "queued", 14)
    gate.open_for_all()
    for client, each in ids:
        client.receive(each)
    order = [request.target for request in slow.requests]
    turns = order[1:11]
    assert all(one != next_one for one, next_one in zip(turns, turns[1:])), order
    assert order[11:] == ["/first"] * 4


def test_one_users_requests_keep_their_order_whichever_client_sent_them(start_daemon, slow, gate):
    daemon = start_daemon({"pool": {"connections_per_origin": "1"}})
    clients = [daemon.client() for _ in range(4)]
    ids = []
    for number in range(40):
        client = clients[number % 4]
        ids.append((client, client.send("fetch", {"url": slow.url(f"/{number}")})))
        await_stat(daemon, "queued", number)
    gate.open_for_all()
    for client, each in ids:
        client.receive(each)
    assert [request.target for request in slow.requests] == [f"/{n}" for n in range(40)]


# ---- What bounds what runs -----------------------------------------------------------------------

LIMITS = {
    "in all": {"limits": {"running": "3"}},
    "of a user": {"limits": {"running_per_user": "3"}},
    "at an origin": {"limits": {"running_per_origin": "3"}},
    "connections in all": {"pool": {"max_connections": "3"}},
    "connections to an origin": {"pool": {"connections_per_origin": "3"}},
}


@pytest.mark.parametrize("config", LIMITS.values(), ids=LIMITS.keys())
def test_each_limit_holds_and_what_is_beyond_it_waits(start_daemon, slow, gate, config):
    daemon = start_daemon(config)
    client = daemon.client()
    ids = send_many(client, slow.url("/x"), 12)
    await_stat(daemon, "queued", 9)
    slow.await_requests(3)
    assert len(slow.connections) == 3
    for count in range(4, 13):
        gate.open()
        slow.await_requests(count)
        assert daemon.stats()["queued"] == 12 - count
    gate.open_for_all()
    assert [client.receive(each)["status"] for each in ids] == [200] * 12
    assert len(slow.connections) == 3
    await_stat(daemon, "queued", 0)


NAMED = {
    "in all": ("running", {"limits": {"running": "1"}}),
    "of a user": ("running_per_user", {"limits": {"running_per_user": "1"}}),
    "at an origin": ("running_per_origin", {"limits": {"running_per_origin": "1"}}),
    "connections in all": ("max_connections", {"pool": {"max_connections": "1"}}),
    "connections to an origin": ("connections_per_origin", {"pool": {"connections_per_origin": "1"}}),
}


@pytest.mark.parametrize("name, config", NAMED.values(), ids=NAMED.keys())
def test_what_waited_too_long_is_101_with_its_place_and_what_held_it(start_daemon, slow, name, config):
    daemon = start_daemon(config)
    with calm(daemon, offenders=0):
        client = daemon.client()
        send_many(client, slow.url("/runs"), 1)
        slow.await_requests(1)
        ahead = send_many(client, slow.url("/ahead"), 4)
        late = client.send("fetch", {"url": slow.url("/late"), "queue_timeout": 200})
        with Stopwatch() as watch:
            error = client.receive_message(late)[2]
        assert error[0] == 101, error
        assert re.search(rf"\b{name}\b", error[1]) and re.search(r"\b5(th)?\b", error[1]), error
        assert 0.1 <= watch.seconds <= scaled(1)
        assert seen(slow, "/late") == 0
        for each in ahead:
            client.notify("cancel", each)


def test_the_configuration_bounds_the_wait_of_those_who_say_nothing(start_daemon, slow):
    daemon = start_daemon({"pool": {"connections_per_origin": "1"}, "timeouts": {"queue": "300ms"}})
    client = daemon.client()
    send_many(client, slow.url("/runs"), 1)
    slow.await_requests(1)
    with Stopwatch() as watch:
        assert client.refused(slow.url("/late")).code == 101
    assert 0.2 <= watch.seconds <= scaled(1)


def test_a_deadline_of_the_whole_request_ends_its_wait_too(start_daemon, slow):
    daemon = start_daemon({"pool": {"connections_per_origin": "1"}})
    client = daemon.client()
    send_many(client, slow.url("/runs"), 1)
    slow.await_requests(1)
    error = client.refused(slow.url("/late"), timeout=200)
    assert error.code in (101, 105), error
    assert seen(slow, "/late") == 0


def test_a_connect_timeout_does_not_run_while_a_request_waits(start_daemon, slow, gate):
    daemon = start_daemon({"pool": {"connections_per_origin": "1"}})
    client = daemon.client()
    first, = send_many(client, slow.url("/first"), 1)
    slow.await_requests(1)
    second = client.send("fetch", {"url": slow.url("/second"), "connect_timeout": 150,
                                   "first_byte_timeout": 5000})
    await_stat(daemon, "queued", 1)
    client.read_for(0.3)
    gate.open_for_all()
    client.receive(first)
    assert client.receive(second)["body"] == b"/second"


def test_timing_says_how_long_a_request_waited(start_daemon, slow, gate):
    daemon = start_daemon({"pool": {"connections_per_origin": "1"}})
    client = daemon.client()
    first, second = send_many(client, slow.url("/x"), 2)
    await_stat(daemon, "queued", 1)
    client.read_for(0.2)
    gate.open_for_all()
    at_once, waited = client.receive(first)["timing"], client.receive(second)["timing"]
    assert at_once["queue"] < 100_000
    assert 200_000 <= waited["queue"] <= waited["total"] < scaled(2) * 1_000_000
    assert waited["first_byte"] < 150_000 and waited["queue"] + waited["first_byte"] <= waited["total"]


# ---- The queue's own bound -----------------------------------------------------------------------

def test_a_full_queue_is_100_at_once_and_names_its_limit(start_daemon, slow, gate):
    daemon = start_daemon({"pool": {"connections_per_origin": "1"}, "limits": {"queue": "5"}})
    with calm(daemon, offenders=0):
        client = daemon.client()
        ids = send_many(client, slow.url("/x"), 1)
        slow.await_requests(1)
        ids += send_many(client, slow.url("/x"), 5)
        await_stat(daemon, "queued", 5)
        with Stopwatch() as watch:
            error = daemon.client().refused(slow.url("/beyond"))
        assert error.code == 100 and "queue" in error.message and "5" in error.message
        assert watch.seconds < scaled(0.5)
        gate.open()
        await_stat(daemon, "queued", 4)
        ids += send_many(client, slow.url("/x"), 1)  # there is a place again
        gate.open_for_all()
        assert [client.receive(each)["status"] for each in ids] == [200] * 7
        assert seen(slow, "/beyond") == 0


@needs_root
def test_a_users_full_queue_is_not_anothers(start_daemon, slow, gate):
    daemon = start_daemon({"pool": {"connections_per_origin": "1"}, "limits": {"queue": "2"}})
    open_to_all(daemon)
    hog, other = client_of(daemon, NOBODY), daemon.client()
    ids = send_many(hog, slow.url("/hog"), 1)
    slow.await_requests(1)
    ids += send_many(hog, slow.url("/hog"), 2)
    await_stat(daemon, "queued", 2)
    assert hog.refused(slow.url("/hog")).code == 100
    mine = other.send("fetch", {"url": slow.url("/mine")})
    await_stat(daemon, "queued", 3)
    gate.open_for_all()
    assert other.receive(mine)["status"] == 200
    assert [hog.receive(each)["status"] for each in ids] == [200] * 3


# ---- Leaving the queue ---------------------------------------------------------------------------

def test_what_waits_can_be_cancelled_and_was_never_sent(start_daemon, slow, gate):
    daemon = start_daemon({"pool": {"connections_per_origin": "1"}})
    with calm(daemon, offenders=0):
        client = daemon.client()
        first, second, third = [client.send("fetch", {"url": slow.url(f"/{n}")}) for n in range(3)]
        await_stat(daemon, "queued", 2)
        client.notify("cancel", second)
        assert client.receive_message(second)[2][0] == 108
        gate.open_for_all()
        assert client.receive(first)["status"] == client.receive(third)["status"] == 200
        assert [request.target for request in slow.requests] == ["/0", "/2"]


def test_what_waits_leaves_with_its_client(start_daemon, slow, gate):
    daemon = start_daemon({"pool": {"connections_per_origin": "1"}})
    with calm(daemon, offenders=0):
        client, leaver = daemon.client(), daemon.client()
        first, = send_many(client, slow.url("/first"), 1)
        slow.await_requests(1)
        send_many(leaver, slow.url("/leaver"), 50)
        await_stat(daemon, "queued", 50)
        last, = send_many(client, slow.url("/last"), 1)
        leaver.close()
        await_stat(daemon, "queued", 1)
        gate.open_for_all()
        assert client.receive(first)["status"] == client.receive(last)["status"] == 200
        assert [request.target for request in slow.requests] == ["/first", "/last"]


def test_what_waits_when_the_daemon_ends_is_in_the_class_not_sent(start_daemon, slow, gate):
    daemon = start_daemon({"pool": {"connections_per_origin": "1"}, "timeouts": {"drain": "500ms"}})
    client = daemon.client()
    ids = send_many(client, slow.url("/x"), 5)
    await_stat(daemon, "queued", 4)
    slow.await_requests(1)
    daemon.signal(15)
    codes = [client.receive_message(each)[2][0] for each in ids[1:]]
    assert set(codes) <= {106, 101, 105}, codes
    assert len(slow.requests) == 1
    gate.open_for_all()
    assert daemon.wait() == 0


# ---- Room among connections ----------------------------------------------------------------------

def test_an_idle_connection_is_closed_to_make_room_for_another_origin(start_daemon):
    daemon = start_daemon({"pool": {"max_connections": "2"}})
    with contextlib.ExitStack() as stack:
        origins = [stack.enter_context(RawOrigin()) for _ in range(4)]
        client = daemon.client()
        for origin in origins:
            assert client.fetch(origin.url())["status"] == 200
            assert len(open_connections(daemon)) <= 2
        assert [len(origin.connections) for origin in origins] == [1] * 4
        assert origins[0].connections[0].closed.wait(scaled(2))  # the one unused for longest
        assert origins[1].connections[0].closed.wait(scaled(2))
        assert {row["origin"].rsplit(":", 1)[1] for row in open_connections(daemon)} == \
            {str(origins[2].port), str(origins[3].port)}


def test_where_all_connections_are_busy_another_origin_waits_for_one(start_daemon, slow, gate):
    daemon = start_daemon({"pool": {"max_connections": "2"}})
    with RawOrigin() as other:
        client = daemon.client()
        ids = send_many(client, slow.url("/x"), 2)
        slow.await_requests(2)
        waiting = client.send("fetch", {"url": other.url()})
        await_stat(daemon, "queued", 1)
        assert not other.connections
        gate.open()
        assert client.receive(waiting)["status"] == 200
        assert len(open_connections(daemon)) <= 2
        gate.open_for_all()
        assert [client.receive(each)["status"] for each in ids] == [200] * 2


def test_an_origin_whose_connections_are_all_busy_holds_nobody_else(start_daemon, slow, nginx):
    """libcurl's own queue is one for all origins: its head would block the rest."""
    daemon = start_daemon({"pool": {"connections_per_origin": "1"}})
    client = daemon.client()
    send_many(client, slow.url("/x"), 100)
    await_stat(daemon, "queued", 99)
    for server in (nginx.PLAIN, nginx.H1, nginx.H2):
        with Stopwatch() as watch:
            assert client.fetch(nginx.url("/text", server))["timing"]["queue"] < 50_000
        assert watch.seconds < scaled(0.5)


def test_streams_per_connection_bounds_an_h2_connection(start_daemon, authority):
    gate = Gate()

    def script(arrival):
        gate.wait(arrival.origin)
        arrival.origin.reply(arrival, b"done")

    daemon = start_daemon({"pool": {"streams_per_connection": "5", "connections_per_origin": "4"}})
    with StreamsOrigin(authority.server, script) as origin, calm(daemon, offenders=0):
        client = daemon.client()
        ids = send_many(client, origin.url(host="localhost"), 30)
        origin.await_arrivals(20)
        await_stat(daemon, "queued", 10)
        assert len(origin.connections) == 4 and set(origin.most_at_once.values()) == {5}
        gate.open_for_all()
        assert [client.receive(each)["body"] for each in ids] == [b"done"] * 30
        assert len(origin.connections) == 4 and set(origin.most_at_once.values()) == {5}


# ---- What is to be seen of it --------------------------------------------------------------------

def test_stats_clients_and_origins_show_who_waits(start_daemon, slow, gate):
    daemon = start_daemon({"pool": {"connections_per_origin": "2"}})
    client, idle = daemon.client(), daemon.client()
    client.call("hello", {"client": "who waits", "version": "1"})
    idle.call("hello", {"client": "who does not", "version": "1"})
    ids = send_many(client, slow.url("/x"), 7)
    await_stat(daemon, "queued", 5)
    slow.await_requests(2)
    rows = daemon.ask("clients")
    assert row_of(rows, "name", "who waits")["queued"] == 5
    assert row_of(rows, "name", "who does not")["queued"] == 0
    row = row_of(daemon.ask("origins"), "origin", slow.port)
    assert (row["queued"], row["running"], row["connections"], row["idle"]) == (5, 2, 2, 0)
    gate.open_for_all()
    for each in ids:
        client.receive(each)
    eventually(lambda: row_of(daemon.ask("origins"), "origin", slow.port)["running"] == 0, 2, "rest")
    row = row_of(daemon.ask("origins"), "origin", slow.port)
    assert (row["queued"], row["connections"], row["idle"], row["requests"]) == (0, 2, 2, 7)
    assert row["reuse_ratio"] == pytest.approx(5 / 7, abs=0.01)


def test_the_errors_of_an_origin_are_counted_by_name(start_daemon, slow):
    daemon = start_daemon({"pool": {"connections_per_origin": "1"}})
    client = daemon.client()
    send_many(client, slow.url("/x"), 1)
    slow.await_requests(1)
    for _ in range(3):
        assert client.refused(slow.url("/x"), queue_timeout=50).code == 101
    errors = row_of(daemon.ask("origins"), "origin", slow.port)["errors"]
    assert errors == {"QUEUE_TIMEOUT": 3}


@needs_root
def test_users_who_fill_the_daemon_leave_room_for_one_who_comes(start_daemon, slow, gate, nginx):
    """`running` is shared: one who has all of it gives a turn to who has none of it."""
    daemon = start_daemon({"limits": {"running": "4"}})
    open_to_all(daemon)
    hog, other = client_of(daemon, NOBODY), daemon.client()
    ids = send_many(hog, slow.url("/hog"), 40)
    slow.await_requests(4)
    await_stat(daemon, "queued", 36)
    mine = other.send("fetch", {"url": nginx.url("/text")})
    await_stat(daemon, "queued", 37)
    gate.open()
    assert other.receive(mine)["body"] == b"hello\n"
    assert len(slow.requests) <= 6
    gate.open_for_all()
    assert [hog.receive(each)["status"] for each in ids] == [200] * 40
