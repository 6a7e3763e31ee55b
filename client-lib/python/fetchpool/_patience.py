"""
How long to wait for the daemon's word about one request.

The daemon watches over deadlines, and says it when one passes; this is for a daemon that hangs. A
request with a timeout is waited for that long; so is one whose bodies are held whole. One that streams,
either way, may take for ever, as long as something happens within the limits of its phases. The timeout
is one for all attempts: a second daemon is told what the first has left of it. The wait of an upload for
its next grant is the one deadline that the daemon does not know.
"""

from __future__ import annotations

import math
import time
from typing import Iterable, Optional

from ._request import Request, milliseconds
from ._wire import MAX_TIMEOUT_MS

# To let the daemon say it first; and its default for `timeout` where it has not told. Both as in
# fetchpool.h: FETCHPOOL_GRACE_MS, FETCHPOOL_DEFAULT_TIMEOUT_MS.
GRACE_SECONDS = 2.0
DEFAULT_TIMEOUT_SECONDS = 300.0

now = time.monotonic


def _sum(*parts: Optional[float]) -> Optional[float]:
    """None if any of them is not named."""
    total = 0.0
    for part in parts:
        if part is None:
            return None
        total += part
    return total


class UploadPatience:
    """
    How long an upload may wait to go on, or None. What was granted at its beginning may be gone before
    its turn has come, or its connection: so its first wait may last for these as well, as far as they
    have limits.
    """

    def __init__(self, span: Optional[float], phases: Iterable[Optional[float]]) -> None:
        self.span = math.inf if span is None else span
        self.before = sum(phase for phase in phases if phase is not None and phase != math.inf)
        self.uploaded = 0  # when it began to wait
        self.waits = 0  # after a grant, in this attempt
        self.since: Optional[float] = None

    def note(self, uploaded: int, is_blocked: bool) -> None:
        """Before each wait: how much has gone, and whether the daemon is to take more."""
        if uploaded < self.uploaded:
            self.waits = 0
        if not is_blocked:
            self.since = None
        elif self.since is None or self.uploaded != uploaded:
            self.waits += self.uploaded != uploaded
            self.since = now()
        self.uploaded = uploaded

    def limit(self) -> float:
        return self.span + (self.before if self.waits <= 1 else 0.0)

    def left(self) -> float:
        return math.inf if self.since is None else self.since + self.limit() - now()

    def pause(self) -> None:
        """Its caller is at work, and does not let it go on."""
        self.since = None


class Patience:
    """timeout: of the whole, or None; head_span, body_span: the longest silences of a stream that has
    none; is_held: its answer comes whole, so that nothing is heard of it meanwhile."""

    def __init__(
        self,
        timeout: Optional[float],
        is_total: bool,
        head_span: float = DEFAULT_TIMEOUT_SECONDS,
        body_span: float = DEFAULT_TIMEOUT_SECONDS,
        grace: Optional[float] = None,
        is_held: bool = False,
    ) -> None:
        self.started = self.active = now()
        self.timeout = timeout
        self.is_total = is_total
        self.head_span = head_span
        self.body_span = body_span
        self.is_held = is_held
        self.grace = GRACE_SECONDS if grace is None else grace
        self.daemon_timeout = DEFAULT_TIMEOUT_SECONDS
        self.has_head = False
        self.upload = UploadPatience(None, ())

    @classmethod
    def for_request(cls, request: Request, is_stream: bool, is_upload: bool) -> Patience:
        phases = _sum(request.queue_timeout, request.connect_timeout, request.first_byte_timeout)
        idle = request.idle_timeout
        head_span = DEFAULT_TIMEOUT_SECONDS if phases is None else phases * (1 + request.redirects)
        body_span = DEFAULT_TIMEOUT_SECONDS if idle is None else idle
        made = cls(
            request.timeout,
            request.timeout is not None or not (is_stream or is_upload),
            max(head_span, body_span) if is_upload else head_span,  # the origin may be slow to take it
            body_span,
            is_held=not is_stream,
        )
        made.upload = UploadPatience(
            request.upload_timeout, (request.queue_timeout, request.connect_timeout)
        )
        return made

    @classmethod
    def of(cls, seconds: float, grace: float = 0.0) -> Patience:
        return cls(seconds, True, grace=grace)

    def renew(self) -> None:
        """Something happened."""
        self.active = now()

    def resume(self) -> None:
        """The time until now was the caller's."""
        self.renew()
        self.upload.pause()

    def learn(
        self, has_head: bool, daemon_timeout: Optional[float], is_news: bool = True
    ) -> None:
        """Whether something came, the head of the answer above all; what the daemon's default is."""
        if is_news:
            self.renew()
        self.has_head = has_head
        if daemon_timeout is not None:
            self.daemon_timeout = daemon_timeout

    def span(self) -> float:
        """Seconds from the beginning, or from what happened last, to its end."""
        if self.timeout is not None:
            return self.timeout + self.grace
        if self.is_total:
            return self.daemon_timeout + self.grace
        if self.is_held:
            return max(self.head_span, self.daemon_timeout) + self.grace
        return (self.body_span if self.has_head else self.head_span) + self.grace

    def end(self) -> float:
        return (self.started if self.is_total else self.active) + self.span()

    def left(self) -> float:
        """Never more than a day, which is as long as anything can wait for."""
        return min(self.end() - now(), self.upload.left(), MAX_TIMEOUT_MS / 1000)

    def may_start(self) -> bool:
        """Whether another attempt may begin: the grace is for the daemon that was told first."""
        return now() < self.end() - self.grace

    def to_tell(self) -> Optional[int]:
        """`timeout` in ms as a daemon is told it now. A little lateness is not worth another number:
        what was named is what its messages then say."""
        if self.timeout is None:
            return None
        passed = now() - self.started
        if passed < self.grace / 2:
            passed = 0.0
        return milliseconds(max(0.0, self.timeout - passed), "timeout")
