"""When a call retries what was left behind: while its time is paid for, and never into another billing unit.

The line is paid for in units (`budget.billing_step_s`; without a price, a minute). Hanging up early in a unit saves
nothing, so the rest of it is used: a host that could not be reached is tried every few seconds, one that deferred
mail less often. Only an attempt that got as far as mail may continue into the next unit. If the unit was not
enough, a redial follows (`flow/line/call/redial`). Pure; times are monotonic seconds.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf

from dialpost.core.line.call.budget import HANG_UP_S
from dialpost.core.mail.queue.hope import Hope

MOST_HOPE_S = 300.0
"""The longest that a call lasts for retries alone, however long its billing unit."""
TRY_TAKES_S = 5.0
"""No attempt starts with less than this left of the paid time."""
_FIRST_PAUSE_S = {Hope.SOON: 5.0, Hope.LATER: 20.0}
_SLOWER = 4.0
"""Attempts become rarer with time: the pause is at least a quarter of the time since the first."""


@dataclass(frozen=True, slots=True)
class Setback:
    """Mail left behind: how soon it may succeed, since when in this call, and when the last attempt ended.

    `messages` were deferred; `etrn_unreached`: the provider could not be asked for mail. `retrying_until_s`: when
    to give up the current retry if it reaches nobody (inf: there is none).
    """

    hope: Hope = Hope.NONE
    since_s: float = 0.0
    tried_s: float = 0.0
    messages: int = 0
    etrn_unreached: bool = False
    retrying_until_s: float = inf

    @property
    def is_any(self) -> bool:
        """Whether anything is left behind."""
        return self.messages > 0 or self.best is not Hope.NONE

    @property
    def best(self) -> Hope:
        """The best hope: of sending mail, or of being able to ask for some."""
        return Hope.SOON if self.etrn_unreached else self.hope

    def retry_s(self) -> float:
        """When to try again; inf if there is no hope."""
        if self.best is Hope.NONE:
            return inf
        return self.tried_s + max(_FIRST_PAUSE_S[self.best], (self.tried_s - self.since_s) / _SLOWER)

    def last_moment_s(self, paid_until_s: float) -> float:
        """When to stop holding the line for retries alone."""
        return min(paid_until_s - HANG_UP_S, self.since_s + MOST_HOPE_S)

    def is_worth_holding(self, paid_until_s: float) -> bool:
        """Whether the next attempt falls within time already paid for."""
        return self.retry_s() + TRY_TAKES_S <= self.last_moment_s(paid_until_s)


def patience_end_s(least_until_s: float, paid_until_s: float) -> float:
    """How long to wait for something that does not move, if it is all that holds the line.

    RFC 5321 §4.5.3.2 allows minutes for each reply, as on a network that costs nothing. Here a reply gets the
    minimum it is worth, and the rest of the paid time.
    """
    return max(least_until_s, paid_until_s - HANG_UP_S)


NO_SETBACK = Setback()
"""Nothing was left behind."""
