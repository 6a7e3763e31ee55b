"""
The rounds of tests/bench/bulk: runs two commands in turn and prints what each took.

    bulk.py ROUNDS MIB RATIO DAEMON-PID OURS THEIRS < CASES

A case is a line: a name, a tab, the arguments that both commands are given. Ours is charged with
what the daemon used meanwhile.
"""

import os
import statistics
import subprocess
import sys
import time

TICKS = os.sysconf("SC_CLK_TCK")


def cpu_of(pid):
    """User and system seconds of a process so far."""
    with open(f"/proc/{pid}/stat", encoding="utf-8") as stat:
        fields = stat.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def run(command, daemon):
    """Wall and CPU seconds of one run; with a daemon, what that used as well."""
    before = cpu_of(daemon) if daemon else 0
    begun = time.perf_counter()
    child = subprocess.Popen(command)
    _, status, usage = os.wait4(child.pid, 0)
    wall = time.perf_counter() - begun
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode != 0:
        sys.exit(f"bulk: exit code {child.returncode} of {' '.join(command)}")
    cpu = usage.ru_utime + usage.ru_stime + (cpu_of(daemon) - before if daemon else 0)
    return wall, cpu


def measure(arguments, ours, theirs, daemon, rounds):
    """The medians: our wall and CPU, theirs."""
    results = {"ours": [], "theirs": []}
    for number in range(rounds):
        for who in sorted(results, reverse=number % 2 == 1):
            command = (ours if who == "ours" else theirs) + arguments
            results[who].append(run(command, daemon if who == "ours" else None))
    return [statistics.median(column) for who in ("ours", "theirs") for column in zip(*results[who])]


def main():
    rounds, mib, wanted, daemon = int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]), sys.argv[4]
    ours, theirs = sys.argv[5].split(), sys.argv[6].split()
    cases = [line.rstrip("\n").split("\t") for line in sys.stdin]
    print(f"{mib} MiB, medians of {rounds} rounds; CPU of fetchpool: command and daemon")
    print(f"{'':28}  {'fetchpool':^22}  {'curl':^22}  {'ratio':^11}")
    print(f"{'':28}  {'MiB/s':>6} {'wall s':>7} {'CPU s':>7}  {'MiB/s':>6} {'wall s':>7} {'CPU s':>7}"
          f"  {'wall':>5} {'CPU':>5}")
    worst = 0
    for name, arguments in cases:
        wall, cpu, their_wall, their_cpu = measure(arguments.split(), ours, theirs, daemon, rounds)
        print(f"{name:28}  {mib / wall:6.0f} {wall:7.3f} {cpu:7.2f}  {mib / their_wall:6.0f} "
              f"{their_wall:7.3f} {their_cpu:7.2f}  {wall / their_wall:5.2f} {cpu / their_cpu:5.2f}",
              flush=True)
        if name.startswith("download"):
            worst = max(worst, wall / their_wall)
    if 0 < wanted < worst:
        sys.exit(f"bulk: a download takes {worst:.2f} times as long as curl's, more than {wanted}")


main()
