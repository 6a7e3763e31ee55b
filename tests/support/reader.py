"""
A reader in a process of its own, of another user if need be: it takes a stream's first window, stops,
goes on when it is told to, and says how the stream ended.

    with Reader(daemon, url, window=1000, uid=NOBODY) as reader:    has stopped
        code, digest = reader.resume()                              None, or the code of its error
"""

import json
import os
import pathlib
import subprocess
import sys

from .timing import scaled

NOBODY = 65534
TESTS = pathlib.Path(__file__).parents[1]


def open_to_all(daemon):
    """Lets every user of the machine reach the socket."""
    os.chmod(daemon.directory, 0o711)
    os.chmod(daemon.path, 0o666)


class Reader:
    def __init__(self, daemon, url, window, uid=None):
        command = [sys.executable, "-B", "-m", "support.reader", str(daemon.path), url, str(window),
                   str(os.getuid() if uid is None else uid)]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        text=True, cwd=TESTS)
        assert self.process.stdout.readline() == "stopped\n"

    def resume(self):
        out, _ = self.process.communicate("go\n", timeout=scaled(20))
        report = json.loads(out)
        return report["code"], report["digest"]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
            self.process.communicate()


def read(path, url, window, uid):
    from .client import Client, Refused
    if int(uid) != os.getuid():
        os.setuid(int(uid))  # not earlier: that user need not be able to read this file
    with Client(path) as client:
        stream = client.stream(url, window=int(window), keep=False)
        stream.take(int(window))
        print("stopped", flush=True)
        sys.stdin.readline()
        code = None
        try:
            stream.start_flow()
            stream.finish(20)
        except Refused as error:
            code = error.code
        print(json.dumps({"code": code, "digest": stream.digest()}))


if __name__ == "__main__":
    read(*sys.argv[1:])
