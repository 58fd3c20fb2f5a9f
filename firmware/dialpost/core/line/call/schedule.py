"""When to call automatically: times of day, intervals, the queue's length, an urgent message.

Pure: the clock readings and the time zone are passed in. The rules:

- A time skipped by the change to summer time is kept at the same distance from midnight as before the change (02:30
  becomes 03:30); one that comes twice in autumn counts the first time only.
- Intervals are counted in real minutes from `start` to `end`; if `end` is not after `start`, to `end` on the next
  day. A weekday is that of the start.
- A clock that jumps (chrony after a start in 1970, an operator) neither triggers all the calls it jumped over nor
  repeats any: the plan is made again from the clock's new time.
- A clock that is not trusted is not used: calls come at the mean interval of the scheduled ones, counted from the
  start of the station, the first after at most an hour.
- `min_pause_min` applies to each of these calls; one that falls into the pause is made at its end. After a call
  that failed the pause grows, doubling up to an hour.
- The queue is a reason only if something has been added since the last call that was on line: mail that a provider
  keeps deferring must not cause calls for ever.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo

from dialpost.core.call_reason import CallReason
from dialpost.core.config.model import ScheduleConfig, ScheduleEntry

WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
DAY_S = 86_400
CLOCK_JUMP_S = 90.0
"""A wall clock that differs from the monotonic one by more than this has been set."""
LONGEST_NAP_S = 300.0
"""How often the clock is checked, however far away the next call is, to notice that it was set."""
FIRST_WITHOUT_CLOCK_S = 3600.0
LONGEST_FAILURE_PAUSE_S = 3600.0
_MOST_DOUBLINGS = 10


@dataclass(frozen=True, slots=True)
class ClockReading:
    """One moment: `wall_s` in Unix seconds and whether it can be trusted, `mono_s` since any fixed point."""

    wall_s: float
    mono_s: float
    trusted: bool


@dataclass(frozen=True, slots=True)
class CallFacts:
    """What the schedule has to know about queue and calls.

    `last_end_mono_s` is the end of the last call (None: none since the start); `failures` counts calls
    in a row that did not come on line, or achieved nothing. `left_waiting` and `left_urgent` are what waited when
    the last call that was on line ended.
    """

    waiting: int = 0
    urgent: int = 0
    last_end_mono_s: float | None = None
    failures: int = 0
    left_waiting: int = 0
    left_urgent: int = 0


@dataclass(frozen=True, slots=True)
class Plan:
    """What the schedule remembers between two checks. `due_since_mono_s`: a call that is due and not made."""

    looked: ClockReading
    started_mono_s: float
    due_since_mono_s: float | None = None


@dataclass(frozen=True, slots=True)
class Look:
    """The answer: call now (a reason) or not (None), when to check again, and what to remember."""

    call: CallReason | None
    again_in_s: float
    plan: Plan


def first_plan(now: ClockReading) -> Plan:
    """The plan of a station that has just started."""
    return Plan(now, now.mono_s)


def look(config: ScheduleConfig, zone: tzinfo, plan: Plan, now: ClockReading, facts: CallFacts) -> Look:
    """Whether a call is due now. After a `call` the plan takes it as made."""
    due_since = plan.due_since_mono_s
    if due_since is not None and not facts.failures and (facts.last_end_mono_s or 0.0) > due_since:
        due_since = None  # a call for another reason has been made in the meantime
    if due_since is None and _slot_passed(config, zone, plan, now):
        due_since = now.mono_s
    reason = CallReason.SCHEDULE if due_since is not None else None
    reason = _queue_reason(config, facts) or reason
    pause_s = _pause_left(config, facts, now)
    called = reason is not None and pause_s <= 0
    following = Plan(_looked(plan, now), plan.started_mono_s, None if called else due_since)
    if called:
        return Look(reason, min(LONGEST_NAP_S, _until_next(config, zone, following, now)), following)
    nap = pause_s if reason is not None else _until_next(config, zone, following, now)
    return Look(None, max(0.0, min(LONGEST_NAP_S, nap)), following)


def _queue_reason(config: ScheduleConfig, facts: CallFacts) -> CallReason | None:
    if config.when_urgent and facts.urgent > facts.left_urgent:
        return CallReason.URGENT
    if config.when_waiting and facts.waiting >= config.when_waiting and facts.waiting > facts.left_waiting:
        return CallReason.QUEUE
    return None


def _pause_left(config: ScheduleConfig, facts: CallFacts, now: ClockReading) -> float:
    if facts.last_end_mono_s is None:
        return 0.0
    pause_s = config.min_pause_min * 60.0
    if facts.failures:
        longest = max(pause_s, LONGEST_FAILURE_PAUSE_S)
        pause_s = min(longest, max(pause_s, 60.0) * 2.0 ** min(facts.failures - 1, _MOST_DOUBLINGS))
    return facts.last_end_mono_s + pause_s - now.mono_s


def _clock_was_set(before: ClockReading, now: ClockReading) -> bool:
    return abs((now.wall_s - before.wall_s) - (now.mono_s - before.mono_s)) > CLOCK_JUMP_S


def _looked(plan: Plan, now: ClockReading) -> ClockReading:
    """How far the plan has advanced: a small correction backwards does not repeat a moment."""
    if plan.looked.trusted and now.trusted and not _clock_was_set(plan.looked, now):
        return ClockReading(max(plan.looked.wall_s, now.wall_s), now.mono_s, trusted=True)
    return now


def _slot_passed(config: ScheduleConfig, zone: tzinfo, plan: Plan, now: ClockReading) -> bool:
    """Whether a scheduled moment lies between the last check and now."""
    if not config.entry:
        return False
    if not now.trusted:
        interval = mean_interval_s(config)
        first = min(interval, FIRST_WITHOUT_CLOCK_S)
        return _ticks(plan.looked.mono_s - plan.started_mono_s, first, interval) < _ticks(
            now.mono_s - plan.started_mono_s, first, interval
        )
    if not plan.looked.trusted or _clock_was_set(plan.looked, now):
        return False
    following = next_slot(config, zone, plan.looked.wall_s)
    return following is not None and following <= now.wall_s


def _ticks(since_start_s: float, first_s: float, interval_s: float) -> int:
    """How many calls have been due by an untrusted clock since the start."""
    return 0 if since_start_s < first_s else 1 + int((since_start_s - first_s) // interval_s)


def _until_next(config: ScheduleConfig, zone: tzinfo, plan: Plan, now: ClockReading) -> float:
    if not config.entry:
        return LONGEST_NAP_S
    if not now.trusted:
        interval = mean_interval_s(config)
        first = min(interval, FIRST_WITHOUT_CLOCK_S)
        since = now.mono_s - plan.started_mono_s
        return first + _ticks(since, first, interval) * interval - since
    following = next_slot(config, zone, now.wall_s)
    return LONGEST_NAP_S if following is None else following - now.wall_s


def next_slot(config: ScheduleConfig, zone: tzinfo, after_s: float) -> float | None:
    """The first scheduled moment strictly after `after_s` (both Unix seconds), None without entries."""
    today = datetime.fromtimestamp(after_s, zone).date()
    found: list[float] = []
    # From yesterday, for intervals over midnight, to a week ahead. One day more than the first that has a moment,
    # because an interval over midnight may reach into it from the day before.
    for offset in range(-1, 9):
        enough = bool(found)
        day = today + timedelta(days=offset)
        for entry in config.entry:
            found += [slot for slot in slots_of_day(entry, zone, day) if slot > after_s]
        if enough:
            break
    return min(found, default=None)


def slots_of_day(entry: ScheduleEntry, zone: tzinfo, day: date) -> Iterator[float]:
    """The moments of one entry that belong to `day`, in Unix seconds, in no particular order."""
    if WEEKDAYS[day.weekday()] not in entry.days:
        return
    for text in entry.at:
        yield _moment(day, text, zone)
    if not entry.every_min:
        return
    first = _moment(day, entry.start or "00:00", zone)
    last = _end(entry, zone, day)
    step = entry.every_min * 60
    for number in range(int((last - first) // step) + 1):
        yield first + number * step


def _end(entry: ScheduleEntry, zone: tzinfo, day: date) -> float:
    """The end of the interval that starts on `day`: on the next day if it is not after the start."""
    if not entry.end:
        return _moment(day + timedelta(days=1), "00:00", zone) - 1
    if entry.end > (entry.start or "00:00"):
        return _moment(day, entry.end, zone)
    return _moment(day + timedelta(days=1), entry.end, zone)


def _moment(day: date, text: str, zone: tzinfo) -> float:
    """Local time on a day in Unix seconds. fold=0: the first of two, or moved on over a gap (PEP 495)."""
    hour, minute = text.split(":")
    return datetime.combine(day, time(int(hour), int(minute)), zone).timestamp()


def mean_interval_s(config: ScheduleConfig) -> float:
    """A week divided by the number of scheduled calls in it, for use with an untrusted clock."""
    days = [date.min + timedelta(days=offset) for offset in range(7)]  # any week has each day once
    count = sum(len(list(slots_of_day(entry, UTC, day))) for entry in config.entry for day in days)
    return 7.0 * DAY_S / max(count, 1)
