"""libfetchpool against a scripted daemon: what it does when the daemon dies, hangs or lies."""

import os
import select
import shutil
import socket
import subprocess
import time
import types

import msgpack
import pytest

from support.daemon import ROOT, temporary_directory
from support.driver import MAX_ATTEMPTS, code_and_class, compile_against_library
from support.fakedaemon import (ANSWER, FakeDaemon, Peer, hangs, leaves, refuses_with, resets, says,
                                serves, serves_with, stops_after)
from support.timing import Stopwatch, scaled

OK, REFUSED, NOT_SENT, MAYBE = 0, 1, 2, 3
URL = "http://origin.test/"


@pytest.fixture(scope="module")
def driver():
    directory = temporary_directory()
    yield compile_against_library(ROOT / "tests/support/libdriver.c", directory / "libdriver")
    shutil.rmtree(directory)


GOOD = "0 0 200 6 "


# ---- Answers -------------------------------------------------------------------------------------

def test_an_answer_is_read_to_the_last_byte(run, path):
    with FakeDaemon(path, serves) as fake:
        assert run("accessors", URL) == [
            "1.1|http://origin.test/|0|Content-Type=text/plain,X-Empty=,x-empty=2,||1|0|[::1]:443"
            "|7 1 3 1500|1 600000"]
        assert fake.hellos == [{"client": "libdriver", "version": "0.1.0"}]
        assert fake.requests == [{"url": URL}]


def test_one_socket_carries_one_request_after_the_other(run, path):
    with FakeDaemon(path, serves) as fake:
        assert run("get", URL, "get", URL, "query", "ping") == [GOOD, GOOD, "0 ping"]
        assert fake.accepted == 1 and len(fake.hellos) == 1


@pytest.mark.parametrize("size", [0, 1, 16381, 16384, 1 << 20, 64 << 20])
def test_bodies_of_many_sizes_arrive_whole(run, path, size):
    with FakeDaemon(path, serves_with(body=b"x" * size)):
        assert run("get", URL, "get", URL) == [f"0 0 200 {size} "] * 2


def test_an_answer_in_single_bytes_is_read(run, path):
    def drips(peer):
        request_id, _, _ = peer.request()
        message = msgpack.packb([1, request_id, None, ANSWER], use_bin_type=True)
        for i in range(len(message)):
            peer.socket.sendall(message[i:i + 1])
    with FakeDaemon(path, drips):
        assert run("get", URL) == [GOOD]


def test_what_is_not_the_answer_is_passed_over(run, path):
    def chats(peer):
        for request_id, _, _ in peer.messages():
            peer.send([2, "news", ["of no interest"]])
            peer.send([1, 4711, None, "an answer to nobody"])
            peer.send([0, 9, "a request from a daemon", []])
            peer.answer(request_id, ANSWER)
    with FakeDaemon(path, chats) as fake:
        assert run("get", URL, "get", URL) == [GOOD, GOOD]
        assert fake.accepted == 1


def test_after_a_goaway_a_new_socket_is_opened(run, path):
    def retires(peer):
        request_id, _, _ = peer.request()
        peer.send([2, "goaway", ["drain"]])
        peer.answer(request_id, ANSWER)
        peer.socket.recv(1)
    with FakeDaemon(path, retires, serves) as fake:
        assert run("get", URL, "get", URL, "get", URL) == [GOOD] * 3
        assert fake.accepted == 2


def test_a_goaway_to_an_idle_socket_is_noticed_before_the_next_request(run, path):
    def retires_later(peer):
        request_id, _, _ = peer.request()
        peer.answer(request_id, ANSWER)
        peer.send([2, "goaway", ["drain"]])
        peer.socket.recv(1)
    with FakeDaemon(path, retires_later, serves) as fake:
        process = run.start("get", URL, "wait", "get", URL)
        assert [process.stdout.readline() for _ in range(2)] == [GOOD + "\n", "waiting\n"]
        out, _ = process.communicate("\n")
        assert out.startswith(GOOD)
        assert fake.accepted == 2 and len(fake.requests) == 2


@pytest.mark.parametrize("code, kind", [(1, REFUSED), (103, NOT_SENT), (201, MAYBE),
                                        (150, NOT_SENT), (77, REFUSED), (777, MAYBE)])
def test_an_error_keeps_its_code_class_and_sentence(run, path, code, kind):
    with FakeDaemon(path, refuses_with(code, "what failed, and with what")) as fake:
        line = f"{code} {kind} 0 0 what failed, and with what"
        assert run("get", URL, "get", URL) == [line, line]
        assert fake.accepted == 1


# ---- A daemon that goes away ---------------------------------------------------------------------

def test_no_daemon_is_a_sentence_with_path_and_reason(run, path):
    assert run("get", URL) == [
        f"900 2 0 0 connect to fetchpoold at {path} failed: No such file or directory"]


def test_a_path_too_long_for_a_socket_is_said(driver, path):
    out = subprocess.run([driver, "/" + "x" * 107, "get", URL], capture_output=True, text=True).stdout
    assert out.startswith("900 2 0 0 connect to ") and "107 bytes" in out


def test_a_restarted_daemon_is_found_again(run, path):
    fake = FakeDaemon(path, serves)
    process = run.start("get", URL, "wait", "get", URL, "wait", "get", URL)
    assert [process.stdout.readline() for _ in range(2)] == [GOOD + "\n", "waiting\n"]
    fake.close()
    with FakeDaemon(path, serves):
        process.stdin.write("\n")
        process.stdin.flush()
        assert [process.stdout.readline() for _ in range(2)] == [GOOD + "\n", "waiting\n"]
    out, _ = process.communicate("\n")
    assert out.startswith("900 2 ")


def test_what_the_daemon_has_not_read_is_sent_again(run, path):
    with FakeDaemon(path, resets, serves) as fake:
        assert run("get", URL) == [GOOD]
        assert fake.accepted == 2 and len(fake.requests) == 1


def test_several_daemons_that_stop_one_after_another_are_not_noticed(run, path):
    stops = refuses_with(106, "the daemon is shutting down")
    with FakeDaemon(path, stops, resets, stops, stops, resets, serves) as fake:
        assert run("get", URL) == [GOOD]
        assert fake.accepted == 6


def test_it_is_not_sent_again_for_ever(run, path):
    with FakeDaemon(path, resets) as fake:
        (line,) = run("get", URL)
        assert code_and_class(line) == (900, NOT_SENT) and "before it had read" in line
        assert fake.accepted == MAX_ATTEMPTS


def test_what_the_daemon_has_read_is_not_sent_again(run, path):
    with FakeDaemon(path, leaves, serves) as fake:
        (line,) = run("get", URL)
        assert code_and_class(line) == (901, MAYBE) and "went away before it answered" in line
        assert fake.accepted == 1


def test_half_an_answer_is_not_sent_again(run, path):
    with FakeDaemon(path, lambda peer: (peer.request(), peer.socket.sendall(b"\x94\x01")),
                    serves) as fake:
        (line,) = run("get", URL)
        assert code_and_class(line) == (901, MAYBE)
        assert fake.accepted == 1


def test_a_request_in_the_backlog_of_a_dying_daemon_is_sent_again(run, path):
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(path))
    listener.listen(1)
    process = run.start("get", URL)
    assert select.select([listener], [], [], scaled(10))[0]
    os.unlink(path)
    with FakeDaemon(path, serves):
        listener.close()
        out, _ = process.communicate(timeout=scaled(20))
    assert out.startswith(GOOD)


def test_a_full_backlog_is_waited_for(run, path):
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(path))
    listener.listen(0)
    filler = socket.socket(socket.AF_UNIX)
    filler.connect(str(path))
    process = run.start("wait", "get", URL)
    assert process.stdout.readline() == "waiting\n"
    process.stdin.write("\n")
    process.stdin.flush()
    listener.accept()[0].close()
    connection, _ = listener.accept()
    with connection:
        peer = Peer(types.SimpleNamespace(hello={}, hellos=[], requests=[]), connection, 1)
        peer.answer(peer.request()[0], ANSWER)
        out, _ = process.communicate(timeout=scaled(20))
    assert out.startswith(GOOD)
    filler.close()
    listener.close()


def test_a_daemon_that_shuts_down_is_asked_again_after_a_new_connect(run, path):
    with FakeDaemon(path, refuses_with(106, "the daemon is shutting down"), serves) as fake:
        assert run("get", URL) == [GOOD]
        assert fake.accepted == 2


def test_a_daemon_that_shuts_down_for_good_is_believed(run, path):
    def retires(peer):
        request_id, _, _ = peer.request()
        os.rename(path, f"{path}.gone")
        peer.refuse(request_id, 106, "the daemon is shutting down")
    with FakeDaemon(path, retires):
        assert run("get", URL) == [f"106 {NOT_SENT} 0 0 the daemon is shutting down"]
        os.rename(f"{path}.gone", path)


# ---- A daemon that hangs -------------------------------------------------------------------------

@pytest.mark.long
def test_a_hanging_daemon_costs_the_timeout_and_two_seconds(run, path):
    with FakeDaemon(path, hangs):
        (line,) = run("timed", URL, 100)
        assert code_and_class(line) == (902, MAYBE) and "within 2100 ms" in line


@pytest.mark.long
def test_the_daemons_own_timeout_holds_where_the_request_has_none(run, path):
    with FakeDaemon(path, hangs) as fake:
        fake.hello = {"limits": {"timeout": 300}}
        (line,) = run("get", URL)
        assert code_and_class(line) == (902, MAYBE) and "within 2300 ms" in line


@pytest.mark.long
def test_a_daemon_that_never_reads_costs_no_more(run, path):
    with FakeDaemon(path, lambda peer: peer.fake.stopping.wait(scaled(20))):
        (line,) = run("post", URL, 8 << 20, 100)
        assert code_and_class(line) == (902, MAYBE)


@pytest.mark.long
def test_a_daemon_that_talks_without_end_costs_no_more(run, path):
    def chatters(peer):
        peer.request()
        while True:
            peer.send([2, "news", ["x" * 10000]])
    with FakeDaemon(path, chatters):
        (line,) = run("timed", URL, 100)
        assert code_and_class(line) == (902, MAYBE)


# ---- One timeout for all daemons that are asked --------------------------------------------------

@pytest.mark.long
def test_daemons_that_refuse_late_have_one_timeout_together(run, path):
    with FakeDaemon(path, stops_after(1.5)) as fake, Stopwatch() as watch:
        (line,) = run("post", URL, 5, 2000)
        assert code_and_class(line) == (106, NOT_SENT)
        assert len(fake.requests) == 2
        told = [request["timeout"] for request in fake.requests]
        assert told[0] == 2000 and 0 < told[1] <= 500
    assert 2 <= watch.seconds < 4 + scaled(1)


@pytest.mark.long
def test_after_a_late_refusal_a_hanging_daemon_has_only_what_is_left(run, path):
    with FakeDaemon(path, stops_after(1.2), hangs) as fake, Stopwatch() as watch:
        (line,) = run("post", URL, 5, 2000)
        assert code_and_class(line) == (902, MAYBE)
        assert len(fake.requests) == 2
    assert 4 <= watch.seconds < 4 + scaled(1)


@pytest.mark.long
def test_a_late_refusal_leaves_time_for_the_next_daemon(run, path):
    with FakeDaemon(path, stops_after(1.2), serves) as fake:
        assert run("post", URL, 5, 2000) == [GOOD]
        assert len(fake.requests) == 2


@pytest.mark.long
def test_a_request_that_names_no_timeout_has_the_daemons_once(run, path):
    with FakeDaemon(path, stops_after(1.2), hangs) as fake, Stopwatch() as watch:
        fake.hello = {"limits": {"timeout": 1500}}
        (line,) = run("get", URL)
        assert code_and_class(line) == (902, MAYBE)
        assert len(fake.requests) == 2
    assert 3.5 <= watch.seconds < 3.5 + scaled(1)


@pytest.mark.long
def test_the_wait_for_a_daemon_that_is_absent_at_first_is_part_of_the_timeout(run, path):
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(path))
    listener.listen(0)
    filler = socket.socket(socket.AF_UNIX)
    filler.connect(str(path))
    fake = types.SimpleNamespace(hello={}, hellos=[], requests=[])
    with Stopwatch() as watch:
        process = run.start("wait", "post", URL, 5, 2000)
        assert process.stdout.readline() == "waiting\n"
        process.stdin.write("\n")
        process.stdin.flush()
        time.sleep(1.2)  # it is the time that nobody accepts in which the test is interested
        listener.accept()[0].close()
        connection, _ = listener.accept()
        with connection:
            Peer(fake, connection, 1).request()
            line, _ = process.communicate(timeout=scaled(20))
    assert code_and_class(line) == (902, MAYBE)
    assert 4 <= watch.seconds < 4 + scaled(1) and fake.requests[0]["timeout"] <= 800
    filler.close()
    listener.close()


# ---- A daemon that lies --------------------------------------------------------------------------

@pytest.mark.parametrize("raw", [
    b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\xc1", b"\xdd\xff\xff\xff\xff" + b"\x91" * 20,
    b"\x94\x01\x01\xc0\xc6\xff\xff\xff\xff", b"\x91\x01", b"\x94\x07\x01\xc0\xc0",
    b"\x94\x01\x01\xc0\xc0", b"\x94\x01\x01\xc0\x81\xa6status\xa3200",
    b"\x94\x01\x01\xc0\x82\xa6status\xcc\xc8\xa7headers\x91\x91\xa1x",
])
def test_nonsense_is_a_bad_reply(run, path, raw):
    with FakeDaemon(path, says(raw)) as fake:
        (line,) = run("get", URL)
        assert code_and_class(line) == (903, MAYBE)
        assert fake.accepted == 1


def test_an_error_without_sense_is_internal(run, path):
    with FakeDaemon(path, says(msgpack.packb([1, 1, "oops", None]))):
        assert run("get", URL)[0].startswith("299 3 ")


def test_an_answer_with_gaps_is_read_as_empty(run, path):
    with FakeDaemon(path, says(msgpack.packb([1, 1, None, {"status": 204, "headers": {}}]))):
        assert run("accessors", URL) == ["||0||(null)|1|0||0 0 0 0|0 0"]


# ---- Large requests ------------------------------------------------------------------------------

def test_a_large_request_arrives_whole(run, path):
    with FakeDaemon(path, serves) as fake:
        assert run("post", URL, 15 << 20, 0) == [GOOD]
        assert len(fake.requests[0]["body"]) == 15 << 20


def test_a_request_beyond_the_protocol_is_not_sent(run, path):
    with FakeDaemon(path, serves) as fake:
        (line,) = run("post", URL, 16 << 20, 0)
        assert code_and_class(line) == (3, REFUSED) and fake.accepted == 0


def test_the_refusal_of_an_oversized_message_is_read_although_the_send_failed(run, path):
    def refuses_early(peer):
        peer.socket.recv(100)
        peer.refuse(1, 3, "the message is larger than allowed")
    with FakeDaemon(path, refuses_early) as fake:
        assert run("post", URL, 8 << 20, 0) == ["3 1 0 0 the message is larger than allowed"]
        assert fake.accepted == 1


# ---- Processes and threads -----------------------------------------------------------------------

def test_a_forked_child_has_sockets_of_its_own(run, path):
    with FakeDaemon(path, serves) as fake:
        assert run("get", URL, "fork", URL, "get", URL) == [GOOD] * 4
        assert fake.accepted == 2


def test_sixteen_threads_share_one_client(run, path):
    with FakeDaemon(path, serves) as fake:
        assert run("threads", 16, URL) == ["0 failures"]
        assert len(fake.requests) == 16 * 50
        assert fake.accepted < 16 * 50


def test_misuse_is_refused_not_crashed(run, path):
    with FakeDaemon(path, serves) as fake:
        lines = run("misuse")
        assert [code_and_class(line) for line in lines[:4]] == [(905, REFUSED)] * 4
        assert lines[4] == "1 CONNECT 2"
        assert fake.accepted == 0


# ---- The examples --------------------------------------------------------------------------------

@pytest.mark.parametrize("name, arguments, output, sent", [
    ("get.c", [], "hello\n", {"url": URL}),
    ("cplusplus.cc", [], "200\n", {"url": URL}),
    ("post.c", ['{"order": 1}'], "200 over connection 7, reused\n",
     {"url": URL, "method": "POST", "body": b'{"order": 1}', "timeout": 5000, "headers": [
         ["Content-Type", "application/json"], ["Idempotency-Key", "order-1"]]}),
])
def test_the_examples_do_what_they_say(path, name, arguments, output, sent):
    program = compile_against_library(ROOT / "client-lib/examples" / name, path.parent / "example")
    environment = {**os.environ, "FETCHPOOL_SOCKET": str(path)}
    failed = subprocess.run([program, URL, *arguments], capture_output=True, text=True,
                            env=environment)
    assert failed.returncode == 1 and str(path) in failed.stderr
    with FakeDaemon(path, serves) as fake:
        done = subprocess.run([program, URL, *arguments], capture_output=True, text=True,
                              env=environment)
        assert (done.returncode, done.stdout, done.stderr) == (0, output, "")
        assert fake.requests == [sent]
