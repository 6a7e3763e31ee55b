"""
An HTTP/2 origin that does as it is told, by python3-h2.

    def script(session, stream, headers): session.answer(stream, 200, b"...")
    with H2Origin(authority.server, script) as origin: ...

`script` is called for each request, when its body has come, in the connection's thread.
session.h2 is h2's connection; session.flush() sends what it holds. session.send_body() sends more
than the peer's windows allow: it goes on whenever they open.
"""

import threading

import h2.config
import h2.connection
import h2.events

from .origin import Gone, RawOrigin


class Session:
    def __init__(self, connection):
        self.connection = connection
        self.h2 = h2.connection.H2Connection(h2.config.H2Configuration(
            client_side=False, header_encoding="utf-8"))
        self.bodies = {}
        self.headers = {}
        self.outgoing = {}  # what send_body() has left, by stream: [iterator, bytes, trailers]
        self.sent = {}  # body bytes, by stream

    def flush(self):
        data = self.h2.data_to_send()
        if data:
            self.connection.write(data)

    def answer(self, stream, status, body=b"", headers=(), end=True):
        self.h2.send_headers(stream, [(":status", str(status)), *headers],
                             end_stream=end and not body)
        while body:
            part = body[:self.h2.max_outbound_frame_size]
            body = body[len(part):]
            self.h2.send_data(stream, part, end_stream=end and not body)
        self.flush()


    def send_body(self, stream, parts, trailers=()):
        """The bytes of an iterator, which may be endless, then its trailers, as windows allow."""
        self.outgoing[stream] = [iter(parts), b"", list(trailers)]
        self.sent[stream] = 0
        self.pump()

    def pump(self):
        """A frame of each stream in turn, until none can send any more."""
        while any([self._send_frame(stream) for stream in list(self.outgoing)]):
            self.flush()
        self.flush()

    def _send_frame(self, stream):
        parts, rest, trailers = self.outgoing[stream]
        rest = rest or next(parts, None)
        if rest is None:
            del self.outgoing[stream]
            if trailers:
                self.h2.send_headers(stream, trailers, end_stream=True)
            else:
                self.h2.end_stream(stream)
            return False
        count = min(len(rest), self.h2.max_outbound_frame_size,
                    self.h2.local_flow_control_window(stream))
        if count > 0:
            self.h2.send_data(stream, rest[:count])
            self.sent[stream] += count
        self.outgoing[stream][1] = rest[max(count, 0):]
        return count > 0

    def on_reset(self, stream):
        self.outgoing.pop(stream, None)


class H2Origin(RawOrigin):
    def __init__(self, leaf, script):
        self.on_request = script
        self.streams = []  # (connection number, headers as pairs, body), as they came
        self.sessions = []
        self.resets = []  # (connection number, stream), as the peer reset them
        self.lock = threading.Lock()
        super().__init__(self._serve_h2, leaf=leaf, alpn=("h2",))

    def _serve_h2(self, connection):
        session = Session(connection)
        self.sessions.append(session)
        session.h2.initiate_connection()
        session.flush()
        while True:
            data = connection.socket.recv(65536)
            if not data:
                raise Gone
            for event in session.h2.receive_data(data):
                self._handle(session, event)
            session.pump()

    def _handle(self, session, event):
        if isinstance(event, h2.events.RequestReceived):
            session.headers[event.stream_id] = event.headers
            session.bodies[event.stream_id] = b""
        elif isinstance(event, h2.events.DataReceived):
            session.bodies[event.stream_id] += event.data
            session.h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
        elif isinstance(event, h2.events.StreamEnded):
            headers = session.headers.pop(event.stream_id)
            with self.news:
                self.streams.append((session.connection.number, headers,
                                     session.bodies.pop(event.stream_id)))
                self.news.notify_all()
            self.on_request(session, event.stream_id, headers)
        elif isinstance(event, h2.events.StreamReset):
            session.on_reset(event.stream_id)
            with self.news:
                self.resets.append((session.connection.number, event.stream_id))
                self.news.notify_all()
