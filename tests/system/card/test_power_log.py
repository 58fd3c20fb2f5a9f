"""Every write of a station to its disk is recorded, and the disk is built again as it was at a flush, with
nothing of what came later or with a part of it, as a card may have kept it when the power went: everything
acknowledged is there once and whole, the configuration is the old or the new one. The image's own test
(image/test_write_log.py) does the same with a whole board; here the station runs at this machine's speed.

DIALPOST_POWER_SEED chooses the flushes, DIALPOST_POWER_FLUSHES (60) says how many.
"""

from __future__ import annotations

import asyncio
import os
import random
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from rig.card.invariants import BOSS, COUNTED, DOMAIN, PASSWORD, READER
from rig.card.recorded_disk import RecordedDisk
from rig.card.recording import (
    Judge,
    Recorder,
    Recording,
    check_flushes,
    check_replay,
    check_that_lies_are_found,
    under_load,
)
from rig.card.write_log import WriteLog, entries_at_last_flush
from rig.needs import needs
from rig.station import Station

pytestmark = [
    pytest.mark.system,
    pytest.mark.slow,
    needs(commands=("debugfs", "losetup"), root=True),
    pytest.mark.skipif(
        shutil.which("qemu-storage-daemon") is None or not Path("/dev/fuse").exists(),
        reason="this test needs the command qemu-storage-daemon (get it with: make image-deps) and /dev/fuse",
    ),
]

SEED = int(os.environ.get("DIALPOST_POWER_SEED") or random.SystemRandom().randrange(2**32))
FLUSHES = int(os.environ.get("DIALPOST_POWER_FLUSHES") or 60)
FIRST = 20_000
MESSAGES = 100
COMMITS = 8


@pytest.fixture(scope="module")
def recording(module_work: Path) -> Iterator[Recording]:
    with RecordedDisk(module_work) as disk:
        ledger = Recorder(log=disk.log)
        stages: list[tuple[str, int]] = []
        record(
            disk.place, module_work, ledger, lambda stage: stages.append((stage, entries_at_last_flush(disk.log)))
        )
    log = WriteLog(disk.log)
    yield Recording(disk.before, log, ledger, stages)
    log.close()


def record(disk: Path, work: Path, ledger: Recorder, stage: Callable[[str], None]) -> None:
    """First start, mail, commits with mail, more mail."""
    settings: dict[str, dict[str, object]] = {"smtp": {COUNTED: FIRST}, "station": {"postmaster": BOSS}}
    station = Station(
        disk / "config", data_dir=disk / "dialpost", log=work / "station.log", domains=(DOMAIN,), settings=settings
    )
    base = station.config.read_text()
    os.sync()  # it was put there by an operator
    stage("first start")
    ledger.note(lambda promise: replace(promise, base=base, configs=frozenset({FIRST, FIRST + 1})))
    with station:
        for name in (BOSS, READER):
            station.add_account(name, PASSWORD)
        ledger.note(lambda promise: replace(promise, has_accounts=True))
        stage("mail")
        asyncio.run(under_load(station.port, ledger, "first", MESSAGES))
        stage("commits")
        asyncio.run(commit_under_load(station, ledger))
        stage("mail after commits")
        asyncio.run(under_load(station.port, ledger, "second", MESSAGES))


async def commit_under_load(station: Station, ledger: Recorder) -> None:
    load = asyncio.create_task(under_load(station.port, ledger, "during", MESSAGES))
    for number in range(FIRST + 1, FIRST + 1 + COMMITS):
        await asyncio.to_thread(station.cli, "config", "set", f"smtp.{COUNTED}", str(number))
        after = frozenset({number, number + 1})
        ledger.note(lambda promise, after=after: replace(promise, configs=after))  # type: ignore[misc]
    await load


@pytest.fixture
def judge(recording: Recording, module_work: Path) -> Iterator[Judge]:
    judge = Judge(recording, module_work)
    yield judge
    judge.close()


def test_the_log_has_every_write(recording: Recording, module_work: Path) -> None:
    check_replay(recording, module_work / "disk.ext4", module_work)


def test_at_every_flush_the_disk_keeps_what_was_promised(
    recording: Recording, judge: Judge, say: Callable[[str], None]
) -> None:
    say(check_flushes(recording, judge, SEED, FLUSHES))


def test_a_disk_that_lies_about_flushes_is_found_out(recording: Recording, judge: Judge) -> None:
    check_that_lies_are_found(recording, judge, "mail", SEED)
