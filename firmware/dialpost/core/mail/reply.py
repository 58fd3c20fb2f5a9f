"""An SMTP reply: code, enhanced status code and text (RFC 5321 §4.2, RFC 2034, RFC 3463)."""

from __future__ import annotations

import re
from dataclasses import dataclass

_ENHANCED = re.compile(r"^([245]\.\d{1,3}\.\d{1,3})(?: |$)")


@dataclass(frozen=True, slots=True)
class Reply:
    """One complete reply, one item of `lines` per line of text, without code and enhanced code.

    `code` is 200-599. `enhanced` is like "5.1.1", or None if the server gave none.
    """

    code: int
    lines: tuple[str, ...]
    enhanced: str | None = None

    @classmethod
    def from_lines(cls, code: int, raw_lines: tuple[str, ...]) -> Reply:
        """Make a reply of text lines as received, taking the enhanced code off each line that has it.

        The enhanced code's class must equal the reply code's first digit (RFC 2034 §4), else it is text.
        """
        enhanced: str | None = None
        texts = []
        for raw in raw_lines:
            match = _ENHANCED.match(raw)
            if match and match.group(1)[0] == str(code)[0]:
                enhanced = enhanced or match.group(1)
                texts.append(raw[match.end() :])
            else:
                texts.append(raw)
        return cls(code, tuple(texts), enhanced)

    @property
    def is_positive(self) -> bool:
        """2yz, or 3yz (continue)."""
        return self.code < 400

    @property
    def is_completion(self) -> bool:
        """2yz: done."""
        return self.code < 300

    @property
    def is_intermediate(self) -> bool:
        """3yz: continue, the answer comes later."""
        return 300 <= self.code < 400

    @property
    def is_transient(self) -> bool:
        """4yz: try again later."""
        return 400 <= self.code < 500

    @property
    def is_permanent(self) -> bool:
        """5yz: do not try the same again."""
        return self.code >= 500

    @property
    def text(self) -> str:
        """All lines as one, joined by a space."""
        return " ".join(line for line in self.lines if line)

    def __str__(self) -> str:
        """In the server's own words on one line: `550 5.1.1 No such user`."""
        return " ".join(part for part in (str(self.code), self.enhanced, self.text) if part)

    def status(self) -> str:
        """The enhanced status code, or the generic one of its class (RFC 3463 §3.1) if none came."""
        return self.enhanced or f"{str(self.code)[0]}.0.0"


CARD_FULL = Reply(452, ("No room for mail at the moment: try again later",), "4.3.1")
OUR_FAULT = Reply(451, ("Something went wrong here: try again later",), "4.3.0")
"""For every fault of ours: 4yz, because it is never the sender's fault."""
