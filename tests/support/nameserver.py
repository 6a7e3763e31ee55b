"""
A name server that takes every question and answers none, and a daemon's way to it.

    with SilentNameServer(directory) as names:
        start_daemon(wrapper=names.wrapper); names.await_question(b"host")
"""

import socket
import subprocess

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
