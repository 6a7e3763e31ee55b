"""libfetchpool's asynchronous half against a scripted daemon."""

import os
import shutil
import socket
import threading
import time
import types

import msgpack
import pytest

from support.daemon import ROOT, temporary_directory
from support.driver import MAX_ATTEMPTS, compile_against_library
from support.fakedaemon import (ANSWER, NOTES, FakeDaemon, Peer, hangs, leaves, refuses_with, resets, says,
                                serves, stops_after, streams, words)
from support.timing import Stopwatch, eventually, scaled


@pytest.fixture(scope="module")
def driver():
    directory = temporary_directory()
    yield compile_against_library(ROOT / "tests/support/asyncdriver.c", directory / "driver")
    shutil.rmtree(directory)


def url(length, seed=5):
    return f"http://origin.test/{length}/{seed}"


def good(number, length):
    return f"{number} 0 0 200 {length} right "


def begins(line, number, code, kind):
    return line.startswith(f"{number} {code} {kind} ")


# ---- Answers -------------------------------------------------------------------------------------

def test_many_at_once_share_one_socket_and_every_byte_is_right(run, path):
    with FakeDaemon(path, streams()) as fake:
        lines = run("down", url(1_000_000, 1), "down", url(700_000, 2), "whole", url(100_000, 3),
                    "up", url(300_000, 4), 900_000, 9, "down", url(0), "run")
        assert sorted(lines) == [good(0, 1_000_000), good(1, 700_000), good(2, 100_000),
                                 good(3, 300_000), good(4, 0)]
        assert fake.accepted == 1 and fake.uploads == [words(900_000, 9)]


@pytest.mark.parametrize("length", [0, 1, 65536, 262_144, 262_145, 3_000_000])
def test_bodies_of_many_sizes_both_ways(run, path, length):
    with FakeDaemon(path, streams()) as fake:
        assert run("up", url(length), length, 7, "run", "down", url(length), "run") == [
            good(0, length), good(1, length)]
        assert fake.uploads == [words(length, 7)]


def test_the_next_is_submitted_when_one_has_ended(run, path):
    with FakeDaemon(path, streams()) as fake:
        assert run("again", 50, "down", url(3000), "run") == [good(i, 3000) for i in range(51)]
        assert fake.accepted == 1


def test_a_function_may_make_a_blocking_call(run, path):
    with FakeDaemon(path, streams()) as fake:
        assert run("reader", "down", url(100_000), "run") == [good(0, 100_000)]
        assert fake.accepted == 2


def test_the_descriptor_stays_the_same_through_reconnects(run, path):
    def once(peer):
        peer.head(peer.begin())  # and goes away
    with FakeDaemon(path, once, once, streams()) as fake:
        lines = run("fd", "down", url(5), "run", "fd", "down", url(5), "run", "fd", "down", url(5),
                    "run", "fd")
        assert [line for line in lines if not line[0].isdigit()] == ["same 1"] * 4
        assert begins(lines[1], 0, 901, 3) and lines[-2] == good(2, 5)
        assert fake.accepted == 3


# ---- More than the daemon takes at once ----------------------------------------------------------

@pytest.mark.parametrize("limit", [None, 10])
def test_no_more_run_at_once_than_the_daemon_takes(run, path, limit):
    most = [0]

    def counts(peer):
        running = []
        for request_id, method, _ in peer.events():
            if method == "fetch":
                running.append(request_id)
            most[0] = max(most[0], len(running))
            if len(running) == (limit or 256):
                while running:
                    peer.head(running[0])
                    peer.end(running.pop(0), 0)
            elif len(running) == 1:
                peer.grant(request_id, 1)  # so that the client has read hello
    with FakeDaemon(path, counts) as fake:
        if limit:
            fake.hello = {"limits": {"requests_per_client": limit}}
            assert run("down", url(0), "runfor", 300, "many", 9, url(0), "many", 100, url(0))[1:] == [
                "10 ended, 0 failures", "100 ended, 0 failures"]
        else:
            assert run("many", 512, url(0)) == ["512 ended, 0 failures"]
    assert most[0] == (limit or 256)


def test_thousands_are_submitted_and_all_end(run, path):
    with FakeDaemon(path, streams()) as fake:
        assert run("many", 5000, url(100), seconds=60) == ["5000 ended, 0 failures"]
        assert fake.accepted == 1


# ---- Pause ---------------------------------------------------------------------------------------

@pytest.mark.long
def test_a_paused_call_stops_only_itself(run, path):
    with FakeDaemon(path, streams()) as fake:
        lines = run("pauseat", 100_000, "down", url(3_000_000), "down", url(5_000_000, 8), "runfor",
                    1500, "fd", "resume", 0, "run")
        assert lines == [good(1, 5_000_000), "same 1", good(0, 3_000_000)]
        assert fake.accepted == 1


def test_a_paused_call_is_granted_nothing(run, path):
    sent = []

    def fills(peer):
        request_id = peer.begin()
        peer.head(request_id)
        peer.data(request_id, words(65536, 5))
        for at in range(65536, 262_144, 65536):
            peer.data(request_id, words(262_144, 5)[at:at + 65536])
        sent.append(next(peer.events())[1:])
        peer.end(request_id, 262_144)
    with FakeDaemon(path, fills):
        process = run.start("pauseat", 1, "down", url(0), "runfor", 500, "wait", "resume", 0, "run")
        assert process.stdout.readline() == "waiting\n"
        assert sent == []
        assert run.finish(process, "\n") == [good(0, 262_144)]
        assert sent[0][0] == "window"


def test_an_end_behind_what_is_held_waits_with_it(run, path):
    with FakeDaemon(path, streams(piece=1000)):
        assert run("pauseat", 1, "down", url(100_000), "runfor", 300, "fd", "resume", 0, "run") == [
            "same 1", good(0, 100_000)]


def test_an_error_does_not_wait_for_a_paused_call(run, path):
    def fails(peer):
        request_id = peer.begin()
        peer.head(request_id)
        peer.data(request_id, words(10, 5))
        peer.data(request_id, words(10, 5))
        peer.fail(request_id, 206, "the client took nothing")
        peer.socket.recv(1)
    with FakeDaemon(path, fails):
        assert run("pauseat", 1, "down", url(0), "run") == [
            "0 206 3 200 10 right the client took nothing"]


def test_a_call_paused_before_it_was_answered_is_told_nothing(run, path):
    with FakeDaemon(path, streams()):
        assert run("down", url(500_000), "pause", 0, "runfor", 300, "fd", "resume", 0, "run") == [
            "same 1", good(0, 500_000)]


def test_an_upload_that_is_late_is_asked_again_when_it_is_resumed(run, path):
    with FakeDaemon(path, streams()) as fake:
        assert run("late", "up", url(10), 1_000_000, 3, "down", url(1_000_000), "run")[-1:] == [
            good(0, 10)]
        assert fake.uploads == [words(1_000_000, 3)]


def test_a_paused_upload_sends_nothing(run, path):
    with FakeDaemon(path, streams()) as fake:
        process = run.start("up", url(10), 1_000_000, 3, "pause", 0, "runfor", 400, "wait", "resume",
                            0, "run")
        assert process.stdout.readline() == "waiting\n"
        assert len(fake.requests) == 1 and fake.uploads == []
        assert run.finish(process, "\n") == [good(0, 10)]
        assert fake.uploads == [words(1_000_000, 3)]


# ---- Cancel and stop -----------------------------------------------------------------------------

def test_a_cancelled_call_ends_with_what_the_daemon_says(run, path):
    with FakeDaemon(path, streams()) as fake:
        lines = run("cancelat", 100_000, "down", url(50_000_000), "down", url(3_000_000), "run")
        assert lines[0].startswith("0 208 3 200 65536 right cancelled")
        assert lines[1] == good(1, 3_000_000)
        assert ["cancel", 1] in fake.notifications and fake.accepted == 1


def test_a_call_that_was_not_sent_is_cancelled_without_the_daemon(run, path):
    with FakeDaemon(path, hangs) as fake:
        fake.hello = {"limits": {"requests_per_client": 1}}
        lines = run("down", url(5), "runfor", 200, "down", url(6), "cancel", 1, "runfor", 200, "fd")
        assert lines[0] == "1 108 2 0 0 right the request was cancelled"
        assert begins(lines[2], 0, 906, 3)


@pytest.mark.long
def test_a_daemon_that_does_not_hear_a_cancel_is_not_waited_for(run, path):
    with FakeDaemon(path, lambda peer: list(peer.events())), Stopwatch() as watch:
        lines = run("down", url(5), "runfor", 100, "cancel", 0, "run")
        assert lines == ["0 208 3 0 0 right the request was cancelled"]
    assert 2 <= watch.seconds < scaled(5)


def test_a_function_that_stops_ends_its_call_only(run, path):
    with FakeDaemon(path, streams()) as fake:
        lines = run("stopat", 100_000, "down", url(50_000_000), "down", url(1_000_000), "run")
        assert lines[0].startswith("0 906 3 200 131072 right on_body ended the request: No space")
        assert lines[1] == good(1, 1_000_000) and ["cancel", 1] in fake.notifications


def test_one_call_may_cancel_another_from_its_end(run, path):
    with FakeDaemon(path, streams()):
        lines = run("down", url(50_000_000), "killer", 0, "down", url(1000), "run")
        assert lines[0] == good(1, 1000) and begins(lines[1], 0, 208, 3)


def test_closing_ends_what_is_in_flight(run, path):
    with FakeDaemon(path, streams()) as fake:
        fake.hello = {"limits": {"requests_per_client": 2}}
        lines = run("pauseat", 1, "down", url(1_000_000), "up", url(5), 10_000_000, 3, "pause", 1,
                    "runfor", 300, "down", url(5), "again", 1, "down", url(5), "close")
        assert sorted(line.split(" right ")[0] for line in lines[:3]) == [
            "0 906 3 200 65536", "1 906 3 0 0", "2 906 3 0 0"]
        assert lines[3].startswith("3 906 3 0 0 right the client was closed")
        assert lines[4] == "4 not submitted: 906"


# ---- A daemon that goes away ---------------------------------------------------------------------

def test_no_daemon_is_told_by_on_done(run, path):
    lines = run("down", url(5), "whole", url(5), "run")
    assert lines == [f"{i} 900 2 0 0 right connect to fetchpoold at {path} failed: "
                     "No such file or directory" for i in range(2)]


def test_submitting_again_and_again_without_a_daemon_ends(run, path):
    assert len(run("again", 20, "down", url(5), "run")) == 21


def test_a_restarted_daemon_is_found_again(run, path):
    fake = FakeDaemon(path, streams())
    process = run.start("down", url(5), "run", "wait", "down", url(6), "run")
    assert [process.stdout.readline() for _ in range(2)] == [good(0, 5) + "\n", "waiting\n"]
    fake.close()
    with FakeDaemon(path, streams()):
        assert run.finish(process, "\n") == [good(1, 6)]


def test_what_the_daemon_has_not_read_is_sent_again(run, path):
    with FakeDaemon(path, resets, streams()) as fake:
        assert run("up", url(5), 100_000, 3, "run") == [good(0, 5)]
        assert fake.accepted == 2 and fake.uploads == [words(100_000, 3)]


def test_several_daemons_that_stop_one_after_another_are_not_noticed(run, path):
    stops = refuses_with(106, "the daemon is shutting down")
    with FakeDaemon(path, stops, resets, stops, stops, resets, streams()) as fake:
        assert run("down", url(5), "run") == [good(0, 5)]
        assert fake.accepted == 6


def test_it_is_not_sent_again_for_ever(run, path):
    with FakeDaemon(path, resets) as fake:
        (line,) = run("down", url(5), "run")
        assert begins(line, 0, 900, 2) and "before it had read" in line
        assert fake.accepted == MAX_ATTEMPTS


def test_what_the_daemon_may_have_read_is_lost(run, path):
    with FakeDaemon(path, leaves, streams()) as fake:
        (line,) = run("down", url(5), "run")
        assert begins(line, 0, 901, 3) and fake.accepted == 1


def test_of_two_on_a_reset_socket_only_the_last_is_known_to_be_unread(run, path):
    def reads_one(peer):
        eventually(lambda: peer.socket.recv(1 << 20, socket.MSG_PEEK).count(b"fetch") == 2, 5,
                   "both requests")
        while peer.socket.recv(1) != b"/":  # into the first request's URL
            pass
    with FakeDaemon(path, reads_one, streams()):
        lines = run("down", url(5), "down", url(6), "run")
        assert begins(lines[0], 0, 901, 3) and lines[1] == good(1, 6)


def test_a_daemon_that_dies_in_the_middle_loses_what_ran_and_serves_what_waited(run, path):
    def dies(peer):
        request_id = peer.begin()
        peer.head(request_id)
        peer.data(request_id, words(10, 5))
    with FakeDaemon(path, dies, streams()) as fake:
        fake.hello = {"limits": {"requests_per_client": 1}}
        process = run.start("down", url(0), "runfor", 0, "idle", 200, "down", url(7), "run")
        lines = run.finish(process)
        assert lines[0].startswith("0 901 3 200 10 right ") and lines[1] == good(1, 7)


def test_after_a_goaway_the_old_socket_finishes_and_a_new_one_serves_the_rest(run, path):
    def retires(peer):
        request_id = peer.begin()
        peer.head(request_id)
        peer.data(request_id, words(100_000, 5)[:50_000])
        peer.send([2, "goaway", ["drain"]])
        assert finish.wait(scaled(10))
        peer.data(request_id, words(100_000, 5)[50_000:])
        peer.end(request_id, 100_000)
        assert not peer.socket.recv(1 << 20)  # closed by the client, nothing sent on it any more

    def serves_then(peer):
        streams()(Releasing(peer))

    class Releasing:
        def __init__(self, peer):
            self.__dict__["peer"] = peer

        def __getattr__(self, name):
            return getattr(self.peer, name)

        def end(self, request_id, length):
            self.peer.end(request_id, length)
            finish.set()

    finish = threading.Event()
    with FakeDaemon(path, retires, serves_then) as fake:
        lines = run("down", url(0), "runfor", 300, "down", url(7), "run")
        assert lines == [good(1, 7), good(0, 100_000)]
        assert fake.accepted == 2


def test_a_daemon_that_shuts_down_is_asked_again_over_a_new_socket(run, path):
    with FakeDaemon(path, refuses_with(106, "the daemon is shutting down"), streams()) as fake:
        assert sorted(run("down", url(5), "down", url(6), "run")) == [good(0, 5), good(1, 6)]
        assert fake.accepted == 2


def test_a_daemon_that_shuts_down_for_good_is_believed(run, path):
    def retires(peer):
        request_id = peer.begin()
        os.rename(path, f"{path}.gone")
        peer.refuse(request_id, 106, "the daemon is shutting down")
    with FakeDaemon(path, retires):
        assert run("down", url(5), "run") == ["0 106 2 0 0 right the daemon is shutting down"]
        os.rename(f"{path}.gone", path)


@pytest.mark.long
def test_a_full_backlog_is_waited_for_without_blocking(run, path):
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(path))
    listener.listen(0)
    filler = socket.socket(socket.AF_UNIX)
    filler.connect(str(path))
    first, line = run("timeout", 100, "down", url(5), "fd", "run")
    assert first == "same 1"  # although nobody accepts
    assert begins(line, 0, 900, 2) and "did not accept in time" in line
    filler.close()
    listener.close()


# ---- A daemon that hangs -------------------------------------------------------------------------

@pytest.mark.long
def test_a_hanging_daemon_costs_the_timeout_and_two_seconds(run, path):
    with FakeDaemon(path, hangs), Stopwatch() as watch:
        (line,) = run("timeout", 100, "down", url(5), "run")
        assert begins(line, 0, 902, 3) and "within 2100 ms" in line
    assert 2.1 <= watch.seconds < scaled(6)


@pytest.mark.long
def test_the_daemons_own_timeout_holds_for_silence(run, path):
    with FakeDaemon(path, lambda peer: list(peer.events())) as fake:
        fake.hello = {"limits": {"timeout": 300}}
        lines = run("down", url(5), "whole", url(5), "run")
        assert all("within 2300 ms" in line for line in lines) and len(lines) == 2


@pytest.mark.long
def test_a_request_that_waits_too_long_for_others_was_not_sent(run, path):
    with FakeDaemon(path, hangs) as fake:
        fake.hello = {"limits": {"requests_per_client": 1, "timeout": 60000}}
        lines = run("down", url(5), "runfor", 200, "timeout", 100, "down", url(6), "runfor", 3000)
        assert begins(lines[0], 1, 101, 2) and "left no room" in lines[0]


# ---- One timeout for all daemons that are asked --------------------------------------------------

@pytest.mark.long
def test_daemons_that_refuse_late_have_one_timeout_together(run, path):
    with FakeDaemon(path, stops_after(1.5)) as fake, Stopwatch() as watch:
        (line,) = run("timeout", 2000, "whole", url(5), "run")
        assert begins(line, 0, 106, 2)
        assert len(fake.requests) == 2
        told = [request["timeout"] for request in fake.requests]
        assert told[0] == 2000 and 0 < told[1] <= 500
    assert 2 <= watch.seconds < 4 + scaled(1)


@pytest.mark.long
def test_after_a_late_refusal_a_hanging_daemon_has_only_what_is_left(run, path):
    with FakeDaemon(path, stops_after(1.2), hangs) as fake, Stopwatch() as watch:
        (line,) = run("timeout", 2000, "whole", url(5), "run")
        assert begins(line, 0, 902, 3)
        assert len(fake.requests) == 2
    assert 4 <= watch.seconds < 4 + scaled(1)


@pytest.mark.long
def test_a_late_refusal_leaves_time_for_the_next_daemon(run, path):
    with FakeDaemon(path, stops_after(1.2), streams()) as fake:
        assert run("timeout", 2000, "whole", url(5), "run") == [good(0, 5)]
        assert len(fake.requests) == 2


@pytest.mark.long
def test_a_request_that_names_no_timeout_has_the_daemons_once(run, path):
    with FakeDaemon(path, stops_after(1.2), hangs) as fake, Stopwatch() as watch:
        fake.hello = {"limits": {"timeout": 1500}}
        (line,) = run("whole", url(5), "run")
        assert begins(line, 0, 902, 3)
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
        process = run.start("timeout", 2000, "wait", "whole", url(5), "run")
        assert process.stdout.readline() == "waiting\n"
        process.stdin.write("\n")
        process.stdin.flush()
        time.sleep(1.2)  # it is the time that nobody accepts in which the test is interested
        listener.accept()[0].close()
        connection, _ = listener.accept()
        with connection:
            Peer(fake, connection, 1).request()
            line, _ = process.communicate(timeout=scaled(20))
    assert begins(line, 0, 902, 3)
    assert 4 <= watch.seconds < 4 + scaled(1) and fake.requests[0]["timeout"] <= 800
    filler.close()
    listener.close()


# ---- A daemon that lies --------------------------------------------------------------------------

@pytest.mark.parametrize("raw", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\xc1", b"\x94\x07\x01\xc0\xc0"])
def test_nonsense_is_a_bad_reply_to_all(run, path, raw):
    with FakeDaemon(path, says(raw), streams()) as fake:
        lines = run("whole", url(5), "run", "down", url(6), "run")
        assert begins(lines[0], 0, 903, 3) and lines[1] == good(1, 6)
        assert fake.accepted == 2


def test_data_past_the_window_ends_all_on_that_socket(run, path):
    def floods(peer):
        first, second = peer.begin(), peer.begin()
        peer.head(first)
        peer.head(second)
        peer.data(first, words(2000))
        peer.socket.recv(1)
    with FakeDaemon(path, floods):
        lines = run("window", 1000, "down", url(0, 0), "down", url(0, 0), "run")
        assert [line.startswith(f"{i} 903 3 200 0 right ") for i, line in enumerate(lines)] == [
            True, True]


def test_what_is_about_other_requests_is_passed_over(run, path):
    def chats(peer):
        for request_id, method, _ in peer.events():
            if method in NOTES:
                continue
            peer.data(request_id + 1000, b"nobody's")
            peer.answer(request_id + 1000, ANSWER)
            peer.send([2, "news", ["of no interest"]])
            peer.send([0, 9, "a request from a daemon", []])
            peer.head(request_id)
            peer.end(request_id, 0)
            peer.data(request_id, b"late")
    with FakeDaemon(path, chats) as fake:
        assert run("down", url(0), "down", url(0), "run") == [good(0, 0), good(1, 0)]
        assert fake.accepted == 1


# ---- Processes, threads, hardships ---------------------------------------------------------------

def test_a_forked_child_has_a_descriptor_of_its_own(run, path):
    with FakeDaemon(path, streams()) as fake:
        assert run("pauseat", 1, "down", url(1_000_000), "runfor", 200, "fork", url(500_000),
                   "resume", 0, "down", url(5), "run") == [
            "child 0", good(1, 500_000), good(1, 5), good(0, 1_000_000)]
        assert fake.accepted == 2


@pytest.mark.deadline(120)
def test_blocking_calls_in_sixteen_threads_do_not_disturb_it(run, path):
    with FakeDaemon(path, streams(piece=20_000)) as fake:
        assert run("beside", 16, 6, url(300_000), seconds=100) == [
            "96 ended, 0 failures", "0 failures in threads"]
        assert fake.accepted >= 2


def test_c24_signals_each_millisecond_and_tiny_buffers_leave_every_byte_right(run, path):
    with FakeDaemon(path, streams(buffer=4096)) as fake:
        lines = run("signals", "buffer", 2048, "down", url(3_000_000), "up", url(1_000_000),
                    2_000_000, 9, "late", "up", url(100_000, 3), 300_000, 4, "run")
        assert sorted(lines) == [good(0, 3_000_000), good(1, 1_000_000), good(2, 100_000)]
        assert sorted(map(len, fake.uploads)) == [300_000, 2_000_000]
        assert set(fake.uploads) == {words(2_000_000, 9), words(300_000, 4)}


WAITS = {
    "paused": (streams(), ["pauseat", 100_000, "down", url(3_000_000)]),
    "an upload that is granted nothing": (streams(upload_window=0), ["up", url(5), 1_000_000, 3]),
    "a paused upload": (streams(), ["up", url(5), 1_000_000, 3, "pause", 0]),
    "a daemon that hangs": (hangs, ["down", url(5)]),
    "a cancellation unheard": (lambda peer: list(peer.events()), ["down", url(5), "cancel", 0]),
}


@pytest.mark.parametrize("script, steps", WAITS.values(), ids=WAITS.keys())
def test_while_nothing_happens_the_descriptor_is_not_ready(run, path, script, steps):
    with FakeDaemon(path, script):
        lines = run(*steps, "runfor", 300, "runfor", 500, "turns", "close")
        assert int(lines[0].split()[1]) <= 3


def test_an_idle_client_notices_the_daemons_end_once(run, path):
    fake = FakeDaemon(path, streams())
    process = run.start("down", url(5), "run", "wait", "down", url(6), "runfor", 300, "turns")
    assert [process.stdout.readline() for _ in range(2)] == [good(0, 5) + "\n", "waiting\n"]
    fake.close()
    lines = run.finish(process, "\n")
    assert begins(lines[0], 1, 900, 2) and int(lines[1].split()[1]) <= 5


def test_one_fast_stream_does_not_hold_the_loop(run, path):
    """Each turn is bounded, so that the program's loop goes round while a stream never pauses."""
    length = 96 << 20

    def pours(peer):
        request_id = peer.begin()
        peer.head(request_id)
        message = msgpack.packb([2, "data", [request_id, bytes(65536)]], use_bin_type=True)
        for _ in range(length // len(message) // 16):
            peer.socket.sendall(message * 16)
        while peer.socket.recv(65536):  # what it grants, until it closes
            pass
    with FakeDaemon(path, pours):
        lines = run("window", length, "down", url(0), "runfor", 500, "most", "close")
        assert 262_144 < int(lines[0].split()[1]) <= 2 << 20


def test_serves_of_the_scripted_daemon_are_understood(run, path):
    with FakeDaemon(path, serves):
        assert run("whole", url(0), "run")[0].startswith("0 0 0 200 6 ")
