"""
fetchpool: HTTP through the connection pool of this host.

    import fetchpool

    with fetchpool.Client() as client:
        answer = client.fetch("https://example.com/", timeout=5)
        print(answer.status, answer.connection.reused, len(answer.body))

    async with fetchpool.AsyncClient() as client:
        async with client.stream("https://example.com/large") as answer:
            async for piece in answer:
                ...

`fetchpool.httpx` and `fetchpool.requests` put the same under httpx and requests.
"""

from ._async import AsyncClient, AsyncStream
from ._errors import (
    Code,
    Error,
    MaybeProcessed,
    MaybeProcessedTimeout,
    NoDaemon,
    NotSent,
    NotSentTimeout,
    Refused,
    Timeout,
    UploadTimeout,
)
from ._request import Request, Tls
from ._response import ConnectionInfo, Head, Response, Timing
from ._sync import Client, Stream
from ._version import VERSION as __version__

__all__ = [
    "AsyncClient",
    "AsyncStream",
    "Client",
    "Code",
    "ConnectionInfo",
    "Error",
    "Head",
    "MaybeProcessed",
    "MaybeProcessedTimeout",
    "NoDaemon",
    "NotSent",
    "NotSentTimeout",
    "Refused",
    "Request",
    "Response",
    "Stream",
    "Timeout",
    "Timing",
    "Tls",
    "UploadTimeout",
    "__version__",
]
