"""
Codings that Python 3.11 does not bring: brotli by the library that libcurl comes with; zstd by hand
(RFC 8878), in the two of its blocks that need no compressor: stored, and one byte repeated.
"""

import ctypes
import struct

MAX_BLOCK = 128 << 10
STORED, REPEATED = 0, 1


def brotli(data):
    library = ctypes.CDLL("libbrotlienc.so.1")
    out = ctypes.create_string_buffer(len(data) + 1024)
    length = ctypes.c_size_t(len(out))
    quality, window, generic = 5, 22, 0
    size, text = ctypes.c_size_t(len(data)), ctypes.c_char_p(data)
    assert library.BrotliEncoderCompress(quality, window, generic, size, text,
                                         ctypes.byref(length), out)
    return out.raw[:length.value]


def _zstd_frame(blocks):
    """Blocks: (type, size, bytes). Without a content size, with a window of 1 MiB."""
    parts = [b"\x28\xb5\x2f\xfd\x00\x50"]
    for number, (kind, size, data) in enumerate(blocks):
        last = number == len(blocks) - 1
        parts.append(struct.pack("<I", size << 3 | kind << 1 | last)[:3] + data)
    return b"".join(parts)


def zstd_stored(data):
    blocks = [data[at:at + MAX_BLOCK] for at in range(0, len(data), MAX_BLOCK)] or [b""]
    return _zstd_frame([(STORED, len(block), block) for block in blocks])


def zstd_repeated(byte, length):
    """Four bytes for each 128 KiB of the same byte."""
    assert length % MAX_BLOCK == 0
    return _zstd_frame([(REPEATED, MAX_BLOCK, byte)] * (length // MAX_BLOCK))
