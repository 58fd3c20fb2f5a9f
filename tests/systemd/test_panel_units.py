"""The service manager's units of the panel: each phase has one, it says what dialpost understands, it is closed."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from dialpost.cli.panel.show import PHASES
from dialpost.cli.parser import make_parser
from unit_exposure import exposure, needs_analyzer

FOLDER = Path(__file__).parents[2] / "systemd"
UNITS = sorted(FOLDER.glob("dialpost-panel-*.service"))
MOST_EXPOSED = 1.0


def value(unit: Path, key: str) -> list[str]:
    return re.findall(rf"^{key}=(.*)$", unit.read_text("utf-8"), re.MULTILINE)


def test_every_phase_has_its_unit() -> None:
    assert [unit.stem.removeprefix("dialpost-panel-") for unit in UNITS] == sorted(phase.value for phase in PHASES)


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.stem)
def test_the_command_is_one_that_dialpost_understands(unit: Path) -> None:
    (command,) = value(unit, "ExecStart")
    assert command.startswith("/usr/bin/dialpost ")
    args = make_parser().parse_args(command.split()[1:])
    assert f"dialpost-panel-{args.phase}" == unit.stem


def test_the_daemon_ends_what_holds_its_lines_and_starts_what_tells_of_a_crash() -> None:
    daemon = FOLDER / "dialpost.service"
    (before,) = value(daemon, "ExecStartPre")
    assert before.startswith("-+/usr/bin/systemctl stop ")
    assert before.split()[2:] == ["dialpost-panel-boot.service", "dialpost-panel-crashed.service"]
    (after,) = value(daemon, "ExecStopPost")
    assert "$SERVICE_RESULT" in after and after.rstrip("'").endswith(
        "start --no-block dialpost-panel-crashed.service"
    )


@pytest.mark.parametrize(
    ("result", "starts"), [("success", False), ("watchdog", True), ("exit-code", True), ("signal", True)]
)
def test_only_a_fault_shows_a_crash(result: str, starts: bool, tmp_path: Path) -> None:
    (after,) = value(FOLDER / "dialpost.service", "ExecStopPost")
    script = re.fullmatch(r"-\+/bin/sh -c '(.*)'", after)
    assert script is not None
    told = tmp_path / "told"
    (tmp_path / "systemctl").write_text(f'#!/bin/sh\necho "$@" > {told}\n', "utf-8")
    (tmp_path / "systemctl").chmod(0o755)
    env = {"PATH": f"{tmp_path}:/usr/bin:/bin", "SERVICE_RESULT": result}
    assert subprocess.run(["/bin/sh", "-c", script[1]], env=env, check=False).returncode == 0
    assert told.exists() is starts


@needs_analyzer
@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.stem)
def test_it_can_do_little_else(unit: Path, tmp_path: Path) -> None:
    assert exposure(unit, tmp_path) <= MOST_EXPOSED
