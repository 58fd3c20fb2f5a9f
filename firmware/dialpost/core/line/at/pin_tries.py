"""How many attempts a SIM's PIN has left, as the makers' commands report it.

Sources: 3GPP TS 27.007 §8.65 (+CPINR); AT command manuals of Huawei (^CPIN), SIMCom (+SPIC), Quectel (+QPINC),
Telit (#PCT), Sierra Wireless (+CPINC), u-blox (+UPINCNT), ZTE (+ZPINPUK).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping

from dialpost.core.line.at.answers import prefix_of, values

QUERIES = (
    "AT+CPINR",
    "AT^CPIN?",
    "AT+SPIC",
    'AT+QPINC="SC"',
    "AT#PCT",
    "AT+CPINC",
    "AT+UPINCNT",
    "AT+ZPINPUK=?",
)
"""Asked in turn until one is understood; each asks and changes nothing."""
MOST_TRIES = 10
"""More than any SIM allows: a larger number is not a count of attempts."""


def pin_tries(lines: Iterable[str], query: str) -> int | None:
    """The attempts left for PIN 1 according to the answer to one of `QUERIES`, None if it does not say."""
    prefix = prefix_of(query)
    for value in values(lines, prefix):
        found = _READERS.get(prefix, _first_number)(value)
        if found is not None and found <= MOST_TRIES:
            return found
    return None


def _first_number(value: str) -> int | None:
    """+SPIC: 3,10,3,10 / #PCT: 3: PIN 1 comes first."""
    found = re.match(r"\(?(\d{1,3})\b", value)
    return int(found[1]) if found else None


def _cpinr(value: str) -> int | None:
    """+CPINR: SIM PIN,3,3 (a line for each code)."""
    found = re.match(r'"?SIM PIN"? *, *(\d{1,3})\b', value, re.IGNORECASE)
    return int(found[1]) if found else None


def _huawei(value: str) -> int | None:
    """^CPIN: SIM PIN,3,10,3,10,3: state, tries of what is asked for, then PUK, PIN, PUK2, PIN2."""
    fields = [field.strip() for field in value.split(",")]
    return int(fields[3]) if len(fields) >= 4 and re.fullmatch(r"\d{1,3}", fields[3]) else None


def _quectel(value: str) -> int | None:
    """+QPINC: "SC",3,10."""
    found = re.match(r'"?SC"? *, *(\d{1,3})\b', value, re.IGNORECASE)
    return int(found[1]) if found else None


_READERS: Mapping[str, Callable[[str], int | None]] = {"+CPINR": _cpinr, "^CPIN": _huawei, "+QPINC": _quectel}
