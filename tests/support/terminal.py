"""
A program on a terminal of its own (a pty), and what a person would see there.

    with Terminal([FETCHPOOL, "top"], env, rows=24, columns=80) as terminal:
        terminal.await_screen(lambda lines: "req/s" in lines[4])
        terminal.type("q")
        assert terminal.wait() == 0

It knows the escape sequences that fetchpool writes, and fails at any other.
"""

import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import time

from .timing import scaled

SEQUENCE = re.compile(rb"\x1b\[(\??)([0-9;]*)([A-Za-z])")


class Screen:
    """What the bytes so far have drawn. A line that wraps or scrolls is an error of the program."""

    def __init__(self, rows, columns):
        self.is_alternate = False
        self.has_cursor = True
        self.resize(rows, columns)

    def resize(self, rows, columns):
        self.rows, self.columns = rows, columns
        self.clear()

    def clear(self):
        self.lines = [""] * self.rows
        self.row = self.column = 0

    def put(self, text):
        assert self.column + len(text) <= self.columns, f"wider than the window: {text!r}"
        line = self.lines[self.row].ljust(self.column)
        self.lines[self.row] = line[:self.column] + text + line[self.column + len(text):]
        self.column += len(text)

    def obey(self, is_private, numbers, letter):
        if is_private:
            assert numbers in ("1049", "25") and letter in "hl", (numbers, letter)
            if numbers == "1049":
                self.is_alternate = letter == "h"
                self.clear()
            else:
                self.has_cursor = letter == "h"
        elif letter == "H":
            assert numbers == ""
            self.row = self.column = 0
        elif letter == "J":
            if numbers == "2":
                self.lines = [""] * self.rows
            else:
                self.lines[self.row] = self.lines[self.row][:self.column]
                self.lines[self.row + 1:] = [""] * (self.rows - self.row - 1)
        elif letter == "K":
            self.lines[self.row] = self.lines[self.row][:self.column]
        else:
            assert letter == "m" and numbers in ("0", "7"), (numbers, letter)

    def feed(self, data):
        """Takes all but an escape sequence that has not come whole; returns that."""
        while data:
            if data[:1] == b"\x1b":
                sequence = SEQUENCE.match(data)
                if not sequence:
                    assert re.fullmatch(rb"\x1b(\[\??[0-9;]*)?", data), f"unknown: {data[:20]!r}"
                    return data
                private, numbers, letter = sequence.groups()
                self.obey(bool(private), numbers.decode(), letter.decode())
                data = data[sequence.end():]
                continue
            text = re.match(rb"[^\x1b\r\n]*", data).group()
            assert all(0x20 <= byte < 0x7f for byte in text), f"not printable: {text!r}"
            self.put(text.decode())
            data = data[len(text):]
            if data[:1] == b"\r":
                self.column = 0
            elif data[:1] == b"\n":
                self.row += 1
                assert self.row < self.rows, "more lines than the window has"
            if data[:1] in (b"\r", b"\n"):
                data = data[1:]
        return b""


class Terminal:
    def __init__(self, command, env, rows=24, columns=80, **options):
        self.master, self.slave = pty.openpty()
        self.screen = Screen(rows, columns)
        self.set_size(rows, columns)
        self.modes = termios.tcgetattr(self.slave)
        self.written = b""
        self.rest = b""
        # a session whose terminal this is, as at a login: Ctrl-C and Ctrl-Z come as signals
        self.process = subprocess.Popen(
            [str(word) for word in command], stdin=self.slave, stdout=self.slave,
            stderr=subprocess.PIPE, env={**env, "TERM": "xterm"}, start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0), **options)

    def set_size(self, rows, columns):
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def resize(self, rows, columns):
        """What was drawn for the size before may still be under way; it must not be judged."""
        self.read_for(0.1)
        self.screen.resize(rows, columns)
        self.set_size(rows, columns)

    def read_some(self, seconds):
        if not select.select([self.master], [], [], max(seconds, 0))[0]:
            return False
        data = os.read(self.master, 65536)
        self.written += data
        self.rest = self.screen.feed(self.rest + data)
        return True

    def read_for(self, seconds):
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            self.read_some(left)

    def await_screen(self, is_right, seconds=10):
        """The lines, as soon as they are right and whole."""
        end = time.monotonic() + scaled(seconds)
        while self.read_some(0) or self.rest or not is_right(self.screen.lines):
            assert time.monotonic() < end, "\n".join(["the screen is:", *self.screen.lines])
            self.read_some(0.05)
        return self.screen.lines

    def type(self, keys):
        os.write(self.master, keys.encode())

    def signal(self, number):
        self.process.send_signal(number)

    def wait(self, seconds=10):
        """The exit code, when all that was written has been read."""
        end = time.monotonic() + scaled(seconds)
        while self.process.poll() is None:
            assert time.monotonic() < end, "it does not end"
            self.read_some(0.02)
        while self.read_some(0):
            pass
        return self.process.returncode

    def is_as_before(self):
        """Is the terminal as the program found it?"""
        return (not self.screen.is_alternate and self.screen.has_cursor
                and termios.tcgetattr(self.slave) == self.modes)

    def is_raw(self):
        return not termios.tcgetattr(self.slave)[3] & (termios.ICANON | termios.ECHO)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait()
        self.process.stderr.close()
        os.close(self.master)
        os.close(self.slave)
