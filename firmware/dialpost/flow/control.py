"""The control API: what every face (command line, console) may ask of the station.

Each method takes a JSON object and gives a JSON value back; a refusal is a DialpostError whose text is
for a person. Nothing here decides about mail: it asks the flows and puts their answers into words.
Runs in the daemon's event loop.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

from dialpost.core.call_record import HANG_UP_WORDS, CallReason, CallRecord
from dialpost.core.errors import NotFoundError
from dialpost.core.json_value import ControlMethod, JsonObject, JsonValue
from dialpost.core.link import DialResult
from dialpost.core.queue_records import QueueCounts

Emit = Callable[[JsonValue], None]


class Calls(Protocol):
    """The subset of flow/call.CallManager the API needs."""

    @property
    def state_words(self) -> str:
        """What the line is doing, for a person."""

    @property
    def last_call(self) -> CallRecord | None:
        """The last call since the start, None before the first."""

    def request(self, reason: CallReason) -> str:
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


class StationFacts(Protocol):
    """What `status` tells besides calls."""

    async def counts(self) -> QueueCounts:
        """What waits."""

    def facts(self) -> dict[str, JsonValue]:
        """hostname, version, link, uptime_s, accounts, free_bytes."""

    def attention(self) -> list[str]:
        """What needs a person, a sentence each."""


def control_methods(calls: Calls, history: CallHistory, station: StationFacts) -> dict[str, ControlMethod]:
    """The methods for calls and status; those for queue and accounts come from their own flows."""

    async def status(params: JsonObject) -> JsonValue:
        counts = await station.counts()
        calls_kept = await history.calls(1)
        queue: dict[str, JsonValue] = {
            "waiting_local": counts.waiting_local,
            "waiting_remote": counts.waiting_remote,
            "urgent": counts.urgent,
            "held": counts.held,
            "bytes_waiting": counts.bytes_waiting,
        }
        call = with_words(calls_kept[0]) if calls_kept else None
        etrn = call["etrn"] if call is not None else []
        return station.facts() | {
            "queue": queue,
            "call_state_words": calls.state_words,
            "last_call": call,
            "etrn": etrn,
            "attention": station.attention(),
        }

    async def call_request(params: JsonObject) -> JsonValue:
        return calls.request(CallReason(params.get("reason", CallReason.COMMAND.value)))

    async def call_cancel(params: JsonObject) -> JsonValue:
        return calls.cancel(bool(params.get("at_once")))

    async def call_history(params: JsonObject) -> JsonValue:
        limit = params.get("limit", 20)
        return [with_words(call) for call in await history.calls(limit if isinstance(limit, int) else 20)]

    async def call_show(params: JsonObject) -> JsonValue:
        number = params.get("number")
        for call in await history.calls(1 if number is None else 1_000_000):
            if number is None or call["number"] == number:
                return with_words(call)
        raise NotFoundError(
            "No call has been made yet." if number is None else f"There is no call {number} in the history."
        )

    return {
        "status": status,
        "call.request": call_request,
        "call.cancel": call_cancel,
        "call.history": call_history,
        "call.show": call_show,
    }


def call_now(calls: Calls) -> Callable[[JsonObject, Emit], object]:
    """The method behind `dialpost call now`: its events are the call's steps, its result how it ended."""

    async def now(params: JsonObject, emit: Emit) -> JsonValue:
        unsubscribe = calls.subscribe(emit)
        try:
            emit(calls.request(CallReason.COMMAND))
            record = await calls.finished()
        finally:
            unsubscribe()
        return {"words": ended_words(record), "exit_status": exit_status(record), "call": record.to_json()}

    return now


def with_words(call: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
    """A stored call with its reason for ending in words."""
    record = CallRecord.from_json(call)
    return dict(call) | {"hangup_words": HANG_UP_WORDS[record.hangup_reason]}


def ended_words(record: CallRecord) -> str:
    """How a call ended, in one sentence or two."""
    if record.result is not DialResult.CONNECTED:
        return f"The line did not come up: {record.result.value}. {record.detail}".strip()
    words = f"Done: {record.sent} sent, {record.received} received, {record.online_s:.0f} s on line"
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
