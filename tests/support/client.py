"""
A MessagePack-RPC client that is not ours: python3-msgpack and a socket.

    client = Client(path)
    client.fetch("http://...", method="POST", body=b"...")     the result, or raises Refused
    request = client.send("fetch", {"url": ...}); client.receive(request)
    client.write(b"raw bytes"); client.closed_within(1)

Every wait has a deadline. Text that is not UTF-8 comes as surrogates ("surrogateescape").
"""

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


def pack(value):
    return msgpack.packb(value, use_bin_type=True, unicode_errors="surrogateescape")


def request_bytes(request_id, method, *params):
    return pack([0, request_id, method, list(params)])


class Client:
    def __init__(self, path, seconds=10):
        self.seconds = seconds
        self.next_id = 1
        self.answers = {}
        self.notifications = []
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
        if message[0] == 1:
            assert len(message) == 4, message
            self.answers.setdefault(message[1], []).append(message)
            self.order.append(message[1])
        else:
            assert message[0] == 2 and len(message) == 3, message
            self.notifications.append(message)

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
