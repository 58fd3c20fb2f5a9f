"""A SIM's PIN that was refused is never tried again, not even after a restart: three wrong ones lock the SIM.

What is kept on the card is a digest, no PIN. A corrected modem.sim_pin has another digest, and is tried.
"""

from __future__ import annotations

import hashlib
from typing import Protocol

from dialpost.core.errors import StorageError
from dialpost.flow import maillog

_KEY = "modem.refused_pin"


class Memory(Protocol):
    """The subset of the store that keeps small values."""

    async def remember(self, key: str, value: str) -> None:
        """Keep a small value. Raises: StorageError."""

    async def recall(self, key: str) -> str | None:
        """The value kept under the key. Raises: StorageError."""


class RefusedPin:
    """The last PIN refused, in memory and (with a `memory`) on the card."""

    def __init__(self, memory: Memory | None = None) -> None:
        self._memory = memory
        self._digest = ""

    async def is_known(self, pin: str) -> bool:
        """Whether this PIN was refused before. A card that can't be read makes nobody try."""
        return not await self._recalled() or self._digest == _digest(pin)

    async def note(self, pin: str) -> None:
        """It was refused, or may have been."""
        await self._keep(_digest(pin))

    async def forget(self) -> None:
        """The SIM is open: whatever was noted holds no more."""
        if await self._recalled() and self._digest:
            await self._keep("")

    async def _recalled(self) -> bool:
        """Look on the card, where nothing is known yet; False where it can't be read."""
        if self._memory is not None and not self._digest:
            try:
                self._digest = await self._memory.recall(_KEY) or ""
            except StorageError:
                return False
        return True

    async def _keep(self, digest: str) -> None:
        self._digest = digest
        if self._memory is not None:
            try:
                await self._memory.remember(_KEY, digest)
            except StorageError as error:
                maillog.person_needed("modem: a refused PIN could not be put on record", error=error)


def _digest(pin: str) -> str:
    return hashlib.sha256(f"dialpost {pin}".encode()).hexdigest()
