"""
Allocations that fail, one by one: failmalloc.c, preloaded into a program and controlled while it runs.

    shim = Failmalloc(directory)
    daemon = start_daemon(..., more_environment=shim.environment)
    shim.arm(7)                     the seventh allocation from now on fails
    shim.disarm()                   True if it came to that
    shim.live()                     how many allocations of ours live
    for number in shim.each(): ...  arms for 1, 2, 3 … until none of a round failed

`owners`: whose allocations are counted; those of our own code, unless a test names others.
"""

import mmap
import pathlib
import struct
import subprocess

from .daemon import ROOT

OURS, CURL, UV, MSGPACK, INIH = range(5)

# Where struct control of failmalloc.c has its members, in words of eight bytes.
OWNERS, FAIL_AT, SEEN, FAILED, FAILED_SITE, LIVE = range(6)
CONTROL_BYTES = 8 * (LIVE + 5)

MOST_ALLOCATIONS = 5000  # more than any round makes: else the rounds would have no end


class Failmalloc:
    def __init__(self, directory, owners=(OURS,)):
        directory = pathlib.Path(directory)
        program = directory / "failmalloc.so"
        subprocess.run(["gcc", "-std=c11", "-D_GNU_SOURCE", "-O2", "-g", "-fno-builtin", "-Wall",
                        "-Wextra", "-Werror", "-shared", "-fPIC",
                        ROOT / "tests/support/failmalloc.c", "-o", program], check=True)
        path = directory / "failmalloc"
        path.write_bytes(bytes(CONTROL_BYTES))
        with open(path, "r+b") as file:
            self.control = mmap.mmap(file.fileno(), CONTROL_BYTES)
        self._set(OWNERS, sum(1 << owner for owner in owners))
        self.environment = {"LD_PRELOAD": str(program), "FAILMALLOC_FILE": str(path)}

    def _set(self, word, value):
        self.control[8 * word:8 * word + 8] = struct.pack("=Q", value)

    def _get(self, word):
        return struct.unpack("=Q", self.control[8 * word:8 * word + 8])[0]

    def arm(self, number):
        self._set(FAIL_AT, 0)
        self._set(FAILED, 0)
        self._set(SEEN, 0)
        self._set(FAIL_AT, number)

    def disarm(self):
        """No more fail. Whether one has failed since arm()."""
        self._set(FAIL_AT, 0)
        return self._get(FAILED) > 0

    def each(self):
        """The caller may disarm before its round ends."""
        for number in range(1, MOST_ALLOCATIONS):
            self.arm(number)
            yield number
            if not self.disarm():
                return
        raise AssertionError(f"a round makes more than {MOST_ALLOCATIONS} allocations")

    def live(self, owner=OURS):
        return self._get(LIVE + owner)

    def site(self, program):
        """Where in that program of ours the last that failed was asked for."""
        done = subprocess.run(["addr2line", "-fpie", program, hex(self._get(FAILED_SITE))],
                              capture_output=True, text=True)
        return done.stdout.strip()

    def close(self):
        self.control.close()
