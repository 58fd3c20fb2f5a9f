"""Protocols that several mail flows need from the same edge, declared once. Each flow adds what it alone needs."""

from __future__ import annotations

from collections.abc import Sequence, Set
from typing import Protocol

from dialpost.core.mail.accounts import Directory
from dialpost.core.mail.envelope import QueueId
from dialpost.core.mail.mx import AddressAnswer
from dialpost.core.mail.queue.records import MessageRecord, QueueCounts, RecipientRecord
from dialpost.core.mail.smtp_target import Body


class BodyFiles(Protocol):
    """The bodies in the spool (edge/mail/spool)."""

    def stored(self, queue_id: QueueId) -> Body:
        """A body, which may be missing."""


class BodyWriter(Protocol):
    """One new body."""

    @property
    def checksum(self) -> int:
        """CRC-32 of what was written."""

    def write(self, data: bytes) -> None:
        """Add to it. Raises: StorageFullError, StorageError."""

    def will_be_shared(self) -> None:
        """Several mailboxes get it. Call it before `commit`."""

    async def commit(self) -> int:
        """Make it durable; its size. Raises: StorageFullError, StorageError."""

    def abort(self) -> None:
        """Discard it."""


class NewBodies(Protocol):
    """The spool, as seen by flows that write bodies."""

    def begin(self, queue_id: QueueId) -> BodyWriter:
        """A new body. Raises: StorageFullError, StorageError."""

    def remove(self, queue_id: QueueId) -> None:
        """Remove a body."""


class NewMessages(Protocol):
    """The store (edge/mail/store), as seen by flows that put messages into the queue."""

    def next_id(self) -> QueueId:
        """A new id."""

    async def accept(self, message: MessageRecord) -> None:
        """Durable when it returns."""


class OutcomeRows(Protocol):
    """The store, as seen by flows that attempt delivery."""

    async def update_many(self, updates: Sequence[tuple[QueueId, Sequence[RecipientRecord]]]) -> None:
        """Write the outcomes of attempts, durably, in one transaction."""


class WaitingMail(Protocol):
    """The store, as seen by flows that send mail to the world."""

    async def remote_batch(
        self, domains: Sequence[str] | None, now_s: int, limit: int, exclude: Set[QueueId]
    ) -> list[MessageRecord]:
        """Messages with due recipients in the world, only those recipients, in sending order."""


class Counts(Protocol):
    """The store, as seen by flows that only want to know how much waits."""

    async def counts(self) -> QueueCounts:
        """The numbers of what waits."""


class Directories(Protocol):
    """The accounts (flow/mail/accounts)."""

    @property
    def directory(self) -> Directory:
        """The accounts and aliases at this moment."""


class HostAddresses(Protocol):
    """Name service (edge/mail/resolver)."""

    async def addresses(self, host: str) -> AddressAnswer:
        """The host's IP addresses as text, or why there are none."""
