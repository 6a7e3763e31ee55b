"""
An HTTP/2 origin that does as it is told, by python3-h2.

    def script(session, stream, headers): session.answer(stream, 200, b"...")
    with H2Origin(authority.server, script) as origin: ...

`script` is called for each request, when its body has come, in the connection's thread.
session.h2 is h2's connection; session.flush() sends what it holds.
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


class H2Origin(RawOrigin):
    def __init__(self, leaf, script):
        self.on_request = script
        self.streams = []  # (connection number, headers as pairs, body), as they came
        self.lock = threading.Lock()
        super().__init__(self._serve_h2, leaf=leaf, alpn=("h2",))

    def _serve_h2(self, connection):
        session = Session(connection)
        session.h2.initiate_connection()
        session.flush()
        while True:
            data = connection.socket.recv(65536)
            if not data:
                raise Gone
            for event in session.h2.receive_data(data):
                self._handle(session, event)
            session.flush()

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
