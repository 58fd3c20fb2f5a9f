"""Who put which configuration in force, and when: one line at the top of each text that was committed.

The line is a comment, so that the text stays what it is, and it travels with the text: file and record can't part.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from enum import Enum

from dialpost.core.amounts import moment_words
from dialpost.core.json_text import parse_object
from dialpost.core.json_value import JsonObject, JsonValue

_MARK = "#: "
_LONGEST = 500


@dataclass(frozen=True, slots=True)
class Commit:
    """One numbered configuration. `when_s` is Unix time as the clock showed it, right or wrong."""

    number: int
    who: str
    when_s: int
    clock_trusted: bool
    comment: str = ""

    @property
    def when(self) -> str:
        """The time for people; a wrong clock is reported."""
        shown = moment_words(self.when_s, "%Y-%m-%d %H:%M:%S UTC")
        return shown if self.clock_trusted else f"{shown} (by a clock that was wrong)"

    def to_json(self) -> dict[str, JsonValue]:
        """For the control API."""
        return {"number": self.number, "who": self.who, "when": self.when, "when_s": self.when_s,
                "clock_trusted": self.clock_trusted, "comment": self.comment}  # fmt: skip


class Proof(Enum):
    """What a configuration just committed still has to show. Without it the one before comes back."""

    START = "start"  # the station starts with it
    CONFIRM = "confirm"  # an operator says that it is good


@dataclass(frozen=True, slots=True)
class Unproven:
    """A configuration on trial. `back_to` is the number that comes back, 0 = none: set-up again."""

    number: int
    back_to: int
    proof: Proof

    def to_text(self) -> str:
        """As it is kept on the card."""
        return json.dumps({"number": self.number, "back_to": self.back_to, "proof": self.proof.value}) + "\n"

    @classmethod
    def from_text(cls, text: str) -> Unproven | None:
        """None where it is damaged."""
        try:
            found = parse_object(text)
            return cls(_whole(found, "number"), _whole(found, "back_to"), Proof(found["proof"]))
        except (ValueError, KeyError, TypeError):
            return None


def with_header(text: str, commit: Commit) -> str:
    """The text with its line on top; one that is there is replaced."""
    head = {"number": commit.number, "who": commit.who[:_LONGEST], "when_s": commit.when_s,
            "clock_trusted": commit.clock_trusted, "comment": commit.comment[:_LONGEST]}  # fmt: skip
    return f"{_MARK}{json.dumps(head)}\n{split_header(text)[1]}"


def split_header(text: str) -> tuple[Commit | None, str]:
    """Its line, if there is a sound one, and the text without it."""
    if not text.startswith(_MARK):
        return None, text
    line, _, rest = text.partition("\n")
    try:
        head = parse_object(line.removeprefix(_MARK))
        number, when_s = _whole(head, "number"), _whole(head, "when_s")
        commit = Commit(number, str(head["who"]), when_s, bool(head["clock_trusted"]), str(head["comment"]))
    except (ValueError, KeyError, TypeError):
        return None, rest
    return (commit if number > 0 else None), rest


def _whole(found: JsonObject, key: str) -> int:
    """Raises: KeyError, ValueError."""
    value = found[key]
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError(f"{key} is no whole number")
    return value
