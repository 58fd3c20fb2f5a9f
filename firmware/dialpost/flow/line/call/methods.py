"""The calls' commands on the control socket: `call.now`, `call.history`, `call.forecast`, `call.budget` ...

Takes JSON parameters apart, asks the call machine, the history and the budget, and puts their answers into words.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

from dialpost.core.amounts import money
from dialpost.core.call_reason import CallReason
from dialpost.core.errors import ControlError, NotFoundError
from dialpost.core.json_value import ControlMethod, JsonObject, JsonValue
from dialpost.core.line.call.forecast import Forecast, LineSpeed
from dialpost.core.line.call.record import HANG_UP_WORDS, CallRecord
from dialpost.core.line.link import DialResult

Emit = Callable[[JsonValue], None]

_MOST_LISTED = 10_000


class Calls(Protocol):
    """The subset of flow/line/call/machine.CallManager (or flow/line/dedicated_line) the commands need."""

    @property
    def last_call(self) -> CallRecord | None:
        """The last call since the start, None before the first."""

    def refusal(self) -> str:
        """Why the budget allows no call now, for a person; "" where it does."""

    def request(self, reason: CallReason, *, over_budget: bool = False) -> str:
        """Ask for a call; what happens now, in words."""

    def cancel(self, at_once: bool) -> str:
        """Ask for the end of the call under way; what happens now, in words."""

    def subscribe(self, watcher: Callable[[str], None]) -> Callable[[], None]:
        """Be told each step in words; the answer ends it."""

    async def finished(self) -> CallRecord:
        """Wait for the end of the call under way, redials included."""


class CallHistory(Protocol):
    """The subset of the store that keeps calls."""

    async def calls(self, limit: int) -> list[dict[str, JsonValue]]:
        """The last calls, newest first, each with its `number`."""


class BudgetFacts(Protocol):
    """The subset of flow/line/call/budget.Budget the commands need."""

    def facts(self) -> dict[str, JsonValue]:
        """What is spent, what is left, and whether a call may be made."""


class ForecastsForControl(Protocol):
    """The subset of flow/line/call/forecasts.Forecasts the commands need. Each raises StorageError."""

    async def next_call(self) -> Forecast:
        """What a call made now would take."""

    async def speed(self) -> LineSpeed:
        """How fast the line has shown itself to be."""


def call_methods(
    calls: Calls, history: CallHistory, budget: BudgetFacts | None, forecasts: ForecastsForControl
) -> dict[str, ControlMethod]:
    """The methods by name. `budget` is None where no calls are made."""

    async def request(params: JsonObject) -> JsonValue:
        over_budget = bool(params.get("over_budget"))
        _check(calls, over_budget)
        return calls.request(_reason(params), over_budget=over_budget)

    async def cancel(params: JsonObject) -> JsonValue:
        return calls.cancel(bool(params.get("at_once")))

    async def listing(params: JsonObject) -> JsonValue:
        limit = params.get("limit", 20)
        if isinstance(limit, bool) or not isinstance(limit, int) or not 0 < limit <= _MOST_LISTED:
            raise ControlError(f"limit must be a whole number from 1 to {_MOST_LISTED}.")
        return [with_words(call) for call in await history.calls(limit)]

    async def show(params: JsonObject) -> JsonValue:
        number = params.get("number")
        for call in await history.calls(1 if number is None else _MOST_LISTED):
            if number is None or call["number"] == number:
                return with_words(call)
        raise NotFoundError(
            "No call has been made yet." if number is None else f"There is no call {number} in the history."
        )

    async def forecast(params: JsonObject) -> JsonValue:
        expected, speed = await forecasts.next_call(), await forecasts.speed()
        facts = budget.facts() if budget is not None else {}
        left_s = facts.get("left_s")
        is_enough = not isinstance(left_s, int | float) or left_s >= expected.seconds
        return expected.to_json() | {
            "words": expected.words(),
            "rate_bps": round(speed.rate_bps),
            "measured": speed.measured,
            "left_s": left_s,
            "is_enough": is_enough,
            "refusal": facts.get("refusal", ""),
        }

    async def spent(params: JsonObject) -> JsonValue:
        if budget is None:
            raise ControlError("The line is dedicated: no calls are made, so none are counted.")
        return budget.facts()

    return {
        "call.request": request,
        "call.cancel": cancel,
        "call.history": listing,
        "call.show": show,
        "call.forecast": forecast,
        "call.budget": spent,
    }


def call_now(calls: Calls) -> Callable[[JsonObject, Emit], object]:
    """The method behind `dialpost call now`: its events are the call's steps, its result how it ended."""

    async def now(params: JsonObject, emit: Emit) -> JsonValue:
        over_budget = bool(params.get("over_budget"))
        _check(calls, over_budget)
        unsubscribe = calls.subscribe(emit)
        try:
            emit(calls.request(CallReason.COMMAND, over_budget=over_budget))
            record = await calls.finished()
        finally:
            unsubscribe()
        return {"words": ended_words(record), "exit_status": exit_status(record), "call": record.to_json()}

    return now


def _check(calls: Calls, over_budget: bool) -> None:
    """Raises: ControlError where the budget is spent."""
    if not over_budget and (why := calls.refusal()):
        raise ControlError(why)


def _reason(params: JsonObject) -> CallReason:
    try:
        return CallReason(params.get("reason", CallReason.COMMAND.value))
    except ValueError:
        known = ", ".join(reason.value for reason in CallReason)
        raise ControlError(f"reason must be one of: {known}.") from None


def with_words(call: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
    """A stored call, complete also where a former version kept less, with what a person reads in words."""
    record = CallRecord.from_json(call)
    return (
        dict(call)
        | record.to_json()
        | {
            "hangup_words": HANG_UP_WORDS[record.hangup_reason],
            "cost_words": money(record.cost, record.currency) if record.cost else "",
            "forecast_words": record.forecast.words() if record.forecast is not None else "",
        }
    )


def ended_words(record: CallRecord) -> str:
    """How a call ended, in one sentence or two."""
    if record.result is not DialResult.CONNECTED:
        return f"The line did not come up: {record.result.value}. {record.detail}".strip()
    cost = f", {money(record.cost, record.currency)}" if record.cost else ""
    words = f"Done: {record.sent} sent, {record.received} received, {record.online_s:.0f} s on line{cost}"
    words += f" ({HANG_UP_WORDS[record.hangup_reason]})."
    for answer in record.etrn:
        if answer.is_fault:
            words += f"\nETRN {answer.name}: {answer.words()}\n{answer.advice}"
    return words


def exit_status(record: CallRecord) -> int:
    """0 all went well, 1 the call failed or was cut, 3 the provider refused ETRN."""
    if record.result is not DialResult.CONNECTED or record.hangup_reason.value == "carrier-lost":
        return 1
    return 3 if any(answer.is_fault for answer in record.etrn) else 0
