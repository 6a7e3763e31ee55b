"""
Origins that take uploads as they are told: all of it, slowly, in part, or not at all.

    with UploadOrigin(script) as origin: ...                    HTTP/1.1; with `leaf` over TLS
    with H2UploadOrigin(authority.server, script) as origin: ...
        origin.arrivals[0].total; .digest; .is_complete; .ended

`script(arrival)` runs in a thread for each request, the same for both protocols:

    arrival.read_some()     body bytes; b"" at their end; raises Gone if the peer leaves before;
                            says 100 Continue where that is waited for
    arrival.answer(200, b"...", headers)
    arrival.start(200); arrival.send(b"..."); arrival.finish()

When a script returns in the middle of a body, the rest is read, so that the origin can say whether
a whole body came: a final chunk, as many bytes as announced, or END_STREAM. What comes for /next is
taken whole and answered, whatever the script: for a look at what a connection is good for after it.
"""

import contextlib
import hashlib
import pathlib
import select
import socket
import ssl
import subprocess
import threading

import h2.config
import h2.connection
import h2.events
import h2.exceptions
import h2.settings

from .origin import CRLF, Gone, RawOrigin, response
from .ports import accepts, free_port
from .timing import eventually, scaled

AT_ONCE = 256 << 10
MAX_PENDING = 8
CONNECTION_WINDOW = 64 << 20
NEXT = "/next"  # is taken whole, whatever the script


class Arrival:
    """A request whose body is coming in, as the origin sees it."""

    def __init__(self, origin, connection, method, target, headers):
        self.origin = origin
        self.connection = connection
        self.method = method
        self.target = target
        self.headers = headers
        self.total = 0
        self.sha = hashlib.sha256()
        self.is_complete = False
        self.ended = threading.Event()  # complete, or never to be

    @property
    def digest(self):
        return self.sha.hexdigest()

    def value(self, name):
        return next((value for field, value in self.headers if field.lower() == name), None)

    def count(self, data):
        self.sha.update(data)
        with self.origin.news:
            self.total += len(data)
            self.origin.news.notify_all()
        return data

    def invite(self):
        """Says 100 Continue where that is waited for: HTTP/1.1 alone."""

    def complete(self):
        self.is_complete = True
        self.ended.set()

    def read(self, count):
        """At least so many bytes, or all."""
        data = b""
        while len(data) < count and (more := self.read_some()):
            data += more
        return data

    def read_all(self):
        while self.read_some():
            pass

    def drain(self):
        with contextlib.suppress(Gone):
            self.read_all()
        self.ended.set()

    def await_bytes(self, count, seconds=10):
        with self.origin.news:
            assert self.origin.news.wait_for(lambda: self.total >= count, scaled(seconds)), \
                f"{self.total} bytes instead of {count}"

    def was_never_complete(self, seconds=5):
        """Waits until no more can come."""
        assert self.ended.wait(scaled(seconds)), f"still open after {self.total} bytes"
        return not self.is_complete


# ---- Scripts -------------------------------------------------------------------------------------

def take_all(arrival):
    """Answers with the hash and the length of what came."""
    arrival.read_all()
    arrival.answer(200, f"{arrival.digest} {arrival.total}".encode())


def said_of(data):
    return f"{hashlib.sha256(data).hexdigest()} {len(data)}".encode()


def echo(arrival):
    """Answers while it reads."""
    arrival.start(200)
    while data := arrival.read_some():
        arrival.send(data)
    arrival.finish()


def stop_reading(arrival):
    """Takes nothing of the body until the test releases the origin; asked for it, it may come."""
    arrival.invite()
    arrival.origin.released.wait(scaled(60))


def never_answer(arrival):
    arrival.read_all()
    arrival.origin.released.wait(scaled(60))


def answer_early(status, body=b"early", headers=(), after=1):
    """Answers after so many bytes of the body, then reads on."""

    def script(arrival):
        arrival.read(after)
        arrival.answer(status, body, headers)

    return script


class Uploads:
    """What both origins have in common: the list of arrivals."""

    def add(self, arrival):
        with self.news:
            self.arrivals.append(arrival)
            self.news.notify_all()
        return arrival

    def await_arrivals(self, count, seconds=10):
        with self.news:
            assert self.news.wait_for(lambda: len(self.arrivals) >= count, scaled(seconds)), \
                f"{len(self.arrivals)} uploads instead of {count}"
        return self.arrivals

    def follow(self, arrival):
        (take_all if arrival.target == NEXT else self.on_upload)(arrival)


# ---- HTTP/1.1 ------------------------------------------------------------------------------------

class H1Arrival(Arrival):
    def __init__(self, connection, request):
        super().__init__(connection.origin, connection, request.method, request.target,
                         request.headers)
        self.buffer = bytearray(connection.unread)
        connection.unread = b""
        self.is_chunked = self.value("transfer-encoding") == "chunked"
        self.left = int(self.value("content-length") or 0)  # of the body, or of the chunk
        self.is_framed = False  # within a chunk's bytes, the CRLF after them included
        self.is_awaited = self.value("expect") == "100-continue"
        if not self.is_chunked and self.left == 0:
            self.complete()

    def _fill(self):
        try:
            data = self.connection.socket.recv(AT_ONCE)
        except (OSError, ssl.SSLError) as error:
            raise Gone from error
        if not data:
            raise Gone
        self.buffer += data

    def _line(self):
        while (end := self.buffer.find(CRLF)) < 0:
            self._fill()
        line = bytes(self.buffer[:end])
        del self.buffer[:end + 2]
        return line

    def _next_chunk(self):
        if self.is_framed:
            assert self._line() == b""
        self.left = int(self._line(), 16)
        self.is_framed = True
        if self.left == 0:
            assert self._line() == b"", "a trailer that nobody sent"
            self.complete()

    def read_some(self):
        self.invite()
        if self.is_chunked and self.left == 0 and not self.is_complete:
            self._next_chunk()
        if self.is_complete:
            return b""
        if not self.buffer:
            self._fill()
        data = bytes(self.buffer[:self.left])
        del self.buffer[:self.left]
        self.left -= len(data)
        self.count(data)
        if self.left == 0 and not self.is_chunked:
            self.complete()
        return data

    def invite(self):
        if self.is_awaited:
            self.go_on()

    def go_on(self):
        self.is_awaited = False
        self.connection.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def answer(self, status, body=b"", headers=()):
        self.is_awaited = False
        self.connection.write(response(status, body, headers))

    def start(self, status, headers=()):
        self.invite()
        self.connection.write(response(status, headers=[*headers, ("Transfer-Encoding", "chunked")],
                                       length=False))

    def send(self, data):
        self.connection.write(b"%x\r\n%b\r\n" % (len(data), data))

    def finish(self):
        self.connection.write(b"0\r\n\r\n")

    def is_left(self):
        """Has the peer closed the connection?"""
        return self.connection.closed.is_set()

    def lose(self):
        """Ends the connection with a TCP reset."""
        self.connection.reset()


class UploadOrigin(Uploads, RawOrigin):
    """`receive_buffer`: of the kernel, for an origin that is not to take much without reading."""

    def __init__(self, script=take_all, receive_buffer=None, **options):
        self.arrivals = []
        self.on_upload = script
        super().__init__(self._serve_uploads, **options)
        if receive_buffer:
            self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)

    def _serve_uploads(self, connection):
        while True:
            arrival = self.add(H1Arrival(connection, connection.read_request(with_body=False)))
            try:
                self.follow(arrival)
            finally:
                arrival.drain()
            if not arrival.is_complete:
                return
            connection.unread = bytes(arrival.buffer)


# ---- HTTP/2 --------------------------------------------------------------------------------------

class H2Arrival(Arrival):
    def __init__(self, session, stream, headers):
        fields = [(name, value) for name, value in headers if not name.startswith(":")]
        pseudo = dict(headers)
        super().__init__(session.origin, session.connection, pseudo[":method"], pseudo[":path"],
                         fields)
        self.session = session
        self.stream = stream
        self.parts = []  # (bytes, their flow-controlled length), not read yet
        self.has_ended = False  # END_STREAM came
        self.pending = 0  # messages that the peer's window has not let through
        self.reset_code = None
        self.is_gone = False

    def read_some(self):
        """A reader that does not call this takes no more than the stream's window."""
        while True:
            with self.origin.news:
                assert self.origin.news.wait_for(
                    lambda: self.parts or self.has_ended or self.is_gone, scaled(60))
                if self.is_gone:
                    raise Gone
                if not self.parts:
                    break
                data, length = self.parts.pop(0)
            self.session.do(lambda: self.session.acknowledge(length, self.stream))
            if data:
                return self.count(data)
        self.complete()
        return b""

    def answer(self, status, body=b"", headers=()):
        self.start(status, headers)
        if body:
            self.send(body)
        self.finish()

    def start(self, status, headers=()):
        self.session.do(lambda: self.session.h2.send_headers(
            self.stream, [(":status", str(status)), *headers]))

    def send(self, data):
        """Waits while the peer's window is shut."""
        with self.origin.news:
            assert self.origin.news.wait_for(
                lambda: self.is_gone or self.pending < MAX_PENDING, scaled(60))
            if self.is_gone:
                raise Gone
            self.pending += 1
        self.session.do(lambda: self.session.send(self.stream, data))

    def finish(self):
        self.session.do(lambda: self.session.send(self.stream, None))

    def reset(self, code):
        self.session.do(lambda: self.session.reset(self.stream, code))

    def is_left(self):
        """Has the peer reset the stream or closed the connection?"""
        return self.is_gone

    def lose(self):
        """Ends the connection with a TCP reset."""
        self.session.do(self.session.lose)


class H2Session:
    """One connection: its thread alone touches h2 and the socket; others ask by do()."""

    def __init__(self, origin, connection):
        self.origin = origin
        self.connection = connection
        self.h2 = h2.connection.H2Connection(h2.config.H2Configuration(
            client_side=False, header_encoding="utf-8"))
        self.open = {}
        self.unsent = {}  # by stream: bytes, None for the end, as far as the window lets them
        self.jobs = []
        self.wake, self.alarm = socket.socketpair()

    def do(self, job):
        with self.origin.news:
            self.jobs.append(job)
        with contextlib.suppress(OSError):
            self.alarm.send(b"!")

    def lose(self):
        self.connection.reset()
        raise Gone

    def reset(self, stream, code):
        self.h2.reset_stream(stream, code)
        self._leave(stream)

    def _leave(self, stream):
        """The stream is no more: what came of it and was not read is given back."""
        with self.origin.news:
            arrival = self.open[stream]
            arrival.is_gone = True
            unread = sum(length for _, length in arrival.parts)
            arrival.parts.clear()
            self.origin.news.notify_all()
        self.acknowledge(unread, stream)

    def acknowledge(self, length, stream):
        if length:
            self.h2.acknowledge_received_data(length, stream)

    def send(self, stream, data):
        self.unsent.setdefault(stream, []).append(data)
        self._send_unsent(stream)

    def _send_unsent(self, stream):
        queue = self.unsent.get(stream, [])
        while queue:
            if queue[0] is None:
                self.h2.end_stream(stream)
                queue.clear()
                return
            room = min(self.h2.local_flow_control_window(stream), self.h2.max_outbound_frame_size)
            if room == 0:
                return
            self.h2.send_data(stream, queue[0][:room])
            queue[0] = queue[0][room:]
            if not queue[0]:
                queue.pop(0)
                with self.origin.news:
                    self.open[stream].pending -= 1
                    self.origin.news.notify_all()

    def _run_jobs(self):
        with self.origin.news:
            jobs, self.jobs = self.jobs, []
        for job in jobs:
            # The stream or the connection may have been closed by the peer meanwhile.
            with contextlib.suppress(h2.exceptions.ProtocolError):
                job()

    def serve(self):
        settings = {h2.settings.SettingCodes.MAX_CONCURRENT_STREAMS: self.origin.max_streams}
        self.h2.initiate_connection()  # which announces the defaults
        self.h2.update_settings(settings)
        # Of the connection: it is the stream's window that holds an unread upload up.
        if self.origin.connection_window:
            self.h2.increment_flow_control_window(self.origin.connection_window)
        try:
            while True:
                self._run_jobs()
                if data := self.h2.data_to_send():
                    self.connection.write(data)
                self._receive()
        finally:
            self._end_all()

    def _receive(self):
        sock = self.connection.socket
        if not sock.pending():
            readable = select.select([sock, self.wake], [], [])[0]
            if self.wake in readable:
                self.wake.recv(4096)
            if sock not in readable:
                return
        data = sock.recv(AT_ONCE)
        if not data:
            raise Gone
        for event in self.h2.receive_data(data):
            with self.origin.news:
                self._handle(event)
                self.origin.news.notify_all()

    def _handle(self, event):
        if isinstance(event, h2.events.RequestReceived):
            arrival = self.open[event.stream_id] = H2Arrival(self, event.stream_id, event.headers)
            self.origin.add(arrival)
            self.origin.run(arrival)
        elif isinstance(event, h2.events.DataReceived):
            self.open[event.stream_id].parts.append((event.data, event.flow_controlled_length))
        elif isinstance(event, h2.events.StreamEnded):
            self.open[event.stream_id].has_ended = True
        elif isinstance(event, h2.events.StreamReset):
            self.open[event.stream_id].reset_code = event.error_code
            self._leave(event.stream_id)
        elif isinstance(event, (h2.events.WindowUpdated, h2.events.RemoteSettingsChanged)):
            for stream in list(self.unsent):
                with contextlib.suppress(h2.exceptions.ProtocolError):
                    self._send_unsent(stream)

    def _end_all(self):
        with self.origin.news:
            for arrival in self.open.values():
                arrival.is_gone = True
            self.origin.news.notify_all()
        self.wake.close()
        self.alarm.close()


class H2UploadOrigin(Uploads, RawOrigin):
    def __init__(self, leaf, script=take_all, max_streams=100,
                 connection_window=CONNECTION_WINDOW, **options):
        """`connection_window`: beyond the 65,535 bytes that a connection begins with."""
        self.arrivals = []
        self.on_upload = script
        self.max_streams = max_streams
        self.connection_window = connection_window
        super().__init__(lambda connection: H2Session(self, connection).serve(), leaf=leaf,
                         alpn=("h2",), **options)

    def run(self, arrival):
        thread = threading.Thread(target=self._run, args=(arrival,), daemon=True)
        self.threads.append(thread)
        thread.start()

    def _run(self, arrival):
        try:
            self.follow(arrival)
        except Gone:
            pass
        except Exception as error:  # a mistake in the script is the test's failure
            if not self.released.is_set():
                self.failures.append(error)
        arrival.drain()


def open_upload_origin(http, authority, script=take_all, **options):
    """One of the two: HTTP/1.1 without TLS, or HTTP/2."""
    if http == "2":
        return H2UploadOrigin(authority.server, script)
    return UploadOrigin(script, **options)


# ---- nginx, for a lot ----------------------------------------------------------------------------

CONFIG = """
daemon off;
master_process off;
pid {directory}/pid;
error_log {directory}/error.log warn;
events {{ worker_connections 256; }}
http {{
    access_log off;
    client_body_temp_path {directory}/temp-body;
    proxy_temp_path {directory}/temp-proxy;
    fastcgi_temp_path {directory}/temp-fastcgi;
    uwsgi_temp_path {directory}/temp-uwsgi;
    scgi_temp_path {directory}/temp-scgi;
    client_max_body_size 0;
    server {{
        listen 127.0.0.1:{port} ssl http2;
        ssl_certificate {leaf.cert};
        ssl_certificate_key {leaf.key};
        location / {{ root {directory}/put; dav_methods PUT; }}
    }}
}}
"""


class Store:
    """A real nginx that stores what is PUT, of any size. HTTP/1.1 and HTTP/2 over TLS."""

    def __init__(self, directory, authority):
        self.directory = pathlib.Path(directory)
        (self.directory / "put").mkdir(parents=True)
        self.port = free_port()
        config = self.directory / "nginx.conf"
        config.write_text(CONFIG.format(directory=self.directory, port=self.port,
                                        leaf=authority.server))
        self.process = subprocess.Popen(
            ["/usr/sbin/nginx", "-p", self.directory, "-c", config, "-e",
             self.directory / "error.log"], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL)
        eventually(lambda: accepts(self.port), 10, "nginx listens")

    def url(self, name):
        return f"https://localhost:{self.port}/{name}"

    def digest(self, name):
        with open(self.directory / "put" / name, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()

    def has(self, name):
        return (self.directory / "put" / name).exists()

    def stop(self):
        self.process.terminate()
        self.process.wait(10)
