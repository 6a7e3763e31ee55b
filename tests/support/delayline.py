"""
A network with a length: two namespaces, and each packet between them takes a fixed time.

    with DelayLine(round_trip_ms=20) as line:
        with line.far.inside(): Nginx(…, address=line.FAR)      an origin
        subprocess.run([*line.near.enter(), "curl", …])         its clients, and a daemon
        line.measured_ms()                                      what a round trip takes

Root's alone: NotPermitted says what is missing. The namespaces, the two TUN devices that join them
and the program that passes the packets on (delayline.c) go with the block, and with the process.
"""

import contextlib
import fcntl
import os
import socket
import statistics
import struct
import subprocess
import time

from .daemon import BUILD
from .namespace import Namespace
from .nameserver import NotPermitted

PROGRAM = BUILD / "tests/delayline"
DEVICE = "/dev/net/tun"
NAME = "line"

# linux/if_tun.h
TUNSETIFF = 0x400454CA
IFF_TUN, IFF_NO_PI = 0x0001, 0x1000


def open_tun(namespace):
    """A device of that namespace. It goes when the last descriptor of it is closed."""
    try:
        with namespace.inside():
            tun = os.open(DEVICE, os.O_RDWR | os.O_CLOEXEC)
    except OSError as error:
        raise NotPermitted(f"no TUN device can be had here: {error}") from error
    try:
        fcntl.ioctl(tun, TUNSETIFF, struct.pack("16sH22x", NAME.encode(), IFF_TUN | IFF_NO_PI))
    except OSError as error:
        os.close(tun)
        raise NotPermitted(f"no TUN device can be had here: {error}") from error
    return tun


class DelayLine:
    """`near`, `far`: the two namespaces."""

    NEAR, FAR = "10.77.1.1", "10.77.1.2"  # their addresses

    def __init__(self, round_trip_ms):
        if os.geteuid() != 0:
            raise NotPermitted("a delay line needs root: namespaces and TUN devices")
        with contextlib.ExitStack() as stack:
            self.near, self.far = Namespace(), None
            stack.callback(self.near.close)
            self.far = Namespace()
            stack.callback(self.far.close)
            self._start(stack, round_trip_ms)
            self.stack = stack.pop_all()

    def _start(self, stack, round_trip_ms):
        with contextlib.ExitStack() as devices:  # the program has them; here they are closed
            ends = []
            for namespace, address in (self.near, self.NEAR), (self.far, self.FAR):
                ends.append(open_tun(namespace))
                devices.callback(os.close, ends[-1])
                namespace.run("ip", "address", "add", f"{address}/24", "dev", NAME)
                namespace.run("ip", "link", "set", NAME, "txqueuelen", "10000", "up")
            self.process = subprocess.Popen(
                [PROGRAM, *map(str, ends), str(round(round_trip_ms * 500))],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, pass_fds=ends)
        stack.callback(self._end)
        if self.process.stdout.readline() != "up\n":
            raise NotPermitted("the delay line did not begin")

    def _end(self):
        self.process.communicate(timeout=10)  # its input ends, and so does it

    def measured_ms(self, times=5):
        """The median of so many TCP handshakes."""
        with self.far.inside():
            listener = socket.create_server((self.FAR, 0))
        with listener:
            return statistics.median(self._handshake_ms(listener.getsockname())
                                     for _ in range(times))

    def _handshake_ms(self, address):
        with self.near.inside():
            talk = socket.socket()
        with talk:
            begun = time.perf_counter()
            talk.connect(address)
            return (time.perf_counter() - begun) * 1000

    def close(self):
        self.stack.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
