"""libfetchpool's blocking calls with bodies that stream, against a scripted daemon."""

import os
import shutil
import threading

import msgpack
import pytest

from support.daemon import ROOT, temporary_directory
from support.driver import code_and_class, compile_against_library
from support.fakedaemon import (ANSWER, FakeDaemon, hangs, refuses_with, resets, serves, streams,
                                words)
from support.timing import Stopwatch

NOT_SENT, MAYBE = 2, 3


@pytest.fixture(scope="module")
def driver():
    directory = temporary_directory()
    yield compile_against_library(ROOT / "tests/support/streamdriver.c", directory / "driver")
    shutil.rmtree(directory)


def url(length, seed=5):
    return f"http://origin.test/{length}/{seed}"


def good(length):
    return f"0 0 200 {length} right "


SIZES = [0, 1, 65535, 65536, 65537, 262143, 262144, 262145, 5_000_000]

# ---- Down ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", SIZES)
def test_a_body_streams_to_its_last_byte_and_the_socket_serves_the_next(run, path, size):
    with FakeDaemon(path, streams()) as fake:
        assert run("down", url(size), "down", url(size, 77)) == [good(size)] * 2
        assert fake.accepted == 1
        assert fake.requests == [{"url": url(size), "stream": True},
                                 {"url": url(size, 77), "stream": True}]


@pytest.mark.parametrize("window", [1, 1000, 65536, 100_000, 10_000_000])
def test_a_window_of_any_size_is_kept_open(run, path, window):
    size = min(window * 100, 5_000_000)
    with FakeDaemon(path, streams()) as fake:
        assert run("window", window, "down", url(size)) == [good(size)]
        assert fake.requests[0]["window"] == window
        grants = [count for name, _, count in fake.notifications if name == "window"]
        assert all(count >= max(window // 2, 1) for count in grants)  # none for every message


@pytest.mark.parametrize("piece", [1, 3, 16384])
def test_messages_of_any_size_are_one_body(run, path, piece):
    size = min(piece * 20_000, 1_000_000)
    with FakeDaemon(path, streams(piece=piece)):
        assert run("down", url(size)) == [good(size)]


def test_messages_that_arrive_in_single_bytes_are_read(run, path):
    def drips(peer):
        request_id = peer.begin()
        parts = [[1, request_id, None, {**ANSWER, "body": None}], [2, "data", [request_id, words(9)]],
                 [2, "end", [request_id, {"bytes": 9}]]]
        del parts[0][3]["body"]
        for part in parts:
            for byte in msgpack.packb(part, use_bin_type=True):
                peer.socket.sendall(bytes([byte]))
    with FakeDaemon(path, drips):
        assert run("down", "http://h/9/0") == [good(9)]


def test_an_answer_that_is_held_whole_comes_with_its_head(run, path):
    with FakeDaemon(path, streams()) as fake:
        assert run("get", url(100_000), "get", url(0)) == [good(100_000), good(0)]
        assert "stream" not in fake.requests[0]


def test_a_daemon_without_streams_answers_one_at_once(run, path):
    def answers(peer):
        for request_id, _, _ in peer.messages():
            peer.answer(request_id, {**ANSWER, "body": words(200_000, 5)})
    with FakeDaemon(path, answers):
        assert run("down", url(200_000), "down", url(200_000)) == [good(200_000)] * 2


def test_trailers_and_the_final_timing_are_in_the_response(run, path):
    def ends(peer):
        for request_id, _, _ in peer.messages():
            peer.head(request_id, timing={})
            peer.data(request_id, words(3))
            peer.end(request_id, 3, trailers=[["X-Sum", "1"], ["x-empty", ""], ["X-Sum", "2"]])
    with FakeDaemon(path, ends):
        assert run("trailers", "http://h/3/0") == [
            "X-Sum=1|x-empty=|X-Sum=2|1|11|600000|" + good(3)]


# ---- Up ------------------------------------------------------------------------------------------

@pytest.mark.parametrize("verb", ["up", "more"])
@pytest.mark.parametrize("size", SIZES)
def test_an_upload_arrives_to_its_last_byte(run, path, verb, size):
    with FakeDaemon(path, streams()) as fake:
        assert run(verb, url(10), size, 9, verb, url(300_000), size, 8) == [good(10), good(300_000)]
        assert fake.accepted == 1
        assert fake.uploads == [words(size, 9), words(size, 8)]
        assert fake.requests[0].get("upload_size") == (size if verb == "up" else None)


@pytest.mark.parametrize("window", [1, 1000, 32768])
def test_no_byte_is_sent_that_was_not_granted(run, path, window):
    size = min(window * 200, 1_000_000)
    with FakeDaemon(path, streams(upload_window=window)) as fake:
        assert run("more", url(1), size, 9) == [good(1)]
        assert fake.uploads == [words(size, 9)]


def test_an_answer_before_the_end_of_an_upload_ends_it(run, path):
    def refuses(peer):
        for request_id, method, _ in peer.events():
            assert method in ("fetch", "data")  # no cancel: it is over
            if method == "fetch":
                peer.grant(request_id, 1 << 40)
            elif method == "data" and request_id not in refused:
                refused.add(request_id)
                peer.head(request_id, status=413)
                peer.end(request_id, 0)
    refused = set()
    with FakeDaemon(path, refuses):
        assert run("up", url(0), 1 << 40, 9, "up", url(0), 1 << 40, 9) == ["0 0 413 0 right "] * 2


def test_both_ways_at_once(run, path):
    def echoes(peer):
        request_id = peer.begin()
        peer.head(request_id)
        peer.grant(request_id, 100_000)
        count = 0
        for _, method, params in peer.events():
            if method == "end":
                peer.end(request_id, count)
            elif method == "data":
                count += len(params[0])
                peer.data(request_id, params[0])
                peer.grant(request_id, len(params[0]))
    with FakeDaemon(path, echoes):
        assert run("more", url(0, 5), 2_000_000, 5) == [good(2_000_000)]


@pytest.mark.parametrize("length, announced, says", [
    (100, 99, "longer than the 99 bytes"), (100, 101, "after 100 of 101 bytes"),
    (0, 5, "after 0 of 5"), (400_000, 300_000, "longer"), (262_145, 262_144, "longer")])
def test_an_upload_of_another_length_than_announced_never_ends_well(run, path, length, announced,
                                                                    says):
    with FakeDaemon(path, streams()) as fake:
        lie, after = run("lie", url(0), length, announced, "down", url(10))
        assert code_and_class(lie) == (906, MAYBE) and says in lie
        assert after == good(10)
        assert fake.uploads == [] and ["cancel", 1] in fake.notifications


# ---- Files ---------------------------------------------------------------------------------------

def test_a_body_goes_into_a_file_behind_what_is_there(run, path):
    target = path.parent / "file"
    with FakeDaemon(path, streams()):
        assert run("save", url(1_000_000), target) == [good(1_000_000)]
    assert target.read_bytes() == b"before" + words(1_000_000, 5)


def test_a_body_goes_into_a_descriptor_also_a_slow_pipe(run, path):
    pipe = path.parent / "pipe"
    os.mkfifo(pipe)
    got = bytearray()

    def read():
        with open(pipe, "rb", buffering=0) as source:
            while part := source.read(5000):
                got.extend(part)
    reader = threading.Thread(target=read)
    fd = os.open(pipe, os.O_RDWR)  # so that the driver's non-blocking open finds a reader
    reader.start()
    with FakeDaemon(path, streams()):
        assert run("savefd", url(1_000_000), pipe) == [good(1_000_000)]
    os.close(fd)
    reader.join()
    assert bytes(got) == words(1_000_000, 5)


def test_a_pipe_that_nobody_reads_is_an_error_and_no_signal(run, path):
    pipe = path.parent / "pipe"
    os.mkfifo(pipe)
    fd = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    threading.Timer(0.3, os.close, [fd]).start()
    with FakeDaemon(path, streams()):
        lines = run("savefd", url(10_000_000), pipe, "down", url(10))
    assert code_and_class(lines[0]) == (906, MAYBE) and lines[0].endswith("Broken pipe")
    assert lines[1] == good(10)


def test_a_full_disk_is_an_error_that_errno_names(run, path):
    with FakeDaemon(path, streams()):
        for verb in ("save", "savefd"):
            (line,) = run(verb, url(1_000_000), "/dev/full")
            assert code_and_class(line) == (906, MAYBE)
            assert line.endswith("No space left on device")


@pytest.mark.parametrize("verb", ["send", "sendfd"])
def test_an_upload_comes_from_a_file(run, path, verb):
    source = path.parent / "file"
    source.write_bytes(words(1_000_001, 3))
    with FakeDaemon(path, streams()) as fake:
        assert run(verb, url(0), source) == [good(0)]
        assert fake.uploads == [words(1_000_001, 3)]


def test_an_upload_comes_from_a_slow_pipe(run, path):
    pipe = path.parent / "pipe"
    os.mkfifo(pipe)

    def write():
        with open(pipe, "wb", buffering=0) as sink:
            sink.write(words(100_000, 3)[:50_000])
            sink.write(words(100_000, 3)[50_000:])
    fd = os.open(pipe, os.O_RDWR)
    writer = threading.Thread(target=write)
    with FakeDaemon(path, streams()) as fake:
        process = run.start("sendfd", url(0), pipe)
        writer.start()
        writer.join()
        os.close(fd)
        assert run.finish(process) == [good(0)]
        assert fake.uploads == [words(100_000, 3)]


@pytest.mark.parametrize("verb", ["send", "sendfd"])
def test_a_source_that_cannot_be_read_is_an_error_that_errno_names(run, path, verb):
    with FakeDaemon(path, streams()) as fake:
        (line,) = run(verb, url(0), path.parent)  # a directory
        assert code_and_class(line) == (906, MAYBE) and line.endswith("Is a directory")
        assert fake.uploads == []


# ---- Functions that stop -------------------------------------------------------------------------

@pytest.mark.parametrize("steps, says", [
    (["stop", url(10_000_000), 1_000_000], "on_body ended the request: No space left on device"),
    (["refuse", url(10_000_000)], "on_headers ended the request: No space left on device"),
    (["stopread", url(10), 300_000], "on_read ended the request: Input/output error")])
def test_a_function_that_stops_cancels_and_the_socket_serves_the_next(run, path, steps, says):
    with FakeDaemon(path, streams()) as fake:
        stopped, after = run(*steps, "down", url(1_000_000, 31))
        assert code_and_class(stopped) == (906, MAYBE) and says in stopped and " right " in stopped
        assert after == good(1_000_000)
        assert ["cancel", 1] in fake.notifications and fake.accepted == 1


def test_a_stop_keeps_what_had_come_of_the_answer(run, path):
    with FakeDaemon(path, streams()):
        (line,) = run("stop", url(10_000_000), 1)
        assert line.startswith("906 3 200 65536 right ")


def test_a_daemon_that_does_not_hear_a_cancel_loses_the_socket(run, path):
    def ignores(peer):
        request_id = peer.begin()
        peer.head(request_id)
        while True:
            peer.data(request_id, words(AT_A_TIME))
            peer.await_note("window")

    AT_A_TIME = 65536
    with FakeDaemon(path, ignores, streams()) as fake:
        stopped, after = run("window", AT_A_TIME, "stop", url(0, 0), 200_000, "down", url(10))
        assert code_and_class(stopped) == (906, MAYBE)
        assert after == good(10) and fake.accepted == 2


# ---- Failures in the middle ----------------------------------------------------------------------

def starts(then):
    def script(peer):
        request_id = peer.begin()
        peer.head(request_id)
        peer.data(request_id, words(1000, 5))
        then(peer, request_id)
    return script


def test_an_error_after_the_head_keeps_the_head(run, path):
    script = starts(lambda peer, request_id: (peer.fail(request_id, 202, "it broke off"),
                                              peer.socket.recv(1)))
    with FakeDaemon(path, script, serves) as fake:
        assert run("down", url(5000)) == ["202 3 200 1000 right it broke off"]
        assert fake.accepted == 1


def test_an_error_instead_of_a_head_is_an_ordinary_answer(run, path):
    with FakeDaemon(path, refuses_with(103, "no connection")) as fake:
        assert run("down", url(5), "up", url(5), 100, 0) == ["103 2 0 0 right no connection"] * 2
        assert fake.accepted == 1


def test_a_daemon_that_dies_in_the_middle_is_lost(run, path):
    with FakeDaemon(path, starts(lambda *_: None), streams()) as fake:
        lost, after = run("down", url(5000), "down", url(10))
        assert lost.startswith("901 3 200 1000 right ") and after == good(10)
        assert fake.accepted == 2


def test_an_upload_that_the_daemon_cuts_off_is_lost_and_not_repeated(run, path):
    def dies(peer):
        request_id = peer.begin()
        peer.grant(request_id, 1 << 30)
        peer.await_note("data")
    with FakeDaemon(path, dies, streams()) as fake:
        (line,) = run("up", url(5), 10_000_000, 0)
        assert code_and_class(line) == (901, MAYBE)
        assert fake.accepted == 1


def test_an_upload_that_was_not_begun_is_sent_again(run, path):
    with FakeDaemon(path, resets, streams()) as fake:
        assert run("up", url(5), 1_000_000, 7) == [good(5)]
        assert fake.accepted == 2 and fake.uploads == [words(1_000_000, 7)]


def test_the_last_word_is_heard_when_the_daemon_hangs_up_on_an_upload(run, path):
    def refuses(peer):
        request_id = peer.begin()
        peer.grant(request_id, 1 << 30)
        peer.await_note("data")
        peer.refuse(request_id, 206, "too slow")
    with FakeDaemon(path, refuses) as fake:
        assert run("up", url(5), 10_000_000, 0) == ["206 3 0 0 right too slow"]
        assert fake.accepted == 1


def test_a_daemon_that_shuts_down_is_asked_again_with_a_stream(run, path):
    with FakeDaemon(path, refuses_with(106, "the daemon is shutting down"), streams()) as fake:
        assert run("up", url(5), 1000, 7) == [good(5)]
        assert fake.accepted == 2


# ---- A daemon that lies --------------------------------------------------------------------------

LIES = {
    "data past the window": lambda peer, request: peer.data(request, words(2001)),
    "the end with another length": lambda peer, request: peer.end(request, 1001),
    "a second answer": lambda peer, request: peer.head(request),
    "data of no bytes": lambda peer, request: peer.send([2, "data", [request, 5]]),
    "data too large": lambda peer, request: peer.data(request, words(65537)),
    "an end without sense": lambda peer, request: peer.end(request, 1000, trailers=[["a"]]),
    "no id": lambda peer, request: peer.send([2, "data", ["x", b""]]),
}


@pytest.mark.parametrize("lie", LIES.values(), ids=LIES.keys())
def test_a_lie_in_the_middle_is_a_bad_reply(run, path, lie):
    def then(peer, request_id):
        lie(peer, request_id)
        peer.socket.recv(1)
    with FakeDaemon(path, starts(then), streams()) as fake:
        bad, after = run("window", 2000, "down", url(5000), "down", url(10))
        assert bad.startswith("903 3 200 "), bad
        assert after == good(10) and fake.accepted == 2


@pytest.mark.parametrize("name", ["data", "end"])
def test_a_body_without_a_head_is_a_bad_reply(run, path, name):
    def script(peer):
        request_id = peer.begin()
        peer.send([2, name, [request_id, b"" if name == "data" else {}]])
        peer.socket.recv(1)
    with FakeDaemon(path, script):
        (line,) = run("down", url(5000))
        assert line.startswith("903 3 0 0 right ") and "before the header fields" in line


def test_what_is_about_other_requests_is_passed_over(run, path):
    def chats(peer):
        for request_id, method, _ in peer.events():
            if method != "fetch":
                continue
            other = request_id + 1000
            peer.data(other, b"nobody's")
            peer.grant(other, 5)
            peer.head(request_id)
            peer.end(other, 8)
            peer.data(request_id, words(10, 5))
            peer.fail(other, 202, "nobody's")
            peer.end(request_id, 10)
    with FakeDaemon(path, chats) as fake:
        assert run("down", url(10), "down", url(10)) == [good(10)] * 2
        assert fake.accepted == 1


# ---- Deadlines -----------------------------------------------------------------------------------

@pytest.mark.long
def test_a_daemon_that_hangs_in_the_middle_costs_the_timeout_and_two_seconds(run, path):
    with FakeDaemon(path, starts(lambda peer, _: peer.socket.recv(1))), Stopwatch() as watch:
        (line,) = run("timeout", 100, "down", url(5000))
        assert line.startswith("902 3 200 1000 right ") and "within 2100 ms" in line
    assert watch.seconds >= 2.1


@pytest.mark.long
def test_without_a_timeout_a_silence_as_long_as_the_daemons_timeout_ends_a_stream(run, path):
    def keeps_on(peer, request_id):
        for _ in range(4):
            peer.fake.stopping.wait(1)
            peer.data(request_id, words(0))
        peer.socket.recv(1)
    with FakeDaemon(path, starts(keeps_on)) as fake, Stopwatch() as watch:
        fake.hello = {"limits": {"timeout": 300}}
        (line,) = run("down", url(5000))
        assert line.startswith("902 3 200 1000 right ") and "within 2300 ms" in line
    assert watch.seconds >= 4 + 2.3


@pytest.mark.long
def test_a_phase_that_may_take_longer_is_waited_for(run, path):
    with FakeDaemon(path, hangs) as fake:
        fake.hello = {"limits": {"timeout": 300}}
        (line,) = run("idle", 500, "down", url(5000))
        assert code_and_class(line) == (902, MAYBE) and "within 2500 ms" in line


@pytest.mark.long
def test_time_in_the_callers_functions_does_not_count(run, path):
    with FakeDaemon(path, streams()) as fake:
        fake.hello = {"limits": {"timeout": 100}}
        assert run("sleep", 2500, "down", url(100), "timeout", 100, "down", url(70_000)) == [
            good(100), good(70_000)]


# ---- Hardships -----------------------------------------------------------------------------------

def test_c24_signals_each_millisecond_and_tiny_buffers_leave_every_byte_right(run, path):
    with FakeDaemon(path, streams(buffer=4096)) as fake:
        assert run("signals", "buffer", 2048, "down", url(3_000_000), "up", url(1_000_000), 2_000_000,
                   9, "stop", url(3_000_000), 500_000, "more", url(7), 1_000_000, 4)[::3] == [
            good(3_000_000), good(7)]
        assert fake.uploads == [words(2_000_000, 9), words(1_000_000, 4)]


def test_c24_signals_do_not_harm_files(run, path):
    target = path.parent / "file"
    with FakeDaemon(path, streams(buffer=4096)) as fake:
        assert run("signals", "save", url(2_000_000), target, "send", url(0), target) == [
            good(2_000_000), good(0)]
        assert fake.uploads == [b"before" + words(2_000_000, 5)]


def test_c24_a_forked_child_streams_over_a_socket_of_its_own(run, path):
    with FakeDaemon(path, streams()) as fake:
        assert run("down", url(10), "fork", url(1_000_000), "down", url(500_000)) == [
            good(10), good(1_000_000), good(1_000_000), good(500_000)]
        assert fake.accepted == 2


@pytest.mark.deadline(120)
@pytest.mark.parametrize("count, hardships", [(16, []), (64, ["signals", "buffer", 4096])])
def test_c24_many_threads_stream_through_one_client(run, path, count, hardships):
    times = 6 if count == 16 else 2
    with FakeDaemon(path, streams(piece=20_000)) as fake:
        assert run(*hardships, "threads", count, times, url(600_000), seconds=100) == ["0 failures"]
        assert len(fake.requests) == count * times
        assert fake.uploads == [words(300_000, 99)] * (count * times // 2)
