"""Rows L1, L3 and L9 of the faults, and a restart without loss: what its clients notice of a daemon's end."""

import collections
import pathlib
import select
import shutil
import signal
import subprocess
import threading
import time

import pytest

from support.client import request_bytes
from support.daemon import FETCHPOOLD, ROOT, environment, temporary_directory, write_config
from support.driver import compile_against_library
from support.origin import RawOrigin, response
from support.timing import SANITIZED, Stopwatch, eventually, scaled
from support.tokens import MAYBE, NOT_SENT, Tokens


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
    assert SANITIZED or rate >= 1000, f"only {rate:.0f} requests a second"
    assert len(fates) >= 8
    assert {token: fate for token, fate in fates.items() if not in_class_not_sent(fate)} == {}
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


# ---- L3 ------------------------------------------------------------------------------------------

SUDDEN = [signal.SIGKILL, signal.SIGABRT]
GOOD = "0 0 200 "


def end_suddenly(daemon, number):
    daemon.expected_exit = -number
    daemon.signal(number)
    daemon.wait()


@pytest.fixture(scope="module")
def driver():
    directory = temporary_directory()
    yield compile_against_library(ROOT / "tests/support/libdriver.c", directory / "libdriver")
    shutil.rmtree(directory)


def next_line(process):
    return process.stdout.readline().rstrip("\n")


@pytest.mark.parametrize("number", SUDDEN, ids=lambda number: number.name)
def test_l3_a_daemons_sudden_end_is_told_at_once_with_the_right_class(start_daemon, slow, gate, run, path,
                                                                      number):
    daemon = start_daemon(path=path)
    process = run.start("post", slow.url("/sent"), 9, 60000, "wait", "get", slow.url("/none"), "wait",
                        "get", slow.url("/next"))
    slow.await_requests(1)
    with Stopwatch() as watch:
        end_suddenly(daemon, number)
        assert next_line(process).startswith(f"901 {MAYBE} ")  # it reached the origin
    assert watch.seconds < scaled(1)
    assert next_line(process) == "waiting"
    process.stdin.write("\n")
    process.stdin.flush()
    assert next_line(process).startswith(f"900 {NOT_SENT} ")  # nobody is there
    assert next_line(process) == "waiting"
    assert path.is_socket()  # as the one that died left it
    daemon = start_daemon(path=path)
    gate.open_for_all()
    assert run.finish(process, "\n") == [GOOD + "5 "]
    daemon.finish()
    assert [request.target for request in slow.requests] == ["/sent", "/next"]


@pytest.mark.parametrize("number", SUDDEN, ids=lambda number: number.name)
def test_l3_what_the_daemon_had_not_read_was_not_sent(start_daemon, slow, run, path, number):
    """It is stopped first, so that it reads nothing; then who wrote to it learns that by the reset."""
    daemon = start_daemon(path=path)
    process = run.start("query", "ping", "wait", "get", slow.url())
    assert [next_line(process), next_line(process)] == ["0 pong", "waiting"]
    stop_and_wait(daemon)
    process.stdin.write("\n")
    process.stdin.flush()
    eventually(lambda: waits_for_an_answer(process), 5, "it waits for its answer")
    daemon.expected_exit = -number
    daemon.signal(number)
    daemon.signal(signal.SIGCONT)
    (line,) = run.finish(process)
    assert line.startswith(f"900 {NOT_SENT} ")
    daemon.wait()
    assert slow.requests == []


def waits_for_an_answer(process):
    """In poll(2), whose first argument is an address; while it waits for us, in read(2), it is 0."""
    call = pathlib.Path(f"/proc/{process.pid}/syscall").read_text().split()
    return call[0] != "running" and call[1] != "0x0"


def doubled(came):
    return {token: count for token, count in came.items() if count > 1}


@pytest.mark.parametrize("number", SUDDEN, ids=lambda number: number.name)
def test_l3_behind_a_socket_that_stays_new_clients_wait_and_are_served(start_daemon, nginx, path,
                                                                      listener, run, tokens, tag,
                                                                      number):
    daemon = start_daemon(path=path, listener=listener, log_level="info")
    start_all(tokens)
    end_suddenly(daemon, number)
    early = run.start("get", nginx.url("/text", nginx.PLAIN))  # there is no daemon
    assert select.select([listener], [], [], scaled(10))[0]
    daemon = start_daemon(path=path, listener=listener, log_level="info")
    assert run.finish(early) == [GOOD + "6 "]
    fates = tokens.stop()
    daemon.finish()
    assert all(map(is_told_apart, fates.values())), fates
    came = arrivals(nginx, tag, len(fates.succeeded()))
    assert doubled(came) == {}
    assert all(came[token] == 1 for token in fates.succeeded())


def is_told_apart(fate):
    """What the dead daemon had may have been sent, and is said to: 901, the command's 122, or our own."""
    code, *rest = fate.split()
    return code == "122" if not rest else (int(code), int(rest[0])) in ((901, MAYBE), (0, MAYBE))


def test_l3_socket_activation_starts_it_for_the_first_client(nginx, run, path, authority):
    """By systemd's own tool, which becomes the daemon when somebody connects."""
    config = write_config(path.parent / "conf", {"tls": {"ca_file": authority.pem}})
    with subprocess.Popen(["systemd-socket-activate", "-l", path, FETCHPOOLD, "--config", config],
                          stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                          env=environment(path.parent)) as activated:
        try:
            eventually(path.is_socket, 5, "the socket is there")
            assert run("get", nginx.url("/text"), "get", nginx.url("/text")) == [GOOD + "6 "] * 2
        finally:
            activated.terminate()
        assert activated.wait(scaled(10)) == 0
    assert path.is_socket()  # it is not the daemon's to remove


# ---- Restart without loss ------------------------------------------------------------------------

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
