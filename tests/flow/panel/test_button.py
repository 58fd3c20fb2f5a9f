"""The panel on gpiozero's mock pins: whole histories of lights, and what a finger on the button does."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import fields

import pytest

from dialpost.core.config.panel import PanelConfig
from dialpost.core.faults import Fault
from dialpost.core.line.call.states import CallEvent, CallState, next_state
from dialpost.core.panel.blink import Pattern
from dialpost.core.panel.button import TABLE, ButtonEvent, ButtonState, Go
from dialpost.core.panel.lights import SIGNALS, Colour, Led, Signal, light, project
from dialpost.core.panel.station_state import ButtonShow, Phase, StationState
from fakes import now
from panel_rig import FOUR, ONE, RGB, PanelRig, run_rig

LINES = {Led.LINE: 5, Led.FAULT: 6, Led.MAIL: 13, Led.POWER: 19}

STATES = [
    *(StationState(phase=phase) for phase in Phase),
    *(StationState(call=call) for call in CallState),
    *(StationState(button=show) for show in ButtonShow),
    *(StationState(faults=frozenset({fault})) for fault in Fault),
    StationState(redial=True),
    StationState(mail_moving=True),
    StationState(waiting=1),
    StationState(waiting=1, urgent=1),
    StationState(arrived=True),
    StationState(dark=True, waiting=1),
    StationState(call=CallState.ONLINE, mail_moving=True, waiting=3, faults=frozenset({Fault.ETRN, Fault.BUTTON})),
]


def _name(state: StationState) -> str:
    """The same in each process: a set's order is not."""
    parts = {field.name: getattr(state, field.name) for field in fields(state)}
    parts["faults"] = "+".join(sorted(fault.value for fault in state.faults))
    return " ".join(f"{name}={getattr(value, 'value', value)}" for name, value in parts.items() if value)


def steps(pattern: Pattern, until_ms: int, begin: float, *, high: float = 1.0) -> list[tuple[float, float]]:
    """What a pin does that shows the pattern from `begin` on, and was dark before; by looking each millisecond."""
    told = [(0.0, 1.0 - high)]
    for ms in range(until_ms):
        level = high if pattern.lit_at(ms) else 1.0 - high
        if level != told[-1][1]:
            told.append((round(begin + ms / 1000, 3), level))
    return told


# -- every state on every kind of board -----------------------------------------------------------------


@pytest.mark.parametrize("state", STATES, ids=_name)
def test_every_state_as_four_lights_show_it(state: StationState, monkeypatch: pytest.MonkeyPatch) -> None:
    async def story() -> None:
        async with PanelRig(FOUR) as rig:
            await rig.until(1.0)
            for led in Led:
                rig.factory.pin(LINES[led]).clear_states()
            before = project(rig.panel.state)
            rig.panel._become(state)
            await rig.until(6.9995)
            for led, pattern in project(state).items():
                started = 1.0 if pattern != before[led] else 0.0
                seen = [(round(at_s + 1.0, 3), level) for at_s, level in rig.history(LINES[led])]
                wanted = [(1.0, float(before[led].lit_at(1000)))]
                for ms in range(round((1.0 - started) * 1000), round((7.0 - started) * 1000)):
                    level = float(pattern.lit_at(ms))
                    if level != wanted[-1][1]:
                        wanted.append((round(started + ms / 1000, 3), level))
                assert seen == wanted, led

    run_rig(story, monkeypatch)


@pytest.mark.parametrize("state", STATES, ids=_name)
def test_every_state_as_one_active_low_light_shows_it(state: StationState, monkeypatch: pytest.MonkeyPatch) -> None:
    async def story() -> None:
        rig = PanelRig(ONE)
        rig.panel._become(state)
        monkeypatch.setattr(rig.panel, "started", lambda: None)
        async with rig:
            rig.panel._become(state)
            await rig.until(5.9995)
            assert rig.history(5) == [(0.0, 0.0), *steps(light(tuple(Led), state).pattern, 6000, 0.0, high=0.0)]

    run_rig(story, monkeypatch)


@pytest.mark.parametrize("signal", SIGNALS, ids=lambda signal: signal.name)
def test_every_signal_lights_the_lines_of_its_colour(signal: Signal, monkeypatch: pytest.MonkeyPatch) -> None:
    state = next((one for one in STATES if light(tuple(Led), one).signal == signal.name), None)
    if signal.shared is None:
        assert state is None
        return
    assert state is not None

    async def story() -> None:
        rig = PanelRig(RGB)
        monkeypatch.setattr(rig.panel, "started", lambda: None)
        rig.panel._become(state)
        async with rig:
            await rig.until(2.9995)
            pattern = light(tuple(Led), state).pattern
            for line, share in zip((5, 6, 13), signal.colour.value, strict=True):
                wanted = [(0.0, 0.0), *steps(pattern, 3000, 0.0)[1:]] if share else [(0.0, 0.0)]
                assert rig.history(line) == wanted

    run_rig(story, monkeypatch)


def test_a_call_as_the_line_light_tells_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """All of one call, every change of the light with its time."""

    async def story() -> None:
        async with PanelRig() as rig:
            for at_s, state in (
                (1.0, CallState.DIALING),
                (2.0, CallState.NEGOTIATING),
                (4.0, CallState.ONLINE),
                (7.0, CallState.HANGING_UP),
                (9.0, CallState.COOLDOWN),
                (12.5, CallState.IDLE),
            ):
                await rig.until(at_s)
                rig.calls.become(state)
            await rig.until(20.0)
            assert rig.history(LINES[Led.LINE]) == [
                (0.0, 0.0),
                (1.0, 1.0),
                (1.15, 0.0),
                (1.3, 1.0),
                (1.45, 0.0),
                (1.6, 1.0),
                (1.75, 0.0),
                (1.9, 1.0),  # fast
                (2.12, 0.0),
                (2.24, 1.0),
                (2.36, 0.0),  # two quick flashes
                (3.2, 1.0),
                (3.32, 0.0),
                (3.44, 1.0),
                (3.56, 0.0),
                (4.0, 1.0),  # on line
                (8.0, 0.0),
                (9.0, 1.0),  # slow, from 7.0 lit on
                (10.0, 0.0),
                (11.0, 1.0),
                (12.0, 0.0),
            ]

    run_rig(story, monkeypatch)


def test_flashes_are_counted_from_the_first(monkeypatch: pytest.MonkeyPatch) -> None:
    async def story() -> None:
        async with PanelRig() as rig:
            await rig.until(1.234)
            rig.panel.fault(Fault.LINE, True)
            await rig.until(4.0)
            assert rig.history(LINES[Led.FAULT]) == [
                (0.0, 0.0),
                (1.234, 1.0),
                (1.434, 0.0),
                (1.734, 1.0),
                (1.934, 0.0),
                (2.234, 1.0),
                (2.434, 0.0),
                (3.934, 1.0),
            ]

    run_rig(story, monkeypatch)


def test_a_dimmed_light_has_its_share(monkeypatch: pytest.MonkeyPatch) -> None:
    async def story() -> None:
        async with PanelRig(FOUR, PanelConfig(brightness=20)) as rig:
            rig.panel.fault(Fault.STORAGE, True)
            await rig.until(1.0)
            assert rig.history(LINES[Led.FAULT]) == [(0.0, 0.0), (0.0, 0.2), (0.2, 0.0)]

    run_rig(story, monkeypatch)


def test_a_dimmed_light_of_three_colours_mixes_them(monkeypatch: pytest.MonkeyPatch) -> None:
    async def story() -> None:
        rig = PanelRig(RGB, PanelConfig(brightness=50))
        async with rig:
            rig.panel.redial(True)
            await rig.until(0.1)
            shares = [rig.history(line)[-1][1] for line in (5, 6, 13)]
            assert shares == pytest.approx([0.5 * share for share in Colour.AMBER.value])

    run_rig(story, monkeypatch)


# -- every state x event, on the mock pins --------------------------------------------------------------

Segments = list[tuple[float, StationState]]


def expected(segments: Segments, leds: tuple[Led, ...], until_ms: int) -> list[tuple[float, float]]:
    """What a lamp's pin does while the state is as told, looked at each millisecond; a new pattern starts over."""
    told, level, shown, since_ms = [(0.0, 0.0)], 0.0, None, 0
    states = {round(at_s * 1000): state for at_s, state in segments}
    for ms in range(until_ms):
        if ms in states:
            now_shown = light(leds, states[ms])
            if now_shown != shown:
                shown, since_ms = now_shown, ms
        is_lit = float(now_shown.pattern.lit_at(ms - since_ms))
        if is_lit != level:
            level = is_lit
            told.append((round(ms / 1000, 3), level))
    return told


@pytest.mark.parametrize("state", CallState)
@pytest.mark.parametrize("event", CallEvent)
def test_every_state_of_a_call_with_every_event(
    state: CallState, event: CallEvent, monkeypatch: pytest.MonkeyPatch
) -> None:
    step = next_state(state, event)
    after = step if isinstance(step, CallState) else state

    async def story() -> None:
        async with PanelRig() as rig:
            rig.calls.become(state)
            await rig.until(1.5)
            rig.calls.become(after)
            await rig.until(4.0 - 0.0005)
            segments = [(0.0, StationState(call=state)), (1.5, StationState(call=after))]
            for led, line in LINES.items():
                assert rig.history(line)[1:] == expected(segments, (led,), 4000)[1:], led

    run_rig(story, monkeypatch)


REACHED: dict[ButtonState, tuple[list[float], float]] = {
    # when the contact moves (down, up, down ...), and when the event comes
    ButtonState.UP: ([], 1.0),
    ButtonState.DOWN: ([1.0], 2.0),
    ButtonState.HELD: ([1.0], 5.0),
    ButtonState.HELD_LONG: ([1.0], 12.0),
    ButtonState.CANCELLED: ([1.0], 20.0),
    ButtonState.STUCK: ([1.0], 33.0),
    ButtonState.OFFERED: ([1.0, 12.0], 13.0),
    ButtonState.CONFIRMING: ([1.0, 12.0, 13.0], 14.0),
}
SHOWN_FROM = [(4.0, ButtonShow.HANG_UP), (11.0, ButtonShow.RESET), (16.0, ButtonShow.CANCELLED)]


def test_every_state_of_the_button_is_reached_here() -> None:
    assert set(REACHED) == set(ButtonState)


@pytest.mark.parametrize("state", REACHED)
@pytest.mark.parametrize("event", ButtonEvent)
def test_every_state_of_the_button_with_every_event(
    state: ButtonState, event: ButtonEvent, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The finger moves the mock pin; what the lights did from the first moment on is compared whole."""
    edges, at_s = REACHED[state]
    step = TABLE[state][event]

    async def story() -> None:
        async with PanelRig() as rig:
            for number, edge_s in enumerate(edges):
                await rig.until(edge_s)
                rig.hand.drive_high() if number % 2 else rig.hand.drive_low()
            await rig.until(at_s)
            button = rig.front._button
            assert button is not None and button.state is state
            told = []
            rig.panel.watch(lambda seen, lights: told.append((now(), seen)))
            if event is ButtonEvent.TIME:
                due_s = button.deadline_s
                await rig.until((due_s or at_s) + 0.01)
            else:
                rig.hand.drive_low() if event is ButtonEvent.PRESS else rig.hand.drive_high()
                await rig.until(at_s + 0.05)
            assert button.state is (step.to if isinstance(step, Go) else state)
            end_s = round(now() + 0.5, 3)
            await rig.until(end_s - 0.0005)
            segments = [(0.0, StationState())]
            down_s = edges[-1] if len(edges) % 2 else None
            segments += [
                (from_s, StationState(button=show))
                for from_s, show in SHOWN_FROM
                if edges and from_s < (edges[1] if len(edges) > 1 else at_s)
            ]
            if state is ButtonState.STUCK:
                segments.append((31.0, StationState(faults=frozenset({Fault.BUTTON}))))
            if len(edges) > 1:
                segments.append((12.03, StationState(button=ButtonShow.OFFERED)))
            assert down_s is None or down_s <= at_s
            segments += [(round(when_s, 3), seen) for when_s, seen in told[1:]]
            for led, line in LINES.items():
                assert settled(rig.history(line)) == settled(expected(segments, (led,), round(end_s * 1000))), led

    run_rig(story, monkeypatch)


def settled(history: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """Without what lasted less than 2 ms: where a pattern's step and a new pattern fall on one moment."""
    kept: list[tuple[float, float]] = []
    for at_s, level in history:
        while kept and at_s - kept[-1][0] < 0.002:
            kept.pop()
        if not kept or kept[-1][1] != level:
            kept.append((at_s, level))
    return kept


# -- the button -----------------------------------------------------------------------------------------

BUSY = [CallState.DIALING, CallState.NEGOTIATING, CallState.ONLINE, CallState.HANGING_UP]


@pytest.mark.parametrize("state", CallState)
@pytest.mark.parametrize(
    ("held_s", "at_rest", "busy"),
    [(0.2, "request button", "stop"), (3.5, "hang up", "hang up"), (16.0, None, None)],
)
def test_what_the_button_does_in_every_state_of_a_call(
    state: CallState, held_s: float, at_rest: str | None, busy: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story() -> None:
        async with PanelRig() as rig:
            rig.calls.become(state)
            await rig.until(1.0)
            await rig.hold(held_s)
            await rig.until(60.0)
            wanted = busy if state in BUSY else at_rest
            assert rig.calls.told == ([(round(1.0 + held_s + 0.03, 3), wanted)] if wanted else [])
            assert rig.reset.asked == []

    run_rig(story, monkeypatch)


def test_a_bouncing_press_makes_one_call(monkeypatch: pytest.MonkeyPatch) -> None:
    async def story() -> None:
        async with PanelRig() as rig:
            for wait_s in (0.5, 0.001, 0.002, 0.001, 0.004, 0.2, 0.001, 0.003):
                await asyncio.sleep(wait_s)
                rig.hand.drive_high() if not rig.hand.state else rig.hand.drive_low()
            assert rig.hand.state
            await rig.until(5.0)
            assert rig.calls.told == [(0.742, "request button")]

    run_rig(story, monkeypatch)


def test_the_lights_tell_a_hold_before_it_acts(monkeypatch: pytest.MonkeyPatch) -> None:
    async def story() -> None:
        async with PanelRig() as rig:
            await rig.until(1.0)
            await rig.hold(16.0)  # until 17: cancelled at 16
            await rig.until(20.0)
            seen = rig.history(LINES[Led.MAIL])  # a light that is dark otherwise
            assert [one for one in seen if one[0] < 11.0] == [
                (0.0, 0.0),
                *((round(4.0 + 0.4 * n, 3), float(n % 2 == 0)) for n in range(18)),
            ]
            assert [one for one in seen if 11.0 <= one[0] < 16.0] == [
                (round(11.0 + second + at_s, 3), level)
                for second in range(5)
                for at_s, level in ((0, 1.0), (0.1, 0.0), (0.2, 1.0), (0.3, 0.0), (0.4, 1.0), (0.5, 0.0))
            ]
            assert seen[-1] in {(15.5, 0.0), (16.0, 0.0)}  # its next flash would have begun just then
            # power goes out with it, and comes back when the button is let go
            assert rig.history(LINES[Led.POWER])[-1] == (17.03, 1.0)
            assert rig.calls.told == [] and rig.reset.asked == []

    run_rig(story, monkeypatch)


def test_a_reset_is_offered_confirmed_and_shown(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def story() -> None:
        async with PanelRig() as rig:
            await rig.until(1.0)
            await rig.hold(11.0)
            await rig.until(14.0)
            assert rig.panel.state.button is ButtonShow.OFFERED
            await rig.hold(0.2)
            await rig.until(15.0)
            assert rig.reset.asked == [(14.23, "button")]
            assert rig.panel.state.phase is Phase.RESETTING
            await rig.until(200.0)  # no reboot came
            assert rig.panel.state.phase is Phase.RUNNING
            assert rig.calls.told == []

    with caplog.at_level(logging.INFO, "dialpost.panel"):
        run_rig(story, monkeypatch)
    assert "factory reset confirmed by the button: The station restarts and is reset." in caplog.text


def test_an_offer_nobody_confirms_is_over_after_five_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    async def story() -> None:
        async with PanelRig() as rig:
            await rig.until(1.0)
            await rig.hold(11.0)
            await rig.until(16.99)
            assert rig.panel.state.button is ButtonShow.OFFERED
            await rig.until(17.01)
            assert rig.panel.state.button is ButtonShow.NOTHING
            await rig.hold(0.2)
            await rig.until(30.0)
            assert rig.reset.asked == []
            assert [what for _, what in rig.calls.told] == ["request button"]

    run_rig(story, monkeypatch)


def test_a_reset_that_can_not_be_noted_is_a_fault_of_the_card(monkeypatch: pytest.MonkeyPatch) -> None:
    async def story() -> None:
        async with PanelRig() as rig:
            rig.reset.fails = True
            await rig.hold(11.0)
            await rig.until(13.0)
            await rig.hold(0.2)
            await rig.until(14.0)
            assert rig.panel.state.phase is Phase.RUNNING
            assert rig.panel.state.faults == {Fault.STORAGE}

    run_rig(story, monkeypatch)


def test_a_button_without_resets_takes_such_a_hold_back(monkeypatch: pytest.MonkeyPatch) -> None:
    async def story() -> None:
        async with PanelRig(FOUR, PanelConfig(button_resets=False)) as rig:
            await rig.hold(11.0)
            assert rig.panel.state.button is ButtonShow.CANCELLED
            await rig.until(12.0)
            await rig.hold(0.2)
            await rig.until(20.0)
            assert rig.reset.asked == []
            assert [what for _, what in rig.calls.told] == ["request button"]

    run_rig(story, monkeypatch)


def test_a_stuck_button_is_shown_logged_and_told_until_it_is_free(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def story() -> None:
        async with PanelRig() as rig:
            await rig.until(1.0)
            hold = asyncio.create_task(rig.hold(100.0))
            await rig.until(30.99)
            assert rig.panel.state.faults == frozenset() and rig.front.attention() == []
            await rig.until(31.01)
            assert rig.panel.state.faults == {Fault.BUTTON}
            assert "stuck" in rig.front.attention()[0]
            await hold
            await rig.until(102.0)
            assert rig.panel.state.faults == frozenset() and rig.front.attention() == []
            assert rig.calls.told == []

    run_rig(story, monkeypatch)
    assert "held for more than 30 s" in caplog.text


def test_a_button_down_at_the_start_is_stuck_at_once_and_does_nothing_when_let_go(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def story() -> None:
        async with PanelRig(down=True) as rig:
            assert rig.panel.state.faults == {Fault.BUTTON}
            await rig.until(5.0)
            rig.hand.drive_high()
            await rig.until(6.0)
            assert rig.panel.state.faults == frozenset()
            assert rig.calls.told == []
            await rig.hold(0.2)
            await rig.until(7.0)
            assert [what for _, what in rig.calls.told] == ["request button"]

    run_rig(story, monkeypatch)
    assert "down at the start" in caplog.text


def test_a_button_without_a_station_does_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    async def story() -> None:
        async with PanelRig() as rig:
            rig.front.calls = None
            for seconds in (0.2, 3.5):
                await rig.hold(seconds)
                await asyncio.sleep(1)
            assert rig.calls.told == []

    run_rig(story, monkeypatch)


# -- night ----------------------------------------------------------------------------------------------


def test_at_night_the_lights_sleep_until_the_button_is_touched(monkeypatch: pytest.MonkeyPatch) -> None:
    async def story() -> None:
        async with PanelRig(FOUR, PanelConfig(night_hours=("22:00-06:00",), night_wake_s=30)) as rig:
            power = LINES[Led.POWER]
            await rig.until(30.0)
            rig.clock = "22:00"
            await rig.until(100.0)
            await rig.hold(0.5)
            await rig.until(200.0)
            rig.clock = "06:00"
            await rig.until(300.0)
            # looked at every 20 s; awake 30 s after the last edge at 100.5
            assert rig.history(power) == [
                (0.0, 0.0),
                (0.0, 1.0),
                (40.0, 0.0),
                (100.0, 1.0),
                (130.5, 0.0),
                (210.5, 1.0),
            ]

    run_rig(story, monkeypatch)


def test_it_is_never_night_while_the_clock_is_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    async def story() -> None:
        rig = PanelRig(FOUR, PanelConfig(night_hours=("00:00-23:59",)))
        rig.clock = None
        async with rig:
            await rig.until(100.0)
            assert rig.history(LINES[Led.POWER]) == [(0.0, 0.0), (0.0, 1.0)]

    run_rig(story, monkeypatch)
