"""`dialpost board`: which boards there are, what is on which pin, and whether the LEDs and the button work."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import textwrap
from typing import Any

from dialpost.cli.arguments import json_option
from dialpost.cli.output import print_answer, table
from dialpost.cli.station import control_path, load_config
from dialpost.core.config.panel import PanelConfig
from dialpost.core.control import local
from dialpost.core.control.panel import LONGEST_TEST_S, TEST
from dialpost.core.errors import ConfigError, NotFoundError
from dialpost.core.panel.board import NO_LINE, Board, Light
from dialpost.edge.control_socket import ControlClient
from dialpost.edge.system.board_files import BoardFiles, machine_model
from dialpost.flow.panel.walk import walk
from dialpost.front_panel import find_board

BUTTON_S = 15.0
DAEMON_S = 30.0
"""How much longer than the requested test the daemon may be silent."""


def add_parser(commands: Any) -> None:
    """Add `board` to the command line."""
    parser = commands.add_parser("board")
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)
    listing = actions.add_parser("list", help="list the boards Dialpost knows, and mark this one")
    json_option(listing)
    listing.set_defaults(func=_list)
    show = actions.add_parser("show", help="show which pin does what, and why")
    show.add_argument("name", nargs="?", help="a board's name or file (default: this machine's)")
    show.set_defaults(func=_show)
    test = actions.add_parser(
        "test",
        help="light each LED, then echo the button",
        description="Light the LEDs one after the other and say which one should be lit, then report each press "
        "of the button. If the daemon runs, it does the test, because it owns the GPIO lines. The button does "
        "not start calls meanwhile.",
    )
    test.add_argument("name", nargs="?", help="a board's name or file (default: this machine's)")
    listened = f"seconds to watch the button, at most {LONGEST_TEST_S:g} (default {BUTTON_S:g})"
    test.add_argument("--seconds", type=_seconds, default=BUTTON_S, metavar="S", help=listened)
    test.set_defaults(func=_test)


# -- list and show --------------------------------------------------------------------------------------


def _list(args: argparse.Namespace) -> int:
    files, model = BoardFiles(), machine_model()
    mine = files.board_of(model)
    if args.json:
        print_answer(tuple(_json(board, mine) for board in files.boards()))
        return 0
    rows = [
        ("*" if mine is not None and board.name == mine.name else "", board.name, board.text.title, _lights(board))
        for board in files.boards()
    ]
    print(table(("", "NAME", "BOARD", "LIGHTS"), rows))
    if mine is not None:
        print(f"\n* is this machine ({model}).")
    else:
        print(f"\nThis machine is not one of them ({model or 'its device tree has no name'}).")
    print("`dialpost board show NAME` lists the pins. To choose another board, set panel.board.")
    return 0


def _json(board: Board, mine: Board | None) -> local.Board:
    return local.Board(
        name=board.name,
        title=board.text.title,
        lights=len(board.lights),
        is_this_machine=mine is not None and board.name == mine.name,
    )


def _lights(board: Board) -> str:
    if len(board.lights) == 1:
        return "one, three-colour" if board.lights[0].is_coloured else "one"
    coloured = sum(light.is_coloured for light in board.lights)
    plain = len(board.lights) - coloured
    return f"{plain}" + (f" and {coloured} three-colour" if coloured else "")


def _show(args: argparse.Namespace) -> int:
    board = _board(args)
    print(f"{board.name}: {board.text.title}")
    print(f"  chip: {', '.join(board.chips)}, lines 0 to {board.gpio.lines - 1}\n")
    rows = [
        ("LED " + light.name, _pins(light), _polarity(light.active_low), _stands_for(light))
        for light in board.lights
    ]
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
        with contextlib.suppress(NotFoundError, ConfigError):  # a station that is not set up has pins nevertheless
            name = load_config(args).panel.board
    board = find_board(PanelConfig(board=name))
    if board is None:
        raise NotFoundError(
            f"Dialpost doesn't know this machine ({machine_model() or 'no device tree'}). Give the name of a "
            "board; `dialpost board list` lists them."
        )
    return board


# -- test -----------------------------------------------------------------------------------------------


def _test(args: argparse.Namespace) -> int:
    board = _board(args)
    if board.is_simulated:
        print("The simulated board is drawn in the terminal: `make run` shows it.")
        return 0
    daemon = ControlClient(control_path(args), args.seconds + DAEMON_S)
    if daemon.available():  # it has the lines
        named = board.name if args.name else ""
        daemon.follow(TEST, _say, args.seconds + DAEMON_S, board=named, seconds=args.seconds)
        return 0
    return asyncio.run(_walk(board, args.seconds))


async def _walk(board: Board, seconds: float) -> int:
    from dialpost.edge.panel.gpio.panel import open_panel

    lines = await open_panel(board, 100, 0.0)
    try:
        await walk(board, lines, seconds, _say)
    finally:
        lines.close()
    return 0


def _say(line: str) -> None:
    print(line, flush=True)


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds <= LONGEST_TEST_S:
        raise argparse.ArgumentTypeError(f"must be a number of seconds from 0 to {LONGEST_TEST_S:g}")
    return seconds
