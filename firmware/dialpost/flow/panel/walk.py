"""A panel test: each light in turn, then what the button does, in words for whoever is watching.

It is run by the owner of the lines: the daemon while it runs (front_panel), otherwise the command itself
(cli/panel/board). The button has no effect meanwhile. Runs in the event loop.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import Protocol

from dialpost.core.panel.board import Board
from dialpost.core.panel.button import Action, Button
from dialpost.core.panel.lights import Colour

LIT_S = 1.0

OnEdge = Callable[[bool, float], None]
Say = Callable[[str], None]

_MEANS = {
    Action.PRESSED: "a press: dial and fetch, or hang up after the current message",
    Action.HANG_UP: "held over 3 s: hang up at once",
    Action.OFFER: "held over 10 s: the factory reset would be offered",
    Action.CALLED_OFF: "the offer is over",
    Action.RESET: "pressed once more: the station would be reset",
    Action.STUCK: "held over 30 s: it would count as stuck",
    Action.FREED: "it is free again",
}


class Lines(Protocol):
    """The subset of edge/panel/gpio/panel.BoardPanel needed here."""

    def show(self, index: int, colour: tuple[float, float, float] | None) -> None:
        """Light the lamp of that number in that colour; None = dark."""

    def listen(self, on_edge: OnEdge) -> bool:
        """Call `on_edge(closed, time)` from now on; whether the button is down now."""


async def walk(board: Board, lines: Lines, seconds: float, say: Say) -> None:
    """The whole test. At the end, or when cancelled, the lights are dark, and the button's lender listens to it
    again."""
    say(f"{board.name}: {board.text.title}")
    await _walk_lights(board, lines, say)
    await _echo_button(board, lines, seconds, say)


async def _walk_lights(board: Board, lines: Lines, say: Say) -> None:
    for index, light in enumerate(board.lights):
        if not light.is_coloured:
            looks = {"RED": Colour.WHITE}
            words = [f"LED {light.name} (line {light.line}, {light.colour.value}) is lit"]
        else:
            looks = {name: Colour[name] for name in ("RED", "GREEN", "BLUE")}
            words = [f"LED {light.name} is {name} (line {line})" for name, line in light.lines.items()]
        for colour, said in zip(looks.values(), words, strict=True):
            say(f"  {said} ...")
            lines.show(index, colour.value)
            try:
                await asyncio.sleep(LIT_S)
            finally:
                lines.show(index, None)
    say("  all are dark" if board.lights else "  it has no LEDs")


async def _echo_button(board: Board, lines: Lines, seconds: float, say: Say) -> None:
    """Report every edge and what it would mean, until the time is over."""
    if board.button is None:
        say("  it has no button")
        return
    loop = asyncio.get_running_loop()
    until_s = loop.time() + seconds
    changed = asyncio.Event()
    since = {"down": loop.time()}

    def tell(actions: list[Action]) -> None:
        for action in actions:
            say(f"  that is {_MEANS[action]}")

    def edge(closed: bool, at_s: float) -> None:
        if closed:
            since["down"] = at_s
            say("  button: down")
        else:
            say(f"  button: up after {at_s - since['down']:.2f} s")
        tell(button.contact(closed, at_s))
        changed.set()

    down = lines.listen(edge)
    button = Button(loop.time(), down=down)
    is_now = "DOWN: it counts as stuck" if down else "up"
    say(f"  button {board.button.name} (line {board.button.line}) is {is_now}; press it within {seconds:g} s ...")
    while (left_s := until_s - loop.time()) > 0:
        changed.clear()
        due_s = button.deadline_s
        wait_s = left_s if due_s is None else max(0.001, min(left_s, due_s - loop.time()))
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(changed.wait(), wait_s)
        tell(button.tick(loop.time()))
    say("  done")
