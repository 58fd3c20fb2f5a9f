"""A country's rules for machines that dial automatically: a file in board/countries/, parsed and checked.

The rules are those under which modems were approved there; each file names its sources. If a source bars a number
"for ever", the file says a day: an unattended station must not fall silent for good.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from dialpost.core.config.board_text import TOP, read_tables
from dialpost.core.config.setting import setting
from dialpost.core.errors import ConfigError
from dialpost.core.line.redial_rules import RedialRules


@dataclass(frozen=True, slots=True)
class Dialling:
    """How numbers are dialled there."""

    tone: bool = setting(True, "Whether exchanges understand tones.")
    pulse: bool = setting(True, "Whether pulse dialling reaches the right number.")
    blind_pause_s: int = setting(
        2,
        "Silence before the first digit, where dialling does not wait for the dial tone.",
        unit="seconds",
        minimum=2,
        maximum=10,
    )
    answer_within_s: int = setting(
        60,
        "How long after the last digit an unanswered call hangs up.",
        unit="seconds",
        minimum=10,
        maximum=255,
    )
    country_code: str = setting("", "Its country code, without the +, to dial +CODE numbers from inside.")
    international_prefix: str = setting("", "Dialled instead of the + of a number abroad.")
    trunk_prefix: str = setting("", "Dialled instead of +CODE inside the country.")
    emergency: tuple[str, ...] = setting((), "Police, fire brigade, rescue: never dialled.", maximum=20)


@dataclass(frozen=True, slots=True)
class _Head:
    name: str = setting("", "The country's name, for people.", required=True)
    timezone: str = setting("", "Its time zone, where there is but one.", kind="timezone")
    source: str = setting("", "Where its rules come from.", required=True)
    note: str = setting("", "Anything else worth knowing about them.")


@dataclass(frozen=True, slots=True)
class Country:
    """One file of board/countries/. `key` is the file's name without .toml, as modem.country has it."""

    key: str
    name: str
    source: str
    note: str = ""
    dialling: Dialling = field(default_factory=Dialling)
    redial: RedialRules = field(default_factory=RedialRules)
    timezone: str = ""


def parse_country(key: str, text: str, source: str) -> Country:
    """The country described in `text`; `source` names the file. Raises: ConfigError with every fault."""
    made = read_tables(text, source, {TOP: _Head, "dialling": Dialling, "redial": RedialRules})
    head, dialling, redial = made[TOP], made["dialling"], made["redial"]
    assert isinstance(head, _Head) and isinstance(dialling, Dialling) and isinstance(redial, RedialRules)
    problems = [*_dialling_faults(dialling), *redial.faults()]
    if problems:
        raise ConfigError(tuple(f"{source}: {problem}" for problem in problems))
    return Country(key, head.name, head.source, head.note, dialling, redial, head.timezone)


def _dialling_faults(dialling: Dialling) -> list[str]:
    faults = []
    if not dialling.tone and not dialling.pulse:
        faults.append("dialling.tone and dialling.pulse are both false: then nothing can be dialled.")
    for name in ("country_code", "international_prefix", "trunk_prefix"):
        value: str = getattr(dialling, name)
        if value and not (value.isascii() and value.isdigit()):
            faults.append(f'dialling.{name} = "{value}" is not allowed: it has digits only.')
    for number in dialling.emergency:
        if not (number.isascii() and number.isdigit()):
            faults.append(f'dialling.emergency has "{number}", which is not allowed: it has digits only.')
    if bool(dialling.country_code) != bool(dialling.international_prefix):
        faults.append("dialling.country_code and dialling.international_prefix go together: give both or none.")
    return faults
