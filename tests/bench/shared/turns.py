"""
A client, a daemon and an origin that work in turn, so that each request takes the same way through
the daemon: whether an answer is there when it looks, or it sleeps once more, is no matter of chance.

    turns = Turns(daemon, origin, port)     a way to that port of the origin, at turns.port
    turns.fetch(client, url)                the url names turns.port
    turns.close()

The way hands bytes on only while the daemon and the origin sleep, and the client asks only then.
"""

import contextlib
import os
import select
import socket
import time

PAUSE_S = 0.0005
DEADLINE_S = 60


def read(path):
    with open(path, "rb", buffering=0) as file:
        return file.read()


def threads_of(process):
    """(thread, its state, how often it has run), see proc(5)"""
    found = []
    for thread in os.listdir(f"/proc/{process}/task"):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # it has ended
            at = f"/proc/{process}/task/{thread}"
            state = read(f"{at}/stat").rsplit(b")", 1)[1].split()[0]
            found.append((thread, state, read(f"{at}/schedstat").split()[2]))
    return found


class Turns:
    """`daemon` and `origin`: their process ids."""

    def __init__(self, daemon, origin, port):
        self.daemon, self.origin, self.to = daemon, origin, port
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.ways = {}  # from one side to the other, and back

    def close(self):
        for each in (self.listener, *self.ways):
            each.close()

    def fetch(self, client, url):
        self._let_work(self.daemon)
        request = client.send("fetch", {"url": url})
        deadline = time.monotonic() + DEADLINE_S
        while not self._turn(client.socket, deadline):
            pass
        return client.receive(request)

    def _turn(self, client, deadline):
        """Hands on what is there. True: the daemon has answered."""
        self._let_work(self.daemon)
        self._let_work(self.origin)
        ready, _, _ = select.select([self.listener, client, *self.ways], [], [], 1)
        if time.monotonic() > deadline:
            raise TimeoutError("no answer in time")
        if self.listener in ready:
            self._accept()
        for side in ready:
            if side in self.ways:
                self._hand_on(side)
        return client in ready

    def _accept(self):
        near, _ = self.listener.accept()
        far = socket.create_connection(("127.0.0.1", self.to))
        for side in near, far:
            side.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, True)
        self.ways.update({near: far, far: near})

    def _hand_on(self, side):
        """All of it at once: whoever sent it sleeps."""
        data = side.recv(1 << 20)
        if not data:
            raise ConnectionError("a connection ended")
        self.ways[side].sendall(data)

    @staticmethod
    def _let_work(process):
        """
        Until all of its threads sleep, and none has run since it was seen to: what a process is given
        has woken it already.
        """
        deadline = time.monotonic() + DEADLINE_S
        before = None
        while (now := threads_of(process)) != before or any(state != b"S" for _, state, _ in now):
            if time.monotonic() > deadline:
                raise TimeoutError(f"process {process} does not come to rest")
            if before is not None:
                time.sleep(PAUSE_S)
            before = now
