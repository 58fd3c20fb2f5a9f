"""The clock on connect: asked around, set once, told to those who count by it; mail waits little for it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from dialpost.core.config.model import ClockConfig, ClockSource
from dialpost.core.line.ppp.events import PppUp
from dialpost.core.system.sntp import ClockOffset
from dialpost.flow.system.clock_setter import READY_S, ClockSetter
from fakes import run_virtual

UP = PppUp("ppp0", "10.0.0.2", "10.0.0.1")
RIGHT_S = 1_800_000_000.0


class FakeClock:
    def __init__(self, wall_s: float = 0.0, *, chrony: bool = False, refuses: str = "") -> None:
        self.base_s, self.chrony, self.refuses = wall_s - asyncio.get_running_loop().time(), chrony, refuses

    def wall_s(self) -> float:
        return self.base_s + self.monotonic_s()

    def monotonic_s(self) -> float:
        return asyncio.get_running_loop().time()

    def is_trusted(self) -> bool:
        return self.wall_s() >= 1_793_491_200

    def set_by(self, offset_s: float) -> str:
        if not self.refuses:
            self.base_s += offset_s
        return self.refuses

    def is_kept_by_chrony(self) -> bool:
        return self.chrony


class World:
    """Time servers that answer after `after_s`, or not."""

    def __init__(
        self,
        clock: FakeClock,
        config: ClockConfig | None = None,
        *,
        knows: tuple[str, ...] = ("10.0.0.1",),
        after_s: float = 1.0,
    ) -> None:
        self.clock, self.knows, self.after_s = clock, knows, after_s
        self.steps = 0
        self.asked: list[object] = []
        self.setter = ClockSetter(
            config or ClockConfig(),
            clock,
            mail_host="mail.example",
            addresses=self.addresses,
            ask=self.ask,
            on_step=self.on_step,
        )

    async def addresses(self, host: str) -> tuple[str]:
        if host == "nowhere.example":
            raise OSError("no such host")
        return (host,)

    async def ask(self, address: str) -> ClockOffset:
        self.asked.append(address)
        await asyncio.sleep(self.after_s)
        if address not in self.knows:
            raise TimeoutError(f"{address} does not answer")
        return ClockOffset(RIGHT_S - self.clock.wall_s(), 0.1, 1)

    async def on_step(self) -> None:
        self.steps += 1

    async def connect(self) -> float:
        self.setter.line_up(UP)
        began_s = self.clock.monotonic_s()
        await self.setter.ready()
        return self.clock.monotonic_s() - began_s


def scene(play: Callable[..., Any]) -> None:
    run_virtual(play())


def test_the_peer_is_asked_first_and_the_mail_waits_until_the_clock_is_right() -> None:
    async def play() -> None:
        world = World(FakeClock())
        assert await world.connect() == pytest.approx(1.0, abs=0.1)
        assert world.clock.wall_s() == pytest.approx(RIGHT_S, abs=2)
        assert (world.asked, world.steps) == (["10.0.0.1"], 1)

    scene(play)


def test_others_are_asked_where_the_peer_does_not_know() -> None:
    async def play() -> None:
        world = World(FakeClock(), knows=("pool.ntp.org",))
        await world.connect()
        assert world.asked == ["10.0.0.1", "mail.example", "pool.ntp.org"]
        assert world.steps == 1

    scene(play)


def test_a_clock_that_is_right_holds_nobody_up_and_is_not_moved() -> None:
    async def play() -> None:
        world = World(FakeClock(RIGHT_S))
        assert await world.connect() == 0
        await asyncio.sleep(5)
        assert world.asked == ["10.0.0.1"] and world.steps == 0

    scene(play)


def test_the_mail_waits_no_longer_than_that(caplog: pytest.LogCaptureFixture) -> None:
    async def play() -> None:
        world = World(FakeClock(), knows=(), after_s=8.0)
        assert await world.connect() == pytest.approx(READY_S, abs=1.1)
        await asyncio.sleep(60)
        assert world.steps == 0
        assert "no server gave the time" in caplog.text

    scene(play)


def test_only_the_configured_servers_are_asked() -> None:
    async def play() -> None:
        world = World(FakeClock(), ClockConfig(servers=("nowhere.example", "t.example")), knows=("t.example",))
        await world.connect()
        assert world.asked == ["t.example"] and world.steps == 1

    scene(play)


def test_a_clock_that_cant_be_set_is_reported(caplog: pytest.LogCaptureFixture) -> None:
    async def play() -> None:
        world = World(FakeClock(refuses="not allowed"))
        await world.connect()
        assert world.steps == 0
        assert "not allowed" in caplog.text

    scene(play)


def test_where_chrony_runs_its_step_is_noticed() -> None:
    async def play() -> None:
        world = World(FakeClock(chrony=True))

        async def chrony() -> None:
            await asyncio.sleep(3)
            world.clock.base_s += RIGHT_S

        stepping = asyncio.create_task(chrony())
        assert await world.connect() == pytest.approx(3.0, abs=1.1)
        await asyncio.sleep(2)
        assert (world.asked, world.steps) == ([], 1)
        world.setter.line_down()
        await stepping

    scene(play)


def test_never_means_never() -> None:
    async def play() -> None:
        world = World(FakeClock(), ClockConfig(source=ClockSource.NEVER))
        assert await world.connect() == 0
        assert world.asked == []

    scene(play)


def test_a_line_that_goes_down_ends_the_asking() -> None:
    async def play() -> None:
        world = World(FakeClock(), after_s=5.0)
        world.setter.line_up(UP)
        await asyncio.sleep(1)
        world.setter.line_down()
        await asyncio.sleep(30)
        assert world.steps == 0 and world.asked == ["10.0.0.1"]

    scene(play)
