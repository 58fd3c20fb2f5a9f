"""Every write of a session to the card is recorded, and the card is built again as it was at a flush: as if the
power had gone there. A real card may also have kept any part of what was written after the flush, so that is
tried, too. No start is needed to judge such a card: its file system is repaired as a mount does it, and its
files are opened by the station's own code.

The session: first start, mail load, commits, an account, more mail, a factory reset and the start that does it.
DIALPOST_POWER_SEED chooses the flushes, DIALPOST_POWER_FLUSHES (120) says how many.
"""

from __future__ import annotations

import asyncio
import os
import random
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from image.rig.card import Card
from image.rig.life import Life, Visitor, judge, new_life
from image.rig.machine import Machine
from image.rig.scenes import RESET, RESET_SCRIPT
from rig.card import write_log
from rig.card.data_partition import DATA_OFFSET, copy_range
from rig.card.invariants import Promise, Reset
from rig.card.recording import (
    Judge,
    Recorder,
    Recording,
    check_flushes,
    check_replay,
    check_that_lies_are_found,
    under_load,
)
from rig.card.write_log import WriteLog

from dialpost.core.system.boot.state import Slot

pytestmark = pytest.mark.slow

SEED = int(os.environ.get("DIALPOST_POWER_SEED") or random.SystemRandom().randrange(2**32))
FLUSHES = int(os.environ.get("DIALPOST_POWER_FLUSHES") or 120)
MESSAGES = 60
COMMITS = 5
BOOT_FILES = ("boot.scr", "u-boot.bin", "uboot.env")


@pytest.fixture(scope="module")
def session(module_work: Path) -> Iterator[Recording]:
    life = new_life(module_work / "card.img", 0)
    before = module_work / "before.img"
    copy_range(life.card.path, before, 0)
    log = module_work / "writes.log"
    ledger = Recorder(log=log)
    life.ledger = ledger
    stages: list[tuple[str, int]] = []
    drive = write_log.recording(life.card.path, log)
    with Machine(life.card, module_work / "recorded", drive=drive) as machine:
        record(machine, life, ledger, lambda stage: stages.append((stage, write_log.entries_at_last_flush(log))))
    recorded = WriteLog(log)
    yield Recording(before, recorded, ledger, stages)
    recorded.close()


def record(machine: Machine, life: Life, ledger: Recorder, stage: Callable[[str], None]) -> None:
    """The session."""
    stage("first start")
    visitor = Visitor(machine, life)
    visitor.wait_up(Slot.A)
    number = visitor.config()
    ledger.note(lambda promise: replace(promise, configs=frozenset({number, number + 1})))
    visitor.make_accounts()
    ledger.note(lambda promise: replace(promise, has_accounts=True))
    stage("mail")
    asyncio.run(under_load(machine.ports[25], ledger, "first", MESSAGES))
    stage("commits")
    for count in range(1, COMMITS + 1):
        machine.run(f"dialpost config set smtp.max_commands {number + count}", within_s=300)
        after = frozenset({number + count, number + count + 1})
        ledger.note(lambda promise, after=after: replace(promise, configs=after))  # type: ignore[misc]
    stage("mail after commits")
    asyncio.run(under_load(machine.ports[25], ledger, "second", MESSAGES))
    visitor.wait_delivered()
    stage("reset")
    ledger.note(lambda promise: replace(promise, reset=Reset.ASKED))
    machine.run(RESET_SCRIPT)
    assert "restarts" in machine.run(RESET, within_s=120)
    ledger.note(lambda promise: replace(promise, reset=Reset.ANSWERED))
    assert machine.wait_up() == "running"
    gone = machine.run("ls /data/dialpost/queue.db /data/config/dialpost.toml", check=False)
    assert gone.count("No such file") == 2
    machine.switch_off()


@pytest.fixture
def judging(session: Recording, module_work: Path) -> Iterator[Judge]:
    boot_files = _boot_files(session.before)

    def look(card: Path, partition: Path, promise: Promise) -> list[str]:
        found = judge(Card.of(card), partition, promise)
        return found if _boot_files(card) == boot_files else [*found, "what U-Boot reads from FAT has changed"]

    judging = Judge(session, module_work, data_offset=DATA_OFFSET, look=look)
    yield judging
    judging.close()


def _boot_files(card: Path) -> list[bytes]:
    return [Card.of(card).read(name) for name in BOOT_FILES]


def test_the_log_has_every_write(session: Recording, module_work: Path) -> None:
    check_replay(session, module_work / "card.img", module_work)


def test_at_every_flush_the_card_keeps_what_was_promised(
    session: Recording, judging: Judge, say: Callable[[str], None]
) -> None:
    say(check_flushes(session, judging, SEED, FLUSHES))


def test_a_card_that_lies_about_flushes_is_found_out(session: Recording, judging: Judge) -> None:
    check_that_lies_are_found(session, judging, "mail", SEED)
