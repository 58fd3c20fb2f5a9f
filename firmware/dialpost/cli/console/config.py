"""The console's commands about the configuration: each calls the editing session and reports the result."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence

from dialpost.cli.console.session import EditingSession
from dialpost.cli.console.terminal import ConsoleTerminal
from dialpost.cli.output import commit_moment, span, table
from dialpost.core.amounts import whole_number
from dialpost.core.config.editing.compare import changed_keys
from dialpost.core.config.fields import Field
from dialpost.core.console.choices import field_of, key_help, section_list
from dialpost.core.console.editor import Line, Mode, TooLong
from dialpost.core.console.language import Order
from dialpost.core.control import config as api
from dialpost.core.errors import AskCancelledError, ControlError, NotFoundError
from dialpost.core.printable import one_line
from dialpost.core.toml_text import in_ascii_strings

END_OF_TEXT = "."
LONGEST_TEXT = 1_000_000
_LONGEST_ANSWER = 150


class ConfigCommands:
    """Bound to one terminal and one session."""

    def __init__(self, terminal: ConsoleTerminal, session: EditingSession) -> None:
        self._terminal, self._session = terminal, session

    def handlers(self) -> dict[str, Callable[[Order], None]]:
        """The commands by name."""
        return {
            "show": lambda order: self._show(order, everything=False),
            "show all": lambda order: self._show(order, everything=True),
            "set": self._set,
            "unset": self._unset,
            "explain": self._explain,
            "compare": self._compare,
            "check": self._check,
            "commit": lambda order: self._commit(),
            "commit confirm": self._commit_confirm,
            "commit comment": lambda order: self._commit(comment=order.arguments[0]),
            "confirm": self._confirm,
            "discard": self._discard,
            "rebase": self._rebase,
            "rollback": self._rollback,
            "history": self._history,
            "save to screen": self._save_to_screen,
            "restore from paste": self._paste,
            "who": self._who,
        }

    @property
    def is_changed(self) -> bool:
        """Whether there are changes that are not committed."""
        return self._session.is_changed

    # -- showing --------------------------------------------------------------------------------------

    def _show(self, order: Order, *, everything: bool) -> None:
        key = order.arguments[0] if order.arguments else ""
        found = self._session.ask(api.SHOW, key=key, all=everything)
        self._say_lines(found.lines, "Nothing is set there; the defaults apply. `show all` lists them.")

    def _explain(self, order: Order) -> None:
        key = order.arguments[0] if order.arguments else ""
        self._terminal.say("\n".join(key_help(key) if key else section_list()))

    def _compare(self, order: Order) -> None:
        number = whole(order.arguments[0]) if order.arguments else None
        self._say_lines(self._session.ask(api.COMPARE, number=number).lines, "No differences.")

    def _check(self, order: Order) -> None:
        found = self._session.ask(api.CHECK)
        for sentence in found.problems:
            self._terminal.say(f"FAULT    {sentence}")
        for sentence in (*found.warnings, *found.cuts):
            self._terminal.say(f"WARNING  {sentence}")
        if not found.problems:
            self._terminal.say("No faults. You can `commit` it.")

    def _history(self, order: Order) -> None:
        rows = [
            (
                commit.number,
                commit_moment(commit.when_s, clock_trusted=commit.clock_trusted),
                commit.who,
                commit.comment,
            )
            for commit in self._session.ask(api.HISTORY).commits
        ]
        self._terminal.say(table(("NO", "WHEN", "WHO", "WHY"), rows) if rows else "Nothing has been committed yet.")

    def _who(self, order: Order) -> None:
        found = self._session.ask(api.NOTICES)
        for other in found.others:
            changes = other.changes
            what = f"{changes} key{'' if changes == 1 else 's'} changed, not committed" if changes else "no changes"
            self._terminal.say(f"{other.who}, for {span(other.since_s)}: {what}")
        if not found.others:
            self._terminal.say("Nobody else is editing the configuration.")

    def _save_to_screen(self, order: Order) -> None:
        text = self._session.ask(api.TEXT).text.rstrip("\n")
        self._terminal.say_exactly(text if self._terminal.utf8 else in_ascii_strings(text))

    # -- changing -------------------------------------------------------------------------------------

    def _set(self, order: Order) -> None:
        key = order.arguments[0]
        field = field_of(key)
        if field is not None and field.setting.secret:
            if len(order.arguments) > 1:
                self._terminal.forget_newest()
                self._terminal.say(
                    f"{key} is a secret. Enter `set {key}` without the value; the console then "
                    "asks for it and does not show it."
                )
                return
            value = json.dumps(self.ask_twice(field), ensure_ascii=False)
        elif len(order.arguments) > 1:
            value = order.arguments[1]
        else:
            value = self._ask_value(key, field)
        self._changed(self._session.ask(api.SET, key=key, value=value))

    def _ask_value(self, key: str, field: Field | None) -> str:
        if field is None:
            self._session.ask(api.SHOW, key=key)  # suggests the key that was meant
            raise NotFoundError(f"There is no key {key}.")
        self._terminal.say(f"{field.setting.help} It is {field.type_words()}.")
        return self._terminal.ask(f"{key} = ")

    def ask_twice(self, field: Field) -> str:
        """A secret. Raises: AskCancelledError."""
        value = self._terminal.ask(f"{field.key} (not shown): ", secret=True)
        if self._terminal.ask("Repeat: ", secret=True) != value:
            raise AskCancelledError("The passwords don't match.")
        return value

    def _unset(self, order: Order) -> None:
        self._changed(self._session.ask(api.UNSET, key=order.arguments[0]))

    def _changed(self, answer: api.Changed) -> None:
        lines = [_short(line) for line in answer.lines]
        self._say_lines([*lines, *answer.words], "No change: it already has that value.")

    def _discard(self, order: Order) -> None:
        self._session.ask(api.DISCARD)
        self._terminal.say("Changes discarded.")

    def _rebase(self, order: Order) -> None:
        found = self._session.ask(api.REBASE)
        self._terminal.say(f"Your changes now apply to configuration {found.number}.")
        for key in found.conflicts:
            self._terminal.say(f"{key} was changed there too; your value is kept. Check it with `compare`.")

    def _rollback(self, order: Order) -> None:
        self.give_up_changes()
        found = self._session.ask(api.ROLLBACK, number=whole(order.arguments[0]))
        self._faults(found.problems)
        self._terminal.say(
            f"Configuration {found.number} is now your candidate. Check it with `compare`, then `commit`."
        )

    def _paste(self, order: Order) -> None:
        self.give_up_changes()
        self._terminal.say(f"Paste the text, then enter a line with only a dot ({END_OF_TEXT}). Ctrl-C cancels.")
        self.load(self._pasted())

    def give_up_changes(self) -> None:
        """Ask before another configuration replaces uncommitted changes. Raises: AskCancelledError."""
        if not self.is_changed:
            return
        self._terminal.say("You have uncommitted changes (`compare` shows them). They would be lost.")
        if self._terminal.ask("Continue anyway? Type yes: ").strip().lower() != "yes":
            raise AskCancelledError("Your changes are kept.")

    def _pasted(self) -> str:
        lines: list[str] = []
        is_cut, room = False, LONGEST_TEXT
        while True:
            event = self._terminal.line("", Mode.TEXT)
            if isinstance(event, TooLong):
                is_cut = True
            elif not isinstance(event, Line):
                raise AskCancelledError("Nothing was loaded.")
            elif event.text.strip() == END_OF_TEXT:
                break
            else:
                room -= len(event.text)
                lines += [event.text] if room > 0 else []
        if is_cut or room <= 0:
            raise AskCancelledError("The text is too long for a configuration. Nothing was loaded.")
        return "\n".join(lines) + "\n"

    def load(self, text: str) -> None:
        """Make a text the candidate, and say what it is."""
        found = self._session.ask(api.LOAD, text=text)
        self._faults(found.problems)
        if not found.loaded:
            self._terminal.say("Nothing was loaded; your candidate is unchanged.")
            return
        changes = changed_keys(self._session.ask(api.COMPARE).lines)
        lines = text.count("\n")
        self._terminal.say(
            f"{lines} line{'' if lines == 1 else 's'} loaded; {changes or 'no'} "
            f"change{'' if changes == 1 else 's'} from the current configuration. `compare` shows them, `commit` "
            "puts them into effect."
        )

    # -- committing -----------------------------------------------------------------------------------

    def _commit_confirm(self, order: Order) -> None:
        text = order.arguments[0]
        try:
            minutes = float(text)
        except ValueError:
            minutes = math.nan
        if not api.LEAST_CONFIRM_MIN <= minutes <= api.MOST_CONFIRM_MIN:
            raise NotFoundError(
                f"MINUTES must be a number from {api.LEAST_CONFIRM_MIN:g} to {api.MOST_CONFIRM_MIN:g}."
            )
        self._commit(confirm_min=minutes)

    def _commit(self, *, confirm_min: float | None = None, comment: str = "") -> None:
        try:
            done = self._session.ask(api.COMMIT, comment=comment, confirm_min=confirm_min)
        except ControlError as error:
            if error.kind == "StaleError":
                self._terminal.say("`rebase` applies your changes on top of it.")
            if error.kind != "WarnFirstError":
                raise
            if not self._wanted(str(error), is_tried=confirm_min is not None):
                self._terminal.say("Nothing was committed.")
                return
            done = self._session.ask(api.COMMIT, comment=comment, confirm_min=confirm_min, anyway=True)
        self._terminal.say(f"Committed as number {done.number}.")
        for sentence in done.words:
            self._terminal.say(sentence)
        if done.needs_confirm_s is not None:
            self._terminal.say(
                f"It will be rolled back in {span(done.needs_confirm_s)}, or when this session ends, unless you "
                "`confirm`."
            )

    def _wanted(self, cuts: str, *, is_tried: bool) -> bool:
        for sentence in cuts.split("\n"):
            self._terminal.say(f"WARNING  {sentence}")
        if not is_tried:
            self._terminal.say("`commit confirm 5` would roll it back automatically if you are locked out.")
        return self._terminal.ask("Commit anyway? Type yes: ").strip().lower() == "yes"

    def _confirm(self, order: Order) -> None:
        self._terminal.say(f"Commit {self._session.ask(api.CONFIRM).number} confirmed.")

    def _faults(self, problems: Sequence[str]) -> None:
        for sentence in problems:
            self._terminal.say(f"FAULT    {sentence}")

    def _say_lines(self, lines: Sequence[str], otherwise: str) -> None:
        self._terminal.say("\n".join(lines) if lines else otherwise)


def _short(line: str) -> str:
    """A long list is shown in part: after each added item, a slow line has better things to do. `compare` shows all
    of it."""
    return line if len(line) <= _LONGEST_ANSWER else f"{line[:_LONGEST_ANSWER]} ..."


def whole(text: str) -> int:
    """A typed number. Raises: NotFoundError."""
    number = whole_number(text)
    if number is None:
        raise NotFoundError(f"{one_line(text, 40)} is not a number. `history` lists the numbers.")
    return number
