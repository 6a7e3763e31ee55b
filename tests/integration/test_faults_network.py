"""
The rows about the network, each with the witness and the calm after it.

The daemon has a network namespace of its own, its origins and its name server another one; what is
between them can be dropped, refused and forgotten. The witness's origin is on the daemon's side.
"""

import contextlib
import pathlib
import re
import statistics
import threading
import time

import pytest

from support.calm import calm
from support.client import Refused
from support.namespace import NAME_SERVER, NOWHERE, ORIGINS
from support.nameserver import NameServer
from support.nginx import Nginx
from support.timing import Stopwatch, eventually, scaled
from support.upload_origin import H2UploadOrigin, UploadOrigin
from support.witness import Witness

NOT_SENT = range(100, 200)
MAYBE_PROCESSED = range(200, 300)
TIMEOUT_SENT, RESOLVE, CONNECT, TIMEOUT, CANCELLED = 200, 102, 103, 105, 108

HERE, THERE = ORIGINS[:2]
WATCHED_FOR = 0.2  # s, at least: some faults are over before the witness has sent anything


@pytest.fixture(scope="module")
def leaf(authority):
    addresses = ",".join(f"IP:{address}" for address in ORIGINS)
    return authority.sign("network", f"DNS:*.origin.test,{addresses}")


@pytest.fixture(scope="module")
def near(network, run_directory, authority):
    """The healthy origin, where no fault of this file reaches."""
    with network.daemon.inside():
        server = Nginx(run_directory / "near", authority)
    yield server
    server.stop()


@pytest.fixture
def names(network, tmp_path):
    with network.origins.inside():
        server = NameServer(NAME_SERVER, tmp_path)
    with server:
        yield server


@pytest.fixture
def start(start_daemon, network, names):
    return lambda config=None: start_daemon(config, wrapper=network.wrapper(names.resolver))


@pytest.fixture
def unhurt(near):
    """unhurt(daemon): the witness beside, the calm after."""

    @contextlib.contextmanager
    def unhurt(daemon, offenders=1):
        url = near.url("/files/small", host="127.0.0.1")
        with calm(daemon, offenders=offenders), Witness(daemon, url, near.file("small")):
            enough = time.monotonic() + WATCHED_FOR
            yield
            time.sleep(max(0, enough - time.monotonic()))

    return unhurt


def greet(arrival):
    arrival.read_all()
    arrival.answer(200, b"hello")


@pytest.fixture
def open_at(network, leaf, http):
    """open_at(address, script, port=0): an origin over TLS that speaks `http`."""
    with contextlib.ExitStack() as stack:
        def open_at(address, script=greet, **options):
            with network.origins.inside():
                if http == "2":
                    origin = H2UploadOrigin(leaf, script, address=address, **options)
                else:
                    origin = UploadOrigin(script, leaf=leaf, address=address, **options)
            return stack.enter_context(origin)

        yield open_at


@pytest.fixture
def plain_at(network):
    """The same without TLS and HTTP/2."""
    with contextlib.ExitStack() as stack:
        def plain_at(address, script=greet, **options):
            with network.origins.inside():
                return stack.enter_context(UploadOrigin(script, address=address, **options))

        yield plain_at


def send_all(client, urls, **keys):
    return [client.send("fetch", {"url": url, **keys}) for url in urls]


def receive_all(client, requests, seconds=10):
    """The answers: (error, result) each."""
    return [client.receive_message(request, seconds)[2:] for request in requests]


def assert_all_answered(answers, body=b"hello"):
    errors = [error for error, _ in answers if error]
    assert errors == [], f"{len(errors)} errors: {errors[:3]}"
    assert all(result["status"] == 200 and result["body"] == body for _, result in answers)


# ---- N1: the name server cannot be reached --------------------------------------------------------

REQUESTS = 50
WAYS_TO_ASK = {"fifty names": [f"http://n{number}.origin.test/" for number in range(REQUESTS)],
               "one name": ["http://n.origin.test/"] * REQUESTS}


@pytest.mark.parametrize("urls", WAYS_TO_ASK.values(), ids=WAYS_TO_ASK.keys())
def test_n1_each_request_ends_at_its_own_second_while_no_name_is_answered(network, start, unhurt,
                                                                        urls):
    daemon = start()
    with network.dark(NAME_SERVER), unhurt(daemon):
        client = daemon.client()
        with Stopwatch() as last:
            with Stopwatch() as first:
                requests = send_all(client, urls, timeout=1000)
                client.read_until(lambda: client.order, "the first error")
            answers = receive_all(client, requests)
        assert first.seconds >= 0.9
        assert last.seconds <= scaled(1.3)
        for url, (error, _) in zip(urls, answers):
            assert error and error[0] in (RESOLVE, TIMEOUT), error


def test_n1_look_ups_that_are_cancelled_end_at_once_and_make_room_for_others(start, unhurt, names,
                                                                            plain_at):
    daemon = start()
    origin = plain_at(HERE)
    names.is_silent = True
    with unhurt(daemon):
        client = daemon.client()
        requests = send_all(client, WAYS_TO_ASK["fifty names"], timeout=30_000)
        names.await_names(1)
        with Stopwatch() as watch:
            for request in requests:
                client.notify("cancel", request)
            answers = receive_all(client, requests)
        assert {error[0] for error, _ in answers} == {CANCELLED}
        assert watch.seconds <= scaled(0.1)
        names.is_silent = False
        names.records["well.origin.test"] = HERE
        assert client.fetch(origin.url(host="well.origin.test"), timeout=5000)["status"] == 200


DRAIN = 1.0


def test_n1_a_stop_with_look_ups_running_is_over_within_the_drain_limit(start, names):
    daemon = start({"timeouts": {"drain": f"{DRAIN:.0f}s"}})
    names.resolver.write_text(f"nameserver {NAME_SERVER}\n")  # the system's own patience: 10 s and more
    names.is_silent = True
    client = daemon.client()
    requests = send_all(client, WAYS_TO_ASK["fifty names"], timeout=30_000)
    names.await_names(1)
    with Stopwatch() as watch:
        assert daemon.stop() == 0
    assert watch.seconds <= DRAIN + scaled(0.5)
    for error, _ in receive_all(client, requests):
        assert error and error[0] in NOT_SENT, error


# ---- N2: names unknown, many, and the same --------------------------------------------------------

LOOKUPS = 32  # at the same time, if the configuration says nothing


def test_n2_an_unknown_name_and_a_failing_name_server_are_errors_that_name_it(start, unhurt, names):
    """Both with one sentence: libcurl 8.14 keeps to itself which of the two getaddrinfo() said."""
    daemon = start()
    names.records["failing.origin.test"] = NameServer.FAILS
    with unhurt(daemon, offenders=2):
        client = daemon.client()
        unknown = client.refused("http://unknown.origin.test/")
        failing = client.refused("http://failing.origin.test/")
    assert unknown.code == failing.code == RESOLVE
    assert "unknown.origin.test" in unknown.message
    assert "failing.origin.test" in failing.message


def test_n2_a_name_that_was_unknown_is_found_once_it_is_there(start, unhurt, names, plain_at):
    daemon = start()
    origin = plain_at(HERE)
    with unhurt(daemon):
        client = daemon.client()
        assert client.refused(origin.url(host="late.origin.test")).code == RESOLVE
        names.records["late.origin.test"] = HERE

        def is_found():
            try:
                return client.fetch(origin.url(host="late.origin.test"))["status"] == 200
            except Refused as error:
                assert error.code in (RESOLVE, CONNECT), error

        eventually(is_found, 5, "the name is found")


@contextlib.contextmanager
def thread_counts(daemon):
    """How many threads the daemon had, from time to time."""
    counts, is_over = [daemon.threads()], threading.Event()

    def sample():
        while not is_over.wait(0.002):
            counts.append(daemon.threads())

    sampler = threading.Thread(target=sample)
    sampler.start()
    try:
        yield counts
    finally:
        is_over.set()
        sampler.join()


@pytest.mark.long
def test_n2_a_thousand_names_at_once_are_looked_up_by_a_bounded_number_of_threads(start, unhurt, names,
                                                                                 plain_at):
    hosts = [f"n{number}.origin.test" for number in range(1000)]
    names.records.update(dict.fromkeys(hosts[::2], HERE))  # every other one is unknown
    names.delay = 0.02
    daemon = start({"limits": {"requests_per_client": 1000}})
    origin = plain_at(HERE)
    with unhurt(daemon), thread_counts(daemon) as counts:
        client = daemon.client(30)
        answers = receive_all(client, send_all(client, [origin.url(host=host) for host in hosts]), 20)
    assert_all_answered(answers[::2])
    for host, (error, _) in list(zip(hosts, answers))[1::2]:
        assert error[0] == RESOLVE and host in error[1], error
    assert names.doubled == []
    assert LOOKUPS // 2 <= names.most_at_once <= LOOKUPS
    assert max(counts) <= counts[0] + LOOKUPS


def test_n2_no_more_look_ups_run_than_are_allowed(start, unhurt, names, plain_at):
    hosts = [f"n{number}.origin.test" for number in range(40)]
    names.records.update(dict.fromkeys(hosts, HERE))
    names.delay = 0.05
    daemon = start({"pool": {"lookups": 8}})  # of which one user gets half
    origin = plain_at(HERE)
    with unhurt(daemon):
        client = daemon.client()
        answers = receive_all(client, send_all(client, [origin.url(host=host) for host in hosts]))
    assert_all_answered(answers)
    assert names.most_at_once == 4


STREAMS = 100  # that this origin lets one HTTP/2 connection carry


@pytest.mark.long
def test_n2_five_hundred_requests_for_one_new_name_cost_one_look_up(start, unhurt, names, open_at,
                                                                   http):
    daemon = start({"limits": {"requests_per_client": 500}, "pool": {"connections_per_origin": 64}})
    origin = open_at(HERE)
    names.records["popular.origin.test"] = HERE
    names.delay = 0.2
    with unhurt(daemon):
        client = daemon.client()
        url = origin.url(host="popular.origin.test")
        answers = receive_all(client, send_all(client, [url] * 500), 20)
    assert_all_answered(answers)
    asked = names.types_of("popular.origin.test")
    assert "A" in asked and len(asked) == len(set(asked)), asked
    assert http == "1.1" or len(origin.connections) <= 500 // STREAMS


def test_n2_one_name_of_several_origins_is_never_looked_up_twice_at_once(start, unhurt, names,
                                                                        open_at, plain_at):
    daemon = start()
    names.records["shared.origin.test"] = HERE
    names.delay = 0.2
    origins = [opener(HERE) for opener in (open_at, plain_at) for _ in range(3)]
    with unhurt(daemon):
        client = daemon.client()
        urls = [origin.url(host="shared.origin.test") for origin in origins]
        assert_all_answered(receive_all(client, send_all(client, urls * 5)))
    assert names.doubled == []


# ---- N3: a name moves -----------------------------------------------------------------------------

FOLLOWED_WITHIN = 2.0  # s: dns_ttl and lifetime
MARGIN = 0.5


def answer_late(arrival):
    arrival.read_all()
    time.sleep(0.1)
    arrival.answer(200, b"hello")


def address_of(answer):
    return answer["connection"]["peer"].split(":")[0]


def run_until(end, client, url, at_once, pause):
    """(when it was sent, its answer) of one request after the other, so many at a time."""
    running, answers = [], []
    while time.monotonic() < end:
        running.append((time.monotonic(), client.send("fetch", {"url": url})))
        time.sleep(pause)
        while len(running) >= at_once:
            sent, request = running.pop(0)
            answers.append((sent, client.receive(request)))
    return answers + [(sent, client.receive(request)) for sent, request in running]


USES = {"idle in between": {"at_once": 1, "pause": 0.15}, "always busy": {"at_once": 5, "pause": 0.02}}


@pytest.mark.parametrize("use", USES.values(), ids=USES.keys())
def test_n3_a_name_that_moves_is_followed_and_no_request_fails(start, unhurt, names, open_at, use):
    daemon = start({"pool": {"dns_ttl": "1s", "lifetime": "1s"}})
    before = open_at(HERE, answer_late)
    open_at(THERE, answer_late, port=before.port)
    names.records["moves.origin.test"] = HERE
    with unhurt(daemon):
        client = daemon.client()
        url = before.url(host="moves.origin.test")
        first = run_until(time.monotonic() + 0.5, client, url, **use)
        assert {address_of(answer) for _, answer in first} == {HERE}
        names.records["moves.origin.test"] = THERE
        followed = time.monotonic() + FOLLOWED_WITHIN + scaled(MARGIN)
        answers = run_until(followed + 0.5, client, url, **use)
    assert {answer["status"] for _, answer in first + answers} == {200}
    late = [answer for sent, answer in answers if sent > followed]
    assert late and {address_of(answer) for answer in late} == {THERE}


# ---- N5: refused, unreachable ---------------------------------------------------------------------

ELSEWHERE = "198.51.100.1"
CLOSED_PORTS = range(1, 8)
WITHIN = 0.05  # s
WAYS_TO_FAIL = {
    "refused": (HERE, lambda network: contextlib.nullcontext(), "connection refused"),
    "without a route": (NOWHERE, lambda network: contextlib.nullcontext(), "network is unreachable"),
    "an unreachable route": (ELSEWHERE, lambda network: network.route("unreachable", ELSEWHERE),
                             "no route to host"),
    "a prohibited route": (ELSEWHERE, lambda network: network.route("prohibit", ELSEWHERE),
                           "permission denied"),
    "ICMP: the network": (HERE, lambda network: network.refusing(HERE, "net-unreachable"),
                          "network is unreachable"),
    "ICMP: the host": (HERE, lambda network: network.refusing(HERE, "host-unreachable"),
                       "no route to host"),
    "ICMP: the port": (HERE, lambda network: network.refusing(HERE, "port-unreachable"),
                       "connection refused"),
    "ICMP: a firewall": (HERE, lambda network: network.refusing(HERE, "admin-prohibited"),
                         "no route to host"),
}


@pytest.mark.parametrize("way", WAYS_TO_FAIL.values(), ids=WAYS_TO_FAIL.keys())
def test_n5_what_cannot_be_connected_to_says_why_within_50_ms(start, unhurt, network, way):
    address, fault, word = way
    daemon = start()
    seconds = []
    with fault(network), unhurt(daemon):
        client = daemon.client()
        for port in CLOSED_PORTS:  # an origin each, so that none is held to be failing for good
            with Stopwatch() as watch:
                error = client.refused(f"http://{address}:{port}/")
            seconds.append(watch.seconds)
            assert error.code == CONNECT, error
            assert f"{address}:{port}" in error.message and word in error.message.lower()
    assert statistics.median(seconds) <= scaled(WITHIN), seconds


# ---- N6: nobody answers a SYN ---------------------------------------------------------------------

SHORT_PAUSES = {"failing_least": "200ms", "failing_most": "1s"}


def fetch_when_back(client, url, seconds=5):
    """Nothing but the daemon's own pause after failures may hold it back."""

    def attempt():
        try:
            return client.fetch(url)
        except Refused as error:
            assert error.code == CONNECT and "not tried again" in error.message, error

    return eventually(attempt, seconds, "an answer")


def is_connecting(daemon, origin):
    """Is there a socket of the daemon's in SYN_SENT to that origin?"""
    table = pathlib.Path(f"/proc/{daemon.pid}/net/tcp").read_text()
    return re.search(rf":{origin.port:04X} 02 ", table)


def test_n6_where_nothing_answers_requests_end_at_the_connect_timeout(start, unhurt, network,
                                                                     plain_at):
    daemon = start({"timeouts": {"connect": "1s"}, "pool": SHORT_PAUSES})
    origin, other = plain_at(HERE), plain_at(THERE)
    with unhurt(daemon):
        client, neighbour = daemon.client(), daemon.client()
        with network.without_handshakes(HERE):
            with Stopwatch() as watch:
                requests = send_all(client, [origin.url()] * 3)
                client.read_for(0.1)
                for _ in range(20):
                    with Stopwatch() as one:
                        assert neighbour.fetch(other.url())["body"] == b"hello"
                    assert one.seconds <= scaled(0.25)
                assert not client.order
                answers = receive_all(client, requests)
            assert [error and error[0] for error, _ in answers] == [TIMEOUT] * 3
            assert 0.9 <= watch.seconds <= scaled(1.5)
            assert origin.arrivals == []
        with Stopwatch() as watch:
            assert fetch_when_back(client, origin.url())["body"] == b"hello"
        assert watch.seconds <= 1 + scaled(0.5)  # failing_most


def test_n6_a_request_that_still_connects_when_the_path_is_back_is_answered(start, unhurt, network,
                                                                           plain_at):
    daemon = start()
    origin = plain_at(HERE)
    with unhurt(daemon):
        client = daemon.client()
        with network.without_handshakes(HERE):
            request = client.send("fetch", {"url": origin.url(), "timeout": 10_000})
            eventually(lambda: is_connecting(daemon, origin), 2, "a SYN")
        assert client.receive(request)["body"] == b"hello"


# ---- N7: an established path goes dark ------------------------------------------------------------

FOUND_WITHIN = 1.0  # s
WATCHFUL = {"h2_ping_timeout": "1s", "tcp_user_timeout": "1s", **SHORT_PAUSES}

DARKNESS = {"dropped": lambda network: network.dark(HERE),
            "unplugged": lambda network: network.unplugged()}


def is_listed(daemon, number):
    return any(row["id"] == number for row in daemon.connections())


def await_unlisted(daemon, number, seconds):
    eventually(lambda: not is_listed(daemon, number), seconds,
               lambda: f"still listed: {daemon.connections()}")


def assert_not_offered_again(client, url, number):
    """`number`: of the dead connection."""
    answers = [fetch_when_back(client, url)] + [client.fetch(url) for _ in range(5)]
    assert {answer["status"] for answer in answers} == {200}
    assert number not in [answer["connection"]["id"] for answer in answers]


def test_n7_a_request_into_the_dark_ends_by_its_timeout_and_the_connection_is_not_offered_again(
        start, unhurt, network, open_at):
    daemon = start({"pool": WATCHFUL})
    origin = open_at(HERE)
    with unhurt(daemon):
        client = daemon.client()
        warm = client.fetch(origin.url())["connection"]["id"]
        with network.dark(HERE):
            with Stopwatch() as watch:
                error = client.refused(origin.url("/dark"), timeout=2500)
            assert error.code == TIMEOUT_SENT, error  # the first attempt was sent: nobody knows how far
            assert 2.4 <= watch.seconds <= scaled(2.8)
            await_unlisted(daemon, warm, 1)
        assert_not_offered_again(client, origin.url(), warm)


@pytest.mark.parametrize("darkness", DARKNESS.values(), ids=DARKNESS.keys())
def test_n7_a_get_into_the_dark_is_answered_over_another_connection_when_the_path_is_back(
        start, unhurt, network, open_at, darkness):
    daemon = start({"pool": WATCHFUL})
    origin = open_at(HERE)
    with unhurt(daemon):
        client = daemon.client()
        warm = client.fetch(origin.url())["connection"]["id"]
        with darkness(network):
            request = client.send("fetch", {"url": origin.url("/dark"), "timeout": 15_000})
            await_unlisted(daemon, warm, FOUND_WITHIN + 1)
        answer = client.receive(request, 15)
        assert answer["status"] == 200 and answer["connection"]["id"] != warm
        assert_not_offered_again(client, origin.url(), warm)


def test_n7_a_post_into_the_dark_is_given_up_and_not_sent_again(start, unhurt, network, open_at):
    daemon = start({"pool": WATCHFUL})
    origin = open_at(HERE)
    with unhurt(daemon):
        client = daemon.client()
        warm = client.fetch(origin.url())["connection"]["id"]
        with network.dark(HERE):
            with Stopwatch() as watch:
                error = client.refused(origin.url("/post"), method="POST", body=b"once",
                                       timeout=8000)
            assert error.code in MAYBE_PROCESSED, error
            assert watch.seconds <= scaled(FOUND_WITHIN + 1)
            await_unlisted(daemon, warm, 1)
        assert_not_offered_again(client, origin.url(), warm)
        assert [each.target for each in origin.arrivals].count("/post") <= 1


def hold_first(arrival):
    """What comes over the first connection has no answer, except for /warm."""
    arrival.read_all()
    if arrival.connection.number == 0 and arrival.target != "/warm":
        arrival.origin.released.wait(scaled(60))
    arrival.answer(200, b"hello")


@pytest.mark.parametrize("http", ["2"])
def test_n7_a_busy_h2_connection_in_the_dark_is_found_by_pings(start, unhurt, network, open_at):
    daemon = start({"pool": WATCHFUL})
    origin = open_at(HERE, hold_first)
    with unhurt(daemon):
        client = daemon.client()
        warm = client.fetch(origin.url("/warm"))["connection"]["id"]
        get = client.send("fetch", {"url": origin.url("/get"), "timeout": 20_000})
        post = client.send("fetch", {"url": origin.url("/post"), "method": "POST", "body": b"once",
                                     "timeout": 20_000})
        origin.await_arrivals(3)
        with network.dark(HERE):
            with Stopwatch() as watch:
                error = client.receive_message(post)[2]
            assert error and error[0] in MAYBE_PROCESSED, error
            assert watch.seconds <= scaled(FOUND_WITHIN + 1)
            await_unlisted(daemon, warm, 1)
        assert client.receive(get, 15)["connection"]["id"] != warm
        assert_not_offered_again(client, origin.url(), warm)
        assert [each.target for each in origin.arrivals].count("/post") == 1


@pytest.mark.parametrize("http", ["1.1"])
def test_n7_a_busy_h1_connection_in_the_dark_ends_with_its_request(start, unhurt, network, open_at):
    """All that was sent was acknowledged: TCP has nothing to say, and HTTP/1.1 knows no ping."""
    daemon = start({"pool": WATCHFUL})
    origin = open_at(HERE, hold_first)
    with unhurt(daemon):
        client = daemon.client()
        warm = client.fetch(origin.url("/warm"))["connection"]["id"]
        request = client.send("fetch", {"url": origin.url("/get"), "timeout": 2000})
        origin.await_arrivals(2)
        with network.dark(HERE):
            error = client.receive_message(request)[2]
            assert error and error[0] == TIMEOUT_SENT, error
            await_unlisted(daemon, warm, 1)
        assert_not_offered_again(client, origin.url(), warm)


@pytest.mark.parametrize("http", ["2"])
def test_n7_a_slow_answer_over_a_live_h2_connection_outlasts_the_pings(start, unhurt, open_at):
    daemon = start({"pool": WATCHFUL})

    def answer_after_pings(arrival):
        arrival.read_all()
        time.sleep(2.5 * FOUND_WITHIN)
        arrival.answer(200, b"hello")

    origin = open_at(HERE, answer_after_pings)
    with unhurt(daemon):
        assert daemon.client().fetch(origin.url())["body"] == b"hello"
    assert len(origin.connections) == len(origin.arrivals) == 1


# ---- N10: idle connections are forgotten on the way -----------------------------------------------

def together(count):
    """A script that answers requests only when so many are there at the same time."""
    barrier = threading.Barrier(count)

    def script(arrival):
        arrival.read_all()
        if arrival.target == "/together":
            barrier.wait(scaled(10))
        arrival.answer(200, b"hello")

    return script


def test_n10_a_get_over_forgotten_connections_succeeds_within_its_deadline(start, unhurt, network,
                                                                          open_at):
    """Over HTTP/1.1 three are idle: what is sent again must not meet the next dead one."""
    daemon = start({"pool": WATCHFUL})
    origin = open_at(HERE, together(3))
    with unhurt(daemon):
        client = daemon.client()
        warm = receive_all(client, send_all(client, [origin.url("/together")] * 3))
        assert_all_answered(warm)
        dead = {result["connection"]["id"] for _, result in warm}
        ports = [connection.socket.getpeername()[1] for connection in origin.connections]
        assert len(ports) == len(dead)
        with network.forgotten(HERE, ports):
            answer = client.fetch(origin.url(), timeout=5000)
            assert answer["body"] == b"hello" and answer["connection"]["id"] not in dead
            after = [client.fetch(origin.url(), timeout=5000) for _ in range(5)]
            assert {answer["connection"]["id"] for answer in after}.isdisjoint(dead)
