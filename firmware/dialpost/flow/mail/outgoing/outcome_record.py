"""Recording what happened to each recipient: notices first, durably, then the rows, then the log.

If the rows can't be written (card full or broken) they are kept in memory and written before anything else is sent:
a message that the next hop has accepted must not be sent again because the card failed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

from dialpost.core.config.model import OutboundConfig
from dialpost.core.errors import StorageError
from dialpost.core.mail.dsn import ReportedRecipient
from dialpost.core.mail.envelope import Notify, QueueId
from dialpost.core.mail.outcomes import Deferred, Delivered, Outcome, Refused
from dialpost.core.mail.queue.cuts import LEAST_CARRIED_BYTES
from dialpost.core.mail.queue.hope import Hope, hope_of
from dialpost.core.mail.queue.records import MessageRecord, RecipientRecord
from dialpost.core.mail.queue.retry import after_try, held_by_station
from dialpost.core.mail.reply import Reply
from dialpost.flow import maillog
from dialpost.flow.mail.needs import OutcomeRows


class Notices(Protocol):
    """The subset of flow/mail/bounces needed here. Each raises StorageError if no notice could be stored."""

    async def failed(self, message: MessageRecord, recipients: Sequence[ReportedRecipient]) -> None:
        """Notify the sender that these have bounced; durable when it returns."""

    async def relayed(self, message: MessageRecord, recipients: Sequence[ReportedRecipient]) -> None:
        """Notify a sender who asked for it if the next hop will not."""


@dataclass(frozen=True, slots=True)
class Left:
    """A message of which something is still waiting: whether part of it went, and what another attempt may achieve.

    `waiting` holds the numbers of the recipients deferred, at whatever host. `in_doubt`: one of them may have it,
    so the message is not retried in this call (RFC 1047), whatever happens to the others.
    """

    was_sent: bool = False
    hope: Hope = Hope.NONE
    why: str = ""
    waiting: frozenset[int] = frozenset()
    in_doubt: bool = False


@dataclass(slots=True)
class FlushResult:
    """Messages of one run, by their best outcome, the bytes its connections used, and what it found out.

    `left` is what was deferred and is still waiting: from this run, or (on a dialled line) from the call so far.
    """

    sent: int = 0
    refused: int = 0
    bytes_up: int = 0
    bytes_down: int = 0
    taken_bytes: int = 0
    notes: tuple[str, ...] = ()
    left: dict[QueueId, Left] = field(default_factory=dict)

    @property
    def deferred(self) -> int:
        """Messages that were deferred, and of which nothing was sent."""
        return sum(not one.was_sent for one in self.left.values())

    @property
    def hope(self) -> Hope:
        """The best hope for another attempt."""
        return max((one.hope for one in self.left.values()), default=Hope.NONE)

    @property
    def why_left(self) -> str:
        """Why the most hopeful part was deferred, in the words of the host that deferred it."""
        return max(self.left.values(), key=lambda one: one.hope).why if self.left else ""

    @property
    def in_doubt(self) -> set[QueueId]:
        """Messages that a host may have although it did not say so."""
        return {queue_id for queue_id, one in self.left.items() if one.in_doubt}

    def note(self, words: str) -> None:
        """Note something the operator should know, once each."""
        if words and words not in self.notes:
            self.notes += (words,)

    def count(self, message: MessageRecord, outcomes: Sequence[Outcome], hope: Hope | None = None) -> None:
        """Count one message; `hope` if it is known for the whole host how much another attempt is worth."""
        before = self.left.pop(message.queue_id, Left())
        is_sent = any(isinstance(outcome, Delivered) for outcome in outcomes)
        self.sent += is_sent and not before.was_sent
        self.taken_bytes += message.wire_size if is_sent else 0
        was_sent = before.was_sent or is_sent
        pairs = zip(message.recipients, outcomes, strict=True)
        deferred = [(one, outcome) for one, outcome in pairs if isinstance(outcome, Deferred)]
        elsewhere = before.waiting - {one.number for one in message.recipients}  # tried at another host
        waiting = elsewhere | {one.number for one, _ in deferred}
        if not waiting:
            self.refused += not was_sent
            return
        hopes = [before.hope] if elsewhere else []
        for one, outcome in deferred:
            attempts = one.attempts - (one.number in before.waiting)  # the attempt of this call is counted already
            hopes.append(hope_of(attempts, outcome) if hope is None else hope)
        in_doubt = before.in_doubt or any(outcome.answer_unknown for _, outcome in deferred)
        why = f"{deferred[0][1].by}: {deferred[0][1].reply}" if deferred else before.why
        best = Hope.NONE if in_doubt else max(hopes)
        self.left[message.queue_id] = Left(was_sent, best, why, waiting, in_doubt)


class Cuts(Protocol):
    """The subset of flow/mail/queue/cut_messages needed here."""

    async def cut(self, message: MessageRecord, carried_bytes: int) -> str:
        """The connection broke before it was acknowledged. Returns why it must be held now, "" if it need not."""

    async def call_begins(self, last_call_bytes: int) -> None:
        """A call is on line; in the previous one, this number of bytes was taken."""


Job = tuple[MessageRecord, Sequence[Outcome]]
"""A message with the recipients tried, and their outcomes in the same order."""


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
        cuts: Cuts | None = None,
    ) -> None:
        self._cuts = cuts
        self.held: set[QueueId] = set()
        """Messages held in this call because the line cuts them."""
        self._cut: dict[QueueId, str] = {}
        self._cutting = asyncio.Lock()
        self._config, self._hostname, self._queue, self._notices = config, hostname, queue, notices
        self._is_dialled, self._on_finished, self._wall_clock = is_dialled, on_finished, wall_clock
        self._unwritten: dict[tuple[QueueId, int], RecipientRecord] = {}
        self._counted: set[tuple[QueueId, int]] = set()

    def begin_call(self) -> None:
        """However often a recipient is tried in a call, that is one attempt."""
        self._counted.clear()
        self.held.clear()

    def begin_run(self) -> None:
        """However many connections a line breaks while a message is on them, in one run that is one cut."""
        self._cut.clear()

    async def write_left_over(self) -> None:
        """Write the rows that could not be written before. Raises: StorageError if they still can't."""
        if self._unwritten:
            kept = dict(self._unwritten)
            await self._write([(queue_id, row) for (queue_id, _), row in kept.items()])
            for key in kept:
                self._unwritten.pop(key, None)

    async def record(self, message: MessageRecord, outcomes: Sequence[Outcome]) -> Sequence[Outcome]:
        """Record one message's outcomes; returns what happened to them (a bounce without room for it is deferred).

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
            why_held = await self._why_held(message, outcomes)
            for recipient, outcome in zip(message.recipients, outcomes, strict=True):
                row = self._after_try(message.queue_id, recipient, outcome, now_s)
                if why_held and isinstance(outcome, Deferred):
                    row = held_by_station(row, why_held)
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

    def _after_try(
        self, queue_id: QueueId, recipient: RecipientRecord, outcome: Outcome, now_s: int
    ) -> RecipientRecord:
        if self._is_dialled and isinstance(outcome, Deferred) and outcome.counts_as_attempt:
            key = (queue_id, recipient.number)
            outcome = replace(outcome, counts_as_attempt=key not in self._counted)
            self._counted.add(key)
        return after_try(recipient, outcome, now_s, self._config, is_dialled=self._is_dialled)

    async def _why_held(self, message: MessageRecord, outcomes: Sequence[Outcome]) -> str:
        carried = max((one.carried_bytes for one in outcomes if isinstance(one, Deferred)), default=0)
        if carried < LEAST_CARRIED_BYTES or self._cuts is None:
            return ""
        async with self._cutting:
            why = self._cut.get(message.queue_id)
            if why is None:
                why = self._cut[message.queue_id] = await self._cuts.cut(message, carried)
        self.held |= {message.queue_id} if why else set()
        return why

    async def _write(self, rows: Sequence[tuple[QueueId, RecipientRecord]]) -> None:
        by_message: dict[QueueId, list[RecipientRecord]] = {}
        for queue_id, row in rows:
            by_message.setdefault(queue_id, []).append(row)
        if by_message:
            await self._queue.update_many(list(by_message.items()))

    async def _tell(self, message: MessageRecord, outcomes: Sequence[Outcome]) -> Sequence[Outcome]:
        """Send the notices that are due. If one can't be stored, the refusal is deferred: no sender is left out."""
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
            except StorageError as error:  # the delivery counts nevertheless: it must not be repeated for a notice
                maillog.fault("notice: not stored", queue_id=message.queue_id, error=error)
        if refused:
            try:
                await self._notices.failed(message, refused)
            except StorageError as error:
                return [self._defer(outcome, error) for outcome in outcomes]
        return outcomes

    def _defer(self, outcome: Outcome, error: StorageError) -> Outcome:
        if not isinstance(outcome, Refused):
            return outcome
        text = f"{outcome.by} said: {outcome.reply}; but the notice about it could not be stored: {error}"
        return Deferred(Reply(452, (text,), "4.3.1"), self._hostname)


def _reported(recipient: RecipientRecord, outcome: Outcome) -> ReportedRecipient:
    tried = replace(recipient, attempts=recipient.attempts + 1)
    return ReportedRecipient(tried, outcome.reply, outcome.by)


def _tells_something_new(before: RecipientRecord, after: RecipientRecord) -> bool:
    """While the line is dead the same reason repeats endlessly: not a reason to wear out card and log."""
    return replace(after, last_try_s=before.last_try_s) != before


def _log(queue_id: QueueId, address: str, outcome: Outcome) -> None:
    if isinstance(outcome, Delivered):
        maillog.relayed(queue_id, recipient=address, by=outcome.by, reply=outcome.reply)
    elif isinstance(outcome, Deferred) and outcome.content_lost:
        maillog.operator_needed(f"{queue_id}: held", to=f"<{address}>", why=outcome.reply.text)
    elif isinstance(outcome, Deferred):
        maillog.deferred(
            queue_id, recipient=address, by=outcome.by, reply=outcome.reply, answer_unknown=outcome.answer_unknown
        )
    else:
        maillog.bounced(queue_id, recipient=address, by=outcome.by, reply=outcome.reply)
