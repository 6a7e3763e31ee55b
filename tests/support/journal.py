"""
A daemon whose stderr is the journal's, as far as it can tell: $JOURNAL_STREAM names its pipe, and in
its own mount namespace a socket of the test is where journald's would be.

    with JournaledDaemon(config) as daemon:
        daemon.entries          the fields of each entry: dicts of text
        daemon.lines            the same as lines of text, "<6>message", so that all else works on them
        with daemon.unread(): … journald is stopped: nobody takes entries from its socket
"""

import socket
import struct
import subprocess
import threading

from .daemon import Daemon, temporary_directory
from .nameserver import NotPermitted

# /run is another one, so that nothing of the host's is touched.
IN_NAMESPACE = """
mount -t tmpfs none /run && mkdir -p /run/systemd/journal &&
mount --bind "$1" /run/systemd/journal || exit 77
shift
JOURNAL_STREAM=$(stat -L -c %d:%i /proc/self/fd/2)
export JOURNAL_STREAM
exec "$@"
"""


def parse(datagram):
    """The native protocol: NAME=VALUE, or NAME, a length and the value, a line each."""
    fields = {}
    while datagram:
        name, end, rest = datagram.partition(b"\n")
        if b"=" in name:
            name, _, value = name.partition(b"=")
        else:
            (length,) = struct.unpack("<Q", rest[:8])
            value, rest = rest[8:8 + length], rest[9 + length:]
        assert end and name.decode() not in fields, datagram
        fields[name.decode()] = value.decode(errors="surrogateescape")
        datagram = rest
    return fields


class JournaledDaemon(Daemon):
    def __init__(self, config=None, **options):
        if subprocess.run(["unshare", "-m", "true"], capture_output=True).returncode != 0:
            raise NotPermitted("a mount namespace is not permitted here")
        self.entries = []
        self.journal_directory = temporary_directory()
        self.journal = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.journal.bind(str(self.journal_directory / "socket"))
        wrapper = ["unshare", "-m", "sh", "-c", IN_NAMESPACE, "sh", str(self.journal_directory)]
        super().__init__(config, wrapper=wrapper, **options)

    def _read_lines(self):
        threading.Thread(target=self._read_entries, daemon=True).start()
        super()._read_lines()

    def _read_entries(self):
        while datagram := self.journal.recv(1 << 16):
            fields = parse(datagram)
            self.entries.append(fields)
            self._take_line(f"<{fields['PRIORITY']}>{fields['MESSAGE']}")
            self.may_read.wait()

    def remove(self):
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as last:
            last.sendto(b"", str(self.journal_directory / "socket"))
        (self.journal_directory / "socket").unlink()
        self.journal_directory.rmdir()
        super().remove()

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        self.finish()
