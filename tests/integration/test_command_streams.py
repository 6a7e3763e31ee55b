"""The fetchpool command and bodies of any size: files whole or not at all, uploads, signals, progress."""

import contextlib
import fcntl
import hashlib
import os
import pty
import re
import resource
import shutil
import signal
import struct
import subprocess
import termios
import threading

import pytest

from support.bodies import body, digest, write_large
from support.daemon import FETCHPOOL, environment, temporary_directory
from support.origin import RawOrigin, response, serve
from support.timing import SANITIZED, Stopwatch, eventually, scaled
from support.upload_origin import H1Arrival, answer_early, echo, said_of, take_all

MIB = 1 << 20
LARGE = 100 * MIB
LITTLE_MEMORY = 8 * MIB  # for all that a process allocates that holds no body
PIECE = 256 << 10  # what an origin here sends before it waits: more than pipes and windows hold back
SIGNALS = [signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM]


@pytest.fixture
def here():
    directory = temporary_directory()
    yield directory
    shutil.rmtree(directory)


@pytest.fixture
def start(here, daemon):
    """start(...): the command, running; ended with the test."""
    started = []

    def start(*arguments, program=(FETCHPOOL,), **options):
        options = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE,
                   "stderr": subprocess.PIPE, **options}
        started.append(subprocess.Popen(
            [*map(str, [*program, *arguments])], cwd=here,
            env=environment(here, FETCHPOOL_SOCKET=str(daemon.path)), **options))
        return started[-1]

    yield start
    for process in started:
        if process.poll() is None:
            process.kill()
        process.communicate()


@pytest.fixture
def run(start):
    """run(...): (exit code, standard output, standard error) when it has ended."""
    def run(*arguments, stdin=None, **options):
        if stdin is not None:
            options["stdin"] = subprocess.PIPE
        process = start(*arguments, **options)
        output, errors = process.communicate(stdin, timeout=scaled(20))
        return process.returncode, output, errors.decode() if errors else ""
    return run


class Halfway:
    """A script for an origin: half of an answer, then it waits, then the rest, or it breaks off."""

    def __init__(self, breaks_off=False):
        self.sent, self.goes_on = threading.Event(), threading.Event()
        self.breaks_off = breaks_off

    def __call__(self, arrival):
        arrival.start(200)
        arrival.send(b"a" * PIECE)
        self.sent.set()
        assert self.goes_on.wait(scaled(20))
        if self.breaks_off:
            arrival.lose()
            return
        arrival.send(b"b" * PIECE)
        arrival.finish()

    def await_half(self, here, name):
        """Until the first half is in the file that will have that name."""
        assert self.sent.wait(scaled(10))
        eventually(lambda: any(path.stat().st_size == PIECE for path in here.glob(f".{name}.*")), 10,
                   "the first half is written")


def files(here):
    """Names and contents, but for what the daemon's directory has."""
    return {path.name: path.read_bytes() for path in here.iterdir() if path.is_file()}


def with_little_memory():
    """For preexec_fn. A sanitizer needs more for itself alone."""
    if not SANITIZED:
        resource.setrlimit(resource.RLIMIT_DATA, (LITTLE_MEMORY, LITTLE_MEMORY))


# ---- Downloads -----------------------------------------------------------------------------------

@pytest.mark.parametrize("server", ["h2", "h1", "plain"])
def test_a_large_body_is_written_to_a_file_and_not_held(start, here, nginx, server):
    target, wanted = nginx.large(LARGE)
    process = start("-sSf", "-o", "file", nginx.url(target, server), preexec_fn=with_little_memory)
    assert process.communicate() == (b"", b"") and process.returncode == 0
    with open(here / "file", "rb") as file:
        assert hashlib.file_digest(file, "sha256").hexdigest() == wanted
    assert [path.name for path in here.iterdir()] == ["file"]


def test_a_large_body_passes_a_slow_pipe_whole(start, nginx):
    target, wanted = nginx.large(LARGE)
    process = start("-sS", nginx.url(target))
    summed = hashlib.sha256()
    while data := os.read(process.stdout.fileno(), 4096):
        summed.update(data)
    assert (process.wait(scaled(10)), summed.hexdigest()) == (0, wanted)


def test_what_has_come_is_shown_before_the_rest(start, open_origin):
    script = Halfway()
    process = start("-i", open_origin(script).url("/"))
    shown = process.stdout.read(PIECE)
    assert re.match(rb"HTTP/[12.]+ 200 \r\n(.+\r\n)*\r\na+$", shown)
    script.goes_on.set()
    output, errors = process.communicate()
    assert (output.strip(b"a"), errors, process.returncode) == (b"b" * PIECE, b"", 0)


def test_a_file_has_its_name_when_it_is_whole(start, here, open_origin):
    script = Halfway()
    process = start("-o", "file", open_origin(script).url("/"))
    script.await_half(here, "file")
    assert not (here / "file").exists()
    script.goes_on.set()
    assert process.wait(scaled(10)) == 0
    assert files(here) == {"file": b"a" * PIECE + b"b" * PIECE}


def test_a_body_cut_short_leaves_the_old_file_and_no_other(start, here, open_origin):
    script = Halfway(breaks_off=True)
    url = open_origin(script).url("/")
    (here / "old").write_bytes(b"as it was")
    first, second = start("-o", "old", url), start("-o", "new", url)
    script.await_half(here, "old")
    script.await_half(here, "new")
    script.goes_on.set()
    for process in first, second:
        errors = process.communicate(timeout=scaled(10))[1]
        assert process.returncode == 18 and errors.startswith(b"fetchpool: (18) ")
    assert files(here) == {"old": b"as it was"}


def test_a_length_that_is_not_kept_is_a_body_cut_short(run, here):
    def script(connection):
        connection.read_request()
        connection.write(response(headers=[("Content-Length", "1000000")], length=False) + b"x" * 5)

    with RawOrigin(script) as origin:
        (here / "file").write_bytes(b"old")
        assert run("-s", "-o", "file", origin.url())[0] == 18
        assert run("-s", origin.url())[:2] == (18, b"x" * 5)
    assert files(here) == {"file": b"old"}


def test_a_body_over_the_bound_is_an_error(run, here, nginx):
    url = nginx.url("/files/mebibyte")
    (here / "file").write_bytes(b"old")
    code, _, errors = run("--max-filesize", "1023K", "-o", "file", url)
    assert code == 63 and "(63)" in errors and files(here) == {"file": b"old"}
    assert run("--max-filesize", "1M", "-o", "file", url)[0] == 0
    assert (here / "file").read_bytes() == nginx.file("mebibyte")


@pytest.mark.parametrize("umask, mode", [(0o022, 0o644), (0o077, 0o600), (0o000, 0o666)])
def test_a_new_file_has_the_mode_of_new_files(run, here, nginx, umask, mode):
    assert run("-o", "file", nginx.url("/text"), umask=umask)[0] == 0
    assert (here / "file").stat().st_mode & 0o7777 == mode


def test_a_link_to_nothing_yet_stays_a_link(run, here, nginx):
    (here / "directory").mkdir()
    (here / "one").symlink_to("directory/two")
    (here / "directory/two").symlink_to("three")
    assert run("-o", "one", nginx.url("/text"))[0] == 0
    assert (here / "one").is_symlink() and (here / "directory/two").is_symlink()
    assert files(here / "directory") == {"two": b"hello\n", "three": b"hello\n"}
    (here / "loop").symlink_to("loop")
    assert run("-o", "loop", nginx.url("/text"))[0] == 23


def test_a_descriptor_by_its_name_is_written_and_not_replaced(run, here, nginx):
    with open(here / "file", "wb") as file:
        assert run("-o", "/dev/stdout", nginx.url("/text"), stdout=file)[0] == 0
        assert os.fstat(file.fileno()).st_size == 6
    assert files(here) == {"file": b"hello\n"}


def test_a_fifo_is_written_directly(start, here, nginx):
    target, wanted = nginx.large(LARGE)
    os.mkfifo(here / "fifo")
    process = start("-o", "fifo", nginx.url(target))
    with open(here / "fifo", "rb") as fifo:
        assert hashlib.file_digest(fifo, "sha256").hexdigest() == wanted
    assert process.wait(scaled(10)) == 0


# ---- Failed writes -------------------------------------------------------------------------------

def unending(arrival, status=200):
    """More than anyone here takes, and then nothing."""
    arrival.start(status)
    arrival.send(bytes(2 * MIB))
    if isinstance(arrival, H1Arrival):
        arrival.connection.await_end()
    else:  # its session reads
        arrival.origin.released.wait(scaled(60))


def cancelled(origin):
    return eventually(lambda: origin.await_arrivals(1)[0].is_left(), 5, "the origin is left")


def test_a_full_disk_is_said_cancels_and_leaves_the_old_file(run, here, open_origin):
    origin = open_origin(unending)
    (here / "disk").mkdir()
    script = ("mount -t tmpfs -o size=1m none disk && echo old >disk/file || exit 77;"
              f"{FETCHPOOL} -o disk/file {origin.url('/')}; code=$?; ls -A disk; cat disk/file;"
              "exit $code")
    code, output, errors = run("-rm", "sh", "-c", script, program=["unshare"])
    if code == 77 or "unshare" in errors:
        pytest.skip("a mount namespace is not permitted here")
    assert (code, output) == (23, b"file\nold\n")
    assert errors == "fetchpool: (23) cannot write to disk/file: No space left on device\n"
    assert cancelled(origin)


def test_a_device_without_space_is_said_and_cancels(run, open_origin):
    origin = open_origin(unending)
    code, _, errors = run("-o", "/dev/full", origin.url("/"))
    assert (code, errors) == (23, "fetchpool: (23) cannot write to /dev/full: No space left on device\n")
    assert cancelled(origin)


def test_a_reader_that_has_enough_ends_it(start, open_origin):
    origin = open_origin(unending)
    process = start(origin.url("/"))
    assert len(process.stdout.read(10)) == 10
    process.stdout.close()
    assert process.wait(scaled(10)) == 23
    assert b"(23) cannot write to standard output: Broken pipe" in process.stderr.read()
    assert cancelled(origin)


def test_standard_output_in_non_blocking_mode_is_waited_for(start, nginx):
    target, wanted = nginx.large(LARGE)
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    process = start("-sS", nginx.url(target), stdout=writer)
    os.close(writer)
    with open(reader, "rb") as pipe:
        assert hashlib.file_digest(pipe, "sha256").hexdigest() == wanted
    assert process.wait(scaled(10)) == 0


# ---- -f ------------------------------------------------------------------------------------------

def test_fail_cancels_a_long_body_unseen(run, here, open_origin):
    origin = open_origin(lambda arrival: unending(arrival, 404))
    code, output, _ = run("-sf", "-o", "file", "-w", "%{http_code} %{size_download}", origin.url("/"))
    assert (code, output, files(here)) == (22, b"404 0", {})
    assert cancelled(origin)


def test_fail_keeps_the_connection_of_a_short_body(run, here):
    with RawOrigin(serve(lambda request: response(404, b"nothing"))) as origin:
        for reused in b"0", b"1", b"1":
            assert run("-sf", "-w", "%{reused} %{http_code}", origin.url())[:2] == (22, reused + b" 404")
        assert run("-sfI", "-w", "%{reused}", origin.url())[1].endswith(b"\r\n\r\n1")


# ---- Signals -------------------------------------------------------------------------------------

@pytest.mark.parametrize("number", SIGNALS, ids=lambda number: number.name)
def test_a_signal_cancels_removes_the_file_and_ends_the_process(start, here, open_origin, number):
    script = Halfway()
    origin = open_origin(script)
    (here / "file").write_bytes(b"old")
    process = start("-o", "file", origin.url("/"))
    script.await_half(here, "file")
    process.send_signal(number)
    assert process.wait(scaled(10)) == -number
    assert files(here) == {"file": b"old"}
    script.goes_on.set()
    assert cancelled(origin)


def test_a_signal_ends_an_upload_for_good(start, here, open_origin):
    origin = open_origin(take_all)
    process = start("-T", "-", origin.url("/x"), stdin=subprocess.PIPE)
    process.stdin.write(body(MIB))
    process.stdin.flush()
    (arrival,) = origin.await_arrivals(1)
    arrival.await_bytes(MIB)
    process.send_signal(signal.SIGINT)
    assert process.wait(scaled(10)) == -signal.SIGINT
    assert arrival.was_never_complete()


def test_a_signal_that_was_ignored_stays_ignored(start, here, open_origin):
    script = Halfway()
    process = start("-o", "file", open_origin(script).url("/"),
                    preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN))
    script.await_half(here, "file")
    process.send_signal(signal.SIGHUP)
    script.goes_on.set()
    assert process.wait(scaled(10)) == 0
    assert files(here) == {"file": b"a" * PIECE + b"b" * PIECE}


# ---- Uploads -------------------------------------------------------------------------------------

@pytest.mark.parametrize("length", [0, 1, MIB, 20 * MIB])
def test_a_file_is_sent_with_its_length(run, here, open_origin, length):
    origin = open_origin(take_all)
    (here / "file").write_bytes(body(length))
    code, output, errors = run("-T", "file", "-w", "|%{size_upload}", origin.url("/there/"))
    assert (code, errors) == (0, "")
    assert output == said_of(body(length)) + f"|{length}".encode()
    (arrival,) = origin.arrivals
    assert (arrival.method, arrival.target) == ("PUT", "/there/file")
    assert arrival.value("content-length") == str(length)


def test_standard_input_is_sent_without_a_length(run, open_origin, http):
    origin = open_origin(take_all)
    data = body(20 * MIB)
    code, output, errors = run("-T", "-", "-X", "POST", origin.url("/x/"), stdin=data)
    assert (code, output, errors) == (0, said_of(data), "")
    (arrival,) = origin.arrivals
    assert (arrival.method, arrival.target) == ("POST", "/x/")
    assert arrival.value("content-length") is None
    assert arrival.value("transfer-encoding") == ("chunked" if http == "1.1" else None)


@pytest.mark.long
def test_a_large_upload_is_not_held(start, here, open_origin):
    wanted = write_large(here / "file", LARGE)
    process = start("-T", "file", open_origin(take_all).url("/x"), preexec_fn=with_little_memory)
    assert process.communicate() == (f"{wanted} {LARGE}".encode(), b"")


@pytest.mark.long
def test_large_data_is_sent_from_its_file(start, here, open_origin):
    wanted = write_large(here / "file", LARGE)
    origin = open_origin(take_all)
    process = start("--data-binary", "@file", origin.url("/a"), origin.url("/b"),
                    preexec_fn=with_little_memory)
    assert process.communicate() == (2 * f"{wanted} {LARGE}".encode(), b"")
    assert [(arrival.method, arrival.value("content-type")) for arrival in origin.arrivals] == \
        2 * [("POST", "application/x-www-form-urlencoded")]


def test_large_data_of_parts_is_sent_too(run, here, open_origin):
    data = body(20 * MIB)
    (here / "file").write_bytes(data)
    code, output, _ = run("--data-binary", "@file", "-d", "x", open_origin(take_all).url("/"))
    assert (code, output) == (0, said_of(data + b"&x"))


def test_standard_input_that_comes_slowly_is_sent_as_it_comes(start, open_origin):
    origin = open_origin(take_all)
    process = start("-T", "-", origin.url("/x"), stdin=subprocess.PIPE)
    for count in range(1, 4):
        process.stdin.write(b"line\n")
        process.stdin.flush()
        origin.await_arrivals(1)[0].await_bytes(5 * count)
    assert process.communicate(timeout=scaled(10)) == (said_of(b"line\n" * 3), b"")


def test_an_answer_is_shown_while_standard_input_is_silent(start, open_origin):
    origin = open_origin(echo)
    process = start("-T", "-", origin.url("/x"), stdin=subprocess.PIPE)
    for line in b"one\n", b"two\n":
        process.stdin.write(line)
        process.stdin.flush()
        assert os.read(process.stdout.fileno(), 100) == line
    assert process.communicate(timeout=scaled(10)) == (b"", b"")


def test_a_refusal_ends_it_while_standard_input_is_silent(start, open_origin):
    origin = open_origin(answer_early(413, b"enough"))
    process = start("-T", "-", origin.url("/x"), stdin=subprocess.PIPE)
    process.stdin.write(b"line\n")
    process.stdin.flush()
    assert process.stdout.read() == b"enough" and process.wait(scaled(10)) == 0


def test_a_deadline_is_kept_while_standard_input_is_silent(start, open_origin):
    origin = open_origin(take_all)
    process = start("-m", "0.5", "-T", "-", origin.url("/x"), stdin=subprocess.PIPE)
    assert process.wait(scaled(10)) == 28
    assert process.stderr.read().startswith(b"fetchpool: (28) ")


def test_a_daemon_that_ends_is_noticed_while_standard_input_is_silent(start, daemon, open_origin):
    origin = open_origin(take_all)
    process = start("-T", "-", origin.url("/x"), stdin=subprocess.PIPE)
    origin.await_arrivals(1)
    daemon.process.kill()
    daemon.expected_exit = -signal.SIGKILL
    daemon.wait()
    assert process.wait(scaled(10)) == 122
    assert process.stderr.read().startswith(b"fetchpool: (122) ")


def test_a_fifo_is_sent_as_it_comes(start, here, open_origin):
    os.mkfifo(here / "fifo")
    process = start("-T", "fifo", open_origin(take_all).url("/x"))
    with open(here / "fifo", "wb") as fifo:
        fifo.write(body(MIB))
    assert process.communicate(timeout=scaled(10)) == (said_of(body(MIB)), b"")


def test_an_early_answer_is_the_answer(run, here, open_origin):
    origin = open_origin(answer_early(413, b"too much"))
    with open(here / "file", "wb") as file:
        file.truncate(LARGE)
    code, output, errors = run("-T", "file", "-w", "|%{http_code}", origin.url("/x"))
    assert (code, output, errors) == (0, b"too much|413", "")
    code, output, errors = run("-f", "-T", "file", origin.url("/x"))
    assert (code, output) == (22, b"") and "413" in errors
    assert all(arrival.was_never_complete() for arrival in origin.arrivals)


def changing(here, open_origin, start, change):
    """Sends a file that is changed when some of it has been sent; how the command and the origin end."""
    length = 32 * MIB
    begun, goes_on = threading.Event(), threading.Event()

    def script(arrival):
        arrival.read(1)
        begun.set()
        assert goes_on.wait(scaled(20))
        take_all(arrival)

    origin = open_origin(script)
    with open(here / "file", "wb") as file:
        file.truncate(length)
    process = start("-T", "file", origin.url("/x"))
    assert begun.wait(scaled(10))
    change(here / "file", length)
    goes_on.set()
    errors = process.communicate(timeout=scaled(20))[1].decode()
    assert origin.arrivals[0].was_never_complete()
    return process.returncode, errors


@pytest.mark.long
def test_a_file_that_grows_while_it_is_sent_is_an_error(start, here, open_origin):
    code, errors = changing(here, open_origin, start,
                            lambda path, length: os.truncate(path, length + 1))
    assert (code, errors) == (26, "fetchpool: (26) file has become longer than the 33554432 bytes "
                                  "that were announced\n")


def test_a_file_that_shrinks_while_it_is_sent_is_an_error(start, here, open_origin):
    code, errors = changing(here, open_origin, start,
                            lambda path, length: os.truncate(path, length - 1))
    assert (code, errors) == (26, "fetchpool: (26) file has become shorter: 33554432 bytes were "
                                  "announced, 33554431 are there\n")


def test_what_cannot_be_read_is_an_error_and_sends_nothing(run, here, open_origin):
    origin = open_origin(take_all)
    (here / "directory").mkdir()
    for name, reason in ("nosuch", "No such file or directory"), ("directory", "Is a directory"):
        code, _, errors = run("-T", name, origin.url("/x"))
        assert (code, errors) == (26, f"fetchpool: (26) cannot read {name}: {reason}\n")
    assert not any(arrival.is_complete for arrival in origin.arrivals)


def test_an_upload_that_must_be_sent_again_is_an_error(run, here, open_origin):
    origin = open_origin(answer_early(307, headers=[("Location", "/elsewhere")]))
    with open(here / "file", "wb") as file:
        file.truncate(16 * MIB)
    assert run("-L", "--data-binary", "@file", origin.url("/x"))[0] == 47


# ---- Progress ------------------------------------------------------------------------------------

class Terminal:
    """A pseudo-terminal, and what was written to it."""

    def __init__(self, columns=100):
        self.ours, self.theirs = pty.openpty()
        fcntl.ioctl(self.theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        self.bytes = b""

    def read(self):
        with contextlib.suppress(OSError):  # EIO: nobody has it open any more
            data = os.read(self.ours, 65536)
            self.bytes += data
            return data
        return b""

    def await_text(self, pattern):
        while not re.search(pattern, self.text()):
            assert self.read(), f"no {pattern} in {self.text()!r}"

    def text(self):
        return self.bytes.decode()

    def screen(self):
        """What is left to be seen of its last line."""
        return self.text().replace("\r\n", "\n").split("\n")[-1].split("\r\033[K")[-1]

    def await_end(self, process):
        os.close(self.theirs)
        while self.read():
            pass
        os.close(self.ours)
        return process.wait(scaled(10))


@pytest.fixture
def terminal():
    return Terminal()


def slowly(total):
    """A script: half of an answer with a length, then a wait for the test's release."""
    def script(connection):
        connection.read_request()
        connection.write(response(headers=[("Content-Length", str(total))], length=False))
        connection.write(bytes(total // 2))
        connection.await_release()
        connection.write(bytes(total - total // 2))
    return script


def test_a_terminal_shows_how_far_a_download_is(start, here, terminal):
    with RawOrigin(slowly(8 * MIB)) as origin:
        process = start("-o", "file", origin.url(), stderr=terminal.theirs)
        with Stopwatch() as watch:
            terminal.await_text(r"\r\x1b\[K\[#+-+\]  50%  4\.0 MiB of 8\.0 MiB received  "
                                r"[\d.]+ [KM]iB/s  \d+:\d\d left")
        assert watch.seconds > 0.5
        origin.release()
        assert terminal.await_end(process) == 0
    assert terminal.screen() == "" and terminal.text().count("left") < 10
    assert (here / "file").stat().st_size == 8 * MIB


def test_a_narrow_terminal_is_not_overrun(start):
    terminal = Terminal(columns=20)
    with RawOrigin(slowly(8 * MIB)) as origin:
        process = start("-o", "/dev/null", origin.url(), stderr=terminal.theirs)
        terminal.await_text(" 50% ")
        origin.release()
        assert terminal.await_end(process) == 0
    assert max(map(len, terminal.text().split("\r\033[K"))) == 19


@pytest.mark.long
def test_a_terminal_shows_how_far_an_upload_is(start, here, terminal, open_origin):
    goes_on = threading.Event()

    def script(arrival):
        arrival.read(1)
        goes_on.wait(scaled(20))
        take_all(arrival)

    with open(here / "file", "wb") as file:
        file.truncate(64 * MIB)
    process = start("-T", "file", "-w", "%{stderr}%{size_upload} sent", open_origin(script).url("/x"),
                    stdout=terminal.theirs, stderr=terminal.theirs)
    terminal.await_text(r"\d+%  [\d.]+ [KM]iB of 64\.0 MiB sent")
    goes_on.set()
    assert terminal.await_end(process) == 0
    sum_of_zeros = digest(bytes(64 * MIB))
    assert terminal.screen() == f"{sum_of_zeros} {64 * MIB}{64 * MIB} sent"


def test_a_body_without_a_length_is_counted(start, terminal, open_origin):
    script = Halfway()
    process = start("-o", "/dev/null", open_origin(script).url("/"), stderr=terminal.theirs)
    terminal.await_text(r"\r\x1b\[K256\.0 KiB received  [\d.]+ KiB/s")
    script.goes_on.set()
    assert terminal.await_end(process) == 0
    assert terminal.screen() == "" and "%" not in terminal.text()


@pytest.mark.long
@pytest.mark.parametrize("options", [
    ["-s", "-o", "/dev/null"], ["-sS", "-o", "/dev/null"], ["--no-progress-meter", "-o", "/dev/null"],
    [], ["-o", "/dev/tty"], ["-i"]], ids=" ".join)
def test_no_progress_where_it_is_not_wanted(start, terminal, options):
    """With -s and its like; and where the body itself is on the terminal."""
    def become_controlling():
        os.setsid()
        fcntl.ioctl(2, termios.TIOCSCTTY, 0)

    with RawOrigin(slowly(1000)) as origin:
        process = start(*options, origin.url(), stdout=terminal.theirs, stderr=terminal.theirs,
                        preexec_fn=become_controlling)
        origin.await_requests(1)
        with pytest.raises(subprocess.TimeoutExpired):  # the line would be there by now
            process.wait(scaled(1.6))
        origin.release()
        assert terminal.await_end(process) == 0
    assert "received" not in terminal.text() and "\033" not in terminal.text()


@pytest.mark.long
def test_no_progress_without_a_terminal_or_within_a_second(start, run, terminal, nginx):
    process = start("-o", "/dev/null", nginx.url("/text"), stderr=terminal.theirs)
    assert (terminal.await_end(process), terminal.bytes) == (0, b"")
    with RawOrigin(slowly(1000)) as origin:
        process = start("-o", "/dev/null", origin.url())
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(scaled(1.6))
        origin.release()
        assert process.communicate(timeout=scaled(10)) == (b"", b"")


@pytest.mark.long
def test_an_error_and_a_signal_clear_the_line(start, here, terminal):
    with RawOrigin(slowly(8 * MIB)) as origin:
        process = start("-o", "file", origin.url(), stderr=terminal.theirs)
        terminal.await_text("left")
        process.send_signal(signal.SIGINT)
        assert terminal.await_end(process) == -signal.SIGINT
    assert terminal.screen() == "" and files(here) == {}
    terminal = Terminal()
    with RawOrigin(slowly(8 * MIB)) as origin:
        process = start("-o", "file", origin.url(), stderr=terminal.theirs)
        terminal.await_text("left")
        origin.connections[0].socket.shutdown(2)
        assert terminal.await_end(process) == 18
    assert terminal.text().replace("\r\n", "\n").split("\r\033[K")[-1].startswith("fetchpool: (18) ")
