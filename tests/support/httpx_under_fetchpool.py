"""
A plugin for the pytest that runs httpx's own tests (httpx_suite.py). It writes down how each test ended,
bounds its time, has the asynchronous ones run with asyncio and with trio, and, with --over-fetchpool, has
each client that was given no transport use ours.

What is replaced are the two names by which httpx's clients make a transport of their own; tests that
make one themselves get httpx's. The limits of a client's pool are the daemon's here: a client that
asks for a limit of its own gets a daemon that has it.
"""

import contextlib
import json
import signal

import pytest

SECONDS = 20  # the longest of httpx's own tests takes one

USUAL = 100  # the max_connections of a client that names none


def pytest_addoption(parser):
    parser.addoption("--outcomes", required=True, help="where to write how each test ended")
    parser.addoption("--over-fetchpool", action="store_true")


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request):
    """In place of anyio's own, from which Debian 12 has taken trio."""
    return request.param


def pytest_configure(config):
    config.pluginmanager.register(Outcomes(config.getoption("outcomes")))
    if config.getoption("over_fetchpool"):
        config.pluginmanager.register(OverFetchpool())


class Outcomes:
    """A test passes if its preparation, its call and its end do."""

    def __init__(self, path):
        self.path = path
        self.tests = {}

    @pytest.hookimpl(hookwrapper=True)
    def pytest_runtest_call(self, item):
        def expired(*_):
            pytest.fail(f"more than {SECONDS} s")

        before = signal.signal(signal.SIGALRM, expired)
        signal.setitimer(signal.ITIMER_REAL, SECONDS)
        yield
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)

    def pytest_runtest_logreport(self, report):
        said = self.tests.setdefault(report.nodeid, {"outcome": "passed", "text": ""})
        if report.outcome != "passed" and said["outcome"] != "failed":
            said.update(outcome=report.outcome, text=str(report.longrepr))

    @pytest.hookimpl(trylast=True)
    def pytest_unconfigure(self, config):
        facts = {"tests": self.tests}
        for plugin in config.pluginmanager.get_plugins():
            if isinstance(plugin, OverFetchpool):
                facts["daemons"] = plugin.finish()
        with open(self.path, "w") as file:
            json.dump(facts, file)


class OverFetchpool:
    def __init__(self):
        import fetchpool.httpx
        import httpx._client

        self.daemons = {}
        self.daemon_for(USUAL)
        httpx._client.HTTPTransport = self.instead(fetchpool.httpx.Transport)
        httpx._client.AsyncHTTPTransport = self.instead(fetchpool.httpx.AsyncTransport)

    def instead(self, transport):
        def make(*, limits, trust_env, **same):
            del trust_env  # for httpx's reading of SSL_CERT_FILE; the daemon's trust is configured
            return transport(str(self.daemon_for(limits.max_connections).path), **same)

        return make

    def daemon_for(self, max_connections):
        from support.daemon import Daemon

        if max_connections not in self.daemons:
            limits = {} if max_connections in (None, USUAL) else {"max_connections": max_connections}
            self.daemons[max_connections] = Daemon({"pool": limits})
        return self.daemons[max_connections]

    def finish(self):
        """How many requests they had, and what they have to say at their end."""
        requests, complaints = 0, []
        for daemon in self.daemons.values():
            with contextlib.ExitStack() as stack:
                stack.enter_context(complaint_to(complaints))
                stack.callback(daemon.finish)
                requests += daemon.stats()["requests"]
        return {"requests": requests, "complaints": complaints}


@contextlib.contextmanager
def complaint_to(complaints):
    try:
        yield
    except (AssertionError, OSError) as reason:
        complaints.append(f"{type(reason).__name__}: {reason}")
