"""
What a comparison of programs begins with: a directory, an origin, and the programs.

    with Stage() as stage:
        stage.directory, stage.origin
        stage.peers("fetchpoold", "nginx")      started; ended with the stage
"""

import contextlib
import shutil

from support.daemon import temporary_directory

from .origin import BenchOrigin
from .peers import KINDS, Peers


class Stage:
    def __init__(self, **origin):
        with contextlib.ExitStack() as stack:
            self.directory = temporary_directory()
            stack.callback(shutil.rmtree, self.directory, ignore_errors=True)
            self.origin = stack.enter_context(BenchOrigin(self.directory / "origin", **origin))
            self.stack = stack.pop_all()

    def peers(self, *names):
        return self.stack.enter_context(Peers(self.directory, self.origin, names or tuple(KINDS)))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stack.close()
