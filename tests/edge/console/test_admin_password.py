"""The console's password on the card: kept as a hash, checked, replaced whole or not at all."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from dialpost.core.errors import AccountError, DamagedError, StorageError
from dialpost.edge.console.admin_password import NAME, AdminPassword


def test_before_one_is_set_nobody_is_asked(tmp_path: Path) -> None:
    assert not AdminPassword(tmp_path / "dialpost.toml").is_set()


def test_it_is_kept_as_a_hash_that_only_the_station_reads(tmp_path: Path) -> None:
    password = AdminPassword(tmp_path / "dialpost.toml")
    password.set("correct horse")
    again = AdminPassword(tmp_path / "dialpost.toml")
    assert again.is_set() and again.is_right("correct horse") and not again.is_right("correct house")
    assert "horse" not in password.path.read_text() and password.path.read_text().startswith("{SCRAM-SHA-256}")
    assert stat.S_IMODE(password.path.stat().st_mode) == 0o600
    again.set("another one")
    assert password.is_right("another one") and not password.is_right("correct horse")
    assert [path.name for path in tmp_path.iterdir()] == [NAME]


def test_a_weak_one_or_a_full_card_leaves_the_old_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    password = AdminPassword(tmp_path / "dialpost.toml")
    password.set("correct horse")
    with pytest.raises(AccountError, match="too short"):
        password.set("short")

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StorageError, match="No space left"):
        password.set("another one")
    assert password.is_right("correct horse")
    assert [path.name for path in tmp_path.iterdir()] == [NAME]


def test_its_bytes_and_its_name_are_on_the_card_when_it_is_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real_fsync, real_replace, steps = os.fsync, os.replace, []

    def fsync(descriptor: int) -> None:
        steps.append("folder" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else "file")
        real_fsync(descriptor)

    def replace(source: str, target: str, **folders: int) -> None:
        steps.append("rename")
        real_replace(source, target, **folders)

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(os, "replace", replace)
    AdminPassword(tmp_path / "dialpost.toml").set("correct horse")
    assert steps == ["file", "rename", "folder"]


def test_a_damaged_file_opens_the_console_to_nobody(tmp_path: Path) -> None:
    password = AdminPassword(tmp_path / "dialpost.toml")
    for damage in (b"", b"\0" * 100, b"\xff\xfe"):
        password.path.write_bytes(damage)
        assert password.is_set()
        with pytest.raises(DamagedError, match="nobody can log in"):
            password.is_right("")
    password.path.write_text("{SCRAM-SHA-256}4096,x")
    assert not password.is_right("")
    password.path.unlink()
    password.path.mkdir()
    assert password.is_set()
    with pytest.raises(StorageError):
        password.is_right("x")
