"""A finding: what was looked at, what is so, and what to do where that is not well."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum


class Severity(Enum):
    """How bad it is."""

    OK = "ok"
    SKIPPED = "skipped"  # not looked at; it is said why
    WARNING = "warning"  # works, but not as well as it should, or not for everybody
    FAULT = "fault"  # mail will not arrive, or not leave


@dataclass(frozen=True, slots=True)
class Finding:
    """`subject` is what was looked at, `what` is what is so, `advice` what to do ("" = nothing)."""

    subject: str
    severity: Severity
    what: str
    advice: str = ""


def ok(subject: str, what: str) -> Finding:
    """All is well."""
    return Finding(subject, Severity.OK, what)


def skipped(subject: str, what: str, advice: str = "") -> Finding:
    """It was not looked at."""
    return Finding(subject, Severity.SKIPPED, what, advice)


def warning(subject: str, what: str, advice: str = "") -> Finding:
    """Somebody should know."""
    return Finding(subject, Severity.WARNING, what, advice)


def fault(subject: str, what: str, advice: str = "") -> Finding:
    """Somebody has to act."""
    return Finding(subject, Severity.FAULT, what, advice)


def exit_status(findings: Sequence[Finding]) -> int:
    """0 all is well, 1 warnings, 2 faults."""
    severities = {finding.severity for finding in findings}
    if Severity.FAULT in severities:
        return 2
    return 1 if Severity.WARNING in severities else 0
