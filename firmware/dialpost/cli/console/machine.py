"""The console's commands about the station and the machine that the command line does not have."""

from __future__ import annotations

import argparse
import asyncio
import re
import time
from collections.abc import Callable
from pathlib import Path

from dialpost.cli.console.config import ConfigCommands
from dialpost.cli.console.terminal import ConsoleTerminal
from dialpost.cli.station import control_client, load_config
from dialpost.core.amounts import whole_number
from dialpost.core.config.model import Config, StationConfig
from dialpost.core.console.language import Order
from dialpost.core.control.station import LOG, LOOKUP
from dialpost.core.errors import AskCancelledError, ConfigError, DialpostError, NotFoundError
from dialpost.core.password import check_strength
from dialpost.edge.config.file import ConfigFile
from dialpost.edge.console.admin_password import AdminPassword
from dialpost.edge.system import machine
from dialpost.edge.system.factory_reset import FactoryReset
from dialpost.edge.system.usb import files as stick_files
from dialpost.edge.system.usb import sticks as usb_sticks

_LOG_LINES, _MOST_LOG_LINES = 50, 500
RESET_WORDS = "erase everything"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,60}\Z")


class StationCommands:
    """Bound to one terminal. `who` is recorded when something is done to the machine."""

    def __init__(
        self, terminal: ConsoleTerminal, args: argparse.Namespace, config: ConfigCommands, who: str
    ) -> None:
        self._terminal, self._args, self._config_commands, self._who = terminal, args, config, who

    def handlers(self) -> dict[str, Callable[[Order], None]]:
        """The commands by name."""
        return {
            "log": self._log,
            "ping": self._ping,
            "lookup": self._lookup,
            "password": lambda order: change_password(self._terminal, AdminPassword(self._args.config)),
            "save to usb": self._save_to_usb,
            "restore from usb": self._restore_from_usb,
            "shutdown": lambda order: self._end(machine.End.SHUTDOWN),
            "reboot": lambda order: self._end(machine.End.REBOOT),
            "factory-reset": self._factory_reset,
        }

    # -- looking --------------------------------------------------------------------------------------

    def _log(self, order: Order) -> None:
        text = order.arguments[0] if order.arguments else str(_LOG_LINES)
        number = whole_number(text)
        if number is None or not 0 < number <= _MOST_LOG_LINES:
            raise NotFoundError(f"LINES must be a number from 1 to {_MOST_LOG_LINES}.")
        lines = log_lines(self._args, number)
        self._terminal.say("\n".join(lines) if lines else "The log is empty.")

    def _lookup(self, order: Order) -> None:
        name, kind = (*order.arguments, "")[:2]
        self._terminal.say("\n".join(control_client(self._args).ask(LOOKUP, name=name, kind=kind)))

    def _ping(self, order: Order) -> None:
        host = order.arguments[0]
        self._terminal.paged(False)
        machine.ping(self._address_of(host), self._terminal.say)

    def _address_of(self, host: str) -> str:
        """Using the line's name servers, which only the daemon knows; otherwise the system's."""
        if ":" in host or host.replace(".", "").isdigit():
            return host
        try:
            found = control_client(self._args).ask(LOOKUP, name=host, kind="A")
        except DialpostError:
            return host
        return next((line.rpartition(" ")[2] for line in found if "  A  " in line and "none" not in line), host)

    # -- USB sticks -----------------------------------------------------------------------------------

    def _save_to_usb(self, order: Order) -> None:
        stick = _stick()
        config = ConfigFile(self._args.config)
        name = order.arguments[0].removesuffix(".toml") if order.arguments else _default_name(config)
        if not _NAME.match(name):
            raise NotFoundError(
                f"{name} is not a valid file name: use letters, digits, dots, hyphens and underscores."
            )
        if self._config_commands.is_changed:
            self._terminal.say("Saving the current configuration, without your uncommitted changes.")
        path = stick_files.write_new(stick, name, config.read())
        self._terminal.say(f"Saved as {path.name}, including secrets. You can remove the stick.")

    def _restore_from_usb(self, order: Order) -> None:
        stick = _stick()
        found = stick_files.configurations(stick)
        if not found:
            raise NotFoundError("The stick has no configuration (*.toml) in its top folder.")
        path = found[0]
        if order.arguments:
            wanted = order.arguments[0].removesuffix(".toml") + ".toml"
            path = next((each for each in found if each.name == wanted), path)
            if path.name != wanted:
                names = ", ".join(each.name for each in found)
                raise NotFoundError(f"{wanted} is not on the stick. Found: {names}.")
        self._config_commands.give_up_changes()
        self._terminal.say(f"Reading {path.name}.")
        self._config_commands.load(stick_files.read_text(path))

    # -- the machine ----------------------------------------------------------------------------------

    def _end(self, how: machine.End) -> None:
        is_shutdown = how is machine.End.SHUTDOWN
        what = "Shut down" if is_shutdown else "Restart"
        if self._terminal.ask(f"{what} the machine? Type yes: ").strip().lower() != "yes":
            self._terminal.say("Cancelled.")
            return
        machine.end(how)
        self._terminal.say(
            "Shutting down now. Switch off the power when the lights show that it is down."
            if is_shutdown
            else "Restarting now."
        )

    def _factory_reset(self, order: Order) -> None:
        terminal = self._terminal
        terminal.say("This permanently deletes all mail, all accounts, the queue and every configuration.")
        if terminal.ask("Continue? Type yes: ").strip().lower() != "yes":
            terminal.say("Nothing was deleted.")
            return
        if terminal.ask(f"To confirm, type `{RESET_WORDS}`: ").strip().lower() != RESET_WORDS:
            terminal.say("Nothing was deleted.")
            return
        reset = FactoryReset(Path(_config_or_default(self._args).data_dir))
        terminal.say(asyncio.run(reset.request(self._who)))


def _config_or_default(args: argparse.Namespace) -> StationConfig:
    try:
        config: Config = load_config(args)
    except (ConfigError, NotFoundError):
        return StationConfig()
    return config.station


def log_lines(args: argparse.Namespace, most: int) -> list[str]:
    """The newest log lines: the journal's or, without one, those that the daemon keeps.

    Raises: ControlError if neither is available.
    """
    found = machine.journal(most)
    if found is not None:
        return found
    return list(control_client(args).ask(LOG, lines=most))


def change_password(terminal: ConsoleTerminal, password: AdminPassword) -> None:
    """Ask for the old one once and for the new one twice. Raises: AskCancelledError, DialpostError."""
    if password.is_set():
        old = terminal.ask("Old password: ", secret=True)
        if not password.is_right(old):
            time.sleep(1.0)
            raise AskCancelledError("Wrong password. Nothing was changed.")
    new = terminal.ask("New password: ", secret=True)
    check_strength(new)
    if terminal.ask("Repeat: ", secret=True) != new:
        raise AskCancelledError("The passwords don't match. Nothing was changed.")
    password.set(new)
    terminal.say("Console password changed. It takes effect at the next login.")


def _stick() -> Path:
    sticks = usb_sticks.mounted()
    if not sticks:
        raise NotFoundError(
            "No USB stick found. Plug one in (FAT, exFAT or ext4) and wait a few seconds. On a machine that does "
            "not mount sticks automatically, use `save to screen` and `restore from paste`."
        )
    return sticks[0]


def _default_name(config: ConfigFile) -> str:
    try:
        host = config.load().station.hostname.partition(".")[0]
    except DialpostError:
        host = "station"
    return f"dialpost-{host}-{time.strftime('%Y%m%d')}"
