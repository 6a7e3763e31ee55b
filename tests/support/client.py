"""
A MessagePack-RPC client that is not ours: python3-msgpack and a socket.

    client = Client(path)
    client.fetch("http://...", method="POST", body=b"...")     the result, or raises Refused
    request = client.send("fetch", {"url": ...}); client.receive(request)
    client.write(b"raw bytes"); client.closed_within(1)

    stream = client.stream("http://...", window=1000)          sends a fetch whose answer is streamed
    stream.head(); stream.grant(500); stream.take(1500); stream.cancel()
    stream.body()                                              all of it, or raises Refused
    client.stream(url, flow=65536, keep=False)                 grants as it reads; only hashes

A stream checks what comes as it comes: the answer first, no `data` over 64 KiB, never a byte more
than was granted, nothing after its end. A client that nobody reads from is a stopped reader.

Every wait has a deadline. Text that is not UTF-8 comes as surrogates ("surrogateescape").
"""

import contextlib
import hashlib
import socket
import time

import msgpack

from .timing import scaled


class Refused(Exception):
    """An error answer: .code, .message"""

    def __init__(self, error):
        self.code, self.message = error
        super().__init__(f"error {self.code}: {self.message}")


class Closed(Exception):
    """The daemon closed the connection."""


MAX_DATA_BYTES = 65536
DEFAULT_WINDOW = 262144


def pack(value):
    return msgpack.packb(value, use_bin_type=True, unicode_errors="surrogateescape")


def request_bytes(request_id, method, *params):
    return pack([0, request_id, method, list(params)])


def notification_bytes(method, *params):
    return pack([2, method, list(params)])


class Stream:
    """
    One streamed answer. `flow`: bytes after which what came is granted anew; without it, only
    grant() grants. `keep`: whether the bytes are kept, or only counted and hashed.
    """

    def __init__(self, client, id, window, flow=None, keep=True):
        self.client = client
        self.id = id
        self.granted = window
        self.taken = 0
        self.flow = flow
        self.ungranted = 0
        self.keep = keep
        self.pieces = []
        self.sizes = []  # of each data
        self.hash = hashlib.sha256()
        self.answer = None  # the response, once its header fields are in
        self.end = None  # what `end` said
        self.failure = None  # a Refused: the error answer, or the `error` notification

    # ---- What comes: called by the client, in the order of the wire

    def on_answer(self, error, result):
        assert self.answer is None and not self.is_over, "a second answer"
        if error is not None:
            self._finish(failure=Refused(error))
            return
        assert "body" not in result, f"a streamed answer with a body: {result!r}"[:500]
        self.answer = result

    def on_data(self, data):
        assert self.answer is not None, "data before the answer"
        assert isinstance(data, bytes) and 0 < len(data) <= MAX_DATA_BYTES, len(data)
        self.taken += len(data)
        assert self.taken <= self.granted, f"{self.taken} bytes, but {self.granted} were granted"
        self.sizes.append(len(data))
        self.hash.update(data)
        if self.keep:
            self.pieces.append(data)
        if self.flow:
            self.ungranted += len(data)
            if self.ungranted >= self.flow:
                self.grant(self.ungranted)
                self.ungranted = 0

    def on_end(self, said):
        assert self.answer is not None, "an end before the answer"
        assert said["bytes"] == self.taken, f"{said} after {self.taken} bytes"
        self._finish(end=said)

    def on_error(self, code, message):
        assert self.answer is not None, "a streamed error before the answer"
        self._finish(failure=Refused([code, message]))

    def _finish(self, end=None, failure=None):
        self.end, self.failure = end, failure
        del self.client.streams[self.id]

    @property
    def is_over(self):
        return self.end is not None or self.failure is not None

    # ---- What the client does

    def grant(self, count):
        self.granted += count
        with contextlib.suppress(BrokenPipeError):  # what the daemon said last is still to be read
            self.client.notify("window", self.id, count)

    def start_flow(self, step=MAX_DATA_BYTES):
        """From here on what comes is granted anew; what came ungranted is granted at once."""
        self.flow = step
        missing = self.taken + DEFAULT_WINDOW - self.granted
        if missing > 0:
            self.grant(missing)

    def cancel(self):
        self.client.notify("cancel", self.id)

    def head(self, seconds=None):
        """The answer; raises Refused if there is an error instead."""
        self.client.read_until(lambda: self.answer is not None or self.failure is not None,
                               f"the answer of stream {self.id}", seconds)
        if self.answer is None:
            raise self.failure
        return self.answer

    def take(self, count, seconds=None):
        """Until so many bytes came in all; raises Refused if it fails before."""
        self.client.read_until(lambda: self.taken >= count or self.is_over,
                               lambda: f"{count} bytes of stream {self.id}, got {self.taken}",
                               seconds)
        if self.taken < count:
            raise self.failure or AssertionError(f"ended after {self.taken} bytes of {count}")

    def finish(self, seconds=None):
        """Its `end`; raises Refused if it fails."""
        self.client.read_until(lambda: self.is_over,
                               lambda: f"the end of stream {self.id} after {self.taken} bytes",
                               seconds)
        if self.failure:
            raise self.failure
        return self.end

    def body(self, seconds=None):
        self.finish(seconds)
        return b"".join(self.pieces)

    def error(self, seconds=None):
        """The error that it must end with."""
        try:
            end = self.finish(seconds)
        except Refused as refused:
            return refused
        raise AssertionError(f"no error but an end: {end!r}")

    def digest(self):
        return self.hash.hexdigest()


class Client:
    def __init__(self, path, seconds=10):
        self.seconds = seconds
        self.next_id = 1
        self.answers = {}
        self.streams = {}  # those that have not ended, by id
        self.notifications = []  # of no stream, or of one that has ended
        self.order = []  # ids, as their answers came
        self.unpacker = msgpack.Unpacker(raw=False, unicode_errors="surrogateescape",
                                         max_buffer_size=2**31 - 1, strict_map_key=False)
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.settimeout(scaled(seconds))
        try:
            self.socket.connect(str(path))
        except OSError:
            self.socket.close()
            raise

    def close(self):
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    # ---- Sending

    def write(self, data):
        self.socket.sendall(data)

    def send(self, method, *params, id=None):
        """Sends a request and returns its id."""
        if id is None:
            id = self.next_id
            self.next_id += 1
        self.write(request_bytes(id, method, *params))
        return id

    def notify(self, method, *params):
        self.write(notification_bytes(method, *params))

    def stream(self, url, window=None, flow=None, keep=True, id=None, **keys):
        """Sends a fetch whose answer is to be streamed."""
        if id is None:
            id = self.next_id
            self.next_id += 1
        stream = Stream(self, id, DEFAULT_WINDOW if window is None else window, flow, keep)
        assert id not in self.streams
        self.streams[id] = stream
        if window is not None:
            keys["window"] = window
        self.send("fetch", {"url": url, "stream": True, **keys}, id=id)
        return stream

    def half_close(self):
        self.socket.shutdown(socket.SHUT_WR)

    # ---- Receiving

    def _read_more(self, deadline):
        left = deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError("no answer in time")
        self.socket.settimeout(left)
        try:
            data = self.socket.recv(1 << 20)
        except ConnectionResetError:
            data = b""
        if not data:
            raise Closed("the daemon closed the connection")
        self.unpacker.feed(data)
        for message in self.unpacker:
            self._file(message)

    def _file(self, message):
        assert isinstance(message, list), f"not a message: {message!r}"
        if message[0] == 1 and message[1] in self.streams:
            assert len(message) == 4, message
            self.order.append(message[1])
            self.streams[message[1]].on_answer(*message[2:])
        elif message[0] == 1:
            assert len(message) == 4, message
            self.answers.setdefault(message[1], []).append(message)
            self.order.append(message[1])
        else:
            assert message[0] == 2 and len(message) == 3, message
            self._notified(message)

    def _notified(self, message):
        _, method, params = message
        stream = self.streams.get(params[0]) if method in ("data", "end", "error") else None
        if stream is None:
            self.notifications.append(message)
        else:
            {"data": stream.on_data, "end": stream.on_end, "error": stream.on_error}[method](*params[1:])

    def receive_message(self, id, seconds=None):
        """The answer [1, id, error, result] to that request."""
        deadline = time.monotonic() + scaled(seconds or self.seconds)
        while not self.answers.get(id):
            self._read_more(deadline)
        return self.answers[id].pop(0)

    def receive(self, id, seconds=None):
        """The result of that request; raises Refused for an error."""
        _, _, error, result = self.receive_message(id, seconds)
        if error is not None:
            raise Refused(error)
        return result

    def await_notification(self, name, seconds=None):
        deadline = time.monotonic() + scaled(seconds or self.seconds)
        while True:
            for message in self.notifications:
                if message[1] == name:
                    return message
            self._read_more(deadline)

    def read_until(self, check, what, seconds=None):
        deadline = time.monotonic() + scaled(seconds or self.seconds)
        while not check():
            try:
                self._read_more(deadline)
            except TimeoutError:
                raise TimeoutError(what() if callable(what) else what) from None

    def read_for(self, seconds):
        """Reads whatever comes in that time."""
        end = time.monotonic() + seconds
        while True:
            try:
                self._read_more(end)
            except TimeoutError:
                return

    def closed_within(self, seconds):
        """Reads until the daemon closes; whether that was in time."""
        deadline = time.monotonic() + scaled(seconds)
        try:
            while True:
                self._read_more(deadline)
        except Closed:
            return True
        except TimeoutError:
            return False

    # ---- Both

    def call(self, method, *params, seconds=None):
        return self.receive(self.send(method, *params), seconds)

    def fetch(self, url, seconds=None, **keys):
        return self.call("fetch", {"url": url, **keys}, seconds=seconds)

    def refused(self, url, seconds=None, **keys):
        """The error of a fetch that must fail."""
        try:
            answer = self.fetch(url, seconds=seconds, **keys)
        except Refused as error:
            return error
        raise AssertionError(f"no error but an answer: {answer!r}"[:2000])

    def refused_call(self, method, *params):
        try:
            answer = self.call(method, *params)
        except Refused as error:
            return error
        raise AssertionError(f"no error but an answer: {answer!r}"[:2000])


def header(answer, name):
    """All values of a header field of a fetch's answer."""
    return [value for field, value in answer["headers"] if field.lower() == name.lower()]
