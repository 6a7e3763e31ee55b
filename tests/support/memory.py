"""
What a daemon's memory grows by at its most.

    with peak_of(daemon) as peak: ...
    peak.growth_kib                     of resident memory, within the block
"""

import contextlib
import pathlib

FORGET_PEAK = "5"  # proc(5), clear_refs


class Peak:
    growth_kib = None


@contextlib.contextmanager
def peak_of(daemon):
    pathlib.Path(f"/proc/{daemon.pid}/clear_refs").write_text(FORGET_PEAK)
    before = daemon.resident_kib()
    peak = Peak()
    yield peak
    peak.growth_kib = daemon.status("VmHWM") - before
