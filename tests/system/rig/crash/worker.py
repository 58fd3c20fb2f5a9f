"""Records sequences of operations and judges all states of their last one: a line of JSON in, a line out.

Started by `crew`, with `sync_sites.so` loaded. Each has its own mount namespace, disks and loop devices.
"""

from __future__ import annotations

import json
import logging
import sys
from pathlib import Path
from typing import Any

from rig.card.disks import enter_mount_namespace
from rig.card.write_log import WriteLog
from rig.crash.judgement import Judge
from rig.crash.operations import Op, Step, promise_before
from rig.crash.recording import Recorder, StationError, Wish
from rig.crash.states import states

BEFORE = (Op.COMMIT, Op.ACCEPT, Op.DELIVER, Op.OUTCOME, Op.ACCEPT, Op.DELIVER, Op.ACCEPT)
"""What a station has behind it: a message that is finished, one delivered here that waits for the world, one that
waits for both.
"""
MOST_FAULTS = 3


class Worker:
    """One of them."""

    def __init__(self, recorder: Recorder, judge: Judge) -> None:
        self._recorder, self._judge = recorder, judge

    def do(self, wish: Wish, *, from_op: int) -> dict[str, Any]:
        """Record, and judge the states of the operations from that one on."""
        self._judge.forget()
        looked, different = self._judge.looked, self._judge.different
        try:
            steps, sites, end = self._recorder.record(wish)
        except StationError as error:
            return {"faults": [str(error)], "sites": [], "states": 0, "different": 0}
        faults = self._judge_all(steps, end, from_op, str(wish))
        return {
            "faults": faults,
            "sites": sorted(set(sites)),
            "states": self._judge.looked - looked,
            "different": self._judge.different - different,
        }

    def _judge_all(self, steps: list[Step], end: int, from_op: int, seed: str) -> list[str]:
        log, building, at = WriteLog(self._recorder.log), bytearray(self._recorder.image), 0
        base = bytes(building)
        found: list[str] = []
        try:
            for state in states(log, steps[from_op + 1].begun, end, seed):
                if at <= state.since:
                    for entry in log.entries[at : state.since + 1]:
                        building[entry.offset : entry.offset + entry.length] = log.data(entry)
                    base, at = bytes(building), state.since + 1
                number, promise = promise_before(steps, state.until)
                wrong = self._judge.look(base, state.writes, number, promise)
                if wrong:
                    where = f"{state.how} after entry {state.since} of {end} (step {number / 2})"
                    found.append(f"{where}: {'; '.join(wrong)}")
                if len(found) >= MOST_FAULTS:
                    break
        finally:
            log.close()
        return found


def main() -> None:
    """Until the standard input ends."""
    logging.disable()
    enter_mount_namespace()
    work = Path(sys.argv[1])
    with Recorder(work) as recorder, Judge(work, recorder.journal) as judge:
        recorder.prepare(BEFORE)
        worker = Worker(recorder, judge)
        _say("ready")
        for line in sys.stdin:
            task = json.loads(line)
            wish = Wish(tuple(Op(op) for op in task["ops"]), task["left_out"], task["is_eager"])
            _say(worker.do(wish, from_op=task["from_op"]))


def _say(what: object) -> None:
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
