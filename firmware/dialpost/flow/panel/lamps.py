"""Shows the panel's state on a board's lamps: which are lit now, and when that next changes.

One task; it sleeps until the state changes or a pattern's next step is due. When a lamp's pattern changes, the new
one starts from its beginning, so that flashes can be counted from the first.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from typing import Protocol

from dialpost.core.panel.lights import Led, Shown, light
from dialpost.core.panel.station_state import StationState
from dialpost.flow.panel.state import Lights, Panel

Colour = tuple[float, float, float]


class Lamps(Protocol):
    """The lamps' hardware: edge/panel/gpio, or a picture."""

    def show(self, index: int, colour: Colour | None) -> None:
        """Light the lamp of that number in that colour (red, green, blue from 0 to 1); None = dark."""


class PanelLamps:
    """`stands_for` says for each lamp which lights it shows, possibly several."""

    def __init__(self, panel: Panel, lamps: Lamps, stands_for: Sequence[tuple[Led, ...]]) -> None:
        self._panel, self._lamps, self._stands_for = panel, lamps, stands_for
        self._shown = [Shown(light((), panel.state).pattern)] * len(stands_for)
        self._since_s = [0.0] * len(stands_for)
        self._lit: list[Colour | None] = [None] * len(stands_for)
        self._changed = asyncio.Event()
        self._are_lent = False

    def lend(self) -> None:
        """Somebody else controls the lamps until `take_back`. They are dark when lent and when returned."""
        self._are_lent = True
        for index, colour in enumerate(self._lit):
            if colour is not None:
                self._lamps.show(index, None)
                self._lit[index] = None

    def take_back(self) -> None:
        """Show the state again."""
        self._are_lent = False
        self._changed.set()

    async def run(self) -> None:
        """Run until cancelled. The lamps then stay as they are: whoever opened the lines releases them."""
        unwatch = self._panel.watch(self._note)
        try:
            while True:
                self._changed.clear()
                left_ms = self._draw(asyncio.get_running_loop().time())
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._changed.wait(), None if left_ms is None else left_ms / 1000)
        finally:
            unwatch()

    def _note(self, state: StationState, lights: Lights) -> None:
        self._changed.set()

    def _draw(self, now_s: float) -> int | None:
        """Set the lamps; returns after how many milliseconds the first of them changes, None = none does."""
        if self._are_lent:
            return None
        due = []
        for index, leds in enumerate(self._stands_for):
            shown = light(leds, self._panel.state)
            if shown != self._shown[index]:
                self._shown[index], self._since_s[index] = shown, now_s
            is_lit, left_ms = shown.pattern.step_at(round((now_s - self._since_s[index]) * 1000))
            colour = shown.colour.value if is_lit and shown.colour is not None else None
            if colour != self._lit[index]:
                self._lit[index] = colour
                self._lamps.show(index, colour)
            if left_ms is not None:
                due.append(left_ms)
        return min(due, default=None)
