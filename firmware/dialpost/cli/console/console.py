"""`dialpost console`: log in at a serial line, over ssh or at a local terminal, and work with the station.

A thin face of the daemon's control socket. Before the first configuration it is the set-up wizard; if the
configuration can't be used or no daemon answers, the rescue menu; otherwise the command line.
"""

from __future__ import annotations

import argparse
import contextlib
import logging
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

from dialpost import __version__
from dialpost.cli.console.rescue import Left, Rescue
from dialpost.cli.console.session import EditingSession
from dialpost.cli.console.setup import site_of
from dialpost.cli.console.shell import Shell
from dialpost.cli.console.terminal import ConsoleTerminal
from dialpost.cli.console.wizard import set_up
from dialpost.cli.station import control_path, load_config
from dialpost.core.config.console import TerminalKind
from dialpost.core.config.model import Config, ConsoleConfig
from dialpost.core.console.manual import page
from dialpost.core.control.config import Opened
from dialpost.core.errors import (
    AskCancelledError,
    ConfigError,
    ControlError,
    DialpostError,
    IdleTooLongError,
    NotFoundError,
    TerminalGoneError,
)
from dialpost.edge.console.admin_password import NO_PASSWORD, AdminPassword
from dialpost.edge.console.tty import ConsoleTty
from dialpost.edge.control_socket import ControlClient
from dialpost.edge.system.privileges import DEVICE_GROUPS, become_owner_of

_log = logging.getLogger(__name__)

MOST_TRIES = 5
DAEMON_STARTS_S = 10.0
"""How long to wait for a daemon that does not answer: after a boot the console is ready first."""
_LONGEST_PAUSE_S = 30.0
_DUMB = {"", "dumb", "unknown"}

_ABOUT = """\
Open the console: log in with the admin password, show and change the configuration, operate the station.

Without --tty, the console uses this terminal, so it can be the command of an ssh login. With --tty, it serves a
serial line, one session after the other, for as long as the line exists. Inside, `help` lists the commands;
docs/console.md describes them.
"""


def add_parser(commands: Any) -> None:
    """Add `console` to the command line."""
    parser = commands.add_parser(
        "console",
        description=_ABOUT,
    )
    parser.add_argument("--tty", type=Path, metavar="DEVICE", help="serial line, for example /dev/ttyAMA0")
    parser.add_argument("--markdown", action="store_true", help="print docs/console.md and exit")
    parser.set_defaults(func=_console)


def _console(args: argparse.Namespace) -> int:
    if args.markdown:
        print(page(), end="")
        return 0
    # Everything it writes is in folders of the station's user, who could redirect root with a link.
    become_owner_of(args.config.absolute().parent, DEVICE_GROUPS)
    failures = Failures()
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _leave)
    while True:
        config = _config(args)
        tty = ConsoleTty(args.tty, config.speed_bps)
        terminal = make_terminal(tty, config, is_serial=args.tty is not None)
        try:
            Visit(terminal, args, failures).run(config.idle_min * 60.0)
        except TerminalGoneError:
            return 0
        finally:
            tty.close()
        if args.tty is None:
            return 0


def _leave(number: int, frame: object) -> None:
    """Ended from outside: handled like a lost terminal, so that the terminal is restored."""
    raise TerminalGoneError("The console was terminated.")


def _config(args: argparse.Namespace) -> ConsoleConfig:
    """[console] as far as it can be read: the console starts whatever else is wrong."""
    try:
        config: Config = load_config(args)
    except (ConfigError, NotFoundError):
        return ConsoleConfig()
    return config.console


def make_terminal(tty: ConsoleTty, config: ConsoleConfig, *, is_serial: bool) -> ConsoleTerminal:
    """For a serial line the configuration says what is at the other end; for every other terminal the environment
    does."""
    locale = next((value for name in ("LC_ALL", "LC_CTYPE", "LANG") if (value := os.environ.get(name))), "")
    dumb = config.terminal is TerminalKind.DUMB if is_serial else os.environ.get("TERM", "") in _DUMB
    utf8 = config.utf8 if is_serial else "utf" in locale.lower()
    return ConsoleTerminal(tty, dumb=dumb, utf8=utf8, idle_s=0.0)


class Failures:
    """Wrong passwords since the last right one. Each makes the next attempt wait longer."""

    def __init__(self) -> None:
        self.count = 0

    @property
    def pause_s(self) -> float:
        """How long to wait after one more."""
        return float(min(_LONGEST_PAUSE_S, 2 ** max(0, self.count - 1)))


class Visit:
    """One visit, from the greeting to the farewell."""

    def __init__(self, terminal: ConsoleTerminal, args: argparse.Namespace, failures: Failures) -> None:
        self._terminal, self._args, self._failures = terminal, args, failures
        self._who = who(args.tty)
        self._session = EditingSession(control_path(args), self._who)

    def run(self, idle_s: float) -> None:
        """Greet, let in, work. Raises: TerminalGoneError."""
        farewell = "Good-bye."
        try:
            if self._args.tty is not None:
                self._wait_for_somebody()
            self._terminal.idle_s = idle_s
            if self._let_in():
                self._work()
        except IdleTooLongError:
            lost = " Uncommitted changes are lost." if self._session.is_changed else ""
            farewell = f"\nSession closed after {idle_s / 60:g} minutes without input.{lost}\n{farewell}"
        except AskCancelledError:
            pass  # Ctrl-C or Ctrl-D at the password or in between means leaving
        finally:
            self._session.close()
        self._terminal.paged(False)
        with contextlib.suppress(IdleTooLongError):  # a terminal that accepts no output gets no farewell either
            self._terminal.say(farewell)

    def _wait_for_somebody(self) -> None:
        """A serial line does not report that somebody plugged in; Enter does. No session is open meanwhile."""
        while True:
            try:
                self._terminal.ask(f"{_greeting(self._args)} Press Enter. ")
                return
            except AskCancelledError:
                continue

    def _let_in(self) -> bool:
        password = AdminPassword(self._args.config)
        terminal = self._terminal
        if self._args.tty is None:
            terminal.say(_greeting(self._args))
        for _ in range(MOST_TRIES):
            if not password.is_set():
                return True
            try:
                if password.is_right(terminal.ask("Password: ", secret=True)):
                    self._failures.count = 0
                    return True
            except (IdleTooLongError, TerminalGoneError, AskCancelledError):
                raise
            except DialpostError as error:  # its file can't be read: no password helps
                terminal.say(str(error))
                return False
            self._failures.count += 1
            if self._args.tty is not None:  # elsewhere standard error is the user's own screen
                _log.warning("console: wrong password who=%r tries=%s", self._who, self._failures.count)
            time.sleep(self._failures.pause_s)
            terminal.drop_typed_ahead()
            terminal.say("Wrong password.")
        return False

    # -- the work -------------------------------------------------------------------------------------

    def _work(self) -> None:
        """Set-up if there is nothing yet, rescue if something is broken, otherwise the command line."""
        terminal, args = self._terminal, self._args
        while True:
            found = self._open()
            if found is not None and found.mode == "set-up" and self._set_up():
                continue
            if found is None or found.mode == "unreadable":
                left = Rescue(terminal, args, self._who, site_of(args, terminal)).run()
                if left is Left.REPAIRED:
                    continue
                if left is Left.GONE:
                    return
            break
        if not AdminPassword(args.config).is_set():
            terminal.say(NO_PASSWORD)
        if found is not None:
            self._greet(found)
        terminal.say("`help` lists the commands, Tab completes, ? shows what may follow.")
        Shell(terminal, self._session, args, self._who).run()

    def _greet(self, found: Opened) -> None:
        """What to know of the session before the first command."""
        terminal = self._terminal
        for other in found.others:
            terminal.say(f"{other.who} is also editing the configuration.")
        if found.mode == "running" and found.problems:
            terminal.say(
                "The configuration file has faults. The station keeps running with its previous configuration:"
            )
            terminal.say("\n".join(found.problems))
        if found.mode == "set-up":
            terminal.say("`setup` starts the set-up wizard again; `exit` leaves.")

    def _set_up(self) -> bool:
        """The wizard; whether a station runs now."""
        try:
            return set_up(self._terminal, site_of(self._args, self._terminal))
        except ControlError as error:
            self._terminal.say(str(error))
            return False

    def _open(self) -> Opened | None:
        """Begin the session; waits for a daemon that is just starting."""
        path, is_told = control_path(self._args), False
        give_up_s = time.monotonic() + DAEMON_STARTS_S
        while not ControlClient(path, 5.0).available() and time.monotonic() < give_up_s:
            if not is_told:
                is_told = True
                self._terminal.say("Waiting for the mail station to start ...")
            time.sleep(0.5)
        try:
            found = self._session.open()
            while found.mode == "unreadable" and not found.problems and time.monotonic() < give_up_s:
                time.sleep(0.2)  # nothing is wrong: one station is replacing another
                found = self._session.open()
            return found
        except ControlError as error:
            self._terminal.say(str(error))
            return None


def _greeting(args: argparse.Namespace) -> str:
    try:
        name = load_config(args).station.hostname
    except (ConfigError, NotFoundError):
        name = "Dialpost"
    return f"{name}: Dialpost {__version__}."


def who(tty: Path | None) -> str:
    """Who is at the terminal, for the history and for the other sessions."""
    if tty is not None:
        return f"the admin at the serial console ({str(tty).removeprefix('/dev/')})"
    user = os.environ.get("USER") or os.environ.get("LOGNAME") or str(os.geteuid())
    if remote := os.environ.get("SSH_CONNECTION", "").split(" ")[0]:
        return f"{user} over ssh from {remote}"
    try:
        return f"{user} at {os.ttyname(sys.stdin.fileno()).removeprefix('/dev/')}"
    except OSError:
        return user
