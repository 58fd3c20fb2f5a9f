"""The rescue menu at a terminal: from a configuration that can't be used to a station that runs.

Works through the daemon if one answers (it loads what was repaired immediately); without one, directly on the card,
for the next start. `cli/console/console` has decided beforehand who may enter. Blocking; one operator, one line at
a time.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import time
from collections.abc import Callable
from enum import Enum
from pathlib import Path

from dialpost.cli.console.machine import log_lines
from dialpost.cli.console.wizard import Site, say_lines, set_up
from dialpost.cli.output import commit_moment
from dialpost.cli.station import control_path
from dialpost.core.config.editing.candidate import Candidate
from dialpost.core.config.history import split_header
from dialpost.core.config.text import parse_config
from dialpost.core.console.choices import field_of
from dialpost.core.console.rescue import (
    RESET_WORDS,
    TEXT_DROPPED,
    TEXT_ENDS,
    Action,
    Earlier,
    PastedText,
    Trouble,
    earlier_page,
    page,
    pick,
)
from dialpost.core.console.terminal import Terminal
from dialpost.core.console.wizard.base import base_config
from dialpost.core.control import config as api
from dialpost.core.errors import (
    AskCancelledError,
    ConfigError,
    ControlError,
    DialpostError,
    IdleTooLongError,
    NotFoundError,
    TerminalGoneError,
)
from dialpost.edge.config.file import ConfigFile
from dialpost.edge.config.history import ConfigHistory
from dialpost.edge.control_socket import ControlClient, ControlConnection
from dialpost.edge.system import machine
from dialpost.edge.system.clock import Clock
from dialpost.edge.system.factory_reset import FactoryReset

_LOG_LINES = 50
_COMMENT = "the rescue menu"


class Left(Enum):
    """How the menu was left."""

    REPAIRED = "repaired"  # a station runs now
    PROMPT = "prompt"  # the operator wants the command line
    GONE = "gone"


class Rescue:
    """`who` is recorded in the history."""

    def __init__(self, terminal: Terminal, args: argparse.Namespace, who: str, site: Site) -> None:
        self._terminal, self._args, self._who, self._site = terminal, args, who, site
        self._file, self._history = ConfigFile(args.config), ConfigHistory(args.config)
        self._left: Left | None = None

    def run(self) -> Left:
        """Run until the operator leaves it. Raises: TerminalGoneError, IdleTooLongError."""
        doing: dict[Action, Callable[[], None]] = {
            Action.SHOW: lambda: say_lines(self._terminal, self._trouble().details()),
            Action.GO_BACK: self._go_back,
            Action.EDIT: self._edit,
            Action.PASTE: self._paste,
            Action.WIZARD: self._wizard,
            Action.LOG: self._log,
            Action.RESET: self._reset,
            Action.REBOOT: self._reboot,
            Action.PROMPT: lambda: self._leave(Left.PROMPT),
            Action.LEAVE: lambda: self._leave(Left.GONE),
        }
        while self._left is None:
            self._terminal.say()
            self._terminal.say(page(self._trouble()))
            action = self._asked()
            if action is not None:
                self._do(doing[action])
        return self._left

    def _asked(self) -> Action | None:
        """The chosen one; None if it is not a number in the menu."""
        try:
            action = pick(self._terminal.ask("Number: "))
        except AskCancelledError:
            action = None
        if action is None:
            self._terminal.say("Enter one of the numbers on the left; 0 leaves.")
        return action

    def _do(self, work: Callable[[], None]) -> None:
        try:
            work()
        except (TerminalGoneError, IdleTooLongError):
            raise
        except AskCancelledError:
            self._terminal.say("Nothing was changed.")
        except DialpostError as error:
            say_lines(self._terminal, str(error))

    def _leave(self, how: Left) -> None:
        self._left = how

    # -- the state ------------------------------------------------------------------------------------

    def _trouble(self) -> Trouble:
        problems: tuple[str, ...] = ()
        try:
            self._file.load()
        except ConfigError as error:
            problems = error.problems
        except NotFoundError as error:
            problems = (str(error),)
        return Trouble(problems, self._client().available(), str(self._args.config))

    def _client(self) -> ControlClient:
        return ControlClient(control_path(self._args), 60.0)

    def _text(self) -> str:
        """The file's text, without the line that says who committed it. Raises: ConfigError, NotFoundError."""
        return split_header(self._file.read())[1]

    def _log(self) -> None:
        lines = log_lines(self._args, _LOG_LINES)
        self._terminal.say("\n".join(lines) if lines else "The log is empty.")

    # -- repairing --------------------------------------------------------------------------------------

    def _go_back(self) -> None:
        self._history.current()  # a file edited by hand gets its number first
        kept = [
            Earlier(
                one.number,
                one.who,
                commit_moment(one.when_s, clock_trusted=one.clock_trusted),
                one.comment,
                self._fault_of(one.number),
            )
            for one in self._history.commits()
        ]
        if not any(not one.fault for one in kept):
            self._terminal.say("There is no usable earlier configuration.")
            return
        self._terminal.say(earlier_page(kept))
        typed = self._terminal.ask("Go back to which number? (Enter: none) ").strip()
        chosen = next((one for one in kept if typed == str(one.number)), None)
        if chosen is None:
            self._terminal.say(
                "Nothing was changed." if not typed else f"{typed} is not in the list. Nothing was changed."
            )
        elif chosen.fault:
            say_lines(self._terminal, f"Number {chosen.number} can't be used: {chosen.fault}")
        else:
            self._activate(self._history.text_of(chosen.number), f"back to {chosen.number}")

    def _fault_of(self, number: int) -> str:
        try:
            parse_config(self._history.text_of(number))
        except ConfigError as error:
            return error.problems[0]
        return ""

    def _edit(self) -> None:
        """Key by key, until nothing is wrong or the operator stops. Raises: ConfigError if it is not TOML."""
        candidate = Candidate(self._text())
        while True:
            say_lines(self._terminal, "\n".join(f"- {problem}" for problem in candidate.problems()))
            typed = self._terminal.ask("Which key? (for example smtp.listen; Enter: done) ").strip()
            if not typed:
                break
            candidate = self._changed(candidate, typed)
            if not candidate.problems():
                self._terminal.say("No more faults.")
                break
        if candidate.problems() or not self._is_sure("Put it into effect?"):
            self._terminal.say("Nothing was changed.")
            return
        self._activate(candidate.text, "repaired")

    def _changed(self, candidate: Candidate, key: str) -> Candidate:
        """With another value, or without the key. A secret is typed twice, without echo."""
        field = field_of(key)
        is_secret = field is not None and field.setting.secret
        value = self._terminal.ask(f"{key} = (Enter: remove the key) ", secret=is_secret)
        if is_secret and value and self._terminal.ask("Repeat: ", secret=True) != value:
            self._terminal.say("The passwords don't match.")
            return candidate
        try:
            if not value.strip():
                return candidate.unset(key)
            return candidate.set(key, json.dumps(value, ensure_ascii=False) if is_secret else value.strip())
        except (ConfigError, NotFoundError) as error:
            say_lines(self._terminal, str(error))
            return candidate

    def _paste(self) -> None:
        self._terminal.say(f"Paste it now. A line with only `{TEXT_ENDS}` ends it; `{TEXT_DROPPED}` cancels.")
        pasted = PastedText()
        while not pasted.is_over:
            pasted.line(self._terminal.ask(""))
        if pasted.is_dropped or not pasted.text.strip():
            self._terminal.say("Nothing was changed.")
            return
        if pasted.is_too_long:
            raise ConfigError(("The text is too long for a configuration. Nothing was changed.",))
        text = split_header(pasted.text)[1]
        parse_config(text)
        self._activate(text, "pasted")

    def _wizard(self) -> None:
        if set_up(self._terminal, self._site):
            self._leave(Left.REPAIRED)

    def _activate(self, text: str, comment: str) -> None:
        """By the daemon or, if none runs, for the next start. Raises: DialpostError; everything is as before
        then."""
        if not self._client().available():
            parse_config(text)
            clock = Clock()
            commit = self._history.commit(
                text, self._who, comment, int(time.time()), clock_trusted=clock.is_trusted()
            )
            self._terminal.say(f"Saved as number {commit.number}. It takes effect when the daemon starts.")
            return
        with ControlConnection(control_path(self._args), 120.0) as talk:
            talk.ask(api.OPEN, who=f"{self._who}, {_COMMENT}")
            loaded = talk.ask(api.LOAD, text=text)
            if loaded.problems:
                raise ConfigError(loaded.problems)
            done = self._commit(talk, comment)
        for words in done.words:
            say_lines(self._terminal, words)
        self._terminal.say(f"The station is running with configuration {done.number}.")
        self._leave(Left.REPAIRED)

    def _commit(self, talk: ControlConnection, comment: str) -> api.Committed:
        try:
            done = talk.ask(api.COMMIT, comment=comment)
        except ControlError as error:
            if error.kind != "WarnFirstError":
                raise
            say_lines(self._terminal, str(error))
            if not self._is_sure("Do it anyway?"):
                raise AskCancelledError("no") from error
            done = talk.ask(api.COMMIT, comment=comment, anyway=True)
        return done

    # -- the machine ----------------------------------------------------------------------------------

    def _reset(self) -> None:
        self._terminal.say("This permanently deletes all mail, all accounts, the queue and every configuration.")
        if self._terminal.ask(f"To confirm, type `{RESET_WORDS}`: ").strip().lower() != RESET_WORDS:
            self._terminal.say("Nothing was deleted.")
            return
        text = ""
        with contextlib.suppress(ConfigError, NotFoundError):
            text = self._text()
        reset = FactoryReset(Path(base_config(text).station.data_dir))
        self._terminal.say(asyncio.run(reset.request(self._who)))

    def _reboot(self) -> None:
        if self._is_sure("Restart the machine?"):
            machine.end(machine.End.REBOOT)
            self._terminal.say("Restarting now.")

    def _is_sure(self, question: str) -> bool:
        return self._terminal.ask(f"{question} yes or no [no]: ").strip().lower() in {"y", "yes"}
