"""Queue ids as text: a counter in letters and digits that can be read out over the telephone.

"D" and at least seven characters of Crockford's base 32 (no I, L, O, U). The counter only grows, so the text order
of ids is the order of acceptance; they contain no time.
"""

from __future__ import annotations

from functools import lru_cache

from dialpost.core.mail.envelope import QueueId

_DIGITS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_VALUES = {digit: value for value, digit in enumerate(_DIGITS)} | {"O": 0, "I": 1, "L": 1}
_WIDTH = 7
_MAX_WIDTH = 8  # 2**40 messages: far beyond any station's life, and room for the recipients' keys


def queue_id(number: int) -> QueueId:
    """The text of the `number`-th id."""
    digits = ""
    while number:
        number, value = divmod(number, 32)
        digits = _DIGITS[value] + digits
    return QueueId("D" + digits.rjust(_WIDTH, "0"))


@lru_cache(maxsize=1024)
def queue_number(text: str) -> int | None:
    """The counter value of an id, even of one read aloud (case, O for 0, I or L for 1); None if it is not an id."""
    digits = text.upper()[1:]
    if text[:1] not in ("D", "d") or not _WIDTH <= len(digits) <= _MAX_WIDTH:
        return None
    number = 0
    for digit in digits:
        value = _VALUES.get(digit)
        if value is None:
            return None
        number = number * 32 + value
    return number
