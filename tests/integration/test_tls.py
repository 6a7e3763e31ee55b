"""Trust, identity, and what goes wrong with them."""

import ssl

import pytest

from support.origin import RawOrigin


@pytest.mark.parametrize("server, reason", [("expired", "expired"), ("other", "localhost"),
                                            ("stranger", "self")])
def test_a_certificate_that_is_not_to_be_trusted_is_error_104_with_the_reason(client, nginx, server,
                                                                            reason):
    error = client.refused(nginx.url("/text", server))
    assert error.code == 104
    assert error.message.startswith("certificate of ") and reason in error.message
    assert f"localhost:{nginx.ports[server]}" in error.message


def test_without_ca_file_the_systems_trust_store_counts(start_daemon, nginx, tmp_path):
    system = start_daemon({"tls": {"ca_file": "/etc/ssl/certs/ca-certificates.crt"}})
    assert system.client().refused(nginx.url("/text")).code == 104


def test_a_missing_ca_file_is_refused_at_the_start_or_is_error_104(start_daemon, nginx):
    try:
        daemon = start_daemon({"tls": {"ca_file": "/nonexistent/ca.pem"}})
    except AssertionError as refused:
        assert "/nonexistent/ca.pem" in str(refused)
        return
    assert daemon.client().refused(nginx.url("/text")).code == 104


def test_a_ca_of_the_request_is_trusted_for_that_request_alone(client, nginx, authority):
    pem = authority.stranger.cert.read_bytes()
    answer = client.fetch(nginx.url("/text", nginx.STRANGER), tls={"ca": pem})
    assert answer["body"] == b"hello\n"
    assert client.refused(nginx.url("/text", nginx.STRANGER)).code == 104


def test_a_ca_of_the_request_replaces_the_daemons(client, nginx, authority):
    client.fetch(nginx.url("/text"))
    pem = authority.stranger.cert.read_bytes()
    assert client.refused(nginx.url("/text"), tls={"ca": pem}).code == 104


def test_a_ca_that_is_no_pem_is_an_error_about_it(client, nginx):
    error = client.refused(nginx.url("/text"), tls={"ca": b"not a certificate"})
    assert error.code in (1, 104)


def identity(leaf):
    return {"cert": leaf.cert.read_bytes(), "key": leaf.key.read_bytes()}


def test_a_client_certificate_reaches_the_origin(client, nginx, authority):
    answer = client.fetch(nginx.url("/identity", nginx.MUTUAL), tls=identity(authority.client("alice")))
    assert answer["body"] == b"CN=alice"


def test_identities_never_cross(client, nginx, authority):
    url = nginx.url("/identity", nginx.MUTUAL)
    alice, bob = identity(authority.client("alice")), identity(authority.client("bob"))
    for tls, name in [(alice, b"CN=alice"), ({}, b""), (bob, b"CN=bob"), ({}, b""),
                      (alice, b"CN=alice"), (bob, b"CN=bob")]:
        assert client.fetch(url, tls=tls)["body"] == name


def test_identities_never_cross_when_asked_at_the_same_time(daemon, nginx, authority):
    url = nginx.url("/identity", nginx.MUTUAL)
    people = [(identity(authority.client("alice")), b"CN=alice"),
              (identity(authority.client("bob")), b"CN=bob"), ({}, b"")]
    client = daemon.client()
    asked = [(client.send("fetch", {"url": url, "tls": tls}), name)
             for _ in range(10) for tls, name in people]
    for request, name in asked:
        assert client.receive(request)["body"] == name


def test_a_key_that_does_not_fit_its_certificate_is_an_error(client, nginx, authority):
    alice, bob = authority.client("alice"), authority.client("bob")
    error = client.refused(nginx.url("/identity", nginx.MUTUAL),
                           tls={"cert": alice.cert.read_bytes(), "key": bob.key.read_bytes()})
    assert error.code in (1, 104)


def test_a_certificate_without_key_is_an_error(client, nginx, authority):
    error = client.refused(nginx.url("/identity", nginx.MUTUAL),
                           tls={"cert": authority.client("alice").cert.read_bytes()})
    assert error.code in (1, 104)


def test_server_name_is_what_the_certificate_is_checked_against(client, nginx):
    url = nginx.url("/sni", nginx.OTHER, host="127.0.0.1")
    assert client.refused(url).code == 104
    answer = client.fetch(url, tls={"server_name": "other.test"})
    assert answer["body"] == b"other.test"
    assert client.refused(url, tls={"server_name": "third.test"}).code == 104


def test_server_names_share_no_connection(client, nginx):
    url = nginx.url("/text", nginx.OTHER, host="127.0.0.1")
    client.fetch(url, tls={"server_name": "other.test"})
    error = client.refused(url, tls={"server_name": "third.test"})
    assert error.code == 104


@pytest.mark.parametrize("name", ["", "a b", "x\r\ny", "\0", "other.test/x"])
def test_a_server_name_that_is_none_is_error_1(client, nginx, name):
    error = client.refused(nginx.url("/text", nginx.OTHER, host="127.0.0.1"), tls={"server_name": name})
    assert error.code == 1 and "server_name" in error.message


def test_verify_false_is_refused_where_policy_does_not_allow_it(client, nginx):
    error = client.refused(nginx.url("/text", nginx.EXPIRED), tls={"verify": False})
    assert error.code == 2 and "verif" in error.message


def test_verify_false_is_done_where_policy_allows_it_and_only_where_asked(start_daemon, nginx):
    client = start_daemon({"tls": {"allow_insecure": "yes"}}).client()
    for server in (nginx.EXPIRED, nginx.OTHER, nginx.STRANGER):
        assert client.fetch(nginx.url("/text", server), tls={"verify": False})["status"] == 200
        assert client.refused(nginx.url("/text", server)).code == 104
        assert client.fetch(nginx.url("/text", server), tls={"verify": False})["status"] == 200


def test_verify_true_is_the_default_and_allowed(client, nginx):
    assert client.fetch(nginx.url("/text"), tls={"verify": True})["status"] == 200


def test_an_origin_that_speaks_no_tls_is_error_104(client):
    with RawOrigin(lambda connection: (connection.read_more(), connection.write(b"220 smtp\r\n"))) \
            as origin:
        error = client.refused(f"https://127.0.0.1:{origin.port}/")
        assert error.code == 104 and f"127.0.0.1:{origin.port}" in error.message


def test_an_origin_that_leaves_during_the_handshake_is_error_104(client):
    with RawOrigin(lambda connection: connection.read_more()) as origin:
        error = client.refused(f"https://127.0.0.1:{origin.port}/")
        assert error.code in (103, 104)
        assert f"127.0.0.1:{origin.port}" in error.message


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
def test_an_old_tls_version_is_error_104(client, authority):
    with RawOrigin(leaf=authority.server) as origin:
        origin.context.set_ciphers("ALL:@SECLEVEL=0")
        origin.context.minimum_version = ssl.TLSVersion.TLSv1
        origin.context.maximum_version = ssl.TLSVersion.TLSv1_1
        assert client.refused(origin.url(host="localhost")).code == 104


def test_tls_keys_do_not_matter_to_plain_http(client, nginx, authority):
    answer = client.fetch(nginx.url("/text", nginx.PLAIN), tls={"ca": authority.pem.read_bytes()})
    assert answer["status"] == 200


def test_keys_are_never_in_the_log(daemon, client, nginx, authority):
    client.fetch(nginx.url("/identity", nginx.MUTUAL), tls=identity(authority.client("alice")))
    assert not daemon.lines_matching("PRIVATE KEY|BEGIN CERT")
