"""Which of modem.numbers is dialled next, when, and with which command.

One `DialPlan` for each modem, shared by the code that dials and the code that decides when (both in the daemon's
event loop):

    plan = DialPlan(config.modem, country)          # country: core/line/country.parse_country
    step = plan.next(now_s)                         # -> Step(number, wait_s, why)
    command = dial_command(step.number, config.modem, country)      # -> "ATDT0W0961123456"
    for line in line_settings(config.modem, country): ...           # -> "S7=60", "X3", "S6=2": sent before dialling
    plan.tried(step.number, result, now_s)          # after every try, DialResult.CONNECTED included
    plan.by_person(now_s)                           # the operator asked for a call: all rules start over
    text = json.dumps(plan.to_json(now_s, wall_s, trusted=...)); plan.restore(json.loads(text), ...)

`flow/line/call/redial` asks `next` before each automatic call, waits, and keeps the plan across a restart; the
dialling code takes `next(now_s).number` and reports with `tried`. CONNECTED means that the other side's modem
answered, whatever happens to the login: the next call then begins with this number. `now_s` is monotonic.

Dial modifiers are those of ITU-T V.250 §6.3.1: T tone, P pulse, W wait for a dial tone, comma a pause (S8).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from dialpost.core.config.model import DialMode, ModemConfig
from dialpost.core.errors import ConfigError
from dialpost.core.json_value import JsonValue
from dialpost.core.line.country import Country, Dialling
from dialpost.core.line.link import DialResult
from dialpost.core.line.redial_rules import COUNTED, MayDial, RedialHistory, may_dial

_ONLY_TONES = frozenset("ABCD*#")
_OF_THE_NUMBER = COUNTED | {DialResult.DELAYED, DialResult.BLACKLISTED}
"""Failures after which another number may do better."""


@dataclass(frozen=True, slots=True)
class Step:
    """What to dial next: `number` ("" = none is configured) after `wait_s` seconds (0 = now, infinity = only when
    an operator asks). `why` explains a wait, for people.
    """

    number: str
    wait_s: float = 0.0
    why: str = ""


class DialPlan:
    """The numbers in turn, the rules for dialling them, and the results of the attempts. No I/O, no clock.

    `default_numbers` is what a modem's profile dials if the configuration names none (*99# on a cellular one).
    """

    def __init__(self, config: ModemConfig, country: Country, default_numbers: tuple[str, ...] = ()) -> None:
        self.numbers = tuple(dict.fromkeys(config.numbers or default_numbers))
        self._config, self._country = config, country
        self._turn = 0
        self.history = RedialHistory()

    def next(self, now_s: float) -> Step:
        """The first number in turn that may be dialled now; if all must wait, the one with the shortest wait."""
        if not self.numbers:
            return Step("", float("inf"), "no number is configured: set modem.numbers")
        steps = [(self._may_dial(number, now_s), number) for number in self._in_turn()]
        answer, number = min(steps, key=lambda step: step[0].wait_s)  # the first of equals
        return Step(number, answer.wait_s, answer.why)

    def tried(self, number: str, result: DialResult, now_s: float) -> None:
        """An attempt ended. After a failure it is the next number's turn; one that answered keeps its turn."""
        self.history = self.history.tried(number, result, now_s)
        if number in self.numbers and (result in _OF_THE_NUMBER or result is DialResult.CONNECTED):
            index = self.numbers.index(number)
            self._turn = index if result is DialResult.CONNECTED else (index + 1) % len(self.numbers)

    def by_person(self, now_s: float) -> None:
        """The operator asked for a call."""
        self.history = self.history.by_person()

    def to_json(self, now_s: float, wall_s: float, *, trusted: bool) -> dict[str, JsonValue]:
        """For the card. `wall_s` is Unix seconds by the wall clock, `trusted` whether it can be right."""
        kept = self.history.to_json(now_s, wall_s, trusted=trusted)
        return {"next": self.numbers[self._turn] if self.numbers else "", "history": kept}

    def as_if_failed(self, now_s: float) -> DialPlan:
        """A copy in which the attempt that is about to be made failed."""
        copy = DialPlan(self._config, self._country, self.numbers)
        copy.history, copy._turn = self.history, self._turn
        if self.numbers:
            copy.tried(self.next(now_s).number, DialResult.TIMEOUT, now_s)
        return copy

    def restore(self, value: JsonValue, now_s: float, wall_s: float, *, trusted: bool) -> None:
        """Continue from what `to_json` saved. Raises: ValueError if it is not that; nothing is changed then."""
        if not isinstance(value, Mapping):
            raise ValueError("no dial plan")
        self.history = RedialHistory.from_json(value.get("history"), now_s, wall_s, trusted=trusted)
        number = value.get("next")
        self._turn = self.numbers.index(number) if isinstance(number, str) and number in self.numbers else 0

    def _in_turn(self) -> tuple[str, ...]:
        return self.numbers[self._turn :] + self.numbers[: self._turn]

    def _may_dial(self, number: str, now_s: float) -> MayDial:
        return may_dial(self._country.redial, self._country.name, self.history, number, now_s)


def dial_command(number: str, config: ModemConfig, country: Country, *, telephone: bool = True) -> str:
    """The command that dials, without its line ending.

    `telephone` is False for modems without tone, pulse and dial tone (cellular, satellite): the number is then
    dialled unchanged, with its +. The command may end in the digits of a calling card: it is never logged.
    Raises: ConfigError if the number can't be dialled this way.
    """
    if not telephone:
        return f"ATD{_without_tones(config.outside_line)}{number}{config.calling_card}"
    problems = dial_faults(config, country, (number,))
    if problems:
        raise ConfigError(tuple(problems))
    digits = config.outside_line + _national(number, country.dialling).upper()
    card = config.calling_card
    if config.dial_mode is DialMode.PULSE:
        whole = f"P{digits}" + (f"T{card}" if card else "")  # a calling card's machine understands only tones
    else:
        whole = f"T{digits}{card}"
    whole = whole.replace("w", "W")
    return "ATD" + (whole if config.wait_for_dial_tone else whole.replace("W", ","))


def dial_faults(config: ModemConfig, country: Country, numbers: tuple[str, ...] | None = None) -> list[str]:
    """What can't work in this country about the configured way of dialling, a sentence each."""
    dialling = country.dialling
    pulse = config.dial_mode is DialMode.PULSE
    faults = []
    if pulse and not dialling.pulse:
        faults.append(f'modem.dial_mode = "pulse" reaches no number, or a wrong one ({country.name}): use tone.')
    if not pulse and not dialling.tone:
        faults.append(f'modem.dial_mode = "tone" is not understood by exchanges there ({country.name}): use pulse.')
    for number in config.numbers if numbers is None else numbers:
        if number.startswith("+") and not dialling.country_code:
            faults.append(
                f'modem.numbers has "{number}", and the rules of "{country.key}" do not say what is dialled for '
                "the +. Write it as it is dialled there, or set modem.country."
            )
        emergency = _calls_for_help(config.outside_line + number, dialling.emergency)
        if emergency:
            faults.append(
                f'modem.numbers has "{number}", which calls {emergency}: police, fire brigade or rescue '
                f"({country.name}). Give the provider's number."
            )
        if pulse and _ONLY_TONES & set((config.outside_line + number).upper()):
            faults.append(
                f'modem.numbers has "{number}" with characters only tones have, and modem.dial_mode is "pulse".'
            )
    return faults


def _calls_for_help(dialled: str, known: tuple[str, ...]) -> str:
    """The emergency number that an exchange would recognise in the first digits, "" if there is none."""
    last = re.split(r"[,wW]+", dialled)[-1]
    return next((number for number in known if last.startswith(number)), "")


def line_settings(config: ModemConfig, country: Country) -> tuple[str, ...]:
    """The settings of a telephone modem before it dials, each a command after AT (V.250 §6.2.7, §6.3.7, §6.3.9)."""
    wait = f"S7={country.dialling.answer_within_s}"
    if config.wait_for_dial_tone:
        return (wait,)
    return (wait, "X3", f"S6={country.dialling.blind_pause_s}")


def _national(number: str, dialling: Dialling) -> str:
    """The number with its + replaced by what is dialled in its place."""
    if not number.startswith("+"):
        return number
    inside = number.removeprefix("+" + dialling.country_code)
    if inside != number:
        return dialling.trunk_prefix + inside
    return dialling.international_prefix + number[1:]


def _without_tones(prefix: str) -> str:
    return prefix.replace("w", "").replace("W", "")
