"""
How long a pooled connection lives: idle limits, lifetime, which one is used first, warm ones, and
origins that cannot be connected to.
"""

import contextlib
import itertools
import threading
import time

import pytest

from support.calm import calm
from support.client import Client, Refused
from support.counting import Gate, StreamsOrigin, gated, seen
from support.origin import RawOrigin, response, serve
from support.ports import free_port
from support.timing import Stopwatch, eventually, scaled


def rows_of(rows, origin):
    return [row for row in rows if row["origin"].endswith(f":{origin.port}")]


def connections_to(daemon, origin):
    return rows_of(daemon.connections(), origin)


def origin_row(daemon, origin):
    row, = rows_of(daemon.ask("origins"), origin)
    return row


# ---- The idle limit ------------------------------------------------------------------------------

def says(field):
    """Answers whatever is asked with that Keep-Alive field, a HEAD without a body."""
    fields = [("Keep-Alive", field)] if field else []

    def answer(request):
        whole = response(body=b"x", headers=fields)
        return whole[:-1] if request.method == "HEAD" else whole

    return serve(answer)


# A margin of a tenth is taken from what an origin says, at least 100 ms and at most 1 s.
SAID = [(None, None), ("timeout=5", 4_500), ("timeout=1", 900), ("timeout=15", 14_000),
        ("timeout=5, max=100", 4_500), ("max=100, timeout=5", 4_500), ("TIMEOUT=5", 4_500),
        ("timeout=60", 59_000), ("timeout=", None), ("timeout=x", None), ("max=5", None)]


@pytest.mark.parametrize("field, expected", SAID, ids=str)
def test_the_idle_limit_that_an_origin_says_is_shown_less_its_margin(client, daemon, field, expected):
    with RawOrigin(says(field)) as origin:
        client.fetch(origin.url())
        assert origin_row(daemon, origin)["idle_limit_ms"] == expected


@pytest.mark.parametrize("field", ["timeout=60", "timeout=99999999999999999999", "timeout=-1",
                                   "timeout=0"])
def test_no_word_of_an_origin_makes_the_limit_longer_or_ends_a_connection_in_use(start_daemon, field):
    daemon = start_daemon({"pool": {"idle_timeout": "1s"}})
    with RawOrigin(says(field)) as origin, calm(daemon, 0):
        client = daemon.client()
        assert [client.fetch(origin.url())["status"] for _ in range(3)] == [200] * 3
        assert origin.connections[-1].closed.wait(scaled(3))
        eventually(lambda: not connections_to(daemon, origin), 2, "it is gone")


def test_an_idle_connection_is_closed_at_the_limit_that_its_origin_gave(daemon):
    with RawOrigin(says("timeout=1")) as origin, calm(daemon, 0):
        daemon.client().fetch(origin.url())
        with Stopwatch() as watch:
            assert origin.connections[0].closed.wait(scaled(2))
        assert 0.6 <= watch.seconds
        eventually(lambda: not connections_to(daemon, origin), 2, "it is gone")


def test_an_idle_connection_is_closed_at_the_limit_of_the_configuration(start_daemon):
    daemon = start_daemon({"pool": {"idle_timeout": "1s"}})
    with RawOrigin() as origin, calm(daemon, 0):
        daemon.client().fetch(origin.url())
        with Stopwatch() as watch:
            assert origin.connections[0].closed.wait(scaled(3))
        assert 0.8 <= watch.seconds
        eventually(lambda: not connections_to(daemon, origin), 2, "it is gone")


def test_an_idle_h2_connection_is_closed_at_the_limit_too(start_daemon, authority):
    daemon = start_daemon({"pool": {"idle_timeout": "1s"}})
    with StreamsOrigin(authority.server) as origin, calm(daemon, 0):
        daemon.client().fetch(origin.url("/x", host="localhost"))
        assert origin.connections[0].closed.wait(scaled(3))
        eventually(lambda: not connections_to(daemon, origin), 2, "it is gone")


def test_a_connection_in_use_is_not_idle_however_long_it_takes(start_daemon):
    gate = Gate()
    daemon = start_daemon({"pool": {"idle_timeout": "1s"}})
    with RawOrigin(gated(gate)) as origin:
        client = daemon.client()
        request = client.send("fetch", {"url": origin.url("/x")})
        origin.await_requests(1)
        client.read_for(1.6)
        gate.open_for_all()
        assert client.receive(request)["body"] == b"/x"


CLOSES_AFTER = 0.4


def close_when_idle(connection):
    while True:
        connection.socket.settimeout(CLOSES_AFTER)  # a timeout of recv() ends the script
        connection.read_request()
        connection.socket.settimeout(None)
        connection.write(response(body=b"x"))


def test_the_idle_limit_is_learned_from_two_closings_that_agree(daemon):
    with RawOrigin(close_when_idle) as origin, calm(daemon, 0):
        client = daemon.client()
        for number in range(2):
            client.fetch(origin.url())
            assert origin_row(daemon, origin)["idle_limit_ms"] is None, "one closing says nothing"
            assert origin.connections[number].closed.wait(scaled(2))
            eventually(lambda: not connections_to(daemon, origin), 2, "it is gone")
        learned = origin_row(daemon, origin)["idle_limit_ms"]
        assert learned is not None and 200 <= learned <= scaled(0.4) * 1000
        # Between that limit and the origin's own, the connection is not offered any more.
        client.fetch(origin.url())
        client.read_for((learned / 1000 + CLOSES_AFTER) / 2)
        assert not client.fetch(origin.url(), method="POST")["connection"]["reused"]


def test_an_origin_that_restarts_teaches_nothing(daemon):
    """It closes all its connections at once, whatever their age."""
    gate, ends = Gate(), threading.Event()

    def script(connection):
        connection.read_request()
        gate.wait(connection.origin)
        connection.write(response(body=b"x"))
        ends.wait(scaled(5))

    with RawOrigin(script) as origin, calm(daemon, 0):
        client = daemon.client()
        ids = [client.send("fetch", {"url": origin.url()}) for _ in range(5)]
        origin.await_requests(5)
        gate.open_for_all()
        for each in ids:
            client.receive(each)
        client.read_for(0.3)
        ends.set()
        eventually(lambda: not connections_to(daemon, origin), 2, "they are gone")
        assert origin_row(daemon, origin)["idle_limit_ms"] is None


def test_what_one_origin_says_is_not_anothers_limit(daemon):
    with RawOrigin(says("timeout=5")) as one, RawOrigin(says(None)) as other:
        client = daemon.client()
        client.fetch(one.url())
        client.fetch(other.url())
        assert origin_row(daemon, one)["idle_limit_ms"] == 4_500
        assert origin_row(daemon, other)["idle_limit_ms"] is None


# ---- The lifetime --------------------------------------------------------------------------------

class Load(threading.Thread):
    """So many requests at a time over one client, until stopped. Their connections, and errors."""

    def __init__(self, daemon, url, at_once, **keys):
        super().__init__(daemon=True)
        self.client = daemon.client()
        self.url, self.at_once, self.keys = url, at_once, keys
        self.errors = []
        self.ids = []  # of connections, in the order of their first answer
        self.count = 0
        self.is_over = threading.Event()

    def run(self):
        running = [self._send() for _ in range(self.at_once)]
        while running:
            each = running.pop(0)
            try:
                number = self.client.receive(each)["connection"]["id"]
                if number not in self.ids:
                    self.ids.append(number)
                self.count += 1
            except Refused as error:
                self.errors.append(error)
            except Exception as error:  # to be seen by the test, which reads `errors`
                self.errors.append(error)
                return
            if not self.is_over.is_set():
                running.append(self._send())

    def _send(self):
        return self.client.send("fetch", {"url": self.url, **self.keys})

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.is_over.set()
        self.join(scaled(10))
        assert not self.errors, self.errors[:3]


def slowly(seconds):
    pause = threading.Event()

    def script(arrival):
        arrival.read_all()
        pause.wait(seconds)
        arrival.origin.reply(arrival, b"x")

    return script


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_an_h2_connection_that_is_always_busy_is_replaced_at_its_lifetime(start_daemon, authority,
                                                                         method):
    daemon = start_daemon({"pool": {"lifetime": "1s"}})
    with StreamsOrigin(authority.server, slowly(0.1)) as origin, calm(daemon, 0):
        with Load(daemon, origin.url("/x", host="localhost"), 5, method=method) as load:
            eventually(lambda: len(load.ids) >= 3 or load.errors, 8,
                       lambda: f"{len(load.ids)} connections after {load.count} requests")
        assert [connection.closed.wait(scaled(2)) for connection in origin.connections[:2]] == [True] * 2
        eventually(lambda: len(connections_to(daemon, origin)) <= 1, 3,
                   lambda: connections_to(daemon, origin))
        assert len(origin.processed) == 0 and daemon.stats()["retries"] == 0


def test_an_h2_connection_beyond_its_lifetime_drains_and_takes_nothing_new(start_daemon, authority):
    gate = Gate()

    def script(arrival):
        if arrival.target == "/held":
            gate.wait(arrival.origin)
        arrival.origin.reply(arrival, b"x")

    daemon = start_daemon({"pool": {"lifetime": "1s"}})
    with StreamsOrigin(authority.server, script) as origin, calm(daemon, 0):
        client = daemon.client()
        held = client.send("fetch", {"url": origin.url("/held", host="localhost")})
        origin.await_arrivals(1)
        old = connections_to(daemon, origin)[0]["id"]

        def state_of_old():
            return {row["id"]: row["state"] for row in connections_to(daemon, origin)}.get(old)

        eventually(lambda: state_of_old() == "draining", 3, state_of_old)
        new = client.fetch(origin.url("/new", host="localhost"))["connection"]
        assert new["id"] != old and not new["reused"]
        assert state_of_old() == "draining"
        gate.open_for_all()
        assert client.receive(held)["connection"]["id"] == old
        eventually(lambda: state_of_old() is None, 2, state_of_old)
        assert origin.connections[0].closed.wait(scaled(2))


def test_an_http_1_1_connection_that_is_always_busy_is_replaced_at_its_lifetime(start_daemon):
    daemon = start_daemon({"pool": {"lifetime": "1s"}})
    with RawOrigin() as origin, calm(daemon, 0):
        with Load(daemon, origin.url("/x"), 1, method="POST") as load:
            eventually(lambda: len(load.ids) >= 3 or load.errors, 8,
                       lambda: f"{len(load.ids)} connections after {load.count} requests")
        assert daemon.stats()["retries"] == 0


# ---- Which one is used ---------------------------------------------------------------------------

def test_the_connection_used_last_is_used_first_and_the_others_go(start_daemon):
    gate = Gate()

    def script(connection):
        connection.read_request()
        gate.wait(connection.origin)
        connection.write(response(body=b"burst"))
        while True:
            connection.read_request()
            connection.write(response(body=b"x"))

    daemon = start_daemon({"pool": {"idle_timeout": "1s"}})
    with RawOrigin(script) as origin, calm(daemon, 0):
        client = daemon.client()
        burst = [client.send("fetch", {"url": origin.url()}) for _ in range(10)]
        origin.await_requests(10)
        for _ in range(10):  # one by one: it is known which is the last
            gate.open()
        last = [client.receive(each) for each in burst]
        assert len({answer["connection"]["id"] for answer in last}) == 10
        ids = set()

        def others_are_gone():
            ids.add(client.fetch(origin.url())["connection"]["id"])
            return sum(connection.closed.is_set() for connection in origin.connections) == 9

        for _ in range(20):
            others_are_gone()
        assert len(ids) == 1
        eventually(others_are_gone, 4, lambda: connections_to(daemon, origin))
        assert len(ids) == 1 and len(origin.connections) == 10
        eventually(lambda: {row["id"] for row in connections_to(daemon, origin)} == ids, 3,
                   lambda: connections_to(daemon, origin))


def test_which_was_used_last_is_known_from_its_answer(daemon):
    """Two connections; the one whose answer came last is used next."""
    gates = {"/0": Gate(), "/1": Gate()}

    def script(connection):
        while True:
            request = connection.read_request()
            if request.target in gates:
                gates[request.target].wait(connection.origin)
            connection.write(response(body=b"x"))

    with RawOrigin(script) as origin:
        client = daemon.client()
        for first, second in (("/0", "/1"), ("/1", "/0")):
            ids = {target: client.send("fetch", {"url": origin.url(target)}) for target in ("/0", "/1")}
            gates[first].open()
            client.receive(ids[first])
            gates[second].open()
            last = client.receive(ids[second])["connection"]["id"]
            assert client.fetch(origin.url("/next"))["connection"]["id"] == last
        assert len(origin.connections) == 2


# ---- Warm origins --------------------------------------------------------------------------------

WARM = 2
PATH = "/health"


def warm(origin_url, **pool):
    keys = {"warm": str(WARM), "warm_path": PATH}
    return {f'origin "{origin_url}"': keys, **({"pool": pool} if pool else {})}


def asked(origin):
    """(method, target) of all that came, in order."""
    with origin.news:
        return [(each.method, each.target) for each in getattr(origin, "arrivals", origin.requests)]


@contextlib.contextmanager
def warm_origin(kind, authority, port=0):
    """One whose connections are accepted, and whose requests are answered with `x`."""
    if kind == "h2":
        with StreamsOrigin(authority.server) as origin:
            yield origin
    else:
        options = {"leaf": authority.server} if kind == "tls" else {}
        with RawOrigin(says(None), port=port, **options) as origin:
            yield origin


def await_warm(daemon, origin, seconds=5):
    def are_open():
        rows = connections_to(daemon, origin)
        return len(rows) == WARM and {row["state"] for row in rows} == {"idle"}

    eventually(are_open, seconds, lambda: f"open: {connections_to(daemon, origin)}")


def note_descriptors(daemon):
    """What was counted when the daemon started may have held some of its warm connections."""
    with Client(daemon.path) as client:
        eventually(lambda: len(client.call("clients")) == 1, 2, "no other client")
        daemon.first_descriptors = daemon.descriptors() - len(client.call("connections")) - 1


@pytest.fixture
def start_warm(start_daemon):
    def start(origin, **pool):
        daemon = start_daemon(warm(origin.url(""), **pool))
        await_warm(daemon, origin)
        note_descriptors(daemon)
        return daemon

    return start


KINDS = pytest.mark.parametrize("kind", ["plain", "tls", "h2"])


@KINDS
def test_warm_connections_are_open_before_the_first_request(start_warm, authority, kind):
    with warm_origin(kind, authority) as origin:
        daemon = start_warm(origin)
        with calm(daemon, 0):
            assert len(origin.connections) == WARM
            answer = daemon.client().fetch(origin.url("/x"))
            assert answer["status"] == 200 and answer["connection"]["reused"]
            timing = answer["timing"]
            assert (timing["resolve"], timing["connect"], timing["tls"]) == (0, 0, 0)
            assert len(origin.connections) == WARM


@KINDS
def test_warming_asks_for_the_head_of_warm_path_and_nothing_else(start_warm, authority, kind):
    with warm_origin(kind, authority) as origin:
        daemon = start_warm(origin)
        daemon.client().fetch(origin.url("/x"))
        assert asked(origin) == [("HEAD", PATH)] * WARM + [("GET", "/x")]
        assert origin_row(daemon, origin)["handshakes_saved"] >= 1


@KINDS
def test_warm_connections_are_kept_across_idle_limits(start_warm, authority, kind):
    with warm_origin(kind, authority) as origin:
        daemon = start_warm(origin, idle_timeout="1s")
        with calm(daemon, 0):
            eventually(lambda: asked(origin).count(("HEAD", PATH)) >= 3 * WARM, 5,
                       lambda: f"only {asked(origin)}")
            await_warm(daemon, origin)
            answer = daemon.client().fetch(origin.url("/x"))
            assert answer["connection"]["reused"] and answer["timing"]["connect"] == 0


@pytest.mark.parametrize("kind", ["plain", "tls"])
def test_warm_connections_come_again_after_the_origin_restarts(start_warm, authority, kind):
    with warm_origin(kind, authority) as origin:
        port = origin.port
        daemon = start_warm(origin, failing_least="200ms")
    eventually(lambda: not connections_to(daemon, origin), 2, "they are gone")
    with warm_origin(kind, authority, port) as origin:
        await_warm(daemon, origin, 10)
        answer = daemon.client().fetch(origin.url("/x"))
        assert answer["status"] == 200 and answer["connection"]["reused"]


def test_warming_an_origin_that_is_not_there_harms_nobody(start_daemon, nginx):
    port = free_port()
    daemon = start_daemon({**warm(f"http://127.0.0.1:{port}"), "pool": {"failing_least": "200ms"}})
    with calm(daemon, offenders=1):
        assert daemon.client().fetch(nginx.url("/text"))["body"] == b"hello\n"
        assert daemon.client().refused(f"http://127.0.0.1:{port}/").code == 103
        with RawOrigin(says(None), port=port) as origin:
            await_warm(daemon, origin, 10)
            assert daemon.client().fetch(origin.url())["connection"]["reused"]


def test_a_burst_beyond_the_warm_ones_falls_back_to_them(start_warm):
    gate = Gate()

    def script(connection):
        while True:
            request = connection.read_request()
            if request.method != "HEAD":
                gate.wait(connection.origin)
            connection.write(response())

    with RawOrigin(script) as origin:
        daemon = start_warm(origin, idle_timeout="1s")
        client = daemon.client()
        ids = [client.send("fetch", {"url": origin.url("/x")}) for _ in range(6)]
        eventually(lambda: seen(origin, "/x") == 6, 5, "all are there")
        gate.open_for_all()
        assert sum(client.receive(each)["connection"]["reused"] for each in ids) == WARM
        await_warm(daemon, origin)


@pytest.mark.parametrize("section, key, said", [
    ('origin "localhost"', "warm", "origin"), ('origin "ftp://x"', "warm", "origin"),
    ('origin "http://x/path"', "warm", "origin"), ('origin "http://localhost"', "hot", "hot")], ids=str)
def test_a_wrong_origin_section_is_an_error_that_names_it(start_daemon, section, key, said):
    with pytest.raises(AssertionError) as failure:
        start_daemon({section: {key: "2"}})
    assert said in str(failure.value)


# ---- Origins that cannot be connected to ---------------------------------------------------------

def fail_three_times(client, url):
    for _ in range(3):
        assert client.refused(url).code == 103


def test_after_three_failed_connects_an_origin_is_not_tried_for_a_while(start_daemon):
    daemon = start_daemon({"pool": {"failing_least": "1s"}})
    port = free_port()
    url = f"http://127.0.0.1:{port}/"
    client = daemon.client()
    fail_three_times(client, url)
    with RawOrigin(port=port) as origin, calm(daemon, 0):
        client = daemon.client()
        with Stopwatch() as watch:
            error = client.refused(url)
        assert error.code == 103 and watch.seconds < 0.1 * scaled(1)
        assert any(unit in error.message for unit in ("ms", " s", "second")), error.message
        row = origin_row(daemon, origin)
        assert 0 < row["retry_in_ms"] <= 1000 and row["failed"] >= 3, row
        assert not origin.connections

        def gets_through():
            try:
                return client.fetch(url)["status"] == 200
            except Refused as error:
                assert error.code == 103
                return False

        with Stopwatch() as watch:
            eventually(gets_through, 3, "the origin is tried again")
        assert watch.seconds <= scaled(1.5)
        assert len(origin.connections) == 1
        row = origin_row(daemon, origin)
        assert row["retry_in_ms"] == 0
        assert [client.fetch(url)["status"] for _ in range(5)] == [200] * 5


def test_two_failed_connects_are_no_reason_to_wait(client):
    port = free_port()
    url = f"http://127.0.0.1:{port}/"
    for _ in range(2):
        assert client.refused(url).code == 103
    with RawOrigin(port=port):
        assert client.fetch(url)["status"] == 200


def test_the_pause_of_a_failing_origin_doubles_up_to_its_bound(start_daemon):
    daemon = start_daemon({"pool": {"failing_least": "100ms", "failing_most": "400ms"}})
    client = daemon.client()
    port = free_port()
    url = f"http://127.0.0.1:{port}/"
    fail_three_times(client, url)
    pauses = []
    for _ in range(5):
        row, = [row for row in daemon.ask("origins") if row["origin"].endswith(f":{port}")]
        pauses.append(row["retry_in_ms"])
        failed = row["failed"]

        def was_tried():
            client.refused(url)
            row, = [row for row in daemon.ask("origins") if row["origin"].endswith(f":{port}")]
            return row["retry_in_ms"] > 0 and row["failed"] > failed and self_tried(row, pauses[-1])

        def self_tried(row, before):
            """The pause has begun anew: it is longer than what can be left of the one before."""
            return row["retry_in_ms"] > before / 2 and time.monotonic() >= began + before / 1000

        began = time.monotonic()
        eventually(was_tried, 2, "tried again")
    assert all(0 < pause <= 400 for pause in pauses), pauses
    assert pauses[0] <= 100 < pauses[1] <= 200 < pauses[2], pauses


def test_a_failing_origin_is_no_other_origins_business(start_daemon, nginx):
    daemon = start_daemon({"pool": {"failing_least": "30s"}})
    client = daemon.client()
    fail_three_times(client, f"http://127.0.0.1:{free_port()}/")
    assert client.fetch(nginx.url("/text", nginx.PLAIN))["status"] == 200


def test_a_failing_origin_is_tried_by_one_request_at_a_time(start_daemon, authority):
    """Its first connection is held in the TLS handshake: nobody else opens one meanwhile."""
    daemon = start_daemon({"pool": {"failing_least": "300ms", "failing_most": "300ms"}})
    port = free_port()
    client = daemon.client()
    fail_three_times(client, f"https://localhost:{port}/")
    goes_on = threading.Event()

    def script(connection):
        assert goes_on.wait(scaled(20))
        connection.socket = connection.origin.context.wrap_socket(connection.socket, server_side=True)
        for _ in itertools.count():
            connection.write(response(body=connection.read_request().target.encode()))

    with RawOrigin(script, leaf=authority.server, handshake=False, port=port) as origin:
        ids = []

        def is_tried():
            ids.append(client.send("fetch", {"url": origin.url("/x", host="localhost")}))
            client.read_for(0.02)
            return origin.connections

        eventually(is_tried, 3, "the origin is tried again")
        late = [client.send("fetch", {"url": origin.url("/late", host="localhost")}) for _ in range(20)]
        assert daemon.ask("ping") == "pong"  # behind them: they have been read
        client.read_for(0.1)
        assert len(origin.connections) == 1
        goes_on.set()
        answers = [client.receive_message(each)[2:] for each in ids + late]
        assert all(error is None or error[0] == 103 for error, _ in answers), answers
        assert answers[len(ids) - 1][0] is None
        assert client.fetch(origin.url("/x", host="localhost"))["status"] == 200


# ---- What reuse has saved ------------------------------------------------------------------------

def test_an_origins_row_says_what_reuse_has_saved_and_how_long_the_phases_take(daemon, nginx):
    client = daemon.client()
    before = client.call("origins")
    count = 20
    for _ in range(count):
        client.fetch(nginx.url("/text", nginx.H1))
    row, = [row for row in client.call("origins") if row["origin"] == nginx.origin(nginx.H1)]
    assert not before and row["http"] == "1.1"
    assert row["requests"] == count and row["connections"] == row["idle"] == 1
    assert row["handshakes_saved"] == count - 1 and row["reuse_ratio"] == pytest.approx(0.95)
    assert row["ms_saved"] >= 0 and row["errors"] == {}
    for phase in ("first_byte", "total"):
        timing = row["timings"][phase]
        assert 0 < timing["p50"] <= timing["p90"] <= timing["p99"] < 10_000_000


def test_handshakes_saved_is_what_others_would_have_paid(daemon, authority):
    with StreamsOrigin(authority.server) as origin:
        client = daemon.client()
        for _ in range(10):
            client.fetch(origin.url("/x", host="localhost"))
        row = origin_row(daemon, origin)
        assert row["handshakes_saved"] == 9 and row["ms_saved"] > 0 and row["http"] == "2"
        assert daemon.stats()["ms_saved"] == row["ms_saved"]
