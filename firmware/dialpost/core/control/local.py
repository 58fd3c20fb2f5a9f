"""The shapes of `--json` for commands that ask no daemon but read the board folder, a file or a probe."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from dialpost.core import findings


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueChange:
    """What a command did to messages in the queue."""

    matched: Annotated[int, "Number of messages that matched, or 1 for an ID."]
    messages: Annotated[int, "Number of messages affected; 0 with `--dry-run`."]
    recipients: Annotated[int, "Number of recipients affected."]
    damaged: Annotated[int, "Number of messages not released, because their content is missing or damaged."] = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Board:
    """A board that Dialpost supports."""

    name: Annotated[str, "Its name in `panel.board`."]
    title: Annotated[str, "Its title."]
    lights: Annotated[int, "Number of lights."]
    is_this_machine: Annotated[bool, "Whether it is this machine's board."]


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """A profile of a modem."""

    name: Annotated[str, "Its name in `modem.profile`."]
    title: Annotated[str, "The modem's title."]
    note: Annotated[str, "Notes."]
    source: Annotated[str, "Source of its data."]
    speed_bps: Annotated[int, "Speed between board and modem."]
    line_rate_bps: Annotated[int, "Best line rate; 0 if unknown."]


@dataclass(frozen=True, slots=True, kw_only=True)
class Country:
    """A country's rules for redialling a number that did not answer."""

    name: Annotated[str, "Its name in `modem.country`."]
    title: Annotated[str, "Its title."]
    attempts: Annotated[int, "Failed attempts in a row to one number; 0: no limit."]
    attempts_busy: Annotated[int, "The same if the number is busy; 0: as `attempts`."]
    rest_s: Annotated[int, "Pause that follows; 0: until the operator requests a call."]
    period_attempts: Annotated[int, "Failed attempts in any `period_s`; 0: no limit."]
    period_s: Annotated[int, "The period."]
    pauses_s: Annotated[
        tuple[int, ...], "Pauses after the first failed attempt, the second and so on; the last one repeats."
    ]
    note: Annotated[str, "Notes."]
    source: Annotated[str, "Source of the rules."]


@dataclass(frozen=True, slots=True, kw_only=True)
class Port:
    """A serial port, and what answered there."""

    device: Annotated[str, "Its device file, by a stable name if there is one."]
    name: Annotated[str, "Its other name, if `device` is a stable one."]
    description: Annotated[str, "The system's description."]
    usb: Annotated[str, "Vendor and product, such as `0572:1340`; empty if it is not a USB device."]
    speed_bps: Annotated[int | None, "The speed at which a modem answered."]
    says: Annotated[str, "The modem's identification."]
    trouble: Annotated[str, "Why it can't be checked; empty if it can."]
    lacks_flow_control: Annotated[bool, "Whether the cable lacks RTS and CTS."]
    profile: Annotated[str | None, "The profile that fits."]
    why: Annotated[str | None, "Why it fits."]


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that was checked."""

    subject: Annotated[str, "What was checked."]
    severity: Annotated[str, "`ok`, `skipped`, `warning` or `fault`."]
    what: Annotated[str, "The result, in words."]
    advice: Annotated[str, "What to do about it; empty if nothing."]


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """A setting of the configuration."""

    key: Annotated[str, "Its name."]
    type: Annotated[str, "Its type, in words."]
    default: Annotated[str, "Its default, as TOML."]
    help: Annotated[str, "Its meaning."]
    is_required: Annotated[bool, "Whether it is required."]
    is_secret: Annotated[bool, "Whether it is a secret, which is never shown."]


@dataclass(frozen=True, slots=True, kw_only=True)
class FileCheck:
    """What is wrong with a configuration file."""

    file: Annotated[str, "Its path."]
    usable: Annotated[bool, "Whether it is usable."]
    problems: Annotated[tuple[str, ...], "Its faults, a sentence each."]
    warnings: Annotated[tuple[str, ...], "Warnings about what works."]


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateNow:
    """The running release, and the outcome of the last update."""

    version: Annotated[str, "The release that runs."]
    words: Annotated[str, "The result of the last update; empty if there was none."]


def finding_json(finding: findings.Finding) -> Finding:
    """As `--json` prints it."""
    return Finding(
        subject=finding.subject, severity=finding.severity.value, what=finding.what, advice=finding.advice
    )
