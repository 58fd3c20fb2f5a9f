"""What keeps the station from writing is seen without a write."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace

import pytest

from dialpost.edge.system.card import state as card_state

SOUND = {"f_flag": 0, "f_files": 1000, "f_favail": 900, "f_bavail": 5000, "f_frsize": 4096}


def test_a_card_in_order_is_not_mentioned(tmp_path: Path) -> None:
    assert card_state.trouble([tmp_path, tmp_path / "not made yet"]) == ""


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"f_flag": os.ST_RDONLY}, "read-only"),
        ({"f_favail": 0}, "no room for more files"),
        ({"f_bavail": 10}, "is full"),
        ({"f_bavail": 10, "f_flag": os.ST_RDONLY}, "read-only"),
        ({"f_files": 0, "f_favail": 0}, ""),  # a file system that counts none
    ],
)
def test_why_it_takes_no_writes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changes: dict[str, int], words: str
) -> None:
    monkeypatch.setattr(os, "statvfs", lambda folder: SimpleNamespace(**(SOUND | changes)))
    told = card_state.trouble([tmp_path])
    assert (words in told) if words else told == ""


def test_a_folder_of_somebody_else_is_named_with_the_way_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spool = tmp_path / "spool"
    spool.mkdir()
    monkeypatch.setattr(os, "access", lambda folder, how: folder != spool)
    told = card_state.trouble([tmp_path, spool])
    assert f"may not write into {spool}" in told and f"chown -R --reference={tmp_path} {spool}" in told


def test_a_card_that_is_gone_is_reported(tmp_path: Path) -> None:
    assert "can't be used" in card_state.trouble([tmp_path / "gone"])
