"""`dialpost daemon`: run the station in the foreground (systemd does this)."""

from __future__ import annotations

import argparse
import asyncio
import gc
import logging
import os
import sys
from typing import Any

from dialpost.cli.arguments import file_path
from dialpost.core.errors import ConfigError
from dialpost.edge.config.file import ConfigFile
from dialpost.edge.system.log.tail import LineFormatter
from dialpost.edge.system.log.writer import LogWriter

_DESCRIPTION = """\
Run the mail station in the foreground until SIGTERM or SIGINT; SIGHUP reloads the configuration file. Logs go to
standard error. Without a usable configuration the daemon waits to be set up: it serves the control socket for the
console and `dialpost config`, and accepts mail as soon as a first configuration is committed.
Exit status: 0 stopped on request, 1 can't start (the reason is on standard error).
"""


def add_parser(commands: Any) -> None:
    """Add `daemon` to the command line."""
    parser = commands.add_parser(
        "daemon",
        description=_DESCRIPTION,
    )
    parser.add_argument(
        "--run-dir",
        default=os.environ.get("DIALPOST_RUN_DIR", ""),
        metavar="DIR",
        help="folder of the control socket while there is no configuration (default: $DIALPOST_RUN_DIR, or the "
        "usual one)",
    )
    parser.add_argument(
        "--data-dir",
        default=os.environ.get("DIALPOST_DATA_DIR", ""),
        metavar="DIR",
        help="station.data_dir of the first configuration (default: $DIALPOST_DATA_DIR, or the usual one)",
    )
    first = os.environ.get("DIALPOST_FIRST_CONFIG", "")
    parser.add_argument(
        "--first-config",
        type=file_path,
        default=first or None,
        metavar="FILE",
        help="file with the initial settings of the first configuration (default: $DIALPOST_FIRST_CONFIG, or none)",
    )
    parser.set_defaults(func=_daemon)


def _daemon(args: argparse.Namespace) -> int:
    set_up_logging("info")
    # Imported here: `dialpost status` does not need the daemon's whole machinery.
    from dialpost.daemon import SetUp
    from dialpost.process import run

    # Nothing imported goes away. Frozen, it is not searched for garbage again and again while mail comes in.
    gc.freeze()
    first = ConfigFile(args.first_config).read() if args.first_config else ""
    for name in ("run_dir", "data_dir"):
        folder = getattr(args, name)
        if folder and not folder.startswith("/"):
            raise ConfigError(
                (f"--{name.replace('_', '-')} {folder}: must be an absolute path (starting with /).",)
            )
    os.umask(0o027)  # only the station and its group may read mail, queue and accounts
    return asyncio.run(run(args.config, SetUp(args.data_dir, args.run_dir, first)))


def set_up_logging(level: str) -> None:
    """One line per record on stderr; journald adds the time, for a terminal we do."""
    layout = "%(asctime)s %(levelname)s %(message)s" if sys.stderr.isatty() else "%(levelname)s %(message)s"
    writer = LogWriter(sys.stderr)
    writer.setFormatter(LineFormatter(layout))
    # No line shows where it was logged, so nobody needs to look that up (Python's logging how-to, Optimization).
    logging._srcfile = None
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    logging.basicConfig(handlers=[writer], level=level.upper(), force=True)
    logging.getLogger("asyncio").setLevel(logging.WARNING)
