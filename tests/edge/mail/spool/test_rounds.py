"""Bodies are made durable in rounds: shared by who waits, without waiting for who is slow, fault by fault."""

from __future__ import annotations

import asyncio
import errno
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from dialpost.core.errors import StorageError
from dialpost.edge.mail.spool import rounds
from dialpost.edge.mail.spool.rounds import CROWD, SyncRounds


class FakeBody:
    """Notes its steps in a list all share; may fail or wait in `sync`."""

    def __init__(self, name: str, steps: list[str], *, size: int = 10, fails_at: str = "") -> None:
        self.name, self.steps, self.size, self.fails_at = name, steps, size, fails_at
        self.go = threading.Event()
        self.go.set()

    def _step(self, step: str) -> None:
        self.steps.append(f"{step} {self.name}")
        if step == self.fails_at:
            raise OSError(errno.EIO, f"{self.name} failed")

    def flush(self) -> None:
        self._step("flush")

    def give_name(self) -> None:
        self._step("name")

    def start(self) -> None:
        self._step("start")

    def sync(self) -> None:
        self._step("sync")
        assert self.go.wait(60)

    def close(self) -> None:
        self._step("close")


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    noted: list[str] = []
    monkeypatch.setattr(os, "fsync", lambda _: noted.append("directory"))
    return noted


@pytest.fixture
def syncing(tmp_path: Path, steps: list[str]) -> Iterator[SyncRounds]:
    made = SyncRounds(tmp_path)
    yield made
    made.close()


async def test_who_waits_shares_a_round(syncing: SyncRounds, steps: list[str]) -> None:
    sizes = await asyncio.gather(*(syncing.commit(FakeBody(name, steps)) for name in "abc"))
    assert sizes == [10, 10, 10]
    assert steps == [
        *(f"{step} {name}" for name in "abc" for step in ("flush", "name")),
        *(f"{step} {name}" for step in ("start", "sync") for name in "abc"),
        "directory",
        *(f"close {name}" for name in "abc"),
    ]


async def test_who_comes_while_a_round_is_under_way_is_in_the_next(syncing: SyncRounds, steps: list[str]) -> None:
    slow = FakeBody("slow", steps)
    slow.go.clear()
    first = asyncio.create_task(syncing.commit(slow))
    while "sync slow" not in steps:
        await asyncio.sleep(0)
    others = [asyncio.create_task(syncing.commit(FakeBody(name, steps))) for name in "ab"]
    await asyncio.sleep(0)
    slow.go.set()
    await asyncio.gather(first, *others)
    assert steps.count("directory") == 2
    assert steps.index("close slow") < steps.index("flush a") < steps.index("flush b") < steps.index("start a")


async def test_a_large_body_makes_nobody_wait(syncing: SyncRounds, steps: list[str]) -> None:
    large = FakeBody("large", steps, size=50_000_000)
    large.go.clear()
    task = asyncio.create_task(syncing.commit(large))
    while "sync large" not in steps:
        await asyncio.sleep(0)
    assert await syncing.commit(FakeBody("small", steps)) == 10
    large.go.set()
    assert await task == 50_000_000


@pytest.mark.parametrize("step", ["flush", "name", "sync", "close"])
async def test_a_fault_is_only_its_own_bodys(syncing: SyncRounds, steps: list[str], step: str) -> None:
    bodies = [FakeBody("a", steps), FakeBody("bad", steps, fails_at=step), FakeBody("c", steps)]
    results = await asyncio.gather(*(syncing.commit(body) for body in bodies), return_exceptions=True)
    assert [str(result) for result in results] == ["10", "[Errno 5] bad failed", "10"]
    assert steps.count("directory") == 1


async def test_a_directory_that_cannot_be_synced_fails_the_round(
    syncing: SyncRounds, steps: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: int) -> None:
        raise OSError(errno.EIO, "no")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", fail)
        results = await asyncio.gather(
            *(syncing.commit(FakeBody(name, steps)) for name in "ab"), return_exceptions=True
        )
    assert [type(result) for result in results] == [OSError, OSError]
    assert await syncing.commit(FakeBody("c", steps)) == 10


async def test_a_cancelled_caller_leaves_the_others_their_round(syncing: SyncRounds, steps: list[str]) -> None:
    tasks = [asyncio.create_task(syncing.commit(FakeBody(name, steps))) for name in "ab"]
    await asyncio.sleep(0)
    tasks[0].cancel()
    assert await tasks[1] == 10
    assert "close a" in steps


async def test_only_a_crowd_waits_for_the_others(
    syncing: SyncRounds, steps: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rounds, "_CROWD_LASTS_S", 3600.0)
    naps: list[float] = []
    real = asyncio.sleep

    async def nap(delay: float) -> None:
        naps.append(delay)
        await real(0)

    monkeypatch.setattr(asyncio, "sleep", nap)
    for _ in range(5):  # one session, one message after the other
        syncing.begun()
        await syncing.commit(FakeBody("a", steps))
        syncing.ended()
    assert naps == []
    for _ in range(CROWD):
        syncing.begun()
    await syncing.commit(FakeBody("a", steps))
    assert naps == [rounds.GATHER_S]


@pytest.mark.parametrize("size", [10, rounds._LARGE_BYTES], ids=["small", "large"])
async def test_where_no_thread_can_be_started_everybody_hears_of_it(
    syncing: SyncRounds, steps: list[str], monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    def refuse(*args: object) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(syncing.pool, "submit", refuse)
    waits = [asyncio.create_task(syncing.commit(FakeBody(name, steps, size=size))) for name in "abc"]
    done, _ = await asyncio.wait(waits, timeout=60)
    assert [str(task.exception()) for task in waits if task in done] == [
        "Mail can't be written to the card at the moment: can't start new thread"
    ] * 3
    monkeypatch.undo()
    assert await syncing.commit(FakeBody("d", steps)) == 10


async def test_a_bug_in_a_round_leaves_nobody_waiting(syncing: SyncRounds, steps: list[str]) -> None:
    class Broken(FakeBody):
        def give_name(self) -> None:
            raise KeyError("a bug")

    waits = [asyncio.create_task(syncing.commit(Broken(name, steps))) for name in "ab"]
    done, _ = await asyncio.wait(waits, timeout=60)
    assert [type(task.exception()) for task in waits if task in done] == [StorageError] * 2
