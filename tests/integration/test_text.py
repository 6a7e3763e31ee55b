"""The text dialect, through a real socat."""

import contextlib
import re
import socket
import subprocess

import pytest

from support.origin import RawOrigin, response, serve
from support.timing import scaled


def socat(daemon, data, seconds=10):
    """What comes back for these bytes; the sending side is closed after them (half close)."""
    done = subprocess.run(["socat", "-t", "30", "-", f"UNIX-CONNECT:{daemon.path}"], input=data,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=scaled(seconds))
    assert done.returncode == 0, done.stderr
    return done.stdout


class Conversation:
    """socat, held open: for what is typed line by line."""

    def __init__(self, daemon):
        self.process = subprocess.Popen(
            ["socat", "-t", "0", "-", f"UNIX-CONNECT:{daemon.path}"], stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, bufsize=0)

    def say(self, line):
        self.process.stdin.write(line)

    def hear(self):
        return self.process.stdout.readline()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.wait(scaled(10))


def test_get_shows_the_answer_as_curl_i_does(daemon, nginx):
    answer = socat(daemon, f"GET {nginx.url('/text', nginx.H1)}\n".encode())
    head, body = answer.split(b"\r\n\r\n", 1)
    assert head.split(b"\r\n")[0] == b"HTTP/1.1 200 OK" or head.startswith(b"HTTP/1.1 200")
    assert b"Content-Length: 6" in head
    assert body == b"hello\n"


def test_get_over_h2_says_so(daemon, nginx):
    assert socat(daemon, f"GET {nginx.url('/text')}\n".encode()).startswith(b"HTTP/2 200")


def test_head_shows_the_header_fields_alone(daemon, nginx):
    answer = socat(daemon, f"HEAD {nginx.url('/files/small', nginx.H1)}\nping\n".encode())
    head, rest = answer.split(b"\r\n\r\n", 1)
    assert b"Content-Length: 1000" in head
    assert rest.strip() == b"pong"


def test_a_binary_body_comes_byte_for_byte(daemon, nginx):
    answer = socat(daemon, f"GET {nginx.url('/files/page', nginx.H1)}\n".encode())
    assert answer.split(b"\r\n\r\n", 1)[1] == nginx.file("page")


def test_c9_a_half_close_after_the_command_does_not_lose_the_answer(daemon):
    """printf 'GET …\\n' | socat -t 30 - UNIX-CONNECT:…, with an origin that takes its time."""
    def script(connection):
        connection.read_request()
        assert connection.origin.released.wait(scaled(10))
        connection.answer(body=b"late but whole")

    with RawOrigin(script) as origin:
        process = subprocess.Popen(["socat", "-t", "30", "-", f"UNIX-CONNECT:{daemon.path}"],
                                   stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        process.stdin.write(f"GET {origin.url()}\n".encode())
        process.stdin.close()
        origin.await_requests(1)
        origin.release()
        assert process.stdout.read().endswith(b"late but whole")
        assert process.wait(scaled(10)) == 0
        process.stdout.close()


def test_ping_is_answered_with_pong(daemon):
    assert socat(daemon, b"ping\n") == b"pong\n"


@pytest.mark.parametrize("line", [b"PING\n", b"Ping\n", b"pInG\r\n", b"ping\r\n", b"  ping  \n",
                                  b"ping\t\r\n"])
def test_names_are_not_case_sensitive_and_lines_may_end_in_crlf(daemon, line):
    if line[:1] == b" ":
        line = b"ping\n" + line  # a blank may not choose the dialect
        assert socat(daemon, line) == b"pong\npong\n"
    else:
        assert socat(daemon, line) == b"pong\n"


def test_get_is_not_case_sensitive_and_takes_crlf(daemon, nginx):
    for line in (f"get {nginx.url('/text')}\r\n", f"Get {nginx.url('/text')}\n"):
        assert socat(daemon, line.encode()).endswith(b"hello\n")


def test_a_last_line_without_newline_counts(daemon):
    assert socat(daemon, b"ping") == b"pong\n"


def test_stats_are_lines_of_name_and_value(daemon, nginx):
    socat(daemon, f"GET {nginx.url('/text')}\n".encode())
    socat(daemon, f"GET {nginx.url('/text')}\n".encode())
    lines = socat(daemon, b"stats\n").decode().splitlines()
    values = dict(line.split() for line in lines)
    assert all(re.fullmatch(r"[a-z0-9_]+ \S+", line) for line in lines)
    assert values["handshakes_saved"] == "1" and "loop_busy_max_us" in values


def test_connections_is_a_table(daemon, nginx):
    socat(daemon, f"GET {nginx.url('/text')}\n".encode())
    head, row = socat(daemon, b"connections\n").decode().splitlines()
    assert head.split()[:3] == ["id", "origin", "http"] or "origin" in head.lower()
    assert nginx.origin() in row
    assert row.index(nginx.origin()) == head.lower().index("origin")


def test_connections_without_any_says_so_or_shows_the_heading(daemon):
    assert len(socat(daemon, b"connections\n").splitlines()) == 1


def test_clients_is_a_table_with_who_asks_in_it(daemon):
    with daemon.client() as client:
        client.call("hello", {"client": "the other one"})
        lines = socat(daemon, b"clients\n").decode().splitlines()
    assert "pid" in lines[0].lower()
    assert len(lines) == 3 and any("the other one" in line for line in lines)


def test_help_names_every_command(daemon):
    text = socat(daemon, b"help\n").decode().lower()
    for command in ("get", "head", "ping", "stats", "connections", "clients", "help", "quit"):
        assert command in text


def test_quit_ends_the_connection(daemon):
    with Conversation(daemon) as talk:
        talk.say(b"ping\n")
        assert talk.hear() == b"pong\n"
        talk.say(b"quit\n")
        assert talk.hear() == b""


def test_nothing_after_quit_is_read(daemon):
    assert socat(daemon, b"ping\nquit\nping\n") == b"pong\n"


@pytest.mark.parametrize("line", [b"frobnicate", b"GET", b"GET ", b"HEAD", b"ping pong ping",
                                  b"GET not-a-url", b"GET http://", b"GET file:///etc/passwd",
                                  b"quit now please", b"get http://a/ b", b"x\x1b[31m"])
def test_a_wrong_line_gets_an_error_and_the_next_is_read(daemon, line):
    first, second = socat(daemon, line + b"\nping\n").splitlines()
    assert first.startswith(b"error: ") and len(first) > 10
    assert second == b"pong"
    assert b"\x1b" not in first


def test_an_error_of_a_request_is_a_line_and_the_next_is_read(daemon):
    first, second = socat(daemon, b"GET http://127.0.0.1:9/\nping\n").splitlines()
    assert first.startswith(b"error: ")
    assert b"connect to 127.0.0.1:9 failed: connection refused" in first
    assert second == b"pong"


def test_empty_lines_are_passed_over(daemon):
    assert socat(daemon, b"ping\n\n\r\n\nping\n") == b"pong\npong\n"


def test_several_commands_in_one_write_are_answered_in_order(daemon):
    def answer(request):
        return response(body=f"[{request.target}]".encode())

    def script(connection):
        while True:
            request = connection.read_request()
            if request.target == "/1":
                assert connection.origin.released.wait(scaled(10))
            connection.write(answer(request))

    with RawOrigin(script) as origin:
        with Conversation(daemon) as talk:
            talk.say(f"GET {origin.url('/1')}\nping\nGET {origin.url('/2')}\nping\nquit\n".encode())
            origin.await_requests(1)
            assert daemon.ask("ping") == "pong"
            origin.release()
            text = talk.process.stdout.read()
        marks = [text.index(part) for part in (b"[/1]", b"pong", b"[/2]")]
        assert marks == sorted(marks) and text.count(b"pong") == 2
        assert text.rstrip().endswith(b"pong")


def test_a_line_typed_in_pieces_is_one_line(daemon):
    with Conversation(daemon) as talk:
        for part in (b"p", b"in", b"g"):
            talk.say(part)
            assert daemon.ask("ping") == "pong"
        talk.say(b"\n")
        assert talk.hear() == b"pong\n"


def test_a_line_that_never_ends_is_refused_and_closed(daemon):
    answer = b""
    with socket.socket(socket.AF_UNIX) as talk:
        talk.settimeout(scaled(5))
        talk.connect(str(daemon.path))
        with contextlib.suppress(BrokenPipeError):  # it need not read on
            talk.sendall(b"GET http://127.0.0.1/" + b"a" * (1 << 20))
        with contextlib.suppress(ConnectionResetError):
            while part := talk.recv(65536):
                answer += part
    assert answer.startswith(b"error: ")
    assert len(answer.splitlines()) == 1


def test_interim_and_unusual_answers_read_well(daemon):
    with RawOrigin(serve(lambda _: b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" +
                         response(418, b"short and stout", reason="I'm a teapot"))) as origin:
        answer = socat(daemon, f"GET {origin.url()}\n".encode())
        assert answer.startswith(b"HTTP/1.1 418")
        assert b"103" not in answer and answer.endswith(b"short and stout")


def test_a_text_client_that_leaves_is_forgotten(daemon):
    with RawOrigin(lambda connection: (connection.read_request(), connection.await_release())) as origin:
        with Conversation(daemon) as talk:
            talk.say(f"GET {origin.url()}\n".encode())
            origin.await_requests(1)
            talk.process.kill()
        daemon.await_calm()
