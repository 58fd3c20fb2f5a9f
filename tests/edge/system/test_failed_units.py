"""What is made of the service manager's words: a stand-in for systemctl says them."""

from __future__ import annotations

from pathlib import Path

import pytest

from dialpost.edge.system.failed_units import failed_units


def _systemctl(folder: Path, state: str, failed: str) -> str:
    script = folder / "systemctl"
    script.write_text(f"#!/bin/sh\ncase $1 in is-system-running) echo {state};; *) printf '{failed}';; esac\n")
    script.chmod(0o755)
    return str(script)


@pytest.mark.parametrize(
    ("state", "failed", "faults"),
    [
        ("running", "", []),
        ("starting", "", ["the system is starting"]),
        (
            "degraded",
            "dialpost.service loaded failed failed Dialpost\\nx.mount loaded failed failed X\\n",
            ["dialpost.service has failed", "x.mount has failed"],
        ),
        ("degraded", "dialpost-ppp.service loaded failed failed The line\\n", []),  # a call that failed
        ("maintenance", "", ["the system is maintenance"]),
        ("", "", ["the system is in no known state"]),
    ],
)
def test_each_state(tmp_path: Path, state: str, failed: str, faults: list[str]) -> None:
    assert failed_units(_systemctl(tmp_path, state, failed)) == faults


def test_no_service_manager(tmp_path: Path) -> None:
    (fault,) = failed_units(str(tmp_path / "none"))
    assert "does not answer" in fault
