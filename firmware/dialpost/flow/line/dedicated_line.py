"""The link `gateway`: a dedicated line is always up, so there are no calls.

It has the interface of `flow/line/call/machine.CallManager`. Mail is flushed when it is accepted, when a retry is
due, and on request; `call now` and the schedule flush at once and fetch the provider's mail: by ETRN with
`etrn.use = "always"`, and in the other ways that are configured. Each run on request is saved in the history as a
call. Runs as one task in the daemon's event loop.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import replace

from dialpost.core.call_reason import CallReason
from dialpost.core.config.model import LinkKind
from dialpost.core.errors import StorageError
from dialpost.core.faults import Fault
from dialpost.core.json_value import JsonValue
from dialpost.core.line.call import notes as call_notes
from dialpost.core.line.call.record import CallRecord, HangUpReason
from dialpost.core.line.call.states import CallState
from dialpost.core.line.link import DialResult
from dialpost.core.mail.etrn import EtrnAnswer
from dialpost.core.mail.queue.records import QueueCounts
from dialpost.flow import maillog
from dialpost.flow.line.call.collection import Collection
from dialpost.flow.line.call.mail_needs import Etrn, FlushForCall, Inbound, OnlyEtrn, Ways
from dialpost.flow.line.call.remains import CallStore
from dialpost.flow.line.panel import LinePanel

LOOK_S = 60.0
"""The interval for checking deferred mail for due retries."""
GATHER_S = 0.05
"""The pause that lets a burst of mail go out over one connection."""


class DedicatedLine:
    """Flushes over a line that is always up. `run` is its one task."""

    def __init__(
        self,
        *,
        etrn: Etrn | None,
        flush: FlushForCall,
        inbound: Inbound,
        store: CallStore,
        panel: LinePanel,
        ways: Ways | None = None,
        wall_clock: Callable[[], float] = time.time,
        on_by_hand: Callable[[], None] = lambda: None,
    ) -> None:
        self._on_by_hand = on_by_hand
        self._etrn, self._flush, self._inbound = etrn, flush, inbound
        self._store, self._panel, self._wall_clock = store, panel, wall_clock
        self._wake, self._settled = asyncio.Event(), asyncio.Event()
        self._ways, self._moved = ways or OnlyEtrn(), asyncio.Event()
        self._fetching: Collection | None = None
        self._asking: asyncio.Task[tuple[EtrnAnswer, ...]] | None = None
        self._wanted: CallReason | None = None
        self._watchers: list[Callable[[str], None]] = []
        self._last_call: CallRecord | None = None
        self._last_try: CallRecord | None = None  # the last run with something to do, requested or not
        self._running = False
        self.failures = 0
        self.last_end_s: float | None = None
        self.left_behind = QueueCounts()

    @property
    def state(self) -> CallState:
        """IDLE between two runs (the schedule may ask for one), ONLINE while mail is being sent."""
        return CallState.ONLINE if self._running or self._wanted else CallState.IDLE

    @property
    def state_words(self) -> str:
        """What the line is doing, in words."""
        return "dedicated line; sending" if self._running else "dedicated line; no calls are made"

    @property
    def last_call(self) -> CallRecord | None:
        """The last run on request; None before the first."""
        return self._last_call

    def refusal(self) -> str:
        """Always "": a dedicated line is not paid for by the call."""
        return ""

    def request(self, reason: CallReason, *, over_budget: bool = False) -> str:
        """Send now, and ask by ETRN if that is configured; returns what happens, in words."""
        if reason.by_hand:
            self._on_by_hand()
        self._settled.clear()
        # An operator's request may not be replaced by a schedule's: it also tries hosts that rest.
        if self._wanted is None or reason.by_hand:
            self._wanted = reason
        self._wake.set()
        return "The line is dedicated: sending the queue now."

    def cancel(self, at_once: bool) -> str:
        """End the current run; mail accepted later is still sent."""
        self._wanted = None
        if not self._running:
            self._settled.set()
            return "A dedicated line makes no calls; nothing is being sent."
        self._flush.stop(after_current=not at_once)
        if self._fetching is not None:
            self._fetching.stop()
        return "Sending stops" + (" at once." if at_once else " after the current message.")

    def mail_accepted(self) -> None:
        """New mail is in the queue: send it at once."""
        self._panel.queue_changed()
        self._wake.set()

    def subscribe(self, watcher: Callable[[str], None]) -> Callable[[], None]:
        """Call `watcher` with each step in words; the returned function unsubscribes."""
        self._watchers.append(watcher)
        return lambda: self._watchers.remove(watcher)

    async def finished(self) -> CallRecord:
        """Wait for the end of the requested run."""
        while True:
            await self._settled.wait()
            if self._last_call is not None:
                return self._last_call
            self._settled.clear()

    def status(self) -> dict[str, JsonValue]:
        """State and last run, for the control API."""
        last = self._last_call.to_json() if self._last_call is not None else None
        return {
            "state": self.state.value,
            "words": self.state_words,
            "current": None,
            "last": last,
            "redials_left": None,
        }

    def attention(self) -> list[str]:
        """What the operator should know about the last run, an item each."""
        if self._last_try is None:
            return []
        etrn = self._last_call.etrn if self._last_call is not None else ()
        return call_notes.attention(replace(self._last_try, etrn=etrn))

    async def run(self) -> None:
        """Send waiting mail until cancelled."""
        self._panel.call(CallState.ONLINE)
        while True:
            self._wake.clear()
            reason, self._wanted, self._running = self._wanted, None, True
            try:
                await self._once(reason)
            finally:
                self._running = False
                self._panel.mail_moves(False)
            try:
                async with asyncio.timeout(LOOK_S):
                    await self._wake.wait()
                await asyncio.sleep(GATHER_S)
            except TimeoutError:
                pass

    async def _once(self, reason: CallReason | None) -> None:
        """One run. If it was requested (`reason`), it also fetches the provider's mail and is saved as a call."""
        loop = asyncio.get_running_loop()
        began_s, messages, received = loop.time(), self._inbound.messages, self._inbound.bytes
        record = CallRecord(
            reason or CallReason.QUEUE,
            LinkKind.GATEWAY.value,
            DialResult.CONNECTED,
            int(self._wall_clock()),
            hangup_reason=HangUpReason.DONE,
        )
        fetching = self._fetching = Collection(self._ways, self._ask, self._say, self._moved.set)
        try:
            if reason is not None:
                fetching.begin()
            self._panel.mail_moves(True)
            if reason is not None and reason.by_hand:
                self._flush.begin_call()  # an operator's request also tries hosts that rest
            result = await self._flush.run()
            record = replace(
                record, sent=result.sent, deferred=result.deferred, refused=result.refused, notes=result.notes
            )
            record = replace(record, etrn=await self._fetched(fetching))
        except Exception as error:  # a bug of ours must not stop the line
            maillog.fault("flush stopped by a bug in Dialpost", error=repr(error))
        finally:
            if self._asking is not None:
                self._asking.cancel()
            self._asking, self._fetching = None, None
            if reason is not None:
                await fetching.close(received=self._inbound.messages - messages, is_cut=False)
        record = replace(
            record,
            inbound=fetching.results,
            online_s=loop.time() - began_s,
            received=self._inbound.messages - messages,
            bytes_down=self._inbound.bytes - received,
        )
        await self._ended(record, kept=reason is not None)

    def _ask(self) -> None:
        if self._etrn is not None:
            self._asking = asyncio.create_task(self._etrn.ask())

    async def _fetched(self, fetching: Collection) -> tuple[EtrnAnswer, ...]:
        """Until every way has ended; the answers to ETRN."""
        answers: tuple[EtrnAnswer, ...] = ()
        while True:
            if self._asking is not None:
                answers = await self._asking
                self._asking = None
                fetching.answered(answers)
            elif fetching.running:
                await self._moved.wait()
                self._moved.clear()
            else:
                return answers

    def _say(self, words: str) -> None:
        for watcher in list(self._watchers):
            watcher(words)

    async def _ended(self, record: CallRecord, kept: bool) -> None:
        if record.sent or record.deferred or kept:
            self._last_try = record
        if record.sent or record.deferred:
            self._panel.fault(Fault.MAIL, call_notes.mail_stuck(record))
        await self._panel.refresh()
        self.left_behind = self._panel.counted
        if not kept:
            return
        self._panel.fault(Fault.ETRN, call_notes.etrn_refused(record))
        self._last_call, self.last_end_s = record, asyncio.get_running_loop().time()
        try:
            await self._store.save_call(record.to_json())
        except StorageError as error:
            maillog.fault("call: its record could not be kept", error=error)
        self._say(f"sent {record.sent}, deferred {record.deferred}")
        if self._wanted is None:
            self._settled.set()
