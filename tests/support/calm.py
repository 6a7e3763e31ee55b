"""
What must hold after each row: descriptors, threads and memory are back within 5 s, the
loop was never held over 100 ms (longer where others had the processors, too), and at most one
line was logged about the offender.

    with calm(daemon): ...
"""

import contextlib

from .timing import SANITIZED, eventually, scaled

MAX_LOOP_BUSY_US = 100_000


def stretch(before, after):
    """How much longer everything took, as others had the processors, too: at most three times."""
    ran, waited = (now - then for now, then in zip(after, before))
    return min(1 + waited / ran, 3) if ran > 0 else 1


@contextlib.contextmanager
def calm(daemon, offenders=1, memory_kib=16 << 10):
    """`offenders`: clients that may each have earned a line of priority warning or worse."""
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
    most = scaled(MAX_LOOP_BUSY_US) * stretch(scheduled, daemon.waited_for_cpu())
    assert busy < most, f"the loop was held for {busy} us, more than {most:.0f}"
    complaints = daemon.complaints(logged)
    assert len(complaints) <= offenders, "\n".join(complaints[:10])
