"""How a light behaves over time. Pure: a pattern and a moment determine whether it is lit, and when that next
changes."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Pattern:
    """How a light behaves: `steps_ms` are alternating times lit and dark, repeated for ever; () is steady.

    `lit` is what a steady light shows, or what a pattern starts with. `words` is what an operator would call it.
    """

    name: str
    steps_ms: tuple[int, ...] = ()
    lit: bool = True
    words: str = ""

    def lit_at(self, ms: int) -> bool:
        """Whether it is lit `ms` milliseconds after the pattern began."""
        return self.step_at(ms)[0]

    def step_at(self, ms: int) -> tuple[bool, int | None]:
        """Whether it is lit then, and after how many milliseconds that changes; None = never."""
        if not self.steps_ms:
            return self.lit, None
        rest = ms % sum(self.steps_ms)
        for index, step in enumerate(self.steps_ms):
            if rest < step:
                return self.lit is (index % 2 == 0), step - rest
            rest -= step
        raise AssertionError("the steps sum up to more than the rest")  # pragma: no cover - so % has it


def flashes(count: int) -> Pattern:
    """This many short flashes, then a pause long enough to count them."""
    words = f"{count} flash{'' if count == 1 else 'es'}, a pause"
    return Pattern(f"flash-{count}", (200, 300) * (count - 1) + (200, 1500), words=words)


def long_then(count: int) -> Pattern:
    """A long flash, then this many short ones: a number on a light that also shows other things."""
    words = f"1 long and {count} short flash{'' if count == 1 else 'es'}, a pause"
    return Pattern(f"long-{count}", (1000, 500) + (200, 300) * (count - 1) + (200, 1500), words=words)


OFF = Pattern("off", lit=False, words="dark")
ON = Pattern("on", words="steady")
SLOW = Pattern("slow", (1000, 1000), words="slow: 1 s lit, 1 s dark")
FAST = Pattern("fast", (150, 150), words="fast: three times a second")
DOUBLE = Pattern("double", (120, 120, 120, 840), words="two quick flashes each second")
FLICKER = Pattern("flicker", (60, 40, 30, 70), words="flickers")
RARE = Pattern("rare", (200, 2800), words="one flash every 3 s")
SHORT = Pattern("short", (200, 800), words="one flash each second")
WINK = Pattern("wink", (1800, 200), words="lit, goes out for a moment every 2 s")
DOUBLE_WINK = Pattern("double-wink", (1500, 150, 200, 150), words="lit, goes out twice every 2 s")
EVEN = Pattern("even", (400, 400), words="even: on and off, 0.4 s each")
TRIPLE = Pattern("triple", (100, 100, 100, 100, 100, 500), words="three quick flashes each second")
HURRY = Pattern("hurry", (60, 60), words="very fast: eight times a second")
STUTTER = Pattern("stutter", (400, 100), words="lit, goes out for a moment twice a second")
LONG_SHORT = Pattern("long-short", (1000, 250, 200, 550), words="one long and one short flash")
TWO_LONG = Pattern("two-long", (1000, 300, 1000, 1500), words="two long flashes, a pause")
