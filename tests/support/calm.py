"""
What must hold after each row: descriptors, threads and memory are back within 5 s, the
loop was never held over 100 ms (longer where others had the processors, too), and at most one
line was logged about the offender.

    with calm(daemon): ...
"""

import contextlib
import time
import zlib

from .timing import SANITIZED, eventually, scaled

MAX_LOOP_BUSY_US = 100_000


def stretch(before, after):
    """How much longer everything took, as others had the processors, too: at most three times."""
    ran, waited = (now - then for now, then in zip(after, before))
    return min(1 + waited / ran, 3) if ran > 0 else 1


def decoding_us(mebibytes):
    """
    How long the loop may be held by gzip of which so much is decoded at one go, as libcurl does it:
    four times what zlib alone takes for it on this machine now. (2.5 times was measured.)
    """
    packed = zlib.compress(bytes(mebibytes << 20))
    times = []
    for _ in range(3):
        start = time.monotonic()
        zlib.decompress(packed, bufsize=mebibytes << 20)
        times.append(time.monotonic() - start)
    return 4e6 * min(times)


@contextlib.contextmanager
def calm(daemon, offenders=1, memory_kib=16 << 10, held_us=0):
    """
    `offenders`: clients that may each have earned a line of priority warning or worse. `held_us`: how
    long the loop may be held, if for longer than others.
    """
    threads, resident = daemon.threads(), daemon.resident_kib()
    logged = len(daemon.lines)
    scheduled = daemon.waited_for_cpu()
    yield
    daemon.await_calm()
    eventually(lambda: daemon.threads() <= threads, 5,
               lambda: f"{daemon.threads()} threads instead of {threads}")
    if not SANITIZED:  # whose allocator keeps what was freed
        eventually(lambda: daemon.resident_kib() <= resident + memory_kib, 5,
                   lambda: f"{daemon.resident_kib()} KiB instead of {resident}")
    busy = daemon.stats()["loop_busy_max_us"]
    most = scaled(max(MAX_LOOP_BUSY_US, held_us)) * stretch(scheduled, daemon.waited_for_cpu())
    assert busy < most, f"the loop was held for {busy} us, more than {most:.0f}"
    complaints = daemon.complaints(logged)
    assert len(complaints) <= offenders, "\n".join(complaints[:10])
