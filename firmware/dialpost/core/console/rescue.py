"""The rescue menu: what can be done with a station whose configuration can't be used or whose daemon is not
running.

Pure: a page of numbered lines, and what a typed number means. `cli/console/rescue` carries it out. The numbers
never change, so that somebody on the telephone can say "press 3".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

LONGEST_TEXT = 1_000_000
"""Characters of a pasted configuration; the file may not have more bytes either."""
TEXT_ENDS, TEXT_DROPPED = ".", "drop"
RESET_WORDS = "erase everything"


class Action(Enum):
    """What a number stands for."""

    SHOW = "Show what is wrong"
    GO_BACK = "Go back to an earlier configuration"
    EDIT = "Change one setting of the configuration"
    PASTE = "Paste a whole configuration"
    WIZARD = "Run the set-up wizard again"
    LOG = "Show the log"
    RESET = "Factory reset: erase mail, accounts and configuration"
    REBOOT = "Restart the machine"
    PROMPT = "A command line"
    LEAVE = "Leave"


MENU: tuple[Action, ...] = tuple(Action)


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why the menu is shown. `daemon_runs` is False if nothing answers on the control socket."""

    problems: tuple[str, ...]
    daemon_runs: bool
    file: str

    def words(self) -> str:
        """The state in a sentence or two, for the top of the page."""
        if self.problems:
            count = len(self.problems)
            many = "1 fault" if count == 1 else f"{count} faults"
            first = (
                f"The configuration has {many} and can't be used. The station accepts no mail until it is repaired."
            )
        else:
            first = "The configuration is valid, but the mail station is not running."
        if self.problems and not self.daemon_runs:
            return f"{first}\nThe daemon is not running either; repairs take effect when it starts."
        return first

    def details(self) -> str:
        """Every fault, a line each."""
        if not self.problems:
            return "The configuration is valid. The log says why the daemon is not running."
        return "\n".join(f"- {problem.removeprefix(f'{self.file}: ')}" for problem in self.problems)


def page(trouble: Trouble) -> str:
    """The menu, below what is wrong."""
    lines = [f"{number:3}  {action.value}" for number, action in _numbered()]
    return "\n".join(["This is the rescue menu.", trouble.words(), "", *lines])


def pick(line: str) -> Action | None:
    """What was meant; None if it is not a number in the menu."""
    typed = line.strip()
    return next((action for number, action in _numbered() if typed == str(number)), None)


def _numbered() -> list[tuple[int, Action]]:
    """1, 2, 3 ...; leaving is 0."""
    return [(number if action is not Action.LEAVE else 0, action) for number, action in enumerate(MENU, 1)]


@dataclass(frozen=True, slots=True)
class Earlier:
    """An earlier active configuration. `fault` is "" if it can be used today."""

    number: int
    who: str
    when: str
    comment: str = ""
    fault: str = ""


def earlier_page(kept: Sequence[Earlier]) -> str:
    """The earlier configurations, newest first."""
    return "\n".join(
        f"{one.number:5}  {one.when:<17}  {one.who}{f': {one.comment}' if one.comment else ''}"
        f"{f'  (not usable: {one.fault})' if one.fault else ''}"
        for one in sorted(kept, key=lambda one: -one.number)
    )


class PastedText:
    """Lines up to one that is only a dot. Whatever exceeds the limit is dropped, with all that follows."""

    def __init__(self) -> None:
        self._lines: list[str] = []
        self._length = 0
        self.is_over = False
        self.is_dropped = False

    def line(self, text: str) -> None:
        """One line; those after the end do not count."""
        if self.is_over:
            return
        word = text.strip()
        self.is_over = word in {TEXT_ENDS, TEXT_DROPPED}
        self.is_dropped |= word == TEXT_DROPPED
        self._length += len(text) + 1
        if not self.is_over and self._length <= LONGEST_TEXT:
            self._lines.append(text)

    @property
    def is_too_long(self) -> bool:
        """Whether more came than a configuration may have."""
        return self._length > LONGEST_TEXT

    @property
    def text(self) -> str:
        """The text so far."""
        return "".join(f"{line}\n" for line in self._lines)
