"""How long something takes to come: what was seen of it, and what is assumed of the rest.

The delays seen are counted in classes a quarter of an octave wide, so that memory and file stay small. The
probability of a delay is a mixture: each class stands for delays near it, the nearer the more were seen, and a
prior of little weight stands for what was never seen. Both are log-logistic, which has a closed form: the
probability of more than t seconds is 1 / (1 + (t / median)^shape). Pure; seconds.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from math import log2
from typing import TypeGuard

from dialpost.core.json_value import JsonValue

PRIOR_MEDIAN_S = 0.7
PRIOR_SHAPE = 1.4
"""Before anything was seen: half come within 0.7 s, 98 % within 10 s, and 0.2 % need more than a minute."""
PRIOR_WEIGHT = 0.12
"""What the prior weighs beside the delays seen, of which each counts 1 when it is new."""
MEMORY = 40.0
"""How many delays are remembered: with each new one, the older ones weigh 1/40 less."""
_FIRST_SHAPE, _SHAPE_EACH, _MOST_SHAPE = 4.0, 1.5, 24.0
"""One delay seen tells little (half as long again has one chance in nine); a dozen alike tell much."""
SHORTEST_S = 0.5
"""Shorter delays count as this long."""
LONGEST_S = 7200.0
MOST_NUMBER = 1e300
"""Greater numbers of a damaged file are left out: JSON knows integers that no float can hold."""
_CLASSES_AN_OCTAVE = 4
_LAST_CLASS = round(_CLASSES_AN_OCTAVE * log2(LONGEST_S / SHORTEST_S))
_STEP = 1.05
"""The ratio of two neighbouring times at which the curve is known."""


@dataclass(frozen=True, slots=True)
class Delays:
    """The delays seen: (class, weight) pairs in the order of the classes."""

    seen: tuple[tuple[int, float], ...] = ()

    @property
    def weight(self) -> float:
        """How many were seen, the forgotten part left out."""
        return sum(weight for _, weight in self.seen)

    @property
    def longest_s(self) -> float:
        """The longest that is remembered well enough to count; 0 if none."""
        return max((_middle_s(number) for number, weight in self.seen if weight > 1 / MEMORY), default=0.0)

    @property
    def usual_s(self) -> float:
        """The median of those seen; 0 if there are none."""
        below, half = 0.0, self.weight / 2
        for number, weight in self.seen:
            below += weight
            if below >= half:
                return _middle_s(number)
        return 0.0

    def with_one(self, seconds: float) -> Delays:
        """With one more delay, the others a little forgotten."""
        new = _class_of(seconds)
        kept = {number: weight * (1 - 1 / MEMORY) for number, weight in self.seen}
        kept[new] = kept.get(new, 0.0) + 1.0
        return Delays(tuple(sorted((number, weight) for number, weight in kept.items() if weight > 1e-3)))

    def within(self, seconds: float) -> float:
        """The probability that it comes within this time, if it comes at all."""
        weight = self.weight
        shape = min(_FIRST_SHAPE + _SHAPE_EACH * weight, _MOST_SHAPE)
        later = PRIOR_WEIGHT * _later(seconds, PRIOR_MEDIAN_S, PRIOR_SHAPE)
        later += sum(share * _later(seconds, _middle_s(number), shape) for number, share in self.seen)
        return 1.0 - later / (weight + PRIOR_WEIGHT)

    def curve(self) -> tuple[tuple[float, float], ...]:
        """(seconds, probability within them), at times that grow by 5 %, up to LONGEST_S."""
        return _curve(self)

    def to_json(self) -> JsonValue:
        """For the store: seconds and weight of each class."""
        return [[round(_middle_s(number), 3), round(weight, 3)] for number, weight in self.seen]

    @classmethod
    def from_json(cls, value: JsonValue) -> Delays:
        """Restored from `to_json`, or from a list of seconds, as they were kept before; the rest is left out."""
        kept: dict[int, float] = {}
        for item in value if isinstance(value, list | tuple) else ():
            pair = item if isinstance(item, list | tuple) else (item, 1.0)
            if len(pair) == 2 and is_amount(seconds := pair[0]) and is_amount(weight := pair[1]):
                number = _class_of(seconds)
                kept[number] = min(kept.get(number, 0.0) + weight, MEMORY)
        return cls(tuple(sorted(kept.items())))


def is_amount(value: object) -> TypeGuard[int | float]:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= MOST_NUMBER


def _later(seconds: float, median_s: float, shape: float) -> float:
    return 1.0 / (1.0 + float((max(seconds, 0.0) / median_s) ** shape))


def _middle_s(number: int) -> float:
    return float(SHORTEST_S * 2 ** (number / _CLASSES_AN_OCTAVE))


def _class_of(seconds: float) -> int:
    return min(round(_CLASSES_AN_OCTAVE * log2(max(seconds, SHORTEST_S) / SHORTEST_S)), _LAST_CLASS)


@lru_cache(maxsize=4)  # a call needs that of the starts and that of the gaps; each takes 25 kB
def _curve(delays: Delays) -> tuple[tuple[float, float], ...]:
    times, at_s = [], 0.25
    while at_s < LONGEST_S:
        times.append(at_s)
        at_s *= _STEP
    return tuple((seconds, delays.within(seconds)) for seconds in times)
