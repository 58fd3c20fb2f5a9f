"""Keeps the beginning of a message that a cut has left, and goes on at its byte in the next call.

What arrives goes into the intake at once; beside it, a copy is kept, in memory at first and on the card once it is
long, because the spool's own form (line endings, our header lines) is no longer the server's. After a cut the copy
is replayed into the intake, and only the rest comes over the line.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from dialpost.core.mail.inbound.partial import LEAST_KEPT_BYTES, Overlap, resume_at

HELD_BYTES = 65_536
"""What is in memory before it goes to the card: most messages never do."""
CHECK_BYTES = 262_144
"""What a power cut may cost: a minute of a modem's line."""


class Partial(Protocol):
    """The subset of edge/mail/collecting/partials.Partial needed here. All may raise StorageError."""

    length: int
    kept: int

    def append(self, data: bytes) -> None:
        """Take the next bytes."""

    async def keep(self) -> None:
        """Make all that is here durable."""

    def overlap(self) -> Overlap:
        """For the bytes that are fetched a second time."""

    def blocks(self) -> Iterator[bytes]:
        """All that is here."""

    def close(self) -> None:
        """Nothing more is coming now."""

    async def remove(self) -> None:
        """It is accepted, or no longer wanted. Never raises."""


class Beginning:
    """One message that is being fetched."""

    def __init__(self, partial: Partial) -> None:
        """Raises: StorageError."""
        self._partial = partial
        self._held = bytearray()
        self._has_file = partial.length > 0
        self._overlap = partial.overlap()
        self.offset = resume_at(partial.length)
        """The byte from which to fetch it."""

    @property
    def is_proved(self) -> bool:
        """Whether it has turned out to be the message that was cut."""
        return self._overlap.is_proved

    def blocks(self) -> Iterator[bytes]:
        """What an earlier call has brought. Raises: StorageError."""
        return self._partial.blocks()

    async def take(self, data: bytes) -> bytes | None:
        """What of it is new; None if the message is not the one that was cut. Raises: StorageError."""
        new = self._overlap.take(data)
        if not new:
            return new
        self._held += new
        if len(self._held) >= HELD_BYTES:
            self._spill()
            if self._partial.length - self._partial.kept >= CHECK_BYTES:
                await self._partial.keep()
        return new

    async def cut(self) -> None:
        """The line was lost: keep what is here, if it is worth it. Raises: StorageError."""
        if self._partial.length + len(self._held) >= LEAST_KEPT_BYTES:
            self._spill()
            if self._partial.length > self._partial.kept:
                await self._partial.keep()
        self._partial.close()

    async def done(self) -> None:
        """It is accepted, or has to begin at its first byte."""
        if self._has_file:
            await self._partial.remove()

    def _spill(self) -> None:
        held, self._held = bytes(self._held), bytearray()
        if held:
            self._has_file = True
            self._partial.append(held)
