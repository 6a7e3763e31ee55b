"""Row R3 of the faults: hardly a descriptor, and a thousand who want one."""

import contextlib
import resource
import time

import pytest

from support.calm import calm
from support.counting import gated
from support.many import Many, errors_of
from support.origin import RawOrigin
from support.timing import eventually, scaled
from support.users import NOBODY, client_of, needs_root, open_to_all
from support.witness import Witness

DESCRIPTORS, COUNT = 128, 1000


@pytest.fixture(autouse=True)
def room_for_us():
    """The clients are this process's."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 3 * COUNT
    if before[1] != resource.RLIM_INFINITY and before[1] < wanted:
        pytest.skip(f"the tests themselves may open {before[1]} descriptors only")
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


@pytest.fixture
def start(start_daemon):
    def start(**limits):
        daemon = start_daemon({"timeouts": {"queue": "2s"},
                               "limits": {"requests_per_client": "1000", **limits}},
                              wrapper=["prlimit", f"--nofile={DESCRIPTORS}:{DESCRIPTORS}"],
                              log_level="info")  # of thousands of lines some would be lost
        open_to_all(daemon)
        return daemon

    return start


def urls(origin):
    """Of a thousand origins, which are one listener at many addresses of the loopback network."""
    return [origin.url(host=f"127.1.{number // 250}.{number % 250 + 1}") for number in range(COUNT)]


@pytest.fixture
def origin():
    with RawOrigin(address="0.0.0.0") as origin:
        yield origin


@pytest.fixture
def stuck(gate):
    """Answers nobody before its gate is opened."""
    with RawOrigin(gated(gate), address="0.0.0.0") as origin:
        yield origin
        gate.open_for_all()


def assert_idle(daemon, seconds=1):
    """It is full, and there is nothing that it could do about it: so it does next to nothing."""
    before = daemon.cpu_seconds()
    time.sleep(seconds)  # what is measured is time
    used = daemon.cpu_seconds() - before
    assert used < scaled(0.1) * seconds, f"{used / seconds:.0%} of a processor"


def witness_of(daemon, nginx):
    return Witness(daemon, nginx.url("/files/page", nginx.PLAIN), nginx.file("page"), uid=NOBODY)


@needs_root
@pytest.mark.deadline(60)
def test_r3_a_thousand_clients_are_served_or_told_that_it_is_busy(start, origin, nginx):
    daemon = start()
    with calm(daemon), witness_of(daemon, nginx), contextlib.ExitStack() as stack:
        clients = [stack.enter_context(contextlib.closing(daemon.client(20))) for _ in range(COUNT)]
        assert_idle(daemon)
        assert daemon.descriptors() < DESCRIPTORS
        asked = [(client, client.send("fetch", {"url": url}))
                 for client, url in zip(clients, urls(origin))]
        answers = [client.receive_message(id) for client, id in asked]
        errors = [error for _, _, error, _ in answers if error]
        assert len(errors) < COUNT and {code for code, _ in errors} == {100}
        assert all("clients_per_user" in text for _, text in errors)
        assert len(origin.requests) == COUNT - len(errors)
        assert_idle(daemon)
        newcomer = client_of(daemon, NOBODY)
        assert newcomer.fetch(origin.url(host="127.0.0.1"))["status"] == 200
    client = daemon.client()
    answers = Many([client]).run([{"url": url} for url in urls(origin)[:100]], at_once=20)
    assert errors_of(answers) == []
    client.close()


def ask_a_thousand_origins(daemon, stuck, gate):
    """The errors that come while as many as can be are asked, and none of those answers."""
    clients = [daemon.client(30) for _ in range(4)]
    asked = [(clients[number % 4], {"url": url, "method": "POST"})
             for number, url in enumerate(urls(stuck))]
    ids = [(client, client.send("fetch", keys)) for client, keys in asked]
    eventually(lambda: daemon.stats()["queued"] > COUNT - DESCRIPTORS, 5, "they wait")
    assert_idle(daemon)
    assert daemon.descriptors() < DESCRIPTORS
    eventually(lambda: daemon.stats()["queued"] < 5, 10, "they have waited for long enough")
    gate.open_for_all()
    answers = [client.receive_message(id) for client, id in ids]
    errors = [error for _, _, error, _ in answers if error]
    assert 0 < COUNT - len(errors) == len(stuck.requests) < DESCRIPTORS
    assert errors_of(Many(clients).run([keys for _, keys in asked], at_once=20)) == []
    daemon.close_clients()
    return errors


@pytest.mark.deadline(60)
def test_r3_a_thousand_origins_have_their_turn_or_are_told_that_it_is_busy(start, stuck, gate):
    daemon = start()
    with calm(daemon):
        errors = ask_a_thousand_origins(daemon, stuck, gate)
    assert {code for code, _ in errors} == {101}
    assert all("max_connections, lowered by the limit on descriptors" in text for _, text in errors)


@needs_root
@pytest.mark.deadline(60)
def test_r3_where_a_user_may_not_run_so_many_another_does_not_notice(start, stuck, gate, nginx):
    """As long as nobody may run as many as there are connections, there is one for everybody."""
    daemon = start(running_per_user="24")
    with calm(daemon), witness_of(daemon, nginx):
        errors = ask_a_thousand_origins(daemon, stuck, gate)
    assert {code for code, _ in errors} == {101}
    assert all("24 requests of this user run ([limits] running_per_user)" in text
               for _, text in errors)
