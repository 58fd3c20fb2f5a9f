"""The boot state on a disk (a file of one), and RAUC's questions about it."""

from __future__ import annotations

from pathlib import Path

import pytest

from dialpost.cli.system.boot_slots import main, running_slot
from dialpost.core.errors import StorageError
from dialpost.core.system.boot.state import FRESH, RECORD_OFFSETS, TRIES_ON_TRIAL, TRIES_PROVEN, UNKNOWN, Slot
from dialpost.edge.system.boot.records import BootRecords


@pytest.fixture
def disk(tmp_path: Path) -> Path:
    path = tmp_path / "disk"
    path.write_bytes(bytes(range(256)) * (4 << 12))
    records = BootRecords(path)
    records.write(FRESH)
    return path


def _ask(disk: Path, capsys: pytest.CaptureFixture[str], *argv: str) -> str:
    assert main(argv, disk, disk.with_name("cmdline")) == 0
    return capsys.readouterr().out.strip()


def test_only_the_record_is_written(disk: Path) -> None:
    before = disk.read_bytes()
    following = FRESH.on_trial(Slot.B)
    BootRecords(disk).write(following)
    at = RECORD_OFFSETS[1]
    assert disk.read_bytes() == before[:at] + following.render() + before[at + 512 :]
    assert BootRecords(disk).read() == following


def test_a_torn_record_leaves_the_state_before(disk: Path) -> None:
    BootRecords(disk).write(FRESH.on_trial(Slot.B))
    data = bytearray(disk.read_bytes())
    data[RECORD_OFFSETS[1] + 20] ^= 1
    disk.write_bytes(data)
    assert BootRecords(disk).read() == FRESH


def test_no_record_is_what_u_boot_assumes(tmp_path: Path) -> None:
    (tmp_path / "disk").write_bytes(bytes(4 << 20))
    assert BootRecords(tmp_path / "disk").read() == UNKNOWN


def test_a_disk_that_is_not_there_is_reported(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="can't be read"):
        BootRecords(tmp_path / "none").read()
    with pytest.raises(StorageError, match="can't be written"):
        BootRecords(tmp_path / "none").write(FRESH)


def test_what_rauc_does_for_an_update(disk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert _ask(disk, capsys, "get-primary") == "a"
    assert [_ask(disk, capsys, "get-state", slot) for slot in "ab"] == ["good", "bad"]
    _ask(disk, capsys, "set-state", "b", "bad")
    _ask(disk, capsys, "set-primary", "b")
    assert _ask(disk, capsys, "get-primary") == "b"
    assert BootRecords(disk).read().left(Slot.B) == TRIES_ON_TRIAL
    _ask(disk, capsys, "set-state", "b", "good")
    state = BootRecords(disk).read()
    assert (state.good, state.left(Slot.B), state.left(Slot.A)) == (Slot.B, TRIES_PROVEN, TRIES_PROVEN)


def test_which_slot_runs(disk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    disk.with_name("cmdline").write_text("root=PARTUUID=1-02 ro rauc.slot=b panic=10\n")
    assert _ask(disk, capsys, "get-current") == "b"
    with pytest.raises(ValueError, match="names no slot"):
        running_slot("root=/dev/sda ro xrauc.slot=a")


@pytest.mark.parametrize(
    "argv", [[], ["get-primary", "a"], ["get-state", "c"], ["set-state", "a", "fine"], ["set-primary"], ["explode"]]
)
def test_what_is_not_understood_changes_nothing(
    disk: Path, capsys: pytest.CaptureFixture[str], argv: list[str]
) -> None:
    before = disk.read_bytes()
    assert main(argv, disk) == 1
    assert capsys.readouterr().err.startswith("boot-slots: ")
    assert disk.read_bytes() == before
