"""
The Python client of this tree, in the test's own process: what all tests of it import it by.

    from support.python_client import fetchpool
    ask = Asker("trio", path)            a client of one kind, asked as if it were the blocking one
    ask.fetch(URL); ask.take(URL)        a whole answer; a streamed one and its body
    ask.error(URL, ...)                  the fetchpool.Error that it must end with
    run_in("asyncio", main, ...)         an asynchronous function in a loop of its own
    await many(loop, functions)          what they return, all at the same time
    await until(loop, is_so)
    InThread(function, ...).result()     what it returns or raises in a thread
    sockets_to(path)                     how many descriptors of this process are connected to that daemon

There are three ways to use it. A sentence that holds for all three is one test with the fixture
`ask`; the asynchronous ones run in a loop in a thread, so that the loop stays between two calls.
"""

import asyncio
import contextlib
import os
import socket
import stat
import sys
import threading

import anyio.from_thread
import trio

from .timing import scaled
from .uvicorn import PACKAGE

sys.path.insert(0, str(PACKAGE))

import fetchpool  # noqa: E402
import fetchpool.httpx  # noqa: E402
import fetchpool.requests  # noqa: E402

LOOPS = ["asyncio", "trio"]

NAME = "asking"  # what the askers are called in the daemon's tables


def run_in(loop, main, *arguments):
    if loop == "asyncio":
        return asyncio.run(main(*arguments))
    return trio.run(main, *arguments)


async def until(loop, is_so):
    while not is_so():
        await (asyncio.sleep if loop == "asyncio" else trio.sleep)(0.005)


async def many(loop, functions):
    """What they return, in their order, all at the same time."""
    results = [None] * len(functions)

    async def run(number):
        results[number] = await functions[number]()

    if loop == "asyncio":
        await asyncio.gather(*map(run, range(len(functions))))
    else:
        async with trio.open_nursery() as nursery:
            for number in range(len(functions)):
                nursery.start_soon(run, number)
    return results


class Asker:
    """`in_loop(function, ...)`: of the asynchronous kinds, to run an async function in its loop."""

    def __init__(self, kind, path, **options):
        options.setdefault("name", NAME)
        self.is_sync = kind == "sync"
        self.stack = contextlib.ExitStack()
        if self.is_sync:
            self.client = self.stack.enter_context(fetchpool.Client(path, **options))
            return
        portal = self.stack.enter_context(anyio.from_thread.start_blocking_portal(kind))
        self.in_loop = portal.call
        self.client = fetchpool.AsyncClient(path, **options)
        self.stack.callback(portal.call, self.client.aclose)

    def _ask(self, name, /, *arguments, **keys):
        function = getattr(self.client, name)
        if self.is_sync:
            return function(*arguments, **keys)

        async def ask():
            return await function(*arguments, **keys)

        return self.in_loop(ask)

    def fetch(self, request, **keys):
        return self._ask("fetch", request, **keys)

    def call(self, method, /, **keys):
        return self._ask("call", method, **keys)

    def open(self, request, **keys):
        """A stream, to be read by read_piece(), read() and close() of this object."""
        return self._ask("stream", request, **keys)

    def read_piece(self, stream):
        return stream.read_piece() if self.is_sync else self.in_loop(stream.read_piece)

    def read(self, stream):
        return stream.read() if self.is_sync else self.in_loop(stream.read)

    def close_stream(self, stream):
        if self.is_sync:
            stream.close()
        else:
            self.in_loop(stream.aclose)

    def take(self, request, **keys):
        """A streamed answer and its body."""
        stream = self.open(request, **keys)
        return stream, self.read(stream)

    def error(self, request, take=False, **keys):
        try:
            answer = self.take(request, **keys) if take else self.fetch(request, **keys)
        except fetchpool.Error as error:
            return error
        raise AssertionError(f"no error but an answer: {answer!r}")

    def close(self):
        self.stack.close()


def _is_connected_to(number, path):
    try:
        if not stat.S_ISSOCK(os.fstat(number).st_mode):
            return False
        with socket.socket(fileno=os.dup(number)) as copy:
            return copy.family == socket.AF_UNIX and copy.getpeername() == path
    except OSError:  # it was closed meanwhile, or is a listener
        return False


def descriptors_to(path):
    numbers = map(int, os.listdir("/proc/self/fd"))
    return [number for number in numbers if _is_connected_to(number, str(path))]


def sockets_to(path):
    return len(descriptors_to(path))


class InThread:
    """A call in a thread; result() is what it returned or raised."""

    def __init__(self, function, *arguments, **keys):
        def run():
            try:
                self.returned = function(*arguments, **keys)
            except BaseException as error:
                self.raised = error

        self.returned = self.raised = None
        self.thread = threading.Thread(target=run)
        self.thread.start()

    def result(self, seconds=20):
        self.thread.join(scaled(seconds))
        assert not self.thread.is_alive()
        if self.raised is not None:
            raise self.raised
        return self.returned
