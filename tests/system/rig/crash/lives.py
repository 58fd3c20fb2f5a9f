"""Lives of the station, each a forked process, for a sequence of operations."""

from __future__ import annotations

import asyncio
import json
import os
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from rig.crash.life import Life
from rig.crash.operations import Op, Step, World
from rig.crash.sync_sites import watch

_LIVES_END = (Op.START, Op.STOP)


@dataclass(frozen=True, slots=True)
class Wish:
    """What to record. `left_out`: a place that makes something durable, not to. `is_eager`: the kernel writes all
    out at once behind each call. `is_full`: the database's log is nearly full.
    """

    ops: tuple[Op, ...]
    left_out: str = ""
    is_eager: bool = False
    is_full: bool = False


class StationError(Exception):
    """A life of the station ended otherwise than it should."""


class Lives:
    """Of the station in `place`. `entries` says how much is recorded; calls are noted on `notes` (-1: they are
    not). `steps`: what was done; the first is what was before.
    """

    def __init__(self, place: Path, wish: Wish, world: World, entries: Callable[[], int], notes: int = -1) -> None:
        self._place, self._wish, self._entries, self._notes = place, wish, entries, notes
        self.steps = [Step(Op.START, 0, world, world, 0)]
        self.sites: list[str] = []

    def run(self, *, is_first_silent: bool = True) -> None:
        """All of them; the start of the first is no step if it is silent. Raises: StationError."""
        for number, ops in enumerate(_lives(self._wish.ops)):
            self._live(ops, is_silent=is_first_silent and not number)

    def _live(self, ops: Sequence[Op], *, is_silent: bool) -> None:
        """One life. `is_silent`: its start is no step."""
        events, said = os.pipe()
        named = os.memfd_create("places")
        if (child := os.fork()) == 0:
            status = 1
            try:
                os.close(events)
                watch(self._place, self._wish.left_out, named, is_eager=self._wish.is_eager, notes=self._notes)
                asyncio.run(self._life(ops, said, is_silent=is_silent))
                status = 0
            except BaseException:
                traceback.print_exc()
            finally:
                os._exit(status)  # nothing is closed, as by SIGKILL
        os.close(said)
        with os.fdopen(events) as told, os.fdopen(named) as names:
            lines = told.read().splitlines()
            names.seek(0)
            self.sites += names.read().splitlines()
        if os.waitpid(child, 0)[1]:
            raise StationError(f"{self._wish}: {lines}")
        for line in lines:
            self._note(*json.loads(line))

    async def _life(self, ops: Sequence[Op], said: int, *, is_silent: bool) -> None:
        def say(what: str, op: Op, target: str = "") -> None:
            os.write(said, (json.dumps([what, op.value, self._entries(), target]) + "\n").encode())

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

    def _note(self, what: str, op: str, entries: int, target: str) -> None:
        if what == "begun":
            before = self.steps[-1].after
            self.steps.append(Step(Op(op), entries, before, before.after(Op(op), target)))
        else:
            self.steps[-1].done = entries


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
