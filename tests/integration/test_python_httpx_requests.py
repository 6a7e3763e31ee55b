"""
What httpx hands to its transport beside plain requests: those that it made of a redirect, of files and
fields, those that say what is the daemon's to say. Blocking and asynchronous, over a real daemon.
"""

import asyncio
import sys

import pytest

from support.daemon import ROOT
from support.origin import RawOrigin, response, serve

sys.path.insert(0, str(ROOT / "client-lib" / "python"))

httpx = pytest.importorskip("httpx")

import fetchpool.httpx  # noqa: E402


def blocking(path, method, url, **keys):
    with httpx.Client(transport=fetchpool.httpx.Transport(path), follow_redirects=True) as client:
        return client.request(method, url, **keys)


def asynchronous(path, method, url, **keys):
    async def run():
        transport = fetchpool.httpx.AsyncTransport(path)
        async with httpx.AsyncClient(transport=transport, follow_redirects=True) as client:
            return await client.request(method, url, **keys)

    return asyncio.run(run())


@pytest.fixture(params=[blocking, asynchronous], ids=["blocking", "asynchronous"])
def send(request, daemon):
    return lambda *arguments, **keys: request.param(str(daemon.path), *arguments, **keys)


def redirect_once(status):
    def answer(request):
        if request.target == "/from":
            return response(status, headers=[("Location", "/to")])
        return response(200, request.body)

    return serve(answer)


@pytest.mark.parametrize("status", [301, 303, 308])
def test_a_redirected_get_has_no_body(send, status):
    with RawOrigin(redirect_once(status)) as origin:
        assert send("GET", origin.url("/from")).text == ""
        first, second = origin.requests
        assert (second.method, second.target) == ("GET", "/to")
        for request in first, second:
            assert request.value("transfer-encoding") is None
            assert request.value("content-length") is None


def test_a_redirected_body_is_sent_again_whole(send):
    with RawOrigin(redirect_once(307)) as origin:
        assert send("POST", origin.url("/from"), content=b"twice").text == "twice"
        assert [request.body for request in origin.requests] == [b"twice", b"twice"]
        assert origin.requests[1].value("content-length") == "5"


def test_files_and_fields_are_sent_in_parts_of_known_length(send):
    with RawOrigin(redirect_once(307)) as origin:
        answer = send("POST", origin.url("/from"), data={"field": "value"},
                      files={"file": ("name.txt", b"content", "text/plain")})
        assert b'name="field"\r\n\r\nvalue' in answer.content
        assert b'filename="name.txt"\r\nContent-Type: text/plain\r\n\r\ncontent' in answer.content
        for request in origin.requests:
            assert request.value("content-length") == str(len(answer.content))


def test_whether_to_ask_before_an_upload_is_left_to_the_daemon(send):
    with RawOrigin() as origin:
        headers = {"Expect": "100-continue", "Connection": "keep-alive"}
        assert send("POST", origin.url(), content=b"body", headers=headers).status_code == 200
        assert origin.requests[0].body == b"body"
        assert origin.requests[0].value("expect") is None
    with pytest.raises(httpx.LocalProtocolError, match="Expect"):
        send("POST", origin.url(), content=b"body", headers={"Expect": "the unexpected"})


@pytest.mark.parametrize("url", ["ftp://127.0.0.1/", "//127.0.0.1/", "/path"])
def test_a_url_that_is_not_http_is_told_as_httpx_tells_it(send, url):
    with pytest.raises(httpx.UnsupportedProtocol):
        send("GET", url)
