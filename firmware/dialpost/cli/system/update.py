"""`dialpost update FILE`: verify an update, write it to the slot that is not running, and start it next.

The running release continues until the reboot; mail and configuration are elsewhere and stay. The new release then
has three starts to prove itself (dialpost-health.service), otherwise the previous one comes back. Root does it
directly; the console's user has dialpost-update.service do it.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from collections.abc import Callable
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

from dialpost.cli.arguments import json_option
from dialpost.cli.output import print_answer
from dialpost.cli.station import control_client, load_config
from dialpost.cli.system.boot_slots import running_slot
from dialpost.core.config.model import StationConfig
from dialpost.core.control.local import UpdateNow
from dialpost.core.control.station import UPDATE_LOOK, UPDATE_SEEN, UPDATE_STATUS
from dialpost.core.errors import ConfigError, ControlError, DialpostError, NotFoundError, UpdateError, fault_words
from dialpost.core.system.boot.state import Slot
from dialpost.core.system.update.record import UpdateRecord, UpdateState
from dialpost.core.system.update.rules import Release, refusal, release_in, running_release
from dialpost.edge.system.boot.trial import BootTrial
from dialpost.edge.system.update.bundle_download import copied, fetched, is_address
from dialpost.edge.system.update.file import RECORD, UpdateFile, boot_id
from dialpost.edge.system.update.rauc import Rauc
from dialpost.edge.system.update.unit import DONE, UpdateUnit, wished
from dialpost.edge.system.usb import sticks as usb_sticks

_OS_RELEASE = Path("/etc/os-release")
_CMDLINE = Path("/proc/cmdline")
_PANEL = "dialpost-panel-update.service"
_SUFFIX = ".raucb"


def add_parser(commands: Any) -> None:
    """Add `update` to the command line."""
    parser = commands.add_parser(
        "update",
        description="Verify an update (.raucb) and write it to the inactive slot. The station keeps running; the "
        "new release starts with the next reboot. It has three starts to prove itself; otherwise the station "
        "rolls back to the previous release. Mail, accounts and configuration stay. Without FILE, show the "
        "running release and the result of the last update. Exit status: 0 installed; 1 refused or failed, and "
        "nothing has changed (the reason is on standard error).",
    )
    parser.add_argument(
        "file",
        nargs="?",
        metavar="FILE",
        help="a file, a file name on the USB stick, or an http:// address on the LAN; `usb` means the newest "
        "*.raucb on the stick",
    )
    parser.add_argument(
        "--check", action="store_true", help="only show its version and whether it can be installed"
    )
    parser.add_argument("--reboot", action="store_true", help="reboot into the new release once it is written")
    parser.add_argument("--wished", action="store_true", help=argparse.SUPPRESS)  # dialpost-update.service
    json_option(parser)
    parser.set_defaults(func=_update)


def _update(args: argparse.Namespace) -> int:
    folder = _data_dir(args)
    if args.wished:
        return _do_wish(folder)
    if args.file is None:
        return _tell_state(args)
    with ExitStack() as stack:
        is_root, is_remote = os.geteuid() == 0, is_address(args.file)
        into = RECORD.parent if is_root else folder  # the station's user could redirect root's write
        file = stack.enter_context(fetched(args.file, into, _say)) if is_remote else find(args.file)
        install = Installer().install if is_root else UpdateUnit(folder).install
        status = update(file, Rauc(), install, is_check=args.check, is_reboot=args.reboot)
    with suppress(ControlError):  # none may run; `status` then shows what is waiting
        control_client(args).ask(UPDATE_LOOK)
    return status


def find(text: str, sticks: Callable[[], list[Path]] = usb_sticks.mounted) -> Path:
    """The intended file. Raises: UpdateError."""
    path = Path(text)
    if path.is_file():
        return path.resolve()
    try:
        found = [file for stick in sticks() for file in stick.glob(f"*{_SUFFIX}") if file.is_file()]
    except OSError as error:
        raise UpdateError(f"Can't read the USB stick: {error.strerror or error}.") from error
    if text == "usb":
        if found:
            return max(found, key=lambda file: file.stat().st_mtime)
        raise UpdateError(f"No USB stick has a *{_SUFFIX} file in its top folder.")
    named = [file for file in found if file.name in {text, text + _SUFFIX}]
    if named:
        return named[0]
    there = ", ".join(sorted(file.name for file in found))
    raise UpdateError(f"No such file: {text}." + (f" Files on the stick: {there}." if there else ""))


def update(
    file: Path,
    rauc: Rauc,
    install: Callable[[Path, Callable[[str], None]], None],
    *,
    is_check: bool,
    is_reboot: bool,
    os_release: Path = _OS_RELEASE,
    restart: Callable[[], bool] | None = None,
) -> int:
    """Check, and install unless only a check was requested. Raises: UpdateError; nothing has changed then."""
    offered, running = judge(file, rauc, os_release)
    _say(f"{file.name}: version {offered.name}; version {running.name} is running.")
    if is_check:
        return 0
    install(file, _say)
    if is_reboot and (restart or _restart)():
        _say("Installed. The station is restarting.")
    else:
        _say("Installed. It starts with the next reboot: `reboot`.")
    return 0


def _restart() -> bool:
    """Whether systemd can do it; if not, the reason is printed."""
    done = subprocess.run(
        ["systemctl", "--no-ask-password", "--no-block", "reboot"], capture_output=True, text=True, check=False
    )
    if done.returncode:
        _say(f"The station could not be restarted: {' '.join(done.stderr.split()) or done.returncode}.")
    return done.returncode == 0


def judge(
    file: Path, rauc: Rauc, os_release: Path = _OS_RELEASE, trial: BootTrial | None = None
) -> tuple[Release, Release]:
    """The release in the bundle and the running one. Raises: UpdateError if it may not be installed."""
    if (trial or BootTrial()).is_on():  # the other slot is the only proven one
        raise UpdateError(
            "The running release is still on trial. Wait until `update` says that the update is complete."
        )
    try:
        running = running_release(os_release.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise UpdateError(f"This system can't be updated: {fault_words(error)}.") from error
    if not file.is_file():
        raise UpdateError(f"No such file: {file}.")
    try:
        offered = release_in(rauc.info(file))
    except ValueError as error:
        raise UpdateError(f"{file.name} is not an update for this station: {error}.") from error
    if why := refusal(offered, running):
        raise UpdateError(f"{why} Nothing was changed.")
    return offered, running


class Installer:
    """Root's side: writes the slot with RAUC, and records what was written.

    It works on a copy in `folder`, which is root's: on a stick or in the station's folder the file could be swapped
    between inspection and installation.
    """

    def __init__(
        self, rauc: Rauc | None = None, updates: UpdateFile | None = None, folder: Path = RECORD.parent
    ) -> None:
        self._rauc, self._updates, self._folder = rauc or Rauc(), updates or UpdateFile(), folder / "update"

    def install(self, file: Path, tell: Callable[[str], None]) -> None:
        """Raises: UpdateError; the station continues unchanged."""
        with copied(file, self._folder, tell) as own:
            self._install(own, tell)

    def _install(self, file: Path, tell: Callable[[str], None]) -> None:
        offered, running = judge(file, self._rauc)
        slot = running_slot(_CMDLINE.read_text())
        self._updates.clear()  # the slot it describes is being overwritten now
        _panel("start")
        try:
            self._rauc.install(file, tell)
        finally:
            _panel("stop")
        self._updates.write(_record(offered, running, slot.other))


def _record(offered: Release, running: Release, slot: Slot) -> UpdateRecord:
    now = boot_id()
    return UpdateRecord(f"{now}-{os.getpid()}", UpdateState.INSTALLED, offered.name, running.name, slot, now)


def _do_wish(folder: Path) -> int:
    """dialpost-update.service: the output here is shown to whoever requested the update."""
    try:
        Installer().install(wished(folder), _say)
    except DialpostError as error:
        _say(str(error))
        return 1
    _say(f"{DONE}installed.")
    return 0


def _tell_state(args: argparse.Namespace) -> int:
    """The running release and the outcome of the last update; what an operator has read here is marked as seen."""
    try:
        running = running_release(_OS_RELEASE.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise UpdateError(f"This system can't be updated: {fault_words(error)}.") from error
    if not args.json:
        _say(f"Version {running.name} is running.")
    try:
        words = control_client(args).ask(UPDATE_STATUS).words
        control_client(args).ask(UPDATE_SEEN)
    except ControlError:  # no station runs: it is waiting to be set up, or on trial
        record = UpdateFile().now()
        words = record.words if record is not None else ""
    if args.json:
        print_answer(UpdateNow(version=running.name, words=words))
    else:
        _say(words or "No update has been installed yet.")
    return 0


def _data_dir(args: argparse.Namespace) -> Path:
    try:
        return Path(load_config(args).station.data_dir)
    except (ConfigError, NotFoundError):
        return Path(StationConfig().data_dir)


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def _panel(verb: str) -> None:
    """Shown on the lights if there are any; an update does not depend on them."""
    subprocess.run(["systemctl", "--no-block", verb, _PANEL], check=False, capture_output=True)
