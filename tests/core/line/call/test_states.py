"""The call's table: total, every state reachable, every way out leads home; the page is current."""

from __future__ import annotations

from pathlib import Path

import pytest

from dialpost.core.line.call.states import STATE_WORDS, TABLE, CallEvent, CallState, Ignore, next_state, page

PAGE = Path(__file__).parents[4] / "docs" / "call-states.md"


def ways(state: CallState) -> set[CallState]:
    return {step for step in TABLE[state].values() if isinstance(step, CallState)}


def test_every_state_and_event_has_a_step() -> None:
    assert {state: set(row) for state, row in TABLE.items()} == {state: set(CallEvent) for state in CallState}


def test_what_is_ignored_says_why() -> None:
    ignored = [step for row in TABLE.values() for step in row.values() if isinstance(step, Ignore)]
    assert all(step.why for step in ignored)


def test_every_state_can_be_reached_from_idle() -> None:
    reached, edge = {CallState.IDLE}, {CallState.IDLE}
    while edge:
        edge = set().union(*(ways(state) for state in edge)) - reached
        reached |= edge
    assert reached == set(CallState)


@pytest.mark.parametrize("state", CallState)
def test_a_deadline_leads_out_of_every_state_with_an_action(state: CallState) -> None:
    leads = next_state(state, CallEvent.DEADLINE)
    if state in {CallState.IDLE, CallState.COOLDOWN}:
        assert isinstance(leads, Ignore)
    else:
        assert isinstance(leads, CallState)
        assert leads is not state


@pytest.mark.parametrize("state", [CallState.DIALING, CallState.NEGOTIATING, CallState.ONLINE])
def test_a_call_ends_only_through_hanging_up(state: CallState) -> None:
    assert ways(state) - {CallState.NEGOTIATING, CallState.ONLINE} == {CallState.HANGING_UP}


def test_no_call_starts_before_the_rest_is_over() -> None:
    starts = [state for state in CallState if CallState.DIALING in ways(state)]
    assert starts == [CallState.IDLE]
    assert ways(CallState.COOLDOWN) == {CallState.IDLE}


@pytest.mark.parametrize("event", [CallEvent.CANCEL_WANTED, CallEvent.CARRIER_LOST])
@pytest.mark.parametrize("state", [CallState.DIALING, CallState.NEGOTIATING, CallState.ONLINE])
def test_cancel_and_a_lost_carrier_always_hang_up(state: CallState, event: CallEvent) -> None:
    assert next_state(state, event) is CallState.HANGING_UP


def test_every_state_has_words() -> None:
    assert set(STATE_WORDS) == set(CallState)


def test_the_page_is_made_from_the_table() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), (
        "docs/call-states.md is old: .venv/bin/python -m dialpost.core.line.call.states > docs/call-states.md"
    )
