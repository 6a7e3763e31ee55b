"""
What httpx hands to its transport beside plain requests: those that it made of a redirect, of files and
fields, those that say what is the daemon's to say, bodies that are not taken. Blocking, with asyncio and
with trio, over a real daemon.
"""

import asyncio
import gc
import sys
import threading
import time

import httpx
import pytest
import trio

from support.daemon import ROOT
from support.origin import RawOrigin, response, serve
from support.timing import Stopwatch, eventually, scaled
from support.upload_origin import UploadOrigin, stop_reading

sys.path.insert(0, str(ROOT / "client-lib" / "python"))

import fetchpool.httpx  # noqa: E402


def nothing():
    pass


class Blocking:
    """send(METHOD, URL, ...), as httpx.request(). at_end is called before the client is closed."""

    def __init__(self, path):
        self.path = str(path)

    def __call__(self, method, url, at_end=nothing, **keys):
        transport = fetchpool.httpx.Transport(self.path)
        with httpx.Client(transport=transport, follow_redirects=True) as client:
            try:
                return client.request(method, url, **keys)
            finally:
                at_end()

    def callback(self, take):
        return take

    def stream_of(self, size, piece=1 << 16, rest=0.0):
        """A body of that many bytes; its source rests after each piece."""
        for begin in range(0, size, piece):
            yield bytes(min(piece, size - begin))
            time.sleep(rest)


class Asyncio(Blocking):
    run = staticmethod(lambda main: asyncio.run(main()))
    sleep = staticmethod(asyncio.sleep)

    def __call__(self, method, url, at_end=nothing, **keys):
        async def run():
            transport = fetchpool.httpx.AsyncTransport(self.path)
            async with httpx.AsyncClient(transport=transport, follow_redirects=True) as client:
                try:
                    return await client.request(method, url, **keys)
                finally:
                    at_end()

        return self.run(run)

    def callback(self, take):
        async def take_in_turn(*arguments):
            take(*arguments)

        return take_in_turn

    async def stream_of(self, size, piece=1 << 16, rest=0.0):
        for begin in range(0, size, piece):
            yield bytes(min(piece, size - begin))
            await self.sleep(rest)


class Trio(Asyncio):
    run = staticmethod(trio.run)
    sleep = staticmethod(trio.sleep)


@pytest.fixture(params=[Blocking, Asyncio, Trio])
def sender(request):
    return request.param


@pytest.fixture
def send(sender, daemon):
    return sender(daemon.path)


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


@pytest.mark.parametrize("http2", [False, True], ids=["1.1", "2"])
def test_trace_is_told_the_head_of_the_answer(send, nginx, http2):
    events = []
    trace = send.callback(lambda *event: events.append(event))
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
             extensions={"trace": send.callback(fail)})


# ---- How long a body may wait --------------------------------------------------------------------

LARGE = 64 << 20  # more than sockets hold

BODIES = {"bytes": lambda send: bytes(LARGE), "stream": lambda send: send.stream_of(LARGE)}


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES.keys())
def test_an_upload_that_is_not_taken_is_a_write_timeout(send, daemon, body):
    def is_given_up():
        eventually(lambda: daemon.stats()["in_flight"] == 0, 2, "it goes on")

    timeout = httpx.Timeout(None, write=0.5)
    with UploadOrigin(stop_reading) as origin, Stopwatch() as watch:
        with pytest.raises(httpx.WriteTimeout, match="no more of the upload within 0.5 s"):
            send("PUT", origin.url(), is_given_up, content=body(send), timeout=timeout)
    assert 0.5 <= watch.seconds < scaled(5)


@pytest.mark.filterwarnings("error")
def test_an_upload_that_is_given_up_leaves_no_generator_to_trio(daemon):
    async def run(url):
        transport = fetchpool.httpx.AsyncTransport(str(daemon.path))
        async with httpx.AsyncClient(transport=transport) as client:
            with pytest.raises(httpx.WriteTimeout):
                timeout = httpx.Timeout(None, write=0.1)
                await client.put(url, content=bytes(LARGE), timeout=timeout)
            gc.collect()

    with UploadOrigin(stop_reading) as origin:
        trio.run(run, origin.url())


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES.keys())
def test_an_upload_that_is_slow_but_goes_on_is_no_write_timeout(send, body):
    def read_with_rests(arrival):
        for _ in range(8):
            arrival.read(LARGE // 8)
            time.sleep(0.2)
        arrival.answer(200, b"%d" % arrival.total)

    with UploadOrigin(read_with_rests) as origin:
        timeout = httpx.Timeout(None, write=1)
        answer = send("PUT", origin.url(), content=body(send), timeout=timeout)
        assert answer.text == str(LARGE)


def test_a_pause_of_the_source_is_no_write_timeout(send):
    with UploadOrigin() as origin:
        content = send.stream_of(600_000, 200_000, rest=0.5)
        answer = send("PUT", origin.url(), content=content, timeout=httpx.Timeout(None, write=0.2))
        assert answer.status_code == 200
        assert origin.arrivals[0].total == 600_000


def keep_the_first(arrival):
    if arrival.target == "/first":
        arrival.origin.released.wait(scaled(10))
    arrival.read_all()
    arrival.answer(200, b"%d" % arrival.total)


def test_an_upload_may_wait_for_its_turn_first(sender, start_daemon):
    """That has a limit of its own."""
    daemon = start_daemon({"pool": {"connections_per_origin": 1}})
    with UploadOrigin(keep_the_first) as origin, daemon.client() as other:
        other.send("fetch", {"url": origin.url("/first")})
        origin.await_arrivals(1)
        timer = threading.Timer(1, origin.release)
        timer.start()
        timeout = httpx.Timeout(None, write=0.3, pool=20)
        answer = sender(daemon.path)("PUT", origin.url(), content=bytes(LARGE), timeout=timeout)
        assert answer.text == str(LARGE)
        timer.join()
