"""
The load for zurl, as load.c is for the others: clients on ZeroMQ, each with one request in flight.

    zurl_load.py [-p PID]... zurl SPEC CLIENTS WARM-UP-MS MS URL

zurl's request is a tnetstring behind a T, sent over a REQ socket. Its certificates cannot be
verified against a CA of one's own, so they are not.
"""

import getopt
import json
import sys
import time

import zmq

from shared.cputime import cpu_seconds


def tnetstring(value):
    if isinstance(value, bool):
        data, tag = (b"true" if value else b"false"), b"!"
    elif isinstance(value, bytes):
        data, tag = value, b","
    else:
        data = b"".join(tnetstring(part) for pair in value.items() for part in pair)
        tag = b"}"
    return str(len(data)).encode() + b":" + data + tag


class Window:
    """The measured time, as meter.h has it."""

    def __init__(self, warm_up, length, pids):
        self.begin, self.length, self.pids = time.monotonic() + warm_up, length, pids
        self.cpu = None
        self.took = []

    def count(self, sent):
        now = time.monotonic()
        if now < self.begin:
            return True
        if self.cpu is None:
            self.begin, self.cpu = now, -cpu_seconds(self.pids)
            return True
        self.took.append(now - sent)
        if now < self.begin + self.length:
            return True
        self.cpu += cpu_seconds(self.pids)
        self.seconds = now - self.begin
        return False

    def line(self):
        took = sorted(self.took)
        return json.dumps({"requests": len(took), "seconds": self.seconds,
                           "cpu_us": self.cpu / len(took) * 1e6,
                           "p50_us": took[len(took) * 50 // 100] * 1e6,
                           "p99_us": took[len(took) * 99 // 100] * 1e6})


def main():
    options, rest = getopt.getopt(sys.argv[1:], "p:")
    _, spec, clients, warm_up_ms, length_ms, url = rest
    message = b"T" + tnetstring({b"id": b"1", b"method": b"GET", b"uri": url.encode(),
                                 b"ignore-tls-errors": True})
    context, poller, sent = zmq.Context(), zmq.Poller(), {}
    for _ in range(int(clients)):
        socket = context.socket(zmq.REQ)
        socket.connect(spec)
        poller.register(socket, zmq.POLLIN)
        sent[socket] = time.monotonic()
        socket.send(message)
    window = Window(int(warm_up_ms) / 1000, int(length_ms) / 1000, [int(pid) for _, pid in options])
    while True:
        ready = poller.poll(20000)
        assert ready, "zurl does not answer"
        for socket, _ in ready:
            answer = socket.recv()
            assert b"4:code,3:200#" in answer, answer
            if not window.count(sent[socket]):
                print(window.line(), flush=True)
                context.destroy(linger=0)
                return
            sent[socket] = time.monotonic()
            socket.send(message)


main()
