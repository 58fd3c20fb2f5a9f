"""A start cut off at each step that changes a name or makes it durable, once and again: the next one works.

`tests/system/card/test_every_call.py` does the same to the whole station at each system call.
"""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cut_child import CUT
from dialpost.core.errors import StorageError
from dialpost.core.mail.queue.records import MessageRecord
from dialpost.edge.mail.store import Store, opening, queries, schema
from edge.mail.store.test_damage import all_there, crash_copy, filled, spoil_head

CHILD = Path(__file__).parents[3] / "cut_child.py"
OpenAndCut = Callable[[Path, int, list[int]], bool]
Spoil = Callable[[Path], None]


class PowerCut(BaseException):
    """Ends what is under way and is caught by nobody."""


@pytest.fixture(scope="module")
def open_and_cut() -> Iterator[OpenAndCut]:
    """Opens the database in its own process that is cut; whether that was before it had opened it."""
    with subprocess.Popen(
        [sys.executable, str(CHILD)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
    ) as child:
        assert child.stdin is not None and child.stdout is not None
        told, done = child.stdin, child.stdout

        def one(path: Path, at: int, bodies: list[int]) -> bool:
            told.write(json.dumps([str(path), at, bodies]) + "\n")
            status = int(done.readline())
            assert status in (0, CUT), "it failed before it was cut"
            return status == CUT

        try:
            yield one
        finally:
            child.kill()


def nothing(directory: Path) -> None:
    """A power cut, and no more."""


def spoil_log_head(directory: Path) -> None:
    with (directory / "queue.db-wal").open("r+b") as file:
        file.write(b"\xaa" * 32)


def spoil_log_middle(directory: Path) -> None:
    with (directory / "queue.db-wal").open("r+b") as file:
        file.seek(file.seek(0, os.SEEK_END) // 2)
        file.write(b"\xaa" * 200)


def lose_database(directory: Path) -> None:
    (directory / "queue.db").unlink()


SPOILS = (nothing, spoil_head, spoil_log_head, spoil_log_middle, lose_database)


@pytest.mark.parametrize("spoil", SPOILS)
async def test_a_start_cut_off_twice_at_each_step_goes_on_at_the_next(
    tmp_path: Path, spoil: Spoil, open_and_cut: OpenAndCut
) -> None:
    (tmp_path / "source").mkdir()
    store, made = await filled(tmp_path / "source", 20)
    start = crash_copy(tmp_path / "source", tmp_path / "start")
    await store.close()
    spoil(start)
    bodies = list(queries.as_numbers(message.queue_id for message in made))
    cuts = 0
    for first in range(1000):
        if not await cut_and_look(open_and_cut, start, tmp_path / "try", made, bodies, [first]):
            break
        for second in {first // 2, first}:
            await cut_and_look(open_and_cut, start, tmp_path / "try", made, bodies, [first, second])
        cuts += 1
    assert cuts > 4  # else nothing was proved


async def cut_and_look(
    open_and_cut: OpenAndCut,
    start: Path,
    place: Path,
    made: list[MessageRecord],
    bodies: list[int],
    cuts: list[int],
) -> bool:
    """Copy, cut each time, start, look; whether the last was cut."""
    shutil.copytree(start, place)
    try:
        was_cut = [open_and_cut(place / "queue.db", at, bodies) for at in cuts][-1]
        await whole(place, made, f"cut at {cuts}")
        return was_cut
    finally:
        shutil.rmtree(place)


async def whole(directory: Path, made: list[MessageRecord], what: str) -> None:
    ids = [message.queue_id for message in made]
    try:
        store = await Store.open(directory / "queue.db", bodies=lambda: ids)
    except StorageError as error:
        pytest.fail(f"{what}: {error}")
    assert not any("log (queue.db-wal) is missing" in words for words in store.opening_report), what
    await all_there(store, made)
    await store.close()
    left = {path.name for path in directory.iterdir() if not path.name.startswith("queue.db.damaged-1")}
    assert left == {"queue.db"}, what


async def test_where_there_are_no_links_the_copy_of_the_log_is_whole_or_not_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "source").mkdir()
    store, made = await filled(tmp_path / "source", 20)
    start = crash_copy(tmp_path / "source", tmp_path / "start")
    await store.close()

    def no_links(*arguments: object, **named: object) -> None:
        raise PermissionError(1, "no links here")

    def cut_half_way(source: Path, target: Path) -> None:
        target.write_bytes(source.read_bytes()[:5000])
        raise PowerCut

    monkeypatch.setattr(os, "link", no_links)
    with monkeypatch.context() as patch, pytest.raises(PowerCut):
        patch.setattr(shutil, "copyfile", cut_half_way)
        opening.open_database(start / "queue.db", list, list)
    await whole_but_for(start, made, "queue.db-wal-kept.new")


async def whole_but_for(directory: Path, made: list[MessageRecord], left: str) -> None:
    ids = [message.queue_id for message in made]
    store = await Store.open(directory / "queue.db", bodies=lambda: ids)
    assert store.opening_report == ()
    await all_there(store, made)
    await store.close()
    assert not (directory / left).exists()


async def test_a_full_card_is_no_damage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """SQLite says "I/O error" where its shared index can't grow."""
    store, _ = await filled(tmp_path, 6)
    await store.close()
    fault = sqlite3.OperationalError("disk I/O error")
    fault.sqlite_errorcode = sqlite3.SQLITE_IOERR_SHMSIZE

    def cannot(path: Path) -> None:
        raise fault

    with monkeypatch.context() as patch, pytest.raises(StorageError):
        patch.setattr(schema, "connect", cannot)
        opening.open_database(tmp_path / "queue.db", list, list)
    assert {path.name for path in tmp_path.iterdir()} == {"queue.db"}
