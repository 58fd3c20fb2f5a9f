"""The console's commands about the first set-up: running the wizard again, and showing its page."""

from __future__ import annotations

import argparse
from collections.abc import Callable

from dialpost.cli.console.session import EditingSession
from dialpost.cli.console.terminal import ConsoleTerminal
from dialpost.cli.console.wizard import Site, leave_summary, set_up
from dialpost.cli.station import control_path, load_config
from dialpost.core.console.language import Order
from dialpost.core.control.accounts import LIST
from dialpost.core.errors import ConfigError, NotFoundError
from dialpost.edge.system.usb import files as stick_files
from dialpost.edge.system.usb import sticks as usb_sticks


class SetUpCommands:
    """Bound to one terminal and one session, which starts over when the wizard has committed."""

    def __init__(self, terminal: ConsoleTerminal, session: EditingSession, args: argparse.Namespace) -> None:
        self._terminal, self._session, self._args = terminal, session, args

    def handlers(self) -> dict[str, Callable[[Order], None]]:
        """The commands by name."""
        return {"setup": self._set_up, "summary": self._summary, "summary save": self._save}

    def _set_up(self, order: Order) -> None:
        if self._session.is_changed:
            raise ConfigError(("You have uncommitted changes: `commit` or `discard` them first.",))
        self._terminal.paged(False)
        if set_up(self._terminal, site_of(self._args, self._terminal)):
            self._session.open()

    def _summary(self, order: Order) -> None:
        self._terminal.say(self._page().rstrip("\n"))

    def _save(self, order: Order) -> None:
        sticks = usb_sticks.mounted()
        if not sticks:
            raise NotFoundError("No USB stick found. Plug one in (FAT, exFAT or ext4) and wait a few seconds.")
        path = stick_files.write_new(sticks[0], "dialpost-summary", self._page(), suffix=".txt")
        self._terminal.say(f"Saved as {path.name}. You can remove the stick.")

    def _page(self) -> str:
        """Made again, so that it shows the current state. Raises: ControlError if no station runs."""
        users = [account.name for account in self._session.ask(LIST)]
        return leave_summary(self._terminal, site_of(self._args, self._terminal), load_config(self._args), users)


def site_of(args: argparse.Namespace, terminal: ConsoleTerminal) -> Site:
    """Where the wizard works."""
    tty = getattr(args, "tty", None)
    return Site(args.config, control_path(args), str(tty) if tty is not None else "", terminal.tty.interruptible)
