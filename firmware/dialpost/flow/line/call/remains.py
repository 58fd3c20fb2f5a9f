"""What remains of a call: its record, the provider's habits, the redials left, and the log and panel entries.

A record is saved exactly once, even if the daemon ends in between. Runs in the call's task.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Awaitable, Callable
from math import inf
from typing import Protocol

from dialpost.core.errors import StorageError
from dialpost.core.faults import Fault
from dialpost.core.json_text import parse_object
from dialpost.core.json_value import JsonValue
from dialpost.core.line.call.notes import etrn_refused, failed, has_hope, in_vain, mail_stuck, reason_words, was_cut
from dialpost.core.line.call.record import HANG_UP_WORDS, CallRecord, HangUpReason
from dialpost.core.line.link import DialResult
from dialpost.core.mail.queue.records import QueueCounts
from dialpost.flow import maillog
from dialpost.flow.line.call.learnt import LearntHabits
from dialpost.flow.line.call.mail_needs import Before
from dialpost.flow.line.call.redial import Redials
from dialpost.flow.line.panel import LinePanel
from dialpost.flow.memory import Memory

_FAILURES_KEY = "call.failures"


class CallStore(Memory, Protocol):
    """The subset of the store that remembers calls."""

    async def save_call(self, call: dict[str, JsonValue]) -> None:
        """Save one call's record."""


class CallMemory:
    """What the next call and the schedule need to know about past calls."""

    def __init__(
        self,
        store: CallStore,
        panel: LinePanel,
        redials: Redials,
        say: Callable[[str], None],
        on_given_up: Callable[[CallRecord, int], None] = lambda record, failures: None,
        learnt: LearntHabits | None = None,
    ) -> None:
        self._store, self._panel, self._redials, self._say = store, panel, redials, say
        self._on_given_up, self._is_given_up_told, self._has_given_up = on_given_up, False, False
        self._unkept: CallRecord | None = None
        self._saving: tuple[CallRecord, asyncio.Future[None]] | None = None
        self.learnt = learnt or LearntHabits(store)
        self.last_call: CallRecord | None = None
        self.last_end_s: float | None = None
        self._hanging_until_s = -inf
        self.failures = 0
        self.left_behind = QueueCounts()

    async def keep_ahead(self) -> None:
        """A call is about to be dialled: if the power fails during it, it counts as a failed attempt."""
        await self._keep_tries(self._redials.keep_ahead)

    async def keep_answered(self) -> None:
        """The other end answered."""
        await self._keep_tries(self._redials.keep_answered)

    async def _keep_tries(self, keep: Callable[[CallStore], Awaitable[None]]) -> None:
        try:
            await keep(self._store)
        except StorageError as error:  # the call matters more than the count of attempts
            maillog.fault("call: its attempt could not be recorded", error=error)

    def begin_call(self) -> Before:
        """A call begins to carry mail."""
        return Before(self.learnt.begin_call(), self._hanging_until_s)

    def mail_ended(self, left: Before) -> None:
        """A call carries no mail any more, and this is what it leaves for the next."""
        self.learnt.add(left.habits)
        self._hanging_until_s = left.hanging_until_s

    def online(self) -> None:
        """A call came on line."""
        self._panel.fault(Fault.LINE, False)
        self._panel.arrived(False)

    def ended(self, record: CallRecord) -> None:
        """A call is over: report it to log, watchers, panel and redials; `keep` makes it durable."""
        self.last_call = self._unkept = record
        self.last_end_s = asyncio.get_running_loop().time()
        self._tell(record)
        self._show(record)
        had_given_up = self._has_given_up
        self._redials.plan(record, had_given_up=had_given_up)
        if self._redials.pending or not (failed(record) or in_vain(record)):
            return
        self._has_given_up = self._has_given_up or in_vain(record)
        is_of_line = failed(record) or (record.hangup_reason is HangUpReason.NOT_SERVED and not had_given_up)
        if is_of_line and not self._is_given_up_told:  # the sender is notified of mail that a host defers
            self._is_given_up_told = True
            self._on_given_up(record, self.failures)

    def _tell(self, record: CallRecord) -> None:
        if record.result is DialResult.CONNECTED:
            maillog.hung_up(
                reason=record.hangup_reason.value,
                online_s=record.online_s,
                sent=record.sent,
                received=record.received,
            )
            detail = f" ({record.hangup_detail})" if record.hangup_detail else ""
            self._say(f"hung up: {HANG_UP_WORDS[record.hangup_reason]}{detail}")
            return
        detail = reason_words(record)
        maillog.dial_failed(result=record.result.value, detail=detail)
        self._say(f"no line: {record.result.value}. {detail}".strip())

    def _show(self, record: CallRecord) -> None:
        if failed(record) or in_vain(record):
            self.failures += 1
        elif record.result is DialResult.CONNECTED:
            self.failures, self._is_given_up_told = 0, False
            # As long as a host is unreachable (that for ETRN may always be), a call that sends mail begins no new
            # series.
            self._has_given_up = self._has_given_up and has_hope(record)
        if failed(record) or record.result is DialResult.CONNECTED:
            self._panel.fault(Fault.LINE, failed(record) or was_cut(record))
        if record.result is DialResult.CONNECTED:
            self._panel.fault(Fault.ETRN, etrn_refused(record))
            self._panel.fault(Fault.MAIL, mail_stuck(record))
            self._panel.arrived(record.received > 0)
        self._panel.queue_changed()

    async def keep(self) -> None:
        """Save the last record, the habits and the redials left for a restart, and count the mail left behind."""
        record = self._unkept
        if record is None:
            return
        try:
            await self._save(record)
            await self.learnt.keep()
            told = {
                "failures": self.failures,
                "told": self._is_given_up_told,
                "given_up": self._has_given_up,
            }
            await self._store.remember(_FAILURES_KEY, json.dumps(told))
            await self._redials.keep(self._store)
        except StorageError as error:
            maillog.fault("call: its record could not be kept", error=error)
            self._panel.fault(Fault.STORAGE, True)
        await self._panel.refresh()
        if record.result is DialResult.CONNECTED and not was_cut(record):
            self.left_behind = self._panel.counted

    async def _save(self, record: CallRecord) -> None:
        """Save a record once, even if whoever waits for that is cancelled and it is to be kept again: the store
        finishes what it has begun.
        """
        if self._saving is None or self._saving[0] is not record:
            self._saving = record, asyncio.ensure_future(self._store.save_call(record.to_json()))
        saving = self._saving[1]
        try:
            await asyncio.shield(saving)
        finally:
            if saving.done():
                self._saving = None
                if not saving.cancelled() and saving.exception() is None and self._unkept is record:
                    self._unkept = None

    async def recall(self) -> None:
        """Load what was saved before a restart; unreadable values start from zero."""
        await self.learnt.recall()
        with contextlib.suppress(StorageError, ValueError):
            told = parse_object(await self._store.recall(_FAILURES_KEY) or "{}")
            self._has_given_up = told.get("given_up") is True
            failures = told.get("failures")
            if isinstance(failures, int) and not isinstance(failures, bool) and failures > 0:
                self.failures, self._is_given_up_told = failures, told.get("told") is True
        await self._redials.recall(self._store)
        if self._redials.bar.reason:
            self._panel.fault(Fault.LINE, True)
