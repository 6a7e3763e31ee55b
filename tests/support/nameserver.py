"""
A name server that takes every question and answers none, and a daemon's way to it.

    with SilentNameServer(directory) as names:
        start_daemon(wrapper=names.wrapper); names.await_question(b"host")

And one that answers from a table, which may change meanwhile:

    with NameServer(address, directory, {"a.test": "10.0.0.1", "b.test": NameServer.FAILS,
                                         "c.test": ("10.0.0.1", "10.0.0.2")}) as names:
        names.resolver                  a resolv.conf that leads to it
        names.delay = 0.1               seconds before each answer, from the next question on
        names.types_of("a.test")        what was asked for that name: ["A", "AAAA"] is one look-up
        names.doubled                   names that were looked up twice at the same moment
        names.most_at_once              look-ups that waited for an answer at the same moment
        names.is_silent = True          takes questions and answers none
"""

import contextlib
import heapq
import itertools
import select
import socket
import struct
import subprocess
import threading
import time

from .timing import scaled

ADDRESS = "127.77.0.2"
OWN_RESOLVER = ["unshare", "-m", "sh", "-c",
                'mount --bind "$1" /etc/resolv.conf && shift && exec "$@"', "sh"]


class NotPermitted(Exception):
    """Neither the port nor a mount namespace can be had here."""


class SilentNameServer:
    def __init__(self, directory):
        resolver = directory / "resolv.conf"
        resolver.write_text(f"nameserver {ADDRESS}\noptions timeout:1 attempts:2\n")
        self.wrapper = [*OWN_RESOLVER, str(resolver)]
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.settimeout(scaled(5))

    def __enter__(self):
        try:
            self.socket.bind((ADDRESS, 53))
        except OSError as error:
            raise NotPermitted(f"no name server can be run here: {error}") from error
        if subprocess.run([*self.wrapper, "true"], capture_output=True).returncode != 0:
            raise NotPermitted("a mount namespace is not permitted here")
        return self

    def await_question(self, label):
        while label not in self.socket.recv(512):
            pass

    def __exit__(self, *_):
        self.socket.close()


TYPES = {1: "A", 28: "AAAA"}
FOUND, FAILURE, UNKNOWN = 0x8180, 0x8182, 0x8183  # flags: an answer, recursion available; its code
RESOLVER = "nameserver {}\nsearch .\noptions {}\n"  # nothing is looked for under other domains


class Question:
    def __init__(self, message, peer):
        self.id = message[:2]
        self.peer = peer
        labels, at = [], 12
        while message[at]:
            labels.append(message[at + 1:at + 1 + message[at]].decode())
            at += 1 + message[at]
        self.name = ".".join(labels).lower()
        self.type = TYPES.get(struct.unpack(">H", message[at + 1:at + 3])[0], "?")
        self.section = message[12:at + 5]

    @property
    def lookup(self):
        """The questions for both types of address come from one socket."""
        return self.name, self.peer

    def answer(self, record):
        flags = {None: UNKNOWN, NameServer.FAILS: FAILURE}.get(record, FOUND)
        addresses = [record] if isinstance(record, str) else record
        if flags != FOUND or self.type != "A":
            addresses = []
        records = [struct.pack(">HHHIH4s", 0xc00c, 1, 1, 0, 4, socket.inet_aton(each))
                   for each in addresses]
        counts = struct.pack(">5H", flags, 1, len(records), 0, 0)
        return self.id + counts + self.section + b"".join(records)


class NameServer:
    FAILS = "server failure"

    def __init__(self, address, directory, records=None, delay=0.0,
                 options="timeout:1 attempts:2"):
        self.records = records or {}
        self.delay = delay
        self.is_silent = False
        self.questions = []
        self.waiting = {}  # look-ups, and how many of their questions have no answer yet
        self.doubled = []
        self.most_at_once = 0
        self.due = []  # (when, number, question), a heap
        self.numbers = itertools.count()
        self.news = threading.Condition()
        self.resolver = directory / "resolv.conf"
        self.resolver.write_text(RESOLVER.format(address, options))
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind((address, 53))
        self.end, self.ended = socket.socketpair()
        self.thread = threading.Thread(target=self._serve, daemon=True)
        self.thread.start()

    def _serve(self):
        while True:
            wait = max(0, self.due[0][0] - time.monotonic()) if self.due else None
            readable, _, _ = select.select([self.socket, self.ended], [], [], wait)
            if self.ended in readable:
                return
            if self.socket in readable:
                self._take(Question(*self.socket.recvfrom(512)))
            while self.due and self.due[0][0] <= time.monotonic():
                self._answer(heapq.heappop(self.due)[2])

    def _take(self, question):
        with self.news:
            self.questions.append(question)
            if any(name == question.name and peer != question.peer for name, peer in self.waiting):
                self.doubled.append(question.name)
            self.waiting[question.lookup] = self.waiting.get(question.lookup, 0) + 1
            self.most_at_once = max(self.most_at_once, len(self.waiting))
            self.news.notify_all()
        if not self.is_silent:
            heapq.heappush(self.due, (time.monotonic() + self.delay, next(self.numbers), question))

    def _answer(self, question):
        with self.news:
            self.waiting[question.lookup] -= 1
            if self.waiting[question.lookup] == 0:
                del self.waiting[question.lookup]
        with contextlib.suppress(OSError):  # a packet filter lies in between
            self.socket.sendto(question.answer(self.records.get(question.name)), question.peer)

    def types_of(self, name):
        with self.news:
            return sorted(question.type for question in self.questions if question.name == name)

    def await_names(self, count, seconds=5):
        """Until so many different names were asked for."""
        with self.news:
            assert self.news.wait_for(lambda: len({each.name for each in self.questions}) >= count,
                                      scaled(seconds)), f"{len(self.questions)} questions"

    def close(self):
        self.end.close()
        self.thread.join()
        for each in (self.socket, self.ended):
            each.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
