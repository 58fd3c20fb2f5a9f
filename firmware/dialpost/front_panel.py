"""Wiring of the front panel: which board, its lines, its lamps and its button. Part of the daemon's wiring.

It lives as long as the process; `serve` gives it the running station. Without GPIO everything works without it, and
that is reported once. gpiozero is loaded only if there is a board.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, tzinfo
from pathlib import Path
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from dialpost.core.advice import LOG
from dialpost.core.config.model import Config
from dialpost.core.config.panel import PanelConfig
from dialpost.core.control.panel import TEST, TestParams
from dialpost.core.control.serving import Served, serve_events
from dialpost.core.errors import ConfigError, ControlError, GpioError, NotFoundError
from dialpost.core.panel.board import NO_BOARD, Board
from dialpost.edge.system.board_files import BoardFiles, machine_model
from dialpost.edge.system.clock import Clock
from dialpost.edge.system.factory_reset import FactoryReset
from dialpost.flow.panel.button import Calls, FrontPanel
from dialpost.flow.panel.lamps import PanelLamps
from dialpost.flow.panel.state import Panel
from dialpost.flow.panel.walk import Say, walk

if TYPE_CHECKING:
    from dialpost.edge.panel.gpio.panel import BoardPanel

WAIT_S = 15.0
"""How long another process (the one that shows the boot) may take to release the lines."""

_log = logging.getLogger("dialpost.panel")


def find_board(config: PanelConfig, files: BoardFiles | None = None, model: str | None = None) -> Board | None:
    """The configured board, or this machine's; None if there is none. Raises: NotFoundError, ConfigError."""
    files = files or BoardFiles()
    if config.board == NO_BOARD:
        return None
    return (
        files.board(config.board) if config.board else files.board_of(machine_model() if model is None else model)
    )


Open = Callable[[Board, int], "Awaitable[BoardPanel]"]


async def open_lines(board: Board, brightness: int) -> BoardPanel:
    """The real ones. Raises: GpioError, ImportError."""
    from dialpost.edge.panel.gpio.panel import open_panel

    return await open_panel(board, brightness, WAIT_S)


@dataclass(frozen=True, slots=True)
class _Wired:
    """A board whose lines are in use by this process."""

    board: Board
    lines: BoardPanel
    lamps: PanelLamps
    front: FrontPanel
    group: asyncio.TaskGroup

    def listen(self) -> None:
        """The button acts on the station."""
        if self.board.button is not None:
            self.front.begin(self.lines.listen(self.front.edge))


class FrontPanelOfProcess:
    """The panel of this process: `serve` each station, `close`. `simulated` makes the simulated board's lines."""

    def __init__(self, panel: Panel, simulated: Open | None = None) -> None:
        self.panel = panel
        self._simulated = simulated
        self._clock = Clock()
        self._config: PanelConfig | None = None
        self._zone: tzinfo | None = None
        self._front: FrontPanel | None = None
        self._running: asyncio.Task[None] | None = None
        self._wired: _Wired | None = None
        self._test: asyncio.Task[None] | None = None
        self._problem = ""

    def serve(self, config: Config, calls: Calls | None) -> None:
        """The calls of the station that runs now, None if none does. For another board, its lines are opened."""
        self._zone = ZoneInfo(config.schedule.timezone) if config.schedule.timezone else None
        if config.panel != self._config:
            self._begin(config)
        if self._front is not None:
            self._front.calls = calls

    async def close(self) -> None:
        """Release the lines."""
        task, self._running = self._running, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    def attention(self) -> list[str]:
        """What needs the operator, a sentence each."""
        return ([self._problem] if self._problem else []) + (self._front.attention() if self._front else [])

    def methods(self) -> dict[str, Served]:
        """The methods of the control socket by name."""
        return serve_events(TEST, self._try)

    async def _try(self, wanted: TestParams, say: Say) -> None:
        """Test every light, then the button. The button has no effect meanwhile; afterwards everything is as
        before."""
        seconds, named, wired = wanted.seconds, wanted.board, self._wired
        if wired is None:
            raise ControlError(
                self._problem
                or "The station shows no panel now: no board with lights and a button is known here, or "
                "it is just being set up. `dialpost board list` shows the boards, panel.board names one."
            )
        if named and named != wired.board.name:
            raise ControlError(
                f"The station runs with the board {wired.board.name}, and has its lines: `board test` without a "
                f"name tries that one. For the other: set panel.board {named}."
            )
        if self._test is not None and not self._test.done():
            raise ControlError("A panel test is already running: wait until it is over.")
        _log.info("panel: test for %g s; the button does not dial meanwhile", seconds)
        test = self._test = wired.group.create_task(self._walk(wired, seconds, say), name="panel-test")
        await asyncio.wait([test])
        if test.cancelled():
            raise ControlError("The panel was set up again meanwhile: retry.")
        test.result()

    async def _walk(self, wired: _Wired, seconds: float, say: Say) -> None:
        wired.lamps.lend()
        wired.front.lend()
        try:
            await walk(wired.board, wired.lines, seconds, say)
        finally:
            wired.lamps.take_back()
            wired.listen()

    def _begin(self, config: Config) -> None:
        before = self._running
        self._config, self._problem, self._front, self._running = config.panel, "", None, None
        if before is not None:
            before.cancel()
        try:
            board = find_board(config.panel)
        except (NotFoundError, ConfigError) as error:
            self._fails(str(error))
            return
        if board is None or (board.is_simulated and self._simulated is None):
            _log.info("panel: no board with lights and a button here; the station runs without")
            return
        reset = FactoryReset(Path(config.station.data_dir))
        self._front = FrontPanel(config.panel, self.panel, reset, self._hours)
        self._running = asyncio.create_task(self._run(board, config.panel, self._front, before), name="panel")

    async def _run(
        self, board: Board, config: PanelConfig, front: FrontPanel, before: asyncio.Task[None] | None
    ) -> None:
        if before is not None:
            await asyncio.gather(before, return_exceptions=True)  # it releases its lines first
        opening = self._simulated if board.is_simulated and self._simulated is not None else open_lines
        try:
            hardware = await opening(board, config.brightness)
        except (GpioError, ImportError) as error:
            self._fails(f"The panel of {board.name} does not work: {error}")
            return
        _log.info("panel: board=%s lights=%d button=%s", board.name, len(board.lights), bool(board.button))
        try:
            lamps = PanelLamps(self.panel, hardware, [light.shows for light in board.lights])
            async with asyncio.TaskGroup() as group:
                self._wired = wired = _Wired(board, hardware, lamps, front, group)
                wired.listen()
                group.create_task(lamps.run())
                group.create_task(front.run())
        except Exception:
            _log.exception("panel: failed by a bug in Dialpost; the station runs without it")
            self._problem = f"The panel does not work because of a bug in Dialpost. The log says more: {LOG}."
        finally:
            self._wired = None
            hardware.close()

    def _fails(self, problem: str) -> None:
        self._problem = problem
        _log.error("panel: %s", problem)

    def _hours(self) -> str | None:
        if not self._clock.is_trusted():
            return None
        return f"{datetime.now(self._zone):%H:%M}"
