"""`dialpost board`: which boards there are, what is on which pin, and whether the LEDs and the button work."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import textwrap
from typing import TYPE_CHECKING, Any

from dialpost.cli.output import table
from dialpost.cli.station import load_config
from dialpost.core.board import NO_LINE, Board, Light
from dialpost.core.button import Action, Button
from dialpost.core.config_panel import PanelConfig
from dialpost.core.errors import ConfigError, GpioError, LineBusyError, NotFoundError
from dialpost.core.panel import Colour
from dialpost.edge.board_files import BoardFiles, machine_model
from dialpost.front_panel import find_board

if TYPE_CHECKING:
    from dialpost.edge.gpio.panel import BoardPanel

LIT_S = 1.0
BUTTON_S = 15.0

_MEANS = {
    Action.PRESSED: "a press: dial and fetch, or hang up after the current message",
    Action.HANG_UP: "held over 3 s: hang up at once",
    Action.OFFER: "held over 10 s: the factory reset would be offered",
    Action.CALLED_OFF: "the offer is over",
    Action.RESET: "pressed once more: the station would be reset",
    Action.STUCK: "held over 30 s: it would count as stuck",
    Action.FREED: "it is free again",
}


def add_parser(commands: Any) -> None:
    """Add `board` to the command line."""
    parser = commands.add_parser("board", help="the board's LEDs, button and UARTs: list, show, test")
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)
    listing = actions.add_parser("list", help="the boards Dialpost knows, and which one this is")
    listing.set_defaults(func=_list)
    show = actions.add_parser("show", help="what is on which pin, and why")
    show.add_argument("name", nargs="?", help="a board's name or file (default: this machine's)")
    show.set_defaults(func=_show)
    test = actions.add_parser(
        "test", help="light each LED, then echo the button",
        description="Lights the LEDs one after the other and says which should be lit, then what the button does. "
        "The daemon must not run: one process at a time can have the lines (systemctl stop dialpost).",
    )  # fmt: skip
    test.add_argument("name", nargs="?", help="a board's name or file (default: this machine's)")
    test.add_argument("--seconds", type=float, default=BUTTON_S, metavar="S",
                      help=f"how long the button is listened to (default {BUTTON_S:g})")  # fmt: skip
    test.set_defaults(func=_test)


# -- list and show --------------------------------------------------------------------------------------


def _list(args: argparse.Namespace) -> int:
    files, model = BoardFiles(), machine_model()
    mine = files.board_of(model)
    rows = [
        ("*" if mine is not None and board.name == mine.name else "", board.name, board.text.title, _lights(board))
        for board in files.boards()
    ]
    print(table(("", "NAME", "BOARD", "LIGHTS"), rows))
    if mine is not None:
        print(f"\n* is this machine ({model}).")
    else:
        print(f"\nThis machine is none of them ({model or 'it has no name in a device tree'}).")
    print("`dialpost board show NAME` tells which pins; panel.board in the configuration names another.")
    return 0


def _lights(board: Board) -> str:
    if len(board.lights) == 1:
        return "one of three colours" if board.lights[0].is_coloured else "one"
    coloured = sum(light.is_coloured for light in board.lights)
    plain = len(board.lights) - coloured
    return f"{plain}" + (f" and {coloured} of three colours" if coloured else "")


def _show(args: argparse.Namespace) -> int:
    board = _board(args)
    print(f"{board.name}: {board.text.title}")
    print(f"  chip: {', '.join(board.chips)}, lines 0 to {board.gpio.lines - 1}\n")
    rows = [("LED " + light.name, _pins(light), _polarity(light.active_low), _stands_for(light))
            for light in board.lights]  # fmt: skip
    button = board.button
    if button is not None:
        pull = {"none": "no pull"}.get(button.bias.value, button.bias.value)
        active = f"{_polarity(button.active_low)}, {pull}"
        rows.append(("button " + button.name, f"line {button.line}", active, "(calls)"))
    print(table(("PART", "ON", "ACTIVE", "SHOWS"), rows, widest=60))
    for uart in board.text.uart:
        print(f"UART {uart.name}: {uart.device}" + (f" ({uart.note})" if uart.note else ""))
    for label, text in (("why", board.text.note), ("source", board.text.source)):
        if text:
            print(textwrap.fill(text, 100, initial_indent=f"\n{label}: ", subsequent_indent="  "))
    return 0


def _pins(light: Light) -> str:
    if not light.is_coloured:
        return f"line {light.line}"
    return ", ".join(f"{name} {line}" for name, line in light.lines.items() if line != NO_LINE)


def _polarity(active_low: bool) -> str:
    return "low" if active_low else "high"


def _stands_for(light: Light) -> str:
    return ", ".join(led.value for led in light.shows)


def _board(args: argparse.Namespace) -> Board:
    """The named board, the configured one, or this machine's. Raises: NotFoundError, ConfigError."""
    name = args.name or ""
    if not name:
        with contextlib.suppress(NotFoundError, ConfigError):  # a station that is not set up has pins all the same
            name = load_config(args).panel.board
    board = find_board(PanelConfig(board=name))
    if board is None:
        raise NotFoundError(
            f"Which board? This machine ({machine_model() or 'without a device tree'}) is none that Dialpost "
            "knows: name one; `dialpost board list` shows them."
        )
    return board


# -- test -----------------------------------------------------------------------------------------------


def _test(args: argparse.Namespace) -> int:
    board = _board(args)
    if board.is_simulated:
        print("The simulated board is a picture in the terminal: `make run` shows it.")
        return 0
    return asyncio.run(_walk(board, args.seconds))


async def _walk(board: Board, seconds: float) -> int:
    from dialpost.edge.gpio.panel import open_panel

    try:
        panel = await open_panel(board, 100, 0.0)
    except LineBusyError as error:
        raise GpioError(
            f"{error} If it is the station's own daemon: `systemctl stop dialpost`, then again."
        ) from error
    try:
        print(f"{board.name}: {board.text.title}")
        await _walk_lights(board, panel)
        await _echo_button(board, panel, seconds)
    finally:
        panel.close()
    return 0


async def _walk_lights(board: Board, panel: BoardPanel) -> None:
    for index, light in enumerate(board.lights):
        if not light.is_coloured:
            looks = {"RED": Colour.WHITE}
            words = [f"LED {light.name} (line {light.line}, {light.colour.value}) is lit"]
        else:
            looks = {name: Colour[name] for name in ("RED", "GREEN", "BLUE")}
            words = [f"LED {light.name} is {name} (line {line})" for name, line in light.lines.items()]
        for colour, said in zip(looks.values(), words, strict=True):
            print(f"  {said} ...", flush=True)
            panel.show(index, colour.value)
            await asyncio.sleep(LIT_S)
            panel.show(index, None)
    print("  all are dark" if board.lights else "  it has no LEDs", flush=True)


async def _echo_button(board: Board, panel: BoardPanel, seconds: float) -> None:
    """Say every edge and what it would mean, until the time is over."""
    if board.button is None:
        print("  it has no button")
        return
    loop = asyncio.get_running_loop()
    until_s = loop.time() + seconds
    changed = asyncio.Event()
    since = {"down": 0.0}

    def edge(closed: bool, at_s: float) -> None:
        if closed:
            since["down"] = at_s
            print("  button: down", flush=True)
        else:
            print(f"  button: up after {at_s - since['down']:.2f} s", flush=True)
        _tell(button.contact(closed, at_s))
        changed.set()

    down = panel.listen(edge)
    button = Button(loop.time(), down=down)
    now = "DOWN: it counts as stuck" if down else "up"
    print(f"  button {board.button.name} (line {board.button.line}) is {now}; press it within {seconds:g} s ...")
    while (left_s := until_s - loop.time()) > 0:
        changed.clear()
        due_s = button.deadline_s
        wait_s = left_s if due_s is None else max(0.001, min(left_s, due_s - loop.time()))
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(changed.wait(), wait_s)
        _tell(button.tick(loop.time()))
    print("  done", flush=True)


def _tell(actions: list[Action]) -> None:
    for action in actions:
        print(f"  that is {_MEANS[action]}", flush=True)
