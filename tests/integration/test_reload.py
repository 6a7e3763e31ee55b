"""
The configuration while the daemon runs: what it says, reading it again (row L5), and the orderly end
that root and the daemon's own user may ask for.
"""

import os
import re
import signal

import pytest

from support import daemon as daemons
from support.calm import calm
from support.client import Client, Refused
from support.daemon import BUILD, environment, with_defaults, write_config
from support.origin import RawOrigin, response, serve
from support.timing import eventually
from support.users import NOBODY, client_of, needs_root, open_to_all
from support.witness import Witness


def rewrite(daemon, /, **sections):
    """section={key: value}: the whole file anew, but for the authority that the tests trust."""
    text = daemon.config.read_text()
    authority = re.search(r"^ca_file = (.*)$", text, re.M)[1]
    sections.setdefault("tls", {}).setdefault("ca_file", authority)
    write_config(daemon.config, with_defaults(sections))


def reload(daemon, /, **sections):
    rewrite(daemon, **sections)
    return daemon.ask("reload")


def hang_up(daemon):
    """SIGHUP, and what it had the daemon say."""
    after = len(daemon.lines)
    daemon.signal(signal.SIGHUP)
    daemon.await_line(r"reload: ", after=after)
    daemon.stats()
    return daemon.lines[after:]


# ---- What is in force ----------------------------------------------------------------------------

def test_the_configuration_in_force_is_told_as_it_was_written(start_daemon):
    daemon = start_daemon({"limits": {"max_body": "1024KiB"}, "timeouts": {"idle": "90s"},
                           'origin "https://a.example"': {"header": "X-Key: secret"},
                           'policy "jobs"': {"users": "1, 2", "allow": ["https://a", "https://b"]}})
    config = daemon.ask("config")
    assert config["limits"]["max_body"] == "1MiB" and config["timeouts"]["idle"] == "90s"
    assert config['policy "jobs"']["users"] == ["1", "2"]
    assert config['policy "jobs"']["allow"] == ["https://a", "https://b"]
    assert config['policy "default"']["allow"] == ["any"]
    assert config['origin "https://a.example"']["header"] == ["X-Key: (not shown)"]


def test_as_text_it_is_what_check_prints(start_daemon):
    daemon = start_daemon({"limits": {"max_body": "1MiB"}, 'policy "jobs"': {"users": NOBODY}},
                          log_level=None)
    checked = daemons.run("--config", daemon.config, "--check").stdout
    first, text = checked.split("\n\n", 1)
    assert first == f"; read from {daemon.config}"
    assert daemon.text(b"config\n").decode() == text


def test_the_password_of_the_proxy_is_not_shown(start_daemon):
    daemon = start_daemon({"proxy": {"url": "http://user:secret@127.0.0.1:9"}})
    assert daemon.ask("config")["proxy"]["url"] == "http://user:***@127.0.0.1:9"
    assert b"secret" not in daemon.text(b"config\n")


@pytest.mark.parametrize("method", ["config", "reload", "drain"])
@needs_root
def test_these_are_for_root_and_the_daemons_own_user(daemon, method):
    open_to_all(daemon)
    with pytest.raises(Refused) as refused:
        client_of(daemon, NOBODY).call(method)
    assert refused.value.code == 2
    assert refused.value.message == f"{method} is for root and the daemon's own user"
    assert daemon.ask("ping") == "pong"


# ---- The file that is installed ------------------------------------------------------------------

def test_the_installed_file_says_of_every_key_what_it_is_without_it(tmp_path):
    """All that stands behind a ; taken for true is what holds anyway."""
    text = (BUILD / "fetchpool.conf").read_text()
    keys = re.findall(r"^;(\w+) =", text, re.M)
    manual = (BUILD / "man" / "fetchpool.conf.5.scd").read_text()
    assert keys == [name.replace("\\", "") for name in re.findall(r"^\*([\w\\]+)\* = _.*_\n\t", manual, re.M)]
    before = text[:text.index(";[origin")]
    path = tmp_path / "all.conf"
    path.write_text(re.sub(r"^;(\w+ = .+)$", r"\1", before, flags=re.M))
    plain = tmp_path / "none.conf"
    plain.write_text("")
    every, none = (daemons.run("--config", each, "--check") for each in (path, plain))
    assert every.returncode == 0, every.stderr
    assert every.stdout.split("\n", 1)[1] == none.stdout.split("\n", 1)[1]


def test_sections_that_are_commented_out_can_be_used_as_they_stand(tmp_path):
    text = (BUILD / "fetchpool.conf").read_text()
    sections = re.sub(r"^;(\[|\w+ = .)", r"\1", text[text.index(";[origin"):], flags=re.M)
    path = tmp_path / "sections.conf"
    path.write_text(sections.replace(";users =", "users = 1"))
    done = daemons.run("--config", path, "--check")
    assert done.returncode == 0, done.stderr
    assert '[policy "jobs"]' in done.stdout and '[origin "https://api.example.com"]' in done.stdout


@pytest.mark.parametrize("variable", ["XDG_CONFIG_HOME", "HOME"])
@needs_root
def test_a_user_who_names_no_file_has_one_of_their_own(tmp_path, variable):
    import subprocess
    directory = tmp_path / "home"
    place = directory / ("fetchpool" if variable == "XDG_CONFIG_HOME" else ".config/fetchpool")
    place.mkdir(parents=True)
    (place / "fetchpool.conf").write_text("[limits]\nmax_bdy = 1\n")
    for each in (tmp_path, *tmp_path.parents):
        if each.stat().st_uid == os.getuid() and each != each.parent and each.stat().st_mode & 5 != 5:
            each.chmod(each.stat().st_mode | 0o055)
    own = {**environment(tmp_path), variable: str(directory)}
    if variable == "HOME":
        own.pop("XDG_CONFIG_HOME", None)
    done = subprocess.run([daemons.FETCHPOOLD, "--check"], capture_output=True, text=True, env=own,
                          user=NOBODY, group=NOBODY, extra_groups=[], timeout=20)
    assert done.returncode == 1
    assert f'{place}/fetchpool.conf:2: unknown key "max_bdy"' in done.stderr
    (place / "fetchpool.conf").unlink()
    done = subprocess.run([daemons.FETCHPOOLD, "--check"], capture_output=True, text=True, env=own,
                          user=NOBODY, group=NOBODY, extra_groups=[], timeout=20)
    assert done.returncode == 0 and done.stdout.startswith("; read from no file"), done


# ---- Reading it again ----------------------------------------------------------------------------

def test_what_has_changed_is_told_and_what_needs_a_restart(start_daemon):
    daemon = start_daemon({"limits": {"max_body": "1MiB"}})
    assert reload(daemon, limits={"max_body": "1MiB"}) == {"changed": [], "restart": []}
    told = reload(daemon, limits={"max_body": "2MiB", "max_clients": "7"})
    assert told == {"changed": ["[limits] max_body: 1MiB -> 2MiB"],
                    "restart": ["[limits] max_clients: 10000 -> 7"]}
    config = daemon.ask("config")["limits"]
    assert (config["max_body"], config["max_clients"]) == ("2MiB", "10000")
    # What is not in force is told again.
    assert daemon.ask("reload")["restart"] == ["[limits] max_clients: 10000 -> 7"]


def test_sighup_and_the_text_dialect_do_it_too(start_daemon):
    daemon = start_daemon({"limits": {"max_body": "1MiB"}})
    rewrite(daemon, limits={"max_body": "2MiB"})
    assert hang_up(daemon) == ["<5>reload: [limits] max_body: 1MiB -> 2MiB"]
    rewrite(daemon, limits={"max_body": "3MiB"})
    assert daemon.text(b"reload\n") == b"[limits] max_body: 2MiB -> 3MiB\n"
    assert daemon.text(b"reload\n") == b"nothing has changed\n"


def test_a_wrong_file_changes_nothing_and_is_said(start_daemon):
    daemon = start_daemon({"limits": {"max_body": "1MiB"}})
    daemon.config.write_text("[limits]\nmax_body = 2MiB\nmax_bdy = 3\n")
    with pytest.raises(Refused) as refused:
        daemon.ask("reload")
    assert f'{daemon.config}:3: unknown key "max_bdy" in [limits]; did you mean "max_body"?' \
        == refused.value.message
    assert daemon.ask("config")["limits"]["max_body"] == "1MiB"
    lines = hang_up(daemon)
    assert lines[-1].startswith("<3>reload: ") and "stays as it was" in lines[-1]
    daemon.config.unlink()
    with pytest.raises(Refused, match="No such file"):
        daemon.ask("reload")
    assert daemon.ask("config")["limits"]["max_body"] == "1MiB"


def test_a_credential_that_cannot_be_read_changes_nothing(start_daemon, tmp_path):
    daemon = start_daemon({"limits": {"max_body": "1MiB"}})
    with pytest.raises(Refused, match="none-such"):
        reload(daemon, limits={"max_body": "2MiB"}, **{
            'origin "http://a.example"': {"header": f"X-Key: @{tmp_path}/none-such"},
            'policy "default"': {"credentials": "http://a.example"}})
    assert daemon.ask("config")["limits"]["max_body"] == "1MiB"


def test_limits_hold_at_once_for_clients_that_are_connected(start_daemon):
    daemon = start_daemon()
    with RawOrigin(serve(lambda request: response(body=b"x" * 2000))) as origin:
        client = daemon.client()
        assert len(client.fetch(origin.url())["body"]) == 2000
        reload(daemon, limits={"max_body": "1000"})
        assert client.refused(origin.url()).code == 204
        reload(daemon, limits={"max_body": "2000"})
        assert len(client.fetch(origin.url())["body"]) == 2000


def test_a_client_that_is_connected_gets_answers_as_large_as_are_allowed_now(start_daemon):
    daemon = start_daemon({"limits": {"max_unread": "1MiB", "max_body": "1MiB"}})
    with RawOrigin(serve(lambda request: response(body=b"x" * 8_000_000))) as origin:
        client = daemon.client()
        assert client.refused(origin.url()).code == 204
        reload(daemon, limits={"max_unread": "64MiB", "max_body": "32MiB"})
        assert len(client.fetch(origin.url())["body"]) == 8_000_000


def test_a_warm_origin_that_is_none_is_refused_by_check_and_by_reload(start_daemon):
    daemon = start_daemon()
    rewrite(daemon, **{'origin "http://a:99999"': {"warm": "1"}})
    line = r':\d+: \[origin "http://a:99999"\]: url cannot be understood'
    assert re.search(line, daemons.run("--config", daemon.config, "--check").stderr)
    with pytest.raises(Refused, match=line):
        daemon.ask("reload")


def test_the_log_level_is_the_files_unless_the_command_line_had_one(start_daemon):
    daemon = start_daemon({"daemon": {"log_level": "info"}}, log_level=None)
    daemon.client().refused("nonsense")
    reload(daemon, daemon={"log_level": "debug"})
    with RawOrigin() as origin:
        daemon.client().fetch(origin.url())
    daemon.await_line(r"^<7>")
    stubborn = start_daemon({"daemon": {"log_level": "debug"}}, log_level="info")
    assert reload(stubborn, daemon={"log_level": "error"}) == {"changed": [], "restart": []}


def test_a_policy_holds_at_once_for_clients_that_are_connected(start_daemon):
    daemon = start_daemon()
    with RawOrigin() as origin:
        client = daemon.client()
        assert client.fetch(origin.url("/a"))["status"] == 200
        reload(daemon, **{'policy "default"': {"deny": "*://*/a"}})
        error = client.refused(origin.url("/a"))
        assert error.code == 2 and 'policy "default": deny' in error.message
        assert client.fetch(origin.url("/b"))["status"] == 200
        reload(daemon)
        assert client.fetch(origin.url("/a"))["status"] == 200


def test_what_waits_is_asked_again_and_what_runs_goes_on(start_daemon, gate, slow):
    """Two requests, of which one runs: then neither would be allowed any more."""
    daemon = start_daemon({"limits": {"running_per_origin": "1"}})
    client = daemon.client()
    running = client.send("fetch", {"url": slow.url("/running")})
    slow.await_requests(1)
    waiting = client.send("fetch", {"url": slow.url("/waiting")})
    eventually(lambda: daemon.stats()["queued"] == 1, 5, "the second one waits")
    reload(daemon, limits={"running_per_origin": "1"}, **{'policy "default"': {"allow": "none"}})
    with pytest.raises(Refused) as refused:
        client.receive(waiting)
    assert refused.value.code == 2
    gate.open()
    assert client.receive(running)["status"] == 200


def test_a_limit_that_is_raised_lets_those_in_that_wait(start_daemon, gate, slow):
    daemon = start_daemon({"limits": {"running": "1"}})
    client = daemon.client()
    requests = [client.send("fetch", {"url": slow.url(f"/{number}")}) for number in range(3)]
    slow.await_requests(1)
    assert daemon.stats()["queued"] == 2
    reload(daemon, limits={"running": "10"})
    slow.await_requests(3)
    gate.open_for_all()
    assert all(client.receive(each)["status"] == 200 for each in requests)


def test_warm_origins_come_and_go(start_daemon):
    daemon = start_daemon()
    with RawOrigin(serve(lambda request: response())) as origin:
        section = f'origin "{origin.url("")}"'.rstrip("/")
        told = reload(daemon, **{section: {"warm": "2"}})
        assert told["changed"] == [f"[{section}]: added"]
        eventually(lambda: [row["state"] for row in daemon.connections()] == ["idle", "idle"], 5,
                   "two connections are open")
        assert reload(daemon)["changed"] == [f"[{section}]: removed"]
        before = len(origin.requests)
        assert daemon.client().fetch(origin.url())["connection"]["reused"]
        assert len(origin.requests) == before + 1


# ---- L5 ------------------------------------------------------------------------------------------

@pytest.mark.long
@pytest.mark.deadline(90)
def test_l5_a_thousand_times_with_good_and_with_bad_configuration(start_daemon, nginx, tmp_path):
    """Every other one is wrong: what was in force stays. Nothing leaks, nobody notices."""
    daemon = start_daemon({"limits": {"max_body": "1MiB"}})
    (tmp_path / "key").write_text("secret")
    (tmp_path / "key").chmod(0o600)
    policies = {f'policy "{number}"': {"users": 1000 + number, "allow": f"https://h{number}.example"}
                for number in range(20)}
    origins = {f'origin "https://h{number}.example"': {"header": f"X-Key: @{tmp_path}/key"}
               for number in range(20)} | {'policy "default"': {"credentials": "any"}}
    # What a first reload leaves for good is not a leak.
    reload(daemon, **policies, **origins)
    with calm(daemon, offenders=501, memory_kib=4 << 10), \
            Witness(daemon, nginx.url("/files/small"), nginx.file("small")), \
            Client(daemon.path) as client:
        for number in range(500):
            size = f"{number % 7 + 1}MiB"
            rewrite(daemon, limits={"max_body": size}, **(policies if number % 2 else origins))
            client.call("reload")
            with open(daemon.config, "a") as file:
                file.write("[limits]\nmax_message = 0\n")
            with pytest.raises(Refused, match="max_message"):
                client.call("reload")
            if number % 50 == 0:
                assert client.call("config")["limits"]["max_body"] == size
    assert not daemon.lines_matching("AddressSanitizer")


# ---- The orderly end -----------------------------------------------------------------------------

def test_drain_ends_the_daemon_when_what_runs_has_ended(start_daemon, gate, slow):
    daemon = start_daemon()
    client = daemon.client()
    running = client.send("fetch", {"url": slow.url("/running")})
    slow.await_requests(1)
    assert daemon.ask("drain") == {"in_flight": 1, "timeout_ms": 30000}
    assert client.refused(slow.url("/late")).code == 106
    for method in "reload", "drain":
        with pytest.raises(Refused) as refused:
            client.call(method)
        assert refused.value.code == 106
    assert client.call("config")["daemon"]["log_level"] == "debug"
    gate.open()
    assert client.receive(running)["status"] == 200
    assert daemon.wait() == 0


def test_drain_of_an_idle_daemon_is_answered_before_it_ends(start_daemon):
    daemon = start_daemon()
    assert daemon.text(b"drain\n") == b"shutting down: up to 30000 ms for 0 requests\n"
    assert daemon.wait() == 0


# ---- What systemd hears --------------------------------------------------------------------------

@pytest.fixture
def told(tmp_path):
    """What a daemon with told.environment says to systemd."""
    import socket

    class Told:
        def __init__(self):
            self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            self.socket.bind(str(tmp_path / "notify"))
            self.socket.settimeout(10)
            self.environment = {"NOTIFY_SOCKET": str(tmp_path / "notify")}

        def next(self, word):
            """The next message that has this word."""
            while True:
                message = self.socket.recv(4096).decode()
                if word in message:
                    return message

    told = Told()
    yield told
    told.socket.close()


def test_systemd_hears_of_start_reload_and_end(start_daemon, told):
    daemon = start_daemon(more_environment=told.environment)
    assert told.next("READY=1")
    assert "serving: 0 clients, 0 requests in flight" in told.next("STATUS=")
    daemon.ask("reload")
    assert re.search(r"^MONOTONIC_USEC=\d+$", told.next("RELOADING=1"), re.M)
    assert told.next("READY=1")
    client = daemon.client()
    client.call("ping")
    assert "1 clients" in told.next("STATUS=serving: 1")
    client.close()
    daemon.signal(signal.SIGTERM)
    assert "EXTEND_TIMEOUT_USEC=43000000" in told.next("STOPPING=1")
    assert daemon.wait() == 0


def test_the_watchdog_is_fed_while_the_loop_turns(start_daemon, told):
    told.environment["WATCHDOG_USEC"] = "400000"
    daemon = start_daemon(more_environment=told.environment)
    for _ in range(5):
        assert told.next("WATCHDOG=1")
    daemon.signal(signal.SIGSTOP)
    told.socket.settimeout(0.5)
    with pytest.raises(TimeoutError):
        for _ in range(10):
            told.next("WATCHDOG=1")
    daemon.signal(signal.SIGCONT)
    told.socket.settimeout(10)
    assert told.next("WATCHDOG=1")
