"""
httpx over the connection pool of the host:

    client = httpx.AsyncClient(transport=fetchpool.httpx.AsyncTransport())
    client = httpx.Client(transport=fetchpool.httpx.Transport())

Redirects, cookies, authentication and content codings stay httpx's. Its timeouts become the daemon's:
`pool` is queue_timeout, `connect` connect_timeout, `read` first_byte_timeout and idle_timeout, `write`
upload_timeout, and idle_timeout where that is greater. None means a day, which is the most that the
daemon takes.

`response.extensions` has `http_version`; `network_stream`, whose get_extra_info("server_addr") is the
far end; and `fetchpool`, with the attributes of fetchpool.Head (connection, timing, ...) and, at the
end of the body, trailers. Of the events of a request's `trace` extension there is the one that tells
the head of the answer (httpx's command prints it from there): the others happen in the daemon.

Errors are httpx's, with fetchpool's as __cause__. Whatever is not sent, and so may be sent again, is a
ConnectError, ConnectTimeout, PoolTimeout or ProxyError.
"""

from __future__ import annotations

import math
from contextlib import contextmanager
from typing import Any, AsyncIterator, Dict, Iterator, List, Optional, Tuple, Type, Union
from urllib.parse import quote

import httpx

from . import _adapt, _door
from ._async import AsyncClient, AsyncStream
from ._body import MAX_INLINE_BYTES
from ._errors import Code, Error, NotSent, Refused, UploadTimeout
from ._exchange import UPLOAD_STOPPED
from ._request import Request, Tls
from ._response import StreamHead
from ._sync import Client, Stream

__all__ = ["AsyncTransport", "Transport"]

# ---- Errors --------------------------------------------------------------------------------------

_KINDS: Dict[int, Type[httpx.TransportError]] = {
    Code.DENIED: httpx.ProxyError,
    Code.PROXY: httpx.ProxyError,
    Code.BUSY: httpx.PoolTimeout,
    Code.QUEUE_TIMEOUT: httpx.PoolTimeout,
    Code.TIMEOUT: httpx.ConnectTimeout,
    Code.FOREIGN_SOCKET: httpx.ConnectError,
    Code.TIMEOUT_SENT: httpx.ReadTimeout,
    Code.DEADLINE: httpx.ReadTimeout,
    Code.TRUNCATED: httpx.RemoteProtocolError,
    Code.PROTOCOL: httpx.RemoteProtocolError,
    Code.BAD_REPLY: httpx.RemoteProtocolError,
}

# In PROTOCOL.md: how the message of a CLOSED begins where not a line of an answer came.
_EMPTY_ANSWER = "empty answer from "


def _kind_of(error: Error) -> Type[httpx.TransportError]:
    if isinstance(error, UploadTimeout):
        return httpx.WriteTimeout
    known = _KINDS.get(error.code)
    if known is not None:
        return known
    if error.code == Code.CLOSED and error.message.startswith(_EMPTY_ANSWER):
        return httpx.RemoteProtocolError
    if error.code == Code.STOPPED and error.message.startswith(UPLOAD_STOPPED):
        return httpx.LocalProtocolError
    if isinstance(error, Refused):
        return httpx.LocalProtocolError
    return httpx.ConnectError if isinstance(error, NotSent) else httpx.ReadError


@contextmanager
def _errors_of_httpx() -> Iterator[None]:
    try:
        yield
    except Error as error:
        raise _kind_of(error)(str(error)) from error


# ---- Requests ------------------------------------------------------------------------------------


def _url_of(url: httpx.URL) -> str:
    """Without user and password, which httpx has made a header field, and without a fragment."""
    scheme = url.raw_scheme.decode("ascii")
    if scheme not in ("http", "https"):
        raise httpx.UnsupportedProtocol(
            f"fetchpool has http:// and https:// only, not {scheme!r}"
            if scheme
            else f"{str(url)!r} begins with neither http:// nor https://"
        )
    host = url.raw_host.decode("ascii")
    if ":" in host:
        host = f"[{host}]"
    if url.port is not None and not 0 <= url.port <= 65535:
        raise httpx.ConnectError(f"there is no port {url.port}")
    port = "" if url.port is None else f":{url.port}"
    return f"{scheme}://{host}{port}{url.raw_path.decode('ascii')}"


def _seconds(value: Optional[float]) -> float:
    return math.inf if value is None else value


def _timeouts_of(request: httpx.Request, is_upload: bool) -> Dict[str, float]:
    """Nothing where there are none: then it is the daemon's configuration that says."""
    timeout = request.extensions.get("timeout")
    if not isinstance(timeout, dict):
        return {}
    read = _seconds(timeout.get("read"))
    write = _seconds(timeout.get("write"))
    return {
        "queue_timeout": _seconds(timeout.get("pool")),
        "connect_timeout": _seconds(timeout.get("connect")),
        "first_byte_timeout": read,
        "idle_timeout": max(read, write) if is_upload else read,
        "upload_timeout": write,
    }


def _body_of(request: httpx.Request) -> Tuple[Any, Optional[int]]:
    """What httpx has whole goes whole, a redirected request's body, too; the rest as it gives it."""
    try:
        size = _adapt.announced_size(request.headers.raw)
    except ValueError as error:
        raise httpx.LocalProtocolError(str(error)) from None
    if not isinstance(request.stream, httpx.ByteStream):
        return request.stream, size
    content = b"".join(request.stream)
    if size is not None and size != len(content):
        raise httpx.LocalProtocolError(
            f"Content-Length is {size}, but the body has {len(content)} bytes"
        )
    is_empty = not content and size is None
    return (None, None) if is_empty else (content, None)


class _Settings:
    """What a transport was made with; it makes requests of httpx's."""

    def __init__(
        self,
        verify: Any,
        cert: Any,
        http1: bool,
        http2: bool,
        proxy: Union[None, str, httpx.URL, httpx.Proxy],
        retry: str,
        tag: Optional[str],
    ) -> None:
        if not http1 and not http2:
            raise ValueError("http1 and http2: at least one of them must be True")
        self.tls = _adapt.tls_from(verify, cert)
        self.http = "1.1" if not http2 else "2" if not http1 else None
        self.proxy = _proxy_url(proxy)
        self.retry = None if retry == "safe" else retry
        self.tag = tag

    def request(self, request: httpx.Request) -> Request:
        body, size = _body_of(request)
        is_upload = not (body is None or isinstance(body, bytes) and len(body) <= MAX_INLINE_BYTES)
        keys: Dict[str, Any] = dict(_timeouts_of(request, is_upload))
        return Request(
            _url_of(request.url),
            request.method,
            _adapt.end_to_end(request.headers.raw),
            body,
            size,
            http=self.http,
            retry=self.retry,
            tls=self._tls_of(request),
            proxy=self.proxy,
            tag=self.tag,
            **keys,
        )

    def _tls_of(self, request: httpx.Request) -> Optional[Tls]:
        if request.url.scheme != "https":
            return None
        server_name = request.extensions.get("sni_hostname")
        return _adapt.with_server_name(self.tls, server_name) if server_name else self.tls


def _proxy_url(proxy: Union[None, str, httpx.URL, httpx.Proxy]) -> Optional[str]:
    if proxy is None or isinstance(proxy, str):
        return proxy
    if isinstance(proxy, httpx.Proxy):
        if proxy.headers:
            raise ValueError("proxy: header fields of its own cannot be sent to a proxy")
        login = ":".join(quote(part, safe="") for part in proxy.raw_auth or ())
        return str(proxy.url).replace("://", f"://{login}@", 1) if login else str(proxy.url)
    return str(proxy)


# ---- Responses -----------------------------------------------------------------------------------


class _NetworkStream:
    """What httpx's users ask of a `network_stream`, where it is another process that has the socket."""

    def __init__(self, head: StreamHead) -> None:
        self._head = head

    def get_extra_info(self, info: str) -> Any:
        return _adapt.host_and_port(self._head.connection.peer) if info == "server_addr" else None


def _bytes_of(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def _head_event(response: httpx.Response) -> Tuple[str, Dict[str, Any]]:
    """Its name and facts, as `trace` is given them for each version of HTTP."""
    fields = response.headers.raw
    version = response.extensions["http_version"]
    value: Tuple[Any, ...] = (response.status_code, fields)
    if version == b"HTTP/2":
        return "http2.receive_response_headers.complete", {"return_value": value}
    reason = httpx.codes.get_reason_phrase(response.status_code).encode("ascii")
    value = (version, response.status_code, reason, fields)
    return "http11.receive_response_headers.complete", {"return_value": value}


def _response(head: StreamHead, stream: Any) -> httpx.Response:
    fields: List[Tuple[bytes, bytes]] = [
        (_bytes_of(name), _bytes_of(value)) for name, value in head.headers
    ]
    extensions = {
        "http_version": f"HTTP/{head.http}".encode("ascii"),
        "network_stream": _NetworkStream(head),
        "fetchpool": head,
    }
    return httpx.Response(head.status, headers=fields, stream=stream, extensions=extensions)


class _SyncBody(httpx.SyncByteStream):
    def __init__(self, stream: Stream) -> None:
        self._stream = stream

    def __iter__(self) -> Iterator[bytes]:
        with _errors_of_httpx():
            yield from self._stream

    def close(self) -> None:
        self._stream.close()


class _AsyncBody(httpx.AsyncByteStream, AsyncIterator[bytes]):
    def __init__(self, stream: AsyncStream) -> None:
        self._stream = stream

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        with _errors_of_httpx():
            return await self._stream.__anext__()

    async def aclose(self) -> None:
        await self._stream.aclose()


# ---- Transports ----------------------------------------------------------------------------------


class Transport(httpx.BaseTransport):
    """
    For httpx.Client. Thread-safe and fork-safe; connects when it is first used.

    socket: the daemon's, as for fetchpool.Client. verify: True, False (where the daemon's policy
    permits it) or the path of a PEM file of authorities. cert: the path of a client certificate with
    its key, or (certificate, key). http1, http2: what may be spoken to the origin. proxy: a URL, where
    the policy permits it. retry, tag, name: see fetchpool.Request and fetchpool.Client.

    `client` is the fetchpool.Client underneath: transport.client.pool is the identity of the pool.
    """

    def __init__(
        self,
        socket: Optional[_door.Path] = None,
        *,
        verify: Any = True,
        cert: Any = None,
        http1: bool = True,
        http2: bool = True,
        proxy: Union[None, str, httpx.URL, httpx.Proxy] = None,
        retry: str = "safe",
        tag: Optional[str] = None,
        name: Optional[str] = None,
    ) -> None:
        self._settings = _Settings(verify, cert, http1, http2, proxy, retry, tag)
        self.client = Client(socket, name=name)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        with _errors_of_httpx():
            stream = self.client.stream(self._settings.request(request))
        response = _response(stream, _SyncBody(stream))
        if "trace" in request.extensions:
            try:
                request.extensions["trace"](*_head_event(response))
            except BaseException:
                stream.close()
                raise
        return response

    def close(self) -> None:
        self.client.close()


class AsyncTransport(httpx.AsyncBaseTransport):
    """
    For httpx.AsyncClient, in asyncio and trio: one connection to the daemon for each loop, whose
    requests run side by side; as many at a time as the daemon lets one client have
    (`requests_per_client`, 256), further ones wait for `pool`.

    The arguments are those of Transport. `client` is the fetchpool.AsyncClient underneath:
    `await transport.client.pool()` is the identity of the pool.
    """

    def __init__(
        self,
        socket: Optional[_door.Path] = None,
        *,
        verify: Any = True,
        cert: Any = None,
        http1: bool = True,
        http2: bool = True,
        proxy: Union[None, str, httpx.URL, httpx.Proxy] = None,
        retry: str = "safe",
        tag: Optional[str] = None,
        name: Optional[str] = None,
    ) -> None:
        self._settings = _Settings(verify, cert, http1, http2, proxy, retry, tag)
        self.client = AsyncClient(socket, name=name)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        with _errors_of_httpx():
            stream = await self.client.stream(self._settings.request(request))
        response = _response(stream, _AsyncBody(stream))
        if "trace" in request.extensions:
            try:
                await request.extensions["trace"](*_head_event(response))
            except BaseException:
                await stream.aclose()
                raise
        return response

    async def aclose(self) -> None:
        await self.client.aclose()
