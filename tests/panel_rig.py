"""The front panel in virtual time: a board's lamps and button on gpiozero's MockFactory, a station's calls made up.

gpiozero's clock is the loop's, so that what a pin did is known to the millisecond.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Coroutine
from typing import Any

import gpiozero.pins.mock
import pytest
from gpiozero.pins.mock import MockFactory, MockPWMPin

from dialpost.core.call_reason import CallReason
from dialpost.core.config.panel import PanelConfig
from dialpost.core.errors import StorageError
from dialpost.core.line.call.states import CallState
from dialpost.core.panel.board import parse_board
from dialpost.edge.panel.gpio.panel import BoardPanel
from dialpost.flow.panel.button import FrontPanel
from dialpost.flow.panel.lamps import PanelLamps
from dialpost.flow.panel.state import Panel
from fakes import now, run_virtual

HEAD = 'title = "Rig"\nsource = "made up"\n[gpio]\nchip = "rig"\nlines = 28\n'
FOUR = (
    HEAD
    + "".join(
        f'[[led]]\nname = "{name}"\nshows = ["{name}"]\nline = {line}\n'
        for name, line in (("line", 5), ("fault", 6), ("mail", 13), ("power", 19))
    )
    + "[[button]]\nline = 26\n"
)
ALL = 'shows = ["line", "fault", "mail", "power"]\n'
ONE = HEAD + f'[[led]]\nname = "station"\n{ALL}line = 5\nactive_low = true\n[[button]]\nline = 26\n'
RGB = HEAD + f'[[led]]\nname = "station"\n{ALL}red = 5\ngreen = 6\nblue = 13\n[[button]]\nline = 26\n'

History = list[tuple[float, float]]


class FakeCalls:
    """A call manager that obeys at once, and notes it."""

    def __init__(self, panel: Panel) -> None:
        self._panel = panel
        self.state = CallState.IDLE
        self.told: list[tuple[float, str]] = []

    def become(self, state: CallState) -> None:
        self.state = state
        self._panel.call(state)

    def request(self, reason: CallReason) -> str:
        self.told.append((round(now(), 3), f"request {reason.value}"))
        return "Dialling."

    def cancel(self, at_once: bool) -> str:
        self.told.append((round(now(), 3), "hang up" if at_once else "stop"))
        return "Hanging up."


class FakeReset:
    def __init__(self) -> None:
        self.asked: list[tuple[float, str]] = []
        self.fails = False

    async def request(self, by: str) -> str:
        if self.fails:
            raise StorageError("the card is full")
        self.asked.append((round(now(), 3), by))
        return "The station restarts and is reset."


class PanelRig:
    """Everything of the panel but the kernel; made inside the running loop."""

    def __init__(self, board: str = FOUR, config: PanelConfig | None = None, *, down: bool = False) -> None:
        self.config = config or PanelConfig()
        self.board = parse_board("rig", board, "rig.toml")
        self.factory = MockFactory(pin_class=MockPWMPin if self.config.brightness < 100 else None)
        if down:
            self.hand_before = self.factory.pin(26)
        self.panel = Panel()
        self.hardware = BoardPanel(self.board, self.config.brightness, lambda label: self.factory)
        self.calls, self.reset = FakeCalls(self.panel), FakeReset()
        self.clock: str | None = "12:00"
        self.front = FrontPanel(self.config, self.panel, self.reset, lambda: self.clock)
        self.front.calls = self.calls
        self.lamps = PanelLamps(self.panel, self.hardware, [light.shows for light in self.board.lights])
        self.hand = self.factory.pin(26)
        if down:
            self.hand.drive_low()

    async def __aenter__(self) -> PanelRig:
        self.panel.started()
        self.front.begin(self.hardware.listen(self.front.edge))
        self._tasks = [asyncio.create_task(self.lamps.run()), asyncio.create_task(self.front.run())]
        await asyncio.sleep(0)
        return self

    async def __aexit__(self, *told: object) -> None:
        for task in self._tasks:
            task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.gather(*self._tasks)
        self.hardware.close()

    async def hold(self, seconds: float) -> None:
        self.hand.drive_low()
        await asyncio.sleep(seconds)
        self.hand.drive_high()

    async def until(self, at_s: float) -> None:
        await asyncio.sleep(max(0.0, at_s - now()))

    def history(self, line: int) -> History:
        """(when, level) of everything the pin ever was, from its beginning."""
        told, at_s = [], 0.0
        for since_s, state in self.factory.pin(line).states:
            at_s += since_s
            told.append((round(at_s, 3), float(state)))
        return told


def run_rig(story: Callable[[], Coroutine[Any, Any, None]], monkeypatch: pytest.MonkeyPatch) -> None:
    """Run the story in virtual time, gpiozero's clock included."""
    monkeypatch.setattr(gpiozero.pins.mock, "monotonic", now)
    run_virtual(story())
