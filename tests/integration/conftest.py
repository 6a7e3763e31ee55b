"""Fixtures and the deadline. What they start is in tests/support."""

import contextlib
import pathlib
import shutil
import signal
import socket
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from support.certificates import Authority  # noqa: E402
from support.counting import Gate, gated  # noqa: E402
from support.daemon import FETCHPOOLD, Daemon, temporary_directory  # noqa: E402
from support.driver import Runner  # noqa: E402
from support.namespace import Network  # noqa: E402
from support.nameserver import NotPermitted  # noqa: E402
from support.nginx import Nghttpd, Nginx  # noqa: E402
from support.origin import RawOrigin  # noqa: E402
from support.timing import scaled  # noqa: E402
from support.upload_origin import open_upload_origin  # noqa: E402
from support.users import open_to_all  # noqa: E402

DEADLINE = 30

# A run in the background, or under nohup, ignores these, and so would every program that it starts.
for number in (signal.SIGHUP, signal.SIGQUIT):
    signal.signal(number, signal.SIG_DFL)
signal.signal(signal.SIGINT, signal.default_int_handler)


# ---- The deadline --------------------------------------------------------------------------------

@contextlib.contextmanager
def deadline(seconds, what):
    def expired(*_):
        pytest.fail(f"{what} took more than {seconds} s")

    before = signal.signal(signal.SIGALRM, expired)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def seconds_for(item):
    mark = item.get_closest_marker("deadline")
    return scaled(mark.args[0] if mark else DEADLINE)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_setup(item):
    with deadline(scaled(60), "the test's preparation"):
        yield


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_call(item):
    with deadline(seconds_for(item), "the test"):
        yield


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_teardown(item):
    with deadline(scaled(60), "cleaning up after the test"):
        yield


# ---- For the whole run ---------------------------------------------------------------------------

@pytest.fixture(scope="session")
def run_directory():
    directory = temporary_directory()
    yield directory
    shutil.rmtree(directory)


@pytest.fixture(scope="session")
def authority(run_directory):
    return Authority(run_directory / "authority")


@pytest.fixture(scope="session")
def nginx(run_directory, authority):
    server = Nginx(run_directory / "nginx", authority)
    yield server
    server.stop()


@pytest.fixture(scope="module")
def network():
    """Hosts of their own, for what needs names or darkness."""
    try:
        with Network() as network:
            yield network
    except NotPermitted as reason:
        pytest.skip(str(reason))


@pytest.fixture(scope="session")
def nghttpd(run_directory, authority):
    server = Nghttpd(run_directory / "nghttpd", authority)
    yield server
    server.stop()


# ---- For one test --------------------------------------------------------------------------------

@pytest.fixture
def start_daemon(authority):
    """start_daemon({"limits": {"max_body": 1000}}, ...): a daemon that trusts the run's authority."""
    assert FETCHPOOLD.exists(), f"build first: there is no {FETCHPOOLD}"
    started = []

    def start(config=None, **options):
        sections = {"tls": {"ca_file": authority.pem}}
        for section, keys in (config or {}).items():
            sections.setdefault(section, {}).update(keys)
        started.append(Daemon(sections, **options))
        return started[-1]

    yield start
    with contextlib.ExitStack() as stack:  # every daemon is ended, even if one complains
        for each in started:
            stack.callback(each.finish)


@pytest.fixture
def daemon(start_daemon):
    return start_daemon()


@pytest.fixture
def client(daemon):
    return daemon.client()


@pytest.fixture
def tag(request):
    """Unique to the test, for targets that are looked for in an origin's log."""
    return f"tag={abs(hash(request.node.nodeid)):x}"


# ---- For uploads ---------------------------------------------------------------------------------

@pytest.fixture(params=["1.1", "2"])
def http(request):
    return request.param


@pytest.fixture
def open_origin(http, authority):
    """open_origin(script): over http/1.1 or HTTP/2, as the test's parameter `http` says."""
    with contextlib.ExitStack() as stack:
        yield lambda *arguments, **options: stack.enter_context(
            open_upload_origin(http, authority, *arguments, **options))


@pytest.fixture
def stalled_handshake(authority):
    """Accepts TCP and says nothing."""
    with RawOrigin(lambda connection: connection.await_release(), leaf=authority.server,
                   handshake=False) as origin:
        yield origin


# ---- For the library -----------------------------------------------------------------------------

@pytest.fixture
def path():
    """Where a scripted daemon may listen."""
    directory = temporary_directory()
    yield directory / "s"
    shutil.rmtree(directory)


@pytest.fixture
def listener(path):
    """As a socket unit holds it: it stays while daemons come and go."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen(4096)
        yield listener


@pytest.fixture
def run(driver, path):
    """run("get", URL, ...): the lines that the module's driver prints, but for the descriptors' ."""
    runner = Runner(driver, path)
    yield runner
    runner.close()


@pytest.fixture
def start(start_daemon):
    """start(config, name={keys}, ...): a daemon of these policies, which every user reaches."""

    def start(config=None, wrapper=(), **policies):
        sections = {f'policy "{name}"': keys for name, keys in policies.items()}
        daemon = start_daemon({**(config or {}), **sections}, wrapper=wrapper)
        open_to_all(daemon)
        return daemon

    return start


@pytest.fixture
def gate():
    return Gate()


@pytest.fixture
def slow(gate):
    """An origin that answers nobody before its gate is opened."""
    with RawOrigin(gated(gate)) as origin:
        yield origin
        gate.open_for_all()


# ---- For the Python client -----------------------------------------------------------------------

@pytest.fixture(params=["sync", "asyncio", "trio"])
def kind(request):
    return request.param


@pytest.fixture(params=["asyncio", "trio"])
def loop(request):
    return request.param


@pytest.fixture
def asker(start_daemon, kind):
    """asker(path, ...): a client of each kind, which leaves no socket behind: see python_client.py."""
    from support.python_client import Asker, sockets_to
    with contextlib.ExitStack() as stack:
        def make(path, **options):
            before = sockets_to(path)  # the test's own
            made = Asker(kind, path, **options)
            stack.callback(lambda: assert_no_more(path, before))
            stack.callback(made.close)
            return made

        def assert_no_more(path, before):
            assert sockets_to(path) <= before

        yield make


@pytest.fixture
def ask(asker, daemon):
    return asker(daemon.path)


@pytest.fixture
def soon(monkeypatch):
    """The two seconds that a daemon has to say it first are 0.2, so that there is less to wait for."""
    monkeypatch.setattr("fetchpool._patience.GRACE_SECONDS", 0.2)
