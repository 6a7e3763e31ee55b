"""Row R10 of the faults: the file of the authorities vanishes or changes while the daemon runs."""

import contextlib
import os
import shutil
import signal
import subprocess

import pytest

from support.certificates import Authority
from support.counting import gated
from support.daemon import Daemon
from support.origin import RawOrigin, response, serve
from support.timing import SANITIZED
from support.witness import Witness

SYSTEM_BUNDLE = "/etc/ssl/certs/ca-certificates.crt"


def hello(request):
    return response(body=b"hello\n")


@pytest.fixture(scope="module")
def other_authority(run_directory):
    return Authority(run_directory / "other-authority")


@pytest.fixture
def origin(authority):
    with RawOrigin(serve(hello), leaf=authority.server) as origin:
        yield origin


@pytest.fixture
def second(authority):
    """Another of the same authority, which nobody has a connection to yet."""
    with RawOrigin(serve(hello), leaf=authority.server) as origin:
        yield origin


@pytest.fixture
def stranger(other_authority):
    with RawOrigin(serve(hello), leaf=other_authority.server) as origin:
        yield origin


@pytest.fixture
def slow_tls(authority, gate):
    with RawOrigin(gated(gate), leaf=authority.server) as origin:
        yield origin
        gate.open_for_all()


@pytest.fixture
def bundle(authority, path):
    """In a directory of a short name, which the daemon's log shows whole."""
    return shutil.copy(authority.pem, path.parent / "bundle.pem")


@pytest.fixture
def daemon(start_daemon, bundle):
    """One shard: each reads the file when it first needs it."""
    return start_daemon({"tls": {"ca_file": bundle}, "pool": {"threads": 1}})


def reload(daemon, says="the files that it names were read again"):
    seen = len(daemon.lines)
    daemon.signal(signal.SIGHUP)
    return daemon.await_line(says, after=seen)


def is_fresh(answer):
    return not answer["connection"]["reused"]


def test_r10_a_bundle_that_vanishes_before_it_was_read_is_named_until_it_is_back(
        daemon, origin, bundle, nginx):
    os.rename(bundle, f"{bundle}.away")
    with Witness(daemon, nginx.url("/files/page", nginx.PLAIN), nginx.file("page")):
        for _ in range(3):
            error = daemon.client().refused(origin.url())
            assert error.code == 104 and str(bundle) in error.message
        os.rename(f"{bundle}.away", bundle)
        assert daemon.client().fetch(origin.url())["body"] == b"hello\n"
    assert len(origin.requests) == 1


@pytest.mark.parametrize("spoil", [os.unlink, lambda path: os.truncate(path, 300),
                                   lambda path: os.truncate(path, 0)],
                         ids=["vanished", "cut off", "empty"])
def test_r10_a_reload_with_a_spoilt_bundle_changes_nothing(daemon, origin, second, bundle, authority,
                                                           spoil):
    client = daemon.client()
    client.fetch(origin.url())
    spoil(bundle)
    assert str(bundle) in reload(daemon, "the configuration stays as it was")
    assert not is_fresh(client.fetch(origin.url()))
    assert is_fresh(client.fetch(second.url()))
    shutil.copy(authority.pem, bundle)
    reload(daemon)
    assert client.fetch(second.url())["status"] == 200


def test_r10_another_authority_counts_for_new_connections_after_a_reload(
        daemon, origin, second, stranger, bundle, authority, other_authority, nginx):
    client = daemon.client()
    client.fetch(origin.url())
    with Witness(daemon, nginx.url("/files/page", nginx.PLAIN), nginx.file("page")):
        shutil.copy(other_authority.pem, bundle)
        assert client.refused(stranger.url()).code == 104  # nobody has said that it changed
        reload(daemon)
        assert client.fetch(stranger.url())["body"] == b"hello\n"
        error = client.refused(second.url())
        assert error.code == 104 and error.message.startswith("certificate of ")
        assert not is_fresh(client.fetch(origin.url()))  # it is open, and goes on
        shutil.copy(authority.pem, bundle)
        reload(daemon)
        assert client.fetch(second.url())["body"] == b"hello\n"
        assert not is_fresh(client.fetch(stranger.url()))


def test_r10_what_runs_at_the_reload_is_answered(daemon, authority, bundle, other_authority, slow_tls,
                                                 gate):
    client = daemon.client()
    running = client.send("fetch", {"url": slow_tls.url()})
    slow_tls.await_requests(1)
    shutil.copy(other_authority.pem, bundle)
    reload(daemon)
    gate.open_for_all()
    assert client.receive(running)["status"] == 200


def resumed(nginx, tag, count):
    """Of each connection, in order: was it opened by a session of one before?"""
    return [line.resumed == "r" for line in nginx.log_of(tag, count)]


def test_r10_no_session_from_before_a_reload_opens_a_connection(daemon, nginx, bundle, other_authority,
                                                                tag):
    """Else an authority that is trusted no more would be, as long as sessions last."""
    client = daemon.client()
    url = nginx.url(f"/text?{tag}", nginx.ONCE)
    for _ in range(3):
        client.fetch(url)
    reload(daemon)
    for _ in range(3):
        client.fetch(url)
    assert resumed(nginx, tag, 6) == [False, True, True, False, True, True]
    shutil.copy(other_authority.pem, bundle)
    reload(daemon)
    assert client.refused(url).code == 104


def test_r10_a_hundred_reloads_leave_nothing(daemon, origin, nginx, bundle):
    client = daemon.client()
    client.fetch(origin.url())
    before = daemon.descriptors()
    for _ in range(100):
        reload(daemon)
    client.fetch(nginx.url("/text", nginx.ONCE))
    assert not is_fresh(client.fetch(origin.url()))
    assert daemon.descriptors() <= before + 1


# ---- The system's bundle -------------------------------------------------------------------------

OTHER_STORE = 'mount --bind "$0" /etc/ssl/certs && exec "$@"'
UNSHARE = ["unshare", "-m"] if os.geteuid() == 0 else ["unshare", "-rm"]


@pytest.fixture
def store(authority, tmp_path):
    """A directory that the daemon finds where the system's certificates are."""
    store = tmp_path / "certs"
    store.mkdir()
    shutil.copy(authority.pem, store / "ca-certificates.crt")
    if subprocess.run([*UNSHARE, "sh", "-c", OTHER_STORE, store, "true"],
                      capture_output=True).returncode != 0:
        pytest.skip("a mount namespace is not permitted here")
    return store


def test_r10_the_systems_bundle_is_read_again_after_a_reload(store, origin, second, stranger, authority,
                                                             other_authority):
    bundle = store / "ca-certificates.crt"
    daemon = Daemon({}, wrapper=[*UNSHARE, "sh", "-c", OTHER_STORE, store])
    with contextlib.ExitStack() as stack:
        stack.callback(daemon.finish)
        client = daemon.client()
        client.fetch(origin.url())
        shutil.copy(other_authority.pem, bundle)
        reload(daemon)
        assert client.refused(second.url()).code == 104
        assert client.fetch(stranger.url())["status"] == 200
        os.truncate(bundle, 300)
        reload(daemon)
        error = client.refused(second.url())
        assert error.code == 104 and SYSTEM_BUNDLE in error.message
        assert not is_fresh(client.fetch(origin.url()))
        shutil.copy(authority.pem, bundle)
        assert client.fetch(second.url())["status"] == 200  # without another reload
        client.close()


@pytest.mark.skipif(SANITIZED, reason="its processor time is not that of a daemon")
def test_r10_the_systems_bundle_is_read_once_and_not_for_each_connection(nginx):
    """140 authorities take 25 ms, in which everybody waits."""
    daemon = Daemon({})
    with contextlib.ExitStack() as stack:
        stack.callback(daemon.finish)
        client = daemon.client()
        assert client.refused(nginx.url("/text")).code == 104
        before = daemon.cpu_seconds()
        for _ in range(40):
            client.refused(nginx.url("/text"))
        assert daemon.cpu_seconds() - before < 40 * 0.015
