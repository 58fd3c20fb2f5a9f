"""SIGKILL at any moment: what was acknowledged is there, whole, and once.

The kernel survives a SIGKILL, so this proves the order of things and the recovery, not the fsyncs; those
are proven by their order in test_spool and test_maildir, and by SQLite's settings in test_store.
"""

from __future__ import annotations

import hashlib
import os
import random
import signal
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

from dialpost.core.mail.envelope import QueueId
from dialpost.core.mail.queue.records import RecipientState
from dialpost.edge.mail.maildir import Maildirs
from dialpost.edge.mail.spool import Spool
from dialpost.edge.mail.store import Store
from dialpost.flow.mail.queue.recovery import Recovery

CHILD = Path(__file__).parents[3] / "crash_child.py"
SEED = int(os.environ.get("DIALPOST_TEST_SEED", "20250711"))


Children = subprocess.Popen[str]


@pytest.fixture
def children() -> Iterator[Children]:
    """Starts a process for each line it gets: see crash_child."""
    with subprocess.Popen(
        [sys.executable, str(CHILD)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
    ) as child:
        try:
            yield child
        finally:
            child.kill()


def run_and_kill(children: Children, directory: Path, seed: int, life_s: float) -> dict[QueueId, str]:
    """What a child acknowledged (id: digest) before it was killed `life_s` after its start."""
    assert children.stdin is not None and children.stdout is not None
    pipe = directory / "said"
    if not pipe.exists():
        os.mkfifo(pipe)
    children.stdin.write(f"{directory} {seed}\n")
    child = int(children.stdout.readline())
    with pipe.open(encoding="ascii") as said:
        assert said.readline() == "report\n", "the database was found damaged"
        time.sleep(life_s)  # the moment is what is being tried
        os.kill(child, signal.SIGKILL)
        lines = said.read().splitlines(keepends=True)
    assert children.stdout.readline() == f"{-signal.SIGKILL}\n", "it ended by itself"
    return {QueueId(line[:8]): line.split()[1] for line in lines if line.endswith("\n")}


async def check(directory: Path, promised: dict[QueueId, str]) -> None:
    spool, boxes = Spool(directory / "spool", 0), Maildirs(directory / "mail")
    spool.prepare()
    assert spool.log.report == []
    store = await Store.open(directory / "queue.db", bodies=spool.ids, ids_elsewhere=boxes.ids, log=spool.log)
    assert store.opening_report == ()
    report = await Recovery(store, spool).run()
    assert (report.set_aside, report.held, report.faults) == (0, 0, [])
    aside = {path.stem for path in (directory / "set-aside").rglob("*.eml")}  # whole, but not acknowledged
    assert [queue_id for queue_id in promised if queue_id in aside] == []
    copies: dict[tuple[str, str], list[Path]] = defaultdict(list)  # by mailbox and id, looked up once for them all
    for path in (directory / "mail").rglob("*,S=*"):
        copies[path.parent.parent.name, path.name.split(".")[1]].append(path)
    assert [copy for copy, paths in copies.items() if len(paths) > 1] == []
    for queue_id, digest in promised.items():
        message = await store.get(queue_id)
        assert message is not None, f"{queue_id} was acknowledged and is not in the queue (seed {SEED})"
        for recipient in message.recipients:
            if recipient.state is RecipientState.DELIVERED:
                (path,) = copies[str(recipient.local_account), queue_id]
                content = path.read_bytes()
            else:
                with spool.open_body(queue_id) as body:
                    content = body.read()
            assert hashlib.sha256(content).hexdigest() == digest
    unfinished = {queue_id for queue_id, _ in await store.unfinished(None, 1_000_000)}
    assert set(spool.ids()) == unfinished
    await store.close()
    spool.close()
    boxes.close()


async def rounds(children: Children, directory: Path, count: int) -> None:
    chance = random.Random(SEED)
    promised: dict[QueueId, str] = {}
    number = 0
    while number < count or len(promised) <= count:  # a busy machine acknowledges less in the same time
        assert number < 50 * count, "hardly anything is acknowledged"
        fresh = run_and_kill(children, directory, SEED + 100 * number, chance.uniform(0.0, 0.4))
        assert not promised.keys() & fresh.keys(), "an id was given twice"
        promised |= fresh
        number += 1
    await check(directory, promised)


async def test_killed_a_few_times(children: Children, tmp_path: Path) -> None:
    await rounds(children, tmp_path, 5)


@pytest.mark.slow
async def test_killed_many_times(children: Children, tmp_path: Path) -> None:
    await rounds(children, tmp_path, 20)
