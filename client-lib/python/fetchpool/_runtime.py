"""
What the asynchronous client needs of an event loop: signals, and callbacks when a socket is ready.

There is one for asyncio (any loop that has add_reader, so uvloop, too) and one for trio. Neither
makes tasks that the caller would have to look after: a client needs no `async with`.
"""

from __future__ import annotations

import asyncio
import socket
import sys
from typing import Any, Callable, Optional

Callback = Callable[[], None]


class Signal:
    """set() from anywhere in the loop; wait() in one task at a time, which takes it back."""

    def set(self) -> None:
        raise NotImplementedError

    async def wait(self, seconds: float) -> bool:
        """Whether it was set within that time."""
        raise NotImplementedError


class Runtime:
    """token: the same for all tasks of one loop, and hashable."""

    token: Any

    def is_closed(self) -> bool:
        raise NotImplementedError

    def signal(self) -> Signal:
        raise NotImplementedError

    def watch(self, watched: socket.socket, on_readable: Callback) -> None:
        raise NotImplementedError

    def watch_writable_once(self, watched: socket.socket, on_writable: Callback) -> None:
        raise NotImplementedError

    def unwatch(self, watched: socket.socket) -> None:
        """To be called before the socket is closed."""
        raise NotImplementedError

    def call_from_thread(self, function: Callback) -> None:
        raise NotImplementedError

    async def sleep(self, seconds: float) -> None:
        raise NotImplementedError


# ---- asyncio -------------------------------------------------------------------------------------


class _AsyncioSignal(Signal):
    __slots__ = ("_loop", "_is_set", "_future")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._is_set = False
        self._future: Optional[asyncio.Future[None]] = None

    def set(self) -> None:
        self._is_set = True
        self._finish()

    def _finish(self) -> None:
        if self._future is not None and not self._future.done():
            self._future.set_result(None)

    async def wait(self, seconds: float) -> bool:
        if not self._is_set:
            self._future = self._loop.create_future()
            timer = self._loop.call_later(seconds, self._finish)
            try:
                await self._future
            finally:
                timer.cancel()
                self._future = None
        was_set, self._is_set = self._is_set, False
        return was_set


class AsyncioRuntime(Runtime):
    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.token = loop
        self.loop = loop

    def is_closed(self) -> bool:
        return self.loop.is_closed()

    def signal(self) -> Signal:
        return _AsyncioSignal(self.loop)

    def watch(self, watched: socket.socket, on_readable: Callback) -> None:
        self.loop.add_reader(watched, on_readable)

    def watch_writable_once(self, watched: socket.socket, on_writable: Callback) -> None:
        def once() -> None:
            self.loop.remove_writer(watched)
            on_writable()

        self.loop.add_writer(watched, once)

    def unwatch(self, watched: socket.socket) -> None:
        if not self.loop.is_closed():
            self.loop.remove_reader(watched)
            self.loop.remove_writer(watched)

    def call_from_thread(self, function: Callback) -> None:
        self.loop.call_soon_threadsafe(function)

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


# ---- trio ----------------------------------------------------------------------------------------


class _TrioSignal(Signal):
    def __init__(self, trio: Any) -> None:
        self._trio = trio
        self._event = trio.Event()

    def set(self) -> None:
        self._event.set()

    async def wait(self, seconds: float) -> bool:
        with self._trio.move_on_after(seconds):
            await self._event.wait()
        was_set = bool(self._event.is_set())
        if was_set:
            self._event = self._trio.Event()
        return was_set


class TrioRuntime(Runtime):
    """Sockets are watched by system tasks, which end with their socket or with the run."""

    def __init__(self, trio: Any) -> None:
        self._trio = trio
        self.token = trio.lowlevel.current_trio_token()
        self._is_ended = False

    def is_closed(self) -> bool:
        try:
            self.token.run_sync_soon(lambda: None)
        except self._trio.RunFinishedError:
            return True
        return False

    def signal(self) -> Signal:
        return _TrioSignal(self._trio)

    def watch(self, watched: socket.socket, on_readable: Callback) -> None:
        async def read_on() -> None:
            while await self._is_ready(self._trio.lowlevel.wait_readable, watched):
                on_readable()

        self._trio.lowlevel.spawn_system_task(read_on)

    def watch_writable_once(self, watched: socket.socket, on_writable: Callback) -> None:
        async def write_once() -> None:
            if await self._is_ready(self._trio.lowlevel.wait_writable, watched):
                on_writable()

        self._trio.lowlevel.spawn_system_task(write_once)

    async def _is_ready(self, wait: Any, watched: socket.socket) -> bool:
        """False once it is closed. One that is must not be waited for: trio then takes the descriptor
        -1 for busy, for ever, and what fails in a system task ends the whole run."""
        if watched.fileno() < 0:
            return False
        try:
            await wait(watched)
        except self._trio.ClosedResourceError:
            return False
        return watched.fileno() >= 0

    def unwatch(self, watched: socket.socket) -> None:
        try:
            self._trio.lowlevel.notify_closing(watched)
        except RuntimeError:
            pass  # its run has ended

    def call_from_thread(self, function: Callback) -> None:
        self.token.run_sync_soon(function)

    async def sleep(self, seconds: float) -> None:
        await self._trio.sleep(seconds)


# ---- Which -----------------------------------------------------------------------------------------


def _is_trio() -> bool:
    """sniffio knows, where both may run in one thread; whoever brings trio brings it, too."""
    if "trio" not in sys.modules:
        return False
    import sniffio

    try:
        return bool(sniffio.current_async_library() == "trio")
    except sniffio.AsyncLibraryNotFoundError:
        return False


def current_runtime() -> Runtime:
    if _is_trio():
        return TrioRuntime(sys.modules["trio"])
    try:
        return AsyncioRuntime(asyncio.get_running_loop())
    except RuntimeError:
        raise RuntimeError("fetchpool.AsyncClient needs a running asyncio or trio loop") from None
