"""The envelope and the small methods, as protocol.md has them."""

import os
import re

import msgpack
import pytest

from support.client import request_bytes
from support.origin import RawOrigin


def test_hello_says_who_the_daemon_is(client):
    answer = client.call("hello", {"client": "test", "version": "1"})
    assert answer["server"] == "fetchpoold"
    assert re.fullmatch(r"\d+\.\d+\.\d+", answer["version"])
    assert answer["protocol"] == 1
    assert answer["pool"]
    assert isinstance(answer["limits"], dict) and answer["limits"]


def test_the_pool_is_the_same_for_every_client_and_another_after_a_restart(start_daemon):
    first = start_daemon()
    pools = {first.client().call("hello")["pool"] for _ in range(3)}
    assert len(pools) == 1
    assert start_daemon().client().call("hello")["pool"] not in pools


def test_hello_is_optional_and_may_come_late_and_twice(client):
    assert client.call("ping") == "pong"
    assert client.call("hello", {"client": "late"})["protocol"] == 1
    assert client.call("hello", {"client": "again"})["protocol"] == 1


def test_ping_is_answered_with_pong(client):
    assert client.call("ping") == "pong"


def test_params_may_be_nothing_an_empty_map_or_an_empty_array(client):
    assert client.call("ping", {}) == "pong"
    assert client.call("ping", []) == "pong"
    assert client.call("hello", [])["protocol"] == 1
    assert client.call("stats", [])


def test_headers_and_tls_may_be_empty_arrays_or_maps(client, nginx):
    for empty in ([], {}):
        answer = client.fetch(nginx.url("/text", nginx.PLAIN), headers=empty, tls=[])
        assert answer["status"] == 200
    assert client.fetch(nginx.url("/text", nginx.PLAIN), tls={})["status"] == 200


@pytest.mark.parametrize("params", [[{}, {}], [1], ["x"], [[1]]], ids=repr)
def test_params_that_are_not_at_most_one_map_are_error_1(client, params):
    client.write(msgpack.packb([0, 9, "fetch", params]))
    _, _, error, _ = client.receive_message(9)
    assert error[0] == 1 and "params" in error[1]
    assert client.call("ping") == "pong"


def test_unknown_keys_are_ignored(client, nginx):
    answer = client.fetch(nginx.url("/text", nginx.PLAIN), colour="blue", tls={"moon": 1},
                          priority=[1, {"deep": None}])
    assert answer["body"] == b"hello\n"


def test_str_and_bin_are_interchangeable(client, nginx):
    client.write(request_bytes(77, b"fetch", {
        b"url": nginx.url("/echo", nginx.PLAIN).encode(), b"method": b"POST",
        b"headers": [[b"X-Echo", b"as bin"]], "body": "text as body"}))
    answer = client.receive(77)
    assert answer["body"] == b"POST|as bin|||12"


def test_a_body_comes_as_bin_and_text_as_str(client, nginx):
    answer = client.fetch(nginx.url("/text", nginx.PLAIN))
    assert isinstance(answer["body"], bytes)
    assert isinstance(answer["url"], str) and isinstance(answer["http"], str)
    assert all(isinstance(part, str) for field in answer["headers"] for part in field)


@pytest.mark.parametrize("request_id", [0, 1, 127, 128, 255, 256, 65535, 65536, 2**31, 2**32 - 1])
def test_every_id_of_32_bits_is_answered_with_itself(client, request_id):
    client.send("ping", id=request_id)
    assert client.receive(request_id) == "pong"


@pytest.mark.parametrize("request_id", [-1, 2**32, "one", None, 1.5, [1]], ids=repr)
def test_an_id_that_is_none_closes_the_connection_after_one_log_line(daemon, request_id):
    client = daemon.client()
    client.write(msgpack.packb([0, request_id, "ping", []]))
    assert client.closed_within(1)
    daemon.assert_one_complaint()


def test_replies_come_in_the_order_in_which_they_are_ready(client):
    def wait_if_asked(connection):
        while True:
            request = connection.read_request()
            if request.target == "/wait":
                connection.await_release()
            connection.answer(body=request.target.encode())

    with RawOrigin(wait_if_asked) as origin:
        slow = client.send("fetch", {"url": origin.url("/wait")})
        origin.await_requests(1)
        fast = client.send("fetch", {"url": origin.url("/fast")})
        ping = client.send("ping")
        assert client.receive(fast)["body"] == b"/fast"
        assert client.receive(ping) == "pong"
        origin.release()
        assert client.receive(slow)["body"] == b"/wait"
        assert client.order[-1] == slow


def test_many_requests_in_one_write_are_all_answered(client, nginx):
    ids = range(100, 300)
    client.write(b"".join(request_bytes(i, "fetch", {"url": nginx.url(f"/text?{i}", nginx.PLAIN)})
                          for i in ids))
    for i in ids:
        assert client.receive(i)["url"].endswith(f"?{i}")


def test_an_answer_of_fetch_has_exactly_the_keys_of_the_protocol(client, nginx):
    answer = client.fetch(nginx.url("/text"))
    assert set(answer) == {"status", "headers", "body", "http", "url", "redirects", "connection",
                           "timing"}
    assert set(answer["connection"]) == {"id", "reused", "requests", "age_ms", "peer"}
    assert set(answer["timing"]) == {"queue", "resolve", "connect", "tls", "first_byte", "total"}
    assert isinstance(answer["connection"]["reused"], bool)
    assert answer["redirects"] == 0
    assert answer["url"] == nginx.url("/text")


def test_a_notification_is_never_answered(client):
    client.write(msgpack.packb([2, "cancel", [12345]]))
    client.write(msgpack.packb([2, "no such notification", []]))
    assert client.call("ping") == "pong"
    assert client.order == [1]


# ---- stats, connections, clients -----------------------------------------------------------------

def test_stats_are_numbers_by_name(client, nginx):
    before = client.call("stats")
    client.fetch(nginx.url("/text"))
    client.fetch(nginx.url("/text"))
    after = client.call("stats")
    assert all(isinstance(name, str) for name in after)
    assert all(isinstance(after[name], int) for name in set(after) - {"version", "pool"})
    assert after["requests"] == before["requests"] + 2
    assert after["handshakes_saved"] == before["handshakes_saved"] + 1
    assert "loop_busy_max_us" in after


def test_connections_shows_every_pooled_connection(client, nginx):
    assert client.call("connections") == []
    h2 = client.fetch(nginx.url("/text"))["connection"]["id"]
    client.fetch(nginx.url("/text"))
    h1 = client.fetch(nginx.url("/text", nginx.H1))["connection"]["id"]
    rows = {row["id"]: row for row in client.call("connections")}
    assert set(rows) == {h1, h2}
    for row in rows.values():
        assert {"id", "origin", "http", "state", "age_ms", "idle_ms", "requests", "streams",
                "peer"} <= set(row)
        assert row["streams"] == 0
        assert row["idle_ms"] <= row["age_ms"]
    assert rows[h2]["http"] == "2" and rows[h1]["http"] == "1.1"
    assert rows[h2]["requests"] == 2 and rows[h1]["requests"] == 1
    assert rows[h2]["origin"] == nginx.origin() and rows[h1]["origin"] == nginx.origin(nginx.H1)
    assert rows[h2]["peer"] == f"127.0.0.1:{nginx.ports[nginx.H2]}"
    assert rows[h2]["state"] == rows[h1]["state"] == "idle"


def test_connections_shows_what_is_in_use(client):
    def hold(connection):
        connection.read_request()
        connection.await_release()
        connection.answer()

    with RawOrigin(hold) as origin:
        running = client.send("fetch", {"url": origin.url()})
        origin.await_requests(1)
        [row] = client.call("connections")
        assert row["streams"] == 1 and row["state"] != "idle" and row["idle_ms"] == 0
        origin.release()
        client.receive(running)


def test_clients_shows_every_client_with_its_credentials(daemon, nginx):
    first, second = daemon.client(), daemon.client()
    first.call("hello", {"client": "number one", "version": "7"})
    first.fetch(nginx.url("/text"))
    rows = second.call("clients")
    assert len(rows) == 2
    for row in rows:
        assert {"pid", "uid", "gid", "name", "in_flight", "queued", "requests", "bytes"} <= set(row)
        assert row["pid"] == os.getpid()
        assert row["uid"] == os.getuid() and row["gid"] == os.getgid()
    [one] = [row for row in rows if "number one" in row["name"]]
    assert one["in_flight"] == 0 and one["queued"] == 0
    assert one["requests"] >= 1 and one["bytes"] > 0


def test_clients_counts_what_is_in_flight(daemon):
    def hold(connection):
        connection.read_request()
        connection.await_release()
        connection.answer()

    with RawOrigin(hold) as origin:
        client = daemon.client()
        client.call("hello", {"client": "busy"})
        running = client.send("fetch", {"url": origin.url()})
        origin.await_requests(1)
        [row] = [row for row in daemon.ask("clients") if row["name"] == "busy"]
        assert row["in_flight"] == 1
        origin.release()
        client.receive(running)


# ---- Wrong types ---------------------------------------------------------------------------------

@pytest.mark.parametrize("key, value", [
    ("url", 5), ("method", 5), ("method", ["GET"]), ("headers", "X: y"), ("headers", [["X"]]),
    ("headers", [["X", "y", "z"]]), ("headers", [["X", 5]]), ("headers", {"X": 1}), ("body", 5),
    ("body", ["x"]), ("max_body", "many"), ("max_body", -1), ("timeout", "soon"), ("timeout", -5),
    ("timeout", 1.5), ("queue_timeout", True), ("connect_timeout", "x"),
    ("first_byte_timeout", []), ("idle_timeout", {}), ("redirects", -1), ("redirects", "two"),
    ("decompress", 1), ("decompress", "yes"), ("http", "3"), ("http", 2), ("retry", "often"),
    ("retry", False), ("tls", "secure"), ("tls", [1]), ("proxy", 5), ("tag", 5),
    ("upload", 1), ("upload_size", "large"), ("upload_size", False), ("stream", "yes"),
    ("window", -1), ("window", 1.0)],
    ids=lambda value: repr(value))
def test_a_wrong_type_is_error_1_naming_the_key(client, key, value):
    error = client.refused_call("fetch", {"url": "http://127.0.0.1:9/", key: value})
    assert error.code == 1 and key in error.message
    assert client.call("ping") == "pong"


@pytest.mark.parametrize("key", ["ca", "cert", "key", "server_name", "verify"])
def test_a_wrong_type_in_tls_is_error_1_naming_the_key(client, key):
    error = client.refused("https://127.0.0.1:9/", tls={key: 5})
    assert error.code == 1 and f"tls.{key}" in error.message


def test_a_fetch_without_url_is_error_1(client):
    for params in ([], [{}], [{"method": "GET"}]):
        error = client.refused_call("fetch", *params)
        assert error.code == 1 and "url" in error.message


def test_keys_that_are_nil_are_as_good_as_absent(client, nginx):
    answer = client.fetch(nginx.url("/text", nginx.PLAIN), method=None, headers=None, body=None,
                          timeout=None, tls={"ca": None}, proxy=None, http=None, retry=None)
    assert answer["status"] == 200
