"""What the lamps did over time: the PL061's register, looked at again and again."""

from __future__ import annotations

import time
from collections.abc import Callable
from itertools import pairwise

from image.rig.qmp import Qmp

from dialpost.core.panel.blink import Pattern

POWER, LINE, MAIL, FAULT = (1 << line for line in (0, 1, 2, 4))  # board/qemu-virt.toml
COLOURS = tuple(1 << line for line in (5, 6, 7))
LOOK_S = 0.01
"""A pause between two looks. The shortest step of the patterns told apart here is 0.12 s."""


class LampRecord:
    """Looks, each with its moment (time.monotonic)."""

    def __init__(self) -> None:
        self._looks: list[tuple[float, int]] = []

    def watch(self, qmp: Qmp, until: Callable[[], bool], within_s: float) -> None:
        """Look until that is true. Raises: AssertionError if it does not come."""
        deadline_s = time.monotonic() + within_s
        while not until():
            assert time.monotonic() < deadline_s, f"not within {within_s:g} s: {until}"
            self._looks.append((time.monotonic(), qmp.lamps()))
            time.sleep(LOOK_S)

    def between(self, start_s: float, end_s: float) -> LampRecord:
        """A part of it."""
        part = LampRecord()
        part._looks = [look for look in self._looks if start_s <= look[0] < end_s]
        return part

    @property
    def seconds(self) -> float:
        return self._looks[-1][0] - self._looks[0][0] if self._looks else 0.0

    @property
    def longest_gap_s(self) -> float:
        """How long nobody looked, at worst."""
        return max((after[0] - before[0] for before, after in pairwise(self._looks)), default=0.0)

    def levels(self, lamp: int) -> set[bool]:
        """What was seen of a lamp: {True} is steady light."""
        return {bool(levels & lamp) for _, levels in self._looks}

    def flashes_per_s(self, lamp: int) -> float:
        """How often it was switched on, a second."""
        seen = [bool(levels & lamp) for _, levels in self._looks]
        return sum(1 for before, after in pairwise(seen) if after and not before) / max(self.seconds, 0.001)

    def longest_lit(self, lamp: int) -> tuple[float, float]:
        """From when to when it was lit without a pause, the longest time that was so."""
        best = (0.0, 0.0)
        start_s: float | None = None
        for moment_s, levels in self._looks:
            if not levels & lamp:
                start_s = None
                continue
            start_s = moment_s if start_s is None else start_s
            best = max(best, (start_s, moment_s), key=lambda each: each[1] - each[0])
        return best

    def told(self) -> str:
        """The changes, for the message of a failed test."""
        if not self._looks:
            return "nothing was looked at"
        first_s, last = self._looks[0][0], -1
        lines = []
        for moment_s, levels in self._looks:
            if levels != last:
                lines.append(f"{moment_s - first_s:8.2f} {levels:08b}")
                last = levels
        return "\n".join([*lines[-200:], f"longest gap {self.longest_gap_s:.2f} s"])


def flashes_per_s(pattern: Pattern) -> float:
    """How often a light with this pattern is switched on, a second."""
    return 1000 * (len(pattern.steps_ms) // 2) / sum(pattern.steps_ms)
