"""Messages whole and broken: split anywhere, too large, too deep, no message at all."""

import contextlib
import os
import socket
import struct

import msgpack
import pytest

from support.client import pack, request_bytes


def fetch_message(nginx, request_id=1):
    return request_bytes(request_id, "fetch", {
        "url": nginx.url("/echo", nginx.PLAIN), "method": "POST", "body": b"\x00\xff body",
        "headers": [["X-Echo", "split"], ["Accept", "*/*"]], "timeout": 10000, "tls": {},
        "decompress": False})


def test_a_message_split_at_every_byte_is_read_once(daemon, nginx):
    message = fetch_message(nginx)
    with daemon.client() as client:
        client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        for position in range(1, len(message)):
            client.write(message[:position])
            # An answer to a ping of another client proves that the first part was read before.
            assert daemon.ask("ping") == "pong"
            client.write(message[position:])
            assert client.receive(1)["body"] == b"POST|split|||7"


def test_a_message_that_comes_byte_by_byte_is_read_once(daemon, nginx):
    with daemon.client() as client:
        for byte in fetch_message(nginx):
            client.write(bytes([byte]))
            assert daemon.ask("ping") == "pong"
        assert client.receive(1)["body"] == b"POST|split|||7"
        assert client.call("ping") == "pong"
        assert client.order.count(1) == 2  # of fetch and of ping, which has the same id again


def test_two_messages_and_a_half_in_one_write_are_two_messages(daemon, nginx):
    with daemon.client() as client:
        client.write(request_bytes(5, "ping") + request_bytes(6, "ping") + fetch_message(nginx)[:9])
        assert client.receive(5) == client.receive(6) == "pong"
        client.write(fetch_message(nginx)[9:])
        assert client.receive(1)["status"] == 200


def test_a_message_of_the_largest_size_is_taken(start_daemon, nginx):
    daemon = start_daemon({"limits": {"max_message": "100KiB"}})
    client = daemon.client()
    frame = len(request_bytes(1, "fetch", {"url": nginx.url("/echo", nginx.PLAIN), "method": "POST",
                                           "body": b"x" * 70000})) - 70000
    body = b"x" * (100 * 1024 - frame)
    answer = client.fetch(nginx.url("/echo", nginx.PLAIN), method="POST", body=body)
    assert answer["body"] == f"POST||||{len(body)}".encode()
    with contextlib.suppress(BrokenPipeError):  # it need not be read to its end
        client.send("fetch", {"url": nginx.url("/echo", nginx.PLAIN), "method": "POST",
                              "body": body + b"x"}, id=7)
    assert client.receive_message(7)[2][0] == 3


def test_an_oversized_message_is_error_3_and_the_connection_closes_after_the_answer(daemon):
    client = daemon.client()
    head = pack([0, 4711, "fetch"])
    message = bytes([0x94]) + head[1:] + bytes([0x91, 0x81]) + pack("body")
    client.write(message + b"\xc6" + struct.pack(">I", 17 << 20))
    _, request_id, error, _ = client.receive_message(4711)
    assert request_id == 4711 and error[0] == 3
    assert "message" in error[1]
    assert client.closed_within(1)
    daemon.assert_one_complaint()


def test_an_oversized_message_that_is_sent_whole_still_gets_its_answer(daemon):
    client = daemon.client()
    message = request_bytes(8, "fetch", {"url": "http://127.0.0.1:9/", "body": b"z" * (17 << 20)})
    try:
        client.write(message)
    except OSError:
        pass  # the daemon need not read it all
    assert client.receive_message(8)[2][0] == 3
    assert client.closed_within(1)


def test_a_message_deeper_than_8_is_error_1_then_closed(daemon):
    client = daemon.client()
    deep = []
    for _ in range(7):
        deep = [deep]
    client.write(request_bytes(3, "fetch", {"url": "http://127.0.0.1:9/", "x": deep}))
    _, _, error, _ = client.receive_message(3)
    assert error[0] == 1 and "deep" in error[1]
    assert client.closed_within(1)
    daemon.assert_one_complaint()


def test_a_message_as_deep_as_8_is_taken(client, nginx):
    deep = []  # the envelope, params, the map, and five lists within each other
    for _ in range(4):
        deep = [deep]
    assert client.fetch(nginx.url("/text", nginx.PLAIN), x=deep)["status"] == 200


def test_a_message_with_too_many_elements_is_error_1_then_closed(daemon):
    client = daemon.client()
    client.write(request_bytes(3, "fetch", {"url": "http://127.0.0.1:9/", "x": [1] * 70000}))
    _, _, error, _ = client.receive_message(3)
    assert error[0] == 1 and "element" in error[1]
    assert client.closed_within(1)
    daemon.assert_one_complaint()


@pytest.mark.parametrize("message", [
    [0, 1, "ping"], [0, 1, "ping", [], None], [3, 1, "ping", []], [-1, 1, "ping", []],
    [2, "data"], [2, "data", [], 1], [0, 1, 5, []], [0, 1, None, []], ["0", 1, "ping", []],
    [1, 1, None, "a response"], [None] * 4], ids=repr)
def test_what_is_no_message_closes_the_connection_after_one_log_line(daemon, message):
    client = daemon.client()
    client.write(msgpack.packb(message))
    assert client.closed_within(1)
    daemon.assert_one_complaint()


@pytest.mark.parametrize("data", [b"\x00", b"\x05\x06", b"\xc0", b"\xff" * 100, b"\x80", b"\xc1",
                                  b"\x90", b"\x91\x00", b"\x95\x00\x01\xa4ping\x90\xc0",
                                  b"\x16\x03\x01\x02\x00\x01"], ids=bytes.hex)
def test_a_first_byte_of_no_dialect_closes_the_connection(daemon, data):
    client = daemon.client()
    client.write(data)
    assert client.closed_within(1)
    daemon.assert_one_complaint()


def test_msgpacks_reserved_byte_is_a_broken_message(daemon):
    client = daemon.client()
    client.write(b"\x94\x00\x01\xc1")
    assert client.closed_within(1)
    daemon.assert_one_complaint()


def test_a_broken_message_does_not_take_the_answers_before_it(daemon):
    client = daemon.client()
    client.write(request_bytes(1, "ping") + b"\x94\x00\x02\xc1")
    assert client.receive(1) == "pong"
    assert client.closed_within(1)


def test_the_other_clients_of_a_broken_one_notice_nothing(daemon, nginx):
    good, bad = daemon.client(), daemon.client()
    good.fetch(nginx.url("/text"))
    bad.write(b"\x94\x00\x02\xc1")
    assert bad.closed_within(1)
    assert good.fetch(nginx.url("/text"))["connection"]["reused"]


def test_a_client_that_leaves_in_the_middle_of_a_message_is_forgotten(daemon):
    client = daemon.client()
    client.write(request_bytes(1, "fetch", {"url": "http://127.0.0.1:9/", "body": os.urandom(100000)})[:-1])
    client.close()
    daemon.await_calm()
    assert daemon.complaints() == []


def test_a_client_that_connects_and_says_nothing_is_allowed_and_counted(daemon):
    silent = daemon.client()
    assert len(daemon.ask("clients")) == 2
    assert silent.call("ping") == "pong"


def test_a_client_that_leaves_before_its_answer_disturbs_nobody(daemon, nginx):
    for _ in range(20):
        with daemon.client() as client:
            client.send("fetch", {"url": nginx.url("/files/page")})
    assert daemon.client().fetch(nginx.url("/text"))["status"] == 200


def test_a_client_that_does_not_read_its_large_answer_and_leaves_is_forgotten(daemon, nginx):
    client = daemon.client()
    for _ in range(4):
        client.send("fetch", {"url": nginx.url("/files/mebibyte")})
    nginx_client = daemon.client()
    nginx_client.fetch(nginx.url("/files/mebibyte"))
    client.close()
    daemon.await_calm()


def test_reading_goes_on_after_the_end_is_closed_to_the_daemon(daemon):
    client = daemon.client()
    client.send("ping")
    client.half_close()
    assert client.receive(1) == "pong"
    assert client.closed_within(1)
