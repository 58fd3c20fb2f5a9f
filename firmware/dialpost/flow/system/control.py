"""The control API: what every face (command line, console) may ask of the station; here its state.

Each method takes a JSON object and gives a JSON value back; a refusal is a DialpostError whose text is
for a person. Nothing here decides about mail: it asks the flows and puts their answers into words.
`call_methods`, `queue_methods` and `account_methods` have the others. Runs in the daemon's event loop.
"""

from __future__ import annotations

from typing import Protocol

from dialpost.core.json_value import ControlMethod, JsonObject, JsonValue
from dialpost.core.mail.queue.records import QueueCounts
from dialpost.flow.line.call.methods import with_words


class Calls(Protocol):
    """The subset of flow/line/call/machine.CallManager needed here."""

    @property
    def state_words(self) -> str:
        """What the line is doing, for a person."""


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
    """The method for the state as a whole."""

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

    return {"status": status}
