"""
The question that started it: httpx in FastAPI, across workers. The example as a user runs it: uvicorn
with four workers, Debian's FastAPI and httpx, a real daemon and a real origin.
"""

import json
import os
import pathlib
import re
import signal
import threading
import urllib.parse

import pytest

from support.daemon import ROOT, Daemon
from support.ports import free_port
from support.timing import eventually
from support.uvicorn import Uvicorn

EXAMPLE = ROOT / "client-lib" / "python" / "examples" / "fastapi_app.py"

WORKERS = 4

# FastAPI 0.92 and older have no `lifespan`; Starlette below it has. So is a newer one made of it.
NEWER = """
import fastapi

class FastAPI(fastapi.FastAPI):
    def __init__(self, *, lifespan=None, **keys):
        super().__init__(**keys)
        self.router.lifespan_context = lifespan

fastapi.FastAPI = FastAPI
from fastapi_app import app
"""


def target(url):
    return "/test-call-external?url=" + urllib.parse.quote(url, safe="")


def serve(path, file=EXAMPLE, workers=WORKERS, **environment):
    return Uvicorn(file, workers=workers, environment={"FETCHPOOL_SOCKET": str(path), **environment})


def workers_seen(daemon):
    """The processes that are connected to the daemon, but for this one."""
    with daemon.client() as client:
        client.call("hello", {"client": "asking"})
        return {each["pid"] for each in client.call("clients") if each["name"] != "asking"}


def test_all_workers_share_one_connection(daemon, nginx, tag):
    url = nginx.url(f"/text?{tag}")
    with serve(daemon.path) as server:
        answers = server.get_many([target(url)] * 200, 32)
        pids = set(server.workers())
        assert len(pids) == WORKERS
        assert workers_seen(daemon) == pids
    assert [(status, json.loads(body)) for status, body in answers] == [
        (200, {"result": "hello\n", "status": 200})] * 200
    with daemon.client() as client:
        connections = client.call("connections")
    assert len(connections) == 1, connections
    assert {line.connection for line in nginx.log(tag)} == {nginx.log(tag)[0].connection}


def test_the_ids_of_the_client_and_of_the_pool_never_change(daemon, nginx):
    with serve(daemon.path) as server:
        server.get_many([target(nginx.url("/text"))] * 100, 32)
        lines = list(server.lines)
    with daemon.client() as client:
        pool = client.call("hello", {})["pool"]
    made = [re.search(r"client (\d+) made, pool (\w+)", line) for line in lines]
    asked = [re.search(r"client (\d+), pool (\w+): 200", line) for line in lines]
    asked = [match for match in asked if match]
    made = [match for match in made if match]
    assert len(asked) == 100
    assert len(made) == WORKERS
    assert {match[2] for match in made + asked} == {pool}
    assert {match[1] for match in asked} <= {match[1] for match in made}


def test_clients_are_closed_at_shutdown(daemon, nginx):
    with serve(daemon.path) as server:
        server.get(target(nginx.url("/text")))
        assert len(workers_seen(daemon)) == WORKERS
    assert server.count(" closed") == WORKERS
    eventually(lambda: not workers_seen(daemon), 5, "no client of a worker")


def test_a_newer_fastapi_has_the_same_by_its_lifespan(daemon, nginx, tmp_path):
    newer = tmp_path / "newer_app.py"
    newer.write_text(NEWER)
    path = f"{EXAMPLE.parent}:{EXAMPLE.parents[1]}"
    with serve(daemon.path, newer, 2, PYTHONPATH=path) as server:
        assert server.get(target(nginx.url("/text")))[0] == 200
        assert server.count(" made, pool ") == 2
    assert server.count(" closed") == 2


def test_an_absent_daemon_is_a_503_that_says_so_until_it_comes(path, nginx, authority):
    with serve(path, workers=1) as server:
        assert server.count("no pool: connect to fetchpoold") == 1
        status, body = server.get(target(nginx.url("/text")))
        assert status == 503
        assert json.loads(body)["detail"].startswith(
            f"fetchpoold does not answer: connect to fetchpoold at {path} failed")
        daemon = Daemon({"tls": {"ca_file": authority.pem}}, path=path)
        try:
            assert server.get(target(nginx.url("/text")))[0] == 200
        finally:
            daemon.stop()
            daemon.remove()
        assert daemon.exit_code == 0
        assert server.get(target(nginx.url("/text")))[0] == 503


@pytest.mark.parametrize("url, status, said", [
    ("ftp://localhost/", 400, "http:// and https:// only"),
    ("localhost", 400, "begins with neither http:// nor https://"),
    ("https://\u2603.example/", 400, "url: The authority"),
    ("http://127.0.0.1:{closed}/", 502, "connection refused"),
])
def test_what_cannot_be_fetched_is_said(daemon, url, status, said):
    with serve(daemon.path, workers=1) as server:
        got, body = server.get(target(url.format(closed=free_port())))
    assert (got, said in json.loads(body)["detail"]) == (status, True), body


def test_an_origin_that_does_not_answer_is_a_504(daemon, stalled_handshake):
    with serve(daemon.path, workers=1) as server:
        status, body = server.get(target(stalled_handshake.url("/")))
    assert status == 504
    assert "connect_timeout" in json.loads(body)["detail"]


def test_a_killed_worker_leaves_nothing_behind(daemon, nginx, tag):
    url = nginx.url(f"/slow/page?{tag}")
    with serve(daemon.path, workers=2) as server:
        def ask():
            try:
                server.get_many([target(url)] * 4, 4)
            except Exception:  # the worker's end ends its connections
                pass

        asking = threading.Thread(target=ask)
        asking.start()
        with daemon.client() as client:
            eventually(lambda: client.call("stats")["in_flight"] >= 4, 10, "four requests on their way")
        for pid in server.workers():
            os.kill(pid, signal.SIGKILL)
        asking.join(20)
        assert not asking.is_alive()
        with daemon.client() as client:
            eventually(lambda: client.call("stats")["in_flight"] == 0, 5, "nothing on its way")
        eventually(lambda: not workers_seen(daemon), 5, "no client of a worker")


@pytest.mark.long
@pytest.mark.deadline(180)
def test_ten_thousand_requests_of_four_workers_open_no_more_than_is_configured(
        start_daemon, nginx, tag):
    daemon = start_daemon({"pool": {"connections_per_origin": 3}}, log_level="info")
    url = nginx.url(f"/text?{tag}", nginx.H1)
    with serve(daemon.path) as server:
        answers = server.get_many([target(url)] * 10_000, 64, seconds=150)
    assert {status for status, _ in answers} == {200}
    lines = nginx.log(tag)
    assert len(lines) == 10_000
    assert len({line.connection for line in lines}) <= 3
