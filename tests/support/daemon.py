"""
A fetchpoold of one's own, in a directory of its own.

    daemon = Daemon({"tls": {"ca_file": path}, "limits": {...}})    started and ready
    Daemon(..., listener=sock)   as systemd starts it for a socket unit; `path` is where it is bound
    daemon.client()          a Client; closed with the daemon
    daemon.lines             what it wrote to stderr, as it comes
    with daemon.unread(): …  nobody reads that meanwhile, and its pipe is the smallest there is
    daemon.stop()            SIGTERM; its exit code
    daemon.finish()          stop, and fail if it leaked, crashed or was reported by a sanitizer
"""

import contextlib
import fcntl
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time

from .client import Client
from .timing import SANITIZED, eventually, scaled

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = ROOT / os.environ.get("FETCHPOOL_BUILD", "build/release")
FETCHPOOLD = BUILD / "fetchpoold"
THREADS = os.environ.get("FETCHPOOL_THREADS", "1")  # of every daemon whose test does not say
FETCHPOOL = BUILD / "fetchpool"

WARNING = 4  # priorities of syslog(3): this and lower are what an administrator should see


def environment(directory, **more):
    """Nothing of the caller's that could change what the daemon does."""
    log = pathlib.Path(directory) / "sanitizer"
    return {
        "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
        "HOME": str(directory),
        "LC_ALL": "C",
        "ASAN_OPTIONS": f"log_path={log}:exitcode=99:detect_leaks=1:abort_on_error=0",
        "LSAN_OPTIONS": "exitcode=99",
        "UBSAN_OPTIONS": f"log_path={log}:halt_on_error=1:print_stacktrace=1:exitcode=99",
        **more,
    }


def write_config(path, sections):
    """A key whose value is a list is given once for each of its items."""
    with open(path, "w") as file:
        for section, keys in sections.items():
            file.write(f"[{section}]\n")
            for key, value in keys.items():
                for each in value if isinstance(value, list) else [value]:
                    file.write(f"{key} = {each}\n")
    return path


def temporary_directory():
    """Short, because a Unix socket's path must be."""
    return pathlib.Path(tempfile.mkdtemp(prefix="fp-", dir="/tmp"))


def run(*arguments, seconds=20, **options):
    """Runs fetchpoold to its end: for what it says about itself and for starts that must fail."""
    directory = temporary_directory()
    try:
        done = subprocess.run([FETCHPOOLD, *map(str, arguments)], capture_output=True, text=True,
                              stdin=subprocess.DEVNULL, env=environment(directory),
                              timeout=scaled(seconds), **options)
        assert_no_sanitizer_report(directory, done.stderr.splitlines())
        return done
    finally:
        shutil.rmtree(directory)


def assert_no_sanitizer_report(directory, lines=()):
    """UndefinedBehaviorSanitizer beside AddressSanitizer writes to stderr all the same."""
    reports = [path.read_text(errors="replace") for path in directory.glob("sanitizer*")]
    if any("runtime error:" in line for line in lines):
        reports.append("\n".join(lines))
    assert not reports, "a sanitizer reports:\n" + "\n".join(reports)


def hand_over(listener):
    """A wrapper that gives a daemon that socket as systemd would: see sd_listen_fds(3)."""
    number = listener.fileno()
    aside = "" if number == 3 else f" {number}<&-"
    return ["bash", "-c", f'exec 3<&{number}{aside}; LISTEN_PID=$$ exec "$@"', "bash"]


def with_defaults(sections):
    """What holds for every daemon here whose test does not say otherwise."""
    # A line for each of thousands of requests at a time is more than the reader below takes.
    defaults = {"daemon": {"log_buffer": "4MiB"}}
    if THREADS != "1":
        defaults["pool"] = {"threads": THREADS}
    whole = {**defaults, **sections}
    for section, keys in defaults.items():
        whole[section] = {**keys, **whole[section]}
    return whole


class Daemon:
    def __init__(self, config=None, arguments=(), path=None, log_level="debug", directory=None,
                 wrapper=(), more_environment=None, listener=None, binary=FETCHPOOLD):
        self.directory = pathlib.Path(directory) if directory else temporary_directory()
        self.owns_directory = directory is None
        self.binary = binary
        try:
            if listener:
                wrapper = [*hand_over(listener), *wrapper]
                more_environment = {**(more_environment or {}), "LISTEN_FDS": "1"}
            self._start(config, arguments, path, log_level, wrapper, more_environment, listener)
        except BaseException:
            self.remove()
            raise

    def _start(self, config, arguments, path, log_level, wrapper, more_environment, listener):
        self.path = pathlib.Path(path) if path else self.directory / "s"
        self.config = write_config(self.directory / "fetchpool.conf", with_defaults(config or {}))
        self.clients = []
        self.lines = []
        self.news = threading.Condition()
        self.ended = False
        self.may_read = threading.Event()
        self.may_read.set()
        self.exit_code = None
        self.expected_exit = 0
        command = [*wrapper, self.binary, "--config", self.config, "--socket", self.path]
        if log_level:
            command += ["--log-level", log_level]
        self.process = subprocess.Popen(
            [*map(str, command), *arguments], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE, cwd=self.directory, pass_fds=[listener.fileno()] if listener else [],
            env=environment(self.directory, **(more_environment or {})))
        self.pid = self.process.pid
        self.reader = threading.Thread(target=self._read_lines, daemon=True)
        self.reader.start()
        try:
            self.await_line(f"listening on {re.escape(str(self.path))}", 10)
        except AssertionError:
            self.process.kill()
            self.process.wait()
            raise
        self.first_descriptors = self.descriptors()
        self.first_event_descriptors = self.event_descriptors()

    def _read_lines(self):
        with self.process.stderr as stream:
            for line in stream:
                self._take_line(line.decode(errors="surrogateescape").rstrip("\n"))
                self.may_read.wait()
        with self.news:
            self.ended = True
            self.news.notify_all()

    def _take_line(self, line):
        with self.news:
            self.lines.append(line)
            self.news.notify_all()

    # ---- What it says

    @contextlib.contextmanager
    def unread(self):
        fcntl.fcntl(self.process.stderr, fcntl.F_SETPIPE_SZ, 4096)
        self.may_read.clear()
        try:
            yield
        finally:
            self.may_read.set()

    def await_line(self, pattern, seconds=5, after=0):
        """The first line, from index `after` on, in which the regular expression is found."""
        deadline = time.monotonic() + scaled(seconds)
        with self.news:
            seen = after
            while True:
                for line in self.lines[seen:]:
                    seen += 1
                    if re.search(pattern, line):
                        return line
                left = deadline - time.monotonic()
                text = "\n".join(self.lines[-20:])
                assert not self.ended, f"fetchpoold ended without a line /{pattern}/:\n{text}"
                assert left > 0, f"no line /{pattern}/ in time:\n{text}"
                self.news.wait(left)

    def lines_matching(self, pattern, after=0):
        with self.news:
            return [line for line in self.lines[after:] if re.search(pattern, line)]

    def complaints(self, after=0):
        """The lines of priority warning or worse."""
        with self.news:
            lines = self.lines[after:]
        found = []
        for line in lines:
            match = re.match(r"<(\d)>", line)
            if match and int(match[1]) <= WARNING:
                found.append(line)
        return found

    def assert_one_complaint(self):
        """Exactly one line for the administrator, once it is there."""
        self.await_line(r"^<[0-4]>")
        assert len(self.complaints()) == 1, self.complaints()

    # ---- What it uses

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.pid}/fd"))

    def event_descriptors(self):
        """Of these, eventfds: the loop's, and one of each shard of the pool."""
        directory, count = f"/proc/{self.pid}/fd", 0
        for name in os.listdir(directory):
            with contextlib.suppress(FileNotFoundError):
                count += "eventfd" in os.readlink(f"{directory}/{name}")
        return count

    def status(self, field):
        text = pathlib.Path(f"/proc/{self.pid}/status").read_text()
        return int(re.search(rf"^{field}:\s+(\d+)", text, re.M)[1])

    def status_letter(self):
        """T: it has been stopped by a signal."""
        return re.search(r"^State:\s+(\w)", pathlib.Path(f"/proc/{self.pid}/status").read_text(),
                         re.M)[1]

    def threads(self):
        return self.status("Threads")

    def resident_kib(self):
        return self.status("VmRSS")

    def waited_for_cpu(self):
        """Its loop's time on a processor, and its time of waiting for one, ns."""
        ran, waited, _ = pathlib.Path(f"/proc/{self.pid}/schedstat").read_text().split()
        return int(ran), int(waited)

    def cpu_seconds(self):
        fields = pathlib.Path(f"/proc/{self.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    # ---- Talking to it

    def client(self, seconds=10):
        client = Client(self.path, seconds)
        self.clients.append(client)
        return client

    def text(self, data, seconds=10):
        """Sends text, ends the sending side, and returns everything that is answered."""
        with socket.socket(socket.AF_UNIX) as talk:
            talk.settimeout(scaled(seconds))
            talk.connect(str(self.path))
            talk.sendall(data)
            talk.shutdown(socket.SHUT_WR)
            answer = b""
            while part := talk.recv(65536):
                answer += part
            return answer

    def ask(self, method):
        """A question about the daemon, over a connection of its own."""
        with Client(self.path) as client:
            return client.call(method)

    def stats(self):
        return self.ask("stats")

    def connections(self):
        return self.ask("connections")

    def close_clients(self):
        for client in self.clients:
            client.close()
        self.clients.clear()

    # ---- Its end

    def await_calm(self, seconds=5):
        """
        With every client gone, the daemon holds what it held when it began, and its pool: its
        connections, and for no more than 15 shards beyond the first, each with one at least, an
        eventfd.
        """
        self.close_clients()
        detail = ["the pool changed while it was counted"]

        def pooled(client):
            return sum(row["state"] != "opening" for row in client.call("connections"))

        def is_calm():
            with Client(self.path) as client:
                before = pooled(client)
                # Its own connection counts as well: it is one of those that the daemon holds.
                extra = self.descriptors() - self.first_descriptors - before - 1
                shards = self.event_descriptors() - self.first_event_descriptors
                extra -= min(shards, 15, before)
                clients = len(client.call("clients"))
                if pooled(client) != before:  # one was closed while they were counted
                    return False
            if extra < 0 and clients == 1:  # when it began, one of its own was on its way
                self.first_descriptors += extra
                extra = 0
            detail[:] = [f"{extra} descriptors too many beside {before} pooled connections",
                         f"{clients - 1} clients left"]
            return extra == 0 and clients == 1

        eventually(is_calm, seconds, lambda: "; ".join(detail))

    def signal(self, number):
        self.process.send_signal(number)

    def wait(self, seconds=10):
        self.exit_code = self.process.wait(scaled(seconds))
        self.reader.join(scaled(5))
        return self.exit_code

    def stop(self, seconds=10):
        if self.exit_code is None:
            self.signal(signal.SIGTERM)
            try:
                self.wait(seconds)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
                self.exit_code = "did not stop"
        return self.exit_code

    def remove(self):
        if self.owns_directory:
            shutil.rmtree(self.directory, ignore_errors=True)

    def finish(self):
        """For the end of a test: everything given back, a clean end, no report of a sanitizer."""
        try:
            if self.exit_code is None and self.process.poll() is None:
                self.await_calm()
            self.close_clients()
            code = self.stop()
            assert_no_sanitizer_report(self.directory, self.lines)
            assert code == self.expected_exit, f"exit code {code}:\n" + "\n".join(self.lines[-20:])
        finally:
            if self.process.poll() is None:
                self.process.kill()
                self.process.wait()
            self.remove()


__all__ = ["BUILD", "FETCHPOOL", "FETCHPOOLD", "ROOT", "SANITIZED", "Daemon", "environment", "run",
           "temporary_directory", "write_config"]
