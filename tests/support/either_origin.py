"""
An origin that speaks HTTP/2 and HTTP/1.1 at one port, as most do: ALPN decides for each connection.

    with EitherOrigin(authority.server, over_h2, over_h1) as origin:
        origin.arrivals                 of streams over HTTP/2; `over_h2(arrival)` for each
        origin.requests                 over HTTP/1.1; `over_h1(connection)` for each connection

    stall_handshake_from(origin, 1)     the first connection's TLS handshake is made, later ones not
"""

from .counting import StreamsOrigin, answer_with_target
from .origin import response, serve


def answer_over_h1(request):
    return response(body=request.target.encode())


class EitherOrigin(StreamsOrigin):
    def __init__(self, leaf, over_h2=answer_with_target, over_h1=serve(answer_over_h1)):
        self.over_h1 = over_h1
        super().__init__(leaf, over_h2)
        self.over_h2 = self.script
        self.script = self._serve_as_agreed
        self.context.set_alpn_protocols(["h2", "http/1.1"])

    def _serve_as_agreed(self, connection):
        is_h2 = connection.socket.selected_alpn_protocol() == "h2"
        (self.over_h2 if is_h2 else self.over_h1)(connection)


def shake_hands(connection):
    """For origins whose `handshake` is False."""
    connection.socket = connection.origin.context.wrap_socket(connection.socket, server_side=True)


def delay_handshake_from(origin, number, delay):
    """From that connection on, `delay(connection)` returns before TLS begins."""
    serve_connection = origin.script

    def script(connection):
        if connection.number >= number:
            delay(connection)
        shake_hands(connection)
        serve_connection(connection)

    origin.handshake = False
    origin.script = script


def stall_handshake_from(origin, number):
    """From that connection on, TLS does not begin."""
    delay_handshake_from(origin, number, lambda connection: connection.await_end())
