"""The calls on record, as several flows need them."""

from __future__ import annotations

from typing import Protocol

from dialpost.core.json_value import JsonValue


class CallHistory(Protocol):
    """The subset of the store that keeps calls."""

    async def calls(self, limit: int) -> list[dict[str, JsonValue]]:
        """The last calls, newest first, each with its `number`."""
