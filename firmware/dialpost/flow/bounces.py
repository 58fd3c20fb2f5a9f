"""Telling senders what became of their mail: failure, delay, relayed and delivered notices.

A notice is a message like any other: into the spool, into the queue, durable; only then is the original's recipient
marked. It comes from <>, so nothing ever bounces because of it (RFC 5321 §6.1): where one can't be delivered, the
postmaster here is told instead.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from email.utils import formatdate
from pathlib import Path
from typing import Protocol

from dialpost.core.accounts import Directory, Local, NotLocal
from dialpost.core.dsn import Report, ReportedRecipient, ReportFrame, build_report
from dialpost.core.envelope import BodyType, Notify, QueueId, Return
from dialpost.core.errors import StorageError
from dialpost.core.outcomes import Deferred, Delivered, Refused
from dialpost.core.queue_records import MessageRecord, Origin, Priority, RecipientRecord, RecipientState
from dialpost.flow import maillog

WHOLE_UP_TO_BYTES = 60_000
"""A failure notice carries the whole message up to this size, unless the sender asked for the header only."""

_HEADER_UP_TO_BYTES = 32_000


class BodyWriter(Protocol):
    """One new body (edge/spool)."""

    def write(self, data: bytes) -> None:
        """Add to it."""

    async def commit(self) -> int:
        """Make it durable; its size."""

    def abort(self) -> None:
        """Forget it."""


class Bodies(Protocol):
    """The subset of the spool needed here."""

    def begin(self, queue_id: QueueId) -> BodyWriter:
        """A new body."""

    def path(self, queue_id: QueueId) -> Path:
        """Where a body is."""


class Queue(Protocol):
    """The subset of the store needed here."""

    def next_id(self) -> QueueId:
        """A new id."""

    async def accept(self, message: MessageRecord) -> None:
        """Durable when it returns."""


class Accounts(Protocol):
    """Who has a mailbox here."""

    @property
    def directory(self) -> Directory:
        """At this moment."""


class Bouncer:
    """Makes notices. `on_accepted` is told of each, as of any accepted message."""

    def __init__(
        self, hostname: str, bodies: Bodies, queue: Queue, accounts: Accounts, *,
        on_accepted: Callable[[MessageRecord], None], wall_clock: Callable[[], float],
    ) -> None:  # fmt: skip
        self._hostname, self._bodies, self._queue, self._accounts = hostname, bodies, queue, accounts
        self._on_accepted, self._wall_clock = on_accepted, wall_clock

    async def refused(self, message: MessageRecord, recipient: RecipientRecord, outcome: Refused) -> None:
        """Tell the sender that this recipient is given up; durable when it returns."""
        if recipient.notify is not None and Notify.FAILURE not in recipient.notify:
            return
        reported = ReportedRecipient(recipient, outcome.reply, outcome.by)
        await self._tell(Report.FAILED, message, [reported])

    async def delayed(self, message: MessageRecord, recipients: Sequence[RecipientRecord], last: Deferred) -> None:
        """Tell the sender, once, that these recipients wait."""
        reported = [ReportedRecipient(one, last.reply, one.last_by or self._hostname) for one in recipients]
        if message.sender:
            await self._tell(Report.DELAYED, message, reported)

    async def relayed(self, message: MessageRecord, recipient: RecipientRecord, outcome: Delivered) -> None:
        """Where SUCCESS was asked and the next hop will send no notice (RFC 3461 §5.2.2)."""
        await self._success(Report.RELAYED, message, recipient, outcome)

    async def delivered(self, message: MessageRecord, recipient: RecipientRecord, outcome: Delivered) -> None:
        """Where SUCCESS was asked and the mail is in a mailbox here."""
        await self._success(Report.DELIVERED, message, recipient, outcome)

    async def _success(
        self, report: Report, message: MessageRecord, recipient: RecipientRecord, outcome: Delivered
    ) -> None:
        if message.sender and recipient.notify is not None and Notify.SUCCESS in recipient.notify:
            await self._tell(report, message, [ReportedRecipient(recipient, outcome.reply, outcome.by)])

    async def _tell(self, report: Report, message: MessageRecord, reported: list[ReportedRecipient]) -> None:
        to, recipients = self._who(message)
        if not recipients:
            maillog.person_needed("notice: nobody to tell", queue_id=message.queue_id, sender=message.sender)
            return
        text = self._text(report, message, reported, to)
        await self._accept(text, recipients)

    def _who(self, message: MessageRecord) -> tuple[str, list[RecipientRecord]]:
        """The sender; for a message without one (or whose sender is gone), the postmaster here."""
        directory = self._accounts.directory
        if message.sender:
            found = directory.resolve(message.sender)
            if isinstance(found, NotLocal):
                return message.sender, [RecipientRecord(0, message.sender, RecipientState.WAITING)]
            if isinstance(found, Local) and found.accounts:
                return message.sender, _local(message.sender, found.accounts)
        if message.origin is Origin.STATION and not message.sender and _is_to_postmaster(message, directory):
            return "", []  # a notice to the postmaster that could not be delivered: the log is left
        address = f"postmaster@{directory.domains[0]}"
        return address, _local(address, (directory.postmaster_account,))

    def _text(self, report: Report, message: MessageRecord, reported: list[ReportedRecipient], to: str) -> bytes:
        original, is_whole = self._original(report, message)
        now = self._wall_clock()
        frame = ReportFrame(
            self._hostname, to, formatdate(now, localtime=True), formatdate(message.received_s, localtime=True),
            f"{message.queue_id}.{secrets.token_hex(6)}", original, is_whole,
        )  # fmt: skip
        return build_report(report, message, reported, frame)

    def _original(self, report: Report, message: MessageRecord) -> tuple[bytes, bool]:
        """The message, or its header, without what is for mailboxes only; b"" where the card lost it."""
        wants_whole = message.ret is not Return.HEADERS and report is Report.FAILED
        is_whole = wants_whole and message.size <= WHOLE_UP_TO_BYTES
        try:
            with self._bodies.path(message.queue_id).open("rb") as body:
                body.seek(message.local_prefix)
                data = body.read(message.size if is_whole else _HEADER_UP_TO_BYTES)
        except OSError:
            return b"", False
        if is_whole:
            return data, True
        header = data.partition(b"\n\n")[0]
        return header + b"\n", False

    async def _accept(self, text: bytes, recipients: list[RecipientRecord]) -> None:
        is_local = any(recipient.local_account for recipient in recipients)
        prefix = b"Return-Path: <>\n" if is_local else b""
        queue_id = self._queue.next_id()
        writer = self._bodies.begin(queue_id)
        try:
            writer.write(prefix + text)
            size = await writer.commit()
        except BaseException:
            writer.abort()
            raise
        if size != len(prefix) + len(text):
            raise StorageError(f"The notice {queue_id} was not stored whole.")
        record = MessageRecord(
            queue_id=queue_id, sender="", size=size, wire_size=len(text) + text.count(b"\n"),
            local_prefix=len(prefix), received_s=int(self._wall_clock()), origin=Origin.STATION,
            recipients=tuple(recipients), priority=Priority.NORMAL,
            body_type=BodyType.SEVEN_BIT if text.isascii() else BodyType.EIGHT_BIT,
            smtputf8=not all(recipient.address.isascii() for recipient in recipients),
        )  # fmt: skip
        await self._queue.accept(record)
        maillog.accepted(
            queue_id, sender="", recipients=len(recipients), size=size, origin=Origin.STATION.value, peer="",
            account=None,
        )  # fmt: skip
        self._on_accepted(record)


def _local(address: str, accounts: Sequence[str]) -> list[RecipientRecord]:
    # The notice belongs in the sender's own mailbox; where an alias of ours sent, in each one's behind it.
    return [
        RecipientRecord(number, address, RecipientState.WAITING, local_account=account)
        for number, account in enumerate(accounts)
    ]


def _is_to_postmaster(message: MessageRecord, directory: Directory) -> bool:
    return any(recipient.local_account == directory.postmaster_account for recipient in message.recipients)
