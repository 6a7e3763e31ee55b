"""
An origin whose answers can be checked to the byte: the target names them, /LENGTH/SEED. Those with an
even seed come in chunks, with a trailer. What was uploaded is kept as its hash.

    with words_origin() as origin:
        origin.url("/3000000/1"); origin.uploads
        digest(3_000_000, 1)             the sha256 of that body
"""

import contextlib
import hashlib

from .fakedaemon import words
from .origin import RawOrigin, chunked_response, response, serve

PIECE = 50_000


def answer(request):
    length, seed = map(int, request.target.split("/")[1:])
    body = words(length, seed)
    request.connection.origin.uploads.append(hashlib.sha256(request.body).digest())
    if seed % 2:
        return response(body=body)
    return chunked_response([body[at:at + PIECE] for at in range(0, length, PIECE)],
                            trailers=[("X-Sum", "1")])


def digest(length, seed):
    return hashlib.sha256(words(length, seed)).digest()


@contextlib.contextmanager
def words_origin():
    with RawOrigin(serve(answer)) as origin:
        origin.uploads = []
        yield origin
