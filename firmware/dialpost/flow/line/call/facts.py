"""What the call machine reports about itself: state, past calls, budget. Nothing here changes anything.

`flow/line/call/machine.CallManager` has one and passes it the call's state.
"""

from __future__ import annotations

from collections.abc import Callable

from dialpost.core.json_value import JsonValue
from dialpost.core.line.call import notes as call_notes
from dialpost.core.line.call.states import AT_REST, LINE_DOUBT_WORDS, STATE_WORDS, CallState
from dialpost.flow.line.call.budget import Budget
from dialpost.flow.line.call.redial import Redials
from dialpost.flow.line.call.remains import CallMemory
from dialpost.flow.line.call.running import RunningCall


class CallFacts:
    """The facts of budget, redials and past calls. `line_doubt`: why the line may be up between calls."""

    def __init__(self, budget: Budget, redials: Redials, memory: CallMemory, line_doubt: Callable[[], str]) -> None:
        self._budget, self._redials, self._memory, self._line_doubt = budget, redials, memory, line_doubt

    def state_words(self, state: CallState) -> str:
        """What the line is doing, for people."""
        words = STATE_WORDS[state]
        if state in AT_REST and self._line_doubt():
            words = LINE_DOUBT_WORDS
        redial = self._redials.words()
        return f"{words}; {redial}" if redial else words

    def refusal(self, state: CallState) -> str:
        """Why the budget allows no further call now, in words; "" if it does, or during a call."""
        return self._budget.refusal() if state in AT_REST else ""

    def status(self, state: CallState, call: RunningCall | None) -> dict[str, JsonValue]:
        """The state, the current call and the last one, for `status`."""
        last = self._memory.last_call
        return {
            "state": state.value,
            "words": self.state_words(state),
            "current": None if call is None else call.completed().to_json(),
            "last": None if last is None else last.to_json(),
            "redials_left": self._redials.left,
        }

    def attention(self, state: CallState) -> list[str]:
        """What the operator should know about the last call and the budget, an item each."""
        gave_up = state in AT_REST and not self._redials.pending
        last, barred = self._memory.last_call, self._redials.bar.words
        told = [] if last is None else call_notes.attention(last, self._memory.failures if gave_up else 0, barred)
        if last is None or not call_notes.failed(last):
            told.append(barred)  # of a call before that one, or before a restart
        return [one for one in (self._line_doubt(), self.refusal(state), *told) if one]
