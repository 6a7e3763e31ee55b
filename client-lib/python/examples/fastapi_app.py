"""
How to reuse an httpx.AsyncClient in a FastAPI application: one client for the life of each worker,
made at start-up, closed at shutdown, and one pool of connections for all workers of the host.

    uvicorn --workers 4 fastapi_app:app
    curl 'http://127.0.0.1:8000/test-call-external?url=https://example.com/'
    fetchpool connections            # one connection, whichever worker was asked

Whoever may call this may have any URL fetched, as in the question that it answers. In earnest, say in
the daemon's configuration what this service's user may fetch: [policy], see fetchpool.conf(5).
"""

import contextlib
import inspect
import logging
from typing import Any, AsyncIterator, Dict, Union

import fetchpool
import fetchpool.httpx
import httpx
from fastapi import FastAPI, HTTPException

log = logging.getLogger("uvicorn.error")  # what uvicorn shows


class SharedClient:
    """Owns the worker's one client. Calling it gives the client."""

    def __init__(self) -> None:
        self._client: Union[httpx.AsyncClient, None] = None
        self._transport: Union[fetchpool.httpx.AsyncTransport, None] = None

    async def start(self) -> None:
        self._transport = fetchpool.httpx.AsyncTransport()
        self._client = httpx.AsyncClient(transport=self._transport)
        log.info("client %s made, %s", id(self._client), await self.pool())

    async def stop(self) -> None:
        if self._client is not None:
            log.info("client %s closed", id(self._client))
            await self._client.aclose()
        self._client = None

    async def pool(self) -> str:
        """The daemon may come later than the application, so its absence does not stop the start."""
        assert self._transport is not None, "start() comes first"
        try:
            return f"pool {await self._transport.client.pool()}"
        except fetchpool.Error as error:
            return f"no pool: {error}"

    def __call__(self) -> httpx.AsyncClient:
        assert self._client is not None, "start() comes first"
        return self._client


shared_client = SharedClient()


@contextlib.asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncIterator[None]:
    await shared_client.start()
    yield
    await shared_client.stop()


def make_app() -> FastAPI:
    """FastAPI has `lifespan` since 0.93, and takes it in silence before. Older ones have hooks."""
    if "lifespan" in inspect.signature(FastAPI).parameters:
        return FastAPI(lifespan=lifespan)
    older = FastAPI()
    older.add_event_handler("startup", shared_client.start)
    older.add_event_handler("shutdown", shared_client.stop)
    return older


app = make_app()


def failure(error: httpx.RequestError) -> HTTPException:
    """What the caller is told: whose fault it is, and whether to come again."""
    if isinstance(error.__cause__, fetchpool.NoDaemon):
        return HTTPException(503, f"fetchpoold does not answer: {error}", {"Retry-After": "1"})
    if isinstance(error, httpx.UnsupportedProtocol):
        return HTTPException(400, str(error))
    if isinstance(error, httpx.TimeoutException):
        return HTTPException(504, str(error))
    return HTTPException(502, str(error))


@app.get("/test-call-external")
async def call_external(url: str) -> Dict[str, Any]:
    client = shared_client()
    try:
        answer = await client.get(url)
    except (httpx.InvalidURL, ValueError) as error:
        raise HTTPException(400, f"url: {error}") from error
    except httpx.RequestError as error:
        raise failure(error) from error
    log.info("client %s, %s: %s %s", id(client), await shared_client.pool(), answer.status_code, url)
    return {"result": answer.text, "status": answer.status_code}
