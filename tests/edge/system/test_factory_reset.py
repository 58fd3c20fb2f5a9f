"""The wish for a factory reset: durable before anything else happens, and never half written."""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path

import pytest

from dialpost.core.errors import StorageError
from dialpost.edge.system import factory_reset
from dialpost.edge.system.factory_reset import MARKER, FactoryReset


class Reboot:
    """Notes whether the marker was there when the reboot was asked for."""

    def __init__(self, folder: Path, answer: str = "") -> None:
        self.folder, self.answer = folder, answer
        self.marker_was_there: list[bool] = []

    async def __call__(self) -> str:
        self.marker_was_there.append((self.folder / MARKER).exists())
        return self.answer


async def test_the_marker_is_on_the_card_before_the_machine_is_rebooted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[str] = []
    real = os.fsync
    monkeypatch.setattr(
        os, "fsync", lambda fd: (synced.append(str(Path(f"/proc/self/fd/{fd}").readlink())), real(fd))[1]
    )
    reboot = Reboot(tmp_path)
    reset = FactoryReset(tmp_path, reboot)
    assert not reset.is_asked_for()
    assert await reset.request("button") == "The station restarts and is reset."
    assert reboot.marker_was_there == [True]
    assert reset.is_asked_for()
    assert json.loads((tmp_path / MARKER).read_text())["by"] == "button"
    assert synced == [str(tmp_path / f"{MARKER}.new"), str(tmp_path)]
    assert [path.name for path in tmp_path.iterdir()] == [MARKER]


async def test_a_reboot_refused_is_reported_with_what_to_do(tmp_path: Path) -> None:
    said = await FactoryReset(tmp_path, Reboot(tmp_path, "Switch it off and on.")).request("console")
    assert said == "The station is reset at its next start. Switch it off and on."


async def test_a_card_that_takes_no_marker_is_reported_and_nothing_is_rebooted(tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    reboot = Reboot(gone)
    with pytest.raises(StorageError, match="can't be recorded"):
        await FactoryReset(gone, reboot).request("button")
    assert reboot.marker_was_there == []


async def test_it_can_be_called_off_until_the_reboot(tmp_path: Path) -> None:
    reset = FactoryReset(tmp_path, Reboot(tmp_path))
    await reset.request("button")
    assert reset.call_off()
    assert not reset.is_asked_for()
    assert not reset.call_off()


async def test_a_daemon_started_by_hand_reboots_nobodys_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DIALPOST_STATION", raising=False)

    async def no_program(*arguments: object, **more: object) -> None:
        raise AssertionError("a program was run")

    monkeypatch.setattr(asyncio, "create_subprocess_exec", no_program)
    said = await FactoryReset(tmp_path).request("button")
    assert said == f"The request is recorded in {tmp_path / MARKER}. {factory_reset.NOT_HERE}"
    assert (tmp_path / MARKER).exists()
