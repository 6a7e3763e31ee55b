"""
fetchpoold, and what stands beside it between clients and origins: each one process with one thread
that works, and connections to the origin that stay open.

    with Peers(directory, origin) as peers:         all of them, or those that are named
        peers["HAProxy"].pids                       who is charged for the work
        peers["HAProxy"].http                       the protocols that it speaks to origins
        peers["HAProxy"].command(clients, http)     what a load generator is told (shared/load.py)

Clients reach fetchpoold and the floor over a Unix socket, zurl over ZeroMQ, the others over HTTP/1.1
in the clear on loopback; all of them verify the origin's certificate, but for zurl, which cannot be
given a CA. nginx and squid do not speak HTTP/2 to origins. The floor has a process for each protocol,
of which one works at a time.
"""

import contextlib
import os
import pathlib
import pwd
import socket
import subprocess

from support.daemon import FETCHPOOLD, Daemon
from support.nginx import NginxProcess
from support.ports import accepts, free_port
from support.timing import eventually

from .load import FLOOR

PROXY = """
    access_log off;
    keepalive_requests 1000000000;
    keepalive_timeout 3600s;
    upstream origin {{
        server 127.0.0.1:{to};
        keepalive 512;
        keepalive_requests 1000000000;
        keepalive_timeout 3600s;
    }}
    server {{
        listen 127.0.0.1:{listen} backlog=4096;
        location / {{
            proxy_pass https://origin;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_ssl_verify on;
            proxy_ssl_trusted_certificate {ca};
            proxy_ssl_name localhost;
        }}
    }}
}}
"""

HAPROXY = """
global
    nbthread 1
    maxconn 8192
    ssl-server-verify required
defaults
    mode http
    http-reuse always
    timeout connect 10s
    timeout client 1h
    timeout server 1h
    default-server ssl sni str(localhost) verifyhost localhost pool-purge-delay 1h
frontend h1
    bind 127.0.0.1:{h1}
    default_backend h1
frontend h2
    bind 127.0.0.1:{h2}
    default_backend h2
backend h1
    server origin 127.0.0.1:{to_h1} ca-file {ca}
backend h2
    server origin 127.0.0.1:{to_h2} ca-file {ca} alpn h2
"""

SQUID = """
http_port 127.0.0.1:{port}
http_access allow all
cache deny all
cache_mem 8 MB
access_log none
cache_log {directory}/cache.log
cache_store_log none
pid_filename {directory}/pid
coredump_dir {directory}
pinger_enable off
tls_outgoing_options cafile={ca}
server_idle_pconn_timeout 1 hour
client_idle_pconn_timeout 1 hour
max_filedescriptors 8192
shutdown_lifetime 0 seconds
visible_hostname localhost
"""

ZURL = """
[General]
instance_id=
in_spec=ipc://{directory}/in
in_stream_spec=ipc://{directory}/in-stream
out_spec=ipc://{directory}/out
in_req_spec=ipc://{directory}/requests
ipc_file_mode=600
defpolicy=allow
allow=
deny=
max_open_requests=2000
buffer_size=200000
timeout=600
in_hwm=10000
out_hwm=10000
"""


def accepts_unix(path):
    with socket.socket(socket.AF_UNIX) as probe:
        return probe.connect_ex(str(path)) == 0


class Peer:
    """A running program. .process, .directory"""

    http = ("1.1", "2")

    def start(self, command, is_up):
        with open(self.directory / "said", "wb") as said:
            self.process = subprocess.Popen([str(part) for part in command], cwd=self.directory,
                                            stdin=subprocess.DEVNULL, stdout=said, stderr=said)
        eventually(lambda: self._is_alive() and is_up(), 20, lambda: f"{command}: {self._said()}")

    def _said(self):
        return (self.directory / "said").read_text(errors="replace")

    def _is_alive(self):
        assert self.process.poll() is None, self._said()
        return True

    @property
    def pids(self):
        return [self.process.pid]

    def stop(self):
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


class Fetchpoold(Peer):
    def __init__(self, directory, origin, config=None, binary=FETCHPOOLD):
        self.origin = origin
        sections = {"tls": {"ca_file": origin.ca}, **(config or {})}
        self.daemon = Daemon(sections, log_level=None, binary=binary)

    @property
    def pids(self):
        return [self.daemon.pid]

    @property
    def path(self):
        return self.daemon.path

    def command(self, http, target="/"):
        return ["fetchpool", self.daemon.path], [self.origin.url(http, target)]

    def stop(self):
        self.daemon.stop()
        self.daemon.remove()


class Nginx(Peer, NginxProcess):
    http = ("1.1",)

    def __init__(self, directory, origin):
        self.directory = directory
        self.port = free_port()
        self.launch(PROXY, self.port, listen=self.port, to=origin.ports["1.1"], ca=origin.ca)

    def command(self, http, target="/"):
        return ["http", f"127.0.0.1:{self.port}"], [target]


class HAProxy(Peer):
    def __init__(self, directory, origin):
        self.directory = directory
        self.ports = {"1.1": free_port(), "2": free_port()}
        config = directory / "haproxy.cfg"
        config.write_text(HAPROXY.format(h1=self.ports["1.1"], h2=self.ports["2"], ca=origin.ca,
                                         to_h1=origin.ports["1.1"], to_h2=origin.ports["2"]))
        self.start(["/usr/sbin/haproxy", "-db", "-f", config], lambda: accepts(self.ports["2"]))

    def command(self, http, target="/"):
        return ["http", f"127.0.0.1:{self.ports[http]}"], [target]


class Squid(Peer):
    http = ("1.1",)

    def __init__(self, directory, origin):
        self.directory, self.origin = directory, origin
        self.port = free_port()
        config = directory / "squid.conf"
        config.write_text(SQUID.format(port=self.port, directory=directory, ca=origin.ca))
        if os.geteuid() == 0:  # it becomes this user, who must be able to write there
            os.chown(directory, pwd.getpwnam("proxy").pw_uid, -1)
        self.start(["/usr/sbin/squid", "-N", "-f", config], lambda: accepts(self.port))

    def command(self, http, target="/"):
        return ["http", f"127.0.0.1:{self.port}"], [self.origin.url(http, target)]


class Zurl(Peer):
    def __init__(self, directory, origin):
        self.directory, self.origin = directory, origin
        config = directory / "zurl.conf"
        config.write_text(ZURL.format(directory=directory))
        self.start(["zurl", f"--config={config}", "--loglevel=0"], (directory / "requests").exists)

    def command(self, http, target="/"):
        return ["zurl", f"ipc://{self.directory}/requests"], [self.origin.url(http, target)]


class Served(Peer):
    """The floor's loop behind a Unix socket, for one protocol."""

    def __init__(self, directory, origin, http):
        self.directory, self.path = directory, directory / "s"
        directory.mkdir()
        self.start([FLOOR, http, origin.ca, self.path, origin.url(http)],
                   lambda: accepts_unix(self.path))


class FloorWithClients(Peer):
    """Its requests are all for one URL of the origin, whatever a client says (floor_clients.h)."""

    def __init__(self, directory, origin):
        self.served = {}
        with contextlib.ExitStack() as stack:
            for http in self.http:
                self.served[http] = Served(directory / http, origin, http)
                stack.callback(self.served[http].stop)
            self.stop = stack.pop_all().close

    @property
    def pids(self):
        return [pid for each in self.served.values() for pid in each.pids]

    def command(self, http, target="/"):
        return ["fetchpool", self.served[http].path], [target]


FLOOR_WITH_CLIENTS = "floor with clients"

KINDS = {"fetchpoold": Fetchpoold, "nginx": Nginx, "HAProxy": HAProxy, "squid": Squid, "zurl": Zurl,
         FLOOR_WITH_CLIENTS: FloorWithClients}


class Peers(dict):
    def __init__(self, directory, origin, names=tuple(KINDS)):
        super().__init__()
        with contextlib.ExitStack() as stack:
            for name in names:
                place = pathlib.Path(directory) / name.replace(" ", "-")
                place.mkdir()
                self[name] = KINDS[name](place, origin)
                stack.callback(self[name].stop)
            self.stack = stack.pop_all()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stack.close()
