"""The machine's programs, asked for through stand-ins of the same names."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from dialpost.core.errors import DialpostError
from dialpost.edge.system import machine
from dialpost.edge.system.machine import End


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder whose programs are found first; the machine counts as booted by systemd."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    monkeypatch.setattr(machine, "_BOOTED", tmp_path)
    return folder


def program(folder: Path, name: str, script: str) -> None:
    (folder / name).write_text(f"#!/bin/sh\n{script}\n")
    (folder / name).chmod(0o755)


def test_only_an_installed_station_is_ended(
    programs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program(programs, "systemctl", f'echo "$@" >> {tmp_path}/asked')
    with pytest.raises(DialpostError, match="not an installed station"):
        machine.end(End.REBOOT)
    assert not (tmp_path / "asked").exists()
    monkeypatch.setenv("DIALPOST_STATION", "1")
    machine.end(End.REBOOT)
    machine.end(End.SHUTDOWN)
    assert (tmp_path / "asked").read_text() == "--no-ask-password reboot\n--no-ask-password poweroff\n"


def test_a_refusal_is_reported_in_its_own_words(programs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DIALPOST_STATION", "1")
    program(programs, "systemctl", "echo 'Interactive authentication required.' >&2; exit 1")
    with pytest.raises(DialpostError, match="system refused: Interactive authentication required"):
        machine.end(End.SHUTDOWN)


def test_the_journal_is_read_where_there_is_one_with_lines(programs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program(programs, "journalctl", 'echo "$@"; echo second')
    found = machine.journal(7)
    assert found is not None and found[1] == "second" and "-n 7 -u dialpost*" in found[0]
    for script in ("exit 1", "exit 0"):
        program(programs, "journalctl", script)
        assert machine.journal(7) is None
    monkeypatch.setattr(machine, "_BOOTED", programs / "none")
    assert machine.journal(7) is None


def test_each_answer_to_a_ping_is_shown_and_no_option_gets_through(programs: Path) -> None:
    program(programs, "ping", 'echo "asked: $@"; echo second; exit 1')
    said: list[str] = []
    machine.ping("192.0.2.1", said.append)
    assert said == ["asked: -n -c 4 -w 20 192.0.2.1", "second"]
    with pytest.raises(DialpostError, match="is not a host name or address"):
        machine.ping("-f", said.append)


def test_a_ping_interrupted_leaves_no_program_behind(programs: Path, tmp_path: Path) -> None:
    program(programs, "ping", f"echo $$ > {tmp_path}/pid; echo first; exec sleep 60")

    def interrupt(line: str) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        machine.ping("192.0.2.1", interrupt)
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), 0)
