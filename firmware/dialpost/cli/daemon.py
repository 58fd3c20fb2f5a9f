"""`dialpost daemon`: run the station in the foreground (systemd does this)."""

from __future__ import annotations

import argparse
import asyncio
import logging
import sys
from typing import Any

from dialpost.cli.station import load_config


def add_parser(commands: Any) -> None:
    """Add `daemon` to the command line."""
    parser = commands.add_parser(
        "daemon", help="run the station (systemd does this)",
        description="Run the mail station in the foreground until SIGTERM or SIGINT. Logs go to stderr. "
        "Exit status: 0 stopped on request, 1 it can't start (the reason is said).",
    )  # fmt: skip
    parser.set_defaults(func=_daemon)


def _daemon(args: argparse.Namespace) -> int:
    config = load_config(args)
    set_up_logging(config.station.log_level)
    # Imported here: the daemon's whole machinery is no business of `dialpost status`.
    from dialpost.daemon import run

    return asyncio.run(run(config, args.config))


def set_up_logging(level: str) -> None:
    """One line a record on stderr; journald adds the time, a terminal gets it from us."""
    layout = "%(asctime)s %(levelname)s %(message)s" if sys.stderr.isatty() else "%(levelname)s %(message)s"
    logging.basicConfig(stream=sys.stderr, level=level.upper(), format=layout, force=True)
    logging.getLogger("mail.log").setLevel(logging.ERROR)  # aiosmtpd's own chatter, two lines a command
    logging.getLogger("asyncio").setLevel(logging.WARNING)
