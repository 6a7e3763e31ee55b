"""`fetchpool check`: the verdict on a fetch and the rule behind it, and nothing of the fetch sent."""

import json
import os
import shutil
import subprocess

import pytest

from support.daemon import FETCHPOOL, environment, temporary_directory
from support.fakedaemon import FakeDaemon, refuses_with
from support.origin import RawOrigin
from support.timing import scaled

LINK_LOCAL = "networks_deny = 169.254.0.0/16 (built in)"


@pytest.fixture
def here():
    directory = temporary_directory()
    yield directory
    shutil.rmtree(directory)


@pytest.fixture
def check(here):
    """check(path, ...): exit code, output, complaint."""
    def check(path, *arguments):
        done = subprocess.run([FETCHPOOL, "check", *map(str, arguments)], capture_output=True,
                              text=True, cwd=here, stdin=subprocess.DEVNULL, timeout=scaled(20),
                              env=environment(here, FETCHPOOL_SOCKET=str(path)))
        return done.returncode, done.stdout, done.stderr
    return check


# ---- What is asked, and how an answer is shown ---------------------------------------------------

def verdict(name, rule="", addresses=(), policy="default"):
    return {"verdict": name, "policy": policy, "rule": rule,
            "addresses": [dict(zip(("address", "verdict", "rule"), row)) for row in addresses]}


@pytest.fixture
def answers(here):
    """answers(result): the path of a daemon that gives that verdict, and what it was asked."""
    started = []

    def answers(result):
        asked = []

        def script(peer):
            for request_id, method, params in peer.messages():
                asked.append((method, params[0]))
                peer.answer(request_id, result)

        started.append(FakeDaemon(here / "s", script))
        return here / "s", asked

    yield answers
    for each in started:
        each.close()


def test_a_verdict_is_shown_with_each_address(answers, check):
    path, _ = answers(verdict("allowed", addresses=[("93.184.216.34", "allowed", ""),
                                                    ("169.254.1.1", "denied", LINK_LOCAL)]))
    assert check(path, "https://example.com/") == (
        0, "allowed  GET https://example.com/  by policy \"default\"\n"
           "  93.184.216.34  allowed\n"
           "  169.254.1.1    denied: networks_deny = 169.254.0.0/16 (built in)\n", "")


@pytest.mark.parametrize("name, exit_code", [("denied", 121), ("reported", 0), ("forbidden", 121)])
def test_a_rule_is_shown_and_the_exit_code_decides(answers, check, name, exit_code):
    path, _ = answers(verdict(name, "deny = http://*", policy="deploy"))
    assert check(path, "-X", "DELETE", "example.com") == (
        exit_code, f"{name}  DELETE http://example.com  by policy \"deploy\": deny = http://*\n", "")


def test_json_is_the_answer_as_it_came(answers, check):
    answer = verdict("denied", LINK_LOCAL, [("169.254.1.1", "denied", LINK_LOCAL)])
    path, _ = answers(answer)
    code, out, err = check(path, "--json", "http://metadata.test/")
    assert (code, json.loads(out), err) == (121, answer, "")


def test_an_address_of_any_length_keeps_the_table_readable(answers, check):
    path, _ = answers(verdict("allowed", addresses=[("f" * 300, "allowed", ""),
                                                    ("::1", "allowed", "")]))
    lines = check(path, "http://h/")[1].splitlines()
    assert lines[1:] == [f"  {'f' * 300}  allowed", f"  {'::1':<45}  allowed"]


@pytest.mark.parametrize("answer", [None, 7, {}, {"verdict": 1, "addresses": {"a": []}}])
def test_an_answer_of_no_sense_allows_nothing(answers, check, answer):
    path, _ = answers(answer)
    assert check(path, "http://h/")[0] == 121


@pytest.mark.parametrize("options, asked", [
    ([], {"url": "http://h/", "tls": None, "proxy": None, "method": "GET"}),
    (["-k"], {"tls": {"verify": False}}),
    (["-x", "https://p:1"], {"proxy": "https://p:1"}),
    (["--proxy", "p:1"], {"proxy": "http://p:1"}),
    (["-I"], {"method": "HEAD"}),
    (["-d", "body"], {"method": "POST", "body": None}),
    (["-T", "/no/such/file"], {"method": "PUT", "upload": None, "upload_size": None}),
    (["-L", "-m", "3"], {"redirects": 50, "timeout": 3000, "stream": None, "window": None})])
def test_the_question_is_the_fetch_without_its_body(answers, check, options, asked):
    path, heard = answers(verdict("allowed"))
    assert check(path, *options, "http://h/")[0] == 0
    (method, params), = heard
    assert method == "check"
    assert {key: params.get(key) for key in asked} == asked


def test_a_certificate_is_part_of_the_question(answers, check, authority, here):
    path, heard = answers(verdict("allowed"))
    leaf = authority.server
    assert check(path, "-E", leaf.cert, "--key", leaf.key, "https://h/")[0] == 0
    (_, params), = heard
    assert params["tls"] == {"cert": open(leaf.cert, "rb").read(),
                             "key": open(leaf.key, "rb").read()}
    assert check(path, "-E", here / "none", "https://h/") == (
        58, "", f"fetchpool: (58) cannot read {here}/none: No such file or directory\n")


@pytest.mark.parametrize("code, exit_code", [(1, 2), (4, 122), (100, 122), (102, 6), (105, 28)])
def test_a_question_that_gets_no_verdict_ends_as_a_fetch_does(here, check, code, exit_code):
    with FakeDaemon(here / "s", refuses_with(code, "for a reason")):
        assert check(here / "s", "http://h/") == (
            exit_code, "", f"fetchpool: ({exit_code}) for a reason\n")
        assert check(here / "s", "-s", "http://h/") == (exit_code, "", "")


@pytest.mark.parametrize("arguments, complaint", [
    ([], "check takes a URL"), ([""], "check takes a URL"),
    (["http://a/", "http://b/"], "check takes one URL, but there is 'http://b/'"),
    (["--count", "1", "http://a/"], "--interval and --count are for top")])
def test_what_check_does_not_take(here, check, arguments, complaint):
    code, out, err = check(here / "s", *arguments)
    assert (code, out) == (2, "")
    assert err.splitlines()[0] == f"fetchpool: {complaint}"


def test_without_a_daemon(here, check):
    assert check(here / "s", "http://h/")[0] == 120


# ---- The daemon's verdicts -----------------------------------------------------------------------

@pytest.fixture
def origin():
    """Nothing may come here, no connection either."""
    with RawOrigin() as origin:
        yield origin
        assert origin.connections == []


def test_what_the_default_policy_allows(daemon, check, origin):
    url = f"http://127.0.0.1:{origin.port}/"
    assert check(daemon.path, url) == (
        0, f"allowed  GET {url}  by policy \"default\"\n  127.0.0.1  allowed\n", "")


def test_what_the_default_policy_denies(daemon, check):
    code, out, err = check(daemon.path, "http://169.254.169.254/latest/meta-data/")
    assert (code, err) == (121, "")
    assert out.startswith("denied  GET http://169.254.169.254/latest/meta-data/  "
                          f"by policy \"default\": {LINK_LOCAL}")


def test_a_policy_of_the_file(start_daemon, check, origin):
    url = f"http://127.0.0.1:{origin.port}/"
    daemon = start_daemon({'policy "jobs"': {"users": os.getuid(), "deny": f"DELETE {url}"}})
    assert check(daemon.path, url)[:2] == (
        0, f"allowed  GET {url}  by policy \"jobs\"\n  127.0.0.1  allowed\n")
    assert check(daemon.path, "-X", "DELETE", url)[:2] == (
        121, f"denied  DELETE {url}  by policy \"jobs\": "
             f"deny = DELETE {url}\n")
    report = json.loads(check(daemon.path, "--json", "-X", "DELETE", url)[1])
    assert report["verdict"] == "denied" and report["addresses"] == []


def test_a_policy_that_only_reports(start_daemon, check, origin):
    daemon = start_daemon({'policy "default"': {"mode": "report", "deny": "http://*"}})
    code, out, _ = check(daemon.path, f"http://127.0.0.1:{origin.port}/")
    assert code == 0
    assert out.splitlines()[0].startswith("reported  GET ")
    assert out.splitlines()[0].endswith("by policy \"default\": deny = http://*")


def test_verification_and_proxies_are_asked_about(start_daemon, check, origin):
    daemon = start_daemon({"tls": {"allow_insecure": "no"}})
    url = f"https://127.0.0.1:{origin.port}/"
    code, out, _ = check(daemon.path, "-k", url)
    assert code == 121 and "by policy \"default\": tls_insecure" in out
    code, out, _ = check(daemon.path, "-x", f"127.0.0.1:{origin.port}", "http://example.com/")
    assert code == 121 and "by policy \"default\": proxies" in out


def test_a_proxy_is_what_the_addresses_are_of(start_daemon, check, origin):
    daemon = start_daemon({"proxy": {"allow_client": "yes"}})
    assert check(daemon.path, "-x", f"127.0.0.1:{origin.port}", "http://no.such.name.test/") == (
        0, "allowed  GET http://no.such.name.test/  by policy \"default\"\n"
           "  127.0.0.1  allowed\n", "")


def test_a_url_that_is_wrong_is_refused_as_a_fetch_of_it_is(daemon, check):
    assert check(daemon.path, "ftp://example.com/")[0] == 2
