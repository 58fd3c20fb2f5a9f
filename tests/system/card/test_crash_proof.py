"""The crash proof: at every write of every short sequence of operations the power goes, and the promise is kept.

The operations: a small and a big message accepted, local delivery, the outcome of a flush recorded, a deletion by
the operator, the commit of a configuration, a start after a kill, a stop and a start. The station's own parts do
sequences of up to three of them on a small real ext4, whose writes are recorded. From these the disk is built again
in every state it may be in (`rig.crash.states`), mounted, and the station is started on it twice: everything
acknowledged is there once and whole, nothing else is there twice, what was deleted or sent stays so, and the
configuration is the old or the new one. Each sequence is done with a lazy kernel and with one that writes all
out at once.

The same with a file system that keeps no more than POSIX asks of it (`rig.crash.strict_files`), so that it is not
luck with ext4; there the start after each cut is cut again, too (without DIALPOST_CRASH_SECONDS=all not that after
a stop, nor with a full log). Then each place that makes something durable is left out in turn, and the proof must
find it.

DIALPOST_CRASH_SECONDS (60) is the time it may take: single operations are always done, then as many of the longer
sequences as fit, in an order by DIALPOST_TEST_SEED. `make test-crash` does all of them, and says each minute how
far it is; DIALPOST_CRASH_PART=2/8, with a seed, does the second eighth, so they need not be done in one go.
"""

from __future__ import annotations

import os
import random
import re
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from rig.crash.crew import HOWS, Crew, Result, Task, sequences
from rig.crash.operations import ALPHABET, How, Op
from rig.needs import needs

pytestmark = [
    pytest.mark.system,
    pytest.mark.slow,
    needs(commands=("gcc", "losetup", "debugfs"), root=True),
    pytest.mark.skipif(
        not (Path("/dev/fuse").exists() and Path("/dev/loop-control").exists()),
        reason="this test needs /dev/fuse and loop devices, which this machine or container does not have",
    ),
]

SEED = int(os.environ.get("DIALPOST_TEST_SEED") or random.SystemRandom().randrange(2**32))
SECONDS = os.environ.get("DIALPOST_CRASH_SECONDS") or "60"
PART, PARTS = (int(number) for number in (os.environ.get("DIALPOST_CRASH_PART") or "1/1").split("/"))
SAID_EACH_S = 60

NEEDLESS = {
    "fsync of a folder: edge.ground.durable._write < edge.ground.durable.write_durably < "
    "edge.config.history._activate": (1, "of the copy in the history alone: the next start makes a missing one"),
    "fsync of a folder: edge.ground.durable.sync_folder < edge.config.history._activate < "
    "edge.config.history.commit": (1, "the next start gives the copy in the history its name again"),
    "fsync of a folder: edge.ground.durable.sync < edge.mail.store.opening._keep_log < "
    "edge.mail.store.opening._open": (1, "for a log that the card has spoilt, and here it spoils none"),
    "fsync of a folder: edge.ground.durable.sync < edge.mail.store.opening._remove < "
    "edge.mail.store.opening._open": (1, "SQLite syncs the same folder when it makes another log"),
    "fdatasync of a file: edge.mail.spool.log.reset < edge.mail.spool.logged.settle < "
    "edge.mail.store.writer._settle_log": (1, "it matters when the rows of finished mail go, after months"),
    "fdatasync of a file: edge.mail.store.opening._lengthen_log < edge.mail.store.opening._open < "
    "edge.mail.store.opening.open_database": (1, "of zeros, which only spare later commits a flush"),
    "sqlite: fdatasync of queue.db-wal (its head)": (1, "the frames are synced behind it, before they count"),
    "sqlite: fdatasync of queue.db-wal (nothing new)": (2, "each commit has synced the log (synchronous=FULL)"),
    "sqlite: fdatasync of the folder": (1, "where the log has its name already"),
}
"""Places that can be left out without a loss: how many of that name, and why. What is found after all fails the
test, as what is not found and not here.
"""


@pytest.fixture(scope="module")
def crew(module_work: Path) -> Iterator[Crew]:
    with Crew(module_work) as made:
        yield made


@pytest.fixture(scope="module")
def singles(crew: Crew) -> list[Result]:
    """What single operations gave."""
    return crew.do(sequences(1, SEED))


def test_whatever_the_card_kept_the_promise_is_kept(
    crew: Crew, singles: list[Result], say: Callable[[str], None]
) -> None:
    say(f"seed {SEED}; again with: DIALPOST_TEST_SEED={SEED} make test-crash")
    twice = sequences(1, SEED, [How.TWICE])
    if (
        SECONDS != "all"
    ):  # a stop writes most, a full log, too: to cut each start after each cut takes minutes there
        twice = [task for task in twice if Op.STOP not in task.ops and not task.is_full]
    longer = [*sequences(2, SEED), *sequences(3, SEED)][PART - 1 :: PARTS]
    found = [*singles, *crew.do(twice)]
    begun = said = time.monotonic()
    begun_tasks = 0

    def is_over() -> bool:
        nonlocal said, begun_tasks
        begun_tasks += 1
        if time.monotonic() - said > SAID_EACH_S:
            said = time.monotonic()
            say(f"{begun_tasks} of {len(longer)} longer sequences begun")
        return SECONDS != "all" and time.monotonic() - begun > float(SECONDS)

    found += crew.do(longer, is_over)
    for length in (1, 2, 3):
        done = [result for result in found if len(result.task.ops) == length]
        of = len(sequences(length, SEED, list(How) if length == 1 else HOWS))
        say(
            f"{len(done)} of {of} runs of {length}: {sum(one.states for one in done)} states, "
            f"{sum(one.different for one in done)} of them different"
        )
    say(f"{sum(one.states for one in found)} states in all")
    assert [f"{one.task}: {one.faults}" for one in found if one.faults] == []


def test_each_sync_left_out_is_found(crew: Crew, singles: list[Result], say: Callable[[str], None]) -> None:
    tasks = defaultdict[str, list[Task]](list)
    for result in sorted(singles, key=lambda result: result.task.is_full):
        for site in result.sites if result.task.how is not How.EAGER else ():
            if not (result.task.is_full and site in tasks and not tasks[site][0].is_full):
                tasks[site].append(result.task)
    missed, found = Counter[str](), 0
    for site, through in sorted(tasks.items()):
        finders = found_by(crew, [replace(task, left_out=site, most=1) for task in through])
        if not finders:  # what one life leaves shows in the next
            after_a_stop = [Task((Op.STOP, op), 0, site, How.STRICT, most=1) for op in ALPHABET]
            finders = found_by(crew, after_a_stop)
        say(f"left out: {site}: {'found by ' + '; '.join(finders) if finders else 'not missed'}")
        missed[plain(site)] += not finders
        found += bool(finders)
    assert {name: count for name, count in missed.items() if count > NEEDLESS.get(name, (0, ""))[0]} == {}
    assert [name for name in NEEDLESS if name in missed and not missed[name]] == []  # needed after all
    say(f"left out: {found} found, {missed.total()} of no use for these operations")


def found_by(crew: Crew, tasks: list[Task]) -> list[str]:
    """In short, what noticed that something was left out."""
    ways = {How.LAZY: "ext4", How.STRICT: "POSIX"}
    found = [one.task for one in crew.do(tasks) if one.faults]
    return sorted({f"{', '.join(op.value for op in task.ops)} ({ways[task.how]})" for task in found})


def plain(site: str) -> str:
    """Its name without the line and the address."""
    return re.sub(r":\d+| at [0-9a-f]+$", "", site)
