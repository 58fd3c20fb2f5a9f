"""Bodies in the log: read like files, and files whenever the log needs the room or the station stops."""

from __future__ import annotations

import errno
import gc
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from dialpost.core.errors import StorageError, StorageFullError
from dialpost.core.mail.envelope import QueueId
from dialpost.core.mail.queue.ids import queue_id, queue_number
from dialpost.core.mail.queue.spool_log import BLOCK_BYTES, LogEntry
from dialpost.edge.mail.spool import Spool
from dialpost.edge.mail.spool.logged import LONGEST_LOGGED, LoggedBody

SIZE = 64 * BLOCK_BYTES


def opened(directory: Path, size: int = SIZE) -> Spool:
    spool = Spool(directory / "spool", 0, log_bytes=size)
    spool.prepare()
    spool.wait_for_log()
    return spool


@pytest.fixture
def spool(tmp_path: Path) -> Iterator[Spool]:
    made = opened(tmp_path)
    yield made
    made.close()


def files(spool: Spool) -> list[str]:
    return sorted(entry.name for entry in spool.path(queue_id(1)).parent.iterdir())


def number_of(name: QueueId) -> int:
    number = queue_number(name)
    assert number is not None
    return number


async def take(spool: Spool, number: int, body: bytes) -> QueueId:
    """A message comes in and is logged, as the store does it."""
    name = queue_id(number)
    writer = spool.begin(name)
    writer.write(body)
    assert await writer.commit() == len(body)
    held = spool.log.body_of(name)
    if held is not None:
        entries = [LogEntry(number, b"", held)]
        spool.log.make_room(entries[0].size)
        spool.log.append(entries)
    return name


def content(spool: Spool, name: QueueId) -> bytes:
    with spool.open_body(name) as body:
        return body.read()


async def test_a_small_body_needs_no_file(spool: Spool) -> None:
    one = await take(spool, 1, b"small")
    two = await take(spool, 2, b"")
    assert files(spool) == ["log"]
    assert (content(spool, one), content(spool, two)) == (b"small", b"")
    assert (spool.size(one), spool.size(two), spool.size(queue_id(3))) == (5, 0, None)
    assert sorted(spool.ids()) == [one, two]
    assert spool.is_sound(one, 5, None)
    assert not spool.is_sound(one, 5, 1)
    assert isinstance(spool.stored(one), LoggedBody)
    with pytest.raises(StorageError, match="is stored already"):
        spool.begin(one)
    spool.remove(one)
    assert (spool.size(one), list(spool.ids())) == (None, [two])


async def test_a_longer_body_is_a_file(tmp_path: Path) -> None:
    spool = opened(tmp_path, 16 * LONGEST_LOGGED)
    await take(spool, 1, b"x" * (LONGEST_LOGGED - 1))
    await take(spool, 2, b"x" * LONGEST_LOGGED)
    assert files(spool) == [queue_id(2), "log"]
    assert isinstance(spool.stored(queue_id(2)), Path)
    spool.close()


async def test_a_body_for_several_mailboxes_is_a_file_that_can_be_linked(spool: Spool) -> None:
    writer = spool.begin(queue_id(1))
    writer.write(b"body")
    writer.will_be_shared()
    assert await writer.commit() == 4
    assert spool.log.body_of(queue_id(1)) is None
    assert files(spool) == [queue_id(1), "log"]
    assert isinstance(spool.stored(queue_id(1)), Path)


async def test_what_is_too_long_for_a_small_log_is_a_file(spool: Spool) -> None:
    await take(spool, 1, b"x" * (SIZE // 4))
    assert files(spool) == [queue_id(1), "log"]


async def test_rows_that_are_too_long_for_the_log_make_their_body_a_file(spool: Spool) -> None:
    spool.log.make_room(SIZE)
    assert not spool.log.append([LogEntry(1, b"x" * SIZE, b"body"), LogEntry(2, b"", b"more")])
    assert files(spool) == [queue_id(1), queue_id(2), "log"]
    assert (content(spool, queue_id(1)), spool.log.notes()) == (b"body", [])
    assert spool.log.append([LogEntry(3, b"", b"body")])


def make_unreadable(monkeypatch: pytest.MonkeyPatch, block: int) -> None:
    real = os.pread

    def pread(descriptor: int, length: int, at: int) -> bytes:
        if at // BLOCK_BYTES <= block < (at + length) / BLOCK_BYTES:
            raise OSError(5, "Input/output error")
        return real(descriptor, length, at)

    monkeypatch.setattr(os, "pread", pread)


async def test_a_body_that_cannot_be_read_stays_and_new_ones_become_files(
    spool: Spool, monkeypatch: pytest.MonkeyPatch
) -> None:
    await take(spool, 1, b"first")
    await take(spool, 2, bytes(9000))  # its group begins at block 2
    make_unreadable(monkeypatch, 2)
    for number in range(3, 40):
        await take(spool, number, bytes([number]) * 5000)
    logged = [number for number, _ in spool.log.notes()]
    assert logged == list(range(2, logged[-1] + 1))
    assert set(files(spool)) == {"log", queue_id(1), *map(queue_id, range(logged[-1] + 1, 40))}
    with pytest.raises(StorageError, match="Input/output error"):
        spool.log.settle()
    assert list(spool.log.ids()) == [queue_id(2)]
    spool.remove(queue_id(2))
    assert [content(spool, queue_id(number))[:1] for number in (3, 39)] == [b"\x03", b"\x27"]
    await take(spool, 40, b"body")
    assert list(spool.log.ids()) == [queue_id(40)]


async def test_what_is_finished_while_it_becomes_a_file_leaves_none(
    spool: Spool, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in (1, 2):
        await take(spool, number, b"body")
    finished = [queue_id(1)]
    monkeypatch.setattr(
        "dialpost.edge.mail.spool.logged.reach_disk", lambda _: spool.remove(finished.pop()) if finished else None
    )
    spool.log.settle()
    assert files(spool) == [queue_id(2), "log"]


async def test_what_is_only_held_vanishes_with_its_writer(spool: Spool) -> None:
    writer = spool.begin(queue_id(1))
    writer.write(b"body")
    await writer.commit()
    assert spool.log.body_of(queue_id(1)) == b"body"
    writer.abort()
    gc.collect()
    assert spool.log.body_of(queue_id(1)) is None
    spool.begin(queue_id(1)).abort()
    assert files(spool) == ["log"]


async def test_the_oldest_become_files_when_the_log_is_full(spool: Spool) -> None:
    names = [await take(spool, number, bytes([number]) * 5000) for number in range(1, 60)]
    early = spool.stored(names[40])
    as_files = [name for name in names if name in files(spool)]
    assert as_files
    assert as_files == names[: len(as_files)]
    assert {path.name for path in spool.path(names[0]).parent.iterdir()} == {"log", *as_files}
    assert [content(spool, name) for name in names] == [bytes([number]) * 5000 for number in range(1, 60)]
    assert sorted(spool.ids()) == names
    for number in range(60, 90):
        await take(spool, number, b"more" * 1000)
    assert names[40] in files(spool)
    with early.open("rb") as body:  # taken while it was in the log
        assert body.read() == bytes([41]) * 5000


async def test_a_stop_leaves_files_alone_and_a_start_begins_with_an_empty_log(tmp_path: Path) -> None:
    spool = opened(tmp_path)
    for number in range(1, 100):
        await take(spool, number, b"%d" % number)
    spool.remove(queue_id(7))
    spool.log.settle()
    spool.close()
    again = opened(tmp_path)
    assert again.log.notes() == []
    assert sorted(again.ids()) == [queue_id(n) for n in range(1, 100) if n != 7]
    assert all((tmp_path / "spool" / queue_id(n)).read_bytes() == b"%d" % n for n in range(1, 100) if n != 7)
    again.close()


async def test_some_become_files_at_once(spool: Spool) -> None:
    for number in (1, 2, 3):
        await take(spool, number, b"body")
    spool.log.settle([2, 99])
    assert files(spool) == [queue_id(2), "log"]
    assert [number for number, _ in spool.log.notes()] == [1, 3]


async def test_a_crash_while_files_are_made_loses_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spool = opened(tmp_path)
    for number in range(1, 6):
        await take(spool, number, b"%d" % number)
    renamed: list[Path] = []
    real = Path.rename

    def rename(self: Path, target: Path) -> Path:
        if len(renamed) == 2:
            raise OSError(28, "No space left on device")
        renamed.append(target)
        return real(self, target)

    monkeypatch.setattr(Path, "rename", rename)
    with pytest.raises(StorageFullError):
        spool.log.settle()
    monkeypatch.undo()
    assert files(spool) == [queue_id(1), queue_id(2), "log"], "what is half done would use a full card's room"
    assert [content(spool, queue_id(number)) for number in range(1, 6)] == [b"1", b"2", b"3", b"4", b"5"]
    spool.close()
    again = opened(tmp_path)
    assert set(again.ids()) == {queue_id(number) for number in range(1, 6)}
    assert [content(again, queue_id(number)) for number in range(1, 6)] == [b"1", b"2", b"3", b"4", b"5"]
    again.remove(queue_id(1))
    assert again.size(queue_id(1)) is None, "neither in the log nor as a file"
    again.close()


async def test_data_before_names_and_one_flush_for_many(spool: Spool, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(1, 20):
        await take(spool, number, b"body")
    done: list[str] = []
    real_rename, real_fsync = Path.rename, os.fsync
    monkeypatch.setattr(
        "dialpost.edge.mail.spool.logged.reach_disk", lambda descriptor: done.append(f"data {descriptor}")
    )

    def rename(self: Path, target: Path) -> Path:
        done.append("name")
        return real_rename(self, target)

    def fsync(descriptor: int) -> None:
        done.append("folder" if Path(f"/proc/self/fd/{descriptor}").is_dir() else "file")
        real_fsync(descriptor)

    monkeypatch.setattr(Path, "rename", rename)
    monkeypatch.setattr(os, "fsync", fsync)
    spool.log.settle()
    assert [step.split()[0] for step in done] == ["data", "name"] * 19 + ["folder"]


async def test_a_damaged_log_is_kept_and_replaced(tmp_path: Path) -> None:
    spool = opened(tmp_path)
    await take(spool, 1, b"body")
    spool.close()
    (tmp_path / "spool" / "log").write_bytes(b"x" * SIZE)
    (tmp_path / "spool" / "log.damaged-1").touch()
    again = opened(tmp_path)
    assert "both copies of its head are damaged" in again.log.report[0]
    assert "kept as log.damaged-2" in again.log.report[0]
    assert "may be lost. Ask whoever sent mail shortly before the stop" in again.log.report[0]
    assert (tmp_path / "spool" / "log.damaged-2").read_bytes() == b"x" * SIZE
    await take(again, 2, b"body")
    assert content(again, queue_id(2)) == b"body"
    again.close()


async def test_a_log_that_may_not_be_opened_is_not_set_aside(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spool = opened(tmp_path)
    await take(spool, 1, b"body")
    spool.close()
    real_open = os.open
    for number in (errno.EACCES, errno.EPERM, errno.EMFILE, errno.ENFILE, errno.ENOMEM):

        def refuse(path: Path, flags: int, mode: int = 0o777, number: int = number) -> int:
            if Path(path).name == "log":
                raise OSError(number, os.strerror(number))
            return real_open(path, flags, mode)

        monkeypatch.setattr(os, "open", refuse)
        with pytest.raises(StorageError, match=r"The spool's log .* can't be read"):
            opened(tmp_path)
        monkeypatch.setattr(os, "open", real_open)
    again = opened(tmp_path)
    assert content(again, queue_id(1)) == b"body" and not again.log.report
    again.close()


async def test_what_is_no_file_is_set_aside_as_a_log(tmp_path: Path) -> None:
    (tmp_path / "spool" / "log").mkdir(parents=True)
    spool = opened(tmp_path)
    assert "can't be read: Is a directory. It is kept as log.damaged-1." in spool.log.report[0]
    spool.close()


async def test_lost_groups_are_reported(tmp_path: Path) -> None:
    spool = opened(tmp_path)
    for number in (1, 2, 3):
        await take(spool, number, b"body")
    spool.close()
    with (tmp_path / "spool" / "log").open("r+b") as file:
        file.seek(2 * BLOCK_BYTES)
        file.write(b"rot" * 9)
    again = opened(tmp_path)
    assert "(groups of messages missing: 1, blocks that can't be read: 0)" in again.log.report[0]
    assert "may be lost. Ask whoever sent mail shortly before the stop" in again.log.report[0]
    assert sorted(again.ids()) == [queue_id(1), queue_id(3)]
    again.close()


async def test_no_log_is_made_on_trial_but_one_is_used(tmp_path: Path) -> None:
    for expected in ([queue_id(1)], [queue_id(1), "log"]):
        spool = Spool(tmp_path / "spool", 0, log_bytes=SIZE)
        spool.log.make_none()
        spool.prepare()
        spool.wait_for_log()
        if spool.size(queue_id(1)) is None:
            await take(spool, 1, b"body")
        assert files(spool) == expected
        spool.close()
        opened(tmp_path).close()


async def test_the_log_of_a_small_card_is_small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Status:
        f_blocks, f_frsize = 64 * 9, BLOCK_BYTES

    monkeypatch.setattr(os, "statvfs", lambda _: Status)
    opened(tmp_path).close()
    assert (tmp_path / "spool" / "log").stat().st_size == 9 * BLOCK_BYTES


@pytest.mark.parametrize(("free_blocks", "made"), [(64, []), (65, ["log"])])
async def test_the_log_does_not_use_the_last_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, free_blocks: int, made: list[str]
) -> None:
    class Status:
        f_blocks, f_bavail, f_frsize = 1 << 20, 100 + free_blocks, BLOCK_BYTES

    monkeypatch.setattr(os, "statvfs", lambda _: Status)
    spool = Spool(tmp_path / "spool", 100 * BLOCK_BYTES, log_bytes=SIZE)
    spool.prepare()
    spool.wait_for_log()
    assert files(spool) == made
    spool.close()


async def test_without_room_for_a_log_every_body_is_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", fail)
        spool = opened(tmp_path)
    await take(spool, 1, b"body")
    assert (files(spool), content(spool, queue_id(1))) == ([queue_id(1)], b"body")
    spool.close()
