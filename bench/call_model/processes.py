"""Processes of a mail server: they start one after another, take their time, and idle ones are used again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class Processes:
    """`starts_s`: what one takes to start; `idle`: how many wait already."""

    def __init__(self, starts_s: float, idle: int = 0) -> None:
        self._starts_s, self._idle = starts_s, idle
        self._starting = asyncio.Lock()
        self.started_s = 0.0

    @asynccontextmanager
    async def one(self) -> AsyncIterator[None]:
        """One to work in; afterwards it is idle."""
        if self._idle:
            self._idle -= 1
        else:
            async with self._starting:
                await asyncio.sleep(self._starts_s)
                self.started_s += self._starts_s
        try:
            yield
        finally:
            self._idle += 1
