"""
The origin of the measurements: one nginx process, as lean as it can be.

    with BenchOrigin(directory) as origin:      with a CA of its own, origin.ca
    origin.url("1.1"), origin.url("2")          https; six bytes
    origin.url("1.1", "/files/x")               what lies in origin.files
    origin.url("2", "/only/2")                  a 505 for another protocol
    BenchOrigin(directory, address=line.FAR, namespace=line.far)
    BenchOrigin(directory, more=1000)           origin.more["2"]: so many more ports
    BenchOrigin(directory, once=16)             origin.once: ports whose connections end with the
                                                first answer, and resume no TLS session
    origin.url("2", "/", port)
"""

import contextlib
import pathlib

from support.certificates import Authority
from support.nginx import NginxProcess
from support.ports import free_port

CONFIG = """
    access_log off;
    keepalive_requests 1000000000;
    keepalive_timeout 3600s;
    sendfile on;
    tcp_nopush on;
    client_max_body_size 0;
    ssl_protocols TLSv1.2 TLSv1.3;
    ssl_certificate {leaf.cert};
    ssl_certificate_key {leaf.key};
    server {{
        listen {address}:{h1} ssl backlog=4096;
        listen {address}:{h2} ssl http2 backlog=4096;
        listen {address}:{plain} backlog=4096;
{more}
        location / {{ return 200 "hello\\n"; }}
        location = /only/1.1 {{
            if ($server_protocol != HTTP/1.1) {{ return 505; }}
            return 200 "hello\\n";
        }}
        location = /only/2 {{
            if ($server_protocol != HTTP/2.0) {{ return 505; }}
            return 200 "hello\\n";
        }}
        location /files/ {{ root {directory}; }}
        location /put/ {{ root {directory}; dav_methods PUT; }}
    }}
{once}
    server {{
        listen 127.0.0.1:{status};
        location / {{ stub_status; }}
    }}
}}
"""

# "close" is said of every answer.
ONCE = """
    server {{
{listens}
        keepalive_timeout 0;
        ssl_session_cache off;
        ssl_session_tickets off;
        location / {{ return 200 "hello\\n"; }}
    }}
"""


def listen(address, port, http):
    return f"        listen {address}:{port} ssl{' http2' if http == '2' else ''} backlog=4096;"


class BenchOrigin(NginxProcess):
    def __init__(self, directory, address="127.0.0.1", namespace=None, more=0, once=0):
        self.directory = pathlib.Path(directory)
        self.address = address
        self.files = self.directory / "files"
        for each in (self.files, self.directory / "put"):
            each.mkdir(parents=True)
        self.authority = Authority(self.directory / "authority")
        names = f"DNS:localhost,IP:{address}"
        leaf = self.authority.sign("origin", names)
        self.ports = {"1.1": free_port(), "2": free_port(), "plain": free_port()}
        self.more = {http: [free_port() for _ in range(more)] for http in ("1.1", "2")}
        self.once = [free_port() for _ in range(once)]
        more_listens = [listen(address, port, http) for http, ports in self.more.items()
                        for port in ports]
        once_listens = [listen(address, port, "1.1") for port in self.once]
        self.status = free_port()
        self.namespace = namespace
        with self.inside():
            self.launch(CONFIG, self.status, leaf=leaf, address=address, h1=self.ports["1.1"],
                        h2=self.ports["2"], plain=self.ports["plain"], status=self.status,
                        more="\n".join(more_listens),
                        once=ONCE.format(listens="\n".join(once_listens)) if once else "")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def inside(self):
        return self.namespace.inside() if self.namespace else contextlib.nullcontext()

    @property
    def ca(self):
        return self.authority.pem

    def host(self):
        return "localhost" if self.address == "127.0.0.1" else self.address

    def url(self, http="2", target="/", port=None):
        scheme = "http" if http == "plain" else "https"
        return f"{scheme}://{self.host()}:{port or self.ports[http]}{target}"
