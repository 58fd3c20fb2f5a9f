"""What one call teaches about its provider (`habits`), from what is seen of it while it lasts.

Fed with every look at the line (`seen`), every answer to ETRN (`asked`) and the end. Not before the end does a wait
count in which nothing came. Pure; times are monotonic seconds.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import inf

from dialpost.core.line.call.habits import LONG_LOOK, GraceRules, Promise, ProviderHabits
from dialpost.core.mail.etrn import EtrnAnswer, EtrnOutcome

_SOON_S = 3.0
"""What came this soon after an answer came because of it; or within twice the usual time, if that is longer."""


def promise_of(answers: Sequence[EtrnAnswer]) -> Promise | None:
    """The strongest promise among the answers for several names; None if none was made."""
    outcomes = {answer.outcome for answer in answers}
    if outcomes & {EtrnOutcome.PENDING, EtrnOutcome.AT_WORK}:
        return Promise.CERTAIN
    return Promise.MAYBE if EtrnOutcome.STARTED in outcomes else None


class Learning:
    """The habits, as one call adds to them. `habits` is what is known at this moment."""

    def __init__(self, habits: ProviderHabits) -> None:
        self.habits = habits
        self._promise: Promise | None = None
        self._asked_s = self._answered_s = inf
        self._awaits_start = self._asks_start = False
        self._last_s: float | None = None
        self._messages = 0
        self._pause_s, self._is_asked_for = 0.0, False

    def asked(self, asked_s: float, answered_s: float, answers: Sequence[EtrnAnswer], messages: int) -> None:
        """A dialogue is over; `messages` had come in this call by then."""
        promise = promise_of(answers)
        if self._awaits_start and self._promise is Promise.AGAIN:
            self._in_vain(asked_s)
        if promise is not None and messages:
            promise = Promise.AGAIN
        self._promise, self._awaits_start = promise, promise is not None
        self._asks_start = self._asks_start or promise in {Promise.MAYBE, Promise.CERTAIN}
        self._asked_s, self._answered_s = asked_s, answered_s

    def seen(self, last_s: float | None, messages: int) -> None:
        """A look at the line: when the provider last did anything in this call, and its messages so far."""
        if last_s is None:
            return
        if self._last_s is not None:
            if self._was_asked_for(self._last_s, last_s):
                self._is_asked_for = True
            self._pause_s = max(self._pause_s, last_s - self._last_s)
        self._last_s = last_s
        if self._awaits_start and self._promise is not None and last_s > self._asked_s:
            self._awaits_start = False
            self.habits = self.habits.began(self._promise, last_s - self._answered_s)
        if messages == self._messages:
            return
        # Between two messages lies one quiet time; several that came together had none.
        for number in range(self._messages, messages):
            if number:
                if not self._is_asked_for:
                    self.habits = self.habits.followed(self._pause_s)
                self._pause_s, self._is_asked_for = 0.0, False
        self._messages, self._pause_s, self._is_asked_for = messages, 0.0, False

    def _was_asked_for(self, before_s: float, last_s: float) -> bool:
        """Whether the quiet time ended because it was asked again: soon after the answer, and after a longer wait.

        Such a time is the station's own wait, not the provider's. Counted as a gap, it would make the next wait
        longer, and so on up to the longest.
        """
        after_s = last_s - self._answered_s
        soon_s = max(_SOON_S, 2 * self.habits.starts.usual_s)
        return 0 <= after_s <= min(soon_s, self._asked_s - before_s)

    def ended(self, now_s: float, rules: GraceRules, *, is_cut: bool = False, carried: bool = False) -> None:
        """The call is over. `is_cut`: it was ended while it waited, and would have waited on.

        A long look that was due and is cut counts as well: what cuts this call (its limit, a provider that drops
        idle lines) cuts the next ones, too, and each of them would look again.
        """
        known, long_s = self.habits, LONG_LOOK * rules.max_s
        start = gap = None
        if self._asks_start:
            is_due = is_cut and known.start_looks.is_due(known.starts.weight, carried=carried)
            is_first = self._promise is not Promise.AGAIN
            waited_s = now_s - self._answered_s
            start = self._awaits_start and is_first and waited_s >= (rules.min_s if is_due else long_s)
        if self._awaits_start:
            self._in_vain(now_s)
        if self._last_s is not None:
            is_due = is_cut and known.gap_looks.is_due(known.gaps.weight, carried=True)
            waited_s = now_s - self._last_s
            gap = waited_s >= (rules.min_s if is_due else long_s)
            if self._messages:
                self.habits = self.habits.waited_in_vain(Promise.MORE, waited_s)
        self.habits = self.habits.with_looks(start=start, gap=gap)

    def _in_vain(self, until_s: float) -> None:
        if self._promise is not None:
            self.habits = self.habits.waited_in_vain(self._promise, until_s - self._answered_s)
