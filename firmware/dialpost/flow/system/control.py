"""The control API's view of the whole station: `status`.

Nothing here decides about mail: it queries the flows and combines their answers. The other methods are in
`call_methods`, `queue_methods` and `account_methods`. Runs in the daemon's event loop.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Protocol

from dialpost.core.control import station as api
from dialpost.core.control.declared import NoParams
from dialpost.core.control.serving import Served, serve
from dialpost.flow.line.call.history import CallHistory
from dialpost.flow.line.call.methods import stored_call
from dialpost.flow.mail.needs import Counts


class Calls(Protocol):
    """The subset of flow/line/call/machine.CallManager needed here."""

    @property
    def state_words(self) -> str:
        """What the line is doing, in words."""


class StationFacts(Counts, Protocol):
    """What `status` reports besides calls."""

    def facts(self) -> api.Status:
        """The station's own facts: hostname, version, link, uptime_s, accounts, free_bytes ..."""

    def attention(self) -> list[str]:
        """What needs the operator, a sentence each."""


def control_methods(calls: Calls, history: CallHistory, station: StationFacts) -> dict[str, Served]:
    """The `status` method."""

    async def status(wanted: NoParams) -> api.Status:
        counts = await station.counts()
        kept = await history.calls(1)
        last_call = stored_call(kept[0]) if kept else None
        return replace(
            station.facts(),
            queue=api.Waiting(
                waiting_local=counts.waiting_local,
                waiting_remote=counts.waiting_remote,
                urgent=counts.urgent,
                held=counts.held,
                bytes_waiting=counts.bytes_waiting,
            ),
            call_state_words=calls.state_words,
            last_call=last_call,
            etrn=last_call.etrn if last_call is not None else (),
            attention=tuple(station.attention()),
        )

    return serve(api.STATUS, status)
