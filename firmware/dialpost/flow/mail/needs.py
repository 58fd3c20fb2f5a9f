"""What several flows of the mail need of the same edge, declared once. Each flow adds what it alone needs."""

from __future__ import annotations

from collections.abc import Sequence, Set
from pathlib import Path
from typing import Protocol

from dialpost.core.mail.accounts import Directory
from dialpost.core.mail.envelope import QueueId
from dialpost.core.mail.mx import AddressAnswer
from dialpost.core.mail.queue.records import MessageRecord, QueueCounts, RecipientRecord


class BodyFiles(Protocol):
    """The bodies in the spool (edge/mail/spool)."""

    def path(self, queue_id: QueueId) -> Path:
        """Where a body is."""


class BodyWriter(Protocol):
    """One new body."""

    @property
    def checksum(self) -> int:
        """CRC-32 of what was written."""

    def write(self, data: bytes) -> None:
        """Add to it. Raises: StorageFullError, StorageError."""

    async def commit(self) -> int:
        """Make it durable; its size. Raises: StorageFullError, StorageError."""

    def abort(self) -> None:
        """Forget it."""


class NewBodies(Protocol):
    """The spool, for who writes bodies."""

    def begin(self, queue_id: QueueId) -> BodyWriter:
        """A new body. Raises: StorageFullError, StorageError."""

    def remove(self, queue_id: QueueId) -> None:
        """Remove a body."""


class NewMessages(Protocol):
    """The store (edge/mail/store), for who puts messages into the queue."""

    def next_id(self) -> QueueId:
        """A new id."""

    async def accept(self, message: MessageRecord) -> None:
        """Durable when it returns."""


class OutcomeRows(Protocol):
    """The store, for who tries recipients."""

    async def update_many(self, updates: Sequence[tuple[QueueId, Sequence[RecipientRecord]]]) -> None:
        """Write what attempts brought, durably, in one transaction."""


class WaitingMail(Protocol):
    """The store, for who sends mail to the world."""

    async def remote_batch(
        self, domains: Sequence[str] | None, now_s: int, limit: int, exclude: Set[QueueId]
    ) -> list[MessageRecord]:
        """Messages with due recipients in the world, only those recipients, in the order of the line."""


class Counts(Protocol):
    """The store, for who only wants to know how much waits."""

    async def counts(self) -> QueueCounts:
        """What waits."""


class Directories(Protocol):
    """The accounts (flow/mail/accounts)."""

    @property
    def directory(self) -> Directory:
        """Who has a mailbox here at this moment."""


class HostAddresses(Protocol):
    """Name service (edge/mail/resolver)."""

    async def addresses(self, host: str) -> AddressAnswer:
        """The host's IP addresses as text, or why there are none."""
