"""
One socket of a blocking client, with one request on it at a time.

It waits for both directions at once: a daemon that waits for this side to read does not read either.
"""

from __future__ import annotations

import os
import select
import socket
from typing import Callable, Optional

from . import _wire
from ._body import BodySource, piece_of
from ._connection import Connection
from ._door import is_reset
from ._exchange import Exchange
from ._patience import Patience

_RECEIVE_BYTES = 262144

# Of an upload: what waits for the socket before its source is asked for more.
ENOUGH_OUT_BYTES = 131072

# How long the daemon has to end a request that was stopped, for the socket to be used again.
_CANCEL_WAIT_SECONDS = 0.1


class Pump:
    """A request's body on its way, for one attempt."""

    def __init__(self, body: BodySource) -> None:
        self.pieces = body.pieces()
        self.rest = memoryview(b"")
        self.has_begun = False

    def fill(self, connection: Connection, exchange: Exchange) -> bool:
        """Puts into `connection.out` what may go now: of one piece, for its source may take its time
        over the next, while this one may go and an answer may come. Whether there was anything."""
        written = connection.written
        if not self.rest and exchange.can_upload() and len(connection.out) < ENOUGH_OUT_BYTES:
            self.has_begun = True
            try:
                self.rest = piece_of(next(self.pieces))
            except StopIteration:
                connection.end_upload(exchange)
        while self.rest and exchange.can_upload() and len(connection.out) < ENOUGH_OUT_BYTES:
            self.rest = connection.send_piece(exchange, self.rest)
        return connection.written > written


class Link:
    def __init__(self, made: socket.socket, connection: Connection) -> None:
        self.socket = made
        self.connection = connection
        self.pid = os.getpid()
        self.send_error: Optional[OSError] = None
        self.poll = select.poll()
        self.events = 0

    @property
    def is_own(self) -> bool:
        """Not of the process that this one was forked from."""
        return self.pid == os.getpid()

    def close(self) -> None:
        self.socket.close()

    def is_fit(self) -> bool:
        """Whether another request may go over it: reads what has come since the last one."""
        self._receive()
        connection = self.connection
        is_hello_only = set(connection.exchanges) <= {connection.hello.id}
        return not connection.is_leaving and is_hello_only and self.send_error is None

    # ---- Both directions -------------------------------------------------------------------------

    def _flush(self) -> None:
        out = self.connection.out
        while out and self.send_error is None:
            try:
                del out[: self.socket.send(out)]
            except BlockingIOError:
                return
            except OSError as error:
                self.send_error = error  # the daemon may have said why: it is read on

    def _receive(self) -> None:
        connection = self.connection
        try:
            data = self.socket.recv(_RECEIVE_BYTES)
        except BlockingIOError:
            return
        except OSError as error:
            reset = is_reset(error) or is_reset(self.send_error)
            connection.fail(connection.lost(os.strerror(error.errno or 0)), reset)
            return
        if not data:
            connection.fail(connection.lost(), is_reset(self.send_error))
            return
        try:
            connection.receive(data)
        except _wire.BadReply as error:
            connection.fail(connection.bad_reply(error))

    def _wait(self, seconds: float) -> bool:
        wants_out = bool(self.connection.out) and self.send_error is None
        events = select.POLLIN | (select.POLLOUT if wants_out else 0)
        if events != self.events:
            self.poll.register(self.socket, events)
            self.events = events
        return bool(self.poll.poll(seconds * 1000))

    def run(
        self, exchange: Exchange, pump: Pump, patience: Patience, is_done: Callable[[], bool]
    ) -> None:
        """Until that is so; it must be so once the exchange is over. A deadline ends the exchange."""
        while True:
            if exchange.is_uploading and pump.fill(self.connection, exchange):
                patience.renew()
            self._flush()
            if is_done():
                return
            patience.upload.note(exchange.uploaded, exchange.is_upload_blocked)
            # What was granted goes at once: the daemon may grant nothing more before it has it.
            has_more = exchange.can_upload() and len(self.connection.out) < ENOUGH_OUT_BYTES
            if self._wait(0.0 if has_more else max(0.0, patience.left())):
                self._receive()
                patience.learn(exchange.has_head, self.connection.default_timeout)
            if patience.left() <= 0 and not exchange.is_over:
                self.connection.give_up(self.connection.too_late(patience))

    def see_out(self, exchange: Exchange, pump: Pump) -> bool:
        """Stops the exchange, and reads on to its end, so that nothing of it is taken for the next
        one's. Whether that came, and the socket is fit for another."""
        self.connection.cancel(exchange)
        self.run(exchange, pump, Patience.of(_CANCEL_WAIT_SECONDS), lambda: exchange.is_over)
        return self.is_fit()
