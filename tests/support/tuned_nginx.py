"""
A real nginx whose servers are set as a test wants them: one over HTTP/1.1, one over HTTP/2, both
with TLS.

    with TunedNginx(authority, h1="keepalive_requests 3;", h2="keepalive_requests 20;") as nginx:
        nginx.url("/x", nginx.H1)       answers 200 with the target as its body
        nginx.connections(nginx.H1)     how many it saw that carried a request
"""

import pathlib
import shutil
import tempfile

from .nginx import NginxProcess
from .ports import free_port

CONFIG = """
    log_format short '$server_port $connection $status $request_method $request_uri';
    access_log {directory}/access.log short;
    ssl_certificate {cert};
    ssl_certificate_key {key};
    ssl_session_cache shared:all:10m;
    server {{ listen 127.0.0.1:{h1_port} ssl backlog=4096; {h1} location / {{ return 200 $request_uri; }} }}
    server {{ listen 127.0.0.1:{h2_port} ssl http2 backlog=4096; {h2} location / {{ return 200 $request_uri; }} }}
}}
"""


class TunedNginx(NginxProcess):
    H1, H2 = "h1", "h2"

    def __init__(self, authority, h1="", h2=""):
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="fp-nginx-", dir="/tmp"))
        self.ports = {self.H1: free_port(), self.H2: free_port()}
        self.launch(CONFIG, self.ports[self.H2], cert=authority.server.cert,
                    key=authority.server.key, h1=h1, h2=h2, h1_port=self.ports[self.H1],
                    h2_port=self.ports[self.H2])

    def url(self, target, server):
        return f"https://localhost:{self.ports[server]}{target}"

    def log(self, server):
        """Its lines: (connection, status, method, target)."""
        lines = [line.split() for line in (self.directory / "access.log").read_text().splitlines()]
        return [tuple(line[1:]) for line in lines if line[0] == str(self.ports[server])]

    def connections(self, server):
        return len({line[0] for line in self.log(server)})

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()
        shutil.rmtree(self.directory)
