"""Doctor's two probes: the card, and the station's own doors."""

import asyncio
import os
import ssl
from pathlib import Path
from typing import Any, Never

import pytest

from dialpost.core.errors import ReadOnlyError, StorageError
from dialpost.core.system.card_wear import CardWear
from dialpost.edge.mail import door_probe
from dialpost.edge.mail.certificate import ensure_pair, server_context
from dialpost.edge.mail.door_probe import knock
from dialpost.edge.system.card.probe import CardProbe


def test_a_card_in_order(tmp_path: Path) -> None:
    for name in (
        "mail/anna/new/1",
        "mail/anna/cur/2:2,S",
        "mail/anna/.Sent/cur/3",
        "mail/anna/tmp/4",
        "mail/.x/new/5",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "mail" / "ben").mkdir()
    probe = CardProbe(tmp_path)
    assert probe.mailboxes() == {"anna": 3, "ben": 0}
    assert probe.set_aside() == ()
    assert probe.free_bytes() > 0
    assert 0 < probe.durable_write_s() < 10
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mail"]


def test_what_was_set_aside(tmp_path: Path) -> None:
    (tmp_path / "set-aside").mkdir()
    for name in ("queue.db.damaged-1", "queue.db", "accounts.toml.damaged-2", "set-aside/D0000001"):
        (tmp_path / name).touch()
    assert CardProbe(tmp_path).set_aside() == (
        "accounts.toml.damaged-2",
        "queue.db.damaged-1",
        "set-aside/D0000001",
    )


def test_no_card(tmp_path: Path) -> None:
    probe = CardProbe(tmp_path / "gone")
    assert (probe.mailboxes(), probe.set_aside()) == ({}, ())
    for look in (probe.free_bytes, probe.durable_write_s):
        with pytest.raises(StorageError, match="gone can't be used: No such file"):
            look()


@pytest.mark.parametrize("step", ["fsync", "open"])
def test_a_card_that_fails_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    def fails(*args: int | Path, **kwargs: Any) -> Never:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(os, step, fails)
    with pytest.raises(ReadOnlyError, match="Read-only file system"):
        CardProbe(tmp_path).durable_write_s()
    monkeypatch.undo()
    assert os.listdir(tmp_path) == []  # noqa: PTH208


async def door(says: bytes, tls: ssl.SSLContext | None = None) -> tuple[asyncio.Server, int]:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(says)
        await reader.readline()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls)
    return server, server.sockets[0].getsockname()[1]


@pytest.mark.parametrize(
    ("says", "wrong"),
    [
        (b"220 mail.clinic.example ESMTP\r\n", ""),
        (b"421 too many\r\n", "it says '421 too many' instead of a greeting"),
        (b"SSH-2.0\r\n", "it says 'SSH-2.0' instead of a greeting"),
        (b"220" + b"x" * 100_000, f"it says '220{'x' * 197}' instead of a greeting"),
        (b"2200 pounds\r\n", "it says '2200 pounds' instead of a greeting"),
    ],
)
async def test_what_is_said_at_a_door(says: bytes, wrong: str) -> None:
    server, port = await door(says)
    async with server:
        assert await knock(f"smtp 127.0.0.1:{port}") == wrong
        assert await knock(f"smtp 0.0.0.0:{port}") == wrong


async def test_a_door_with_tls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    server, port = await door(b"220 x\r\n", server_context(ensure_pair(tmp_path / "tls", ("mail.clinic.example",))))
    async with server:
        assert await knock(f"submissions 127.0.0.1:{port}") == ""
        monkeypatch.setattr(door_probe, "TIMEOUT_S", 0.2)
        assert "no greeting" in await knock(f"smtp 127.0.0.1:{port}")
    plain, port = await door(b"220 x\r\n")
    async with plain:
        assert "no connection" in await knock(f"submissions 127.0.0.1:{port}")


async def test_a_door_that_stays_silent_or_shut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(door_probe, "TIMEOUT_S", 0.1)
    server, port = await door(b"")
    async with server:
        assert await knock(f"smtp 127.0.0.1:{port}") == "no greeting within 0 s"
    assert "no connection" in await knock(f"smtp 127.0.0.1:{port}")


def test_any_certificate_will_do() -> None:
    assert door_probe._any_certificate().verify_mode is ssl.CERT_NONE


def _card(folder: Path, life: str | None) -> CardProbe:
    """The folder's device as a partition of an MMC."""
    number = folder.stat().st_dev
    partition = folder / "sys/devices/mmcblk0/mmcblk0p4"
    facts = folder / "sys/fs/ext4/mmcblk0p4"
    for made in (partition, facts, folder / "sys/dev/block", folder / "sys/devices/mmcblk0/device"):
        made.mkdir(parents=True)
    (folder / f"sys/dev/block/{os.major(number)}:{os.minor(number)}").symlink_to(partition)
    (facts / "lifetime_write_kbytes").write_text("2000\n")
    (facts / "errors_count").write_text("1\n")
    if life is not None:
        (folder / "sys/devices/mmcblk0/device/life_time").write_text(life)
    return CardProbe(folder, folder / "sys")


@pytest.mark.parametrize(
    ("life", "tenths"), [("0x01 0x03\n", 3), ("0x00 0x00\n", None), (None, None), ("0x0b 0x01\n", 11)]
)
def test_how_worn_the_card_is(tmp_path: Path, life: str | None, tenths: int | None) -> None:
    assert _card(tmp_path, life).wear() == CardWear(2_048_000, 1, tenths)


def test_a_card_that_tells_nothing(tmp_path: Path) -> None:
    assert CardProbe(tmp_path, tmp_path / "no-sys").wear() is None
