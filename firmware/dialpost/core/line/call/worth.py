"""How long a wait for mail is worth its cost: its expected cost against the expected worth of the mail.

With probability p something comes at all; if so, within t seconds with probability F(t) (`delays`). Mail that is
left behind waits for the next call, which has to be paid, and its reader waits as well: that is taken to be worth
MAIL_WORTH_S seconds of line. Waiting on from a to t gains p (F(t) - F(a)) MAIL_WORTH_S, and costs each second in
which nothing has come yet. The best t is where the gain less the cost is highest; where no t gains, the wait is
over. What was waited in vain counts by itself: the longer, the less is left of p.

A second of a billing unit that has begun costs no money, but it keeps the telephone busy: it counts for part of
one. A unit that begins is charged whole. Pure; seconds.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil
from typing import Protocol

MAIL_WORTH_S = 600.0
"""What mail is worth that would be left behind, in seconds of line: ten minutes."""
PAID_SHARE = 0.5
"""What a second counts that is already paid for."""


class Curve(Protocol):
    """The probability of a delay, such as `delays.Delays`."""

    def within(self, seconds: float) -> float:
        """The probability that it comes within this time, if it comes at all."""

    def curve(self) -> tuple[tuple[float, float], ...]:
        """(seconds, probability within them), at rising times."""


@dataclass(frozen=True, slots=True)
class Price:
    """What waiting costs. What is paid ends `paid_s` after the wait began; then units of `unit_s` begin."""

    paid_s: float = 0.0
    unit_s: float = 1.0

    def until(self, seconds: float) -> float:
        """The cost of waiting this long, in seconds of line."""
        beyond_s = max(seconds - self.paid_s, 0.0)
        units_s = ceil(beyond_s / self.unit_s) * self.unit_s
        return PAID_SHARE * (seconds - beyond_s) + (1 - PAID_SHARE) * units_s + PAID_SHARE * beyond_s


def worth_waiting_s(chance: float, delays: Curve, waited_s: float, most_s: float, price: Price) -> float:
    """How long to wait in all, where `waited_s` are over and nothing has come; at most `most_s`.

    `chance` is the probability, before the wait, that something comes. The answer is `waited_s` where nothing is to
    be gained any more.
    """
    best_s, best, gain = waited_s, 0.0, 0.0
    before_s, before = waited_s, delays.within(waited_s)
    curve = ((at_s, within) for at_s, within in delays.curve() if waited_s < at_s < most_s)
    for at_s, within in (*curve, (max(most_s, waited_s), delays.within(most_s))):
        gain += chance * (within - before) * MAIL_WORTH_S
        gain -= (1 - chance * before) * (price.until(at_s) - price.until(before_s))
        if gain > best:
            best_s, best = at_s, gain
        before_s, before = at_s, within
    return best_s
