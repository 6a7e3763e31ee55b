"""What a client's memory keeps of a certificate's key once the requests with it are over: nothing."""

import pathlib
import re
import shutil

import pytest

from support.daemon import ROOT, SANITIZED, temporary_directory
from support.driver import compile_against_library
from support.fakedaemon import ANSWER, FakeDaemon

URL = "https://origin.test/"


@pytest.fixture(scope="module")
def driver():
    directory = temporary_directory()
    yield compile_against_library(ROOT / "tests/support/libdriver.c", directory / "libdriver")
    shutil.rmtree(directory)


def memory_of(process):
    """All that the process can write to."""
    pieces = []
    with open(f"/proc/{process.pid}/mem", "rb", buffering=0) as memory:
        for line in pathlib.Path(f"/proc/{process.pid}/maps").read_text().splitlines():
            first, last, mode, name = re.match(r"(\w+)-(\w+) (\S+) \S+ \S+ \S+ *(.*)", line).groups()
            if mode.startswith("rw") and not name.startswith("[v"):
                memory.seek(int(first, 16))
                pieces.append(memory.read(int(last, 16) - int(first, 16)))
    return b"\0".join(pieces)


@pytest.mark.skipif(SANITIZED, reason="a sanitizer keeps what was freed, and its shadow is too large")
def test_nothing_of_a_key_is_left_when_its_request_is_freed(run, path, authority):
    """Fetched, asked about and submitted: each way has copies of its own."""
    leaf = authority.client("alice")
    lines = [line for line in pathlib.Path(leaf.key).read_bytes().splitlines() if b"-" not in line]
    found = []

    def looks_and_serves(peer):
        for request_id, method, params in peer.messages():
            found.append(sum(memory_of(process).count(line) for line in lines))
            assert lines[0] in params[0]["tls"]["key"]
            if method == "check":
                peer.answer(request_id, {})
            else:
                peer.answer_fetch(request_id, params, ANSWER)

    with FakeDaemon(path, looks_and_serves):
        process = run.start("identity", leaf.cert, leaf.key, URL, "wait")
        while process.stdout.readline() != "waiting\n":
            pass
        left = [line for line in lines if line in memory_of(process)]
        assert len(run.finish(process, "\n")) == 0
    assert len(found) == 3 and min(found) >= len(lines)  # it can be found where it is
    assert left == []
