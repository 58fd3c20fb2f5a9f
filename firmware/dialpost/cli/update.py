"""`dialpost update FILE`: verify an update, write it to the slot that does not run, and start it next. For root.

What runs goes on until the reboot; mail and configuration lie elsewhere and stay. The new release then has three
starts to prove itself (dialpost-health.service), else the one before comes back.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from dialpost.core.errors import UpdateError
from dialpost.core.update_rules import refusal, release_in, running_release
from dialpost.edge.rauc import Rauc

_OS_RELEASE = Path("/etc/os-release")
_PANEL = "dialpost-panel-update.service"


def add_parser(commands: Any) -> None:
    """Add `update` to the command line."""
    parser = commands.add_parser(
        "update", help="install a new release from a file (root)",
        description="Verify an update (.raucb) and write it to the slot that does not run. What runs goes on; the "
        "new release begins with the next start, and has three of those to prove itself. Exit status: 0 installed, "
        "1 refused or failed (the reason is said), nothing has changed then.",
    )  # fmt: skip
    parser.add_argument("file", type=Path, help="the update, from a USB stick or copied here")
    parser.add_argument("--check", action="store_true", help="only say what it is and whether it may be installed")
    parser.add_argument("--reboot", action="store_true", help="start it at once when it is written")
    parser.set_defaults(func=_update)


def _update(args: argparse.Namespace) -> int:
    return update(args.file, Rauc(), is_check=args.check, is_reboot=args.reboot)


def update(
    file: Path, rauc: Rauc, *, is_check: bool, is_reboot: bool, os_release: Path = _OS_RELEASE
) -> int:  # fmt: skip
    """Check, and install unless only that was asked for. Raises: UpdateError; nothing has changed then."""
    try:
        running = running_release(os_release.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise UpdateError(f"There is nothing here to update: {error}.") from error
    if not file.is_file():
        raise UpdateError(f"There is no file {file}.")
    try:
        offered = release_in(rauc.info(file))
    except ValueError as error:
        raise UpdateError(f"{file.name} is no update for this station: {error}.") from error
    if why := refusal(offered, running):
        raise UpdateError(f"{why} Nothing was changed.")
    sys.stdout.write(f"{file.name}: version {offered.version}; what runs is version {running.version}.\n")
    if is_check:
        return 0
    if os.geteuid() != 0:
        raise UpdateError("Installing an update needs root.")
    _panel("start")
    try:
        rauc.install(file, lambda line: print(line, flush=True))
    finally:
        _panel("stop")
    if is_reboot:
        subprocess.run(["systemctl", "--no-block", "reboot"], check=False)
        sys.stdout.write("It is installed; the station starts anew.\n")
    else:
        sys.stdout.write("It is installed, and begins with the next start.\n")
    return 0


def _panel(verb: str) -> None:
    """The lights tell of it where there are any; an update does not hang on them."""
    subprocess.run(["systemctl", "--no-block", verb, _PANEL], check=False, capture_output=True)
