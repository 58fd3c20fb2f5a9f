"""A release on trial whose queue has a newer format: the old format stays until the release has proven itself."""

from __future__ import annotations

import asyncio
import smtplib
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path

import pytest

from dialpost.daemon import Daemon
from dialpost.edge.control_socket import ControlClient
from dialpost.edge.mail.store import rehearsal, schema
from dialpost.edge.system.boot.trial import BootTrial
from test_daemon import text_in

NEXT = "CREATE TABLE novelty (key TEXT PRIMARY KEY) WITHOUT ROWID"


def _version(folder: Path) -> int:
    with closing(sqlite3.connect(folder / "data" / "queue.db")) as connection:
        return schema.user_version(connection)


@pytest.fixture
async def folder(tmp_path: Path) -> Path:
    """A station that ran under the release before."""
    (tmp_path / "dialpost.toml").write_text(text_in(tmp_path))
    daemon = Daemon(tmp_path / "dialpost.toml")
    await daemon.start()
    await daemon.stop()
    return tmp_path


@pytest.fixture
def trial(folder: Path) -> BootTrial:
    mark = BootTrial(folder / "boot" / "on-trial")
    mark.begin()
    return mark


async def _started(folder: Path, trial: BootTrial) -> AsyncIterator[Daemon]:
    daemon = Daemon(folder / "dialpost.toml", trial=trial)
    await daemon.start()
    yield daemon
    await daemon.stop()


async def _ask(folder: Path, method: str) -> dict[str, object]:
    client = ControlClient(folder / "run" / "control.sock", 60)
    found: dict[str, object] = await asyncio.to_thread(client.call, method)
    return found


def _greets(host: str, port: int) -> bool:
    with smtplib.SMTP(host, port, timeout=60) as client:
        return client.noop()[0] == 250


async def test_the_format_waits_until_the_trial_is_over(
    folder: Path, trial: BootTrial, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(schema, "MIGRATIONS", (*schema.MIGRATIONS, NEXT))
    async for daemon in _started(folder, trial):
        status = await _ask(folder, "status")
        assert (status["mode"], status["problems"], daemon.station) == ("on-trial", [], None)
        assert daemon.config is not None, "it is set up, whoever asks"
        assert _version(folder) == 1
        assert sorted(path.name for path in (folder / "data").glob("queue.db.*")) == []
        trial.end()
        await _ask(folder, "trial.over")
        async with asyncio.timeout(60):
            while (await _ask(folder, "status"))["mode"] != "running":
                await asyncio.sleep(0.05)
        assert _version(folder) == 2
        assert daemon.station is not None
        _, host, port = daemon.station.doors[0]
        assert await asyncio.to_thread(_greets, host, port)


async def test_a_trial_without_a_new_format_takes_mail_at_once(folder: Path, trial: BootTrial) -> None:
    async for daemon in _started(folder, trial):
        assert (await _ask(folder, "status"))["mode"] == "running"
        assert daemon.station is not None


@pytest.mark.parametrize(
    "step",
    ["CREATE TABLE call (number)", "INSERT INTO memory SELECT key, value FROM memory"],
    ids=["never", "only without rows"],
)
async def test_a_new_format_that_does_not_work_is_reported_and_touches_nothing(
    folder: Path, trial: BootTrial, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    monkeypatch.setattr(schema, "MIGRATIONS", (*schema.MIGRATIONS, step))
    async for daemon in _started(folder, trial):
        status = await _ask(folder, "status")
        assert status["mode"] == "on-trial"
        assert "can't be brought to its new format" in str(status["problems"])
        assert daemon.station is None
    assert _version(folder) == 1


def test_what_waits(tmp_path: Path) -> None:
    path = tmp_path / "queue.db"
    assert not rehearsal.format_waits(path), "a missing one is created, by whoever comes first"
    with closing(schema.connect(path)) as connection:
        schema.migrate(connection)
    assert not rehearsal.format_waits(path)
    path.with_name("queue.db-wal").unlink(missing_ok=True)  # from Python 3.12 on it stays, and holds it all
    path.write_bytes(b"spoilt" * 1000)
    assert rehearsal.format_waits(path), "what can't be read must not be repaired by a release that may go"
    assert "can't be brought" in rehearsal.rehearse(path)
    assert path.read_bytes() == b"spoilt" * 1000
