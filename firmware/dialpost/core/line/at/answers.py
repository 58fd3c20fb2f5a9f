"""Which lines belong to the answer: a modem sends unsolicited lines at any time, even in the middle of one.

The answer to a `+` command has the command's own prefix (V.250 §5.4.4, §5.7.1); everything else comes from the
network or is specific to the maker (^RSSI:17, *PSUTTZ, $GPS, +CMTI, RING), and is not an answer.
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
    """The texts after the colon in the lines with this prefix."""
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
