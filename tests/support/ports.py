"""Ports for origins that must be told theirs: from below the range that the kernel gives to clients."""

import random
import socket

FIRST, LAST = 20000, 31999
_given = set()


def free_port():
    while True:
        port = random.randint(FIRST, LAST)
        if port in _given:
            continue
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        _given.add(port)
        return port


def accepts(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
