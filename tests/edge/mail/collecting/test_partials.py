"""Beginnings of messages on the card: kept durably, taken up if sound, and gone once nobody needs them."""

import os
from pathlib import Path

import pytest

from dialpost.core.errors import StorageError
from dialpost.core.mail.inbound.partial import OVERLAP_BYTES, resume_at
from dialpost.edge.mail.collecting.partials import Partial, Partials


async def opened(folder: Path, box: str = "office", uid: str = "7.1", size: int = 9000) -> Partial:
    """What is here of a message, or one of which nothing is."""
    partials = Partials(folder)
    return (await partials.kept(box, {uid: size, "7.9": 5})).get(uid) or partials.begin(box, uid, size)


async def kept(folder: Path, *pieces: bytes, uid: str = "7.1", size: int = 9000) -> Partial:
    partial = await opened(folder, uid=uid, size=size)
    for piece in pieces:
        partial.append(piece)
    await partial.keep()
    partial.close()
    return partial


async def test_what_was_kept_is_taken_up(tmp_path: Path) -> None:
    folder = tmp_path / "partials"
    await kept(folder, b"a" * 3000, b"b" * 2000)
    partial = await opened(folder)
    assert partial.length == partial.kept == 5000
    overlap = partial.overlap()
    assert overlap.take(b"b" * OVERLAP_BYTES + b"c") == b"c" and overlap.is_proved
    assert resume_at(partial.length) == 5000 - OVERLAP_BYTES
    partial.append(b"c" * 4000)
    assert b"".join(partial.blocks()) == b"a" * 3000 + b"b" * 2000 + b"c" * 4000
    await partial.remove()
    assert list(folder.iterdir()) == []


async def test_only_what_was_kept_counts_after_a_power_cut(tmp_path: Path) -> None:
    partial = await kept(tmp_path, b"a" * 3000)
    partial.append(b"lost" * 100)
    partial.close()
    again = await opened(tmp_path)
    assert again.length == 3000
    again.append(b"new")
    assert b"".join(again.blocks()) == b"a" * 3000 + b"new"


@pytest.mark.parametrize("damage", ["content", "short", "note", "no content"])
async def test_what_the_card_damaged_is_fetched_again(tmp_path: Path, damage: str) -> None:
    await kept(tmp_path, b"a" * 3000)
    (content,) = tmp_path.glob("*.part")
    (note,) = tmp_path.glob("*.kept")
    if damage == "content":
        content.write_bytes(b"a" * 2999 + b"b")
    elif damage == "short":
        os.truncate(content, 2999)
    elif damage == "note":
        note.write_bytes(b"\xff\x00")
    else:
        content.unlink()
    partial = await opened(tmp_path)
    assert partial.length == partial.kept == 0
    assert partial.overlap().is_proved
    partial.append(b"whole")
    assert list(partial.blocks()) == [b"whole"]


async def test_a_message_of_another_size_is_another_message(tmp_path: Path) -> None:
    await kept(tmp_path, b"a" * 3000)
    assert (await opened(tmp_path, size=9001)).length == 0
    assert (await opened(tmp_path, "shop")).length == 0


async def test_what_no_longer_is_in_the_box_is_forgotten(tmp_path: Path) -> None:
    await kept(tmp_path, b"a" * 3000)
    await kept(tmp_path, b"b" * 3000, uid="7.2")
    partials = Partials(tmp_path)
    partials.forget("shop", [])
    partials.forget("office", ["7.2", "7.3"])
    assert (await opened(tmp_path)).length == 0
    assert (await opened(tmp_path, uid="7.2")).length == 3000


async def test_a_fresh_start_forgets_what_was_here(tmp_path: Path) -> None:
    partial = await kept(tmp_path, b"a" * 3000)
    partial.restart()
    partial.append(b"b" * 10)
    await partial.keep()
    assert (await opened(tmp_path)).length == 10


async def test_a_card_that_can_not_be_written_is_an_error_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "partials").write_bytes(b"no folder")
    partial = await opened(tmp_path / "partials")
    with pytest.raises(StorageError, match="Mail from office can't be stored"):
        partial.append(b"x")
    with pytest.raises(StorageError, match="Mail from office can't be stored"):
        await partial.keep()
    await partial.remove()
    partial.length = 5
    with pytest.raises(StorageError, match="can't be read"):
        list(partial.blocks())
    with pytest.raises(StorageError, match="can't be read"):
        partial.overlap()
