"""The meaning of a refused command: final or temporary (3GPP TS 27.007 §9.2: +CME ERROR, number or words)."""

from __future__ import annotations

import re

_PASSING_NUMBERS = frozenset({13, 14, 30, 100, 512, 515, 516, 601})
"""13 SIM failure and 14 SIM busy (both while a SIM starts), 30 no network yet, 100 unknown; makers' own: 512 wait,
515 "please wait, initialisation or processing of a command in progress".
"""
_BUSY_NUMBERS = frozenset({14, 512, 515})
_SIM_NUMBERS = _PASSING_NUMBERS | {3, 4, 10, 20, 23}
"""Other errors while a SIM that was just switched on is starting: not allowed yet, not inserted, not read yet."""
_PASSING_WORDS = re.compile(r"\b(?:BUSY|WAIT|IN PROGRESS|NOT READY|INITIALI[SZ]\w*|TEMPORAR\w*|TRY AGAIN)\b")
_SIM_WORDS = re.compile(r"\bSIM (?:FAILURE|NOT INSERTED)\b|\bNOT ALLOWED\b|\bUNKNOWN\b")
_WRONG_NUMBERS = frozenset({12, 16, 18})
_WRONG_WORDS = re.compile(r"\bINCORRECT (?:PASSWORD|PIN)\b|\bPUK2? REQUIRED\b|\bSIM PUK\b")
_NUMBER = re.compile(r"\+CM[ES] ERROR *: *(\d+)\b")


def is_busy(words: str) -> bool:
    """Whether the command was not examined, but only came at a bad time."""
    return _is(words, _BUSY_NUMBERS, _PASSING_WORDS)


def is_passing(words: str) -> bool:
    """Whether the same command may be accepted a few seconds later."""
    return _is(words, _PASSING_NUMBERS, _PASSING_WORDS)


def is_passing_of_a_sim(words: str) -> bool:
    """The same for a SIM, which takes seconds to start. A plain ERROR says nothing, so it may be."""
    return words.strip().upper() == "ERROR" or is_passing(words) or _is(words, _SIM_NUMBERS, _SIM_WORDS)


def is_wrong_pin(words: str) -> bool:
    """Whether these words say that a PIN was checked and is wrong: 16, or 12 and 18 after the last attempt."""
    return _is(words, _WRONG_NUMBERS, _WRONG_WORDS)


def _is(words: str, numbers: frozenset[int], texts: re.Pattern[str]) -> bool:
    text = words.upper()
    found = _NUMBER.search(text)
    return int(found[1]) in numbers if found else bool(texts.search(text))
