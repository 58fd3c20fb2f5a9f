"""The spool's log: durable when `append` returns, used again and again; a crash loses and invents no message."""

from __future__ import annotations

import errno
import os
import random
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dialpost.core.errors import StorageError, StorageFullError
from dialpost.core.mail.queue.spool_log import BLOCK_BYTES, LogEntry, write_group
from dialpost.edge.mail.spool.log import BodyLog

SIZE = 32 * BLOCK_BYTES


def entry(number: int, size: int = 100) -> LogEntry:
    return LogEntry(number, b"note %d" % number, random.Random(number).randbytes(size))


def body(number: int, size: int = 100) -> bytes:
    return entry(number, size).body


@pytest.fixture
def log(tmp_path: Path) -> Iterator[BodyLog]:
    made = BodyLog.create(tmp_path / "log", SIZE)
    yield made
    made.close()


def reopened(log: BodyLog) -> BodyLog:
    """The log as a start after a crash finds it."""
    return BodyLog.open(log.path)


def test_what_was_appended_is_there(log: BodyLog) -> None:
    log.append([entry(1), entry(2, 0)])
    log.append([entry(3, 9000)])
    for one in (log, reopened(log)):
        assert one.notes() == [(1, b"note 1"), (2, b"note 2"), (3, b"note 3")]
        assert [one.read(number) for number in (1, 2, 3, 4)] == [body(1), b"", body(3, 9000), None]
        assert [one.size_of(number) for number in (1, 2, 3, 4)] == [100, 0, 9000, None]
        assert one.missing == 0


def test_a_closed_log_is_not_read(log: BodyLog, tmp_path: Path) -> None:
    other = BodyLog.create(tmp_path / "other", SIZE)
    other.append([entry(1)])
    other.close()
    assert (other.read(1), other.numbers()) == (None, [])


def test_it_never_grows(log: BodyLog) -> None:
    before = log.path.stat()
    for number in range(1, 100):
        log.append([entry(number, 5000)])
        log.forget(number)
    after = log.path.stat()
    assert (after.st_size, after.st_blocks) == (before.st_size, before.st_blocks) == (SIZE, after.st_blocks)
    assert after.st_mode & 0o777 == 0o600


def test_one_flush_for_all_that_come_together(log: BodyLog, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[int] = []
    monkeypatch.setattr(os, "fdatasync", synced.append)
    log.append([entry(number) for number in range(1, 20)])
    assert len(synced) == 1


def test_what_is_forgotten_makes_room_for_more(log: BodyLog) -> None:
    number = 0
    while log.has_room(9000):
        number += 1
        log.append([entry(number, 9000)])
    assert number == 10  # three blocks each, of 30 between the head and its copy
    log.forget(2)
    assert not log.has_room(9000), "the oldest is still needed"
    log.forget(1)
    assert log.has_room(9000)
    log.append([entry(number + 1, 9000)])
    assert {n: log.read(n) for n in reopened(log).numbers()} == {n: body(n, 9000) for n in range(3, number + 2)}


def test_the_oldest_are_to_leave_first(log: BodyLog) -> None:
    for number in range(1, 11):
        log.append([entry(number, 9000)])
    log.forget(3)
    assert [number for number, _ in log.oldest(20_000)] == [1, 2]
    assert [number for number, _ in log.oldest(30_000)] == [1, 2], "the third's blocks are free then, too"
    assert [number for number, _ in log.oldest(40_000)] == [1, 2, 4]
    assert log.oldest(1)[0] == (1, body(1, 9000))


def test_a_reset_log_holds_nothing_whatever_its_blocks_hold(log: BodyLog) -> None:
    log.append([entry(1), entry(2)])
    log.append([entry(3)])
    log.forget(1)
    assert not log.reset(), "two are live"
    assert reopened(log).numbers() == [1, 2, 3], "what is forgotten may come back"
    log.forget(2)
    log.forget(3)
    assert log.reset()
    assert reopened(log).numbers() == []
    log.append([entry(4)])
    assert reopened(log).numbers() == [4], "the old groups behind it don't count any more"


def test_an_idle_reset_writes_nothing(log: BodyLog, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "pwrite", lambda *_: pytest.fail("it wrote"))
    assert log.reset()


def test_the_first_group_after_a_reset_may_be_lost_alone(log: BodyLog) -> None:
    """The head is written before it, and the old groups must not come back with the head."""
    for number in (1, 2, 3):
        log.append([entry(number)])
        log.forget(number)
    log.reset()
    log.append([entry(4)])
    with log.path.open("r+b") as file:
        file.seek(BLOCK_BYTES)
        file.write(bytes(BLOCK_BYTES))
    assert reopened(log).numbers() == []


def test_a_group_inside_a_message_is_no_group(log: BodyLog) -> None:
    """Whoever knows the format can send one, but doesn't know the salt."""
    forged, _ = write_group(b"\xaa" * 16, 999, 999, [entry(77)])
    for number in range(1, 40):
        while not log.has_room(9000):
            log.forget(log.numbers()[0])
        log.append([LogEntry(number, b"", b"x" * (BLOCK_BYTES - 60) + forged)])
    assert 77 not in reopened(log).numbers()


@pytest.mark.parametrize("is_empty", [False, True])
def test_the_heads_copy_will_do(log: BodyLog, is_empty: bool) -> None:
    log.append([entry(1)])
    if is_empty:
        log.forget(1)
        log.reset()
    with log.path.open("r+b") as file:
        file.write(b"rot")
    assert reopened(log).numbers() == ([] if is_empty else [1])


def test_a_group_that_got_lost_is_noticed(log: BodyLog) -> None:
    for number in (1, 2, 3):
        log.append([entry(number)])
    with log.path.open("r+b") as file:
        file.seek(2 * BLOCK_BYTES + 50)
        file.write(b"rot")
    after = reopened(log)
    assert (after.numbers(), after.missing) == ([1, 3], 1)


@pytest.mark.parametrize("written", [{0}, {1}, {2}, {1, 3}, {4}, {0, 1, 2, 3}])
@pytest.mark.parametrize("rounds", [1, 2, 3])
def test_a_cut_in_a_used_up_place_is_no_damage(log: BodyLog, written: set[int], rounds: int) -> None:
    """The newest whole group still names those that the cut-off write replaced."""
    number = 0
    for _ in range(rounds):
        while log.has_room(5000):
            number += 1
            log.append([entry(number, 100 + 4000 * (number % 2))])
        while not log.has_room(18_000):
            log.forget(log.numbers()[0])
    before = log.path.read_bytes()
    log.append([entry(number + 1, 18_000)])
    whole = log.path.read_bytes()
    blocks = [at for at in range(0, SIZE, BLOCK_BYTES) if before[at:][:BLOCK_BYTES] != whole[at:][:BLOCK_BYTES]]
    assert len(blocks) == 5
    torn = bytearray(before)
    for block in written:
        torn[blocks[block] : blocks[block] + BLOCK_BYTES] = whole[blocks[block] : blocks[block] + BLOCK_BYTES]
    log.path.write_bytes(torn)
    after = reopened(log)
    assert set(log.numbers()) - {number + 1} <= set(after.numbers())
    assert after.missing == 0
    after.close()


def test_an_oldest_group_that_no_cut_can_have_reached_is_missing(log: BodyLog) -> None:
    for number in (1, 2):
        log.append([entry(number)])
    with log.path.open("r+b") as file:
        file.seek(BLOCK_BYTES)
        file.write(bytes(BLOCK_BYTES))
    after = reopened(log)
    assert (after.numbers(), after.missing) == ([2], 1)
    after.close()


@pytest.mark.parametrize("bad", [0, 1, 3, 20, SIZE // BLOCK_BYTES - 1])
def test_a_block_that_cannot_be_read_costs_only_what_is_in_it(
    log: BodyLog, monkeypatch: pytest.MonkeyPatch, bad: int
) -> None:
    """Block 1 holds the first group, block 3 the rest of the second."""
    real = os.pread

    def pread(descriptor: int, length: int, at: int) -> bytes:
        if at <= bad * BLOCK_BYTES < at + length:
            raise OSError(errno.EIO, "Input/output error")
        return real(descriptor, length, at)

    for number, size in ((1, 100), (2, 9000), (3, 100)):
        log.append([entry(number, size)])
    monkeypatch.setattr(os, "pread", pread)
    after = reopened(log)
    lost = {1: 1, 3: 2}.get(bad)
    assert after.numbers() == [number for number in (1, 2, 3) if number != lost]
    assert (after.missing, after.unreadable > 0) == (int(lost is not None), 0 < bad < SIZE // BLOCK_BYTES - 1)
    after.close()


def test_a_torn_last_group_was_not_acknowledged(log: BodyLog) -> None:
    log.append([entry(1)])
    log.append([entry(2, 9000)])
    whole = log.path.read_bytes()
    for cut in range(2 * BLOCK_BYTES, 5 * BLOCK_BYTES, 512):
        log.path.write_bytes(whole[:cut].ljust(len(whole), b"\0"))
        after = reopened(log)
        assert (after.numbers(), after.missing) == ([1] if cut < 2 * BLOCK_BYTES + 9100 else [1, 2], 0), cut
        after.close()


@pytest.mark.parametrize("call", ["pwrite", "fdatasync"])
def test_a_card_that_fails_leaves_nothing_behind(log: BodyLog, monkeypatch: pytest.MonkeyPatch, call: str) -> None:
    log.append([entry(1)])
    real = getattr(os, call)

    def fail(*_: object) -> None:
        monkeypatch.setattr(os, call, real)  # once
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, call, fail)
    with pytest.raises(OSError, match="Input"):
        log.append([entry(2)])
    assert log.numbers() == reopened(log).numbers() == [1]
    log.append([entry(3)])
    assert log.numbers() == reopened(log).numbers() == [1, 3]


@pytest.mark.parametrize("call", ["pwrite", "fdatasync"])
def test_a_reset_that_failed_hides_nothing_that_comes_later(
    log: BodyLog, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    """The head may say "empty" by then, so the next group has to write it again."""
    log.append([entry(1)])
    log.forget(1)
    real, calls = getattr(os, call), [0]

    def fail_late(*given: int) -> object:
        calls[0] += 1
        if call == "fdatasync" or calls[0] == 2:
            raise OSError(errno.EIO, "Input/output error")
        return real(*given)

    monkeypatch.setattr(os, call, fail_late)
    with pytest.raises(OSError, match="Input"):
        log.reset()
    monkeypatch.undo()
    log.append([entry(2)])
    assert reopened(log).numbers() == [2]


def test_what_a_failed_write_left_is_no_group_after_the_next_one(
    log: BodyLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Even if it could not be removed at once, and the next one begins elsewhere."""
    log.append([entry(1)])
    real, calls = os.pwrite, 0

    def only_once(descriptor: int, data: bytes, at: int) -> int:
        nonlocal calls
        calls += 1
        if calls == 2:
            raise OSError(errno.EIO, "Input/output error")
        return real(descriptor, data, at)

    def fail(descriptor: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "pwrite", only_once)
    monkeypatch.setattr(os, "fdatasync", fail)
    with pytest.raises(OSError, match="Input"):
        log.append([entry(2)])
    assert reopened(log).numbers() == [1, 2], "all that failed was the flush"
    monkeypatch.undo()
    log.forget(1)
    log.reset()
    log.append([entry(3)])
    assert reopened(log).numbers() == [3]


def test_what_a_failed_write_left_is_removed_durably(log: BodyLog, monkeypatch: pytest.MonkeyPatch) -> None:
    """A refused message must not come back after a power cut."""
    log.append([entry(1)])
    real, durable = os.fdatasync, [b""]

    def fail_once(descriptor: int) -> None:
        durable.append(log.path.read_bytes())
        if len(durable) == 2:
            raise OSError(errno.EIO, "Input/output error")
        real(descriptor)

    monkeypatch.setattr(os, "fdatasync", fail_once)
    with pytest.raises(OSError, match="Input"):
        log.append([entry(2)])
    log.path.write_bytes(durable[-1])
    assert reopened(log).numbers() == [1]


def test_a_message_logged_again_is_there_once(log: BodyLog) -> None:
    log.append([entry(1)])
    log.append([LogEntry(1, b"newer", b"newer")])
    for one in (log, reopened(log)):
        assert one.notes() == [(1, b"newer")]
        assert one.read(1) == b"newer"
    for _ in range(40):
        assert log.has_room(9000), "its earlier groups are not in the way"
        log.append([entry(1, 9000)])


def log_of_two_blocks(directory: Path) -> bytes:
    made = BodyLog.create(directory / "made", SIZE)
    made.close()
    content = made.path.read_bytes()
    made.path.unlink()
    return content[:BLOCK_BYTES] * 2


def test_what_is_not_a_log(tmp_path: Path) -> None:
    path = tmp_path / "log"
    with pytest.raises(FileNotFoundError):
        BodyLog.open(path)
    for content in (b"", b"x", bytes(2 * BLOCK_BYTES), b"x" * SIZE, log_of_two_blocks(tmp_path)):
        path.write_bytes(content)
        with pytest.raises(StorageError, match="not a log of the spool"):
            BodyLog.open(path)
    path.unlink()
    path.mkdir()
    with pytest.raises(StorageError, match="can't be read"):
        BodyLog.open(path)


def test_no_room_to_make_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(StorageFullError):
        BodyLog.create(tmp_path / "log", SIZE)
    assert list(tmp_path.iterdir()) == []


Step = Callable[["Model"], None]


class Model:
    """A log, and what must be in it. Numbers are never used twice, as in the station."""

    def __init__(self, path: Path) -> None:
        self.log = BodyLog.create(path, SIZE)
        self.live: dict[int, bytes] = {}
        self.finished: set[int] = set()
        self.next = 1

    def accept(self, sizes: list[int]) -> None:
        entries = [entry(self.next + n, size) for n, size in enumerate(sizes)]
        self.next += len(entries)
        content = sum(one.size for one in entries)
        while not self.log.has_room(content):
            for number, data in self.log.oldest(content):
                assert self.live.pop(number) == data
                self.finished.add(number)
                self.log.forget(number)
        self.log.append(entries)
        self.live |= {one.number: one.body for one in entries}

    def finish(self, which: int) -> None:
        if self.live:
            number = sorted(self.live)[which % len(self.live)]
            del self.live[number]
            self.finished.add(number)
            assert self.log.forget(number)

    def crash(self) -> None:
        self.log.close()
        self.log = BodyLog.open(self.log.path)
        assert self.log.missing == 0
        back = set(self.log.numbers()) - set(self.live)
        assert back <= self.finished, "a message that nobody sent"
        for number in back:
            self.log.forget(number)

    def stop(self) -> None:
        for number in list(self.live):
            self.finish(number)
        assert self.log.reset()

    def check(self) -> None:
        assert sorted(self.log.numbers()) == sorted(self.live)
        assert {number: self.log.read(number) for number in self.live} == self.live


@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("accept"), st.lists(st.integers(0, 9000), min_size=1, max_size=3)),
            st.tuples(st.just("finish"), st.integers(0, 99)),
            st.tuples(st.just("crash")),
            st.tuples(st.just("stop")),
        ),
        max_size=60,
    )
)
def test_any_course_of_things(tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, ...]]) -> None:
    model = Model(tmp_path_factory.mktemp("log") / "log")
    for name, *values in steps:
        getattr(model, name)(*values)
        model.check()
    model.crash()
    model.check()
    model.log.close()
