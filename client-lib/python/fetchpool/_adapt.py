"""
What the transports of httpx and requests have in common: certificates from files, header fields that
are the daemon's own, and a request that another library has put together.
"""

from __future__ import annotations

import os
import ssl
from dataclasses import replace
from typing import Any, Iterable, List, Optional, Sequence, Tuple, Union

from ._request import Tls

Cert = Union[None, str, "os.PathLike[str]", Sequence[Any]]

# The daemon frames the messages and keeps the connections: these say nothing that it does not know.
_OWN_FIELDS = frozenset([b"content-length", b"transfer-encoding"])
_OWN_VALUES = {
    b"connection": frozenset([b"keep-alive", b"close"]),
    b"expect": frozenset([b"100-continue"]),  # large uploads ask by themselves
}


def _read(path: Any, what: str) -> bytes:
    if not isinstance(path, (str, os.PathLike)):
        raise TypeError(f"{what} must be the path of a PEM file, not {type(path).__name__}")
    if os.path.isdir(path):
        raise ValueError(f"{what}: {os.fspath(path)} is a directory; it must be one PEM file")
    with open(path, "rb") as file:
        return file.read()


# Where Debian, and what follows it, has the authorities of the system.
_SYSTEM_BUNDLE = "/etc/ssl/certs/ca-certificates.crt"


def _is_system_bundle(path: Any) -> bool:
    """More than a request may carry; and what the daemon trusts, unless its configuration says otherwise.
    Whoever names it by hand means it, and is told; many environments name it for all programs."""
    paths = ssl.get_default_verify_paths()
    own = {os.path.realpath(known) for known in (paths.cafile, _SYSTEM_BUNDLE) if known}
    return os.path.realpath(path) in own


def tls_from(verify: Any, cert: Cert, is_of_environment: bool = False) -> Optional[Tls]:
    """
    Of the arguments that httpx and requests have. verify: True: the daemon's authorities; False: none,
    where its policy permits it; a path: the authorities of that file, 64 KiB at most; where it is the
    environment that names the system's own, it is as good as True. cert: the path of a certificate
    with its key, or (certificate, key). Files are read here; the daemon opens none.
    """
    ca = certificate = key = None
    if verify is None or isinstance(verify, bool):
        pass
    elif isinstance(verify, (str, os.PathLike)):
        is_default = is_of_environment and _is_system_bundle(verify)
        ca = None if is_default else _read(verify, "verify")
    else:
        raise TypeError(
            "verify must be True, False or the path of a PEM file: the daemon does the handshake, "
            f"and a {type(verify).__name__} cannot be sent to it"
        )
    if isinstance(cert, (str, os.PathLike)):
        certificate = key = _read(cert, "cert")
    elif cert is not None:
        parts = list(cert) if isinstance(cert, (tuple, list)) else []
        if not parts:
            raise ValueError(f"cert must be the path of a PEM file, or (certificate, key), not {cert!r}")
        if len(parts) > 2 and any(part is not None for part in parts[2:]):
            raise ValueError("cert: a key with a passphrase cannot be sent to the daemon: decrypt it")
        certificate = _read(parts[0], "cert")
        key = _read(parts[1], "the key of cert") if len(parts) > 1 and parts[1] else certificate
    if ca is None and certificate is None and verify is not False:
        return None
    return Tls(ca=ca, cert=certificate, key=key, verify=verify is not False)


def end_to_end(headers: Iterable[Tuple[bytes, bytes]]) -> List[Tuple[bytes, bytes]]:
    """
    The fields without those of the connection, as every proxy leaves them out. What else the daemon
    refuses (Upgrade, say) stays, so that it is refused and not lost.
    """
    kept = []
    for name, value in headers:
        lower = name.lower()
        is_own = lower in _OWN_FIELDS or value.strip().lower() in _OWN_VALUES.get(lower, ())
        if not is_own:
            kept.append((name, value))
    return kept


def announced_size(headers: Iterable[Tuple[bytes, bytes]]) -> Optional[int]:
    """Of Content-Length; None where there is none. ValueError where it is no number."""
    for name, value in headers:
        if name.lower() == b"content-length":
            text = value.strip()
            if not text.isdigit():
                raise ValueError(f"Content-Length must be a number, not {value!r}")
            return int(text)
    return None


def host_and_port(peer: str) -> Optional[Tuple[str, int]]:
    """Of "192.0.2.1:443" or "[2001:db8::1]:443"."""
    host, colon, port = peer.rpartition(":")
    if not colon or not port.isdigit():
        return None
    return host.strip("[]"), int(port)


def with_server_name(tls: Optional[Tls], name: Any) -> Tls:
    text = name.decode("ascii") if isinstance(name, bytes) else str(name)
    return replace(tls or Tls(), server_name=text)
