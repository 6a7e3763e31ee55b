"""
An origin, and where those are who ask it: on loopback, or a fixed time away (a delay line).

    with Places(0, 5, 20, 80) as places:        round trips in ms; what cannot be had is missing
        place.name, place.origin, place.directory
        place.round_trip_ms()                   as measured; 0 on loopback
        place.daemon({...})                     a fetchpoold there that trusts the origin
        place.run(command), place.start(command)
        with place.inside(): ...                what this thread opens meanwhile is there
"""

import contextlib
import shutil
import subprocess
import sys

from support.daemon import Daemon, temporary_directory
from support.delayline import DelayLine
from support.nameserver import NotPermitted

from .origin import BenchOrigin


class Place:
    def __init__(self, stack, line=None, round_trip_ms=0):
        self.name = f"{round_trip_ms} ms" if line else "loopback"
        self.line = line
        self.wrapper = line.near.enter() if line else []
        self.directory = temporary_directory()
        stack.callback(shutil.rmtree, self.directory, ignore_errors=True)
        far = {"address": line.FAR, "namespace": line.far} if line else {}
        self.origin = stack.enter_context(BenchOrigin(self.directory / "origin", **far))

    def inside(self):
        return self.line.near.inside() if self.line else contextlib.nullcontext()

    def round_trip_ms(self):
        return self.line.measured_ms(9) if self.line else 0

    @contextlib.contextmanager
    def daemon(self, config=None):
        sections = {"tls": {"ca_file": self.origin.ca}, **(config or {})}
        daemon = Daemon(sections, log_level=None, wrapper=self.wrapper)
        try:
            yield daemon
        finally:
            daemon.stop()
            daemon.remove()

    def start(self, command, **options):
        return subprocess.Popen([*self.wrapper, *map(str, command)], stdin=subprocess.DEVNULL,
                                **options)

    def run(self, command, **options):
        return subprocess.run([*self.wrapper, *map(str, command)], stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, **options)


class Places(list):
    def __init__(self, *round_trips_ms):
        super().__init__()
        with contextlib.ExitStack() as stack:
            for ms in round_trips_ms:
                try:
                    line = stack.enter_context(DelayLine(ms)) if ms else None
                except NotPermitted as reason:
                    print(f"without {ms} ms between: {reason}", file=sys.stderr)
                    continue
                self.append(Place(stack, line, ms))
            self.stack = stack.pop_all()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stack.close()
