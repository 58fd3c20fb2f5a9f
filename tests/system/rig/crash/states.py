"""The states a card may be in when the power goes: what was flushed, and any part of what was not.

Between two flushes a card may write in any order and keep what it likes. Looked at are each prefix, each single
write missing, each single write alone, and some parts drawn by seed, with some writes torn at a sector.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rig.card.write_log import SECTOR, Entry, WriteLog

DRAWN = 3
"""Of each number of unflushed writes above two, how many parts are drawn."""

Write = tuple[int, bytes]
"""Where, and what."""


@dataclass(frozen=True, slots=True)
class State:
    """`writes`, in this order, upon the card as it was at the flush numbered `since`. `until`: the next flush's
    number, or that of all entries. `how`: in words.
    """

    since: int
    until: int
    writes: tuple[Write, ...]
    how: str


def states(log: WriteLog, first: int, last: int, seed: str) -> Iterator[State]:
    """All that have something of the entries from `first` to before `last`, and the card after the last."""
    flushes = [-1, *log.flushes()]
    for since, following in zip(flushes, [*flushes[1:], last], strict=True):
        until = min(following, last)
        if until < first or since >= last:
            continue
        window = [entry for entry in log.entries[since + 1 : until] if entry.length]
        for how, writes in _parts(log, window, random.Random(f"{seed}/{since}")):
            yield State(since, until, writes, how)


def _parts(log: WriteLog, window: Sequence[Entry], rng: random.Random) -> Iterator[tuple[str, tuple[Write, ...]]]:
    all_of_them = [(entry.offset, log.data(entry)) for entry in window]
    count = len(all_of_them)
    for number in range(count + 1):
        yield f"the first {number} of {count}", tuple(all_of_them[:number])
    if count < 2:
        return
    for number in range(count - 1):  # all but the last is a prefix
        yield f"all but {number + 1} of {count}", tuple(all_of_them[:number] + all_of_them[number + 1 :])
    for number in range(1, count):  # the first alone is a prefix
        yield f"{number + 1} of {count} alone", (all_of_them[number],)
    for number in range(DRAWN if count > 2 else 0):
        yield f"part {number + 1} of {count}", tuple(_drawn(all_of_them, rng))


def _drawn(writes: list[Write], rng: random.Random) -> list[Write]:
    """Half of them, some torn. A block written twice keeps its order: a card has one place for it. The head of the
    file system is never torn: ext4 reads its two sectors before the journal, and relies on having them whole.
    """
    return [
        (offset, data[: SECTOR * rng.randint(1, len(data) // SECTOR)] if offset and rng.random() < 0.2 else data)
        for offset, data in writes
        if rng.random() < 0.5
    ]
