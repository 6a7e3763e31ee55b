"""
Whether a request goes to the daemon once more: only where the last one cannot have acted on it.

Ten attempts, as libfetchpool makes: a drain and the start of the next daemon take one or two.
"""

from __future__ import annotations

from typing import Optional

from ._body import BodySource
from ._errors import Code, Error
from ._exchange import Exchange
from ._patience import Patience

MAX_ATTEMPTS = 10


class Attempts:
    def __init__(self, body: BodySource, patience: Patience) -> None:
        self.body = body
        self.patience = patience
        self.made = 0
        self.last: Optional[Error] = None

    def begin(self) -> None:
        self.made += 1

    def may_repeat(self, exchange: Exchange, is_body_begun: bool) -> bool:
        """Notes the failure of this attempt."""
        if exchange.error is None or not exchange.is_unread:
            return False
        self.last = exchange.error
        can_give_body = self.body.can_restart or not is_body_begun
        return can_give_body and self.may_go_on()

    def may_go_on(self) -> bool:
        return self.made < MAX_ATTEMPTS and self.patience.may_start()

    def better(self, error: Error) -> Error:
        """Of the attempt before and this one: "I am shutting down" is the better news where nobody has
        come after it."""
        was_leaving = self.last is not None and self.last.code == Code.SHUTTING_DOWN
        if was_leaving and error.code == Code.NO_DAEMON and self.last is not None:
            return self.last
        return error
