"""What client-lib/PROTOCOL.md and README.md show is true, of itself and of the daemon."""

import json
import re
import signal

import pytest

from support.check_protocol_md import PAGE, check, decode, examples, from_json
from support.daemon import ROOT
from support.origin import RawOrigin, chunked_response, response, serve

ORIGIN = "http://127.0.0.1:8080"  # the page's; stands for one that the test starts


def messages():
    return [decode(each) for each in examples(PAGE.read_text(encoding="utf-8"))]


def answer_as_on_the_page(request):
    if request.target == "/log":
        return chunked_response([b"hello\n"], [("X-Lines", "1")], [("Content-Type", "text/plain")])
    if request.target == "/endless":
        return response(headers=[("Content-Length", "1000000000")], length=False)
    if request.method != "GET":
        return response(201, headers=[("Location", "/orders/17")])
    return response(headers=[("Content-Type", "text/plain")], body=b"hello\n")


def shape(value):
    """What a value is made of: keys and types; numbers and texts do not matter."""
    if isinstance(value, dict):
        return {key: shape(each) for key, each in value.items()}
    if isinstance(value, list):
        return [shape(each) for each in value]
    return type(value).__name__


def test_every_hex_block_is_the_json_below_it():
    assert check() == []


@pytest.mark.parametrize("page", [
    "", "```hex\n90\n```\ntext", "```hex\n90\n```\n```json\n[1]\n```\n",
    "```hex\n90 90\n```\n```json\n[]\n```\n", "```hex\n91\n```\n```json\n[]\n```\n",
    "```hex\n9z\n```\n```json\n[]\n```\n", "```hex\n90\n```\n```json\n[\n```\n",
    "```hex\n91 01\n```\n```json\n[true]\n```\n", "```hex\n91 c4 00\n```\n```json\n[\"\"]\n```\n"],
    ids=repr)
def test_a_wrong_example_is_found(tmp_path, page):
    path = tmp_path / "page.md"
    path.write_text(page, encoding="utf-8")
    assert len(check(path)) == 1


def exchanges(shown):
    """The messages of the page by the id of their request, each list in the page's order."""
    by_id = {}
    for message in shown:
        if message[0] != 2:
            by_id.setdefault(message[1], []).append(message)
        elif message[1] != "goaway":
            by_id[message[2][0]].append(message)
    return by_id.values()


def at(origin, message):
    """The same message, where the page's origin is this one."""
    text = json.dumps(message, default=lambda data: {"bin": data.decode("latin-1")})
    return from_json(json.loads(text.replace(ORIGIN, origin.url(""))))


def is_the_clients(message, keys):
    """Of a request with these keys: what the page shows, does the client say it?"""
    if message[0] != 2:
        return message[0] == 0
    of_both = {"data": "upload" in keys, "end": "upload" in keys, "window": "stream" in keys}
    return message[1] == "cancel" or of_both.get(message[1], False)


def receive(client, shown):
    if shown[0] == 1:
        return client.receive_message(shown[1])
    message = client.await_notification(shown[1])
    client.notifications.remove(message)
    return message


def assert_same(given, shown):
    """But for numbers and texts that differ each time; an error is the very same."""
    assert shape(given) == shape(shown)
    if shown[0] == 2:
        if shown[1] != "end":
            assert given == shown
        else:
            assert given[2][1]["bytes"] == shown[2][1]["bytes"]
            assert given[2][1]["trailers"] == shown[2][1]["trailers"]
    elif shown[2]:
        assert given == shown
    elif "status" in shown[3]:
        for key in ("status", "headers", "body"):
            assert given[3].get(key) == shown[3].get(key)


def test_the_daemon_answers_every_message_as_the_page_shows(client):
    tried = list(exchanges(messages()))
    assert len(tried) > 10
    with RawOrigin(serve(answer_as_on_the_page)) as origin:
        for request, *others in tried:
            assert request[0] == 0 and others, f"no request, or no answer: {request}"
            keys = request[3][0].keys() if request[3] else ()
            client.send(request[2], *at(origin, request[3]), id=request[1])
            for message in others:
                if is_the_clients(message, keys):
                    client.notify(message[1], *message[2])
                else:
                    assert_same(receive(client, message), at(origin, message))
    client.read_for(0.1)
    assert client.notifications == [] and not any(client.answers.values()), "more than the page has"


def test_the_page_shows_every_message_that_streams():
    shown = {(message[1], is_the_clients(message, request[3][0].keys()))
             for request, *others in exchanges(messages()) if request[2] == "fetch"
             for message in others if message[0] == 2}
    assert shown == {("data", False), ("data", True), ("end", False), ("end", True),
                     ("window", False), ("window", True), ("cancel", True), ("error", False)}


def test_goaway_is_as_the_page_shows(daemon):
    [shown] = [message for message in messages() if message[:2] == [2, "goaway"]]
    client = daemon.client()
    client.call("hello", {})
    daemon.signal(signal.SIGTERM)
    assert client.await_notification("goaway") == shown
    daemon.wait()


def test_the_page_has_every_code_and_every_key():
    text = PAGE.read_text(encoding="utf-8")
    header = (ROOT / "include" / "fetchpool.h").read_text(encoding="utf-8")
    codes = re.findall(r"^ +FETCHPOOL_([A-Z_]+) = ([1-9]\d{0,2})[, ]", header, re.M)
    codes = [(name, number) for name, number in codes if not name.startswith("CLASS_")
             and not name.startswith(("HTTP_", "RETRY_")) and int(number) < 900]
    assert len(codes) > 20
    for name, number in codes:
        assert f"| {number} | `{name}` |" in text
    source = (ROOT / "client-lib" / "wire" / "fetch.c").read_text(encoding="utf-8")
    keys = re.findall(r'\{"([a-z_]+)", KEY_', source)
    assert len(keys) > 20
    for key in keys:
        assert f"`{key}`" in text, key


def test_the_readme_shows_the_example_that_is_compiled():
    example = (ROOT / "client-lib" / "examples" / "get.c").read_text(encoding="utf-8")
    blocks = re.findall(r"^```c\n(.*?)^```", (ROOT / "README.md").read_text(encoding="utf-8"), re.M | re.S)
    assert blocks and all(block in example for block in blocks)
