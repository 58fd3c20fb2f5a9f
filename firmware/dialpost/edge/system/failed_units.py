"""The failed units, as reported by the service manager. Blocks."""

from __future__ import annotations

import subprocess

from dialpost.core.errors import fault_words

_TIMEOUT_S = 30.0
_OF_THE_LINE = frozenset({"dialpost-ppp.service"})
"""A failed call says nothing about the station, so the line's unit does not count."""


def failed_units(systemctl: str = "systemctl") -> list[str]:
    """A sentence for each failed unit, and one if the service manager can't be asked or is still starting.

    The line's own unit is left out.
    """
    try:
        state = _ask(systemctl, "is-system-running")
        failed = _ask(systemctl, "list-units", "--state=failed", "--plain", "--no-legend", "--full")
    except (OSError, subprocess.SubprocessError) as error:
        return [f"the service manager does not answer: {fault_words(error)}"]
    units = [line.split()[0] for line in failed.splitlines() if line.split()]
    faults = [f"{unit} has failed" for unit in units if unit not in _OF_THE_LINE]
    if state not in {"running", "degraded"}:
        faults.append(f"the system is {state or 'in no known state'}")
    return faults


def _ask(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=_TIMEOUT_S, check=False)
    return done.stdout.strip()
