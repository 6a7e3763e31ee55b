"""
A certificate authority that lives as long as the test run, and what it signed.

    authority = Authority(directory)
    authority.pem                   the CA's certificate, a path
    authority.server                a Leaf for localhost and 127.0.0.1: .cert, .key (paths)
    authority.other                 valid, but for other.test only
    authority.expired               for localhost, since yesterday no more
    authority.stranger              for localhost, signed by nobody we know
    authority.client("alice")       a client's certificate
"""

import functools
import pathlib
import subprocess
from collections import namedtuple

Leaf = namedtuple("Leaf", "cert key")

KEY = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]


def openssl(*arguments):
    done = subprocess.run(["openssl", *map(str, arguments)], capture_output=True, text=True,
                          timeout=30)
    assert done.returncode == 0, f"openssl {arguments[0]}: {done.stderr}"


class Authority:
    def __init__(self, directory):
        self.directory = pathlib.Path(directory)
        self.directory.mkdir(parents=True, exist_ok=True)
        self.serial = 1
        self.pem = self.directory / "ca.pem"
        self.key = self.directory / "ca.key"
        openssl("req", "-x509", *KEY, "-keyout", self.key, "-out", self.pem, "-days", "2",
                "-subj", "/CN=fetchpool test authority")

    def sign(self, name, names, days=2, usage="serverAuth"):
        cert, key = self.directory / f"{name}.pem", self.directory / f"{name}.key"
        request, extensions = self.directory / f"{name}.csr", self.directory / f"{name}.ext"
        openssl("req", *KEY, "-keyout", key, "-out", request, "-subj", f"/CN={name}")
        extensions.write_text(f"subjectAltName={names}\nextendedKeyUsage={usage}\n")
        self.serial += 1
        openssl("x509", "-req", "-in", request, "-CA", self.pem, "-CAkey", self.key, "-days", days,
                "-set_serial", self.serial, "-extfile", extensions, "-out", cert)
        return Leaf(cert, key)

    @functools.cached_property
    def server(self):
        return self.sign("localhost", "DNS:localhost,IP:127.0.0.1")

    @functools.cached_property
    def other(self):
        return self.sign("other.test", "DNS:other.test")

    @functools.cached_property
    def expired(self):
        return self.sign("expired", "DNS:localhost,IP:127.0.0.1", days=-1)

    @functools.cached_property
    def stranger(self):
        cert, key = self.directory / "stranger.pem", self.directory / "stranger.key"
        openssl("req", "-x509", *KEY, "-keyout", key, "-out", cert, "-days", "2", "-subj",
                "/CN=stranger", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1")
        return Leaf(cert, key)

    @functools.lru_cache(maxsize=None)
    def client(self, name):
        return self.sign(name, f"DNS:{name}.client", usage="clientAuth")
