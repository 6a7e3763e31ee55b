"""
A real uvicorn with some workers, which runs an application of a file.

    with Uvicorn(FILE, "app", workers=4, environment={"FETCHPOOL_SOCKET": path}) as server:
        server.get("/path?x=1")          status and body, over a connection of its own
        server.get_many(targets, 32)     the same for many, over so many connections at a time
        server.lines                     what it logged, as it comes
        server.workers()                 the process ids of its workers
"""

import asyncio
import os
import pathlib
import signal
import subprocess
import threading

from .ports import free_port
from .timing import eventually, scaled

PACKAGE = pathlib.Path(__file__).resolve().parents[2] / "client-lib" / "python"

READY = "Application startup complete"


def child_environment(**more):
    """Nothing of the caller's but where programs are; and the Python client of this tree."""
    return {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8", "HOME": "/nonexistent",
            "PYTHONPATH": str(PACKAGE), "PYTHONDONTWRITEBYTECODE": "1", **more}


async def _read_answer(reader):
    """One HTTP/1.1 answer that has a Content-Length, as uvicorn's with FastAPI have."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
    lines = head.split("\r\n")
    length = next(int(line.split(":")[1]) for line in lines if line.startswith("content-length:"))
    return int(lines[0].split()[1]), (await reader.readexactly(length)).decode()


class Uvicorn:
    def __init__(self, file, app="app", workers=1, environment=None, arguments=()):
        file = pathlib.Path(file)
        self.port = free_port()
        self.lines = []
        command = ["/usr/bin/python3", "-m", "uvicorn", "--app-dir", file.parent, "--port", self.port,
                   "--workers", workers, *arguments, f"{file.stem}:{app}"]
        self.process = subprocess.Popen(
            list(map(str, command)), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE, text=True, env=child_environment(**(environment or {})),
            start_new_session=True)
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()
        try:
            eventually(lambda: self.count(READY) == workers, 20,
                       lambda: f"{workers} workers of uvicorn; it said: {self.lines}")
        except BaseException:
            self.stop()
            raise

    def _read(self):
        with self.process.stderr as stream:
            for line in stream:
                self.lines.append(line.rstrip("\n"))

    def count(self, text):
        return sum(text in line for line in list(self.lines))

    def workers(self):
        """Its children, but for the one in which multiprocessing watches over resources."""
        children = pathlib.Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text()
        found = map(int, children.split())
        return [pid for pid in found
                if b"spawn_main" in pathlib.Path(f"/proc/{pid}/cmdline").read_bytes()]

    # ---- Requests ----------------------------------------------------------------------------------

    async def _get_all(self, targets, answers):
        """Over one connection; takes what is left of the targets until there are none."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            for target in targets:
                writer.write(f"GET {target} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
                answers.append(await _read_answer(reader))
        finally:
            writer.close()

    def get_many(self, targets, connections=8, seconds=60):
        """(status, body) of each, in the order in which they came."""
        answers = []
        shared = iter(targets)

        async def run():
            await asyncio.gather(*(self._get_all(shared, answers) for _ in range(connections)))

        asyncio.run(asyncio.wait_for(run(), scaled(seconds)))
        return answers

    def get(self, target, seconds=20):
        return self.get_many([target], 1, seconds)[0]

    # ---- The end -----------------------------------------------------------------------------------

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(scaled(10))
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
            raise
        finally:
            self.reader.join(scaled(5))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()
