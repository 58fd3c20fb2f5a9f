"""Configurations on a USB stick, a folder here."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from dialpost.core.errors import ConfigError, StorageError
from dialpost.edge.system.usb.files import configurations, read_text, write_new


def test_what_is_written_is_listed_newest_first_and_never_overwritten(tmp_path: Path) -> None:
    first = write_new(tmp_path, "station", "one\n")
    second = write_new(tmp_path, "station", "two\n")
    os.utime(first, (1, 1))
    assert [path.name for path in (first, second)] == ["station.toml", "station-2.toml"]
    assert configurations(tmp_path) == [second, first]
    assert (read_text(first), read_text(second)) == ("one\n", "two\n")


def test_a_file_from_another_system_is_read(tmp_path: Path) -> None:
    (tmp_path / "x.toml").write_bytes(b"\xef\xbb\xbfa = 1\r\nb = 2\r\n")
    assert read_text(tmp_path / "x.toml") == "a = 1\nb = 2\n"
    (tmp_path / "y.toml").write_bytes(b"\xff\xfe")
    (tmp_path / "z.toml").write_bytes(b"x" * 1_000_001)
    for name in ("y.toml", "z.toml"):
        with pytest.raises(ConfigError):
            read_text(tmp_path / name)
    with pytest.raises(StorageError, match="No such file"):
        read_text(tmp_path / "none.toml")


def test_a_full_stick_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StorageError, match="the stick is full"):
        write_new(tmp_path, "station", "one\n")
    assert list(tmp_path.iterdir()) == []
