"""Mail that waits too long: delay notices, and giving up.

Both need a trusted clock. Giving up also needs real attempts (core/mail/queue/retry): mail that was never tried,
because there was no line, is never given up. A notice is durable before the recipient is marked, so a crash between
the two sends it twice rather than never. Runs as one task, a few times an hour.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import replace
from typing import Protocol

from dialpost.core.config.model import OutboundConfig
from dialpost.core.errors import StorageError
from dialpost.core.mail.dsn import ReportedRecipient
from dialpost.core.mail.envelope import QueueId
from dialpost.core.mail.queue.cuts import cause_of_hold
from dialpost.core.mail.queue.records import MessageRecord, RecipientRecord, RecipientState
from dialpost.core.mail.queue.retry import delay_notice_is_due, give_up_is_due
from dialpost.core.mail.reply import Reply
from dialpost.flow import maillog

LOOK_EVERY_S = 600.0
_BATCH = 200
_HOUR_S = 3600


class Queue(Protocol):
    """The subset of the store needed here."""

    async def overdue(
        self, received_before_s: int, limit: int, after: QueueId | None = None, *, unnotified: bool = False
    ) -> list[MessageRecord]:
        """Messages received before then with waiting recipients (only those), oldest first."""

    async def update_recipients(self, message: QueueId, recipients: Sequence[RecipientRecord]) -> None:
        """Durable when it returns."""


class Notices(Protocol):
    """The subset of flow/mail/bounces needed here."""

    async def failed(self, message: MessageRecord, recipients: Sequence[ReportedRecipient]) -> None:
        """Notify the sender that these have failed."""

    async def delayed(
        self, message: MessageRecord, recipients: Sequence[ReportedRecipient], retry_until_s: int
    ) -> None:
        """Notify the sender that these are delayed."""


class Expiry:
    """Delay notices and giving up. `is_in_flight` says whether the flush is sending a message at this moment."""

    def __init__(
        self,
        config: OutboundConfig,
        hostname: str,
        queue: Queue,
        notices: Notices,
        *,
        clock_trusted: Callable[[], bool],
        on_finished: Callable[[], None] = lambda: None,
        is_in_flight: Callable[[QueueId], bool] = lambda _: False,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        self._is_in_flight = is_in_flight
        self._config, self._hostname, self._queue, self._notices = config, hostname, queue, notices
        self._clock_trusted, self._on_finished, self._wall_clock = clock_trusted, on_finished, wall_clock

    async def run(self) -> None:
        """Run until cancelled; after a fault of the card, log it and retry later."""
        while True:
            try:
                await self.look()
            except StorageError as error:
                maillog.fault("expiry: deferred", error=error)
            await asyncio.sleep(LOOK_EVERY_S)

    async def look(self) -> tuple[int, int]:
        """One pass; returns the numbers of recipients given up and of delay notices. Raises: StorageError."""
        if not self._clock_trusted():
            return 0, 0
        now_s = int(self._wall_clock())
        return await self._give_up(now_s), await self._notify(now_s)

    async def _give_up(self, now_s: int) -> int:
        given_up = 0
        async for message in self._each(now_s - self._config.give_up_hours * _HOUR_S, unnotified=False):
            due = [
                one
                for one in message.recipients
                if give_up_is_due(one, message.received_s, now_s, self._config, clock_trusted=True)
            ]
            if not due or self._is_in_flight(message.queue_id):
                continue  # being sent at this moment: it may still get through
            # The notice first: after a crash between the two the sender hears twice, but never not at all.
            await self._notices.failed(message, [self._reported(one) for one in due])
            rows = [replace(one, state=RecipientState.BOUNCED) for one in due]
            await self._queue.update_recipients(message.queue_id, rows)
            for one in due:
                reply, by = _answer(one) or Reply(451, ("no answer",), "4.4.7"), one.last_by or self._hostname
                maillog.bounced(message.queue_id, recipient=one.address, by=by, reply=reply)
            given_up += len(due)
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
                until_s = message.received_s + self._config.give_up_hours * _HOUR_S
                reported = [self._reported(one) for one in due]
                await self._notices.delayed(message, reported, max(until_s, now_s))
                told += 1
            # Marked even if NOTIFY forbids the notice, so that it is not examined again every time.
            marked = [replace(one, delay_notified=True) for one in message.recipients]
            await self._queue.update_recipients(message.queue_id, marked)
        return told

    async def _each(self, before_s: int, *, unnotified: bool) -> AsyncIterator[MessageRecord]:
        after: QueueId | None = None
        while batch := await self._queue.overdue(before_s, _BATCH, after, unnotified=unnotified):
            for message in batch:
                yield message
            after = batch[-1].queue_id

    def _reported(self, recipient: RecipientRecord) -> ReportedRecipient:
        return ReportedRecipient(recipient, _answer(recipient), recipient.last_by or self._hostname)


def _answer(recipient: RecipientRecord) -> Reply | None:
    """The last reply, parsed from its text; None if it was never tried. Words of our own count as temporary."""
    text = cause_of_hold(recipient.last_reply)
    if not text:
        return None
    code, _, words = text.partition(" ")
    if re.fullmatch("[45][0-9]{2}", code):
        return Reply.from_lines(int(code), (words,))
    return Reply(451, (text,))
