"""
The body of a request: small enough to go with it, or a source of pieces that go as the daemon grants.

A source says whether its pieces can be had once more: only then may a request that the daemon did
not act on be sent to the next one after its body has begun.
"""

from __future__ import annotations

import io
import os
import stat
from typing import Any, AsyncIterable, AsyncIterator, Dict, Iterable, Iterator, Mapping, Optional

from ._response import Head
from ._wire import MAX_DATA_BYTES

# A body up to this goes with the request. Larger ones are uploads: others on the same socket need not
# wait for them, and the daemon holds no more than its upload_window of them.
MAX_INLINE_BYTES = 262144


class BodySource:
    """No body at all; and what the other kinds have in common."""

    size: Optional[int] = None
    is_upload = False
    can_restart = True

    def to_wire(self) -> Dict[str, Any]:
        return {}

    def pieces(self) -> Iterator[Any]:
        """From the beginning. What they are is for piece_of() to look at."""
        return iter(())

    def async_pieces(self) -> Optional[AsyncIterator[Any]]:
        """Where they come asynchronously: then there are no others."""
        return None


class InlineBody(BodySource):
    def __init__(self, content: bytes, size: Optional[int]) -> None:
        self.content = content
        self.size = _checked_size(size, len(content))

    def to_wire(self) -> Dict[str, Any]:
        return {"body": self.content}


class _Upload(BodySource):
    is_upload = True

    def __init__(self, size: Optional[int]) -> None:
        self.size = _checked_size(size)

    def to_wire(self) -> Dict[str, Any]:
        if self.size is None:
            return {"upload": True}
        return {"upload": True, "upload_size": self.size}


class BytesUpload(_Upload):
    def __init__(self, content: bytes, size: Optional[int]) -> None:
        super().__init__(_checked_size(size, len(content)))
        self.content = content

    def pieces(self) -> Iterator[Any]:
        return iter((self.content,))


class FileUpload(_Upload):
    """
    From where the file stands; what is added to it meanwhile is not sent. It can be had once more where
    it can be wound back.
    """

    def __init__(self, file: Any, size: Optional[int]) -> None:
        self.file = file
        self.start = _position(file)
        self.length = _bytes_left(file, self.start) if size is None else None
        super().__init__(self.length if size is None else size)
        self.can_restart = self.start is not None

    def pieces(self) -> Iterator[Any]:
        if self.start is not None:
            self.file.seek(self.start)
        left = self.length
        while left is None or left > 0:
            piece = self.file.read(MAX_DATA_BYTES if left is None else min(left, MAX_DATA_BYTES))
            if piece is None:
                raise BlockingIOError("the file of a body has nothing to give yet: it must be a blocking one")
            if not piece:
                return
            if left is not None:
                left -= len(piece)
            yield piece


class IterableUpload(_Upload):
    can_restart = False

    def __init__(self, source: Iterable[Any], size: Optional[int]) -> None:
        super().__init__(size)
        self.source = source

    def pieces(self) -> Iterator[Any]:
        return iter(self.source)


class AsyncIterableUpload(_Upload):
    can_restart = False

    def __init__(self, source: AsyncIterable[Any], size: Optional[int]) -> None:
        super().__init__(size)
        self.source = source

    def async_pieces(self) -> Optional[AsyncIterator[Any]]:
        return self.source.__aiter__()


def piece_of(piece: Any) -> memoryview:
    """What a source gave, to be sent part by part; TypeError for what is no bytes."""
    if isinstance(piece, bytes):
        return memoryview(piece)
    if isinstance(piece, (bytearray, memoryview)):
        return memoryview(bytes(piece))  # its owner may change it before it has gone
    raise TypeError(f"a piece of a body must be bytes, not {type(piece).__name__}")


def _checked_size(size: Optional[int], length: Optional[int] = None) -> Optional[int]:
    if size is None:
        return length
    if isinstance(size, bool) or not isinstance(size, int):
        raise TypeError(f"body_size must be a number of bytes, not {type(size).__name__}")
    if size < 0:
        raise ValueError(f"body_size must be 0 or more bytes, not {size}")
    if length is not None and size != length:
        raise ValueError(f"body_size is {size}, but the body has {length} bytes")
    return size


def _position(file: Any) -> Optional[int]:
    try:
        return int(file.tell()) if file.seekable() else None
    except (AttributeError, OSError, ValueError):
        return None


def _bytes_left(file: Any, start: Optional[int]) -> Optional[int]:
    """None where only reading it tells."""
    if start is None:
        return None
    try:
        about = os.fstat(file.fileno())
        return max(0, about.st_size - start) if stat.S_ISREG(about.st_mode) else None
    except (AttributeError, OSError, ValueError):
        end = int(file.seek(0, os.SEEK_END))
        file.seek(start)
        return max(0, end - start)


def body_from(body: Any, size: Optional[int], allow_async: bool) -> BodySource:
    """The source for what a caller gave as `body`; TypeError for what cannot be one."""
    if body is None:
        return BodySource()
    if isinstance(body, (bytes, bytearray, memoryview)):
        content = bytes(body)
        kind = InlineBody if len(content) <= MAX_INLINE_BYTES else BytesUpload
        return kind(content, size)
    if isinstance(body, str):
        raise TypeError("body must be bytes, not str: encode it")
    if isinstance(body, io.TextIOBase):
        raise TypeError("body must be a file opened for bytes, not for text")
    if allow_async and hasattr(body, "__aiter__"):
        return AsyncIterableUpload(body, size)
    if hasattr(body, "__aiter__") and not hasattr(body, "__iter__"):
        raise TypeError("an asynchronous body needs AsyncClient")
    if hasattr(body, "read") and not isinstance(body, Head):  # an answer gives its pieces as they come
        return FileUpload(body, size)
    if isinstance(body, Iterable) and not isinstance(body, Mapping):  # it may be both
        return IterableUpload(body, size)
    raise TypeError(f"body must be bytes, a file or an iterable of bytes, not {type(body).__name__}")
