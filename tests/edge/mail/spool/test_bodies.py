"""Bodies: whole or not there, set aside rather than lost, one fsync of the directory for many."""

from __future__ import annotations

import asyncio
import errno
import os
import threading
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from dialpost.core.errors import NotFoundError, StorageError, StorageFullError
from dialpost.core.mail.queue.ids import queue_id
from dialpost.edge.mail.spool import Spool
from dialpost.edge.mail.spool.rounds import DirectorySync

ONE, TWO = queue_id(1), queue_id(2)


@pytest.fixture
def spool(tmp_path: Path) -> Iterator[Spool]:
    made = Spool(tmp_path / "spool", 0)
    made.prepare()
    yield made
    made.close()


def files(tmp_path: Path) -> list[str]:
    return sorted(entry.name for entry in (tmp_path / "spool").iterdir())


async def test_a_body_is_what_was_written(spool: Spool) -> None:
    pieces = [b"Return-Path: <>\n", b"x" * 70_000, b"", b"end\n"]
    writer = spool.begin(ONE)
    for piece in pieces:
        writer.write(piece)
    assert await writer.commit() == writer.size == spool.size(ONE) == len(b"".join(pieces))
    with spool.open_body(ONE) as body:
        assert body.read() == b"".join(pieces)
    writer.abort()
    assert list(spool.ids()) == [ONE]


async def test_the_order_is_data_then_directory_then_done(spool: Spool, monkeypatch: pytest.MonkeyPatch) -> None:
    steps: list[str] = []
    monkeypatch.setattr(os, "fdatasync", lambda _: steps.append("body"))
    monkeypatch.setattr(os, "fsync", lambda _: steps.append("directory"))
    writer = spool.begin(ONE)
    writer.write(b"x")
    await writer.commit()
    steps.append("done")
    assert steps == ["body", "directory", "done"]


def test_what_is_interrupted_leaves_nothing(spool: Spool, tmp_path: Path) -> None:
    writer = spool.begin(ONE)
    writer.write(b"x" * 100_000)
    writer.abort()
    writer.abort()
    assert files(tmp_path) == []
    with pytest.raises(StorageError):
        writer.write(b"more")


async def test_an_id_is_never_written_over(spool: Spool) -> None:
    writer = spool.begin(ONE)
    with pytest.raises(StorageError):
        spool.begin(ONE)
    await writer.commit()
    with pytest.raises(StorageError, match="stored already"):
        spool.begin(ONE)


def test_what_is_not_whole_has_no_name_and_is_gone_at_the_next_start(spool: Spool, tmp_path: Path) -> None:
    writer = spool.begin(ONE)
    writer.write(b"x" * 100_000)
    assert (files(tmp_path), list(spool.ids()), spool.size(ONE)) == ([f"{ONE}.part"], [], None)
    Spool(tmp_path / "spool", 0).prepare()
    assert files(tmp_path) == []


@pytest.mark.parametrize("name", ["../x", "", "D000001/../../x", ".hidden"])
def test_only_ids_name_bodies(spool: Spool, name: str) -> None:
    with pytest.raises(StorageError):
        spool.path(name)  # type: ignore[arg-type]


async def test_removed_is_gone_and_missing_is_said(spool: Spool) -> None:
    for one in (ONE, TWO):
        await spool.begin(one).commit()
    await spool.remove_many([ONE, TWO, queue_id(3)])
    assert (list(spool.ids()), spool.size(ONE)) == ([], None)
    with pytest.raises(NotFoundError, match=ONE):
        spool.open_body(ONE)


async def test_set_aside_keeps_the_body_and_says_why(spool: Spool, tmp_path: Path) -> None:
    for _ in range(2):
        writer = spool.begin(ONE)
        writer.write(b"body\n")
        await writer.commit()
        spool.set_aside(ONE, "no entry")
    aside = tmp_path / "set-aside"
    assert sorted(entry.name for entry in aside.iterdir()) == [
        f"{ONE}-2.eml",
        f"{ONE}-2.txt",
        f"{ONE}.eml",
        f"{ONE}.txt",
    ]
    assert (aside / f"{ONE}-2.eml").read_bytes() == b"body\n"
    assert (aside / f"{ONE}.txt").read_text() == "no entry\n"
    assert list(spool.ids()) == []


def test_the_reserve_is_kept(tmp_path: Path) -> None:
    free = os.statvfs(tmp_path)
    spool = Spool(tmp_path / "spool", free.f_bavail * free.f_frsize * 2)
    spool.prepare()
    assert spool.free_bytes() == 0
    with pytest.raises(StorageFullError):
        spool.begin(ONE)
    assert files(tmp_path) == []
    spool.close()


async def test_the_reserve_is_watched_while_a_long_body_comes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spool = Spool(tmp_path / "spool", 1000)
    spool.prepare()
    writer = spool.begin(ONE)
    writer.write(b"x" * 1000)
    monkeypatch.setattr(Spool, "free_bytes", lambda _: 0)
    with pytest.raises(StorageFullError):
        writer.write(b"x" * 200_000)
    assert files(tmp_path) == []
    with pytest.raises(StorageFullError):
        await writer.commit()
    spool.close()


def failing(code: int) -> Callable[..., int]:
    def fail(*_: object) -> int:
        raise OSError(code, os.strerror(code))

    return fail


@pytest.mark.parametrize("step", ["open", "write", "rename", "fdatasync", "fsync", "close"])
@pytest.mark.parametrize(("code", "kind"), [(errno.ENOSPC, StorageFullError), (errno.EIO, StorageError)])
async def test_a_fault_at_any_step_leaves_nothing_and_the_next_goes_well(
    spool: Spool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str, code: int, kind: type[StorageError]
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(os, step, failing(code))
        with pytest.raises(StorageError) as caught:
            writer = spool.begin(ONE)
            writer.write(b"x" * 10)
            await writer.commit()
    assert type(caught.value) is kind
    assert files(tmp_path) == []
    writer = spool.begin(TWO)
    writer.write(b"y")
    assert await writer.commit() == 1


async def test_concurrent_commits_share_the_directorys_fsync(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, started, go = os.fsync, threading.Event(), threading.Event()
    count = 0

    def slow(descriptor: int) -> None:
        nonlocal count
        count += 1
        started.set()
        go.wait(60)
        real(descriptor)

    monkeypatch.setattr(os, "fsync", slow)
    sync = DirectorySync(tmp_path)
    first = asyncio.create_task(asyncio.to_thread(sync.sync))
    await asyncio.to_thread(started.wait, 60)
    others = [asyncio.create_task(asyncio.to_thread(sync.sync)) for _ in range(4)]
    while sync._asked < 5:
        await asyncio.sleep(0)
    go.set()
    await asyncio.gather(first, *others)
    assert count == 2  # the one under way, which serves nobody who asked later, and one for all of those
    sync.close()


async def test_a_cancelled_commit_is_finished_and_not_undone_by_abort(spool: Spool) -> None:
    writer = spool.begin(ONE)
    writer.write(b"x")
    task = asyncio.create_task(writer.commit())
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait([task])
    writer.abort()
    spool.close()
    assert spool.size(ONE) == 1


DAY_S = 86_400
NOW_S = 1_900_000_000


def set_aside(spool: Spool, number: int, *, dated_s: float, is_unconfirmed: bool = True) -> Path:
    one = queue_id(number)
    spool.path(one).write_bytes(b"whole")
    kept = spool.set_aside(one, "a note", is_unconfirmed=is_unconfirmed)
    os.utime(kept.with_suffix(".txt"), (dated_s, dated_s))
    return kept


async def test_what_was_never_acknowledged_goes_after_its_time_and_nothing_else(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "spool", 0)
    spool.prepare()
    old = set_aside(spool, 1, dated_s=NOW_S - 31 * DAY_S)
    young = set_aside(spool, 2, dated_s=NOW_S - 29 * DAY_S)
    somebodys = set_aside(spool, 3, dated_s=NOW_S - 900 * DAY_S, is_unconfirmed=False)
    assert await spool.clear_aside(NOW_S - 30 * DAY_S, NOW_S) == [old.stem]
    assert [path.exists() for path in (old, old.with_suffix(".txt"), young, somebodys)] == [
        False,
        False,
        True,
        True,
    ]
    spool.close()


@pytest.mark.parametrize("dated_s", [0, 1_000_000_000, NOW_S + DAY_S])
async def test_what_was_dated_by_a_wrong_clock_begins_its_time_when_that_is_seen(
    tmp_path: Path, dated_s: int
) -> None:
    spool = Spool(tmp_path / "spool", 0)
    spool.prepare()
    kept = set_aside(spool, 1, dated_s=dated_s)
    assert await spool.clear_aside(NOW_S - 30 * DAY_S, NOW_S) == []
    assert await spool.clear_aside(NOW_S - DAY_S, NOW_S + 29 * DAY_S) == []
    assert await spool.clear_aside(NOW_S + DAY_S, NOW_S + 31 * DAY_S) == [kept.stem]
    spool.close()


async def test_the_checksum_is_that_of_the_file(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "spool", 0)
    spool.prepare()
    writer = spool.begin(queue_id(1))
    for piece in (b"x" * 70_000, b"", b"end"):
        writer.write(piece)
    size = await writer.commit()
    data = spool.path(queue_id(1)).read_bytes()
    assert writer.checksum == zlib.crc32(data)
    assert spool.is_sound(queue_id(1), size, writer.checksum)
    assert spool.is_sound(queue_id(1), size, None)
    assert not spool.is_sound(queue_id(1), size, writer.checksum ^ 1)
    assert not spool.is_sound(queue_id(1), size + 1, None)
    assert not spool.is_sound(queue_id(2), size, None)
    spool.close()
