"""What one way of fetching mail achieved in a call.

ETRN asks the provider to connect to the station (`core/mail/etrn`). The other ways are the station's own
connections: ATRN turns the roles round on one of them (RFC 2645), IMAP and POP3 read a mailbox.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum

from dialpost.core.amounts import count_words
from dialpost.core.json_value import JsonObject, JsonValue


class Way(Enum):
    """How the provider hands over mail."""

    ETRN = "etrn"
    ATRN = "atrn"
    IMAP = "imap"
    POP3 = "pop3"

    @property
    def words(self) -> str:
        """As people write it."""
        return self.value.upper()


class CollectFate(Enum):
    """How one way ended."""

    DONE = "done"  # all that may be fetched is here
    NOTHING = "nothing"  # no mail waits
    NOT_SUPPORTED = "not-supported"  # another way is needed
    NOT_NOW = "not-now"  # supported, but the server refuses at the moment
    LOGIN_REFUSED = "login-refused"
    NEEDS_OPERATOR = "needs-operator"
    UNREACHABLE = "unreachable"
    CUT = "cut"  # the line or the server went away in the middle


_FAULTS = frozenset(CollectFate) - {CollectFate.DONE, CollectFate.NOTHING, CollectFate.CUT}
_TRY_AGAIN = frozenset({CollectFate.UNREACHABLE, CollectFate.CUT})


@dataclass(frozen=True, slots=True)
class Collected:
    """The result for one mailbox (`box` is its name), or of ATRN (`box` "").

    `words` are the server's own, or what happened; `advice` is the next step, "" if none. `messages` and `bytes`
    count what came; `held` messages were left at the provider on purpose, `left` ones though they were wanted.
    """

    way: Way
    box: str
    fate: CollectFate
    words: str = ""
    advice: str = ""
    messages: int = 0
    bytes: int = 0
    held: int = 0
    left: int = 0

    @property
    def is_fault(self) -> bool:
        """Whether the operator should know: mail may be waiting at the provider."""
        return self.fate in _FAULTS

    @property
    def is_worth_retrying(self) -> bool:
        """Whether another attempt in the same call may succeed."""
        return self.fate in _TRY_AGAIN

    @property
    def label(self) -> str:
        """Which one it was: "ATRN", "IMAP office"."""
        return f"{self.way.words} {self.box}".rstrip()

    def sentence(self) -> str:
        """What happened, on one line."""
        count = count_words(self.messages, "message")
        parts = [count] if self.messages or self.fate is CollectFate.DONE else []
        parts += ["nothing waits"] if self.fate is CollectFate.NOTHING and not self.words else []
        parts += [f"{self.held} held there"] if self.held else []
        parts += [f"{self.left} left there"] if self.left else []
        parts += [self.words] if self.words else []
        return f"{self.label}: " + "; ".join(parts or [self.fate.value.replace("-", " ")])

    def after(self, before: Collected | None) -> Collected:
        """Both attempts as one: the later one's end, with what both brought."""
        if before is None:
            return self
        return replace(self, messages=self.messages + before.messages, bytes=self.bytes + before.bytes)

    def to_json(self) -> dict[str, JsonValue]:
        """For the call's record and the report."""
        return {
            "way": self.way.value,
            "box": self.box,
            "fate": self.fate.value,
            "words": self.words,
            "advice": self.advice,
            "messages": self.messages,
            "bytes": self.bytes,
            "held": self.held,
            "left": self.left,
        }

    @classmethod
    def from_json(cls, value: JsonObject) -> Collected:
        """Restored from `to_json`. Raises: KeyError, ValueError."""
        counts = [value.get(key, 0) for key in ("messages", "bytes", "held", "left")]
        messages, size, held, left = (count if isinstance(count, int) else 0 for count in counts)
        return cls(
            Way(value["way"]),
            str(value["box"]),
            CollectFate(value["fate"]),
            str(value["words"]),
            str(value["advice"]),
            messages,
            size,
            held,
            left,
        )
