"""When a start counts as healthy: everything local has been well for a while. Nothing here depends on the line.

A slot on trial that does not become healthy in time is given up: the machine is restarted, and its tries run out. A
proven slot is never given up, whatever fails: a restart would not repair it.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum

from dialpost.core.system.boot.state import BootState, Slot

HOLD_S = 120.0
"""How long everything must be well without interruption."""
ILL_S = 120.0
"""How long a started slot on trial may be unwell without interruption before it is rejected."""
GIVE_UP_S = 900.0
"""The most time after the start that a slot on trial may take to be well for HOLD_S."""
STARTING = "the system is starting"
"""The fault that clears without intervention."""


class Verdict(Enum):
    """The verdict on this start."""

    WAIT = "wait"
    GOOD = "good"
    GIVE_UP = "give up"


class HealthGate:
    """Judges one start, check by check. `is_on_trial`: the running slot has yet to prove itself."""

    def __init__(self, started_s: float, *, is_on_trial: bool) -> None:
        self._started_s = started_s
        self._is_on_trial = is_on_trial
        self._well_since_s: float | None = None
        self._ill_since_s: float | None = None

    def judge(self, now_s: float, faults: Sequence[str]) -> Verdict:
        """What to do after a check at `now_s` (monotonic) that found these faults."""
        if faults:
            self._well_since_s = None
        elif self._well_since_s is None:
            self._well_since_s = now_s
        if not faults or STARTING in faults:
            self._ill_since_s = None
        elif self._ill_since_s is None:
            self._ill_since_s = now_s
        if self._well_since_s is not None and now_s - self._well_since_s >= HOLD_S:
            return Verdict.GOOD
        is_ill = self._ill_since_s is not None and now_s - self._ill_since_s >= ILL_S
        if self._is_on_trial and (is_ill or now_s - self._started_s >= GIVE_UP_S):
            return Verdict.GIVE_UP
        return Verdict.WAIT


def is_on_trial(state: BootState, running: Slot) -> bool:
    """Whether the running slot has yet to prove itself."""
    return running is not state.good


def rolled_back(state: BootState, running: Slot) -> bool:
    """Whether the wanted slot has used up its tries, so that the proven one runs instead."""
    return state.first is not running and not state.left(state.first)
