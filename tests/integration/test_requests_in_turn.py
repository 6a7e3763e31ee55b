"""
Easy handles are used again: what a request says must not be seen in the next one of the same user,
whatever they are, nor in another user's. Each kind of request is made after each other kind, and the
origin has to see what it sees of a daemon that never did anything before.
"""

import functools
import random

import pytest

from support.client import Refused
from support.origin import CRLF, RawOrigin, chunk, response
from support.upload_client import UploadClient
from support.users import NOBODY, client_of, needs_root


def answer(request):
    if request.target == "/401":
        return response(401, b"who?", headers=[("WWW-Authenticate", 'Basic realm="x"'),
                                               ("WWW-Authenticate", 'Digest realm="x", nonce="y"')])
    if request.target == "/to":
        return response(302, b"there", headers=[("Location", "/there"), ("Set-Cookie", "a=b")])
    if request.target == "/many":
        return response(200, b"many", headers=[(f"X-{i}", "y" * i) for i in range(30)])
    if request.target == "/trailers":
        return (response(headers=[("Transfer-Encoding", "chunked")], length=False) + chunk(b"abc") +
                b"0" + CRLF + b"X-Trailer: yes" + CRLF + CRLF)
    if request.target == "/cut":
        return response(length=False, headers=[("Content-Length", "100")]) + b"short"
    return response(body=b"" if request.method == "HEAD" else b"body of " + request.target.encode())


def script(connection):
    while True:
        request = connection.read_request()
        connection.write(answer(request))
        if request.target == "/cut":
            return


@pytest.fixture
def origin(authority):
    with RawOrigin(script, leaf=authority.server) as origin:
        yield origin


# ---- The kinds -----------------------------------------------------------------------------------

def fetch(target="/", **keys):
    def run(client, origin, _):
        return client.fetch(origin.url(target), **keys)
    return run


def refused(target, **keys):
    def run(client, origin, _):
        return client.refused(origin.url(target), **keys).code
    return run


def stream(client, origin, _):
    return client.stream(origin.url("/stream")).body()


def upload(_, origin, uploader):
    return uploader.send_all(origin.url("/upload"), b"u" * 1000, method="PUT", upload_size=1000)


def with_authority(client, origin, authority):
    return client.fetch(origin.url("/"), tls={"ca": authority.pem.read_bytes()})


KINDS = {
    "get": fetch(),
    "get with fields": fetch("/fields", headers=[["X-A", "1"], ["Accept", "*/*"], ["X-Empty", ""]]),
    "get with secrets": fetch("/secrets", headers=[["Authorization", "Basic eDp5"],
                                                   ["Cookie", "a=b"], ["User-Agent", "me"]]),
    "get with a query": fetch("/x?y=%20z"),
    "get with a body": fetch("/body", body=b"of a get"),
    "post": fetch("/post", method="POST", body=b"posted", headers=[["Content-Type", "text/x"]]),
    "post of nothing": fetch("/post", method="POST"),
    "post of much": fetch("/post", method="POST", body=b"m" * 30_000),
    "put": fetch("/put", method="PUT", body=b"put"),
    "delete": fetch("/delete", method="DELETE"),
    "own method": fetch("/own", method="PROPFIND"),
    "head": fetch("/head", method="HEAD"),
    "decoded": fetch("/decoded", decompress=True),
    "http/1.1": fetch("/version", http="1.1"),
    "unverified": fetch("/unverified", tls={"verify": False}),
    "as another": fetch("/as", tls={"server_name": "localhost"}),
    "asked who": fetch("/401"),
    "redirected": fetch("/to", redirects=3),
    "not redirected": fetch("/to"),
    "many fields": fetch("/many"),
    "trailers": fetch("/trailers"),
    "cut off": refused("/cut"),
    "too large": refused("/many", max_body=1),
    "streamed": stream,
    "uploaded": upload,
}


class Side:
    """A daemon, and what its origin is sent."""

    def __init__(self, daemon, origin):
        self.daemon, self.origin = daemon, origin
        self.client, self.uploader = daemon.client(), UploadClient(daemon)

    def run(self, kind):
        """(what the client was told, what the origin was sent)"""
        before = len(self.origin.requests)
        try:
            told = KINDS[kind](self.client, self.origin, self.uploader)
        except Refused as error:
            told = error.code
        if isinstance(told, dict):
            told = {key: told[key] for key in ("status", "headers", "body", "url", "redirects")
                    if key in told}
        return told, [(request.head, request.body) for request in self.origin.requests[before:]]


@pytest.mark.deadline(120)
def test_every_kind_of_request_is_the_same_after_every_other(start_daemon, origin):
    expected = {}
    for kind in KINDS:
        expected[kind] = Side(start_daemon(), origin).run(kind)
    side = Side(start_daemon(), origin)
    for before in KINDS:
        for kind in KINDS:
            assert side.run(before) == expected[before]
            assert side.run(kind) == expected[kind], f"{kind} after {before}"


@pytest.mark.deadline(60)
def test_so_it_is_in_any_order_after_reloads(start_daemon, origin):
    expected = {}
    for kind in KINDS:
        expected[kind] = Side(start_daemon(), origin).run(kind)
    side = Side(start_daemon(), origin)
    rng = random.Random(8)
    for number in range(300):
        kind = rng.choice(list(KINDS))
        assert side.run(kind) == expected[kind], f"{kind}, number {number}"
        if number % 50 == 49:
            side.daemon.ask("reload")


# ---- Users ---------------------------------------------------------------------------------------

@needs_root
@pytest.mark.deadline(60)
def test_requests_of_two_users_in_turn_are_each_ones_own(start, origin):
    daemon = start()
    clients = {uid: client_of(daemon, uid) for uid in (0, NOBODY, NOBODY - 1)}
    for number in range(60):
        for uid, client in clients.items():
            said = f"{uid}-{number}"
            ask = functools.partial(client.fetch, origin.url(f"/{said}"))
            if number % 3 == 0:
                ask()
                assert not [value for _, value in origin.requests[-1].headers if "secret" in value]
                assert not origin.requests[-1].body
            else:
                ask(method="POST", headers=[["X-Secret", f"secret {said}"]], body=said.encode())
                assert origin.requests[-1].value("X-Secret") == f"secret {said}"
                assert origin.requests[-1].body == said.encode()
            assert origin.requests[-1].target == f"/{said}"
