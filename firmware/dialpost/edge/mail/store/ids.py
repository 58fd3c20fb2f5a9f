"""New queue ids: a counter whose numbers are reserved durably, in blocks, before use.

A block is recorded in the database before its first number is assigned, so after a crash the counter continues
behind it and no number is ever assigned twice. Runs in the event loop.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from dialpost.core.errors import StorageError

BLOCK = 2000


class IdSource:
    """Assigns numbers from `first` on; `reserved_until` is the first one not yet reserved."""

    def __init__(self, first: int, reserved_until: int, reserve: Callable[[int], asyncio.Future[None]]) -> None:
        self._next = first
        self._reserved_until = reserved_until
        self._reserve = reserve
        self._under_way: asyncio.Future[None] | None = None
        self._fault: BaseException | None = None

    @property
    def upcoming(self) -> int:
        """The number that `next` would return."""
        return self._next

    def next(self) -> int:
        """The next number. Raises: StorageError if no block could be reserved (the card is full ...)."""
        # Half a block ahead, so that no message ever waits for the reservation.
        if self._next + BLOCK // 2 >= self._reserved_until and self._under_way is None:
            self._ask(self._reserved_until + BLOCK)
        if self._next >= self._reserved_until:
            raise self._fault or StorageError("No queue id is free at the moment.")
        number = self._next
        self._next += 1
        return number

    def _ask(self, until: int) -> None:
        self._under_way = self._reserve(until)
        self._under_way.add_done_callback(lambda future: self._answered(future, until))

    def _answered(self, future: asyncio.Future[None], until: int) -> None:
        self._under_way = None
        if future.cancelled():
            return
        self._fault = future.exception()
        if self._fault is None:
            self._reserved_until = until
