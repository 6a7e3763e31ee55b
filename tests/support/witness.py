"""
The witness: 50 requests a second to a healthy origin through the same daemon, in a
process of its own, bodies hashed. It must see no error, no wrong byte and no gap over 250 ms.

    with Witness(daemon, url, body): ...          asserts at the end of the block
    with Witness(daemon, url, body, uid=NOBODY):  of another user
"""

import json
import os
import pathlib
import select
import subprocess
import sys
import time

from .bodies import digest
from .timing import scaled

PER_SECOND = 50
LEAST = 5  # requests, however soon the block ends
MAX_GAP = 0.250


class Witness:
    def __init__(self, daemon, url, body, uid=None):
        self.process = subprocess.Popen(
            [sys.executable, "-m", "support.witness", str(daemon.path), url, digest(body),
             str(os.getuid() if uid is None else uid)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            cwd=pathlib.Path(__file__).parents[1])
        assert self.process.stdout.readline() == "watching\n"

    def finish(self):
        out, _ = self.process.communicate(timeout=scaled(20))
        report = json.loads(out)
        assert report["errors"] == [], f"the witness saw errors: {report['errors'][:3]}"
        assert report["wrong"] == 0, f"the witness saw {report['wrong']} wrong bodies"
        assert report["gap"] <= scaled(MAX_GAP), f"the witness waited {report['gap']:.3f} s"
        assert report["count"] >= LEAST
        return report

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        if kind is None:
            self.finish()
        else:
            self.process.kill()
            self.process.communicate()


def watch(path, url, expected, uid):
    from .client import Client, Refused
    if int(uid) != os.getuid():
        os.setuid(int(uid))  # not earlier: that user need not be able to read this file
    report = {"count": 0, "errors": [], "wrong": 0, "gap": 0.0}
    with Client(path) as client:
        client.fetch(url)  # opens the connection: what follows is the steady state
        print("watching", flush=True)
        last = due = time.monotonic()
        while (not select.select([sys.stdin], [], [], max(0, due - time.monotonic()))[0] or
               report["count"] < LEAST):
            try:
                answer = client.fetch(url)
                report["wrong"] += digest(answer["body"]) != expected or answer["status"] != 200
            except (Refused, OSError) as error:
                report["errors"].append(repr(error))
            now = time.monotonic()
            report["gap"] = max(report["gap"], now - last)
            last = now
            report["count"] += 1
            due = max(due + 1 / PER_SECOND, now)
    print(json.dumps(report))


if __name__ == "__main__":
    watch(*sys.argv[1:])
