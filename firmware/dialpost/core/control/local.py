"""The shapes of `--json` where a command asks no daemon: what the board folder, a file or a probe says."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from dialpost.core import findings


@dataclass(frozen=True, slots=True, kw_only=True)
class Board:
    """A board that Dialpost knows."""

    name: Annotated[str, "Its name in `panel.board`."]
    title: Annotated[str, "Its name for people."]
    lights: Annotated[int, "How many it has."]
    is_this_machine: Annotated[bool, "Whether it is the board this runs on."]


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """A profile of a modem."""

    name: Annotated[str, "Its name in `modem.profile`."]
    title: Annotated[str, "The modem's name for people."]
    note: Annotated[str, "What else to know of it."]
    source: Annotated[str, "Where its facts come from."]
    speed_bps: Annotated[int, "Between board and modem."]
    line_rate_bps: Annotated[int, "Of the line at best; 0 where that is not known."]


@dataclass(frozen=True, slots=True, kw_only=True)
class Country:
    """A country's rules for redialling a number that did not answer."""

    name: Annotated[str, "Its name in `modem.country`."]
    title: Annotated[str, "Its name for people."]
    attempts: Annotated[int, "Failed tries in a row to one number; 0: no limit."]
    attempts_busy: Annotated[int, "The same where the number is busy; 0: as `attempts`."]
    rest_s: Annotated[int, "How long the number rests then; 0: until the operator asks for a call."]
    period_attempts: Annotated[int, "Failed tries in any `period_s`; 0: no limit."]
    period_s: Annotated[int, "The period."]
    pauses_s: Annotated[tuple[int, ...], "Waits after the first failed try, the second ...; the last holds on."]
    note: Annotated[str, "What else to know."]
    source: Annotated[str, "Where the rules stand."]


@dataclass(frozen=True, slots=True, kw_only=True)
class Port:
    """A serial port, and what answers there."""

    device: Annotated[str, "Its device file, by a name that stays the same where there is one."]
    name: Annotated[str, "Its other name, where `device` is a lasting one."]
    description: Annotated[str, "What the system says of it."]
    usb: Annotated[str, "Vendor and product, such as `0572:1340`; empty where it is no USB device."]
    speed_bps: Annotated[int | None, "The speed a modem answered at."]
    says: Annotated[str, "What the modem says it is."]
    trouble: Annotated[str, "Why it can't be looked at; empty where it can."]
    lacks_flow_control: Annotated[bool, "Whether the cable lacks RTS and CTS."]
    profile: Annotated[str | None, "The profile that fits."]
    why: Annotated[str | None, "Why it fits."]


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that was looked at."""

    subject: Annotated[str, "What was looked at."]
    severity: Annotated[str, "`ok`, `skipped`, `warning` or `fault`."]
    what: Annotated[str, "How it is."]
    advice: Annotated[str, "What to do about it; empty where there is nothing to do."]


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """A setting of the configuration."""

    key: Annotated[str, "Its name."]
    type: Annotated[str, "What it must be, for people."]
    default: Annotated[str, "As TOML."]
    help: Annotated[str, "What it means."]
    is_required: Annotated[bool, "Whether it has to be set."]
    is_secret: Annotated[bool, "Whether it is never shown."]


@dataclass(frozen=True, slots=True, kw_only=True)
class FileCheck:
    """What is wrong with a configuration file."""

    file: Annotated[str, "Its path."]
    usable: Annotated[bool, "Whether a station can run with it."]
    problems: Annotated[tuple[str, ...], "Why not, a sentence each."]
    warnings: Annotated[tuple[str, ...], "What works and should be known."]


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateNow:
    """The release that runs, and what became of the last update."""

    version: Annotated[str, "The release that runs."]
    words: Annotated[str, "What became of the last update; empty where there was none."]


def finding_json(finding: findings.Finding) -> Finding:
    """As `--json` prints it."""
    return Finding(
        subject=finding.subject, severity=finding.severity.value, what=finding.what, advice=finding.advice
    )
