"""The lights are a function of the state."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from cases import cases
from dialpost.core.faults import FAULT_FLASHES, Fault
from dialpost.core.line.call.states import CallState
from dialpost.core.panel.blink import (
    DOUBLE,
    FAST,
    FLICKER,
    HURRY,
    OFF,
    ON,
    RARE,
    SLOW,
    TRIPLE,
    WINK,
    Pattern,
    flashes,
    long_then,
)
from dialpost.core.panel.lights import FAULT_WORDS, LINE_PATTERNS, SIGNALS, Colour, Led, Shown, light, project
from dialpost.core.panel.page import page
from dialpost.core.panel.station_state import ButtonShow, Phase, StationState
from known import is_a

ALL = tuple(Led)
PAGE = Path(__file__).parents[3] / "docs" / "panel.md"


def every_state() -> list[StationState]:
    """Each fact by itself, and each with each other one."""
    facts: list[tuple[str, object]] = [("phase", phase) for phase in Phase]
    facts += [("call", call) for call in CallState] + [("button", show) for show in ButtonShow]
    facts += [("faults", frozenset({fault})) for fault in Fault]
    facts += [("redial", True), ("mail_moving", True), ("waiting", 2), ("urgent", 1), ("arrived", True)]
    facts += [("dark", True)]
    return [StationState(**is_a(dict, dict(pair))) for pair in itertools.product(facts, repeat=2)]


def test_at_rest_only_power_is_lit() -> None:
    assert project(StationState()) == {Led.LINE: OFF, Led.FAULT: OFF, Led.MAIL: OFF, Led.POWER: ON}


@pytest.mark.parametrize(
    ("phase", "lights"),
    [
        (Phase.BOOT, {Led.POWER: FAST, Led.FAULT: OFF}),
        (Phase.RUNNING, {Led.POWER: ON, Led.FAULT: OFF}),
        (Phase.UPDATE, {Led.POWER: DOUBLE, Led.FAULT: OFF}),
        (Phase.SHUTDOWN, {Led.POWER: SLOW, Led.FAULT: OFF}),
        (Phase.CRASHED, {Led.POWER: OFF, Led.FAULT: ON}),
    ],
)
def test_power_and_fault_tell_where_the_station_stands(phase: Phase, lights: dict[Led, Pattern]) -> None:
    shown = project(StationState(phase=phase))
    assert {led: shown[led] for led in lights} == lights
    assert shown[Led.LINE] == shown[Led.MAIL] == OFF


def test_the_line_light_tells_every_state_of_the_call() -> None:
    assert {state: project(StationState(call=state))[Led.LINE] for state in CallState} == LINE_PATTERNS
    assert LINE_PATTERNS[CallState.DIALING] is FAST
    assert LINE_PATTERNS[CallState.NEGOTIATING] is DOUBLE
    assert LINE_PATTERNS[CallState.ONLINE] is ON
    assert LINE_PATTERNS[CallState.HANGING_UP] is SLOW


def test_waiting_to_redial_shows_between_calls_only() -> None:
    assert project(StationState(redial=True))[Led.LINE] is RARE
    assert project(StationState(redial=True, call=CallState.DIALING))[Led.LINE] is FAST


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
        assert light(ALL, StationState(faults=frozenset({fault}))).pattern == long_then(number)
    for first, second in itertools.combinations(Fault, 2):
        both = StationState(faults=frozenset({first, second}))
        assert project(both)[Led.FAULT] == flashes(FAULT_FLASHES[first])
    assert set(FAULT_WORDS) == set(FAULT_FLASHES) == set(Fault)
    assert len(set(FAULT_FLASHES.values())) == len(Fault)


@pytest.mark.parametrize(
    ("show", "pattern"),
    [(ButtonShow.RESET, TRIPLE), (ButtonShow.OFFERED, HURRY), (ButtonShow.CANCELLED, OFF)],
)
def test_a_hand_on_the_button_is_answered_by_every_light(show: ButtonShow, pattern: Pattern) -> None:
    busy = StationState(
        button=show, call=CallState.ONLINE, mail_moving=True, faults=frozenset(Fault), phase=Phase.UPDATE, dark=True
    )
    assert set(project(busy).values()) == {pattern}


# -- one light for everything ---------------------------------------------------------------------------


@cases(
    ("state", "pattern"),
    [
        (StationState(), ON),
        (StationState(call=CallState.ONLINE), WINK),
        (StationState(call=CallState.ONLINE, mail_moving=True), FLICKER),
        (StationState(call=CallState.DIALING, faults=frozenset({Fault.STORAGE})), FAST),
        (StationState(redial=True, faults=frozenset({Fault.LINE})), RARE),
        (StationState(redial=True, faults=frozenset({Fault.STORAGE})), long_then(1)),
        (StationState(waiting=1, faults=frozenset({Fault.BUDGET})), long_then(6)),
        # A dedicated line is always up: it hides no fault.
        (StationState(call=CallState.ONLINE, faults=frozenset({Fault.MAIL})), long_then(5)),
        (StationState(arrived=True), ON),
    ],
)
def test_one_light_shows_the_most_urgent(state: StationState, pattern: Pattern) -> None:
    assert light(ALL, state).pattern == pattern


def test_on_one_light_no_two_things_look_alike() -> None:
    """Only the two halves of a call's beginning and of its end do, on purpose."""
    looks: dict[tuple[tuple[int, ...], bool], list[str]] = {}
    for signal in SIGNALS:
        if signal.shared is not None:
            looks.setdefault((signal.shared.steps_ms, signal.shared.lit), []).append(signal.name)
    assert [names for names in looks.values() if len(names) > 1] == [
        ["dialling", "connecting"],
        ["hanging-up", "resting"],
    ]


def test_on_a_light_of_its_own_no_two_things_of_that_light_look_alike() -> None:
    for led in Led:
        mine = [signal for signal in SIGNALS if signal.led in {led, None}]
        alike = {
            signal.name
            for signal in mine
            for other in mine
            if signal is not other
            and signal.alone.steps_ms == other.alone.steps_ms
            and signal.alone.lit == other.alone.lit
        }
        assert alike == ({"hanging-up", "resting"} if led is Led.LINE else set())


@pytest.mark.parametrize("leds", [ALL, *((led,) for led in Led), (Led.FAULT, Led.POWER)], ids=str)
def test_a_colour_never_says_more_than_the_pattern(leds: tuple[Led, ...]) -> None:
    seen: dict[Pattern, set[tuple[Colour | None, str]]] = {}
    for state in every_state():
        shown = light(leds, state)
        seen.setdefault(shown.pattern, set()).add((shown.colour, shown.signal))
    for pattern, told in seen.items():
        # A pattern has one colour whatever it is part of; dark has none to see.
        assert pattern == OFF or len({colour for colour, _ in told}) == 1, (pattern.name, told)


def test_every_signal_can_be_seen_on_one_light_or_is_left_out_on_purpose() -> None:
    shown = {light(ALL, state).signal for state in every_state()}
    left_out = {signal.name for signal in SIGNALS if signal.shared is None}
    assert left_out == {"urgent", "arrived"}
    assert shown == {signal.name for signal in SIGNALS} - left_out | {""}


def test_at_night_all_is_dark_but_the_answer_to_a_hand() -> None:
    night = StationState(dark=True, call=CallState.ONLINE, waiting=3, faults=frozenset(Fault), phase=Phase.BOOT)
    assert light(ALL, night) == Shown(OFF)
    assert set(project(night).values()) == {OFF}


# -- patterns -------------------------------------------------------------------------------------------


def lit(pattern: Pattern, until_ms: int, step_ms: int = 10) -> list[tuple[bool, int]]:
    """(lit?, for how long in ms) in turn."""
    seen = [pattern.lit_at(ms) for ms in range(0, until_ms, step_ms)]
    return [(on, len(list(run)) * step_ms) for on, run in itertools.groupby(seen)]


def test_patterns_as_seen() -> None:
    assert lit(ON, 1000) == [(True, 1000)]
    assert lit(OFF, 1000) == [(False, 1000)]
    assert lit(SLOW, 4000) == [(True, 1000), (False, 1000)] * 2
    assert lit(flashes(2), 2200) == [(True, 200), (False, 300), (True, 200), (False, 1500)]
    assert lit(long_then(1), 3200) == [(True, 1000), (False, 500), (True, 200), (False, 1500)]
    assert [on for on, _ in lit(flashes(5), 5000)].count(True) >= 5


@cases("pattern", [*(signal.alone for signal in SIGNALS), WINK], ids=lambda one: one.name)
def test_a_pattern_says_when_it_changes_next(pattern: Pattern) -> None:
    now_ms, seen = 0, []
    while now_ms < 6000:
        is_lit, left_ms = pattern.step_at(now_ms)
        seen.append((is_lit, left_ms or 6000))
        now_ms += left_ms or 6000
    assert sum(length for _, length in seen) >= 6000
    whole = lit(pattern, sum(pattern.steps_ms) or 6000)
    assert seen[: len(whole)] == whole


def test_the_page_is_made_from_the_tables() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), (
        "docs/panel.md is old: .venv/bin/python -m dialpost.core.panel.page > docs/panel.md"
    )
    assert all(signal.alone.words and signal.words for signal in SIGNALS)


def test_a_colour_is_what_its_name_says() -> None:
    names = {"RED": (1, 0, 0), "GREEN": (0, 1, 0), "BLUE": (0, 0, 1), "YELLOW": (1, 1, 0), "WHITE": (1, 1, 1)}
    for colour in Colour:
        lit = tuple(int(part > 0) for part in colour.value)
        assert lit == names.get(colour.name, lit), colour


def test_a_colour_of_one_part_has_all_of_it() -> None:
    assert Colour.RED.value == (1.0, 0.0, 0.0)
