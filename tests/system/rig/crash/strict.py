"""Judges what a file system may keep that keeps no more than POSIX asks of it (`strict_files`)."""

from __future__ import annotations

import bisect
import os
import random
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from rig.crash.judgement import judge
from rig.crash.lives import Lives, Wish
from rig.crash.operations import Promise, Step, World, promise_before
from rig.crash.recording import Base
from rig.crash.strict_files import Call, StrictFiles, Tree, calls, digest_of, lay_out


class StrictJudge:
    """Looks at trees of files, laid out in `place`."""

    def __init__(self, place: Path) -> None:
        self._place = place
        self._seen: dict[tuple[bytes, int], list[str]] = {}
        self.looked = self.different = 0

    def forget(self) -> None:
        """What follows is another recording."""
        self._seen.clear()

    def look(self, tree: Tree, number: int, promise: Promise) -> list[str]:
        """What is wrong with these files, if this is promised; `number` is the promise's own."""
        self.looked += 1
        key = digest_of(tree), number
        if key not in self._seen:
            self.different += 1
            lay_out(tree, self._place)
            self._seen[key] = judge(self._place, promise)
        return self._seen[key]


class Strict:
    """Records in a folder below `work`. `is_cut_again`: the start after each cut is recorded and cut, too."""

    def __init__(self, work: Path, bases: Mapping[bool, Base], *, is_cut_again: bool = False) -> None:
        self._place, self._notes = work / "strict", work / "notes"
        self._bases, self._is_cut_again = bases, is_cut_again
        self.judge = StrictJudge(work / "laid out")
        self.sites: list[str] = []

    def faults(self, wish: Wish, from_op: int) -> Iterator[str]:
        """Of all states of the operations from that one on. Raises: StationError."""
        self.judge.forget()
        base = self._bases[wish.is_full]
        subprocess.run(["rm", "-rf", self._place], check=True)
        subprocess.run(["cp", "-a", base.folder, self._place], check=True)
        files = StrictFiles.of(self._place)
        lives = self._record(wish, base.world)
        self.sites = lives.sites
        crashed = dict[tuple[bytes, int], tuple[Tree, Promise]]()
        for how, tree, number, promise in _states(files, lives.steps, from_op, calls(self._notes), str(wish)):
            if wrong := self.judge.look(tree, number, promise):
                yield f"{how} (step {number / 2}): {'; '.join(wrong)}"
            crashed.setdefault((digest_of(tree), number), (tree, promise))
        if self._is_cut_again:
            for number, (tree, promise) in enumerate(crashed.values()):
                yield from self._start_faults(tree, promise, number)

    def _start_faults(self, tree: Tree, promise: Promise, number: int) -> Iterator[str]:
        """Of the states in which a start from these files leaves them when it is cut off."""
        lay_out(tree, self._place)
        files = StrictFiles.of(self._place)
        start = Wish(())
        lives = self._record(start, promise.sure, is_first_silent=False)
        for how, again, _, _ in _states(files, lives.steps, 0, calls(self._notes), str(number)):
            if wrong := self.judge.look(again, number, promise):
                yield f"a second cut, {how}: {'; '.join(wrong)}"

    def _record(self, wish: Wish, world: World, *, is_first_silent: bool = True) -> Lives:
        self._notes.write_bytes(b"")
        notes = os.open(self._notes, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)
        try:
            lives = Lives(self._place, wish, world, lambda: os.fstat(notes).st_size, notes)
            lives.run(is_first_silent=is_first_silent)
        finally:
            os.close(notes)
        return lives


def _states(
    files: StrictFiles, steps: Sequence[Step], from_op: int, noted: Sequence[Call], seed: str
) -> Iterator[tuple[str, Tree, int, Promise]]:
    """In words, as files, and with the promise and its number: from that operation on, after each call."""
    ends = [call.ends for call in noted]
    counted = [_counted(step, ends) for step in steps]
    first, last, rng = counted[from_op + 1].begun, counted[-1].done or 0, random.Random(seed)
    for count in range(last + 1):
        if count >= first:
            number, promise = promise_before(counted, count)
            for how, tree in files.trees(rng):
                yield f"{how} after call {count} of {last}", tree, number, promise
        if count < last:
            files.take(noted[count])


def _counted(step: Step, ends: list[int]) -> Step:
    """With numbers of calls instead of places in the notes."""
    done = None if step.done is None else bisect.bisect_right(ends, step.done)
    return replace(step, begun=bisect.bisect_right(ends, step.begun), done=done)
