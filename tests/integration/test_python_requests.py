"""fetchpool.requests under Debian's requests: the adapter on the real daemon, and on a scripted one."""

import base64
import contextlib
import io
import pickle
import threading

import pytest
import requests
import urllib3

from support.fakedaemon import FakeDaemon, refuses_with, serves, serves_with, words
from support.origin import Proxy, RawOrigin, chunked_response, response, serve
from support.ports import free_port
from support.python_client import InThread, fetchpool, sockets_to
from support.timing import eventually, scaled
from support.upload_origin import UploadOrigin, said_of, take_all

URL = "http://origin.test/"


def session_of(path, **keys):
    session = requests.Session()
    session.trust_env = False  # proxies and authorities of whoever runs the tests
    for scheme in ("http://", "https://"):
        session.mount(scheme, fetchpool.requests.Adapter(path, **keys))
    return session


@pytest.fixture
def open_session(start_daemon):
    """open_session(path, ...): a session, which leaves no socket behind."""
    paths = set()
    with contextlib.ExitStack() as stack:
        def make(path, **keys):
            paths.add(path)
            return stack.enter_context(session_of(path, **keys))

        yield make
    assert [sockets_to(path) for path in paths] == [0] * len(paths)


@pytest.fixture
def session(daemon, open_session):
    return open_session(daemon.path)


@pytest.fixture
def taker():
    with UploadOrigin(take_all) as origin:
        yield origin


def echoing():
    return RawOrigin(serve(lambda request: response(body=request.head)))


# ---- Answers -------------------------------------------------------------------------------------

def test_an_answer_is_requests_own(session, nginx):
    url = nginx.url("/text")
    answer = session.get(url)
    assert (answer.status_code, answer.reason, answer.text, answer.url) == (200, "OK", "hello\n", url)
    assert answer.headers["content-type"] == "text/plain" and answer.ok and answer.elapsed.total_seconds() > 0
    assert answer.raw.version == 20 and answer.raw.fetchpool.timing.tls > 0
    assert session.get(url).raw.fetchpool.connection.reused
    assert session.get(nginx.url("/text", nginx.PLAIN)).raw.version == 11
    assert session.adapters["https://"].client.pool == answer.raw.fetchpool._client.pool


@pytest.mark.parametrize("target, method, status", [("/text", "HEAD", 200), ("/status/204", "GET", 204),
                                                    ("/status/304", "GET", 304)])
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_an_answer_without_a_body_is_one(session, nginx, target, method, status, stream):
    answer = session.request(method, nginx.url(target), stream=stream)
    assert (answer.status_code, answer.content) == (status, b"")
    if method == "HEAD":
        assert answer.headers["content-length"] == "6"


def test_header_fields_keep_repeats_and_bytes_both_ways(session):
    seen = []

    def answer(request):
        seen.append(request.head)
        return b"HTTP/1.1 200 OK\r\nA: caf\xe9\r\nb: \xc3\xa9\r\nB: 2\r\nContent-Length: 0\r\n\r\n"

    with RawOrigin(serve(answer)) as origin:
        got = session.get(origin.url(), headers={"X": "caf\xe9", "Y": b"\xc3\xa9"})
    assert got.headers["a"] == "caf\xe9" and got.headers["b"] == "\xc3\xa9, 2"
    assert got.raw.headers.getlist("b") == ["\xc3\xa9", "2"]
    assert b"\r\nX: caf\xe9\r\n" in seen[0] and b"\r\nY: \xc3\xa9\r\n" in seen[0] + b"\r\n"


def test_cookies_are_requests_own(session, nginx):
    answer = session.get(nginx.url("/set-cookies"))
    assert answer.cookies.get_dict() == {"a": "1", "b": "2"}
    assert session.get(nginx.url("/echo")).text == "GET|||a=1; b=2|"


def test_redirects_are_requests_own(session, nginx):
    answer = session.get(nginx.url("/chain/3"))
    assert answer.text == "end of chain\n" and [each.status_code for each in answer.history] == [302] * 3
    assert session.get(nginx.url("/chain/3"), allow_redirects=False).next.url == nginx.url("/chain/2")
    with pytest.raises(requests.TooManyRedirects):
        session.get(nginx.url("/loop"))


def test_a_body_is_sent_again_where_a_redirect_asks_for_it(session):
    def answer(request):
        bodies.append(request.body)
        return response(307, headers=[("Location", "/again")]) if request.target == "/" else response()

    bodies = []
    with RawOrigin(serve(answer)) as origin:
        assert session.post(origin.url(), data=io.BytesIO(words(300_000))).status_code == 200
    assert bodies == [words(300_000)] * 2


def test_codings_are_undone_by_requests(session, nginx):
    answer = session.get(nginx.url("/gzip/words"))
    assert answer.headers["content-encoding"] == "gzip"
    assert answer.content == b"the same words again and again\n" * 4000


def test_a_chunked_answer_and_its_trailers_are_read(session):
    with RawOrigin(serve(lambda request: chunked_response([b"a\nb", b"\nc"], [("X-Sum", "1")]))) as origin:
        answer = session.get(origin.url())
        assert answer.content == b"a\nb\nc" and answer.raw.fetchpool.trailers == [("X-Sum", "1")]
        assert list(session.get(origin.url(), stream=True).iter_lines()) == [b"a", b"b", b"c"]


@pytest.mark.parametrize("read", [
    lambda answer: b"".join(answer.iter_content(1000)), lambda answer: b"".join(answer.iter_content(None)),
    lambda answer: answer.content, lambda answer: answer.raw.read(),
    lambda answer: answer.raw.read(100) + answer.raw.read(), lambda answer: answer.raw.data,
    lambda answer: b"".join(answer.raw), lambda answer: b"".join(answer.raw.stream()),
    lambda answer: next(answer.iter_content(10)) + answer.raw.read()],
    ids=["by 1000", "as they come", "whole", "raw", "raw in parts", "raw data", "raw lines", "raw stream",
         "both"])
def test_an_answer_is_read_in_many_ways(session, nginx, read):
    answer = session.get(nginx.url("/files/mebibyte"), stream=True)
    assert read(answer) == nginx.file("mebibyte")


# ---- Requests ------------------------------------------------------------------------------------

def test_a_request_is_as_requests_makes_it(session):
    with echoing() as origin:
        lines = session.get(origin.url("/a b?c=d"), params={"e": "f"}, headers={"X": "1"}).text.split("\r\n")
    assert lines[0] == "GET /a%20b?c=d&e=f HTTP/1.1" and "X: 1" in lines
    assert f"Host: 127.0.0.1:{origin.port}" in lines
    assert any(line.startswith("User-Agent: python-requests/") for line in lines)
    assert not any(line.lower().startswith(("connection:", "content-length:")) for line in lines)


def test_user_info_becomes_a_header_field_and_a_fragment_is_left_out(session):
    with echoing() as origin:
        lines = session.get(f"http://us%40er:p%3Aw@127.0.0.1:{origin.port}/x#part").text.split("\r\n")
    assert lines[0] == "GET /x HTTP/1.1"
    assert f"Authorization: Basic {base64.b64encode(b'us@er:p:w').decode()}" in lines


def test_an_address_of_version_six_is_a_host(session):
    with RawOrigin(serve(lambda request: response(body=request.head)), address="::1") as origin:
        assert f"Host: [::1]:{origin.port}" in session.get(origin.url()).text


@pytest.mark.parametrize("keys, body", [
    ({"data": b"abc"}, b"abc"), ({"data": b""}, b""), ({"data": "caf\u00e9"}, "caf\u00e9".encode()),
    ({"data": {"a": "b c"}}, b"a=b+c"), ({"json": {"a": 1}}, b'{"a": 1}'),
    ({"data": words(300_000)}, words(300_000)), ({"data": io.BytesIO(words(300_000))}, words(300_000))],
    ids=["bytes", "nothing", "text", "form", "json", "many", "file"])
def test_bodies_are_sent_with_their_length(session, taker, keys, body):
    assert session.post(taker.url(), **keys).content == said_of(body)
    assert taker.arrivals[0].value("content-length") == str(len(body))


def test_a_generator_is_sent_in_pieces(session, taker):
    answer = session.put(taker.url(), data=(words(50_000) for _ in range(10)))
    assert answer.content == said_of(words(50_000) * 10)
    assert taker.arrivals[0].value("transfer-encoding") == "chunked"


def test_a_file_is_sent_from_where_it_stands(session, taker, tmp_path):
    (tmp_path / "file").write_bytes(b"skipped" + words(300_000))
    with open(tmp_path / "file", "rb") as file:
        file.seek(7)
        assert session.put(taker.url(), data=file).content == said_of(words(300_000))


def test_files_are_sent_as_a_form(session):
    bodies = []
    with RawOrigin(serve(lambda request: bodies.append(request.body) or response())) as origin:
        session.post(origin.url(), data={"field": "value"}, files={"file": ("name", io.BytesIO(words(99_999)))})
    assert words(99_999) in bodies[0] and b'filename="name"' in bodies[0]


def test_a_field_that_the_daemon_refuses_is_an_invalid_header(session):
    with echoing() as origin:
        for name in ("Upgrade", "TE", "Host"):
            with pytest.raises(requests.exceptions.InvalidHeader) as caught:
                session.get(origin.url(), headers={name: "other.test"})
            assert isinstance(caught.value.__cause__, fetchpool.Refused)
            assert caught.value.request.method == "GET"
        assert session.get(origin.url(), headers={"Connection": "close"}).status_code == 200
    assert len(origin.requests) == 1


# ---- What the daemon is told ---------------------------------------------------------------------

DAY = 86_400_000
TIMES = ("queue_timeout", "connect_timeout", "first_byte_timeout", "idle_timeout", "timeout")


@pytest.mark.parametrize("timeout, times", [
    (None, [DAY, DAY, DAY, DAY]), (1.5, [1500, 1500, 1500, 1500]), ((1, 2), [1000, 1000, 2000, 2000]),
    ((None, 2), [DAY, DAY, 2000, 2000]), ((1, None), [1000, 1000, DAY, DAY]),
    (urllib3.Timeout(connect=1, read=2), [1000, 1000, 2000, 2000]),
    (urllib3.Timeout(connect=1), [1000, 1000, DAY, DAY]),
    (urllib3.Timeout(read=2), [DAY, DAY, 2000, 2000]),
    (urllib3.Timeout(total=3, read=2), [3000, 3000, 2000, 2000])], ids=repr)
def test_timeouts_are_those_of_the_phases(open_session, path, timeout, times):
    with FakeDaemon(path, serves) as fake:
        open_session(path).get(URL, timeout=timeout)
        assert [fake.requests[0].get(name) for name in TIMES] == [*times, None]


def test_a_timeout_of_the_total_is_one_of_each_phase(open_session, path):
    with FakeDaemon(path, serves) as fake:
        open_session(path).get(URL, timeout=urllib3.Timeout(total=3))
        told = [fake.requests[0][name] for name in TIMES[:4]]
        assert told[:2] == [3000, 3000] and all(2900 <= each <= 3000 for each in told[2:])


@pytest.mark.parametrize("timeout, error", [("5", TypeError), ((1, 2, 3), ValueError), (-1, ValueError),
                                            ((1, "2"), TypeError)])
def test_a_timeout_that_is_none_is_named(open_session, path, timeout, error):
    with pytest.raises(error, match="timeout"):
        open_session(path).get(URL, timeout=timeout)


def test_the_adapters_own_settings_are_told(open_session, path):
    with FakeDaemon(path, serves) as fake:
        open_session(path, retry="never", tag="billing", name="teller").get(URL)
        open_session(path).get(URL)
        assert (fake.requests[0]["retry"], fake.requests[0]["tag"]) == ("never", "billing")
        assert not {"retry", "tag", "tls", "proxy"} & set(fake.requests[1])
        assert fake.hellos[0]["client"] == "teller"


# ---- TLS and proxies -----------------------------------------------------------------------------

def test_a_client_certificate_is_shown(session, nginx, authority, tmp_path):
    leaf = authority.client("alice")
    both = tmp_path / "both.pem"
    both.write_bytes(leaf.cert.read_bytes() + leaf.key.read_bytes())
    url = nginx.url("/identity", nginx.MUTUAL)
    assert session.get(url, cert=(str(leaf.cert), str(leaf.key))).text == "CN=alice"
    assert session.get(url, cert=str(both)).text == "CN=alice"
    assert session.get(url).text == ""


def test_authorities_may_be_named_in_the_request_and_in_the_session(session, nginx, authority):
    url = nginx.url("/text", nginx.STRANGER)
    with pytest.raises(requests.exceptions.SSLError, match="certificate of "):
        session.get(url)
    assert session.get(url, verify=str(authority.stranger.cert)).text == "hello\n"
    session.verify = str(authority.stranger.cert)
    assert session.get(url).text == "hello\n"
    with pytest.raises(OSError):
        session.get(url, verify="/nonexistent")


def test_no_verification_is_a_matter_of_the_daemons_policy(start_daemon, open_session, nginx):
    url = nginx.url("/text", nginx.STRANGER)
    with pytest.raises(requests.exceptions.ProxyError):
        open_session(start_daemon().path).get(url, verify=False)
    daemon = start_daemon({"tls": {"allow_insecure": "yes"}})
    assert open_session(daemon.path).get(url, verify=False).text == "hello\n"


def test_a_proxy_is_used_where_the_policy_permits_it(start_daemon, open_session, nginx):
    session = open_session(start_daemon({"proxy": {"allow_client": "yes"}}).path)
    url = nginx.url("/text", nginx.PLAIN)
    with Proxy() as proxy:
        for each in (proxy.url(), f"127.0.0.1:{proxy.port}", proxy.url().replace("//", "//us%40er:p%3Aw@")):
            assert session.get(url, proxies={"http": each}).text == f"through the proxy: {url}"
        login = base64.b64encode(b"us@er:p:w").decode()
        assert proxy.requests[-1].value("proxy-authorization") == f"Basic {login}"
        assert session.get(url, proxies={"https": proxy.url()}).text == "hello\n"
        assert session.get(nginx.url("/text"), proxies={"all": proxy.url()}).text == "hello\n"
        assert proxy.requests[-1].method == "CONNECT"
    with pytest.raises(requests.exceptions.ProxyError):
        session.get(url, proxies={"http": f"http://127.0.0.1:{free_port()}"})


# ---- Errors --------------------------------------------------------------------------------------

ERRORS = requests.exceptions
KINDS = {
    1: ERRORS.InvalidURL, 2: ERRORS.ProxyError, 3: ERRORS.InvalidURL, 77: ERRORS.InvalidURL,
    100: ERRORS.ConnectionError, 101: ERRORS.ConnectTimeout, 102: ERRORS.ConnectionError,
    103: ERRORS.ConnectionError, 104: ERRORS.SSLError, 105: ERRORS.ConnectTimeout,
    106: ERRORS.ConnectionError, 107: ERRORS.ProxyError, 109: ERRORS.ConnectionError,
    200: ERRORS.ReadTimeout, 201: ERRORS.ConnectionError, 202: ERRORS.ChunkedEncodingError,
    203: ERRORS.ConnectionError, 206: ERRORS.ConnectionError, 208: ERRORS.ConnectionError,
    299: ERRORS.ConnectionError, 777: ERRORS.ConnectionError,
}


@pytest.mark.parametrize("code", KINDS)
def test_each_error_is_one_of_requests_with_its_cause(open_session, path, code):
    with FakeDaemon(path, refuses_with(code, "what failed")):
        with pytest.raises(requests.RequestException) as caught:
            open_session(path).get(URL)
    assert type(caught.value) is KINDS[code] and caught.value.__cause__.code == code
    assert str(caught.value).startswith("what failed (") and caught.value.request.url == URL


def test_an_absent_daemon_is_a_connection_error(open_session, path):
    with pytest.raises(ERRORS.ConnectionError, match="connect to fetchpoold at ") as caught:
        open_session(path).get(URL)
    assert type(caught.value.__cause__) is fetchpool.NoDaemon


def cause_of(error):
    """fetchpool's error below those of urllib3 and requests."""
    while error is not None and not isinstance(error, fetchpool.Error):
        error = error.__cause__ or error.__context__
    return error


def test_an_answer_that_is_cut_off_is_an_error_of_requests(session):
    def script(connection):
        connection.read_request()
        connection.write(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nfive.")

    with RawOrigin(script) as origin:
        with pytest.raises(ERRORS.ChunkedEncodingError) as caught:
            session.get(origin.url())
        assert cause_of(caught.value).code == 202
        pieces = session.get(origin.url(), stream=True).iter_content(None)
        assert next(pieces) == b"five."
        with pytest.raises(ERRORS.ChunkedEncodingError):
            next(pieces)


def test_timeouts_are_requests_own(session, slow, stalled_handshake):
    def falls_silent(connection):
        connection.read_request()
        connection.write(chunked_response([b"some"], last=False))
        connection.await_end()

    with pytest.raises(ERRORS.ReadTimeout):
        session.get(slow.url(), timeout=(5, 0.05))
    with pytest.raises(ERRORS.ConnectTimeout):
        session.get(stalled_handshake.url(), timeout=(0.05, 5))
    with RawOrigin(falls_silent) as origin, pytest.raises(ERRORS.ConnectionError) as caught:
        session.get(origin.url(), timeout=(5, 0.1))  # as requests has it in the middle of a body
    assert cause_of(caught.value).code == 200


# ---- Streams, threads, sessions ------------------------------------------------------------------

@pytest.mark.parametrize("leave", [lambda answer: answer.close(), lambda answer: answer.raw.close()],
                         ids=["closed", "raw closed"])
def test_an_answer_that_is_left_is_cancelled_at_the_origin(session, daemon, nginx, leave):
    def script(connection):
        connection.read_request()
        connection.write(chunked_response([bytes(100)], last=False))
        connection.await_end()

    with RawOrigin(script) as origin:
        answer = session.get(origin.url(), stream=True)
        assert len(next(answer.iter_content(100))) == 100
        leave(answer)
        assert origin.connections[0].closed.wait(scaled(5))
        eventually(lambda: daemon.stats()["in_flight"] == 0, 5, "nothing on its way")
    assert session.get(nginx.url("/text", nginx.PLAIN)).text == "hello\n"
    assert sockets_to(daemon.path) == 1


def test_sixteen_threads_share_a_session(session, daemon, nginx):
    def ask():
        return {session.get(nginx.url("/text")).text for _ in range(10)}

    assert [each.result() for each in [InThread(ask) for _ in range(16)]] == [{"hello\n"}] * 16
    assert sockets_to(daemon.path) <= 16


def test_a_session_may_be_pickled_and_copied(open_session, daemon, nginx):
    session = open_session(daemon.path, retry="never", tag="billing", name="teller")
    session.get(nginx.url("/text"))
    with pickle.loads(pickle.dumps(session)) as again:
        assert again.get(nginx.url("/text")).text == "hello\n"
        rows = [row for row in daemon.ask("clients") if row["name"] == "teller"]
        assert [row["tag"] for row in rows] == ["billing"] * 2


def test_a_closed_session_may_be_used_again_as_with_requests(daemon, nginx):
    session = session_of(daemon.path)
    for _ in range(2):
        assert session.get(nginx.url("/text")).text == "hello\n"
        session.close()
        assert sockets_to(daemon.path) == 0


def test_a_restarted_daemon_is_found_again(open_session, path):
    session = open_session(path)
    for _ in range(3):
        with FakeDaemon(path, serves_with(body=b"again")):
            assert session.get(URL).text == "again"


def test_an_event_stream_comes_line_by_line(session):
    more = threading.Event()

    def script(connection):
        connection.read_request()
        connection.write(chunked_response([b"data: 1\n"], last=False))
        assert more.wait(scaled(10))
        connection.write(b"8\r\ndata: 2\n\r\n0\r\n\r\n")

    with RawOrigin(script) as origin:
        lines = session.get(origin.url(), stream=True).iter_lines(chunk_size=None)
        assert next(lines) == b"data: 1"
        more.set()
        assert list(lines) == [b"data: 2"]
