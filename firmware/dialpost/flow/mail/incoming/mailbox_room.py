"""Room in the mailboxes: what they hold, what waits for them in the queue, and what is just coming in.

A message moves from a reservation (here, in memory) to the queue to the mailbox. The three are queried in that
order, so a message that moves meanwhile is counted twice at worst, never missed; if that alone makes a mailbox too
full, it is measured again a moment later. If at least one mailbox behind an address has room, the message is
accepted; the others' copies wait.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass

_PAUSES_S = (0.1, 0.2, 0.0)
"""The pauses before a mailbox is measured again: local delivery records at most twenty batches a second."""


@dataclass(slots=True)
class Place:
    """What one incoming message has reserved. Call `release` whatever becomes of the message."""

    rooms: Rooms
    groups: tuple[tuple[str, ...], ...]
    """Each recipient's mailboxes."""
    size: int = 0
    held: tuple[str, ...] = ()

    async def resize(self, size: int) -> bool:
        """Reserve this many bytes in the mailboxes that have room; False if no recipient has such a mailbox."""
        return await self.rooms.reserve(self, size)

    def release(self) -> None:
        """The message is in the queue, or gone."""
        self.rooms.release(self)


class Rooms:
    """Which mailbox has room for how much. `waiting` returns the bytes that the queue holds for a mailbox."""

    def __init__(
        self,
        quota_of: Callable[[str], int],
        measure: Callable[[str], Awaitable[int]],
        waiting: Callable[[str], Awaitable[int]],
    ) -> None:
        self._quota_of, self._measure, self._waiting = quota_of, measure, waiting
        self._reserved: Counter[str] = Counter()
        self.expected_bytes = 0
        """Everything that is coming in: the card needs room for it, too."""
        self._turn = asyncio.Lock()

    async def fits(self, accounts: Iterable[str], size: int) -> bool:
        """Whether one of the mailboxes has room for `size` bytes (0: for anything at all)."""
        for account in accounts:
            if await self._has_room(account, size):
                return True
        return False

    async def reserve(self, place: Place, size: int) -> bool:
        """`Place.resize`. A message without recipients here always fits."""
        names = sorted({name for group in place.groups for name in group if self._quota_of(name)})
        if not names:
            self.release(place)
            place.size = size
            self.expected_bytes += size
            return True
        async with self._turn:  # otherwise two messages would see the same room
            self.release(place)
            roomy = {name for name in names if await self._has_room(name, size)}
            if place.groups and not any(
                not group or any(name in roomy or not self._quota_of(name) for name in group)
                for group in place.groups
            ):
                return False
            place.size, place.held = size, tuple(sorted(roomy))
            self.expected_bytes += size
            for name in place.held:
                self._reserved[name] += size
            return True

    def release(self, place: Place) -> None:
        """Give back the reservation."""
        size, place.size = place.size, 0
        held, place.held = place.held, ()
        self.expected_bytes -= size
        for name in held:
            self._reserved[name] -= size
            if self._reserved[name] <= 0:
                del self._reserved[name]

    async def _has_room(self, account: str, size: int) -> bool:
        quota = self._quota_of(account)
        if not quota:
            return True
        room = quota - max(1, size)
        for pause_s in _PAUSES_S:
            on_the_way = self._reserved[account]
            on_the_way += await self._waiting(account)
            used = await self._measure(account)
            if used + on_the_way <= room:
                return True
            # Full by what it holds alone: nothing that moves meanwhile can make room.
            if used > room:
                return False
            await asyncio.sleep(pause_s)
        return False
