"""The lights are a function of the state."""

from __future__ import annotations

import itertools

import pytest

from dialpost.core.call_states import CallState
from dialpost.core.panel import (
    DOUBLE,
    FAST,
    FAULT_FLASHES,
    FAULT_WORDS,
    FLICKER,
    LINE_PATTERNS,
    OFF,
    ON,
    SLOW,
    Led,
    Pattern,
    flashes,
    project,
)
from dialpost.core.station_state import Fault, StationState


def test_at_rest_only_power_is_lit() -> None:
    assert project(StationState()) == {Led.LINE: OFF, Led.FAULT: OFF, Led.MAIL: OFF, Led.POWER: ON}


def test_power_blinks_while_the_station_starts() -> None:
    assert project(StationState(starting=True))[Led.POWER] is FAST


def test_the_line_light_tells_every_state_of_the_call() -> None:
    assert {state: project(StationState(call=state))[Led.LINE] for state in CallState} == LINE_PATTERNS
    assert LINE_PATTERNS[CallState.DIALING] is FAST
    assert LINE_PATTERNS[CallState.ONLINE] is ON


@pytest.mark.parametrize(
    ("state", "pattern"),
    [
        (StationState(waiting=3), ON),
        (StationState(waiting=3, urgent=1), FAST),
        (StationState(waiting=3, urgent=1, mail_moving=True), FLICKER),
        (StationState(arrived=True), DOUBLE),
        (StationState(arrived=True, waiting=1), ON),
    ],
)
def test_the_mail_light(state: StationState, pattern: Pattern) -> None:
    assert project(state)[Led.MAIL] is pattern


def test_each_fault_has_its_flashes_and_the_gravest_shows() -> None:
    for fault, number in FAULT_FLASHES.items():
        assert project(StationState(faults=frozenset({fault})))[Led.FAULT] == flashes(number)
    both = StationState(faults=frozenset({Fault.MAIL, Fault.STORAGE}))
    assert project(both)[Led.FAULT] == flashes(1)
    assert set(FAULT_WORDS) == set(FAULT_FLASHES) == set(Fault)
    assert len(set(FAULT_FLASHES.values())) == len(Fault)


def lit(pattern: Pattern, until_ms: int, step_ms: int = 10) -> list[tuple[bool, int]]:
    """(lit?, for how long in ms) in turn."""
    seen = [pattern.lit_at(ms) for ms in range(0, until_ms, step_ms)]
    return [(on, len(list(run)) * step_ms) for on, run in itertools.groupby(seen)]


def test_patterns_as_seen() -> None:
    assert lit(ON, 1000) == [(True, 1000)]
    assert lit(OFF, 1000) == [(False, 1000)]
    assert lit(SLOW, 4000) == [(True, 1000), (False, 1000)] * 2
    assert lit(flashes(2), 2200) == [(True, 200), (False, 300), (True, 200), (False, 1500)]
    assert [on for on, _ in lit(flashes(5), 5000)].count(True) >= 5
