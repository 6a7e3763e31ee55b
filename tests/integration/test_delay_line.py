"""The delay line of tests/support/delayline.py: as long as it says, and gone afterwards."""

import hashlib
import os
import signal
import socket
import subprocess
import sys
import threading

import pytest

from support.daemon import ROOT
from support.delayline import DelayLine
from support.nameserver import NotPermitted
from support.reader import NOBODY
from support.timing import eventually
from support.users import as_user

MORE_MS = 3  # what a busy machine may add

UNTIL_KILLED = """
import sys
sys.path.insert(0, "tests")
from support.delayline import DelayLine
with DelayLine(5) as line:
    print(line.process.pid, line.near.process.pid, line.far.process.pid, flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def open_line():
    """open_line(ms); the test is skipped where none can be had."""
    def open_(round_trip_ms):
        try:
            return DelayLine(round_trip_ms)
        except NotPermitted as reason:
            pytest.skip(str(reason))
    return open_


def processes_of(line):
    return [line.process.pid, line.near.process.pid, line.far.process.pid]


def is_gone(pid):
    """Or ended, where the first process of the machine reaps nobody."""
    try:
        with open(f"/proc/{pid}/stat") as stat:
            return stat.read().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


@pytest.mark.parametrize("round_trip_ms", [5, 20, 80])
def test_a_round_trip_takes_as_long_as_was_asked_for(open_line, round_trip_ms):
    with open_line(round_trip_ms) as line:
        assert round_trip_ms <= line.measured_ms(9) <= round_trip_ms + MORE_MS


def test_bytes_arrive_whole_and_in_order_both_ways(open_line):
    sent = os.urandom(8 << 20)

    def echo(listener):
        talk, _ = listener.accept()
        with talk:
            while part := talk.recv(65536):
                talk.sendall(part)

    with open_line(5) as line:
        with line.far.inside():
            listener = socket.create_server((line.FAR, 0))
        with line.near.inside():
            talk = socket.socket()
        with listener, talk:
            threading.Thread(target=echo, args=(listener,), daemon=True).start()
            talk.connect(listener.getsockname())

            def send():
                talk.sendall(sent)
                talk.shutdown(socket.SHUT_WR)

            threading.Thread(target=send, daemon=True).start()
            digest = hashlib.sha256()
            while part := talk.recv(65536):
                digest.update(part)
    assert digest.digest() == hashlib.sha256(sent).digest()


def test_nothing_is_left_of_it_when_its_block_ends_or_fails(open_line):
    before = len(os.listdir("/proc/self/fd"))
    with open_line(5) as line:
        begun = processes_of(line)
    assert all(map(is_gone, begun))
    with pytest.raises(ZeroDivisionError), open_line(5) as line:
        begun = processes_of(line)
        raise ZeroDivisionError
    assert all(map(is_gone, begun))
    assert len(os.listdir("/proc/self/fd")) <= before  # those of earlier tests may go


def test_nothing_is_left_of_it_when_its_process_is_killed(open_line):
    open_line(5).close()
    process = subprocess.Popen([sys.executable, "-c", UNTIL_KILLED], cwd=ROOT,
                               stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    begun = process.stdout.readline().split()
    assert len(begun) == 3
    process.send_signal(signal.SIGKILL)
    process.wait()
    eventually(lambda: all(map(is_gone, begun)), 5, "namespaces and their line go")
    process.stdin.close()
    process.stdout.close()


def test_without_root_it_says_that_it_needs_root(open_line):
    open_line(5).close()
    with as_user(NOBODY), pytest.raises(NotPermitted, match="needs root"):
        DelayLine(5)
