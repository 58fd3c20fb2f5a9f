"""`dialpost update` up to the point where RAUC writes: what is refused leaves everything as it was."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dialpost.cli.system import update as update_module
from dialpost.cli.system.update import Installer, find, judge, update
from dialpost.core.errors import UpdateError
from dialpost.core.system.boot.state import Slot
from dialpost.edge.system.boot.trial import BootTrial
from dialpost.edge.system.update.file import UpdateFile
from dialpost.edge.system.update.rauc import Rauc

NEW = {"compatible": "dialpost-arm64", "version": "0.3.0", "build": "1796000000"}


@pytest.fixture
def station(tmp_path: Path) -> Path:
    """A station's /etc/os-release."""
    path = tmp_path / "os-release"
    path.write_text("IMAGE_ID=dialpost\nIMAGE_VERSION=0.2.0\nBUILD_ID=1795000000\n")
    return path


def _rauc(folder: Path, info: dict[str, str]) -> Rauc:
    (folder / "info").write_text(json.dumps(info))
    command = folder / "rauc"
    command.write_text(f'#!/bin/sh\necho "$1" >>{folder}/asked\n[ "$1" = info ] && cat {folder}/info || exit 1\n')
    command.chmod(0o755)
    (folder / "new.raucb").write_text("bundle")
    return Rauc(str(command))


def _never(file: Path, tell: object) -> None:
    raise AssertionError("nothing must be installed")


def _asked(folder: Path) -> list[str]:
    return (folder / "asked").read_text().split()


def test_check_says_what_it_is_and_installs_nothing(
    tmp_path: Path, station: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rauc = _rauc(tmp_path, NEW)
    assert update(tmp_path / "new.raucb", rauc, _never, is_check=True, is_reboot=False, os_release=station) == 0
    assert (
        capsys.readouterr().out
        == "new.raucb: version 0.3.0 of 2026-11-30 00:53; version 0.2.0 of 2026-11-18 11:06 is running.\n"
    )
    assert _asked(tmp_path) == ["info"]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"compatible": "toaster"}, "This update is for toaster"),
        ({"build": "1700000000"}, "is older than what runs"),
        ({"build": "soon"}, "is not an update for this station"),
    ],
)
def test_what_is_refused_is_not_installed(
    tmp_path: Path, station: Path, change: dict[str, Any], words: str
) -> None:
    with pytest.raises(UpdateError, match=words):
        update(
            tmp_path / "new.raucb",
            _rauc(tmp_path, NEW | change),
            _never,
            is_check=False,
            is_reboot=True,
            os_release=station,
        )
    assert _asked(tmp_path) == ["info"]


def test_nothing_is_installed_over_the_only_proven_slot(tmp_path: Path, station: Path) -> None:
    trial, rauc = BootTrial(tmp_path / "boot/on-trial"), _rauc(tmp_path, NEW)
    assert judge(tmp_path / "new.raucb", rauc, station, trial)[0].version == "0.3.0"
    trial.begin()
    with pytest.raises(UpdateError, match=r"still on trial\. Wait until `update` says that the update is complete"):
        judge(tmp_path / "new.raucb", rauc, station, trial)


def test_a_machine_that_is_no_station(tmp_path: Path) -> None:
    (tmp_path / "os-release").write_text("ID=debian\n")
    with pytest.raises(UpdateError, match="can't be updated"):
        update(
            tmp_path / "x",
            Rauc("false"),
            _never,
            is_check=True,
            is_reboot=False,
            os_release=tmp_path / "os-release",
        )


def test_no_file(tmp_path: Path, station: Path) -> None:
    with pytest.raises(UpdateError, match="No such file"):
        update(tmp_path / "x", Rauc("false"), _never, is_check=True, is_reboot=False, os_release=station)


def test_it_is_handed_over_with_its_words(
    tmp_path: Path, station: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def install(file: Path, tell: Callable[[str], None]) -> None:
        tell(f"writing {file.name}")

    file = tmp_path / "new.raucb"
    assert update(file, _rauc(tmp_path, NEW), install, is_check=False, is_reboot=False, os_release=station) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[1:] == ["writing new.raucb", "Installed. It starts with the next reboot: `reboot`."]


@pytest.mark.parametrize(
    ("does", "words"),
    [
        (True, "Installed. The station is restarting."),
        (False, "Installed. It starts with the next reboot"),
    ],
)
def test_it_does_not_say_that_it_starts_again_unless_it_does(
    tmp_path: Path, station: Path, capsys: pytest.CaptureFixture[str], does: bool, words: str
) -> None:
    file, rauc = tmp_path / "new.raucb", _rauc(tmp_path, NEW)
    options: dict[str, Any] = {"is_check": False, "is_reboot": True, "os_release": station}
    assert update(file, rauc, lambda file, tell: None, **options, restart=lambda: does) == 0
    assert capsys.readouterr().out.splitlines()[-1].startswith(words)


def test_the_file_that_is_meant(tmp_path: Path) -> None:
    stick = tmp_path / "sda1"
    stick.mkdir()
    old, new = stick / "a.raucb", stick / "b.raucb"
    for age, file in enumerate((new, old)):
        file.write_text("bundle")
        os.utime(file, (1000 - age, 1000 - age))
    assert find(str(old)) == old
    assert find("usb", lambda: [stick]) == new
    assert find("a", lambda: [stick]) == find("a.raucb", lambda: [stick]) == old
    with pytest.raises(UpdateError, match=r"No such file: c\. Files on the stick: a\.raucb, b\.raucb\."):
        find("c", lambda: [stick])
    with pytest.raises(UpdateError, match="No USB stick has a"):
        find("usb", list)


def test_a_file_that_is_swapped_meanwhile_is_neither_installed_nor_put_on_record(
    tmp_path: Path, station: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The station's user may write the file while root works: what RAUC looked at is what it installs."""
    offered = tmp_path / "new.raucb"
    offered.write_text(json.dumps(NEW))
    command = tmp_path / "rauc"
    command.write_text(
        f"#!/bin/sh\nfor file; do :; done\n"
        f'if [ "$1" = info ]; then cat "$file"; echo swapped >{offered}\nelse cp "$file" {tmp_path}/installed; fi\n'
    )
    command.chmod(0o755)
    real = update_module.judge
    trial = BootTrial(tmp_path / "no")
    monkeypatch.setattr(update_module, "judge", lambda file, rauc: real(file, rauc, station, trial))
    monkeypatch.setattr(update_module, "_panel", lambda verb: None)
    (tmp_path / "cmdline").write_text("dialpost.slot=a rauc.slot=a\n")
    monkeypatch.setattr(update_module, "_CMDLINE", tmp_path / "cmdline")
    monkeypatch.setattr(update_module, "running_slot", lambda text: Slot.A)
    records = UpdateFile(tmp_path / "update.json")
    Installer(Rauc(str(command)), records, tmp_path).install(offered, lambda line: None)
    record = records.read()
    assert record is not None and "0.3.0" in record.version
    assert json.loads((tmp_path / "installed").read_text()) == NEW
    assert offered.read_text() == "swapped\n"
    assert not (tmp_path / "update" / "update.raucb").exists()
