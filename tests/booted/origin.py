"""An origin that keeps account: answers each request after up to 30 ms, and says at /account how often
each path came, as JSON. So a restart finds requests under way, and what came twice can be seen.

    origin.py PORT
"""

import asyncio
import collections
import json
import random
import sys

LONGEST_S = 0.03

seen = collections.Counter()


async def read_request(reader):
    head = (await reader.readuntil(b"\r\n\r\n")).decode()
    lines = head.split("\r\n")
    fields = dict(line.lower().split(": ", 1) for line in lines[1:] if line)
    await reader.readexactly(int(fields.get("content-length", 0)))
    return lines[0].split()[1]


async def serve(reader, writer):
    try:
        while True:
            path = await read_request(reader)
            body = b"served\n"
            if path == "/account":
                body = json.dumps(seen).encode()
            else:
                seen[path] += 1
                await asyncio.sleep(random.random() * LONGEST_S)
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
            await writer.drain()
    except (asyncio.IncompleteReadError, ConnectionError):
        pass
    finally:
        writer.close()


async def main():
    server = await asyncio.start_server(serve, "127.0.0.1", int(sys.argv[1]))
    print("listening", flush=True)
    async with server:
        await server.serve_forever()

asyncio.run(main())
