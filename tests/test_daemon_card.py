"""A card that keeps stations from starting: nothing is stopped for it, the daemon stays, says why and goes on."""

from __future__ import annotations

import asyncio
import smtplib
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Never

import pytest

from dialpost import daemon as daemon_module
from dialpost import standstill
from dialpost.core.errors import ControlError, ReadOnlyError, StorageError, StorageFullError
from dialpost.core.mail.session import Listener
from dialpost.daemon import Daemon
from dialpost.edge.control_socket import ControlClient
from dialpost.edge.mail.store import Store
from dialpost.edge.system.card.spare_room import SpareRoom
from known import known
from test_daemon import Face, text_in, until

FULL = StorageFullError("The card is full: the queue database can't grow.")


class Card:
    """Whether stations can open their queue, and whether a try on it succeeds."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.opens: StorageError | None = None
        self.tries: StorageError | None = None
        real_open, real_check = Store.open, SpareRoom.check

        async def open_store(*args: Path, **kwargs: Any) -> Store:
            if self.opens is not None:
                raise self.opens
            return await real_open(*args, **kwargs)

        def check(room: SpareRoom) -> None:
            if self.tries is not None:
                raise self.tries
            real_check(room)

        monkeypatch.setattr(Store, "open", open_store)
        monkeypatch.setattr(SpareRoom, "check", check)


@pytest.fixture
def card(monkeypatch: pytest.MonkeyPatch) -> Card:
    monkeypatch.setattr(daemon_module, "AGAIN_EVERY_S", 0.01)
    return Card(monkeypatch)


@pytest.fixture
async def daemon(tmp_path: Path, card: Card) -> AsyncIterator[Daemon]:
    (tmp_path / "dialpost.toml").write_text(text_in(tmp_path))
    made = Daemon(tmp_path / "dialpost.toml")
    yield made
    await made.stop()


def mail(port: int) -> int:
    with smtplib.SMTP("127.0.0.1", port, "client.example", timeout=60) as client:
        client.ehlo()
        return client.mail("eve@world.example")[0]


def ports(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Where a standstill listens, the door for mail first."""
    found: list[int] = []
    real = standstill.Standstill._open_door

    async def open_door(self: standstill.Standstill, door: Listener, sock: socket.socket) -> None:
        found.append(sock.getsockname()[1])
        await real(self, door, sock)

    monkeypatch.setattr(standstill.Standstill, "_open_door", open_door)
    return found


@pytest.mark.parametrize("why", [FULL, ReadOnlyError("The card is read-only.")])
async def test_a_start_that_the_card_refuses_stands_still_and_goes_on_by_itself(
    daemon: Daemon, card: Card, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, why: StorageError
) -> None:
    doors = ports(monkeypatch)
    card.opens = card.tries = why
    await daemon.start()
    assert daemon.station is None and not daemon.failed.is_set()
    assert await asyncio.to_thread(mail, doors[0]) == 452
    with pytest.raises(smtplib.SMTPConnectError) as refused:
        await asyncio.to_thread(mail, doors[1])  # for mail programs
    assert refused.value.smtp_code == 421
    ask = ControlClient(tmp_path / "run" / "control.sock", 60)
    status = await asyncio.to_thread(lambda: ask.call("status"))
    assert (status["mode"], str(why) in status["attention"][0]) == ("standstill", True)
    for method in ("queue.delete", "account.list", "call.now"):
        with pytest.raises(ControlError, match=f"is stopped: {why}"):
            await asyncio.to_thread(ask.call, method)
    card.opens = card.tries = None

    async def runs() -> bool:
        return daemon.station is not None

    await until(runs)
    assert (await asyncio.to_thread(lambda: ask.call("status")))["mode"] == "running"


async def test_a_commit_that_the_card_has_no_room_for_changes_nothing(
    daemon: Daemon, card: Card, tmp_path: Path
) -> None:
    await daemon.start()
    running, before = daemon.station, (tmp_path / "dialpost.toml").read_bytes()
    face = await Face.open(tmp_path)
    await face.set("smtp.max_recipients", "600")
    card.tries = FULL
    with pytest.raises(ControlError, match="Nothing was changed"):
        await face("config.commit", comment="")
    assert daemon.station is running and (tmp_path / "dialpost.toml").read_bytes() == before
    face.close()


async def test_a_commit_overtaken_by_a_full_card_takes_effect_and_the_answer_says_so(
    daemon: Daemon, card: Card, tmp_path: Path
) -> None:
    await daemon.start()
    face = await Face.open(tmp_path)
    await face.set("smtp.max_recipients", "600")
    card.opens = FULL
    done = await face("config.commit", comment="")
    assert any("station is stopped" in words for words in done["words"])
    assert "max_recipients = 600" in (tmp_path / "dialpost.toml").read_text()
    assert daemon.changes.pending is None and daemon.history.unproven() is not None
    card.opens = None

    async def runs() -> bool:
        return daemon.station is not None and daemon.history.unproven() is None

    await until(runs)
    assert known(daemon.station).config.smtp.max_recipients == 600
    face.close()


async def test_a_folder_that_cannot_be_used_is_the_configurations_fault(
    daemon: Daemon, card: Card, tmp_path: Path
) -> None:
    await daemon.start()
    before = Path(tmp_path / "dialpost.toml").read_bytes().partition(b"\n")[2]
    (tmp_path / "no-folder").write_text("")
    face = await Face.open(tmp_path)
    await face.set("station.data_dir", str(tmp_path / "no-folder" / "data"))
    with pytest.raises(ControlError):
        await face("config.commit", comment="", anyway=True)
    assert daemon.station is not None
    assert (tmp_path / "dialpost.toml").read_bytes().endswith(before)
    face.close()


async def test_a_proof_that_could_not_be_noted_is_no_failed_commit(
    daemon: Daemon, card: Card, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await daemon.start()
    face = await Face.open(tmp_path)
    await face.set("smtp.max_recipients", "600")

    def proven() -> Never:
        raise StorageFullError("the card is full")

    monkeypatch.setattr(daemon.history, "proven", proven)
    await face("config.commit", comment="")
    assert known(daemon.station).config.smtp.max_recipients == 600
    assert daemon.history.unproven() is not None  # the next start proves it
    face.close()
