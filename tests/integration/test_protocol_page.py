"""What fetchpool-protocol(7) says is true: its examples work, and it has every name and number of the code."""

import json
import re
import subprocess

import msgpack
import pytest

from support.check_protocol_md import from_json
from support.daemon import BUILD, FETCHPOOL, ROOT, environment, temporary_directory
from support.origin import RawOrigin, response, serve
from support.timing import scaled


@pytest.fixture(scope="module")
def page():
    """The page as it is read and copied from: sections by name, lines without their indentation."""
    text = subprocess.run(["man", "-P", "cat", "-l", BUILD / "man" / "fetchpool-protocol.7"], check=True,
                          capture_output=True, text=True, env={"MANWIDTH": "500", "LC_ALL": "C.UTF-8",
                                                               "PATH": "/usr/bin:/bin"}).stdout
    sections = re.split(r"^([A-Z]+(?: [A-Z]+)*)$", text, flags=re.M)
    return dict(zip(sections[1::2], sections[2::2]))


def block(text, beginning):
    """The example that begins with this line."""
    lines = text[text.index(beginning):].splitlines()
    end = next((i for i, line in enumerate(lines) if line and not line.startswith(" " * 11) and i > 0), len(lines))
    return "\n".join([line[11:] if i else line for i, line in enumerate(lines[:end])]).rstrip().splitlines()


def source(*path):
    return ROOT.joinpath(*path).read_text(encoding="utf-8")


# ---- Examples ------------------------------------------------------------------------------------

def messages(page):
    """(mark, bytes, message) of each."""
    text = "\n".join(block(page["EXAMPLE"], "> 94"))
    for mark, digits, shown in re.findall(r"^([<>])((?:\s+[0-9a-f]{2})+)\s+(\[.*\])$", text, re.M):
        yield mark, bytes.fromhex(digits), from_json(json.loads(shown))


def test_the_bytes_are_the_messages_and_the_daemon_answers_with_them(page, daemon):
    client, shown = daemon.client(), list(messages(page))
    assert [mark for mark, _, _ in shown] == [">", "<"] * 2
    for mark, data, message in shown:
        assert msgpack.unpackb(data, raw=False) == message
        if mark == ">":
            client.socket.sendall(data)
        else:
            assert client.receive_message(message[1]) == message


def test_the_bytes_are_decoded_by_the_command(page):
    data = b"".join(data for _, data, _ in messages(page))
    done = subprocess.run([FETCHPOOL, "decode"], input=data, capture_output=True, check=True)
    assert len(done.stdout.splitlines()) == 4


@pytest.fixture
def run_example(page, daemon):
    program = "\n".join(block(page["EXAMPLE"], "import msgpack"))
    assert re.findall(r"^(?:import|from) .*", program, re.M) == ["import msgpack, socket, sys"]
    directory = temporary_directory()

    def run(url):
        return subprocess.run(["/usr/bin/python3", "-c", program, str(daemon.path), url], capture_output=True,
                              env=environment(directory), timeout=scaled(20))
    yield run
    directory.rmdir()


def test_the_python_example_streams_a_body_of_many_windows(run_example):
    body = bytes(range(256)) * 8192
    with RawOrigin(serve(lambda request: response(body=body))) as origin:
        done = run_example(origin.url("/"))
    assert (done.returncode, done.stdout) == (0, body)
    assert done.stderr.decode().split() == ["fetchpoold", "1", "200", "1.1"]


def test_the_python_example_says_why_it_fails(run_example):
    done = run_example("http://127.0.0.1:9/")
    assert done.returncode == 1 and b"error 103 (not sent): connect to 127.0.0.1:9 failed" in done.stderr
    done = run_example("ftp://127.0.0.1/")
    assert done.returncode == 1 and b"error 1 (refused): " in done.stderr


# ---- Names and numbers ---------------------------------------------------------------------------

def entries(page):
    """What the page says of each method."""
    parts = re.split(r"^ {7}([a-z]+)$", page["METHODS"], flags=re.M)
    return dict(zip(parts[1::2], parts[2::2]))


def test_it_has_every_method(page):
    known = re.findall(r'\{"([a-z]+)",? (?:put_|tell_|reload|drain)', source("daemon", "session_reply.c")
                       + source("daemon", "session_admin.c"))
    known += re.findall(r'message->method, "([a-z]+)"', source("daemon", "session.c"))
    assert len(known) > 10 and set(entries(page)) == set(known)


def keys_in(value):
    if isinstance(value, dict):
        return set(value) | {key for each in value.values() for key in keys_in(each)}
    return {key for each in value for key in keys_in(each)} if isinstance(value, list) else set()


@pytest.mark.parametrize("method", ["hello", "stats", "connections", "origins", "clients", "reload", "check", "drain"])
def test_it_has_every_key_of_an_answer(page, daemon, method):
    client = daemon.client()
    with RawOrigin(serve(lambda request: response(body=b"x"))) as origin:
        fetch = {"url": origin.url("/")}
        client.call("fetch", fetch)
        result = client.call(method, fetch if method == "check" else {})
    assert keys_in(result)
    for key in keys_in(result):
        assert re.search(rf"\b{key}\b", entries(page)[method]), key
    if method == "drain":
        daemon.wait()


def first_words(lines):
    return {line.split()[0] for line in lines if line.strip() and not line.startswith(" ")}


def test_it_has_every_key_of_a_fetch_and_no_other(page, daemon):
    table = dict.fromkeys(re.findall(r'^    \{"([a-z_]+)", KEY_', source("client-lib", "wire", "fetch.c"), re.M))
    of_tls = {"ca", "cert", "key", "server_name", "verify"}
    assert first_words(block(page["FETCH"], "url    ")) == set(table) - of_tls
    sentence = next(line for line in page["FETCH"].splitlines() if line.strip().startswith("Keys of tls"))
    assert of_tls < set(table) and all(re.search(rf"\b{key}\b", sentence) for key in of_tls)
    with RawOrigin(serve(lambda request: response(body=b"x"))) as origin:
        result = daemon.client().call("fetch", {"url": origin.url("/")})
    shown = block(page["FETCH"], "status    ")
    assert first_words(shown) == set(result)
    assert all(re.search(rf"\b{key}\b", "\n".join(shown)) for key in keys_in(result))


def test_it_has_every_field_that_is_refused(page):
    names = re.findall(r'"([A-Z][\w-]+)"', re.search(r"\[\] = \{([^}]*Transfer-Encoding[^}]*)\}",
                                                     source("daemon", "request_field.c"), re.I)[1], re.I)
    assert len(names) > 5
    for name in names:
        assert name.lower() in page["FETCH"].lower(), name


def test_it_has_every_notification(page):
    known = re.findall(r'\{"([a-z]+)", WIRE_NOTE_', source("client-lib", "wire", "stream.c"))
    assert len(known) == 6
    assert re.findall(r'^\[2, "([a-z]+)"', "\n".join(block(page["STREAMS"], "[2, ")), re.M) == known


def test_it_has_every_error(page):
    known = re.findall(r"^ +FETCHPOOL_([A-Z_]+) = ([1-9]\d{0,2})[, ]", source("include", "fetchpool.h"), re.M)
    known = {(number, name) for name, number in known
             if int(number) < 900 and not name.startswith(("CLASS_", "HTTP_", "RETRY_"))}
    shown = {tuple(line.split()[:2]) for line in block(page["ERRORS"], "1    BAD")}
    assert len(shown) > 20 and shown == known


def test_it_has_every_command_of_the_text_dialect(page, daemon):
    help_text = daemon.text(b"help\n").decode()
    shown = "\n".join(block(page["TEXT"], "GET URL"))
    for word in re.findall(r"^\S+", help_text, re.M):
        assert re.search(rf"\b{word}\b", shown), word


def test_its_limits_are_the_daemons_defaults(page, daemon):
    config = daemon.client().call("config", {})
    shown = [re.match(r"\[(\w+)\] (\w+) +(\S+) ", line) for line in block(page["LIMITS"], "[limits]")]
    shown = [match.groups() for match in shown if match]
    assert {key for section, key, _ in shown if section == "limits"} == set(config["limits"])
    for section, key, value in shown:
        assert config[section][key] == value, key
    for section, key in re.findall(r"\[(limits|timeouts)\] (\w+)", "".join(page.values())):
        assert key in config[section], key


def test_its_bounds_are_those_of_the_code(page):
    code = source("client-lib", "wire", "scanner.h") + source("include", "fetchpool_wire.h")
    shown = [line.split()[:2] for line in block(page["MESSAGES"], "8       ")][:3]
    assert shown == [[re.search(rf"#define {name} (\d+)", code)[1], word] for name, word in [
        ("SCANNER_MAX_DEPTH", "arrays"), ("WIRE_MAX_MESSAGE_ELEMENTS", "values"), ("WIRE_MAX_DATA_BYTES", "body")]]
