"""Row L9 of the faults: an older client and a newer daemon, and the other way. It works, or says why not."""

import re
import shutil
import subprocess

import msgpack
import pytest

from support.daemon import BUILD, FETCHPOOL, ROOT, environment, temporary_directory
from support.driver import compile_against_library
from support.fakedaemon import ANSWER, FakeDaemon, refuses_with, serves, serves_with

OK, REFUSED, NOT_SENT, MAYBE = 0, 1, 2, 3
URL = "http://origin.test/"
GOOD = "0 0 200 6 "


@pytest.fixture(scope="module")
def driver():
    directory = temporary_directory()
    yield compile_against_library(ROOT / "tests/support/libdriver.c", directory / "libdriver")
    shutil.rmtree(directory)


# ---- A newer client ------------------------------------------------------------------------------

NEWER = {"priority": 7, "trailers": [["a", "b"]], "x": None, "nested": {"deep": [1, {"er": b"\x00"}]}}


def test_l9_what_a_newer_client_says_besides_is_passed_over(client, nginx):
    hello = client.call("hello", {"client": "newer", "version": "9.0", "protocol": 2, **NEWER})
    assert hello["protocol"] == 1
    client.notify("priority", 1, {"urgency": 3})
    client.notify("news")
    answer = client.fetch(nginx.url("/text"), **NEWER)
    assert answer["body"] == b"hello\n"
    stream = client.stream(nginx.url("/text"), **NEWER)
    assert stream.body() == b"hello\n"
    assert client.call("ping", NEWER) == "pong"
    assert client.call("check", {"url": nginx.url("/text"), **NEWER})


@pytest.mark.parametrize("method", ["push", "fetch2", "", "x" * 3000])
def test_l9_a_method_of_a_newer_client_is_error_4_and_the_connection_lives(client, nginx, method):
    error = client.refused_call(method, {"url": nginx.url("/text")})
    assert error.code == 4 and "unknown method" in error.message
    assert client.fetch(nginx.url("/text"))["status"] == 200


def test_l9_a_newer_command_says_what_an_older_daemon_does_not_know(path):
    with FakeDaemon(path, refuses_with(4, 'unknown method "check"')):
        done = subprocess.run([FETCHPOOL, "check", "--socket", path, URL], capture_output=True, text=True,
                              env=environment(path.parent))
    assert done.returncode == 122 and 'unknown method "check"' in done.stderr


# ---- An older daemon -----------------------------------------------------------------------------

def knows_no(*unknown):
    """Answers with error 4 to these, hello included, and serves the rest."""
    def script(peer):
        unpacker = msgpack.Unpacker(raw=False)
        while data := peer.socket.recv(65536):
            unpacker.feed(data)
            for kind, request_id, method, *_ in (each for each in unpacker if each[0] == 0):
                if method in unknown:
                    peer.refuse(request_id, 4, f'unknown method "{method}"')
                elif method == "fetch":
                    peer.answer(request_id, ANSWER)
                else:
                    peer.answer(request_id, "pong")
    return script


def test_l9_a_daemon_that_knows_no_hello_serves_all_the_same(run, path):
    with FakeDaemon(path, knows_no("hello")) as fake:
        assert run("get", URL, "query", "ping", "get", URL) == [GOOD, "0 pong", GOOD]
        assert fake.accepted == 1


def test_l9_a_daemon_that_knows_no_query_is_error_4(run, path):
    with FakeDaemon(path, knows_no("origins")):
        assert run("query", "origins", "get", URL) == ["4 ", GOOD]


@pytest.mark.parametrize("hello", [
    {"protocol": 2, "server": "newer"}, {"protocol": "two"}, {}, None, "hello", [1, 2],
    {"limits": {"timeout": "soon", "requests_per_client": -1}}, {"limits": None},
    {"protocol": 1, "limits": {"timeout": 60000, "new": {"limit": 1}}, "features": ["x"]}], ids=str)
def test_l9_whatever_hello_says_requests_are_served(run, path, hello):
    with FakeDaemon(path, serves) as fake:
        fake.hello = hello
        assert run("get", URL, "get", URL) == [GOOD] * 2


def test_l9_a_daemon_that_says_no_goaway_but_only_closes_is_left_for_the_next(run, path):
    def serves_one(peer):
        request_id, _, params = peer.request()
        peer.answer_fetch(request_id, params, ANSWER)

    with FakeDaemon(path, serves_one, serves_one, serves) as fake:
        process = run.start("get", URL, "wait", "get", URL)
        assert [process.stdout.readline() for _ in range(2)] == [GOOD + "\n", "waiting\n"]
        fake.peers[0][1].join(10)  # it has closed
        assert run.finish(process, "\n") == [GOOD]


# ---- A newer daemon ------------------------------------------------------------------------------

def test_l9_what_a_newer_daemon_says_besides_is_passed_over(run, path):
    timing = {**ANSWER["timing"], "quic": 5}
    connection = {**ANSWER["connection"], "alpn": "h3"}
    with FakeDaemon(path, serves_with(timing=timing, connection=connection, http="3", **NEWER)):
        assert run("get", URL) == [GOOD]
        assert run("accessors", URL)[0].startswith(f"3|{URL}|0|")


@pytest.mark.parametrize("missing", sorted(set(ANSWER) - {"status", "headers"}))
def test_l9_a_result_without_a_key_is_one_with_its_default(run, path, missing):
    answer = {key: value for key, value in ANSWER.items() if key != missing}

    def lacks(peer):
        for request_id, _, _ in peer.messages():
            peer.answer(request_id, answer)

    with FakeDaemon(path, lacks):
        assert run("get", URL) == ["0 0 200 0 " if missing == "body" else GOOD]


@pytest.mark.parametrize("answer", [{}, {"status": 200}, {"headers": []}, {"status": "200", "headers": []},
                                    [], "pong"], ids=str)
def test_l9_a_result_without_status_or_header_fields_is_no_answer(run, path, answer):
    def lacks(peer):
        for request_id, _, _ in peer.messages():
            peer.answer(request_id, answer)

    with FakeDaemon(path, lacks):
        (line,) = run("get", URL)
        assert line.startswith(f"903 {MAYBE} ")


@pytest.mark.parametrize("code, kind", [(42, REFUSED), (99, REFUSED), (142, NOT_SENT), (199, NOT_SENT),
                                        (242, MAYBE), (300, MAYBE), (0, MAYBE), (-7, MAYBE),
                                        (2**31 - 1, MAYBE)])
def test_l9_an_unknown_error_has_the_class_of_its_range(run, path, code, kind):
    with FakeDaemon(path, refuses_with(code, "something new")):
        (line,) = run("get", URL)
        assert line.split()[1] == str(kind), line


# ---- The library's own compatibility -------------------------------------------------------------

def listed_symbols():
    lines = (ROOT / "tests/abi/libfetchpool.symbols").read_text().splitlines()
    return {line.split()[0] for line in lines if not line.startswith("#")}


def exported_symbols():
    out = subprocess.run(["nm", "-D", "--defined-only", BUILD / "libfetchpool.so"], capture_output=True,
                         text=True, check=True).stdout
    return set(re.findall(r"\b(fetchpool_\w+@@\w+)", out))


def test_l9_what_the_library_shows_only_grows():
    assert listed_symbols() - exported_symbols() == set(), "programs that are linked need these"
    assert exported_symbols() - listed_symbols() == set(), "add these to tests/abi, with the version"


def test_l9_every_function_of_the_header_is_shown():
    header = (ROOT / "include/fetchpool.h").read_text()
    declared = set(re.findall(r"\b(fetchpool_\w+)\(", re.sub(r"/\*.*?\*/", "", header, flags=re.S)))
    shown = {name.split("@")[0] for name in exported_symbols()}
    assert shown == {name for name in declared if not name.startswith("fetchpool_on_")}
