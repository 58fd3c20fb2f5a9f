"""Putting what became of each recipient on record: notices durable first, then the rows, then the log.

Where the rows can't be written (card full or broken) they are kept in memory and written before anything else is
sent: what the next hop has taken must not be sent again because the card failed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from dialpost.core.config.model import OutboundConfig
from dialpost.core.errors import StorageError
from dialpost.core.mail.dsn import ReportedRecipient
from dialpost.core.mail.envelope import Notify, QueueId
from dialpost.core.mail.outcomes import Deferred, Delivered, Outcome, Refused
from dialpost.core.mail.queue.records import MessageRecord, RecipientRecord
from dialpost.core.mail.queue.retry import after_try
from dialpost.core.mail.reply import Reply
from dialpost.flow import maillog
from dialpost.flow.mail.needs import OutcomeRows


class Notices(Protocol):
    """The subset of flow/mail/bounces needed here. Each raises StorageError where no notice could be stored."""

    async def failed(self, message: MessageRecord, recipients: Sequence[ReportedRecipient]) -> None:
        """Tell the sender that these have bounced; durable when it returns."""

    async def relayed(self, message: MessageRecord, recipients: Sequence[ReportedRecipient]) -> None:
        """Tell a sender who asked to know, where the next hop will not."""


@dataclass(slots=True)
class FlushResult:
    """Messages of one run, by their best outcome, the bytes its connections took, and what it found out."""

    sent: int = 0
    deferred: int = 0
    refused: int = 0
    bytes_up: int = 0
    bytes_down: int = 0
    notes: tuple[str, ...] = ()

    def note(self, words: str) -> None:
        """What the operator should know of the run, each once."""
        if words and words not in self.notes:
            self.notes += (words,)

    def count(self, outcomes: Iterable[Outcome]) -> None:
        """Count one message."""
        kinds = {type(outcome) for outcome in outcomes}
        if Delivered in kinds:
            self.sent += 1
        elif Deferred in kinds:
            self.deferred += 1
        else:
            self.refused += 1


Job = tuple[MessageRecord, Sequence[Outcome]]
"""A message with the recipients that were tried, and an outcome for each."""


class OutcomeRecord:
    """Writes outcomes. `on_finished` is called when something may have become finished."""

    def __init__(
        self,
        config: OutboundConfig,
        hostname: str,
        queue: OutcomeRows,
        notices: Notices,
        *,
        is_dialled: bool,
        on_finished: Callable[[], None],
        wall_clock: Callable[[], float],
    ) -> None:
        self._config, self._hostname, self._queue, self._notices = config, hostname, queue, notices
        self._is_dialled, self._on_finished, self._wall_clock = is_dialled, on_finished, wall_clock
        self._unwritten: dict[tuple[QueueId, int], RecipientRecord] = {}

    async def write_left_over(self) -> None:
        """Write what could not be written before. Raises: StorageError while that is still so."""
        if self._unwritten:
            kept = dict(self._unwritten)
            await self._write([(queue_id, row) for (queue_id, _), row in kept.items()])
            for key in kept:
                self._unwritten.pop(key, None)

    async def record(self, message: MessageRecord, outcomes: Sequence[Outcome]) -> Sequence[Outcome]:
        """Put one message's outcomes on record; what they came to (a bounce that found no room is deferred).

        Raises: StorageError; the outcomes are then kept for `write_left_over`.
        """
        (settled,) = await self.record_many([(message, outcomes)])
        return settled

    async def record_many(self, jobs: Sequence[Job]) -> list[Sequence[Outcome]]:
        """`record` for several messages, in one transaction."""
        now_s = int(self._wall_clock())
        settled = [(message, await self._tell(message, outcomes)) for message, outcomes in jobs]
        rows: list[tuple[QueueId, RecipientRecord]] = []
        for message, outcomes in settled:
            for recipient, outcome in zip(message.recipients, outcomes, strict=True):
                row = after_try(recipient, outcome, now_s, self._config, is_dialled=self._is_dialled)
                if _tells_something_new(recipient, row):
                    rows.append((message.queue_id, row))
        try:
            await self._write(rows)
        except StorageError:
            self._unwritten |= {(queue_id, row.number): row for queue_id, row in rows}
            raise
        told = {(queue_id, row.number) for queue_id, row in rows}
        for message, outcomes in settled:
            for recipient, outcome in zip(message.recipients, outcomes, strict=True):
                if (message.queue_id, recipient.number) in told:
                    _log(message.queue_id, recipient.address, outcome)
        self._on_finished()
        return [outcomes for _, outcomes in settled]

    async def _write(self, rows: Sequence[tuple[QueueId, RecipientRecord]]) -> None:
        by_message: dict[QueueId, list[RecipientRecord]] = {}
        for queue_id, row in rows:
            by_message.setdefault(queue_id, []).append(row)
        if by_message:
            await self._queue.update_many(list(by_message.items()))

    async def _tell(self, message: MessageRecord, outcomes: Sequence[Outcome]) -> Sequence[Outcome]:
        """Send the notices that are due. One that can't be stored: the refusal waits; nobody is left untold."""
        pairs = list(zip(message.recipients, outcomes, strict=True))
        refused = [_reported(one, outcome) for one, outcome in pairs if isinstance(outcome, Refused)]
        passed_on = [
            _reported(one, outcome)
            for one, outcome in pairs
            if isinstance(outcome, Delivered) and not outcome.dsn_passed_on and Notify.SUCCESS in (one.notify or ())
        ]
        if passed_on:
            try:
                await self._notices.relayed(message, passed_on)
            except StorageError as error:  # that it went out is the greater fact
                maillog.fault("notice: not stored", queue_id=message.queue_id, error=error)
        if refused:
            try:
                await self._notices.failed(message, refused)
            except StorageError as error:
                return [self._put_off(outcome, error) for outcome in outcomes]
        return outcomes

    def _put_off(self, outcome: Outcome, error: StorageError) -> Outcome:
        if not isinstance(outcome, Refused):
            return outcome
        text = f"{outcome.by} said: {outcome.reply}; but the notice about it could not be stored: {error}"
        return Deferred(Reply(452, (text,), "4.3.1"), self._hostname)


def _reported(recipient: RecipientRecord, outcome: Outcome) -> ReportedRecipient:
    tried = replace(recipient, attempts=recipient.attempts + 1)
    return ReportedRecipient(tried, outcome.reply, outcome.by)


def _tells_something_new(before: RecipientRecord, after: RecipientRecord) -> bool:
    """While the line is dead the same words repeat endlessly; they need not wear out the card and the log."""
    return replace(after, last_try_s=before.last_try_s) != before


def _log(queue_id: QueueId, address: str, outcome: Outcome) -> None:
    if isinstance(outcome, Delivered):
        maillog.relayed(queue_id, recipient=address, by=outcome.by, reply=outcome.reply)
    elif isinstance(outcome, Deferred) and outcome.content_lost:
        maillog.person_needed(f"{queue_id}: held", to=f"<{address}>", why=outcome.reply.text)
    elif isinstance(outcome, Deferred):
        maillog.deferred(
            queue_id, recipient=address, by=outcome.by, reply=outcome.reply, answer_unknown=outcome.answer_unknown
        )
    else:
        maillog.bounced(queue_id, recipient=address, by=outcome.by, reply=outcome.reply)
