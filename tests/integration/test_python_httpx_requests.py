"""
What httpx hands to its transport beside plain requests: those that it made of a redirect, of files and
fields, those that say what is the daemon's to say. Blocking and asynchronous, over a real daemon.
"""

import asyncio
import functools
import sys

import pytest

from support.daemon import ROOT
from support.origin import RawOrigin, response, serve
from support.timing import eventually

sys.path.insert(0, str(ROOT / "client-lib" / "python"))

httpx = pytest.importorskip("httpx")

import fetchpool.httpx  # noqa: E402


def nothing():
    pass


def blocking(path, method, url, at_end=nothing, **keys):
    with httpx.Client(transport=fetchpool.httpx.Transport(path), follow_redirects=True) as client:
        try:
            return client.request(method, url, **keys)
        finally:
            at_end()


def asynchronous(path, method, url, at_end=nothing, **keys):
    async def run():
        transport = fetchpool.httpx.AsyncTransport(path)
        async with httpx.AsyncClient(transport=transport, follow_redirects=True) as client:
            try:
                return await client.request(method, url, **keys)
            finally:
                at_end()

    return asyncio.run(run())


@pytest.fixture(params=[blocking, asynchronous], ids=["blocking", "asynchronous"])
def send(request, daemon):
    """send(METHOD, URL, ...), as httpx.request(). at_end is called before the client is closed."""
    bound = functools.partial(request.param, str(daemon.path))
    bound.is_blocking = request.param is blocking
    return bound


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


def listener(send, take):
    """A callback for `trace`, of the kind that the client wants."""
    async def take_in_turn(name, facts):
        take(name, facts)

    return take if send.is_blocking else take_in_turn


@pytest.mark.parametrize("http2", [False, True], ids=["1.1", "2"])
def test_trace_is_told_the_head_of_the_answer(send, nginx, http2):
    events = []
    trace = listener(send, lambda *event: events.append(event))
    url = nginx.url("/status/404") if http2 else nginx.url("/status/404", nginx.PLAIN)
    answer = send("GET", url, extensions={"trace": trace})
    told = (404, answer.headers.raw) if http2 else \
        (b"HTTP/1.1", 404, b"Not Found", answer.headers.raw)
    name = "http2" if http2 else "http11"
    assert events == [(f"{name}.receive_response_headers.complete", {"return_value": told})]


def test_an_answer_is_not_kept_where_its_trace_fails(send, daemon, nginx):
    def fail(*_):
        raise RuntimeError("enough")

    def is_given_up():
        eventually(lambda: daemon.stats()["in_flight"] == 0, 2, "it goes on")

    with pytest.raises(RuntimeError, match="enough"):
        send("GET", nginx.url("/slow/page"), is_given_up,
             extensions={"trace": listener(send, fail)})
