"""
A real nginx as origin, run in the foreground by any user, with everything in one directory.

    nginx = Nginx(directory, authority)
    nginx.url("/text")                  https, HTTP/2
    nginx.url("/text", nginx.H1)        https, HTTP/1.1 only
    nginx.url("/text", nginx.PLAIN)     http
    nginx.large(1 << 30)                a large file's target and digest
    nginx.log("tag=x")                  what it logged of the requests with that in their target

The servers: PLAIN, H1, H2, EXPIRED, OTHER (a certificate for other.test), STRANGER (unknown
authority), MUTUAL and MUTUAL_H2 (ask for a client's certificate), ONCE and MUTUAL_ONCE (TLS, close after each
answer).
Locations: see `LOCATIONS`. One that the log names is unique to a test if the test adds `?tag=…`.
"""

import pathlib
import subprocess
from collections import namedtuple

from .bodies import body, write_large
from .ports import accepts, free_port
from .timing import eventually

LogLine = namedtuple("LogLine", "connection requests port protocol resumed status method target agent")

LOG_FORMAT = r"$connection\t$connection_requests\t$server_port\t$server_protocol\t" \
             r"$ssl_session_reused\t$status\t$request_method\t$request_uri\t$http_user_agent"

FILES = {"empty": 0, "one": 1, "small": 1000, "page": 65536, "mebibyte": 1 << 20,
         "sixteen": 16 << 20, "sixteen-and-one": (16 << 20) + 1}

STATUSES = (200, 201, 204, 304, 400, 401, 403, 404, 410, 418, 429, 500, 502, 503)

LOCATIONS = r"""
        location = /text { return 200 "hello\n"; }
        location = /echo {
            return 200 "$request_method|$http_x_echo|$http_authorization|$http_cookie|$content_length";
        }
        location = /identity { return 200 "$ssl_client_s_dn"; }
        location = /sni { return 200 "$ssl_server_name"; }
        location = /agent { return 200 "$http_user_agent"; }
        location /files/ { alias %(files)s/; }
        location /put/ { alias %(put)s/; dav_methods PUT DELETE; client_max_body_size 64m; }
        location /gzip/ { alias %(files)s/; gzip on; gzip_min_length 0; gzip_types *; }
        location /slow/ { alias %(files)s/; limit_rate 1k; }
        location /loop { return 302 /loop; }
        location = /to { return 302 $arg_url; }
        location = /set-cookies {
            add_header Set-Cookie "a=1"; add_header X-Between "yes"; add_header Set-Cookie "b=2";
            return 200 "cookies\n";
        }
"""


def locations(directory):
    lines = [LOCATIONS % {"files": directory / "files", "put": directory / "put"}]
    for status in STATUSES:
        lines.append(f'        location = /status/{status} {{ return {status} "status {status}"; }}')
    for status in (301, 302, 303, 307, 308):
        lines.append(f"        location = /redirect/{status} {{ return {status} /echo; }}")
    lines.append("        location = /chain/0 { return 200 \"end of chain\\n\"; }")
    for step in range(1, 21):
        lines.append(f"        location = /chain/{step} {{ return 302 /chain/{step - 1}; }}")
    return "\n".join(lines)


# What every nginx of the tests begins with; the one brace that it opens is to be closed.
PROLOGUE = """
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
    default_type text/plain;
"""


class NginxProcess:
    """A running nginx: .directory, .ports; a subclass fills these and calls launch()."""

    def launch(self, config, port, **values):
        """`config`: what follows PROLOGUE, with its {names}; `port`: open when it is up."""
        path = self.directory / "nginx.conf"
        path.write_text((PROLOGUE + config).format(directory=self.directory, **values))
        with open(self.directory / "stderr", "wb") as said:
            self.process = subprocess.Popen(
                ["/usr/sbin/nginx", "-p", self.directory, "-c", path, "-e",
                 self.directory / "error.log"],
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=said)
        eventually(lambda: self._is_up(port), 10, lambda: f"nginx: {self._said()}")

    def _said(self):
        return (self.directory / "stderr").read_text()

    def _is_up(self, port):
        assert self.process.poll() is None, self._said()
        return accepts(port)

    def stop(self):
        self.process.terminate()
        self.process.wait(10)


CONFIG = """
    log_format fields '{log_format}';
    access_log {directory}/access.log fields;
    keepalive_requests 1000000;
    keepalive_timeout 600s;
    client_max_body_size 64m;
    large_client_header_buffers 8 64k;
    absolute_redirect off;
{servers}
}}
"""

SERVER = """
    server {{
        listen 127.0.0.1:{port}{flags};
        {more}
{locations}
    }}
"""


class Nginx(NginxProcess):
    H2, H1, PLAIN, EXPIRED, OTHER, STRANGER, MUTUAL, MUTUAL_H2, MUTUAL_ONCE, ONCE = (
        "h2", "h1", "plain", "expired", "other", "stranger", "mutual", "mutual-h2", "mutual-once",
        "once")

    def __init__(self, directory, authority):
        self.directory = pathlib.Path(directory)
        (self.directory / "files").mkdir(parents=True)
        (self.directory / "put").mkdir()
        for name, length in FILES.items():
            (self.directory / "files" / name).write_bytes(body(length, name))
        (self.directory / "files" / "words").write_bytes(b"the same words again and again\n" * 4000)
        self.ports = {}
        self.digests = {}
        mutual = f"ssl_verify_client optional; ssl_client_certificate {authority.pem};"
        once = "keepalive_timeout 0; ssl_session_cache shared:once:1m;"
        servers = [self._server(self.PLAIN, None),
                   self._server(self.H1, authority.server),
                   self._server(self.H2, authority.server, " http2"),
                   self._server(self.EXPIRED, authority.expired),
                   self._server(self.OTHER, authority.other),
                   self._server(self.STRANGER, authority.stranger),
                   self._server(self.MUTUAL, authority.server, "", mutual),
                   self._server(self.MUTUAL_H2, authority.server, " http2", mutual),
                   self._server(self.MUTUAL_ONCE, authority.server, "", mutual + once),
                   self._server(self.ONCE, authority.server, "", once)]
        self.launch(CONFIG, self.ports[self.ONCE], log_format=LOG_FORMAT,
                    servers="\n".join(servers))

    def _server(self, name, leaf, flags="", more=""):
        self.ports[name] = port = free_port()
        if leaf:
            flags = " ssl" + flags
            more += f" ssl_certificate {leaf.cert}; ssl_certificate_key {leaf.key};"
        return SERVER.format(port=port, flags=flags, more=more,
                             locations=locations(self.directory))

    def url(self, target, server=H2, host="localhost"):
        scheme = "http" if server == self.PLAIN else "https"
        return f"{scheme}://{host}:{self.ports[server]}{target}"

    def origin(self, server=H2, host="localhost"):
        return self.url("", server, host)

    def file(self, name):
        return body(FILES[name], name)

    def large(self, length):
        """The target and the digest of a large file, made when it is first asked for."""
        if length not in self.digests:
            self.digests[length] = write_large(self.directory / "files" / f"large-{length}", length)
        return f"/files/large-{length}", self.digests[length]

    def log(self, text=""):
        """The log lines whose target holds that text."""
        lines = (self.directory / "access.log").read_text(errors="surrogateescape").splitlines()
        return [line for line in (LogLine(*line.split("\t")) for line in lines)
                if text in line.target]

    def log_of(self, text, count, seconds=5):
        """The same, when there are so many: nginx writes a line after it has sent the answer."""
        return eventually(lambda: len(self.log(text)) >= count and self.log(text), seconds,
                          lambda: f"{count} log lines with {text}, but {len(self.log(text))}")


class Nghttpd:
    """nghttpd, HTTP/2 over TLS; it sends every uploaded body back."""

    def __init__(self, directory, authority, *options):
        self.directory = pathlib.Path(directory)
        self.directory.mkdir(parents=True, exist_ok=True)
        (self.directory / "text").write_text("hello from nghttpd\n")
        self.port = free_port()
        self.digests = {}
        self.process = subprocess.Popen(
            ["nghttpd", "--address=127.0.0.1", f"--htdocs={self.directory}", "--echo-upload",
             *options, str(self.port), str(authority.server.key), str(authority.server.cert)],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        eventually(lambda: accepts(self.port), 10, "nghttpd listens")

    def url(self, target):
        return f"https://localhost:{self.port}{target}"

    def large(self, length):
        """The target and the digest of a large file, made when it is first asked for."""
        if length not in self.digests:
            self.digests[length] = write_large(self.directory / f"large-{length}", length)
        return f"/large-{length}", self.digests[length]

    def stop(self):
        self.process.terminate()
        self.process.wait(10)
