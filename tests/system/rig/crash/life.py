"""A station of components for the crash proof: started, used, and ended without a word.

Its parts are put together as `dialpost.station` does it, without sockets and background tasks, so that each
operation is done when it says so, and the same writes come in the same order each time.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Awaitable, Callable
from dataclasses import replace
from itertools import cycle
from pathlib import Path
from typing import Any

from dialpost.core.config.history import split_header
from dialpost.core.config.model import RetentionConfig
from dialpost.core.mail.accounts import Account, Directory
from dialpost.core.mail.queue.records import (
    MessageRecord,
    Origin,
    RecipientRecord,
    RecipientState,
)
from dialpost.edge.config.history import ConfigHistory
from dialpost.edge.mail.maildir import Maildirs
from dialpost.edge.mail.spool import Spool
from dialpost.edge.mail.store import Store
from dialpost.edge.mail.store.schema import PAGE_BYTES, WAL_PAGES
from dialpost.flow.mail.local_delivery import LocalDelivery
from dialpost.flow.mail.queue.recovery import Recovery
from dialpost.flow.mail.queue.retention import Retention
from rig.card.invariants import config_text
from rig.crash.operations import Op

LEFT_PAGES = 10
"""How many the database's log has left where it was filled: a start and one or two operations use them."""
NOW_S = 1_820_000_000
ANNA, FRIEND = "anna@clinic.example", "friend@world.example"
SMALL_BYTES, BIG_BYTES = 8_000, 100_000
LOG_BYTES = 26 * 4096
"""The spool's log: eight small messages fill it, and then the oldest become files."""
UNFINISHED = frozenset({RecipientState.WAITING, RecipientState.HELD})


class _Accounts:
    directory = Directory({"anna": Account("anna")}, {}, ("clinic.example",))
    is_restored = False


async def _nothing(*_: object) -> None:
    pass


class Life:
    """One process's life of the station whose data are in `place`."""

    def __init__(self, place: Path) -> None:
        self._place = place
        self.spool, self.boxes = Spool(place / "spool", 0, log_bytes=LOG_BYTES), Maildirs(place / "mail")
        self.history = ConfigHistory(place / "config" / "dialpost.toml")

    async def start(self) -> list[str]:
        """Open and recover; what was wrong."""
        self.history.current()
        self.spool.prepare()
        self.spool.wait_for_log()
        self.boxes.prepare()
        self.store = await Store.open(
            self._place / "queue.db",
            wall_clock=lambda: NOW_S,
            bodies=self.spool.ids,
            ids_elsewhere=self.boxes.ids,
            log=self.spool.log,
        )
        self.retention = Retention(
            self.store, self.spool, RetentionConfig(), clock_trusted=lambda: False, wall_clock=lambda: NOW_S
        )
        self.delivery = LocalDelivery(
            self.store,
            self.spool,
            self.boxes,
            _Accounts(),
            hostname="station",
            default_quota_bytes=0,
            on_refused=_nothing,
            on_delivered=_nothing,
            wall_clock=lambda: NOW_S,
        )
        report = await Recovery(self.store, self.spool).run()
        faults = [*self.store.opening_report, *report.faults]
        if report.held or report.set_aside or report.incomplete:
            faults.append(f"recovery: {report}")
        return faults

    async def stop(self) -> None:
        """As a service is stopped."""
        await self.store.close()
        self.spool.close()
        self.boxes.close()

    async def do(self, op: Op, begin: Callable[[str], None]) -> None:
        """One operation of a running station. Calls `begin` with the message it is about, then does it."""
        doing: dict[Op, Callable[[Callable[[str], None]], Awaitable[None]]] = {
            Op.ACCEPT: lambda begin: self._accept(begin, SMALL_BYTES),
            Op.ACCEPT_BIG: lambda begin: self._accept(begin, BIG_BYTES),
            Op.DELIVER: self._deliver,
            Op.OUTCOME: self._outcome,
            Op.DELETE: self._delete,
            Op.COMMIT: self._commit,
            Op.FILL: self._fill,
        }
        await doing[op](begin)

    async def _accept(self, begin: Callable[[str], None], size: int) -> None:
        queue_id = self.store.next_id()
        begin(queue_id)
        writer = self.spool.begin(queue_id)
        body = body_of(queue_id, size)
        for start in range(0, len(body), 30_000):
            writer.write(body[start : start + 30_000])
        stored = await writer.commit()
        recipients = (
            RecipientRecord(number=0, address=ANNA, state=RecipientState.WAITING, local_account="anna"),
            RecipientRecord(number=1, address=FRIEND, state=RecipientState.WAITING),
        )
        await self.store.accept(
            MessageRecord(
                queue_id=queue_id,
                sender="eve@world.example",
                size=stored,
                wire_size=stored,
                local_prefix=0,
                received_s=NOW_S,
                origin=Origin.OUTSIDE,
                recipients=recipients,
                checksum=writer.checksum,
            )
        )

    async def _deliver(self, begin: Callable[[str], None]) -> None:
        begin("")
        while await self.delivery.deliver_due():
            pass
        await self.retention.remove_bodies()

    async def _outcome(self, begin: Callable[[str], None]) -> None:
        """The oldest that waits for the world was taken there."""
        waiting = await self.store.remote_batch(None, NOW_S, 1000, frozenset())
        found = min(waiting, key=lambda message: message.queue_id, default=None)
        begin(found.queue_id if found else "")
        if found:
            sent = [replace(one, state=RecipientState.DELIVERED) for one in found.recipients]
            await self.store.update_recipients(found.queue_id, sent)
        await self.retention.remove_bodies()

    async def _delete(self, begin: Callable[[str], None]) -> None:
        """The operator deletes the newest that waits for anything."""
        found = await self.store.listing(states=UNFINISHED, limit=1000)
        target = max((message.queue_id for message in found), default=None)
        begin(target or "")
        if target:
            await self.store.set_state(target, UNFINISHED, RecipientState.DELETED)
        await self.retention.remove_bodies()

    async def _commit(self, begin: Callable[[str], None]) -> None:
        begin("")
        number = max(self.history.numbers(), default=0) + 1
        self.history.commit(config_text(number), "anna", "", NOW_S, clock_trusted=True)

    async def _fill(self, begin: Callable[[str], None]) -> None:
        """All but the last few pages of the database's log."""
        begin("")
        log = self._place / "queue.db-wal"
        letters = cycle("ab")  # what does not change is not written
        while (left := WAL_PAGES - LEFT_PAGES - log.stat().st_size // (PAGE_BYTES + 24)) > 0:
            await self.store.remember("filler", next(letters) * (40 if left > 60 else 1) * PAGE_BYTES)

    async def settle(self) -> None:
        """Deliver what waits for mailboxes, and clear away."""
        while await self.delivery.deliver_due():
            pass
        await self.retention.remove_bodies()

    async def facts(self) -> dict[str, Any]:
        """All that there is, for comparing."""
        rows = await self.store.listing(states=frozenset(RecipientState), limit=1_000_000)
        return {
            "rows": {row.queue_id: [[one.address, one.state.value] for one in row.recipients] for row in rows},
            "sound": [row.queue_id for row in rows if self._has_body(row)],
            "bodies": sorted(set(self.spool.ids())),  # a file cut off from its log is there twice
            "mails": sorted([path.name, is_whole(path)] for path in (self._place / "mail").rglob("*,S=*")),
            "aside": sorted(str(path) for path in self._place.glob("set-aside/**/*.eml")),
            "config": self.history.path.read_text("utf-8"),
            "history": {number: self.history.text_of(number) for number in self.history.numbers()},
        }

    def _has_body(self, row: MessageRecord) -> bool:
        if not any(one.state in UNFINISHED for one in row.recipients):
            return False
        with self.spool.open_body(row.queue_id) as file:
            return file.read() == body_of(row.queue_id, row.size)


def body_of(queue_id: str, size: int) -> bytes:
    """A message's body: its own, to the last byte."""
    return random.Random(queue_id).randbytes(size)


def is_whole(path: Path) -> bool:
    """Whether a file of a mailbox is what its name says."""
    data = path.read_bytes()
    return data == body_of(path.name.split(".")[1], len(data)) and len(data) in (SMALL_BYTES, BIG_BYTES)


def digest(place: Path) -> bytes:
    """Names and contents of all files that a start reads. SQLite's shared index is made again by each."""
    made = hashlib.sha1(usedforsecurity=False)
    for path in sorted(place.rglob("*")):
        if path.name in ("lost+found", "queue.db-shm"):
            continue
        made.update(f"{path.relative_to(place)}\0".encode())
        if path.is_file():
            data = path.read_bytes()
            made.update(len(data).to_bytes(8, "little"))
            made.update(data)
    return made.digest()


def number_of_config(text: str) -> int:
    """Which one a file is: one of ours to the last byte, else 0."""
    header, body = split_header(text)
    return header.number if header is not None and body == config_text(header.number) else 0
