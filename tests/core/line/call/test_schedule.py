"""The schedule: times, intervals, pauses, the queue, summer time, clocks that jump or lie."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from dialpost.core.call_reason import CallReason
from dialpost.core.config.model import ScheduleConfig, ScheduleEntry
from dialpost.core.line.call.schedule import (
    FIRST_WITHOUT_CLOCK_S,
    LONGEST_NAP_S,
    CallFacts,
    ClockReading,
    Plan,
    first_plan,
    look,
    mean_interval_s,
    next_slot,
)

BERLIN = ZoneInfo("Europe/Berlin")
NONE = CallFacts()


def at(text: str, zone: ZoneInfo = BERLIN, fold: int = 0) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=zone, fold=fold).timestamp()


def local(seconds: float | None) -> str:
    assert seconds is not None
    return datetime.fromtimestamp(seconds, BERLIN).isoformat(timespec="minutes")


def times(*at_times: str, **more: object) -> ScheduleConfig:
    return ScheduleConfig(entry=(ScheduleEntry(at=at_times, **more),))  # type: ignore[arg-type]


def slots(config: ScheduleConfig, after: str, count: int) -> list[str]:
    found, moment = [], at(after)
    for _ in range(count):
        following = next_slot(config, BERLIN, moment)
        assert following is not None
        assert following > moment
        moment = following
        found.append(local(moment))
    return found


def test_times_of_day() -> None:
    assert slots(times("12:30", "06:00"), "2026-01-14T06:00", 3) == [
        "2026-01-14T12:30+01:00",
        "2026-01-15T06:00+01:00",
        "2026-01-15T12:30+01:00",
    ]


def test_weekdays() -> None:
    assert slots(times("08:00", days=("mon", "fri")), "2026-01-14T00:00", 3) == [
        "2026-01-16T08:00+01:00",
        "2026-01-19T08:00+01:00",
        "2026-01-23T08:00+01:00",
    ]


def test_once_a_week_found_from_any_day() -> None:
    config = times("08:00", days=("wed",))
    for day in range(14, 21):
        expected = "2026-01-21T08:00+01:00" if day > 14 else "2026-01-14T08:00+01:00"
        assert slots(config, f"2026-01-{day}T07:59", 1) == [expected], day
    assert slots(config, "2026-01-14T08:00", 1) == ["2026-01-21T08:00+01:00"]


def test_no_entries_no_slot() -> None:
    assert next_slot(ScheduleConfig(), BERLIN, at("2026-01-14T00:00")) is None


def test_intervals_within_hours() -> None:
    config = ScheduleConfig(entry=(ScheduleEntry(start="08:00", end="09:00", every_min=30),))
    assert slots(config, "2026-01-14T07:00", 4) == [
        "2026-01-14T08:00+01:00",
        "2026-01-14T08:30+01:00",
        "2026-01-14T09:00+01:00",
        "2026-01-15T08:00+01:00",
    ]


def test_intervals_over_midnight_belong_to_the_day_they_start() -> None:
    night = ScheduleEntry(days=("fri",), start="22:00", end="02:00", every_min=120)
    early = ScheduleEntry(days=("sat",), at=("00:10",))
    assert slots(ScheduleConfig(entry=(night, early)), "2026-01-16T21:00", 5) == [
        "2026-01-16T22:00+01:00",
        "2026-01-17T00:00+01:00",
        "2026-01-17T00:10+01:00",
        "2026-01-17T02:00+01:00",
        "2026-01-23T22:00+01:00",
    ]


def test_intervals_without_hours_run_all_day() -> None:
    config = ScheduleConfig(entry=(ScheduleEntry(every_min=360),))
    assert [text[11:16] for text in slots(config, "2026-01-14T23:59", 5)] == [
        "00:00",
        "06:00",
        "12:00",
        "18:00",
        "00:00",
    ]


def test_a_time_left_out_by_summer_time_is_held_an_hour_later_once() -> None:
    assert slots(times("02:30"), "2026-03-28T12:00", 2) == [
        "2026-03-29T03:30+02:00",
        "2026-03-30T02:30+02:00",
    ]


def test_a_time_that_comes_twice_is_held_once() -> None:
    assert slots(times("02:30"), "2026-10-24T12:00", 2) == [
        "2026-10-25T02:30+02:00",
        "2026-10-26T02:30+01:00",
    ]


def test_intervals_count_real_minutes_over_a_change() -> None:
    config = ScheduleConfig(entry=(ScheduleEntry(start="00:00", end="06:00", every_min=60),))
    before = at("2026-10-24T23:00")
    found = []
    while (following := next_slot(config, BERLIN, before)) is not None and following <= at("2026-10-25T06:00"):
        found.append(following - before)
        before = following
    assert found == [3600.0] * 8, "seven hours from midnight to six, both ends"


class Driver:
    """Looks at the schedule as the flow does, with clocks set by the test."""

    def __init__(self, config: ScheduleConfig, wall_s: float, *, trusted: bool = True) -> None:
        self.config, self.wall_s, self.mono_s, self.trusted = config, wall_s, 1000.0, trusted
        self.plan: Plan = first_plan(self.now())
        self.facts = NONE
        self.calls: list[tuple[float, CallReason]] = []
        self.again_in_s = 0.0

    def now(self) -> ClockReading:
        return ClockReading(self.wall_s, self.mono_s, self.trusted)

    def look(self) -> CallReason | None:
        found = look(self.config, BERLIN, self.plan, self.now(), self.facts)
        self.plan, self.again_in_s = found.plan, found.again_in_s
        if found.call is not None:
            self.calls.append((self.mono_s - 1000.0, found.call))
            self.facts = CallFacts(
                self.facts.waiting,
                self.facts.urgent,
                self.mono_s,
                self.facts.failures,
                self.facts.left_waiting,
                self.facts.left_urgent,
            )
        return found.call

    def run(self, seconds: float) -> list[tuple[float, CallReason]]:
        """Follow the schedule's own naps for this long; the calls it made, by seconds since the start."""
        end = self.mono_s + seconds
        before = len(self.calls)
        while self.mono_s <= end:
            self.look()
            step = max(self.again_in_s, 0.2)
            self.mono_s += step
            self.wall_s += step
        return self.calls[before:]


def test_calls_come_at_their_time_and_once() -> None:
    driver = Driver(times("12:00", "13:00"), at("2026-01-14T11:00"))
    assert [(round(s), reason) for s, reason in driver.run(3 * 3600)] == [
        (3600, CallReason.SCHEDULE),
        (7200, CallReason.SCHEDULE),
    ]


def test_the_nap_is_never_long_so_that_a_set_clock_is_seen() -> None:
    driver = Driver(times("12:00"), at("2026-01-14T13:00"))
    driver.look()
    assert driver.again_in_s == LONGEST_NAP_S


def test_a_clock_set_forward_does_not_fire_what_it_jumped_over() -> None:
    driver = Driver(times("12:00"), at("1970-01-02T00:00"))
    driver.look()
    driver.wall_s = at("2026-01-14T12:30")
    assert driver.run(3600) == []


def test_a_clock_corrected_back_a_little_repeats_nothing() -> None:
    driver = Driver(times("12:00"), at("2026-01-14T11:59:50"))
    driver.look()
    driver.mono_s += 20.0
    driver.wall_s += 20.0
    assert driver.look() is CallReason.SCHEDULE
    driver.wall_s -= 60.0
    assert driver.run(3600) == []


def test_a_clock_set_far_back_plans_again_from_there() -> None:
    driver = Driver(times("12:00"), at("2031-01-14T12:30"))
    driver.look()
    driver.wall_s = at("2026-01-14T11:30")
    assert [round(s / 60) for s, _ in driver.run(3600)] == [30]


def test_a_missed_moment_within_a_nap_is_still_held() -> None:
    driver = Driver(times("12:00"), at("2026-01-14T11:58"))
    driver.look()
    driver.mono_s += 240.0
    driver.wall_s += 240.0
    assert driver.look() is CallReason.SCHEDULE


def test_an_untrusted_clock_goes_by_the_mean_interval() -> None:
    config = times("06:00", "14:00", "22:00")
    assert mean_interval_s(config) == 8 * 3600
    assert mean_interval_s(ScheduleConfig()) == 7 * 86_400
    assert mean_interval_s(ScheduleConfig(entry=(ScheduleEntry(every_min=360),))) == 6 * 3600
    round_the_clock = ScheduleEntry(start="08:00", end="08:00", every_min=480)
    assert mean_interval_s(ScheduleConfig(entry=(round_the_clock,))) == 6 * 3600, "four times, the last at 08:00"
    assert mean_interval_s(ScheduleConfig(entry=(ScheduleEntry(days=("sun",), at=("06:00",)),))) == 7 * 86_400
    driver = Driver(config, 0.0, trusted=False)
    assert [round(s) for s, _ in driver.run(18 * 3600)] == [3600, 3600 + 28800, 3600 + 57600]
    assert FIRST_WITHOUT_CLOCK_S == 3600


def test_an_untrusted_clock_without_a_schedule_calls_nobody() -> None:
    assert Driver(ScheduleConfig(), 0.0, trusted=False).run(86_400) == []


def test_when_the_clock_becomes_trusted_the_plan_starts_from_there() -> None:
    driver = Driver(times("12:00"), 0.0, trusted=False)
    driver.run(60)
    driver.wall_s, driver.trusted = at("2026-01-14T12:01"), True
    assert driver.run(3600) == []


def test_the_pause_puts_a_call_off_and_does_not_drop_it() -> None:
    driver = Driver(ScheduleConfig(entry=times("12:00").entry, min_pause_min=10), at("2026-01-14T11:59"))
    driver.facts = CallFacts(last_end_mono_s=driver.mono_s - 60.0)
    assert [round(s) for s, _ in driver.run(1800)] == [540]


def test_a_call_by_hand_meanwhile_has_done_what_was_due() -> None:
    driver = Driver(ScheduleConfig(entry=times("12:00").entry, min_pause_min=10), at("2026-01-14T11:59"))
    driver.facts = CallFacts(last_end_mono_s=driver.mono_s - 60.0)
    driver.run(120)
    driver.facts = CallFacts(last_end_mono_s=driver.mono_s)
    assert driver.run(1800) == []


@pytest.mark.parametrize(("failures", "pause_min"), [(0, 5), (1, 5), (2, 10), (3, 20), (5, 60), (50, 60)])
def test_after_failures_the_pause_grows(failures: int, pause_min: int) -> None:
    driver = Driver(ScheduleConfig(when_waiting=1), at("2026-01-14T12:00"))
    driver.facts = CallFacts(waiting=1, last_end_mono_s=driver.mono_s, failures=failures)
    assert next(round(s / 60) for s, _ in driver.run(3700)) == pause_min


def test_without_a_pause_a_failure_costs_a_minute() -> None:
    config = ScheduleConfig(when_waiting=1, min_pause_min=0)
    now = ClockReading(at("2026-01-14T12:00"), 1000.0, trusted=True)
    facts = CallFacts(waiting=1, last_end_mono_s=1000.0, failures=1)
    found = look(config, BERLIN, first_plan(now), now, facts)
    assert (found.call, found.again_in_s) == (None, 60.0)
    assert LONGEST_NAP_S >= 60.0


def test_the_queue_calls_when_enough_wait() -> None:
    driver = Driver(ScheduleConfig(when_waiting=3), at("2026-01-14T12:00"))
    driver.facts = CallFacts(waiting=2, urgent=1)
    assert driver.look() is None
    driver.facts = CallFacts(waiting=3)
    assert driver.look() is CallReason.QUEUE


def test_an_urgent_message_calls_if_that_is_wanted() -> None:
    driver = Driver(ScheduleConfig(when_urgent=True), at("2026-01-14T12:00"))
    driver.facts = CallFacts(waiting=1, urgent=1)
    assert driver.look() is CallReason.URGENT
    plain = Driver(ScheduleConfig(), at("2026-01-14T12:00"))
    plain.facts = CallFacts(waiting=1000, urgent=10)
    assert plain.run(3600) == []


def test_what_the_last_call_left_does_not_dial_for_ever() -> None:
    driver = Driver(ScheduleConfig(when_waiting=2, when_urgent=True), at("2026-01-14T12:00"))
    driver.facts = CallFacts(waiting=3, urgent=1, left_waiting=3, left_urgent=1)
    assert driver.run(86_400) == []
    driver.facts = CallFacts(waiting=4, urgent=1, left_waiting=3, left_urgent=1)
    assert driver.look() is CallReason.QUEUE


def test_utc_is_a_zone_too() -> None:
    assert next_slot(times("00:00"), UTC, 0.0) == 86_400.0


def test_a_call_waits_for_the_last_second_of_the_pause() -> None:
    config = ScheduleConfig(when_waiting=1, min_pause_min=10)
    facts = CallFacts(waiting=1, last_end_mono_s=0.0)
    for mono_s, call in ((599.5, None), (600.0, CallReason.QUEUE)):
        now = ClockReading(at("2027-03-01T10:00"), mono_s, trusted=True)
        found = look(config, BERLIN, first_plan(now), now, facts)
        assert found.call is call and (call or found.again_in_s == 0.5)


def test_an_empty_queue_is_no_reason() -> None:
    start = ClockReading(0.0, 0.0, trusted=True)
    config = ScheduleConfig(when_urgent=True, when_waiting=1)
    assert look(config, BERLIN, first_plan(start), start, CallFacts()).call is None
    for facts, reason in (
        (CallFacts(urgent=1), CallReason.URGENT),
        (CallFacts(urgent=1, left_urgent=1), None),
        (CallFacts(waiting=1), CallReason.QUEUE),
        (CallFacts(waiting=1, left_waiting=1), None),
        (CallFacts(waiting=2, left_waiting=1), CallReason.QUEUE),
    ):
        assert look(config, BERLIN, first_plan(start), start, facts).call is reason


@pytest.mark.parametrize(
    ("since_start_s", "called", "again_in_s"),
    [
        (0.0, False, 300.0),
        (3599.0, False, 1.0),
        (3600.0, True, 300.0),
        (3601.0, True, 300.0),
        (3600.0 + 43_199.0, True, 1.0),
    ],
)
def test_without_a_clock_the_first_call_comes_after_an_hour(
    since_start_s: float, called: bool, again_in_s: float
) -> None:
    config = times("06:00", "18:00")  # every twelve hours
    start = ClockReading(0.0, 1000.0, trusted=False)
    now = ClockReading(0.0, 1000.0 + since_start_s, trusted=False)
    found = look(config, BERLIN, first_plan(start), now, NONE)
    assert (found.call is not None, found.again_in_s) == (called, again_in_s)


@pytest.mark.parametrize(
    ("set_s", "is_held"), [(0.0, True), (89.0, True), (90.0, True), (91.0, False), (-91.0, False)]
)
def test_how_far_a_clock_may_drift_between_two_looks(set_s: float, is_held: bool) -> None:
    before = ClockReading(at("2026-01-14T05:00"), 0.0, trusted=True)
    now = ClockReading(at("2026-01-14T06:02"), 3720.0 - set_s, trusted=True)
    assert (look(times("06:00"), BERLIN, first_plan(before), now, NONE).call is not None) is is_held
