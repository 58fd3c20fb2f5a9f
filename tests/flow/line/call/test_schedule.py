"""The schedule's task: asks for calls at their time, and leaves a call that runs alone."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC

from dialpost.core.call_reason import CallReason
from dialpost.core.config.model import ScheduleConfig, ScheduleEntry
from dialpost.core.line.call.states import CallState
from dialpost.core.mail.queue.records import QueueCounts
from dialpost.flow.line.call.schedule import Scheduler
from fakes import MemoryCallStore, now, run_virtual

HOURLY = ScheduleConfig(entry=(ScheduleEntry(every_min=60),))


class Calls:
    """Calls that take a minute and leave what the test says."""

    def __init__(self, store: MemoryCallStore) -> None:
        self.state = CallState.IDLE
        self.failures = 0
        self.last_end_s: float | None = None
        self.made: list[tuple[int, str]] = []
        self.fail = False
        self.left_behind = QueueCounts()
        self.after = QueueCounts()
        self._store = store
        self._task: asyncio.Task[None] | None = None

    def request(self, reason: CallReason) -> str:
        self.made.append((round(now()), reason.value))
        self._task = asyncio.create_task(self._call())
        return "Calling."

    async def _call(self) -> None:
        self.state = CallState.ONLINE
        await asyncio.sleep(60)
        if not self.fail:
            self._store.waiting = self.left_behind = self.after
        self.failures = self.failures + 1 if self.fail else 0
        self.last_end_s = now()
        self.state = CallState.IDLE


class Scene:
    """A scheduler, its calls and its queue, in virtual time; the clock starts at midnight."""

    def __init__(self, config: ScheduleConfig) -> None:
        self.store = MemoryCallStore()
        self.calls = Calls(self.store)
        self.scheduler = Scheduler(
            config,
            UTC,
            self.calls,
            self.store,
            clock_trusted=lambda: True,
            wall_clock=lambda: 1_800_000_000 - 1_800_000_000 % 86_400 + now(),
        )

    def wait(self, count: int, urgent: int = 0) -> None:
        self.store.waiting = QueueCounts(waiting_remote=count, urgent=urgent)
        self.scheduler.queue_changed()


def play(config: ScheduleConfig, story: Callable[[Scene], Awaitable[None]]) -> list[tuple[int, str]]:
    async def whole() -> list[tuple[int, str]]:
        scene = Scene(config)
        task = asyncio.create_task(scene.scheduler.run())
        await story(scene)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        return scene.calls.made

    return run_virtual(whole())


def test_calls_at_their_time() -> None:
    async def story(scene: Scene) -> None:
        await asyncio.sleep(3 * 3600 + 10)

    assert play(HOURLY, story) == [(3600, "schedule"), (7200, "schedule"), (10_800, "schedule")]


def test_the_queue_calls_at_once_and_then_rests() -> None:
    async def story(scene: Scene) -> None:
        await asyncio.sleep(10)
        scene.wait(2)
        await asyncio.sleep(100)
        scene.wait(3)
        await asyncio.sleep(200)  # the call is over: the queue is empty
        scene.wait(3)
        await asyncio.sleep(1000)

    config = ScheduleConfig(when_waiting=3, min_pause_min=5)
    assert play(config, story) == [(110, "queue"), (110 + 60 + 300, "queue")]


def test_what_a_call_left_is_no_reason_for_the_next() -> None:
    async def story(scene: Scene) -> None:
        scene.calls.after = QueueCounts(waiting_remote=4)
        scene.wait(4)
        await asyncio.sleep(50_000)
        scene.wait(5)
        await asyncio.sleep(1000)

    made = play(ScheduleConfig(when_waiting=3), story)
    assert [reason for _, reason in made] == ["queue", "queue"]
    assert made[1][0] >= 50_000


def test_after_a_failed_call_what_waits_is_still_a_reason() -> None:
    async def story(scene: Scene) -> None:
        scene.calls.fail = True
        scene.wait(4)
        await asyncio.sleep(3600)

    made = play(ScheduleConfig(when_waiting=3, min_pause_min=5), story)
    assert [at for at, _ in made] == [0, 360, 1020, 2280], "pauses of 5, 10, 20 minutes after each minute's call"


def test_an_urgent_message() -> None:
    async def story(scene: Scene) -> None:
        await asyncio.sleep(5)
        scene.wait(1, urgent=1)
        await asyncio.sleep(600)

    assert play(ScheduleConfig(when_urgent=True), story) == [(5, "urgent")]
    assert play(ScheduleConfig(), story) == []
