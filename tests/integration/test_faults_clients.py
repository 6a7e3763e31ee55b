"""The rows about clients, with the witness (W) and the calm after each."""

import os
import random
import re
import socket
import struct
import subprocess

import msgpack
import pytest

from support.calm import calm
from support.client import request_bytes
from support.origin import RawOrigin, response, serve
from support.timing import SANITIZED, eventually, scaled
from support.trace import can_trace
from support.witness import Witness


@pytest.fixture
def witness(daemon, nginx):
    return lambda: Witness(daemon, nginx.url("/files/small"), nginx.file("small"))


# ---- C1: random bytes ----------------------------------------------------------------------------

CONNECTIONS = 10_000
AT_ONCE = 50


def random_bytes(generator, number):
    """1 B to 64 KiB; every third begins as one of the two dialects does."""
    length = min(1 << 16, int(2 ** generator.uniform(0, 16.01)))
    data = generator.randbytes(length)
    if number % 3 == 1:
        data = bytes([generator.choice(b"\x93\x94\xdc\xdd")]) + data[1:]
    elif number % 3 == 2:
        data = bytes([generator.choice(b"GHPSCghpsc")]) + data[1:]
    return data


def send_and_leave(path, data):
    talk = socket.socket(socket.AF_UNIX)
    talk.settimeout(scaled(5))
    talk.connect(str(path))
    try:
        talk.sendall(data)
        talk.shutdown(socket.SHUT_WR)  # no more will come: whatever is open must end now
    except OSError:
        pass  # closed before it had read all
    return talk


@pytest.mark.deadline(120)
def test_c1_random_bytes_are_closed_within_a_second(daemon, witness):
    generator = random.Random("c1")
    with calm(daemon), witness():
        for start in range(0, CONNECTIONS, AT_ONCE):
            batch = [send_and_leave(daemon.path, random_bytes(generator, number))
                     for number in range(start, start + AT_ONCE)]
            for talk in batch:
                talk.settimeout(scaled(1))
                try:
                    while talk.recv(65536):
                        pass
                except ConnectionResetError:
                    pass
                talk.close()


@pytest.mark.parametrize("first", [b"\x00", b"\x92", b"\x95", b"\xc1", b"\xff", b" ", b"\n", b"\xe9", b"0"])
def test_c1_a_wrong_first_byte_is_enough_to_be_closed_within_a_second(daemon, first):
    with calm(daemon):
        client = daemon.client()
        client.write(first)
        assert client.closed_within(1)


# ---- C3: headers that claim a lot ----------------------------------------------------------------

HUGE = 0xffffffff
CLAIMS = {
    "an array of 2^32-1": b"\xdd" + struct.pack(">I", HUGE),
    "the five bytes of design.md": bytes.fromhex("ddff000000"),
    "a str of 2^32-1": b"\x94\x00\x01\xdb" + struct.pack(">I", HUGE),
    "a bin of 2^32-1": b"\x94\x00\x01\xa5fetch\x91\x81\xa4body\xc6" + struct.pack(">I", HUGE),
    "an ext of 2^32-1": b"\x94\x00\x01\xa5fetch\x91\x81\xa1x\xc9" + struct.pack(">IB", HUGE, 1),
    "a map of 2^32-1": b"\x94\x00\x01\xa5fetch\x91\xdf" + struct.pack(">I", HUGE),
    "params of 2^32-1": b"\x94\x00\x01\xa5fetch\xdd" + struct.pack(">I", HUGE),
    "arrays within arrays": b"\x94\x00\x01\xa5fetch" + (b"\xdd" + struct.pack(">I", HUGE)) * 20,
    "maps within maps": b"\x94\x00\x01\xa5fetch\x91" + (b"\xdf" + struct.pack(">I", HUGE) + b"\xa1k") * 20,
    "65535 arrays of 65535": b"\x94\x00\x01\xa5fetch" + b"\xdc\xff\xff" * 1000,
    "a message of exactly 16 MiB more than allowed": b"\x94\x00\x01\xa5fetch\x91\x81\xa4body\xc6" +
                                                     struct.pack(">I", 32 << 20),
}


@pytest.mark.parametrize("claim", CLAIMS.values(), ids=CLAIMS.keys())
def test_c3_a_claim_of_a_lot_is_refused_before_anything_is_allocated(daemon, claim):
    with calm(daemon, memory_kib=4096):
        peak = daemon.status("VmHWM")
        for _ in range(50):
            client = daemon.client()
            client.write(claim)
            assert client.closed_within(1)
            client.close()
        assert daemon.status("VmHWM") - peak <= 16 << 10


def test_c3_a_claim_is_refused_while_its_sender_still_sends(daemon):
    with calm(daemon, memory_kib=4096):
        peak = daemon.status("VmHWM")
        client = daemon.client()
        with pytest.raises(OSError):
            client.write(CLAIMS["a bin of 2^32-1"])
            while True:
                client.write(b"x" * 65536)
        assert daemon.status("VmHWM") - peak <= 16 << 10


def test_c3_the_refusal_is_answered_where_the_id_was_readable(daemon):
    with calm(daemon):
        for claim, code in (("a bin of 2^32-1", 3), ("a map of 2^32-1", 1),
                            ("arrays within arrays", 1)):
            client = daemon.client()
            client.write(CLAIMS[claim])
            assert client.receive_message(1)[2][0] == code
            assert client.closed_within(1)


# ---- C5: 1 MiB of one-byte elements --------------------------------------------------------------

@pytest.mark.parametrize("element", [b"\xc0", b"\x90", b"\x00", b"\xa0", b"\x80"], ids=bytes.hex)
def test_c5_a_mebibyte_of_one_byte_elements_is_refused_by_the_element_bound(daemon, element):
    with calm(daemon, memory_kib=4096):
        peak = daemon.status("VmHWM")
        client = daemon.client()
        array = b"\xdd" + struct.pack(">I", 1 << 20) + element * (1 << 20)
        try:
            client.write(b"\x94\x00\x05\xa5fetch\x91\x81\xa1x" + array)
        except OSError:
            pass  # closed before all was read: the answer is still there to be read
        _, _, error, _ = client.receive_message(5)
        assert error[0] == 1 and "element" in error[1]
        assert client.closed_within(1)
        assert daemon.status("VmHWM") - peak <= 16 << 10


def test_c5_many_small_arrays_count_together(daemon):
    with calm(daemon):
        client = daemon.client()
        client.write(request_bytes(5, "fetch", {"x": [[0] * 10] * 7000}))
        assert client.receive_message(5)[2][0] == 1
        assert client.closed_within(1)


# ---- C9: half close ------------------------------------------------------------------------------

def wait_for_release(connection):
    connection.read_request()
    connection.await_release()
    connection.answer(body=b"the answer")
    connection.await_end()


def test_c9_after_a_half_close_the_answer_arrives_then_the_close(daemon):
    with RawOrigin(wait_for_release) as origin, calm(daemon):
        client = daemon.client()
        request = client.send("fetch", {"url": origin.url()})
        client.half_close()
        origin.await_requests(1)
        origin.release()
        assert client.receive(request)["body"] == b"the answer"
        assert client.closed_within(1)


def test_c9_after_a_half_close_every_open_request_is_answered(daemon):
    with RawOrigin(wait_for_release) as origin, calm(daemon):
        client = daemon.client()
        requests = [client.send("fetch", {"url": origin.url()}) for _ in range(10)]
        client.half_close()
        origin.await_requests(10)
        origin.release()
        for request in requests:
            assert client.receive(request)["body"] == b"the answer"
        assert client.closed_within(1)


def test_c9_a_half_close_in_the_middle_of_a_message_is_a_close(daemon):
    with calm(daemon):
        client = daemon.client()
        client.write(request_bytes(1, "ping")[:-1])
        client.half_close()
        assert client.closed_within(1)


def test_c9_a_full_close_cancels_what_was_asked(daemon):
    def script(connection):
        connection.read_request()
        connection.await_end()

    with RawOrigin(script) as origin, calm(daemon):
        client = daemon.client()
        client.send("fetch", {"url": origin.url()})
        origin.await_requests(1)
        client.close()
        assert origin.connections[0].closed.wait(scaled(1))


# ---- C10: wrong requests beside a good one -------------------------------------------------------

def test_c10_wrong_requests_are_errors_for_themselves_and_the_first_is_unharmed(daemon):
    with RawOrigin(wait_for_release) as origin, calm(daemon):
        client = daemon.client()
        client.send("fetch", {"url": origin.url()}, id=1)
        origin.await_requests(1)
        wrong = [
            (1, "fetch", [{"url": origin.url()}], 5),  # an id twice
            (1, "ping", [], 5),
            (1, "no such method", [], 5),
            (2, "no such method", [], 4),
            (3, "fetch", [{"url": 5}], 1),
            (4, "fetch", ["not a map"], 1),
            (5, "fetch", [{"url": origin.url(), "headers": 7}], 1),
            (6, "fetch", "not an array", 1),
            (7, "fetch", None, 1),
            (8, "fetch", {"url": origin.url()}, 1),
        ]
        for request_id, method, params, code in wrong:
            client.write(msgpack.packb([0, request_id, method, params]))
            _, _, error, _ = client.receive_message(request_id)
            assert error is not None and error[0] == code, (request_id, method, error)
            assert error[1]
        origin.release()
        assert client.receive(1)["body"] == b"the answer"
        assert len(origin.requests) == 1


def test_c10_an_id_may_be_used_again_after_its_end(daemon, nginx):
    with calm(daemon):
        client = daemon.client()
        for _ in range(100):
            client.send("fetch", {"url": nginx.url("/text")}, id=42)
            assert client.receive(42)["body"] == b"hello\n"
        client.send("fetch", {"url": "nonsense"}, id=42)
        assert client.receive_message(42)[2][0] == 1
        client.send("ping", id=42)
        assert client.receive(42) == "pong"


def test_c10_ids_of_different_clients_do_not_meet(daemon):
    with RawOrigin(wait_for_release) as origin, calm(daemon):
        clients = [daemon.client() for _ in range(5)]
        for client in clients:
            client.send("fetch", {"url": origin.url()}, id=1)
        origin.await_requests(5)
        origin.release()
        for client in clients:
            assert client.receive(1)["body"] == b"the answer"


# ---- C14: what would write between the lines -----------------------------------------------------

@pytest.fixture
def origin():
    with RawOrigin(serve(lambda request: response(body=b"seen"))) as origin:
        yield origin


FIELD_FAULTS = {
    "CR in a value": ["X-Bad", "a\rb"], "LF in a value": ["X-Bad", "a\nb"],
    "CRLF in a value": ["X-Bad", "a\r\nInjected: yes"], "NUL in a value": ["X-Bad", "a\0b"],
    "CR in a name": ["X-Bad\r", "a"], "LF in a name": ["X-Bad\nInjected", "a"],
    "NUL in a name": ["X-Bad\0", "a"], "a space in a name": ["X-Bad x", "a"],
    "a colon in a name": ["X-Bad:x", "a"], "a high byte in a name": [b"X-Bad\xe9", "a"],
    "a control byte in a value": ["X-Bad", "a\x01b"], "DEL in a value": ["X-Bad", "a\x7fb"],
    "an empty name": ["", "a"], "a folded value": ["X-Bad", "a\r\n b"],
}


@pytest.mark.parametrize("field", FIELD_FAULTS.values(), ids=FIELD_FAULTS.keys())
def test_c14_a_field_with_bytes_that_do_not_belong_is_error_1_naming_it(daemon, origin, field):
    with calm(daemon):
        client = daemon.client()
        error = client.refused(origin.url(), headers=[["X-Good", "1"], field, ["X-Good", "2"]])
        assert error.code == 1
        assert "X-Bad" in error.message or "header" in error.message
        assert not re.search(r"[\x00-\x1f\x7f]", error.message)
        assert origin.connections == []


def test_c14_a_value_of_a_mebibyte_is_error_1_naming_the_field(daemon, origin):
    with calm(daemon):
        error = daemon.client().refused(origin.url(), headers=[["X-Bad", "v" * (1 << 20)]])
        assert error.code == 1 and ("X-Bad" in error.message or "header" in error.message)
        assert origin.connections == []


def test_c14_ten_thousand_fields_are_error_1(daemon, origin):
    with calm(daemon):
        error = daemon.client().refused(origin.url(), headers=[["X-Bad", "v"]] * 10_000)
        assert error.code == 1 and "header" in error.message
        assert origin.connections == []


def test_c14_exactly_as_many_fields_as_allowed_are_sent(start_daemon, origin):
    client = start_daemon({"limits": {"max_headers": "10"}}).client()
    assert client.fetch(origin.url(), headers=[["X-Ok", "v"]] * 10)["status"] == 200
    assert len(origin.requests[0].values("x-ok")) == 10
    assert client.refused(origin.url(), headers=[["X-Ok", "v"]] * 11).code == 1


@pytest.mark.parametrize("method", ["GE T", "GET ", " GET", "GET\r\nX: y", "GET\tx", "G\0", "GET /x HTTP/1.1\r\n"])
def test_c14_a_method_with_a_space_or_worse_is_error_1(daemon, origin, method):
    with calm(daemon):
        error = daemon.client().refused(origin.url(), method=method)
        assert error.code == 1 and "method" in error.message
        assert origin.connections == []


@pytest.mark.parametrize("part", ["\r\nInjected: yes\r\n", "\n", "\r", "\0", "\x01", "\x1f", "\x7f",
                                  " HTTP/1.1\r\nX: ", "\t"], ids=repr)
@pytest.mark.parametrize("place", ["path", "query", "host", "fragment"])
def test_c14_control_bytes_in_the_url_are_error_1(daemon, origin, part, place):
    url = {"path": origin.url(f"/a{part}b"), "query": origin.url(f"/?a{part}b"),
           "host": f"http://127.0.0.1{part}:{origin.port}/",
           "fragment": origin.url(f"/#a{part}b")}[place]
    error = daemon.client().refused(url)
    assert error.code == 1 and "url" in error.message.lower()
    assert not re.search(r"[\x00-\x1f\x7f]", error.message)
    assert origin.connections == []


# ---- C15: framing is ours alone ------------------------------------------------------------------

FRAMING = {
    "Content-Length: 100 and no body": [["Content-Length", "100"]],
    "Content-Length: 0": [["Content-Length", "0"]],
    "Transfer-Encoding: chunked": [["Transfer-Encoding", "chunked"]],
    "both": [["Content-Length", "5"], ["Transfer-Encoding", "chunked"]],
    "Upgrade": [["Upgrade", "websocket"]],
    "Upgrade and Connection": [["Connection", "Upgrade"], ["Upgrade", "h2c"]],
    "Connection: close": [["Connection", "close"]],
    "Keep-Alive": [["Keep-Alive", "timeout=1"]],
    "TE": [["TE", "trailers"]],
    "Trailer": [["Trailer", "X"]],
    "Proxy-Authorization": [["Proxy-Authorization", "Basic x"]],
    "Proxy-Connection": [["Proxy-Connection", "close"]],
    "Expect": [["Expect", "100-continue"]],
    "small letters": [["content-length", "100"]],
    "odd letters": [["tRaNsFeR-eNcOdInG", "chunked"]],
    "a foreign Host": [["Host", "elsewhere.example"]],
    "a Host without the port": [["Host", "127.0.0.1"]],
    "a good and a foreign Host": [["Host", "127.0.0.1:@PORT@"], ["Host", "elsewhere.example"]],
    "an empty Host": [["Host", ""]],
}


@pytest.mark.parametrize("fields", FRAMING.values(), ids=FRAMING.keys())
def test_c15_framing_is_refused_and_the_next_request_is_what_it_should_be(daemon, origin, fields):
    fields = [[name, value.replace("@PORT@", str(origin.port))] for name, value in fields]
    with calm(daemon):
        client = daemon.client()
        client.fetch(origin.url("/next"))
        expected = origin.connections[0].received
        for body in ({}, {"body": b"GET /smuggled HTTP/1.1\r\n\r\n", "method": "POST"}):
            error = client.refused(origin.url("/bad"), headers=[["X-A", "1"], *fields], **body)
            assert error.code in (1, 2)
            assert fields[0][0].lower() in error.message.lower()
        client.fetch(origin.url("/next"))
        assert len(origin.connections) == 1
        assert origin.connections[0].received == expected * 2


def test_c15_two_good_hosts_are_sent_as_one(daemon, origin):
    host = f"127.0.0.1:{origin.port}"
    daemon.client().fetch(origin.url(), headers=[["Host", host], ["HOST", host]])
    assert origin.requests[0].values("host") == [host]


def test_c15_bodies_that_look_like_requests_stay_bodies(daemon, origin):
    with calm(daemon):
        client = daemon.client()
        smuggled = b"0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n"
        client.fetch(origin.url("/post"), method="POST", body=smuggled)
        client.fetch(origin.url("/next"))
        assert [request.target for request in origin.requests] == ["/post", "/next"]
        assert origin.requests[0].body == smuggled


# ---- C16: other schemes --------------------------------------------------------------------------

SECRET = "/tmp/fetchpool-test-never-opened"
SCHEMES = [f"file://{SECRET}", f"FILE://{SECRET}", f"file:{SECRET}", f"FiLe://localhost{SECRET}",
           "ftp://127.0.0.1:@PORT@/x", "gopher://127.0.0.1:@PORT@/_x", "dict://127.0.0.1:@PORT@/d:x",
           "smb://127.0.0.1:@PORT@/x", "telnet://127.0.0.1:@PORT@", "ldap://127.0.0.1:@PORT@/x",
           "ws://127.0.0.1:@PORT@/", "data:text/plain,x", "javascript:alert(1)"]
USER_INFO = ["http://user:pass@127.0.0.1:@PORT@/", "http://user@127.0.0.1:@PORT@/",
             "http://:@127.0.0.1:@PORT@/", "http://@127.0.0.1:@PORT@/",
             "http://other.test@127.0.0.1:@PORT@/"]
BACKSLASHES = ["http:\\\\127.0.0.1:@PORT@\\", "http://127.0.0.1:@PORT@\\@other.test/",
               "http://other.test\\@127.0.0.1:@PORT@/", "http:/\\127.0.0.1:@PORT@/"]


@pytest.fixture
def forbidden():
    """An origin that must never see a connection."""
    with RawOrigin() as origin:
        yield origin


@pytest.mark.parametrize("url", SCHEMES + USER_INFO + BACKSLASHES)
def test_c16_other_schemes_user_info_and_backslashes_are_error_1_or_2(daemon, forbidden, url):
    with calm(daemon):
        error = daemon.client().refused(url.replace("@PORT@", str(forbidden.port)))
        assert error.code in (1, 2) and error.message
        assert "pass" not in error.message.replace("password", "")
        assert forbidden.connections == []


@pytest.mark.parametrize("url", SCHEMES + USER_INFO + BACKSLASHES[1:3])
def test_c16_the_same_as_redirect_targets_are_error_1_or_2(daemon, forbidden, url):
    target = url.replace("@PORT@", str(forbidden.port))
    with RawOrigin(serve(lambda _: response(302, headers=[("Location", target)]))) as origin, \
            calm(daemon):
        error = daemon.client().refused(origin.url(), redirects=5)
        assert error.code in (1, 2) and error.message
        assert forbidden.connections == []


@pytest.mark.skipif(SANITIZED, reason="LeakSanitizer does not work under ptrace")
def test_c16_no_system_call_is_made_for_them(daemon, forbidden, tmp_path):
    if not can_trace():
        pytest.skip("strace cannot trace here")
    log = tmp_path / "strace"
    tracer = subprocess.Popen(["strace", "-f", "-p", str(daemon.pid), "-o", log, "-e",
                               "trace=openat,open,connect,sendto"], stderr=subprocess.PIPE, text=True)
    assert "attached" in tracer.stderr.readline()
    targets = [url.replace("@PORT@", str(forbidden.port))
               for url in SCHEMES + USER_INFO + BACKSLASHES]
    answers = iter(targets)
    with RawOrigin(serve(lambda _: response(302, headers=[("Location", next(answers))]))) as origin:
        client = daemon.client()
        for target in targets:
            client.refused(target)
        for _ in targets:
            error = client.refused(origin.url("/redirect"), redirects=5)
            assert error.code in (1, 2)
        # The tracer sees what is done: the connection to the origin, at least.
        eventually(lambda: f"htons({origin.port})" in log.read_text(), 5, "strace's first line")
    tracer.terminate()
    tracer.communicate(timeout=10)
    text = log.read_text()
    assert os.path.basename(SECRET) not in text
    assert f"htons({forbidden.port})" not in text
    assert forbidden.connections == []
