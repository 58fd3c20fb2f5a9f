"""The simulated board's lines, on gpiozero's own mock pins: the whole panel is real, except for the kernel's part.

Runs in the event loop, like the owner of the real lines.
"""

from __future__ import annotations

import asyncio

from gpiozero.pins.mock import MockFactory

from dialpost.core.panel.board import Board
from dialpost.core.panel.lights import Led
from dialpost.edge.panel.gpio.panel import BoardPanel


class SimulatedLines:
    """A board's lamps to look at, and a finger for its button."""

    def __init__(self) -> None:
        self._factory = MockFactory()
        self._board: Board | None = None
        self._down_since_s: float | None = None
        self._lets_go: asyncio.TimerHandle | None = None

    async def open(self, board: Board, brightness: int) -> BoardPanel:
        """The lines of a board whose lights are plain."""
        self._board = board
        return BoardPanel(board, 100, lambda label: self._factory)

    def lit(self, led: Led) -> bool:
        """Whether the light that shows this is lit now; False before the lines are open."""
        for light in self._board.lights if self._board is not None else ():
            if light.shows == (led,):
                return bool(self._factory.pin(light.line).state) is not light.active_low
        return False

    def hold(self, seconds: float | None) -> None:
        """Put a finger on the button for this long; None = until `let_go`. A finger that is there already stays."""
        if self._board is None or self._board.button is None or self._down_since_s is not None:
            return
        loop = asyncio.get_running_loop()
        self._down_since_s = loop.time()
        self._contact(True)
        if seconds is not None:
            self._lets_go = loop.call_later(seconds, self.let_go)

    def let_go(self) -> None:
        """Take the finger away."""
        if self._lets_go is not None:
            self._lets_go.cancel()
            self._lets_go = None
        if self._down_since_s is not None:
            self._down_since_s = None
            self._contact(False)

    @property
    def held_s(self) -> float | None:
        """How long the button has been down; None = it is up."""
        return None if self._down_since_s is None else asyncio.get_running_loop().time() - self._down_since_s

    def _contact(self, closed: bool) -> None:
        button = self._board.button if self._board is not None else None
        assert button is not None
        pin = self._factory.pin(button.line)
        if closed is button.active_low:
            pin.drive_low()
        else:
            pin.drive_high()
