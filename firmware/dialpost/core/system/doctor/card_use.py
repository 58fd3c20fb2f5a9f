"""What mail costs the card, as `dialpost doctor` puts it: bytes and flushes a message and a day, and for a year.

A card wears with each write, and a flush takes it 5 to 50 ms. The figures are those of the whole machine.

The warning rests on an assumption about a typical card, which it states: nothing the card says is known. Its cells
can be erased some 500 times (three bits a cell), and for small writes it erases ten times as much as it is given. A
card that was sold for endurance bears several times that.
"""

from __future__ import annotations

from dialpost.core.amounts import count_words, size_words, span_words
from dialpost.core.control.station import CardUse
from dialpost.core.findings import Finding, ok, skipped, warning

_DAY_S, _YEAR_DAYS = 86_400, 365
_SHORTEST_S = 3600
"""What was written in less says nothing about a day."""
_TYPICAL_LIFE = 50
"""How many times its size may be written to a typical card: 500 erasures, of which small writes use up ten."""
_SHORT_LIFE_YEARS = 2


def card_use(use: CardUse | None) -> Finding:
    """What was written since the station started, and what that makes in a year."""
    if use is None:
        return skipped(
            "card",
            "what mail costs it is unknown: the station is stopped, or the kernel counts no writes for its folder",
        )
    told = [f"{count_words(use.messages, 'message')} in {span_words(use.seconds)}"]
    if use.messages:
        told.append(f"{_amounts(use, use.messages)} a message")
    if use.seconds >= _SHORTEST_S:
        days = use.seconds / _DAY_S
        year_bytes = use.written_bytes / days * _YEAR_DAYS
        told += [
            f"{_amounts(use, days)} a day",
            f"at this rate {size_words(year_bytes)} a year{_times(use, year_bytes)}",
        ]
    else:
        told.append("too short a time for a forecast")
    if use.flushes is None:
        told.append("the kernel sends this card no flushes")
    what = f"since the station started: {'; '.join(told)}"
    years = _typical_years(use)
    if years is None or years >= _SHORT_LIFE_YEARS:
        return ok("card", what)
    return warning(
        "card",
        f"{what}; a typical card would wear out in about {_life(years)}",
        "That assumes cells that can be erased 500 times, and ten bytes erased for each byte written: about "
        f"{_TYPICAL_LIFE} times its size. Use a larger card or one sold for endurance, and have a spare one ready.",
    )


def _typical_years(use: CardUse) -> float | None:
    """How long a typical card lasts at this rate; None if a day has not passed, or too little is known."""
    if use.seconds < _DAY_S or not (use.card_bytes and use.written_bytes):
        return None
    year_bytes = use.written_bytes / use.seconds * _DAY_S * _YEAR_DAYS
    return _TYPICAL_LIFE * use.card_bytes / year_bytes


def _life(years: float) -> str:
    return f"{years:.1f} years" if years >= 1 else count_words(max(1, round(years * 12)), "month")


def _amounts(use: CardUse, share: float) -> str:
    written = size_words(use.written_bytes / share)
    return written if use.flushes is None else f"{written} and {_flushes(use.flushes / share)}"


def _flushes(count: float) -> str:
    return f"{count:.1f} flushes" if count < 9.95 else f"{count:,.0f} flushes"


def _times(use: CardUse, year_bytes: float) -> str:
    """The year's writes as a multiple of the card: its makers state its life in such multiples."""
    return f" ({year_bytes / use.card_bytes:.1f} times its size)" if use.card_bytes else ""
