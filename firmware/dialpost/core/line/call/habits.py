"""What the calls to one provider showed: whether mail comes after each kind of answer, how soon, and how far apart.

Two questions are answered from the same model (`delays`, `worth`): how long to wait for the provider to begin after
its answer to ETRN, and how long for its next message after one came. A call in which nothing came counts as well:
as far as it was long enough to see something, it lowers the chance that something comes.

A wait that is cut where it stops being worth it never shows what comes later. So some calls look longer, up to the
longest wait: the first one, then ever rarer ones, twice as many calls apart each time and each time something was
seen. A thousand calls pay for about ten such looks. A call that sent nothing costs little, and is to cost little:
its looks are rarer still. Pure; seconds.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Protocol

from dialpost.core.json_value import JsonObject, JsonValue
from dialpost.core.line.call.delays import Delays, is_amount
from dialpost.core.line.call.worth import Price, worth_waiting_s

LEAST_CHANCE = 0.15
"""Mail is never taken to be rarer: what is left behind waits for the next call, and is there then."""
CALLS_REMEMBERED = 20.0
LONG_LOOK = 0.8
"""A wait of this part of the longest counts as a long look."""
_EMPTY_CALLS = 16
"""How many times rarer a long look is in a call that carried nothing."""
_RAREST = 12
"""Long looks become no rarer than one in 2^12 calls."""


@dataclass(frozen=True, slots=True)
class GraceRules:
    """The bounds of every quiet time: call.grace_min_s and call.grace_max_s, the smaller first."""

    min_s: float
    max_s: float
    unit_s: float  # budget.billing_step_s

    def clamp(self, seconds: float) -> float:
        """The time, brought within the bounds; the upper one wins where they are the wrong way round."""
        return min(max(seconds, self.min_s), self.max_s)


class Promise(Enum):
    """What was said or seen before a wait."""

    MAYBE = "maybe"  # 250, or nothing
    CERTAIN = "certain"  # 252, 253, or 458: it is at work already
    AGAIN = "again"  # asked again, after mail had come in this call
    MORE = "more"  # a message came: does another follow?


_ORDER = tuple(Promise)
_PRIOR = {
    Promise.MAYBE: (1.0, 1.5),
    Promise.CERTAIN: (9.0, 1.0),
    Promise.AGAIN: (0.5, 1.0),
    Promise.MORE: (1.0, 1.0),
}
"""How often something came, and did not, before anything was seen."""


@dataclass(frozen=True, slots=True)
class Chance:
    """How often something came, and how often nothing, the older times a little forgotten."""

    came: float = 0.0
    none: float = 0.0

    def of(self, promise: Promise) -> float:
        """The probability that something comes, from LEAST_CHANCE to less than 1."""
        came, none = _PRIOR[promise]
        return max((self.came + came) / (self.came + came + self.none + none), LEAST_CHANCE)

    def plus(self, came: float, none: float) -> Chance:
        """With one more time."""
        kept = min(1.0, CALLS_REMEMBERED / (self.came + self.none + came + none))
        return Chance((self.came + came) * kept, (self.none + none) * kept)


@dataclass(frozen=True, slots=True)
class Looks:
    """Waits up to the longest that saw nothing, and how many calls there were since the last."""

    in_vain: int = 0
    calls_since: int = 0

    def is_due(self, seen: float, *, carried: bool) -> bool:
        """Whether this call looks longer than is worth it by itself; `seen`: how often something came."""
        apart = (1 << min(self.in_vain + round(seen), _RAREST)) - 1
        return self.calls_since >= apart * (1 if carried else _EMPTY_CALLS)

    def after(self, *, long: bool) -> Looks:
        """With one more call."""
        return Looks(self.in_vain + 1) if long else Looks(self.in_vain, self.calls_since + 1)


class Waits(Protocol):
    """How long to wait: the subset of ProviderHabits that ends a call."""

    def start_wait_s(
        self, promise: Promise, waited_s: float, rules: GraceRules, price: Price, *, carried: bool
    ) -> float:
        """How long to wait for the provider to begin after its answer, of which `waited_s` are over.

        `carried`: this call has sent mail.
        """

    def gap_wait_s(self, waited_s: float, rules: GraceRules, price: Price, *, look_after: float = 0) -> float:
        """How long to wait for one more message, of which `waited_s` are over.

        It looks no longer than that before `look_after` calls have passed since the last long look.
        """


@dataclass(frozen=True, slots=True)
class ProviderHabits:
    """What is known of one provider. `set_*`: what the operator set instead, None for what was learnt."""

    starts: Delays = field(default_factory=Delays)
    gaps: Delays = field(default_factory=Delays)
    chances: tuple[Chance, ...] = (Chance(),) * len(Promise)  # in the order of Promise
    start_looks: Looks = Looks()
    gap_looks: Looks = Looks()
    set_start_s: float | None = None
    set_gap_s: float | None = None

    def chance(self, promise: Promise) -> float:
        """The probability that something comes."""
        return self._counted(promise).of(promise)

    def start_wait_s(
        self, promise: Promise, waited_s: float, rules: GraceRules, price: Price, *, carried: bool
    ) -> float:
        """As in Waits."""
        if self.set_start_s is not None:
            return rules.clamp(self.set_start_s)
        if promise is not Promise.AGAIN and self.start_looks.is_due(self.starts.weight, carried=carried):
            return rules.max_s
        chance = self.chance(promise)
        return rules.clamp(worth_waiting_s(chance, self.starts, waited_s, rules.max_s, price))

    def gap_wait_s(self, waited_s: float, rules: GraceRules, price: Price, *, look_after: float = 0) -> float:
        """As in Waits."""
        if self.set_gap_s is not None:
            return rules.clamp(self.set_gap_s)
        is_due = self.gap_looks.is_due(self.gaps.weight, carried=True)
        if is_due and self.gap_looks.calls_since >= look_after:
            return rules.max_s
        chance = self.chance(Promise.MORE)
        return rules.clamp(worth_waiting_s(chance, self.gaps, waited_s, rules.max_s, price))

    # -- learning -------------------------------------------------------------------------------------

    def began(self, promise: Promise, seconds: float) -> ProviderHabits:
        """It began this long after its answer."""
        counted = self._with(promise, 1.0, 0.0)
        if promise is Promise.AGAIN:  # it may only have paused
            return counted
        return replace(counted, starts=self.starts.with_one(seconds))

    def followed(self, seconds: float) -> ProviderHabits:
        """Another message followed, after a quiet time of this length."""
        return replace(self._with(Promise.MORE, 1.0, 0.0), gaps=self.gaps.with_one(seconds))

    def waited_in_vain(self, promise: Promise, seconds: float) -> ProviderHabits:
        """Nothing came within this time.

        Either nothing was there, or it would have come later: in proportion to what was believed of each.
        """
        delays = self.gaps if promise is Promise.MORE else self.starts
        chance, within = self.chance(promise), delays.within(seconds)
        nothing = (1 - chance) / (1 - chance * within)
        return self._with(promise, 1 - nothing, nothing)

    def with_looks(self, *, start: bool | None, gap: bool | None) -> ProviderHabits:
        """After a call; each: whether a long look saw nothing, None if the question did not arise."""
        return replace(
            self,
            start_looks=self.start_looks if start is None else self.start_looks.after(long=start),
            gap_looks=self.gap_looks if gap is None else self.gap_looks.after(long=gap),
        )

    def with_only(self, start_s: float | None, gap_s: float | None) -> ProviderHabits:
        """With this set by the operator, and nothing else."""
        return replace(self, set_start_s=start_s, set_gap_s=gap_s)

    def with_set(self, start_s: float | None, gap_s: float | None) -> ProviderHabits:
        """With what the operator set; None leaves it."""
        return self.with_only(
            self.set_start_s if start_s is None else start_s, self.set_gap_s if gap_s is None else gap_s
        )

    def _counted(self, promise: Promise) -> Chance:
        return self.chances[_ORDER.index(promise)]

    def _with(self, promise: Promise, came: float, none: float) -> ProviderHabits:
        """With one more time of it."""
        chances = [
            one.plus(came, none) if of is promise else one for of, one in zip(_ORDER, self.chances, strict=True)
        ]
        return replace(self, chances=tuple(chances))

    # -- the store ------------------------------------------------------------------------------------

    def to_json(self) -> dict[str, JsonValue]:
        """For the store."""
        return {
            "starts": self.starts.to_json(),
            "gaps": self.gaps.to_json(),
            "chances": {
                promise.value: [round(one.came, 3), round(one.none, 3)]
                for promise, one in zip(_ORDER, self.chances, strict=True)
            },
            "looks": [
                self.start_looks.in_vain,
                self.start_looks.calls_since,
                self.gap_looks.in_vain,
                self.gap_looks.calls_since,
            ],
            "set_start_s": self.set_start_s,
            "set_gap_s": self.set_gap_s,
        }

    @classmethod
    def from_json(cls, value: JsonObject) -> ProviderHabits:
        """Restored from `to_json`, or from the lists of seconds kept before; what is no number is left out."""
        chances = value.get("chances")
        found = chances if isinstance(chances, dict) else {}
        looks = [round(number) for number in _numbers(value.get("looks"))]
        start_vain, start_since, gap_vain, gap_since = looks if len(looks) == 4 else (0, 0, 0, 0)
        return cls(
            Delays.from_json(value.get("starts", value.get("starts_s"))),
            Delays.from_json(value.get("gaps", value.get("gaps_s"))),
            tuple(_chance(found.get(one.value)) for one in Promise),
            Looks(start_vain, start_since),
            Looks(gap_vain, gap_since),
            _number(value.get("set_start_s")),
            _number(value.get("set_gap_s")),
        )


def _chance(value: JsonValue) -> Chance:
    pair = _numbers(value)
    return Chance().plus(pair[0], pair[1]) if len(pair) == 2 and any(pair) else Chance()


def _numbers(value: JsonValue) -> list[float]:
    items = value if isinstance(value, list | tuple) else ()
    found = [_number(item) for item in items]
    return [number for number in found if number is not None]


def _number(value: JsonValue) -> float | None:
    return float(value) if is_amount(value) else None
