"""From start to stop: what it says, what it listens on, what it takes with it."""

import os
import pty
import re
import signal
import socket
import stat
import subprocess
import threading

import pytest

from support import daemon as daemons
from support.client import Client
from support.daemon import FETCHPOOLD, environment, write_config
from support.origin import RawOrigin
from support.timing import Stopwatch, eventually, scaled


@pytest.fixture
def directory():
    import shutil
    path = daemons.temporary_directory()
    yield path
    shutil.rmtree(path)


def hold(connection):
    connection.read_request()
    connection.await_release()
    connection.answer(body=b"finished")


# ---- Usage ---------------------------------------------------------------------------------------

def test_version_is_one_line_and_no_daemon(directory):
    done = daemons.run("--version", "--socket", directory / "s")
    assert done.returncode == 0
    assert re.match(r"fetchpoold \d+\.\d+\.\d+", done.stdout)
    assert not (directory / "s").exists()


def test_help_names_every_option():
    done = daemons.run("--help")
    assert done.returncode == 0
    for option in ("--config", "--socket", "--log-level", "--check", "--version", "--help"):
        assert option in done.stdout


@pytest.mark.parametrize("arguments", [["--frobnicate"], ["word"], ["--socket"], ["--config"],
                                       ["--log-level"], ["--log-level", "loud"]], ids=" ".join)
def test_wrong_usage_is_said_and_ends_with_2(arguments):
    done = daemons.run(*arguments)
    assert done.returncode == 2
    assert done.stderr.strip() and done.stdout == ""
    assert arguments[-1].lstrip("-") in done.stderr


# ---- Configuration -------------------------------------------------------------------------------

def check(directory, text, *more):
    path = directory / "fetchpool.conf"
    path.write_text(text)
    return path, daemons.run("--config", path, "--socket", directory / "s", *more)


def test_check_accepts_a_good_configuration_and_starts_nothing(directory, authority):
    _, done = check(directory, f"""
        ; a comment
        [tls]
        ca_file = {authority.pem}
        allow_insecure = no
        [limits]
        max_body = 1MiB
        [timeouts]
        connect = 500ms
        total = 30s
        drain = 1s
    """.replace("\n        ", "\n"), "--check")
    assert done.returncode == 0, done.stderr
    assert not (directory / "s").exists()


def test_an_empty_configuration_is_a_good_one(directory):
    assert check(directory, "", "--check")[1].returncode == 0


WRONG = [
    ("[moon]\nphase = full\n", 1, ["moon", "limits"]),
    ("[limits]\nmax_bodies = 5\n", 2, ["max_bodies", "max_body"]),
    ("[limits]\n\nmax_body = many\n", 3, ["max_body", "many", "size"]),
    ("[limits]\nmax_body = -5\n", 2, ["max_body"]),
    ("[limits]\nmax_body = 5 bananas\n", 2, ["max_body"]),
    ("[timeouts]\ntotal = 30 parsecs\n", 2, ["total", "duration"]),
    ("[timeouts]\ntotal =\n", 2, ["total"]),
    ("[timeouts]\ndrain = 99999999999999999999s\n", 2, ["drain"]),
    ("[tls]\nallow_insecure = perhaps\n", 2, ["allow_insecure", "yes or no"]),
    ("[daemon]\nlog_level = loud\n", 2, ["log_level", "debug"]),
    ("[pool]\nmax_connections = 0\n", 2, ["max_connections", "1"]),
    ("[pool]\nmax_connections = 5\nmax_connections = 6\n", 3, ["max_connections", "twice"]),
    ("this is no ini file\n", 1, []),
]


@pytest.mark.parametrize("text, line, words", WRONG, ids=[text.replace("\n", "|") for text, _, _ in WRONG])
@pytest.mark.parametrize("more", [[], ["--check"]], ids=["start", "check"])
def test_a_wrong_configuration_is_said_with_file_and_line_and_ends_with_1(directory, text, line,
                                                                        words, more):
    path, done = check(directory, text, *more)
    assert done.returncode == 1
    assert f"{path}:{line}:" in done.stderr
    for word in words:
        assert word in done.stderr
    assert not (directory / "s").exists()


@pytest.mark.parametrize("more", [[], ["--check"]], ids=["start", "check"])
def test_a_missing_configuration_is_said_and_ends_with_1(directory, more):
    done = daemons.run("--config", directory / "none.conf", "--socket", directory / "s", *more)
    assert done.returncode == 1 and f"{directory}/none.conf" in done.stderr


def test_the_socket_may_come_from_the_configuration(start_daemon, directory):
    path = directory / "configured"
    config = write_config(directory / "fetchpool.conf", {"daemon": {"socket": path, "log_level": "info"}})
    process = subprocess.Popen([FETCHPOOLD, "--config", config], stderr=subprocess.PIPE,
                               env=environment(directory), text=True)
    try:
        assert f"listening on {path}" in process.stderr.readline()
        with Client(path) as client:
            assert client.call("ping") == "pong"
    finally:
        process.terminate()
        process.communicate(timeout=scaled(10))
    assert process.returncode == 0


def test_the_socket_may_come_from_the_environment(directory):
    path = directory / "from-environment"
    process = subprocess.Popen([FETCHPOOLD], stderr=subprocess.PIPE, text=True,
                               env=environment(directory, FETCHPOOL_SOCKET=str(path)))
    try:
        assert f"listening on {path}" in process.stderr.readline()
    finally:
        process.terminate()
        process.communicate(timeout=scaled(10))


# ---- The socket's path ---------------------------------------------------------------------------

def refused_start(path):
    done = daemons.run("--socket", path)
    assert done.returncode == 1, done.stderr
    assert str(path) in done.stderr or len(str(path)) > 107
    return done.stderr


def test_a_path_that_is_too_long_is_refused(directory):
    path = directory / ("x" * 120)
    message = refused_start(path)
    assert "107" in message or "long" in message
    assert list(directory.iterdir()) == []


def test_the_longest_path_that_fits_is_taken(directory, start_daemon):
    path = directory / ("x" * (107 - len(str(directory)) - 1))
    assert len(str(path)) == 107
    assert start_daemon(path=path).ask("ping") == "pong"


def test_a_regular_file_at_the_path_is_refused_and_left_alone(directory):
    path = directory / "s"
    path.write_text("precious")
    assert "socket" in refused_start(path)
    assert path.read_text() == "precious"


def test_a_directory_at_the_path_is_refused(directory):
    (directory / "s").mkdir()
    refused_start(directory / "s")
    assert (directory / "s").is_dir()


def test_a_symbolic_link_at_the_path_is_not_followed(directory):
    (directory / "precious").write_text("precious")
    (directory / "s").symlink_to(directory / "precious")
    refused_start(directory / "s")
    assert (directory / "precious").read_text() == "precious"
    assert (directory / "s").is_symlink()


def test_a_missing_directory_is_refused(directory):
    message = refused_start(directory / "missing" / "s")
    assert "missing" in message
    assert not (directory / "missing").exists()


def test_a_second_daemon_on_the_path_is_refused_and_the_first_unharmed(daemon, nginx):
    client = daemon.client()
    client.fetch(nginx.url("/text"))
    assert "already" in refused_start(daemon.path) or "another" in refused_start(daemon.path)
    assert client.fetch(nginx.url("/text"))["connection"]["reused"]
    assert daemon.ask("ping") == "pong"


def test_of_ten_daemons_that_start_at_once_one_wins(directory, authority):
    path = directory / "s"
    config = write_config(directory / "conf", {"tls": {"ca_file": authority.pem}})
    racers = [subprocess.Popen([FETCHPOOLD, "--config", config, "--socket", path],
                               stderr=subprocess.PIPE, env=environment(directory), text=True)
              for _ in range(10)]
    firsts = [racer.stderr.readline() for racer in racers]
    winners = [racer for racer, line in zip(racers, firsts) if "listening on" in line]
    try:
        assert len(winners) == 1, firsts
        with Client(path) as client:
            assert client.call("ping") == "pong"
    finally:
        for winner in winners:
            winner.terminate()
        codes = sorted(racer.wait(scaled(10)) for racer in racers)
        for racer in racers:
            racer.stderr.close()
    assert codes == [0] + [1] * 9


def test_a_stale_socket_is_taken_over(directory, start_daemon):
    with socket.socket(socket.AF_UNIX) as stale:
        stale.bind(str(directory / "s"))
    assert (directory / "s").is_socket()
    assert start_daemon(path=directory / "s").ask("ping") == "pong"


def test_the_socket_of_a_killed_daemon_is_taken_over(directory, start_daemon):
    first = start_daemon(directory=directory)
    first.expected_exit = -signal.SIGKILL
    first.signal(signal.SIGKILL)
    first.wait()
    assert first.path.is_socket()
    second = start_daemon(directory=directory)
    assert second.ask("ping") == "pong"
    second.stop()
    assert not second.path.exists()


def test_a_socket_on_which_another_program_listens_is_refused(directory):
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(directory / "s"))
        other.listen()
        refused_start(directory / "s")
        assert (directory / "s").is_socket()


@pytest.mark.parametrize("umask", ["000", "077", "022"])
def test_the_sockets_mode_is_0660_whatever_the_umask(start_daemon, umask):
    daemon = start_daemon(wrapper=["sh", "-c", f'umask {umask}; exec "$@"', "sh"])
    assert stat.S_IMODE(daemon.path.stat().st_mode) == 0o660


def test_no_socket_and_no_lock_file_is_left(directory, start_daemon):
    daemon = start_daemon(directory=directory)
    before = {path.name for path in directory.iterdir()}
    assert {"s"} < before
    assert daemon.stop() == 0
    assert {path.name for path in directory.iterdir()} == {"fetchpool.conf"}


def test_only_its_own_socket_is_removed(directory, start_daemon):
    daemon = start_daemon(directory=directory)
    daemon.path.unlink()
    with socket.socket(socket.AF_UNIX) as another:
        another.bind(str(daemon.path))
        assert daemon.stop() == 0
        assert daemon.path.is_socket()


def test_another_daemon_that_took_the_path_is_not_robbed_of_it(directory, start_daemon):
    """Somebody removed the first daemon's socket and started a second: its socket must survive."""
    first = start_daemon(directory=directory)
    os.rename(first.path, directory / "aside")
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(first.path))
        other.listen()
        inode = first.path.stat().st_ino
        assert first.stop() == 0
        assert first.path.stat().st_ino == inode


# ---- Stop ----------------------------------------------------------------------------------------

STOPS = [signal.SIGTERM, signal.SIGINT]


@pytest.mark.parametrize("number", STOPS, ids=lambda number: number.name)
def test_an_idle_daemon_stops_at_once_with_0(start_daemon, nginx, number):
    daemon = start_daemon()
    client = daemon.client()
    client.fetch(nginx.url("/text"))
    with Stopwatch() as watch:
        daemon.signal(number)
        assert daemon.wait() == 0
    assert watch.seconds < scaled(1)
    assert client.closed_within(1)
    assert not daemon.path.exists()


def test_the_stop_line_says_connections_held_and_requests_served(start_daemon, nginx):
    daemon = start_daemon()
    client = daemon.client()
    for _ in range(3):
        client.fetch(nginx.url("/text"))
    client.fetch(nginx.url("/text", nginx.H1))
    assert daemon.stop() == 0
    last = daemon.lines[-1]
    assert re.search(r"\b2 connections?\b", last) and re.search(r"\b4 requests?\b", last), last


def test_what_runs_is_finished_and_what_is_new_is_106(start_daemon):
    daemon = start_daemon()
    old, idle = daemon.client(), daemon.client()
    old.call("ping")
    idle.call("hello", {"client": "idle"})
    with RawOrigin(hold) as origin:
        running = old.send("fetch", {"url": origin.url("/running")})
        origin.await_requests(1)
        daemon.signal(signal.SIGTERM)
        daemon.await_line("drain|stopping|shutting")
        eventually(lambda: not daemon.path.exists(), 1, "the socket is gone")
        with pytest.raises(OSError):
            Client(daemon.path)
        assert old.refused(origin.url("/new")).code == 106
        origin.release()
        assert old.receive(running)["body"] == b"finished"
        assert daemon.wait() == 0
        assert [request.target for request in origin.requests] == ["/running"]


def test_who_said_hello_gets_goaway_and_others_do_not(start_daemon):
    daemon = start_daemon()
    polite, plain = daemon.client(), daemon.client()
    polite.call("hello", {"client": "polite"})
    with RawOrigin(hold) as origin:
        first = polite.send("fetch", {"url": origin.url()})
        second = plain.send("fetch", {"url": origin.url()})
        origin.await_requests(2)
        daemon.signal(signal.SIGTERM)
        assert polite.await_notification("goaway")[2]
        origin.release()
        assert polite.receive(first)["body"] == plain.receive(second)["body"] == b"finished"
        assert plain.notifications == []
        daemon.wait()


def test_a_drain_is_bounded(start_daemon):
    daemon = start_daemon({"timeouts": {"drain": "500ms"}})
    client = daemon.client()
    with RawOrigin(hold) as origin:
        running = client.send("fetch", {"url": origin.url()})
        origin.await_requests(1)
        with Stopwatch() as watch:
            daemon.signal(signal.SIGTERM)
            _, _, error, _ = client.receive_message(running)
            assert daemon.wait() == 0
        assert error[0] == 208
        assert 0.4 < watch.seconds < 0.5 + scaled(1)


def test_a_second_signal_means_now(start_daemon):
    daemon = start_daemon()
    client = daemon.client()
    with RawOrigin(hold) as origin:
        running = client.send("fetch", {"url": origin.url()})
        origin.await_requests(1)
        daemon.signal(signal.SIGTERM)
        daemon.await_line("drain|stopping|shutting")
        with Stopwatch() as watch:
            daemon.signal(signal.SIGTERM)
            assert client.receive_message(running)[2][0] == 208
            assert daemon.wait() == 0
        assert watch.seconds < scaled(1)


def test_a_request_whose_connection_is_still_being_opened_is_not_sent_when_stopped_now(start_daemon, authority):
    daemon = start_daemon()
    client = daemon.client()
    with RawOrigin(lambda connection: connection.await_release(), leaf=authority.server,
                   handshake=False) as origin:
        running = client.send("fetch", {"url": origin.url()})
        origin.await_connections(1)
        daemon.signal(signal.SIGTERM)
        daemon.await_line("drain|stopping|shutting")
        daemon.signal(signal.SIGTERM)
        _, _, error, _ = client.receive_message(running)
        assert 100 <= error[0] <= 199
        assert daemon.wait() == 0


@pytest.mark.long
def test_a_client_that_does_not_read_its_answers_does_not_hold_up_the_stop(start_daemon, nginx):
    daemon = start_daemon({"timeouts": {"drain": "500ms"}})
    stuck, other = daemon.client(), daemon.client()
    stuck.send("fetch", {"url": nginx.url("/files/sixteen")})
    other.fetch(nginx.url("/files/sixteen"))
    with Stopwatch() as watch:
        assert daemon.stop() == 0
    assert watch.seconds < 0.5 + 2 + scaled(1)


def test_a_stop_under_load_loses_nothing(start_daemon, nginx):
    daemon = start_daemon()
    outcomes, wrong = [], []

    def load():
        try:
            with Client(daemon.path) as client:
                while True:
                    _, _, error, result = client.receive_message(
                        client.send("fetch", {"url": nginx.url("/files/small")}))
                    if error:
                        outcomes.append(error[0])
                        return
                    if result["body"] != nginx.file("small"):
                        wrong.append(result)
                    outcomes.append(result["status"])
        except Exception as gone:
            outcomes.append("closed" if "closed" in str(gone) or isinstance(gone, OSError)
                            else repr(gone))

    threads = [threading.Thread(target=load) for _ in range(4)]
    for thread in threads:
        thread.start()
    eventually(lambda: len(outcomes) > 200, 10, "load")
    assert daemon.stop() == 0
    for thread in threads:
        thread.join(scaled(5))
    assert wrong == []
    assert set(outcomes) <= {200, 106, "closed"}


def test_sigpipe_and_sighup_do_not_end_it(daemon, nginx):
    daemon.signal(signal.SIGPIPE)
    daemon.signal(signal.SIGHUP)
    daemon.await_line("reload: the configuration says what it said")
    assert daemon.ask("ping") == "pong"


# ---- systemd -------------------------------------------------------------------------------------

def test_a_socket_that_systemd_passes_is_used_and_its_file_left(directory):
    """The protocol of sd_listen_fds(3) and sd_notify(3), played by hand."""
    path = directory / "activated"
    notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    notify.bind(str(directory / "notify"))
    notify.settimeout(scaled(10))
    with socket.socket(socket.AF_UNIX) as listening, notify:
        listening.bind(str(path))
        listening.listen()
        early = Client(path)  # before there is a daemon: it waits in the backlog
        answer = early.send("ping")
        daemon = subprocess.Popen(
            ["sh", "-c", f'LISTEN_PID=$$ exec "{FETCHPOOLD}" --socket /nonexistent/elsewhere'],
            preexec_fn=lambda: os.dup2(listening.fileno(), 3), pass_fds=[3],
            stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
            env=environment(directory, LISTEN_FDS="1", NOTIFY_SOCKET=str(directory / "notify")))
        try:
            assert b"READY=1" in notify.recv(4096)
            assert early.receive(answer) == "pong"
            daemon.send_signal(signal.SIGTERM)
            while b"STOPPING=1" not in notify.recv(4096):
                pass  # its status
            _, errors = daemon.communicate(timeout=scaled(10))
        finally:
            daemon.kill()
            daemon.wait()
        early.close()
    assert daemon.returncode == 0, errors
    assert f"listening on {path}" in errors
    assert stat.S_ISSOCK(path.stat().st_mode)


def test_a_descriptor_of_systemds_that_is_no_listening_socket_is_refused(directory):
    with open(os.devnull) as nothing:
        done = subprocess.run(["sh", "-c", f'LISTEN_PID=$$ exec "{FETCHPOOLD}"'],
                              preexec_fn=lambda: os.dup2(nothing.fileno(), 3), pass_fds=[3],
                              env=environment(directory, LISTEN_FDS="1"), capture_output=True,
                              text=True, timeout=scaled(10))
    assert done.returncode == 1
    assert "one listening Unix stream socket is expected" in done.stderr


def start_in_vain(directory):
    """A daemon that cannot start, and that systemd would start again."""
    path = directory / "fetchpool.conf"
    path.write_text("[moon]\n")
    return subprocess.Popen([FETCHPOOLD, "--config", path], stderr=subprocess.PIPE,
                            env=environment(directory, NOTIFY_SOCKET="/nonexistent"))


def test_what_cannot_start_under_systemd_says_so_at_once_and_ends_a_second_later(directory):
    with Stopwatch() as watch, start_in_vain(directory) as daemon:
        assert b"moon" in daemon.stderr.readline()
        assert daemon.poll() is None
        assert daemon.wait(scaled(10)) == 1
    assert watch.seconds >= 1


def test_what_cannot_start_under_systemd_can_be_stopped_at_once(directory):
    with start_in_vain(directory) as daemon:
        daemon.stderr.readline()
        daemon.terminate()
        assert daemon.wait(scaled(10)) == -signal.SIGTERM


# ---- The log -------------------------------------------------------------------------------------

def test_the_start_line_says_version_libcurl_socket_and_pool(daemon):
    line = daemon.lines[0]
    assert re.search(r"fetchpoold \d+\.\d+\.\d+", line)
    assert re.search(r"libcurl/? ?\d+\.\d+", line)
    assert str(daemon.path) in line
    assert daemon.ask("hello")["pool"] in line


def test_every_line_has_its_priority_when_stderr_is_no_terminal(daemon, nginx):
    client = daemon.client()
    client.fetch(nginx.url("/text"))
    client.refused("http://127.0.0.1:9/")
    daemon.stop()
    assert len(daemon.lines) >= 4
    assert all(re.match(r"<[0-7]>\S", line) for line in daemon.lines), daemon.lines


def test_lines_have_no_priority_on_a_terminal(directory):
    ours, theirs = pty.openpty()
    process = subprocess.Popen([FETCHPOOLD, "--socket", directory / "s"], stderr=theirs,
                               env=environment(directory))
    os.close(theirs)
    try:
        line = os.read(ours, 4096)
        assert b"listening on" in line and not line.startswith(b"<")
    finally:
        process.terminate()
        process.wait(scaled(10))
        os.close(ours)


def test_each_request_has_a_line_at_debug_without_query_and_credentials(daemon, nginx):
    client = daemon.client()
    answer = client.fetch(nginx.url("/text?token=hush"), headers=[["Authorization", "Bearer hush"],
                                                                  ["Cookie", "hush=hush"]])
    client.fetch(nginx.url("/text?token=hush"), method="POST")
    first = daemon.await_line(r"^<7>.*GET")
    second = daemon.await_line(r"^<7>.*POST")
    for line, method in ((first, "GET"), (second, "POST")):
        assert str(os.getpid()) in line and method in line
        assert nginx.origin() in line and "200" in line
        assert re.search(r"\d+ ?us|\d+ ?µs", line)
    assert str(answer["connection"]["id"]) in first
    assert "reused" in second
    assert not daemon.lines_matching("hush")


def test_there_are_no_request_lines_at_info(start_daemon, nginx):
    daemon = start_daemon(log_level="info")
    daemon.client().fetch(nginx.url("/text"))
    daemon.stop()
    assert not daemon.lines_matching("GET")
    assert len(daemon.lines) <= 4


def test_stderr_that_is_closed_does_not_end_the_daemon(directory, nginx):
    process = subprocess.Popen(["sh", "-c", 'exec "$@" 2>&-', "sh", FETCHPOOLD, "--socket",
                                directory / "s", "--log-level", "debug"], env=environment(directory))
    try:
        eventually(lambda: _answers(directory / "s"), 5, "the daemon answers")
        with Client(directory / "s") as client:
            assert client.fetch(nginx.url("/text", nginx.PLAIN))["status"] == 200
            assert client.call("ping") == "pong"
    finally:
        process.terminate()
    assert process.wait(scaled(10)) == 0


def _answers(path):
    try:
        with Client(path) as client:
            return client.call("ping") == "pong"
    except OSError:
        return False
