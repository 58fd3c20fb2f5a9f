"""What is finished goes: bodies soon, history after its time.

A body is unlinked once every recipient is finished; that is on record already, so a crash in between
leaves a body that recovery removes. Rows stay for `dialpost trace` and are forgotten after
`retention.history_days`, and only while the clock is trusted: a clock that jumps must not wipe the history. So does
what recovery set aside as never acknowledged.
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
PRUNE_EVERY_S = 6 * 3600
_DAY_S = 86_400


class QueueForRetention(Protocol):
    """The subset of the store (edge/mail/store) retention needs."""

    def finished(self, limit: int) -> list[QueueId]:
        """Messages newly finished, each named once."""

    async def prune(self, before_s: int) -> int:
        """Forget finished messages from before then."""

    async def prune_calls(self, keep: int) -> int:
        """Forget all but the newest calls."""


class BodiesForRetention(Protocol):
    """The subset of the spool (edge/mail/spool) retention needs."""

    async def remove_many(self, ids: Sequence[QueueId]) -> None:
        """Take bodies away."""

    async def clear_aside(self, before_s: float, now_s: float) -> list[str]:
        """Remove what was never acknowledged and was set aside before then; the names."""


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
        """Until cancelled; a fault of the card is logged and tried again later."""
        pruned_at = float("-inf")
        while True:
            self._wanted.clear()
            try:
                await self.remove_bodies()
                if self._monotonic() - pruned_at >= PRUNE_EVERY_S and self._clock_trusted():
                    await self.forget_old()
                    await self.clear_aside()
                    pruned_at = self._monotonic()
            except Exception as error:  # what could not be removed is removed later; upkeep must not end
                maillog.fault("retention", error=error or repr(error))
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(PRUNE_EVERY_S / 6):
                    await self._wanted.wait()
            await asyncio.sleep(GATHER_S)

    async def remove_bodies(self) -> int:
        """Unlink the bodies of all that is finished; returns how many."""
        removed = 0
        while ids := self._queue.finished(BATCH):
            await self._bodies.remove_many(ids)
            removed += len(ids)
        return removed

    async def clear_aside(self) -> int:
        """Remove what was set aside as never acknowledged, after its time; how many. Only with a trusted clock."""
        now_s = self._wall_clock()
        before_s = now_s - KEPT_UNCONFIRMED_DAYS * _DAY_S
        cleared = await self._bodies.clear_aside(before_s, now_s)
        for name in cleared:
            maillog.body_removed(name, why=f"never acknowledged, and set aside {KEPT_UNCONFIRMED_DAYS} days ago")
        return len(cleared)

    async def forget_old(self) -> tuple[int, int]:
        """Forget history past its time; returns how many messages and calls. Only with a trusted clock."""
        before_s = int(self._wall_clock()) - self._config.history_days * _DAY_S
        return await self._queue.prune(before_s), await self._queue.prune_calls(self._config.calls_kept)
