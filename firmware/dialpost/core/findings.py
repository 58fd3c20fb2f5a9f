"""A finding: what was checked, what was found, and what to do if something is wrong."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum


class Severity(Enum):
    """How bad it is."""

    OK = "ok"
    SKIPPED = "skipped"  # not checked; the text says why
    WARNING = "warning"  # works, but not as well as it should, or not for everybody
    FAULT = "fault"  # mail will not arrive, or not leave


@dataclass(frozen=True, slots=True)
class Finding:
    """`subject` is what was checked, `what` is what was found, `advice` what to do ("" = nothing)."""

    subject: str
    severity: Severity
    what: str
    advice: str = ""


def ok(subject: str, what: str) -> Finding:
    """All is well."""
    return Finding(subject, Severity.OK, what)


def skipped(subject: str, what: str, advice: str = "") -> Finding:
    """It was not checked."""
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
