"""
fetchpool.httpx under Debian's httpx: the transports, blocking and asynchronous, on the real daemon; on a
scripted one for what it is told and for each error.
"""

import base64
import contextlib
import gzip
import io
import ssl
import threading

import anyio.from_thread
import httpx
import pytest

from support.fakedaemon import ANSWER, FakeDaemon, refuses_with, serves, serves_with, words
from support.origin import Proxy, RawOrigin, chunked_response, response, serve
from support.ports import free_port
from support.python_client import InThread, fetchpool, many, run_in, sockets_to
from support.timing import eventually, scaled
from support.upload_origin import UploadOrigin, said_of, take_all


URL = "http://origin.test/"


class Browser:
    """An httpx client of one kind, asked as if it were the blocking one. Keys: those of the transport."""

    def __init__(self, kind, path, client=None, **keys):
        self.is_sync = kind == "sync"
        self.stack = contextlib.ExitStack()
        if self.is_sync:
            self.transport = fetchpool.httpx.Transport(path, **keys)
            self.client = self.stack.enter_context(
                httpx.Client(transport=self.transport, **(client or {})))
            return
        self.in_loop = self.stack.enter_context(anyio.from_thread.start_blocking_portal(kind)).call
        self.transport = fetchpool.httpx.AsyncTransport(path, **keys)
        self.client = httpx.AsyncClient(transport=self.transport, **(client or {}))
        self.stack.callback(self.in_loop, self.client.aclose)

    def ask(self, method, url, **keys):
        if self.is_sync:
            return self.client.request(method, url, **keys)

        async def ask():
            return await self.client.request(method, url, **keys)

        return self.in_loop(ask)

    def get(self, url, **keys):
        return self.ask("GET", url, **keys)

    def pieces(self, url, most=None, raw=False):
        """Of a streamed answer, as many as are wanted, and the answer."""
        got = []
        if self.is_sync:
            with self.client.stream("GET", url) as answer:
                for piece in answer.iter_raw() if raw else answer.iter_bytes():
                    got.append(piece)
                    if len(got) == most:
                        break
            return answer, got

        async def take():
            async with self.client.stream("GET", url) as answer:
                async for piece in answer.aiter_raw() if raw else answer.aiter_bytes():
                    got.append(piece)
                    if len(got) == most:
                        break
            return answer, got

        return self.in_loop(take)

    def close(self):
        self.stack.close()


@pytest.fixture
def browser(start_daemon, kind):
    """browser(path, ...): a Browser, which leaves no socket behind."""
    paths = set()

    def make(path, **keys):
        made = Browser(kind, path, **keys)
        paths.add(path)
        stack.callback(made.close)
        return made

    with contextlib.ExitStack() as stack:
        yield make
    assert [sockets_to(path) for path in paths] == [0] * len(paths)


@pytest.fixture
def web(daemon, browser):
    return browser(daemon.path)


@pytest.fixture
def taker():
    with UploadOrigin(take_all) as origin:
        yield origin


def echoing():
    """Answers with what it was asked: its line and header fields."""
    return RawOrigin(serve(lambda request: response(body=request.head)))


# ---- Answers -------------------------------------------------------------------------------------

def test_an_answer_is_httpxs_own(web, nginx):
    answer = web.get(nginx.url("/text"))
    assert (answer.status_code, answer.reason_phrase, answer.text) == (200, "OK", "hello\n")
    assert answer.http_version == "HTTP/2" and answer.is_closed and answer.elapsed.total_seconds() > 0
    assert answer.headers["content-type"] == "text/plain" and answer.encoding == "utf-8"
    facts = answer.extensions["fetchpool"]
    assert facts.connection.reused is False and facts.timing.tls > 0
    network = answer.extensions["network_stream"]
    assert network.get_extra_info("server_addr") == ("127.0.0.1", nginx.ports[nginx.H2])
    assert network.get_extra_info("ssl_object") is None
    again = web.get(nginx.url("/text", nginx.PLAIN))
    assert again.http_version == "HTTP/1.1"
    assert web.get(nginx.url("/text")).extensions["fetchpool"].connection.reused


@pytest.mark.parametrize("target, method, status", [("/text", "HEAD", 200), ("/status/204", "GET", 204),
                                                    ("/status/304", "GET", 304)])
def test_an_answer_without_a_body_is_one(web, nginx, target, method, status):
    answer = web.ask(method, nginx.url(target))
    assert answer.status_code == status
    if method == "HEAD":
        assert answer.headers["content-length"] == "6"
    assert answer.content == b""


def test_an_error_status_is_raised_where_that_is_asked_for(web, nginx):
    with pytest.raises(httpx.HTTPStatusError):
        web.get(nginx.url("/status/404")).raise_for_status()


def test_header_fields_keep_order_repeats_and_bytes_both_ways(web):
    seen = []

    def answer(request):
        seen.append(request.head)
        return b"HTTP/1.1 200 OK\r\nB: 1\r\nA: caf\xe9\r\nb: \xc3\xa9\r\nContent-Length: 0\r\n\r\n"

    with RawOrigin(serve(answer)) as origin:
        got = web.get(origin.url(), headers=[(b"X", b"1"), (b"x", b"caf\xe9"), (b"X", b"\xc3\xa9")])
    assert got.headers.raw == [(b"B", b"1"), (b"A", b"caf\xe9"), (b"b", b"\xc3\xa9"),
                               (b"Content-Length", b"0")]
    assert b"\r\nX: 1\r\nx: caf\xe9\r\nX: \xc3\xa9" in seen[0]


def test_cookies_are_httpxs_own(web, nginx):
    answer = web.get(nginx.url("/set-cookies"))
    assert dict(answer.cookies) == {"a": "1", "b": "2"}
    assert web.get(nginx.url("/echo")).text == "GET|||a=1; b=2|"


def test_redirects_are_httpxs_own(web, nginx):
    assert web.get(nginx.url("/chain/3")).status_code == 302
    answer = web.get(nginx.url("/chain/3"), follow_redirects=True)
    assert answer.text == "end of chain\n" and len(answer.history) == 3
    assert answer.url == nginx.url("/chain/0")
    with pytest.raises(httpx.TooManyRedirects):
        web.get(nginx.url("/loop"), follow_redirects=True)


def test_codings_are_undone_by_httpx(web, nginx):
    answer = web.get(nginx.url("/gzip/words"))
    assert answer.headers["content-encoding"] == "gzip"
    assert answer.content == b"the same words again and again\n" * 4000
    _, pieces = web.pieces(nginx.url("/gzip/words"), raw=True)
    assert gzip.decompress(b"".join(pieces)) == answer.content


def test_trailers_are_known_at_the_end(web):
    with RawOrigin(serve(lambda request: chunked_response([b"a", b"b"], [("X-Sum", "1")]))) as origin:
        answer = web.get(origin.url())
    assert answer.content == b"ab" and answer.extensions["fetchpool"].trailers == [("X-Sum", "1")]


# ---- Requests ------------------------------------------------------------------------------------

def test_a_request_is_as_httpx_makes_it(web):
    with echoing() as origin:
        head = web.get(origin.url("/a%20b?c=d&e"), params=None, headers={"X": "1"}).text
    lines = head.split("\r\n")
    assert lines[0] == "GET /a%20b?c=d&e HTTP/1.1"
    assert f"Host: 127.0.0.1:{origin.port}" in lines and "X: 1" in lines
    assert any(line.startswith("User-Agent: python-httpx/") for line in lines)
    assert not any(line.lower().startswith("connection:") for line in lines)


def test_user_info_becomes_a_header_field_and_a_fragment_is_left_out(web):
    with echoing() as origin:
        lines = web.get(f"http://us%40er:p%3Aw@127.0.0.1:{origin.port}/x#part").text.split("\r\n")
    assert lines[0] == "GET /x HTTP/1.1"
    login = base64.b64encode(b"us@er:p:w").decode()
    assert f"Authorization: Basic {login}" in lines


def test_an_address_of_version_six_is_a_host(web):
    with RawOrigin(serve(lambda request: response(body=request.head)), address="::1") as origin:
        assert f"Host: [::1]:{origin.port}" in web.get(origin.url()).text.split("\r\n")
        answer = web.get(origin.url())
    assert answer.extensions["network_stream"].get_extra_info("server_addr") == ("::1", origin.port)


@pytest.mark.parametrize("keys, body", [
    ({"content": b"abc"}, b"abc"), ({"content": b""}, b""), ({"content": words(300_000)}, words(300_000)),
    ({"content": "caf\u00e9"}, "caf\u00e9".encode()), ({"json": [1]}, b"[1]"),
    ({"data": {"a": "b c"}}, b"a=b+c")], ids=["bytes", "nothing", "many", "text", "json", "form"])
def test_what_httpx_has_whole_is_sent_with_its_length(web, taker, keys, body):
    answer = web.ask("POST", taker.url(), **keys)
    assert answer.content == said_of(body)
    assert taker.arrivals[0].value("content-length") == str(len(body))


def test_a_request_without_a_body_says_nothing_of_one(web):
    with echoing() as origin:
        assert "content-length" not in web.get(origin.url()).text.lower()
        assert "content-length" not in web.ask("DELETE", origin.url()).text.lower()
        assert "\r\ncontent-length: 0" in web.ask("POST", origin.url()).text.lower()


def test_a_body_in_pieces_is_sent_in_pieces(web, taker):
    def pieces():
        for _ in range(10):
            yield words(50_000)

    async def async_pieces():
        for piece in pieces():
            yield piece

    whole = words(50_000) * 10
    body = pieces if web.is_sync else async_pieces
    assert web.ask("PUT", taker.url(), content=body()).content == said_of(whole)
    assert taker.arrivals[0].value("transfer-encoding") == "chunked"
    sized = {"Content-Length": str(len(whole))}
    assert web.ask("PUT", taker.url(), content=body(), headers=sized).content == said_of(whole)
    assert taker.arrivals[1].value("content-length") == "500000"
    for wrong in ("499999", "500001"):
        with pytest.raises(httpx.LocalProtocolError, match="the upload"):
            web.ask("PUT", taker.url(), content=body(), headers={"Content-Length": wrong})
    assert all(arrival.was_never_complete() for arrival in taker.arrivals[2:])


def test_files_are_sent_as_a_form(web):
    def answer(request):
        bodies.append(request.body)
        return response(body=b"ok")

    bodies = []
    with RawOrigin(serve(answer)) as origin:
        for _ in range(2):
            got = web.ask("POST", origin.url(), data={"field": "value"},
                          files={"file": ("name.bin", io.BytesIO(words(100_000)), "a/b")})
            assert got.text == "ok"
    assert len(bodies) == 2
    for body in bodies:
        assert words(100_000) in body and b'filename="name.bin"' in body and b"value" in body


def test_a_content_length_that_is_not_the_bodys_is_an_error_here(web):
    for length in ("2", "4", "many"):
        with pytest.raises(httpx.LocalProtocolError, match="Content-Length"):
            web.ask("POST", "http://127.0.0.1:9/", content=b"abc", headers={"Content-Length": length})


@pytest.mark.parametrize("name, value", [
    ("Connection", "keep-alive"), ("Connection", "close"), ("Transfer-Encoding", "chunked")])
def test_fields_of_the_connection_are_left_to_the_daemon(web, name, value):
    with echoing() as origin:
        assert web.get(origin.url(), headers={name: value}).status_code == 200
    assert origin.requests[0].value(name) is None


@pytest.mark.parametrize("name, value", [
    ("Connection", "upgrade"), ("Upgrade", "websocket"), ("TE", "trailers"), ("Host", "other.test"),
    ("X", "a\r\nb: c")])
def test_fields_that_the_daemon_refuses_are_an_error_and_not_left_out(web, name, value):
    with echoing() as origin, pytest.raises(httpx.LocalProtocolError) as caught:
        web.get(origin.url(), headers={name: value})
    assert origin.requests == []
    assert isinstance(caught.value.__cause__, fetchpool.Refused) and caught.value.request.method == "GET"


@pytest.mark.parametrize("url, said", [
    ("ftp://localhost/", "http:// and https:// only"), ("localhost/", "begins with neither http:// nor https://")])
def test_another_scheme_is_httpxs_error(web, url, said):
    with pytest.raises(httpx.UnsupportedProtocol, match=said):
        web.get(url)


# ---- What the daemon is told ---------------------------------------------------------------------

def told(browser, path, method="GET", client=None, transport=None, **keys):
    with FakeDaemon(path, serves) as fake:
        web = browser(path, client=client, **(transport or {}))
        web.ask(method, URL, **keys)
        web.close()
        return fake.requests[0]


TIMES = ("queue_timeout", "connect_timeout", "first_byte_timeout", "idle_timeout", "timeout")


def times_told(browser, path, timeout, **keys):
    request = told(browser, path, timeout=timeout, **keys)
    return [request.get(name) for name in TIMES]


DAY = 86_400_000


@pytest.mark.parametrize("timeout, times", [
    (1.5, [1500, 1500, 1500, 1500, None]),
    (None, [DAY, DAY, DAY, DAY, None]),
    (httpx.Timeout(9, connect=1, read=2, write=3, pool=4), [4000, 1000, 2000, 2000, None]),
    (httpx.Timeout(9, read=None), [9000, 9000, DAY, DAY, None])], ids=repr)
def test_timeouts_are_those_of_the_phases(browser, path, timeout, times):
    assert times_told(browser, path, timeout) == times


def test_an_upload_may_be_idle_as_long_as_the_longer_of_read_and_write(browser, path, kind):
    async def pieces():
        yield b"x"

    body = {"content": iter([b"x"]) if kind == "sync" else pieces(), "method": "PUT"}
    timeout = httpx.Timeout(9, read=2, write=3)
    assert times_told(browser, path, timeout, **body)[3] == 3000


def test_the_default_is_httpxs_five_seconds(browser, path):
    request = told(browser, path)
    assert [request.get(name) for name in TIMES] == [5000, 5000, 5000, 5000, None]


def test_a_request_without_timeouts_leaves_them_to_the_daemon(path):
    with FakeDaemon(path, serves) as fake, fetchpool.httpx.Transport(path) as transport:
        answer = transport.handle_request(httpx.Request("GET", URL))
        assert answer.read() == b"hello\n"
        assert fake.requests == [{"url": URL, "stream": True,
                                  "headers": [[b"Host", b"origin.test"]]}]


def test_the_transports_own_settings_are_told(browser, path):
    request = told(browser, path, transport={"retry": "never", "tag": "billing", "name": "teller"})
    assert (request["retry"], request["tag"]) == ("never", "billing")
    request = told(browser, path)
    assert "retry" not in request and "tag" not in request and "tls" not in request


@pytest.mark.parametrize("flags, http", [({}, None), ({"http2": False}, "1.1"), ({"http1": False}, "2")])
def test_the_versions_of_http_may_be_chosen(browser, path, flags, http):
    assert told(browser, path, transport=flags).get("http") == http


@pytest.mark.parametrize("make", [fetchpool.httpx.Transport, fetchpool.httpx.AsyncTransport])
def test_at_least_one_version_of_http_is_needed(make):
    with pytest.raises(ValueError, match="at least one"):
        make(http1=False, http2=False)


def test_the_versions_are_spoken(daemon, browser, nginx):
    assert browser(daemon.path, http2=False).get(nginx.url("/text")).http_version == "HTTP/1.1"
    with pytest.raises(httpx.TransportError):
        browser(daemon.path, http1=False).get(nginx.url("/text", nginx.H1))


# ---- TLS -----------------------------------------------------------------------------------------

def test_a_client_certificate_is_shown(daemon, browser, nginx, authority, tmp_path):
    leaf = authority.client("alice")
    both = tmp_path / "both.pem"
    both.write_bytes(leaf.cert.read_bytes() + leaf.key.read_bytes())
    url = nginx.url("/identity", nginx.MUTUAL)
    for cert in ((str(leaf.cert), str(leaf.key)), (leaf.cert, leaf.key, None), [leaf.cert, leaf.key],
                 str(both), both, (both,)):
        assert browser(daemon.path, cert=cert).get(url).text == "CN=alice"
    assert browser(daemon.path).get(url).text == ""


def test_authorities_may_be_named(daemon, browser, nginx, authority):
    url = nginx.url("/text", nginx.STRANGER)
    assert browser(daemon.path, verify=str(authority.stranger.cert)).get(url).text == "hello\n"
    with pytest.raises(httpx.ConnectError, match="certificate of ") as caught:
        browser(daemon.path).get(url)
    assert caught.value.__cause__.code == 104
    with pytest.raises(httpx.ConnectError):
        browser(daemon.path, verify=authority.stranger.cert).get(nginx.url("/text"))


def test_no_verification_is_a_matter_of_the_daemons_policy(start_daemon, browser, nginx):
    url = nginx.url("/text", nginx.STRANGER)
    with pytest.raises(httpx.ProxyError) as caught:
        browser(start_daemon().path, verify=False).get(url)
    assert caught.value.__cause__.code == fetchpool.Code.DENIED
    daemon = start_daemon({"tls": {"allow_insecure": "yes"}})
    assert browser(daemon.path, verify=False).get(url).text == "hello\n"


def test_without_authorities_of_its_own_those_of_the_daemon_hold(browser, path):
    for verify in (True, None):
        assert "tls" not in told(browser, path, transport={"verify": verify})


def test_authorities_that_are_named_are_never_left_out(daemon, browser, nginx):
    """The daemon trusts more here than the system does."""
    with pytest.raises(httpx.LocalProtocolError, match="tls.ca is .* bytes long"):
        browser(daemon.path, verify="/etc/ssl/certs/ca-certificates.crt").get(nginx.url("/text"))


@pytest.mark.parametrize("make", [fetchpool.httpx.Transport, fetchpool.httpx.AsyncTransport])
def test_what_cannot_be_sent_to_the_daemon_is_said(make, authority, tmp_path):
    for keys, error, said in [
        ({"verify": ssl.create_default_context()}, TypeError, "an? SSLContext cannot be sent"),
        ({"verify": 5}, TypeError, "int cannot be sent"),
        ({"verify": str(tmp_path)}, ValueError, "is a directory"),
        ({"verify": str(tmp_path / "none")}, FileNotFoundError, "none"),
        ({"cert": ("a", "b", "secret")}, ValueError, "passphrase"),
        ({"cert": str(tmp_path / "none")}, FileNotFoundError, "none"),
        ({"cert": ()}, ValueError, "cert must be"),
        ({"cert": (None, None)}, TypeError, "cert must be the path of a PEM file, not NoneType"),
        ({"proxy": httpx.Proxy("http://p", headers={"a": "b"})}, ValueError, "header fields"),
    ]:
        with pytest.raises(error, match=said):
            make(**keys)


def test_the_name_to_ask_for_may_be_another(web, nginx):
    for name in ("other.test", b"other.test"):
        answer = web.get(nginx.url("/sni", nginx.OTHER), extensions={"sni_hostname": name})
        assert answer.text == "other.test"
    with pytest.raises(httpx.ConnectError):
        web.get(nginx.url("/sni", nginx.OTHER))


# ---- Proxies -------------------------------------------------------------------------------------

def test_a_proxy_is_used_where_the_policy_permits_it(start_daemon, browser, nginx):
    daemon = start_daemon({"proxy": {"allow_client": "yes"}})
    url = nginx.url("/text", nginx.PLAIN)
    with Proxy() as proxy:
        for each in (proxy.url(), httpx.URL(proxy.url()), httpx.Proxy(proxy.url())):
            assert browser(daemon.path, proxy=each).get(url).text == f"through the proxy: {url}"
        assert browser(daemon.path, proxy=proxy.url()).get(nginx.url("/text")).text == "hello\n"
    with pytest.raises(httpx.ProxyError) as caught:
        browser(daemon.path, proxy=f"http://127.0.0.1:{free_port()}").get(url)
    assert caught.value.__cause__.code == fetchpool.Code.PROXY


def test_a_proxy_is_an_error_where_the_policy_does_not_permit_it(daemon, browser, nginx):
    with Proxy() as proxy, pytest.raises(httpx.ProxyError) as caught:
        browser(daemon.path, proxy=proxy.url()).get(nginx.url("/text"))
    assert caught.value.__cause__.code == fetchpool.Code.DENIED


def test_a_proxys_user_and_password_may_have_any_characters(start_daemon, browser, nginx):
    daemon = start_daemon({"proxy": {"allow_client": "yes"}})
    user, password = "us@er", "p:w/\u00e9?#%"
    login = base64.b64encode(f"{user}:{password}".encode()).decode()
    with Proxy() as proxy:
        for each in (httpx.Proxy(proxy.url(), auth=(user, password)),
                     httpx.Proxy(proxy.url().replace("//", "//us%40er:p%3Aw%2F%C3%A9%3F%23%25@")),
                     httpx.URL(proxy.url().replace("//", "//us%40er:p%3Aw%2F%C3%A9%3F%23%25@"))):
            browser(daemon.path, proxy=each).get(nginx.url("/text", nginx.PLAIN))
            assert proxy.requests[-1].value("proxy-authorization") == f"Basic {login}"


# ---- Errors --------------------------------------------------------------------------------------

KINDS = {
    1: httpx.LocalProtocolError, 2: httpx.ProxyError, 3: httpx.LocalProtocolError,
    4: httpx.LocalProtocolError, 77: httpx.LocalProtocolError,
    100: httpx.PoolTimeout, 101: httpx.PoolTimeout, 102: httpx.ConnectError, 103: httpx.ConnectError,
    104: httpx.ConnectError, 105: httpx.ConnectTimeout, 106: httpx.ConnectError, 107: httpx.ProxyError,
    108: httpx.ConnectError, 109: httpx.ConnectError, 177: httpx.ConnectError,
    200: httpx.ReadTimeout, 201: httpx.ReadError, 202: httpx.RemoteProtocolError,
    203: httpx.RemoteProtocolError, 204: httpx.ReadError, 205: httpx.ReadError, 206: httpx.ReadError,
    207: httpx.ReadError, 208: httpx.ReadError, 299: httpx.ReadError, 777: httpx.ReadError,
}


@pytest.mark.parametrize("code", KINDS)
def test_each_error_is_one_of_httpxs_with_its_cause(browser, path, code):
    with FakeDaemon(path, refuses_with(code, "what failed")):
        web = browser(path)
        for ask in (web.get, web.pieces):
            with pytest.raises(httpx.TransportError) as caught:
                ask(URL)
            if code != 106:  # whose next daemon was asked, too
                assert caught.value.__cause__.code == code
            assert type(caught.value) is KINDS[code]
            assert str(caught.value).startswith("what failed (") and caught.value.request.url == URL


def test_an_empty_answer_is_a_protocol_error_as_in_httpx(web):
    with RawOrigin(lambda connection: connection.read_request()) as origin:
        with pytest.raises(httpx.RemoteProtocolError, match="empty answer from ") as caught:
            web.ask("POST", origin.url())
    assert caught.value.__cause__.code == 201


def test_an_absent_daemon_is_a_connect_error(browser, path):
    with pytest.raises(httpx.ConnectError, match="connect to fetchpoold at ") as caught:
        browser(path).get(URL)
    assert type(caught.value.__cause__) is fetchpool.NoDaemon


def test_an_error_in_the_middle_of_an_answer_is_httpxs(web):
    def script(connection):
        connection.read_request()
        connection.write(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nfive.")

    with RawOrigin(script) as origin:
        assert web.pieces(origin.url(), most=1)[1] == [b"five."]
        with pytest.raises(httpx.RemoteProtocolError) as caught:
            web.get(origin.url())
    assert caught.value.__cause__.code == 202 and caught.value.request.url == origin.url()


def test_a_daemon_that_dies_in_the_middle_of_an_answer_is_a_read_error(browser, path):
    def dies(peer):
        request_id = peer.begin()
        peer.head(request_id)
        peer.data(request_id, b"some")

    with FakeDaemon(path, dies), pytest.raises(httpx.ReadError) as caught:
        browser(path).get(URL)
    assert caught.value.__cause__.code == 901


def test_timeouts_are_httpxs(web, slow, stalled_handshake):
    with pytest.raises(httpx.ReadTimeout):
        web.get(slow.url(), timeout=httpx.Timeout(5, read=0.05))
    with pytest.raises(httpx.ConnectTimeout):
        web.get(stalled_handshake.url(), timeout=httpx.Timeout(5, connect=0.05))


def test_a_silence_in_the_middle_of_an_answer_is_a_read_timeout(web):
    def script(connection):
        connection.read_request()
        connection.write(chunked_response([b"some"], last=False))
        connection.await_end()

    with RawOrigin(script) as origin, pytest.raises(httpx.ReadTimeout):
        web.get(origin.url(), timeout=httpx.Timeout(5, read=0.1))


def test_no_turn_in_time_is_a_pool_timeout(start_daemon, browser, slow, gate):
    web = browser(start_daemon({"pool": {"connections_per_origin": 1}}).path)
    running = InThread(web.get, slow.url())
    slow.await_requests(1)
    with pytest.raises(httpx.PoolTimeout, match="no turn after 50 ms"):
        web.get(slow.url(), timeout=httpx.Timeout(5, pool=0.05))
    gate.open_for_all()
    assert running.result().status_code == 200


def test_no_room_at_the_client_is_a_pool_timeout(start_daemon, loop, slow, gate):
    """Of the blocking transport each request has a socket."""
    web = Browser(loop, start_daemon({"limits": {"requests_per_client": 1}}).path)
    running = InThread(web.get, slow.url())
    slow.await_requests(1)
    with pytest.raises(httpx.PoolTimeout, match="left no room"):
        web.get(slow.url(), timeout=httpx.Timeout(5, pool=0.05))
    gate.open_for_all()
    assert running.result().status_code == 200
    web.close()


# ---- Streams, threads, tasks ---------------------------------------------------------------------

def test_a_large_answer_streams_to_the_byte(web, nghttpd):
    target, _ = nghttpd.large(64 << 20)
    answer, pieces = web.pieces(nghttpd.url(target))
    assert sum(map(len, pieces)) == 64 << 20 and answer.http_version == "HTTP/2"


def test_an_answer_that_is_left_is_cancelled_at_the_origin(web, daemon, nginx):
    def script(connection):
        connection.read_request()
        connection.write(chunked_response([bytes(100)], last=False))
        connection.await_end()

    with RawOrigin(script) as origin:
        answer, pieces = web.pieces(origin.url(), most=1)
        assert answer.is_closed and sum(map(len, pieces)) == 100
        assert origin.connections[0].closed.wait(scaled(5))
        eventually(lambda: daemon.stats()["in_flight"] == 0, 5, "nothing on its way")
    assert web.get(nginx.url("/text")).text == "hello\n"
    assert sockets_to(daemon.path) == 1


def test_sixteen_threads_share_a_client(daemon, nginx):
    with httpx.Client(transport=fetchpool.httpx.Transport(daemon.path)) as client:
        def ask():
            return {client.get(nginx.url("/text")).text for _ in range(10)}

        assert [each.result() for each in [InThread(ask) for _ in range(16)]] == [{"hello\n"}] * 16
        assert sockets_to(daemon.path) <= 16
        assert client._transport.client.pool == daemon.stats()["pool"]


def test_ninety_tasks_share_one_socket_and_one_connection(daemon, nginx, loop, tag):
    async def main():
        transport = fetchpool.httpx.AsyncTransport(daemon.path)
        async with httpx.AsyncClient(transport=transport) as client:
            async def ask():
                return (await client.get(nginx.url(f"/text?{tag}"))).text

            assert await many(loop, [ask] * 90) == ["hello\n"] * 90
            assert sockets_to(daemon.path) == 1
            assert await transport.client.pool() == daemon.stats()["pool"]

    run_in(loop, main)
    assert len({line.connection for line in nginx.log_of(tag, 90)}) == 1
    assert sockets_to(daemon.path) == 0


def test_a_transport_may_be_mounted_for_one_host(daemon, nginx):
    mounts = {nginx.origin(nginx.PLAIN): fetchpool.httpx.Transport(daemon.path)}
    with httpx.Client(mounts=mounts) as client:
        assert client.get(nginx.url("/text", nginx.PLAIN)).text == "hello\n"
    assert daemon.stats()["requests"] == 1


def test_a_closed_client_says_so(web, nginx):
    web.get(nginx.url("/text"))
    transport = web.transport
    web.close()
    with pytest.raises(RuntimeError, match="closed"):
        if web.is_sync:
            transport.handle_request(httpx.Request("GET", URL))
        else:
            run_in("asyncio", transport.handle_async_request, httpx.Request("GET", URL))


def test_a_restarted_daemon_is_found_again(browser, path):
    web = browser(path)
    for _ in range(3):
        with FakeDaemon(path, serves_with(body=b"again")):
            assert web.get(URL).text == "again"
    done = threading.Event()

    def retires(peer):
        request_id, _, params = peer.request()
        peer.send([2, "goaway", ["drain"]])
        peer.answer_fetch(request_id, params, ANSWER)
        done.set()

    with FakeDaemon(path, retires, serves):
        assert web.get(URL).status_code == web.get(URL).status_code == 200
        assert done.is_set()
