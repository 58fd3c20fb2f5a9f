"""When a start counts as good, and when a slot on trial is given up."""

from __future__ import annotations

from dialpost.core.system.boot.health import GIVE_UP_S, HOLD_S, ILL_S, HealthGate, Verdict, is_on_trial, rolled_back
from dialpost.core.system.boot.state import FRESH, Slot, choose

A, B = Slot.A, Slot.B
ILL = ["dialpost.service has failed"]


def _verdicts(gate: HealthGate, looks: list[tuple[float, list[str]]]) -> list[Verdict]:
    return [gate.judge(now_s, faults) for now_s, faults in looks]


def test_well_all_the_time_is_good_after_the_hold() -> None:
    gate = HealthGate(100.0, is_on_trial=True)
    looks: list[tuple[float, list[str]]] = [(100, []), (100 + HOLD_S - 1, []), (100 + HOLD_S, [])]
    assert _verdicts(gate, looks) == [Verdict.WAIT, Verdict.WAIT, Verdict.GOOD]


def test_one_fault_starts_the_hold_again() -> None:
    gate = HealthGate(0.0, is_on_trial=True)
    looks = [(0, []), (HOLD_S - 1, ILL), (HOLD_S, []), (2 * HOLD_S - 1, []), (2 * HOLD_S, [])]
    assert _verdicts(gate, looks) == [Verdict.WAIT] * 4 + [Verdict.GOOD]


def test_a_slot_on_trial_is_given_up_in_time() -> None:
    gate = HealthGate(50.0, is_on_trial=True)
    assert gate.judge(50 + GIVE_UP_S - 1, ILL) is Verdict.WAIT
    assert gate.judge(50 + GIVE_UP_S, ILL) is Verdict.GIVE_UP


def test_well_just_in_time_is_good() -> None:
    gate = HealthGate(0.0, is_on_trial=True)
    gate.judge(GIVE_UP_S - HOLD_S, [])
    assert gate.judge(GIVE_UP_S, []) is Verdict.GOOD


def test_a_proven_slot_is_never_given_up() -> None:
    gate = HealthGate(0.0, is_on_trial=False)
    assert gate.judge(100 * GIVE_UP_S, ILL) is Verdict.WAIT


def test_what_is_on_trial_and_what_was_rolled_back() -> None:
    state = FRESH.on_trial(B)
    assert (is_on_trial(state, B), is_on_trial(state, A)) == (True, False)
    for _ in range(3):
        slot, following = choose(state)
        assert (slot, rolled_back(following or state, slot)) == (B, False)
        state = following or state
    slot, following = choose(state)
    assert (slot, rolled_back(following or state, slot)) == (A, True)
    assert not rolled_back((following or state).proven(A), A)


def test_a_fault_that_lasts_is_no_less_one_between_two_looks() -> None:
    gate = HealthGate(0.0, is_on_trial=True)
    assert _verdicts(gate, [(0, ILL), (ILL_S - 1, ILL), (ILL_S + 7, ILL)]) == [
        Verdict.WAIT,
        Verdict.WAIT,
        Verdict.GIVE_UP,
    ]
