"""
A client that uploads, by python3-msgpack and a socket.

    client = UploadClient(daemon)                   closed with the daemon's other clients
    upload = client.upload(url, upload_size=5)      a POST, if nothing else is said
    upload.write(b"bytes"); upload.end()            waits for grants; stops when the request is over
    upload.answer()                                 the result with its "body", or raises Refused

It reads while it writes, so that an echo of any length is no deadlock, and keeps account of every
grant. `data` and `put` send without asking what was granted: for a client that breaks the rules.

    child = Child(daemon, messages)                 a process of its own that sent them
"""

import select
import socket
import subprocess
import sys
import time

import msgpack

from .client import Closed, Refused, pack, request_bytes
from .timing import scaled
from .upload_origin import said_of

MAX_DATA = 65536
WINDOW = 262144  # what is granted at once, by default


def data_bytes(request_id, data):
    return pack([2, "data", [request_id, bytes(data)]])


def end_bytes(request_id):
    return pack([2, "end", [request_id, {}]])


def upload_bytes(request_id, url, **keys):
    return request_bytes(request_id, "fetch",
                         {"url": url, "method": "POST", "upload": True, **keys})


class Upload:
    def __init__(self, client, request_id, is_streamed, grants):
        self.client = client
        self.id = request_id
        self.is_streamed = is_streamed
        self.grants_back = grants
        self.granted = 0  # by all `window` together
        self.sent = 0
        self.result = None
        self.error = None
        self.end_of_stream = None
        self.parts = []

    # ---- Sending

    @property
    def credit(self):
        return self.granted - self.sent

    @property
    def is_over(self):
        return (self.error is not None or self.end_of_stream is not None
                or (self.result is not None and not self.is_streamed))

    def data(self, data):
        """One message, whatever was granted."""
        self.sent += len(data)
        self.client.put(data_bytes(self.id, data))

    def write(self, data, piece=MAX_DATA, seconds=None):
        """As it is granted; returns how much was sent until all was, or the request was over."""
        view, done = memoryview(data), 0
        while done < len(view):
            self.await_credit(seconds)
            if self.is_over:
                break
            part = view[done:done + min(piece, self.credit)]
            self.data(part)
            done += len(part)
        return done

    def write_until_stalled(self, patience=0.5, most=64 << 20):
        """Writes zeros until no grant comes for so long; returns how much was taken."""
        while self.sent < most:
            try:
                self.await_credit(patience)
            except TimeoutError:
                return self.sent
            if self.is_over:
                return self.sent
            self.data(bytes(min(MAX_DATA, self.credit)))
        raise AssertionError(f"the upload never stalled: {self.sent} bytes were granted")

    def end(self):
        self.client.put(end_bytes(self.id))

    def cancel(self):
        self.client.put(pack([2, "cancel", [self.id]]))

    # ---- Waiting

    def await_credit(self, seconds=None):
        self.client.wait(lambda: self.credit > 0 or self.is_over, seconds)

    def await_grant(self, total, seconds=None):
        self.client.wait(lambda: self.granted >= total or self.is_over, seconds)

    def await_head(self, seconds=None):
        self.client.wait(lambda: self.result is not None or self.error is not None, seconds)
        self._raise_error()
        return self.result

    def await_body(self, length, seconds=None):
        self.client.wait(lambda: len(b"".join(self.parts)) >= length or self.is_over, seconds)
        return b"".join(self.parts)

    def _raise_error(self):
        if self.error is not None:
            raise Refused(self.error)

    def answer(self, seconds=None):
        self.client.wait(lambda: self.is_over, seconds)
        self._raise_error()
        if self.is_streamed:
            return {**self.result, "body": b"".join(self.parts)}
        return self.result

    def refusal(self, seconds=None):
        try:
            answer = self.answer(seconds)
        except Refused as error:
            return error
        raise AssertionError(f"no error but an answer: {answer!r}"[:2000])

    # ---- What comes for it

    def take(self, message):
        if message[0] == 1:
            self.error, self.result = message[2], message[3]
        elif message[1] == "window":
            self.granted += message[2][1]
        elif message[1] == "data":
            self.parts.append(message[2][1])
            if self.grants_back:
                self.client.put_later(pack([2, "window", [self.id, len(message[2][1])]]))
        elif message[1] == "end":
            self.end_of_stream = message[2][1]
        elif message[1] == "error":
            self.error = message[2][1:]
        else:
            raise AssertionError(f"no message for an upload: {message!r}")


class UploadClient:
    def __init__(self, daemon, seconds=10):
        self.seconds = seconds
        self.next_id = 1
        self.uploads = {}
        self.answers = {}
        self.strangers = []  # messages for no request that runs
        self.outgoing = bytearray()
        self.unpacker = msgpack.Unpacker(raw=False, unicode_errors="surrogateescape",
                                         max_buffer_size=2**31 - 1, strict_map_key=False)
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.connect(str(daemon.path))
        self.socket.setblocking(False)
        daemon.clients.append(self)

    def close(self):
        self.socket.close()

    def half_close(self):
        self.flush()
        self.socket.shutdown(socket.SHUT_WR)

    # ---- Bytes

    def put_later(self, message):
        self.outgoing += message

    def put(self, message):
        self.outgoing += message
        self.flush()

    def flush(self):
        deadline = time.monotonic() + scaled(self.seconds)
        while self.outgoing:
            self._step(deadline)

    def _step(self, deadline):
        """Waits until the socket can be written to or read from, and does either or both."""
        left = deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError("nothing in time")
        readable, writable, _ = select.select([self.socket], [self.socket] if self.outgoing else [],
                                              [], left)
        if writable:
            try:
                del self.outgoing[:self.socket.send(self.outgoing)]
            except OSError as error:
                self._drain()
                raise Closed("the daemon closed the connection") from error
        if readable:
            self._read()

    def _read(self):
        try:
            data = self.socket.recv(1 << 20)
        except ConnectionResetError:
            data = b""
        if not data:
            raise Closed("the daemon closed the connection")
        self.unpacker.feed(data)
        for message in self.unpacker:
            self._file(message)

    def _drain(self):
        """What was answered before the connection was closed is still there to be read."""
        try:
            while True:
                self._read()
        except (Closed, BlockingIOError):
            pass

    def _file(self, message):
        request_id = message[1] if message[0] == 1 else message[2][0]
        upload = self.uploads.get(request_id)
        if upload is not None and not upload.is_over:
            upload.take(message)
        elif message[0] == 1 and upload is None:
            self.answers[request_id] = message
        else:
            self.strangers.append(message)

    # ---- Waiting

    def wait(self, is_so, seconds=None):
        deadline = time.monotonic() + scaled(seconds or self.seconds)
        while not is_so():
            self._step(deadline)

    def idle(self, seconds):
        """Reads for so long, whatever comes."""
        deadline = time.monotonic() + seconds
        try:
            while True:
                self._step(deadline)
        except TimeoutError:
            pass

    def closed_within(self, seconds):
        deadline = time.monotonic() + scaled(seconds)
        try:
            while True:
                self._step(deadline)
        except Closed:
            return True
        except TimeoutError:
            return False

    # ---- Requests

    def upload(self, url, grants=True, **keys):
        """`grants`: gives back window for what comes of a streamed answer."""
        upload = Upload(self, self.next_id, bool(keys.get("stream")), grants)
        self.next_id += 1
        self.uploads[upload.id] = upload
        self.put(upload_bytes(upload.id, url, **keys))
        return upload

    def send_all(self, url, data, piece=MAX_DATA, seconds=None, **keys):
        """One whole upload and its answer."""
        upload = self.upload(url, **keys)
        upload.write(data, piece, seconds)
        if not upload.is_over:
            upload.end()
        return upload.answer(seconds)

    def call(self, method, *params, seconds=None):
        request_id = self.next_id
        self.next_id += 1
        self.put(request_bytes(request_id, method, *params))
        self.wait(lambda: request_id in self.answers, seconds)
        _, _, error, result = self.answers.pop(request_id)
        if error is not None:
            raise Refused(error)
        return result

    def fetch(self, url, **keys):
        return self.call("fetch", {"url": url, **keys})


def is_cut_off(daemon, origin):
    """
    The first upload is never complete. libcurl sends the reset of an HTTP/2 stream with what its
    connection sends next.
    """
    answer = UploadClient(daemon).send_all(origin.url("/next"), b"next", upload_size=4)
    assert answer["body"] == said_of(b"next")
    return origin.arrivals[0].was_never_complete()


CHILD = """
import socket, sys
talk = socket.socket(socket.AF_UNIX)
talk.connect(sys.argv[1])
talk.sendall(sys.stdin.buffer.read(int(sys.argv[2])))
print("sent", flush=True)
if sys.argv[3] == "reads":
    while talk.recv(1 << 20):
        pass
sys.stdin.buffer.read()
"""


class Child:
    """A client in a process of its own: for `kill -9`."""

    def __init__(self, daemon, messages, reads=False):
        self.process = subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", CHILD, str(daemon.path), str(len(messages)),
             "reads" if reads else "holds"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.process.stdin.write(messages)
        self.process.stdin.flush()
        assert self.process.stdout.readline() == b"sent\n"

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.kill()
