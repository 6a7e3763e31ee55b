"""
requests over the connection pool of the host:

    session = requests.Session()
    session.mount("https://", fetchpool.requests.Adapter())
    session.mount("http://", fetchpool.requests.Adapter())

Redirects, cookies, authentication and content codings stay requests'. Of its timeout, `connect` becomes
connect_timeout and queue_timeout, `read` first_byte_timeout and idle_timeout; None means a day, which is
the most that the daemon takes. `verify`, `cert` and `proxies` are sent with each request: their files are
read here, the daemon opens none.

`response.raw.fetchpool` has the attributes of fetchpool.Head: connection, timing, ...

Errors are requests', with fetchpool's as __cause__; those that come while a body is read, which requests
makes anew, have it as __context__.__cause__. Whatever is not sent, and so may be sent again, is a
ConnectTimeout, ProxyError, SSLError or ConnectionError whose __cause__ is a fetchpool.NotSent.
"""

from __future__ import annotations

import io
import math
import os
import socket
from email.message import Message
from http.client import responses
from typing import Any, Dict, Iterator, List, Mapping, Optional, Tuple, Type, Union

import requests
import urllib3
from requests.adapters import HTTPAdapter
from requests.exceptions import (
    ChunkedEncodingError,
    ConnectionError,
    ConnectTimeout,
    InvalidHeader,
    InvalidProxyURL,
    InvalidURL,
    ProxyError,
    ReadTimeout,
    RequestException,
    SSLError,
)
from requests.utils import prepend_scheme_if_needed, select_proxy, urldefragauth
from urllib3.exceptions import ProtocolError, ReadTimeoutError

from . import _adapt, _door
from ._errors import Code, Error, NotSent, Refused, Timeout
from ._request import Request, Tls
from ._sync import Client, Stream

__all__ = ["Adapter"]

# What is read at one go where nobody says how much.
_PIECE_BYTES = 65536

# ---- Errors --------------------------------------------------------------------------------------

_KINDS: Dict[int, Type[RequestException]] = {
    Code.DENIED: ProxyError,
    Code.PROXY: ProxyError,
    Code.TLS: SSLError,
    Code.FOREIGN_SOCKET: ConnectionError,
    Code.TRUNCATED: ChunkedEncodingError,
}


def _kind_of(error: Error) -> Type[RequestException]:
    known = _KINDS.get(error.code)
    if known is not None:
        return known
    if isinstance(error, Timeout):
        return ConnectTimeout if isinstance(error, NotSent) else ReadTimeout
    if isinstance(error, Refused):
        return _kind_of_refused(error.message)
    return ConnectionError


def _kind_of_refused(message: str) -> Type[RequestException]:
    """By the key that the daemon names: most are the URL's."""
    if message.startswith("header"):
        return InvalidHeader
    if message.startswith("tls"):
        return SSLError
    return InvalidProxyURL if message.startswith("proxy") else InvalidURL


# ---- Requests ------------------------------------------------------------------------------------


def _seconds(value: Any) -> Any:
    """None is for ever, and so is what urllib3 has where nothing was named, unless the program said else."""
    if value is urllib3.Timeout.DEFAULT_TIMEOUT:
        value = socket.getdefaulttimeout()
    return math.inf if value is None else value


def _timeouts_of(timeout: Any) -> Dict[str, Any]:
    if isinstance(timeout, urllib3.Timeout):
        started = timeout.clone()
        started.start_connect()  # else it does not tell what of its total is left for reading
        timeout = (started.connect_timeout, started.read_timeout)
    if isinstance(timeout, tuple):
        try:
            connect, read = timeout
        except ValueError:
            raise ValueError(f"timeout must be one number or (connect, read), not {timeout}") from None
    else:
        connect = read = timeout
    return {
        "queue_timeout": _seconds(connect),
        "connect_timeout": _seconds(connect),
        "first_byte_timeout": _seconds(read),
        "idle_timeout": _seconds(read),
    }


# requests' own: a session puts what these name in place of verify=True.
_VARIABLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")


def _tls_of(url: str, verify: Any, cert: Any) -> Optional[Tls]:
    if not url.lower().startswith("https:"):
        return None
    is_of_environment = any(os.environ.get(name) == verify for name in _VARIABLES)
    return _adapt.tls_from(verify, cert, is_of_environment)


def _bytes_of(text: Union[str, bytes]) -> bytes:
    return text if isinstance(text, bytes) else text.encode("latin-1", "surrogateescape")


def _fields_of(prepared: requests.PreparedRequest) -> List[Tuple[bytes, bytes]]:
    return [(_bytes_of(name), _bytes_of(value)) for name, value in (prepared.headers or {}).items()]


def _proxy_of(url: str, proxies: Optional[Mapping[str, str]]) -> Optional[str]:
    proxy = select_proxy(url, proxies)
    return prepend_scheme_if_needed(proxy, "http") if proxy else None


def _body_of(prepared: requests.PreparedRequest) -> Any:
    body = prepared.body
    return body.encode("utf-8") if isinstance(body, str) else body or None


# ---- Responses -----------------------------------------------------------------------------------


class _Body(io.RawIOBase):
    """A streamed answer as the file that urllib3 reads. It gives what has come, not all that was asked
    for."""

    def __init__(self, stream: Stream, url: str) -> None:
        self._stream = stream
        self._url = url
        self._rest = memoryview(b"")
        self._is_at_end = False

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if not self._rest:
            self._rest = memoryview(self._next())
            self._is_at_end = not self._rest
        count = min(len(buffer), len(self._rest))
        buffer[:count] = self._rest[:count]
        self._rest = self._rest[count:]
        return count

    def read1(self, size: int = -1) -> bytes:
        return self.read(_PIECE_BYTES if size < 0 else size) or b""

    def isclosed(self) -> bool:
        """As http.client has it: at the end of a body, too. urllib3 would read on for ever."""
        return self.closed or self._is_at_end

    def _next(self) -> bytes:
        """Errors as urllib3 has them: requests makes its own of these."""
        try:
            return self._stream.read_piece() or b""
        except Timeout as error:
            raise ReadTimeoutError(self._url, self._url, str(error)) from error
        except Error as error:
            raise ProtocolError(str(error), error) from error

    def close(self) -> None:
        if not self.closed:
            self._stream.close()
        super().close()


class _Original:
    """What requests takes cookies from: the fields as http.client would have them."""

    def __init__(self, fields: List[Tuple[str, str]]) -> None:
        self.msg = Message()
        for name, value in fields:
            self.msg[name] = value

    def isclosed(self) -> bool:
        return True

    def close(self) -> None:
        pass


# For what has no name of its own: urllib3 counts 1.1 as 11.
_VERSIONS = {"1.0": 10, "1.1": 11, "2": 20}


def _latin(value: str) -> str:
    """As http.client has field values, and so requests and its users."""
    return value.encode("utf-8", "surrogateescape").decode("latin-1")


class _Raw(urllib3.HTTPResponse):
    """`fetchpool`: the streamed answer. Its pieces come as the origin sends them, as those of a chunked
    body do of urllib3."""

    fetchpool: Stream
    body_file: _Body

    def stream(
        self, amt: Optional[int] = _PIECE_BYTES, decode_content: Optional[bool] = None
    ) -> Iterator[bytes]:
        # read() of urllib3 2 waits until there is so much; older ones have no read1().
        read: Any = getattr(self, "read1", self.read)
        while True:
            data = read(amt or _PIECE_BYTES, decode_content=decode_content)
            if data:
                yield data
            elif self.body_file.isclosed():
                return


def _raw_of(stream: Stream, prepared: requests.PreparedRequest) -> _Raw:
    fields = [(name, _latin(value)) for name, value in stream.headers]
    body = _Body(stream, str(prepared.url))
    raw = _Raw(
        body=body,
        headers=fields,
        status=stream.status,
        version=_VERSIONS.get(stream.http, 0),
        reason=responses.get(stream.status, ""),
        preload_content=False,
        decode_content=False,
        original_response=_Original(fields),
        request_method=prepared.method,
    )
    raw.fetchpool = stream
    raw.body_file = body
    return raw


# ---- The adapter ---------------------------------------------------------------------------------


class Adapter(HTTPAdapter):
    """
    For requests.Session.mount(). Thread-safe and fork-safe; connects when it is first used.

    socket, name, retry, tag: see fetchpool.Client and fetchpool.Request. `client` is the
    fetchpool.Client underneath: adapter.client.pool is the identity of the pool.
    """

    def __init__(
        self,
        socket: Optional[_door.Path] = None,
        *,
        retry: str = "safe",
        tag: Optional[str] = None,
        name: Optional[str] = None,
    ) -> None:
        super().__init__()
        self._arguments = {"socket": socket, "retry": retry, "tag": tag, "name": name}
        self._socket, self._name = socket, name
        self._retry = None if retry == "safe" else retry
        self._tag = tag
        self.client = Client(socket, name=name)

    def init_poolmanager(self, *_: Any, **__: Any) -> None:
        """There is none: the pool is the daemon's."""

    def __getstate__(self) -> Dict[str, Any]:
        return self._arguments

    def __setstate__(self, state: Dict[str, Any]) -> None:
        self.__init__(**state)  # type: ignore[misc]

    def send(
        self,
        request: requests.PreparedRequest,
        stream: bool = False,
        timeout: Any = None,
        verify: Any = True,
        cert: Any = None,
        proxies: Optional[Mapping[str, str]] = None,
    ) -> requests.Response:
        """What Session.request() calls. Raises requests' exceptions."""
        made = self._request(request, timeout, verify, cert, proxies)
        try:
            answer = self.client.stream(made)
        except Error as error:
            raise _kind_of(error)(str(error), request=request) from error
        return self.build_response(request, _raw_of(answer, request))

    def _request(
        self,
        prepared: requests.PreparedRequest,
        timeout: Any,
        verify: Any,
        cert: Any,
        proxies: Optional[Mapping[str, str]],
    ) -> Request:
        url = str(prepared.url)
        fields = _fields_of(prepared)
        body = _body_of(prepared)
        return Request(
            urldefragauth(url),
            str(prepared.method),
            _adapt.end_to_end(fields),
            body,
            None if isinstance(body, bytes) else _adapt.announced_size(fields),
            retry=self._retry,
            tls=_tls_of(url, verify, cert),
            proxy=_proxy_of(url, proxies),
            tag=self._tag,
            **_timeouts_of(timeout),
        )

    def close(self) -> None:
        """As with requests' own adapter, it may be used again."""
        self.client.close()
        self.client = Client(self._socket, name=self._name)
