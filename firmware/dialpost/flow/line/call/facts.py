"""What the call machine tells of itself: state, calls made, budget. Nothing here changes anything.

The half of `flow/line/call/machine.CallManager` that only reads.
"""

from __future__ import annotations

from collections.abc import Callable

from dialpost.core.json_value import JsonValue
from dialpost.core.line.call import notes as call_notes
from dialpost.core.line.call.record import CallRecord
from dialpost.core.line.call.states import AT_REST, LINE_DOUBT_WORDS, STATE_WORDS, CallState
from dialpost.core.mail.queue.records import QueueCounts
from dialpost.flow.line.call.budget import Budget
from dialpost.flow.line.call.memory import CallMemory
from dialpost.flow.line.call.redial import Redials
from dialpost.flow.line.call.running import RunningCall


class CallFacts:
    """The read-only side of a call manager, which sets what is declared here."""

    _state: CallState
    _call: RunningCall | None
    _budget: Budget
    _redials: Redials
    _memory: CallMemory
    _line_doubt: Callable[[], str]

    @property
    def state(self) -> CallState:
        """Where the call stands."""
        return self._state

    @property
    def state_words(self) -> str:
        """What the line is doing, in words."""
        words = STATE_WORDS[self._state]
        if self._state in AT_REST and self._line_doubt():
            words = LINE_DOUBT_WORDS
        redial = self._redials.words()
        return f"{words}; {redial}" if redial else words

    @property
    def last_call(self) -> CallRecord | None:
        """The last call that ended since the start, None before the first."""
        return self._memory.last_call

    @property
    def last_end_s(self) -> float | None:
        """Its end, monotonic."""
        return self._memory.last_end_s

    @property
    def failures(self) -> int:
        """Calls in a row that did not come on line."""
        return self._memory.failures

    @property
    def left_behind(self) -> QueueCounts:
        """What still waited when the last call that went to its end was over."""
        return self._memory.left_behind

    @property
    def current_call(self) -> CallRecord | None:
        """The call under way as far as it is known, None between calls."""
        return self._call.completed() if self._call is not None else None

    def refusal(self) -> str:
        """Why the budget allows no further call now, in words; "" where it does, or while one is under way."""
        return self._budget.refusal() if self._state in AT_REST else ""

    def status(self) -> dict[str, JsonValue]:
        """State, the call under way and the last one, for those who show it."""
        current, last = self.current_call, self.last_call
        return {
            "state": self._state.value,
            "words": self.state_words,
            "current": None if current is None else current.to_json(),
            "last": None if last is None else last.to_json(),
            "redials_left": self._redials.left,
        }

    def attention(self) -> list[str]:
        """What the operator should know of the last call and of the budget, an item each."""
        gave_up = self._state in AT_REST and not self._redials.pending
        last, barred = self.last_call, self._redials.bar.words
        told = [] if last is None else call_notes.attention(last, self.failures if gave_up else 0, barred)
        if last is None or not call_notes.failed(last):
            told.append(barred)  # of a call before that one, or before a restart
        return [one for one in (self._line_doubt(), self.refusal(), *told) if one]
