"""fetchpool top: on a terminal, on none, and what it leaves behind. Its daemon is a scripted one."""

import json
import re
import signal
import subprocess
import threading

import pytest

from support.daemon import FETCHPOOL, environment, temporary_directory
from support.fakedaemon import FakeDaemon
from support.terminal import Terminal
from support.timing import eventually, scaled

HOSTILE = b"x\x1b[2J\x1b]0;owned\x07\x9b31m\xc2\x9b\r\n\x00\x7f"

PHASES = ("queue", "resolve", "connect", "tls", "first_byte", "total")
TIMINGS = {phase: {"p50": 12_000, "p90": 90_000, "p99": 340_000} for phase in PHASES}
ORIGIN = {
    "origin": "https://h", "state": "ok", "http": "2", "connections": 12, "idle": 9, "opening": 0,
    "running": 3, "queued": 0, "requests": 100, "reuse_ratio": 0.998, "failed": 7, "retries": 2,
    "handshakes_saved": 90, "ms_saved": 4000, "idle_limit_ms": None, "retry_in_ms": 0, "errors": {},
    "timings": TIMINGS,
}
CONNECTION = {"id": 0, "origin": "https://h", "http": "2", "state": "active", "age_ms": 61_000,
              "idle_ms": 0, "requests": 5, "streams": 1, "peer": "192.0.2.7:443"}
CLIENT = {"pid": 4194303, "uid": 1000, "gid": 1000, "name": "shop", "in_flight": 2, "queued": 1,
          "requests": 5, "bytes": 1 << 20, "tag": "cart"}
STATS = {
    "version": "0.1.0", "pool": "p1", "uptime_ms": 3_723_000, "clients": 4, "in_flight": 5,
    "queued": 2, "connections": 12, "opening": 1, "requests": 1000, "requests_failed": 20,
    "connections_opened": 100, "handshakes_saved": 900, "retries": 5, "ms_saved": 754_000,
}


class Facts:
    """What the daemon says; a test changes it, or lets it grow with each poll."""

    def __init__(self):
        self.stats = dict(STATS)
        self.rows = {"origins": [ORIGIN], "connections": [CONNECTION], "clients": [CLIENT]}
        self.grow = lambda: None
        self.polls = 0

    def script(self, peer):
        for request_id, method, _ in peer.messages():
            if method == "stats":
                self.polls += 1
                self.grow()
                peer.answer(request_id, self.stats)
            else:
                peer.answer(request_id, self.rows[method])


def origin(name, **changes):
    return {**ORIGIN, "origin": name, **changes}


@pytest.fixture
def here():
    directory = temporary_directory()
    yield directory
    for path in directory.iterdir():
        path.unlink()
    directory.rmdir()


@pytest.fixture
def facts():
    return Facts()


@pytest.fixture
def fake(here, facts):
    daemon = FakeDaemon(here / "s", facts.script)
    yield daemon
    daemon.close()


@pytest.fixture
def surroundings(here):
    return environment(here, FETCHPOOL_SOCKET=str(here / "s"))


@pytest.fixture
def top(surroundings):
    """top(...): what it prints where there is no terminal."""
    def top(*arguments, **options):
        return subprocess.run([FETCHPOOL, "top", *map(str, arguments)], capture_output=True,
                              stdin=subprocess.DEVNULL, env=surroundings, timeout=scaled(20),
                              **options)
    return top


@pytest.fixture
def on_terminal(surroundings):
    """on_terminal(...): it runs there, each 0.1 s unless said otherwise."""
    started = []

    def on_terminal(*arguments, rows=24, columns=80, command=None):
        words = command or [FETCHPOOL, "top", "--interval", "0.1", *arguments]
        started.append(Terminal(words, surroundings, rows=rows, columns=columns))
        return started[-1]

    yield on_terminal
    for terminal in started:
        terminal.__exit__()


def titles_of(lines):
    return next(at for at, line in enumerate(lines) if re.search(r"\brequests\b|\breq/s\b", line, re.I)
                and "requests/s" not in line)


def rows_of(lines):
    return [line.split() for line in lines[titles_of(lines) + 1:] if line]


def names_of(lines):
    return [row[0] for row in rows_of(lines)]


def is_drawn(lines):
    return lines[0].startswith("fetchpoold 0.1.0")


# ---- Without a terminal --------------------------------------------------------------------------

def frames_of(done):
    assert (done.returncode, done.stderr) == (0, b"")
    assert not re.search(rb"[^\x20-\x7e\n]", done.stdout)
    frames = [frame.splitlines() for frame in done.stdout.decode().split("\n\n")]
    return frames


def test_without_a_terminal_each_frame_is_plain_text(top, fake):
    (frame,) = frames_of(top("--count", 1))
    assert frame == [
        "fetchpoold 0.1.0  up 1h02  clients 4  connections 12  running 3  queued 2",
        "requests/s -  reuse - now, 90% in all  errors/s -  retries 5",
        "saved: handshakes 900  time 12m34",
        "origins: 1, busiest first",
        "origin                  conns   run queue req/s reuse  p50/p99 ms errors state",
        "https://h                3/12     3     0     -   99%      12/340      7 ok",
    ]
    assert all(len(line) <= 80 for line in frame)
    assert fake.requests == ["stats", "origins"]


def test_rates_are_differences_of_two_polls(top, fake, facts):
    def grow():
        facts.stats.update(requests=facts.stats["requests"] + 200,
                           requests_failed=facts.stats["requests_failed"] + 2,
                           handshakes_saved=facts.stats["handshakes_saved"] + 199,
                           connections_opened=facts.stats["connections_opened"] + 1)
        facts.rows["origins"] = [origin("https://h", requests=1000 + 100 * facts.polls),
                                 origin("https://quiet", requests=10**6)]
    facts.grow = grow
    frames = frames_of(top("--count", 3, "--interval", 1))
    assert len(frames) == 3
    for frame in frames[1:]:
        rate, reuse, errors = re.match(r"requests/s (\d+)  reuse (\d+)% now, \d+% in all  errors/s (\S+)",
                                       frame[1]).groups()
        assert 80 <= float(rate) <= 200 / 0.95 and reuse == "99" and 0.8 <= float(errors) <= 2.1
        rows = rows_of(frame)
        assert [row[0] for row in rows] == ["https://h", "https://quiet"]
        assert 40 <= float(rows[0][4]) <= 100 / 0.95 and rows[1][4] == "0"
    assert names_of(frames[0]) == ["https://quiet", "https://h"]  # nothing but the totals is known


def test_without_a_terminal_nothing_is_cut_and_the_columns_stay_in_line(top, fake, facts):
    names = ["https://" + "a" * 300 + ":8443", "https://h"]
    facts.rows["origins"] = [origin(names[0], running=4, state="x" * 20), origin(names[1])]
    (frame,) = frames_of(top("--count", 1))
    titles, *rows = frame[titles_of(frame):]
    assert [row.split()[0] for row in rows] == names and rows[0].endswith(" " + "x" * 20)
    assert {row.index(" 3/12 ") for row in rows} == {titles.index("conns") - 1 + len("conns") - len("3/12")}


def test_large_numbers_stay_in_their_columns(top, fake, facts):
    huge = 2**53
    facts.rows["origins"] = [
        origin("https://h", connections=99_999, idle=0, running=huge, queued=huge, requests=huge,
               failed=huge, reuse_ratio=1.0,
               timings={"total": {"p50": 86_400_000_000, "p90": 0, "p99": 86_400_000_000}})]
    facts.stats.update({name: huge for name, value in STATS.items() if isinstance(value, int)})
    (frame,) = frames_of(top("--count", 1))
    assert len(frame[-1].split()) == 9, frame[-1]
    assert frame[-1].split()[5] == "100%"


def test_numbers_that_are_not_there_are_a_dash(top, fake, facts):
    facts.rows["origins"] = [{"origin": "https://h"}]
    facts.stats = {"version": "0"}
    (frame,) = frames_of(top("--count", 1))
    assert frame[-1].split()[0] == "https://h" and frame[0] == (
        "fetchpoold 0  up -  clients -  connections -  running -  queued -")


@pytest.mark.parametrize("rows", [None, "text", {"a": 1}, [], [1, None, [2]], [{}], [{1: 2}]])
def test_an_answer_that_makes_no_sense_is_survived(top, fake, facts, rows):
    facts.rows["origins"] = rows
    frames_of(top("--count", 2, "--interval", 0.1))
    facts.stats = rows
    frames_of(top("--count", 2, "--interval", 0.1))


def test_a_closed_pipe_ends_it(surroundings, fake):
    process = subprocess.Popen([FETCHPOOL, "top", "--interval", "0.1"], stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, env=surroundings)
    process.stdout.readline()
    process.stdout.close()
    assert process.wait(scaled(10)) == 23
    assert b"(23)" in process.stderr.read()
    process.stderr.close()


def test_no_daemon_at_the_start_is_the_exit_code_of_all_commands(top, here):
    done = top()
    assert (done.returncode, done.stdout) == (120, b"")
    assert b"start it with" in done.stderr


def test_a_daemon_that_does_not_know_origins_is_an_error(top, here):
    def is_old(peer):
        for request_id, method, _ in peer.messages():
            if method == "stats":
                peer.answer(request_id, STATS)
            else:
                peer.refuse(request_id, 4, "unknown method")
    with FakeDaemon(here / "s", is_old):
        done = top()
    assert (done.returncode, done.stdout) == (122, b"")
    assert done.stderr == b"fetchpool: (122) unknown method\n"


# ---- On a terminal -------------------------------------------------------------------------------

@pytest.mark.parametrize("rows, columns", [(24, 80), (40, 120), (24, 300), (5, 20), (1, 1)])
def test_a_window_is_filled_and_never_left(on_terminal, fake, facts, rows, columns):
    facts.rows["origins"] = [origin(f"https://host-{i}.example.com", running=i) for i in range(100)]
    terminal = on_terminal(rows=rows, columns=columns)
    lines = terminal.await_screen(lambda lines: all(lines))  # the screen itself refuses what is too much
    assert all(len(line) < columns or columns == 1 for line in lines)
    if rows >= 24:
        names = names_of(lines)
        assert len(names) == rows - titles_of(lines) - 1 and "host-99.example.com" in names[0]
    assert terminal.screen.is_alternate and not terminal.screen.has_cursor and terminal.is_raw()
    terminal.type("q")
    assert terminal.wait() == 0 and terminal.is_as_before()


@pytest.mark.parametrize("name, shown", [
    ("https://twelve:8443", "https://twelve:8443"), ("https://hosts.example.com", "hosts.example.com"),
    ("https://service-one.example.com:8443", "service-o~e.com:8443"),
    ("https://service-one.example.com:8444", "service-o~e.com:8444"),
    ("http://hosts.example.com", "hosts.example.com:80"), ("http://[2001:db8::1:2:3]", "[2001:db8::1:2:3]:80"),
    ("http://hosts.example.com:81", "hosts.example.com:81"), ("a" * 20 + "b" * 20, "a" * 9 + "~" + "b" * 10)])
def test_of_an_origin_that_is_too_long_host_and_port_are_left(on_terminal, fake, facts, name, shown):
    facts.rows["origins"] = [origin(name)]
    terminal = on_terminal("--interval", "600")
    assert names_of(terminal.await_screen(is_drawn)) == [shown]


def test_more_room_shows_more_columns(on_terminal, fake):
    terminal = on_terminal()
    narrow = terminal.await_screen(is_drawn)
    terminal.resize(40, 160)
    wide = terminal.await_screen(is_drawn)
    titles, more = narrow[titles_of(narrow)].split(), wide[titles_of(wide)].split()
    assert titles == ["origin", "conns", "run", "queue", "req/s", "reuse", "p50/p99", "ms", "errors",
                      "state"]
    assert set(more) == {*titles, "requests", "http", "retries", "limit", "saved"}


def test_a_new_size_is_drawn_at_once(on_terminal, fake, facts):
    facts.rows["origins"] = [origin(f"https://host-{i}", running=i) for i in range(100)]
    terminal = on_terminal("--interval", "600")
    terminal.await_screen(is_drawn)
    for rows, columns in [(40, 120), (24, 80), (10, 60), (24, 80)]:
        terminal.resize(rows, columns)
        lines = terminal.await_screen(lambda lines: is_drawn(lines) and all(lines))
        assert len(lines) == rows
    assert facts.polls == 1


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT])
def test_a_signal_that_ends_it_gives_the_terminal_back(on_terminal, fake, number):
    terminal = on_terminal()
    terminal.await_screen(is_drawn)
    terminal.signal(number)
    assert terminal.wait() == -number and terminal.is_as_before()


def test_ctrl_c_is_a_signal(on_terminal, fake):
    terminal = on_terminal()
    terminal.await_screen(is_drawn)
    terminal.type("\x03")
    assert terminal.wait() == -signal.SIGINT and terminal.is_as_before()


def test_the_last_frame_gives_the_terminal_back(on_terminal, fake, facts):
    terminal = on_terminal("--count", "3")
    assert terminal.wait() == 0 and terminal.is_as_before()
    assert facts.polls == 3


def test_ctrl_z_lends_the_terminal_to_the_shell(on_terminal, fake):
    """The shell goes on when its job has stopped, says so, and takes the job to the front again."""
    script = f"{FETCHPOOL} top --interval 0.1; echo back in the shell; sleep 0.3; fg; echo $?"
    terminal = on_terminal(command=["sh", "-mc", script], columns=300)
    terminal.await_screen(is_drawn)
    terminal.type("\x1a")
    lines = terminal.await_screen(lambda lines: any("back in the shell" in line for line in lines))
    assert not terminal.screen.is_alternate and terminal.screen.has_cursor, lines
    assert not terminal.is_raw()
    terminal.await_screen(is_drawn)
    assert terminal.screen.is_alternate and not terminal.screen.has_cursor and terminal.is_raw()
    terminal.type("q")
    assert terminal.wait() == 0 and terminal.is_as_before()


def test_a_process_that_was_stopped_takes_the_terminal_again(on_terminal, fake):
    terminal = on_terminal("--interval", "600")
    terminal.await_screen(is_drawn)
    terminal.signal(signal.SIGSTOP)
    eventually(lambda: "State:\tT" in open(f"/proc/{terminal.process.pid}/status").read(), 5, "stopped")
    terminal.screen.clear()
    terminal.signal(signal.SIGCONT)
    terminal.await_screen(is_drawn)
    terminal.type("q")
    assert terminal.wait() == 0 and terminal.is_as_before()


def test_names_do_not_steer_the_terminal(on_terminal, fake, facts):
    """Terminal fails at any byte that is not printable, and at sequences that are not ours."""
    facts.rows = {
        "origins": [origin(HOSTILE, state=HOSTILE, http=HOSTILE)],
        "connections": [{**CONNECTION, "origin": HOSTILE, "peer": HOSTILE, "state": HOSTILE}],
        "clients": [{**CLIENT, "name": HOSTILE, "tag": HOSTILE}],
    }
    facts.stats["version"] = HOSTILE
    terminal = on_terminal(rows=24, columns=200)
    for key in "ocl":
        terminal.type(key)
        terminal.await_screen(lambda lines: any("x?[2J?]0;owned??31m" in line for line in lines[4:]))
    terminal.type("q")
    assert terminal.wait() == 0


# ---- Keys ----------------------------------------------------------------------------------------

def test_a_key_shows_another_list(on_terminal, fake):
    terminal = on_terminal("--interval", "600")
    terminal.await_screen(is_drawn)
    terminal.type("c")
    lines = terminal.await_screen(lambda lines: lines[3].startswith("connections: 1"))
    assert rows_of(lines) == [["0", "https://h", "-", "1", "5", "1m01", "0.0s", "2", "active"]]
    terminal.type("l")
    lines = terminal.await_screen(lambda lines: lines[3].startswith("clients: 1"))
    assert rows_of(lines) == [["4194303", "1000", "shop", "-", "2", "1", "5", "1.0M", "cart"]]
    terminal.type("o")
    terminal.await_screen(lambda lines: lines[3].startswith("origins: 1"))


def test_keys_choose_the_order(on_terminal, fake, facts):
    facts.rows["origins"] = [
        origin("https://b", running=9, failed=0, queued=1), origin("https://a", running=1, failed=5),
        origin("https://c", running=5, failed=1, reuse_ratio=0.1, connections=99)]
    terminal = on_terminal("--interval", "600")

    def order_is(words, names):
        lines = terminal.await_screen(lambda lines: re.search(f"{words}  ", lines[3]))
        assert [name[-1] for name in names_of(lines)] == list(names), lines

    order_is("busiest first", "bca")
    for key, words, names in [("s", "by origin", "abc"), ("\t", "by conns", "cba"),
                              ("\x1b[C", "by run", "bca"), ("\x1bOC", "by queue", "bca"),
                              ("ssss", "by errors", "acb"), ("\x1b[D", "by p50/p99 ms", "bca"),
                              ("\x1b[D", "by reuse", "bac"), ("\x1b[A?\x1b[15~", "by reuse", "bac")]:
        terminal.type(key)
        order_is(words, names)
    assert "REUSE" in terminal.screen.lines[4] and "req/s" in terminal.screen.lines[4]
    assert facts.polls == 1


def test_keys_are_not_echoed_and_q_counts_while_nothing_happens(on_terminal, fake):
    terminal = on_terminal("--interval", "600")
    terminal.await_screen(is_drawn)
    terminal.type("xyz")
    terminal.read_for(0.2)
    assert not any("xyz" in line for line in terminal.screen.lines)
    terminal.type("q")
    assert terminal.wait() == 0


# ---- A daemon that goes --------------------------------------------------------------------------

def test_a_daemon_that_restarts_is_found_again(on_terminal, here, facts):
    facts.grow = lambda: facts.stats.update(requests=facts.stats["requests"] + 50)
    with FakeDaemon(here / "s", facts.script):
        terminal = on_terminal()
        terminal.await_screen(lambda lines: re.match(r"requests/s \d", lines[1]))
    lines = terminal.await_screen(lambda lines: lines[0].startswith("fetchpoold does not answer"))
    assert "asking every 0.1s" in lines[0] and "failed: No such file" in " ".join(lines)
    assert not any("https://h" in line for line in lines)
    facts.stats.update(pool="p2", uptime_ms=0, requests=0)
    with FakeDaemon(here / "s", facts.script):
        terminal.await_screen(lambda lines: "up 0.0s" in lines[0])
        lines = terminal.await_screen(lambda lines: re.match(r"requests/s \d", lines[1]))
        assert names_of(lines) == ["https://h"]
        terminal.type("q")
        assert terminal.wait() == 0 and terminal.is_as_before()


def test_another_daemons_counters_are_not_compared(top, fake, facts):
    """It restarted between two polls, which nothing but the pool's name says."""
    facts.grow = lambda: facts.stats.update(
        pool=f"p{facts.polls}", requests=10_000 * facts.polls, uptime_ms=facts.polls)
    facts.rows["origins"] = [origin("https://h", requests=5)]
    for frame in frames_of(top("--count", 3, "--interval", 0.1)):
        assert frame[1].startswith("requests/s -  reuse - now")
        assert rows_of(frame)[0][4] == "-"


def test_a_daemon_that_hangs_holds_neither_signal_nor_end(on_terminal, here, facts):
    hung = threading.Event()

    def hangs_then(peer):
        for request_id, method, _ in peer.messages():
            if method == "stats" and facts.polls == 2:
                hung.set()
                peer.socket.recv(1)
                return
            facts.polls += method == "stats"
            peer.answer(request_id, facts.stats if method == "stats" else facts.rows[method])

    with FakeDaemon(here / "s", hangs_then):
        terminal = on_terminal()
        terminal.await_screen(is_drawn)
        assert hung.wait(scaled(5))
        terminal.signal(signal.SIGTERM)
        assert terminal.wait(1) == -signal.SIGTERM and terminal.is_as_before()
        facts.polls = 0
        hung.clear()
        terminal = on_terminal("-m", "0.3")
        terminal.await_screen(lambda lines: "did not answer" in " ".join(lines))
        terminal.type("q")
        assert terminal.wait() == 0 and terminal.is_as_before()


# ---- The real daemon -----------------------------------------------------------------------------

@pytest.fixture
def busy(daemon, client, nginx):
    """Where a daemon is that has carried five requests to one origin, over one connection."""
    for _ in range(5):
        client.fetch(nginx.url("/text"))
    return daemon.path


def test_origins_of_the_real_daemon_have_every_key_in_its_order(busy, surroundings):
    def report(*arguments):
        return subprocess.run([FETCHPOOL, "--socket", busy, "origins", *arguments], check=True,
                              capture_output=True, env=surroundings, timeout=scaled(20)).stdout
    (row,) = json.loads(report("--json"))
    assert list(row) == list(ORIGIN) and list(row["timings"]) == list(PHASES)
    assert all(set(row["timings"][phase]) == {"p50", "p90", "p99"} for phase in PHASES)
    assert (row["requests"], row["failed"], row["errors"], row["state"]) == (5, 0, {}, "ok")
    titles, cells = report().decode().splitlines()
    assert titles.split() == list(ORIGIN)
    assert re.search(r"  -  +queue=\d+/\d+/\d+ resolve=.* total=\d+/\d+/\d+$", cells)


def test_the_real_daemon_is_shown(busy, on_terminal):
    terminal = on_terminal("--socket", busy)
    lines = terminal.await_screen(is_drawn)
    (row,) = rows_of(lines)
    assert row[0].startswith("localhost:") and row[-1] == "ok" and "/" in row[6]
    assert "-" not in " ".join(lines[:1] + lines[2:3]).split(), lines[:3]  # every number of stats is there
    for key, first in (("c", "connections: 1"), ("l", "clients: 2")):
        terminal.type(key)
        terminal.await_screen(lambda lines, first=first: lines[3].startswith(first))
    terminal.type("q")
    assert terminal.wait() == 0
