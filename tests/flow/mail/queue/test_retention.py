"""What is finished goes: bodies at once, history after its time and never by a wrong clock."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence

from dialpost.core.config.model import RetentionConfig
from dialpost.core.errors import StorageError
from dialpost.core.mail.envelope import QueueId
from dialpost.core.mail.queue.ids import queue_id
from dialpost.flow.mail.queue.retention import BATCH, PRUNE_EVERY_S, Retention
from fakes import run_virtual

DAY_S = 86_400
NOW = 1_820_000_000


class Fakes:
    """Queue and bodies in one."""

    def __init__(self) -> None:
        self.done: deque[QueueId] = deque()
        self.removed: list[list[QueueId]] = []
        self.pruned: list[int] = []
        self.calls_kept: list[int] = []
        self.trusted = True
        self.fail = False
        self.prune_fails = False
        self.cleared: list[tuple[float, float]] = []

    def finished(self, limit: int) -> list[QueueId]:
        return [self.done.popleft() for _ in range(min(limit, len(self.done)))]

    async def prune(self, before_s: int) -> int:
        self.pruned.append(before_s)
        if self.prune_fails:
            raise StorageError("no")
        return 0

    async def prune_calls(self, keep: int) -> int:
        self.calls_kept.append(keep)
        return 0

    async def remove_many(self, ids: Sequence[QueueId]) -> None:
        if self.fail:
            raise StorageError("no")
        self.removed.append(list(ids))

    async def clear_aside(self, before_s: float, now_s: float) -> list[str]:
        self.cleared.append((before_s, now_s))
        return ["D0000001"]

    def flow(self) -> Retention:
        loop = asyncio.get_running_loop()
        config = RetentionConfig(history_days=10, calls_kept=7)
        return Retention(
            self, self, config, clock_trusted=lambda: self.trusted, wall_clock=lambda: NOW, monotonic=loop.time
        )


async def run_for(fakes: Fakes, seconds: float, wakes: int = 0) -> None:
    flow = fakes.flow()
    task = asyncio.create_task(flow.run())
    for _ in range(wakes):
        await asyncio.sleep(2)
        fakes.done.append(queue_id(1))
        flow.wake()
    await asyncio.sleep(seconds)
    task.cancel()


def test_bodies_go_in_batches_when_woken() -> None:
    fakes = Fakes()
    fakes.done.extend(queue_id(number) for number in range(BATCH + 1))
    run_virtual(run_for(fakes, 1, wakes=2))
    assert [len(batch) for batch in fakes.removed] == [BATCH, 1, 1, 1]


def test_history_is_forgotten_a_few_times_a_day() -> None:
    fakes = Fakes()
    run_virtual(run_for(fakes, DAY_S - 10))
    assert fakes.pruned == [NOW - 10 * DAY_S] * (DAY_S // PRUNE_EVERY_S)
    assert fakes.calls_kept == [7] * len(fakes.pruned)
    assert fakes.cleared == [(NOW - 30 * DAY_S, NOW)] * len(fakes.pruned)


def test_never_by_a_clock_that_is_not_trusted() -> None:
    fakes = Fakes()
    fakes.trusted = False
    run_virtual(run_for(fakes, 3 * DAY_S))
    assert (fakes.pruned, fakes.cleared) == ([], [])


def test_history_that_cannot_be_deleted_is_not_tried_with_each_message() -> None:
    fakes = Fakes()
    fakes.prune_fails = True
    run_virtual(run_for(fakes, PRUNE_EVERY_S * 1.5, wakes=20))
    assert len(fakes.removed) == 20
    assert len(fakes.pruned) == 2


def test_a_fault_does_not_end_it() -> None:
    fakes = Fakes()
    fakes.fail = True

    async def mend() -> None:
        flow = fakes.flow()
        task = asyncio.create_task(flow.run())
        fakes.done.append(queue_id(1))
        await asyncio.sleep(10)
        fakes.fail = False
        fakes.done.append(queue_id(2))
        flow.wake()
        await asyncio.sleep(10)
        task.cancel()

    run_virtual(mend())
    assert fakes.removed == [[queue_id(2)]]  # the other is for the next start's recovery
