"""What must hold on a booted system, from the packages' installation to their purge. Runs as root in
the container that run.sh boots, and writes its report to the directory that is given.

    checks.py PACKAGES RESULTS
"""

import glob
import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import time

from machine import (CONFIGURATION, DOOR, SERVICE, SOCKET, Load, ask, check, configure, drop_in,
                     eventually, expect, expect_open_door, journal, main_pid, must, ping,
                     remove_drop_in, report, run, state)

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent))
from support.certificates import Authority  # noqa: E402
from support.nameserver import NameServer  # noqa: E402

PACKAGES, RESULTS = map(pathlib.Path, sys.argv[1:])
NAMES = ["fetchpoold", "fetchpool", "libfetchpool0", "libfetchpool-dev"]
POLICY = pathlib.Path("/usr/sbin/policy-rc.d")
RESTARTS = 100
STARTS_IN_VAIN = 20
LEAST_RATE = 100  # a second: 200 and more where the processors are not busy otherwise


def install(release):
    return must("dpkg", "--install", *sorted(glob.glob(f"{PACKAGES}/{release}/*.deb")))


def left_behind():
    """Of ours; tests/setup.sh may have left a list of package sources of that name."""
    found = run("find", "/etc", "/run", "/var/lib/systemd", "/var/log", "/usr/bin", "/usr/lib",
                "/usr/include", "/usr/share", "-xdev", "-name", "*fetchpool*",
                "-not", "-path", "/etc/apt/*")
    return found.stdout.split()


# ---- Installation --------------------------------------------------------------------------------

@check("policy-rc.d decides whether the installation starts anything")
def _():
    POLICY.write_text("#!/bin/sh\nexit 101\n")
    POLICY.chmod(0o755)
    install("old")
    expect(state(DOOR, "ActiveState", "UnitFileState") == ["inactive", "enabled"],
           state(DOOR, "ActiveState", "UnitFileState"))
    POLICY.unlink()


@check("purge leaves nothing behind")
def _():
    must("dpkg", "--purge", *NAMES)
    left = left_behind()
    expect(not left, "left:", *left)


@check("the installation opens the socket, enables it, and starts no daemon")
def _():
    install("old")
    expect(state(DOOR, "ActiveState", "UnitFileState") == ["active", "enabled"],
           state(DOOR, "ActiveState", "UnitFileState"))
    expect(state(SERVICE, "ActiveState", "UnitFileState") == ["inactive", "disabled"],
           state(SERVICE, "ActiveState", "UnitFileState"))
    seen = must("stat", "--format=%a %U %G", SOCKET).split()
    expect(seen == ["660", "root", "fetchpool"], *seen)
    expect(CONFIGURATION.exists(), "there is no", CONFIGURATION)


@check("systemd finds no fault with the installed units and their manual pages")
def _():
    done = run("systemd-analyze", "verify", SERVICE, DOOR)
    expect(done.returncode == 0 and done.stdout + done.stderr == "", done.stdout, done.stderr)


@check("the first client starts the daemon, and systemctl status says what it does")
def _():
    expect(ping().returncode == 0, ping())
    active, status = state(SERVICE, "ActiveState", "StatusText")
    expect(active == "active" and "client" in status, active, status)
    return status


# ---- Users, names, TLS ---------------------------------------------------------------------------

@check("clients of the group are served under their own user, others are refused by the socket's mode")
def _():
    must("useradd", "--create-home", "--groups", "fetchpool", "member")
    must("useradd", "outsider")
    expect(ping("member").returncode == 0, ping("member"))
    refused = ping("outsider")
    expect(refused.returncode == 120 and "ermission denied" in refused.stderr, refused)
    member = must("id", "-u", "member").strip()
    shown = must("sh", "-c", f"printf 'clients\\n' | socat -t 2 - UNIX-CONNECT:{SOCKET}", user="member")
    expect(re.search(rf"\b{member}\b", shown), "no client of user", member, "in", shown)


@check("names are looked up and TLS is verified from within the sandbox")
def _():
    authority = Authority("/etc/fetchpool/authority")
    leaf = authority.sign("secure", "DNS:secure.test")
    configure(f"[tls]\nca_file = {authority.pem}\n")
    must("systemctl", "restart", SERVICE)
    with NameServer("127.0.0.1", pathlib.Path("/run"), {"secure.test": "127.0.0.1"}) as names:
        pathlib.Path("/etc/resolv.conf").write_text(names.resolver.read_text())
        server = subprocess.Popen(["openssl", "s_server", "-quiet", "-www", "-accept", "8443",
                                   "-cert", leaf.cert, "-key", leaf.key], stdin=subprocess.DEVNULL)
        try:
            eventually(lambda: run("bash", "-c", "</dev/tcp/127.0.0.1/8443").returncode == 0, 10)
            said = must("fetchpool", "-sSf", "https://secure.test:8443/", user="member")
            expect("TLSv1" in said, said)
            unknown = run("fetchpool", "-sS", "https://unknown.test:8443/")
            expect(unknown.returncode == 6, unknown)
        finally:
            server.kill()
            server.communicate()


# ---- Reload --------------------------------------------------------------------------------------

@check("systemctl reload: a good configuration holds, a bad one is refused and the old one stays")
def _():
    pid = main_pid()
    configure("[limits]\nmax_body = 5MiB\n")
    must("systemctl", "reload", SERVICE)
    expect(eventually(lambda: "max_body = 5MiB" in ask("config"), 5), ask("config"))
    since = time.time()
    configure("[limits]\nmax_body = many\n")
    expect(run("systemctl", "reload", SERVICE).returncode != 0, "a bad configuration was taken")
    said = journal(since)
    expect(f"{CONFIGURATION}:2:" in said, said)
    expect("max_body = 5MiB" in ask("config"), ask("config"))
    expect((main_pid(), state(SERVICE, "ActiveState")) == (pid, "active"), main_pid(), pid)
    configure("")


# ---- Logs ----------------------------------------------------------------------------------------

@check("the journal has fields for what a line is about; the access log is written and rotated")
def _():
    log = pathlib.Path("/var/log/fetchpool/access.log")
    configure(f'[daemon]\naccess_log = {log}\n[policy "default"]\nallow = none\n')
    must("systemctl", "reload", SERVICE)
    eventually(log.exists, 5)
    since = time.time()
    denied = run("fetchpool", "-sS", "http://127.0.0.1:8080/", user="member")
    expect(denied.returncode == 121, denied)
    member = must("id", "-u", "member").strip()
    said = journal(since, "--output=json", f"FETCHPOOL_UID={member}")
    origins = [json.loads(line)["FETCHPOOL_ORIGIN"] for line in said.splitlines()]
    expect(origins == ["http://127.0.0.1:8080"], said)
    expect(eventually(log.read_text, 5).count("\n") == 1, log.read_text())
    must("logrotate", "--force", "/etc/logrotate.d/fetchpoold")
    run("fetchpool", "-sS", "http://127.0.0.1:8080/", user="member")
    expect(eventually(lambda: log.exists() and log.read_text(), 5), "there is no line in the new file")
    configure("")
    must("systemctl", "reload", SERVICE)


# ---- Restarts lose nothing -----------------------------------------------------------------------

def expect_nothing_lost(load):
    sent, failures, slowest = load.finish()
    expect(not failures, len(failures), "of", sent, "failed:", *failures[:10])
    posts = [path for path in load.seen if "/POST/" in path]
    expect(not load.posts_doubled(), "came twice:", load.posts_doubled()[:10])
    expect(load.rate > LEAST_RATE, "only", load.rate, "a second")
    return (f"{sent} requests, {load.rate:.0f} a second, {len(posts)} POSTs, "
            f"the slowest took {slowest} ms")


@check(f"L2: {RESTARTS} restarts under load lose no request, double no POST, refuse no connection")
def _():
    load = Load()
    eventually(load.is_running, 20)
    since = time.monotonic()
    for _ in range(RESTARTS):
        must("systemctl", "restart", SERVICE)
    took = time.monotonic() - since
    expect_open_door()
    return f"{expect_nothing_lost(load)}; a restart took {took / RESTARTS * 1000:.0f} ms"


@check("an upgrade under load loses nothing; the socket stays open, the configuration as it was")
def _():
    configure("; mine\n")
    load = Load()
    eventually(load.is_running, 20)
    pid, opened = main_pid(), state(DOOR, "ActiveEnterTimestampMonotonic")
    install("new")
    note = expect_nothing_lost(load)
    expect(main_pid() not in (0, pid), "the daemon was not started anew")
    expect(state(DOOR, "ActiveEnterTimestampMonotonic") == opened, "the socket was opened anew")
    expect(CONFIGURATION.read_text() == "; mine\n", CONFIGURATION.read_text())
    return note


# ---- Crashes -------------------------------------------------------------------------------------

# The library's: the daemon went away before it answered. And the command's exit code for it.
LOST = re.compile(r" 901 | exit code 122: ")


@check("L3: after kill -9 and abort it is back within a second; what was under way says so")
def _():
    ping()
    load = Load()
    eventually(load.is_running, 20)
    took = []
    for number in (signal.SIGKILL, signal.SIGABRT) * 3:
        os.kill(main_pid(), number)
        since = time.monotonic()
        answer = ping()
        took.append(time.monotonic() - since)
        expect(answer.returncode == 0, answer)
        time.sleep(0.3)
    sent, failures, _ = load.finish()
    others = [line for line in failures if not LOST.search(line)]
    expect(not others, len(others), "failed otherwise:", *others[:10])
    expect(not load.posts_doubled(), "came twice:", load.posts_doubled()[:10])
    expect(min(took) < 1 and max(took) < 5, "it took so many seconds:", *took)
    expect_open_door()
    return f"back in {min(took):.2f} to {max(took):.2f} s; {len(failures)} of {sent} failed, each as lost"


@check("L6: where it hangs, clients end by their own deadline, and the watchdog restarts it")
def _():
    drop_in(SERVICE, "[Service]\nWatchdogSec=2s\n")
    must("systemctl", "restart", SERVICE)
    ping()
    pid = main_pid()
    os.kill(pid, signal.SIGSTOP)
    since = time.monotonic()
    hurried = ping(seconds=1)
    expect(hurried.returncode == 28 and time.monotonic() - since < 1.9, hurried)
    expect(eventually(lambda: main_pid() not in (0, pid), 10), "it was not started again")
    took = time.monotonic() - since
    expect(ping().returncode == 0, ping())
    expect_open_door()
    remove_drop_in(SERVICE)
    must("systemctl", "restart", SERVICE)
    return f"{took:.1f} s after it stopped, with WatchdogSec=2s"


@check(f"L4: {STARTS_IN_VAIN} starts with a bad configuration: the socket stays, who waits is served "
       "when it is mended")
def _():
    configure("[limits]\nmax_bodies = 5\n")
    since = time.time()
    os.kill(main_pid(), signal.SIGKILL)
    waiting = subprocess.Popen(["fetchpool", "-m", "100", "ping"], stdout=subprocess.PIPE, text=True)

    def complaints():
        return journal(since).count(f"{CONFIGURATION}:2:")
    expect(eventually(lambda: complaints() >= STARTS_IN_VAIN, 60), complaints(), "starts")
    took = time.time() - since
    expect("max_bodies" in journal(since) and "max_body" in journal(since), journal(since))
    expect_open_door()
    expect(waiting.poll() is None, "the client that waits has ended:", waiting.poll())
    configure("")
    expect(waiting.communicate(timeout=10)[0] == "pong\n", "the client that waited was not served")
    return f"{took:.0f} s; served {time.time() - since - took:.1f} s after it was mended"


# ---- A user's own --------------------------------------------------------------------------------

@check("a user's own units work in that user's session")
def _():
    user = must("id", "-u", "member").strip()
    must("systemctl", "start", f"user@{user}.service")
    session = ("env", f"XDG_RUNTIME_DIR=/run/user/{user}")
    must(*session, "systemctl", "--user", "start", DOOR, user="member")
    path = pathlib.Path(f"/run/user/{user}/fetchpool/fetchpool.sock")
    expect(must("stat", "--format=%a %U", path).split() == ["600", "member"], path.stat())
    pid = main_pid()
    must(*session, "fetchpool", "ping", user="member")
    own = must(*session, "systemctl", "--user", "show", "--property=MainPID", "--value", SERVICE,
               user="member")
    expect(int(own) not in (0, pid), own)
    must(*session, "systemctl", "--user", "restart", SERVICE, user="member")
    must(*session, "systemctl", "--user", "reload", SERVICE, user="member")
    must(*session, "fetchpool", "ping", user="member")
    must("systemctl", "stop", f"user@{user}.service")


# ---- The end -------------------------------------------------------------------------------------

@check("removal stops both and keeps the configuration; purge does not")
def _():
    configure("; mine\n")
    ping()
    must("dpkg", "--remove", *NAMES)
    expect(not pathlib.Path(SOCKET).exists(), "the socket is still there")
    expect(run("pgrep", "-x", "fetchpoold").returncode == 1, "the daemon still runs")
    expect(CONFIGURATION.read_text() == "; mine\n", "the configuration has gone")
    must("rm", "-r", "/etc/fetchpool/authority")
    must("dpkg", "--purge", *NAMES)
    left = left_behind()
    expect(not left, "left:", *left)


report(RESULTS / "report")
