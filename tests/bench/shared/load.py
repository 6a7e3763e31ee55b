"""
The programs that send requests, and what they say: requests, seconds, cpu_us (processor time of
each request), p50_us, p99_us.

    run_load(stage, peer, http, clients, seconds)    a load on a peer (shared/peers.py), at its cost
    run_anywhere(peer, clients, seconds, urls)       a load on a fetchpoold, wherever the kernel places it
    run_floor(stage, http, at_once, seconds)         the same requests by the leanest libcurl loop
    run_direct(stage, http, requests)                by h2load, one at a time: latencies only

With two processors or more, what is measured has one to itself, and load and origin share another.
With one client all share one: nothing happens at the same time then, and a processor that falls
asleep between two messages costs more than either program. There they go before all else that
wants it, where that is permitted, so that p99 is not somebody else's.
"""

import contextlib
import json
import os
import pathlib
import subprocess
import sys

from support.daemon import BUILD

LOAD, FLOOR = BUILD / "tests/load", BUILD / "tests/floor"
ZURL_LOAD = pathlib.Path(__file__).resolve().parents[1] / "zurl_load.py"

CPUS = sorted(os.sched_getaffinity(0))
ONE, OTHER = CPUS[:1], CPUS[1:2] or CPUS


def others(clients):
    """Where load and origin are; what is measured is on ONE."""
    return ONE if clients == 1 else OTHER


def warm_up_ms(clients):
    """Enough for each client's connection to the origin to be opened."""
    return 300 + 3 * clients


def go_first(task, clients):
    with contextlib.suppress(PermissionError):
        os.setpriority(os.PRIO_PROCESS, task, -20 if clients == 1 else 0)


def arrange(pids, cpus, clients):
    for pid in pids:
        for thread in map(int, os.listdir(f"/proc/{pid}/task")):
            os.sched_setaffinity(thread, cpus)
            go_first(thread, clients)


def run(command, cpus, clients):
    def prepare():
        os.sched_setaffinity(0, cpus)
        go_first(0, clients)

    done = subprocess.run([str(part) for part in command], capture_output=True, text=True,
                          stdin=subprocess.DEVNULL, preexec_fn=prepare)
    if done.returncode != 0:
        sys.exit(f"{' '.join(map(str, command))}:\n{done.stdout}{done.stderr}")
    return done.stdout


def run_load(stage, peer, http, clients, seconds, target="/", urls=None):
    arrange([stage.origin.process.pid], others(clients), clients)
    arrange(peer.pids, ONE, clients)
    where, targets = peer.command(http, target)
    program = [sys.executable, ZURL_LOAD] if where[0] == "zurl" else [LOAD]
    pids = [word for pid in peer.pids for word in ("-p", pid)]
    return json.loads(run([*program, *pids, *where, clients, warm_up_ms(clients),
                           round(seconds * 1000), *(urls or targets)], others(clients), clients))


def run_anywhere(peer, clients, seconds, urls):
    return json.loads(run([LOAD, "-p", peer.pids[0], "fetchpool", peer.path, clients,
                           warm_up_ms(clients), round(seconds * 1000), *urls], CPUS, clients))


def run_floor(stage, http, at_once, seconds):
    arrange([stage.origin.process.pid], others(at_once), at_once)
    return json.loads(run([FLOOR, http, stage.origin.ca, at_once, warm_up_ms(at_once),
                           round(seconds * 1000), stage.origin.url(http)], ONE, at_once))


def run_direct(stage, http, requests):
    """h2load logs each request: when, its status, microseconds. The first tenth warms up."""
    arrange([stage.origin.process.pid], ONE, 1)
    log = stage.directory / "h2load"
    log.unlink(missing_ok=True)
    run(["h2load", f"-n{requests}", "-c1", "-m1", f"--log-file={log}",
         *(["--h1"] if http == "1.1" else []), stage.origin.url(http)], ONE, 1)
    lines = [line.split("\t") for line in log.read_text().splitlines()[requests // 10:]]
    if not lines or any(status != "200" for _, status, _ in lines):
        sys.exit("h2load: not every request succeeded")
    took = sorted(int(us) for _, _, us in lines)
    return {"p50_us": took[len(took) // 2], "p99_us": took[len(took) * 99 // 100]}
