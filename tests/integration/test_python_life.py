"""
The Python client and a real daemon that stops, is stopped, dies and comes back: nothing that was not acted
on is lost, nothing is sent twice, and what hangs ends by its own deadline.
"""

import collections
import fcntl
import functools
import os
import signal
import struct
import termios
import threading

import pytest

from support.origin import RawOrigin, response
from support.python_client import LOOPS, NAME, InThread, descriptors_to, fetchpool, many, run_in
from support.timing import Stopwatch, eventually, scaled
from support.words_origin import words_origin


def arrivals(nginx, tag, least):
    """How often each token came to the origin."""
    lines = nginx.log_of(tag, least)
    return collections.Counter(line.target.partition("&")[2] for line in lines)


def unread(path):
    """Bytes that the clients of this process have written and the daemon has not read."""
    return sum(struct.unpack("i", fcntl.ioctl(number, termios.TIOCOUTQ, bytes(4)))[0]
               for number in descriptors_to(path))


def stop_and_wait(daemon):
    daemon.signal(signal.SIGSTOP)
    eventually(lambda: daemon.status_letter() == "T", 5, "it has stopped")


def end_suddenly(daemon, number=signal.SIGKILL):
    daemon.expected_exit = -number
    daemon.signal(number)
    daemon.signal(signal.SIGCONT)
    daemon.wait()


# ---- A daemon that hangs -------------------------------------------------------------------------

@pytest.mark.parametrize("take", [False, True], ids=["whole", "streamed"])
def test_l6_a_daemon_that_hangs_ends_the_request_by_its_own_deadline(ask, daemon, nginx, soon, take):
    assert ask.fetch(nginx.url("/text")).status == 200
    stop_and_wait(daemon)
    with Stopwatch() as watch:
        error = ask.error(nginx.url("/text"), take=take, timeout=0.1)
    daemon.signal(signal.SIGCONT)
    assert type(error) is fetchpool.MaybeProcessedTimeout and error.code == 902
    assert 0.3 <= watch.seconds < 0.3 + scaled(1)
    assert ask.fetch(nginx.url("/text")).status == 200
    eventually(lambda: daemon.stats()["in_flight"] == 0, 5, "nothing on its way")


def test_l6_a_first_request_to_a_daemon_that_hangs_ends_by_its_deadline(ask, daemon, nginx, soon, kind):
    stop_and_wait(daemon)
    error = ask.error(nginx.url("/text"), timeout=0.1)
    daemon.signal(signal.SIGCONT)
    assert error.code == (902 if kind == "sync" else 900)
    assert ask.fetch(nginx.url("/text")).status == 200


# ---- A daemon that dies --------------------------------------------------------------------------

def test_l3_what_has_reached_its_origin_when_the_daemon_dies_may_have_been_processed(
        path, start_daemon, asker, slow, gate):
    daemon = start_daemon(path=path)
    ask = asker(path)
    asking = InThread(ask.fetch, slow.url("/sent"), method="POST", body=b"once")
    slow.await_requests(1)
    with Stopwatch() as watch:
        end_suddenly(daemon)
        with pytest.raises(fetchpool.MaybeProcessed) as caught:
            asking.result()
    assert caught.value.code == 901 and watch.seconds < scaled(1)
    assert type(ask.error(slow.url("/none"))) is fetchpool.NoDaemon
    start_daemon(path=path)
    gate.open_for_all()
    assert ask.fetch(slow.url("/next"), method="POST").status == 200
    assert [request.target for request in slow.requests] == ["/sent", "/next"]


def test_l3_what_the_daemon_had_not_read_goes_to_the_next(path, listener, start_daemon, asker, slow, gate):
    """It is stopped first, so that it reads nothing; then who wrote to it learns that by the reset."""
    daemon = start_daemon(path=path, listener=listener)
    ask = asker(path)
    ask.call("ping")
    stop_and_wait(daemon)
    asking = InThread(ask.fetch, slow.url("/once"), method="POST", body=b"once")
    eventually(lambda: unread(path) > 0, 5, "it was written")
    end_suddenly(daemon)
    start_daemon(path=path, listener=listener)
    gate.open_for_all()
    assert asking.result().status == 200
    assert [request.target for request in slow.requests] == ["/once"]


def test_l3_what_the_daemon_had_not_read_was_not_sent(path, start_daemon, asker, slow):
    daemon = start_daemon(path=path)
    ask = asker(path)
    ask.call("ping")
    stop_and_wait(daemon)
    asking = InThread(ask.error, slow.url(), method="POST", body=b"once")
    eventually(lambda: unread(path) > 0, 5, "it was written")
    end_suddenly(daemon)
    error = asking.result()
    assert type(error) is fetchpool.NoDaemon and error.error_class == "not sent"
    assert slow.requests == []


# ---- A daemon that stops -------------------------------------------------------------------------

def test_l1_what_runs_at_a_stop_is_finished_and_what_comes_has_the_next(path, listener, start_daemon, asker,
                                                                       slow, gate, nginx):
    daemon = start_daemon(path=path, listener=listener)
    ask = asker(path)
    with words_origin() as origin:
        stream = ask.open(origin.url("/3000000/1"))
        running = InThread(ask.fetch, slow.url("/runs"), method="POST")
        slow.await_requests(1)
        daemon.signal(signal.SIGTERM)
        daemon.await_line("shutting down")
        next_one = start_daemon(path=path, listener=listener)
        assert ask.fetch(nginx.url("/text")).status == 200
        assert next_one.stats()["requests"] == 1
        gate.open_for_all()
        assert running.result().body == b"/runs"
        assert len(ask.read(stream)) == 3_000_000
    assert daemon.wait() == 0


def test_what_waits_for_its_turn_at_a_stop_goes_to_the_next(path, listener, start_daemon, asker, slow, gate):
    config = {"pool": {"connections_per_origin": 1}}
    daemon = start_daemon(config, path=path, listener=listener)
    ask = asker(path)
    asking = [InThread(ask.fetch, slow.url(f"/{number}"), method="POST") for number in range(3)]
    eventually(lambda: daemon.stats()["queued"] == 2, 5, "two wait")
    daemon.signal(signal.SIGTERM)
    daemon.await_line("shutting down")
    next_one = start_daemon(config, path=path, listener=listener)
    eventually(lambda: next_one.stats()["in_flight"] == 2, 5, "they have the next daemon")
    gate.open_for_all()
    assert sorted(each.result().body for each in asking) == [b"/0", b"/1", b"/2"]
    assert daemon.wait() == 0
    assert sorted(request.target for request in slow.requests) == ["/0", "/1", "/2"]


class Load:
    """Requests without end from threads and from loops, each with its token, until stop()."""

    def __init__(self, path, url):
        self.url, self.stopping = url, threading.Event()
        self.sent, self.failures = [], []
        self.count = 0
        self.blocking = fetchpool.Client(path, name=NAME)
        self.asynchronous = {loop: fetchpool.AsyncClient(path, name=NAME) for loop in LOOPS}
        self.threads = [InThread(self.ask, number) for number in range(3)]
        self.threads += [InThread(run_in, loop, self.ask_in, loop) for loop in LOOPS]

    def keys(self, number, turn):
        token = f"{number}-{turn}"
        self.sent.append(token)
        body = [None, b"x", iter([b"x"] * 3)][turn % 3]
        return {"request": self.url + token, "method": "POST", "body": body}

    def note(self, answer):
        self.count += 1
        if answer.status != 200:
            self.failures.append(answer)

    def ask(self, number):
        turn = 0
        while not self.stopping.is_set():
            try:
                self.note(self.blocking.fetch(**self.keys(number, turn)))
            except fetchpool.Error as error:
                self.failures.append(error)
            turn += 1

    async def ask_in(self, loop):
        async def ask(number):
            turn = 0
            while not self.stopping.is_set():
                try:
                    self.note(await self.asynchronous[loop].fetch(**self.keys(f"{loop}{number}", turn)))
                except fetchpool.Error as error:
                    self.failures.append(error)
                turn += 1

        async with self.asynchronous[loop]:
            await many(loop, [functools.partial(ask, number) for number in range(8)])

    def stop(self):
        self.stopping.set()
        for thread in self.threads:
            thread.result()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()
        self.blocking.close()


@pytest.mark.deadline(90)
def test_l2_restarts_behind_a_socket_that_stays_lose_nothing_and_double_nothing(path, listener,
                                                                               start_daemon, nginx, tag):
    daemon = start_daemon(path=path, listener=listener, log_level="info")
    with Load(path, nginx.url(f"/status/200?{tag}&", nginx.PLAIN)) as load:
        for _ in range(8):
            answered = load.count
            eventually(lambda: load.count > answered + 100, 10, "some load")
            assert daemon.stop() == 0
            daemon = start_daemon(path=path, listener=listener, log_level="info")
        answered = load.count
        eventually(lambda: load.count > answered + 100, 10, "some load")
    assert load.failures == []
    assert arrivals(nginx, tag, len(load.sent)) == collections.Counter(load.sent)


@pytest.mark.deadline(90)
def test_l3_a_daemon_that_is_killed_under_load_doubles_nothing_and_says_what_it_had(path, listener,
                                                                                   start_daemon, nginx, tag):
    daemon = start_daemon(path=path, listener=listener, log_level="info")
    with Load(path, nginx.url(f"/status/200?{tag}&", nginx.PLAIN)) as load:
        for _ in range(4):
            answered = load.count
            eventually(lambda: load.count > answered + 100, 10, "some load")
            end_suddenly(daemon)
            daemon = start_daemon(path=path, listener=listener, log_level="info")
        answered = load.count
        eventually(lambda: load.count > answered + 100, 10, "some load")
    assert {(type(error), error.code) for error in load.failures} <= {(fetchpool.MaybeProcessed, 901)}
    came = arrivals(nginx, tag, load.count)
    assert {token: count for token, count in came.items() if count > 1} == {}
    assert load.count <= len(came) <= len(load.sent) == load.count + len(load.failures)


# ---- Once and only once --------------------------------------------------------------------------

def test_o2_a_post_whose_origin_leaves_is_sent_once_and_a_get_again(ask):
    def leaves_when_reused(connection):
        connection.read_request()
        connection.write(response(body=b"first"))
        connection.read_request()

    with RawOrigin(leaves_when_reused) as origin:
        assert ask.fetch(origin.url("/warm")).status == 200
        error = ask.error(origin.url("/post"), method="POST", body=b"once")
        assert type(error) is fetchpool.MaybeProcessed and error.code == 201
        assert ask.fetch(origin.url("/warm")).status == 200
        assert ask.fetch(origin.url("/get")).body == b"first"
        targets = [request.target for request in origin.requests]
    assert targets == ["/warm", "/post", "/warm", "/get", "/get"]


# ---- Processes that end --------------------------------------------------------------------------

def test_a_process_that_is_killed_leaves_nothing_behind(daemon, slow):
    pid = os.fork()
    if pid == 0:
        try:
            fetchpool.Client(daemon.path, name=NAME).fetch(slow.url())
        finally:
            os._exit(1)
    slow.await_requests(1)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    eventually(lambda: daemon.stats()["in_flight"] == 0, 5, "nothing on its way")
    assert NAME not in [row["name"] for row in daemon.ask("clients")]
