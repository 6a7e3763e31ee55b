"""
The rows about uploads: C22 (a client whose upload is not what it announced, stalls or
dies), O10 and O19 (an origin that takes it slowly or not at all), with the witness and the calm.
"""

import contextlib
import time

import pytest

from support.calm import calm
from support.timing import Stopwatch, eventually, scaled
from support.upload_client import MAX_DATA, Child, UploadClient, data_bytes, upload_bytes
from support.upload_origin import (H2UploadOrigin, UploadOrigin, said_of,
                                   stop_reading, take_all)
from support.witness import Witness

LIMIT = 800  # ms
SLACK = 1.0  # s
MAX_CPU = 0.05


def in_time(watch, limit_ms=LIMIT):
    assert limit_ms / 1000 * 0.9 <= watch.seconds <= limit_ms / 1000 + scaled(SLACK)


@pytest.fixture
def client(daemon):
    return UploadClient(daemon)


@contextlib.contextmanager
def under_5_percent(daemon):
    """Of one CPU, the daemon, for as long as the block takes."""
    cpu, start = daemon.cpu_seconds(), time.monotonic()
    yield
    used, seconds = daemon.cpu_seconds() - cpu, time.monotonic() - start
    assert used <= scaled(MAX_CPU) * seconds + 0.02, f"{used:.2f} s of CPU in {seconds:.1f} s"


def is_cut_off(client, origin, http, number=0):
    """
    The broken upload is never complete, and the next request is served: over HTTP/1.1 by a new
    connection. libcurl sends the reset of an HTTP/2 stream with what its connection sends next.
    """
    answer = client.send_all(origin.url("/next"), b"next", upload_size=4)
    assert answer["body"] == said_of(b"next")
    assert http == "2" or not answer["connection"]["reused"]
    return origin.arrivals[number].was_never_complete()


# ---- C22: longer or shorter than announced -------------------------------------------------------

@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("sent", [1, 500, 999])
def test_c22_an_upload_shorter_than_announced_is_error_208_and_never_complete(
        daemon, client, open_origin, http, sent, stream):
    with calm(daemon):
        origin = open_origin()
        upload = client.upload(origin.url(), upload_size=1000, stream=stream)
        upload.write(b"x" * sent)
        origin.await_arrivals(1)[0].await_bytes(1)
        upload.end()
        error = upload.refusal()
        assert error.code == 208 and "1000" in error.message
        assert is_cut_off(client, origin, http)
        assert origin.arrivals[0].total <= sent


def test_c22_an_end_without_a_byte_of_those_announced_is_an_error(daemon, client, open_origin,
                                                                 http):
    with calm(daemon):
        origin = open_origin()
        upload = client.upload(origin.url(), upload_size=1000)
        upload.end()
        assert upload.refusal().code in (1, 208)
        client.idle(0.1)
        seen = len(origin.arrivals)
        assert all(is_cut_off(client, origin, http, number) for number in range(seen))


LONGER = {"in one message": ([1001], 0), "by a lot in one message": ([50_000], 0),
          "in two messages at once": ([1000, 1], 0), "after a while": ([1000, 1], 0.3),
          "in many messages": ([100] * 11, 0)}


@pytest.mark.parametrize("pieces, pause", LONGER.values(), ids=LONGER.keys())
def test_c22_an_upload_longer_than_announced_is_an_error_and_never_complete(
        daemon, client, open_origin, http, pieces, pause):
    """The origin must not have the last announced byte before it is known that none follows."""
    with calm(daemon):
        origin = open_origin()
        upload = client.upload(origin.url(), upload_size=1000)
        for piece in pieces[:-1]:
            upload.write(b"x" * piece)
        client.idle(pause)
        upload.write(b"x" * pieces[-1])
        error = upload.refusal()
        assert error.code in (1, 208) and "1000" in error.message
        client.idle(0.1)
        seen = len(origin.arrivals)
        assert all(is_cut_off(client, origin, http, number) for number in range(seen))


def test_c22_more_than_none_is_an_error(daemon, client, open_origin):
    with calm(daemon):
        upload = client.upload(open_origin().url(), upload_size=0)
        upload.data(b"x")
        assert upload.refusal().code in (1, 208)


@pytest.mark.parametrize("length, ends", [(1001, False), (500, True)], ids=["longer", "shorter"])
def test_c22_what_was_wrong_before_there_was_a_connection_is_error_1(daemon, client,
                                                                    stalled_handshake, length,
                                                                    ends):
    with calm(daemon):
        upload = client.upload(stalled_handshake.url(), upload_size=1000)
        upload.write(b"x" * length)
        if ends:
            upload.end()
        error = upload.refusal()
        assert error.code == 1 and "1000" in error.message


def test_c22_a_wrong_upload_over_h2_does_not_hurt_others_on_the_connection(daemon, client,
                                                                          authority):
    with calm(daemon), H2UploadOrigin(authority.server) as origin:
        good = client.upload(origin.url("/good"))
        good.write(b"half ")
        origin.await_arrivals(1)[0].await_bytes(5)
        for number in range(20):
            bad = client.upload(origin.url("/bad"), upload_size=1000)
            bad.write(b"x" * 500)
            origin.await_arrivals(number + 2)
            if number % 2:
                bad.write(b"x" * 501)
            bad.end()
            assert bad.refusal().code == 208
        good.write(b"whole")
        good.end()
        assert good.answer()["body"] == said_of(b"half whole")
        assert len(origin.connections) == 1
        assert is_cut_off(client, origin, "2", 1)
        assert all(arrival.was_never_complete() for arrival in origin.arrivals[1:-1])


# ---- C22: stalled --------------------------------------------------------------------------------

STALL = {"timeouts": {"client_stall": f"{LIMIT}ms"}}
STALLED_AFTER = {"before the first byte": 0, "in the middle": 500, "before the end": 1000}


@pytest.mark.parametrize("sent", STALLED_AFTER.values(), ids=STALLED_AFTER.keys())
@pytest.mark.parametrize("keys", [{}, {"upload_size": 1000}], ids=["unknown", "known"])
def test_c22_an_upload_that_stalls_is_error_206_and_never_complete(start_daemon, open_origin, http,
                                                                  sent, keys):
    daemon = start_daemon(STALL)
    client = UploadClient(daemon)
    with calm(daemon):
        origin = open_origin()
        upload = client.upload(origin.url(), **keys)
        upload.write(b"x" * sent)
        with Stopwatch() as watch, under_5_percent(daemon):
            error = upload.refusal()
        assert error.code == 206
        in_time(watch)
        origin.await_arrivals(1)
        assert is_cut_off(client, origin, http)


@pytest.mark.long
def test_c22_a_slow_client_that_goes_on_is_not_stalled(start_daemon, open_origin):
    client = UploadClient(start_daemon(STALL))
    upload = client.upload(open_origin().url())
    for _ in range(5):
        upload.write(b"x")
        client.idle(LIMIT / 1000 / 2)
    upload.end()
    assert upload.answer()["body"] == said_of(b"xxxxx")


def test_c22_a_client_that_waits_for_the_origin_is_not_stalled(start_daemon, open_origin):
    """Neither without a grant nor when it has sent all: there the origin's time-outs count."""
    client = UploadClient(start_daemon({"timeouts": {"client_stall": "300ms"}}))
    origin = open_origin(stop_reading)
    waits = client.upload(origin.url("/waits"))
    waits.write_until_stalled(0.2)
    done = client.upload(origin.url("/done"))
    done.write(b"x" * 1000)
    done.end()
    client.idle(1)
    assert not waits.is_over and not done.is_over
    origin.release()


def test_c22_a_client_that_sends_but_takes_nothing_of_its_answer_is_stalled(start_daemon,
                                                                           open_origin):
    def script(arrival):
        arrival.start(200)
        arrival.send(b"x" * 100_000)
        arrival.read_all()

    client = UploadClient(start_daemon(STALL))
    upload = client.upload(open_origin(script).url(), stream=True, window=0, grants=False)
    upload.await_head()
    with Stopwatch() as watch:
        for _ in range(int(scaled(40))):
            upload.write(b"x")
            client.idle(0.05)
            if upload.is_over:
                break
    assert upload.refusal(0.1).code == 206
    assert watch.seconds < LIMIT / 1000 + scaled(SLACK)


# ---- C22: killed ---------------------------------------------------------------------------------

@pytest.mark.parametrize("sent", [0, 500, 1000])
@pytest.mark.parametrize("keys", [{}, {"upload_size": 1000}], ids=["unknown", "known"])
def test_c22_an_upload_whose_client_is_killed_is_never_complete(daemon, open_origin, http, sent,
                                                               keys):
    with calm(daemon, offenders=0):
        origin = open_origin()
        messages = upload_bytes(1, origin.url(), **keys) + data_bytes(1, b"x" * sent)
        with Child(daemon, messages) as child:
            [arrival] = origin.await_arrivals(1)
            arrival.await_bytes(min(sent, 999))
            child.kill()
        eventually(lambda: daemon.stats()["in_flight"] == 0, 1, "nothing in flight")
        assert is_cut_off(UploadClient(daemon), origin, http)


@pytest.mark.parametrize("keys", [{}, {"upload_size": 1000}], ids=["unknown", "known"])
def test_c22_an_upload_whose_client_half_closes_is_an_error_and_never_complete(
        daemon, client, open_origin, http, keys):
    """No end can come any more."""
    with calm(daemon, offenders=0):
        origin = open_origin()
        upload = client.upload(origin.url(), **keys)
        upload.write(b"x" * 500)
        origin.await_arrivals(1)[0].await_bytes(499)
        client.half_close()
        with Stopwatch() as watch:
            assert upload.refusal().code in (206, 208)
        assert watch.seconds < scaled(1)
        assert client.closed_within(1)
        assert is_cut_off(UploadClient(daemon), origin, http)


def test_c22_an_upload_that_ended_before_the_half_close_is_answered(daemon, client, open_origin):
    with calm(daemon, offenders=0):
        upload = client.upload(open_origin().url())
        upload.write(b"x" * 500)
        upload.end()
        client.half_close()
        assert upload.answer()["body"] == said_of(b"x" * 500)
        assert client.closed_within(1)


# ---- O10: an origin that is slow about an upload -------------------------------------------------

@pytest.mark.long
def test_o10_an_origin_that_takes_an_upload_slowly_is_not_idle_but_ends_at_the_whole_timeout(
        daemon, client, authority):
    """
    8 KiB each 50 ms. Over h2 the origin alone says what it takes: no kernel does instead. It says
    so anew whenever half of its window, 32 KiB, has been read: well within idle_timeout.
    """
    def script(arrival):
        while not arrival.origin.released.wait(0.05):
            arrival.read(8 << 10)

    with calm(daemon), H2UploadOrigin(authority.server, script) as origin:
        upload = client.upload(origin.url(), idle_timeout=LIMIT, timeout=3 * LIMIT)
        with Stopwatch() as watch:
            while not upload.is_over:
                with contextlib.suppress(TimeoutError):
                    upload.write(b"x" * 1024, seconds=0.1)
        error = upload.refusal()
        assert error.code == 200 and "idle" not in error.message
        in_time(watch, 3 * LIMIT)
        origin.release()


def slowly(connection, data, pause=0.05):
    for byte in data:
        connection.write(bytes([byte]))
        time.sleep(pause)


def test_o10_header_fields_of_an_uploads_answer_a_byte_at_a_time_end_at_first_byte(daemon, client):
    def script(arrival):
        arrival.read_all()
        slowly(arrival.connection, b"HTTP/1.1 200 OK\r\nX-Slow: " + b"x" * 100)

    with calm(daemon), UploadOrigin(script) as origin:
        upload = client.upload(origin.url(), upload_size=1000, first_byte_timeout=LIMIT)
        upload.write(b"x" * 1000)
        upload.end()
        with Stopwatch() as watch:
            error = upload.refusal()
        assert error.code == 200 and "first_byte" in error.message
        in_time(watch)


@pytest.mark.long
def test_o10_silence_in_the_body_of_an_uploads_answer_ends_at_idle(daemon, client, open_origin):
    def script(arrival):
        arrival.read_all()
        arrival.start(200)
        arrival.send(b"some")
        arrival.origin.released.wait(scaled(20))

    with calm(daemon):
        origin = open_origin(script)
        for stream in (False, True):
            upload = client.upload(origin.url(), stream=stream, idle_timeout=LIMIT)
            upload.write(b"x" * 1000)
            upload.end()
            with Stopwatch() as watch:
                error = upload.refusal()
            assert error.code == 200 and "idle" in error.message
            in_time(watch)
        origin.release()


# ---- O19: an origin that stops reading -----------------------------------------------------------

IDLE = 1500  # ms


@pytest.fixture
def witness(daemon, nginx):
    return lambda: Witness(daemon, nginx.url("/files/small"), nginx.file("small"))


@pytest.mark.long
@pytest.mark.parametrize("has_more", [True, False], ids=["there is more", "all was sent"])
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_o19_an_origin_that_stops_reading_is_a_timeout_and_costs_nothing(
        daemon, client, open_origin, http, witness, has_more, stream):
    """
    All was sent: the client has ended its upload, and the daemon holds what the origin does not
    take. There is more: it waits for a grant.
    """
    options = {"receive_buffer": 16384} if http == "1.1" else {}
    with calm(daemon, offenders=0), witness():
        origin = open_origin(stop_reading, **options)
        upload = client.upload(origin.url(), stream=stream, idle_timeout=IDLE)
        upload.write_until_stalled(0.3)
        if not has_more:
            upload.end()
        with under_5_percent(daemon), Stopwatch() as watch:
            error = upload.refusal()
        assert error.code == 200 and "idle" in error.message
        assert watch.seconds <= IDLE / 1000 + scaled(SLACK)
        origin.release()
        assert is_cut_off(client, origin, http)


@pytest.mark.long
def test_o19_an_origin_that_takes_nothing_at_all_is_a_timeout(daemon, client, open_origin):
    """Not one byte of the body, where the client has sent all that it may."""
    with calm(daemon, offenders=0):
        origin = open_origin(stop_reading)
        upload = client.upload(origin.url(), upload_size=64 << 20, idle_timeout=IDLE)
        upload.write_until_stalled(0.3)
        error = upload.refusal()
        assert error.code == 200 and "idle" in error.message
        origin.release()


def test_o19_an_origin_that_goes_on_before_the_timeout_gets_every_byte(daemon, client, open_origin):
    def script(arrival):
        stop_reading(arrival)
        take_all(arrival)

    with calm(daemon, offenders=0):
        origin = open_origin(script)
        upload = client.upload(origin.url(), idle_timeout=scaled(5000))
        sent = upload.write_until_stalled(0.3)
        client.idle(0.5)
        origin.release()
        upload.write(bytes(MAX_DATA))
        upload.end()
        assert upload.answer()["body"] == said_of(bytes(sent + MAX_DATA))


@pytest.mark.long
def test_o19_many_stopped_uploads_cost_nothing_and_stop_nobody(daemon, client, open_origin,
                                                                   witness):
    def script(arrival):
        (take_all if arrival.target == "/take" else stop_reading)(arrival)

    with calm(daemon, offenders=0), witness():
        origin = open_origin(script)
        uploads = [client.upload(origin.url("/stop"), upload_size=900_000) for _ in range(60)]
        origin.await_arrivals(60)
        for upload in uploads:
            upload.write(b"x" * 100_000)
        client.idle(0.3)
        with under_5_percent(daemon):
            client.idle(1.5)
        assert client.send_all(origin.url("/take"), b"through")["body"] == said_of(b"through")
        for upload in uploads:
            upload.cancel()
        for upload in uploads:
            assert upload.refusal().code == 208
        origin.release()


# ---- The other deadlines -------------------------------------------------------------------------

@pytest.mark.long
def test_first_byte_counts_from_the_end_of_the_upload(client, open_origin):
    upload = client.upload(open_origin().url(), first_byte_timeout=LIMIT)
    for _ in range(4):
        upload.write(b"x")
        client.idle(LIMIT / 1000 / 2)
    upload.end()
    assert upload.answer()["body"] == said_of(b"xxxx")


@pytest.mark.long
@pytest.mark.parametrize("keys", [{}, {"upload_size": 4}], ids=["unknown", "known"])
def test_no_answer_in_time_after_the_end_of_the_upload_is_error_200(client, open_origin, keys):
    def script(arrival):
        arrival.read_all()
        arrival.origin.released.wait(scaled(20))

    origin = open_origin(script)
    upload = client.upload(origin.url(), first_byte_timeout=LIMIT, **keys)
    upload.write(b"x" * 4)
    client.idle(LIMIT / 1000)
    upload.end()
    with Stopwatch() as watch:
        error = upload.refusal()
    assert error.code == 200 and "first_byte" in error.message
    in_time(watch)
    origin.release()


@pytest.mark.long
def test_the_timeout_of_streams_holds_for_uploads_that_give_none(start_daemon, open_origin, http):
    daemon = start_daemon({"timeouts": {"total": "300ms", "stream": f"{2 * LIMIT}ms"}})
    client = UploadClient(daemon)
    assert client.call("hello")["limits"]["stream_timeout"] == 2 * LIMIT
    origin = open_origin()
    upload = client.upload(origin.url())
    with Stopwatch() as watch:
        while not upload.is_over:
            upload.write(b"x")
            client.idle(0.05)
    assert upload.refusal().code == 200
    in_time(watch, 2 * LIMIT)
    assert is_cut_off(client, origin, http)


def test_the_timeout_of_streams_holds_for_downloads_and_the_total_one_for_the_rest(start_daemon,
                                                                                  open_origin):
    def script(arrival):
        arrival.read_all()
        arrival.origin.released.wait(scaled(20))

    client = UploadClient(start_daemon({"timeouts": {"total": "300ms", "stream": f"{LIMIT}ms"}}))
    origin = open_origin(script)
    for keys, limit in (({"stream": True}, LIMIT), ({"body": b"x"}, 300)):
        upload = client.upload(origin.url(), upload=False, **keys)
        with Stopwatch() as watch:
            assert upload.refusal().code == 200
        in_time(watch, limit)
    origin.release()


def test_a_timeout_of_its_own_ends_an_upload(client, open_origin, http):
    origin = open_origin()
    upload = client.upload(origin.url(), timeout=LIMIT)
    upload.write(b"x")
    with Stopwatch() as watch:
        assert upload.refusal().code == 200
    in_time(watch)
    assert is_cut_off(client, origin, http)


def test_an_upload_that_never_gets_a_connection_ends_at_the_connect_timeout_as_not_sent(
        client, stalled_handshake):
    upload = client.upload(stalled_handshake.url(), connect_timeout=LIMIT)
    upload.write(b"x" * 1000)
    with Stopwatch() as watch:
        assert upload.refusal().code == 105
    in_time(watch)
