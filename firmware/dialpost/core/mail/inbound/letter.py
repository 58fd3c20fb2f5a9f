"""The letter about a message that stays in a mailbox at the provider: from whom, how big, how to get it."""

from __future__ import annotations

import textwrap

from dialpost.core.amounts import size_words
from dialpost.core.mail.header.scan import fields_of
from dialpost.core.mail.header.words import readable
from dialpost.core.printable import one_line

_WIDTH = 72
_LONGEST = 100


def subject_of(header: bytes) -> str:
    """The decoded subject, "" if there is none."""
    return _field(header, b"subject")


def author_of(header: bytes) -> str:
    """The From field, decoded."""
    return _field(header, b"from")


def held_letter(author: str, subject: str, size: int, why: str, short: str) -> tuple[str, str]:
    """Subject and text of the letter to a recipient."""
    lines = [
        *textwrap.wrap("A message for you has arrived at the provider. It was not fetched yet.", _WIDTH),
        "",
        f"    From:    {author or '(not given)'}",
        *([f"    Subject: {subject}"] if subject else []),
        f"    Size:    {size_words(size)}",
        "",
        *textwrap.wrap(f"It is {why}.", _WIDTH),
        "",
        *textwrap.wrap(
            f"To get it with the next call, ask the operator of this station for: dialpost inbound fetch {short}",
            _WIDTH,
        ),
        "",
    ]
    return f"A message from {author or 'somebody'} waits at the provider", "\n".join(lines)


def _field(header: bytes, wanted: bytes) -> str:
    for name, value in fields_of(header.replace(b"\r\n", b"\n")):
        if name == wanted:
            return one_line(readable(value, ""), _LONGEST)
    return ""
