"""
Origins that count: how often did a request get there, and did the origin act on it?

    with StreamsOrigin(authority.server, script, max_streams=1) as origin:     HTTP/2
        origin.processed_as("/target")       how often the script took that target for its own
        origin.go_away(session, last=3)      GOAWAY, after which its streams still run
        origin.set_max_streams(session, 1)
    seen(origin, "/target")                  of a RawOrigin: how many whole requests came for it

`script(arrival)` runs in a thread for each stream (see upload_origin.py). What it calls
`origin.process(arrival)` for counts as acted upon. A stream beyond the limit that the origin
announced is refused, as real ones do, and never gets to the script.
"""

import threading

from hyperframe.frame import GoAwayFrame

from h2.settings import SettingCodes

from .origin import Gone, response
from .timing import scaled
from .upload_origin import H2UploadOrigin

NO_ERROR, INTERNAL_ERROR, REFUSED_STREAM = 0, 2, 7
LAST_OF_ALL = 2**31 - 1  # a GOAWAY that does not say which streams were processed


def seen(origin, target):
    with origin.news:
        return sum(request.target == target for request in origin.requests)


class Gate:
    """Lets through as many as it was opened for."""

    def __init__(self):
        self.permits = 0
        self.news = threading.Condition()

    def open(self, count=1):
        with self.news:
            self.permits += count
            self.news.notify_all()

    def open_for_all(self):
        self.open(float("inf"))

    def wait(self, origin):
        """Raises Gone when the origin is closed, so that a test that fails does not wait for its threads."""
        with self.news:
            while self.permits < 1:
                self.news.wait(0.2)
                if origin.released.is_set():
                    raise Gone
            self.permits -= 1


def gated(gate, answer=None):
    """A script over HTTP/1.1 that answers each request when the gate lets it."""

    def script(connection):
        while True:
            request = connection.read_request()
            gate.wait(connection.origin)
            connection.write(answer(request) if answer else response(body=request.target.encode()))

    return script


def answer_with_target(arrival):
    arrival.read_all()
    arrival.origin.process(arrival)
    arrival.origin.reply(arrival, b"" if arrival.method == "HEAD" else arrival.target.encode())


class StreamsOrigin(H2UploadOrigin):
    def __init__(self, leaf, script=answer_with_target, max_streams=100):
        self.processed = []  # (connection, stream, method, target), in the order of their processing
        self.refused = []  # the same, of those beyond the announced limit
        self.busy = {}  # streams that run, by session
        self.most_at_once = {}  # of one connection, by its number
        self.max_of = {}  # the limit last announced, by session
        super().__init__(leaf, script, max_streams)

    def run(self, arrival):
        session = arrival.session
        busy = self.busy.setdefault(session, set())
        if len(busy) >= self.max_of.get(session, self.max_streams):
            self.refused.append(self._name(arrival))
            arrival.reset(REFUSED_STREAM)
            return
        busy.add(arrival.stream)
        number = arrival.connection.number
        self.most_at_once[number] = max(self.most_at_once.get(number, 0), len(busy))
        super().run(arrival)

    def _name(self, arrival):
        return arrival.connection.number, arrival.stream, arrival.method, arrival.target

    def process(self, arrival):
        """From here on the origin has acted on it."""
        with self.news:
            self.processed.append(self._name(arrival))
            self.news.notify_all()

    def processed_as(self, target):
        with self.news:
            return sum(name[3] == target for name in self.processed)

    def await_processed(self, count, seconds=10):
        with self.news:
            assert self.news.wait_for(lambda: len(self.processed) >= count, scaled(seconds)), \
                f"{len(self.processed)} processed instead of {count}"

    def _leave(self, arrival):
        # Before the stream's last byte goes out: what the peer sends next may already be its heir.
        arrival.session.do(lambda: self.busy[arrival.session].discard(arrival.stream))

    def reply(self, arrival, body=b"", status=200):
        self._leave(arrival)
        arrival.answer(status, body)

    def reset(self, arrival, code):
        self._leave(arrival)
        arrival.reset(code)

    def go_away(self, session, last=LAST_OF_ALL, code=NO_ERROR):
        """h2 would take the connection for closed, and send nothing after this."""
        frame = GoAwayFrame(0, last_stream_id=last, error_code=code)
        session.do(lambda: session.connection.write(session.h2.data_to_send() + frame.serialize()))

    def set_max_streams(self, session, limit):
        def announce():
            self.max_of[session] = limit
            session.h2.update_settings({SettingCodes.MAX_CONCURRENT_STREAMS: limit})

        session.do(announce)


def sessions_of(origin):
    """One for each connection that had a request, in the order of their first."""
    with origin.news:
        return list(dict.fromkeys(arrival.session for arrival in origin.arrivals))
