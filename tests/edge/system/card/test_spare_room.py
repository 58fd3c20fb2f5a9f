"""Room on the card for the station itself: kept, given up piece by piece, tried."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from dialpost.core.errors import ReadOnlyError, StorageError, StorageFullError
from dialpost.edge.system.card import spare_room
from dialpost.edge.system.card.spare_room import FILE_BYTES, FILES, SpareRoom


def bytes_in(folder: Path) -> int:
    return sum(path.stat().st_blocks * 512 for path in (folder / "spare-room").iterdir())


def test_it_is_kept_once_and_given_in_pieces(tmp_path: Path) -> None:
    room = SpareRoom(tmp_path)
    assert room.keep() and room.keep()
    assert bytes_in(tmp_path) >= FILES * FILE_BYTES
    assert not room.is_used()
    assert [room.give() for _ in range(FILES + 1)] == [True] * FILES + [False]
    assert not list((tmp_path / "spare-room").iterdir())


def test_mail_waits_until_it_is_whole_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    room = SpareRoom(tmp_path)
    room.keep()
    with monkeypatch.context() as patch:
        patch.setattr(spare_room, "_WANTED_FREE_BYTES", 1 << 62)
        assert room.give()
        assert room.is_used()
        assert SpareRoom(tmp_path).is_used()  # the next process knows it too
    assert not room.is_used()
    assert len(list((tmp_path / "spare-room").iterdir())) == FILES


def test_a_card_too_small_for_it_takes_mail_all_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spare_room, "_WANTED_FREE_BYTES", 1 << 62)
    room = SpareRoom(tmp_path)
    assert not room.keep()
    assert not room.is_used()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("number", "kind", "words"),
    [
        (errno.ENOSPC, StorageFullError, "the card is full"),
        (errno.EDQUOT, StorageFullError, "the card is full"),
        (errno.EROFS, ReadOnlyError, "the card is read-only"),
        (errno.EIO, StorageError, "Input/output error"),
    ],
)
@pytest.mark.parametrize("step", ["open", "posix_fallocate", "fsync"])
def test_a_try_says_what_is_wrong_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, kind: type[StorageError], words: str, step: str
) -> None:
    def fails(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    with monkeypatch.context() as patch, pytest.raises(kind, match=words):
        patch.setattr(os, step, fails)
        SpareRoom(tmp_path).check()
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_not_there_yet_is_not_made(tmp_path: Path) -> None:
    SpareRoom(tmp_path / "a" / "b").check()
    assert list(tmp_path.iterdir()) == []
