"""
What a daemon does, by strace.

    trace = Trace(log)
    start_daemon(wrapper=trace.wrapper)     the tracer is no parent of it: its process is the daemon's
    trace.paths(); trace.ports()            that it named in system calls, that it connected to

Not with sanitizers: LeakSanitizer does not work under ptrace.
"""

import re
import subprocess

from .timing import eventually


def can_trace():
    return subprocess.run(["strace", "-o", "/dev/null", "true"], capture_output=True).returncode == 0


class Trace:
    def __init__(self, log):
        self.log = log

    @property
    def wrapper(self):
        return ["strace", "-D", "-f", "-qq", "-s", "4096", "-o", self.log, "-e",
                "trace=%file,connect"]

    def text(self):
        return self.log.read_text(errors="replace")

    def paths(self):
        return re.findall(r'"((?:[^"\\]|\\.)*)"', self.text())

    def ports(self):
        return {int(port) for port in re.findall(r"connect\(\d+, \{.*?htons\((\d+)\)", self.text())}

    def written(self):
        """Files opened for writing, or made."""
        return re.findall(r'open(?:at)?\([^"\n]*"([^"\n]*)", [^\n]*O_(?:WRONLY|RDWR|CREAT)', self.text())

    def await_connect(self, port):
        """The tracer has seen everything up to here."""
        eventually(lambda: port in self.ports(), 5, f"strace shows the connect to port {port}")
