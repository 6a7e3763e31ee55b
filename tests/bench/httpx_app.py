"""
The FastAPI application that tests/bench/httpx measures: each call of it is one call of an origin.

Environment: BENCH_CLIENT says which httpx client it uses, BENCH_URL what it asks for, BENCH_CA whom
it trusts, BENCH_READY a directory in which each worker leaves a file when it is ready.
"""

import os
import pathlib

import fetchpool.httpx
import httpx
from fastapi import FastAPI

URL, CA = os.environ["BENCH_URL"], os.environ["BENCH_CA"]
READY = pathlib.Path(os.environ["BENCH_READY"])


class PerCall:
    """What is written first: a client, and so a connection, for every call."""

    async def start(self):
        pass

    async def get(self):
        async with httpx.AsyncClient(verify=CA) as client:
            return await client.get(URL)

    async def stop(self):
        pass


class Kept:
    """One client for as long as the worker lives: the usual advice."""

    async def start(self):
        self.client = self.create()

    async def get(self):
        return await self.client.get(URL)

    async def stop(self):
        await self.client.aclose()


class PerWorker(Kept):
    def create(self):
        return httpx.AsyncClient(verify=CA)


class Fetchpool(Kept):
    """The same with one argument: the daemon, which all workers share, has the connections."""

    def create(self):
        return httpx.AsyncClient(transport=fetchpool.httpx.AsyncTransport())


KINDS = {"per-call": PerCall, "per-worker": PerWorker, "fetchpool": Fetchpool}

app = FastAPI()
kind = KINDS[os.environ["BENCH_CLIENT"]]()


@app.on_event("startup")
async def start():
    await kind.start()
    (READY / str(os.getpid())).touch()


@app.on_event("shutdown")
async def stop():
    await kind.stop()


@app.get("/call")
async def call():
    answer = await kind.get()
    answer.raise_for_status()
    return {"status": answer.status_code, "result": answer.text}
