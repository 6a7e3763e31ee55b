"""
The programs that send requests, and what they say: requests, seconds, cpu_us (processor time of each
request), p50_us, p99_us.

    run_load(peer, http, clients, seconds)      a load on a peer (shared/peers.py), at its cost
    run_floor(origin, http, at_once, seconds)   the same requests by the leanest libcurl loop
"""

import json
import os
import pathlib
import subprocess
import sys

from support.daemon import BUILD

LOAD, FLOOR = BUILD / "tests/load", BUILD / "tests/floor"
ZURL_LOAD = pathlib.Path(__file__).resolve().parents[1] / "zurl_load.py"
WARM_UP_MS = 300

# With two processors or more, what is measured has one to itself, and the load and the origin another.
CPUS = sorted(os.sched_getaffinity(0))
MEASURED, OTHERS = (CPUS[:1], CPUS[1:2]) if len(CPUS) > 1 else (CPUS, CPUS)


def pin(pid, cpus):
    for thread in os.listdir(f"/proc/{pid}/task"):
        os.sched_setaffinity(int(thread), cpus)


def run(command, cpus):
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True,
                          stdin=subprocess.DEVNULL,
                          preexec_fn=lambda: os.sched_setaffinity(0, cpus))
    if done.returncode != 0:
        sys.exit(f"{' '.join(map(str, command))}:\n{done.stderr}")
    return json.loads(done.stdout)


def run_load(peer, http, clients, seconds, target="/", urls=None):
    where, targets = peer.command(http, target)
    program = [sys.executable, ZURL_LOAD] if where[0] == "zurl" else [LOAD]
    pids = [word for pid in peer.pids for word in ("-p", pid)]
    return run([*program, *pids, *where, clients, WARM_UP_MS, round(seconds * 1000),
                *(urls or targets)], OTHERS)


def run_floor(origin, http, at_once, seconds, target="/"):
    return run([FLOOR, http, origin.ca, at_once, WARM_UP_MS, round(seconds * 1000),
                origin.url(http, target)], MEASURED)
