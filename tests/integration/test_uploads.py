"""Uploads: what a client sends piece by piece arrives whole, once, no faster than granted."""

import hashlib
import threading

import pytest

from support.bodies import body
from support.calm import calm
from support.client import Refused, pack
from support.timing import SANITIZED, Stopwatch, eventually, scaled
from support.upload_client import (MAX_DATA, WINDOW, UploadClient, data_bytes, end_bytes,
                                   is_cut_off)
from support.upload_origin import (H2UploadOrigin, Store, UploadOrigin, echo,
                                   open_upload_origin, said_of, stop_reading, take_all)

MIB = 1 << 20


@pytest.fixture
def client(daemon):
    return UploadClient(daemon)


# ---- What arrives --------------------------------------------------------------------------------

LENGTHS = {"nothing": 0, "a byte": 1, "one byte less than a message": MAX_DATA - 1,
           "a message": MAX_DATA, "exactly a window": WINDOW, "a window and a byte": WINDOW + 1,
           "a mebibyte and some": MIB + 4321}


@pytest.mark.parametrize("length", LENGTHS.values(), ids=LENGTHS.keys())
def test_an_upload_of_known_length_arrives_whole(client, open_origin, http, length):
    origin, data = open_origin(), body(length)
    answer = client.send_all(origin.url("/there"), data, upload_size=length)
    assert (answer["status"], answer["http"], answer["body"]) == (200, http, said_of(data))
    [arrival] = origin.arrivals
    assert (arrival.method, arrival.target) == ("POST", "/there")
    assert arrival.value("content-length") == str(length)
    assert arrival.value("transfer-encoding") is None


@pytest.mark.parametrize("length", LENGTHS.values(), ids=LENGTHS.keys())
def test_an_upload_of_unknown_length_arrives_whole(client, open_origin, http, length):
    origin, data = open_origin(), body(length)
    answer = client.send_all(origin.url("/there"), data)
    assert (answer["status"], answer["http"], answer["body"]) == (200, http, said_of(data))
    [arrival] = origin.arrivals
    assert arrival.value("content-length") is None
    assert arrival.value("transfer-encoding") == ("chunked" if http == "1.1" else None)


@pytest.mark.parametrize("keys", [{}, {"upload_size": 3000}], ids=["unknown", "known"])
def test_an_upload_in_messages_of_one_byte_arrives_whole(client, open_origin, keys):
    origin, data = open_origin(), body(3000)
    assert client.send_all(origin.url(), data, piece=1, **keys)["body"] == said_of(data)


def test_messages_without_a_byte_are_no_end(client, open_origin):
    origin = open_origin()
    upload = client.upload(origin.url())
    for piece in (b"", b"one", b"", b"", b"two", b""):
        upload.data(piece)
    origin.await_arrivals(1)[0].await_bytes(6)
    assert not upload.is_over
    upload.end()
    assert upload.answer()["body"] == said_of(b"onetwo")


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "GET", "OPTIONS", "REPORT"])
@pytest.mark.parametrize("keys", [{}, {"upload_size": 5}], ids=["unknown", "known"])
def test_any_method_but_head_may_upload(client, open_origin, method, keys):
    origin = open_origin()
    answer = client.send_all(origin.url(), b"12345", method=method, **keys)
    assert answer["body"] == said_of(b"12345")
    assert origin.arrivals[0].method == method


def test_the_fields_of_an_upload_arrive_and_none_of_ours_with_them(client, open_origin):
    origin = open_origin()
    fields = [["Content-Type", "text/x-test"], ["X-Twice", "1"], ["X-Twice", "2"]]
    client.send_all(origin.url(), b"12345", headers=fields, upload_size=5)
    came = [(name.lower(), value) for name, value in origin.arrivals[0].headers]
    assert [field for field in came if field[0].startswith(("x-", "content-type"))] == \
        [("content-type", "text/x-test"), ("x-twice", "1"), ("x-twice", "2")]
    assert {name for name, _ in came} <= {"content-type", "x-twice", "content-length", "host",
                                          "user-agent", "accept", "accept-encoding"}


def test_an_upload_of_unknown_length_has_no_type_that_nobody_gave(client, open_origin):
    origin = open_origin()
    client.send_all(origin.url(), b"12345")
    assert origin.arrivals[0].value("content-type") is None


def test_the_end_may_come_before_the_first_grant(client, open_origin):
    origin = open_origin()
    upload = client.upload(origin.url())
    upload.end()
    assert upload.answer()["body"] == said_of(b"")


def test_real_servers_take_uploads(client, nginx, nghttpd, tag):
    data = body(3 * MIB + 7)
    for server in (nginx.H1, nginx.H2, nginx.PLAIN):
        for keys in ({}, {"upload_size": len(data)}):
            name = f"upload-{server}-{len(keys)}-{tag[4:]}"
            answer = client.send_all(nginx.url(f"/put/{name}", server), data, method="PUT", **keys)
            assert answer["status"] == 201
            assert (nginx.directory / "put" / name).read_bytes() == data
    answer = client.send_all(nghttpd.url("/echo"), data, stream=True)
    assert answer["status"] == 200 and answer["body"] == data


def test_body_bytes_of_uploads_are_counted(daemon, client, open_origin):
    client.send_all(open_origin().url(), body(100_000))
    assert daemon.stats()["bytes_to_origins"] == 100_000


def test_a_whole_request_and_an_upload_share_a_connection(client, open_origin):
    origin = open_origin()
    first = client.send_all(origin.url(), b"one", upload_size=3)
    second = client.fetch(origin.url(), method="POST", body=b"two")
    third = client.send_all(origin.url(), b"three")
    assert [first["body"], second["body"], third["body"]] == \
        [said_of(b"one"), said_of(b"two"), said_of(b"three")]
    assert len({answer["connection"]["id"] for answer in (first, second, third)}) == 1
    assert len(origin.connections) == 1


# ---- What is refused -----------------------------------------------------------------------------

REFUSED = {
    "HEAD": ({"method": "HEAD"}, "HEAD"),
    "a body beside it": ({"body": b"x"}, "body"),
    "an empty body beside it": ({"body": b""}, "body"),
    "a length that is no number": ({"upload_size": "5"}, "upload_size"),
    "a length below zero": ({"upload_size": -1}, "upload_size"),
    "a length beyond every file": ({"upload_size": (1 << 64) - 2}, "upload_size"),
    "a claim that is no boolean": ({"upload": 1}, "upload"),
    "an Expect of its own": ({"headers": [["Expect", "100-continue"]]}, "expect"),
    "a Content-Length of its own": ({"headers": [["Content-Length", "5"]]}, "content-length"),
    "a Transfer-Encoding of its own": ({"headers": [["Transfer-Encoding", "chunked"]]},
                                       "transfer-encoding"),
}


@pytest.mark.parametrize("keys, named", REFUSED.values(), ids=REFUSED.keys())
def test_an_upload_that_cannot_be_is_error_1_naming_why(client, keys, named):
    with UploadOrigin() as origin:
        error = client.upload(origin.url(), **keys).refusal()
        assert error.code == 1 and named.lower() in error.message.lower()
        assert origin.connections == []
        assert client.call("ping") == "pong"


def test_a_length_of_no_upload_is_error_1(client):
    with UploadOrigin() as origin, pytest.raises(Refused) as refused:
        client.fetch(origin.url(), upload_size=5)
    assert refused.value.code == 1 and "upload_size" in refused.value.message


def test_what_a_refused_upload_sends_all_the_same_is_passed_over(client, open_origin):
    origin = open_origin()
    upload = client.upload("nonsense")
    upload.data(b"x" * 1000)
    upload.end()
    assert upload.refusal().code == 1
    assert client.send_all(origin.url(), b"next")["body"] == said_of(b"next")


# ---- Both ways at once ---------------------------------------------------------------------------

def test_an_answer_comes_while_the_upload_goes(client, open_origin):
    origin = open_origin(echo)
    upload = client.upload(origin.url(), stream=True)
    for number in range(1, 6):
        upload.write(b"%07d\n" % number)
        assert upload.await_body(8 * number)[-8:] == b"%07d\n" % number
    assert upload.result["status"] == 200 and not upload.is_over
    upload.end()
    assert len(upload.answer()["body"]) == 40
    assert upload.end_of_stream["bytes"] == 40


def test_an_echo_larger_than_every_buffer_comes_back_byte_for_byte(client, open_origin):
    data = body(6 * MIB)
    answer = client.send_all(open_origin(echo).url(), data, stream=True)
    assert hashlib.sha256(answer["body"]).digest() == hashlib.sha256(data).digest()


def test_an_upload_without_stream_is_answered_whole(client, open_origin):
    data = body(MIB)
    assert client.send_all(open_origin(echo).url(), data, upload_size=MIB)["body"] == data


def test_an_upload_goes_on_while_nobody_reads_its_answer(client, open_origin):
    def script(arrival):
        arrival.start(200)
        arrival.send(b"x" * 1000)  # more than the client grants, less than it could hold up
        arrival.read_all()
        arrival.send(arrival.digest.encode())
        arrival.finish()

    data = body(2 * MIB)
    origin = open_origin(script)
    upload = client.upload(origin.url(), stream=True, window=10, grants=False)
    upload.write(data)
    upload.end()
    eventually(lambda: origin.arrivals[0].is_complete, 5, "the whole upload")
    upload.await_body(10)
    assert b"".join(upload.parts) == b"x" * 10
    client.put(pack([2, "window", [upload.id, 1 << 20]]))
    assert upload.answer()["body"] == b"x" * 1000 + hashlib.sha256(data).hexdigest().encode()


@pytest.mark.parametrize("count, length", [(40, 30_000), (5, 700_000)])
def test_uploads_interleaved_on_one_connection_do_not_mix(client, open_origin, count, length):
    origin = open_origin()
    bodies = [body(length, f"body {number}") for number in range(count)]
    uploads = [client.upload(origin.url(f"/{number}"), upload_size=length)
               for number in range(count)]
    step = length // 10
    for start in range(0, length, step):
        for upload, data in zip(uploads, bodies):
            upload.write(data[start:start + step])
    for upload in reversed(uploads):
        upload.end()
    for upload, data in zip(uploads, bodies):
        assert upload.answer()["body"] == said_of(data)


def test_downloads_and_uploads_of_one_client_do_not_mix(client, open_origin):
    origin = open_origin(echo)
    bodies = [body(400_000, f"body {number}") for number in range(8)]
    uploads = [client.upload(origin.url(), stream=number % 2 == 0) for number in range(8)]
    for start in range(0, 400_000, 50_000):
        for upload, data in zip(uploads, bodies):
            upload.write(data[start:start + 50_000])
    for upload in uploads:
        upload.end()
    for upload, data in zip(uploads, bodies):
        assert upload.answer()["body"] == data


# ---- Grants --------------------------------------------------------------------------------------

def test_the_first_window_is_granted_at_once_even_before_there_is_a_connection(client,
                                                                              stalled_handshake):
    upload = client.upload(stalled_handshake.url())
    with Stopwatch() as watch:
        upload.await_grant(WINDOW)
    assert watch.seconds < scaled(0.5)
    upload.write(b"x" * WINDOW)
    client.idle(0.2)
    assert upload.granted == WINDOW  # nobody has taken any of it


def test_the_window_of_uploads_is_the_configured_one(start_daemon, stalled_handshake):
    daemon = start_daemon({"limits": {"upload_window": "8KiB"}})
    client = UploadClient(daemon)
    assert client.call("hello")["limits"]["upload_window"] == 8192
    upload = client.upload(stalled_handshake.url())
    upload.await_credit()
    client.idle(0.1)
    assert upload.granted == 8192


@pytest.mark.parametrize("window", ["4KiB", "64KiB", "1MiB"])
def test_uploads_are_whole_with_any_window(start_daemon, open_origin, window):
    client = UploadClient(start_daemon({"limits": {"upload_window": window}}))
    data = body(MIB + 1)
    assert client.send_all(open_origin().url(), data)["body"] == said_of(data)


# What an origin that does not read leaves to the daemon: its h2 window, or what the kernel's two
# buffers for the connection hold; and what libcurl has in hand.
UNREAD = {"1.1": 8 * MIB, "2": 65535 + 2 * WINDOW}


def test_an_origin_that_stops_stops_the_grants(client, open_origin, http):
    origin = open_origin(stop_reading)
    upload = client.upload(origin.url())
    assert WINDOW <= upload.write_until_stalled() <= WINDOW + UNREAD[http]
    assert client.call("ping") == "pong"
    origin.release()
    upload.write(b"x" * MIB)
    upload.end()
    eventually(lambda: origin.arrivals[0].is_complete, 5, "the rest")
    assert origin.arrivals[0].total == upload.sent


def test_an_upload_that_stops_stops_only_itself(client, open_origin):
    def script(arrival):
        (stop_reading if arrival.target == "/stop" else take_all)(arrival)

    origin = open_origin(script)
    stopped = client.upload(origin.url("/stop"))
    stopped.write_until_stalled(0.3)
    data = body(MIB)
    for _ in range(3):
        assert client.send_all(origin.url("/take"), data)["body"] == said_of(data)
    assert not stopped.is_over


def test_grants_never_outrun_what_the_origin_takes(client, authority):
    """Over h2 the origin says to the byte what it takes."""
    step = 40_000

    def script(arrival):
        while arrival.origin.steps.acquire(timeout=scaled(20)) and arrival.read(step):
            pass

    with H2UploadOrigin(authority.server, script) as origin:
        origin.steps = threading.Semaphore(0)
        upload = client.upload(origin.url())
        first = upload.write_until_stalled(0.3)
        for number in range(1, 6):
            origin.steps.release()
            upload.write_until_stalled(0.2)
            assert upload.granted <= first + origin.arrivals[0].total + MAX_DATA
        assert upload.granted > first
        origin.steps.release(1000)
        upload.end()


# ---- A client that breaks the rules --------------------------------------------------------------

def test_a_byte_more_than_granted_closes_the_connection_with_one_line(daemon, client,
                                                                     stalled_handshake):
    with calm(daemon):
        upload = client.upload(stalled_handshake.url())
        upload.write(b"x" * WINDOW)
        assert client.call("ping") == "pong"
        upload.data(b"x")
        assert client.closed_within(1)
        daemon.assert_one_complaint()


def test_a_byte_more_than_an_origin_has_taken_closes_the_connection_with_one_line(
        daemon, client, open_origin):
    with calm(daemon):
        origin = open_origin(stop_reading)
        upload = client.upload(origin.url())
        upload.write_until_stalled(0.3)
        upload.data(b"x")
        assert client.closed_within(1)
        daemon.assert_one_complaint()
        origin.release()
        assert is_cut_off(daemon, origin)


def test_a_message_of_more_than_64_kib_closes_the_connection_with_one_line(daemon, client,
                                                                          open_origin):
    origin = open_origin()
    with calm(daemon):
        upload = client.upload(origin.url())
        upload.await_credit()
        upload.data(b"x" * (MAX_DATA + 1))
        assert client.closed_within(1)
        daemon.assert_one_complaint()
        client.close()
        assert origin.arrivals == [] or is_cut_off(daemon, origin)


def test_breaking_the_rules_ends_all_that_the_connection_had_and_nothing_of_others(
        daemon, client, open_origin):
    origin = open_origin()
    with calm(daemon):
        other = UploadClient(daemon).upload(origin.url("/other"))
        other.write(b"half")
        mine = client.upload(origin.url("/mine"))
        mine.write(b"half")
        origin.await_arrivals(2)
        for arrival in origin.arrivals:
            arrival.await_bytes(4)
        mine.data(b"x" * (MAX_DATA + 1))
        assert client.closed_within(1)
        other.write(b"whole")
        other.end()
        assert other.answer()["body"] == said_of(b"halfwhole")
        [lost] = [arrival for arrival in origin.arrivals if arrival.target == "/mine"]
        assert lost.was_never_complete()


STRANGERS = {
    "data": data_bytes(77, b"x" * 1000), "an end": end_bytes(77),
    "a grant": pack([2, "window", [77, 5]]), "a cancel": pack([2, "cancel", [77]]),
}


@pytest.mark.parametrize("message", STRANGERS.values(), ids=STRANGERS.keys())
def test_notifications_for_no_request_are_passed_over(daemon, client, message):
    with calm(daemon, offenders=0):
        client.put(message * 100)
        assert client.call("ping") == "pong"
        assert client.strangers == []


@pytest.mark.parametrize("message", [data_bytes, lambda id, _: end_bytes(id)], ids=["data", "end"])
def test_data_for_a_request_without_upload_closes_the_connection_with_one_line(daemon, client,
                                                                              message):
    with calm(daemon), UploadOrigin(stop_reading) as origin:
        whole = client.upload(origin.url(), upload=False, method="POST", body=b"whole")
        origin.await_arrivals(1)
        client.put(message(whole.id, b"smuggled"))
        assert client.closed_within(1)
        daemon.assert_one_complaint()
        origin.release()
        assert origin.arrivals[0].ended.wait(scaled(5))
        assert origin.arrivals[0].total <= len(b"whole")


def test_what_comes_for_an_upload_that_is_over_is_passed_over(client, open_origin):
    origin = open_origin()
    upload = client.upload(origin.url())
    upload.end()
    upload.answer()
    client.put(data_bytes(upload.id, b"late") + end_bytes(upload.id))
    upload.cancel()
    assert client.call("ping") == "pong"
    assert client.send_all(origin.url(), b"next")["body"] == said_of(b"next")


@pytest.mark.parametrize("late", [data_bytes, lambda id, _: end_bytes(id)], ids=["data", "end"])
def test_what_comes_after_the_end_never_reaches_the_origin(client, authority, http, late):
    """The request still waits for its answer, so its id still means it."""
    def script(arrival):
        arrival.read_all()
        arrival.origin.released.wait(scaled(10))
        arrival.answer(200, said_of(b"whole"))

    with open_upload_origin(http, authority, script) as origin:
        upload = client.upload(origin.url())
        upload.write(b"whole")
        upload.end()
        eventually(lambda: origin.arrivals and origin.arrivals[0].is_complete, 5, "the upload")
        client.put(late(upload.id, b"late"))
        assert client.closed_within(1)
        assert origin.arrivals[0].total == 5


# ---- Cancelled -----------------------------------------------------------------------------------

def test_an_upload_cancelled_before_it_is_sent_is_error_108(client, stalled_handshake):
    upload = client.upload(stalled_handshake.url())
    upload.write(b"x" * 1000)
    stalled_handshake.await_connections(1)
    upload.cancel()
    assert upload.refusal().code == 108


@pytest.mark.parametrize("keys", [{}, {"upload_size": 2000}], ids=["unknown", "known"])
@pytest.mark.parametrize("stream", [False, True])
def test_an_upload_cancelled_in_the_middle_is_error_208_and_never_complete(
        daemon, client, open_origin, http, keys, stream):
    origin = open_origin()
    upload = client.upload(origin.url(), stream=stream, **keys)
    upload.write(b"x" * 1000)
    origin.await_arrivals(1)[0].await_bytes(1000)
    upload.cancel()
    assert upload.refusal().code == 208
    assert is_cut_off(daemon, origin)
    assert http == "2" or len(origin.connections) == 2


def test_an_origin_hears_at_once_that_an_upload_is_cancelled(client, open_origin):
    """Not when its connection is next used, which may be never."""
    origin = open_origin()
    upload = client.upload(origin.url())
    upload.write(b"x" * 1000)
    origin.await_arrivals(1)[0].await_bytes(1000)
    upload.cancel()
    with Stopwatch() as watch:
        assert origin.arrivals[0].was_never_complete(1)
    assert watch.seconds < scaled(0.2)


def test_an_upload_cancelled_while_its_answer_comes_ends_in_an_error_notification(
        daemon, client, open_origin):
    origin = open_origin(echo)
    upload = client.upload(origin.url(), stream=True)
    upload.write(b"x" * 1000)
    upload.await_body(1000)
    upload.cancel()
    assert upload.refusal().code == 208
    assert is_cut_off(daemon, origin)


# ---- A lot ---------------------------------------------------------------------------------------

LOT = (128 if SANITIZED else 1024) * MIB
MEMORY_KIB = 16 << 10


def send_a_lot(daemon, client, url, **keys):
    """Returns the answer and the hash of what was sent; each MiB differs from every other."""
    sha, block = hashlib.sha256(), bytearray(body(MIB))
    peak = daemon.status("VmHWM")
    upload = client.upload(url, **keys)
    for number in range(LOT // MIB):
        block[:8] = number.to_bytes(8, "big")
        sha.update(block)
        assert upload.write(block) == MIB
    upload.end()
    answer = upload.answer(60)
    if not SANITIZED:  # whose allocator keeps what was freed
        assert daemon.status("VmHWM") - peak <= MEMORY_KIB
    return answer, sha.hexdigest()


@pytest.mark.long
@pytest.mark.deadline(90)
def test_a_gibibyte_goes_up_over_http_1_1_in_bounded_memory(daemon, client):
    with UploadOrigin() as origin:
        answer, digest = send_a_lot(daemon, client, origin.url())
        assert answer["body"] == f"{digest} {LOT}".encode()


@pytest.mark.long
@pytest.mark.deadline(90)
def test_a_gibibyte_goes_up_over_http_2_in_bounded_memory(daemon, client, authority, tmp_path):
    store = Store(tmp_path / "store", authority)
    try:
        answer, digest = send_a_lot(daemon, client, store.url("lot"), method="PUT",
                                    upload_size=LOT)
        assert answer["status"] == 201 and answer["http"] == "2"
        assert store.digest("lot") == digest
    finally:
        store.stop()
        (tmp_path / "store" / "put" / "lot").unlink(missing_ok=True)
