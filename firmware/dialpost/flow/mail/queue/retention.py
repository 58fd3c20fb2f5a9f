"""Retention: removes the bodies of finished messages soon, and history after its time.

A body is unlinked once every recipient is finished; that is recorded first, so a crash in between leaves a body
that recovery removes. Rows stay for `dialpost trace`; they are deleted after `retention.history_days`, and only
while the clock is trusted, because a clock that jumps must not wipe the history. The same holds for messages that
recovery set aside as never acknowledged.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Sequence
from typing import Protocol

from dialpost.core.config.model import RetentionConfig
from dialpost.core.mail.envelope import QueueId
from dialpost.flow import maillog
from dialpost.flow.mail.queue.recovery import KEPT_UNCONFIRMED_DAYS

BATCH = 500
GATHER_S = 0.5
"""The pause that lets more messages finish, so that one fsync of the folder serves them all."""
PRUNE_EVERY_S = 6 * 3600
_DAY_S = 86_400


class QueueForRetention(Protocol):
    """The subset of the store (edge/mail/store) retention needs."""

    def finished(self, limit: int) -> list[QueueId]:
        """Messages that have newly finished, each reported once."""

    async def prune(self, before_s: int) -> int:
        """Delete finished messages from before then."""

    async def prune_calls(self, keep: int) -> int:
        """Delete all but the newest calls."""


class BodiesForRetention(Protocol):
    """The subset of the spool (edge/mail/spool) retention needs."""

    async def remove_many(self, ids: Sequence[QueueId]) -> None:
        """Remove bodies."""

    async def clear_aside(self, before_s: float, now_s: float) -> list[str]:
        """Remove unacknowledged messages set aside before then; returns their names."""


class Retention:
    """Removes bodies when woken, history a few times a day."""

    def __init__(
        self,
        queue: QueueForRetention,
        bodies: BodiesForRetention,
        config: RetentionConfig,
        *,
        clock_trusted: Callable[[], bool],
        wall_clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._queue = queue
        self._bodies = bodies
        self._config = config
        self._clock_trusted = clock_trusted
        self._wall_clock = wall_clock
        self._monotonic = monotonic
        self._wanted = asyncio.Event()

    def wake(self) -> None:
        """Something may have been finished."""
        self._wanted.set()

    async def run(self) -> None:
        """Run until cancelled; after a fault of the card, log it and retry later."""
        pruned_at = float("-inf")
        while True:
            self._wanted.clear()
            try:
                await self.remove_bodies()
                # Monotonic for the interval: the wall clock may jump by years during a call.
                if self._monotonic() - pruned_at >= PRUNE_EVERY_S and self._clock_trusted():
                    pruned_at = self._monotonic()  # even if it fails: not again with each message that finishes
                    await self.forget_old()
                    await self.clear_aside()
            except Exception as error:  # the rest is removed later; this task must not end
                maillog.fault("retention", error=error or repr(error))
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(PRUNE_EVERY_S / 6):
                    await self._wanted.wait()
            await asyncio.sleep(GATHER_S)

    async def remove_bodies(self) -> int:
        """Unlink the bodies of all finished messages; returns how many."""
        removed = 0
        while ids := self._queue.finished(BATCH):
            await self._bodies.remove_many(ids)
            removed += len(ids)
        return removed

    async def clear_aside(self) -> int:
        """Remove expired unacknowledged messages; returns how many. Only with a trusted clock."""
        now_s = self._wall_clock()
        before_s = now_s - KEPT_UNCONFIRMED_DAYS * _DAY_S
        cleared = await self._bodies.clear_aside(before_s, now_s)
        for name in cleared:
            maillog.body_removed(name, why=f"never acknowledged, and set aside {KEPT_UNCONFIRMED_DAYS} days ago")
        return len(cleared)

    async def forget_old(self) -> tuple[int, int]:
        """Delete expired history; returns how many messages and calls. Only with a trusted clock."""
        before_s = int(self._wall_clock()) - self._config.history_days * _DAY_S
        return await self._queue.prune(before_s), await self._queue.prune_calls(self._config.calls_kept)
