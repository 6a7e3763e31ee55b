"""
A real nginx whose servers are set as a test wants them: one over HTTP/1.1, one over HTTP/2, both
with TLS.

    with TunedNginx(authority, h1="keepalive_requests 3;", h2="keepalive_requests 20;") as nginx:
        nginx.url("/x", nginx.H1)       answers 200 with the target as its body
        nginx.connections(nginx.H1)     how many it saw that carried a request
"""

import pathlib
import shutil
import subprocess
import tempfile

from .ports import accepts, free_port
from .timing import eventually

CONFIG = """
daemon off;
master_process off;
pid {directory}/pid;
error_log {directory}/error.log warn;
events {{ worker_connections 8192; }}
http {{
    client_body_temp_path {directory}/temp-body;
    proxy_temp_path {directory}/temp-proxy;
    fastcgi_temp_path {directory}/temp-fastcgi;
    uwsgi_temp_path {directory}/temp-uwsgi;
    scgi_temp_path {directory}/temp-scgi;
    log_format short '$server_port $connection $status $request_method $request_uri';
    access_log {directory}/access.log short;
    default_type text/plain;
    ssl_certificate {cert};
    ssl_certificate_key {key};
    ssl_session_cache shared:all:10m;
    server {{ listen 127.0.0.1:{h1_port} ssl backlog=4096; {h1} location / {{ return 200 $request_uri; }} }}
    server {{ listen 127.0.0.1:{h2_port} ssl http2 backlog=4096; {h2} location / {{ return 200 $request_uri; }} }}
}}
"""


class TunedNginx:
    H1, H2 = "h1", "h2"

    def __init__(self, authority, h1="", h2=""):
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="fp-nginx-", dir="/tmp"))
        self.ports = {self.H1: free_port(), self.H2: free_port()}
        config = self.directory / "nginx.conf"
        config.write_text(CONFIG.format(
            directory=self.directory, cert=authority.server.cert, key=authority.server.key, h1=h1,
            h2=h2, h1_port=self.ports[self.H1], h2_port=self.ports[self.H2]))
        with open(self.directory / "stderr", "wb") as said:
            self.process = subprocess.Popen(
                ["/usr/sbin/nginx", "-p", self.directory, "-c", config, "-e",
                 self.directory / "error.log"],
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=said)
        eventually(self._is_up, 10, "nginx listens")

    def _is_up(self):
        assert self.process.poll() is None, (self.directory / "stderr").read_text()
        return accepts(self.ports[self.H2])

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
        self.process.terminate()
        self.process.wait(10)
        shutil.rmtree(self.directory)
