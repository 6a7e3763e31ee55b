"""
Header fields that the daemon adds for users whose policy grants them ([origin] header): who gets
them, where they go and where they do not, and that nobody is ever shown one.
"""

import os
import re
import shutil
import signal

import pytest

from support.calm import calm
from support.daemon import run, temporary_directory, write_config
from support.h2origin import H2Origin
from support.origin import Proxy, RawOrigin, response, serve
from support.timing import SANITIZED
from support.users import NOBODY, client_of, needs_root, open_to_all

ALICE, BOB = NOBODY, NOBODY - 1
TOKEN = "hush-token-0815"


@pytest.fixture
def token(tmp_path):
    path = tmp_path / "api.token"
    path.write_text(f"{TOKEN}\n")
    path.chmod(0o600)
    return path


@pytest.fixture
def start(start_daemon):
    """start(origin, headers, …): its credentials go to Alice and to root, and not to Bob."""

    def start(name, headers, config=None, **options):
        daemon = start_daemon({
            f'origin "{name}"': {"header": headers},
            'policy "granted"': {"users": f"root {ALICE}", "credentials": name},
            **(config or {})}, **options)
        open_to_all(daemon)
        return daemon

    return start


def bearer(path):
    return f"Authorization: Bearer @{path}"


def replace(path, text):
    """As one should: at no moment is it half of one."""
    path.with_suffix(".new").write_text(text)
    path.with_suffix(".new").chmod(0o600)
    path.with_suffix(".new").rename(path)


def sent(origin, name="authorization"):
    """What each request that came had in that field."""
    return [request.values(name) for request in origin.requests]


def reload(daemon):
    seen = len(daemon.lines)
    daemon.signal(signal.SIGHUP)
    return daemon.await_line("reload: ", after=seen)


# ---- Who gets them -------------------------------------------------------------------------------

@needs_root
def test_only_those_whom_their_policy_grants_it_get_the_field(start, token):
    with RawOrigin() as origin:
        daemon = start(origin.url(""), bearer(token))
        for uid in (ALICE, BOB, ALICE, 0):
            client_of(daemon, uid).fetch(origin.url("/x"))
        assert sent(origin) == [[f"Bearer {TOKEN}"], [], [f"Bearer {TOKEN}"], [f"Bearer {TOKEN}"]]


@needs_root
def test_over_one_connection_it_is_in_one_users_requests_alone(start, token):
    with RawOrigin() as origin:
        daemon = start(origin.url(""), bearer(token))
        with calm(daemon, offenders=0):
            alice, bob = client_of(daemon, ALICE), client_of(daemon, BOB)
            for _ in range(5):
                alice.fetch(origin.url("/alice"))
                bob.fetch(origin.url("/bob"))
            assert len(origin.connections) == 1
            assert {(request.target, *request.values("authorization")) for request in origin.requests} == {
                ("/alice", f"Bearer {TOKEN}"), ("/bob",)}


@needs_root
def test_over_http_2_too(start, authority, token):
    with H2Origin(authority.server, lambda session, stream, headers: session.answer(
            stream, 200, repr(dict(headers).get("authorization")).encode())) as origin:
        daemon = start(origin.url("", host="localhost"), bearer(token))
        alice, bob = client_of(daemon, ALICE), client_of(daemon, BOB)
        asked = [(client, client.send("fetch", {"url": origin.url(host="localhost")}), said)
                 for _ in range(5)
                 for client, said in ((alice, f"'Bearer {TOKEN}'"), (bob, "None"))]
        for client, id, said in asked:
            assert client.receive(id)["body"] == said.encode()


def test_they_go_to_that_origin_alone(start, token):
    with RawOrigin() as origin, RawOrigin() as other:
        client = start(origin.url(""), bearer(token)).client()
        client.fetch(origin.url("/x"))
        client.fetch(other.url("/x"))
        client.fetch(origin.url("/x", host="localhost"))
        assert sent(origin) == [[f"Bearer {TOKEN}"], []] and sent(other) == [[]]


@pytest.mark.parametrize("written", ["HTTP://127.0.0.1:@PORT@", "http://127.1:@PORT@",
                                     "http://0x7f000001:@PORT@"])
def test_an_origin_is_the_same_however_it_is_written(start, token, written):
    with RawOrigin() as origin:
        name = written.replace("@PORT@", str(origin.port))
        client = start(name, bearer(token), {'policy "granted"': {
            "users": "root", "credentials": origin.url("")}}).client()
        client.fetch(origin.url("/x"))
        client.fetch(f"{name}/y")
        assert sent(origin) == [[f"Bearer {TOKEN}"]] * 2


def test_several_fields_with_and_without_a_file(start, token):
    with RawOrigin() as origin:
        client = start(origin.url(""), [bearer(token), "X-Api-Key: plain words", f"X-Whole: @{token}"]).client()
        client.fetch(origin.url(), headers=[["X-Mine", "1"]])
        request, = origin.requests
        assert [request.value(name) for name in ("authorization", "x-api-key", "x-whole", "x-mine")] == [
            f"Bearer {TOKEN}", "plain words", TOKEN, "1"]


def test_streams_uploads_and_text_get_them(start, token):
    with RawOrigin() as origin:
        daemon = start(origin.url(""), bearer(token))
        client = daemon.client()
        client.stream(origin.url()).body()
        client.fetch(origin.url(), method="POST", body=b"x" * 3)
        daemon.text(f"GET {origin.url()}\n".encode())
        assert sent(origin) == [[f"Bearer {TOKEN}"]] * 3


# ---- Where they do not go ------------------------------------------------------------------------

@pytest.mark.parametrize("name", ["Authorization", "authorization", "AUTHORIZATION"])
def test_a_field_of_the_clients_own_is_left_as_it_is(start, token, name):
    with RawOrigin() as origin:
        client = start(origin.url(""), [bearer(token), "X-Other: o"]).client()
        client.fetch(origin.url(), headers=[[name, "Basic eDp5"]])
        client.fetch(origin.url(), headers=[[name, ""]])
        assert sent(origin) == [["Basic eDp5"], [""]] and sent(origin, "x-other") == [["o"], ["o"]]


def test_trace_gets_none(start, token):
    """Its answer would hold them. If the method is refused, that serves as well."""
    with RawOrigin(serve(lambda request: response(body=request.head))) as origin:
        client = start(origin.url(""), bearer(token)).client()
        for method in ("TRACE", "trace", "Trace"):
            message = client.receive_message(client.send("fetch", {"url": origin.url(), "method": method}))
            assert TOKEN not in repr(message)
        assert all(value == [] for value in sent(origin)), [request.line for request in origin.requests]


def redirector(location, status=302):
    return serve(lambda request: response(status, headers=[("Location", location())])
                 if request.target == "/go" else response(body=request.head))


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_to_another_origin_drops_them(start, token, status):
    with RawOrigin() as other, RawOrigin(redirector(other.url, status)) as origin:
        client = start(origin.url(""), [bearer(token), "X-Api-Key: key"]).client()
        client.fetch(origin.url("/go"), redirects=2)
        assert sent(origin) == [[f"Bearer {TOKEN}"]] and sent(origin, "x-api-key") == [["key"]]
        assert sent(other) == [[]] and sent(other, "x-api-key") == [[]]


def test_a_redirect_of_another_origin_does_not_bring_them(start, token):
    """It could be one that wants something done in the name of the daemon's users."""
    with RawOrigin() as origin, RawOrigin(redirector(lambda: origin.url("/delete-all"))) as other:
        client = start(origin.url(""), bearer(token)).client()
        client.fetch(other.url("/go"), redirects=2)
        assert sent(origin) == [[]]
        client.fetch(origin.url("/x"))  # and over the same connection
        assert sent(origin) == [[], [f"Bearer {TOKEN}"]] and len(origin.connections) == 1


def test_who_has_left_the_origin_does_not_get_them_again_on_the_way_back(start, token):
    with RawOrigin(redirector(lambda: other.url("/go"))) as origin, \
            RawOrigin(redirector(lambda: origin.url("/back"))) as other:
        client = start(origin.url(""), bearer(token)).client()
        client.fetch(origin.url("/go"), redirects=5)
        assert sent(origin) == [[f"Bearer {TOKEN}"], []] and sent(other) == [[]]


@pytest.mark.parametrize("location", ["/there", "there", "//127.0.0.1:@PORT@/there"])
def test_a_redirect_within_the_origin_keeps_them(start, token, location):
    with RawOrigin(redirector(lambda: location.replace("@PORT@", str(origin.port)))) as origin:
        client = start(origin.url(""), bearer(token)).client()
        client.fetch(origin.url("/go"), redirects=2)
        assert sent(origin) == [[f"Bearer {TOKEN}"]] * 2


def test_both_origins_have_some_and_each_gets_its_own_or_none(start_daemon, token):
    with RawOrigin() as two, RawOrigin(redirector(two.url)) as one:
        client = start_daemon({f'origin "{one.url("")}"': {"header": bearer(token)},
                               f'origin "{two.url("")}"': {"header": "Authorization: two"},
                               'policy "default"': {"credentials": "any"}}).client()
        client.fetch(two.url())
        client.fetch(one.url("/go"), redirects=1)
        assert sent(one) == [[f"Bearer {TOKEN}"]] and sent(two) == [["two"], []]


def test_no_terms_of_the_clients_own_bring_them(start, authority, token):
    """What answers then may be the client itself."""
    with RawOrigin(leaf=authority.server) as origin, Proxy() as proxy:
        name = origin.url("", host="localhost")
        client = start(name, bearer(token), {"tls": {"allow_insecure": "yes"},
                                             "proxy": {"allow_client": "yes"}}).client()
        url = origin.url(host="localhost")
        for keys in ({"tls": {"ca": authority.pem.read_bytes()}}, {"tls": {"verify": False}},
                     {"tls": {"server_name": "localhost"}}, {"proxy": proxy.url()},
                     {"tls": {"verify": False}, "proxy": proxy.url()}):
            client.fetch(url, **keys)
            assert sent(origin)[-1] == [], keys
        client.fetch(url)
        assert sent(origin)[-1] == [f"Bearer {TOKEN}"]
        client.fetch(url, tls={"verify": True})
        assert sent(origin)[-1] == [f"Bearer {TOKEN}"]
        assert all(TOKEN.encode() not in connection.received for connection in proxy.connections)


def test_a_plain_request_through_a_clients_proxy_does_not_bring_them(start, token):
    with Proxy() as proxy:
        client = start("http://origin.test", bearer(token), {"proxy": {"allow_client": "yes"}}).client()
        client.fetch("http://origin.test/x", proxy=proxy.url())
        assert sent(proxy) == [[]]


def test_the_daemons_own_proxy_is_on_the_way(start, token):
    with Proxy() as proxy:
        client = start("http://origin.test", bearer(token), {"proxy": {"url": proxy.url()}}).client()
        client.fetch("http://origin.test/x")
        assert sent(proxy) == [[f"Bearer {TOKEN}"]]


def test_a_connect_request_of_the_daemons_proxy_does_not_hold_them(start, authority, token):
    with Proxy() as proxy, RawOrigin(leaf=authority.server) as origin:
        client = start(origin.url("", host="localhost"), bearer(token),
                       {"proxy": {"url": proxy.url()}}).client()
        client.fetch(origin.url(host="localhost"))
        assert proxy.requests[0].method == "CONNECT" and sent(proxy) == [[]]
        assert sent(origin) == [[f"Bearer {TOKEN}"]]


# ---- Files ---------------------------------------------------------------------------------------

def test_sighup_reads_the_file_again(start, token):
    with RawOrigin() as origin:
        daemon = start(origin.url(""), bearer(token))
        client = daemon.client()
        client.fetch(origin.url())
        token.write_text("second\r\n\n")
        client.fetch(origin.url())  # not before it is told
        assert "read again" in reload(daemon)
        client.fetch(origin.url())
        assert sent(origin) == [[f"Bearer {TOKEN}"], [f"Bearer {TOKEN}"], ["Bearer second"]]
        assert len(origin.connections) == 1


WRONG_FILES = {
    "gone": lambda path: path.unlink(),
    "empty": lambda path: path.write_text("\n"),
    "in two lines": lambda path: path.write_text("one\ntwo\n"),
    "too large": lambda path: path.write_text("x" * 70_000),
    "a directory": lambda path: (path.unlink(), path.mkdir()),
    "with a NUL": lambda path: path.write_bytes(b"one\0two"),
}


@pytest.mark.parametrize("spoil", WRONG_FILES.values(), ids=WRONG_FILES.keys())
def test_what_is_wrong_at_sighup_leaves_them_as_they_were(start, token, spoil):
    with RawOrigin() as origin:
        daemon = start(origin.url(""), bearer(token))
        client = daemon.client()
        spoil(token)
        line = reload(daemon)
        assert line.startswith("<3>") and "stays as it was" in line
        assert str(token) in line and origin.url("") in line
        assert not re.search("one|two|xxx", line.split("reload: ")[1].replace(str(token), ""))
        client.fetch(origin.url())
        assert sent(origin) == [[f"Bearer {TOKEN}"]]


@pytest.mark.parametrize("spoil", WRONG_FILES.values(), ids=WRONG_FILES.keys())
def test_what_is_wrong_at_the_start_ends_it_and_names_file_and_origin(token, spoil):
    spoil(token)
    directory = temporary_directory()
    try:
        config = write_config(directory / "fetchpool.conf",
                              {'origin "https://api.test:8443"': {"header": bearer(token)}})
        done = run("--config", config, "--socket", directory / "s")
        assert done.returncode != 0
        assert str(token) in done.stderr and "https://api.test:8443" in done.stderr
        assert not (directory / "s").exists()
    finally:
        shutil.rmtree(directory)


def test_requests_that_run_while_they_are_read_again_end_well(start, token):
    """Those of before have what was before."""
    with RawOrigin() as origin:
        daemon = start(origin.url(""), bearer(token))
        with calm(daemon, offenders=0):
            client = daemon.client()
            values = {f"Bearer {TOKEN}"}
            for number in range(10):
                ids = [client.send("fetch", {"url": origin.url()}) for _ in range(20)]
                replace(token, f"number-{number}")
                values.add(f"Bearer number-{number}")
                daemon.signal(signal.SIGHUP)
                assert {client.receive(id)["status"] for id in ids} == {200}
            assert {value for each in sent(origin) for value in each} <= values
            assert all(len(each) == 1 for each in sent(origin))


@pytest.mark.parametrize("mode, warned", [(0o600, False), (0o640, False), (0o644, True), (0o604, True)])
def test_a_file_that_everybody_can_read_is_warned_of(start, token, mode, warned):
    token.chmod(mode)
    daemon = start("http://127.0.0.1:9", bearer(token))
    lines = daemon.lines_matching(rf"^<4>.*{re.escape(str(token))}")
    assert len(lines) == warned, lines


# ---- Never shown ---------------------------------------------------------------------------------

def test_nothing_that_the_daemon_says_holds_them(start, token):
    """At debug level, in each table and dialect, in errors."""
    with RawOrigin(redirector(lambda: "http://169.254.1.1/")) as origin:
        daemon = start(origin.url(""), [bearer(token), "X-Key: words-of-hush"])
        client = daemon.client()
        client.call("hello", {"client": "x"})
        client.fetch(origin.url(), tag="t")
        said = [client.refused(origin.url("/go"), redirects=1).message,
                client.refused(origin.url("/x"), max_body=1).message]
        said += [repr(client.call(method)) for method in (
            "stats", "connections", "origins", "clients", "ping")]
        said.append(repr(client.call("check", {"url": origin.url()})))
        said += [daemon.text(f"{word}\n".encode()).decode() for word in (
            "stats", "connections", "origins", "clients", "config", "help", f"check {origin.url()}",
            f"HEAD {origin.url('/x')}")]
        said.append(daemon.text(b"GET /metrics HTTP/1.1\r\n\r\n").decode())
        reload(daemon)
        assert sent(origin)[0] == [f"Bearer {TOKEN}"]
        for text in [*said, *daemon.lines]:
            assert TOKEN not in text and "words-of-hush" not in text, text
    assert daemon.lines_matching("^<7>")  # debug it was


def test_check_of_the_configuration_does_not_show_them(token, tmp_path):
    config = write_config(tmp_path / "fetchpool.conf", {'origin "https://api.test"': {
        "header": [bearer(token), "X-Key: words-of-hush"]}})
    done = run("--check", "--config", config)
    assert done.returncode == 0, done.stderr
    assert "; header = Authorization: (not shown)" in done.stdout
    assert "; header = X-Key: (not shown)" in done.stdout
    assert TOKEN not in done.stdout + done.stderr and "words-of-hush" not in done.stdout + done.stderr


WRONG_HEADERS = ["words-of-hush", "Bad Name: words-of-hush", "Host: words-of-hush",
                 "Content-Length: words-of-hush", "Connection: words-of-hush",
                 "Proxy-Authorization: words-of-hush", "X-Key: @/a b words-of-hush",
                 "X-Key: words-of-\x01hush", ": words-of-hush", "X-Key:"]


@pytest.mark.parametrize("header", WRONG_HEADERS)
def test_a_header_that_is_wrong_is_an_error_that_does_not_show_it(tmp_path, header):
    config = write_config(tmp_path / "fetchpool.conf", {'origin "https://api.test"': {"header": header}})
    done = run("--check", "--config", config)
    assert done.returncode != 0 and f"{config}:2" in done.stderr
    assert "hush" not in done.stdout + done.stderr


def test_a_client_cannot_make_the_origin_show_them_to_another(start, token):
    """What an origin answers is its own to say: but only those who were granted them are answered so."""
    with RawOrigin(serve(lambda request: response(body=request.head))) as origin:
        daemon = start(origin.url(""), bearer(token))
        alice, bob = client_of(daemon, ALICE), client_of(daemon, BOB)
        assert TOKEN.encode() in alice.fetch(origin.url("/a"))["body"]
        for method in ("GET", "HEAD", "OPTIONS", "POST"):
            assert TOKEN not in repr(bob.fetch(origin.url("/b"), method=method))


# ---- Requests that are retried, and many at once -------------------------------------------------

def test_a_request_that_is_sent_again_has_them_again(start, token):
    def script(connection):
        if connection.number == 0:
            connection.write(response()) if connection.read_request() else None
            connection.read_request()
            connection.reset()
            return
        while True:
            connection.read_request()
            connection.write(response(body=b"again"))

    with RawOrigin(script) as origin:
        client = start(origin.url(""), bearer(token)).client()
        client.fetch(origin.url("/warm"))
        assert client.fetch(origin.url("/x"))["body"] == b"again"
        assert sent(origin) == [[f"Bearer {TOKEN}"]] * 3


def test_with_as_many_fields_as_a_client_may_send_they_still_go(start, token):
    with RawOrigin() as origin:
        client = start(origin.url(""), bearer(token)).client()
        most = client.call("hello")["limits"]["max_headers"]
        client.fetch(origin.url(), headers=[[f"X-{number}", "v"] for number in range(most)])
        assert sent(origin) == [[f"Bearer {TOKEN}"]]
