"""
The Python client against a scripted daemon: what it does when the daemon dies, hangs or lies. It is to do
what libfetchpool does: see test_library.py.
"""

import os
import select
import socket
import threading
import types

import msgpack
import pytest

from support.driver import MAX_ATTEMPTS
from support.fakedaemon import (ANSWER, FakeDaemon, Peer, hangs, leaves, refuses_with, resets, says,
                                serves, serves_with, stops_after, streams, words)
from support.python_client import (LOOPS, NAME, InThread, fetchpool, run_in, sockets_to,
                                   until)
from support.timing import Stopwatch, scaled

URL = "http://origin.test/"


def url(length, seed=5):
    return f"http://origin.test/{length}/{seed}"


# ---- Answers -------------------------------------------------------------------------------------

def test_hello_is_said_once_and_a_request_as_it_was_put(asker, path):
    with FakeDaemon(path, serves) as fake:
        ask = asker(path)
        assert ask.fetch(URL).body == b"hello\n"
        ask.fetch(URL, method="PUT", headers={"a": "b"}, body=b"c", max_body=1, timeout=2,
                  queue_timeout=0.0001, connect_timeout=3, first_byte_timeout=4.0004,
                  idle_timeout=float("inf"), redirects=5, decompress=True, http="2", retry="never",
                  tls=fetchpool.Tls(ca=b"d", verify=False), proxy="e", tag="f", window=7)
        assert fake.hellos == [{"client": NAME, "version": fetchpool.__version__}]
        assert fake.accepted == 1
        assert fake.requests == [{"url": URL}, {
            "url": URL, "method": "PUT", "headers": [["a", "b"]], "body": b"c", "max_body": 1,
            "timeout": 2000, "queue_timeout": 1, "connect_timeout": 3000, "first_byte_timeout": 4001,
            "idle_timeout": 86_400_000, "redirects": 5, "decompress": True, "http": "2",
            "retry": "never", "tls": {"ca": b"d", "verify": False}, "proxy": "e", "tag": "f"}]


def test_a_streamed_request_says_so(asker, path):
    with FakeDaemon(path, serves) as fake:
        ask = asker(path)
        ask.take(URL)
        ask.take(URL, window=7000)
        assert fake.requests == [{"url": URL, "stream": True},
                                 {"url": URL, "stream": True, "window": 7000}]


@pytest.mark.parametrize("size", [0, 1, 16381, 16384, 1 << 20, 64 << 20])
def test_bodies_of_many_sizes_arrive_whole(asker, path, size):
    with FakeDaemon(path, serves_with(body=b"x" * size)):
        ask = asker(path)
        assert len(ask.fetch(URL).body) == size
        assert len(ask.fetch(URL).body) == size


def test_an_answer_in_single_bytes_is_read(asker, path):
    def drips(peer):
        request_id, _, _ = peer.request()
        message = msgpack.packb([1, request_id, None, ANSWER], use_bin_type=True)
        for i in range(len(message)):
            peer.socket.sendall(message[i:i + 1])
        peer.socket.recv(1)
    with FakeDaemon(path, drips):
        assert asker(path).fetch(URL).body == b"hello\n"


def test_news_and_keys_that_are_not_known_are_passed_over(asker, path):
    def chats(peer):
        for request_id, _, params in peer.messages():
            peer.send([2, "news", ["of no interest"]])
            peer.send([2, "news", [request_id, 1]])
            peer.send([2, "news", []])
            peer.answer_fetch(request_id, params, {
                **ANSWER, "more": 1, "connection": {**ANSWER["connection"], "more": [1]},
                "timing": {**ANSWER["timing"], "more": {"a": 1}}})
    with FakeDaemon(path, chats) as fake:
        ask = asker(path)
        assert ask.fetch(URL).connection.peer == "[::1]:443"
        assert ask.take(URL)[1] == b"hello\n"
        assert fake.accepted == 1


def test_an_answer_with_gaps_is_read_as_empty(asker, path):
    with FakeDaemon(path, lambda peer: peer.answer(peer.request()[0], {"status": 204})):
        answer = asker(path).fetch(URL)
        assert (answer.status, answer.headers, answer.body, answer.http, answer.url) == (
            204, [], b"", "", "")
        assert answer.connection.id == -1 and answer.timing.total == 0


def test_after_a_goaway_a_new_socket_is_opened(asker, path):
    def retires(peer):
        request_id, _, params = peer.request()
        peer.send([2, "goaway", ["drain"]])
        peer.answer_fetch(request_id, params, ANSWER)
        peer.socket.recv(1)
    with FakeDaemon(path, retires, serves) as fake:
        ask = asker(path)
        for _ in range(3):
            assert ask.fetch(URL).status == 200
        assert fake.accepted == 2


def test_a_goaway_to_an_idle_socket_is_noticed_before_the_next_request(asker, path):
    gone = threading.Event()

    def retires_later(peer):
        request_id, _, _ = peer.request()
        peer.answer(request_id, ANSWER)
        peer.send([2, "goaway", ["drain"]])
        gone.set()
        peer.socket.recv(1)
    with FakeDaemon(path, retires_later, serves) as fake:
        ask = asker(path)
        assert ask.fetch(URL).status == 200
        assert gone.wait(scaled(5))
        assert ask.fetch(URL).status == 200
        assert fake.accepted == 2 and len(fake.requests) == 2


def test_after_a_goaway_a_stream_is_read_to_its_end(asker, path):
    go_on = threading.Event()

    def retires(peer):
        request_id = peer.begin()
        peer.head(request_id)
        peer.send([2, "goaway", ["drain"]])
        peer.data(request_id, b"one")
        assert go_on.wait(scaled(5))
        peer.data(request_id, b"two")
        peer.end(request_id, 6)
        assert not peer.socket.recv(1 << 20)  # closed by the client, and nothing sent on it
    with FakeDaemon(path, retires, serves) as fake:
        ask = asker(path)
        stream = ask.open(URL)
        assert ask.read_piece(stream) == b"one"
        assert ask.fetch(URL).status == 200
        go_on.set()
        assert ask.read(stream) == b"two"
        assert fake.accepted == 2


def test_closing_ends_what_runs_on_a_socket_that_its_daemon_leaves_as_well(loop, path):
    def retires(peer):
        peer.head(peer.begin())
        peer.send([2, "goaway", ["drain"]])
        list(peer.events())

    async def main():
        client = fetchpool.AsyncClient(path)
        stream = await client.stream(URL)
        await until(loop, lambda: stream._running.link.connection.is_leaving)
        assert (await client.fetch(URL)).status == 200
        assert sockets_to(path) == 2
        await client.aclose()
        assert sockets_to(path) == 0
        with pytest.raises(fetchpool.MaybeProcessed, match="the client was closed"):
            await stream.read()
    with FakeDaemon(path, retires, serves):
        run_in(loop, main)


def test_a_stopped_reader_is_granted_nothing_and_holds_no_more_than_its_window(asker, path):
    def grants():
        return [params[0] for name, _, *params in fake.notifications if name == "window"]

    with FakeDaemon(path, streams(piece=1000)) as fake:
        ask = asker(path)
        stream = ask.open(url(1_000_000), window=10_000)
        body = ask.read_piece(stream)
        for _ in range(3):
            ask.take(url(1000))
        assert grants() == []
        assert sum(map(len, stream._running.exchange.pieces)) <= 9000
        body += ask.read(stream)
        assert body == words(1_000_000, 5)
        assert sum(grants()) <= 1_000_000 and all(5000 <= count <= 10_000 for count in grants())


@pytest.mark.parametrize("code, branch, name", [
    (1, fetchpool.Refused, "BAD_REQUEST"), (103, fetchpool.NotSent, "CONNECT"),
    (201, fetchpool.MaybeProcessed, "CLOSED"), (150, fetchpool.NotSent, "ERROR"),
    (77, fetchpool.Refused, "ERROR"), (777, fetchpool.MaybeProcessed, "ERROR"),
    (101, fetchpool.NotSentTimeout, "QUEUE_TIMEOUT"),
    (200, fetchpool.MaybeProcessedTimeout, "TIMEOUT_SENT")])
def test_an_error_keeps_its_code_class_and_sentence(asker, path, code, branch, name):
    with FakeDaemon(path, refuses_with(code, "what failed, and with what")) as fake:
        ask = asker(path)
        for take in (False, True):
            error = ask.error(URL, take=take)
            assert (type(error), error.code, error.name) == (branch, code, name)
            assert error.message == "what failed, and with what"
        assert fake.accepted == 1


def test_an_error_in_the_middle_of_a_stream_comes_after_what_came(asker, path):
    def fails(peer):
        request_id = peer.begin()
        peer.head(request_id)
        peer.data(request_id, b"some")
        peer.fail(request_id, 206, "the client took nothing")
        list(peer.events())
    with FakeDaemon(path, fails):
        ask = asker(path)
        stream = ask.open(URL)
        assert ask.read_piece(stream) == b"some"
        with pytest.raises(fetchpool.MaybeProcessed, match="took nothing"):
            ask.read(stream)


# ---- A daemon that goes away ---------------------------------------------------------------------

def test_no_daemon_is_a_sentence_with_path_and_reason(asker, path):
    error = asker(path).error(URL)
    assert type(error) is fetchpool.NoDaemon and error.code == 900
    assert error.message == f"connect to fetchpoold at {path} failed: No such file or directory"


@pytest.mark.parametrize("make, reason", [
    (lambda path: path.write_text(""), "Connection refused"),
    (lambda path: path.mkdir(), "Connection refused")], ids=["a file", "a directory"])
def test_what_is_no_socket_is_no_daemon(asker, path, make, reason):
    make(path)
    assert asker(path).error(URL).message == f"connect to fetchpoold at {path} failed: {reason}"


def test_a_path_too_long_for_a_socket_is_said(asker):
    error = asker("/" + "x" * 107).error(URL)
    assert error.code == 900 and "takes 107 bytes" in error.message


def test_a_restarted_daemon_is_found_again(asker, path):
    ask = asker(path)
    for _ in range(4):
        with FakeDaemon(path, serves):
            assert ask.fetch(URL).status == 200
    assert ask.error(URL).code == 900


def test_what_the_daemon_has_not_read_is_sent_again(asker, path):
    with FakeDaemon(path, resets, serves) as fake:
        assert asker(path).fetch(URL, method="POST", body=b"once").status == 200
        assert fake.accepted == 2 and len(fake.requests) == 1


def test_several_daemons_that_stop_one_after_another_are_not_noticed(asker, path):
    stops = refuses_with(106, "the daemon is shutting down")
    with FakeDaemon(path, stops, resets, stops, stops, resets, serves) as fake:
        ask = asker(path)
        assert ask.fetch(URL, method="POST", body=b"once").status == 200
        assert fake.accepted == 6


@pytest.mark.parametrize("script", [resets, lambda peer: None], ids=["resets", "closes"])
def test_it_is_not_sent_again_for_ever(asker, path, script):
    with FakeDaemon(path, script) as fake:
        error = asker(path).error(URL, timeout=20)
        assert type(error) is fetchpool.NoDaemon
        assert error.message == f"fetchpoold at {path} closed the socket before it had read the request"
        assert fake.accepted == MAX_ATTEMPTS


def test_what_the_daemon_has_read_is_not_sent_again(asker, path):
    with FakeDaemon(path, leaves, serves) as fake:
        error = asker(path).error(URL)
        assert type(error) is fetchpool.MaybeProcessed and error.code == 901
        assert error.message == f"fetchpoold at {path} went away before it answered"
        assert fake.accepted == 1


def test_half_an_answer_is_not_sent_again(asker, path):
    with FakeDaemon(path, lambda peer: (peer.request(), peer.socket.sendall(b"\x94\x01")),
                    serves) as fake:
        assert asker(path).error(URL).code == 901
        assert fake.accepted == 1


def test_a_daemon_that_dies_in_the_middle_of_a_stream_loses_it(asker, path):
    def dies(peer):
        request_id = peer.begin()
        peer.head(request_id)
        peer.data(request_id, b"some")
    with FakeDaemon(path, dies, serves) as fake:
        ask = asker(path)
        stream = ask.open(URL)
        assert ask.read_piece(stream) == b"some"
        with pytest.raises(fetchpool.MaybeProcessed, match="went away"):
            ask.read_piece(stream)
        assert ask.fetch(URL).status == 200
        assert fake.accepted == 2


@pytest.mark.parametrize("script", [refuses_with(106, "the daemon is shutting down"), resets],
                         ids=["106", "reset"])
def test_a_file_is_sent_again_from_its_beginning(asker, path, script, tmp_path):
    (tmp_path / "file").write_bytes(b"skipped" + words(1_000_000))
    with FakeDaemon(path, script, script, streams()) as fake, open(tmp_path / "file", "rb") as file:
        file.seek(7)
        assert asker(path).fetch(url(5), method="PUT", body=file).status == 200
        assert fake.accepted == 3 and fake.uploads == [words(1_000_000)]


def takes_some_then_refuses(peer):
    request_id = peer.begin()
    peer.grant(request_id, 100_000)
    peer.await_note("data")
    peer.refuse(request_id, 106, "the daemon is shutting down")
    list(peer.events())


def test_bytes_and_files_that_have_begun_are_sent_again(asker, path, tmp_path):
    (tmp_path / "file").write_bytes(words(1_000_000))
    ask = asker(path)
    with open(tmp_path / "file", "rb") as file:
        for body in (words(1_000_000), file):
            with FakeDaemon(path, takes_some_then_refuses, streams()) as fake:
                assert ask.fetch(url(5), method="POST", body=body).status == 200
                assert fake.accepted == 2 and fake.uploads == [words(1_000_000)]


def test_a_generator_that_has_begun_is_not_sent_again(asker, path):
    asked = []

    def pieces():
        for number in range(1000):
            asked.append(number)
            yield bytes(1000)

    with FakeDaemon(path, takes_some_then_refuses, streams()) as fake:
        error = asker(path).error(url(5), method="POST", body=pieces())
        assert type(error) is fetchpool.NotSent and error.code == 106
        assert fake.accepted == 1 and 0 < len(asked) < 1000


def test_a_generator_that_has_not_begun_is_sent_to_the_next_daemon(asker, path):
    stops = refuses_with(106, "the daemon is shutting down")
    with FakeDaemon(path, stops, resets, stops, streams()) as fake:
        body = iter([words(1000)] * 3)
        assert asker(path).fetch(url(5), method="POST", body=body).status == 200
        assert fake.uploads == [words(1000) * 3]


def test_a_request_in_the_backlog_of_a_dying_daemon_is_sent_again(asker, path):
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(path))
    listener.listen(1)
    asking = InThread(asker(path).fetch, URL)
    assert select.select([listener], [], [], scaled(10))[0]
    os.unlink(path)
    with FakeDaemon(path, serves):
        listener.close()
        assert asking.result().status == 200


@pytest.fixture
def full_backlog(path):
    """A socket whose daemon does not accept, as systemd holds it: the listener."""
    with socket.socket(socket.AF_UNIX) as listener, socket.socket(socket.AF_UNIX) as filler:
        listener.bind(str(path))
        listener.listen(0)
        filler.connect(str(path))
        yield listener


def accept_second(listener):
    """A Peer of the client that waited."""
    listener.accept()[0].close()
    connection, _ = listener.accept()
    return Peer(types.SimpleNamespace(hello={"limits": {"requests_per_client": 1}}, hellos=[],
                                      requests=[]), connection, 1)


def test_a_full_backlog_is_waited_for(asker, path, full_backlog):
    asking = InThread(asker(path).fetch, URL)
    asking.thread.join(0.2)  # it is the time in which nobody accepts that is of interest
    assert asking.thread.is_alive()
    peer = accept_second(full_backlog)
    with peer.socket:
        peer.answer(peer.request()[0], ANSWER)
        assert asking.result().status == 200


def test_a_full_backlog_is_waited_for_no_longer_than_the_timeout(asker, path, full_backlog, soon):
    with Stopwatch() as watch:
        error = asker(path).error(URL, timeout=0.1)
    assert type(error) is fetchpool.NoDaemon and "did not accept in time" in error.message
    assert 0.3 <= watch.seconds < 0.3 + scaled(1)


def test_a_daemon_that_shuts_down_for_good_is_believed(asker, path):
    def retires(peer):
        request_id, _, _ = peer.request()
        os.rename(path, f"{path}.gone")
        peer.refuse(request_id, 106, "the daemon is shutting down")
    with FakeDaemon(path, retires):
        error = asker(path).error(URL)
        assert type(error) is fetchpool.NotSent
        assert (error.code, error.message) == (106, "the daemon is shutting down")
        os.rename(f"{path}.gone", path)


# ---- A daemon that hangs -------------------------------------------------------------------------

def assert_deadline(error, seconds):
    assert type(error) is fetchpool.MaybeProcessedTimeout and error.code == 902, repr(error)
    assert f"did not answer within {seconds:g} s" in error.message


def test_a_hanging_daemon_costs_the_timeout_and_two_seconds(asker, path):
    with FakeDaemon(path, hangs), Stopwatch() as watch:
        assert_deadline(asker(path).error(URL, timeout=0.1), 2.1)
    assert 2.1 <= watch.seconds < 2.1 + scaled(1)


def test_a_stream_of_a_hanging_daemon_costs_its_timeout_as_well(asker, path, soon):
    with FakeDaemon(path, hangs):
        assert_deadline(asker(path).error(URL, take=True, timeout=0.1), 0.3)


def test_the_daemons_own_timeout_holds_where_the_request_has_none(asker, path, soon):
    with FakeDaemon(path, hangs) as fake:
        fake.hello = {"limits": {"timeout": 300}}
        assert_deadline(asker(path).error(URL), 0.5)


def test_a_stream_without_a_timeout_is_waited_for_as_long_as_its_phases_take(asker, path, soon):
    with FakeDaemon(path, hangs), Stopwatch() as watch:
        error = asker(path).error(URL, take=True, queue_timeout=0.1, connect_timeout=0.1,
                                  first_byte_timeout=0.1)
        assert_deadline(error, 0.5)
    assert 0.5 <= watch.seconds < 0.5 + scaled(1)


def test_a_stream_that_falls_silent_is_waited_for_as_long_as_its_idle_timeout(asker, path, soon):
    def falls_silent(peer):
        request_id = peer.begin()
        peer.head(request_id)
        peer.data(request_id, b"some")
        list(peer.events())
    with FakeDaemon(path, falls_silent):
        ask = asker(path)
        stream = ask.open(URL, idle_timeout=0.1)
        assert ask.read_piece(stream) == b"some"
        with Stopwatch() as watch, pytest.raises(fetchpool.MaybeProcessedTimeout) as caught:
            ask.read_piece(stream)
        assert_deadline(caught.value, 0.3)
        assert 0.2 <= watch.seconds < 0.3 + scaled(1)


@pytest.mark.parametrize("body", [b"", bytes(262_144), bytes(1_000_000)], ids=len)
def test_a_daemon_that_never_reads_costs_no_more(asker, path, kind, body, soon):
    with FakeDaemon(path, lambda peer: peer.fake.stopping.wait(scaled(20))), Stopwatch() as watch:
        error = asker(path).error(URL, method="POST", body=body, timeout=0.1,
                                  headers=[("a", "x" * 8000)] * 7)
        if kind == "sync":
            assert_deadline(error, 0.3)
        else:  # not a byte of it was sent before there was an answer to hello
            assert type(error) is fetchpool.NoDaemon
            assert error.message == f"fetchpoold at {path} did not answer within 0.3 s"
    assert 0.2 <= watch.seconds < 0.3 + scaled(1)


def test_a_daemon_that_talks_without_end_costs_no_more(asker, path, soon):
    def chatters(peer):
        request_id, _, _ = peer.request()
        while True:
            peer.send([2, "window", [request_id, 0]])
    with FakeDaemon(path, chatters):
        assert_deadline(asker(path).error(URL, timeout=0.1), 0.3)


def test_a_daemon_that_takes_an_upload_without_end_costs_no_more(asker, path, soon):
    def endless():
        while True:
            yield bytes(65536)

    def swallows(peer):
        peer.grant(peer.begin(), 1 << 60)
        while peer.socket.recv(1 << 20):
            pass
    with FakeDaemon(path, swallows):
        assert_deadline(asker(path).error(URL, method="PUT", body=endless(), timeout=0.1), 0.3)


def test_after_a_deadline_the_client_is_as_good_as_before(asker, path, soon):
    def serves_others(peer):
        for request_id, _, params in peer.messages():
            if params[0]["url"] == URL:
                peer.answer_fetch(request_id, params, ANSWER)
    with FakeDaemon(path, serves_others):
        ask = asker(path)
        assert ask.fetch(URL).status == 200
        assert_deadline(ask.error("http://other.test/", timeout=0.001), 0.201)
        assert ask.fetch(URL).status == 200


# ---- One timeout for all daemons that are asked --------------------------------------------------

def test_daemons_that_refuse_late_have_one_timeout_together(asker, path, soon):
    with FakeDaemon(path, stops_after(0.35)) as fake, Stopwatch() as watch:
        error = asker(path).error(URL, method="POST", body=b"x", timeout=0.6)
        assert error.code == 106 and type(error) is fetchpool.NotSent
        told = [request["timeout"] for request in fake.requests]
        assert len(told) == 2 and told[0] == 600 and 0 < told[1] <= 250
    assert 0.6 <= watch.seconds < 0.8 + scaled(1)


def test_after_a_late_refusal_a_hanging_daemon_has_only_what_is_left(asker, path, soon):
    with FakeDaemon(path, stops_after(0.3), hangs) as fake, Stopwatch() as watch:
        assert_deadline(asker(path).error(URL, method="POST", body=b"x", timeout=0.6), 0.8)
        assert len(fake.requests) == 2
    assert 0.8 <= watch.seconds < 0.8 + scaled(1)


# ---- Uploads -------------------------------------------------------------------------------------

@pytest.mark.parametrize("granted", [10, 262_144])
def test_a_byte_more_than_was_announced_and_granted_is_noticed(asker, path, granted):
    def grants(peer):
        peer.grant(peer.begin(), granted)
        list(peer.events())
    with FakeDaemon(path, grants):
        error = asker(path).error(URL, method="PUT", body=iter([bytes(granted), b"x"]),
                                  body_size=granted)
        assert (error.code, error.message) == (
            906, f"the upload is longer than the {granted} bytes announced")


def test_an_upload_is_sent_in_pieces_of_a_message_as_far_as_it_is_granted(asker, path):
    with FakeDaemon(path, streams(upload_window=70_000)) as fake:
        answer = asker(path).fetch(url(5), method="PUT", body=iter([words(1_000_000)]))
        assert answer.body == words(5, 5)
        assert fake.uploads == [words(1_000_000)]


def in_spurts(seconds, count):
    """A body that gives something, each time after so long."""
    for _ in range(count):
        threading.Event().wait(seconds)
        yield words(70_000)


def test_an_upload_has_no_timeout_as_long_as_it_moves(asker, path, soon):
    """The daemon gives one a day."""
    with FakeDaemon(path, streams(upload_window=70_000)) as fake:
        fake.hello = {"limits": {"timeout": 300}}
        assert asker(path).fetch(url(5), method="PUT", body=in_spurts(0.2, 5)).status == 200
        assert fake.uploads == [words(70_000) * 5]


def stalls(seconds):
    """Takes some of an upload, and the rest only after so long."""
    def script(peer):
        request_id = peer.begin()
        peer.grant(request_id, 10)
        peer.fake.stopping.wait(seconds)
        peer.grant(request_id, 1 << 30)
        peer.await_note("end")
        peer.head(request_id)
        peer.end(request_id, 0)
        list(peer.events())
    return script


PHASES = {"queue_timeout": 0.1, "connect_timeout": 0.1, "first_byte_timeout": 0.1}


def test_an_upload_that_the_origin_is_slow_to_take_is_waited_for_as_long_as_its_idle_timeout(asker, path,
                                                                                          soon):
    with FakeDaemon(path, stalls(0.7)):
        ask = asker(path)
        assert ask.take(URL, method="PUT", body=iter([bytes(100)]), idle_timeout=2, **PHASES)[1] == b""
        assert_deadline(ask.error(URL, take=True, method="PUT", body=iter([bytes(100)]),
                                  idle_timeout=0.2, **PHASES), 0.5)


def test_the_answer_to_an_upload_that_is_held_whole_has_the_daemons_own_timeout(asker, path, soon):
    def answers_late(peer):
        request_id = peer.begin()
        peer.grant(request_id, 1000)
        peer.await_note("end")
        peer.fake.stopping.wait(0.7)
        peer.answer(request_id, ANSWER)
        list(peer.events())
    with FakeDaemon(path, answers_late) as fake:
        fake.hello = {"limits": {"timeout": 2000}}
        body = iter([bytes(100)])
        assert asker(path).fetch(URL, method="PUT", body=body, idle_timeout=0.1, **PHASES).status == 200


def test_each_redirect_has_the_limits_of_the_phases(asker, path, soon):
    def redirects(peer):
        for request_id, _, params in peer.messages():
            peer.fake.stopping.wait(0.7)
            peer.answer_fetch(request_id, params, ANSWER)
    with FakeDaemon(path, redirects):
        ask = asker(path)
        assert ask.take(URL, redirects=2, **PHASES)[1] == b"hello\n"
        assert_deadline(ask.error(URL, take=True, redirects=0, **PHASES), 0.5)


# ---- A daemon that lies --------------------------------------------------------------------------

def packed(*message):
    return msgpack.packb(list(message), use_bin_type=True)


FIRST = 2  # the id of the first request: 1 is that of hello

NONSENSE = {
    "http": b"HTTP/1.1 400 Bad Request\r\n\r\n",
    "no msgpack": b"\xc1",
    "a very long array": b"\xdd\xff\xff\xff\xff" + b"\x91" * 20,
    "a number": packed(1)[1:],
    "nothing": b"\x90",
    "a short array": packed(1),
    "a long one": packed(1, FIRST, None, ANSWER, 1),
    "another kind": packed(7, FIRST, None, None),
    "a request": packed(0, FIRST, "fetch", []),
    "an id that is none": packed(1, "2", None, ANSWER),
    "an id that is not known": packed(1, 4711, None, ANSWER),
    "neither result nor error": packed(1, FIRST, None, None),
    "no result": packed(1, FIRST, None, "ok"),
    "a status that is none": packed(1, FIRST, None, {"status": "200"}),
    "a field of one part": packed(1, FIRST, None, {"status": 200, "headers": [["x"]]}),
    "fields that are none": packed(1, FIRST, None, {"status": 200, "headers": 5}),
    "a body that is none": packed(1, FIRST, None, {"status": 200, "body": 5}),
    "an error without code": packed(1, FIRST, "oops", None),
    "an error without sentence": packed(1, FIRST, [5], None),
    "an error whose code is none": packed(1, FIRST, ["5", "x"], None),
    "data before the answer": packed(2, "data", [FIRST, b"x"]),
    "an end before the answer": packed(2, "end", [FIRST, {}]),
    "an error before the answer": packed(2, "error", [FIRST, 200, "x"]),
    "a window without number": packed(2, "window", [FIRST]),
    "a window of less": packed(2, "window", [FIRST, -1]),
    "a notification without params": packed(2, "window", None),
}


@pytest.mark.parametrize("raw", NONSENSE.values(), ids=NONSENSE.keys())
def test_nonsense_is_a_bad_reply(asker, path, raw):
    with FakeDaemon(path, says(raw), serves) as fake:
        ask = asker(path)
        error = ask.error(URL)
        assert type(error) is fetchpool.MaybeProcessed and error.code == 903, repr(error)
        assert error.message.startswith(f"what answers at {path} is no fetchpoold: ")
        assert fake.accepted == 1
        assert ask.fetch(URL).status == 200


HEAD = packed(1, FIRST, None, {"status": 200})

NONSENSE_IN_STREAMS = {
    "a second answer": HEAD + HEAD,
    "data that is none": HEAD + packed(2, "data", [FIRST, 5]),
    "data without bytes": HEAD + packed(2, "data", [FIRST]),
    "data beyond the window": HEAD + packed(2, "data", [FIRST, bytes(1001)]),
    "an end of more than came": HEAD + packed(2, "end", [FIRST, {"bytes": 5}]),
    "trailers that are none": HEAD + packed(2, "end", [FIRST, {"bytes": 0, "trailers": [["x"]]}]),
    "an error without sense": HEAD + packed(2, "error", [FIRST, "x"]),
}


@pytest.mark.parametrize("raw", NONSENSE_IN_STREAMS.values(), ids=NONSENSE_IN_STREAMS.keys())
def test_nonsense_in_a_stream_is_a_bad_reply(asker, path, raw):
    with FakeDaemon(path, says(raw), serves):
        ask = asker(path)
        error = ask.error(URL, take=True, window=1000)
        assert type(error) is fetchpool.MaybeProcessed and error.code == 903, repr(error)
        assert ask.take(URL)[1] == b"hello\n"


@pytest.mark.parametrize("method", ["hello", "ping", "stats", "connections", "origins", "clients"])
def test_a_question_about_the_daemon_has_an_answer_or_an_error(asker, path, method):
    def says_five(peer):
        while received := peer.socket.recv(1 << 16):
            peer.unpacker.feed(received)
            for _, request_id, *_ in peer.unpacker:
                peer.answer(request_id, {} if request_id == 1 else 5)

    with FakeDaemon(path, says_five):
        with pytest.raises(fetchpool.MaybeProcessed, match=f"{method} was answered with 5") as caught:
            asker(path)._ask(method)
        assert caught.value.code == fetchpool.Code.BAD_REPLY


def test_empty_data_is_nothing(asker, path):
    def stutters(peer):
        request_id = peer.begin()
        peer.head(request_id)
        for piece in (b"", b"a", b"", b"", b"b", b""):
            peer.data(request_id, piece)
        peer.end(request_id, 2)
        list(peer.events())
    with FakeDaemon(path, stutters):
        ask = asker(path)
        stream = ask.open(URL)
        assert [ask.read_piece(stream) for _ in range(3)] == [b"a", b"b", None]


@pytest.mark.parametrize("loop", LOOPS)
def test_no_time_for_its_turn_is_no_absent_daemon(loop, path):
    """Not even where the daemon has not said hello yet."""
    async def main():
        async with fetchpool.AsyncClient(path) as client:
            with pytest.raises(fetchpool.NotSentTimeout) as caught:
                await client.fetch(URL, queue_timeout=0.05)
            assert caught.value.code == fetchpool.Code.QUEUE_TIMEOUT

    with socket.socket(socket.AF_UNIX) as door:  # where nobody accepts
        door.bind(str(path))
        door.listen()
        run_in(loop, main)
