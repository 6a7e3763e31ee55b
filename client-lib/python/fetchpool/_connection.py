"""
One connection to the daemon as messages: requests by id, what is to be written. Pure, no I/O.

Its driver (a socket of a blocking client, or of an event loop) feeds what it reads, writes `out`, and
says how much of it the kernel took: from that follows, when the connection breaks, which requests the
daemon cannot have acted on.
"""

from __future__ import annotations

from typing import Any, Dict, List, Optional

from . import _wire
from ._body import BodySource
from ._errors import Code, Error, UploadTimeout, error_of
from ._exchange import UPLOAD_STOPPED, Exchange, State, stopped
from ._patience import Patience
from ._request import Request

_MAX_ID = 2**32 - 1

# How many requests it takes at a time, where the daemon does not say.
_DEFAULT_CAPACITY = 256


class Connection:
    def __init__(self, path: str, name: str, version: str) -> None:
        self.path = path
        self.decoder = _wire.Decoder()
        self.exchanges: Dict[int, Exchange] = {}
        self.out = bytearray()
        self.written = 0  # bytes that were ever put into `out`
        self.next_id = 1
        self.is_leaving = False  # the daemon takes no new requests here
        self.is_greeted = False  # hello has been answered, in whatever way
        self.server: Dict[str, Any] = {}  # what it said
        self.hello = self.call("hello", {"client": name, "version": version})

    # ---- Out -------------------------------------------------------------------------------------

    def put(self, message: bytes) -> None:
        self.out += message
        self.written += len(message)

    @property
    def gone(self) -> int:
        """Bytes that the kernel has taken."""
        return self.written - len(self.out)

    def _new_id(self) -> int:
        while True:
            id = self.next_id
            self.next_id = id + 1 if id < _MAX_ID else 0
            if id not in self.exchanges:
                return id

    def _begin(self, exchange: Exchange, message: bytes) -> Exchange:
        if len(message) > _wire.MAX_MESSAGE_BYTES:
            raise error_of(
                Code.TOO_LARGE,
                f"the request is larger than the {_wire.MAX_MESSAGE_BYTES} bytes of the protocol",
            )
        self.exchanges[exchange.id] = exchange
        self.put(message)
        exchange.message_end = self.written
        return exchange

    def call(self, method: str, params: Dict[str, Any]) -> Exchange:
        """Any method but fetch."""
        id = self._new_id()
        return self._begin(Exchange(id), _wire.request(id, method, params))

    def fetch(
        self, wire: Dict[str, Any], request: Request, body: BodySource, is_stream: bool,
        patience: Patience,
    ) -> Exchange:
        id = self._new_id()
        timeout = patience.to_tell()
        if timeout is not None:
            wire = {**wire, "timeout": timeout}
        window = request.window if is_stream else None
        exchange = Exchange(id, True, window, body.is_upload, body.size)
        return self._begin(exchange, _wire.request(id, "fetch", wire))

    def send_piece(self, exchange: Exchange, piece: memoryview) -> memoryview:
        """Sends as much of it as is granted and goes into a message; the rest, to be sent later. Raises
        Error where it is more than was announced."""
        size = exchange.upload_size
        if size is not None and exchange.uploaded + len(piece) > size:
            raise stopped(f"{UPLOAD_STOPPED}is longer than the {size} bytes announced")
        count = min(len(piece), exchange.allowance, _wire.MAX_DATA_BYTES)
        if count:
            exchange.allowance -= count
            exchange.uploaded += count
            self.put(_wire.data(exchange.id, piece[:count]))
        return piece[count:]

    def end_upload(self, exchange: Exchange) -> None:
        """Raises Error where it is less than was announced."""
        size = exchange.upload_size
        if size is not None and exchange.uploaded < size:
            raise stopped(f"{UPLOAD_STOPPED}ended after {exchange.uploaded} of {size} bytes")
        exchange.is_uploading = False
        self.put(_wire.end(exchange.id))

    def grant(self, exchange: Exchange) -> None:
        count = exchange.take_grant()
        if count:
            self.put(_wire.window(exchange.id, count))

    def cancel(self, exchange: Exchange) -> None:
        """Its end comes from the daemon; nothing of it is kept any more."""
        if exchange.is_over or exchange.is_cancelled:
            return
        exchange.is_cancelled = True
        exchange.pieces.clear()
        self.put(_wire.cancel(exchange.id))

    # ---- In --------------------------------------------------------------------------------------

    def receive(self, data: bytes) -> None:
        """Raises BadReply; what came before it was taken."""
        for message in self.decoder.feed(data):
            if message[0] == _wire.RESPONSE:
                self._take_response(message[1], message[2], message[3])
            else:
                self._take_notification(message[1], message[2])

    def _take_response(self, id: int, error: Any, result: Any) -> None:
        exchange = self.exchanges.get(id)
        if exchange is None:
            raise _wire.BadReply(f"a response to request {id}, which was not made")
        exchange.take_response(error, result)
        if exchange is self.hello:
            self.is_greeted = True
            self.server = result if isinstance(result, dict) else {}
        self._retire(exchange)

    def _take_notification(self, name: str, params: Any) -> None:
        if name == "goaway":
            self.is_leaving = True
            return
        is_about_one = bool(params) and type(params[0]) is int
        exchange = self.exchanges.get(params[0]) if is_about_one else None
        if exchange is not None:
            exchange.take_notification(name, params)
            self._retire(exchange)

    def _retire(self, exchange: Exchange) -> None:
        if exchange.state is State.ENDED:
            del self.exchanges[exchange.id]
            if exchange.is_unread:
                self.is_leaving = True

    @property
    def default_timeout(self) -> Optional[float]:
        """The daemon's `timeout`, in seconds, once it has told."""
        value = self._limit("timeout")
        return None if value is None else value / 1000

    def _limit(self, name: str) -> Optional[int]:
        """One that makes no sense is as good as none."""
        limits = self.server.get("limits")
        value = limits.get(name) if isinstance(limits, dict) else None
        return value if type(value) is int and value > 0 else None

    @property
    def capacity(self) -> int:
        """How many requests it takes at a time; 0 before the daemon has told."""
        if not self.is_greeted:
            return 0
        value = self._limit("requests_per_client")
        return _DEFAULT_CAPACITY if value is None else value

    # ---- The end ---------------------------------------------------------------------------------

    def _is_unread(self, exchange: Exchange, is_reset: bool) -> bool:
        """
        Two things prove that the daemon cannot have acted on it: not all of it went; or ECONNRESET,
        where the request's last byte was the last of all: a Unix socket says that where its other
        end was closed with bytes unread. An end of file proves nothing.
        """
        if exchange.state is not State.WAITING:
            return False
        return exchange.message_end > self.gone or (is_reset and exchange.message_end == self.gone)

    def fail(self, error: Error, is_reset: bool = False) -> None:
        """It is dead: ends all that runs on it."""
        for exchange in self._take_all():
            exchange.is_unread = self._is_unread(exchange, is_reset)
            exchange.fail(self.not_read() if exchange.is_unread else error)

    def give_up(self, error: Error) -> None:
        """It may live, but nobody waits for it any more: ends all that runs on it."""
        for exchange in self._take_all():
            exchange.fail(error)

    def _take_all(self) -> List[Exchange]:
        self.is_leaving = True
        exchanges = list(self.exchanges.values())
        self.exchanges.clear()
        return exchanges

    def not_read(self) -> Error:
        return error_of(
            Code.NO_DAEMON,
            f"fetchpoold at {self.path} closed the socket before it had read the request",
        )

    def lost(self, reason: Optional[str] = None) -> Error:
        if reason is None:
            return error_of(Code.LOST, f"fetchpoold at {self.path} went away before it answered")
        return error_of(Code.LOST, f"reading from fetchpoold at {self.path} failed: {reason}")

    def bad_reply(self, error: _wire.BadReply) -> Error:
        return error_of(Code.BAD_REPLY, f"what answers at {self.path} is no fetchpoold: {error}")

    def too_late(self, patience: Patience) -> Error:
        """Of which nothing is left."""
        upload = patience.upload
        if upload.left() <= 0:
            message = f"fetchpoold at {self.path} took no more of the upload within"
            return UploadTimeout(Code.DEADLINE, f"{message} {upload.limit():g} s")
        return error_of(Code.DEADLINE, self._silent(patience.span()))

    def no_place(self, seconds: float, is_queue_timeout: bool) -> Error:
        """For a request of which nothing was sent. Which of its limits it was: a short one for its turn
        says nothing about the daemon."""
        if not self.is_greeted:
            code = Code.QUEUE_TIMEOUT if is_queue_timeout else Code.NO_DAEMON
            return error_of(code, self._silent(seconds))
        return error_of(
            Code.QUEUE_TIMEOUT,
            "the client's other requests left no room for this one within "
            f"{seconds * 1000:.0f} ms",
        )

    def _silent(self, seconds: float) -> str:
        return f"fetchpoold at {self.path} did not answer within {round(seconds, 3):g} s"
