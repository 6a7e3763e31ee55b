"""What client-lib/PROTOCOL.md and README.md show is true, of itself and of the daemon."""

import json
import re
import signal

import pytest

from support.check_protocol_md import PAGE, check, decode, examples, from_json
from support.daemon import ROOT
from support.origin import RawOrigin, response, serve

ORIGIN = "http://127.0.0.1:8080"  # the page's; stands for one that the test starts


def messages():
    return [decode(each) for each in examples(PAGE.read_text(encoding="utf-8"))]


def answer_as_on_the_page(request):
    if request.method == "POST":
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


def test_the_daemon_answers_every_request_as_the_page_shows(client):
    answers = {message[1]: message for message in messages() if message[0] == 1}
    requests = [message for message in messages() if message[0] == 0]
    assert len(requests) > 8
    with RawOrigin(serve(answer_as_on_the_page)) as origin:
        here = origin.url("")
        for _, id, method, params in requests:
            params = json.loads(json.dumps(params, default=lambda data: {"bin": data.decode()})
                                .replace(ORIGIN, here))
            client.send(method, *from_json(params), id=id)
            given, shown = client.receive_message(id), answers.pop(id)
            assert shape(given) == shape(shown), (method, params)
            if shown[2]:  # an error: the very same
                assert given == shown
            elif method == "fetch":
                assert given[3]["body"] == shown[3]["body"]
                assert given[3]["headers"] == shown[3]["headers"]
    assert not answers, "answers without their requests"


def test_goaway_is_as_the_page_shows(daemon):
    [shown] = [message for message in messages() if message[0] == 2]
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
