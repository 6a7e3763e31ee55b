"""
What one user, an origin or the way to it can do to the pool that all share: holding up others,
closing what lives, trusting what is dead, and learning from one what does not hold for another.
Each test is an attack or an accident that once worked.
"""

import contextlib
import resource
import socket

import pytest
from h2.events import StreamEnded
from h2.settings import SettingCodes

from support.client import Client
from support.counting import (Gate, StreamsOrigin, answer_with_target, gated, seen, sessions_of)
from support.either_origin import (EitherOrigin, delay_handshake_from, shake_hands,
                                   stall_handshake_from)
from support.h2origin import H2Origin, Session
from support.namespace import NAME_SERVER, ORIGINS
from support.nameserver import NameServer
from support.origin import Gone, RawOrigin, greet, response, serve
from support.timing import Stopwatch, eventually, scaled
from support.upload_origin import (H2UploadOrigin, UploadOrigin, never_answer, said_of,
                                   take_all)
from support.users import NOBODY, as_user, client_of, needs_root, open_to_all

QUEUE_TIMEOUT, RESOLVE, TLS, TIMEOUT, NOT_PROCESSED, CLOSED = 101, 102, 104, 105, 109, 201

HERE = ORIGINS[0]
AT_ONCE = 0.5  # s


def ms(seconds):
    """For the timeouts of a request."""
    return int(scaled(seconds) * 1000)


def send_many(client, urls, **keys):
    return [client.send("fetch", {"url": url, **keys}) for url in urls]


def receive_all(client, requests):
    return [client.receive(request) for request in requests]


def await_stat(daemon, name, value, seconds=5):
    eventually(lambda: daemon.stats()[name] == value, seconds,
               lambda: f"{name} is {daemon.stats()[name]} instead of {value}")


def fetch_at_once(client, url, **keys):
    with Stopwatch() as watch:
        answer = client.fetch(url, **keys)
    assert watch.seconds < scaled(AT_ONCE), f"{watch.seconds:.2f} s"
    return answer


@pytest.fixture
def start_open(start_daemon):
    """start_open(config): a daemon that every user of the machine may reach."""

    def start_open(config=None, **options):
        daemon = start_daemon(config, **options)
        open_to_all(daemon)
        return daemon

    return start_open


# ---- A network of its own, for what needs names or darkness ---------------------------------------

@pytest.fixture
def names(network, tmp_path):
    """Whose answers may take their time: nobody asks a second time."""
    with network.origins.inside():
        server = NameServer(NAME_SERVER, tmp_path, options="timeout:10 attempts:1")
    with server:
        yield server


@pytest.fixture
def start_inside(start_open, network, names):
    return lambda config=None: start_open(config, wrapper=network.wrapper(names.resolver))


@pytest.fixture
def open_inside(network):
    """open_inside(RawOrigin, …): an origin where the daemon of start_inside() finds it."""
    with contextlib.ExitStack() as stack:
        def open_inside(kind, *arguments, **options):
            with network.origins.inside():
                return stack.enter_context(kind(*arguments, address=HERE, **options))

        yield open_inside


# ---- Who waits for something of his own holds nobody up -------------------------------------------

def hold(gate, target):
    """Over HTTP/2: what comes for that target is answered when the gate lets it, all else at once."""

    def script(arrival):
        if arrival.target == target:
            gate.wait(arrival.origin)
        answer_with_target(arrival)

    return script


@needs_root
def test_requests_for_http_1_1_that_wait_hold_up_nobody_who_has_room_on_an_h2_connection(start_open,
                                                                                      authority):
    gate = Gate()
    daemon = start_open({"pool": {"connections_per_origin": "3"}})
    with EitherOrigin(authority.server, hold(gate, "/long"), gated(gate)) as origin:
        one, other = client_of(daemon, NOBODY), daemon.client()
        long = other.send("fetch", {"url": origin.url("/long")})
        origin.await_arrivals(1)
        waiting = send_many(one, [origin.url("/h1")] * 8, http="1.1")
        origin.await_requests(2)
        await_stat(daemon, "queued", 6)
        for _ in range(3):
            assert fetch_at_once(other, origin.url("/beside"))["connection"]["reused"]
        gate.open_for_all()
        assert {answer["http"] for answer in receive_all(one, waiting)} == {"1.1"}
        assert other.receive(long)["body"] == b"/long"


@needs_root
def test_a_connection_on_terms_of_ones_own_that_does_not_open_holds_up_nobody_else(start_open,
                                                                                authority):
    daemon = start_open({"timeouts": {"share": "60s"}})
    with StreamsOrigin(authority.server) as origin:
        stall_handshake_from(origin, 1)
        one, other = client_of(daemon, NOBODY), daemon.client()
        number = other.fetch(origin.url("/warm"))["connection"]["id"]
        send_many(one, [origin.url("/own")] * 3, tls={"ca": authority.pem.read_bytes()})
        origin.await_connections(2)
        for _ in range(3):
            assert fetch_at_once(other, origin.url("/beside"))["connection"]["id"] == number
        one.close()


# ---- Nobody has it all ----------------------------------------------------------------------------

@needs_root
def test_one_users_slow_names_leave_half_of_the_look_ups_to_others(start_inside, names, open_inside):
    daemon = start_inside({"pool": {"lookups": 8}})
    origin = open_inside(RawOrigin)
    one, other = client_of(daemon, NOBODY), daemon.client()
    names.records["mine.origin.test"] = HERE
    names.delay = scaled(1.5)
    threads = daemon.threads()
    send_many(one, [f"http://n{number}.origin.test/" for number in range(40)])
    names.await_names(4)
    names.delay = 0
    assert fetch_at_once(other, origin.url(host="mine.origin.test"))["status"] == 200
    assert names.most_at_once <= 4 + 1
    one.close()
    eventually(lambda: daemon.threads() <= threads, 3, "the look-ups that run are over")


@needs_root
def test_who_has_nothing_running_is_asked_first_when_a_connection_becomes_free(start_open):
    gate = Gate()
    daemon = start_open({"pool": {"max_connections": 4}})
    with RawOrigin(gated(gate), address="0.0.0.0") as origin:
        one, other = client_of(daemon, NOBODY), daemon.client()
        many = send_many(one, [origin.url("/many", host=f"127.1.0.{number}")
                               for number in range(1, 41)])
        origin.await_requests(4)
        await_stat(daemon, "queued", 36)
        mine = other.send("fetch", {"url": origin.url("/mine", host="127.0.0.1")})
        await_stat(daemon, "queued", 37)
        gate.open()
        origin.await_requests(5)
        assert origin.requests[4].target == "/mine"
        gate.open_for_all()
        assert other.receive(mine)["body"] == b"/mine"
        assert {answer["status"] for answer in receive_all(one, many)} == {200}


LIMIT = 1024


@pytest.fixture
def many_descriptors():
    """This process holds the clients' ends."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    need = 4 * LIMIT
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, need), max(hard, need)))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def connect(daemon):
    talk = socket.socket(socket.AF_UNIX)
    talk.connect(str(daemon.path))  # waits while the backlog is full: not so with a timeout
    return talk


@needs_root
def test_with_few_descriptors_one_users_connections_leave_room_for_another(many_descriptors,
                                                                        start_open):
    daemon = start_open(wrapper=["prlimit", f"--nofile={LIMIT}:{LIMIT}"])
    with RawOrigin() as origin, contextlib.ExitStack() as stack:
        with as_user(NOBODY):
            first = stack.enter_context(Client(daemon.path))
            for _ in range(LIMIT + 200):
                stack.enter_context(connect(daemon))
        with Stopwatch() as watch:
            assert daemon.client().fetch(origin.url())["body"] == b"hello\n"
        assert watch.seconds < scaled(1)
        assert first.call("ping") == "pong"


# ---- Slow is not dead -----------------------------------------------------------------------------

RATE = 400_000  # bytes a second


def start_reading_slowly(origin):
    """Over HTTP/2, in small steps, with a wide window: nothing is said meanwhile."""
    wide = 32 << 20

    def script(connection):
        session = Session(connection)
        session.h2.initiate_connection()
        session.h2.update_settings({SettingCodes.INITIAL_WINDOW_SIZE: wide})
        session.h2.increment_flow_control_window(wide)
        session.flush()
        while data := connection.socket.recv(16384):
            for event in session.h2.receive_data(data):
                if isinstance(event, StreamEnded):
                    session.answer(event.stream_id, 200, b"whole")
            session.flush()
            origin.released.wait(len(data) / RATE)
        raise Gone

    origin.script = script
    origin.listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)


def test_an_upload_that_is_slow_but_progresses_is_not_ended_by_pings(start_daemon, authority):
    """The ping waits behind the body, in the kernel's buffers."""
    daemon = start_daemon({"pool": {"h2_ping_timeout": "500ms"}})
    with H2Origin(authority.server, None) as origin:
        start_reading_slowly(origin)
        client = daemon.client(20)
        client.fetch(origin.url("/warm"))
        with Stopwatch() as watch:
            answer = client.fetch(origin.url("/slow"), method="POST",
                                  body=bytes(1_000_000))
        assert answer["body"] == b"whole"
        assert watch.seconds > 1.5, "that was not slow"
        assert len(origin.connections) == 1 and daemon.stats()["retries"] == 0


@pytest.mark.parametrize("is_warm", [False, True], ids=["fresh", "warm"])
def test_an_answer_that_is_slow_over_a_connection_that_lives_is_not_ended_by_pings(
        start_daemon, authority, is_warm):
    """The pings have to get onto the wire, or nobody can answer them."""
    def script(arrival):
        if arrival.target == "/slow":
            arrival.origin.released.wait(5 * scaled(1))
        answer_with_target(arrival)

    daemon = start_daemon({"pool": {"h2_ping_timeout": f"{ms(4)}ms"}})
    with StreamsOrigin(authority.server, script) as origin:
        client = daemon.client(20)
        if is_warm:
            client.fetch(origin.url("/warm"))
        answer = client.fetch(origin.url("/slow"), method="POST", body=b"once")
        assert answer["body"] == b"/slow" and answer["connection"]["reused"] == is_warm


def test_an_origin_that_reads_nothing_for_longer_than_tcp_user_timeout_gets_the_whole_upload(
        start_daemon):
    """Its window is shut, but it is there: it acknowledges each probe."""
    def script(arrival):
        arrival.invite()
        arrival.origin.released.wait(scaled(20))
        take_all(arrival)

    daemon = start_daemon({"pool": {"tcp_user_timeout": "1s"}})
    body = bytes(15 << 20)
    with UploadOrigin(script, receive_buffer=65536) as origin:
        client = daemon.client(20)
        request = client.send("fetch", {"url": origin.url(), "method": "POST", "body": body})
        origin.await_arrivals(1)
        client.read_for(2.5)
        assert not client.order
        origin.release()
        assert client.receive(request)["body"] == said_of(body)
        assert len(origin.connections) == 1


# ---- One client's failures are not its origin's ---------------------------------------------------

FAILURES = 3  # that are enough where they count
LONG = 1.1  # s: an attempt that is given up sooner says nothing of its origin


def shake_hands_late(connection):
    connection.origin.released.wait(LONG)
    shake_hands(connection)
    serve(greet)(connection)


OWN_TERMS = {
    "authorities": lambda authority: {"ca": authority.stranger.cert.read_bytes()},
    "server name": lambda authority: {"server_name": "elsewhere.test"},
}


@needs_root
@pytest.mark.parametrize("terms", OWN_TERMS.values(), ids=OWN_TERMS.keys())
def test_failures_of_a_clients_own_terms_do_not_stop_others(start_open, authority, terms):
    daemon = start_open({"timeouts": {"share": "0"}})
    with RawOrigin(shake_hands_late, leaf=authority.server, handshake=False) as origin:
        one, other = client_of(daemon, NOBODY), daemon.client()
        failing = send_many(one, [origin.url()] * FAILURES, tls=terms(authority), retry="never")
        errors = [one.receive_message(request)[2] for request in failing]
        assert [error and error[0] for error in errors] == [TLS] * FAILURES, errors
        assert other.fetch(origin.url())["body"] == b"hello\n"


@needs_root
def test_attempts_that_a_clients_own_connect_timeout_ended_do_not_stop_others(start_open, authority):
    daemon = start_open({"timeouts": {"share": "0"}})
    with RawOrigin(lambda connection: connection.await_end(), leaf=authority.server,
                   handshake=False) as origin:
        one, other = client_of(daemon, NOBODY), daemon.client()
        failing = send_many(one, [origin.url()] * FAILURES, connect_timeout=int(LONG * 1000))
        errors = [one.receive_message(request)[2] for request in failing]
        assert [error and error[0] for error in errors] == [TIMEOUT] * FAILURES, errors
        assert len(origin.connections) == FAILURES
        origin.script = shake_hands_late
        assert other.fetch(origin.url())["body"] == b"hello\n"


# ---- What may have been processed is called so, and closing asks nobody ---------------------------

def die_when_told(connection):
    while True:
        request = connection.read_request()
        if request.target == "/die":
            raise Gone
        connection.answer()


SENT_ONCE = {"a GET, retry never": {"retry": "never"}, "a POST": {"method": "POST", "body": b"x"},
             "a GET": {}}


@pytest.mark.parametrize("keys", SENT_ONCE.values(), ids=SENT_ONCE.keys())
def test_what_was_sent_over_a_connection_that_died_is_maybe_processed_though_its_name_is_gone(
        start_inside, names, open_inside, keys):
    client = start_inside({"pool": {"dns_ttl": "0"}}).client()
    origin = open_inside(RawOrigin, die_when_told)
    names.records["gone.origin.test"] = HERE
    client.fetch(origin.url("/warm", host="gone.origin.test"))
    names.records.clear()
    assert client.refused(origin.url("/other", host="not.origin.test")).code == RESOLVE
    error = client.refused(origin.url("/die", host="gone.origin.test"), **keys)
    assert error.code == CLOSED, error
    assert seen(origin, "/die") == 1


def test_idle_connections_that_their_origins_close_cost_no_look_ups(start_inside, names, open_inside):
    def script(connection):
        connection.read_request()
        connection.answer()
        connection.await_release()

    daemon = start_inside({"pool": {"dns_ttl": "1s"}})
    client = daemon.client()
    origin = open_inside(RawOrigin, script)
    hosts = [f"n{number}.origin.test" for number in range(100)]
    names.records.update(dict.fromkeys([*hosts, "last.origin.test"], HERE))
    receive_all(client, send_many(client, [origin.url(host=host) for host in hosts]))
    assert len(daemon.connections()) == 100
    client.read_for(2.1)  # of dns_ttl, in whole seconds
    before = len(names.questions)
    origin.release()
    eventually(lambda: not daemon.connections(), 3, lambda: f"{len(daemon.connections())} are left")
    client.fetch(origin.url(host="last.origin.test"))
    assert {question.name for question in names.questions[before:]} == {"last.origin.test"}


# ---- An origin that pings -------------------------------------------------------------------------

@pytest.mark.parametrize("is_own", [False, True], ids=["the daemon's terms", "own terms"])
def test_an_idle_h2_connection_whose_origin_pings_costs_almost_no_cpu(daemon, authority, is_own):
    terms = {"tls": {"ca": authority.pem.read_bytes()}} if is_own else {}
    with StreamsOrigin(authority.server) as origin:
        client = daemon.client()
        client.fetch(origin.url("/warm"), **terms)
        session, = sessions_of(origin)
        before = daemon.cpu_seconds()
        for _ in range(10):
            session.do(lambda: session.h2.ping(b"12345678"))
            client.read_for(0.2)
        assert daemon.cpu_seconds() - before < scaled(0.3)
        assert client.fetch(origin.url("/after"), **terms)["status"] == 200


# ---- What holds for one user's requests is not learned for another's ------------------------------

@needs_root
def test_a_request_for_http_1_1_does_not_spread_anothers_over_many_connections(start_open, authority):
    daemon = start_open()
    with EitherOrigin(authority.server) as origin:
        one, other = client_of(daemon, NOBODY), daemon.client()
        assert one.fetch(origin.url("/one"), http="1.1")["http"] == "1.1"
        answers = receive_all(other, send_many(other, [origin.url("/other")] * 60))
        assert {answer["http"] for answer in answers} == {"2"}
        assert len({answer["connection"]["id"] for answer in answers}) == 1
        assert len(origin.connections) == 2


@needs_root
@pytest.mark.parametrize("field", ["timeout=0", "timeout=1"])
def test_what_a_clients_own_proxy_says_of_keep_alive_does_not_hold_for_others(start_open, field):
    daemon = start_open({"proxy": {"allow_client": "yes"}})
    said = serve(lambda request: response(body=b"p", headers=[("Keep-Alive", field)]))
    with RawOrigin() as origin, RawOrigin(said) as proxy:
        one, other = client_of(daemon, NOBODY), daemon.client()
        number = other.fetch(origin.url())["connection"]["id"]
        assert one.fetch(origin.url(), proxy=proxy.url().rstrip("/"))["body"] == b"p"
        if field == "timeout=1":
            other.read_for(1.2)
        for _ in range(3):
            assert other.fetch(origin.url())["connection"]["id"] == number
        assert len(origin.connections) == 1


# ---- Waiting in the queue is not connecting -------------------------------------------------------

@pytest.fixture
def narrow(start_daemon):
    """Two requests at a time to an origin, over one connection."""
    return start_daemon({"pool": {"streams_per_connection": 2, "connections_per_origin": 1}})


def test_a_request_that_waits_for_a_connection_in_use_ends_by_queue_timeout(narrow, authority):
    gate = Gate()
    with StreamsOrigin(authority.server, hold(gate, "/long")) as origin:
        client = narrow.client()
        long = send_many(client, [origin.url("/long")] * 2)
        origin.await_arrivals(2)
        waiting = send_many(client, [origin.url("/queued")] * 3,
                            connect_timeout=ms(0.2), queue_timeout=ms(0.8))
        with Stopwatch() as watch:
            errors = [client.receive_message(request)[2] for request in waiting]
        assert [error and error[0] for error in errors] == [QUEUE_TIMEOUT] * 3, errors
        assert watch.seconds >= scaled(0.7)
        gate.open_for_all()
        receive_all(client, long)


def test_the_time_in_the_queue_does_not_count_for_the_connection_that_opens_after_it(narrow,
                                                                                   authority):
    gate = Gate()
    with StreamsOrigin(authority.server, hold(gate, "/long")) as origin:
        delay_handshake_from(origin, 1,
                             lambda connection: connection.origin.released.wait(scaled(0.5)))
        client = narrow.client()
        long = send_many(client, [origin.url("/long")] * 2)
        origin.await_arrivals(2)
        waiting = send_many(client, [origin.url("/queued")] * 6,
                            connect_timeout=ms(0.8), queue_timeout=ms(20))
        client.read_for(scaled(0.6))
        origin.go_away(sessions_of(origin)[0])  # the next one needs another connection
        gate.open_for_all()
        assert [answer["body"] for answer in receive_all(client, waiting)] == [b"/queued"] * 6
        receive_all(client, long)
        assert len(origin.connections) == 2


# ---- A fresh connection in the dark ---------------------------------------------------------------

def test_an_h2_connection_that_goes_dark_before_its_first_answer_is_given_up(start_inside, network,
                                                                          authority, open_inside):
    """Found by TCP: what the daemon sends to see whether the far end is there is not acknowledged."""
    leaf = authority.sign("dark", f"IP:{HERE}")
    daemon = start_inside({"pool": {"h2_ping_timeout": "1s", "tcp_user_timeout": "1s"}})
    origin = open_inside(H2UploadOrigin, leaf, never_answer)
    client = daemon.client(20)
    request = client.send("fetch", {"url": origin.url("/dark"), "retry": "never",
                                    "first_byte_timeout": ms(8), "timeout": ms(15)})
    origin.await_arrivals(1)
    with network.dark(HERE), Stopwatch() as watch:
        error = client.receive_message(request)[2]
    assert error and error[0] == CLOSED, error
    assert watch.seconds <= 3.5 + scaled(0.5)


# ---- An origin that wants HTTP/1.1 ----------------------------------------------------------------

HTTP_1_1_REQUIRED = 13


def require_h1(arrival):
    arrival.read_all()
    arrival.origin.reset(arrival, HTTP_1_1_REQUIRED)


def give_back(request):
    return response(body=request.body)


METHODS = pytest.mark.parametrize("method, keys", [("GET", {}), ("POST", {"body": b"whole"})],
                                  ids=["GET", "POST"])


@METHODS
def test_a_request_for_which_the_origin_requires_http_1_1_is_sent_again_over_it(client, authority,
                                                                             method, keys):
    with EitherOrigin(authority.server, require_h1, serve(give_back)) as origin:
        answer = client.fetch(origin.url("/target"), method=method, **keys)
        assert (answer["status"], answer["http"]) == (200, "1.1")
        assert answer["body"] == keys.get("body", b"")
        assert seen(origin, "/target") == 1
        assert [arrival.target for arrival in origin.arrivals] == ["/target"]


@METHODS
def test_where_it_may_not_be_sent_again_it_was_not_processed(client, authority, method, keys):
    with EitherOrigin(authority.server, require_h1, serve(give_back)) as origin:
        error = client.refused(origin.url("/target"), method=method, retry="never", **keys)
        assert error.code == NOT_PROCESSED, error
        assert seen(origin, "/target") == 0 and len(origin.arrivals) == 1
