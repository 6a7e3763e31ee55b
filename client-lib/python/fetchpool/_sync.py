"""
The blocking client.

A request has a socket to itself while it runs; sockets are kept and used again. So any number of
threads may use one client at a time, without a lock; and a forked child opens sockets of its own.
"""

from __future__ import annotations

import os
import sys
from collections import deque
from types import TracebackType
from typing import Any, Deque, Dict, Iterator, List, Optional, Type, TypeVar, Union

from . import _door
from ._attempts import Attempts
from ._body import BodySource, body_from
from ._connection import Connection
from ._errors import Code, Error, error_of, of_the_parent
from ._exchange import Exchange, closed_early
from ._link import Link, Pump
from ._patience import Patience
from ._request import Request, request_from
from ._response import Response, StreamHead
from ._version import VERSION

# Idle sockets that are kept; a further one is closed.
_MAX_IDLE = 64

# What the daemon takes, if [limits] max_name is not smaller.
_MAX_NAME_BYTES = 128

# How long a question to the daemon itself may take: it answers at once.
CALL_TIMEOUT_SECONDS = 10.0


def own_name() -> str:
    """What `fetchpool clients` shows: the program's name, or that of the module that is run."""
    path = sys.argv[0] if sys.argv and sys.argv[0] else "python"
    folder, name = os.path.split(path)
    if name == "__main__.py":
        name = os.path.basename(folder)
    return name.encode("utf-8", "replace")[:_MAX_NAME_BYTES].decode("utf-8", "ignore")


def checked_name(name: Optional[str]) -> str:
    """The daemon would refuse a hello with another, and not tell that client when it leaves."""
    if name is None:
        return own_name()
    if not isinstance(name, str):
        raise TypeError(f"name must be str, not {type(name).__name__}")
    if len(name.encode("utf-8")) > _MAX_NAME_BYTES:
        raise ValueError(f"name must have {_MAX_NAME_BYTES} bytes at most")
    return name


_Told = TypeVar("_Told")


def told(method: str, answer: Any, kind: Type[_Told]) -> _Told:
    """What the daemon has answered to a question about itself; raises Error if it is none."""
    if not isinstance(answer, kind):
        raise error_of(Code.BAD_REPLY, f"{method} was answered with {answer!r:.100}")
    return answer


class Running:
    """A request in its present attempt: its socket, what is left of its body, its deadline."""

    def __init__(self, link: Link, exchange: Exchange, pump: Pump, patience: Patience) -> None:
        self.link = link
        self.exchange = exchange
        self.pump = pump
        self.patience = patience

    def run_to_head(self) -> None:
        exchange = self.exchange
        self.link.run(
            exchange, self.pump, self.patience, lambda: exchange.has_head or exchange.is_over
        )

    def run_to_end(self) -> None:
        exchange = self.exchange
        self.link.run(exchange, self.pump, self.patience, lambda: exchange.is_over)

    def run_to_piece(self) -> None:
        exchange = self.exchange
        self.link.connection.grant(exchange)
        self.patience.resume()
        self.link.run(
            exchange, self.pump, self.patience, lambda: bool(exchange.pieces) or exchange.is_over
        )


class Stream(StreamHead):
    """
    A streamed answer: iterate over it, or read(), then close it; a `with` block does so. Closing
    before the end cancels the request. For one thread at a time.
    """

    def __init__(self, client: Client, running: Running) -> None:
        super().__init__(running.exchange.result)
        self._client = client
        self._running: Optional[Running] = running
        self._failure: Optional[Error] = None

    def __iter__(self) -> Iterator[bytes]:
        while True:
            piece = self.read_piece()
            if piece is None:
                return
            yield piece

    def read_piece(self) -> Optional[bytes]:
        """The next bytes, as they come; None at the end. Blocks; raises Error if it ends early."""
        running = self._running
        if self._failure is not None:
            raise self._failure
        if running is None:
            return None
        if not running.link.is_own:
            raise of_the_parent()
        exchange = running.exchange
        piece = exchange.take_piece()
        if piece is None and not exchange.is_over:
            self._client._guard(running, running.run_to_piece)
            piece = exchange.take_piece()
        if piece is None:
            self._finish(running)
        return piece

    def read(self) -> bytes:
        """All that is left of the body."""
        return b"".join(self)

    def _finish(self, running: Running) -> None:
        self._running = None
        self._client._part_with(running)
        self._failure = running.exchange.error
        if self._failure is not None:
            raise self._failure
        self.note_end(running.exchange.end)

    def close(self) -> None:
        """May be called twice. What has not come yet is cancelled."""
        running, self._running = self._running, None
        if running is not None:
            self._failure = closed_early()
            self._client._part_with(running)

    def __enter__(self) -> Stream:
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()


class Client:
    """
    The daemon at one socket. Opens nothing before the first request. Thread-safe, fork-safe.

    socket: its path; by default $FETCHPOOL_SOCKET, else that of the session, else the system's.
    name: shown in the daemon's tables and logs; the program's by default.
    """

    def __init__(self, socket: Optional[_door.Path] = None, *, name: Optional[str] = None) -> None:
        self._door = _door.Door(socket)
        self._name = checked_name(name)
        self._idle: Deque[Link] = deque()
        self._is_closed = False

    # ---- Requests --------------------------------------------------------------------------------

    def fetch(self, request: Union[str, Request], **keys: Any) -> Response:
        """
        One request and its whole answer. `request`: a URL, with the keys of Request; or a Request.
        Blocks. Raises Error; a status of 400 or more is none.
        """
        made = request_from(request, keys)
        running = self._begin(made, False)
        self._part_with(running)
        if running.exchange.error is not None:
            raise running.exchange.error
        return Response(running.exchange.result)

    def stream(self, request: Union[str, Request], **keys: Any) -> Stream:
        """The same, but its answer comes in pieces. Blocks until its header fields are in."""
        made = request_from(request, keys)
        running = self._begin(made, True)
        if not running.exchange.has_head:
            self._part_with(running)
            raise running.exchange.error or running.link.connection.lost()
        return Stream(self, running)

    def _begin(self, request: Request, is_stream: bool) -> Running:
        """Until its head has come, or it has failed for good."""
        body = body_from(request.body, request.body_size, allow_async=False)
        wire = request.to_wire(body, is_stream)
        patience = Patience.for_request(request, is_stream, body.is_upload)
        attempts = Attempts(body, patience)
        link = self._take_idle()
        while True:
            link = link or self._connect(attempts, patience)
            running = self._attempt(link, wire, request, body, is_stream, patience)
            attempts.begin()
            if not attempts.may_repeat(running.exchange, running.pump.has_begun):
                if running.exchange.error is not None:
                    running.exchange.error = attempts.better(running.exchange.error)
                return running
            running.link.close()
            link = None

    def _attempt(
        self,
        link: Link,
        wire: Dict[str, Any],
        request: Request,
        body: BodySource,
        is_stream: bool,
        patience: Patience,
    ) -> Running:
        try:
            exchange = link.connection.fetch(wire, request, body, is_stream, patience)
        except BaseException:  # it cannot be put: nothing of it is on the link
            self._give(link)
            raise
        running = Running(link, exchange, Pump(body), patience)
        self._guard(running, running.run_to_head if is_stream else running.run_to_end)
        return running

    @staticmethod
    def _guard(running: Running, run: Any) -> None:
        """What breaks in from outside (a signal, an error of the caller's body) ends the socket, and
        the request with it."""
        try:
            run()
        except BaseException:
            running.link.close()
            raise

    # ---- Sockets ---------------------------------------------------------------------------------

    def _connect(self, attempts: Attempts, patience: Patience) -> Link:
        try:
            made = self._door.connect(max(0.0, patience.left()))
        except Error as error:
            raise attempts.better(error) from None
        return Link(made, Connection(self._door.path, self._name, VERSION))

    def _take_idle(self) -> Optional[Link]:
        if self._is_closed:
            raise RuntimeError("this fetchpool.Client was closed")
        while True:
            try:
                link = self._idle.pop()
            except IndexError:
                return None
            if link.is_own and link.is_fit():
                return link
            link.close()  # in a forked child: its parent goes on with it

    def _give(self, link: Link) -> None:
        if self._is_closed or len(self._idle) >= _MAX_IDLE or link.connection.is_leaving:
            link.close()
        else:
            self._idle.append(link)

    def _part_with(self, running: Running) -> None:
        link, exchange = running.link, running.exchange
        if not link.is_own:
            link.close()
            return
        is_fit = False
        try:
            is_fit = not link.connection.out if exchange.is_over else link.see_out(exchange, running.pump)
        finally:  # a signal may break in
            if is_fit:
                self._give(link)
            else:
                link.close()

    # ---- The daemon ------------------------------------------------------------------------------

    def call(self, method: str, /, timeout: float = CALL_TIMEOUT_SECONDS, **params: Any) -> Any:
        """
        Any method of the daemon but `fetch`; its result as it comes. timeout: seconds. Blocks. Raises
        Error.
        """
        patience = Patience.of(timeout)
        attempts = Attempts(BodySource(), patience)
        link = self._take_idle()
        while True:
            link = link or self._connect(attempts, patience)
            try:
                exchange = link.connection.call(method, params)
            except BaseException:
                self._give(link)
                raise
            running = Running(link, exchange, Pump(BodySource()), patience)
            self._guard(running, running.run_to_end)
            self._part_with(running)
            attempts.begin()
            if not attempts.may_repeat(exchange, False):
                break
            link = None
        if exchange.error is not None:
            raise attempts.better(exchange.error)
        return exchange.result

    def hello(self) -> Dict[str, Any]:
        """`server`, `version`, `protocol`, `pool` (the pool's identity) and `limits`."""
        return told("hello", self.call("hello", client=self._name, version=VERSION), dict)

    @property
    def pool(self) -> str:
        """The identity of the pool: the same for every client for as long as the daemon lives. Asks
        the daemon."""
        return str(self.hello().get("pool", ""))

    def ping(self) -> None:
        """Whether the daemon answers: raises Error if not."""
        told("ping", self.call("ping"), str)

    def stats(self) -> Dict[str, Any]:
        return told("stats", self.call("stats"), dict)

    def connections(self) -> List[Dict[str, Any]]:
        return told("connections", self.call("connections"), list)

    def origins(self) -> List[Dict[str, Any]]:
        return told("origins", self.call("origins"), list)

    def clients(self) -> List[Dict[str, Any]]:
        return told("clients", self.call("clients"), list)

    def close(self) -> None:
        """Closes idle sockets; those of streams that are open are closed with them. May be called
        twice."""
        self._is_closed = True
        while self._idle:
            self._idle.pop().close()

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self,
        kind: Optional[Type[BaseException]],
        error: Optional[BaseException],
        traceback: Optional[TracebackType],
    ) -> None:
        self.close()
