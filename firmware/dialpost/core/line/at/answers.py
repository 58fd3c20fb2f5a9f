"""Which lines of an answer belong to what was asked: a modem speaks unasked at any time, in the middle of it too.

What is asked by a `+` command is answered behind its own prefix (V.250 §5.4.4, §5.7.1); whatever else comes is of
the network or the maker (^RSSI:17, *PSUTTZ, $GPS, +CMTI, RING) and answers nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

_ASKS = re.compile(r"AT([^A-Za-z0-9\s][A-Za-z]+)", re.IGNORECASE)
_CHATTER = re.compile(r"[^A-Za-z0-9\s][A-Za-z0-9_ ]*:")
_ECHO = re.compile(r"AT(?:[+&%\\^*$#I]|E\d|$)", re.IGNORECASE)


def prefix_of(command: str) -> str:
    """`+CSQ` of AT+CSQ or AT+CSQ=?; "" for a basic command."""
    found = _ASKS.match(command)
    return found[1].upper() if found else ""


def values(lines: Iterable[str], prefix: str) -> list[str]:
    """What the lines with this prefix tell: the texts behind the colon."""
    found = []
    for line in lines:
        name, colon, value = line.partition(":")
        if colon and name.strip().upper() == prefix.upper():
            found.append(value.strip())
    return found


def identity_lines(lines: Iterable[str], command: str) -> list[str]:
    """The lines of an answer that may have no prefix (ATI, AT+CGMM), without chatter and late echoes."""
    prefix = prefix_of(command)
    return [
        line
        for line in lines
        if not _ECHO.match(line) and (not _CHATTER.match(line) or bool(prefix and values([line], prefix)))
    ]
