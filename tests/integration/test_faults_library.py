"""Row C24 with streams: libfetchpool and the real daemon under hardships, every byte right."""

import shutil

import pytest

from support.calm import calm
from support.daemon import ROOT, temporary_directory
from support.driver import Runner, compile_against_library
from support.upload_origin import UploadOrigin, answer_early
from support.words_origin import digest, words_origin

UPLOAD_SEED = 99  # as the drivers' threads have it


@pytest.fixture
def origin():
    with words_origin() as origin:
        yield origin


@pytest.fixture(scope="module")
def drivers():
    directory = temporary_directory()
    yield {name: compile_against_library(ROOT / f"tests/support/{name}driver.c", directory / name)
           for name in ("stream", "async")}
    shutil.rmtree(directory)


@pytest.fixture
def blocking(drivers, daemon):
    runner = Runner(drivers["stream"], daemon.path)
    yield runner
    runner.close()


@pytest.fixture
def asynchronous(drivers, daemon):
    runner = Runner(drivers["async"], daemon.path)
    yield runner
    runner.close()


def good(length):
    return f"0 0 200 {length} right "


@pytest.mark.long
@pytest.mark.parametrize("hardships", [[], ["signals"], ["buffer", "2048"], ["signals", "buffer", "2048"]],
                         ids=" ".join)
def test_c24_streams_both_ways_through_blocking_calls(daemon, origin, blocking, hardships):
    with calm(daemon):
        lines = blocking(*hardships, "down", origin.url("/3000000/1"), "down",
                         origin.url("/3000000/2"), "up", origin.url("/1000/3"), 2_000_000, 7, "more",
                         origin.url("/500000/4"), 1_000_001, 8, "trailers", origin.url("/5/2"))
        assert lines == [good(3_000_000), good(3_000_000), good(1000), good(500_000),
                         lines[-1]]
        assert lines[-1].startswith("X-Sum=1|1|11|") and lines[-1].endswith(good(5))
        assert set(origin.uploads) == {digest(0, 0), digest(2_000_000, 7), digest(1_000_001, 8)}


@pytest.mark.long
@pytest.mark.parametrize("hardships", [[], ["signals", "buffer", 2048]], ids=["calm", "hard"])
def test_c24_streams_both_ways_through_the_asynchronous_half(daemon, origin, asynchronous, hardships):
    with calm(daemon):
        lines = asynchronous(*hardships, "down", origin.url("/3000000/1"), "down",
                             origin.url("/2000000/2"), "up", origin.url("/1000/3"), 2_000_000, 7,
                             "late", "up", origin.url("/500000/4"), 700_000, 8, "whole",
                             origin.url("/60000/5"), "pauseat", 10, "down", origin.url("/900000/6"),
                             "runfor", 2500, "resume", 5, "run")
        assert sorted(lines) == [f"{number} {good(length)}" for number, length in enumerate(
            [3_000_000, 2_000_000, 1000, 500_000, 60_000, 900_000])]
        assert set(origin.uploads) == {digest(0, 0), digest(2_000_000, 7), digest(700_000, 8)}


@pytest.mark.long
@pytest.mark.deadline(180)
@pytest.mark.parametrize("count, hardships", [(16, []), (64, ["signals", "buffer", 4096])],
                         ids=["16", "64, hard"])
def test_c24_many_threads_stream_through_one_client(daemon, origin, blocking, count, hardships):
    with calm(daemon):
        assert blocking(*hardships, "threads", count, 4, origin.url("/400000/2"), seconds=150) == [
            "0 failures"]
        assert origin.uploads.count(digest(300_000, UPLOAD_SEED)) == count * 2


@pytest.mark.deadline(120)
def test_c24_threads_and_the_asynchronous_half_do_not_disturb_each_other(daemon, origin, asynchronous):
    with calm(daemon):
        assert asynchronous("beside", 16, 4, origin.url("/300000/2"), seconds=100) == [
            "64 ended, 0 failures", "0 failures in threads"]


def test_c24_a_forked_child_streams_over_a_socket_of_its_own(daemon, origin, blocking, asynchronous):
    with calm(daemon):
        assert blocking("down", origin.url("/10/1"), "fork", origin.url("/1000000/2"), "down",
                        origin.url("/500000/1")) == [good(10), good(1_000_000), good(1_000_000),
                                                     good(500_000)]
        lines = asynchronous("pauseat", 1, "down", origin.url("/1000000/1"), "runfor", 300, "fork",
                             origin.url("/500000/2"), "resume", 0, "run")
        assert lines == ["child 0", f"1 {good(500_000)}", f"0 {good(1_000_000)}"]


def test_c24_what_is_stopped_or_cancelled_leaves_the_socket_to_the_next(daemon, origin, blocking,
                                                                        asynchronous):
    with calm(daemon):
        lines = blocking("stop", origin.url("/9000000/1"), 100_000, "refuse", origin.url("/9000000/2"),
                         "stopread", origin.url("/5/1"), 300_000, "down", origin.url("/400000/2"),
                         "lie", origin.url("/5/1"), 100_000, 100_001, "down", origin.url("/400000/1"))
        assert [line.split()[0] for line in lines] == ["906", "906", "906", "0", "906", "0"]
        assert all(" right " in line for line in lines)
        lines = asynchronous("cancelat", 100_000, "down", origin.url("/9000000/1"), "stopat", 100_000,
                             "down", origin.url("/9000000/2"), "down", origin.url("/400000/2"), "run")
        assert {line.split(" ", 2)[1] for line in lines} == {"208", "906", "0"}
        assert f"2 {good(400_000)}" in lines


def test_c24_more_than_the_daemon_takes_at_once_all_end(daemon, origin, asynchronous):
    assert asynchronous("many", 600, origin.url("/1000/1"), seconds=60) == ["600 ended, 0 failures"]


@pytest.mark.parametrize("window", [1, 1000, 100_000, 10_000_000])
def test_c24_a_window_of_any_size_is_kept_to(daemon, origin, blocking, asynchronous, window):
    length = min(3_000_000, window * 500)
    with calm(daemon):
        assert blocking("window", window, "down", origin.url(f"/{length}/2")) == [good(length)]
        assert asynchronous("window", window, "down", origin.url(f"/{length}/1"), "run") == [
            f"0 {good(length)}"]


def test_c24_an_early_answer_ends_an_upload_and_the_socket_serves_the_next(daemon, origin, blocking,
                                                                           asynchronous):
    with UploadOrigin(answer_early(413, b"")) as early, calm(daemon):
        lines = blocking("buffer", 2048, "up", early.url("/0/1"), 50_000_000, 3, "more",
                         early.url("/0/1"), 50_000_000, 3, "down", origin.url("/400000/2"))
        assert lines == ["0 0 413 0 right "] * 2 + [good(400_000)]
        lines = asynchronous("up", early.url("/0/1"), 50_000_000, 3, "down", origin.url("/400000/2"),
                             "run")
        assert sorted(lines) == ["0 0 0 413 0 right ", f"1 {good(400_000)}"]
