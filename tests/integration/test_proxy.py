"""Proxies: the daemon's own, and a client's where policy allows."""

import pytest

from support.origin import Proxy
from support.ports import free_port


@pytest.fixture
def proxy():
    with Proxy() as proxy:
        yield proxy


@pytest.fixture
def open_client(start_daemon):
    """A client of a daemon that lets clients name proxies."""
    return start_daemon({"proxy": {"allow_client": "yes"}}).client()


def test_a_clients_proxy_is_refused_where_policy_does_not_allow_it(client, nginx, proxy):
    error = client.refused(nginx.url("/text"), proxy=proxy.url())
    assert error.code == 2 and "proxy" in error.message
    assert proxy.connections == []


def test_a_plain_request_goes_through_a_clients_proxy(open_client, nginx, proxy):
    url = nginx.url("/text", nginx.PLAIN)
    answer = open_client.fetch(url, proxy=proxy.url())
    assert answer["body"] == f"through the proxy: {url}".encode()


def test_a_tls_request_goes_through_a_tunnel(open_client, nginx, proxy):
    answer = open_client.fetch(nginx.url("/text"), proxy=proxy.url())
    assert answer["body"] == b"hello\n" and answer["http"] == "2"
    assert proxy.requests[0].line == f"CONNECT localhost:{nginx.ports[nginx.H2]} HTTP/1.1"
    again = open_client.fetch(nginx.url("/text"), proxy=proxy.url())
    assert again["connection"]["reused"] and len(proxy.connections) == 1


def test_header_fields_for_the_origin_are_not_shown_to_the_proxy(open_client, nginx, proxy):
    answer = open_client.fetch(nginx.url("/echo"), proxy=proxy.url(),
                               headers=[["Authorization", "secret"], ["Cookie", "secret"]])
    assert answer["body"] == b"GET||secret|secret|"
    assert b"secret" not in proxy.requests[0].head


def test_a_connection_through_a_proxy_and_a_direct_one_are_not_shared(open_client, nginx, proxy):
    through = open_client.fetch(nginx.url("/text"), proxy=proxy.url())["connection"]["id"]
    direct = open_client.fetch(nginx.url("/text"))["connection"]["id"]
    assert through != direct
    assert open_client.fetch(nginx.url("/text"), proxy=proxy.url())["connection"]["id"] == through


def test_the_daemons_proxy_is_used_where_the_client_names_none(start_daemon, nginx, proxy):
    client = start_daemon({"proxy": {"url": proxy.url()}}).client()
    url = nginx.url("/text", nginx.PLAIN)
    assert client.fetch(url)["body"] == f"through the proxy: {url}".encode()
    assert client.fetch(nginx.url("/text"))["body"] == b"hello\n"


def test_proxy_variables_of_the_environment_are_not_looked_at(start_daemon, nginx, proxy):
    names = ("http_proxy", "https_proxy", "all_proxy", "HTTPS_PROXY", "ALL_PROXY")
    daemon = start_daemon(more_environment={name: proxy.url() for name in names})
    client = daemon.client()
    assert client.fetch(nginx.url("/text"))["body"] == b"hello\n"
    assert client.fetch(nginx.url("/text", nginx.PLAIN))["body"] == b"hello\n"
    assert proxy.connections == []


def test_a_proxy_that_refuses_the_tunnel_is_error_107(open_client, nginx):
    with Proxy(refuse=403) as proxy:
        error = open_client.refused(nginx.url("/text"), proxy=proxy.url())
        assert error.code == 107 and "403" in error.message
        assert f"127.0.0.1:{proxy.port}" in error.message


def test_a_proxy_that_is_not_there_is_error_107(open_client, nginx):
    port = free_port()
    for url in (nginx.url("/text"), nginx.url("/text", nginx.PLAIN)):
        error = open_client.refused(url, proxy=f"http://127.0.0.1:{port}")
        assert error.code == 107
        assert f"127.0.0.1:{port}" in error.message and "refused" in error.message


def test_a_proxy_whose_name_cannot_be_found_is_error_107(open_client, nginx):
    error = open_client.refused(nginx.url("/text"), proxy="http://proxy.invalid:3128")
    assert error.code == 107 and "proxy.invalid" in error.message


@pytest.mark.parametrize("proxy", ["", "nothing", "ftp://127.0.0.1:21", "file:///etc/passwd",
                                   "http://", "http://a b:1", "http://x:99999", "http://x\r\ny",
                                   "socks4://127.0.0.1:1"])
def test_a_proxy_that_is_none_is_error_1(open_client, proxy):
    error = open_client.refused("http://127.0.0.1:9/", proxy=proxy)
    assert error.code == 1 and "proxy" in error.message


def test_the_password_of_a_proxy_is_not_in_messages_or_the_log(start_daemon):
    daemon = start_daemon({"proxy": {"allow_client": "yes"}})
    error = daemon.client().refused("http://127.0.0.1:9/", proxy=f"http://me:hush@127.0.0.1:{free_port()}")
    assert "hush" not in error.message
    assert not daemon.lines_matching("hush")
