"""What the checks of a booted system share: its services, its users, its clients, and a list of
checks each of which ends as a line of the report.

    @check("what must hold")
    def _():
        expect(run("true").returncode == 0, "what was seen instead")

    report(path)        runs all, in order; a failure does not end the rest
"""

import json
import pathlib
import shutil
import socket
import subprocess
import time
import traceback
import urllib.request

SOCKET = "/run/fetchpool/fetchpool.sock"
CONFIGURATION = pathlib.Path("/etc/fetchpool/fetchpool.conf")
HERE = pathlib.Path(__file__).parent
STEADY = "/usr/local/bin/steady"
SERVICE, DOOR = "fetchpoold.service", "fetchpoold.socket"

checks = []


class Unexpected(Exception):
    pass


def check(what):
    def add(function):
        checks.append((what, function))
        return function
    return add


def expect(is_so, *seen):
    if not is_so:
        raise Unexpected(" ".join(str(each) for each in seen))


def report(path):
    with open(path, "w") as lines:
        for what, function in checks:
            since = time.monotonic()
            try:
                note = function() or ""
                outcome = "ok    "
            except Exception as error:  # of whatever kind: it is that check's end, not the others'
                note = str(error) if isinstance(error, Unexpected) else traceback.format_exc()
                outcome = "FAILED"
            note = f": {note.rstrip()}" if note else ""
            took = time.monotonic() - since
            print(f"{outcome} {took:5.1f} s  {what}{note}", file=lines, flush=True)
        print("done", file=lines)


# ---- Programs ------------------------------------------------------------------------------------

def run(*command, user=None, seconds=60, **options):
    if user:
        command = ("runuser", "-u", user, "--", *command)
    return subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=seconds,
                          stdin=subprocess.DEVNULL, **options)


def must(*command, **options):
    """What it says, if it ends well."""
    done = run(*command, **options)
    expect(done.returncode == 0, *command, "ended with", done.returncode, done.stdout, done.stderr)
    return done.stdout


def eventually(condition, seconds):
    """Its first value that is true. Asked often: what is measured here takes some 100 ms."""
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value or time.monotonic() > end:
            return value
        time.sleep(0.01)


# ---- systemd -------------------------------------------------------------------------------------

def state(unit, *names):
    said = must("systemctl", "show", unit, *(f"--property={name}" for name in names))
    values = dict(line.split("=", 1) for line in said.splitlines())
    return values[names[0]] if len(names) == 1 else [values[name] for name in names]


def main_pid():
    return int(state(SERVICE, "MainPID"))


def journal(since, *options):
    must("journalctl", "--sync")
    return must("journalctl", f"--since=@{since:.3f}", "--no-pager", "--output=cat", *options,
                f"--unit={SERVICE}")


def drop_in(unit, text):
    directory = pathlib.Path(f"/run/systemd/system/{unit}.d")
    directory.mkdir(parents=True)
    (directory / "test.conf").write_text(text)
    must("systemctl", "daemon-reload")


def remove_drop_in(unit):
    shutil.rmtree(f"/run/systemd/system/{unit}.d")
    must("systemctl", "daemon-reload")


def expect_open_door():
    active, result = state(DOOR, "ActiveState", "Result")
    expect((active, result) == ("active", "success"), "the socket unit is", active, result)


# ---- The daemon ----------------------------------------------------------------------------------

def ask(line):
    """What the text dialect answers root."""
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(10)
        client.connect(SOCKET)
        client.sendall(line.encode() + b"\n")
        client.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: client.recv(65536), b"")).decode()


def ping(user=None, seconds=10):
    return run("fetchpool", "-m", seconds, "ping", user=user)


def configure(text):
    CONFIGURATION.write_text(text)


# ---- Clients under load --------------------------------------------------------------------------

class Load:
    """200 requests a second from programs of all three kinds, and the origin that counts them."""

    def __init__(self, port=8080):
        self.base = f"http://127.0.0.1:{port}"
        self.origin = subprocess.Popen(["python3", HERE / "origin.py", str(port)],
                                       stdout=subprocess.PIPE)
        self.origin.stdout.readline()
        self.until = pathlib.Path("/run/load-ends")
        self.until.unlink(missing_ok=True)
        shell = HERE / "shell_client.sh"
        commands = [[STEADY, self.base, self.until, 140, 12], [STEADY, self.base, self.until, 100, 0],
                    *([shell, self.base, self.until, f"shell-{number}"] for number in range(3))]
        self.since = time.monotonic()
        self.clients = [subprocess.Popen([*map(str, command)], stdout=subprocess.PIPE, text=True)
                        for command in commands]

    def account(self):
        with urllib.request.urlopen(self.base + "/account") as answer:
            return json.load(answer)

    def is_running(self):
        return sum(self.account().values()) > 100

    def finish(self):
        """(how many were sent, the lines of those that failed, the slowest one's ms)"""
        self.until.touch()
        lasted = time.monotonic() - self.since
        sent, slowest, failures = 0, 0, []
        for client in self.clients:
            *lines, last = client.communicate(timeout=60)[0].splitlines()
            failures += lines
            sent += int(last.split()[0])
            slowest = max(slowest, int(last.split()[2]))
        self.rate = sent / lasted
        self.seen = self.account()
        self.origin.kill()
        self.origin.communicate()
        return sent, failures, slowest

    def posts_doubled(self):
        return [path for path, count in self.seen.items() if count > 1 and "/POST/" in path]
