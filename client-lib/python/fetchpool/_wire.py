"""
Messages to bytes and back: MessagePack-RPC as client-lib/PROTOCOL.md has it. Pure, no I/O.

A string that is not UTF-8 (a header field's value) is a str with surrogate escapes here.
"""

from __future__ import annotations

from typing import Any, Dict, Iterator, List

import msgpack

REQUEST, RESPONSE, NOTIFICATION = 0, 1, 2

# Of the protocol: see "Bounds" there.
MAX_MESSAGE_BYTES = 16 * 1024 * 1024
MAX_DATA_BYTES = 65536
DEFAULT_WINDOW = 262144
MAX_TIMEOUT_MS = 86_400_000

# A whole answer is as large as the daemon's max_body lets it be.
_MAX_INCOMING_BYTES = 2**31 - 1


class BadReply(Exception):
    """What came is not the protocol; the argument says why."""


def _pack(message: List[Any]) -> bytes:
    packed: bytes = msgpack.packb(message, use_bin_type=True, unicode_errors="surrogateescape")
    return packed


def request(id: int, method: str, params: Dict[str, Any]) -> bytes:
    return _pack([REQUEST, id, method, [params]])


def data(id: int, piece: memoryview) -> bytes:
    return _pack([NOTIFICATION, "data", [id, piece]])


def end(id: int) -> bytes:
    return _pack([NOTIFICATION, "end", [id, {}]])


def window(id: int, count: int) -> bytes:
    return _pack([NOTIFICATION, "window", [id, count]])


def cancel(id: int) -> bytes:
    return _pack([NOTIFICATION, "cancel", [id]])


def _check(message: Any) -> List[Any]:
    if not isinstance(message, list) or not message:
        raise BadReply("a message that is no array")
    is_response = message[0] == RESPONSE and len(message) == 4 and type(message[1]) is int
    is_notification = (
        message[0] == NOTIFICATION
        and len(message) == 3
        and isinstance(message[1], str)
        and isinstance(message[2], list)
    )
    if not is_response and not is_notification:
        raise BadReply("an array that is neither a response nor a notification")
    return message


class Decoder:
    """Bytes in, whole messages out. Raises BadReply for what is no message."""

    def __init__(self) -> None:
        self._unpacker = msgpack.Unpacker(
            raw=False,
            unicode_errors="surrogateescape",
            max_buffer_size=_MAX_INCOMING_BYTES,
            strict_map_key=False,
        )

    def feed(self, data: bytes) -> Iterator[List[Any]]:
        try:
            self._unpacker.feed(data)
            for message in self._unpacker:
                yield _check(message)
        except BadReply:
            raise
        except Exception as error:  # msgpack raises many kinds for broken input
            raise BadReply(f"no MessagePack ({type(error).__name__}: {error})") from None
