"""Bodies that are not their own neighbours: the same bytes for the same name and length, every time."""

import hashlib
import random
import struct

PERIOD = 999_983  # of a large file: prime, so that no block or frame begins like another


def body(length, name="body"):
    return random.Random(name).randbytes(length)


def digest(data):
    return hashlib.sha256(data).hexdigest()


def write_large(path, length):
    """Writes a file of so many bytes, every stretch with its own number, and returns its digest."""
    stretch = body(PERIOD - 8, "large")
    summed = hashlib.sha256()
    with open(path, "wb") as file:
        for number in range(length // PERIOD + 1):
            part = (struct.pack(">Q", number) + stretch)[:length - number * PERIOD]
            summed.update(part)
            file.write(part)
    return summed.hexdigest()
