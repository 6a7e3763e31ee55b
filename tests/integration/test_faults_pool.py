"""
The rows about pooled connections: what dies under a request, what ages, what says
something unasked. Counted at the origin, with the witness beside each and the calm after it.
"""

import collections
import itertools
import random
import select
import signal
import threading
from contextlib import nullcontext

import pytest

from support.calm import calm
from support.counting import (INTERNAL_ERROR, LAST_OF_ALL, REFUSED_STREAM, Gate, StreamsOrigin,
                              seen, sessions_of)
from support.many import Many, errors_of
from support.origin import Gone, RawOrigin, response
from support.ports import free_port
from support.timing import eventually, scaled
from support.tuned_nginx import TunedNginx
from support.witness import Witness


@pytest.fixture
def witness(nginx):
    return lambda daemon: Witness(daemon, nginx.url("/files/small"), nginx.file("small"))


def connections_to(daemon, origin):
    return [row for row in daemon.connections() if row["origin"].endswith(f":{origin.port}")]


def await_no_connection_to(daemon, origin, seconds=2):
    eventually(lambda: not connections_to(daemon, origin), seconds,
               lambda: f"still pooled: {connections_to(daemon, origin)}")


# ---- O1, O2: a reset on a reused connection ------------------------------------------------------

def die_on(target):
    """The first request for the target, if it comes over a connection that was used before."""
    is_over = threading.Event()

    def script(connection):
        for count in itertools.count():
            request = connection.read_request()
            if request.target == target and count > 0 and not is_over.is_set():
                is_over.set()
                connection.reset()
                return
            connection.write(response(body=request.target.encode()))

    return script


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
def test_o1_a_get_whose_reused_connection_is_reset_is_sent_again_in_silence(daemon, authority,
                                                                           witness, tls):
    options = {"leaf": authority.server} if tls else {}
    with RawOrigin(die_on("/target"), **options) as origin, calm(daemon, 0), witness(daemon):
        client = daemon.client()
        client.fetch(origin.url("/warm"))
        answer = client.fetch(origin.url("/target"))
        assert (answer["status"], answer["body"]) == (200, b"/target")
        assert not answer["connection"]["reused"]
        assert seen(origin, "/target") == 2
        assert daemon.stats()["retries"] == 1


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
def test_o2_a_post_whose_reused_connection_is_reset_is_seen_once_and_201(daemon, authority, witness,
                                                                        tls):
    options = {"leaf": authority.server} if tls else {}
    with RawOrigin(die_on("/target"), **options) as origin, calm(daemon, 0), witness(daemon):
        client = daemon.client()
        client.fetch(origin.url("/warm"))
        assert client.refused(origin.url("/target"), method="POST", body=b"once").code == 201
        assert client.fetch(origin.url("/after"))["body"] == b"/after"
        assert seen(origin, "/target") == 1
        assert daemon.stats()["retries"] == 0


def test_o1_idle_connections_that_all_die_cost_no_get_and_double_no_post(daemon, witness):
    """Twenty; each is reset by the request that it gets."""
    gate = Gate()

    def script(connection):
        target = connection.read_request().target
        gate.wait(connection.origin)
        connection.write(response(body=target.encode()))
        request = connection.read_request()
        if connection.number < 20:
            connection.reset()
            return
        while True:
            connection.write(response(body=request.target.encode()))
            request = connection.read_request()

    with RawOrigin(script) as origin, calm(daemon, 0), witness(daemon):
        client = daemon.client()
        many = Many([client])
        warm = [client.send("fetch", {"url": origin.url("/warm")}) for _ in range(20)]
        origin.await_connections(20)
        gate.open_for_all()
        for each in warm:
            client.receive(each)
        kinds = [("GET", f"/get{number}") for number in range(200)]
        kinds += [("POST", f"/post{number}") for number in range(10)]
        answers = many.run([{"url": origin.url(target), "method": method} for method, target in kinds],
                           at_once=4)  # a fifth of the requests so far may be sent again
        for (method, target), answer in zip(kinds, answers):
            if method == "GET":
                assert getattr(answer, "code", 200) == 200 and answer["body"] == target.encode()
                assert seen(origin, target) <= 3
            else:
                assert seen(origin, target) <= 1


# ---- O3: a keep-alive of 1 s, and requests around that second ------------------------------------

KEEP_ALIVE = 1.0
SLOWNESS = 0.3  # of the origin, so that requests of a burst need a connection each


def close_after_a_second(fields):
    """An origin that closes a connection when it has been idle for exactly a second."""
    slow = threading.Event()

    def script(connection):
        while True:
            connection.socket.settimeout(KEEP_ALIVE)  # a timeout of recv() ends the script
            request = connection.read_request()
            connection.socket.settimeout(None)
            slow.wait(SLOWNESS)
            connection.write(response(body=request.target.encode(), headers=fields))

    return script


def bursts(origin, count, size, spread, gap):
    """
    Requests and when they are due: so many bursts, each over `spread` seconds, a `gap` after the
    answers to the one before. A connection's idle time is between `gap` and `gap + 2 * spread`:
    the one used last is used first.
    """
    generator = random.Random("o3")
    requests, due = [], []
    period = spread + SLOWNESS + gap
    for burst in range(count):
        for number in range(size):
            target = f"/{burst}-{number}"
            method = generator.choice(["GET", "POST"])
            requests.append({"url": origin.url(target), "method": method})
            due.append(burst * period + number * spread / size)
    return requests, due


def run_around_the_second(start_daemon, fields, count, size, beside=lambda daemon: nullcontext()):
    daemon = start_daemon({"pool": {"connections_per_origin": "2000"},
                           "limits": {"running_per_origin": "2000"}})
    with RawOrigin(close_after_a_second(fields), backlog=2048) as origin, calm(daemon, 0), \
            beside(daemon):
        requests, due = bursts(origin, count, size, spread=0.3, gap=0.7)
        answers = Many([daemon.client() for _ in range(5)]).run(requests, due=due)
        targets = collections.Counter(request.target for request in origin.requests)
        for request, answer in zip(requests, answers):
            target = request["url"].rsplit(":", 1)[1].split("/", 1)[1]
            if request["method"] == "GET":
                assert getattr(answer, "code", 200) == 200, f"{target}: {answer!r}"
                assert answer["body"] == b"/" + target.encode()
            else:
                assert targets["/" + target] <= 1, f"{target} came {targets['/' + target]} times"
        reused = sum(answer["connection"]["reused"] for answer in answers
                     if not isinstance(answer, Exception))
        assert reused > 0, "nothing was ever reused"
        return [error for error in errors_of(answers)]


FIELDS = pytest.mark.parametrize(
    "fields", [(), (("Keep-Alive", "timeout=1"),)], ids=["silent", "said"])


@FIELDS
def test_o3_requests_around_the_second_after_which_the_origin_closes(start_daemon, witness, fields):
    run_around_the_second(start_daemon, fields, count=4, size=50, beside=witness)


@pytest.mark.long
@pytest.mark.deadline(120)
@FIELDS
def test_o3_ten_thousand_requests_around_that_second(start_daemon, fields):
    """Without a witness: the origin's 500 threads would starve it on a small machine."""
    errors = run_around_the_second(start_daemon, fields, count=20, size=500)
    assert len(errors) <= 50, f"{len(errors)} POSTs failed, as {errors[0]}"


# ---- Show it: nginx that closes after so many requests -------------------------------------------

@pytest.mark.long
@pytest.mark.deadline(120)
@pytest.mark.parametrize("server, per_connection", [(TunedNginx.H1, 3), (TunedNginx.H2, 20)])
def test_ten_thousand_requests_to_an_nginx_that_closes_after_a_few(daemon, authority, witness, server,
                                                                  per_connection):
    keep = "keepalive_requests {};".format
    with TunedNginx(authority, h1=keep(3), h2=keep(20)) as tuned, calm(daemon, 0), witness(daemon):
        requests = [{"url": tuned.url(f"/{number}", server)} for number in range(10_000)]
        answers = Many([daemon.client() for _ in range(4)]).run(requests, at_once=100)
        errors = errors_of(answers)
        assert not errors, f"{len(errors)} errors, as {errors[0]}"
        assert {answer["status"] for answer in answers} == {200}
        assert [answer["body"] for answer in answers] == [b"/%d" % n for n in range(10_000)]
        assert 10_000 / per_connection <= tuned.connections(server) <= 10_000 / per_connection * 1.5


@pytest.mark.parametrize("server", [TunedNginx.H1, TunedNginx.H2])
def test_posts_to_an_nginx_that_closes_after_a_few_are_all_answered_once(daemon, authority, server):
    """It says so before it closes: by `Connection: close`, or by GOAWAY."""
    with TunedNginx(authority, h1="keepalive_requests 3;", h2="keepalive_requests 20;") as tuned:
        requests = [{"url": tuned.url(f"/{number}", server), "method": "POST"} for number in range(500)]
        answers = Many([daemon.client()]).run(requests, at_once=50)
        errors = errors_of(answers)
        assert not errors, f"{len(errors)} errors, as {errors[0]}"
        eventually(lambda: len(tuned.log(server)) == 500, 5, "nginx has logged them")
        assert len({line[3] for line in tuned.log(server)}) == 500


# ---- O7: GOAWAY with streams in flight -----------------------------------------------------------

IN_FLIGHT = 6


def send_six(client, origin, prefix="/stream"):
    """GETs and POSTs by turns, in flight over one connection: their ids, in order."""
    client.fetch(origin.url("/warm", host="localhost"))
    methods = ["GET", "POST"] * (IN_FLIGHT // 2)
    return [client.send("fetch", {"url": origin.url(f"{prefix}{number}", host="localhost"),
                                  "method": method}) for number, method in enumerate(methods)]


class GoAwayScript:
    """
    What comes over the first connection waits; the test then says GOAWAY and which of it runs on.
    Whatever comes over a later connection is answered.
    """

    def __init__(self):
        self.decided = threading.Event()
        self.last = LAST_OF_ALL

    def __call__(self, arrival):
        origin = arrival.origin
        arrival.read_all()
        if arrival.connection.number == 0 and arrival.target != "/warm":
            assert self.decided.wait(scaled(10))
            if arrival.stream > self.last:
                return  # not processed, and nothing is said about it
        origin.process(arrival)
        origin.reply(arrival, arrival.target.encode())


def test_o7_streams_beyond_goaways_last_id_are_sent_again_and_those_up_to_it_finish(
        daemon, authority, witness):
    script = GoAwayScript()
    with StreamsOrigin(authority.server, script) as origin, calm(daemon, 0), witness(daemon):
        client = daemon.client()
        ids = send_six(client, origin)
        origin.await_arrivals(1 + IN_FLIGHT)
        session, = sessions_of(origin)
        streams = sorted(arrival.stream for arrival in origin.arrivals)
        script.last = streams[3]  # /warm and three more
        origin.go_away(session, script.last)
        script.decided.set()
        answers = [client.receive(each) for each in ids]
        assert [answer["body"] for answer in answers] == [b"/stream%d" % n for n in range(IN_FLIGHT)]
        for number in range(IN_FLIGHT):
            assert origin.processed_as(f"/stream{number}") == 1
        over = collections.Counter(name[0] for name in origin.processed)
        assert over[0] == 4 and over[1] == IN_FLIGHT - 3, over
        assert daemon.stats()["retries"] == IN_FLIGHT - 3


@pytest.mark.parametrize("say", ["the last of all", "nothing but the end"])
def test_o7_without_a_last_id_gets_are_sent_again_and_posts_are_201(daemon, authority, witness, say):
    """The origin took them all for its own, and is gone."""
    holds = threading.Event()

    def script(arrival):
        arrival.read_all()
        arrival.origin.process(arrival)
        if arrival.connection.number == 0 and arrival.target != "/warm":
            holds.wait(scaled(10))
            return
        arrival.origin.reply(arrival, arrival.target.encode())

    with StreamsOrigin(authority.server, script) as origin, calm(daemon, 0), witness(daemon):
        client = daemon.client()
        ids = send_six(client, origin)
        origin.await_processed(1 + IN_FLIGHT)
        session, = sessions_of(origin)
        if say == "the last of all":
            origin.go_away(session)
        session.do(session.lose)
        holds.set()
        for number, each in enumerate(ids):
            error, result = client.receive_message(each)[2:]
            if number % 2 == 0:
                assert error is None and result["body"] == b"/stream%d" % number
                assert origin.processed_as(f"/stream{number}") == 2
            else:
                assert error is not None and error[0] in (201, 202), (error, result)
                assert origin.processed_as(f"/stream{number}") == 1


def test_o7_what_is_asked_after_a_goaway_goes_over_a_new_connection(daemon, authority, witness):
    script = GoAwayScript()
    with StreamsOrigin(authority.server, script) as origin, calm(daemon, 0), witness(daemon):
        client = daemon.client()
        ids = send_six(client, origin)
        origin.await_arrivals(1 + IN_FLIGHT)
        origin.go_away(sessions_of(origin)[0])
        client.read_for(0.1)
        assert not client.fetch(origin.url("/new", host="localhost"))["connection"]["reused"]
        script.decided.set()
        for number, each in enumerate(ids):
            assert client.receive(each)["body"] == b"/stream%d" % number
            assert origin.processed_as(f"/stream{number}") == 1
        assert origin.processed_as("/new") == 1


# ---- O9: an origin that allows few streams -------------------------------------------------------

@pytest.mark.parametrize("per_origin", [1, 3])
def test_o9_one_stream_at_a_time_is_queued_by_us(start_daemon, authority, witness, per_origin):
    daemon = start_daemon({"pool": {"connections_per_origin": per_origin}})
    with StreamsOrigin(authority.server, max_streams=1) as origin, calm(daemon, 0), witness(daemon):
        requests = [{"url": origin.url(f"/{number}", host="localhost"),
                     "method": "POST" if number % 2 else "GET"} for number in range(60)]
        answers = Many([daemon.client()]).run(requests, at_once=60)
        assert not errors_of(answers), errors_of(answers)[0]
        assert [answer["body"] for answer in answers] == [b"/%d" % n for n in range(60)]
        for number in range(60):
            assert origin.processed_as(f"/{number}") == 1
        assert len(origin.connections) <= per_origin
        assert set(origin.most_at_once.values()) == {1}


def test_o9_what_waits_for_the_one_stream_is_to_be_seen(start_daemon, authority):
    gate = Gate()

    def script(arrival):
        gate.wait(arrival.origin)
        arrival.origin.reply(arrival, b"done")

    daemon = start_daemon({"pool": {"connections_per_origin": "1"}})
    with StreamsOrigin(authority.server, script, max_streams=1) as origin, calm(daemon, 0):
        client = daemon.client()
        ids = [client.send("fetch", {"url": origin.url(host="localhost")}) for _ in range(5)]
        origin.await_arrivals(1)
        eventually(lambda: daemon.stats()["queued"] == 4, 5, lambda: daemon.stats()["queued"])
        gate.open_for_all()
        assert [client.receive(each)["body"] for each in ids] == [b"done"] * 5
        assert daemon.stats()["queued"] == 0


def test_o9_the_limit_is_lowered_while_streams_run(start_daemon, authority, witness):
    gate = Gate()

    def script(arrival):
        arrival.read_all()
        gate.wait(arrival.origin)
        arrival.origin.process(arrival)
        arrival.origin.reply(arrival, arrival.target.encode())

    daemon = start_daemon({"pool": {"connections_per_origin": "1"}})
    with StreamsOrigin(authority.server, script, max_streams=10) as origin, calm(daemon, 0), \
            witness(daemon):
        client = daemon.client()
        gate.open()
        client.fetch(origin.url("/warm", host="localhost"))  # its settings have been read
        ids = [client.send("fetch", {"url": origin.url(f"/{number}", host="localhost")})
               for number in range(40)]
        origin.await_arrivals(11)
        origin.set_max_streams(sessions_of(origin)[0], 1)
        origin.most_at_once.clear()
        gate.open_for_all()
        assert [client.receive(each)["body"] for each in ids] == [b"/%d" % n for n in range(40)]
        assert [origin.processed_as(f"/{number}") for number in range(40)] == [1] * 40
        assert len(origin.connections) == 1


def test_o9_the_limit_is_raised_while_requests_wait(start_daemon, authority):
    gate = Gate()

    def script(arrival):
        gate.wait(arrival.origin)
        arrival.origin.reply(arrival, b"done")

    daemon = start_daemon({"pool": {"connections_per_origin": "1"}})
    with StreamsOrigin(authority.server, script, max_streams=1) as origin, calm(daemon, 0):
        client = daemon.client()
        ids = [client.send("fetch", {"url": origin.url(host="localhost")}) for _ in range(10)]
        origin.await_arrivals(1)
        origin.set_max_streams(sessions_of(origin)[0], 10)
        gate.open()  # at the latest with an answer the daemon looks again
        origin.await_arrivals(10)
        gate.open_for_all()
        assert [client.receive(each)["body"] for each in ids] == [b"done"] * 10


def test_o9_a_real_server_that_allows_one_stream(start_daemon, authority, witness):
    daemon = start_daemon({"pool": {"connections_per_origin": "2"}})
    with TunedNginx(authority, h2="http2_max_concurrent_streams 1;") as tuned, calm(daemon, 0), \
            witness(daemon):
        requests = [{"url": tuned.url(f"/{number}", tuned.H2), "method": "POST" if number % 2 else "GET"}
                    for number in range(200)]
        answers = Many([daemon.client()]).run(requests, at_once=100)
        assert not errors_of(answers), errors_of(answers)[0]
        assert [answer["body"] for answer in answers] == [b"/%d" % n for n in range(200)]


# ---- Bytes that nobody asked for -----------------------------------------------------------------

FAKE = b"these bytes belong to nobody"
STRAY = {
    "a 408": response(408, FAKE),
    "a 408 with close": response(408, FAKE, [("Connection", "close")]),
    "a whole response": response(200, FAKE),
    "two responses": response(200, FAKE) * 2,
    "half a head": b"HTTP/1.1 200 OK\r\nX-Fake: ",
    "an interim response": b"HTTP/1.1 100 Continue\r\n\r\n",
    "one byte": b"H",
    "a line end": b"\r\n",
}
STRAYS = pytest.mark.parametrize("stray", STRAY.values(), ids=STRAY.keys())
TLS = pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
THEN = pytest.mark.parametrize("then_close", [False, True], ids=["stays", "closes"])


def say_unasked(said, stray, then_close):
    """The first connection, when the test says so, speaks out of turn."""

    def script(connection):
        connection.write(response(body=connection.read_request().target.encode()))
        if connection.number == 0:
            assert said.wait(scaled(10))
            connection.write(stray)
            if then_close:
                return
        while True:
            connection.write(response(body=connection.read_request().target.encode()))

    return script


def assert_own_answer(answer, target):
    assert (answer["status"], answer["body"]) == (200, target)
    assert not any("fake" in name.lower() for name, _ in answer["headers"])


@STRAYS
@TLS
@THEN
def test_stray_bytes_on_an_idle_connection_end_it_before_a_request_meets_them(
        daemon, authority, stray, tls, then_close):
    said = threading.Event()
    options = {"leaf": authority.server} if tls else {}
    with RawOrigin(say_unasked(said, stray, then_close), **options) as origin, calm(daemon, 0):
        client = daemon.client()
        assert_own_answer(client.fetch(origin.url("/first")), b"/first")
        assert len(connections_to(daemon, origin)) == 1
        said.set()
        await_no_connection_to(daemon, origin)
        for target in ("/second", "/third"):
            answer = client.fetch(origin.url(target), method="POST")
            assert_own_answer(answer, target.encode())
        assert seen(origin, "/second") == 1 and len(origin.connections) == 2
        assert len(origin.connections[0].requests) == 1


@STRAYS
@TLS
def test_stray_bytes_that_come_with_an_answer_reach_nobody(daemon, authority, stray, tls):
    def script(connection):
        while True:
            request = connection.read_request()
            extra = stray if connection.number == 0 else b""
            connection.write(response(body=request.target.encode()) + extra)

    options = {"leaf": authority.server} if tls else {}
    with RawOrigin(script, **options) as origin, calm(daemon, 0):
        client = daemon.client()
        for number in range(5):
            answer = client.fetch(origin.url(f"/{number}"))
            assert_own_answer(answer, b"/%d" % number)
        assert len(origin.connections[0].requests) == 1


@STRAYS
@TLS
def test_stray_bytes_that_came_just_before_a_request_end_the_connection_too(daemon, authority, stray,
                                                                           tls):
    """Stopped meanwhile, the daemon finds both at once: the bytes and the request."""
    said, wrote = threading.Event(), threading.Event()

    def script(connection):
        connection.write(response(body=connection.read_request().target.encode()))
        if connection.number == 0:
            assert said.wait(scaled(10))
            connection.write(stray)
            wrote.set()
        while True:
            connection.write(response(body=connection.read_request().target.encode()))

    options = {"leaf": authority.server} if tls else {}
    with RawOrigin(script, **options) as origin, calm(daemon, 0):
        client = daemon.client()
        client.fetch(origin.url("/first"))
        daemon.signal(signal.SIGSTOP)
        try:
            said.set()
            assert wrote.wait(scaled(5))
            request = client.send("fetch", {"url": origin.url("/second"), "method": "POST"})
        finally:
            daemon.signal(signal.SIGCONT)
        assert_own_answer(client.receive(request), b"/second")
        assert_own_answer(client.fetch(origin.url("/third")), b"/third")
        assert seen(origin, "/second") == 1
        assert len(origin.connections[0].requests) == 1


@TLS
def test_an_idle_connection_that_the_origin_closes_is_gone_within_two_seconds(daemon, authority, tls):
    gate = Gate()

    def script(connection):
        target = connection.read_request().target.encode()
        gate.wait(connection.origin)
        connection.write(response(body=target))
        connection.origin.released.wait(scaled(10))

    options = {"leaf": authority.server} if tls else {}
    with RawOrigin(script, **options) as origin, calm(daemon, 0):
        client = daemon.client()
        ids = [client.send("fetch", {"url": origin.url("/x")}) for _ in range(5)]
        origin.await_requests(5)
        gate.open_for_all()
        for each in ids:
            client.receive(each)
        assert len(connections_to(daemon, origin)) == 5
        origin.release()
        await_no_connection_to(daemon, origin)


def test_an_idle_connection_that_the_origin_resets_is_gone_within_two_seconds(daemon):
    said = threading.Event()

    def script(connection):
        connection.write(response(body=connection.read_request().target.encode()))
        said.wait(scaled(10))
        connection.reset()

    with RawOrigin(script) as origin, calm(daemon, 0):
        client = daemon.client()
        client.fetch(origin.url())
        said.set()
        await_no_connection_to(daemon, origin)


def test_an_idle_h2_connection_that_the_origin_ends_is_gone_within_two_seconds(daemon, authority):
    with StreamsOrigin(authority.server) as origin, calm(daemon, 0):
        client = daemon.client()
        client.fetch(origin.url("/x", host="localhost"))
        origin.go_away(sessions_of(origin)[0])
        await_no_connection_to(daemon, origin)
        assert client.fetch(origin.url("/y", host="localhost"), method="POST")["body"] == b"/y"
        assert origin.processed_as("/y") == 1


# ---- Every error is in the right class -----------------------------------------------------------
#
# Each way in which an origin can fail, on a first and on a reused connection. It fails every time.
# What the origin counts: requests that it has read whole, and has not disclaimed.

def peek(connection):
    """Waits for the first byte of a request without reading it."""
    assert select.select([connection.socket], [], [], scaled(10))[0]


def close_unread(connection):
    peek(connection)  # with bytes unread, the kernel sends a reset


def close_read(connection):
    connection.read_request()


def reset_read(connection):
    connection.read_request()
    connection.reset()


def half_a_head(connection):
    connection.read_request()
    connection.write(b"HTTP/1.1 200 OK\r\nContent-Le")


def half_a_body(connection):
    connection.read_request()
    connection.write(response(body=bytes(1000))[:-1])


def garbage(connection):
    connection.read_request()
    connection.write(b"220 mail.example.com ESMTP\r\n")


def closing_before_anything(connection):
    """On a first connection only: nothing is read, and nobody waited for."""


H1_FAILURES = {  # the codes that may be reported
    "closes at once": (closing_before_anything, {103, 104, 109, 201}),
    "resets unread": (close_unread, {109, 201}),
    "closes after reading": (close_read, {201}),
    "resets after reading": (reset_read, {201}),
    "half a head": (half_a_head, {201, 202, 203}),
    "half a body": (half_a_body, {202}),
    "garbage": (garbage, {203}),
}

METHODS = pytest.mark.parametrize("method", ["GET", "POST"])
FIRST = pytest.mark.parametrize("is_reused", [False, True], ids=["first", "reused"])
RETRY = pytest.mark.parametrize("retry", ["never", "safe"])
MOST = 3  # the first and two more


def assert_class_agrees(error, processed, method, codes):
    assert error.code in codes, error
    if 100 <= error.code <= 199:
        assert processed == 0, f"{error}, but the origin has processed {processed}"
    assert processed <= (MOST if method == "GET" else 1), f"{processed} for one {method}"


@pytest.mark.parametrize("script, codes", H1_FAILURES.values(), ids=H1_FAILURES.keys())
@METHODS
@FIRST
@RETRY
@TLS
def test_every_error_over_http_1_1_is_in_the_class_that_the_origin_counted(
        daemon, authority, script, codes, method, is_reused, retry, tls):
    if is_reused and script is closing_before_anything:
        pytest.skip("that is a connection which was never used")

    def fail(connection):
        if is_reused and connection.number == 0:
            connection.read_request()
            connection.write(response())
        script(connection)

    options = {"leaf": authority.server} if tls else {}
    with RawOrigin(fail, **options) as origin:
        client = daemon.client()
        if is_reused:
            client.fetch(origin.url("/warm"))
        error = client.refused(origin.url("/target"), method=method, retry=retry)
        assert_class_agrees(error, seen(origin, "/target"), method, codes)
        if retry == "never":
            assert len(origin.connections) == 1 and seen(origin, "/target") <= 1


@METHODS
@RETRY
def test_a_refused_connection_is_in_the_class_not_sent(client, method, retry):
    error = client.refused(f"http://127.0.0.1:{free_port()}/", method=method, retry=retry)
    assert error.code == 103


@METHODS
@RETRY
@pytest.mark.parametrize("how", ["reset", "close", "garbage"])
def test_a_tls_handshake_that_fails_is_in_the_class_not_sent(client, authority, method, retry, how):
    def script(connection):
        connection.socket.recv(100)
        if how == "reset":
            connection.reset()
        elif how == "garbage":
            connection.write(b"this is no TLS")

    with RawOrigin(script, leaf=authority.server, handshake=False) as origin:
        error = client.refused(origin.url(host="localhost"), method=method, retry=retry)
        assert error.code in (103, 104) and not origin.requests


def h2_reset(code):
    def script(arrival):
        arrival.read_all()
        if code != REFUSED_STREAM:
            arrival.origin.process(arrival)
        arrival.origin.reset(arrival, code)

    return script


def hang_up():
    raise Gone


def h2_go_away(is_processed):
    """GOAWAY beyond which the stream is, or which says that it was taken; then the end."""

    def script(arrival):
        arrival.read_all()
        if is_processed:
            arrival.origin.process(arrival)
        last = arrival.stream if is_processed else max(arrival.stream - 2, 0)
        arrival.origin.go_away(arrival.session, last)
        arrival.session.do(hang_up)

    return script


def h2_lost(arrival):
    arrival.read_all()
    arrival.origin.process(arrival)
    arrival.lose()


def h2_half_a_body(arrival):
    arrival.read_all()
    arrival.origin.process(arrival)
    arrival.start(200, [("content-length", "1000")])
    arrival.send(bytes(500))
    arrival.origin.reset(arrival, INTERNAL_ERROR)


H2_FAILURES = {
    "refused stream": (h2_reset(REFUSED_STREAM), {109}),
    "internal error": (h2_reset(INTERNAL_ERROR), {201, 203}),
    "goaway before it": (h2_go_away(False), {109}),
    "goaway after it": (h2_go_away(True), {201}),
    "lost": (h2_lost, {201}),
    "half a body": (h2_half_a_body, {202}),
}


@pytest.mark.parametrize("script, codes", H2_FAILURES.values(), ids=H2_FAILURES.keys())
@METHODS
@FIRST
@RETRY
def test_every_error_over_http_2_is_in_the_class_that_the_origin_counted(
        daemon, authority, script, codes, method, is_reused, retry):
    def fail(arrival):
        if arrival.target == "/warm":
            arrival.origin.reply(arrival)
        else:
            script(arrival)

    with StreamsOrigin(authority.server, fail) as origin:
        client = daemon.client()
        if is_reused:
            client.fetch(origin.url("/warm", host="localhost"))
        error = client.refused(origin.url("/target", host="localhost"), method=method, retry=retry)
        assert_class_agrees(error, origin.processed_as("/target"), method, codes)
        arrived = sum(arrival.target == "/target" for arrival in origin.arrivals)
        assert arrived == 1 if retry == "never" else arrived <= MOST
