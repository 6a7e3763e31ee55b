"""
The log and the access log: what they say, what they never say, and R7: a reader that has stopped
holds up nobody, and what is lost is counted.
"""

import contextlib
import json
import os
import re
import signal
import subprocess
import sys

import pytest

from support.calm import calm
from support.client import Refused
from support.daemon import FETCHPOOL, FETCHPOOLD, environment, run, write_config
from support.journal import JournaledDaemon
from support.nameserver import NotPermitted
from support.origin import RawOrigin, response, serve
from support.ports import free_port
from support.timing import SANITIZED, Stopwatch, eventually, scaled
from support.trace import can_trace
from support.witness import Witness

LOST = r"^<4>(\d+) lines of the log were lost here: they were not read in time$"
REQUEST = (r"<7>client pid \d+, tag \S+: GET \S+: 200(, streamed \d+ bytes)?, "
           r"connection \d+, (new|reused), \d+ us")


@pytest.fixture
def access(tmp_path):
    """Where an access log may be, and its objects."""
    class Access:
        path = tmp_path / "access.log"

        def objects(self, path=None):
            return [json.loads(line) for line in (path or self.path).read_text().splitlines()]

        def await_count(self, count):
            eventually(lambda: self.path.exists() and len(self.objects()) == count, 5,
                       lambda: f"{count} lines: {self.path.read_text()}")
            return self.objects()

    return Access()


def lost_of(lines):
    return sum(int(match[1]) for line in lines if (match := re.search(LOST, line)))


def fetch_many(daemon, url, count):
    with daemon.client() as client:
        for _ in range(count):
            client.fetch(url)


# ---- R7: nobody reads ----------------------------------------------------------------------------

@pytest.mark.deadline(120)
def test_r7_a_log_that_nobody_reads_holds_up_nobody_and_says_what_it_lost(start_daemon, nginx,
                                                                       access):
    daemon = start_daemon({"daemon": {"log_buffer": "32KiB", "access_log": access.path}})
    url = nginx.url("/files/page")
    fetch_many(daemon, url, 1)
    with calm(daemon), Witness(daemon, url, nginx.file("page")):
        with daemon.unread():
            fetch_many(daemon, url, 3000)
            dropped = daemon.stats()["log_lines_dropped"]
            assert dropped > 1000
        daemon.await_line(LOST)
    daemon.stop()
    assert re.search("stopped: ", daemon.lines[-1])
    lines = [line for line in daemon.lines if "GET" in line]
    assert all(re.fullmatch(REQUEST, line) for line in lines)
    made = int(re.search(r"after (\d+) requests", daemon.lines[-1])[1])
    assert lost_of(daemon.lines) >= dropped and len(lines) + lost_of(daemon.lines) == made
    assert len(access.objects()) == made  # another reader's trouble


@pytest.mark.deadline(120)
def test_r7_an_access_log_whose_reader_has_stopped_holds_up_nobody(start_daemon, nginx, access):
    os.mkfifo(access.path)
    reader = subprocess.Popen(["cat", access.path], stdout=subprocess.PIPE)
    daemon = start_daemon({"daemon": {"log_buffer": "32KiB", "access_log": access.path}})
    url = nginx.url("/files/page")
    fetch_many(daemon, url, 1)
    json.loads(reader.stdout.readline())  # it is there
    with calm(daemon), Witness(daemon, url, nginx.file("page")):
        reader.send_signal(signal.SIGSTOP)
        fetch_many(daemon, url, 3000)
        dropped = daemon.stats()["access_lines_dropped"]
        assert dropped > 1000
        reader.send_signal(signal.SIGCONT)
    daemon.stop()
    made = int(re.search(r"after (\d+) requests", daemon.lines[-1])[1])
    objects = [json.loads(line) for line in reader.communicate(timeout=scaled(10))[0].splitlines()]
    lost = sum(each["lost"] for each in objects if "lost" in each)
    fetches = [each for each in objects if "lost" not in each]
    assert lost >= dropped and all(each["status"] == 200 for each in fetches)
    assert 1 + len(fetches) + lost == made
    assert not lost_of(daemon.lines)


def test_r7_a_stuck_reader_does_not_keep_the_daemon_from_its_end(start_daemon, nginx):
    daemon = start_daemon({"daemon": {"log_buffer": "32KiB"}})
    with daemon.unread():
        fetch_many(daemon, nginx.url("/text"), 1000)
        assert daemon.stats()["log_lines_dropped"] > 0
        daemon.close_clients()
        with Stopwatch() as watch:
            daemon.signal(signal.SIGTERM)
            assert daemon.process.wait(scaled(5)) == 0
    assert 0.4 < watch.seconds < scaled(2)


def test_r7_nor_does_one_of_the_access_log_or_one_that_never_came(start_daemon, nginx, access):
    """A FIFO that nobody has opened."""
    os.mkfifo(access.path)
    daemon = start_daemon({"daemon": {"log_buffer": "32KiB", "access_log": access.path}})
    fetch_many(daemon, nginx.url("/text"), 1000)
    assert daemon.stats()["access_lines_dropped"] > 0
    daemon.close_clients()
    with Stopwatch() as watch:
        assert daemon.stop(5) == 0
    assert 0.4 < watch.seconds < scaled(2)
    assert "stopped: " in daemon.lines[-1]


def test_what_waits_to_be_written_at_the_end_is_written(start_daemon, nginx):
    daemon = start_daemon({"daemon": {"log_buffer": "1MiB"}})
    with daemon.unread():
        fetch_many(daemon, nginx.url("/text"), 1000)
        daemon.close_clients()
        daemon.signal(signal.SIGTERM)
    daemon.wait()
    assert len([line for line in daemon.lines if "GET" in line]) == 1000
    assert "stopped: " in daemon.lines[-1] and not lost_of(daemon.lines)


NOT_BLOCKING = """
import fcntl, os, sys
fcntl.fcntl(2, fcntl.F_SETFL, fcntl.fcntl(2, fcntl.F_GETFL) | os.O_NONBLOCK)
os.execv(sys.argv[1], sys.argv[1:])
"""


def stderr_flags(daemon):
    with open(f"/proc/{daemon.pid}/fdinfo/2") as file:
        return int(re.search(r"flags:\s+(\d+)", file.read())[1], 8)


@pytest.mark.parametrize("wrapper", [[], [sys.executable, "-c", NOT_BLOCKING]],
                         ids=["blocking", "made non-blocking by another"])
def test_how_stderr_waits_is_left_alone_and_costs_no_line(start_daemon, nginx, wrapper):
    """What it is, it is for every process that has it."""
    daemon = start_daemon({"daemon": {"log_buffer": "1MiB"}}, wrapper=wrapper)
    flags = stderr_flags(daemon)
    assert bool(flags & os.O_NONBLOCK) == bool(wrapper)
    with daemon.unread():
        fetch_many(daemon, nginx.url("/text"), 1000)
    assert stderr_flags(daemon) == flags
    daemon.stop()
    lines = [line for line in daemon.lines if "GET" in line]
    assert len(lines) == 1000 and all(re.fullmatch(REQUEST, line) for line in lines)


def test_lines_that_a_full_disk_does_not_take_are_counted(start_daemon, nginx):
    daemon = start_daemon({"daemon": {"access_log": "/dev/full"}})
    fetch_many(daemon, nginx.url("/text"), 5)
    eventually(lambda: daemon.stats()["access_lines_dropped"] == 5, 5, "five lines")


# ---- Its start -----------------------------------------------------------------------------------

def test_what_a_failed_start_says_is_there_in_order(tmp_path):
    config = write_config(tmp_path / "c", {"limits": {"max_clients": "1000000"}})
    done = run("--config", config, "--socket", tmp_path / "none" / "s", "--log-level", "debug")
    assert done.returncode == 1
    lines = done.stderr.splitlines()
    assert len(lines) == 2 and "lowered" in lines[0] and str(tmp_path / "none") in lines[1]


@pytest.mark.skipif(SANITIZED or not can_trace(), reason="wants strace, and no sanitizer")
def test_a_start_without_a_thread_for_the_log_fails_with_a_word(tmp_path):
    done = subprocess.run(
        ["strace", "-f", "-qq", "-o", "/dev/null", "-e", "inject=clone,clone3:error=EAGAIN",
         *map(str, [FETCHPOOLD, "--socket", tmp_path / "s"])], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (
        1, "<3>cannot start: the thread of the log: Resource temporarily unavailable\n")


@pytest.mark.parametrize("check", [[], ["--check"]], ids=["start", "check"])
@pytest.mark.parametrize("path, reason", [("/nowhere/at/all", "No such file or directory"),
                                          ("/tmp", "Is a directory")])
def test_an_access_log_that_cannot_be_opened_is_a_clear_error(tmp_path, path, reason, check):
    config = write_config(tmp_path / "c", {"daemon": {"access_log": path}})
    done = run("--config", config, "--socket", tmp_path / "s", *check)
    assert done.returncode == 1 and f"[daemon] access_log {path}: {reason}" in done.stderr
    assert len(done.stderr.splitlines()) == 1 and done.stdout == ""


def test_a_check_makes_no_access_log(tmp_path, access):
    config = write_config(tmp_path / "c", {"daemon": {"access_log": access.path}})
    done = run("--config", config, "--check")
    assert done.returncode == 0 and f"access_log = {access.path}\n" in done.stdout
    assert not access.path.exists()


# ---- What the access log says --------------------------------------------------------------------

def test_each_fetch_has_one_object_in_the_access_log(start_daemon, nginx, access):
    daemon = start_daemon({"daemon": {"access_log": access.path}})
    client = daemon.client()
    client.call("hello", {"client": "the test", "version": "1"})
    first = client.fetch(nginx.url("/text?token=hush"), tag="one")
    client.fetch(nginx.url("/chain/2"), method="POST", body=b"12345", redirects=5)
    assert client.stream(nginx.url("/files/page")).body() == nginx.file("page")
    client.refused("ftp://127.0.0.1/")
    client.refused(f"http://127.0.0.1:{free_port()}/x")
    one, two, three, four, five = access.await_count(5)
    assert access.path.stat().st_mode & 0o777 & ~0o640 == 0
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", one["time"])
    assert one == {**one, "uid": os.getuid(), "pid": os.getpid(), "client": "the test", "tag": "one",
                   "method": "GET", "url": nginx.url("/text"), "origin": nginx.origin(),
                   "status": 200, "error": 0, "http": "2", "connection": first["connection"]["id"],
                   "reused": False, "bytes_in": len(first["body"]), "bytes_out": 0, "retries": 0,
                   "redirects": 0}
    for name in ("queue", "resolve", "connect", "tls", "first_byte"):
        assert one[f"{name}_us"] == first["timing"][name]
    assert one["total_us"] >= first["timing"]["total"]
    assert (two["method"], two["redirects"], two["bytes_out"], two["reused"]) == ("GET", 2, 5, True)
    assert (three["bytes_in"], three["status"]) == (len(nginx.file("page")), 200)
    assert (four["error"], four["error_name"]) == (1, "BAD_REQUEST")
    assert "url" not in four and "status" not in four and "connection" not in four
    assert (five["error"], five["error_name"]) == (103, "CONNECT") and five["url"].endswith("/x")
    assert five["request"] - four["request"] == 1
    assert daemon.stats()["requests"] == 5


def test_a_fetch_whose_client_went_away_has_one_too(start_daemon, slow, access):
    daemon = start_daemon({"daemon": {"access_log": access.path}})
    client = daemon.client()
    client.send("fetch", {"url": slow.url("/x")})
    slow.await_requests(1)
    client.close()
    (one,) = access.await_count(1)
    assert (one["error_name"], one["url"]) == ("CANCELLED_SENT", slow.url("/x"))
    assert not one["reused"] and one["connect_us"] > 0


def test_requests_that_keep_an_origin_warm_are_the_daemons_own(start_daemon, nginx, access):
    origin = nginx.origin()
    start_daemon({"daemon": {"access_log": access.path}, f'origin "{origin}"': {"warm": 1}})
    (one,) = access.await_count(1)
    assert one["warm"] is True and "uid" not in one and one["method"] == "HEAD"


def test_a_name_that_is_no_text_is_text_in_the_access_log(start_daemon, nginx, access):
    daemon = start_daemon({"daemon": {"access_log": access.path}})
    client = daemon.client()
    client.call("hello", {"client": 'a "b" \\ \x1b \u00e9', "version": "1"})
    client.fetch(nginx.url('/text?"'), tag="\u20ac\n{}")
    (one,) = access.await_count(1)
    assert one["client"] == 'a "b" \\ \x1b \u00e9' and one["tag"] == "\u20ac\n{}"


@pytest.mark.parametrize("urls, shown", [("origin", None), ("path", "/text"),
                                         ("full", "/text?token=hush")])
def test_log_urls_says_how_much_of_a_url_is_shown(start_daemon, nginx, access, urls, shown):
    daemon = start_daemon({"daemon": {"access_log": access.path, "log_urls": urls}})
    daemon.client().fetch(nginx.url("/text?token=hush"))
    (one,) = access.await_count(1)
    assert one.get("url") == (nginx.url(shown) if shown else None)
    assert one["origin"] == nginx.origin()
    daemon.await_line(re.escape(f": GET {nginx.url(shown) if shown else nginx.origin()}: 200"))


# ---- Rotation ------------------------------------------------------------------------------------

def test_at_a_reload_the_access_log_goes_on_in_a_new_file_and_loses_nothing(start_daemon, nginx,
                                                                       access):
    daemon = start_daemon({"daemon": {"access_log": access.path}})
    rotated = access.path.with_suffix(".1")
    with Witness(daemon, nginx.url("/files/page"), nginx.file("page")):
        fetch_many(daemon, nginx.url("/text"), 200)
        access.path.rename(rotated)
        daemon.signal(signal.SIGHUP)
        daemon.await_line("reload: ")
        fetch_many(daemon, nginx.url("/text"), 200)
    daemon.stop()
    made = int(re.search(r"after (\d+) requests", daemon.lines[-1])[1])
    objects = access.objects()
    assert len(objects) >= 200 and len(access.objects(rotated)) + len(objects) == made


def test_a_reload_without_a_place_for_it_changes_nothing(start_daemon, nginx, access):
    access.path = access.path.parent / "d" / "log"
    access.path.parent.mkdir()
    daemon = start_daemon({"daemon": {"access_log": access.path}})
    elsewhere = access.path.parent.rename(access.path.parent.parent / "e") / "log"
    daemon.signal(signal.SIGHUP)
    daemon.await_line(rf"^<3>reload: \[daemon\] access_log {access.path}: No such file or directory; ")
    fetch_many(daemon, nginx.url("/text"), 1)
    eventually(lambda: len(access.objects(elsewhere)) == 1, 5, "the line")


def test_a_reload_can_begin_move_and_end_an_access_log(start_daemon, nginx, access):
    daemon = start_daemon()
    other = access.path.with_suffix(".2")
    url = nginx.url("/text?token=hush")
    client = daemon.client()
    for keys, written in (({"access_log": access.path}, access.path),
                          ({"access_log": other, "log_urls": "full"}, other), ({}, None),
                          ({"access_log": access.path, "log_urls": "origin"}, access.path)):
        client.fetch(url)  # by the terms before
        before = daemon.stats()["access_lines_dropped"]
        write_config(daemon.config, {"daemon": keys})
        client.call("reload")
        client.fetch(url)
        assert daemon.stats()["access_lines_dropped"] == before == 0
    daemon.stop()
    shown = [each.get("url") for each in access.objects()]
    assert shown == [nginx.url("/text")] * 2 + [None]
    assert [each["url"] for each in access.objects(other)] == [url, url]


# ---- What is never said --------------------------------------------------------------------------

HUSH = "hush"


def secretive(request):
    fields = [("Set-Cookie", f"s={HUSH}"), ("X-Odd", HUSH)]
    if "/go" in request.target:
        where = {"/go": f"/end?k={HUSH}", "/go-bad": f"ftp://{HUSH}/?k={HUSH}",
                 "/go-user": f"http://me:{HUSH}@127.0.0.1/", "/go-round": f"/go-round?k={HUSH}",
                 "/go-down": f"http://127.0.0.1:9/?k={HUSH}"}[request.target.split("?")[0]]
        return response(302, HUSH.encode(), [*fields, ("Location", where)], reason=HUSH)
    if "/odd-length" in request.target:
        return b"HTTP/1.1 200 OK\r\nContent-Length: " + HUSH.encode() + b"\r\n\r\n"
    if "/odd-coding" in request.target:
        return response(200, HUSH.encode(), [("Content-Encoding", "gzip"), *fields])
    if "/odd-line" in request.target:
        return HUSH.encode() + b"\r\n\r\n"
    if "/odd-field" in request.target:
        return b"HTTP/1.1 200 OK\r\n" + HUSH.encode() + b"\r\n: x\r\n\0\r\n\r\n"
    return response(200, HUSH.encode(), fields, reason=HUSH)


def ask_secretly(daemon, origin):
    """Requests of every fate, each with secrets wherever one may be."""
    secrets = {"headers": [["Authorization", f"Bearer {HUSH}"], ["Cookie", HUSH], ["X-A", HUSH]],
               "method": "POST", "body": HUSH.encode()}
    client = daemon.client()
    for path in ("", "go", "go-bad", "go-user", "go-round", "go-down", "odd-length", "odd-coding",
                 "odd-line", "odd-field"):
        for more in ({}, {"redirects": 3, "decompress": True}, {"stream": True, "window": 1000}):
            with contextlib.suppress(Refused):
                client.fetch(origin.url(f"/{path}?k={HUSH}#{HUSH}"), **secrets, **more)
    for wrong in ({"url": f"http://me:{HUSH}@127.0.0.1/"}, {"url": f"x://{HUSH}"},
                  {"url": origin.url(), "headers": [["X-A", f"{HUSH}\n"]]},
                  {"url": origin.url(), "headers": [[f"{HUSH}:", "x"]]},
                  {"url": origin.url(), "headers": [["Content-Length", HUSH]]},
                  {"url": origin.url(), "headers": [["Host", HUSH]]},
                  {"url": origin.url(), "proxy": f"http://me:{HUSH}@127.0.0.1:{free_port()}"},
                  {"url": origin.url(), "proxy": f"socks5h://me:{HUSH}@127.0.0.1:{free_port()}"},
                  {"url": origin.url(), "proxy": f"{HUSH}://x"},
                  {"url": f"https://127.0.0.1:{free_port()}/?k={HUSH}",
                   "tls": {"cert": HUSH, "key": HUSH, "ca": HUSH}},
                  {"url": f"http://169.254.1.1/?k={HUSH}", **secrets},
                  {"url": f"http://no-such.invalid/?k={HUSH}", **secrets}, {HUSH: HUSH}):
        client.refused_call("fetch", wrong)
        with contextlib.suppress(Refused):
            client.call("check", {key: value for key, value in wrong.items() if key != "body"})
    client.refused_call(HUSH)
    broken = daemon.client()
    broken.write(b"\x94\x00\x01\xa5fetch\x91\xc1" + HUSH.encode())
    assert broken.closed_within(5)
    daemon.text(f"GET {origin.url(f'/?k={HUSH}')}\nGET {HUSH}://\n{HUSH}\n".encode())


def test_no_line_at_any_level_holds_a_query_a_header_a_body_or_a_password(start_daemon, access):
    with RawOrigin(serve(secretive)) as origin:
        daemon = start_daemon({
            "daemon": {"access_log": access.path}, "timeouts": {"total": "3s"},
            "proxy": {"allow_client": "yes"},
            f'origin "{origin.url("")}"': {"warm": 1, "warm_path": f"/go-bad?k={HUSH}",
                                           "header": f"X-Key: {HUSH}"},
            'policy "default"': {"credentials": origin.url("")}})
        ask_secretly(daemon, origin)
        assert any(HUSH in request.head.decode() for request in origin.requests)
        daemon.signal(signal.SIGHUP)
        daemon.await_line("reload: ")
        daemon.stop()
    assert len(access.objects()) > 40 and daemon.lines_matching("^<4>") and daemon.lines_matching("^<7>")
    for line in [*daemon.lines, *access.path.read_text().splitlines()]:
        assert HUSH not in line, line


def test_a_wrong_proxy_of_the_configuration_is_not_shown_with_its_password(tmp_path):
    config = write_config(tmp_path / "c", {"proxy": {"url": "htp://me:hush@proxy.test"}})
    done = run("--config", config, "--check")
    assert done.returncode == 1 and "[proxy] url" in done.stderr and "hush" not in done.stderr


CONFIGURED = "http://127.0.0.1:9"  # where nobody listens
WRONG = [{"proxy": {"url": f"ftp://me:{HUSH}"}}, {"proxy": {"url": f"me:{HUSH}@proxy.test"}},
         {f'proxy "http://me:{HUSH}@proxy.test"': {}},
         {f'origin "{CONFIGURED}"': {"warm_path": f"x?k={HUSH}"}},
         {f'origin "{CONFIGURED}"': {"header": HUSH}},
         {f'origin "http://me:{HUSH}@127.0.0.1"': {}}, {f'origin "{CONFIGURED}/?k={HUSH}"': {}},
         {f'orgin "http://me:{HUSH}@127.0.0.1"': {}}, {f"http://me:{HUSH}@127.0.0.1": {}},
         {f'policy "http://me:{HUSH}@127.0.0.1"': {}}, {f"policy http://me:{HUSH}@127.0.0.1": {}}]


def test_nor_does_a_line_about_a_reload_whatever_it_changes(start_daemon):
    daemon = start_daemon()
    for path in (f"/x?k={HUSH}1", f"/x?k={HUSH}2", f"/{HUSH}"):
        for proxy in ("1", "2"):
            write_config(daemon.config, {f'origin "{CONFIGURED}"': {"warm_path": path},
                                         "proxy": {"url": f"http://me:{HUSH}{proxy}@127.0.0.1:9"}})
            daemon.ask("reload")
    daemon.stop()
    changed = rf'^<5>reload: \[origin "{CONFIGURED}"\] warm_path: changed$'
    assert len(daemon.lines_matching(changed)) == 2
    assert not daemon.lines_matching(HUSH)


@pytest.mark.parametrize("wrong", WRONG, ids=range(len(WRONG)))
def test_nor_does_one_about_a_configuration_that_is_wrong(start_daemon, tmp_path, wrong):
    daemon = start_daemon()
    done = run("--config", write_config(tmp_path / "c", wrong), "--check")
    assert done.returncode == 1 and done.stderr and HUSH not in done.stderr
    write_config(daemon.config, wrong)
    with pytest.raises(Refused) as refused:
        daemon.ask("reload")
    assert HUSH not in refused.value.message
    daemon.signal(signal.SIGHUP)
    daemon.await_line("^<3>reload: ")
    daemon.stop()
    assert not daemon.lines_matching(HUSH)


# ---- What steers a terminal ----------------------------------------------------------------------

def test_no_client_steers_the_terminal_of_who_reads_a_log(start_daemon, nginx, access):
    """U+009B is to some terminals what ESC [ is to all."""
    daemon = start_daemon({"daemon": {"access_log": access.path}})
    client = daemon.client()
    client.call("hello", {"client": "\u009b2J\u00e9", "version": "1"})
    client.fetch(nginx.url("/text"), tag="A\u009b31mB\x1b[0m\u20ac")
    (one,) = access.await_count(1)
    assert (one["client"], one["tag"]) == ("\u009b2J\u00e9", "A\u009b31mB\x1b[0m\u20ac")
    daemon.await_line(r"tag A\?\?31mB\?\[0m\u20ac: GET ")
    daemon.stop()
    written = "".join(daemon.lines) + access.path.read_text().replace("\n", "")
    assert r"A\u009b31mB\u001b[0m" "\u20ac" in written
    assert not re.search("[\0-\x1f\x7f-\x9f]", written)


# ---- The journal ---------------------------------------------------------------------------------

@pytest.fixture
def journaled():
    def start(config=None):
        try:
            return stack.enter_context(JournaledDaemon(config))
        except NotPermitted as reason:
            pytest.skip(str(reason))

    with contextlib.ExitStack() as stack:
        yield start


def test_entries_of_the_journal_have_fields(journaled):
    with RawOrigin() as origin:
        daemon = journaled({f'policy "default"': {"deny": "http://old.test"}})
        client = daemon.client()
        client.call("hello", {"client": "the test", "version": "1"})
        answer = client.fetch(origin.url("/x?token=hush"), tag="one")
        client.refused("http://old.test/y")
        client.refused("http://old.test/z")
        daemon.await_line("error 2")
        daemon.stop()
    start, fetched, denied, refused = daemon.entries[:4]
    common = {"SYSLOG_IDENTIFIER": "fetchpoold", "SYSLOG_FACILITY": "3"}
    assert start.items() >= {**common, "PRIORITY": "6"}.items() and "listening" in start["MESSAGE"]
    who = {"FETCHPOOL_UID": str(os.getuid()), "FETCHPOOL_PID": str(os.getpid())}
    whole = {**common, **who, "PRIORITY": "7", "FETCHPOOL_CLIENT": "the test",
             "FETCHPOOL_TAG": "one", "FETCHPOOL_ORIGIN": origin.url(""), "FETCHPOOL_METHOD": "GET",
             "FETCHPOOL_URL": origin.url("/x"), "FETCHPOOL_STATUS": "200",
             "FETCHPOOL_CONNECTION": str(answer["connection"]["id"])}
    rest = {"MESSAGE", "FETCHPOOL_REQUEST", "FETCHPOOL_TOTAL_US"}
    assert fetched.items() >= whole.items() and set(fetched) == set(whole) | rest
    assert denied.items() >= {**common, **who, "PRIORITY": "4", "FETCHPOOL_ORIGIN": "http://old.test",
                              "FETCHPOOL_RULE": 'policy "default": deny = http://old.test'}.items()
    assert refused["FETCHPOOL_ERROR"] == "2" and refused["FETCHPOOL_ERROR_NAME"] == "DENIED"
    assert all("hush" not in value for entry in daemon.entries for value in entry.values())


@pytest.mark.deadline(120)
def test_r7_a_journal_that_is_stopped_holds_up_nobody(journaled, nginx):
    daemon = journaled({"daemon": {"log_buffer": "32KiB"}})
    url = nginx.url("/files/page", nginx.PLAIN)
    fetch_many(daemon, url, 1)
    with calm(daemon), Witness(daemon, url, nginx.file("page")):
        with daemon.unread():
            fetch_many(daemon, url, 3000)
            assert daemon.stats()["log_lines_dropped"] > 1000
        daemon.await_line(LOST)
    daemon.stop()
    eventually(lambda: "stopped: " in daemon.lines[-1], 5, "the last entry")
    made = int(re.search(r"after (\d+) requests", daemon.lines[-1])[1])
    lost = sum(int(entry.get("FETCHPOOL_LOST", 0)) for entry in daemon.entries)
    assert lost == lost_of(daemon.lines)
    assert len([line for line in daemon.lines if "GET" in line]) + lost == made


JOURNALD = "/lib/systemd/systemd-journald"

# The daemon runs as a service's process would, until one request has been made. /run and /var/log
# are others, so that nothing of the host's is touched. systemd-cat gives it a stream of the journal's.
UNDER_JOURNALD = """
mount -t tmpfs none /run && mount -t tmpfs none /var/log &&
mkdir -p /run/systemd/journal /run/log/journal || exit 77
await() { until [ -S "$1" ]; do sleep 0.02; done; }
"$1" & journald=$!
await /run/systemd/journal/stdout
systemd-cat sh -c 'JOURNAL_STREAM=$(stat -L -c %d:%i /proc/self/fd/2); export JOURNAL_STREAM
                   exec "$@"' sh "$2" --socket "$4" --log-level debug & daemon=$!
await "$4"
FETCHPOOL_SOCKET=$4 "$3" -s -o /dev/null "$5"
kill $daemon && wait $daemon || exit 1
journalctl --sync
journalctl -D /run/log/journal -o json _COMM=fetchpoold
kill $journald; wait $journald
"""


@pytest.mark.skipif(not os.path.exists(JOURNALD), reason="there is no journald")
def test_a_real_journald_keeps_them(tmp_path):
    with RawOrigin() as origin:
        done = subprocess.run(
            ["unshare", "-m", "sh", "-c", UNDER_JOURNALD, "sh", JOURNALD, FETCHPOOLD, FETCHPOOL,
             tmp_path / "s", origin.url("/x?token=hush")], capture_output=True, text=True,
            stdin=subprocess.DEVNULL, env=environment(tmp_path), timeout=scaled(25))
    if done.returncode == 77 or "unshare: " in done.stderr:
        pytest.skip(f"a mount namespace is not permitted here: {done.stderr}")
    entries = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(entries) == 4, done.stderr
    assert all((entry["_TRANSPORT"], entry["SYSLOG_IDENTIFIER"]) == ("journal", "fetchpoold")
               for entry in entries)
    (fetched,) = [entry for entry in entries if entry.get("FETCHPOOL_ORIGIN") == origin.url("")]
    assert fetched["PRIORITY"] == "7" and fetched["FETCHPOOL_STATUS"] == "200"
    assert fetched["FETCHPOOL_URL"] == origin.url("/x") and "hush" not in done.stdout


def test_a_stderr_that_is_no_longer_the_journals_gets_text(start_daemon):
    """As in a program that was started by a service, with a pipe of its own."""
    daemon = start_daemon(more_environment={"JOURNAL_STREAM": "9:99999999"})
    assert re.match("<6>fetchpoold", daemon.lines[0])
