"""What a flow keeps across a restart: small values by key. The store (`edge/mail/store`) is one such memory."""

from __future__ import annotations

from typing import Protocol


class Memory(Protocol):
    """Small values, kept durably."""

    async def remember(self, key: str, value: str) -> None:
        """Keep a small value. Raises: StorageError."""

    async def recall(self, key: str) -> str | None:
        """The value kept under the key, None where there is none. Raises: StorageError."""
