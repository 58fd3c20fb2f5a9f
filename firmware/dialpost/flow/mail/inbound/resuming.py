"""Keeps the beginning of a message that a cut has left, and goes on at its byte in the next call.

What arrives goes into the intake at once; beside it, a copy is kept, in memory at first and on the card once it is
long, because the spool's own form (line endings, our header lines) is no longer the server's. After a cut the copy
is replayed into the intake, and only the rest comes over the line.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
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


class Partials(Protocol):
    """The folder of them (edge/mail/collecting/partials)."""

    def begin(self, box: str, uid: str, size: int) -> Partial:
        """A message of which nothing is here."""

    async def kept(self, box: str, sizes: Mapping[str, int]) -> Mapping[str, Partial]:
        """What is here of these messages, by UID; those of which nothing is here are left out."""

    def forget(self, box: str, listed: Collection[str]) -> None:
        """Remove what belongs to messages of this box that are no longer there."""


class Beginnings:
    """Those of one session."""

    def __init__(self, partials: Partials | None, box: str) -> None:
        """`partials`: None if the protocol always begins at the first byte."""
        self._partials, self._box = partials, box
        self._kept: dict[str, Partial] = {}

    async def load(self, wanted: Mapping[str, int], listed: Collection[str] | None) -> None:
        """Look up what is here of the messages to fetch, with their sizes.

        `listed`: all that the box has, None if that is not known.
        """
        if self._partials is None:
            return
        if listed is not None:
            self._partials.forget(self._box, listed)
        self._kept = dict(await self._partials.kept(self._box, wanted))

    def of(self, uid: str, size: int) -> Beginning | None:
        """The message's, once. Raises: StorageError."""
        if self._partials is None:
            return None
        is_kept = uid in self._kept
        return Beginning(self._kept.pop(uid) if is_kept else self._partials.begin(self._box, uid, size))


class Beginning:
    """One message that is being fetched."""

    def __init__(self, partial: Partial) -> None:
        """Raises: StorageError."""
        self._partial = partial
        self._held = bytearray()
        self._here = partial.length
        self._has_file = partial.length > 0
        self._overlap = partial.overlap()
        self.offset = resume_at(partial.length)
        """The byte from which to fetch it."""

    @property
    def is_proved(self) -> bool:
        """Whether it has turned out to be the message that was cut."""
        return self._overlap.is_proved

    def blocks(self) -> Iterator[bytes]:
        """What earlier calls have brought. Raises: StorageError."""
        left = self._here
        for block in self._partial.blocks() if left else ():
            yield block[:left]
            left = max(0, left - len(block))

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
