"""Looking after what waits too long: delay notices, and giving up.

Both need a trusted clock; giving up also needs real tries (core/retry). Runs as one task, a few times an hour.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import replace
from typing import Protocol

from dialpost.core.config import OutboundConfig
from dialpost.core.envelope import QueueId
from dialpost.core.errors import StorageError
from dialpost.core.outcomes import Deferred, Refused
from dialpost.core.queue_records import MessageRecord, RecipientRecord, RecipientState
from dialpost.core.reply import Reply
from dialpost.core.retry import delay_notice_is_due, give_up_is_due
from dialpost.flow import maillog

LOOK_EVERY_S = 600.0
_BATCH = 200
_HOUR_S = 3600


class Queue(Protocol):
    """The subset of the store needed here."""

    async def overdue(
        self, received_before_s: int, limit: int, after: QueueId | None = None, *, unnotified: bool = False
    ) -> list[MessageRecord]:
        """Messages received before then with waiting recipients, oldest first."""

    async def update_recipients(self, message: QueueId, recipients: Sequence[RecipientRecord]) -> None:
        """Durable when it returns."""


class Notices(Protocol):
    """The subset of flow/bounces needed here."""

    async def refused(self, message: MessageRecord, recipient: RecipientRecord, outcome: Refused) -> None:
        """Tell the sender that it is given up."""

    async def delayed(self, message: MessageRecord, recipients: Sequence[RecipientRecord], last: Deferred) -> None:
        """Tell the sender that it takes longer."""


class Expiry:
    """Delay notices and giving up."""

    def __init__(
        self, config: OutboundConfig, hostname: str, queue: Queue, notices: Notices, *,
        clock_trusted: Callable[[], bool], on_finished: Callable[[], None] = lambda: None,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:  # fmt: skip
        self._config, self._hostname, self._queue, self._notices = config, hostname, queue, notices
        self._clock_trusted, self._on_finished, self._wall_clock = clock_trusted, on_finished, wall_clock

    async def run(self) -> None:
        """Until cancelled; a fault of the card is logged and looked at again later."""
        while True:
            try:
                await self.look()
            except StorageError as error:
                maillog.fault("expiry", error=error)
            await asyncio.sleep(LOOK_EVERY_S)

    async def look(self) -> tuple[int, int]:
        """Once: how many recipients were given up, how many senders told of a delay."""
        if not self._clock_trusted():
            return 0, 0
        now_s = int(self._wall_clock())
        return await self._give_up(now_s), await self._notify(now_s)

    async def _give_up(self, now_s: int) -> int:
        given_up = 0
        async for message in self._each(now_s - self._config.give_up_hours * _HOUR_S, unnotified=False):
            rows = []
            for one in message.recipients:
                if give_up_is_due(one, message.received_s, now_s, self._config, clock_trusted=True):
                    outcome = Refused(self._too_long(one), one.last_by or self._hostname)
                    await self._notices.refused(message, one, outcome)
                    maillog.bounced(message.queue_id, recipient=one.address, outcome=outcome)
                    rows.append(replace(one, state=RecipientState.BOUNCED, last_reply=str(outcome.reply)))
            if rows:
                await self._queue.update_recipients(message.queue_id, rows)
                given_up += len(rows)
        if given_up:
            self._on_finished()
        return given_up

    async def _notify(self, now_s: int) -> int:
        hours = self._config.delay_notice_hours
        if not hours:
            return 0
        told = 0
        async for message in self._each(now_s - hours * _HOUR_S, unnotified=True):
            due = [
                one
                for one in message.recipients
                if delay_notice_is_due(one, message.received_s, now_s, self._config, clock_trusted=True)
            ]
            if due:
                words = due[0].last_reply or "It waits for the next call."
                await self._notices.delayed(message, due, Deferred(Reply(451, (words,), "4.4.7"), self._hostname))
                told += 1
            # Marked even where NOTIFY forbids the notice, so that it is not looked at again and again.
            marked = [replace(one, delay_notified=True) for one in message.recipients]
            await self._queue.update_recipients(message.queue_id, marked)
        return told

    async def _each(self, before_s: int, *, unnotified: bool) -> AsyncIterator[MessageRecord]:
        after: QueueId | None = None
        while batch := await self._queue.overdue(before_s, _BATCH, after, unnotified=unnotified):
            for message in batch:
                yield message
            after = batch[-1].queue_id

    def _too_long(self, recipient: RecipientRecord) -> Reply:
        text = f"Given up after {recipient.attempts} tries. The last answer was: {recipient.last_reply or 'none'}"
        return Reply(554, (text,), "5.4.7")
