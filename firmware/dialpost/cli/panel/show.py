"""`dialpost panel show PHASE`: the panel while no daemon drives it: boot, shutdown, update, a crash.

systemd units run it (systemd/README.md). Only one process at a time can hold the lines. If the daemon has them, it
shows the phase at this command's request over its control socket, as long as the command runs; if nobody has them,
this command opens them and releases them when it ends. Without a board it does nothing, and succeeds: a station
needs no lights.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import signal
import sys
from typing import Any

from dialpost.cli.station import control_path, load_config
from dialpost.core.config.model import Config, PanelConfig
from dialpost.core.control.panel import SHOW, WishedPhase
from dialpost.core.errors import ConfigError, DialpostError, LineBusyError, NotFoundError
from dialpost.core.panel.board import Board
from dialpost.core.panel.station_state import Phase
from dialpost.edge.control_socket import ControlClient
from dialpost.flow.panel.lamps import PanelLamps
from dialpost.flow.panel.state import Panel
from dialpost.front_panel import find_board

PHASES = (Phase.BOOT, Phase.SHUTDOWN, Phase.UPDATE, Phase.CRASHED)
WAIT_S = 20.0
"""How long the chip may take to appear at power-on, and another process to release the lines."""
DAEMON_S = 5.0
"""How long the daemon may take to answer."""
RENEW_S = 10.0
"""How often the request to the daemon is repeated; it forgets one after 30 s."""


def add_parser(commands: Any) -> None:
    """Add `panel` to the command line."""
    parser = commands.add_parser("panel")
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)
    show = actions.add_parser(
        "show",
        help="show one phase until terminated (systemd's units do this)",
        description="Show a phase on the panel until SIGTERM or SIGINT. If the daemon runs, it shows the phase; "
        "otherwise this command takes the GPIO lines and releases them at the end. Exit status: 0 shown, or no "
        "panel; 1 the GPIO lines are not available.",
    )
    show.add_argument("phase", choices=[phase.value for phase in PHASES], help="what the system is doing")
    show.set_defaults(func=_show)


def _show(args: argparse.Namespace) -> int:
    config = Config()
    with contextlib.suppress(NotFoundError, ConfigError):  # even before the set-up there is a panel
        config = load_config(args)
    try:
        board = find_board(config.panel)
    except (NotFoundError, ConfigError) as error:
        if config.panel.board:
            raise
        sys.stderr.write(f"dialpost: {error}\n")  # no board folder: nothing to show on
        return 0
    if board is None or board.is_simulated:
        return 0
    daemon = ControlClient(control_path(args), DAEMON_S)
    return asyncio.run(_run(config.panel, board, daemon, Phase(args.phase)))


async def _run(config: PanelConfig, board: Board, daemon: ControlClient, phase: Phase) -> int:
    loop, end = asyncio.get_running_loop(), asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, end.set)
    showing = asyncio.create_task(_show_until_ended(config, board, daemon, phase))
    ending = asyncio.create_task(end.wait())
    await asyncio.wait({showing, ending}, return_when=asyncio.FIRST_COMPLETED)
    ending.cancel()
    if showing.done():
        return showing.result()
    showing.cancel()
    await asyncio.gather(showing, return_exceptions=True)
    return 0


async def _show_until_ended(config: PanelConfig, board: Board, daemon: ControlClient, phase: Phase) -> int:
    """Through the daemon if it runs and can show this phase, otherwise directly on the lines."""
    is_asked = phase in {Phase.UPDATE, Phase.SHUTDOWN}
    while True:
        try:  # there is no event to wait for: a daemon does not announce its end
            while is_asked and await _told_daemon(daemon, phase):
                await asyncio.sleep(RENEW_S)
        finally:
            if is_asked:
                await asyncio.shield(_told_daemon(daemon, Phase.RUNNING))
        try:
            await _on_lines(config, board, phase)
        except LineBusyError:
            if is_asked:
                continue  # a daemon that is just starting: it will answer in a moment
            raise


async def _told_daemon(daemon: ControlClient, phase: Phase) -> bool:
    """Whether a daemon answered."""
    try:
        wished = WishedPhase(phase.value)
        await asyncio.to_thread(lambda: daemon.ask(SHOW, phase=wished))
    except DialpostError:
        return False
    return True


async def _on_lines(config: PanelConfig, board: Board, phase: Phase) -> None:
    """Until cancelled. Raises: GpioError."""
    from dialpost.edge.panel.gpio.panel import open_panel

    hardware = await open_panel(board, config.brightness, WAIT_S)
    panel = Panel()
    panel.phase(phase)
    try:
        await PanelLamps(panel, hardware, [light.shows for light in board.lights]).run()
    finally:
        hardware.close()
