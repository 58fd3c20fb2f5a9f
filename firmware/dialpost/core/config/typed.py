"""Normalises times, days, amounts and telephone numbers as people write them.

Each function returns the normal form or raises `ValueError` with words that can follow "is not allowed: " and name
the right form. `core/config/values` calls them for typed values and for those in a file.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_DAY_NAMES = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_GROUPS = {
    "weekdays": WEEKDAYS[:5],
    "workdays": WEEKDAYS[:5],
    "weekend": WEEKDAYS[5:],
    "weekends": WEEKDAYS[5:],
    "daily": WEEKDAYS,
    "every day": WEEKDAYS,
    "all": WEEKDAYS,
}
_WRONG_DAY = "it must be one of mon, tue, wed, thu, fri, sat and sun, or a range such as mon-fri"
_TIME = re.compile(r"(\d{1,2})(?:[:.h](\d{2})|h)?(?: ?([ap])\.?m\.?)?\Z|(\d{2})(\d{2})\Z", re.ASCII | re.IGNORECASE)
_WRONG_TIME = "it must be a time of day from 00:00 to 23:59, for example 07:30"
DASHES = str.maketrans("\u2010\u2011\u2012\u2013\u2014\u2212", "------")
"""Hyphens and dashes that a program substituted for the one on the keyboard."""

_AMOUNT = re.compile(r"(\d{1,15})(?:[.](\d{1,6}))? ?([A-Za-z%/]{0,8})\Z", re.ASCII)
_BYTES = {
    "b": 1,
    "k": 10**3,
    "m": 10**6,
    "g": 10**9,
    "t": 10**12,
    "ki": 2**10,
    "mi": 2**20,
    "gi": 2**30,
    "ti": 2**40,
}
_TIMES_S = {
    "s": 1,
    "sec": 1,
    "second": 1,
    "min": 60,
    "minute": 60,
    "h": 3600,
    "hour": 3600,
    "d": 86_400,
    "day": 86_400,
    "w": 604_800,
    "week": 604_800,
}
_UNITS_S = {"seconds": 1, "minutes": 60, "hours": 3600, "days": 86_400}
_RATES = {"bps": 1, "bit/s": 1, "bd": 1, "baud": 1, "k": 1000, "kbps": 1000, "kbit/s": 1000, "mbit/s": 10**6}
EXAMPLES = {"bytes": "5M", "seconds": "90 s or 5 min", "minutes": "90 or 2 h", "hours": "36 or 2 d", "days": "30"}
"""Amounts in each unit, for error messages."""

MOST_DIGITS = 20
"""The most digits of a telephone number: 15 (ITU-T E.164 §6) and a prefix."""
EMERGENCY = frozenset({
    "000", "08", "100", "101", "102", "103", "104", "106", "107", "108", "110", "111", "112", "113", "114", "115",
    "116", "117", "118", "119", "120", "122", "123", "133", "144", "150", "155", "158", "190", "191", "192", "193",
    "194", "195", "197", "198", "199", "911", "933", "988", "991", "993", "994", "995", "997", "998", "999",
})  # fmt: skip
"""Emergency numbers somewhere in the world: no provider has one, and a machine that dials them is a nuisance
to people in need. Those of a single country are in board/countries."""
_SERVICE_CODE = re.compile(
    r"[*#]+\d{2,3}[*#]"
)  # such as *31# (3GPP TS 22.030 §6.5.3): it is dialled together with what follows
_DIALLABLE = re.compile(r"\+?[0-9*#,wWA-Da-d]+\Z")
"""A to D are tones like the digits (ITU-T Q.23, V.250 §6.3.1): some private exchanges need them."""


def time_of_day(text: str) -> str:
    """ "8:00", "8", "8.30", "8h30", "0830", "8 pm" as HH:MM. Raises: ValueError."""
    found = _TIME.match(text.strip())
    if found is None:
        raise ValueError(_WRONG_TIME)
    hour, minute = int(found[1] or found[4]), int(found[2] or found[5] or 0)
    if half := (found[3] or "").lower():
        if not 1 <= hour <= 12:
            raise ValueError(_WRONG_TIME)
        hour = hour % 12 + (12 if half == "p" else 0)
    if hour > 23 or minute > 59:
        raise ValueError(_WRONG_TIME)
    return f"{hour:02}:{minute:02}"


def time_span(text: str) -> str:
    """ "22-6", "22:00 - 06:00" as HH:MM-HH:MM. Raises: ValueError."""
    start, hyphen, end = text.translate(DASHES).partition("-")
    if not hyphen:
        raise ValueError("it must be two times of day, for example 22:00-06:00")
    span = time_of_day(start), time_of_day(end)
    if span[0] == span[1]:
        raise ValueError("it must be two different times of day, for example 22:00-06:00")
    return "-".join(span)


def days(text: str) -> tuple[str, ...]:
    """ "Monday", "mon-fri", "weekend" as days. Raises: ValueError."""
    word = " ".join(text.translate(DASHES).lower().split())
    if word in _GROUPS:
        return _GROUPS[word]
    first, hyphen, last = (part.strip() for part in word.partition("-"))
    start, end = _day(first), _day(last) if hyphen else _day(first)
    count = (end - start) % 7 + 1
    return tuple(WEEKDAYS[(start + number) % 7] for number in range(count))


def all_days(items: Sequence[object]) -> list[object]:
    """A list of days with its ranges expanded, each day once; anything else is kept, to be reported."""
    found: list[object] = []
    for item in items:
        try:
            found += days(item) if isinstance(item, str) else [item]
        except ValueError:
            found.append(item)
    return list(dict.fromkeys(found)) if all(isinstance(item, str) for item in found) else found


def amount(text: str, unit: str) -> float:
    """ "5M", "2.5 GB", "90 min", "33.6k" in the field's own unit. Raises: ValueError (without words)."""
    found = _AMOUNT.match(text.strip())
    if found is None:
        raise ValueError
    number = float(f"{found[1]}.{found[2] or 0}")
    word = found[3].lower()
    if not word:
        factor = 1.0
    elif unit == "bytes":
        factor = _BYTES[word] if word in _BYTES else _BYTES.get(word.removesuffix("b"), 0)
    elif unit in _UNITS_S:
        factor = _TIMES_S.get(word, _TIMES_S.get(word.removesuffix("s"), 0)) / _UNITS_S[unit]
    elif unit == "bits per second":
        factor = _RATES.get(word, 0)
    else:
        factor = 1.0 if (unit, word) == ("percent", "%") else 0.0
    if not factor:
        raise ValueError
    return number * factor


def phone_number(text: str) -> str:
    """Digits, * and #, pauses, without the separators people add for reading. Raises: ValueError."""
    if "(0)" in text and "+" in text:
        raise ValueError("dial either the (0) or the +CODE: write +49 961 ... or 0961 ...")
    number = re.sub(r"[\s()./-]", "", text.translate(DASHES))
    if not number.isascii() or not _DIALLABLE.match(number):
        raise ValueError(
            "it may contain digits, * and #, the tones A to D, a comma for a pause and w for a dial tone, "
            "for example 0961 123456"
        )
    digits = sum(char.isdigit() for char in number)
    if digits < 3 and not set("*#") & set(number):  # *99# is dialled for data
        raise ValueError("that is too short for a provider's number; enter all its digits, for example 0961 123456")
    if digits > MOST_DIGITS or len(number) > 60:
        raise ValueError(f"it has {digits} digits, and no telephone number has more than {MOST_DIGITS}")
    if is_emergency(number, EMERGENCY):
        raise ValueError("emergency services use that number somewhere, so the station must never dial it")
    return number


def is_emergency(number: str, known: frozenset[str]) -> bool:
    """Whether the dial string reaches one of these numbers, even after an outside line, a pause or a service
    code."""
    last = re.split(r"[,wW]+", _SERVICE_CODE.sub("", number))[-1].removeprefix("+")
    return last in known or (len(last) == 4 and last[0] in "09" and last[1:] in known)


def _day(word: str) -> int:
    """Its position in the week. At least two letters tell one day from the next. Raises: ValueError."""
    found = [
        number for number, name in enumerate(_DAY_NAMES) if len(word) >= 2 and name.startswith(word.rstrip("."))
    ]
    if len(found) != 1:
        raise ValueError(_WRONG_DAY)
    [day] = found
    return day
