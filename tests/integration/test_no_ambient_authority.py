"""
The daemon has no authority but what its configuration and the request itself give: nothing of its
home, of its environment or of what origins said before, and no file that a client names. Watched at
the wire, and by the system calls of a daemon that strace has started.

What no scheme but http and https may do is in test_faults_clients.py, too (row C16).
"""

import ctypes
import re

import pytest

from support.client import header
from support.h2origin import H2Origin
from support.origin import Proxy, RawOrigin, response, serve
from support.timing import SANITIZED
from support.trace import Trace, can_trace

SECRET = "hush-0815"
HOME_FILES = {
    ".netrc": f"default login alice password {SECRET}\n"
              f"machine localhost login alice password {SECRET}\n"
              f"machine 127.0.0.1 login alice password {SECRET}\n",
    ".curlrc": f'user = "alice:{SECRET}"\nheader = "X-Curlrc: {SECRET}"\n',
    "cookies.txt": f"127.0.0.1\tFALSE\t/\tFALSE\t0\tsession\t{SECRET}\n"
                   f"localhost\tFALSE\t/\tFALSE\t0\tsession\t{SECRET}\n",
    ".hsts": 'localhost "29991231 23:59:59"\n127.0.0.1 "29991231 23:59:59"\n',
    ".altsvc": "",
    ".k5login": "alice@EXAMPLE.ORG\n",
}
OTHER_NAMES = {".netrc": ["_netrc"], ".curlrc": ["_curlrc", "curlrc", ".config/curlrc"],
               "cookies.txt": [".cookies", ".curl-cookies", ".cookiejar"],
               ".hsts": [".curl-hsts", ".wget-hsts"], ".altsvc": [".curl-altsvc"]}

# ---- A daemon whose home is full of temptations --------------------------------------------------

@pytest.fixture
def home(tmp_path):
    directory = tmp_path / "home"
    for name, text in HOME_FILES.items():
        for each in [name, *OTHER_NAMES.get(name, [])]:
            path = directory / each
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
            path.chmod(0o600)
    return directory


def variables_of(home):
    """Everything by which programs are told of such files."""
    return {"HOME": home, "CURL_HOME": home, "XDG_CONFIG_HOME": home / ".config",
            "NETRC": home / ".netrc", "COOKIE_JAR": home / "cookies.txt",
            "KRB5CCNAME": f"FILE:{home}/krb5cc", "KRB5_CONFIG": home / "krb5.conf", "KRB5_KTNAME": home / "keytab",
            "SSL_CLIENT_CERT": home / "cert.pem", "USER": "alice"}


@pytest.fixture
def traced(start_daemon, home, tmp_path):
    """traced(config, more variables): the daemon and its trace."""
    if SANITIZED:
        pytest.skip("LeakSanitizer does not work under ptrace")
    if not can_trace():
        pytest.skip("strace cannot trace here")
    trace = Trace(tmp_path / "strace")

    def start(config=None, **variables):
        everything = {**variables_of(home), **variables}
        daemon = start_daemon(config, wrapper=trace.wrapper, more_environment={
            name: str(value) for name, value in everything.items()})
        return daemon, trace

    return start


# ---- Files ---------------------------------------------------------------------------------------

CHALLENGES = ["Basic", "Digest", "NTLM", "Negotiate"]


def challenge_of(scheme):
    extra = {"NTLM": "", "Negotiate": ""}.get(scheme, ' realm="x", nonce="y", qop="auth"')
    return f"{scheme}{extra}"


def tempt(request):
    """An origin that offers everything that a browser would remember or answer."""
    fields = [("Set-Cookie", "session=1"), ("Alt-Svc", 'h2="127.0.0.1:1"; ma=9'),
              ("Strict-Transport-Security", "max-age=9")]
    if request.target == "/login":
        fields += [("WWW-Authenticate", challenge_of(scheme)) for scheme in CHALLENGES]
        return response(401, headers=fields)
    if request.target == "/redirect":
        return response(302, headers=[*fields, ("Location", "/there")])
    return response(headers=fields)


def test_no_file_of_the_home_is_named_in_any_system_call(traced, home, nginx, authority):
    daemon, trace = traced()
    client = daemon.client()
    with RawOrigin(serve(tempt)) as plain, RawOrigin(serve(tempt), leaf=authority.server) as tls:
        for origin in (plain, tls):
            for target in ("/", "/login", "/redirect"):
                client.fetch(origin.url(target, host="localhost"), redirects=1)
        client.fetch(nginx.url("/text"))
        trace.await_connect(nginx.ports[nginx.H2])
        sent = b"".join(connection.received for connection in plain.connections + tls.connections)
    named = trace.paths()
    assert any("fetchpool.conf" in path for path in named)  # the tracer sees what is opened
    assert [path for path in named if str(home) in path] == []
    assert [path for path in named if re.search(
        r"netrc|curlrc|cookie|hsts|altsvc|krb5\.conf|krb5cc|keytab|\.k5|gss/mech", path)] == []
    assert SECRET.encode() not in sent and b"uthorization" not in sent and b"ookie" not in sent


def test_nothing_is_written_and_no_program_is_started(traced, home, authority):
    daemon, trace = traced()
    client = daemon.client()
    with RawOrigin(serve(tempt), leaf=authority.server) as origin:
        for target in ("/", "/login", "/redirect"):
            client.fetch(origin.url(target), redirects=1)
        trace.await_connect(origin.port)
    daemon.close_clients()
    assert daemon.stop() == 0
    assert trace.text().count("execve(") == 1
    assert set(trace.written()) == {"/dev/null", f"{daemon.path}.lock"}
    left = {str(path.relative_to(home)) for path in home.rglob("*") if path.is_file()}
    names = {*HOME_FILES, *(each for others in OTHER_NAMES.values() for each in others)}
    assert left == names


def test_no_variable_makes_the_daemon_write_the_keys_of_its_connections(start_daemon, nginx, tmp_path):
    """With them, whoever can read the file reads everybody's traffic."""
    keys = tmp_path / "keys"
    client = start_daemon(more_environment={"SSLKEYLOGFILE": str(keys)}).client()
    assert client.fetch(nginx.url("/text"))["body"] == b"hello\n"
    assert not keys.exists()


def test_passwords_of_netrc_answer_no_challenge(start_daemon, home):
    daemon = start_daemon(more_environment={"HOME": str(home), "NETRC": str(home / ".netrc")})
    client = daemon.client()
    with RawOrigin(serve(tempt)) as origin:
        for host in ("localhost", "127.0.0.1"):
            assert client.fetch(origin.url("/login", host=host))["status"] == 401
        assert len(origin.requests) == 2
        assert not any(request.values("authorization") for request in origin.requests)


# ---- Proxies -------------------------------------------------------------------------------------

PROXY_VARIABLES = ["http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY",
                   "Http_Proxy", "socks_proxy", "SOCKS_PROXY", "socks5_proxy", "ws_proxy", "ftp_proxy",
                   "FTP_PROXY", "proxy", "PROXY", "http_proxy_user", "CGI_HTTP_PROXY"]


def test_no_proxy_variable_is_followed_however_it_is_written(traced, nginx):
    with Proxy() as proxy:
        daemon, trace = traced(**{name: proxy.url() for name in PROXY_VARIABLES})
        client = daemon.client()
        for server in (nginx.PLAIN, nginx.H1, nginx.H2):
            assert client.fetch(nginx.url("/text", server))["body"] == b"hello\n"
            trace.await_connect(nginx.ports[server])
        assert proxy.port not in trace.ports() and proxy.connections == []


@pytest.mark.parametrize("name", ["no_proxy", "NO_PROXY"])
@pytest.mark.parametrize("value", ["*", "127.0.0.1,localhost", "origin.test"])
def test_no_variable_leads_past_the_daemons_own_proxy(start_daemon, name, value):
    with Proxy() as proxy:
        client = start_daemon({"proxy": {"url": proxy.url()}}, more_environment={name: value}).client()
        for url in ("http://origin.test/", f"http://127.0.0.1:{proxy.port}/x"):
            assert client.fetch(url)["body"] == f"through the proxy: {url}".encode()


# ---- What origins said before --------------------------------------------------------------------

def offer(fields):
    """The same for each request."""
    return serve(lambda request: response(body=request.target.encode(), headers=fields))


COOKIES = [("Set-Cookie", "session=1; Path=/; Max-Age=1000"), ("Set-Cookie2", "old=1"),
           ("Set-Cookie", "wide=1; Domain=localhost")]


def test_no_cookie_is_kept(client, nginx):
    def answer(request):
        more = [("Location", "/there")] if request.target == "/redirect" else []
        return response(302 if more else 200, headers=[*COOKIES, *more])

    with RawOrigin(serve(answer)) as origin:
        for target in ("/", "/redirect", "/"):
            client.fetch(origin.url(target, host="localhost"), redirects=1)
        assert len(origin.requests) == 4
        assert b"ookie" not in b"".join(connection.received for connection in origin.connections)


def test_no_strict_transport_security_is_kept(client, authority):
    fields = [("Strict-Transport-Security", "max-age=1000; includeSubDomains; preload")]
    with RawOrigin(offer(fields), leaf=authority.server) as tls, RawOrigin() as plain:
        client.fetch(tls.url(host="localhost"))
        answer = client.fetch(plain.url(host="localhost"))
        assert answer["url"] == plain.url(host="localhost") and answer["body"] == b"hello\n"
        assert client.fetch(plain.url(host="localhost"))["connection"]["reused"]


def test_no_alternative_service_is_kept(client, authority):
    with RawOrigin(leaf=authority.server) as other, \
            H2Origin(authority.server, lambda session, stream, _: session.answer(stream, 200)) as h2:
        fields = [("Alt-Svc", f'h2="127.0.0.1:{h2.port}"; ma=1000, http/1.1=":{other.port}"; ma=1000'),
                  ("Connection", "close")]
        with RawOrigin(offer(fields), leaf=authority.server) as origin:
            for number in range(3):
                client.fetch(origin.url(host="localhost"))
            assert len(origin.connections) == 3
            assert other.connections == h2.connections == []


# ---- Challenges ----------------------------------------------------------------------------------

@pytest.mark.parametrize("scheme", CHALLENGES)
@pytest.mark.parametrize("keys", [{}, {"headers": [["Authorization", "Basic eDp5"]]},
                                  {"method": "POST", "body": b"x"}, {"redirects": 3}],
                         ids=["a GET", "with credentials", "a POST", "with redirects"])
def test_a_challenge_is_handed_on_and_not_answered(client, scheme, keys):
    challenge = ("WWW-Authenticate", challenge_of(scheme))
    with RawOrigin(serve(lambda _: response(401, b"no", [challenge]))) as origin:
        answer = client.fetch(origin.url(), **keys)
        assert answer["status"] == 401 and answer["body"] == b"no"
        assert header(answer, "www-authenticate") == [challenge[1]]
        request, = origin.requests
        assert request.values("authorization") == [
            value for _, value in keys.get("headers", [])]


@pytest.mark.parametrize("scheme", CHALLENGES)
def test_the_challenge_of_a_proxy_is_handed_on_and_not_answered(start_daemon, scheme):
    fields = [("Proxy-Authenticate", challenge_of(scheme))]
    with RawOrigin(serve(lambda _: response(407, b"no", fields))) as proxy:
        client = start_daemon({"proxy": {"url": proxy.url()}}).client()
        assert client.fetch("http://origin.test/")["status"] == 407
        error = client.refused("https://origin.test/", retry="never")
        assert error.code == 107 and "407" in error.message
        assert [request.method for request in proxy.requests] == ["GET", "CONNECT"]
        assert not any(request.values("proxy-authorization") for request in proxy.requests)


# ---- Schemes -------------------------------------------------------------------------------------

class VersionInfo(ctypes.Structure):
    """curl_version_info_data, as far as it is needed."""
    _fields_ = [("age", ctypes.c_int), ("version", ctypes.c_char_p), ("version_num", ctypes.c_uint),
                ("host", ctypes.c_char_p), ("features", ctypes.c_int),
                ("ssl_version", ctypes.c_char_p), ("ssl_version_num", ctypes.c_long),
                ("libz_version", ctypes.c_char_p), ("protocols", ctypes.POINTER(ctypes.c_char_p))]


def schemes_of_libcurl():
    library = ctypes.CDLL("libcurl.so.4")
    library.curl_version_info.restype = ctypes.POINTER(VersionInfo)
    info = library.curl_version_info(3).contents
    schemes = []
    while info.protocols[len(schemes)]:
        schemes.append(info.protocols[len(schemes)].decode())
    return schemes


def test_of_all_schemes_that_libcurl_knows_only_http_and_https_are_spoken(client):
    schemes = [scheme for scheme in schemes_of_libcurl() if scheme not in ("http", "https")]
    assert "file" in schemes and "ftp" in schemes
    location = []
    with RawOrigin() as forbidden, \
            RawOrigin(serve(lambda _: response(302, headers=[("Location", location[-1])]))) as origin:
        for scheme in schemes:
            for written in (scheme, scheme.upper(), scheme.capitalize()):
                location.append(f"{written}://127.0.0.1:{forbidden.port}/x")
                for error in (client.refused(location[-1]), client.refused(origin.url(), redirects=9)):
                    assert error.code in (1, 2) and written.lower() in error.message.lower()
        assert len(origin.requests) == len(location)
        assert forbidden.connections == []


# ---- Paths that a client names -------------------------------------------------------------------

def spellings(path):
    relative = "../" * 20 + str(path).lstrip("/")
    return [str(path), f"file://{path}", f"file:{path}", f"@{path}", relative, f"{path}\n",
            str(path.parent)]


@pytest.mark.parametrize("key", ["ca", "cert", "key", "cert and key"])
def test_a_path_instead_of_pem_is_refused_and_not_opened(traced, nginx, authority, tmp_path, key):
    """The files are good ones: opened, they would make the request succeed."""
    alice = authority.client("alice")
    files = {"ca": authority.stranger.cert, "cert": alice.cert, "key": alice.key}
    for name, path in files.items():
        copy = tmp_path / f"named-by-client-{name}.pem"
        copy.write_bytes(path.read_bytes())
        files[name] = copy
    server = nginx.STRANGER if key == "ca" else nginx.MUTUAL
    daemon, trace = traced()
    client = daemon.client()
    for number in range(len(spellings(tmp_path))):
        tls = {} if key == "ca" else {"cert": alice.cert.read_bytes(), "key": alice.key.read_bytes()}
        for name in key.split(" and "):
            tls[name] = spellings(files[name])[number]
        assert client.refused(nginx.url("/identity", server), tls=tls).code in (1, 104), tls
    assert client.fetch(nginx.url("/text", nginx.PLAIN))["status"] == 200
    trace.await_connect(nginx.ports[nginx.PLAIN])
    assert [path for path in trace.paths() if "named-by-client" in path] == []


def test_a_path_in_any_other_place_is_no_path(traced, tmp_path):
    """As curl would read them: @file, a proxy of a file's name, a body from a file."""
    path = tmp_path / "named-by-client"
    path.write_text(f"X-Of-A-File: {SECRET}\n")
    daemon, trace = traced({"proxy": {"allow_client": "yes"}})
    client = daemon.client()
    with RawOrigin() as origin:
        for text in spellings(path):
            literal = text.strip()
            client.fetch(origin.url(), method="POST", body=text.encode(), tag="x",
                         headers=[["X-A", literal], ["Authorization", f"Bearer {literal}"]])
            request = origin.requests[-1]
            assert request.body == text.encode() and request.value("x-a") == literal
            assert request.value("authorization") == f"Bearer {literal}"
            for keys in ({"proxy": text}, {"url": text}, {"headers": text},
                         {"tls": {"server_name": text}}):
                url = keys.pop("url", origin.url())
                assert client.refused(url, **keys).code == 1
        trace.await_connect(origin.port)
        assert all(SECRET.encode() not in connection.received for connection in origin.connections)
    assert [each for each in trace.paths() if "named-by-client" in each] == []
