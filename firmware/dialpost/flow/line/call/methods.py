"""The call methods on the control socket: `call.now`, `call.history`, `call.forecast`, `call.budget` ...

They query the call machine, the history and the budget, and put the answers into words.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

from dialpost.core.amounts import money, span_words
from dialpost.core.call_reason import CallReason
from dialpost.core.control import calls as api
from dialpost.core.control.declared import NoParams
from dialpost.core.control.serving import Emit, Served, serve, serve_events
from dialpost.core.errors import ControlError, NotFoundError
from dialpost.core.json_value import JsonValue
from dialpost.core.line.call.forecast import Forecast, LineSpeed
from dialpost.core.line.call.notes import etrn_faults, etrn_refused, in_vain, was_cut
from dialpost.core.line.call.record import HANG_UP_WORDS, LEFT_BEHIND, CallRecord
from dialpost.core.line.link import DialResult
from dialpost.core.mail.etrn import EtrnAnswer
from dialpost.core.mail.inbound.collected import Collected
from dialpost.flow.line.call.history import CallHistory


class Calls(Protocol):
    """The subset of flow/line/call/machine.CallManager (or flow/line/dedicated_line) the commands need."""

    @property
    def last_call(self) -> CallRecord | None:
        """The last call since the start, None before the first."""

    def refusal(self) -> str:
        """Why the budget allows no call now, in words; "" if it does."""

    def request(self, reason: CallReason, *, over_budget: bool = False) -> str:
        """Ask for a call; returns what happens now, in words."""

    def cancel(self, at_once: bool) -> str:
        """Ask for the end of the current call; returns what happens now, in words."""

    def subscribe(self, watcher: Callable[[str], None]) -> Callable[[], None]:
        """Call `watcher` with each step in words; the returned function unsubscribes."""

    async def finished(self) -> CallRecord:
        """Wait for the end of the current call, including redials."""


class BudgetFacts(Protocol):
    """The subset of flow/line/call/budget.Budget the commands need."""

    def facts(self) -> api.Budget:
        """What is spent, what is left, and whether a call may be made."""


class ForecastsForControl(Protocol):
    """The subset of flow/line/call/forecasts.Forecasts the commands need. Each raises StorageError."""

    async def next_call(self) -> Forecast:
        """What a call made now would take."""

    async def speed(self) -> LineSpeed:
        """The speed of the line as measured in past calls."""


def call_methods(
    calls: Calls, history: CallHistory, budget: BudgetFacts | None, forecasts: ForecastsForControl
) -> dict[str, Served]:
    """The methods by name. `budget` is None if no calls are made."""

    async def request(wanted: api.RequestParams) -> str:
        _check(calls, wanted.over_budget)
        return calls.request(wanted.reason, over_budget=wanted.over_budget)

    async def cancel(wanted: api.CancelParams) -> str:
        return calls.cancel(wanted.at_once)

    async def listing(wanted: api.HistoryParams) -> tuple[api.Call, ...]:
        return tuple(stored_call(call) for call in await history.calls(wanted.limit))

    async def show(wanted: api.ShowParams) -> api.Call:
        for call in await history.calls(1 if wanted.number is None else api.MOST_CALLS):
            if wanted.number is None or call["number"] == wanted.number:
                return stored_call(call)
        raise NotFoundError(
            "No call has been made yet."
            if wanted.number is None
            else f"There is no call {wanted.number} in the history."
        )

    async def forecast(wanted: NoParams) -> api.NextCall:
        facts = budget.facts() if budget is not None else None
        return _next_call(await forecasts.next_call(), await forecasts.speed(), facts)

    async def spent(wanted: NoParams) -> api.Budget:
        if budget is None:
            raise ControlError("The line is dedicated: no calls are made, so none are counted.")
        return budget.facts()

    async def now(wanted: api.NowParams, emit: Emit) -> api.Ended:
        _check(calls, wanted.over_budget)
        unsubscribe = calls.subscribe(emit)
        try:
            emit(calls.request(CallReason.COMMAND, over_budget=wanted.over_budget))
            record = await calls.finished()
        finally:
            unsubscribe()
        return api.Ended(
            words=ended_words(record), exit_status=exit_status(record), call=call_answer(record, number=None)
        )

    return {
        **serve_events(api.NOW, now),
        **serve(api.REQUEST, request),
        **serve(api.CANCEL, cancel),
        **serve(api.HISTORY, listing),
        **serve(api.SHOW, show),
        **serve(api.FORECAST, forecast),
        **serve(api.BUDGET, spent),
    }


def _check(calls: Calls, over_budget: bool) -> None:
    """Raises: ControlError if the budget is spent."""
    if not over_budget and (why := calls.refusal()):
        raise ControlError(why)


def _next_call(expected: Forecast, speed: LineSpeed, budget: api.Budget | None) -> api.NextCall:
    left_s = budget.left_s if budget is not None else None
    return api.NextCall(
        messages=expected.messages,
        bytes=expected.bytes,
        seconds=round(expected.seconds, 1),
        cost=round(expected.cost, 6),
        currency=expected.currency,
        held=expected.held,
        held_bytes=expected.held_bytes,
        tls_seconds=round(expected.tls_seconds, 1),
        words=expected.words(),
        rate_bps=round(speed.rate_bps),
        measured=speed.measured,
        left_s=left_s,
        is_enough=left_s is None or left_s >= expected.seconds,
        refusal=budget.refusal if budget is not None else "",
    )


def stored_call(call: Mapping[str, JsonValue]) -> api.Call:
    """A call of the history, completed where an earlier version saved less."""
    number = call.get("number")
    return call_answer(CallRecord.from_json(call), number=number if isinstance(number, int) else None)


def call_answer(record: CallRecord, *, number: int | None) -> api.Call:
    """A call with its explanations in words."""
    return api.Call(
        number=number,
        reason=record.reason.value,
        link=record.link,
        result=record.result.value,
        started=record.started,
        online_s=round(record.online_s, 3),
        bytes_up=record.bytes_up,
        bytes_down=record.bytes_down,
        sent=record.sent,
        received=record.received,
        deferred=record.deferred,
        refused=record.refused,
        etrn=tuple(etrn_answer(one) for one in record.etrn),
        inbound=tuple(_collected(one) for one in record.inbound),
        inbound_why=record.inbound_why,
        hangup_reason=record.hangup_reason.value,
        detail=record.detail,
        hangup_detail=record.hangup_detail,
        rate_bps=record.rate_bps,
        dialled=record.dialled,
        connect_s=round(record.connect_s, 3),
        paid_s=round(record.paid_s, 3),
        cost=round(record.cost, 6),
        currency=record.currency,
        over_budget=record.over_budget,
        forecast=None if record.forecast is None else _expected(record.forecast),
        notes=record.notes,
        again=record.again.value,
        hangup_words=HANG_UP_WORDS[record.hangup_reason],
        cost_words=money(record.cost, record.currency) if record.cost else "",
        forecast_words=record.forecast.words() if record.forecast is not None else "",
        tls=api.Tls(handshakes=record.tls.handshakes, resumed=record.tls.resumed, bytes=record.tls.bytes),
        tls_words=record.tls.words(record.rate_bps),
    )


def etrn_answer(answer: EtrnAnswer) -> api.Etrn:
    """The provider's answer for one name."""
    return api.Etrn(
        domain=answer.name,
        code=answer.code,
        text=answer.text,
        advice=answer.advice,
        outcome=answer.outcome.value,
        waiting=answer.waiting,
    )


def _collected(one: Collected) -> api.Collected:
    return api.Collected(
        way=one.way.value,
        box=one.box,
        fate=one.fate.value,
        words=one.words,
        advice=one.advice,
        messages=one.messages,
        bytes=one.bytes,
        held=one.held,
        left=one.left,
        label=one.label,
        sentence=one.sentence(),
    )


def _expected(forecast: Forecast) -> api.Expected:
    return api.Expected(
        messages=forecast.messages,
        bytes=forecast.bytes,
        seconds=round(forecast.seconds, 1),
        cost=round(forecast.cost, 6),
        currency=forecast.currency,
        held=forecast.held,
        held_bytes=forecast.held_bytes,
        tls_seconds=round(forecast.tls_seconds, 1),
    )


def ended_words(record: CallRecord) -> str:
    """How a call ended, in one sentence or two."""
    if record.result is not DialResult.CONNECTED:
        return f"The line did not come up: {record.result.value}. {record.detail}".strip()
    cost = f", {money(record.cost, record.currency)}" if record.cost else ""
    deferred = f", {record.deferred} deferred" if record.deferred else ""
    words = f"{record.sent} sent, {record.received} received{deferred}, {span_words(record.online_s)} on line{cost}"
    words = words if record.deferred or record.hangup_reason in LEFT_BEHIND else f"Done: {words}"
    detail = f": {record.hangup_detail}" if record.hangup_reason in LEFT_BEHIND and record.hangup_detail else ""
    words += f" ({HANG_UP_WORDS[record.hangup_reason]}{detail})."
    for answer in etrn_faults(record):
        words += f"\nETRN {answer.name}: {answer.words()}\n{answer.advice}"
    return words


def exit_status(record: CallRecord) -> int:
    """0 all went well, 1 the call failed, was cut or achieved nothing, 3 the provider refused ETRN."""
    if record.result is not DialResult.CONNECTED or was_cut(record) or in_vain(record):
        return 1
    return 3 if etrn_refused(record) else 0
