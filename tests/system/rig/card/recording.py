"""A recorded session (`write_log`) with what was promised in it, and the judgement of cards built out of it."""

from __future__ import annotations

import asyncio
import random
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, field
from dataclasses import replace as changed
from pathlib import Path

from rig.card.data_partition import copy_range
from rig.card.invariants import LOCAL, REMOTE, Promise, judge_data
from rig.card.write_log import Replay, WriteLog, apply_some, entries_at_last_flush
from rig.load import Ledger, Loader


@dataclass
class Recorder(Ledger):
    """Notes, for each thing promised, how many writes the log had when the promise was heard."""

    log: Path = Path()
    heard: list[tuple[int, Callable[[Promise], Promise]]] = field(default_factory=list)

    def note(self, change: Callable[[Promise], Promise]) -> None:
        """From here on the promise is another."""
        self.heard.append((entries_at_last_flush(self.log), change))

    def acknowledge(self, message_id: str) -> None:
        super().acknowledge(message_id)
        self.note(lambda promise: changed(promise, acknowledged=promise.acknowledged | {message_id}))

    def promise_at(self, entries: int) -> Promise:
        """What had been promised when the log had this many entries. All that was ever offered may be there."""
        promise = Promise(offered=frozenset(self.offered))
        for heard_at, change in self.heard:
            if heard_at <= entries:
                promise = change(promise)
        return promise


@dataclass
class Recording:
    """What was recorded. `stages`: at how many entries each began."""

    before: Path
    log: WriteLog
    ledger: Recorder
    stages: list[tuple[str, int]]

    def stage(self, entry: int) -> str:
        """In which one that entry was written."""
        return [name for name, begin in self.stages if begin <= entry][-1]


async def under_load(port: int, ledger: Recorder, name: str, messages: int) -> None:
    """Mail load until this many more messages were acknowledged."""
    wanted = len(ledger.acknowledged) + messages
    loader = Loader(port, ledger, recipients=(LOCAL, REMOTE), sessions=6, seed=messages, name=name, pause_s=0.2)
    async with asyncio.timeout(900):
        while len(ledger.acknowledged) < wanted:
            await asyncio.sleep(0.05)
    await loader.stop()


Look = Callable[[Path, Path, Promise], list[str]]
"""What is wrong with a card, given a copy of its data partition and what was promised; the copy may be spoiled."""


def look_at_data(card: Path, partition: Path, promise: Promise) -> list[str]:
    """Where a card is nothing but the data partition."""
    return judge_data(partition, promise)


class Judge:
    """Builds cards out of a recording, from its begin to its end, and looks at each: what is wrong with it."""

    def __init__(
        self, recording: Recording, work: Path, *, data_offset: int = 0, look: Look = look_at_data
    ) -> None:
        self._recording, self._offset, self._look = recording, data_offset, look
        self._card, self._partition = work / "replayed.img", work / "replayed.ext4"
        copy_range(recording.before, self._card, 0)
        self._replay = Replay(recording.log, self._card)

    def at(self, flush: int) -> list[str]:
        """The card that kept what was written before that flush, and nothing of what came later."""
        return self._with_part(flush, flush, flush, random.Random())

    def after(self, flush: int, rng: random.Random) -> list[str]:
        """The card that kept a part of what was written between that flush and the next, too."""
        flushes = self._recording.log.flushes()
        following = flushes[flushes.index(flush) + 1 :]
        end = following[0] if following else len(self._recording.log.entries)
        return self._with_part(flush, end, flush, rng)

    def lied(self, since: int, flush: int, rng: random.Random) -> list[str]:
        """The card that lost a part of what was written since an earlier flush, as if it had not been answered."""
        return self._with_part(since, flush, flush, rng)

    def close(self) -> None:
        self._replay.close()
        self._card.unlink()

    def _with_part(self, begin: int, end: int, promised: int, rng: random.Random) -> list[str]:
        self._replay.advance(begin)
        copy_range(self._card, self._partition, self._offset)
        log = self._recording.log
        apply_some(log, log.entries[begin:end], self._partition, first_byte=self._offset, rng=rng)
        return self._look(self._card, self._partition, self._recording.ledger.promise_at(promised + 1))


def check_replay(recording: Recording, card: Path, work: Path) -> None:
    """All writes applied to the card as it was before give the card as it is now. Raises: CalledProcessError."""
    again = work / "again.img"
    copy_range(recording.before, again, 0)
    replay = Replay(recording.log, again)
    replay.advance(len(recording.log.entries))
    replay.close()
    subprocess.run(["cmp", again, card], check=True)
    again.unlink()


def check_flushes(recording: Recording, judge: Judge, seed: int, count: int) -> str:
    """Look at this many flushes, from each stage as many, each twice; what was done, in words. Raises:
    AssertionError.
    """
    rng = random.Random(seed)
    flushes, begins = recording.log.flushes(), [begin for _, begin in recording.stages]
    stages = [
        [flush for flush in flushes if begin <= flush < end]
        for begin, end in zip(begins, [*begins[1:], len(recording.log.entries)], strict=True)
    ]
    share = -(-count // len(stages))
    chosen = [sorted(rng.sample(stage, min(share, len(stage)))) for stage in stages]
    for flush in (flush for stage in chosen for flush in stage):
        found = judge.at(flush)
        assert found == [], f"seed {seed}, entry {flush} ({recording.stage(flush)}): {found}"
        found = judge.after(flush, rng)
        assert found == [], f"seed {seed}, entry {flush} ({recording.stage(flush)}) and a part of the next: {found}"
    told = ", ".join(f"{name} {len(own)}" for (name, _), own in zip(recording.stages, chosen, strict=True))
    return (
        f"seed {seed}: {sum(map(len, chosen))} of {len(flushes)} flushes looked at, each twice ({told}); "
        f"{len(recording.log.entries)} entries, {len(recording.ledger.acknowledged)} messages acknowledged"
    )


def check_that_lies_are_found(recording: Recording, judge: Judge, stage: str, seed: int) -> None:
    """The same judgement of cards that had answered flushes and kept only a part: it can tell. Raises:
    AssertionError.
    """
    rng = random.Random(seed)
    flushes, begin = recording.log.flushes(), dict(recording.stages)[stage]
    first = next(index for index, flush in enumerate(flushes) if flush >= begin)
    last = min(first + 240, len(flushes))
    lies = [judge.lied(flushes[index - 40], flushes[index], rng) for index in range(first + 40, last, 25)]
    assert sum(bool(found) for found in lies) > len(lies) // 2, lies
