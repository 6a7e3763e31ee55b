"""What an origin answered, and over what."""

from __future__ import annotations

import json
from dataclasses import dataclass, fields
from typing import Any, Dict, List, Optional, Tuple, Type, TypeVar

HeaderFields = List[Tuple[str, str]]


@dataclass(frozen=True)
class ConnectionInfo:
    """The connection that carried the answer: its number in the daemon; whether a request had been
    sent over it before; how many it has carried, this one included; its age; its far end."""

    id: int = -1
    reused: bool = False
    requests: int = 0
    age_ms: int = 0
    peer: str = ""


@dataclass(frozen=True)
class Timing:
    """Durations in microseconds; see "Times" in client-lib/PROTOCOL.md."""

    queue: int = 0
    resolve: int = 0
    connect: int = 0
    tls: int = 0
    first_byte: int = 0
    total: int = 0


_Facts = TypeVar("_Facts", ConnectionInfo, Timing)


def _facts(kind: Type[_Facts], value: Any) -> _Facts:
    """Keys that are not known are passed over, so that a newer daemon may say more; so is what is not
    of the type that it should be."""
    if not isinstance(value, dict):
        return kind()
    given: Dict[str, Any] = {
        field.name: value[field.name]
        for field in fields(kind)
        if type(value.get(field.name)) is type(field.default)
    }
    return kind(**given)


def _pairs(value: Any) -> HeaderFields:
    return [(_text(name), _text(content)) for name, content in value or []]


def _text(value: Any) -> str:
    return value.decode("utf-8", "surrogateescape") if isinstance(value, bytes) else str(value)


# ---- Nonsense --------------------------------------------------------------------------------------


def _is_text(value: Any) -> bool:
    return isinstance(value, (str, bytes))


def _are_fields(value: Any) -> bool:
    return value is None or isinstance(value, list) and all(
        isinstance(pair, list) and len(pair) == 2 and all(map(_is_text, pair)) for pair in value
    )


def fault_of(result: Any) -> Optional[str]:
    """What cannot be in the answer to a fetch; None where it is one. What is not there is empty."""
    if not isinstance(result, dict):
        return "a fetch whose result is no map"
    if type(result.get("status", 0)) is not int:
        return "a status that is no number"
    if not _are_fields(result.get("headers")):
        return "header fields that are no pairs"
    for key in ("body", "http", "url"):
        if not _is_text(result.get(key, "")):
            return f"a value of {key} that is no string"
    return None if type(result.get("redirects", 0)) is int else "redirects that are no number"


def fault_of_end(end: Dict[str, Any]) -> Optional[str]:
    return None if _are_fields(end.get("trailers")) else "trailers that are no pairs"


# ---- Answers ---------------------------------------------------------------------------------------


class Head:
    """
    status; headers: pairs in the origin's order; http: "1.0", "1.1" or "2"; url: the one that
    answered; redirects: how many were followed; connection, timing: see there.

    A header field's value that is not UTF-8 is a str with surrogate escapes.
    """

    def __init__(self, result: Dict[str, Any]) -> None:
        self.status: int = result.get("status", 0)
        self.headers = _pairs(result.get("headers"))
        self.http = _text(result.get("http", ""))
        self.url = _text(result.get("url", ""))
        self.redirects: int = result.get("redirects", 0)
        self.connection = _facts(ConnectionInfo, result.get("connection"))
        self.timing = _facts(Timing, result.get("timing"))

    def header(self, name: str, default: Optional[str] = None) -> Optional[str]:
        """The first value of that field, whose name is not case-sensitive."""
        wanted = name.lower()
        for field, value in self.headers:
            if field.lower() == wanted:
                return value
        return default

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.status} {self.url}>"


class Response(Head):
    """A whole answer. `body`: its bytes."""

    def __init__(self, result: Dict[str, Any]) -> None:
        super().__init__(result)
        body = result.get("body", b"")
        self.body: bytes = body if isinstance(body, bytes) else str(body).encode()

    def json(self) -> Any:
        """The body as JSON; ValueError if it is none."""
        return json.loads(self.body)


class StreamHead(Head):
    """
    A streamed answer, without its body. trailers, bytes: known after its end, when `timing` is that of
    the whole request.
    """

    def __init__(self, result: Dict[str, Any]) -> None:
        super().__init__(result)
        self.trailers: HeaderFields = []
        self.bytes: Optional[int] = None

    def note_end(self, end: Dict[str, Any]) -> None:
        if "timing" in end:
            self.timing = _facts(Timing, end["timing"])
        self.trailers = _pairs(end.get("trailers"))
        self.bytes = end.get("bytes")
