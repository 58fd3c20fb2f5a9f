"""What a call will run is run while the modem dials: without effect, and no longer than that."""

import asyncio
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from dialpost.core.line.ppp.options import PppRequest
from dialpost.edge.line.ppp import rehearsal
from dialpost.edge.line.ppp.pppd import Pppd
from dialpost.edge.line.ppp.rehearsal import Rehearsal

Program = Callable[[str, str], None]


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Program:
    """Makes one that notes its command line in `said`, then does something in sh."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(rehearsal, "SYSTEM_PATH", str(tmp_path))

    def make(name: str, does: str) -> None:
        path = tmp_path / name
        path.write_text(f"#!/bin/sh\necho {name} $* >>{tmp_path}/said\n{does}\n")
        path.chmod(0o755)

    return make


async def test_each_program_runs_once_and_what_is_missing_or_fails_does_not_matter(
    program: Program, tmp_path: Path
) -> None:
    program("nft", f"while read -r line; do echo $line; done >{tmp_path}/rules; exit 1")
    program("ip", "exec 3>&1")
    rehearsed = Rehearsal(under_systemd=False)
    rehearsed.begin()
    rehearsed.begin()
    assert rehearsed._task is not None
    await rehearsed._task
    assert (tmp_path / "said").read_text() == "nft --check -f -\nip -V\n"
    assert "table inet dialpost_line" in (tmp_path / "rules").read_text()
    rehearsed.begin()
    await rehearsed._task
    assert (tmp_path / "said").read_text().count("nft") == 2


async def test_a_program_that_only_root_may_run_is_read(
    program: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As Debian has pppd: rwsr-xr-- root dip. Nobody else may run it, but everybody may read it."""
    program("pppd", "exit 0")
    (tmp_path / "pppd").chmod(0o644)
    read: list[Path] = []

    def read_bytes(path: Path) -> bytes:
        read.append(path)
        return b""

    monkeypatch.setattr(Path, "read_bytes", read_bytes)
    monkeypatch.setattr(rehearsal, "_UNIT", ("no-python",))
    rehearsed = Rehearsal(under_systemd=True)
    rehearsed.begin()
    assert rehearsed._task is not None
    await rehearsed._task
    assert read == [tmp_path / "pppd"]
    assert not (tmp_path / "said").exists()


async def test_under_systemd_the_units_process_is_rehearsed_too(tmp_path: Path) -> None:
    """It loads what the unit's process begins with."""
    name, *arguments = Rehearsal(under_systemd=True)._commands[0]
    assert name == sys.executable
    process = await asyncio.create_subprocess_exec(name, *arguments)
    assert await process.wait() == 0


async def test_the_call_does_not_wait_for_one_that_hangs(program: Program, tmp_path: Path) -> None:
    program("nft", "kill -STOP $$")
    program("pppd", "read -r option; exit 3")
    pppd = Pppd(tmp_path / "run", under_systemd=False)
    pppd.rehearse()
    while not (tmp_path / "said").exists():
        await asyncio.sleep(0.01)
    request = PppRequest("/dev/ttyUSB0", 115_200, 33_600, firewall=False, shaping=False)
    end = await pppd.start(request)
    assert (tmp_path / "said").read_text().count("pppd file") == 1, end
    await pppd.stop()


async def test_nothing_is_left_of_it_when_a_call_ends_before_its_network(program: Program, tmp_path: Path) -> None:
    program("nft", "kill -STOP $$")
    pppd = Pppd(tmp_path / "run", under_systemd=False)
    pppd.rehearse()
    while not (tmp_path / "said").exists():
        await asyncio.sleep(0.01)
    await pppd.stop()
    assert pppd._rehearsal._task is not None and pppd._rehearsal._task.done()
