"""`fetchpool config`, `reload` and `drain`: what the daemon answers its administrator, as text and as JSON."""

import json
import shutil
import subprocess

import pytest

from support.daemon import (FETCHPOOL, assert_no_sanitizer_report, environment, temporary_directory)
from support.fakedaemon import FakeDaemon, refuses_with
from support.timing import scaled

CONFIG = {"limits": {"max_body": "16MiB", "running": "8192"},
          'policy "jobs"': {"users": "alice, 1001", "allow": "GET https://a/\nPOST https://b/"},
          'origin "https://x"': {"warm": "2"}}
RELOADED = {"changed": ["[limits] max_body: 16MiB -> 32MiB", "[log] level: info -> debug"],
            "restart": ["[daemon] socket: /run/a -> /run/b"]}


@pytest.fixture
def here():
    directory = temporary_directory()
    yield directory
    shutil.rmtree(directory)


def ask(here, *arguments):
    done = subprocess.run([FETCHPOOL, *arguments], capture_output=True, text=True, cwd=here,
                          stdin=subprocess.DEVNULL, timeout=scaled(20),
                          env=environment(here, FETCHPOOL_SOCKET=str(here / "s")))
    assert_no_sanitizer_report(here, done.stderr.splitlines())
    return done.returncode, done.stdout, done.stderr


@pytest.fixture
def answer(here):
    """answer(result, argument...): what is printed of it, and what was asked."""
    def answer(result, *arguments):
        def script(peer):
            for request_id, _, _ in peer.messages():
                peer.answer(request_id, result)
        with FakeDaemon(here / "s", script) as fake:
            code, text, complaint = ask(here, *arguments)
            assert (code, complaint, fake.requests) == (0, "", [arguments[0]])
        return text
    return answer


def test_the_configuration_is_shown_as_its_file_would_be(answer):
    assert answer(CONFIG, "config") == """\
[limits]
max_body = 16MiB
running = 8192

[policy "jobs"]
users = alice, 1001
allow = GET https://a/
    POST https://b/

[origin "https://x"]
warm = 2
"""


@pytest.mark.parametrize("subject, result", [
    ("config", CONFIG), ("reload", RELOADED), ("drain", {"in_flight": 3, "timeout_ms": 30000})])
def test_each_is_json_when_asked(answer, subject, result):
    assert json.loads(answer(result, subject, "--json")) == result


@pytest.mark.parametrize("result, text", [
    (RELOADED, "[limits] max_body: 16MiB -> 32MiB\n[log] level: info -> debug\n"
               "needs a restart: [daemon] socket: /run/a -> /run/b\n"),
    ({"changed": [], "restart": []}, "nothing has changed\n"),
    ({"changed": ["[a] b: \x1b[m\u0085 -> h\u00e9"], "restart": []}, "[a] b: ?[m?? -> h\u00e9\n"),
    ({}, "nothing has changed\n")], ids=("both", "none", "control", "empty"))
def test_a_reload_says_what_changed_and_what_needs_a_restart(answer, result, text):
    assert answer(result, "reload") == text


@pytest.mark.parametrize("result, text", [
    ({"in_flight": 3, "timeout_ms": 30000}, "draining: 3 requests in flight, 30 s at most\n"),
    ({"in_flight": 1, "timeout_ms": 1500}, "draining: 1 request in flight, 1.5 s at most\n"),
    ({"in_flight": 0, "timeout_ms": 86400000}, "draining: 0 requests in flight, 86400 s at most\n")])
def test_a_drain_says_what_is_waited_for_and_how_long(answer, result, text):
    assert answer(result, "drain") == text


@pytest.mark.parametrize("subject", ["config", "reload", "drain"])
@pytest.mark.parametrize("code, exit_code", [(2, 121), (1, 2), (4, 122)])
def test_an_error_is_said_and_is_the_exit_code(here, subject, code, exit_code):
    with FakeDaemon(here / "s", refuses_with(code, "line 3: what it says")):
        assert ask(here, subject) == (exit_code, "", f"fetchpool: ({exit_code}) line 3: what it says\n")


@pytest.mark.parametrize("subject", ["config", "reload", "drain"])
def test_none_takes_an_argument_and_all_need_a_daemon(here, subject):
    assert ask(here, subject, "more")[0] == 2
    assert ask(here, subject)[0] == 120
