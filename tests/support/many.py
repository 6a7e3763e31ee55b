"""
Many requests at a time, from one thread, over several clients.

    answers = Many(clients).run(requests, at_once=100)

`requests`: dicts of the keys of a fetch. What comes back, in their order: results, or Refused where
an error came. `due`: seconds from the start at which each is to be sent, instead of `at_once`.
"""

import selectors
import time

from .client import Refused
from .timing import scaled


class Many:
    def __init__(self, clients):
        self.clients = clients
        self.running = {}  # (client's number, id): the request's number
        self.answers = {}
        self.selector = selectors.DefaultSelector()
        for number, client in enumerate(clients):
            self.selector.register(client.socket, selectors.EVENT_READ, number)

    def _send(self, index, keys):
        number = index % len(self.clients)
        self.running[number, self.clients[number].send("fetch", keys)] = index

    def _collect(self, patience):
        for key, _ in self.selector.select(patience):
            client = self.clients[key.data]
            client._read_more(time.monotonic() + scaled(10))  # noqa: SLF001 (there is something)
            for id in [id for id, messages in client.answers.items() if messages]:
                _, _, error, result = client.answers.pop(id).pop(0)
                self.answers[self.running.pop((key.data, id))] = Refused(error) if error else result

    def run(self, requests, at_once=None, due=None, seconds=120):
        deadline = time.monotonic() + scaled(seconds)
        start = time.monotonic()
        next_one = 0
        self.answers = {}
        while len(self.answers) < len(requests):
            assert time.monotonic() < deadline, \
                f"{len(self.answers)} answers to {len(requests)} requests"
            while next_one < len(requests) and self._may_send(next_one, at_once, due, start):
                self._send(next_one, requests[next_one])
                next_one += 1
            self._collect(0.001 if due and next_one < len(requests) else 0.1)
        return [self.answers[index] for index in range(len(requests))]

    def _may_send(self, index, at_once, due, start):
        if due:
            return time.monotonic() - start >= due[index]
        return len(self.running) < at_once


def errors_of(answers):
    return [answer for answer in answers if isinstance(answer, Refused)]
