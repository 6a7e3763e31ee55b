"""`fetchpool decode`: captured streams, a line of JSON a message, and what is said of those that are none."""

import base64
import json
import os
import pathlib
import random
import re
import resource
import shutil
import subprocess
import threading

import msgpack
import pytest

from support.check_protocol_md import PAGE, examples
from support.daemon import (FETCHPOOL, assert_no_sanitizer_report, environment, temporary_directory)
from support.origin import RawOrigin, response, serve
from support.timing import eventually, scaled

PING = bytes.fromhex("94 00 01 a4 70 69 6e 67 90")
PONG = bytes.fromhex("94 01 01 c0 a4 70 6f 6e 67")
SHOWN = 1024  # bytes of each text, without --full


@pytest.fixture
def here():
    directory = temporary_directory()
    yield directory
    shutil.rmtree(directory)


@pytest.fixture
def decode(here):
    """decode(stdin, argument...): exit code, the lines as JSON, the complaint."""
    def decode(stdin, *arguments):
        done = subprocess.run([FETCHPOOL, "decode", *map(str, arguments)], input=stdin, cwd=here,
                              capture_output=True, env=environment(here), timeout=scaled(20))
        assert_no_sanitizer_report(here, done.stderr.decode().splitlines())
        lines = [json.loads(line) for line in done.stdout.decode().splitlines()]
        return done.returncode, lines, done.stderr.decode()
    return decode


@pytest.fixture
def value(decode):
    """value(packed): how a value is shown, as the text of JSON."""
    def value(packed, *arguments):
        _, [line], complaint = decode(b"\x93\x02\xa1m" + packed, *arguments)
        assert complaint == ""
        return line["params"]
    return value


def pack(value):
    return msgpack.packb(value, use_bin_type=True)


# ---- Messages ------------------------------------------------------------------------------------

def test_a_request_a_response_and_a_notification_are_a_line_each(decode):
    messages = [[0, 7, "fetch", [{"url": "http://h/", "body": b"a=1"}]], [1, 7, None, {"status": 200}],
                [2, "goaway", ["the daemon is shutting down"]]]
    code, lines, complaint = decode(b"".join(map(pack, messages)))
    assert (code, complaint) == (0, "")
    at = [0, len(pack(messages[0])), len(pack(messages[0])) + len(pack(messages[1]))]
    assert lines == [
        {"offset": at[0], "bytes": at[1], "type": "request", "id": 7, "method": "fetch",
         "params": {"url": "http://h/", "body": {"bin": "a=1"}}},
        {"offset": at[1], "bytes": at[2] - at[1], "type": "response", "id": 7,
         "result": {"status": 200}},
        {"offset": at[2], "bytes": len(pack(messages[2])), "type": "notification",
         "method": "goaway", "params": ["the daemon is shutting down"]}]


def test_errors_have_the_name_of_their_code(decode):
    _, lines, _ = decode(pack([1, 4, [103, "refused"], None]) + pack([2, "error", [12, 208, "ended"]])
                         + pack([1, 4, "nonsense", 1]))
    assert [line["code"] for line in lines] == ["CONNECT", "CANCELLED_SENT", "INTERNAL"]
    assert lines[0]["error"] == [103, "refused"] and "result" not in lines[0]
    assert (lines[1]["id"], lines[1]["params"]) == (12, [12, 208, "ended"])
    assert (lines[2]["error"], lines[2]["result"]) == ("nonsense", 1)


def test_what_belongs_to_a_request_has_its_id(decode):
    notes = [["data", [11, b"x"]], ["end", [11, {}]], ["window", [11, 4]], ["cancel", [11]]]
    code, lines, _ = decode(b"".join(pack([2, *note]) for note in notes))
    assert code == 0 and [line["id"] for line in lines] == [11] * 4
    assert lines[0]["params"] == [11, {"bin": "x"}]


def test_a_notification_that_the_daemon_calls_broken_is_marked(decode):
    code, [line], _ = decode(pack([2, "window", [11, -4]]))
    assert code == 0 and "unsigned integer" in line["broken"] and "id" not in line


@pytest.mark.parametrize("params, shown", [
    ([], []), ([{}], {}), ([{"a": 1}], {"a": 1}), ([{}, 1], [{}, 1]), ([1], [1]), ({"a": 1}, {"a": 1}),
    (None, None)], ids=repr)
def test_params_are_shown_without_the_array_around_their_map(decode, params, shown):
    _, [line], _ = decode(pack([0, 1, "m", params]))
    assert line["params"] == shown


def in_the_pages_words(value):
    """The page's JSON, where a request's params are as they were sent."""
    if value[0] == 0:
        params = value[3]
        shown = params[0] if len(params) == 1 and isinstance(params[0], dict) else params
        return {"type": "request", "id": value[1], "method": value[2], "params": shown}
    if value[0] == 1:
        return {"type": "response", "id": value[1],
                **({"error": value[2]} if value[2] else {"result": value[3]})}
    return {"type": "notification", "method": value[1], "params": value[2]}


def test_every_example_of_the_protocol_page_is_decoded_as_there(decode):
    shown = examples(PAGE.read_text(encoding="utf-8"))
    code, lines, _ = decode(b"".join(bytes.fromhex(each.hex) for each in shown), "--full")
    assert code == 0 and len(lines) == len(shown) > 20
    for line, example in zip(lines, shown):
        expected = in_the_pages_words(json.loads(example.json))
        assert {key: line[key] for key in expected} == expected


# ---- Values --------------------------------------------------------------------------------------

@pytest.mark.parametrize("packed, shown", [
    (pack(None), None), (pack(True), True), (pack(2**64 - 1), 2**64 - 1), (pack(-2**63), -2**63),
    (pack(0.1), 0.1), (pack(1e300), 1e300), (pack(float("nan")), {"float": "nan"}),
    (pack(float("-inf")), {"float": "-inf"}), (pack("h\u00e9 \U0001f600"), "h\u00e9 \U0001f600"),
    (pack("\0\x1b\x7f\x85\"\\\n"), "\0\x1b\x7f\x85\"\\\n"), (pack(b"\0hi\n"), {"bin": "\0hi\n"}),
    (pack(b"\xff\xd8"), {"bin_base64": "/9g="}), (b"\xa2\xff\xd8", {"str_base64": "/9g="}),
    (b"\xa3\xed\xa0\x80", {"str_base64": "7aCA"}), (pack(msgpack.ExtType(5, b"\0\1")),
                                                    {"ext": 5, "base64": "AAE="}),
    (pack({1: 2, b"k": 3}), {"1": 2, '{"bin":"k"}': 3}), (b"\x81\xa1\xff\1", {'{"str_base64":"/w=="}': 1}),
    (b"\x81\x91\x01\x02", {"[1]": 2}), (pack(b""), {"bin": ""}), (pack([[], {}]), [[], {}])],
    ids=lambda each: each.hex()[:16] if isinstance(each, bytes) else None)
def test_a_value_is_shown_so_that_nothing_of_it_is_lost(value, packed, shown):
    given = value(packed)
    assert (given, type(given)) == (shown, type(shown))


def test_a_float_is_no_integer_and_a_key_that_comes_twice_is_shown_twice(here):
    done = subprocess.run([FETCHPOOL, "decode"], input=b"\x93\x02\xa1m" + pack(2.0) + b"\x93\x02\xa1m"
                          b"\x82\xa1a\x01\xa1a\x02", capture_output=True, env=environment(here))
    assert b'"params":2.0}' in done.stdout and b'{"a":1,"a":2}' in done.stdout


def test_no_byte_of_a_line_can_steer_a_terminal(here):
    nasty = bytes(range(256)).decode("latin-1")
    message = pack([0, 1, nasty, [{nasty: nasty, "b": nasty.encode("latin-1")}]])
    done = subprocess.run([FETCHPOOL, "decode"], input=message, capture_output=True,
                          env=environment(here))
    text = done.stdout.decode()
    assert done.returncode == 0 and text.count("\n") == 1
    assert not any(ord(each) < 0x20 or 0x7f <= ord(each) < 0xa0 for each in text.rstrip("\n"))
    assert json.loads(text)["method"] == nasty


@pytest.mark.parametrize("content, key", [
    (b"x" * SHOWN + b"y", "bin"), ("\u20ac" * SHOWN, "str"), (b"\xff" * 2 * SHOWN, "bin_base64"),
    ("x" * (SHOWN + 1), "str")], ids=("text", "multibyte", "binary", "string"))
def test_what_is_long_is_cut_with_its_length_unless_all_is_asked_for(value, content, key):
    data = content.encode() if isinstance(content, str) else content
    cut = value(pack(content))
    assert cut["length"] == len(data) and set(cut) == {key, "length"}
    shown = base64.b64decode(cut[key]) if key.endswith("64") else cut[key].encode()
    assert SHOWN - 3 < len(shown) <= SHOWN and data.startswith(shown)
    whole = value(pack(content), "--full")
    assert whole == content if key == "str" else set(whole) == {key}


# ---- What is no message --------------------------------------------------------------------------

@pytest.mark.parametrize("rest, exit_code, words", [
    (b"GET http://h/\n", 8, ["offset 9", "0x47", '"G"', "text dialect", "0x93, 0x94, 0xdc or 0xdd"]),
    (b"\0\0\0", 8, ["offset 9", "not 0x00"]), (b"\xff", 8, ["offset 9", "not 0xff"]),
    (b"\xc1", 8, ["offset 9", "not 0xc1"]),
    (b"\x94\0\1\xc1", 8, ["offset 12", "0xc1 is not MessagePack", "begins at offset 9"]),
    (b"\x91" * 12, 8, ["offset 17", "nested deeper", "begins at offset 9"]),
    (b"\xdd\xff\xff\xff\xff", 8, ["offset 13", "more elements", "begins at offset 9"]),
    (b"\x94\0\1\xdb\xff\xff\xff\xff", 8, ["offset 16", "larger than allowed", "begins at offset 9"]),
    (b"\x94\0\1", 18, ["offset 12", "begins at offset 9", "the capture ends", "2 values"]),
    (b"\x94\0\1\xa4pi", 18, ["offset 15", "begins at offset 9", "2 bytes of a value"]),
    (b"\x94\0\xcd", 18, ["offset 12", "begins at offset 9"]),
    (b"\x93\0\1\xa1m", 8, ["offset 9", "array of 4 values"]),
    (b"\x94\3\1\xa1m\x90", 8, ["offset 9", "must be 0, 1 or 2"]), (b"\x90", 8, ["offset 9"]),
    (b"\x94\0\xa1x\xa1m\x90", 8, ["offset 9", "id must be"])],
    ids=lambda each: each.hex()[:16] if isinstance(each, bytes) else None)
def test_what_was_whole_is_shown_and_what_is_wrong_is_named(decode, rest, exit_code, words):
    code, lines, complaint = decode(PING + rest)
    assert [line["method"] for line in lines] == ["ping"] and code == exit_code
    assert complaint.count("\n") == 1 and complaint.startswith(f"fetchpool: ({exit_code}) standard input: ")
    for word in words:
        assert word in complaint


def test_after_a_wrong_envelope_the_next_message_is_read(decode):
    code, lines, complaint = decode(PING + pack([7, 1, "m", []]) + PING + pack([0]) + PING)
    assert (code, len(lines), complaint.count("\n")) == (8, 3, 2)


def test_nothing_is_nothing(decode):
    assert decode(b"") == (0, [], "")


@pytest.mark.parametrize("seed", range(20))
def test_random_bytes_end_in_a_sentence_or_are_messages(decode, seed):
    source = random.Random(seed)
    for length in (1, 10, 100, 70000):
        code, _, complaint = decode(b"\x94\0\1" * (seed % 2) + source.randbytes(length))
        assert code in (8, 18) and complaint.startswith(f"fetchpool: ({code}) ") or (code, complaint) == (0, "")


@pytest.mark.parametrize("seed", range(20))
def test_messages_with_wrong_bytes_end_in_a_sentence(decode, seed):
    source = random.Random(seed)
    stream = bytearray(b"".join(bytes.fromhex(each.hex)
                                for each in examples(PAGE.read_text(encoding="utf-8"))))
    for _ in range(source.randrange(1, 6)):
        stream[source.randrange(len(stream))] = source.randrange(256)
    code, _, complaint = decode(bytes(stream))
    assert code in (0, 8, 18) and (code == 0 or complaint.count("\n") >= 1)


# ---- Files and streams ---------------------------------------------------------------------------

def test_of_several_files_each_line_names_its_own(decode, here):
    (here / "req.bin").write_bytes(PING + PING)
    (here / "res.bin").write_bytes(PONG)
    code, lines, _ = decode(b"", "req.bin", "res.bin")
    assert code == 0
    assert [(line["file"], line["offset"]) for line in lines] == [("req.bin", 0), ("req.bin", 9),
                                                                  ("res.bin", 0)]
    assert all("file" not in line for line in decode(b"", "req.bin")[1])
    assert [line["file"] for line in decode(PONG, "req.bin", "-")[1]][2:] == ["standard input"]


def test_a_file_that_cannot_be_read_leaves_the_others(decode, here):
    (here / "a").write_bytes(PING)
    code, lines, complaint = decode(b"", "nosuch", ".", "a")
    assert code == 26 and [line["method"] for line in lines] == ["ping"]
    assert "nosuch: cannot be read: No such file" in complaint and "Is a directory" in complaint


def test_what_has_come_is_shown_at_once(here):
    process = subprocess.Popen([FETCHPOOL, "decode"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                               env=environment(here), bufsize=0)
    try:
        for half in (PING, PING + PONG[:3], PONG[3:]):
            process.stdin.write(half)
            assert b'"id":1' in process.stdout.readline()
        process.stdin.close()
        assert process.wait(scaled(10)) == 0
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def test_a_reader_that_goes_is_a_write_error(here):
    done = subprocess.run(["sh", "-c", "(%s decode; echo $? >code) | head -n 1" % FETCHPOOL], cwd=here,
                          input=PING * 100000, capture_output=True, env=environment(here))
    assert (here / "code").read_text() == "23\n" and b"(23)" in done.stderr


def test_every_split_of_a_stream_gives_the_same_lines(decode, here):
    stream = PING + pack([0, 2, "fetch", [{"body": b"\xff" * 2000}]]) + PONG
    whole = decode(stream)
    assert len(whole[1]) == 3
    for size in (1, 7, 65535):
        reader, writer = os.pipe()
        feeder = threading.Thread(target=feed, args=(writer, stream * 40, size))
        process = subprocess.Popen([FETCHPOOL, "decode"], stdin=reader, stdout=subprocess.PIPE,
                                   env=environment(here))
        os.close(reader)
        feeder.start()
        lines = process.stdout.read().splitlines()
        feeder.join()
        assert process.wait(scaled(10)) == 0
        process.stdout.close()
        assert len(lines) == 120 and {line.split(b",", 2)[2] for line in lines} == {
            json.dumps(line, separators=(",", ":")).encode().split(b",", 2)[2] for line in whole[1]}


def feed(fd, data, size):
    with open(fd, "wb", buffering=0) as out:
        for at in range(0, len(data), size):
            out.write(data[at:at + size])


@pytest.mark.long
def test_a_capture_of_a_gibibyte_takes_some_mebibytes_of_memory(here):
    piece = pack([2, "data", [1, os.urandom(65536)]])
    process = subprocess.Popen([FETCHPOOL, "decode"], stdin=subprocess.PIPE, env=environment(here),
                               stdout=subprocess.DEVNULL)
    for _ in range(2**30 // len(piece) + 1):
        process.stdin.write(piece)
    status = pathlib.Path(f"/proc/{process.pid}/status").read_text()
    process.stdin.close()
    assert process.wait(scaled(10)) == 0
    assert int(re.search(r"VmHWM:\s+(\d+)", status)[1]) < 8 * 1024


def test_a_claim_costs_no_memory(here):
    """A text of a gibibyte, announced and not sent."""
    limit = (256 << 20, 256 << 20)
    sanitized = os.environ.get("FETCHPOOL_SANITIZED") == "1"
    done = subprocess.run([FETCHPOOL, "decode"], input=b"\x94\0\1\xdb\x40\0\0\0", capture_output=True,
                          env=environment(here), preexec_fn=None if sanitized else
                          lambda: resource.setrlimit(resource.RLIMIT_AS, limit))
    assert done.returncode == 18 and b"1073741824 bytes of a value" in done.stderr


# ---- As the manual says --------------------------------------------------------------------------

def test_a_tap_between_a_program_and_the_daemon_is_decoded(daemon, decode, here):
    tap = here / "tap"
    socat = subprocess.Popen(["socat", "-r", here / "req.bin", "-R", here / "res.bin",
                              f"UNIX-LISTEN:{tap},fork", f"UNIX-CONNECT:{daemon.path}"])
    try:
        eventually(tap.exists, 5, "socat listens")
        with RawOrigin(serve(lambda request: response(body=b"hello\n"))) as origin:
            for word in (origin.url("/"), "ping"):
                done = subprocess.run([FETCHPOOL, word], capture_output=True, timeout=scaled(20),
                                      env=environment(here, FETCHPOOL_SOCKET=str(tap)))
                assert done.returncode == 0
    finally:
        socat.terminate()
        socat.wait()
    code, lines, complaint = decode(b"", "req.bin", "res.bin")
    assert (code, complaint) == (0, "")
    of_file = {name: [line.get("method", line["type"]) for line in lines if line["file"] == name]
               for name in ("req.bin", "res.bin")}
    assert of_file == {"req.bin": ["hello", "fetch", "hello", "ping"],
                       "res.bin": ["response", "response", "data", "end", "response", "response"]}
    assert next(line for line in lines if line.get("method") == "data")["params"][1] == {"bin": "hello\n"}


@pytest.mark.parametrize("arguments, words", [
    (["decode", "--interval", "1"], "for top"), (["decode", ""], "empty"), (["--full", "http://h/"], "decode"),
    (["stats", "--full"], "decode")])
def test_wrong_usage_is_a_sentence(here, arguments, words):
    done = subprocess.run([FETCHPOOL, *arguments], capture_output=True, text=True, timeout=scaled(10),
                          env=environment(here, FETCHPOOL_SOCKET=str(here / "none")), stdin=subprocess.DEVNULL)
    assert done.returncode == 2 and words in done.stderr
