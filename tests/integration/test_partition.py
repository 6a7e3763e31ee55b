"""
Connections that carry an identity, or are of one user alone: who may use them again (row O17), who
sees them, and what is left of a client's key once its request has ended.
"""

import base64
import collections
import itertools
import os
import re
import shutil
import subprocess
import sys

import pytest

from support.calm import calm
from support.client import request_bytes
from support.counting import Gate, gated
from support.daemon import temporary_directory
from support.memory import find_in_memory
from support.origin import Proxy, RawOrigin, response
from support.timing import SANITIZED, eventually, scaled
from support.users import NOBODY, as_user, client_of, needs_root
from support.witness import Witness

ALICE, BOB, CAROL = NOBODY, NOBODY - 1, NOBODY - 2


@pytest.fixture
def shared(start):
    return start()


def identity(leaf):
    return {"cert": leaf.cert.read_bytes(), "key": leaf.key.read_bytes()}


def connections_by(nginx, tag, count):
    """Of the requests with that tag: who (?who=…) came over which connection."""
    found = collections.defaultdict(set)
    for line in nginx.log_of(tag, count):
        found[re.search(r"who=(\w+)", line.target)[1]].add(line.connection)
    return found


# ---- O17: client certificates --------------------------------------------------------------------

SERVERS = pytest.mark.parametrize("server", ["mutual", "mutual-h2"])


@needs_root
@SERVERS
def test_o17_two_users_of_two_certificates_and_one_of_none_are_three_identities(
        shared, nginx, authority, tag, server):
    people = {"alice": (client_of(shared, ALICE), {"tls": identity(authority.client("alice"))}, b"CN=alice"),
              "bob": (client_of(shared, BOB), {"tls": identity(authority.client("bob"))}, b"CN=bob"),
              "carol": (client_of(shared, CAROL), {}, b"")}
    rounds, at_once = 20, 5
    with calm(shared, offenders=0), Witness(shared, nginx.url("/files/small"), nginx.file("small")):
        for _ in range(rounds):
            asked = [(client, client.send("fetch", {
                "url": nginx.url(f"/identity?{tag}&who={who}", server), **keys}), subject)
                for _ in range(at_once) for who, (client, keys, subject) in people.items()]
            for client, id, subject in asked:
                assert client.receive(id)["body"] == subject
        by_who = connections_by(nginx, tag, 3 * rounds * at_once)
        assert set(by_who) == set(people)
        for one, other in itertools.combinations(by_who.values(), 2):
            assert not one & other
        for connections in by_who.values():  # and each is reused
            assert len(connections) <= at_once


@needs_root
@SERVERS
def test_o17_a_second_request_goes_over_the_same_users_connection(shared, nginx, authority, server):
    url = nginx.url("/identity", server)
    people = [(client_of(shared, ALICE), {"tls": identity(authority.client("alice"))}, b"CN=alice"),
              (client_of(shared, BOB), {"tls": identity(authority.client("bob"))}, b"CN=bob"),
              (client_of(shared, CAROL), {}, b"")]
    first = [client.fetch(url, **keys)["connection"] for client, keys, _ in people]
    assert len({each["id"] for each in first}) == 3 and not any(each["reused"] for each in first)
    for _ in range(3):
        for (client, keys, subject), before in zip(people, first):
            answer = client.fetch(url, **keys)
            assert answer["connection"]["id"] == before["id"] and answer["connection"]["reused"]
            assert answer["body"] == subject
    another = client_of(shared, ALICE)  # of the same user
    assert another.fetch(url, **people[0][1])["connection"]["id"] == first[0]["id"]


@needs_root
@SERVERS
def test_o17_one_user_of_two_certificates_is_two_identities(shared, nginx, authority, server):
    client, url = client_of(shared, ALICE), nginx.url("/identity", server)
    names = ("alice", "bob")
    found = {name: [] for name in names}
    for _ in range(3):
        for name in names:
            answer = client.fetch(url, tls=identity(authority.client(name)))
            assert answer["body"] == f"CN={name}".encode()
            found[name].append(answer["connection"]["id"])
    assert [len(set(ids)) for ids in found.values()] == [1, 1]
    assert found["alice"][0] != found["bob"][0]


@needs_root
@SERVERS
def test_o17_another_user_with_the_same_certificate_has_a_connection_of_another(
        shared, nginx, authority, server):
    url, tls = nginx.url("/identity", server), identity(authority.client("alice"))
    ids = []
    for uid in (ALICE, BOB, ALICE, BOB, CAROL):
        answer = client_of(shared, uid).fetch(url, tls=tls)
        assert answer["body"] == b"CN=alice"
        ids.append(answer["connection"]["id"])
    assert ids[0] == ids[2] and ids[1] == ids[3] and len(set(ids)) == 3


@needs_root
def test_o17_who_has_the_certificate_but_another_key_gets_no_warm_connection(shared, nginx, authority):
    url = nginx.url("/identity", nginx.MUTUAL)
    client = client_of(shared, ALICE)
    alice, bob = identity(authority.client("alice")), identity(authority.client("bob"))
    client.fetch(url, tls=alice)
    error = client.refused(url, tls={"cert": alice["cert"], "key": bob["key"]})
    assert error.code in (1, 104)


@needs_root
def test_o17_no_tls_session_of_one_identity_is_resumed_by_another(shared, nginx, authority, tag):
    """nginx takes the certificate from the session, and closes each connection."""
    alice, bob = identity(authority.client("alice")), identity(authority.client("bob"))
    order = [(ALICE, alice, b"CN=alice"), (BOB, {}, b""), (CAROL, bob, b"CN=bob"), (ALICE, {}, b""),
             (BOB, alice, b"CN=alice"), (ALICE, bob, b"CN=bob"), (CAROL, alice, b"CN=alice"),
             (BOB, bob, b"CN=bob")]
    for number, (uid, tls, subject) in enumerate(order, 1):
        url = nginx.url(f"/identity?{tag}&{number}", nginx.MUTUAL_ONCE)
        assert client_of(shared, uid).fetch(url, tls=tls)["body"] == subject
    resumed = [number for number, line in enumerate(nginx.log_of(tag, len(order)), 1)
               if line.resumed == "r"]
    assert set(resumed) <= {4}  # without an identity, after another without one


# ---- Credentials for a proxy ---------------------------------------------------------------------

PROXIES = {"proxy": {"allow_client": "yes"}}


def with_password(proxy, words):
    return proxy.url("").replace("://", f"://{words}@")


def authorizations(proxy):
    """By connection: who it says it is."""
    return [{request.value("proxy-authorization") for request in connection.requests}
            for connection in proxy.connections if connection.requests]


@needs_root
@pytest.mark.parametrize("server", ["plain", "h1", "h2"])
def test_o17_proxy_credentials_never_cross(start, nginx, server):
    daemon = start(PROXIES)
    url = nginx.url("/text", server)
    with Proxy() as proxy:
        people = [(client_of(daemon, ALICE), with_password(proxy, "alice:a")),
                  (client_of(daemon, BOB), with_password(proxy, "bob:b")),
                  (client_of(daemon, CAROL), proxy.url(""))]
        for _ in range(5):
            asked = [(client, client.send("fetch", {"url": url, "proxy": each}))
                     for _ in range(3) for client, each in people]
            assert {client.receive(id)["status"] for client, id in asked} == {200}
        basic = [f"Basic {base64.b64encode(words).decode()}" for words in (b"alice:a", b"bob:b")]
        found = authorizations(proxy)
        assert all(len(each) == 1 for each in found)
        assert {value for each in found for value in each} == {*basic, None}
        assert len(found) <= 9  # each reuses its own


@needs_root
@pytest.mark.parametrize("server", ["plain", "h2"])
def test_o17_another_user_with_the_same_proxy_credentials_shares_no_connection(start, nginx, server):
    daemon = start(PROXIES)
    url = nginx.url("/text", server)
    with Proxy() as proxy:
        ids = [client_of(daemon, uid).fetch(url, proxy=with_password(proxy, words))["connection"]["id"]
               for uid, words in [(ALICE, "x:1"), (BOB, "x:1"), (ALICE, "x:2"), (ALICE, "x:1"), (BOB, "x:1")]]
        assert len(set(ids)) == 3 and ids[0] == ids[3] and ids[1] == ids[4]
        assert len(proxy.connections) == 3


@needs_root
def test_a_proxy_without_credentials_is_shared(start, nginx):
    daemon = start(PROXIES)
    with Proxy() as proxy:
        ids = {client_of(daemon, uid).fetch(nginx.url("/text"), proxy=proxy.url())["connection"]["id"]
               for uid in (ALICE, BOB)}
        assert len(ids) == 1


# ---- Schemes that make a connection a user's -----------------------------------------------------

BINDING = ["NTLM TlRMTVNTUAABAAAA", "Negotiate YIIB", "ntlm TlRM", "NEGOTIATE YIIB", "Negotiate", "nTlM\tx"]


def as_bound(connection):
    """An origin that binds the connection to whoever authenticated on it first, as IIS does."""
    user = None
    while True:
        request = connection.read_request()
        user = user or request.value("authorization")
        connection.write(response(body=repr(user).encode()))


@needs_root
@pytest.mark.parametrize("words", BINDING)
def test_o17_a_connection_that_ntlm_or_negotiate_has_bound_is_nobody_elses(shared, authority, words):
    with RawOrigin(as_bound, leaf=authority.server, alpn=["http/1.1"]) as origin, calm(shared, 0):
        alice, bob = client_of(shared, ALICE), client_of(shared, BOB)
        url = origin.url(host="localhost")
        warm = bob.fetch(url)["connection"]["id"]
        answer = alice.fetch(url, headers=[["Authorization", words]])
        assert answer["connection"]["id"] != warm and not answer["connection"]["reused"]
        assert bob.fetch(url)["body"] == b"None"
        assert alice.fetch(url)["body"] == b"None"
        again = alice.fetch(url, headers=[["Authorization", words]])
        assert again["connection"]["id"] not in (warm, answer["connection"]["id"])
        for number in (1, 2):
            assert origin.connections[number].closed.wait(scaled(5))
        assert [len(connection.requests) for connection in origin.connections] == [3, 1, 1]
        assert [row["origin"] for row in shared.connections() if row["origin"] == origin.url("", "localhost")
                ] == [origin.url("", "localhost")]


@needs_root
def test_o17_other_schemes_share(shared):
    with RawOrigin() as origin:
        for uid, words in [(ALICE, "Basic eDp5"), (BOB, "Bearer NTLM"), (CAROL, "Ntlmx y"),
                           (ALICE, "Digest Negotiate")]:
            client_of(shared, uid).fetch(origin.url(), headers=[["Authorization", words]])
        assert len(origin.connections) == 1


# ---- isolate = user ------------------------------------------------------------------------------

ISOLATED = {'policy "apart"': {"users": f"{ALICE} {BOB}", "isolate": "user"}}


@needs_root
@pytest.mark.parametrize("server", ["plain", "h1", "h2"])
def test_isolated_users_share_with_nobody_and_reuse_their_own(start, nginx, tag, server):
    daemon = start(ISOLATED)
    people = {"alice": client_of(daemon, ALICE), "bob": client_of(daemon, BOB),
              "carol": client_of(daemon, CAROL), "root": daemon.client()}
    with calm(daemon, offenders=0):
        for _ in range(5):
            asked = [(client, client.send("fetch", {"url": nginx.url(f"/text?{tag}&who={who}", server)}))
                     for _ in range(3) for who, client in people.items()]
            assert {client.receive(id)["status"] for client, id in asked} == {200}
        by_who = connections_by(nginx, tag, 60)
        alice, bob, carol, root = (by_who[who] for who in people)
        assert not alice & (bob | carol | root) and not bob & (alice | carol | root)
        assert len(alice) <= 3 and len(bob) <= 3 and len(carol | root) <= 6
        second = client_of(daemon, ALICE)
        second.fetch(nginx.url(f"/text?{tag}&who=alice", server))
        assert connections_by(nginx, tag, 61)["alice"] == alice


@needs_root
def test_those_of_one_policy_that_is_not_isolated_share(start):
    daemon = start({'policy "together"': {"users": f"{ALICE} {BOB}"}})
    with RawOrigin() as origin:
        for uid in (ALICE, BOB, CAROL):
            client_of(daemon, uid).fetch(origin.url())
        assert len(origin.connections) == 1


@needs_root
def test_isolated_users_resume_no_tls_session_of_others(start, nginx, tag):
    """A session tells the origin that two connections are of one client."""
    daemon = start(ISOLATED)
    url = nginx.url(f"/text?{tag}", nginx.ONCE)  # closes each connection: only sessions could be shared
    for uid in (CAROL, ALICE, BOB, ALICE):
        client_of(daemon, uid).fetch(url)
    by_alice, by_bob = [line.resumed for line in nginx.log_of(tag, 4)][1:3]
    assert (by_alice, by_bob) == (".", ".")
    client_of(daemon, CAROL).fetch(url)
    assert nginx.log_of(tag, 5)[-1].resumed == "r"  # it can be seen here


# ---- Who sees what -------------------------------------------------------------------------------

def rows(client, method):
    return client.call(method)


@needs_root
def test_clients_shows_a_user_their_own_and_root_all(shared):
    alice, also, bob = client_of(shared, ALICE), client_of(shared, ALICE), client_of(shared, BOB)
    for client, name in (alice, "one"), (also, "two"), (bob, "three"):
        client.call("hello", {"client": name})
    assert sorted(row["name"] for row in rows(alice, "clients")) == ["one", "two"]
    assert {row["uid"] for row in rows(alice, "clients")} == {ALICE}
    assert [row["name"] for row in rows(bob, "clients")] == ["three"]
    assert {"one", "two", "three"} <= {row["name"] for row in rows(shared.client(), "clients")}


@needs_root
def test_clients_in_text_shows_a_user_their_own(shared):
    alice = client_of(shared, ALICE)
    alice.call("hello", {"client": "alices-program"})
    with as_user(BOB):
        assert b"alices-program" not in shared.text(b"clients\n")
    with as_user(ALICE):
        assert b"alices-program" in shared.text(b"clients\n")
    assert b"alices-program" in shared.text(b"clients\n")


@needs_root
def test_stats_and_metrics_tell_no_user_of_another(shared):
    alice = client_of(shared, ALICE)
    alice.call("hello", {"client": "alices-program"})
    with as_user(BOB):
        for asked in (b"stats\n", b"GET /metrics HTTP/1.1\r\n\r\n"):
            said = shared.text(asked)
            assert b"alices-program" not in said and f"uid=\"{ALICE}".encode() not in said


def origins_seen(daemon, uid):
    return sorted(row["origin"] for row in rows(client_of(daemon, uid), "connections"))


@needs_root
def test_connections_of_an_identity_are_shown_to_their_user_and_root_alone(start, nginx, authority):
    daemon = start({**ISOLATED, **PROXIES})
    with RawOrigin() as plain, RawOrigin() as alone, Proxy() as proxy:
        client_of(daemon, CAROL).fetch(plain.url())
        client_of(daemon, ALICE).fetch(alone.url())
        client_of(daemon, CAROL).fetch(nginx.url("/identity", nginx.MUTUAL),
                                       tls=identity(authority.client("alice")))
        client_of(daemon, CAROL).fetch(nginx.url("/text", nginx.PLAIN),
                                       proxy=with_password(proxy, "alice:hush"))
        shown = {"plain": plain.url(""), "alone": alone.url(""), "cert": nginx.origin(nginx.MUTUAL),
                 "proxy": nginx.origin(nginx.PLAIN)}

        def expect(*names):
            return sorted(shown[name] for name in names)

        assert origins_seen(daemon, BOB) == expect("plain")
        assert origins_seen(daemon, ALICE) == expect("plain", "alone")
        assert origins_seen(daemon, CAROL) == expect("plain", "cert", "proxy")
        assert origins_seen(daemon, NOBODY - 3) == expect("plain")
        assert origins_seen(daemon, 0) == expect("plain", "alone", "cert", "proxy")
        assert not daemon.lines_matching("hush")
        assert all("hush" not in repr(rows(daemon.client(), method))
                   for method in ("connections", "clients", "origins"))


@needs_root
@pytest.mark.parametrize("words", ["NTLM TlRM", "Basic eDp5"])
def test_a_connection_that_is_bound_is_not_listed_for_others(shared, words):
    gate = Gate()
    with RawOrigin(gated(gate)) as origin:
        alice = client_of(shared, ALICE)
        id = alice.send("fetch", {"url": origin.url(), "headers": [["Authorization", words]]})
        origin.await_requests(1)
        expected = [origin.url("")] if words.startswith("Basic") else []
        assert origins_seen(shared, BOB) == expected
        assert origins_seen(shared, ALICE) == origins_seen(shared, 0) == [origin.url("")]
        gate.open_for_all()
        alice.receive(id)


# ---- What stays in memory ------------------------------------------------------------------------

def lines_of(leaf):
    """What a key is in PEM."""
    return [line for line in leaf.key.read_bytes().splitlines() if line and b"-----" not in line]


def number_of(leaf):
    """The key itself, as the lines say it, and as a processor like ours holds it."""
    text = subprocess.run(["openssl", "ec", "-in", leaf.key, "-text", "-noout"], capture_output=True,
                          text=True, check=True).stdout
    digits = re.search(r"priv:((?:[0-9a-f]{2}|[:\s])+)", text)[1]
    number = bytes.fromhex(re.sub(r"[^0-9a-f]", "", digits))[-32:]
    return [number, number[::-1]]


@pytest.fixture
def trusted(request, nginx, authority):
    """A client's certificate of one's own, that MUTUAL trusts."""
    numbers = itertools.count()
    return lambda: authority.client(f"memory-{abs(hash(request.node.nodeid)):x}-{next(numbers)}")


memory_can_be_read = pytest.mark.skipif(
    SANITIZED, reason="the sanitizers' allocator keeps what was freed, and more maps than can be read")


@needs_root
@memory_can_be_read
def test_the_search_of_memory_finds_what_is_there(shared):
    with RawOrigin(lambda connection: (connection.read_request(), connection.await_release())) as origin:
        client = shared.client()
        mark = b"findable-" + os.urandom(12).hex().encode()
        client.send("fetch", {"url": origin.url(), "headers": [["X-Mark", mark.decode()]]})
        origin.await_requests(1)
        assert find_in_memory(shared.pid, [mark])


def key_texts_left(daemon, leaf):
    return [found[1:] for found in find_in_memory(daemon.pid, lines_of(leaf))]


WAYS_TO_END = {
    "answered": lambda client, url, tls: client.fetch(url, tls=tls),
    "streamed": lambda client, url, tls: client.stream(url, tls=tls).body(),
    "refused": lambda client, url, tls: client.refused("ftp://x/", tls=tls),
    "denied": lambda client, url, tls: client.refused("http://169.254.1.1/", tls=tls),
    "malformed": lambda client, url, tls: client.refused(url, tls=tls, timeout="soon"),
    "malformed tls": lambda client, url, tls: client.refused(url, tls={**tls, "ca": 7}),
    "wrong key": lambda client, url, tls: client.refused(url, tls={**tls, "cert": b"not a certificate"}),
    "not connected": lambda client, url, tls: client.refused("https://127.0.0.1:1/", tls=tls),
    "asked about": lambda client, url, tls: client.call("check", {"url": url, "tls": tls}),
    "redirected": lambda client, url, tls: client.fetch(
        url.replace("/identity", "/redirect/302"), tls=tls, redirects=3),
}


@needs_root
@memory_can_be_read
@pytest.mark.parametrize("way", WAYS_TO_END.values(), ids=WAYS_TO_END.keys())
@SERVERS
def test_a_clients_key_is_in_no_memory_once_its_request_has_ended(shared, nginx, trusted, server, way):
    leaf = trusted()
    client = client_of(shared, ALICE)
    way(client, nginx.url("/identity", server), identity(leaf))
    assert client.call("ping") == "pong"
    assert key_texts_left(shared, leaf) == []


@needs_root
@memory_can_be_read
def test_a_key_that_came_in_pieces_is_in_no_memory_either(shared, nginx, trusted):
    """Each byte of the message on its own, so that the buffer grows meanwhile."""
    leaf = trusted()
    client = client_of(shared, ALICE)
    message = request_bytes(7, "fetch", {"url": nginx.url("/identity", nginx.MUTUAL),
                                         "tls": identity(leaf), "body": b"x" * 100_000})
    for at in range(0, len(message), 97):
        client.write(message[at:at + 97])
    client.receive(7)
    assert key_texts_left(shared, leaf) == []


@needs_root
@memory_can_be_read
def test_a_key_that_came_long_before_the_rest_is_in_no_memory_either(shared, nginx, trusted):
    """Where it was read first it is not needed any more."""
    leaf = trusted()
    client = client_of(shared, ALICE)
    message = request_bytes(7, "fetch", {"url": nginx.url("/identity", nginx.MUTUAL),
                                         "tls": identity(leaf), "body": b"x" * 1000})
    client.write(message[:-500])
    eventually(lambda: key_texts_left(shared, leaf), 5, "it has come")
    client.write(message[-500:])
    client.receive(7)
    assert key_texts_left(shared, leaf) == []


@needs_root
@memory_can_be_read
def test_a_key_of_a_message_that_never_became_whole_is_in_no_memory_either(shared, nginx, trusted):
    leaf = trusted()
    client = client_of(shared, ALICE)
    message = request_bytes(7, "fetch", {"url": nginx.url("/identity", nginx.MUTUAL),
                                         "tls": identity(leaf), "body": b"x" * 1000})
    client.write(message[:-500])
    eventually(lambda: key_texts_left(shared, leaf), 5, "it has come")
    client.close()
    eventually(lambda: shared.stats()["clients"] == 1, 5, "the client has gone")
    assert key_texts_left(shared, leaf) == []


@needs_root
@memory_can_be_read
def test_a_key_is_in_no_memory_once_its_client_has_gone(shared, nginx, trusted):
    """In the middle of its request."""
    gate = Gate()
    leaf = trusted()
    with RawOrigin(gated(gate)) as origin:
        client = client_of(shared, ALICE)
        client.send("fetch", {"url": origin.url(), "tls": identity(leaf)})
        origin.await_requests(1)
        assert key_texts_left(shared, leaf)  # needed until then; and it can be found
        client.close()
        eventually(lambda: shared.stats()["in_flight"] == 0, 5, "the request has ended")
        gate.open_for_all()
    assert key_texts_left(shared, leaf) == []


# ---- Who may read the daemon's memory ------------------------------------------------------------

PEEK = """
import os, sys
os.setgroups([]); os.setresgid(*[int(sys.argv[2])] * 3); os.setresuid(*[int(sys.argv[2])] * 3)
try:
    with open(f"/proc/{sys.argv[1]}/mem", "rb", 0) as memory, open(f"/proc/{sys.argv[1]}/maps") as maps:
        memory.seek(int(maps.readline().split("-")[0], 16))
        print("read", len(memory.read(4)))
except PermissionError:
    print("not permitted")
"""


def peek(pid, uid):
    """What a process of that user can read of its memory."""
    return subprocess.run([sys.executable, "-c", PEEK, str(pid), str(uid)], capture_output=True,
                          text=True, timeout=scaled(20)).stdout.strip()


@needs_root
@pytest.mark.parametrize("setting, seen", [({}, "not permitted"), ({"core_dumps": "no"}, "not permitted"),
                                           ({"core_dumps": "yes"}, "read 4")],
                         ids=["by default", "no", "yes"])
def test_no_process_of_the_daemons_own_user_may_read_its_memory(start_daemon, authority, setting, seen):
    directory = temporary_directory()
    pem = directory / "ca.pem"
    pem.write_bytes(authority.pem.read_bytes())
    for path in directory, pem:
        os.chown(path, NOBODY, NOBODY)
    try:
        daemon = start_daemon(
            {"tls": {"ca_file": pem}, "daemon": setting}, directory=directory,
            wrapper=["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"])
        eventually(lambda: daemon.status("Uid") == NOBODY, 5, "the daemon is nobody's")
        assert peek(daemon.pid, NOBODY) == seen
        limited = subprocess.run(["stat", "-c", "%u", f"/proc/{daemon.pid}/mem"], capture_output=True,
                                 text=True).stdout.strip()
        assert limited == ("0" if seen == "not permitted" else str(NOBODY))
        daemon.stop()
    finally:
        shutil.rmtree(directory)
