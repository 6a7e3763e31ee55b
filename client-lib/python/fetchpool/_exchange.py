"""
One request in flight: what came of it, what may be sent and what is to be granted. Pure, no I/O.

    WAITING --- response with a streamed body ---> STREAMING --- end, error ---> ENDED
       '------- response or error --------------------------------------------------^

A cancelled exchange is still in flight until the daemon says its end; what comes meanwhile is dropped.
"""

from __future__ import annotations

import enum
from collections import deque
from typing import Any, Callable, Deque, Dict, List, Optional

from . import _response, _wire
from ._errors import Code, Error, error_from_wire, error_of


class State(enum.Enum):
    WAITING = 1
    STREAMING = 2
    ENDED = 3


def _nothing() -> None:
    pass


class Exchange:
    """
    window: of a fetch whose answer is streamed. on_change is called after each message that concerns
    it. message_end: how many bytes its connection had written with the request's last one.
    """

    def __init__(
        self,
        id: int,
        is_fetch: bool = False,
        window: Optional[int] = None,
        is_upload: bool = False,
        size: Optional[int] = None,
    ) -> None:
        self.id = id
        self.state = State.WAITING
        self.is_fetch = is_fetch
        self.is_stream = window is not None
        self.is_cancelled = False
        self.message_end = 0
        self.result: Any = None
        self.end: Dict[str, Any] = {}
        self.error: Optional[Error] = None
        self.pieces: Deque[bytes] = deque()
        self.window = window or 0
        self.granted = self.window  # what may still come
        self.ungranted = 0
        self.received = 0
        self.is_uploading = is_upload
        self.upload_size = size
        self.uploaded = 0
        self.allowance = 0
        self.is_unread = False  # the daemon cannot have acted on it
        self.on_change: Callable[[], None] = _nothing

    @property
    def is_over(self) -> bool:
        return self.state is State.ENDED

    @property
    def has_head(self) -> bool:
        return self.result is not None

    # ---- What comes ------------------------------------------------------------------------------

    def take_response(self, error: Any, result: Any) -> None:
        if self.state is not State.WAITING:
            raise _wire.BadReply("a second response to one request")
        if error is not None:
            self._fail(error)
            return
        fault = _response.fault_of(result) if self.is_fetch else None
        if fault is not None:
            raise _wire.BadReply(fault)
        self.result = result
        self.state = State.STREAMING if self.is_stream else State.ENDED
        self.on_change()

    def take_notification(self, name: str, params: List[Any]) -> None:
        if name == "window":
            self._take_window(params)
        elif name == "data":
            self._take_data(params)
        elif name == "end":
            self._take_end(params)
        elif name == "error":
            if self.state is not State.STREAMING:
                raise _wire.BadReply("an error notification before the response")
            self._fail(params[1:])
        self.on_change()

    def _take_window(self, params: List[Any]) -> None:
        if len(params) < 2 or type(params[1]) is not int or params[1] < 0:
            raise _wire.BadReply("a window without a number")
        self.allowance += params[1]

    def _take_data(self, params: List[Any]) -> None:
        if self.state is not State.STREAMING or len(params) < 2 or not isinstance(params[1], bytes):
            raise _wire.BadReply("data that is not awaited, or that is no bytes")
        length = len(params[1])
        if length > self.granted:
            raise _wire.BadReply("more data than was granted")
        self.granted -= length
        self.received += length
        if length and not self.is_cancelled:
            self.pieces.append(params[1])

    def _take_end(self, params: List[Any]) -> None:
        if self.state is not State.STREAMING:
            raise _wire.BadReply("an end before the response")
        self.end = params[1] if len(params) > 1 and isinstance(params[1], dict) else {}
        fault = _response.fault_of_end(self.end)
        if fault is None and self.end.get("bytes", self.received) != self.received:
            fault = f"a body of {self.end['bytes']} bytes, of which {self.received} came"
        if fault is not None:
            raise _wire.BadReply(fault)
        self.state = State.ENDED

    def _fail(self, error: Any) -> None:
        made = error_from_wire(error)
        if made is None:
            raise _wire.BadReply("an error without code and message")
        self.is_unread = made.code == Code.SHUTTING_DOWN and not self.has_head
        self.fail(made)

    def fail(self, error: Error) -> None:
        """Over, with that error. What came before it may still be taken."""
        self.error = error
        self.state = State.ENDED
        self.on_change()

    # ---- What its owner does ---------------------------------------------------------------------

    def take_piece(self) -> Optional[bytes]:
        """The next bytes of the answer that have come; None where there are none."""
        if not self.pieces:
            return None
        piece = self.pieces.popleft()
        self.ungranted += len(piece)
        return piece

    def take_grant(self) -> int:
        """How much to grant now: nothing, until half of the window was taken."""
        if self.state is not State.STREAMING or self.ungranted * 2 < self.window:
            return 0
        count, self.ungranted = self.ungranted, 0
        self.granted += count
        return count

    @property
    def is_upload_open(self) -> bool:
        """Whether there is more to send. After a status of 300 or more the origin wants none of it."""
        if not self.is_uploading or self.is_over or self.is_cancelled:
            return False
        return self.result is None or self.result.get("status", 0) < 300

    @property
    def is_upload_blocked(self) -> bool:
        """Whether it is the daemon that does not let it go on; the source may have no more, unseen."""
        return self.is_upload_open and not self.can_upload()

    def can_upload(self) -> bool:
        """Whether the upload's next piece can go; its end needs no grant."""
        return self.is_upload_open and (self.allowance > 0 or self.uploaded == self.upload_size)


# How the sentence begins where an upload was not as it was announced.
UPLOAD_STOPPED = "the upload "


def stopped(message: str) -> Error:
    """Of a request that this side has ended."""
    return error_of(Code.STOPPED, message)


def closed_early() -> Error:
    """To whoever reads on."""
    return stopped("the answer was closed before its end")
