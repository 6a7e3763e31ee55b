"""
Origins that do as they are told, over raw sockets: for what no real server does.

    with RawOrigin(script) as origin:        script(connection) runs in a thread per connection
        origin.url("/x"); origin.connections[0].received; origin.requests

A connection reads requests (`read_request`) and writes whatever bytes it likes. Everything it
received is kept, byte by byte. `serve(answer)` makes a script of a function from a request to bytes.
"""

import contextlib
import fcntl
import pathlib
import socket
import ssl
import struct
import termios
import threading

from .timing import scaled

CRLF = b"\r\n"


class Request:
    def __init__(self, head, body, connection):
        lines = head.split(CRLF)
        self.head = head
        self.line = lines[0].decode("latin-1")
        self.method, self.target, self.version = self.line.split(" ", 2)
        self.headers = [tuple(part.strip() for part in line.decode("latin-1").split(":", 1))
                        for line in lines[1:] if line]
        self.body = body
        self.connection = connection

    def values(self, name):
        return [value for field, value in self.headers if field.lower() == name.lower()]

    def value(self, name):
        values = self.values(name)
        return values[0] if values else None


def response(status=200, body=b"", headers=(), reason="Because", length=True):
    """The bytes of an answer. Header fields: pairs, in order."""
    lines = [f"HTTP/1.1 {status} {reason}"] + [f"{name}: {value}" for name, value in headers]
    if length:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join(lines).encode("latin-1") + CRLF + CRLF + body


def chunk(data):
    return f"{len(data):x}".encode() + CRLF + data + CRLF


def chunked_response(parts, trailers=(), headers=(), last=True):
    """An answer in chunks, one a part. Without its last chunk it is cut short."""
    head = response(headers=[*headers, ("Transfer-Encoding", "chunked")], length=False)
    fields = "".join(f"{name}: {value}\r\n" for name, value in trailers).encode("latin-1")
    return head + b"".join(map(chunk, parts)) + (b"0\r\n" + fields + CRLF if last else b"")


class Gone(Exception):
    """The peer closed its side."""


class OriginConnection:
    def __init__(self, origin, sock, number):
        self.origin = origin
        self.socket = sock
        self.number = number
        self.received = b""
        self.unread = b""
        self.requests = []
        self.written = 0
        self.closed = threading.Event()

    def read_more(self):
        try:
            data = self.socket.recv(65536)
        except (ConnectionError, ssl.SSLError) as error:
            raise Gone from error
        except OSError as error:
            raise Gone from error
        if not data:
            raise Gone
        self.received += data
        self.unread += data

    def read_until(self, mark):
        while mark not in self.unread:
            self.read_more()
        before, self.unread = self.unread.split(mark, 1)
        return before

    def read_exactly(self, count):
        parts, have = [self.unread], len(self.unread)
        self.unread = b""
        while have < count:
            self.read_more()
            parts.append(self.unread)
            have += len(self.unread)
            self.unread = b""
        data = b"".join(parts)
        self.unread = data[count:]
        return data[:count]

    def read_request(self, with_body=True):
        """The next request, whole; raises Gone if none comes any more."""
        head = self.read_until(CRLF + CRLF)
        request = Request(head, b"", self)
        if with_body:
            request.body = self._read_body(request)
        with self.origin.news:
            self.requests.append(request)
            self.origin.requests.append(request)
            self.origin.news.notify_all()
        return request

    def _read_body(self, request):
        if request.value("content-length"):
            return self.read_exactly(int(request.value("content-length")))
        if "chunked" in (request.value("transfer-encoding") or "").lower():
            body = b""
            while size := int(self.read_until(CRLF), 16):
                body += self.read_exactly(size)
                self.read_until(CRLF)
            self.read_until(CRLF)
            return body
        return b""

    def write(self, data):
        try:
            self.socket.sendall(data)
        except OSError as error:
            raise Gone from error
        self.written += len(data)

    def write_endlessly(self, block=bytes(16384)):
        """Until the peer is gone. `written` says how much of it the kernel took."""
        while not self.origin.released.is_set():
            self.write(block)

    def in_kernel(self):
        """Bytes written that the peer's program has not read: in the buffers of both sockets."""
        queued, = struct.unpack("i", fcntl.ioctl(self.socket, termios.TIOCOUTQ, bytes(4)))
        ends = [f":{port:04X}" for port in (self.socket.getpeername()[1], self.origin.port)]
        for line in pathlib.Path("/proc/net/tcp").read_text().splitlines()[1:]:
            _, near, far, _, queues, *_ = line.split()
            if near.endswith(ends[0]) and far.endswith(ends[1]):
                queued += int(queues.split(":")[1], 16)
        return queued

    def answer(self, *arguments, **keys):
        self.write(response(*arguments, **keys))

    def reset(self):
        """Ends the connection with a TCP reset."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    def await_end(self):
        """Until the peer closes its side."""
        with contextlib.suppress(Gone):
            while True:
                self.read_more()

    def await_release(self):
        """Until the test calls origin.release(), or the origin is closed."""
        self.origin.released.wait(scaled(60))


def serve(answer):
    """A script that answers each request with the bytes that answer(request) returns."""

    def script(connection):
        while True:
            connection.write(answer(connection.read_request()))

    return script


def echo(request):
    return response(body=request.body, headers=[("Content-Type", "application/octet-stream")])


def greet(request):
    return response(body=b"hello\n")


class RawOrigin:
    def __init__(self, script=serve(greet), leaf=None, alpn=("http/1.1",), handshake=True,
                 backlog=512, port=0, address="127.0.0.1"):
        self.script = script
        self.scheme = "https" if leaf else "http"
        self.context = None
        if leaf:
            self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.context.load_cert_chain(leaf.cert, leaf.key)
            self.context.set_alpn_protocols(list(alpn))
        self.handshake = handshake
        self.connections = []
        self.requests = []
        self.failures = []
        self.news = threading.Condition()
        self.released = threading.Event()
        self.closing = False
        self.threads = []
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        self.listener = socket.create_server((address, port), family=family, backlog=backlog)
        self.address = address
        self.port = self.listener.getsockname()[1]
        self.acceptor = threading.Thread(target=self._accept, daemon=True)
        self.acceptor.start()

    def url(self, target="/", host=None):
        address = f"[{self.address}]" if ":" in self.address else self.address
        return f"{self.scheme}://{host or address}:{self.port}{target}"

    def _accept(self):
        while True:
            try:
                sock, _ = self.listener.accept()
            except OSError:
                return
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection = OriginConnection(self, sock, len(self.connections))
            with self.news:
                self.connections.append(connection)
                self.news.notify_all()
            thread = threading.Thread(target=self._serve, args=(connection,), daemon=True)
            self.threads.append(thread)
            thread.start()

    def _serve(self, connection):
        try:
            if self.context and self.handshake:
                connection.socket = self.context.wrap_socket(connection.socket, server_side=True)
                if self.closing:  # close() may have met the socket below TLS, which is void now
                    raise Gone
            self.script(connection)
        except (Gone, ConnectionError, ssl.SSLError):
            pass
        except Exception as error:  # a mistake in the script is the test's failure
            if not self.released.is_set():
                self.failures.append(error)
        finally:
            with contextlib.suppress(OSError):
                connection.socket.close()
            with self.news:
                connection.closed.set()
                self.news.notify_all()

    def release(self):
        self.released.set()

    def await_requests(self, count, seconds=10):
        with self.news:
            assert self.news.wait_for(lambda: len(self.requests) >= count, scaled(seconds)), \
                f"{len(self.requests)} requests instead of {count}"
        return self.requests

    def await_connections(self, count, seconds=10):
        with self.news:
            assert self.news.wait_for(lambda: len(self.connections) >= count, scaled(seconds)), \
                f"{len(self.connections)} connections instead of {count}"
        return self.connections

    def close(self):
        self.closing = True
        self.release()
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        for connection in self.connections:
            with contextlib.suppress(OSError):
                connection.socket.shutdown(socket.SHUT_RDWR)
        self.acceptor.join(5)
        for thread in self.threads:
            thread.join(5)

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        self.close()
        if kind is None:
            assert not self.failures, f"the origin's script failed: {self.failures}"


class FullBacklog:
    """A port that completes no more TCP handshakes: its queue is full and nobody accepts."""

    def __init__(self):
        self.listener = socket.socket()
        self.listener.bind(("127.0.0.1", 0))
        self.listener.listen(0)
        self.port = self.listener.getsockname()[1]
        self.fillers = []
        while True:
            filler = socket.socket()
            filler.settimeout(0.3)
            self.fillers.append(filler)
            try:
                filler.connect(("127.0.0.1", self.port))
            except TimeoutError:
                break

    def url(self, target="/"):
        return f"http://127.0.0.1:{self.port}{target}"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for filler in self.fillers:
            filler.close()
        self.listener.close()


class Proxy(RawOrigin):
    """An HTTP proxy: tunnels for CONNECT, plain requests in absolute form. `refuse`: a status."""

    def __init__(self, refuse=None, **options):
        self.refuse = refuse
        super().__init__(self._relay, **options)

    def _relay(self, connection):
        request = connection.read_request()
        if self.refuse:
            connection.answer(self.refuse, b"no")
            return
        if request.method == "CONNECT":
            host, port = request.target.rsplit(":", 1)
            with socket.create_connection((host, int(port)), 5) as onward:
                connection.write(b"HTTP/1.1 200 Connected\r\n\r\n")
                pump(connection.socket, onward)
        else:
            while True:
                connection.answer(200, f"through the proxy: {request.target}".encode())
                request = connection.read_request()


def pump(one, other):
    """Copies bytes both ways until both are closed."""

    def copy(source, sink):
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                sink.sendall(data)
        with contextlib.suppress(OSError):
            sink.shutdown(socket.SHUT_WR)

    back = threading.Thread(target=copy, args=(other, one), daemon=True)
    back.start()
    copy(one, other)
    back.join(scaled(30))
