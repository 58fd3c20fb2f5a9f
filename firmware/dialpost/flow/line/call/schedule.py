"""Automatic calls: evaluates `core/line/call/schedule` when something changed or it is time.

Runs as one task in the daemon's event loop. The core decides whether a call is due; this only gathers the facts,
asks for the call and sleeps.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from datetime import tzinfo
from typing import Protocol

from dialpost.core.call_reason import CallReason
from dialpost.core.config.model import ScheduleConfig
from dialpost.core.line.call.schedule import CallFacts, ClockReading, first_plan, look
from dialpost.core.line.call.states import CallState
from dialpost.core.mail.queue.records import QueueCounts
from dialpost.flow.mail.needs import Counts

SHORTEST_NAP_S = 0.2


class CallsToSchedule(Protocol):
    """The subset of flow/line/call/machine.CallManager (or flow/line/dedicated_line) the schedule needs."""

    @property
    def state(self) -> CallState:
        """The state of the call."""

    @property
    def failures(self) -> int:
        """Calls in a row that did not come on line."""

    @property
    def last_end_s(self) -> float | None:
        """The monotonic end of the last call since the start."""

    @property
    def left_behind(self) -> QueueCounts:
        """The mail still waiting after the last call that was on line."""

    def request(self, reason: CallReason) -> str:
        """Ask for a call."""


class Scheduler:
    """Makes the automatic calls."""

    def __init__(
        self,
        config: ScheduleConfig,
        zone: tzinfo,
        calls: CallsToSchedule,
        counts: Counts,
        *,
        clock_trusted: Callable[[], bool],
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        self._config, self._zone, self._calls, self._counts = config, zone, calls, counts
        self._clock_trusted, self._wall_clock = clock_trusted, wall_clock
        self._changed = asyncio.Event()

    def queue_changed(self) -> None:
        """Mail came in or a call ended: evaluate the schedule again."""
        self._changed.set()

    async def run(self) -> None:
        """Evaluate the schedule and make calls until cancelled."""
        plan = first_plan(self._now())
        while True:
            self._changed.clear()
            nap_s = SHORTEST_NAP_S
            if self._calls.state is CallState.IDLE:
                facts = await self._facts()
                found = look(self._config, self._zone, plan, self._now(), facts)
                plan, nap_s = found.plan, max(found.again_in_s, SHORTEST_NAP_S)
                if found.call is not None:
                    self._calls.request(found.call)
            else:
                nap_s = 1.0
            await self._sleep(nap_s)

    async def _facts(self) -> CallFacts:
        counts = await self._counts.counts()
        left = self._calls.left_behind
        return CallFacts(
            waiting=counts.waiting_remote,
            urgent=counts.urgent,
            last_end_mono_s=self._calls.last_end_s,
            failures=self._calls.failures,
            left_waiting=left.waiting_remote,
            left_urgent=left.urgent,
        )

    def _now(self) -> ClockReading:
        mono_s = asyncio.get_running_loop().time()
        return ClockReading(self._wall_clock(), mono_s, self._clock_trusted())

    async def _sleep(self, nap_s: float) -> None:
        try:
            async with asyncio.timeout(nap_s):
                await self._changed.wait()
        except TimeoutError:
            return
        await asyncio.sleep(SHORTEST_NAP_S)  # mail often comes in bursts
