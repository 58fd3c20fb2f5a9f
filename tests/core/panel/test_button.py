"""The button: every state x event, and whole stories of a finger told as edges with times."""

from __future__ import annotations

import pytest

from cases import cases
from dialpost.core.panel.button import (
    CONTACTS,
    LIMIT_S,
    SHOWS,
    TABLE,
    Action,
    Button,
    ButtonEvent,
    ButtonState,
    Contact,
    Edge,
    Go,
    Ignore,
    Turn,
)
from dialpost.core.panel.station_state import ButtonShow

Story = list[tuple[float, object]]


def tell(
    edges: list[tuple[float, bool]], until_s: float, *, down: bool = False
) -> tuple[Story, list[tuple[float, ButtonShow]]]:
    """Feed the edges and every deadline as it comes; (when, action) and (when, what the lights say)."""
    button = Button(0.0, down=down)
    actions: Story = []
    shows: list[tuple[float, ButtonShow]] = [(0.0, button.show)]

    def note(at_s: float, found: list[Action]) -> None:
        actions.extend((round(at_s, 3), action) for action in found)
        if button.show is not shows[-1][1]:
            shows.append((round(at_s, 3), button.show))

    for at_s, closed in [*edges, (until_s, None)]:
        while (due_s := button.deadline_s) is not None and due_s < at_s:
            note(due_s, button.tick(due_s))
        if closed is not None:
            note(at_s, button.contact(closed, at_s))
    return actions, shows


def hold(seconds: float, at_s: float = 1.0) -> list[tuple[float, bool]]:
    return [(at_s, True), (at_s + seconds, False)]


# -- the tables -----------------------------------------------------------------------------------------


def test_every_state_and_event_has_a_step() -> None:
    assert {state: set(row) for state, row in TABLE.items()} == {state: set(ButtonEvent) for state in ButtonState}
    assert {state: set(row) for state, row in CONTACTS.items()} == {state: set(Edge) for state in Contact}
    assert set(SHOWS) == set(ButtonState)


def test_what_is_ignored_says_why() -> None:
    steps: list[object] = [step for row in TABLE.values() for step in row.values()]
    steps += [step for row in CONTACTS.values() for step in row.values()]
    assert all(step.why for step in steps if isinstance(step, Ignore))


def test_a_state_has_a_time_if_time_changes_it() -> None:
    timed = {state for state, row in TABLE.items() if isinstance(row[ButtonEvent.TIME], Go)}
    assert timed == set(LIMIT_S)


def test_every_state_is_reached_from_up_and_leads_back() -> None:
    def ways(state: ButtonState) -> set[ButtonState]:
        return {step.to for step in TABLE[state].values() if isinstance(step, Go)}

    for start in ButtonState:
        reached, edge = {start}, {start}
        while edge:
            edge = set().union(*(ways(state) for state in edge)) - reached
            reached |= edge
        assert ButtonState.UP in reached
        assert start is not ButtonState.UP or reached == set(ButtonState)


def test_only_letting_go_does_anything() -> None:
    """So a hold can be cancelled: time and pressing only ever announce."""
    for row in TABLE.values():
        for event in (ButtonEvent.PRESS, ButtonEvent.TIME):
            step = row[event]
            if isinstance(step, Go):
                assert step.action in {None, Action.STUCK, Action.CALLED_OFF}


def reach(state: ButtonState) -> tuple[Button, float]:
    """A button in that state, and the time then."""
    button = Button(0.0, down=state is ButtonState.STUCK)
    edges = {
        ButtonState.UP: [],
        ButtonState.STUCK: [],
        ButtonState.DOWN: [(1, True)],
        ButtonState.HELD: [(1, True)],
        ButtonState.HELD_LONG: [(1, True)],
        ButtonState.CANCELLED: [(1, True)],
        ButtonState.OFFERED: [(1, True), (12, False)],
        ButtonState.CONFIRMING: [(1, True), (12, False), (13, True)],
    }[state]
    then_s = {
        ButtonState.HELD: 4.5,
        ButtonState.HELD_LONG: 12,
        ButtonState.CANCELLED: 17,
        ButtonState.OFFERED: 12.5,
    }
    for at_s, closed in edges:
        button.contact(closed, at_s)
    now_s = then_s.get(state, (edges[-1][0] if edges else 0) + 0.5)
    button.tick(now_s)
    assert button.state is state
    return button, now_s


@pytest.mark.parametrize("state", ButtonState)
@pytest.mark.parametrize("event", ButtonEvent)
def test_every_state_with_every_event_does_what_the_table_says(state: ButtonState, event: ButtonEvent) -> None:
    button, now_s = reach(state)
    if event is ButtonEvent.TIME:
        due_s = button.deadline_s
        actions = [] if due_s is None else button.tick(due_s)
    else:
        button.contact(event is ButtonEvent.PRESS, now_s)
        actions = button.tick(now_s + 0.05)
    step = TABLE[state][event]
    if isinstance(step, Ignore):
        assert (button.state, actions) == (state, [])
    else:
        assert (button.state, actions) == (step.to, [step.action] if step.action else [])


# -- stories --------------------------------------------------------------------------------------------


@cases(
    ("held_s", "action"),
    [
        (0.05, Action.PRESSED),
        (2.99, Action.PRESSED),
        (3.01, Action.HANG_UP),
        (9.99, Action.HANG_UP),
        (10.01, Action.OFFER),
        (14.99, Action.OFFER),
        (15.01, None),
        (29.9, None),
    ],
)
def test_how_long_it_was_held_says_what_it_means(held_s: float, action: Action | None) -> None:
    done, _ = tell(hold(held_s), held_s + 1.5)
    assert done == ([(round(1 + held_s + 0.03, 3), action)] if action else [])


def test_a_whole_hold_as_the_lights_tell_it() -> None:
    done, shows = tell(hold(17), 30)
    assert done == []
    assert shows == [
        (0.0, ButtonShow.NOTHING),
        (4.0, ButtonShow.HANG_UP),
        (11.0, ButtonShow.RESET),
        (16.0, ButtonShow.CANCELLED),
        (18.03, ButtonShow.NOTHING),
    ]


def test_a_reset_confirmed_by_a_second_press() -> None:
    done, shows = tell(hold(11) + hold(0.3, 14.0), 30)
    assert done == [(12.03, Action.OFFER), (14.33, Action.RESET)]
    assert shows[-2:] == [(12.03, ButtonShow.OFFERED), (14.33, ButtonShow.NOTHING)]


def test_an_offer_expires() -> None:
    done, shows = tell(hold(11), 30)
    assert done == [(12.03, Action.OFFER), (17.0, Action.CALLED_OFF)]
    assert shows[-1] == (17.0, ButtonShow.NOTHING)


def test_a_press_after_the_offer_is_a_press() -> None:
    done, _ = tell(hold(11) + hold(0.2, 17.5), 30)
    assert done == [(12.03, Action.OFFER), (17.0, Action.CALLED_OFF), (17.73, Action.PRESSED)]


def test_a_second_press_in_the_last_moment_counts() -> None:
    done, _ = tell(hold(11) + hold(0.2, 16.99), 30)
    assert done == [(12.03, Action.OFFER), (17.22, Action.RESET)]


def test_a_second_press_that_is_held_calls_the_offer_off() -> None:
    done, shows = tell(hold(11) + hold(6, 14.0), 30)
    assert done == [(12.03, Action.OFFER), (17.0, Action.CALLED_OFF)]
    assert shows[-2:] == [(17.0, ButtonShow.CANCELLED), (20.03, ButtonShow.NOTHING)]


def test_a_bouncing_contact_is_one_press() -> None:
    bounce = [(0.0, True), (0.002, False), (0.003, True), (0.006, False), (0.009, True)]
    down = [(1 + at, closed) for at, closed in bounce]
    up = [(1.5 + at, not closed) for at, closed in bounce]
    assert tell(down + up, 5)[0] == [(1.539, Action.PRESSED)]


def test_a_spike_is_nothing() -> None:
    assert tell([(1.0, True), (1.02, False)], 60) == ([], [(0.0, ButtonShow.NOTHING)])


def test_a_drop_out_in_a_hold_does_not_end_it() -> None:
    done, shows = tell([(1.0, True), (2.0, False), (2.01, True), (5.0, False)], 10)
    assert done == [(5.03, Action.HANG_UP)]
    assert shows[1] == (4.0, ButtonShow.HANG_UP)


def test_a_drop_out_just_as_a_limit_passes() -> None:
    assert tell([(1.0, True), (3.99, False), (4.005, True), (6.0, False)], 10)[0] == [(6.03, Action.HANG_UP)]


def test_let_go_just_before_the_limit_is_the_shorter_hold_although_it_settles_after() -> None:
    assert tell([(1.0, True), (3.99, False)], 10)[0] == [(4.02, Action.PRESSED)]


def test_stuck_is_reported_once_and_freed_when_let_go() -> None:
    done, shows = tell(hold(100), 200)
    assert done == [(31.0, Action.STUCK), (101.03, Action.FREED)]
    assert shows[-1] == (31.0, ButtonShow.NOTHING)


def test_down_when_the_station_starts_is_stuck_from_the_first_moment_and_no_press() -> None:
    button = Button(0.0, down=True)
    assert button.state is ButtonState.STUCK
    assert button.deadline_s is None
    done, _ = tell([(8.0, False), *hold(0.2, 9.0)], 20, down=True)
    assert done == [(8.03, Action.FREED), (9.23, Action.PRESSED)]


def test_edges_told_late_mean_the_same() -> None:
    """The event loop was busy for a minute: all edges come at once, with the kernel's times."""
    button = Button(0.0)
    late = [action for at_s, closed in hold(11) + hold(0.3, 14.0) for action in button.contact(closed, at_s)]
    late += button.tick(75.0)
    assert late == [Action.OFFER, Action.RESET]


def test_a_time_before_the_last_one_counts_as_that() -> None:
    button = Button(10.0)
    button.contact(True, 3.0)
    button.contact(False, 10.5)
    assert button.tick(20.0) == [Action.PRESSED]


def test_turns_are_told_only_when_settled() -> None:
    for row in CONTACTS.values():
        for edge, step in row.items():
            if isinstance(step, Turn):
                assert (step.tells is not None) is (edge is Edge.SETTLED)


def test_without_a_reset_to_offer_the_longest_hold_is_rolled_back() -> None:
    button = Button(0.0, offers_reset=False)
    button.contact(True, 1.0)
    while button.deadline_s is not None and button.deadline_s < 12.0:
        button.tick(button.deadline_s)
    assert button.state is ButtonState.CANCELLED


def test_without_a_reset_to_offer_a_press_is_a_press() -> None:
    button = Button(0.0, offers_reset=False)
    button.contact(True, 1.0)
    button.tick(1.5)
    button.contact(False, 1.6)
    assert button.tick(2.5) == [Action.PRESSED]
