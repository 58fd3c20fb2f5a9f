"""Notices to senders about their mail: failed, delayed, relayed, delivered.

A notice is a message like any other: it goes into the spool and the queue, and once it is durable the original's
recipient is marked. It comes from <>, so it can never cause another bounce (RFC 5321 §6.1). If a notice can't be
delivered, or a message never had a sender, the local postmaster gets it instead; if that fails too, it is logged.

NOTIFY, RET, ENVID and ORCPT are honoured (RFC 3461 §4, §6). One notice covers all recipients that met the same
fate at the same time.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import Callable, Sequence
from email.utils import formatdate
from typing import Protocol

from dialpost.core.errors import StorageError
from dialpost.core.mail.accounts import Directory, Local, NotLocal
from dialpost.core.mail.dsn import Report, ReportedRecipient, ReportFrame, build_report, message_id_of_notice
from dialpost.core.mail.envelope import BodyType, Notify, Return
from dialpost.core.mail.header.encoding import text_field
from dialpost.core.mail.outcomes import Delivered, Refused
from dialpost.core.mail.queue.records import MessageRecord, Origin, RecipientRecord, RecipientState
from dialpost.flow import maillog
from dialpost.flow.mail.needs import BodyFiles, Directories, NewBodies, NewMessages

WHOLE_UP_TO_BYTES = 60_000
"""A failure notice carries the whole message up to this size, unless the sender asked for the header only."""

_HEADER_UP_TO_BYTES = 32_000
_MAX_LINE = 998  # RFC 5322 §2.1.1; a part of a report can't be encoded to hold longer ones


class Bodies(BodyFiles, NewBodies, Protocol):
    """The subset of the spool needed here."""


class Bouncer:
    """Makes notices. `on_accepted` is called for each, as for any accepted message.

    Every method raises StorageError (StorageFullError if the card is full); then no notice was made.
    """

    def __init__(
        self,
        hostname: str,
        bodies: Bodies,
        queue: NewMessages,
        accounts: Directories,
        *,
        on_accepted: Callable[[MessageRecord], None],
        wall_clock: Callable[[], float],
    ) -> None:
        self._hostname, self._bodies, self._queue, self._accounts = hostname, bodies, queue, accounts
        self._on_accepted, self._wall_clock = on_accepted, wall_clock

    async def refused(self, message: MessageRecord, recipient: RecipientRecord, outcome: Refused) -> None:
        """`failed` for one recipient."""
        await self.failed(message, [ReportedRecipient(recipient, outcome.reply, outcome.by)])

    async def failed(self, message: MessageRecord, recipients: Sequence[ReportedRecipient]) -> None:
        """Notify the sender that these have bounced; durable when it returns."""
        asked = [one for one in recipients if one.record.notify is None or Notify.FAILURE in one.record.notify]
        if asked:
            await self._tell(Report.FAILED, message, asked)

    async def delayed(
        self, message: MessageRecord, recipients: Sequence[ReportedRecipient], retry_until_s: int
    ) -> None:
        """Notify the sender of a delay; the caller asks once, and only for those whose NOTIFY allows it."""
        if message.sender:
            await self._tell(Report.DELAYED, message, recipients, retry_until_s)

    async def held(self, message: MessageRecord, because: str) -> None:
        """Notify the sender, in sentences, why `message` is held on purpose; only if NOTIFY allows it."""
        asked = [one for one in message.recipients if one.notify is None or Notify.DELAY in one.notify]
        if message.sender and asked:
            reported = [ReportedRecipient(one, None) for one in asked]
            await self._tell(Report.DELAYED, message, reported, because=because)

    async def announce(self, text: bytes, recipients: Sequence[RecipientRecord]) -> None:
        """Send a note of the station's own (LF line endings) to these recipients in the world, from <>."""
        readers = [
            RecipientRecord(number, one.address, RecipientState.WAITING) for number, one in enumerate(recipients)
        ]
        await self._accept(text, readers)

    async def tell_postmaster(self, subject: str, words: str) -> None:
        """Send the local postmaster a letter from the station; `words` has LF line endings."""
        directory = self._accounts.directory
        address = f"postmaster@{directory.domains[0]}"
        await self._write(address, Local((directory.postmaster_account,)), subject, words)

    async def tell(self, address: str, subject: str, words: str) -> None:
        """Send a letter from the station to an address here, if somebody has it; `words` has LF line endings."""
        found = self._accounts.directory.resolve(address)
        if isinstance(found, Local):
            await self._write(address, found, subject, words)

    async def _write(self, address: str, found: Local, subject: str, words: str) -> None:
        head = [
            f"From: Mail station <postmaster@{self._hostname}>",
            f"To: <{address}>",
            text_field("Subject", subject),
            f"Date: {_date(self._wall_clock())}",
            f"Message-ID: <{secrets.token_hex(12)}@{self._hostname}>",
            "Auto-Submitted: auto-generated",  # RFC 3834 §5
            "MIME-Version: 1.0",
            "Content-Type: text/plain; charset=utf-8",
            f"Content-Transfer-Encoding: {'7bit' if words.isascii() else '8bit'}",
        ]
        text = ("\n".join(head) + "\n\n" + words).encode("utf-8", "replace")
        await self._accept(text, _records(address, found))

    async def relayed(self, message: MessageRecord, recipients: Sequence[ReportedRecipient]) -> None:
        """For recipients with NOTIFY=SUCCESS whose next hop will send no notice (RFC 3461 §5.2.2)."""
        await self._success(Report.RELAYED, message, recipients)

    async def delivered(self, message: MessageRecord, recipient: RecipientRecord, outcome: Delivered) -> None:
        """For a recipient with NOTIFY=SUCCESS whose mail is in a mailbox here."""
        reported = ReportedRecipient(recipient, outcome.reply, outcome.by)
        await self._success(Report.DELIVERED, message, [reported])

    async def _success(self, report: Report, message: MessageRecord, told: Sequence[ReportedRecipient]) -> None:
        asked = [one for one in told if Notify.SUCCESS in (one.record.notify or ())]
        if message.sender and asked:
            await self._tell(report, message, asked)

    async def _tell(
        self,
        report: Report,
        message: MessageRecord,
        reported: Sequence[ReportedRecipient],
        until_s: int = 0,
        because: str = "",
    ) -> None:
        to, readers = self._readers(message)
        if not readers:
            maillog.operator_needed("notice: nobody to tell", queue_id=message.queue_id, sender=message.sender)
            return
        original, is_whole = await asyncio.to_thread(self._original, report, message)
        frame = ReportFrame(
            hostname=self._hostname,
            to=to,
            date=_date(self._wall_clock()),
            arrival=_date(message.received_s),
            unique=f"{message.queue_id}.{report.value}.{secrets.token_hex(6)}",
            original=original,
            is_whole=is_whole,
            retry_until=_date(until_s) if until_s else "",
            about_notice=not message.sender,
            held_because=because,
        )
        message_id = message_id_of_notice(frame.unique, frame.hostname)
        await self._accept(build_report(report, message, reported, frame), readers, message_id)

    def _readers(self, message: MessageRecord) -> tuple[str, list[RecipientRecord]]:
        """The sender; the local postmaster if the message has none or the sender no longer exists."""
        directory = self._accounts.directory
        if message.sender:
            found = directory.resolve(message.sender)
            if isinstance(found, NotLocal):
                return message.sender, [RecipientRecord(0, message.sender, RecipientState.WAITING)]
            if isinstance(found, Local) and (found.accounts or found.forwards):
                return message.sender, _records(message.sender, found)
        if message.origin is Origin.STATION and _is_to_postmaster(message, directory):
            return "", []  # a notice to the postmaster that could not be delivered: the log is left
        address = f"postmaster@{directory.domains[0]}"
        return address, _records(address, Local((directory.postmaster_account,)))

    def _original(self, report: Report, message: MessageRecord) -> tuple[bytes, bool]:
        """The message or its header, without the lines meant for mailboxes only; b"" if the card lost it.

        Only a failure returns content (RFC 3461 §4.3). Runs in a thread, because the card may be slow.
        """
        wants_whole = message.ret is not Return.HEADERS and report is Report.FAILED
        wants_whole = wants_whole and message.body_type is not BodyType.BINARY
        try:
            with self._bodies.stored(message.queue_id).open("rb") as body:
                body.seek(message.local_prefix)
                data = body.read(WHOLE_UP_TO_BYTES if wants_whole else _HEADER_UP_TO_BYTES)
        except (OSError, StorageError):
            return b"", False
        is_all = message.local_prefix + len(data) >= message.size
        if wants_whole and is_all and all(len(line) <= _MAX_LINE for line in data.split(b"\n")):
            return data, True
        lines = data.partition(b"\n\n")[0].split(b"\n")
        return b"\n".join(line[:_MAX_LINE] for line in lines if line) + b"\n", False

    async def _accept(self, text: bytes, readers: list[RecipientRecord], message_id: str = "") -> None:
        prefix = b"Return-Path: <>\n" if any(one.local_account for one in readers) else b""
        queue_id = self._queue.next_id()
        writer = self._bodies.begin(queue_id)
        if sum(one.local_account is not None for one in readers) > 1:
            writer.will_be_shared()
        try:
            writer.write(prefix + text)
            size = await writer.commit()
        except BaseException:  # a cancelled task must not leave a half-written body behind either
            writer.abort()
            raise
        record = MessageRecord(
            queue_id=queue_id,
            sender="",
            size=size,
            wire_size=len(text) + text.count(b"\n"),
            local_prefix=len(prefix),
            received_s=int(self._wall_clock()),
            origin=Origin.STATION,
            recipients=tuple(readers),
            body_type=BodyType.SEVEN_BIT if text.isascii() else BodyType.EIGHT_BIT,
            message_id_header=message_id,
            checksum=writer.checksum,
            smtputf8=not (text.partition(b"\n\n")[0].isascii() and all(one.address.isascii() for one in readers)),
        )
        try:
            await self._queue.accept(record)
        except StorageError:  # then nothing of it is stored
            with contextlib.suppress(StorageError):  # recovery finds it: it has no row
                self._bodies.remove(queue_id)
            raise
        maillog.accepted(
            queue_id,
            sender="",
            recipients=len(readers),
            size=size,
            origin=Origin.STATION.value,
            peer="",
            account=None,
        )
        self._on_accepted(record)


def _date(unix_s: float) -> str:
    """RFC 5322 §3.3, local time; the epoch for a number that the card damaged."""
    try:
        return formatdate(unix_s, localtime=True)
    except (OverflowError, ValueError, OSError):
        return formatdate(0, localtime=True)


def _records(address: str, found: Local) -> list[RecipientRecord]:
    """A notice goes where mail to the address goes: to each mailbox behind it, and to its forwards."""
    here = [
        RecipientRecord(number, address, RecipientState.WAITING, local_account=account)
        for number, account in enumerate(found.accounts)
    ]
    away = [
        RecipientRecord(number, forward, RecipientState.WAITING, original_address=address)
        for number, forward in enumerate(found.forwards, len(here))
    ]
    return here + away


def _is_to_postmaster(message: MessageRecord, directory: Directory) -> bool:
    return any(recipient.local_account == directory.postmaster_account for recipient in message.recipients)
