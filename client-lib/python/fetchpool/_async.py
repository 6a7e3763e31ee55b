"""
The asynchronous client, for asyncio and trio: one socket a loop, whose requests run side by side.

A task that is cancelled cancels its request, at the origin too. There are no tasks and no threads of
its own, so a client may be made anywhere, used in any number of loops, and needs no `async with`.
"""

from __future__ import annotations

import weakref
from types import TracebackType
from typing import Any, Dict, Generator, List, Optional, Type, Union

from . import _door
from ._async_link import AsyncLink
from ._attempts import Attempts
from ._body import BodySource, body_from, piece_of
from ._connection import Connection
from ._errors import Error, of_the_parent
from ._exchange import Exchange, closed_early, stopped
from ._link import ENOUGH_OUT_BYTES
from ._patience import Patience
from ._request import Request, request_from
from ._response import Response, StreamHead
from ._runtime import Runtime, Signal, current_runtime
from ._sync import CALL_TIMEOUT_SECONDS, checked_name, told
from ._version import VERSION


class AsyncPump:
    """A request's body on its way, for one attempt."""

    def __init__(self, body: BodySource) -> None:
        self.pieces = body.pieces()
        self.async_pieces = body.async_pieces()
        self.rest = memoryview(b"")
        self.has_begun = False

    async def _next(self) -> Optional[memoryview]:
        """None at the end."""
        try:
            if self.async_pieces is None:
                return piece_of(next(self.pieces))
            return piece_of(await self.async_pieces.__anext__())
        except (StopIteration, StopAsyncIteration):
            return None

    async def fill(self, link: AsyncLink, exchange: Exchange, signal: Signal) -> None:
        """Sends what may go now. Other tasks may run meanwhile: the source is asked for its pieces."""
        connection = link.connection
        enough = exchange.uploaded + ENOUGH_OUT_BYTES
        while exchange.can_upload() and not link.is_closed:
            if len(connection.out) >= ENOUGH_OUT_BYTES:
                link.blocked.add(signal)
                return
            if exchange.uploaded >= enough:
                signal.set()  # goes on, after the others' turn
                await link.runtime.sleep(0)
                return
            if not self.rest:
                self.has_begun = True
                piece = await self._next()
                if not exchange.is_upload_open:  # it has ended meanwhile
                    return
                if piece is None:
                    connection.end_upload(exchange)
                    link.flush()
                    return
                self.rest = piece
            self.rest = connection.send_piece(exchange, self.rest)
            link.flush()


class AsyncRunning:
    """A request in its present attempt."""

    def __init__(
        self, link: AsyncLink, exchange: Exchange, body: BodySource, patience: Patience
    ) -> None:
        self.link = link
        self.exchange = exchange
        self.pump = AsyncPump(body)
        self.patience = patience
        self.signal = link.runtime.signal()
        exchange.on_change = self.signal.set

    async def step(self) -> None:
        """Sends what can be sent of the body, or waits until something happens."""
        try:
            if self.exchange.can_upload():
                await self.pump.fill(self.link, self.exchange, self.signal)
                self.patience.renew()
                if self.exchange.is_over or self.exchange.pieces:
                    return
            await self.link.wait(self.exchange, self.signal, self.patience)
        except BaseException:
            self.link.cancel(self.exchange)
            raise

    async def run_to_head(self) -> None:
        while not (self.exchange.has_head or self.exchange.is_over):
            await self.step()

    async def run_to_end(self) -> None:
        while not self.exchange.is_over:
            await self.step()

    async def run_to_piece(self) -> None:
        self.link.connection.grant(self.exchange)
        self.link.flush()
        self.patience.resume()
        while not (self.exchange.pieces or self.exchange.is_over):
            await self.step()

    def stop(self) -> None:
        self.link.cancel(self.exchange)


class AsyncStream(StreamHead):
    """
    A streamed answer: iterate over it, or read(), then aclose() it; `async with` does so. Closing
    before the end cancels the request. For one task at a time, in the loop that it began in.
    """

    def __init__(self, running: AsyncRunning) -> None:
        super().__init__(running.exchange.result)
        self._running: Optional[AsyncRunning] = running
        self._failure: Optional[Error] = None

    # No generator: trio complains of each that is left before its end.
    def __aiter__(self) -> AsyncStream:
        return self

    async def __anext__(self) -> bytes:
        piece = await self.read_piece()
        if piece is None:
            raise StopAsyncIteration
        return piece

    async def read_piece(self) -> Optional[bytes]:
        """The next bytes, as they come; None at the end. Raises Error if it ends early."""
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
            await running.run_to_piece()
            piece = exchange.take_piece()
        if piece is None:
            self._running = None
            self._failure = exchange.error
            if self._failure is not None:
                raise self._failure
            self.note_end(exchange.end)
        return piece

    async def read(self) -> bytes:
        """All that is left of the body."""
        pieces: List[bytes] = []
        while True:
            piece = await self.read_piece()
            if piece is None:
                return b"".join(pieces)
            pieces.append(piece)

    async def aclose(self) -> None:
        """May be called twice. What has not come yet is cancelled."""
        running, self._running = self._running, None
        if running is not None:
            self._failure = closed_early()
            if running.link.is_own:
                running.stop()

    async def __aenter__(self) -> AsyncStream:
        return self

    async def __aexit__(self, *_: Any) -> None:
        await self.aclose()


class _Opening:
    """What stream() gives: to be awaited, or entered with `async with`."""

    def __init__(self, client: AsyncClient, request: Request) -> None:
        self._client = client
        self._request = request
        self._stream: Optional[AsyncStream] = None

    def __await__(self) -> Generator[Any, None, AsyncStream]:
        return self._client._open(self._request).__await__()

    async def __aenter__(self) -> AsyncStream:
        self._stream = await self._client._open(self._request)
        return self._stream

    async def __aexit__(self, *_: Any) -> None:
        if self._stream is not None:
            await self._stream.aclose()


class AsyncClient:
    """
    The daemon at one socket. Opens nothing before the first request. May be used in several loops and
    threads at a time, and after fork().

    socket: its path; by default $FETCHPOOL_SOCKET, else that of the session, else the system's.
    name: shown in the daemon's tables and logs; the program's by default.
    """

    def __init__(self, socket: Optional[_door.Path] = None, *, name: Optional[str] = None) -> None:
        self._door = _door.Door(socket)
        self._name = checked_name(name)
        self._links: Dict[Any, AsyncLink] = {}  # by loop; one that leaves lives on by what it runs,
        self._all: weakref.WeakSet[AsyncLink] = weakref.WeakSet()  # and is only known here
        self._is_closed = False

    # ---- Requests --------------------------------------------------------------------------------

    async def fetch(self, request: Union[str, Request], **keys: Any) -> Response:
        """
        One request and its whole answer. `request`: a URL, with the keys of Request; or a Request.
        Raises Error; a status of 400 or more is none.
        """
        running = await self._begin(request_from(request, keys), False)
        if running.exchange.error is not None:
            raise running.exchange.error
        return Response(running.exchange.result)

    def stream(self, request: Union[str, Request], **keys: Any) -> _Opening:
        """
        The same, but its answer comes in pieces:

            async with client.stream(url) as answer: ...
            answer = await client.stream(url)           # to be closed by the caller
        """
        return _Opening(self, request_from(request, keys))

    async def _open(self, request: Request) -> AsyncStream:
        running = await self._begin(request, True)
        if not running.exchange.has_head:
            raise running.exchange.error or running.link.connection.lost()
        return AsyncStream(running)

    async def _begin(self, request: Request, is_stream: bool) -> AsyncRunning:
        """Until its head has come, or it has failed for good."""
        self._check_open()
        body = body_from(request.body, request.body_size, allow_async=True)
        wire = request.to_wire(body, is_stream)
        patience = Patience.for_request(request, is_stream, body.is_upload)
        attempts = Attempts(body, patience)
        while True:
            link = await self._place(attempts, patience, request.queue_timeout)
            try:
                exchange = link.connection.fetch(wire, request, body, is_stream, patience)
            finally:
                link.give_place_back()
            running = AsyncRunning(link, exchange, body, patience)
            patience.learn(False, link.connection.default_timeout, False)
            link.flush()
            if is_stream:
                await running.run_to_head()
            else:
                await running.run_to_end()
            attempts.begin()
            if not attempts.may_repeat(exchange, running.pump.has_begun):
                if exchange.error is not None:
                    exchange.error = attempts.better(exchange.error)
                return running

    # ---- Sockets ---------------------------------------------------------------------------------

    async def _place(
        self, attempts: Attempts, patience: Patience, queue_timeout: Optional[float]
    ) -> AsyncLink:
        """A link with a place for one request. Nothing of it has been sent where there is none."""
        is_queue_timeout = queue_timeout is not None and queue_timeout < patience.left()
        waits = queue_timeout if queue_timeout is not None and is_queue_timeout else patience.left()
        until = Patience.of(waits)
        while True:
            link = await self._link(attempts, patience)
            if not await link.wait_for_place(max(0.0, until.left())):
                raise link.connection.no_place(waits, is_queue_timeout)
            if link.is_open:
                return link
            link.give_place_back()
            if not link.connection.is_greeted:  # else it served others before it left
                attempts.begin()
            if until.left() <= 0 or not attempts.may_go_on():
                raise attempts.better(link.connection.not_read())

    def _check_open(self) -> None:
        if self._is_closed:
            raise RuntimeError("this fetchpool.AsyncClient was closed")

    async def _link(self, attempts: Attempts, patience: Patience) -> AsyncLink:
        runtime = current_runtime()
        while True:
            if self._is_closed:
                raise stopped("the client was closed")
            link = self._links.get(runtime.token)
            if link is not None and link.is_open:
                return link
            try:
                return self._connect(runtime)
            except _door.WouldWait:
                if patience.left() <= 0:
                    raise self._door.not_accepted() from None
            except Error as error:
                raise attempts.better(error) from None
            await runtime.sleep(_door.WAIT_SECONDS)

    def _connect(self, runtime: Runtime) -> AsyncLink:
        made = self._door.connect_now()
        self._prune()
        link = AsyncLink(made, Connection(self._door.path, self._name, VERSION), runtime)
        self._links[runtime.token] = link
        self._all.add(link)
        return link

    def _prune(self) -> None:
        """Links of loops that have ended, and of the process that this one was forked from."""
        for token, link in list(self._links.items()):
            is_forlorn = not link.is_own or link.runtime.is_closed()
            if is_forlorn:
                link.forget()
            if is_forlorn or not link.is_open:
                self._links.pop(token, None)  # unless another thread was faster

    # ---- The daemon ------------------------------------------------------------------------------

    async def call(
        self, method: str, /, timeout: float = CALL_TIMEOUT_SECONDS, **params: Any
    ) -> Any:
        """Any method of the daemon but `fetch`; its result as it comes. timeout: seconds. Raises
        Error."""
        self._check_open()
        patience = Patience.of(timeout)
        attempts = Attempts(BodySource(), patience)
        while True:
            link = await self._place(attempts, patience, None)
            try:
                exchange = link.connection.call(method, params)
            finally:
                link.give_place_back()
            running = AsyncRunning(link, exchange, BodySource(), patience)
            link.flush()
            await running.run_to_end()
            attempts.begin()
            if not attempts.may_repeat(exchange, False):
                break
        if exchange.error is not None:
            raise attempts.better(exchange.error)
        return exchange.result

    async def hello(self) -> Dict[str, Any]:
        """`server`, `version`, `protocol`, `pool` (the pool's identity) and `limits`."""
        return told("hello", await self.call("hello", client=self._name, version=VERSION), dict)

    async def pool(self) -> str:
        """The identity of the pool: the same for every client for as long as the daemon lives. The
        daemon is asked only if this loop is not connected to it."""
        link = self._links.get(current_runtime().token)
        known = link.connection.server if link is not None and link.is_open else {}
        return str((known or await self.hello()).get("pool", ""))

    async def ping(self) -> None:
        """Whether the daemon answers: raises Error if not."""
        told("ping", await self.call("ping"), str)

    async def stats(self) -> Dict[str, Any]:
        return told("stats", await self.call("stats"), dict)

    async def connections(self) -> List[Dict[str, Any]]:
        return told("connections", await self.call("connections"), list)

    async def origins(self) -> List[Dict[str, Any]]:
        return told("origins", await self.call("origins"), list)

    async def clients(self) -> List[Dict[str, Any]]:
        return told("clients", await self.call("clients"), list)

    async def aclose(self) -> None:
        """Closes its sockets; what runs over them ends with STOPPED. May be called twice."""
        self._is_closed = True
        links, self._links = list(self._all), {}
        here = current_runtime().token
        for link in links:
            if not link.is_own or link.runtime.is_closed():
                link.forget()
            elif link.runtime.token is here:
                link.close()
            else:
                link.runtime.call_from_thread(link.close)

    async def __aenter__(self) -> AsyncClient:
        return self

    async def __aexit__(
        self,
        kind: Optional[Type[BaseException]],
        error: Optional[BaseException],
        traceback: Optional[TracebackType],
    ) -> None:
        await self.aclose()
