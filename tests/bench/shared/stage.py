"""
What a measurement begins with: a build, a directory, and an origin with its processor.

    with Stage() as stage:
        stage.directory, stage.origin
        stage.peers("fetchpoold", "nginx")      started, pinned, ended with the stage
"""

import contextlib
import shutil
import subprocess
import sys

from support.daemon import BUILD, ROOT, temporary_directory

from .load import MEASURED, OTHERS, pin
from .origin import BenchOrigin
from .peers import KINDS, Peers


def build():
    """A release of this tree, in FETCHPOOL_BUILD or build/release."""
    for command in (["cmake", "-S", ROOT, "-B", BUILD, "-DCMAKE_BUILD_TYPE=Release", "-Wno-dev"],
                    ["cmake", "--build", BUILD, "--parallel", "2"]):
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode != 0:
            sys.exit(f"the build failed:\n{done.stdout}{done.stderr}")


class Stage:
    def __init__(self, **origin):
        build()
        with contextlib.ExitStack() as stack:
            self.directory = temporary_directory()
            stack.callback(shutil.rmtree, self.directory, ignore_errors=True)
            self.origin = stack.enter_context(BenchOrigin(self.directory / "origin", **origin))
            pin(self.origin.process.pid, OTHERS)
            self.stack = stack.pop_all()

    def peers(self, *names):
        peers = self.stack.enter_context(Peers(self.directory, self.origin, names or tuple(KINDS)))
        for peer in peers.values():
            for pid in peer.pids:
                pin(pid, MEASURED)
        return peers

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stack.close()
