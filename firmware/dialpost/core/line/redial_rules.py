"""May a machine dial this number now? A country's rules applied to the attempts made so far.

Pure: `now_s` is monotonic and passed in. An attempt counts if digits were sent and no modem answered. A number that
answered starts over, and so does everything when the operator asks for a call (47 CFR 68.318(b)(1): "reactivated by
either manual or external means"; PTC 200: "for any single manual call initiation").

The history survives a restart. On the card an attempt has an age, not a time. The time since the restart is taken
from the wall clock if that could be trusted both before and after; otherwise it counts as none. So a board whose
clock starts in the past may wait longer than necessary, never shorter.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from dialpost.core.call_reason import CallReason
from dialpost.core.config.setting import setting
from dialpost.core.json_value import JsonValue
from dialpost.core.line.link import DialResult

COUNTED = frozenset(
    {DialResult.BUSY, DialResult.NO_ANSWER, DialResult.NO_CARRIER, DialResult.TIMEOUT, DialResult.VOICE}
)
"""Results of calls that used the exchange in vain. With the others, no digit was dialled, or the call got
through."""

KEPT_TRIES = 64
"""Attempts kept per number: more than any rule counts."""
KEPT_NUMBERS = 40
"""Numbers kept: more than modem.numbers can have, so that a changed configuration forgets nothing that still
counts."""
MOST_ATTEMPTS = 50


@dataclass(frozen=True, slots=True)
class RedialRules:
    """How often and how soon a machine may try a number that does not answer."""

    attempts: int = setting(
        15,
        "Failed tries in a row to one number, the first included; 0 = no limit.",
        minimum=0,
        maximum=MOST_ATTEMPTS,
    )
    attempts_busy: int = setting(
        0, "The same where each of them met a busy number; 0 = as `attempts`.", minimum=0, maximum=MOST_ATTEMPTS
    )
    rest_s: int = setting(
        3600,
        "How long the number rests then; 0 = until the operator asks for a call. Tries farther apart are not "
        "in a row.",
        unit="seconds",
        minimum=0,
        maximum=604_800,
    )
    period_attempts: int = setting(
        0, "Failed tries to one number in any `period_s`; 0 = no limit.", minimum=0, maximum=MOST_ATTEMPTS
    )
    period_s: int = setting(0, "The period.", unit="seconds", minimum=0, maximum=86_400)
    pauses_s: tuple[int, ...] = setting(
        (5,), "Shortest wait after the first failed try to a number, the second ...; the last holds for all later."
    )
    busy_pause_s: int = setting(0, "Shortest wait after a busy number.", unit="seconds", minimum=0, maximum=86_400)
    no_answer_pause_s: int = setting(
        0, "Shortest wait after a number that did not answer.", unit="seconds", minimum=0, maximum=86_400
    )
    other_number_pause_s: int = setting(
        0, "Shortest wait before another number.", unit="seconds", minimum=0, maximum=3600
    )

    def faults(self) -> list[str]:
        """Contradictions, a sentence each."""
        found = []
        if not self.pauses_s:
            found.append("redial.pauses_s must name one wait at least, like [30].")
        if any(pause < 0 or pause > 86_400 for pause in self.pauses_s):
            found.append("redial.pauses_s is not allowed: each is a number of seconds from 0 to 86400.")
        if bool(self.period_attempts) != bool(self.period_s):
            found.append("redial.period_attempts and redial.period_s go together: give both or none.")
        if self.attempts_busy and self.attempts_busy < self.attempts:
            found.append("redial.attempts_busy must not be less than redial.attempts.")
        return found


def vain_call(reason: CallReason, *, is_way_out_barred: bool, is_etrn_barred: bool, waits: bool) -> str:
    """Why an automatic call could achieve nothing, "" if it could.

    Logins that a mail host refused (`is_way_out_barred`: every host that takes outgoing mail) would be refused
    again. Inbound mail, with or without ETRN, is still worth a call. `waits`: mail for the world is in the queue.
    """
    out_only = reason in {CallReason.QUEUE, CallReason.URGENT}
    if not is_way_out_barred and (out_only or not is_etrn_barred or waits):
        return ""
    if is_way_out_barred and not out_only and not is_etrn_barred:
        return ""
    hosts = [name for name, barred in (("outbound", is_way_out_barred), ("etrn", is_etrn_barred)) if barred]
    keys = " and ".join(f"{section}.user, {section}.password" for section in hosts)
    return f"The login was refused by every mail host that a call would be for. Correct {keys}."


@dataclass(frozen=True, slots=True)
class Try:
    """One counted attempt. `at_s` is monotonic and may lie before the start of this process (negative)."""

    at_s: float
    result: DialResult


@dataclass(frozen=True, slots=True)
class MayDial:
    """The answer: wait `wait_s` (0 = dial now, infinity = only when the operator asks), and why, in words."""

    wait_s: float = 0.0
    why: str = ""

    @property
    def given_up(self) -> bool:
        """Whether no wait is long enough."""
        return math.isinf(self.wait_s)


@dataclass(frozen=True, slots=True)
class RedialHistory:
    """The attempts that still count, oldest first, by number. Immutable: each change makes a new history."""

    numbers: Mapping[str, tuple[Try, ...]] = field(default_factory=dict)

    def tried(self, number: str, result: DialResult, now_s: float) -> RedialHistory:
        """With one more attempt. A number that answered is forgotten; one that was never dialled changes
        nothing."""
        others = {known: tries for known, tries in self.numbers.items() if known != number}
        if result is DialResult.CONNECTED:
            return RedialHistory(others)
        if result not in COUNTED:
            return self
        tries = (*self.numbers.get(number, ()), Try(now_s, result))[-KEPT_TRIES:]
        latest = {**others, number: tries}
        return RedialHistory(dict(list(latest.items())[-KEPT_NUMBERS:]))

    def by_person(self) -> RedialHistory:
        """The operator asked for a call: every series starts over."""
        return RedialHistory()

    def to_json(self, now_s: float, wall_s: float, *, trusted: bool) -> dict[str, JsonValue]:
        """For the card. `wall_s` is Unix seconds by the wall clock, `trusted` whether it can be right."""
        return {
            "wall_s": int(wall_s) if trusted else None,
            "numbers": {
                number: [[round(max(0.0, now_s - one.at_s), 1), one.result.value] for one in tries]
                for number, tries in self.numbers.items()
            },
        }

    @classmethod
    def from_json(cls, value: JsonValue, now_s: float, wall_s: float, *, trusted: bool) -> RedialHistory:
        """Restored from `to_json`. Raises: ValueError if it is not that."""
        if not isinstance(value, Mapping) or not isinstance(value.get("numbers"), Mapping):
            raise ValueError("no history of tries")
        saved_s = value.get("wall_s")
        passed_s = 0.0
        if trusted and isinstance(saved_s, int) and not isinstance(saved_s, bool):
            passed_s = max(0.0, wall_s - saved_s)
        numbers = value["numbers"]
        assert isinstance(numbers, Mapping)
        read = {str(number): _tries(tries, now_s - passed_s) for number, tries in numbers.items()}
        return cls(dict(list(read.items())[-KEPT_NUMBERS:]))


def _tries(value: JsonValue, saved_at_s: float) -> tuple[Try, ...]:
    if not isinstance(value, list | tuple):
        raise ValueError("no list of tries")
    found = []
    for item in value:
        if not isinstance(item, list | tuple) or len(item) != 2:
            raise ValueError(f"no try: {item!r}")
        age_s, result = item
        if isinstance(age_s, bool) or not isinstance(age_s, int | float) or not 0 <= age_s < math.inf:
            raise ValueError(f"no age: {age_s!r}")
        found.append(Try(saved_at_s - age_s, DialResult(result)))
    return tuple(found[-KEPT_TRIES:])


def may_dial(rules: RedialRules, whose: str, history: RedialHistory, number: str, now_s: float) -> MayDial:
    """Whether `number` may be dialled now. `whose` names the country in the answer's words."""
    tries = history.numbers.get(number, ())
    waits = [
        _rest(rules, whose, _series(rules, tries, now_s), now_s),
        _period(rules, whose, tries, now_s),
        _pause(rules, whose, _series(rules, tries, now_s), now_s),
        _other(rules, whose, history, number, now_s),
    ]
    return max(waits, key=lambda wait: wait.wait_s)


def _series(rules: RedialRules, tries: tuple[Try, ...], now_s: float) -> tuple[Try, ...]:
    """The series of attempts that lasts until now: none of its gaps is as long as the required rest."""
    if not rules.rest_s:
        return tries
    series: list[Try] = []
    after_s = now_s
    for one in reversed(tries):
        if after_s - one.at_s >= rules.rest_s:
            break
        series.append(one)
        after_s = one.at_s
    return tuple(reversed(series))


def _rest(rules: RedialRules, whose: str, series: tuple[Try, ...], now_s: float) -> MayDial:
    all_busy = all(one.result is DialResult.BUSY for one in series)
    limit = rules.attempts_busy if rules.attempts_busy and all_busy else rules.attempts
    if not limit or len(series) < limit:
        return MayDial()
    kind = "busy tries" if limit != rules.attempts else "failed tries"
    if not rules.rest_s:
        return MayDial(math.inf, f"{whose} allows {limit} {kind} in a row to one number, until the operator asks")
    left_s = series[-1].at_s + rules.rest_s - now_s
    return MayDial(left_s, f"{whose} allows {limit} {kind} in a row to one number, then it rests")


def _period(rules: RedialRules, whose: str, tries: tuple[Try, ...], now_s: float) -> MayDial:
    recent = [one for one in tries if now_s - one.at_s < rules.period_s]
    if not rules.period_attempts or len(recent) < rules.period_attempts:
        return MayDial()
    free_s = recent[-rules.period_attempts].at_s + rules.period_s
    minutes = f"{rules.period_s / 60:g} min"
    return MayDial(free_s - now_s, f"{whose} allows {rules.period_attempts} tries in {minutes} to one number")


def _pause(rules: RedialRules, whose: str, series: tuple[Try, ...], now_s: float) -> MayDial:
    if not series:
        return MayDial()
    last = series[-1]
    pause_s = rules.pauses_s[min(len(series), len(rules.pauses_s)) - 1]
    if last.result is DialResult.BUSY:
        pause_s = max(pause_s, rules.busy_pause_s)
    if last.result is DialResult.NO_ANSWER:
        pause_s = max(pause_s, rules.no_answer_pause_s)
    left_s = last.at_s + pause_s - now_s
    return MayDial(left_s, f"{whose} requires {pause_s} s between such tries") if left_s > 0 else MayDial()


def _other(rules: RedialRules, whose: str, history: RedialHistory, number: str, now_s: float) -> MayDial:
    ends = [tries[-1].at_s for known, tries in history.numbers.items() if known != number and tries]
    left_s = max(ends, default=-math.inf) + rules.other_number_pause_s - now_s
    if left_s <= 0:
        return MayDial()
    return MayDial(left_s, f"{whose} requires {rules.other_number_pause_s} s before another number")
