"""What the station knows of the messages in a mailbox at a provider: taken, held there, or not to be tried again.

Kept for as long as the server lists a message. A message is taken in the same transaction
in which it is accepted, so the two can't come apart.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from enum import Enum

from dialpost.core.json_text import parse_object


class BoxState(Enum):
    """What became of a message in a box."""

    TAKEN = "taken"  # accepted here; to be deleted there
    HELD = "held"  # left there on purpose: big, or the operator has to decide
    WANTED = "wanted"  # the operator wants it, whatever its size
    UNWANTED = "unwanted"  # the operator wants it deleted there
    TRIED = "tried"  # begun and cut, or refused for now: the others go first


@dataclass(frozen=True, slots=True)
class BoxUid:
    """One message in a box. `size` tells it from another one under the same UID, once it is gone (RFC 1939 §7)."""

    box: str
    uid: str
    size: int

    @property
    def short(self) -> str:
        """Its name for people and scripts: a few letters and digits, the same for as long as it is in the box."""
        return hashlib.sha256(f"{self.box}\n{self.uid}".encode()).hexdigest()[:8]


@dataclass(frozen=True, slots=True)
class BoxNote:
    """What is noted about a message. `why`: the reason to hold it, in words. `tries`: fetches that failed.

    `is_told`: the recipients have a letter about it.
    """

    state: BoxState
    size: int
    sender: str = ""
    subject: str = ""
    recipients: tuple[str, ...] = ()
    why: str = ""
    tries: int = 0
    is_told: bool = False
    noted_s: int = 0

    def to_text(self) -> str:
        """For the store: what is not the default."""
        given = {
            "state": self.state.value,
            "size": self.size,
            "from": self.sender,
            "subject": self.subject,
            "for": list(self.recipients),
            "why": self.why,
            "tries": self.tries,
            "told": self.is_told,
            "noted_s": self.noted_s,
        }
        return json.dumps({key: value for key, value in given.items() if value}, separators=(",", ":"))

    @classmethod
    def from_text(cls, text: str) -> BoxNote | None:
        """None if the card damaged it."""
        try:
            given = parse_object(text)
            state = BoxState(given["state"])
        except (ValueError, KeyError):
            return None
        told_for = given.get("for")
        return cls(
            state,
            _number(given.get("size")),
            str(given.get("from", "")),
            str(given.get("subject", "")),
            tuple(map(str, told_for)) if isinstance(told_for, list) else (),
            str(given.get("why", "")),
            _number(given.get("tries")),
            bool(given.get("told")),
            _number(given.get("noted_s")),
        )


def _number(value: object) -> int:
    return value if isinstance(value, int) else 0
