"""
A scripted daemon, for what the real one never does: it dies, hangs, and answers nonsense.

    with FakeDaemon(path, resets, serves) as fake: ...

Each connection is given the next script, and the last script all that follow. A script is a
function of a `Peer`; when it returns, the connection is closed.
"""

import array
import contextlib
import os
import select
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


HEAD = {key: value for key, value in ANSWER.items() if key != "body"}  # of a streamed answer

DEFAULT_WINDOW = 262144
AT_MOST = 65536  # body bytes in one message


def words(length, seed=0):
    """A body in which every byte tells where it belongs: numbers of 64 bits, counted up."""
    return array.array("Q", range(seed, seed + length // 8 + 1)).tobytes()[:length]


class Peer:
    """One connection of a client."""

    def __init__(self, fake, connection, number):
        self.fake, self.socket, self.number = fake, connection, number
        self.uploads = {}  # requests by id, whose bodies come or have come as data
        self.unpacker = msgpack.Unpacker(raw=False, unicode_errors="surrogateescape",
                                         max_buffer_size=2**31 - 1)

    def events(self):
        """(id, method, params) of each request and notification, hello answered and left out."""
        while True:
            for kind, *rest in self.unpacker:
                if kind == 2:
                    method, params = rest
                    yield params[0], method, params[1:]
                    continue
                request_id, method, params = rest
                assert kind == 0
                if method == "hello":
                    self.fake.hellos.append(params[0] if params else {})
                    self.answer(request_id, self.fake.hello)
                else:
                    yield request_id, method, params
            received = self.socket.recv(1 << 20)
            if not received:
                return
            self.unpacker.feed(received)

    def messages(self):
        """
        (id, method, params) of each request. An upload is granted at once, and is in params as if it
        had come whole. Other notifications are noted only.
        """
        for event in self.events():
            request_id, method, params = event
            request = self.notified(*event) if method in NOTES else event
            if method not in NOTES and params and params[0].get("upload"):
                self.uploads[request_id] = request
                params[0]["body"] = b""
                self.grant(request_id, 1 << 40)
            elif request:
                self.fake.requests.append(request[2][0] if request[2] else method)
                yield request

    def notified(self, request_id, method, params):
        """Takes a notification; returns the request whose upload it has ended."""
        upload = self.uploads.get(request_id)
        if upload and method == "data":
            upload[2][0]["body"] += params[0]
        elif upload and method == "end":
            return upload
        else:
            self.fake.notifications.append([method, request_id, *params])
        return None

    def request(self):
        return next(self.messages())

    def begin(self):
        """The id of the next fetch, before anything of an upload."""
        return next(request_id for request_id, method, _ in self.events() if method == "fetch")

    def await_note(self, name):
        """The params of the next notification of that name."""
        return next(params for _, method, params in self.events() if method == name)

    def send(self, message):
        self.socket.sendall(msgpack.packb(message, use_bin_type=True))

    def answer(self, request_id, result):
        self.send([1, request_id, None, result])

    def answer_fetch(self, request_id, params, answer):
        """An answer as the request wants it: whole, or its head, its body in pieces, its end."""
        if not params[0].get("stream"):
            self.answer(request_id, answer)
            return
        head = {key: value for key, value in answer.items() if key != "body"}
        self.answer(request_id, head)
        body = answer["body"]
        for at in range(0, len(body), 65536):
            self.send([2, "data", [request_id, body[at:at + 65536]]])
        self.send([2, "end", [request_id, {"bytes": len(body), "timing": answer["timing"]}]])

    def refuse(self, request_id, code, text):
        self.send([1, request_id, [code, text], None])

    def head(self, request_id, **changes):
        self.answer(request_id, {**HEAD, **changes})

    def data(self, request_id, body):
        self.send([2, "data", [request_id, body]])

    def end(self, request_id, length, **more):
        self.send([2, "end", [request_id, {"bytes": length, "timing": ANSWER["timing"],
                                           "trailers": [], **more}]])

    def fail(self, request_id, code, text):
        self.send([2, "error", [request_id, code, text]])

    def grant(self, request_id, count):
        self.send([2, "window", [request_id, count]])


NOTES = ("data", "end", "window", "cancel")


class FakeDaemon:
    def __init__(self, path, *scripts):
        self.path, self.scripts = str(path), scripts
        self.hello = {"server": "fake", "version": "0", "protocol": 1, "pool": "p",
                      "limits": {"timeout": 60000}}
        self.hellos, self.requests, self.failures = [], [], []
        self.uploads = []  # the bodies of those that streams() has taken
        self.notifications = []  # [method, id, ...]: windows and cancellations
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


# ---- Streams -------------------------------------------------------------------------------------

class Stream:
    """One fetch that streams: what a daemon knows of it. Its URL ends in /LENGTH/SEED."""

    def __init__(self, peer, request_id, params, piece, upload_window):
        self.peer, self.id, self.piece = peer, request_id, piece
        self.is_stream = params.get("stream", False)
        length, seed = params["url"].rsplit("/", 2)[1:]
        self.body = words(int(length), int(seed))
        self.at, self.granted = 0, params.get("window", DEFAULT_WINDOW)
        self.upload, self.upload_granted = bytearray(), 0
        self.upload_size = params.get("upload_size")
        self.is_answered = False
        if params.get("upload"):
            self.grant(upload_window)
        else:
            self.answer()

    def grant(self, count):
        self.upload_granted += count
        self.peer.grant(self.id, count)

    def on_data(self, data):
        assert 0 < len(data) <= AT_MOST
        self.upload += data
        assert len(self.upload) <= self.upload_granted, "more than was granted"
        self.grant(len(data))

    def on_end(self):
        assert self.upload_size in (None, len(self.upload))
        self.peer.fake.uploads.append(bytes(self.upload))
        self.answer()

    def answer(self):
        self.is_answered = True
        if self.is_stream:
            self.peer.head(self.id)
        else:
            self.peer.answer(self.id, {**ANSWER, "body": self.body})

    def advance(self):
        """Sends what is granted, one message. Whether the stream is over."""
        if not self.is_answered:
            return False
        count = min(self.piece, self.granted, len(self.body) - self.at)
        if self.is_stream and count > 0:
            self.peer.data(self.id, self.body[self.at:self.at + count])
        self.at += count
        self.granted -= count
        if self.is_stream and self.at == len(self.body):
            self.peer.end(self.id, self.at)
        return not self.is_stream or self.at == len(self.body)

    def can_advance(self):
        return self.is_answered and (self.granted > 0 or self.at == len(self.body))


def streams(piece=AT_MOST, upload_window=DEFAULT_WINDOW, buffer=None):
    """A daemon that streams as the protocol says: all streams in turns, a message each."""
    def script(peer):
        running = {}
        if buffer:
            peer.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, buffer)
        for request_id, method, params in peer.events():
            if method in NOTES and method != "data":
                peer.fake.notifications.append([method, request_id, *params])
            if method == "fetch":
                peer.fake.requests.append(params[0])
                running[request_id] = Stream(peer, request_id, params[0], piece, upload_window)
            elif method == "cancel" and request_id in running:
                running.pop(request_id)
                peer.fail(request_id, 208, "cancelled")
            elif request_id in running:
                stream = running[request_id]
                if method == "data":
                    stream.on_data(*params)
                elif method == "end":
                    stream.on_end()
                else:
                    assert method == "window" and params[0] > 0
                    stream.granted += params[0]
            while ready := [stream for stream in running.values() if stream.can_advance()]:
                for stream in ready:
                    if stream.advance():
                        del running[stream.id]
                if select.select([peer.socket], [], [], 0)[0]:
                    break  # a grant or a cancel may have come
    return script


# ---- Scripts -------------------------------------------------------------------------------------

def serves(peer):
    """Answers every request with ANSWER; a query with its own name."""
    for request_id, method, params in peer.messages():
        if method == "fetch":
            peer.answer_fetch(request_id, params, ANSWER)
        else:
            peer.answer(request_id, method)


def serves_with(**changes):
    def script(peer):
        for request_id, _, params in peer.messages():
            peer.answer_fetch(request_id, params, {**ANSWER, **changes})
    return script


def refuses_with(code, text):
    """Before anything of an upload."""
    def script(peer):
        for request_id, method, params in peer.events():
            if method not in NOTES:
                peer.fake.requests.append(params[0] if params else method)
                peer.refuse(request_id, code, text)
    return script


def stops_after(seconds):
    """Refuses each request with 106, but only after so long."""
    def script(peer):
        for request_id, _, _ in peer.messages():
            peer.fake.stopping.wait(seconds)
            peer.refuse(request_id, 106, "the daemon is shutting down")
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
