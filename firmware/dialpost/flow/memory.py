"""Small values that a flow keeps across a restart, by key. The store (`edge/mail/store`) is one such memory."""

from __future__ import annotations

from typing import Protocol


class Memory(Protocol):
    """Small values, kept durably."""

    async def remember(self, key: str, value: str) -> None:
        """Store a small value. Raises: StorageError."""

    async def recall(self, key: str) -> str | None:
        """The value stored under the key, None if there is none. Raises: StorageError."""
