"""
Policies, end to end: whose holds, what their rules deny, and to which addresses nothing is sent
(rows C17, C19, C20). What each rule matches is in tests/unit; here is what the daemon does of it.

A listener at a denied address that is never connected to proves that no SYN was sent; for addresses
that are not this machine's, the packets that leave are counted, or the system calls watched.
"""

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile

import pytest

from support.calm import calm
from support.client import Client, Refused
from support.daemon import (BUILD, FETCHPOOL, ROOT, environment, run, temporary_directory,
                            write_config)
from support.h2origin import H2Origin
from support.namespace import DAEMON, ORIGINS
from support.nameserver import NameServer
from support.origin import Proxy, RawOrigin, response, serve
from support.ports import free_port
from support.timing import SANITIZED, eventually, scaled
from support.trace import Trace, can_trace
from support.users import NOBODY, as_user, client_of, needs_root
from support.witness import Witness

ALICE, BOB, CAROL = NOBODY, NOBODY - 1, NOBODY - 2
TEAM = 4242  # a group


def witness_of(daemon, nginx):
    return Witness(daemon, nginx.url("/files/small"), nginx.file("small"))


def told(client, url, **keys):
    """The sentence with which it was denied."""
    error = client.refused(url, **keys)
    assert error.code == 2, error
    return error.message


def answer_with_target(request):
    return response(body=request.target.encode())


def log_of_users(daemon, count):
    """The lines about what clients did, when there are as many; there must not be more."""
    def lines():
        return daemon.lines_matching(r"^<4>.*client pid")

    daemon.stats()  # what comes before it has been written
    eventually(lambda: len(lines()) >= count, 5, lambda: f"{count} lines, but {lines()}")
    assert len(lines()) == count, lines()
    return lines()


# ---- C20: whose policy holds ---------------------------------------------------------------------

@needs_root
def test_the_first_policy_that_names_the_user_holds(start):
    with RawOrigin() as origin:
        daemon = start(first={"users": ALICE, "deny": "*://*/a"},
                       second={"users": f"{ALICE}, {BOB}", "deny": "*://*/b"},
                       default={"deny": "*://*/c"})
        for uid, name, target in (ALICE, "first", "/a"), (BOB, "second", "/b"), (CAROL, "default", "/c"):
            client = client_of(daemon, uid)
            for each in {"/a", "/b", "/c"} - {target}:
                assert client.fetch(origin.url(each))["status"] == 200
            assert told(client, origin.url(target)) == \
                f'denied by policy "{name}": deny = *://*{target}'
        assert len(origin.requests) == 6


@needs_root
def test_the_first_policy_in_the_file_holds_whether_it_names_a_user_or_a_group(start):
    with RawOrigin() as origin:
        daemon = start(team={"groups": TEAM, "deny": "any"}, alice={"users": ALICE, "allow": "any"})
        assert client_of(daemon, ALICE).fetch(origin.url())["status"] == 200
        assert '"team"' in told(client_of(daemon, ALICE, gid=TEAM), origin.url())
        assert '"team"' in told(client_of(daemon, ALICE, groups=[7, TEAM, 9]), origin.url())


@needs_root
def test_c20_a_user_with_no_rule_is_refused_with_the_reason(start, nginx):
    with RawOrigin() as origin:
        daemon = start(root={"users": "root"}, team={"users": ALICE, "groups": TEAM},
                       default={"allow": "none"})
        with calm(daemon, offenders=1), witness_of(daemon, nginx):
            assert client_of(daemon, ALICE).fetch(origin.url())["status"] == 200
            assert client_of(daemon, BOB, gid=TEAM).fetch(origin.url())["status"] == 200
            seen = len(origin.requests)
            assert told(client_of(daemon, BOB), origin.url()) == \
                'denied by policy "default": no allow rule matches'
            assert len(origin.requests) == seen


IN_GROUPS = """
import os, sys
sys.path.insert(0, sys.argv[1])
from support.client import Client
os.setgroups([int(each) for each in sys.argv[3].split(",") if each])
os.setresgid(65500, 65500, 65500)
os.setresuid(65500, 65500, 65500)
with Client(sys.argv[2]) as client:
    print(client.call("check", {"url": "http://127.0.0.1:9/"})["policy"])
"""


@needs_root
@pytest.mark.parametrize("groups, policy", [("", "default"), (f"{TEAM}", "team"), (f"1,2,{TEAM},3", "team"),
                                            ("1,2,3", "default"), (f"{TEAM},4343", "other")])
def test_c20_supplementary_groups_of_the_clients_process_count(start, groups, policy):
    """No matter that /etc/group knows nothing of them: the kernel does."""
    daemon = start(other={"groups": "4343"}, team={"groups": TEAM})
    said = subprocess.run([sys.executable, "-B", "-c", IN_GROUPS, str(ROOT / "tests"), str(daemon.path),
                           groups], capture_output=True, text=True, timeout=scaled(20))
    assert said.stdout.strip() == policy, said.stderr


@needs_root
def test_c20_a_policy_holds_for_a_client_of_many_groups(start):
    daemon = start(team={"groups": TEAM})
    most = os.sysconf("SC_NGROUPS_MAX")
    client = client_of(daemon, ALICE, groups=[*range(10_000, 10_000 + most - 1), TEAM])
    assert client.call("check", {"url": "http://127.0.0.1:9/"})["policy"] == "team"


@needs_root
def test_c20_a_user_outside_the_sockets_group_is_not_let_in(start):
    daemon = start(default={"allow": "any"})
    os.chmod(daemon.path, 0o660)
    os.chown(daemon.path, 0, TEAM)
    with as_user(ALICE, groups=[]), pytest.raises(PermissionError):
        Client(daemon.path)
    with as_user(ALICE, groups=[TEAM]), Client(daemon.path) as client:
        assert client.call("ping") == "pong"
    with tempfile.TemporaryDirectory() as public:  # what is built may lie where she may not look
        os.chmod(public, 0o755)
        shutil.copy(BUILD / "libfetchpool.so.0", public)
        done = subprocess.run([shutil.copy(FETCHPOOL, public), "http://127.0.0.1:9/"],
                              capture_output=True, text=True, user=ALICE, group=ALICE,
                              extra_groups=[], cwd="/", timeout=scaled(20),
                              env=environment("/nowhere", FETCHPOOL_SOCKET=str(daemon.path),
                                              LD_LIBRARY_PATH=public))
    assert done.returncode == 120, done.stderr
    assert str(daemon.path) in done.stderr and "ermission denied" in done.stderr


def test_users_and_groups_may_be_named(start_daemon):
    daemon = start_daemon({'policy "mine"': {"users": "nobody root", "groups": "daemon"}})
    assert daemon.client().call("check", {"url": "http://127.0.0.1:9/"})["policy"] == "mine"


# ---- What is said of what is denied --------------------------------------------------------------

@needs_root
def test_a_denial_is_one_log_line_with_pid_uid_origin_and_rule(start):
    with RawOrigin() as origin:
        daemon = start(jobs={"users": ALICE, "deny": "*://*/secret"})
        client = client_of(daemon, ALICE)
        for _ in range(5):
            assert told(client, origin.url("/secret?token=hush")) == \
                'denied by policy "jobs": deny = *://*/secret'
        line, = log_of_users(daemon, 1)
        assert f"client pid {os.getpid()}, uid {ALICE}: " in line
        assert f"http://127.0.0.1:{origin.port} " in line
        assert 'denied by policy "jobs": deny = *://*/secret' in line
        assert not daemon.lines_matching("hush")
        assert daemon.stats()["requests_denied"] == 5 and daemon.stats()["requests_reported"] == 0
        assert origin.connections == []


@needs_root
def test_another_rule_and_another_user_have_lines_of_their_own(start):
    daemon = start(jobs={"users": [ALICE, BOB], "deny": ["*://*/a", "*://*/b"]})
    for uid in (ALICE, BOB):
        for target in ("/a", "/b", "/a"):
            told(client_of(daemon, uid), f"http://127.0.0.1:9{target}")
    found = [re.search(r"uid (\d+): .*deny = (\S+)", line).groups() for line in log_of_users(daemon, 4)]
    assert sorted(found) == sorted((str(uid), f"*://*{target}")
                                   for uid in (ALICE, BOB) for target in ("/a", "/b"))


def test_streams_uploads_and_text_are_denied_alike(start_daemon):
    with RawOrigin() as origin:
        daemon = start_daemon({'policy "default"': {"deny": "*://127.0.0.1"}})
        client = daemon.client()
        reason = 'denied by policy "default": deny = *://127.0.0.1'
        error = client.stream(origin.url()).error()
        assert (error.code, error.message) == (2, reason)
        assert told(client, origin.url(), method="POST", body=b"x" * 100_000) == reason
        assert told(client, origin.url(), method="PUT", upload=True) == reason
        assert daemon.text(f"GET {origin.url()}\nping\n".encode()) == \
            f"error: 2 DENIED: {reason}\npong\n".encode()
        assert origin.connections == []


@needs_root
def test_mode_report_lets_it_run_and_logs_it(start):
    with RawOrigin() as origin:
        daemon = start(trial={"users": ALICE, "mode": "report", "deny": "*://*/secret",
                              "networks_deny": "127.0.0.0/8"})
        client = client_of(daemon, ALICE)
        assert client.fetch(origin.url("/secret"))["body"] == b"hello\n"
        line, = log_of_users(daemon, 1)
        assert f"client pid {os.getpid()}, uid {ALICE}: " in line and origin.url("") in line
        assert 'would be denied by policy "trial": deny = *://*/secret' in line
        assert client.fetch(origin.url("/open", host="localhost"))["body"] == b"hello\n"
        line = log_of_users(daemon, 2)[1]
        assert 'would be denied by policy "trial": networks_deny = 127.0.0.0/8, address 127.0.0.1' in line
        assert client.fetch(origin.url("/secret"))["connection"]["reused"]
        log_of_users(daemon, 2)
        stats = daemon.stats()
        assert stats["requests_denied"] == 0 and stats["requests_reported"] == 3


# ---- Rules ---------------------------------------------------------------------------------------

BELOW_ADMIN = ["/admin", "/admin/", "/admin/x", "/admin?x", "/%61dmin", "/%61%64%6d%69%6E/x", "//admin",
               "/./admin", "/x/../admin", "/x/%2e%2e/admin", "/%2e/admin", "/..//admin", "/admin;x=1",
               "/;x/admin", "/x/..%2fadmin", "/admin%2fx", "/admin%5cx", "/admin%00", "/admin%00/y",
               "/x//../..//admin", "/admin#fragment"]
NOT_BELOW = ["/", "/administrator", "/x/admin", "/?/admin", "/Xadmin", "/adm", "/x/%2fadmin"]


def test_no_spelling_of_a_denied_path_gets_through(start_daemon):
    with RawOrigin(serve(answer_with_target)) as origin:
        client = start_daemon({'policy "default"': {"deny": "http://*/admin"}}).client()
        for target in BELOW_ADMIN:
            assert "deny = http://*/admin" in told(client, origin.url(target)), target
        assert origin.connections == []
        for target in NOT_BELOW[:-1]:
            assert client.fetch(origin.url(target))["body"] == target.encode()


def test_no_spelling_leads_out_of_an_allowed_path(start_daemon):
    with RawOrigin(serve(answer_with_target)) as origin:
        allow = f"GET HEAD http://127.0.0.1:{origin.port}/v1/"
        client = start_daemon({'policy "default"': {"allow": allow}}).client()
        outside = ["/v1", "/v1/../x", "/v1/%2e%2e/x", "/v1/..%2fx", "/v1/%2e%2e%2fx", "/v1/..;/x",
                   "/v1/..%5cx", "//v1/x", "/x/../v1/x", "/V1/x", "/v10/x", "/v1%2fx", "/v1%00/x", "/v2/x",
                   "/v1/x/../../y", "/", "?/v1/"]
        for target in outside:
            assert told(client, origin.url(target)) == \
                'denied by policy "default": no allow rule matches', target
        for method in ("POST", "get", "DELETE", "OPTIONS"):
            told(client, origin.url("/v1/x"), method=method)
        told(client, f"http://localhost:{origin.port}/v1/x")
        told(client, "http://127.0.0.1/v1/x")
        assert origin.connections == []
        for target in ("/v1/", "/v1/x?y", "/v1/x/y", "/v1/%20"):
            assert client.fetch(origin.url(target))["body"] == target.encode()
        client.fetch(origin.url("/v1/"), method="HEAD")


@pytest.mark.parametrize("written", ["localhost", "LOCALHOST", "LocalHost", "localhost.", "loc%61lhost",
                                     "ｌｏｃａｌｈｏｓｔ", "ⓛocalhost", "local\u00adhost"])
def test_no_spelling_of_a_denied_host_gets_through(start_daemon, written):
    """Directly, and where a redirect leads."""
    daemon = start_daemon({'policy "default"': {"deny": "*://localhost"}})
    with RawOrigin() as denied:
        url = denied.url(host=written)
        with RawOrigin(serve(lambda _: response(
                302, headers=[("Location", url.encode().decode("latin-1"))]))) as origin:
            client = daemon.client()
            for error in client.refused(url), client.refused(origin.url(), redirects=3):
                assert error.code == 2 and "deny = *://localhost" in error.message
        assert denied.connections == []


def test_methods_are_denied_in_any_case_and_allowed_as_they_are(start_daemon):
    with RawOrigin(serve(answer_with_target)) as origin:
        client = start_daemon({'policy "default"': {
            "deny": "POST DELETE http://*/x"}}).client()
        for method in ("POST", "post", "DELETE", "dElEtE"):
            told(client, origin.url("/x"), method=method)
        assert origin.connections == []
        assert client.fetch(origin.url("/x"), method="PUT")["status"] == 200
        assert client.fetch(origin.url("/y"), method="POST")["status"] == 200


# ---- Redirects -----------------------------------------------------------------------------------

def redirector(location, status=302):
    return serve(lambda _: response(status, headers=[("Location", location)]))


@needs_root
@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
def test_a_redirect_to_what_is_denied_is_not_followed(start, streamed):
    with RawOrigin() as denied, RawOrigin(redirector(denied.url("/x"))) as origin:
        daemon = start(jobs={"users": ALICE, "deny": f"http://*:{denied.port}"})
        client = client_of(daemon, ALICE)
        url = origin.url()
        error = client.stream(url, redirects=5).error() if streamed else client.refused(url, redirects=5)
        assert (error.code, error.message) == (
            2, f'redirect to http://127.0.0.1:{denied.port}: denied by policy "jobs": '
               f'deny = http://*:{denied.port}')
        assert client.fetch(url)["status"] == 302  # who follows none is told where it would lead
        assert denied.connections == []
        line, = log_of_users(daemon, 1)
        assert f"http://127.0.0.1:{denied.port} " in line


def test_a_redirect_that_changes_the_method_is_asked_about_with_the_new_one(start_daemon):
    with RawOrigin(redirector("/there", 303)) as origin:
        client = start_daemon({'policy "default"': {"allow": f"POST http://*:{origin.port}"}}).client()
        message = told(client, origin.url(), method="POST", body=b"x", redirects=3)
        assert message.startswith(f"redirect to {origin.url('')}: denied by") and len(origin.requests) == 1


def test_redirects_to_denied_paths_of_the_same_origin_are_not_followed(start_daemon):
    location = []
    with RawOrigin(serve(lambda _: response(302, headers=[("Location", location[0])]))) as origin:
        client = start_daemon({'policy "default"': {"deny": "*://*/admin"}}).client()
        for location[:] in [["/admin"], ["/x/../admin"], ["//127.0.0.1:%d/admin" % origin.port],
                            ["%2e/../admin"], ["./%61dmin"], ["/x/%2e%2e/admin"]]:
            assert "redirect" in told(client, origin.url("/y"), redirects=1)
        assert {request.target for request in origin.requests} == {"/y"}


def test_over_http_2_a_redirect_is_asked_about_too(start_daemon, authority):
    with RawOrigin() as denied, H2Origin(authority.server, lambda session, stream, _: session.answer(
            stream, 302, headers=[("location", denied.url())])) as origin:
        daemon = start_daemon({'policy "default"': {"deny": "http://*"}})
        assert "redirect" in told(daemon.client(), origin.url(host="localhost"), redirects=1)
        assert denied.connections == []


# ---- C17: denied addresses, however they are written ---------------------------------------------

# Of 127.0.0.2. The machine has it, and listens there.
SPELLINGS = {
    "dotted": "127.0.0.2", "decimal": "2130706434", "octal": "017700000002", "hex": "0x7f000002",
    "hex, mixed case": "0X7F000002", "octal parts": "0177.0.0.02", "hex parts": "0x7F.0x0.0X0.0x2",
    "mixed parts": "0177.0x0.0.2", "long octal": "00000177.0.0.2", "two parts": "127.2",
    "two parts, hex": "0x7f.2", "three parts": "127.0.2", "percent": "%31%32%37.0.0.2",
    "percent dot": "127%2e0%2E0.2",
    "full width": "１２７.0.0.2", "ideographic dots": "127。0。0。2", "full width dots": "127．0．0．2",
    "circled": "①②⑦.0.0.②", "superscript": "¹²⁷.⁰.⁰.²", "soft hyphen": "127.0\u00ad.0.2",
    "mapped": "[::ffff:127.0.0.2]", "mapped, hex": "[::ffff:7f00:2]", "mapped, upper": "[::FFFF:7F00:0002]",
    "mapped, long": "[0:0:0:0:0:ffff:127.0.0.2]", "compatible": "[::127.0.0.2]",
    "compatible, hex": "[::7f00:2]", "translated": "[::ffff:0:127.0.0.2]", "NAT64": "[64:ff9b::127.0.0.2]",
    "NAT64, hex": "[64:FF9B::7f00:2]", "6to4": "[2002:7f00:2::]", "6to4, a host": "[2002:7F00:0002::1]",
    "mapped, a zone": "[::ffff:127.0.0.2%25lo]",
}


@pytest.fixture
def denied_network(start_daemon):
    return start_daemon({'policy "default"': {"networks_deny": "127.0.0.2/32"}})


def await_error(outcome, written):
    assert outcome.code == 2, (written, outcome)
    assert 'denied by policy "default": networks_deny = 127.0.0.2, address 127.0.0.2' in outcome.message, \
        (written, outcome)


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
def test_c17_no_spelling_of_a_denied_address_is_connected_to(denied_network, nginx, streamed):
    daemon = denied_network
    with RawOrigin(address="127.0.0.2") as denied, calm(daemon), witness_of(daemon, nginx):
        client = daemon.client()
        for written in SPELLINGS.values():
            url = f"http://{written}:{denied.port}/x"
            await_error(client.stream(url).error() if streamed else client.refused(url), written)
        assert denied.connections == []
        assert daemon.stats()["requests_denied"] == len(SPELLINGS)


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("kind", ["http/1.1", "h2"])
def test_c17_no_redirect_leads_to_a_denied_address(denied_network, nginx, authority, kind, streamed):
    daemon = denied_network
    location = []

    def script(session, stream, headers):
        session.answer(stream, 302, headers=[("location", location[-1])])

    def answer(request):
        return response(302, headers=[("Location", location[-1].encode().decode("latin-1"))])

    origin = H2Origin(authority.server, script) if kind == "h2" else RawOrigin(serve(answer))
    with RawOrigin(address="127.0.0.2") as denied, origin, calm(daemon), witness_of(daemon, nginx):
        client = daemon.client()
        url = origin.url(host="localhost")
        for number, written in enumerate(SPELLINGS.values(), 1):
            location.append(f"http://{written}:{denied.port}/x")
            await_error(client.stream(url, redirects=5).error() if streamed
                        else client.refused(url, redirects=5), written)
        assert len(origin.streams if kind == "h2" else origin.requests) == len(SPELLINGS)
        assert denied.connections == []


ODD_LOCATIONS = ["//127.2:@PORT@/x", "///127.0.0.2:@PORT@/x", "////127.0.0.2:@PORT@", "http:/127.0.0.2:@PORT@/",
                 "http:///127.0.0.2:@PORT@/", "http:127.0.0.2:@PORT@", "\\\\127.0.0.2:@PORT@/x",
                 "http:\\\\127.0.0.2:@PORT@/x", "/\\127.0.0.2:@PORT@/x", " http://127.0.0.2:@PORT@/",
                 "\thttp://127.0.0.2:@PORT@/", "http://127.0.0.1@127.0.0.2:@PORT@/", "HTTP://127.0.0.2:@PORT@",
                 "http://127.0.0.2:@PORT@#@127.0.0.1/", "http://127.0.0.2:@PORT@?@127.0.0.1/",
                 "http://127.0.0.2\t:@PORT@/", "http://[127.0.0.2]:@PORT@/"]


def test_c17_no_odd_location_leads_there_either(denied_network):
    """What of it is a path of the origin's own is asked for there."""
    location = []

    def answer(request):
        is_first = request.target == "/go"
        return response(302 if is_first else 200, headers=[("Location", location[-1])] if is_first else [])

    with RawOrigin(address="127.0.0.2") as denied, RawOrigin(serve(answer)) as origin, \
            calm(denied_network):
        client = denied_network.client()
        for written in ODD_LOCATIONS:
            location.append(written.replace("@PORT@", str(denied.port)))
            try:
                peer = client.fetch(origin.url("/go"), redirects=5)["connection"]["peer"]
                assert peer == f"127.0.0.1:{origin.port}", written
            except Refused as error:
                assert error.code in (1, 2), (written, error)
        assert denied.connections == []


def test_c17_in_text_they_are_denied_too(denied_network):
    with RawOrigin(address="127.0.0.2") as denied, calm(denied_network):
        for written in SPELLINGS.values():
            said = denied_network.text(f"GET http://{written}:{denied.port}/\n".encode())
            assert said.startswith(b'error: 2 DENIED: denied by policy "default": networks_deny'), written
        assert denied.connections == []


# With a dot at its end it is a name, which is looked up.
WRONG = ["127.0.0.2.", "2130706434.", "0x7f000002.", "127.0.0.256.",
         "127.0.0.0.2", "0x7f00000g", "08.0.0.1", "[::ffff:127.0.0.2", "[127.0.0.2]",
         "user@127.0.0.2", "127.0.0.2\\@127.0.0.1"]


def test_c17_what_is_no_address_is_none(denied_network):
    with RawOrigin(address="127.0.0.2") as denied, calm(denied_network):
        client = denied_network.client()
        for written in WRONG:
            error = client.refused(f"http://{written}:{denied.port}/x")
            assert error.code in (1, 102), (written, error)
        assert denied.connections == []


# What Linux takes for this machine itself.
HERE = ["0.0.0.0", "0", "0x0", "00", "0.0", "[::]", "[::0]", "[0:0:0:0:0:0:0:0]",
        "[::ffff:0.0.0.0]", "0.0.0.1", "0.255.255.255", "[64:ff9b::]", "[::ffff:0:0]"]


def test_c17_the_unspecified_address_is_not_this_machine(daemon, nginx):
    with RawOrigin(address="0.0.0.0") as everywhere, calm(daemon, 2), witness_of(daemon, nginx):
        client = daemon.client()
        for written in HERE:
            error = client.refused(f"http://{written}:{everywhere.port}/")
            assert error.code == 2 and "(built in)" in error.message, (written, error)
        assert everywhere.connections == []


BUILT_IN = ["169.254.169.254", "0xA9FEA9FE", "2852039166", "0251.0376.0251.0376", "169.254.43518",
            "[::ffff:169.254.169.254]", "[::ffff:a9fe:a9fe]", "[::169.254.169.254]",
            "[64:ff9b::a9fe:a9fe]", "[2002:a9fe:a9fe::1]", "１６９.２５４.１６９.２５４", "169.254.0.1",
            "224.0.0.1", "239.255.255.250", "255.255.255.255", "4294967295", "[fe80::1]", "[fe80::1%25lo]",
            "[febf::1]", "[ff02::1]", "[ff05::2]"]


@pytest.fixture
def traced(start_daemon, tmp_path):
    """A daemon whose connects are seen, and their trace."""
    if SANITIZED:
        pytest.skip("LeakSanitizer does not work under ptrace")
    if not can_trace():
        pytest.skip("strace cannot trace here")
    trace = Trace(tmp_path / "strace")
    return start_daemon(wrapper=trace.wrapper), trace


def test_c17_no_system_call_leads_to_an_address_that_is_denied_to_all(traced):
    daemon, trace = traced
    port = free_port()
    with RawOrigin() as origin:
        client = daemon.client()
        for written in BUILT_IN:
            url = f"http://{written}:{port}/"
            error = client.refused(url)
            assert error.code == 2 and "(built in)" in error.message, (written, error)
        client.fetch(origin.url())
        trace.await_connect(origin.port)
        assert trace.ports() == {origin.port}


def test_c17_a_network_of_networks_allow_that_is_no_larger_overrules(start_daemon):
    daemon = start_daemon({'policy "default"': {"networks_deny": ["127.0.0.0/8, 10.0.0.0/8", "::1"],
                                                "networks_allow": "127.0.0.2/32, 0.0.0.0/8"}})
    with RawOrigin(address="127.0.0.2") as allowed, RawOrigin() as denied:
        client = daemon.client()
        assert client.fetch(allowed.url())["status"] == 200
        assert "networks_deny = 127.0.0.0/8, address 127.0.0.1" in told(client, denied.url())
        assert "denied by" in told(client, denied.url(host="localhost"))
        assert client.refused(f"http://0.0.0.1:{denied.port}/").code != 2
        assert denied.connections == []


def test_c17_a_denied_address_is_denied_over_tls_too(denied_network, authority):
    with RawOrigin(address="127.0.0.2", leaf=authority.server) as denied:
        client = denied_network.client()
        told(client, f"https://127.2:{denied.port}/")
        told(client, f"https://127.2:{denied.port}/", tls={"server_name": "localhost"}, http="2")
        assert denied.connections == []


# ---- C19: a connection that somebody else has warmed ---------------------------------------------

BY_RULE_OR_NETWORK = pytest.mark.parametrize("rule", [
    {"deny": "*://localhost"}, {"networks_deny": "127.0.0.0/8 ::1"}], ids=["by a rule", "by a network"])


@needs_root
@BY_RULE_OR_NETWORK
@pytest.mark.parametrize("kind", ["plain", "h1", "h2"])
def test_c19_a_denied_user_gets_nothing_over_a_connection_that_an_allowed_one_warmed(
        start, authority, nginx, kind, rule):
    daemon = start(bob={"users": BOB, **rule})
    options = {} if kind == "plain" else {"leaf": authority.server}
    origin = RawOrigin(**options) if kind != "h2" else H2Origin(
        authority.server, lambda session, stream, _: session.answer(stream, 200, b"hello\n"))
    with origin, calm(daemon), witness_of(daemon, nginx):
        url = origin.url("/warm", host="localhost")
        alice, bob = client_of(daemon, ALICE), client_of(daemon, BOB)
        alice.fetch(url)
        if kind != "h2":  # over HTTP/2 the peers settle their settings for a moment yet
            before = [connection.received for connection in origin.connections]
        message = told(bob, url)
        assert message.startswith('denied by policy "bob": ')
        told(bob, url, headers=[["X-Marker", "bobs"]], method="POST", body=b"bobs")
        assert bob.stream(url).error().code == 2
        answer = alice.fetch(url)
        assert answer["body"] == b"hello\n" and answer["connection"]["reused"]
        assert len(origin.connections) == 1
        assert b"bobs" not in origin.connections[0].received
        if kind == "h2":
            assert len(origin.streams) == 2
        else:
            assert origin.connections[0].received.startswith(before[0])
            assert len(origin.requests) == 2 and [
                request.head for request in origin.requests][0] == origin.requests[1].head
        assert daemon.stats()["requests_denied"] == 3


@needs_root
@BY_RULE_OR_NETWORK
def test_c19_not_by_a_redirect_either(start, nginx, rule):
    daemon = start(bob={"users": BOB, **rule, "networks_allow": "127.0.0.3/32"})
    with RawOrigin() as origin, RawOrigin(redirector(origin.url("/x", host="localhost")),
                                          address="127.0.0.3") as way, calm(daemon):
        client_of(daemon, ALICE).fetch(origin.url("/x", host="localhost"))
        message = told(client_of(daemon, BOB), way.url(), redirects=1)
        assert message.startswith(f"redirect to {origin.url('', host='localhost')}: denied by policy")
        assert len(origin.requests) == len(origin.connections) == 1


@needs_root
def test_c19_two_users_at_one_origin_whose_addresses_each_may_only_half(start, network, tmp_path):
    """Over the connection to the address that is denied to one, only the other's requests go."""
    with network.daemon.inside():
        names = NameServer(DAEMON, tmp_path, {"both.test": tuple(ORIGINS[:2])})
    with network.origins.inside():
        one = RawOrigin(address=ORIGINS[0])
        two = RawOrigin(address=ORIGINS[1], port=one.port)
    daemon = start(alice={"users": ALICE, "networks_deny": ORIGINS[1]},
                   bob={"users": BOB, "networks_deny": ORIGINS[0]},
                   wrapper=network.wrapper(names.resolver))
    with names, one, two, calm(daemon, offenders=0):
        alice, bob = client_of(daemon, ALICE), client_of(daemon, BOB)
        for number in range(5):
            for client, mark in (alice, "alice"), (bob, "bob"):
                assert client.fetch(f"http://both.test:{one.port}/{mark}")["status"] == 200
        assert {request.target for request in one.requests} == {"/alice"}
        assert {request.target for request in two.requests} == {"/bob"}
        assert len(one.connections) == len(two.connections) == 1


@needs_root
@pytest.mark.parametrize("first", ["the allowed", "the denied"])
def test_c19_who_waits_for_a_connection_of_the_others_is_told_apart(start, authority, first):
    """Both ask before there is one: over HTTP/2 the second waits for what the first opens."""
    daemon = start(bob={"users": BOB, "networks_deny": "127.0.0.0/8 ::1"})
    with H2Origin(authority.server, lambda session, stream, _: session.answer(stream, 200, b"hello\n")) \
            as origin, calm(daemon):
        url = origin.url(host="localhost")
        alice, bob = client_of(daemon, ALICE), client_of(daemon, BOB)
        for client in (alice, bob) if first == "the allowed" else (bob, alice):
            client.call("ping")
            client.ids = [client.send("fetch", {"url": url}) for _ in range(5)]
        assert {alice.receive(id)["body"] for id in alice.ids} == {b"hello\n"}
        assert {bob.receive_message(id)[2][0] for id in bob.ids} == {2}
        assert len(origin.streams) == 5


@needs_root
def test_c19_what_is_denied_to_one_makes_no_origin_fail_for_another(start):
    """The daemon leaves origins alone that fail: a denial is no failure of theirs."""
    daemon = start(bob={"users": BOB, "networks_deny": "127.0.0.0/8 ::1"})
    with RawOrigin() as origin, calm(daemon):
        alice, bob = client_of(daemon, ALICE), client_of(daemon, BOB)
        for _ in range(30):
            told(bob, origin.url(host="localhost"))
            alice.call("check", {"url": origin.url(host="localhost")})
        assert alice.fetch(origin.url(host="localhost"))["status"] == 200
        assert alice.fetch(origin.url(host="localhost"))["connection"]["reused"]


# ---- Rebinding -----------------------------------------------------------------------------------

@pytest.fixture
def host(network, tmp_path):
    """The records of a name server; the origins at the first and the second address, of one port."""
    records = {}
    with network.daemon.inside():
        names = NameServer(DAEMON, tmp_path, records)
    with network.origins.inside():
        allowed = RawOrigin(serve(answer_with_target), address=ORIGINS[0])
        denied = RawOrigin(serve(answer_with_target), address=ORIGINS[1], port=allowed.port)
    with names, allowed, denied:
        yield names, allowed, denied


def no_network(network, names, start, **keys):
    return start({"pool": {"dns_ttl": "0"}}, default={"networks_deny": f"{ORIGINS[1]}/32"},
                 wrapper=network.wrapper(names.resolver), **keys)


def test_c17_a_name_that_leads_elsewhere_later_leads_to_no_denied_address(start, network, host):
    names, allowed, denied = host
    daemon = no_network(network, names, start)
    with calm(daemon):
        client = daemon.client()
        url = f"http://rebound.test:{allowed.port}"
        names.records["rebound.test"] = ORIGINS[0]
        first = client.fetch(f"{url}/first", headers=[["Connection-Wish", "x"]])
        assert first["connection"]["peer"] == f"{ORIGINS[0]}:{allowed.port}"
        names.records["rebound.test"] = ORIGINS[1]
        assert client.fetch(f"{url}/again")["connection"]["reused"]  # to the address that was asked about
        allowed.connections[0].socket.shutdown(socket.SHUT_RDWR)
        eventually(lambda: not [row for row in daemon.connections() if row["state"] == "idle"], 5,
                   "the connection is gone")
        assert f"networks_deny = {ORIGINS[1]}, address {ORIGINS[1]}" in told(client, f"{url}/later")
        names.records["rebound.test"] = ORIGINS[0]
        assert client.fetch(f"{url}/back")["body"] == b"/back"
        assert denied.connections == []


@pytest.mark.parametrize("order", [(0, 1), (1, 0)], ids=["allowed first", "denied first"])
def test_c17_of_a_names_addresses_the_allowed_one_is_used(start, network, host, order):
    names, allowed, denied = host
    daemon = no_network(network, names, start)
    names.records["both.test"] = tuple(ORIGINS[number] for number in order)
    with calm(daemon, offenders=0):
        for number in range(3):
            answer = daemon.client().fetch(f"http://both.test:{allowed.port}/{number}")
            assert answer["connection"]["peer"] == f"{ORIGINS[0]}:{allowed.port}"
        assert denied.connections == []
        assert daemon.stats()["requests_denied"] == 0


def test_c17_a_name_all_of_whose_addresses_are_denied(start, network, host):
    names, allowed, denied = host
    daemon = start(default={"networks_deny": "10.77.0.0/24"}, wrapper=network.wrapper(names.resolver))
    names.records["both.test"] = tuple(ORIGINS[:2])
    with calm(daemon):
        message = told(daemon.client(), f"http://both.test:{allowed.port}/")
        assert re.fullmatch(r'denied by policy "default": networks_deny = 10\.77\.0\.0/24, '
                            r"address 10\.77\.0\.[23]", message)
        assert allowed.connections == denied.connections == []


def test_c17_an_allowed_address_that_refuses_is_a_failed_connect_and_no_denial(start, network, host):
    """What can be mended is said: the allowed address does not answer."""
    names, allowed, denied = host
    daemon = no_network(network, names, start)
    names.records["both.test"] = tuple(ORIGINS[:2])
    allowed.close()
    with calm(daemon, offenders=0):
        error = daemon.client().refused(f"http://both.test:{allowed.port}/")
        assert error.code == 103, error
        assert denied.connections == []


def test_c17_a_redirect_to_a_name_of_a_denied_address(start, network, host):
    names, allowed, denied = host
    daemon = no_network(network, names, start)
    names.records.update({"way.test": ORIGINS[2], "inside.test": ORIGINS[1]})
    with network.origins.inside():
        way = RawOrigin(redirector(f"http://inside.test:{denied.port}/x"), address=ORIGINS[2])
    with way, calm(daemon):
        message = told(daemon.client(), f"http://way.test:{way.port}/", redirects=1)
        assert message.startswith(f"redirect to http://inside.test:{denied.port}: denied by policy")
        assert len(way.requests) == 1 and denied.connections == []


def test_c17_no_packet_leaves_for_a_denied_address(start, network, host):
    """Counted where they would leave."""
    names, allowed, denied = host
    daemon = start(default={"networks_deny": "10.77.0.3/32"}, wrapper=network.wrapper(names.resolver))
    names.records["inside.test"] = ORIGINS[1]
    network.daemon.run("nft", "-f", "-", text=(
        "table inet seen {\ncounter denied { }\nchain out {\n"
        "type filter hook output priority 0;\n"
        f"ip daddr {{ {ORIGINS[1]}, 169.254.0.0/16 }} counter name denied\n}}\n}}\n"))
    try:
        with calm(daemon, offenders=2):
            client = daemon.client()
            for host_written in ("inside.test", ORIGINS[1], "172818435", "0x0a4d0003", "169.254.169.254",
                                 "[::ffff:10.77.0.3]"):
                told(client, f"http://{host_written}:{denied.port}/")
            assert client.fetch(allowed.url())["status"] == 200
        counted = subprocess.run([*network.daemon.enter(), "nft", "-j", "list", "counters"],
                                 capture_output=True, text=True, check=True).stdout
        counter, = [row["counter"] for row in json.loads(counted)["nftables"] if "counter" in row]
        assert counter["packets"] == 0
    finally:
        network.daemon.run("nft", "delete", "table", "inet", "seen")


# ---- Verification and proxies --------------------------------------------------------------------

@needs_root
def test_tls_insecure_is_each_policys_own(start, nginx):
    daemon = start({"tls": {"allow_insecure": "yes"}},
                   strict={"users": ALICE, "tls_insecure": "no"}, other={"users": BOB})
    url, keys = nginx.url("/text", nginx.STRANGER), {"tls": {"verify": False}}
    assert told(client_of(daemon, ALICE), url, **keys) == (
        'denied by policy "strict": tls_insecure = no: certificates are to be verified (tls.verify, -k of '
        'the command)')
    assert client_of(daemon, BOB).fetch(url, **keys)["body"] == b"hello\n"
    assert client_of(daemon, ALICE).refused(url).code == 104  # nor over what Bob has warmed


@needs_root
def test_tls_insecure_of_a_policy_is_more_than_the_daemons(start, nginx):
    daemon = start(lax={"users": ALICE, "tls_insecure": "yes"})
    url, keys = nginx.url("/text", nginx.STRANGER), {"tls": {"verify": False}}
    assert client_of(daemon, ALICE).fetch(url, **keys)["body"] == b"hello\n"
    assert told(client_of(daemon, BOB), url, **keys) == (
        'denied by policy "default": tls_insecure = no: certificates are to be verified (tls.verify, -k of '
        'the command)')


@needs_root
def test_in_mode_report_verification_and_proxies_are_only_reported(start, nginx):
    with Proxy() as proxy:
        daemon = start(trial={"users": ALICE, "mode": "report", "tls_insecure": "no", "proxies": "none"})
        client = client_of(daemon, ALICE)
        answer = client.fetch(nginx.url("/text", nginx.STRANGER), tls={"verify": False})
        assert answer["body"] == b"hello\n"
        assert client.fetch(nginx.url("/text", nginx.PLAIN), proxy=proxy.url())["status"] == 200
        assert len(proxy.requests) == 1
        insecure, proxied = log_of_users(daemon, 2)
        assert 'would be denied by policy "trial": tls_insecure = no' in insecure
        assert f'"trial": proxies: no rule matches proxy http://127.0.0.1:{proxy.port}' in proxied
        assert daemon.stats()["requests_reported"] == 2


@needs_root
def test_proxies_are_each_policys_own(start, nginx):
    url = nginx.url("/text", nginx.PLAIN)
    with Proxy() as one, Proxy() as two:
        daemon = start(alice={"users": ALICE, "proxies": [one.url(""), "http://localhost:*"]},
                       bob={"users": BOB, "proxies": "any"})
        alice, bob = client_of(daemon, ALICE), client_of(daemon, BOB)
        assert alice.fetch(url, proxy=one.url())["body"].startswith(b"through the proxy")
        assert alice.fetch(url, proxy=two.url(host="localhost"))["status"] == 200
        assert told(alice, url, proxy=two.url()) == \
            f'denied by policy "alice": proxies: no rule matches proxy http://127.0.0.1:{two.port}'
        assert "proxies" in told(alice, url, proxy=f"socks5h://127.0.0.1:{one.port}")
        assert bob.fetch(url, proxy=two.url())["status"] == 200
        assert "proxies" in told(daemon.client(), url, proxy=one.url())
        assert len(one.requests) == 1 and len(two.requests) == 2


@pytest.mark.parametrize("written", ["127.0.0.2", "127.2", "0x7f000002", "[::ffff:127.0.0.2]", "2130706434"])
@pytest.mark.parametrize("scheme", ["http", "https", "socks5h"])
@pytest.mark.parametrize("server", ["plain", "h2"])
def test_c17_a_clients_proxy_at_a_denied_address_is_not_connected_to(start_daemon, nginx, server, scheme,
                                                                   written):
    daemon = start_daemon({'policy "default"': {"proxies": "any", "networks_deny": "127.0.0.2"}})
    with Proxy(address="127.0.0.2") as proxy:
        message = told(daemon.client(), nginx.url("/text", server),
                       proxy=f"{scheme}://{written}:{proxy.port}")
        assert "networks_deny = 127.0.0.2, address 127.0.0.2" in message
        assert proxy.connections == []


def test_c17_a_proxy_that_an_allowed_user_warmed_is_denied_to_another(start, nginx):
    with Proxy(address="127.0.0.2") as proxy:
        daemon = start(alice={"users": ALICE, "proxies": "any"},
                       bob={"users": BOB, "proxies": "any", "networks_deny": "127.0.0.2"})
        for url in nginx.url("/text"), nginx.url("/text", nginx.PLAIN):
            client_of(daemon, ALICE).fetch(url, proxy=proxy.url())
            seen = len(proxy.connections), len(proxy.requests)
            told(client_of(daemon, BOB), url, proxy=proxy.url())
            assert (len(proxy.connections), len(proxy.requests)) == seen


def test_behind_a_proxy_hosts_are_denied_by_name(start_daemon):
    """Which addresses they have is known to the proxy alone."""
    with Proxy() as proxy:
        daemon = start_daemon({'policy "default"': {"proxies": "any", "deny": "*://*.internal"}})
        client = daemon.client()
        assert client.fetch("http://a.test/", proxy=proxy.url())["status"] == 200
        assert "deny = *://*.internal" in told(client, "http://db.internal/", proxy=proxy.url())
        assert "deny = *://*.internal" in told(client, "http://DB.Internal./", proxy=proxy.url())
        assert len(proxy.requests) == 1


def test_a_proxy_of_the_configuration_is_nobodys_choice(start_daemon):
    """Its address may be one that clients may not reach."""
    with Proxy(address="127.0.0.2") as proxy:
        daemon = start_daemon({"proxy": {"url": proxy.url()},
                               'policy "default"': {"networks_deny": "127.0.0.2", "deny": "*://b.test"}})
        client = daemon.client()
        assert client.fetch("http://a.test/")["status"] == 200
        told(client, "http://b.test/")
        assert len(proxy.requests) == 1


# ---- Limits --------------------------------------------------------------------------------------

def send_many(client, url, count, **keys):
    return [client.send("fetch", {"url": url, **keys}) for _ in range(count)]


def await_stat(daemon, name, value):
    eventually(lambda: daemon.stats()[name] == value, 5,
               lambda: f"{name} is {daemon.stats()[name]} instead of {value}")


@needs_root
def test_running_per_user_and_queue_of_a_policy_hold_for_its_users_alone(start, slow, gate):
    daemon = start(jobs={"users": [ALICE, BOB], "running_per_user": 2, "queue": 3})
    alice, bob, carol = (client_of(daemon, uid) for uid in (ALICE, BOB, CAROL))
    ids = [(alice, each) for each in send_many(alice, slow.url("/alice"), 2)]
    slow.await_requests(2)
    ids += [(alice, each) for each in send_many(alice, slow.url("/alice"), 3)]
    await_stat(daemon, "queued", 3)
    error = alice.refused(slow.url("/alice"))
    assert error.code == 100 and "queue" in error.message and '[policy "jobs"]' in error.message
    ids += [(bob, each) for each in send_many(bob, slow.url("/bob"), 2)]
    slow.await_requests(4)  # each of its users has as many
    ids += [(bob, each) for each in send_many(bob, slow.url("/bob"), 3)]
    await_stat(daemon, "queued", 6)
    ids += [(carol, each) for each in send_many(carol, slow.url("/carol"), 10)]
    slow.await_requests(14)
    await_stat(daemon, "queued", 6)
    gate.open_for_all()
    assert {client.receive(each)["status"] for client, each in ids} == {200}


@needs_root
def test_what_waits_for_the_running_per_user_of_a_policy_is_told_its_name(start, slow):
    daemon = start(jobs={"users": ALICE, "running_per_user": 1})
    client = client_of(daemon, ALICE)
    send_many(client, slow.url(), 1)
    slow.await_requests(1)
    error = client.refused(slow.url(), queue_timeout=100)
    assert error.code == 101 and 'running_per_user' in error.message and '[policy "jobs"]' in error.message


@needs_root
def test_clients_per_user_of_a_policy_holds_for_its_users_alone(start):
    daemon = start(jobs={"users": ALICE, "clients_per_user": 2})
    for client in client_of(daemon, ALICE), client_of(daemon, ALICE):
        assert client.call("ping") == "pong"
    error = client_of(daemon, ALICE).refused_call("ping")
    assert error.code == 100
    assert '[policy "jobs"] clients_per_user' in error.message and "2" in error.message
    assert [client_of(daemon, BOB).call("ping") for _ in range(5)] == ["pong"] * 5


@needs_root
def test_requests_per_client_of_a_policy_holds_and_hello_says_it(start, slow, gate):
    daemon = start({"limits": {"requests_per_client": "50"}},
                   jobs={"users": ALICE, "requests_per_client": 2})
    alice, bob = client_of(daemon, ALICE), client_of(daemon, BOB)
    assert alice.call("hello")["limits"]["requests_per_client"] == 2
    assert bob.call("hello")["limits"]["requests_per_client"] == 50
    ids = [(alice, each) for each in send_many(alice, slow.url("/alice"), 4)]
    ids += [(bob, each) for each in send_many(bob, slow.url("/bob"), 10)]
    slow.await_requests(12)
    alice.read_for(0.2)
    assert len(slow.requests) == 12  # the rest is not even read
    gate.open_for_all()
    assert {client.receive(each)["status"] for client, each in ids} == {200}


@needs_root
def test_paused_memory_of_a_policy_holds_for_its_users_alone(start, nginx):
    """A hundred streams over HTTP/1.1, whose readers have stopped, hold more than a mebibyte."""
    daemon = start(jobs={"users": ALICE, "paused_memory": "1MiB"})
    failed = []
    for uid in BOB, ALICE:
        client = client_of(daemon, uid)
        streams = [client.stream(nginx.url("/files/sixteen", nginx.H1), window=1000, keep=False)
                   for _ in range(100)]
        for stream in streams:
            client.read_until(lambda: stream.taken or stream.is_over, "bytes")
        client.read_for(0.3)
        failed.append([stream.failure for stream in streams if stream.is_over])
    assert failed[0] == []
    assert failed[1] and all(
        each.code == 206 and "paused_memory" in each.message for each in failed[1])


# ---- To ask, and nothing else --------------------------------------------------------------------

def check(client, url, **keys):
    return client.call("check", {"url": url, **keys})


@needs_root
def test_check_names_the_policy_the_rule_and_each_address(start):
    with RawOrigin() as origin:
        daemon = start(jobs={"users": ALICE, "deny": "DELETE *://*", "networks_deny": "127.0.0.1 ::1"})
        assert check(client_of(daemon, BOB), origin.url()) == {
            "verdict": "allowed", "policy": "default", "rule": "",
            "addresses": [{"address": "127.0.0.1", "verdict": "allowed", "rule": ""}]}
        rule = "networks_deny = 127.0.0.1"
        found = check(client_of(daemon, ALICE), origin.url(host="localhost"))
        assert (found["verdict"], found["policy"]) == ("denied", "jobs")
        assert found["rule"].split(", address ")[0] in [row["rule"] for row in found["addresses"]]
        assert {"address": "127.0.0.1", "verdict": "denied", "rule": rule} in found["addresses"]
        assert check(client_of(daemon, ALICE), "http://nowhere.invalid/", method="DELETE") == {
            "verdict": "denied", "policy": "jobs", "rule": "deny = DELETE *://*", "addresses": []}
        assert origin.connections == []
        stats = daemon.stats()
        assert stats["requests_denied"] == 0 and not log_of_users(daemon, 0)
        assert daemon.connections() == []


@needs_root
def test_check_of_a_name_with_an_allowed_and_a_denied_address(start, network, host):
    names, allowed, denied = host
    daemon = no_network(network, names, start, trial={
        "users": ALICE, "mode": "report", "networks_deny": "10.77.0.0/24"})
    names.records["both.test"] = tuple(ORIGINS[:2])
    url = f"http://both.test:{allowed.port}/"
    found = check(client_of(daemon, BOB), url)
    assert (found["verdict"], found["policy"], found["rule"]) == ("allowed", "default", "")
    assert {row["address"]: row["verdict"] for row in found["addresses"]} == {
        ORIGINS[0]: "allowed", ORIGINS[1]: "denied"}
    found = check(client_of(daemon, ALICE), url)
    assert (found["verdict"], found["policy"]) == ("reported", "trial")
    assert {row["verdict"] for row in found["addresses"]} == {"reported"}
    assert allowed.connections == denied.connections == []


def test_check_reaches_no_origin_by_a_warm_connection_or_a_new_one(daemon):
    with RawOrigin() as origin:
        client = daemon.client()
        for _ in range(2):
            found = check(client, origin.url(), method="POST", body=b"x", headers=[["X-A", "b"]])
            assert found["verdict"] == "allowed" and found["addresses"][0]["address"] == "127.0.0.1"
            assert len(origin.requests) == len(origin.connections) == 0
        client.fetch(origin.url())
        received = origin.connections[0].received
        assert check(client, origin.url())["verdict"] == "allowed"
        assert client.fetch(origin.url())["connection"]["reused"]
        assert len(origin.connections) == 1 and origin.connections[0].received == received * 2


def test_check_asks_about_a_clients_proxy(start_daemon):
    daemon = start_daemon({'policy "default"': {"proxies": "http://*:*", "networks_deny": "127.0.0.2"}})
    client = daemon.client()
    with Proxy() as one, Proxy(address="127.0.0.2") as two:
        found = check(client, "http://a.invalid/", proxy=one.url())
        assert found["verdict"] == "allowed"
        assert [row["address"] for row in found["addresses"]] == ["127.0.0.1"]
        found = check(client, "https://a.invalid/", proxy=two.url())
        assert found["verdict"] == "denied" and found["addresses"][0]["address"] == "127.0.0.2"
        found = check(client, "https://a.invalid/", proxy=f"socks5h://127.0.0.1:{one.port}")
        assert found["rule"].startswith("proxies: no rule matches") and found["addresses"] == []
        assert one.connections == two.connections == []


def test_check_of_what_is_no_request_or_has_no_address_is_an_error(client):
    for keys, code in [({"url": "ftp://127.0.0.1/"}, 1), ({}, 1), ({"url": "http://x/", "method": "A B"}, 1),
                       ({"url": "http://x/", "headers": [["A", "b\r\nc"]]}, 1),
                       ({"url": "http://nowhere.invalid/"}, 102)]:
        assert client.refused_call("check", keys).code == code, keys
    assert client.call("ping") == "pong"


def test_check_in_text(start_daemon):
    daemon = start_daemon({'policy "default"': {"deny": "http://*/admin", "networks_deny": "127.0.0.2"}})
    asked = ("http://127.0.0.1:9/", "http://127.2:9/", "http://127.0.0.1:9/admin", "ftp://x/",
             "http://nowhere.invalid/")
    said = daemon.text(b"".join(f"check {url}\n".encode() for url in asked) + b"CHECK\nping\n")
    rule = "networks_deny = 127.0.0.2, address 127.0.0.2"
    lines = said.decode().splitlines()
    assert lines[:4] == ['policy "default": allowed', "127.0.0.1 allowed",
                         f'policy "default": denied: {rule}', f"127.0.0.2 denied: {rule}"] or \
        lines[:3] == ['policy "default": allowed', "127.0.0.1 allowed", f'policy "default": denied: {rule}']
    assert 'policy "default": denied: deny = http://*/admin' in lines
    assert [line for line in lines if line.startswith("error: ")][2:] and lines[-1] == "pong"
    assert any("nowhere.invalid" in line for line in lines if line.startswith("error: "))


# ---- What --check says of it ---------------------------------------------------------------------

@pytest.fixture
def check_config():
    """check_config(sections): what `fetchpoold --check` says of them."""
    directory = temporary_directory()
    path = directory / "fetchpool.conf"
    yield lambda sections: run("--check", "--config", write_config(path, sections))
    for each in path, directory:
        each.unlink() if each.is_file() else each.rmdir()


def sections_of(text):
    return {part.split("]", 1)[0]: part.split("]", 1)[1] for part in text.split("\n[")[1:]}


def test_check_prints_the_policies_in_their_order_with_what_they_inherit(check_config):
    done = check_config({"limits": {"queue": "77"}, "tls": {"allow_insecure": "yes"},
                         'policy "b"': {"users": "root", "queue": "5", "allow": ["GET http://x/", "https://y"],
                                        "networks_deny": "10.0.0.0/8"},
                         'policy "a"': {"groups": "root", "tls_insecure": "no", "isolate": "user"}})
    assert done.returncode == 0, done.stderr
    found = sections_of(done.stdout)
    assert [name for name in found if name.startswith("policy")] == [
        'policy "b"', 'policy "a"', 'policy "default"']
    for line in ("queue = 5", "allow = GET http://x/", "allow = https://y", "networks_deny = 10.0.0.0/8",
                 "users = 0 ; root", "tls_insecure = yes", "isolate = no", "proxies = none"):
        assert f"\n{line}\n" in found['policy "b"'], line
    for line in ("queue = 77", "groups = 0 ; root", "tls_insecure = no", "isolate = user", "allow = any"):
        assert f"\n{line}\n" in found['policy "a"'], line
    assert "\nqueue = 77\n" in found['policy "default"']
    for network in ("169.254.0.0/16", "224.0.0.0/4", "0.0.0.0/8", "255.255.255.255", "fe80::/10"):
        assert f"networks_deny = {network} (built in)" in done.stdout


WRONG_POLICIES = {
    "an unknown user": ({'policy "x"': {"users": "alicce"}}, 'users: there is no user "alicce"'),
    "an unknown group": ({'policy "x"': {"groups": "depploy"}}, "depploy"),
    "nobody": ({'policy "x"': {"deny": "any"}}, "expected users or groups"),
    "a default with users": ({'policy "default"': {"users": "root"}}, "neither users nor groups"),
    "no rule": ({'policy "default"': {"deny": "example.com"}}, "deny"),
    "no network": ({'policy "default"': {"networks_deny": "10.0.0.1/8"}}, "networks_deny"),
    "no mode": ({'policy "default"': {"mode": "off"}}, "mode"),
}


@pytest.mark.parametrize("sections, said", WRONG_POLICIES.values(), ids=WRONG_POLICIES.keys())
def test_a_policy_that_is_wrong_is_an_error_with_file_and_line(check_config, sections, said):
    done = check_config(sections)
    assert done.returncode != 0 and said in done.stderr
    assert re.search(r"fetchpool\.conf:\d+: ", done.stderr)


def test_the_same_policy_twice_is_an_error(start_daemon, tmp_path):
    path = tmp_path / "fetchpool.conf"
    path.write_text('[policy "x"]\nusers = root\n[tls]\n[policy "x"]\nusers = nobody\n')
    done = run("--check", "--config", path)
    assert done.returncode != 0 and f"{path}:4" in done.stderr or f"{path}:5" in done.stderr
