"""Amounts in the form people read: bytes, lengths of time, moments, minutes, money; and parsing typed whole
numbers."""

from __future__ import annotations

import re
from datetime import UTC, datetime, tzinfo

MOST_DIGITS = 18
"""The largest whole number accepted from outside: what fits 64 bits. (`int` refuses a text of thousands of
digits.)"""

_MINUTE_S, _HOUR_S, _DAY_S = 60, 3600, 86_400
_SPAN = re.compile(r"(?:([0-9]+)d)?(?:([0-9]+)h)?(?:([0-9]+)min)?(?:([0-9]+)s)?")
_SPAN_UNITS_S = (_DAY_S, _HOUR_S, _MINUTE_S, 1)
_LONGEST_SPAN = 40
_SIZE = re.compile(r"([0-9]{1,15}(?:\.[0-9]{1,6})?) ?([kmgt]?)b?")
_FACTORS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12}


def size_words(count: float) -> str:
    """A number of bytes: 812 B, 3.4 kB, 12 MB, 1.2 TB (powers of 1000)."""
    for unit, step in (("TB", 1e12), ("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= step:
            value = count / step
            return f"{value:.1f} {unit}" if value < 9.95 else f"{value:.0f} {unit}"
    return f"{count:.0f} B"


def span_words(seconds: float) -> str:
    """A length of time, two units at most: 45 s, 3 min 20 s, 2 h 10 min, 5 d 3 h."""
    whole = max(0, int(seconds))
    for unit_s, unit, part_s, part in (
        (_DAY_S, "d", _HOUR_S, "h"),
        (_HOUR_S, "h", _MINUTE_S, "min"),
        (_MINUTE_S, "min", 1, "s"),
    ):
        if whole >= unit_s:
            rest = whole % unit_s // part_s
            return f"{whole // unit_s} {unit}" + (f" {rest} {part}" if rest else "")
    return f"{whole} s"


def about_span(seconds: float) -> str:
    """An estimated length of time: 40 s, 2 min, 1 h 20 min. Never less than 5 s."""
    if seconds < 57.5:
        return f"{max(5, 5 * round(seconds / 5))} s"
    if seconds < 59.5 * _MINUTE_S:
        return f"{round(seconds / _MINUTE_S)} min"
    hours, minutes = divmod(round(seconds / _MINUTE_S), 60)
    return f"{hours} h {minutes} min" if minutes else f"{hours} h"


def minutes_words(seconds: float) -> str:
    """A number of minutes without its unit, with one decimal place if needed: 12, 0.5."""
    return f"{seconds / _MINUTE_S:.1f}".removesuffix(".0")


def minutes_count(seconds: float) -> str:
    """A number of minutes with its unit: 1 minute, 12 minutes, 0.5 minutes."""
    number = minutes_words(seconds)
    return f"{number} {'minute' if number == '1' else 'minutes'}"


def money(amount: float, currency: str) -> str:
    """An amount with its currency, "" if none is configured: 0.40 EUR."""
    return f"{amount:.2f} {currency}".rstrip()


def count_words(number: int, one: str, many: str = "") -> str:
    """ "1 message", "3 messages"; with `many` also what agrees: "1 message is", "3 messages are"."""
    return f"{number} {one if number == 1 else many or one + 's'}"


def whole_number(text: str) -> int | None:
    """The number written in decimal digits; None if the text is anything else, or absurdly long."""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= MOST_DIGITS else None


def span_s(text: str) -> int | None:
    """The seconds of a typed length of time: 45s, 30min, 12h, 5d, or 2d12h; None if the text is anything else."""
    found = _SPAN.fullmatch(text.replace(" ", "").lower()) if len(text) <= _LONGEST_SPAN else None
    if found is None or not any(found.groups()):
        return None
    return sum(int(part or 0) * unit_s for part, unit_s in zip(found.groups(), _SPAN_UNITS_S, strict=True))


def bytes_in(text: str) -> float | None:
    """The bytes of a typed size: 500k, 10M, 1.5 GB (powers of 1000); None if the text is anything else."""
    found = _SIZE.fullmatch(text.strip().lower())
    return float(found[1]) * _FACTORS[found[2]] if found else None


def moment_words(unix_s: float, layout: str = "%Y-%m-%d %H:%M", tz: tzinfo | None = UTC) -> str:
    """A moment in words; one that no calendar has (a damaged record, a file from the year 60000) is "an unknown
    time"."""
    try:
        return datetime.fromtimestamp(unix_s, tz).strftime(layout)
    except (ValueError, OverflowError, OSError):
        return "an unknown time"
