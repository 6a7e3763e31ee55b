"""
What can go wrong, as exceptions: a small tree, cut by what its reader may do about it.

    Error                     has .code, .name, .message, .error_class
      Refused                 fix the request: the same one fails again. Nothing was sent
      NotSent                 no byte reached an origin that could act on it: safe to send again
        NoDaemon              nobody answers at the daemon's socket
        NotSentTimeout        (also a Timeout)
      MaybeProcessed          the origin may have acted on it: send again only what may be done twice
        MaybeProcessedTimeout (also a Timeout)
          UploadTimeout       no more of its body was taken in time
      Timeout                 some deadline passed; also a TimeoutError

Codes below 900 are the daemon's, the others those of this library, with the numbers and meanings
that libfetchpool has for them: client-lib/PROTOCOL.md and libfetchpool(3) tell them all.
"""

from __future__ import annotations

import enum
from typing import Any, Optional, Type


class Code(enum.IntEnum):
    """What went wrong, as a number to decide by. A code that is not here has its class all the same."""

    BAD_REQUEST = 1
    DENIED = 2
    TOO_LARGE = 3
    UNKNOWN_METHOD = 4
    DUPLICATE_ID = 5

    BUSY = 100
    QUEUE_TIMEOUT = 101
    RESOLVE = 102
    CONNECT = 103
    TLS = 104
    TIMEOUT = 105
    SHUTTING_DOWN = 106
    PROXY = 107
    CANCELLED = 108
    NOT_PROCESSED = 109

    TIMEOUT_SENT = 200
    CLOSED = 201
    TRUNCATED = 202
    PROTOCOL = 203
    BODY_TOO_LARGE = 204
    DECODE = 205
    CLIENT_TOO_SLOW = 206
    REDIRECTS = 207
    CANCELLED_SENT = 208
    INTERNAL = 299

    NO_DAEMON = 900
    LOST = 901
    DEADLINE = 902
    BAD_REPLY = 903
    STOPPED = 906
    FOREIGN_SOCKET = 907


def _known(code: int) -> int:
    """One of Code, where it is: it is a number all the same."""
    try:
        return Code(code)
    except ValueError:
        return code


class Error(Exception):
    """
    A request that came to nothing.

    code: see Code; `name`: its name, or "ERROR" for one that this version does not know;
    message: the sentence; error_class: "refused", "not sent" or "maybe processed".
    """

    error_class = "maybe processed"

    def __init__(self, code: int, message: str) -> None:
        super().__init__(code, message)
        self.code = _known(code)
        self.message = message

    @property
    def name(self) -> str:
        return self.code.name if isinstance(self.code, Code) else "ERROR"

    def __str__(self) -> str:
        return f"{self.message} ({self.name} {int(self.code)})"

    def __repr__(self) -> str:
        return f"{type(self).__name__}({int(self.code)}, {self.message!r})"


class Refused(Error):
    """The same request fails again: change it. Nothing was sent."""

    error_class = "refused"


class NotSent(Error):
    """No byte of it reached an origin that could act on it: it may be sent again, whatever its method."""

    error_class = "not sent"


class MaybeProcessed(Error):
    """The origin may have acted on it: send again only what may be done twice."""


class Timeout(Error, TimeoutError):
    """A deadline passed. Whether it was sent says the class beside this one."""


class NotSentTimeout(NotSent, Timeout):
    """A deadline passed before the request was sent."""


class MaybeProcessedTimeout(MaybeProcessed, Timeout):
    """A deadline passed after the request was sent, or the daemon did not answer in time."""


class UploadTimeout(MaybeProcessedTimeout):
    """No more of its body was taken in time: Request.upload_timeout."""


class NoDaemon(NotSent):
    """Nobody answers at the daemon's socket, or it closed before it had read the request."""


_OWN = {
    Code.NO_DAEMON: NoDaemon,
    Code.DEADLINE: MaybeProcessedTimeout,
    Code.FOREIGN_SOCKET: Refused,
    Code.QUEUE_TIMEOUT: NotSentTimeout,
    Code.TIMEOUT: NotSentTimeout,
    Code.TIMEOUT_SENT: MaybeProcessedTimeout,
}


def _type_of(code: int) -> Type[Error]:
    known = _OWN.get(code)  # type: ignore[call-overload]
    if known is not None:
        return known  # type: ignore[no-any-return]
    if code < 100:
        return Refused
    return NotSent if code < 200 else MaybeProcessed


def error_of(code: int, message: str) -> Error:
    """The exception for a code, of the class that the code has."""
    return _type_of(code)(code, message)


def of_the_parent() -> Error:
    """What a forked process is told of a request that its parent has running."""
    return error_of(Code.STOPPED, "the request is that of the process that this one was forked from")


def error_from_wire(value: Any) -> Optional[Error]:
    """Of `[code, message]` as a message has it; None where it is not of that form."""
    if not isinstance(value, list) or len(value) < 2 or type(value[0]) is not int:
        return None
    message = value[1]
    if isinstance(message, bytes):
        message = message.decode("utf-8", "replace")
    return error_of(value[0], str(message))
