"""Rows L1, L3 and L9 of the faults, and a restart without loss: what its clients notice of a daemon's end."""

import collections
import os
import re
import signal
import socket
import threading
import time

import pytest

from support.client import request_bytes
from support.origin import RawOrigin, response
from support.timing import SANITIZED, eventually, scaled
from support.tokens import NOT_SENT, Tokens


@pytest.fixture
def tokens(nginx, path, tag):
    """Clients of a daemon at `path`, whose requests an nginx counts."""
    with Tokens(path, nginx.url(f"/status/200?{tag}&", nginx.PLAIN), path.parent) as tokens:
        yield tokens


def start_all(tokens):
    """Of each kind some: eight processes."""
    for at_once in (0, 0, 1, 64):
        tokens.start_library(at_once)
    for _ in range(2):
        tokens.start_command()
    for at_once in (1, 64):
        tokens.start_raw(at_once)
    tokens.await_begun()


def arrivals(nginx, tag, least):
    """How often each token came to the origin."""
    lines = nginx.log_of(tag, least)
    return collections.Counter(line.target.partition("&")[2] for line in lines)


# ---- L1 ------------------------------------------------------------------------------------------

REQUESTS = 3000


def in_class_not_sent(fate):
    """Of the library and the raw client: code, class, text; of the command its exit code."""
    code, *rest = fate.split()
    return int(rest[0]) == NOT_SENT if rest else code in ("120", "122")


def test_l1_what_runs_at_a_stop_finishes_and_the_rest_was_not_sent(start_daemon, nginx, slow, gate,
                                                                   path, tokens, tag):
    daemon = start_daemon(path=path)
    client = daemon.client()
    running = [client.send("fetch", {"url": slow.url(f"/{n}"), "method": "POST"}) for n in range(4)]
    slow.await_requests(4)
    start_all(tokens)
    start, before = time.monotonic(), daemon.stats()["requests"]
    eventually(lambda: daemon.stats()["requests"] >= before + REQUESTS, 20, "some load")
    rate = REQUESTS / (time.monotonic() - start)
    daemon.signal(signal.SIGTERM)
    daemon.await_line("shutting down")
    gate.open_for_all()
    assert [client.receive(each)["status"] for each in running] == [200] * 4
    assert daemon.wait() == 0
    fates = tokens.stop()
    came = arrivals(nginx, tag, len(fates.succeeded()))
    assert SANITIZED or rate > 500, f"only {rate:.0f} requests a second"  # 1,000, where it is quiet
    assert len(fates) >= 8 and all(map(in_class_not_sent, fates.values())), fates
    assert came == collections.Counter(fates.succeeded())
    assert len(slow.requests) == 4


def stop_and_wait(daemon):
    daemon.signal(signal.SIGSTOP)
    eventually(lambda: daemon.status_letter() == "T", 5, "it has stopped")


@pytest.mark.parametrize("count", [1, 1000])
def test_l1_all_that_was_written_before_the_end_is_answered(start_daemon, count):
    """What runs ends in the same turn of the loop in which more comes than one turn takes."""
    go, gone = threading.Event(), threading.Event()

    def answer_late(connection):
        connection.read_request()
        go.wait()
        connection.write(response(body=b"late"))
        gone.set()

    daemon = start_daemon()
    client, other = daemon.client(), daemon.client()
    with RawOrigin(answer_late) as origin:
        running = client.send("fetch", {"url": origin.url()})
        origin.await_requests(1)
        daemon.signal(signal.SIGTERM)
        daemon.await_line("shutting down")
        stop_and_wait(daemon)
        ids = range(1, count + 1)
        other.write(b"".join(request_bytes(each, "fetch", {"url": origin.url("/more")})
                             for each in ids))
        go.set()
        assert gone.wait(scaled(5))
        daemon.signal(signal.SIGCONT)
        assert client.receive(running)["body"] == b"late"
        assert {other.receive_message(each)[2][0] for each in ids} == {106}
        assert other.closed_within(1)
        assert daemon.wait() == 0
        assert [request.target for request in origin.requests] == ["/"]


def test_l1_what_waits_for_its_turn_is_given_back_at_once_but_not_an_upload(start_daemon, slow, gate):
    daemon = start_daemon({"pool": {"connections_per_origin": "1"}})
    client = daemon.client()
    running, *waiting = [client.send("fetch", {"url": slow.url(f"/{n}"), "method": "POST"})
                         for n in range(4)]
    slow.await_requests(1)
    upload = client.send("fetch", {"url": slow.url("/upload"), "method": "PUT", "upload": True})
    client.notify("data", upload, b"some")
    client.notify("end", upload, {})
    eventually(lambda: daemon.stats()["queued"] == 4, 5, "the others wait")
    daemon.signal(signal.SIGTERM)
    assert [client.receive_message(each)[2][0] for each in waiting] == [106] * 3
    gate.open_for_all()
    assert client.receive(running)["status"] == client.receive(upload)["status"] == 200
    assert daemon.wait() == 0
    assert [request.target for request in slow.requests] == ["/0", "/upload"]


def test_l1_a_client_beyond_the_limit_of_clients_is_told_so_too(start_daemon, slow, gate):
    """The daemon has taken it from the kernel and lets it wait: it must not just be dropped."""
    daemon = start_daemon({"limits": {"max_clients": "2"}})
    client, other = daemon.client(), daemon.client()
    assert other.call("ping") == "pong"
    running = client.send("fetch", {"url": slow.url()})
    slow.await_requests(1)
    third = daemon.client()
    asked = third.send("fetch", {"url": slow.url("/third")})
    assert client.call("ping") == "pong"  # by then it has seen the third
    daemon.signal(signal.SIGTERM)
    assert third.receive_message(asked)[2][0] == 106
    gate.open_for_all()
    assert client.receive(running)["status"] == 200
    assert daemon.wait() == 0


# ---- Restart without loss ------------------------------------------------------------------------

@pytest.fixture
def listener(path):
    """As a socket unit holds it: it stays while daemons come and go."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen(4096)
        yield listener


@pytest.mark.deadline(90)
def test_twenty_restarts_under_load_lose_nothing_and_double_nothing(start_daemon, nginx, path, listener,
                                                                    tokens, tag):
    daemon = start_daemon(path=path, listener=listener, log_level="info")
    start_all(tokens)
    for _ in range(20):
        answered = daemon.stats()["requests"]
        eventually(lambda: daemon.stats()["requests"] > answered + 100, 10, "some load")
        assert daemon.stop() == 0
        daemon = start_daemon(path=path, listener=listener, log_level="info")
    fates = tokens.stop()
    daemon.finish()
    assert fates == {}
    assert arrivals(nginx, tag, len(fates.sent)) == collections.Counter(fates.sent)
