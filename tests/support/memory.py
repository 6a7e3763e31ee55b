"""
What a daemon's memory grows by at its most, and what is in it.

    with peak_of(daemon) as peak: ...
    peak.growth_kib                     of resident memory, within the block
    find_in_memory(pid, [b"secret"])    where it is: (what, mapping, address, the bytes around)
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


NOT_ITS_OWN = ("[vvar]", "[vvar_vclock]", "[vsyscall]")


def readable_memory(pid):
    """Each mapping that the process can read: name, address, bytes. Needs root."""
    with open(f"/proc/{pid}/maps") as maps, open(f"/proc/{pid}/mem", "rb", 0) as memory:
        for line in maps:
            addresses, rights, _, _, _, *name = line.split()
            if "r" not in rights or (name and name[0] in NOT_ITS_OWN):
                continue
            begin, end = (int(part, 16) for part in addresses.split("-"))
            with contextlib.suppress(OSError):  # one that has gone meanwhile, or lies behind a file's end
                memory.seek(begin)
                yield name[0] if name else "anonymous", begin, memory.read(end - begin)


def find_in_memory(pid, needles):
    found = []
    for name, begin, data in readable_memory(pid):
        for needle in needles:
            at = data.find(needle)
            while at >= 0:
                around = data[max(0, at - 48):at + len(needle) + 48]
                found.append((needle, name, hex(begin + at), around))
                at = data.find(needle, at + 1)
    return found
