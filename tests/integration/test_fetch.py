"""Requests and answers: methods, header fields, bodies, redirects, content coding, status codes."""

import gzip
import threading

import pytest

from support.bodies import body, digest
from support.client import header
from support.h2origin import H2Origin
from support.origin import RawOrigin, echo, response, serve

METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PURGE", "M-SEARCH!#$%&'*+.^_`|~9"]


@pytest.fixture
def echo_origin():
    with RawOrigin(serve(echo)) as origin:
        yield origin


# ---- Methods -------------------------------------------------------------------------------------

@pytest.mark.parametrize("method", METHODS)
def test_every_method_reaches_the_origin_as_it_is(client, echo_origin, method):
    assert client.fetch(echo_origin.url("/x?y=1"), method=method)["status"] == 200
    assert echo_origin.requests[0].line == f"{method} /x?y=1 HTTP/1.1"


@pytest.mark.parametrize("method", METHODS)
def test_every_method_may_have_a_body(client, echo_origin, method):
    assert client.fetch(echo_origin.url(), method=method, body=b"abc")["body"] == b"abc"
    assert echo_origin.requests[0].values("content-length") == ["3"]


def test_a_method_in_small_letters_is_another_method_and_sent_as_it_is(client, echo_origin):
    client.fetch(echo_origin.url(), method="get")
    assert echo_origin.requests[0].method == "get"


@pytest.mark.parametrize("server", ["plain", "h1", "h2"])
def test_head_has_the_header_fields_and_no_body(client, nginx, server):
    answer = client.fetch(nginx.url("/files/small", server), method="HEAD")
    assert answer["status"] == 200 and answer["body"] == b""
    assert header(answer, "content-length") == ["1000"]
    again = client.fetch(nginx.url("/files/small", server))
    assert len(again["body"]) == 1000 and again["connection"]["reused"]


def test_methods_over_h2_reach_the_origin(client, nginx):
    for method in ("POST", "PUT", "PATCH", "DELETE", "OPTIONS"):
        assert client.fetch(nginx.url("/echo"), method=method)["body"].startswith(method.encode())


@pytest.mark.parametrize("method", ["", "GE T", "GET\r\n", "G\0T", "GÉT", "GET/", "(GET)"])
def test_a_method_that_is_no_token_is_error_1_naming_it(client, echo_origin, method):
    error = client.refused(echo_origin.url(), method=method)
    assert error.code == 1 and "method" in error.message
    assert echo_origin.connections == []


def test_connect_and_trace_are_not_for_a_shared_connection(client, echo_origin):
    error = client.refused(echo_origin.url(), method="CONNECT")
    assert error.code == 1 and "CONNECT" in error.message
    assert echo_origin.connections == []


# ---- Header fields of the request ----------------------------------------------------------------

def test_request_header_fields_keep_order_repeats_and_case(client, echo_origin):
    fields = [["X-Zebra", "1"], ["accept", "text/plain"], ["X-Again", "one"], ["x-apple", "2"],
              ["X-Again", "two"], ["X-AGAIN", "three"], ["User-Agent", "test/1"]]
    client.fetch(echo_origin.url(), headers=fields)
    sent = [list(field) for field in echo_origin.requests[0].headers if field[0].lower() != "host"]
    assert sent == fields


def test_request_header_fields_may_be_a_map(client, echo_origin):
    client.fetch(echo_origin.url(), headers={"X-One": "1", "X-Two": "2"})
    assert [field for field in echo_origin.requests[0].headers if field[0].startswith("X-")] == \
        [("X-One", "1"), ("X-Two", "2")]


def test_empty_values_and_values_with_odd_bytes_arrive(client, echo_origin):
    client.fetch(echo_origin.url(), headers=[["X-Empty", ""], ["X-Tab", "a\tb"], ["X-Semi", "a;b:c"],
                                             ["X-High", b"\xe9\xff"], ["X-Quote", '"a" \\ b']])
    request = echo_origin.requests[0]
    assert request.value("x-empty") == ""
    assert request.value("x-tab") == "a\tb"
    assert request.value("x-semi") == "a;b:c"
    assert request.value("x-high") == "\xe9\xff"
    assert request.value("x-quote") == '"a" \\ b'


def test_nothing_is_added_to_a_plain_get_but_host_and_what_says_who_asks(client, echo_origin):
    client.fetch(echo_origin.url("/x", host="localhost"))
    names = {name.lower() for name, _ in echo_origin.requests[0].headers}
    assert "host" in names and names <= {"host", "user-agent", "accept"}
    assert echo_origin.requests[0].values("host") == [f"localhost:{echo_origin.port}"]


def test_a_body_brings_content_length_and_no_content_type_and_no_expect(client, echo_origin):
    client.fetch(echo_origin.url(), method="POST", body=b"x" * (2 << 20))
    request = echo_origin.requests[0]
    assert request.values("content-length") == [str(2 << 20)]
    for name in ("content-type", "expect", "transfer-encoding"):
        assert request.values(name) == []


def test_a_host_field_that_agrees_with_the_url_is_accepted_and_sent_once(client, echo_origin):
    host = f"127.0.0.1:{echo_origin.port}"
    assert client.fetch(echo_origin.url(), headers=[["Host", host]])["status"] == 200
    assert echo_origin.requests[0].values("host") == [host]


def test_request_header_fields_over_h2_keep_order_and_repeats(client, authority):
    def script(session, stream, headers):
        session.answer(stream, 200)

    with H2Origin(authority.server, script) as origin:
        client.fetch(origin.url(host="localhost"), headers=[["x-b", "1"], ["x-a", "2"], ["x-b", "3"]])
        assert [field for field in origin.streams[0][1] if field[0].startswith("x-")] == \
            [("x-b", "1"), ("x-a", "2"), ("x-b", "3")]


def test_the_fragment_of_a_url_is_not_sent(client, echo_origin):
    client.fetch(echo_origin.url("/page?q=1#part"))
    assert echo_origin.requests[0].target == "/page?q=1"


@pytest.mark.parametrize("target", ["/a/../b/./c", "/%2e%2e/x", "//double", "/a%20b?c=%0a", "/~;@:!$&'()*+,="])
def test_the_path_and_query_reach_the_origin_as_they_are(client, echo_origin, target):
    client.fetch(echo_origin.url(target))
    assert echo_origin.requests[0].target == target


def test_a_url_without_path_asks_for_the_root(client, echo_origin):
    client.fetch(f"http://127.0.0.1:{echo_origin.port}")
    client.fetch(f"HTTP://127.0.0.1:{echo_origin.port}?x")
    assert [request.target for request in echo_origin.requests] == ["/", "/?x"]


# ---- Header fields of the answer -----------------------------------------------------------------

FIELDS = [("X-Zebra", "1"), ("Set-Cookie", "a=1; Path=/"), ("x-lower", "2"), ("Set-Cookie", "b=2"),
          ("X-Empty", ""), ("SET-COOKIE", "c=3")]


def test_response_header_fields_keep_order_repeats_and_case(client):
    with RawOrigin(serve(lambda request: response(headers=FIELDS))) as origin:
        answer = client.fetch(origin.url())
        assert [tuple(field) for field in answer["headers"]] == FIELDS + [("Content-Length", "0")]


def test_response_header_fields_over_h2_keep_order_and_repeats(client, authority):
    fields = [(name.lower(), value) for name, value in FIELDS]

    with H2Origin(authority.server, lambda session, stream, _: session.answer(
            stream, 200, b"x", fields)) as origin:
        answer = client.fetch(origin.url(host="localhost"))
        assert [tuple(field) for field in answer["headers"]] == fields


def test_repeated_set_cookie_of_a_real_origin_stays_repeated(client, nginx):
    for server in ("h1", "h2"):
        answer = client.fetch(nginx.url("/set-cookies", server))
        assert header(answer, "set-cookie") == ["a=1", "b=2"]


def test_cookies_of_one_answer_are_not_sent_with_the_next_request(client, nginx):
    client.fetch(nginx.url("/set-cookies", nginx.H1))
    assert client.fetch(nginx.url("/echo", nginx.H1))["body"] == b"GET||||"


def test_header_values_that_are_no_utf8_arrive_byte_for_byte_as_bin(client):
    with RawOrigin(serve(lambda _: b"HTTP/1.1 200 OK\r\nX-Raw: \xe9\xff\r\nContent-Length: 0\r\n\r\n")) \
            as origin:
        [value] = header(client.fetch(origin.url()), "x-raw")
        assert value == b"\xe9\xff"


def test_the_header_fields_are_those_of_the_last_answer_of_a_chain(client, nginx):
    answer = client.fetch(nginx.url("/chain/2", nginx.H1), redirects=5)
    assert header(answer, "location") == []
    assert len(header(answer, "content-length")) == 1


def test_interim_answers_are_not_shown(client):
    interim = b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\nHTTP/1.1 102 Processing\r\n\r\n"
    with RawOrigin(serve(lambda _: interim + response(body=b"at last"))) as origin:
        answer = client.fetch(origin.url())
        assert answer["status"] == 200 and answer["body"] == b"at last"
        assert [field[0] for field in answer["headers"]] == ["Content-Length"]


def test_trailers_are_not_mixed_into_the_header_fields_or_the_body(client):
    chunked = (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n"
               b"3\r\nabc\r\n4\r\ndefg\r\n0\r\nX-Sum: 7\r\n\r\n")
    with RawOrigin(serve(lambda _: chunked)) as origin:
        answer = client.fetch(origin.url())
        assert answer["body"] == b"abcdefg"
        assert header(answer, "x-sum") == []
        assert client.fetch(origin.url())["connection"]["reused"]


def test_a_body_that_ends_with_the_connection_is_whole(client):
    def script(connection):
        connection.read_request()
        connection.answer(body=b"until the end", length=False)

    with RawOrigin(script) as origin:
        assert client.fetch(origin.url())["body"] == b"until the end"


# ---- Status codes --------------------------------------------------------------------------------

@pytest.mark.parametrize("status", [200, 201, 400, 401, 403, 404, 410, 418, 429, 500, 502, 503])
def test_a_status_is_never_an_error(client, nginx, status):
    answer = client.fetch(nginx.url(f"/status/{status}"))
    assert answer["status"] == status
    assert answer["body"] == f"status {status}".encode()


@pytest.mark.parametrize("status", [204, 304])
def test_a_status_without_body_ends_at_its_header_and_keeps_the_connection(client, status):
    with RawOrigin(serve(lambda _: response(status, headers=[("ETag", '"x"')], length=False))) as origin:
        answer = client.fetch(origin.url())
        assert answer["status"] == status and answer["body"] == b""
        assert client.fetch(origin.url())["connection"]["reused"]


def test_204_of_a_real_origin_over_h2_has_no_body(client, nginx):
    answer = client.fetch(nginx.url("/status/204"))
    assert answer["status"] == 204 and answer["body"] == b""


@pytest.mark.parametrize("status", [206, 226, 299, 399, 451, 599, 799, 999])
def test_unusual_status_codes_come_as_they_are(client, status):
    with RawOrigin(serve(lambda _: response(status, b"x"))) as origin:
        assert client.fetch(origin.url())["status"] == status


def test_an_unasked_101_is_an_error_and_its_connection_is_not_used_again(client):
    def script(connection):
        connection.read_request()
        connection.write(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n"
                         b"Connection: Upgrade\r\n\r\nother protocol")
        connection.await_end()

    with RawOrigin(script) as origin:
        error = client.refused(origin.url(), timeout=500)
        assert 200 <= error.code <= 299
        client.refused(origin.url(), timeout=500)
        assert len(origin.connections) == 2


def test_a_401_with_any_challenge_is_handed_to_the_client(client):
    for scheme in ("Basic", "Digest", "NTLM", "Negotiate"):
        challenge = [("WWW-Authenticate", f'{scheme} realm="x", nonce="y"')]
        with RawOrigin(serve(lambda _: response(401, b"no", challenge))) as origin:
            answer = client.fetch(origin.url())
            assert answer["status"] == 401
            assert header(answer, "www-authenticate") == [challenge[0][1]]
            assert len(origin.requests) == 1


# ---- Bodies --------------------------------------------------------------------------------------

@pytest.mark.parametrize("server", ["plain", "h1", "h2"])
@pytest.mark.parametrize("name", ["empty", "one", "small", "page", "mebibyte", "sixteen"])
def test_a_body_of_any_size_arrives_byte_for_byte(client, nginx, server, name):
    answer = client.fetch(nginx.url(f"/files/{name}", server))
    assert digest(answer["body"]) == digest(nginx.file(name))


@pytest.mark.parametrize("server", ["plain", "h1", "h2"])
@pytest.mark.parametrize("length", [0, 1, 65535, 65536, 1 << 20, (16 << 20) - 2000])
def test_an_upload_of_any_size_arrives_byte_for_byte(client, nginx, server, length):
    data, target = body(length, f"up{length}"), f"/put/{server}-{length}"
    answer = client.fetch(nginx.url(target, server), method="PUT", body=data)
    assert answer["status"] in (201, 204)
    assert digest(client.fetch(nginx.url(target, server))["body"]) == digest(data)


@pytest.mark.parametrize("length", [0, 1, 1000, 1 << 20, 8 << 20])
def test_a_body_echoed_by_nghttpd_is_what_was_sent(client, nghttpd, length):
    data = body(length, f"echo{length}")
    answer = client.fetch(nghttpd.url("/"), method="POST", body=data)
    assert answer["http"] == "2" and digest(answer["body"]) == digest(data)


def test_an_empty_body_is_a_body_of_length_0(client, echo_origin):
    client.fetch(echo_origin.url(), method="POST", body=b"")
    assert echo_origin.requests[0].values("content-length") == ["0"]


def test_a_get_without_body_has_no_content_length(client, echo_origin):
    client.fetch(echo_origin.url())
    assert echo_origin.requests[0].values("content-length") == []


@pytest.mark.parametrize("server", ["plain", "h1", "h2"])
def test_one_byte_more_than_the_daemons_limit_is_error_204(client, nginx, server):
    error = client.refused(nginx.url("/files/sixteen-and-one", server))
    assert error.code == 204 and str(16 << 20) in error.message
    assert client.fetch(nginx.url("/text", server))["status"] == 200


@pytest.mark.parametrize("server", ["plain", "h1", "h2"])
def test_max_body_bounds_one_answer(client, nginx, server):
    url = nginx.url("/files/small", server)
    assert len(client.fetch(url, max_body=1000)["body"]) == 1000
    assert client.refused(url, max_body=999).code == 204
    assert client.refused(url, max_body=0).code == 204
    assert client.fetch(nginx.url("/files/empty", server), max_body=0)["body"] == b""


def test_max_body_bounds_a_body_of_unknown_length(client):
    def script(connection):
        connection.read_request()
        connection.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        while True:
            connection.write(b"400\r\n" + b"x" * 1024 + b"\r\n")

    with RawOrigin(script) as origin:
        assert client.refused(origin.url(), max_body=100_000).code == 204


def test_the_daemons_limit_of_bodies_can_be_configured_and_not_exceeded(start_daemon, nginx):
    client = start_daemon({"limits": {"max_body": "10000"}}).client()
    assert len(client.fetch(nginx.url("/files/small"))["body"]) == 1000
    assert client.refused(nginx.url("/files/page")).code == 204
    error = client.refused(nginx.url("/files/small"), max_body=20000)
    assert error.code == 1 and "max_body" in error.message


def test_bodies_of_many_clients_at_once_are_not_mixed(daemon, nginx):
    names = ["one", "small", "page", "mebibyte"]
    wrong = []

    def fetch_all(number):
        with daemon.client() as client:
            for turn in range(20):
                name = names[(number + turn) % len(names)]
                server = (nginx.H2, nginx.H1, nginx.PLAIN)[turn % 3]
                if client.fetch(nginx.url(f"/files/{name}", server))["body"] != nginx.file(name):
                    wrong.append((number, turn))

    threads = [threading.Thread(target=fetch_all, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


# ---- Redirects -----------------------------------------------------------------------------------

def test_no_redirect_is_followed_unless_asked(client, nginx):
    answer = client.fetch(nginx.url("/chain/2", nginx.H1))
    assert answer["status"] == 302 and answer["redirects"] == 0
    assert header(answer, "location") == ["/chain/1"]


@pytest.mark.parametrize("server", ["plain", "h1", "h2"])
def test_redirects_are_followed_as_many_as_allowed(client, nginx, server):
    answer = client.fetch(nginx.url("/chain/3", server), redirects=3)
    assert answer["status"] == 200 and answer["body"] == b"end of chain\n"
    assert answer["redirects"] == 3
    assert answer["url"] == nginx.url("/chain/0", server)


def test_one_redirect_more_than_allowed_is_error_207(client, nginx):
    error = client.refused(nginx.url("/chain/4", nginx.H1), redirects=3)
    assert error.code == 207 and "3" in error.message


def test_a_redirect_loop_ends_at_the_limit(client, nginx, tag):
    error = client.refused(nginx.url(f"/loop?{tag}"), redirects=10)
    assert error.code == 207


@pytest.mark.parametrize("status, method", [(301, "GET"), (302, "GET"), (303, "GET"),
                                            (307, "POST"), (308, "POST")])
def test_a_redirected_post_becomes_what_its_status_says(client, nginx, status, method):
    answer = client.fetch(nginx.url(f"/redirect/{status}", nginx.H1), method="POST", body=b"abc",
                          redirects=1)
    length = b"3" if method == "POST" else b""
    assert answer["body"] == method.encode() + b"||||" + length


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirected_head_stays_a_head(client, nginx, status):
    answer = client.fetch(nginx.url(f"/redirect/{status}", nginx.H1), method="HEAD", redirects=1)
    assert answer["status"] == 200 and answer["body"] == b""


@pytest.mark.parametrize("status, method", [(301, "PUT"), (302, "PUT"), (303, "GET"), (307, "PUT"),
                                            (308, "PUT")])
def test_a_redirected_put_becomes_a_get_only_on_303(client, status, method):
    def answer(request):
        if request.target == "/from":
            return response(status, headers=[("Location", "/to")])
        return response(body=f"{request.method} {request.body.decode()}".encode())

    with RawOrigin(serve(answer)) as origin:
        got = client.fetch(origin.url("/from"), method="PUT", body=b"abc", redirects=1)
        assert got["body"].split()[0] == method.encode()
        if method == "PUT":
            assert got["body"] == b"PUT abc"


SECRETS = [["Authorization", "Bearer secret"], ["Cookie", "session=secret"], ["X-Echo", "stays"]]


def test_credentials_stay_within_their_origin_on_a_redirect(client, nginx):
    answer = client.fetch(nginx.url("/redirect/302", nginx.H1), headers=SECRETS, redirects=1)
    assert answer["body"] == b"GET|stays|Bearer secret|session=secret|"


@pytest.mark.parametrize("where", ["port", "host", "scheme"])
def test_credentials_are_dropped_when_a_redirect_leaves_the_origin(client, nginx, where):
    target = {"port": nginx.url("/echo", nginx.H2),
              "host": nginx.url("/echo", nginx.H1, host="127.0.0.1"),
              "scheme": nginx.url("/echo", nginx.PLAIN)}[where]
    answer = client.fetch(nginx.url(f"/to?url={target}", nginx.H1), headers=SECRETS, redirects=1)
    assert answer["body"] == b"GET|stays|||"


@pytest.mark.parametrize("target", ["file:///etc/passwd", "ftp://127.0.0.1/", "gopher://127.0.0.1:70/_x",
                                    "FILE:///etc/passwd", "dict://127.0.0.1:2628/d:x"])
def test_a_redirect_to_another_scheme_is_refused(client, target):
    with RawOrigin(serve(lambda _: response(302, headers=[("Location", target)]))) as origin:
        error = client.refused(origin.url(), redirects=5)
        assert error.code in (1, 2)
        assert target.split(":")[0].lower() in error.message.lower()


def test_a_redirect_without_location_is_an_answer(client):
    with RawOrigin(serve(lambda _: response(302, b"nowhere"))) as origin:
        answer = client.fetch(origin.url(), redirects=5)
        assert answer["status"] == 302 and answer["body"] == b"nowhere"


def test_bodies_of_redirects_are_not_part_of_the_answer(client):
    def answer(request):
        if request.target == "/":
            return response(301, b"moved " * 100, [("Location", "/there")])
        return response(body=b"there")

    with RawOrigin(serve(answer)) as origin:
        assert client.fetch(origin.url(), redirects=1)["body"] == b"there"
        assert client.fetch(origin.url(), redirects=1, max_body=5)["body"] == b"there"


# ---- Content coding ------------------------------------------------------------------------------

def test_no_content_coding_is_asked_for_unless_wanted(client, echo_origin):
    client.fetch(echo_origin.url())
    assert echo_origin.requests[0].values("accept-encoding") == []


@pytest.mark.parametrize("server", ["h1", "h2"])
def test_a_compressed_body_is_undone_when_asked(client, nginx, server):
    url = nginx.url("/gzip/words", server)
    plain = client.fetch(url)
    packed = client.fetch(url, decompress=True)
    assert header(plain, "content-encoding") == []
    assert header(packed, "content-encoding") == ["gzip"]
    assert packed["body"] == plain["body"] and len(plain["body"]) > 100_000


def test_a_coding_that_the_client_asked_for_itself_is_not_undone(client, nginx):
    answer = client.fetch(nginx.url("/gzip/words", nginx.H1), headers=[["Accept-Encoding", "gzip"]])
    assert header(answer, "content-encoding") == ["gzip"]
    assert gzip.decompress(answer["body"]).startswith(b"the same words")


def test_a_coding_that_nobody_asked_for_is_handed_over_as_it_is(client):
    packed = gzip.compress(b"unasked")
    with RawOrigin(serve(lambda _: response(body=packed, headers=[("Content-Encoding", "gzip")]))) \
            as origin:
        assert client.fetch(origin.url())["body"] == packed


def test_max_body_counts_decoded_bytes(client, nginx):
    url = nginx.url("/gzip/words", nginx.H1)
    assert client.refused(url, decompress=True, max_body=100_000).code == 204


@pytest.mark.long
def test_a_decompression_bomb_is_stopped_at_the_bound(client, daemon):
    bomb = gzip.compress(b"\0" * (200 << 20))
    with RawOrigin(serve(lambda _: response(body=bomb, headers=[("Content-Encoding", "gzip")]))) \
            as origin:
        assert client.refused(origin.url(), decompress=True).code == 204


def test_a_broken_coding_is_error_205(client):
    with RawOrigin(serve(lambda _: response(body=b"this is no gzip", headers=[
            ("Content-Encoding", "gzip")]))) as origin:
        assert client.refused(origin.url(), decompress=True).code == 205
