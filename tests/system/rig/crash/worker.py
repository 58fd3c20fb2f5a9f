"""Records sequences of operations and judges all states of the last ones: a line of JSON in, a line out.

Started by `crew`, with `watched_calls.so` loaded. Each has its own mount namespace, disks and loop devices.
"""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from rig.card.disks import enter_mount_namespace
from rig.card.write_log import WriteLog
from rig.crash.judgement import Judge
from rig.crash.lives import StationError, Wish
from rig.crash.operations import How, Op, Step, promise_before
from rig.crash.recording import Base, Recorder
from rig.crash.states import states
from rig.crash.strict import Strict
from rig.processes import die_with_parent

BEFORE: tuple[Op, ...] = (Op.COMMIT, Op.ACCEPT, Op.DELIVER, Op.OUTCOME, Op.ACCEPT, Op.DELIVER, Op.ACCEPT)
"""What a station has behind it: a message that is finished, one delivered here that waits for the world, one that
waits for both.
"""


Bases = Mapping[bool, Base]
"""By whether the database's log is nearly full."""


class Ext4:
    """Judges what a card may keep of the writes to a real ext4."""

    def __init__(self, recorder: Recorder, judge: Judge, bases: Bases) -> None:
        self._recorder, self.judge, self._bases = recorder, judge, bases
        self.sites: list[str] = []

    def faults(self, wish: Wish, from_op: int) -> Iterator[str]:
        """Of all states of the operations from that one on. Raises: StationError."""
        self.judge.forget()
        base = self._bases[wish.is_full]
        lives = self._recorder.record(wish, base)
        self.sites = lives.sites
        log = WriteLog(self._recorder.log)
        try:
            yield from self._of_log(log, base.image, lives.steps, from_op, str(wish))
        finally:
            log.close()

    def _of_log(self, log: WriteLog, base: bytes, steps: list[Step], from_op: int, seed: str) -> Iterator[str]:
        building, at, end = bytearray(base), 0, steps[-1].done or 0
        for state in states(log, steps[from_op + 1].begun, end, seed):
            if at <= state.since:
                for entry in log.entries[at : state.since + 1]:
                    building[entry.offset : entry.offset + entry.length] = log.data(entry)
                base, at = bytes(building), state.since + 1
            number, promise = promise_before(steps, state.until)
            if wrong := self.judge.look(base, state.writes, number, promise):
                yield f"{state.how} after entry {state.since} of {end} (step {number / 2}): {'; '.join(wrong)}"


def do(engine: Ext4 | Strict, task: dict[str, Any]) -> dict[str, Any]:
    """What is asked for; up to `most` faults are looked for."""
    judge, found = engine.judge, list[str]()
    looked, different = judge.looked, judge.different
    wish = Wish(
        tuple(Op(op) for op in task["ops"]), task["left_out"], task["how"] == How.EAGER.value, task["is_full"]
    )
    try:
        for fault in engine.faults(wish, task["from_op"]):
            found.append(fault)
            if len(found) >= task["most"]:
                break
    except StationError as error:
        found.append(str(error))
    return {
        "faults": found,
        "sites": sorted(set(engine.sites)),
        "states": judge.looked - looked,
        "different": judge.different - different,
    }


def main() -> None:
    """Until the standard input ends."""
    die_with_parent()
    logging.disable()
    enter_mount_namespace()
    work = Path(sys.argv[1])
    with Recorder(work) as recorder, Judge(work, recorder.journal) as judge:
        bases = {
            False: recorder.prepare(BEFORE, work / "template"),
            True: recorder.prepare((*BEFORE, *[Op.ACCEPT] * 5, Op.FILL), work / "full template"),
        }
        assert all((base.folder / "spool/log").exists() for base in bases.values()), "the spool has no log"
        ext4 = Ext4(recorder, judge, bases)
        engines: dict[How, Ext4 | Strict] = {
            How.LAZY: ext4,
            How.EAGER: ext4,
            How.STRICT: Strict(work, bases),
            How.TWICE: Strict(work, bases, is_cut_again=True),
        }
        _say("ready")
        for line in sys.stdin:
            task = json.loads(line)
            _say(do(engines[How(task["how"])], task))


def _say(what: object) -> None:
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
