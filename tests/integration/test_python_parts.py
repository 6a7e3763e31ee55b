"""The parts of the Python client that do no I/O: messages, one connection's requests, windows, patience."""

import itertools

import msgpack
import pytest

from support.python_client import fetchpool

from fetchpool import _wire
from fetchpool._attempts import MAX_ATTEMPTS, Attempts
from fetchpool._body import BodySource, IterableUpload, body_from
from fetchpool._connection import Connection
from fetchpool._exchange import Exchange, State
from fetchpool._patience import Patience
from fetchpool._request import Request, milliseconds

MAX_ID = 2**32 - 1


def pack(*message):
    return msgpack.packb(list(message), use_bin_type=True)


def taken(connection, count=None):
    """As if the kernel had taken so many bytes of what is to be written, or all: the messages in them."""
    count = len(connection.out) if count is None else count
    unpacker = msgpack.Unpacker(raw=False)
    unpacker.feed(bytes(connection.out[:count]))
    del connection.out[:count]
    return list(unpacker)


@pytest.fixture
def connection():
    made = Connection("/s", "parts", "1")
    taken(made)
    made.receive(pack(1, made.hello.id, None, {"limits": {"requests_per_client": 3, "timeout": 7000}}))
    return made


def fetch(connection, body=None, is_stream=False, **keys):
    request = Request("http://origin.test/", **keys)
    source = body_from(body, None, True)
    patience = Patience.for_request(request, is_stream, source.is_upload)
    return connection.fetch(request.to_wire(source, is_stream), request, source, is_stream, patience)


# ---- Messages ------------------------------------------------------------------------------------

def test_a_message_split_at_every_byte_is_read_once():
    whole = pack(1, 5, None, {"a": b"b"}) + pack(2, "end", [5, {}])
    for at in range(len(whole) + 1):
        decoder = _wire.Decoder()
        got = [message for part in (whole[:at], whole[at:]) for message in decoder.feed(part)]
        assert got == [[1, 5, None, {"a": b"b"}], [2, "end", [5, {}]]]


def test_what_came_before_nonsense_is_taken(connection):
    exchange = fetch(connection)
    with pytest.raises(_wire.BadReply):
        connection.receive(pack(1, exchange.id, None, {"status": 204}) + b"\xc1")
    assert exchange.state is State.ENDED and exchange.error is None


# ---- Ids -----------------------------------------------------------------------------------------

def test_ids_go_round_and_pass_over_those_that_are_in_use(connection):
    connection.next_id = MAX_ID - 1
    running = [fetch(connection) for _ in range(3)]
    assert [each.id for each in running] == [MAX_ID - 1, MAX_ID, 0]
    connection.next_id = MAX_ID - 1
    assert fetch(connection).id == 1
    connection.receive(pack(1, MAX_ID, None, {"status": 204}))
    connection.next_id = MAX_ID
    assert fetch(connection).id == MAX_ID
    assert [message[1] for message in taken(connection)] == [MAX_ID - 1, MAX_ID, 0, 1, MAX_ID]


# ---- What the daemon cannot have read ------------------------------------------------------------

def failed(connection, is_reset):
    running = list(connection.exchanges.values())
    connection.fail(connection.lost(), is_reset)
    return [(each.is_unread, each.error.code) for each in running]


def test_of_what_was_written_whole_a_reset_clears_the_last_only(connection):
    for _ in range(2):
        fetch(connection)
    taken(connection)
    assert failed(connection, True) == [(False, 901), (True, 900)]


def test_an_end_of_file_clears_nothing_that_was_written_whole(connection):
    fetch(connection)
    taken(connection)
    assert failed(connection, False) == [(False, 901)]


def test_what_was_not_written_whole_was_not_read_whole(connection):
    fetch(connection)
    end = len(connection.out)
    fetch(connection)
    taken(connection, end + 1)
    assert failed(connection, False) == [(False, 901), (True, 900)]


def test_what_is_answered_in_part_was_read(connection):
    exchange = fetch(connection, is_stream=True)
    connection.receive(pack(1, exchange.id, None, {"status": 200}))
    assert failed(connection, True) == [(False, 901)]


def test_a_reset_behind_an_upload_that_has_begun_clears_nothing(connection):
    exchange = fetch(connection, iter([b"x"]))
    connection.receive(pack(2, "window", [exchange.id, 10]))
    connection.send_piece(exchange, memoryview(b"x"))
    taken(connection)
    assert failed(connection, True) == [(False, 901)]


# ---- Windows -------------------------------------------------------------------------------------

@pytest.mark.parametrize("window, size", itertools.product([1, 2, 3, 1000, 1001], [1, 7, 1000]))
def test_grants_are_of_what_was_taken_half_a_window_at_least_and_never_more(window, size):
    exchange = Exchange(1, True, window)
    exchange.take_response(None, {"status": 200})
    left, granted, took = window, 0, 0
    for _ in range(200):
        length = min(size, left)
        assert length > 0, "it would stand still"
        exchange.take_notification("data", [1, bytes(length)])
        left -= length
        took += len(exchange.take_piece())
        count = exchange.take_grant()
        assert count == 0 or count * 2 >= window
        granted, left = granted + count, left + count
        assert granted <= took
    exchange.take_notification("data", [1, bytes(left)])
    with pytest.raises(_wire.BadReply, match="more data than was granted"):
        exchange.take_notification("data", [1, b"x"])


def test_an_upload_is_sent_as_far_as_it_is_granted_in_messages_of_64_kib(connection):
    exchange = fetch(connection, iter([b"x"]))
    taken(connection)
    rest = connection.send_piece(exchange, memoryview(bytes(200_000)))
    assert len(rest) == 200_000 and not exchange.can_upload() and not connection.out
    connection.receive(pack(2, "window", [exchange.id, 100_000]))
    while exchange.can_upload():
        rest = connection.send_piece(exchange, rest)
    assert [len(message[2][1]) for message in taken(connection)] == [65536, 100_000 - 65536]
    assert len(rest) == 100_000


def test_what_comes_for_a_request_that_was_cancelled_is_dropped_and_its_end_makes_room(connection):
    exchange = fetch(connection, is_stream=True)
    connection.receive(pack(1, exchange.id, None, {"status": 200}) + pack(2, "data", [exchange.id, b"a"]))
    connection.cancel(exchange)
    connection.cancel(exchange)
    assert [message[1] for message in taken(connection) if message[0] == 2] == ["cancel"]
    connection.receive(pack(2, "data", [exchange.id, b"b"]))
    assert exchange.take_piece() is None and exchange.id in connection.exchanges
    connection.receive(pack(2, "error", [exchange.id, 208, "cancelled"]))
    assert connection.exchanges == {}
    connection.receive(pack(2, "data", [exchange.id, b"c"]))  # of a request that is over: passed over


# ---- Limits that hello tells ---------------------------------------------------------------------

@pytest.mark.parametrize("result, capacity, timeout", [
    ({"limits": {"requests_per_client": 3, "timeout": 7000}}, 3, 7), ({"limits": {}}, 256, None),
    ({}, 256, None), (None, 256, None), ("hello", 256, None), ({"limits": []}, 256, None),
    ({"limits": {"requests_per_client": 0, "timeout": -1}}, 256, None),
    ({"limits": {"requests_per_client": "3", "timeout": True}}, 256, None)])
def test_a_limit_that_makes_no_sense_is_as_good_as_none(result, capacity, timeout):
    connection = Connection("/s", "parts", "1")
    assert connection.capacity == 0
    connection.receive(pack(1, connection.hello.id, None, result))
    assert (connection.capacity, connection.default_timeout) == (capacity, timeout)


def test_a_hello_that_is_refused_is_answered_all_the_same():
    connection = Connection("/s", "parts", "1")
    connection.receive(pack(1, connection.hello.id, [4, "unknown method"], None))
    assert connection.capacity == 256 and connection.is_greeted and not connection.is_leaving


# ---- Times ---------------------------------------------------------------------------------------

@pytest.mark.parametrize("seconds, told", [
    (None, None), (0, 1), (0.0001, 1), (0.001, 1), (0.0011, 2), (1, 1000), (86_400, 86_400_000),
    (10**9, 86_400_000), (float("inf"), 86_400_000)])
def test_seconds_are_told_as_whole_milliseconds_within_the_daemons_bounds(seconds, told):
    assert milliseconds(seconds, "timeout") == told


class Clock:
    def __init__(self, monkeypatch):
        self.now = 1000.0
        monkeypatch.setattr("fetchpool._patience.now", lambda: self.now)


@pytest.fixture
def clock(monkeypatch):
    return Clock(monkeypatch)


def patience_of(is_stream=False, is_upload=False, **keys):
    return Patience.for_request(Request("http://origin.test/", **keys), is_stream, is_upload)


def test_a_later_daemon_is_told_what_is_left(clock):
    patience = patience_of(timeout=5)
    assert patience.to_tell() == 5000
    clock.now += 0.875
    assert patience.to_tell() == 5000  # a little lateness is not worth another number
    clock.now += 1.125
    assert patience.to_tell() == 3000 and patience.may_start()
    clock.now += 3.25
    assert patience.to_tell() == 1 and not patience.may_start()
    assert patience.left() == 1.75  # of the daemon's grace
    assert patience_of().to_tell() is None


def test_only_what_streams_is_given_more_time_by_what_happens(clock):
    whole, stream = patience_of(), patience_of(True, idle_timeout=10)
    for patience in (whole, stream):
        assert patience.left() == 302
    clock.now += 200
    for patience in (whole, stream):
        patience.learn(True, None)
    assert whole.left() == 102 and stream.left() == 12


def test_nothing_is_waited_for_longer_than_a_day(clock):
    assert patience_of(timeout=float("inf")).left() == 86_400
    assert patience_of(True, queue_timeout=float("inf"), connect_timeout=1, first_byte_timeout=1).left() == \
        86_400


# ---- Attempts ------------------------------------------------------------------------------------

def unread():
    exchange = Exchange(1, True)
    exchange.take_response([106, "I am shutting down"], None)
    return exchange


def test_ten_attempts_are_made_of_what_was_not_read():
    attempts = Attempts(BodySource(), Patience.of(100))
    for _ in range(MAX_ATTEMPTS - 1):
        attempts.begin()
        assert attempts.may_repeat(unread(), True)
    attempts.begin()
    assert not attempts.may_repeat(unread(), True)
    assert attempts.better(fetchpool.NoDaemon(900, "x")).code == 106
    assert attempts.better(fetchpool.MaybeProcessed(901, "x")).code == 901


def test_no_attempt_follows_one_that_was_read_or_a_body_that_is_gone_or_the_end_of_the_time():
    read = Exchange(1, True)
    read.take_response([201, "closed"], None)
    assert not Attempts(BodySource(), Patience.of(100)).may_repeat(read, False)
    gone = Attempts(IterableUpload([], None), Patience.of(100))
    assert gone.may_repeat(unread(), False) and not gone.may_repeat(unread(), True)
    assert not Attempts(BodySource(), Patience.of(0)).may_repeat(unread(), False)
