"""`fetchpool config`, `reload` and `drain`: what the daemon answers its administrator, as text and as JSON."""

import json
import shutil
import subprocess

import pytest

from support.daemon import (FETCHPOOL, assert_no_sanitizer_report, environment, temporary_directory)
from support.fakedaemon import FakeDaemon, refuses_with
from support.timing import scaled

CONFIG = {"daemon": {"socket": "", "log_level": "info"},
          'policy "jobs"': {"users": ["alice", "1001"], "deny": [], "allow": ["GET https://a/"]},
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
[daemon]
; socket =
log_level = info

[policy "jobs"]
users = alice
users = 1001
; deny =
allow = GET https://a/

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
    ({"in_flight": 3, "timeout_ms": 30000}, "shutting down: up to 30000 ms for 3 requests\n"),
    ({"in_flight": 0, "timeout_ms": 86400000}, "shutting down: up to 86400000 ms for 0 requests\n")])
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


# ---- The real daemon -----------------------------------------------------------------------------

def test_what_the_daemon_shows_is_a_configuration_that_says_the_same(start_daemon, here):
    daemon = start_daemon({"limits": {"max_body": "3MiB"}, 'origin "https://a"': {"warm": 1}, 'policy "jobs"': {
        "users": [0, 1001], "allow": ["GET https://a/", "POST https://b:8443/x"]}})
    other = start_daemon()
    code, shown, _ = ask(here, "config", "--socket", str(daemon.path))
    assert code == 0 and "max_body = 3MiB\n" in shown
    other.config.write_text(shown)
    assert ask(here, "reload", "--socket", str(other.path))[0] == 0
    maps = [json.loads(ask(here, "config", "--json", "--socket", str(each.path))[1])
            for each in (daemon, other)]
    assert maps[0] == maps[1]


def test_the_command_has_the_daemon_reload_and_end(start_daemon, here):
    daemon = start_daemon({"limits": {"max_body": "3MiB"}})
    socket = ("--socket", str(daemon.path))
    before = daemon.config.read_text()
    daemon.config.write_text(before.replace("3MiB", "4MiB") + "max_clients = 7\n")
    assert ask(here, "reload", *socket) == (0, "[limits] max_body: 3MiB -> 4MiB\n"
                                            "needs a restart: [limits] max_clients: 10000 -> 7\n", "")
    daemon.config.write_text("[limits]\nmax_bdy = 4MiB\n")
    code, text, complaint = ask(here, "reload", *socket)
    assert (code, text) == (2, "") and "max_bdy" in complaint and "max_body" in complaint
    assert ask(here, "drain", *socket)[:2] == (0, "shutting down: up to 30000 ms for 0 requests\n")
    assert daemon.wait() == 0
