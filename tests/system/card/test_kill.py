"""SIGKILL at random moments under load: what got 250 is there once and whole, however the daemon ended.

The seed is printed; DIALPOST_TEST_SEED repeats a run, DIALPOST_TEST_KILLS (200) says how many kills.
Load comes from a client that notes each Message-ID once it has read the 250, and from smtp-source.
Every message goes to a mailbox here and to an address in the world, so both ways of keeping are tried. Meanwhile
somebody works at the station: adds and deletes accounts, holds and deletes messages, changes the configuration.
"""

from __future__ import annotations

import asyncio
import os
import random
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from rig.load import Ledger, Loader, smtp_source
from rig.mailboxes import maildir_files, read_mail
from rig.needs import needs
from rig.operating import Operator
from rig.processes import eventually
from rig.servers.postfix import Postfix
from rig.station import DOMAIN, Station, provider_at

pytestmark = [pytest.mark.system, pytest.mark.slow, needs("postfix")]

SEED = int(os.environ.get("DIALPOST_TEST_SEED") or random.SystemRandom().randrange(2**32))
KILLS = int(os.environ.get("DIALPOST_TEST_KILLS") or 200)
LOCAL, REMOTE, CROWD = f"anna@{DOMAIN}", "friend@world.example", f"crowd@{DOMAIN}"


class Mailbox:
    """What has been seen in one Maildir so far; each file is read once and has to be whole."""

    def __init__(self, maildir: Path) -> None:
        self._maildir = maildir
        self._read: set[str] = set()
        self.found: Counter[str] = Counter()

    def look(self) -> Counter[str]:
        for path in maildir_files(self._maildir):
            if path.name not in self._read:
                mail = read_mail(path)
                assert mail.is_whole, f"partial message in a mailbox: {path}"
                self._read.add(path.name)
                self.found[mail.message_id] += 1
        return self.found


async def live_and_die(station: Station, ledger: Ledger, operator: Operator, kill: int, rng: random.Random) -> None:
    """One life of the daemon under load, ended by SIGKILL."""
    loader = Loader(
        station.port, ledger, recipients=(LOCAL, REMOTE), sessions=8, seed=rng.randrange(2**32), name=f"k{kill}"
    )
    crowd = smtp_source(
        station.port,
        station.directory / "smtp-source.log",
        messages=100_000,
        sessions=4,
        size=4096,
        sender="crowd@world.example",
        recipient=CROWD,
    )
    life = asyncio.Event()
    work = asyncio.create_task(operator.work(life.is_set))
    try:
        if rng.random() < 0.5:  # however slow the machine is: some operations end, and the next is under way
            await operator.answered(rng.randint(1, 3))
        await asyncio.sleep(rng.uniform(0.005, 0.4))
        station.kill()
    finally:
        life.set()
        crowd.kill()
        await loader.stop()
        await work


def test_nothing_acknowledged_is_lost(work: Path, say: Callable[[str], None]) -> None:
    say(f"seed {SEED} ({KILLS} kills); again with: DIALPOST_TEST_SEED={SEED} make test-system")
    rng = random.Random(SEED)
    station = Station(work / "station")
    ledger, operator = Ledger(), Operator(station, SEED)
    mailbox = Mailbox(station.maildir("anna"))
    with station:
        station.add_account("anna")
        station.add_account("crowd")
        for kill in range(KILLS):
            asyncio.run(live_and_die(station, ledger, operator, kill, rng))
            if rng.random() < 0.2:  # and now and then once more while it is still starting
                station.start(wait=False)
                asyncio.run(asyncio.sleep(rng.uniform(0.005, 0.4)))
                station.kill()
            station.start()
            missing = eventually_in_mailbox(ledger, mailbox, kill)
            assert missing == set(), f"seed {SEED}, kill {kill}: acknowledged and lost: {sorted(missing)}"
            twice = sorted(name for name, times in mailbox.found.items() if times > 1)
            assert twice == [], f"seed {SEED}, kill {kill}: delivered more than once: {twice}"
            check_queue(station, ledger, kill)
            operator.check()
            if kill % 20 == 19:
                say(
                    f"{kill + 1} kills, {len(ledger.acknowledged)} messages acknowledged, "
                    f"{operator.done} operations answered"
                )
        assert operator.done > KILLS // 2  # and operations
        assert len(ledger.acknowledged) > 3 * KILLS  # there was load
        assert mailbox.found.keys() <= ledger.offered
        check_crowd(station)
    check_that_all_leaves_once(work, station, ledger, operator)


def eventually_in_mailbox(ledger: Ledger, mailbox: Mailbox, kill: int) -> set[str]:
    """What is still missing in the mailbox once the station had the time to deliver."""
    try:
        eventually(lambda: ledger.acknowledged <= mailbox.look().keys(), what=f"deliveries after kill {kill}")
    except AssertionError:
        return ledger.acknowledged - mailbox.look().keys()
    return set()


def check_queue(station: Station, ledger: Ledger, kill: int) -> None:
    """Every acknowledged message waits for the world exactly once, and its body is on the card."""
    waiting = Counter(station.waiting_message_ids(REMOTE))
    lost = sorted(ledger.acknowledged - waiting.keys())
    assert lost == [], f"seed {SEED}, kill {kill}: acknowledged and not in the queue: {lost}"
    twice = sorted(name for name, times in waiting.items() if times > 1)
    assert twice == [], f"seed {SEED}, kill {kill}: more than once in the queue: {twice}"


def check_crowd(station: Station) -> None:
    """smtp-source keeps no ledger; but nothing of it may be partial, so all its messages are alike."""
    eventually(lambda: station.waiting()["waiting_local"] == 0, within_s=60)
    bodies = {
        path.read_bytes().replace(b"\r\n", b"\n").partition(b"\n\n")[2]
        for path in maildir_files(station.maildir("crowd"))
    }
    assert len(bodies) == 1, f"{len(bodies)} different bodies, sizes {sorted(map(len, bodies))}"


def check_that_all_leaves_once(work: Path, station: Station, ledger: Ledger, operator: Operator) -> None:
    """The proof from outside: flush to a real Postfix and count there."""
    with Postfix(work / "world", mailbox_domains=("world.example",)) as server:
        provider_at(station, server.port, etrn={"use": "never"})
        with station.start():
            patience_s = 600 + len(ledger.acknowledged) / 20  # a thousand kills leave 50,000 messages
            assert station.call(timeout_s=patience_s).returncode == 0, station.log_text()[-4000:]
            assert station.waiting()["waiting_remote"] == 0
            arrived = Mailbox(server.maildir("world.example"))
            eventually(lambda: ledger.acknowledged <= arrived.look().keys(), within_s=120)
            assert [name for name, times in arrived.look().items() if times > 1] == []
            assert arrived.found.keys() <= ledger.offered | operator.may_leave()
