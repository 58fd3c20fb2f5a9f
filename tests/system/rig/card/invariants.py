"""What must hold for a station whose power went: everything acknowledged is there once and whole, nothing is
half there.

`Promise` is what somebody outside knows; `faults` compares it with the files of a data partition (as
`data_partition.dump` lays them down), opened by the station's own code.
"""

from __future__ import annotations

import asyncio
import shutil
from collections import Counter
from collections.abc import Set
from dataclasses import dataclass, replace
from enum import Enum
from pathlib import Path

from dialpost.core.config.history import split_header
from dialpost.core.config.model import Config
from dialpost.core.config.text import parse_config
from dialpost.core.errors import DialpostError
from dialpost.core.mail.queue.records import MessageRecord, RecipientState
from dialpost.edge.mail.account_file import AccountFile
from dialpost.edge.mail.maildir import Maildirs
from dialpost.edge.mail.spool import Spool
from dialpost.edge.mail.store import Store
from rig.card.data_partition import dump, repair
from rig.mailboxes import StoredMail, maildir_files, read_mail

DOMAIN = "clinic.example"
READER, BOSS = "anna", "boss"
LOCAL, REMOTE = f"{READER}@{DOMAIN}", "friend@world.example"
PASSWORD = "correct horse battery"
COUNTED = "max_commands"
"""The setting every commit of these tests changes, to its own number: it tells which configuration is
there.
"""
_CONFIG = f"""\
[station]
hostname = "station.{DOMAIN}"
domains = ["{DOMAIN}"]
postmaster = "{BOSS}"

[relay]
networks = ["10.0.2.0/24"]

[outbound]
smarthost = "192.0.2.1"

[link]
kind = "dialup-gateway"

[smtp]
{COUNTED} = """


def config_text(number: int) -> str:
    """The configuration with that number. Mail for the world waits: nobody calls."""
    return f"{_CONFIG}{number}\n"


class Reset(Enum):
    """How far a factory reset has come, as far as is known outside."""

    NOT_ASKED = "not asked for"
    ASKED = "asked for, no answer yet"
    ANSWERED = "answered: it will be done"


@dataclass(frozen=True, slots=True)
class Promise:
    """What is known outside at a moment. `configs`: the numbers of which the configuration has one; none while
    nothing is known of it. `has_accounts`: both accounts were made.
    """

    acknowledged: Set[str] = frozenset()
    offered: Set[str] = frozenset()
    configs: Set[int] = frozenset()
    base: str = config_text(20_000)
    has_accounts: bool = False
    reset: Reset = Reset.NOT_ASKED


def judge_data(partition: Path, promise: Promise) -> list[str]:
    """What is wrong with a data partition: its file system, what is kept there. It is repaired and read, so
    spoiled.
    """
    found = repair(partition)
    if found:
        return found
    folder = partition.with_suffix(".files")
    shutil.rmtree(folder, ignore_errors=True)
    dump(partition, folder)
    return faults(folder, promise)


def faults(data: Path, promise: Promise) -> list[str]:
    """What of the promise the files below `data` do not keep, a sentence each."""
    station = data / "dialpost"
    if promise.reset is not Reset.NOT_ASKED:
        if (station / "factory-reset").exists():
            return []  # the next start does it (again), whatever is left
        is_erased = not any((station / name).exists() for name in ("queue.db", "mail", "spool"))
        if is_erased and not (data / "config/dialpost.toml").exists():
            return []
        if promise.reset is Reset.ANSWERED or is_erased:
            return [f"a factory reset left {sorted(str(path.relative_to(data)) for path in data.glob('*/*'))}"]
    return [
        *_config_faults(data / "config", promise),
        *_account_faults(station, promise),
        *asyncio.run(_mail_faults(station, promise)),
    ]


def config_number(text: str, base: str = config_text(20_000)) -> int:
    """Which of the test's configurations that is: `base` but for its number. Raises: ValueError if it is not."""
    try:
        found = parse_config(split_header(text)[1])
    except DialpostError as error:
        raise ValueError(f"the configuration is not whole: {error}") from error
    number: int = getattr(found.smtp, COUNTED)
    if found != _numbered(base, number):
        raise ValueError(f"the configuration is none of those committed:\n{text}")
    return number


def _numbered(base: str, number: int) -> Config:
    config = parse_config(split_header(base)[1])
    return replace(config, smtp=replace(config.smtp, **{COUNTED: number}))  # type: ignore[arg-type]


def _config_faults(folder: Path, promise: Promise) -> list[str]:
    found = []
    for path in sorted(folder.rglob("*.toml")):
        try:
            number = config_number(path.read_text("utf-8"), promise.base)
        except ValueError as error:
            found.append(f"{path.relative_to(folder)}: {error}")
            continue
        if path.parent == folder and promise.configs and number not in promise.configs:
            found.append(f"configuration {number} is active instead of one of {sorted(promise.configs)}")
    if promise.configs and not (folder / "dialpost.toml").exists():
        found.append("there is no configuration")
    return found


def _account_faults(station: Path, promise: Promise) -> list[str]:
    try:
        names = set(AccountFile(station / "accounts.toml").load(set_aside=False)[0])
    except DialpostError as error:
        return [f"the accounts can't be read: {error}"]
    return [f"of the accounts there are only {names}"] if promise.has_accounts and names != {READER, BOSS} else []


async def _mail_faults(station: Path, promise: Promise) -> list[str]:
    spool, mailboxes = Spool(station / "spool", 0), Maildirs(station / "mail")
    try:
        if not (station / "queue.db").exists():
            return [f"there is no queue, but {len(promise.acknowledged)} messages"] if promise.acknowledged else []
        spool.prepare()
        # Its close makes files of what is in the spool's log.
        store = await Store.open(station / "queue.db", bodies=spool.ids, ids_elsewhere=mailboxes.ids, log=spool.log)
        try:
            reports = (*spool.log.report, *store.opening_report)
            found = [f"the queue was opened with: {sentence}" for sentence in reports]
            rows = await store.listing(states=frozenset(RecipientState), limit=1_000_000)
        finally:
            await store.close()
    finally:
        spool.close()
        mailboxes.close()
    mails = [read_mail(path) for path in maildir_files(station / "mail" / READER)]
    return [*found, *_lost_or_twice(rows, mails, promise), *_partial(station, rows, mails)]


def _lost_or_twice(rows: list[MessageRecord], mails: list[StoredMail], promise: Promise) -> list[str]:
    queued = {row.message_id_header.strip("<>"): row for row in rows}
    in_queue = Counter(row.message_id_header.strip("<>") for row in rows)
    in_mailbox = Counter(mail.message_id for mail in mails)
    found = [f"{name} is in the queue {times} times" for name, times in in_queue.items() if times > 1 and name]
    found += [f"{name} is in the mailbox {times} times" for name, times in in_mailbox.items() if times > 1]
    found += [f"{name} was never sent" for name in in_mailbox.keys() - promise.offered]
    for name in sorted(promise.acknowledged):
        states = {one.address: one.state for one in queued[name].recipients} if name in queued else {}
        if states.get(REMOTE) is not RecipientState.WAITING:
            found.append(f"{name} was acknowledged and does not wait for the world: {states}")
        if states.get(LOCAL) not in {RecipientState.WAITING, RecipientState.DELIVERED}:
            found.append(f"{name} was acknowledged and is lost for the mailbox: {states}")
        if states.get(LOCAL) is RecipientState.DELIVERED and name not in in_mailbox:
            found.append(f"{name} is delivered by the queue's word, and not in the mailbox")
    return found


def _partial(station: Path, rows: list[MessageRecord], mails: list[StoredMail]) -> list[str]:
    found = [f"partial in the mailbox: {mail.path.name}" for mail in mails if not mail.is_whole]
    unfinished = {RecipientState.WAITING, RecipientState.HELD}
    for row in rows:
        name = row.message_id_header.strip("<>")
        if not unfinished & {one.state for one in row.recipients}:
            continue
        path = station / "spool" / row.queue_id
        if not path.exists():
            found.append(f"{name}: its body {row.queue_id} is not there")
        elif name.endswith("@loader.example") and not read_mail(path).is_whole:
            found.append(f"{name}: its body {row.queue_id} is partial: {path.stat().st_size} of {row.size} bytes")
    return found
