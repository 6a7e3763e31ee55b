"""Time bounds. A sanitized daemon gets four times as long for everything that is measured or awaited."""

import os
import time

SANITIZED = os.environ.get("FETCHPOOL_SANITIZED") == "1"
FACTOR = 4 if SANITIZED else 1


def scaled(seconds):
    return seconds * FACTOR


def eventually(check, seconds, what):
    """
    Waits until check() is true and returns what it returned. For what gives no event to wait for:
    another process's descriptors, a log file of an origin.
    """
    end = time.monotonic() + scaled(seconds)
    while True:
        value = check()
        if value:
            return value
        assert time.monotonic() < end, f"not within {scaled(seconds)} s: {what() if callable(what) else what}"
        time.sleep(0.01)


class Stopwatch:
    """with Stopwatch() as watch: ...; watch.seconds"""

    def __enter__(self):
        self.start = time.monotonic()
        self.seconds = None
        return self

    def __exit__(self, *_):
        self.seconds = time.monotonic() - self.start
