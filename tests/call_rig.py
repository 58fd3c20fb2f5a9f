"""A call manager with everything around it faked, for the tests of the call and of its budget."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC

from dialpost.core.call_reason import CallReason
from dialpost.core.config.model import BudgetConfig, CallConfig
from dialpost.core.line.call.record import CallRecord
from dialpost.core.line.call.states import CallState
from dialpost.core.line.dial_plan import DialPlan
from dialpost.core.mail.esmtp.tls_cost import TlsCost
from dialpost.core.mail.etrn import EtrnAnswer, classify
from dialpost.core.mail.reply import Reply
from dialpost.flow.line.call.budget import Budget
from dialpost.flow.line.call.forecasts import Forecasts
from dialpost.flow.line.call.machine import CallManager
from dialpost.flow.line.call.mail_needs import Ways
from dialpost.flow.panel.state import Panel
from fakes import FakeEtrn, FakeFlush, FakeInbound, FakeLink, MemoryCallStore, now, run_virtual


def said(code: int, text: str = "ok") -> tuple[EtrnAnswer, ...]:
    return (classify("clinic.example", Reply(code, (text,))),)


CONFIG = CallConfig(
    grace_min_s=3.0,
    grace_max_s=60.0,
    max_call_s=600,
    dial_timeout_s=60,
    redial_attempts=2,
    redial_pause_s=30.0,
    cooldown_s=5.0,
)


@dataclass
class Rig:
    """A call manager with everything around it faked; `run` plays a scene in virtual time."""

    config: CallConfig = CONFIG
    link: FakeLink = field(default_factory=FakeLink)
    etrn: FakeEtrn | None = field(default_factory=lambda: FakeEtrn(said(251)))
    ways: Ways | None = None
    flush: FakeFlush = field(default_factory=FakeFlush)
    store: MemoryCallStore = field(default_factory=MemoryCallStore)
    said: list[str] = field(default_factory=list)
    budget: BudgetConfig = field(default_factory=BudgetConfig)
    forecasts: Forecasts | None = None
    wall_at_0_s: float = 1_700_000_000
    clock_trusted: bool = True
    lines_down: list[float] = field(default_factory=list)
    hanging: int = 0  # connections, after a line went down
    given_up: list[tuple[CallRecord, int]] = field(default_factory=list)
    vain: dict[CallReason, str] = field(default_factory=dict)
    line_settings: str = "as they are"
    dial_plan: DialPlan | None = None
    tls_cost: TlsCost = field(default_factory=lambda: TlsCost(9, 9, 9999))  # of earlier calls

    def play(self, scene: Callable[[Rig], Awaitable[None]]) -> None:
        run_virtual(self._play(scene))

    async def _play(self, scene: Callable[[Rig], Awaitable[None]]) -> None:
        self.inbound = FakeInbound()
        self.panel = Panel(self.store)
        self.calls = CallManager(
            self.config,
            self.link,
            etrn=self.etrn,
            ways=self.ways,
            flush=self.flush,
            inbound=self.inbound,
            store=self.store,
            panel=self.panel,
            wall_clock=self.wall_s,
            budget=self.budget_of(),
            forecasts=self.forecasts,
            on_line_down=self._line_is_down,
            in_vain=lambda reason: self.vain.get(reason, ""),
            line_settings=self.line_settings,
            dial_plan=self.dial_plan,
            tls_cost=lambda: self.tls_cost,
            on_given_up=lambda record, failures: self.given_up.append((record, failures)),
        )
        self.states: list[tuple[float, str]] = []
        self.calls.subscribe(self.said.append)
        self.panel.watch(lambda state, _: self._note(state.call))
        task = asyncio.create_task(self.calls.run())
        try:
            await scene(self)
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    def _line_is_down(self) -> int:
        self.lines_down.append(now())
        return self.hanging

    def wall_s(self) -> float:
        return self.wall_at_0_s + now()

    def budget_of(self) -> Budget:
        return Budget(
            self.budget, self.store, zone=UTC, clock_trusted=lambda: self.clock_trusted, wall_clock=self.wall_s
        )

    def _note(self, state: CallState) -> None:
        if not self.states or self.states[-1][1] != state.value:
            self.states.append((round(now(), 3), state.value))

    @property
    def records(self) -> list[CallRecord]:
        return [CallRecord.from_json(call) for call in self.store.calls]

    async def call(self, reason: CallReason = CallReason.BUTTON) -> CallRecord:
        self.calls.request(reason)
        return await self.calls.finished()

    async def reach(self, state: CallState) -> None:
        while self.calls.state is not state:
            await asyncio.sleep(0.1)
