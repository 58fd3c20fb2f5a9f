"""Who committed which configuration, and when: one line at the top of each committed text.

The line is a comment, so the text keeps its meaning, and it is part of the text, so file and record can't be
separated.
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
        """The time in words, with a remark if the clock was wrong."""
        shown = moment_words(self.when_s, "%Y-%m-%d %H:%M:%S UTC")
        return shown if self.clock_trusted else f"{shown} (the clock was wrong)"

    def to_json(self) -> dict[str, JsonValue]:
        """For the control API."""
        return {
            "number": self.number,
            "who": self.who,
            "when": self.when,
            "when_s": self.when_s,
            "clock_trusted": self.clock_trusted,
            "comment": self.comment,
        }


class Proof(Enum):
    """What a newly committed configuration has to prove, or else the previous one is restored."""

    START = "start"  # the station starts with it
    CONFIRM = "confirm"  # somebody confirms it


@dataclass(frozen=True, slots=True)
class Unproven:
    """A configuration on trial. `back_to` is the number to restore, 0 = none: the station waits for set-up
    again."""

    number: int
    back_to: int
    proof: Proof

    def to_text(self) -> str:
        """The line as stored on the card."""
        return json.dumps({"number": self.number, "back_to": self.back_to, "proof": self.proof.value}) + "\n"

    @classmethod
    def from_text(cls, text: str) -> Unproven | None:
        """None if it is damaged."""
        try:
            found = parse_object(text)
            return cls(_whole(found, "number"), _whole(found, "back_to"), Proof(found["proof"]))
        except (ValueError, KeyError, TypeError):
            return None


def with_header(text: str, commit: Commit) -> str:
    """The text with its line on top, replacing any that is there."""
    head = {
        "number": commit.number,
        "who": commit.who[:_LONGEST],
        "when_s": commit.when_s,
        "clock_trusted": commit.clock_trusted,
        "comment": commit.comment[:_LONGEST],
    }
    return f"{_MARK}{json.dumps(head)}\n{split_header(text)[1]}"


def split_header(text: str) -> tuple[Commit | None, str]:
    """Its line, if there is a valid one, and the text without it."""
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
        raise ValueError(f"{key} is not a whole number")
    return value
