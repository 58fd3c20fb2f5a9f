"""Local delivery: from the queue into the mailboxes here, a batch at a time.

One task (`run`) wakes when mail was accepted, delivers to each account with one fsync, and records a batch's
outcomes in one transaction. It has the new messages from whoever accepted them; the store is asked only for what
else is due, because a question first commits the rows that are still open, which costs a flush.

Delivery comes before the record: a crash between the two repeats the delivery, which finds the message in the
mailbox and does nothing. If the record can't be written (card full), it is kept in memory and written first next
time.

A short rest between batches lets messages gather while many come in; after a quiet time the first one is delivered
at once.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Protocol

from dialpost.core.errors import DamagedError, DialpostError, NotFoundError, StorageError, StorageFullError
from dialpost.core.mail.envelope import Notify, QueueId
from dialpost.core.mail.outcomes import Deferred, Delivered, Outcome, Refused
from dialpost.core.mail.queue.records import BY_STATION, MessageRecord, RecipientRecord, RecipientState
from dialpost.core.mail.reply import Reply
from dialpost.core.mail.smtp_target import Body
from dialpost.flow import maillog
from dialpost.flow.mail.needs import BodyFiles, Directories, OutcomeRows

BATCH = 200
REST_S = 0.05
"""The rest between batches: at most twenty transactions a second reach the card (decision 7)."""
RETRY_S = 900
"""The wait after a deferral that counts as an attempt, such as a full mailbox: only its owner can make room."""
STORAGE_RETRY_S = 60
"""The wait after a fault of the card, which may be over at any moment, once an operator has made room."""
TROUBLE_PAUSE_S = 5.0
"""The pause after an unexpected fault, so that it does not repeat in a busy loop."""


class QueueForDelivery(OutcomeRows, Protocol):
    """The subset of the store (edge/mail/store) local delivery needs."""

    @property
    def first_new_id(self) -> QueueId:
        """The first id of this start: lower ones were accepted before it."""

    async def local_batch(self, limit: int) -> list[MessageRecord]:
        """Messages with recipients here that are due, only those recipients."""


class Mailboxes(Protocol):
    """The subset of the Maildirs (edge/mail/maildir) local delivery needs."""

    async def deliver_many(
        self,
        account: str,
        deliveries: Sequence[tuple[QueueId, Body, int, int, int | None]],
        *,
        look_for_earlier: bool,
    ) -> list[StorageError | NotFoundError | None]:
        """Put bodies (id, file, time received, size, checksum) into a mailbox; the fault of each, or None."""

    async def measure(self, account: str) -> int:
        """What the mailbox holds, in bytes."""


class Accounts(Directories, Protocol):
    """The subset of flow/mail/accounts local delivery needs."""

    @property
    def is_restored(self) -> bool:
        """Whether some accounts may be missing because the card lost them."""


OnRefused = Callable[[MessageRecord, RecipientRecord, Refused], Awaitable[None]]
OnDelivered = Callable[[MessageRecord, RecipientRecord, Delivered], Awaitable[None]]


@dataclass(slots=True)
class _Job:
    """One recipient of one message, and what happened to it."""

    message: MessageRecord
    recipient: RecipientRecord
    outcome: Outcome | None = None
    is_lost: bool = False  # the body can't be read: only an operator can help


class LocalDelivery:
    """Delivers what waits for mailboxes here. `on_refused` bounces; `on_delivered` honours NOTIFY=SUCCESS."""

    def __init__(
        self,
        queue: QueueForDelivery,
        bodies: BodyFiles,
        mailboxes: Mailboxes,
        accounts: Accounts,
        *,
        hostname: str,
        default_quota_bytes: int,
        on_refused: OnRefused,
        on_delivered: OnDelivered,
        on_finished: Callable[[], None] = lambda: None,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        self._queue = queue
        self._bodies = bodies
        self._mailboxes = mailboxes
        self._accounts = accounts
        self._hostname = hostname
        self._default_quota_bytes = default_quota_bytes
        self._on_refused = on_refused
        self._on_delivered = on_delivered
        self._on_finished = on_finished
        self._wall_clock = wall_clock
        self._wanted = asyncio.Event()
        self._new: list[MessageRecord] = []
        """Messages accepted since the last batch. The queue has them, too."""
        self._must_ask = True
        """Whether the queue may have more that is due than `_new`."""
        self._asked_s = 0.0
        self._found: set[QueueId] = set()
        """What the queue answered last: it may know a message a moment before `accepted` is called for it."""
        self._unrecorded: list[_Job] = []

    def wake(self) -> None:
        """Mail for a mailbox may be waiting."""
        self._must_ask = True
        self._wanted.set()

    def accepted(self, message: MessageRecord) -> None:
        """A new message for a mailbox is in the queue."""
        if not self._must_ask and message.queue_id not in self._found:
            self._new.append(message)
            # The queue also knows what became of them since: nothing may wait here for long.
            self._must_ask = len(self._new) > BATCH
        self._wanted.set()

    async def run(self) -> None:
        """Deliver for ever, including deferred mail that is due again. Ended by cancellation."""
        while True:
            self._wanted.clear()
            try:
                delivered = await self.deliver_due()
            except Exception as error:  # mail stays queued; a fault here must not end local delivery
                maillog.operator_needed("local delivery: stopped for a moment", error=error or repr(error))
                self._must_ask = True
                await asyncio.sleep(TROUBLE_PAUSE_S)
                continue
            if delivered:
                await asyncio.sleep(REST_S)
            if self._must_ask:
                continue
            # Nobody wakes this task for deferred mail: the clock makes it due again.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(STORAGE_RETRY_S):
                    await self._wanted.wait()

    async def deliver_due(self) -> int:
        """Deliver one batch; returns how many messages it had. Raises: StorageError."""
        await self._record()
        # Only now: the rows of the last batch must be written, or it would be fetched again.
        messages = await self._batch()
        jobs = [_Job(one, recipient) for one in messages for recipient in one.recipients if _waits_here(recipient)]
        for account, group in _by_account(jobs).items():
            await self._deliver_to(account, group)
        for job in jobs:
            await self._tell(job)
        self._unrecorded = jobs
        await self._record()
        return len(messages)

    async def _batch(self) -> list[MessageRecord]:
        """The new messages, or what the queue says is due; that it is asked now and then, whatever comes in."""
        now_s = asyncio.get_running_loop().time()
        new, self._new = self._new, []
        if new and not self._must_ask and now_s < self._asked_s + STORAGE_RETRY_S:
            return new
        self._must_ask, self._asked_s = False, now_s
        messages = await self._queue.local_batch(BATCH)
        self._must_ask = self._must_ask or len(messages) == BATCH
        self._found = {message.queue_id for message in messages}
        self._new = [message for message in self._new if message.queue_id not in self._found]
        return messages

    async def _deliver_to(self, account: str, jobs: list[_Job]) -> None:
        """Settle the outcome of each job for one mailbox."""
        directory = self._accounts.directory
        if account not in directory.accounts and account != directory.postmaster_account:
            for job in jobs:
                if self._accounts.is_restored:  # the card may have lost the account, which is no reason to bounce
                    job.outcome = self._deferred(451, "4.3.0", f"The account {account} is missing", counts=False)
                else:
                    job.outcome = self._refused(550, "5.1.1", f"The mailbox {account} no longer exists")
            return
        await self._keep_quota(account, self._quota_of(account), jobs)
        fitting = [job for job in jobs if job.outcome is None]
        if not fitting:
            return
        faults = await self._mailboxes.deliver_many(
            account,
            [
                (m.queue_id, self._bodies.stored(m.queue_id), m.received_s, m.size, m.checksum)
                for m in (job.message for job in fitting)
            ],
            look_for_earlier=any(self._may_be_there(job) for job in fitting),
        )
        for job, fault in zip(fitting, faults, strict=True):
            job.outcome, job.is_lost = self._outcome(fault), _is_lost(fault)

    async def _keep_quota(self, account: str, quota_bytes: int, jobs: list[_Job]) -> None:
        """Defer messages that do not fit into the mailbox, refuse those that never will."""
        if not quota_bytes:
            return
        used = await self._mailboxes.measure(account)
        for job in jobs:
            if job.message.size > quota_bytes:
                text = f"The message is larger than the limit of the mailbox {account}"
                job.outcome = self._refused(552, "5.2.2", text)
            elif used + job.message.size > quota_bytes:
                job.outcome = self._deferred(452, "4.2.2", f"The mailbox {account} is full")
            else:
                used += job.message.size

    def _quota_of(self, account: str) -> int:
        known = self._accounts.directory.accounts.get(account)
        if known is None or known.quota_bytes is None:
            return self._default_quota_bytes
        return known.quota_bytes

    def _may_be_there(self, job: _Job) -> bool:
        """Whether an earlier delivery may have gone unrecorded: before this start, or after a fault."""
        return job.message.queue_id < self._queue.first_new_id or bool(job.recipient.last_reply)

    def _outcome(self, fault: DialpostError | None) -> Outcome:
        if fault is None:
            return Delivered(Reply(250, ("Delivered",), "2.0.0"), self._hostname)
        if isinstance(fault, StorageFullError):
            return self._deferred(452, "4.3.1", "The station's card is full", counts=False)
        return self._deferred(451, "4.3.0", str(fault), counts=False)

    def _deferred(self, code: int, enhanced: str, text: str, *, counts: bool = True) -> Deferred:
        return Deferred(Reply(code, (text,), enhanced), self._hostname, counts_as_attempt=counts)

    def _refused(self, code: int, enhanced: str, text: str) -> Refused:
        return Refused(Reply(code, (text,), enhanced), self._hostname)

    async def _tell(self, job: _Job) -> None:
        """Send the notices that are due; if one can't be stored, the recipient is retried."""
        try:
            if isinstance(job.outcome, Refused):
                await self._on_refused(job.message, job.recipient, job.outcome)
            elif isinstance(job.outcome, Delivered) and Notify.SUCCESS in (job.recipient.notify or ()):
                await self._on_delivered(job.message, job.recipient, job.outcome)
        except StorageError as error:
            job.outcome = self._outcome(error)

    async def _record(self) -> None:
        """Record the outcomes that are not recorded yet, in one transaction, and log them."""
        if not self._unrecorded:
            return
        now_s = int(self._wall_clock())
        updates: dict[QueueId, list[RecipientRecord]] = {}
        for job in self._unrecorded:
            updates.setdefault(job.message.queue_id, []).append(_updated(job, now_s))
        await self._queue.update_many(list(updates.items()))
        done, self._unrecorded = self._unrecorded, []
        for job in done:
            _log(job)
        self._on_finished()


def _by_account(jobs: Iterable[_Job]) -> dict[str, list[_Job]]:
    groups: dict[str, list[_Job]] = {}
    for job in jobs:
        groups.setdefault(job.recipient.local_account or "", []).append(job)
    return groups


def _waits_here(recipient: RecipientRecord) -> bool:
    return recipient.local_account is not None and recipient.state is RecipientState.WAITING


def _is_lost(fault: DialpostError | None) -> bool:
    """Whether the body is missing or not as it was written: retrying does not help."""
    return isinstance(fault, NotFoundError | DamagedError)


def _updated(job: _Job, now_s: int) -> RecipientRecord:
    """The recipient's record after this attempt."""
    tried = partial(replace, job.recipient, last_try_s=now_s, attempts=job.recipient.attempts + 1)
    match job.outcome:
        case Delivered():
            return tried(state=RecipientState.DELIVERED, last_reply="", last_by="")
        case Refused(reply, by):
            return tried(state=RecipientState.BOUNCED, last_reply=str(reply), last_by=by)
        case Deferred(reply) if job.is_lost:
            return tried(state=RecipientState.HELD, last_reply=reply.text, last_by=BY_STATION)
        case Deferred(reply, by, _, counts_as_attempt):
            attempts = job.recipient.attempts + counts_as_attempt
            wait_s = RETRY_S if counts_as_attempt else STORAGE_RETRY_S
            return tried(last_reply=str(reply), last_by=by, attempts=attempts, next_try_s=now_s + wait_s)
        case None:
            return job.recipient


def _log(job: _Job) -> None:
    queue_id, address = job.message.queue_id, job.recipient.address
    match job.outcome:
        case Delivered():
            maillog.delivered(queue_id, recipient=address, account=job.recipient.local_account or "")
        case Refused() as outcome:
            maillog.bounced(queue_id, recipient=address, by=outcome.by, reply=outcome.reply)
        case Deferred(reply) if job.is_lost:
            maillog.operator_needed(f"{queue_id}: held", to=f"<{address}>", why=reply.text)
        case Deferred() as outcome:
            maillog.deferred(
                queue_id,
                recipient=address,
                by=outcome.by,
                reply=outcome.reply,
                answer_unknown=outcome.answer_unknown,
            )
        case None:
            pass
