"""
The rows about trust and about what one user may learn of another or make the daemon reach: O13, O15,
O16, O18, O24; and what C14 and C16 leave to HTTP/2, streams and text. More of these rows: C11 in
test_admission.py, C14 to C16 in test_faults_clients.py and test_smuggling.py, O13 in
test_faults_streams.py.
"""

import contextlib
import functools
import gzip
import re
import threading
import ssl

import pytest

from support.calm import calm, decoding_us
from support.certificates import Authority
from support.client import Refused, header
from support.compression import brotli, zstd_repeated
from support.h2origin import H2Origin
from support.memory import peak_of
from support.origin import Gone, RawOrigin, response, serve
from support.timing import SANITIZED, Stopwatch, eventually, scaled
from support.upload_client import UploadClient
from support.users import NOBODY, client_of, needs_root, open_to_all
from support.witness import Witness

MIB = 1 << 20
ALICE, BOB = NOBODY, NOBODY - 1


def witness_of(daemon, nginx):
    return Witness(daemon, nginx.url("/files/small"), nginx.file("small"))


def whole_error(client, url, **keys):
    return client.refused(url, **keys)


def streamed_error(client, url, **keys):
    return client.stream(url, **keys).error()


WAYS = pytest.mark.parametrize("error_of", [whole_error, streamed_error], ids=["whole", "streamed"])


def get_whole(client, url, **keys):
    answer = client.fetch(url, **keys)
    return answer["url"], answer["body"]


def get_streamed(client, url, **keys):
    stream = client.stream(url, **keys)
    return stream.head()["url"], stream.body()


GETS = pytest.mark.parametrize("get", [get_whole, get_streamed], ids=["whole", "streamed"])


@pytest.fixture
def users(daemon):
    """Alice and Bob, clients of one daemon and of two users."""
    open_to_all(daemon)
    return client_of(daemon, ALICE), client_of(daemon, BOB)


# ---- C14, C16: where else the same may be said ----------------------------------------------------

WRONG = {"header": {"headers": [["X-Bad", "a\r\nb"]]}, "method": {"method": "GET /x"}}


@pytest.mark.parametrize("word", WRONG)
@pytest.mark.parametrize("more", [{"stream": True}, {"upload": True},
                                  {"upload": True, "stream": True}],
                         ids=["streamed", "an upload", "both"])
def test_c14_the_same_in_streams_and_uploads_is_error_1(daemon, word, more):
    with RawOrigin() as origin, calm(daemon):
        client = UploadClient(daemon)
        keys = {"url": origin.url(), "method": "POST", **more, **WRONG[word]}
        with pytest.raises(Refused) as refused:
            client.call("fetch", keys)
        assert refused.value.code == 1 and word in refused.value.message
        assert client.call("ping") == "pong"
        assert origin.connections == []


NOT_HTTP = ["file:///etc/hostname", "FILE:///etc/hostname", "ftp://127.0.0.1:@PORT@/",
            "gopher://127.0.0.1:@PORT@/_x", "http://user:pass@127.0.0.1:@PORT@/",
            "http://other.test\\@127.0.0.1:@PORT@/"]


@pytest.mark.parametrize("url", NOT_HTTP)
def test_c16_in_text_it_is_an_error_too(daemon, url):
    with RawOrigin() as forbidden, calm(daemon):
        url = url.replace("@PORT@", str(forbidden.port))
        said = daemon.text(f"GET {url}\nping\n".encode())
        assert said.startswith(b"error: ") and said.endswith(b"\npong\n") and said.count(b"\n") == 2
        assert forbidden.connections == []


@WAYS
@pytest.mark.parametrize("url", NOT_HTTP)
def test_c16_as_a_redirect_over_http_2_it_is_an_error_too(daemon, authority, url, error_of):
    with RawOrigin() as forbidden:
        target = url.replace("@PORT@", str(forbidden.port))
        with H2Origin(authority.server, lambda session, stream, _: session.answer(
                stream, 302, headers=[("location", target)])) as origin, calm(daemon):
            error = error_of(daemon.client(), origin.url(host="localhost"), redirects=5)
            assert error.code in (1, 2) and error.message
            assert len(origin.streams) == 1 and forbidden.connections == []


# ---- O13: bombs, in layers and over HTTP/2 --------------------------------------------------------

BOMB = 100 * MIB


@functools.cache
def zeros_by(*codings):
    """100 MiB of zeros, by these codings in turn. Two layers make some hundred bytes of it."""
    if len(codings) > 1:
        return PACK[codings[-1]](zeros_by(*codings[:-1]))
    return zstd_repeated(b"\0", BOMB) if codings == ("zstd",) else PACK[codings[0]](bytes(BOMB))


PACK = {"gzip": lambda data: gzip.compress(data, 6), "br": brotli}
LAYERED = [("gzip", "gzip"), ("gzip", "gzip", "gzip"), ("zstd", "gzip"), ("gzip", "br"),
           ("gzip",) * 6]


TIMES = 5  # so that the witness has something to watch


@contextlib.contextmanager
def watched(daemon, nginx, mebibytes):
    """
    Within the block the witness is unhurt and the daemon grows by that much at most. What one body
    may have, 16 MiB, is decoded at one go.
    """
    with calm(daemon, held_us=decoding_us(16)), witness_of(daemon, nginx), peak_of(daemon) as peak:
        yield
    if not SANITIZED:  # whose allocator keeps what was freed
        assert peak.growth_kib <= mebibytes << 10, f"{peak.growth_kib} KiB"


@WAYS
def test_o13_bombs_in_layers_are_stopped_at_max_body(daemon, nginx, error_of):
    """Or refused for their layers, which libcurl bounds; a stream that did not ask for one, too."""
    answers = {codings: response(body=zeros_by(*codings),
                                 headers=[("Content-Encoding", ", ".join(codings))])
               for codings in LAYERED}
    with RawOrigin() as origin, watched(daemon, nginx, 16):
        client = daemon.client()
        for codings, answer in [*answers.items()] * TIMES:
            origin.script = serve(lambda _, answer=answer: answer)
            error = error_of(client, origin.url(), decompress=True, max_body=MIB)
            assert error.code in (204, 205), f"{codings}: {error}"


@pytest.mark.long
def test_o13_bombs_over_http_2_are_stopped_at_the_daemons_own_bound(daemon, nginx, authority):
    """16 MiB, where the request names none."""
    bombs = {coding: zeros_by(coding) for coding in ("gzip", "br", "zstd")}

    def script(session, stream, headers):
        coding = dict(headers)[":path"].removeprefix("/")
        session.h2.send_headers(stream, [(":status", "200"), ("content-encoding", coding)])
        session.send_body(stream, [bombs[coding]])

    with H2Origin(authority.server, script) as origin, watched(daemon, nginx, 64):
        client = daemon.client()
        for coding in [*bombs] * TIMES:
            error = client.refused(origin.url(f"/{coding}", host="localhost"), decompress=True,
                                   http="2")
            code, reason = (204, str(16 * MIB)) if coding == "gzip" else (205, "not asked for")
            assert error.code == code and reason in error.message, f"{coding}: {error}"


AT_ONCE = 16


def all_at_once(connection):
    """Answers when every request is there, so that one turn of the daemon's loop may get them all."""
    connection.read_request()
    connection.origin.await_requests(AT_ONCE)
    connection.write(connection.origin.bomb)
    connection.await_end()


@pytest.mark.long
@pytest.mark.deadline(60)
@pytest.mark.parametrize("coding", ["gzip", "br", "zstd"])
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_o13_many_bombs_at_once_do_not_hold_the_loop(daemon, nginx, coding, stream):
    """Of a stream that waits, libcurl keeps what it makes of 4 KiB of gzip: 4 MiB, and a copy."""
    with RawOrigin(all_at_once) as origin, watched(daemon, nginx, 192):
        origin.bomb = response(body=zeros_by(coding), headers=[("Content-Encoding", coding)])
        client = daemon.client()
        if stream:
            streams = [client.stream(origin.url(), decompress=True, flow=65536, keep=False,
                                     max_body=16 * MIB) for _ in range(AT_ONCE)]
            codes = {each.error(30).code for each in streams}
        else:
            asked = [client.send("fetch", {"url": origin.url(), "decompress": True})
                     for _ in range(AT_ONCE)]
            codes = {client.receive_message(request, 30)[2][0] for request in asked}
        assert codes <= {204, 205, 206}


def test_o13_many_bombs_at_once_over_http_2_hold_the_loop_no_longer_than_one(daemon, authority):
    """Each has a connection of its own and a turn of its own, or one read would bring all of them."""
    bomb = zeros_by("gzip")
    gate = threading.Event()

    def script(session, stream, headers):
        gate.wait(30)
        session.h2.send_headers(stream, [(":status", "200"), ("content-encoding", "gzip")])
        session.send_body(stream, [bomb])

    with H2Origin(authority.server, script) as origin:
        client = daemon.client()
        keys = {"url": origin.url(host="localhost"), "decompress": True, "http": "2"}
        gate.set()
        assert client.receive_message(client.send("fetch", keys), 30)[2][0] == 204
        of_one = daemon.stats()["loop_busy_max_us"]
        gate.clear()
        asked = [client.send("fetch", keys) for _ in range(AT_ONCE)]
        eventually(lambda: len(origin.streams) == 1 + AT_ONCE, 10, "all are there")
        gate.set()
        assert {client.receive_message(request, 30)[2][0] for request in asked} == {204}
        assert daemon.stats()["loop_busy_max_us"] < 10 * of_one  # all at once would be 16 times


TRANSFER_CODINGS = ["gzip", "deflate", "x-gzip", "gzip, chunked, gzip", "chunked, gzip"]


@WAYS
def test_o13_transfer_codings_that_nobody_asked_for_are_errors(daemon, nginx, error_of):
    """With `gzip, chunked`, as it should be written: in test_faults_streams.py."""
    def script(connection):
        coding = connection.read_request().target.removeprefix("/").replace("+", ", ")
        connection.write(response(headers=[("Transfer-Encoding", coding)], length=False)
                         + zeros_by("gzip"))

    zeros_by("gzip")
    with RawOrigin(script) as origin, watched(daemon, nginx, 16):
        client = daemon.client()
        for coding in TRANSFER_CODINGS * TIMES:
            error = error_of(client, origin.url("/" + coding.replace(", ", "+")), max_body=MIB)
            assert error.code in (203, 205), f"{coding}: {error}"
        assert not any(request.values("te") for request in origin.requests)


# ---- O15: redirects -------------------------------------------------------------------------------

def to(location, status=302):
    return serve(lambda _: response(status, b"elsewhere", [("Location", location)]))


LIMIT = 5


@WAYS
@pytest.mark.parametrize("loop", ["to itself", "by a fragment", "by a longer path"])
def test_o15_a_loop_ends_at_the_requests_limit(daemon, loop, error_of):
    def answer(request):
        target = {"to itself": request.target, "by a fragment": f"{request.target}#x",
                  "by a longer path": f"{request.target}x"}[loop]
        return response(302, headers=[("Location", target)])

    with RawOrigin(serve(answer)) as origin, calm(daemon):
        error = error_of(daemon.client(), origin.url("/a"), redirects=LIMIT)
        assert error.code == 207 and str(LIMIT) in error.message
        assert len(origin.requests) == LIMIT + 1 and len(origin.connections) == 1


@WAYS
def test_o15_a_loop_between_origins_ends_at_the_requests_limit(daemon, authority, error_of):
    with RawOrigin() as plain, RawOrigin(to(plain.url()), leaf=authority.server) as tls, calm(daemon):
        plain.script = to(tls.url())
        error = error_of(daemon.client(), plain.url(), redirects=LIMIT)
        assert error.code == 207 and str(LIMIT) in error.message
        assert len(plain.requests) + len(tls.requests) == LIMIT + 1


SECRETS = [["Authorization", "Bearer hush"], ["cOOKIE", "session=hush"],
           ["AUTHORIZATION", "Basic hush"], ["Cookie", "more=hush"], ["X-Kept", "yes"]]


@pytest.fixture
def pair(authority):
    """(from, to): two origins by names; both over TLS if not said otherwise."""
    with RawOrigin(leaf=authority.server) as tls, RawOrigin(leaf=authority.server) as other, \
            RawOrigin() as plain, RawOrigin() as other_plain:
        yield {"another port": (tls, tls.url(), other, other.url()),
               "another host": (tls, tls.url(), other, other.url(host="localhost")),
               "another name of the same host": (tls, tls.url(), tls,
                                                 tls.url("/there", host="localhost")),
               "a downgrade": (tls, tls.url(), plain, plain.url()),
               "an upgrade": (plain, plain.url(), tls, tls.url()),
               "another port in plain text": (plain, plain.url(), other_plain, other_plain.url())}


LEAVINGS = ["another port", "another host", "another name of the same host", "a downgrade",
            "an upgrade", "another port in plain text"]


@GETS
@pytest.mark.parametrize("status", [301, 307])
@pytest.mark.parametrize("leaving", LEAVINGS)
def test_o15_credentials_do_not_leave_their_origin(daemon, pair, leaving, status, get):
    start, start_url, end, end_url = pair[leaving]
    start.script = serve(lambda request: response(status, headers=[("Location", end_url)])
                         if request.target == "/" else response(body=b"there"))
    if end is not start:
        end.script = serve(lambda _: response(body=b"there"))
    with calm(daemon):
        assert get(daemon.client(), start_url, headers=SECRETS, redirects=1) == (end_url, b"there")
        first, last = start.requests[0], end.requests[-1]
        assert first.head.count(b"hush") == 4
        assert b"hush" not in last.head and last.value("x-kept") == "yes"
        assert last.values("authorization") == last.values("cookie") == []


def test_o15_credentials_do_not_come_back_on_the_way_back(daemon, authority):
    """Who sends the request back may have chosen where it goes."""
    with RawOrigin(leaf=authority.server) as origin:
        with RawOrigin(to(origin.url("/end"))) as between:
            origin.script = serve(lambda request: response(302, headers=[("Location", between.url())])
                                  if request.target == "/" else response(body=b"end"))
            daemon.client().fetch(origin.url(), headers=SECRETS, redirects=2)
            assert [request.head.count(b"hush") for request in origin.requests] == [4, 0]
            assert between.requests[0].head.count(b"hush") == 0


@pytest.mark.parametrize("location", ["/there", "there", "//127.0.0.1:@PORT@/there", "@SAME@/there"])
def test_o15_credentials_stay_where_the_origin_stays(daemon, location):
    with RawOrigin() as origin:
        target = location.replace("@PORT@", str(origin.port))
        target = target.replace("@SAME@", origin.url("").upper())
        origin.script = serve(lambda request: response(302, headers=[("Location", target)])
                              if request.target == "/" else response(body=b"there"))
        daemon.client().fetch(origin.url(), headers=SECRETS, redirects=1)
        assert [request.target for request in origin.requests] == ["/", "/there"]
        assert [request.head.count(b"hush") for request in origin.requests] == [4, 4]


def test_o15_a_client_certificate_does_not_leave_its_origin(daemon, nginx, authority):
    alice = authority.client("alice")
    tls = {"cert": alice.cert.read_bytes(), "key": alice.key.read_bytes()}
    identity = nginx.url("/identity", nginx.MUTUAL)
    with RawOrigin(to(identity), leaf=authority.server) as origin, calm(daemon):
        client = daemon.client()
        assert client.fetch(identity, tls=tls)["body"] == b"CN=alice"
        assert client.fetch(origin.url(), tls=tls, redirects=1)["body"] == b""


# ---- O16: certificates ----------------------------------------------------------------------------

@pytest.fixture(scope="module")
def unknown(tmp_path_factory):
    """A leaf of an authority that nobody here knows."""
    return Authority(tmp_path_factory.mktemp("unknown")).server


UNTRUSTED = {"expired": "expired", "other": "matches target hostname", "stranger": "self-signed|self signed",
             "unknown": "unable to get local issuer|unknown"}


@WAYS
@pytest.mark.parametrize("alpn", ["http/1.1", "h2"])
@pytest.mark.parametrize("leaf", UNTRUSTED)
def test_o16_an_untrusted_certificate_is_error_104_with_the_reason_and_sees_nothing(
        daemon, authority, unknown, leaf, alpn, error_of):
    chosen = unknown if leaf == "unknown" else getattr(authority, leaf)

    def script(connection):
        connection.read_more()
        raise AssertionError(f"it was told {connection.received!r}")

    with RawOrigin(script, leaf=chosen, alpn=(alpn,)) as origin, calm(daemon):
        error = error_of(daemon.client(), origin.url(host="localhost"), headers=SECRETS)
        assert error.code == 104 and f"localhost:{origin.port}" in error.message
        assert re.search(UNTRUSTED[leaf], error.message), error.message
        assert all(connection.received == b"" for connection in origin.connections)


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
@pytest.mark.parametrize("version", ["TLSv1", "TLSv1_1"])
@WAYS
def test_o16_an_origin_of_an_old_tls_alone_is_error_104_with_the_reason(daemon, authority, version,
                                                                      error_of):
    with RawOrigin(leaf=authority.server) as origin, calm(daemon):
        origin.context.set_ciphers("ALL:@SECLEVEL=0")
        origin.context.minimum_version = ssl.TLSVersion.TLSv1
        origin.context.maximum_version = getattr(ssl.TLSVersion, version)
        error = error_of(daemon.client(), origin.url(host="localhost"))
        assert error.code == 104 and f"localhost:{origin.port}" in error.message
        assert "version" in error.message, error.message
        assert origin.requests == []


# ---- O16: handshakes that stall -------------------------------------------------------------------

CONNECT_TIMEOUT = 600  # ms


class Handshake:
    """The origin's side of a TLS handshake, by hand: what it would send, before it is sent."""

    def __init__(self, connection):
        self.connection = connection
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = connection.origin.context.wrap_bio(self.incoming, self.outgoing, server_side=True)

    def read_flight(self):
        """Reads until there is something to say; returns it, or b"" if the handshake is done."""
        while True:
            try:
                self.tls.do_handshake()
                return self.outgoing.read()
            except ssl.SSLWantReadError:
                flight = self.outgoing.read()
                if flight:
                    return flight
            data = self.connection.socket.recv(65536)
            if not data:
                raise Gone
            self.incoming.write(data)


def record_end(flight, number):
    """Where the records up to that one end."""
    end = 0
    for _ in range(number):
        end += 5 + int.from_bytes(flight[end + 3:end + 5], "big")
    return end


def silent(_connection, _handshake):
    """TCP alone."""


def after_client_hello(_connection, handshake):
    handshake.read_flight()


def cut_at(place):
    def say(connection, handshake):
        flight = handshake.read_flight()
        end = place(flight)
        assert 0 < end < len(flight)
        connection.write(flight[:end])
    return say


def last_flight_of_tls_1_2(connection, handshake):
    """What ends the handshake is missing: the client's Finished was read."""
    connection.write(handshake.read_flight())
    handshake.read_flight()


def byte_by_byte(connection, handshake):
    """Never silent, never done."""
    for byte in handshake.read_flight():
        connection.write(bytes([byte]))
        if connection.origin.released.wait(0.05):
            return


STALLS = {
    "after TCP's accept": silent,
    "after ClientHello": after_client_hello,
    "within a record's header": cut_at(lambda flight: 3),
    "behind a record's header": cut_at(lambda flight: 5),
    "in the middle of ServerHello": cut_at(lambda flight: record_end(flight, 1) // 2),
    "after ServerHello": cut_at(lambda flight: record_end(flight, 1)),
    "in the middle of the certificate": cut_at(lambda flight: len(flight) // 2),
    "a byte before its end": cut_at(lambda flight: len(flight) - 1),
    "byte by byte": byte_by_byte,
}


def stalling(say):
    def script(connection):
        say(connection, Handshake(connection))
        connection.await_end()
    return script


def stalling_origin(authority, version, say):
    origin = RawOrigin(stalling(say), leaf=authority.server, handshake=False)
    origin.context.minimum_version = origin.context.maximum_version = version
    return origin


@pytest.mark.parametrize("version, last", [(ssl.TLSVersion.TLSv1_2, {
    "before the origin's Finished": last_flight_of_tls_1_2}), (ssl.TLSVersion.TLSv1_3, {})],
    ids=["TLS 1.2", "TLS 1.3"])
def test_o16_handshakes_that_stall_end_at_the_connect_timeout(daemon, authority, version, last):
    """At each flight, all at once. In TLS 1.3 the client's flight is the last."""
    with contextlib.ExitStack() as stack, calm(daemon):
        origins = {name: stack.enter_context(stalling_origin(authority, version, say))
                   for name, say in (STALLS | last).items()}
        client = daemon.client()
        asked = {name: client.send("fetch", {
            "url": origin.url(host="localhost"), "connect_timeout": CONNECT_TIMEOUT,
            "headers": SECRETS}) for name, origin in origins.items()}
        with Stopwatch() as watch:
            client.read_for(CONNECT_TIMEOUT * 0.9 / 1000)
            assert not client.answers, client.answers
            errors = {name: client.receive_message(request)[2] for name, request in asked.items()}
        assert watch.seconds * 1000 <= CONNECT_TIMEOUT + scaled(1000)
        for name, origin in origins.items():
            code, message = errors[name]
            assert code == 105 and f"localhost:{origin.port}" in message, f"{name}: {errors[name]}"
            assert len(origin.connections) == 1, name
            assert origin.connections[0].closed.wait(scaled(1)), name


def test_o16_a_stalled_handshake_holds_up_no_other_origin(daemon, authority, nginx):
    with RawOrigin(stalling(after_client_hello), leaf=authority.server, handshake=False) as origin, \
            calm(daemon), witness_of(daemon, nginx):
        client = daemon.client()
        asked = [client.send("fetch", {"url": origin.url(host="localhost"),
                                       "connect_timeout": CONNECT_TIMEOUT}) for _ in range(20)]
        for request in asked:
            assert client.receive_message(request)[2][0] in (101, 105)


# ---- O18: challenges ------------------------------------------------------------------------------

CHALLENGES = ["NTLM", "NTLM TlRMTVNTUAACAAAAAAAAAAAAAAABAgAA", "Negotiate", "Negotiate oRQwEqADCgEB",
              'Digest realm="x", nonce="y", qop="auth"', 'Basic realm="x"']
CHALLENGED = [("WWW-Authenticate", challenge) for challenge in CHALLENGES]


@needs_root
@pytest.mark.parametrize("http", ["1.1", "2"])
def test_o18_challenges_are_handed_to_the_client_and_concern_nobody_else(daemon, authority, users,
                                                                        http):
    """Bob's request over the connection on which Alice was challenged is what it was before."""
    alice, bob = users

    def over_h2(session, stream, headers):
        if dict(headers)[":path"] == "/login":
            session.answer(stream, 401, b"no", [(name.lower(), value) for name, value in CHALLENGED])
        else:
            session.answer(stream, 200, b"yes")

    def over_h1(request):
        return response(401, b"no", CHALLENGED) if request.target == "/login" else \
            response(body=b"yes")

    def seen(origin):
        if http == "2":
            return [headers for _, headers, _ in origin.streams]
        return [request.head for request in origin.requests]

    with H2Origin(authority.server, over_h2) if http == "2" else \
            RawOrigin(serve(over_h1), leaf=authority.server) as origin, calm(daemon):
        bob.fetch(origin.url("/bob"))
        for _ in range(2):
            answer = alice.fetch(origin.url("/login"), redirects=5)
            assert answer["status"] == 401 and answer["body"] == b"no"
            assert header(answer, "www-authenticate") == CHALLENGES
        bob.fetch(origin.url("/bob"))
        requests = seen(origin)
        assert len(requests) == 4 and len(origin.connections) == 1
        assert requests[0] == requests[3] and requests[1] == requests[2]
        assert "authorization" not in str(requests).lower()


# ---- O24: what an origin told one user ------------------------------------------------------------

TOLD = [("Set-Cookie", "session=alice; Path=/; Max-Age=1000"),
        ("Strict-Transport-Security", "max-age=1000; includeSubDomains"),
        ("Clear-Site-Data", '"*"'), ("Refresh", "0; url=/refreshed"),
        ("Link", "</linked>; rel=preload"), ("Cache-Control", "public, max-age=1000"),
        ("ETag", '"alice"'), ("Accept-CH", "DPR"), ("Authentication-Info", 'nextnonce="x"')]


def told(request, more=()):
    if request.target == "/moved":
        return response(301, headers=[*TOLD, *more, ("Location", "/for-ever")])
    return response(body=request.target.encode(), headers=[*TOLD, *more])


@needs_root
def test_o24_what_an_origin_tells_alice_leaves_no_trace_in_bobs_requests(daemon, authority, users):
    alice, bob = users
    with RawOrigin(serve(told), leaf=authority.server) as origin, calm(daemon):
        bobs = [origin.url(target, host="localhost") for target in ("/", "/moved", "/page")]
        before = [bob.fetch(url)["status"] for url in bobs]
        alice.fetch(origin.url("/", host="localhost"))
        alice.fetch(origin.url("/moved", host="localhost"), redirects=1)
        alice.fetch(origin.url("/page", host="localhost"), headers=[["Cookie", "session=alice"]])
        assert [bob.fetch(url)["status"] for url in bobs] == before == [200, 301, 200]
        heads = [request.head for request in origin.requests]
        assert heads[:3] == heads[-3:] and len(heads) == 3 + 4 + 3
        assert len(origin.connections) == 1


@needs_root
def test_o24_strict_transport_security_for_alice_does_not_move_bob_to_https(daemon, authority, users):
    alice, bob = users
    with RawOrigin(serve(told), leaf=authority.server) as tls, RawOrigin() as plain, calm(daemon):
        url = plain.url(host="localhost")
        bob.fetch(url)
        alice.fetch(tls.url(host="localhost"))
        answer = bob.fetch(url)
        assert answer["url"] == url and answer["body"] == b"hello\n"
        assert plain.requests[0].head == plain.requests[1].head
        assert len(tls.requests) == 1


@needs_root
def test_o24_an_alternative_service_for_alice_is_not_bobs(daemon, authority, users):
    """Each answer ends its connection, so that every request chooses anew where to go."""
    alice, bob = users
    with RawOrigin(leaf=authority.server) as elsewhere:
        more = [("Alt-Svc", f'http/1.1="localhost:{elsewhere.port}"; ma=1000; persist=1'),
                ("Connection", "close")]
        with RawOrigin(serve(lambda request: told(request, more)), leaf=authority.server) as origin, \
                calm(daemon):
            for client in (bob, alice, bob, alice):
                assert client.fetch(origin.url("/x", host="localhost"))["body"] == b"/x"
            assert len(origin.connections) == 4
            assert origin.requests[0].head == origin.requests[2].head
        assert elsewhere.connections == []


@needs_root
def test_o24_the_same_over_http_2(daemon, authority, users):
    alice, bob = users
    fields = [(name.lower(), value) for name, value in TOLD]

    with RawOrigin(leaf=authority.server) as elsewhere:
        def script(session, stream, headers):
            session.answer(stream, 200, b"x", [*fields, ("alt-svc", f'h2=":{elsewhere.port}"')])

        with H2Origin(authority.server, script) as origin, calm(daemon):
            for client in (bob, alice, bob):
                client.fetch(origin.url(host="localhost"))
            (first, *bobs), _, (last, *bobs_later) = origin.streams
            assert first == last == 0 and bobs == bobs_later
        assert elsewhere.connections == []
