"""Records the writes of a sequence of operations: lives of the station on a small ext4, each a forked process."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rig.crash.journal import journal_of
from rig.crash.life import Life
from rig.crash.mounts import attach, detach, mount, umount
from rig.crash.operations import Op, Step, World
from rig.crash.recorded_file import RecordedFile
from rig.crash.sync_sites import watch

MEGABYTES = 12
OPTIONS = "nodiscard,commit=300,noauto_da_alloc"
"""No write of the kernel's own accord within a recording, and none of the help that ext4 gives programs which don't
sync before a rename: the proof must not rest on it.
"""
_LIVES_END = (Op.START, Op.STOP)


@dataclass(frozen=True, slots=True)
class Wish:
    """What to record. `left_out`: a place that makes something durable, not to. `is_eager`: the kernel writes all
    out at once behind each call.
    """

    ops: tuple[Op, ...]
    left_out: str = ""
    is_eager: bool = False


class StationError(Exception):
    """A life of the station ended otherwise than it should."""


class Recorder:
    """Records on a disk of its own below `work`, from `__enter__` to `__exit__`. `image` is the disk as each
    recording begins, `world` what was promised by then.
    """

    def __init__(self, work: Path) -> None:
        self._work = work
        self._backing, self._place = work / "recorded.img", work / "recorded"
        self.log = work / "writes.log"
        self.image = b""
        self.world = World()

    def __enter__(self) -> Recorder:
        self._place.mkdir()
        make_disk(self._backing)
        self.journal = journal_of(self._backing)
        self._file = RecordedFile(self._backing, self._work / "card", self.log).__enter__()
        self._device = attach(self._file.place)
        return self

    def __exit__(self, *exc: object) -> None:
        detach(self._device)
        self._file.__exit__()

    def prepare(self, ops: Sequence[Op]) -> None:
        """Do these on a fresh disk; what they leave is what each recording begins with."""
        steps, _ = self._record(Wish(tuple(ops)), World(), is_first=True)
        self.image, self.world = self._backing.read_bytes(), steps[-1].after

    def record(
        self, wish: Wish, image: bytes = b"", world: World | None = None
    ) -> tuple[list[Step], list[str], int]:
        """The steps (the first is what was before), the places that make something durable, and how many entries
        the log has.
        """
        self._backing.write_bytes(image or self.image)
        steps, sites = self._record(wish, world or self.world)
        return steps, sites, steps[-1].done or 0

    def _record(self, wish: Wish, world: World, *, is_first: bool = False) -> tuple[list[Step], list[str]]:
        self._file.begin()
        mount(self._device, self._place, "ext4", options=OPTIONS)
        try:
            if is_first:
                (self._place / "config").mkdir()
            steps, sites = [Step(Op.START, 0, world, world, 0)], []
            for number, life in enumerate(_lives(wish.ops)):
                sites += self._live(life, steps, wish, is_silent=not number)
        finally:
            umount(self._place)
            self._file.end()
        return steps, sites

    def _live(self, ops: Sequence[Op], steps: list[Step], wish: Wish, *, is_silent: bool) -> list[str]:
        """One life, which adds to `steps`. `is_silent`: its start is no step."""
        events, said = os.pipe()
        places, named = os.pipe()
        if (child := os.fork()) == 0:
            status = 1
            try:
                os.close(events)
                os.close(places)
                watch(self._place, wish.left_out, named, is_eager=wish.is_eager)
                asyncio.run(self._life(ops, said, is_silent=is_silent))
                status = 0
            except BaseException:
                traceback.print_exc()
            finally:
                os._exit(status)  # nothing is closed, as by SIGKILL
        os.close(said)
        os.close(named)
        with os.fdopen(events) as told, os.fdopen(places) as names:
            lines, sites = told.read().splitlines(), names.read().splitlines()
        if os.waitpid(child, 0)[1]:
            raise StationError(f"{wish}: {lines}")
        for line in lines:
            self._note(steps, *json.loads(line))
        return sites

    async def _life(self, ops: Sequence[Op], said: int, *, is_silent: bool) -> None:
        def say(what: str, op: Op, target: str = "") -> None:
            os.write(said, (json.dumps([what, op.value, self._file.entries, target]) + "\n").encode())

        life, begins_with = Life(self._place), ops[0]
        if begins_with is Op.START and not is_silent:
            say("begun", Op.START)
        if faults := await life.start():
            raise StationError(f"its start found {faults}")
        say("ready" if is_silent else "done", begins_with)
        for op in ops[1:]:
            if op is Op.STOP:
                say("begun", op)
                await life.stop()
            else:
                await life.do(op, lambda target, op=op: say("begun", op, target))  # type: ignore[misc]
                say("done", op)

    def _note(self, steps: list[Step], what: str, op: str, entries: int, target: str) -> None:
        if what == "begun":
            before = steps[-1].after
            steps.append(Step(Op(op), entries, before, before.after(Op(op), target)))
        else:
            steps[-1].done = entries


def _lives(ops: Sequence[Op]) -> list[list[Op]]:
    """Each begins with what it is started by, and may end with a stop."""
    lives = [[Op.START]]
    for op in ops:
        if op is Op.STOP:
            lives[-1].append(op)
        if op in _LIVES_END:
            lives.append([op])
        else:
            lives[-1].append(op)
    return lives


def make_disk(file: Path) -> None:
    """A small ext4, with the journal as small as one may be."""
    with file.open("wb") as made:
        made.truncate(MEGABYTES << 20)
    how = ["-b", "4096", "-J", "size=4", "-O", "^resize_inode", "-m", "0", "-N", "256"]
    eager = ["-E", "lazy_itable_init=0,lazy_journal_init=0,nodiscard"]
    subprocess.run(["/sbin/mke2fs", "-q", "-F", "-t", "ext4", *how, *eager, file], check=True)
