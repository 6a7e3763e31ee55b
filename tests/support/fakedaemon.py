"""
A scripted daemon, for what the real one never does: it dies, hangs, and answers nonsense.

    with FakeDaemon(path, resets, serves) as fake: ...

Each connection is given the next script, and the last script all that follow. A script is a
function of a `Peer`; when it returns, the connection is closed.
"""

import contextlib
import os
import socket
import threading

import msgpack

ANSWER = {
    "status": 200, "headers": [["Content-Type", "text/plain"], ["X-Empty", ""], ["x-empty", "2"]],
    "body": b"hello\n", "http": "1.1", "url": "http://origin.test/", "redirects": 0,
    "connection": {"id": 7, "reused": True, "requests": 3, "age_ms": 1500, "peer": "[::1]:443"},
    "timing": {"queue": 1, "resolve": 20, "connect": 300, "tls": 4000, "first_byte": 50000,
               "total": 600000},
}


class Peer:
    """One connection of a client."""

    def __init__(self, fake, connection, number):
        self.fake, self.socket, self.number = fake, connection, number
        self.unpacker = msgpack.Unpacker(raw=False, unicode_errors="surrogateescape",
                                         max_buffer_size=2**31 - 1)

    def messages(self):
        """(id, method, params) of each request, hello answered and left out."""
        while True:
            for kind, request_id, method, params in self.unpacker:
                assert kind == 0
                if method == "hello":
                    self.fake.hellos.append(params[0] if params else {})
                    self.answer(request_id, self.fake.hello)
                else:
                    self.fake.requests.append(params[0] if params else method)
                    yield request_id, method, params
            received = self.socket.recv(1 << 20)
            if not received:
                return
            self.unpacker.feed(received)

    def request(self):
        return next(self.messages())

    def send(self, message):
        self.socket.sendall(msgpack.packb(message, use_bin_type=True))

    def answer(self, request_id, result):
        self.send([1, request_id, None, result])

    def refuse(self, request_id, code, text):
        self.send([1, request_id, [code, text], None])


class FakeDaemon:
    def __init__(self, path, *scripts):
        self.path, self.scripts = str(path), scripts
        self.hello = {"server": "fake", "version": "0", "protocol": 1, "pool": "p",
                      "limits": {"timeout": 60000}}
        self.hellos, self.requests, self.failures = [], [], []
        self.accepted = 0
        self.peers = []
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.listener.bind(self.path)
        self.listener.listen(64)
        self.stopping = threading.Event()
        self.thread = threading.Thread(target=self.accept)
        self.thread.start()

    def accept(self):
        while True:
            connection, _ = self.listener.accept()
            if self.stopping.is_set():
                connection.close()
                return
            script = self.scripts[min(self.accepted, len(self.scripts) - 1)]
            self.accepted += 1
            thread = threading.Thread(target=self.play,
                                      args=(script, Peer(self, connection, self.accepted)))
            self.peers.append((connection, thread))
            thread.start()

    def play(self, script, peer):
        try:
            script(peer)
        except (OSError, StopIteration):
            pass  # the client went away, or the test ended
        except BaseException as failure:  # shown by close()
            self.failures.append(failure)
        finally:
            peer.socket.close()

    def close(self):
        self.stopping.set()
        with socket.socket(socket.AF_UNIX) as knock:
            knock.connect(self.path)
        self.thread.join()
        self.listener.close()
        os.unlink(self.path)
        for connection, thread in self.peers:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
            thread.join()
        assert not self.failures, self.failures

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


# ---- Scripts -------------------------------------------------------------------------------------

def serves(peer):
    """Answers every request with ANSWER; a query with its own name."""
    for request_id, method, _ in peer.messages():
        peer.answer(request_id, ANSWER if method == "fetch" else method)


def serves_with(**changes):
    def script(peer):
        for request_id, _, _ in peer.messages():
            peer.answer(request_id, {**ANSWER, **changes})
    return script


def refuses_with(code, text):
    def script(peer):
        for request_id, _, _ in peer.messages():
            peer.refuse(request_id, code, text)
    return script


def resets(peer):
    """Closes with bytes of the request unread: the client is told ECONNRESET."""
    assert peer.socket.recv(1, socket.MSG_PEEK)


def leaves(peer):
    """Reads the whole request and closes."""
    peer.request()


def hangs(peer):
    peer.request()
    peer.socket.recv(1)  # until the client closes


def says(raw):
    def script(peer):
        peer.request()
        peer.socket.sendall(raw)
        peer.socket.recv(1)
    return script
