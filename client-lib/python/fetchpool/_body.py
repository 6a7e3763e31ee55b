"""
The body of a request: small enough to go with it, or a source of pieces that go as the daemon grants.

A source says whether its pieces can be had once more: only then may a request that the daemon did
not act on be sent to the next one after its body has begun.
"""

from __future__ import annotations

import os
import stat
from typing import Any, AsyncIterable, AsyncIterator, Dict, Iterable, Iterator, Optional, Union

from ._wire import MAX_DATA_BYTES

# A body up to this goes with the request. Larger ones are uploads: others on the same socket need not
# wait for them, and the daemon holds no more than its upload_window of them.
MAX_INLINE_BYTES = 262144


class BodySource:
    """No body at all; and what the other kinds have in common."""

    size: Optional[int] = None
    is_upload = False
    is_async = False
    can_restart = True

    def to_wire(self) -> Dict[str, Any]:
        return {}

    def pieces(self) -> Iterator[bytes]:
        return iter(())

    def async_pieces(self) -> AsyncIterator[bytes]:
        return _MadeAsync(self.pieces())


class InlineBody(BodySource):
    def __init__(self, content: bytes) -> None:
        self.content = content
        self.size = len(content)

    def to_wire(self) -> Dict[str, Any]:
        return {"body": self.content}


class _Upload(BodySource):
    is_upload = True

    def __init__(self, size: Optional[int]) -> None:
        if size is not None and (type(size) is not int or size < 0):
            raise ValueError(f"body_size must be 0 or more bytes, not {size!r}")
        self.size = size

    def to_wire(self) -> Dict[str, Any]:
        if self.size is None:
            return {"upload": True}
        return {"upload": True, "upload_size": self.size}


class BytesUpload(_Upload):
    def __init__(self, content: bytes) -> None:
        super().__init__(len(content))
        self.content = content

    def pieces(self) -> Iterator[bytes]:
        return _cut(self.content)


class FileUpload(_Upload):
    """From where the file stands. It can be had once more where it can be wound back."""

    def __init__(self, file: Any, size: Optional[int]) -> None:
        self.file = file
        self.start = _position(file)
        super().__init__(_bytes_left(file, self.start) if size is None else size)
        self.can_restart = self.start is not None

    def pieces(self) -> Iterator[bytes]:
        if self.start is not None:
            self.file.seek(self.start)
        while True:
            piece = self.file.read(MAX_DATA_BYTES)
            if not piece:
                return
            yield from _cut(_as_bytes(piece))


class IterableUpload(_Upload):
    can_restart = False

    def __init__(self, source: Iterable[bytes], size: Optional[int]) -> None:
        super().__init__(size)
        self.source = source

    def pieces(self) -> Iterator[bytes]:
        for piece in self.source:
            yield from _cut(_as_bytes(piece))


class AsyncIterableUpload(_Upload):
    is_async = True
    can_restart = False

    def __init__(self, source: AsyncIterable[bytes], size: Optional[int]) -> None:
        super().__init__(size)
        self.source = source

    def async_pieces(self) -> AsyncIterator[bytes]:
        return _CutAsync(self.source)


def _as_bytes(piece: Any) -> bytes:
    if not isinstance(piece, (bytes, bytearray, memoryview)):
        raise TypeError(f"a piece of a body must be bytes, not {type(piece).__name__}")
    return bytes(piece)


def _cut(piece: bytes) -> Iterator[bytes]:
    if len(piece) <= MAX_DATA_BYTES:
        if piece:
            yield piece
        return
    view = memoryview(piece)
    for begin in range(0, len(piece), MAX_DATA_BYTES):
        yield bytes(view[begin : begin + MAX_DATA_BYTES])


# No generators: an upload may be given up in the middle, and whoever leaves an asynchronous generator
# there has to close it, or is reported by trio.


class _MadeAsync(AsyncIterator[bytes]):
    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces

    async def __anext__(self) -> bytes:
        for piece in self._pieces:
            return piece
        raise StopAsyncIteration


class _CutAsync(AsyncIterator[bytes]):
    def __init__(self, source: AsyncIterable[bytes]) -> None:
        self._source = source.__aiter__()
        self._parts: Iterator[bytes] = iter(())

    async def __anext__(self) -> bytes:
        while True:
            for part in self._parts:
                return part
            self._parts = _cut(_as_bytes(await self._source.__anext__()))


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
        content: Union[bytes, memoryview] = bytes(body)
        return InlineBody(content) if len(content) <= MAX_INLINE_BYTES else BytesUpload(content)
    if isinstance(body, str):
        raise TypeError("body must be bytes, not str: encode it")
    if hasattr(body, "read"):
        return FileUpload(body, size)
    if allow_async and hasattr(body, "__aiter__"):
        return AsyncIterableUpload(body, size)
    if isinstance(body, Iterable):  # it may be both
        return IterableUpload(body, size)
    if hasattr(body, "__aiter__"):
        raise TypeError("an asynchronous body needs AsyncClient")
    raise TypeError(f"body must be bytes, a file or an iterable of bytes, not {type(body).__name__}")
