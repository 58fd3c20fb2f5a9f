"""The console's command line: a line is read, understood by the one table, and carried out; until `exit`.

Only `exit`, a time-out and a lost terminal end the session: expected failures are reported in their own words, a
bug of ours as a bug.
"""

from __future__ import annotations

import argparse
import logging
from collections.abc import Callable, Sequence

from dialpost.cli.console.config import ConfigCommands
from dialpost.cli.console.faces import Faces
from dialpost.cli.console.machine import StationCommands
from dialpost.cli.console.session import EditingSession
from dialpost.cli.console.setup import SetUpCommands
from dialpost.cli.console.terminal import ConsoleTerminal
from dialpost.cli.output import commit_moment
from dialpost.cli.station import control_client
from dialpost.core.console.choices import key_help, known_choices
from dialpost.core.console.commands import Source
from dialpost.core.console.editor import InputEnded, Line, Mode, TooLong
from dialpost.core.console.language import Fault, Language, Order
from dialpost.core.control import accounts, config, queue
from dialpost.core.errors import DialpostError, IdleTooLongError, NotFoundError, TerminalGoneError
from dialpost.edge.console.admin_password import NO_PASSWORD, AdminPassword
from dialpost.edge.system.usb import files as stick_files
from dialpost.edge.system.usb import sticks as usb_sticks

_log = logging.getLogger(__name__)
_MOST_CHOICES = 200

_ASKED_OF_STATION = frozenset({"commit", "confirm", "account", "alias", "queue"})
"""Commands that the station carries out: Ctrl-C ends only the wait for them."""
_MAY_BE_DONE = " The station may still have carried it out: check before you repeat it."
_MAKING = frozenset({"commit", "restore", "load"})
"""Commands after which a station may run without a password from the wizard."""


class Shell:
    """One session's command line."""

    def __init__(
        self, terminal: ConsoleTerminal, session: EditingSession, args: argparse.Namespace, who: str
    ) -> None:
        self._terminal, self._session, self._args = terminal, session, args
        self._faces = Faces(args, terminal)
        about_config = ConfigCommands(terminal, session)
        self._handlers: dict[str, Callable[[Order], None]] = (
            about_config.handlers()
            | StationCommands(terminal, args, about_config, who).handlers()
            | SetUpCommands(terminal, session, args).handlers()
            | {"help": self._help, "exit": lambda order: None}
        )
        self._language = Language(self._choices, self._faces.options)

    @property
    def known(self) -> frozenset[str]:
        """The names of the commands that are carried out here, not counting faces."""
        return frozenset(self._handlers)

    def run(self) -> None:
        """Run until `exit` or Ctrl-D. Raises: TerminalGoneError, IdleTooLongError."""
        while True:
            prompt = "dialpost*> " if self._session.is_changed else "dialpost> "
            event = self._terminal.line(prompt, Mode.COMMAND, self._language, self._session.news)
            if isinstance(event, TooLong):
                self._terminal.say("The line is too long. Nothing was done.")
            elif isinstance(event, InputEnded):
                if self._may_leave():
                    return
            elif isinstance(event, Line):
                order = self._understood(event.text)
                if order is not None and order.command.name == "exit":
                    if self._may_leave():
                        return
                elif order is not None:
                    self._carry_out(order)

    def _understood(self, line: str) -> Order | None:
        found = self._language.parse(line)
        if isinstance(found, Fault):
            self._terminal.say(found.text)
            return None
        return found

    def _carry_out(self, order: Order) -> None:
        terminal, command = self._terminal, order.command
        terminal.paged(command.is_paged)
        try:
            with terminal.tty.interruptible():
                if command.face:
                    self._faces.run((*command.face, *order.arguments))
                else:
                    self._handlers[command.name](order)
            if command.name.partition(" ")[0] in _MAKING and not AdminPassword(self._args.config).is_set():
                terminal.say(NO_PASSWORD)
        except KeyboardInterrupt:
            terminal.drop_typed_ahead()
            terminal.paged(False)
            terminal.say("Interrupted." + (_MAY_BE_DONE if command.words[0] in _ASKED_OF_STATION else ""))
        except (TerminalGoneError, IdleTooLongError):
            raise
        except DialpostError as error:
            terminal.paged(False)
            terminal.say(str(error))
        except Exception as error:
            _log.exception("console: %s failed", command.name)
            terminal.paged(False)
            terminal.say(f"The command failed because of a bug in Dialpost ({type(error).__name__}: {error}).")
        terminal.paged(False)

    def _may_leave(self) -> bool:
        if not AdminPassword(self._args.config).is_set():
            self._terminal.say(NO_PASSWORD)
        if not self._session.is_changed:
            return True
        try:
            answer = self._terminal.ask("You have uncommitted changes. Leave and drop them? Type yes: ")
        except DialpostError as error:
            if isinstance(error, TerminalGoneError | IdleTooLongError):
                raise
            return False
        return answer.strip().lower() == "yes"

    def _help(self, order: Order) -> None:
        if not order.arguments:
            self._terminal.say("\n".join(self._language.overview()))
            return
        found = self._language.manual(order.rest)
        try:
            self._terminal.say("\n".join(found or key_help(order.rest)))
        except NotFoundError as error:
            raise NotFoundError(f"Unknown command: {order.rest}. {error}") from None

    # -- what Tab offers ------------------------------------------------------------------------------

    def _choices(self, source: Source, words: Sequence[str]) -> Sequence[tuple[str, str]]:
        """From the declarations, or from the station; if the station does not answer, there are none."""
        asked: dict[Source, Callable[[], list[tuple[str, str]]]] = {
            Source.NUMBER: self._numbers,
            Source.ACCOUNT: self._accounts,
            Source.QUEUE_ID: self._queue_ids,
            Source.STICK_FILE: _stick_files,
            Source.UPDATE_FILE: _update_files,
        }
        if source not in asked:
            return known_choices(source, words)
        try:
            return asked[source]()
        except DialpostError:
            return []

    def _numbers(self) -> list[tuple[str, str]]:
        commits = self._session.ask(config.HISTORY).commits
        return [
            (str(one.number), f"{commit_moment(one.when_s, clock_trusted=one.clock_trusted)} {one.who}")
            for one in commits
        ]

    def _accounts(self) -> list[tuple[str, str]]:
        found = control_client(self._args, 5.0).ask(accounts.LIST)
        return [(one.name, one.full_name) for one in found]

    def _queue_ids(self) -> list[tuple[str, str]]:
        found = control_client(self._args, 5.0).ask(queue.LIST, limit=_MOST_CHOICES)
        return [(one.queue_id, one.sender) for one in found]


def _update_files() -> list[tuple[str, str]]:
    return [(file.name, "") for stick in usb_sticks.mounted() for file in sorted(stick.glob("*.raucb"))]


def _stick_files() -> list[tuple[str, str]]:
    sticks = usb_sticks.mounted()
    found = stick_files.configurations(sticks[0]) if sticks else []
    return [(path.name, "") for path in found]
