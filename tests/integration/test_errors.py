"""Every error code that exists so far, with a message that names what failed."""

import signal

import pytest

from support.client import request_bytes
from support.origin import RawOrigin, response
from support.ports import free_port
from support.timing import Stopwatch, scaled


# ---- 1 to 5: refused ------------------------------------------------------------------------------

BAD_URLS = ["", "x", "/path", "localhost", "//localhost/", "http://", "http:///path", "http://:80/",
            "https://a b/", "http://a:b/", "http://a:70000/", "http://a:-1/", "http://[::1/",
            "http://exa mple/", "http://a/\r\nx", "http://a/\0", "http://a/ b", "http://a\\b/",
            "http://a/b\\c", "http://a/\x01", "http://a/\x7f", "://x", "http//x", "http:x"]


@pytest.mark.parametrize("url", BAD_URLS, ids=repr)
def test_a_url_that_is_none_is_error_1(client, url):
    error = client.refused(url)
    assert error.code == 1 and "url" in error.message.lower()


def test_a_url_longer_than_allowed_is_error_1(start_daemon):
    client = start_daemon({"limits": {"max_url": "1000"}}).client()
    error = client.refused("http://127.0.0.1:9/" + "a" * 1000)
    assert error.code == 1 and "1000" in error.message


def test_more_redirects_than_the_daemon_allows_are_error_1(start_daemon):
    client = start_daemon({"limits": {"max_redirects": "3"}}).client()
    error = client.refused("http://127.0.0.1:9/", redirects=4)
    assert error.code == 1 and "redirects" in error.message


def test_an_unknown_method_is_error_4_naming_it(client):
    error = client.refused_call("frobnicate", {})
    assert error.code == 4 and "frobnicate" in error.message
    assert client.refused_call("").code == 4
    assert client.refused_call("x" * 10000).code == 4
    assert client.call("ping") == "pong"


def test_an_unknown_methods_name_is_not_written_to_anyones_terminal(client):
    error = client.refused_call("\x1b[31mred\r\n")
    assert error.code == 4 and "\x1b" not in error.message and "\n" not in error.message


def test_an_id_that_is_still_open_is_error_5_and_the_first_is_unharmed(client):
    def script(connection):
        connection.read_request()
        connection.await_release()
        connection.answer(body=b"unharmed")
        connection.await_end()

    with RawOrigin(script) as origin:
        client.send("fetch", {"url": origin.url()}, id=7)
        origin.await_requests(1)
        client.send("fetch", {"url": origin.url()}, id=7)
        assert client.receive_message(7)[2][0] == 5
        origin.release()
        assert client.receive(7)["body"] == b"unharmed"
        assert len(origin.requests) == 1


# ---- 102 to 107: not sent -------------------------------------------------------------------------

def test_an_unknown_name_is_error_102_naming_it(client):
    error = client.refused("http://no-such-host.invalid/")
    assert error.code == 102 and "no-such-host.invalid" in error.message


def test_a_refused_connection_is_error_103_with_the_address_and_the_reason(client):
    port = free_port()
    with Stopwatch() as watch:
        error = client.refused(f"http://127.0.0.1:{port}/")
    assert error.code == 103
    assert error.message == f"connect to 127.0.0.1:{port} failed: connection refused"
    assert watch.seconds < scaled(0.05)


def test_the_example_of_the_protocol_is_what_it_says(client):
    error = client.refused("http://127.0.0.1:9/")
    assert (error.code, error.message) == (103, "connect to 127.0.0.1:9 failed: connection refused")


def test_an_unreachable_network_is_error_103_within_50_ms(start_daemon):
    anywhere = {"networks_allow": "0.0.0.0/0, 255.255.255.255"}
    client = start_daemon({'policy "default"': anywhere}).client()
    with Stopwatch() as watch:
        error = client.refused("http://255.255.255.255/")
    assert error.code == 103 and "255.255.255.255:80" in error.message
    assert watch.seconds < scaled(0.05)


def test_what_comes_while_shutting_down_is_error_106(daemon):
    def script(connection):
        connection.read_request()
        connection.await_release()
        connection.answer(body=b"finished")

    client = daemon.client()
    with RawOrigin(script) as origin:
        running = client.send("fetch", {"url": origin.url()})
        origin.await_requests(1)
        daemon.signal(signal.SIGTERM)
        daemon.await_line("drain|stopping|shutting")
        error = client.refused(origin.url())
        assert error.code == 106
        origin.release()
        assert client.receive(running)["body"] == b"finished"
        assert daemon.wait() == 0


# ---- 201 to 205: maybe processed ------------------------------------------------------------------

def answering(data):
    def script(connection):
        connection.read_request()
        connection.write(data)

    return script


def test_a_connection_closed_without_a_byte_is_error_201(client):
    with RawOrigin(answering(b"")) as origin:
        error = client.refused(origin.url())
        assert error.code == 201
        assert error.message.startswith("empty answer from ")
        assert f"127.0.0.1:{origin.port}" in error.message


def test_a_reset_before_the_answer_is_error_201(client):
    def script(connection):
        connection.read_request()
        connection.reset()

    with RawOrigin(script) as origin:
        error = client.refused(origin.url())
        assert error.code == 201 and f"127.0.0.1:{origin.port}" in error.message


def test_a_connection_closed_in_the_header_is_an_error_of_class_200(client):
    with RawOrigin(answering(b"HTTP/1.1 200 OK\r\nContent-Le")) as origin:
        assert client.refused(origin.url()).code in (201, 202, 203)


@pytest.mark.parametrize("data", [
    b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nnot a hundred",
    b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabcde\r\n",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n50\r\nabcde",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\nabc\r\n0\r\n\r\n",
], ids=["length", "no byte", "chunk missing", "chunk cut", "chunk size"])
def test_a_body_that_ends_early_is_error_202(client, data):
    with RawOrigin(answering(data)) as origin:
        error = client.refused(origin.url())
        assert error.code == 202 and f"127.0.0.1:{origin.port}" in error.message


@pytest.mark.parametrize("data", [
    b"this is not HTTP at all, is it?\r\n\r\n",
    b"SSH-2.0-OpenSSH_9.2\r\n",
    b"HTTP/1.1 abc OK\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: five\r\n\r\n",
    b"HTTP/9.1 200 OK\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nX: " + b"y" * 400_000 + b"\r\n\r\n",
], ids=["words", "ssh", "status", "negative", "no number", "version", "huge header"])
def test_an_answer_that_is_not_http_is_error_203(client, data):
    with RawOrigin(answering(data)) as origin:
        error = client.refused(origin.url())
        assert error.code == 203 and f"127.0.0.1:{origin.port}" in error.message


def test_two_different_lengths_are_error_203(client):
    data = b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab"
    with RawOrigin(answering(data)) as origin:
        error = client.refused(origin.url())
        assert error.code == 203


def test_header_fields_larger_than_the_daemon_takes_are_error_203(start_daemon):
    client = start_daemon({"limits": {"max_response_header_bytes": "10KiB"}}).client()
    fields = [(f"X-{number}", "v" * 100) for number in range(200)]
    with RawOrigin(answering(response(headers=fields))) as origin:
        assert client.refused(origin.url()).code == 203


def test_bytes_after_an_answer_are_not_the_next_answer(client):
    def script(connection):
        connection.read_request()
        connection.write(response(body=b"first") + response(body=b"poison"))
        connection.read_request()
        connection.answer(body=b"second")

    with RawOrigin(script) as origin:
        assert client.fetch(origin.url())["body"] == b"first"
        answer = client.fetch(origin.url(), retry="always")
        assert answer["body"] != b"poison"


def test_answers_beyond_what_may_wait_unread_are_error_206(start_daemon, nginx):
    """The client asks for 20 MiB and reads nothing until all have been answered."""
    daemon = start_daemon({"limits": {"max_unread": "4MiB"}})
    client = daemon.client()
    client.write(b"".join(request_bytes(i, "fetch", {"url": nginx.url("/files/mebibyte", nginx.PLAIN)})
                          for i in range(20)))
    codes = []
    for i in range(20):
        _, _, error, result = client.receive_message(i)
        codes.append(error[0] if error else result["status"])
    assert set(codes) <= {200, 206} and 200 in codes


@pytest.mark.parametrize("url, secret", [
    ("http://127.0.0.1:9/path?token=hush", "hush"), ("http://no-such-host.invalid/?key=hush", "hush")])
def test_messages_and_log_lines_do_not_repeat_the_query_string(daemon, url, secret):
    error = daemon.client().refused(url)
    assert secret not in error.message
    assert not daemon.lines_matching(secret)
