"""
One socket of the asynchronous client: all requests of one loop go over it, side by side.

It reads whenever something comes, whoever waits for it, so that a daemon that leaves is noticed at
once. How many requests may run is the daemon's to say, in its answer to `hello`: until that has come,
and when so many run, further ones wait here for room, in their order.
"""

from __future__ import annotations

import os
import socket
from collections import deque
from typing import Deque, Optional, Set

from . import _wire
from ._connection import Connection
from ._door import is_reset
from ._errors import Error
from ._exchange import Exchange, stopped
from ._link import ENOUGH_OUT_BYTES
from ._patience import Patience
from ._runtime import Runtime, Signal

_RECEIVE_BYTES = 262144


class AsyncLink:
    def __init__(self, made: socket.socket, connection: Connection, runtime: Runtime) -> None:
        self.socket = made
        self.connection = connection
        self.runtime = runtime
        self.pid = os.getpid()
        self.send_error: Optional[OSError] = None
        self.is_writing = False  # the rest of `out` goes when the socket takes more
        self.is_closed = False
        self.handed = 0  # places given to requests that have not begun yet
        self.waiting: Deque[Signal] = deque()
        self.blocked: Set[Signal] = set()  # uploads that wait for `out` to be written
        runtime.watch(made, self.on_readable)
        self.flush()

    @property
    def is_own(self) -> bool:
        """Not of the process that this one was forked from."""
        return self.pid == os.getpid()

    @property
    def is_open(self) -> bool:
        return not self.connection.is_leaving and self.is_own

    # ---- Places ----------------------------------------------------------------------------------

    def _has_room(self) -> bool:
        connection = self.connection
        running = len(connection.exchanges) - (connection.hello.id in connection.exchanges)
        return running + self.handed < connection.capacity

    async def wait_for_place(self, seconds: float) -> bool:
        """Whether one was got in that time: then it is to be used at once, or given back. The link may
        have closed meanwhile."""
        if not self.waiting and self._has_room():
            self.handed += 1
            return True
        signal = self.runtime.signal()
        self.waiting.append(signal)
        try:
            was_called = await signal.wait(seconds)
        except BaseException:
            if not self._leave_queue(signal):
                self.give_place_back()
            raise
        return was_called or not self._leave_queue(signal)

    def _leave_queue(self, signal: Signal) -> bool:
        """Whether it was still there: who is not has a place."""
        try:
            self.waiting.remove(signal)
        except ValueError:
            return False
        return True

    def give_place_back(self) -> None:
        self.handed -= 1
        self.hand_out_places()

    def hand_out_places(self) -> None:
        while self.waiting and (not self.is_open or self._has_room()):
            self.handed += 1
            self.waiting.popleft().set()

    # ---- The socket ------------------------------------------------------------------------------

    def flush(self) -> None:
        out = self.connection.out
        if self.is_writing or not out or self.send_error is not None or self.is_closed:
            return
        try:
            while out:
                del out[: self.socket.send(out)]
        except BlockingIOError:
            self.is_writing = True
            self.runtime.watch_writable_once(self.socket, self.on_writable)
        except OSError as error:
            self.send_error = error  # the daemon may have said why: it is read on

    def on_writable(self) -> None:
        self.is_writing = False
        self.flush()
        if len(self.connection.out) < ENOUGH_OUT_BYTES:
            blocked, self.blocked = self.blocked, set()
            for signal in blocked:
                signal.set()

    def on_readable(self) -> None:
        if self.is_closed:
            return
        connection = self.connection
        try:
            data = self.socket.recv(_RECEIVE_BYTES)
        except (BlockingIOError, InterruptedError):
            return
        except OSError as error:
            reset = is_reset(error) or is_reset(self.send_error)
            self.fail_with(connection.lost(os.strerror(error.errno or 0)), reset)
            return
        if not data:
            self.fail_with(connection.lost(), is_reset(self.send_error))
            return
        try:
            connection.receive(data)
        except _wire.BadReply as error:
            self.fail_with(connection.bad_reply(error), False)
            return
        self.hand_out_places()
        self.close_if_left()

    def close_if_left(self) -> None:
        """One that takes no new requests goes with its last."""
        if self.connection.is_leaving and not self.connection.exchanges:
            self._close_socket()

    def fail_with(self, error: Error, was_reset: bool) -> None:
        self.connection.fail(error, was_reset)
        self._close_socket()

    def _close_socket(self) -> None:
        if self.is_closed:
            return
        self.is_closed = True
        self.connection.is_leaving = True
        if self.is_own:  # a forked child has no part in its parent's loop
            self.runtime.unwatch(self.socket)
        self.socket.close()
        self.hand_out_places()
        blocked, self.blocked = self.blocked, set()
        for signal in blocked:
            signal.set()

    def close(self) -> None:
        """What runs ends with STOPPED."""
        if not self.is_closed:
            self.connection.give_up(stopped("the client was closed"))
            self._close_socket()

    def forget(self) -> None:
        """In a forked child, or when the loop has ended: nobody is told."""
        self.is_closed = True
        self.connection.is_leaving = True
        self.socket.close()

    # ---- Requests --------------------------------------------------------------------------------

    def cancel(self, exchange: Exchange) -> None:
        """Nothing waits for it any more. Its end, which comes, makes room."""
        exchange.on_change = lambda: None
        self.connection.cancel(exchange)
        self.flush()

    async def wait(self, exchange: Exchange, signal: Signal, patience: Patience) -> None:
        """Until something happens to it. A deadline ends it."""
        patience.upload.note(exchange.uploaded, exchange.is_upload_blocked)
        is_news = await signal.wait(max(0.0, patience.left()))
        patience.learn(exchange.has_head, self.connection.default_timeout, is_news)
        if patience.left() <= 0 and not exchange.is_over:
            self.cancel(exchange)
            raise self.connection.too_late(patience)
