"""
The pool's connections are in shards, by origin, which `[pool] threads` may drive at the same time.
Nothing may be seen of that but the processor time: what is open is found, limits hold for all of
them together, every byte is right, and shards that are not needed any more go.
"""

import contextlib
import hashlib
import itertools
import pathlib
import time

import pytest

from support.calm import calm
from support.client import Closed, Refused
from support.counting import Gate, gated
from support.many import Many, errors_of
from support.nginx import Nginx
from support.origin import RawOrigin, response, serve
from support.timing import eventually

THREADS = pytest.mark.parametrize("threads", [1, 2, 4])
SERVERS = Nginx.H1, Nginx.H2, Nginx.PLAIN, Nginx.MUTUAL, Nginx.MUTUAL_H2


def origins_of(nginx):
    """Of all kinds: a name and an address of each of its servers."""
    return [(server, host) for server in SERVERS for host in ("localhost", "127.0.0.1")]


@pytest.fixture
def clients(stack):
    def connect(daemon, count):
        return [stack.enter_context(contextlib.closing(daemon.client())) for _ in range(count)]
    return connect


@pytest.fixture
def stack():
    with contextlib.ExitStack() as stack:
        yield stack


def helpers_of(daemon):
    """{thread: nanoseconds of processor time} of the crew."""
    times = {}
    for task in pathlib.Path(f"/proc/{daemon.pid}/task").iterdir():
        if (task / "comm").read_text().strip() == "fetchpoold-pool":
            times[task.name] = int((task / "schedstat").read_text().split()[0])
    return times


def small_requests(nginx, count):
    urls = itertools.cycle([nginx.url("/text", *origin) for origin in origins_of(nginx)])
    return [{"url": url} for url in itertools.islice(urls, count)]


# ---- What is open is found -----------------------------------------------------------------------

@THREADS
def test_a_connection_is_found_whichever_client_asks(start_daemon, nginx, threads):
    daemon = start_daemon({"pool": {"threads": threads}})
    origins = origins_of(nginx)
    for _ in range(5):
        with daemon.client() as client:
            for origin in origins:
                assert client.fetch(nginx.url("/text", *origin))["body"] == b"hello\n"
    assert daemon.stats()["connections_opened"] == len(origins)
    assert daemon.stats()["handshakes_saved"] == 4 * len(origins)


@THREADS
def test_many_clients_and_origins_at_a_time_get_what_they_asked_for(start_daemon, nginx, clients,
                                                                    threads):
    daemon = start_daemon({"pool": {"threads": threads}})
    with calm(daemon, 0):
        requests = [{"url": nginx.url(f"/files/{name}", *origin)}
                    for origin in origins_of(nginx)
                    for name in ("empty", "one", "small", "page", "mebibyte")] * 8
        answers = Many(clients(daemon, 16)).run(requests, at_once=64)
        assert not errors_of(answers)
        for keys, answer in zip(requests, answers):
            assert answer["body"] == nginx.file(keys["url"].rpartition("/")[2])


@THREADS
def test_streams_of_several_origins_bring_every_byte(start_daemon, nginx, clients, threads):
    daemon = start_daemon({"pool": {"threads": threads}})
    digest = hashlib.sha256(nginx.file("sixteen")).hexdigest()
    with calm(daemon, 0):
        streams = [client.stream(nginx.url("/files/sixteen", *origin), flow=1 << 16, keep=False)
                   for client, origin in zip(clients(daemon, 10), origins_of(nginx))]
        for stream in streams:
            stream.finish()
        assert {stream.digest() for stream in streams} == {digest}


@THREADS
def test_a_client_of_many_streams_that_reads_slowly_gets_every_byte(start_daemon, nginx, threads):
    """Its socket is full again and again, while several shards bring more."""
    daemon = start_daemon({"pool": {"threads": threads}})
    digest = hashlib.sha256(nginx.file("mebibyte")).hexdigest()
    origins = [(server, host) for server, host in origins_of(nginx)
               if server in (Nginx.H2, Nginx.MUTUAL_H2)]
    with calm(daemon, 0), daemon.client() as client, daemon.client() as other:
        streams = [client.stream(nginx.url("/files/mebibyte", *origin), window=1 << 21, keep=False)
                   for origin in origins for _ in range(8)]
        while not all(stream.is_over for stream in streams):
            time.sleep(0.01)
            assert other.fetch(nginx.url("/text", Nginx.H1))["status"] == 200
            client.read_for(0.005)
        assert {stream.digest() for stream in streams} == {digest}


# ---- Limits hold for all together ----------------------------------------------------------------

@THREADS
@pytest.mark.parametrize("section, key", [("limits", "running"), ("pool", "max_connections")])
def test_a_limit_holds_for_all_shards_together(start_daemon, stack, clients, threads, section, key):
    config = {"pool": {"threads": threads}}
    config.setdefault(section, {})[key] = 3
    daemon = start_daemon(config)
    gate = Gate()
    origins = [stack.enter_context(RawOrigin(gated(gate))) for _ in range(8)]
    ids = [(client, client.send("fetch", {"url": origin.url("/x")}))
           for client, origin in zip(clients(daemon, 8), origins)]

    def arrived():
        return sum(len(origin.requests) for origin in origins)

    for done in range(8):
        most = min(done + 3, 8)
        eventually(lambda: arrived() == most, 10, lambda: f"{arrived()} instead of {most}")
        gate.open()
    for client, id in ids:
        assert client.receive(id)["status"] == 200


def test_a_client_that_takes_nothing_holds_up_no_other_shard(start_daemon, nginx):
    daemon = start_daemon({"pool": {"threads": 4}})
    with calm(daemon, 0), daemon.client() as stopped:
        streams = [stopped.stream(nginx.url("/files/sixteen", *origin), window=1000, keep=False)
                   for origin in origins_of(nginx)]
        for stream in streams:
            stopped.read_until(lambda: stream.taken or stream.is_over, "bytes")
        with daemon.client() as client:
            for keys in small_requests(nginx, 200):
                assert client.fetch(keys["url"])["status"] == 200


# ---- Threads -------------------------------------------------------------------------------------

def test_threads_take_part_when_much_is_to_be_done_and_sleep_when_little_is(start_daemon, nginx,
                                                                           clients):
    daemon = start_daemon({"pool": {"threads": 3}})
    assert len(helpers_of(daemon)) == 2
    with daemon.client() as client:
        for keys in small_requests(nginx, 100):
            client.fetch(keys["url"])
    quiet = helpers_of(daemon)
    many = Many(clients(daemon, 32))

    def have_worked():
        assert not errors_of(many.run(small_requests(nginx, 1000), at_once=200))
        return all(time > quiet[thread] for thread, time in helpers_of(daemon).items())

    with daemon.client() as client:
        for keys in small_requests(nginx, 100):
            client.fetch(keys["url"])
    assert helpers_of(daemon) == quiet, "a request at a time is not worth waking anybody"
    eventually(have_worked, 20, "each helper has worked")


def test_with_one_there_is_no_other_thread(start_daemon, nginx):
    daemon = start_daemon({"pool": {"threads": 1}})
    daemon.client().fetch(nginx.url("/text", Nginx.PLAIN))
    assert helpers_of(daemon) == {}


def test_one_is_the_default_and_another_number_holds_from_the_next_start_on(start_daemon):
    daemon = start_daemon({"pool": {"threads": 1}})
    assert daemon.ask("config")["pool"]["threads"] == "1"
    daemon.config.write_text(daemon.config.read_text().replace("threads = 1", "threads = 2"))
    assert "[pool] threads: 1 -> 2" in str(daemon.ask("reload"))
    assert helpers_of(daemon) == {}


def test_the_daemon_ends_in_order_with_its_threads_at_work(start_daemon, nginx, clients):
    daemon = start_daemon({"pool": {"threads": 4}})
    many = clients(daemon, 32)
    sent = [(client, client.send("fetch", keys))
            for client, keys in zip(many, small_requests(nginx, 32))]
    daemon.stop()
    assert daemon.exit_code == 0
    for client, id in sent:
        try:
            assert client.receive(id)["status"] == 200
        except Refused as refused:
            assert refused.code == 106
        except Closed:
            pass


@pytest.mark.parametrize("value", ["0", "17", "-1", "two", "1.5"])
def test_a_number_of_threads_that_cannot_be_is_named(start_daemon, value):
    with pytest.raises(AssertionError, match=r"\[pool\] threads"):
        start_daemon({"pool": {"threads": value}})


# ---- Shards come and go --------------------------------------------------------------------------

def quick_origins(stack, count):
    return [stack.enter_context(RawOrigin(serve(lambda request: response(body=b"x"))))
            for _ in range(count)]


def test_shards_are_added_where_many_are_connected_and_go_with_their_connections(start_daemon, stack):
    daemon = start_daemon({"pool": {"idle_timeout": "3s", "threads": 1}})
    origins = quick_origins(stack, 200)
    with daemon.client() as client:
        for origin in origins:
            client.fetch(origin.url())
        assert daemon.stats()["connections"] == 200
        assert daemon.event_descriptors() == daemon.first_event_descriptors + 3
        for origin in origins:
            assert client.fetch(origin.url())["connection"]["reused"]
    eventually(lambda: daemon.stats()["connections"] == 0, 8, "they have been idle for too long")
    eventually(lambda: daemon.event_descriptors() == daemon.first_event_descriptors, 5,
               lambda: f"{daemon.event_descriptors()} of {daemon.first_event_descriptors}")


def test_a_reload_closes_nothing_in_any_shard(start_daemon, nginx):
    daemon = start_daemon({"pool": {"threads": 4}})
    with daemon.client() as client:
        for keys in small_requests(nginx, 20):
            client.fetch(keys["url"])
        opened = daemon.stats()["connections_opened"]
        daemon.ask("reload")
        for keys in small_requests(nginx, 20):
            assert client.fetch(keys["url"])["status"] == 200
        assert daemon.stats()["connections_opened"] == opened
