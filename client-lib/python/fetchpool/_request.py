"""
One request as its caller puts it, and as the daemon wants it.

Only types are checked here: what a URL, a header field or a limit may be is the daemon's to say, in
one place for all clients, and what it refuses comes as Refused with its sentence.
"""

from __future__ import annotations

import difflib
import math
from dataclasses import dataclass
from typing import Any, Dict, Iterable, Mapping, Optional, Tuple, Union

from . import _wire
from ._body import BodySource

# Beyond it no daemon takes a number.
_MAX_NUMBER = 2**63 - 1

Text = Union[str, bytes]
HeadersInput = Union[Mapping[str, Text], Iterable[Tuple[Text, Text]]]


@dataclass(frozen=True)
class Tls:
    """
    TLS of one request, beside what the daemon's configuration says.

    ca: PEM of the only authorities to trust; cert, key: PEM of a client certificate with its chain,
    and of its key, without a passphrase; server_name: the name to ask for and to verify in place of
    the URL's host; verify: False accepts any certificate, where the user's policy permits it. All are
    bytes, 64 KiB each at most: the daemon opens no file for a client.
    """

    ca: Optional[bytes] = None
    cert: Optional[bytes] = None
    key: Optional[bytes] = None
    server_name: Optional[str] = None
    verify: bool = True

    def to_wire(self) -> Dict[str, Any]:
        for name in ("ca", "cert", "key"):
            _check(f"tls.{name}", getattr(self, name), bytes)
        _check("tls.server_name", self.server_name, str)
        _check("tls.verify", self.verify, bool)
        keys = {"ca": self.ca, "cert": self.cert, "key": self.key, "server_name": self.server_name}
        wire: Dict[str, Any] = {key: value for key, value in keys.items() if value is not None}
        if not self.verify:
            wire["verify"] = False
        return wire


def _check(name: str, value: Any, kind: type) -> None:
    """TypeError, which names it, for what is of another type. None is what is not given."""
    is_good = isinstance(value, kind) and (kind is bool or not isinstance(value, bool))
    if value is not None and not is_good:
        raise TypeError(f"{name} must be {kind.__name__}, not {type(value).__name__}")


def _check_number(name: str, value: Optional[int], least: int) -> None:
    _check(name, value, int)
    if value is not None and not least <= value <= _MAX_NUMBER:
        raise ValueError(f"{name} must be {least} or more, not {value}")


def milliseconds(seconds: Optional[float], name: str) -> Optional[int]:
    """As the wire has it: whole, at least 1, at most the day that the daemon takes; inf is that day."""
    if seconds is None:
        return None
    if isinstance(seconds, bool) or not isinstance(seconds, (int, float)):
        raise TypeError(f"{name} must be a number of seconds, not {type(seconds).__name__}")
    if math.isnan(seconds) or seconds < 0:
        raise ValueError(f"{name} must be 0 or more seconds, not {seconds}")
    return max(1, math.ceil(min(seconds * 1000, _wire.MAX_TIMEOUT_MS)))


def _pairs(headers: HeadersInput) -> "list[list[Text]]":
    if isinstance(headers, (str, bytes)) or not isinstance(headers, Iterable):
        raise TypeError(f"headers must be a mapping or pairs, not {type(headers).__name__}")
    pairs = []
    for item in headers.items() if isinstance(headers, Mapping) else headers:
        if not isinstance(item, (tuple, list)) or len(item) != 2:
            raise TypeError(f"headers must be pairs of name and value, not {item!r}")
        name, value = item
        for text in (name, value):
            if not isinstance(text, (str, bytes)):
                raise TypeError(
                    f"header field {name!r}: names and values must be str or bytes, "
                    f"not {type(text).__name__}"
                )
        pairs.append([name, value])
    return pairs


@dataclass(frozen=True)
class Request:
    """
    What is asked for. Times are seconds; None leaves a limit to the daemon's configuration.

    url: absolute, http or https. method: case-sensitive. headers: a mapping, or pairs whose order and
    repeats are kept; fields of framing and connections are the daemon's own and refused.
    body: bytes; a file opened for bytes; or an iterable of bytes (for AsyncClient an asynchronous one,
    too), which is streamed to the origin. body_size: its length, where that is known and not seen.
    window: how many bytes of a streamed answer may be on their way before they are read.
    max_body: the largest answer, in bytes. timeout: the whole request; queue_timeout,
    connect_timeout, first_byte_timeout, idle_timeout: one phase; upload_timeout: how long none of an
    upload may be taken (this library watches over it). redirects: how many to follow.
    decompress: ask for gzip or deflate, and undo it. http: "auto", "1.1" or "2". retry: "safe",
    "never" or "always": what the daemon may send again by itself. tls: see Tls. proxy: a URL, where
    the user's policy permits it. tag: shown in the daemon's logs and tables.
    """

    url: str
    method: str = "GET"
    headers: HeadersInput = ()
    body: Any = None
    body_size: Optional[int] = None
    window: int = _wire.DEFAULT_WINDOW
    max_body: Optional[int] = None
    timeout: Optional[float] = None
    queue_timeout: Optional[float] = None
    connect_timeout: Optional[float] = None
    first_byte_timeout: Optional[float] = None
    idle_timeout: Optional[float] = None
    upload_timeout: Optional[float] = None
    redirects: int = 0
    decompress: bool = False
    http: Optional[str] = None
    retry: Optional[str] = None
    tls: Optional[Tls] = None
    proxy: Optional[str] = None
    tag: Optional[str] = None

    def _check(self) -> None:
        if not isinstance(self.url, str):
            raise TypeError(f"url must be str, not {type(self.url).__name__}")
        for name in ("method", "http", "retry", "proxy", "tag"):
            _check(name, getattr(self, name), str)
        _check("tls", self.tls, Tls)
        _check("decompress", self.decompress, bool)
        _check_number("window", self.window, 1)  # with none, none would ever be granted
        _check_number("max_body", self.max_body, 0)
        _check_number("redirects", self.redirects, 0)
        for name in ("timeout", "upload_timeout"):
            milliseconds(getattr(self, name), name)

    def to_wire(self, body: BodySource, is_stream: bool) -> Dict[str, Any]:
        """The map of a `fetch`, but for `timeout`, which is told anew at each attempt."""
        self._check()
        wire: Dict[str, Any] = {"url": self.url}
        if self.method != "GET":
            wire["method"] = self.method
        pairs = _pairs(self.headers)
        if pairs:
            wire["headers"] = pairs
        wire.update(body.to_wire())
        if is_stream:
            wire["stream"] = True
            if self.window != _wire.DEFAULT_WINDOW:
                wire["window"] = self.window
        for key in ("queue_timeout", "connect_timeout", "first_byte_timeout", "idle_timeout"):
            value = milliseconds(getattr(self, key), key)
            if value is not None:
                wire[key] = value
        if self.redirects:
            wire["redirects"] = self.redirects
        if self.decompress:
            wire["decompress"] = True
        if self.tls is not None:
            wire["tls"] = self.tls.to_wire()
        for key in ("max_body", "http", "retry", "proxy", "tag"):
            if getattr(self, key) is not None:
                wire[key] = getattr(self, key)
        return wire


def request_from(request: Union[str, Request], keys: Mapping[str, Any]) -> Request:
    """Of what fetch() and stream() were called with: a Request, or a URL and keys of one."""
    if isinstance(request, Request):
        if keys:
            raise TypeError("a Request takes no further keys; use dataclasses.replace()")
        return request
    for key in keys:
        if key not in Request.__dataclass_fields__:
            close = difflib.get_close_matches(key, Request.__dataclass_fields__, 1)
            meant = f"; did you mean {close[0]!r}?" if close else "; help(fetchpool.Request) has all of them"
            raise TypeError(f"unexpected keyword argument {key!r}{meant}")
    return Request(request, **keys)
