"""Run by test_crash: takes in messages as fast as it can, delivers half of them, until it is killed.

For each line `FOLDER SEED` of its input it starts a process for that, says its number, and how it ended. Imported
once, all is there for each. The process writes to the pipe FOLDER/said: "<id> <sha256 of the body>" for each
message once it is acknowledged; that line is the promise.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import random
import sys
import traceback
from pathlib import Path

from dialpost.core.config.model import RetentionConfig
from dialpost.core.mail.accounts import Account, Directory
from dialpost.edge.mail.maildir import Maildirs
from dialpost.edge.mail.spool import Spool
from dialpost.edge.mail.store import Store
from dialpost.flow.mail.local_delivery import LocalDelivery
from dialpost.flow.mail.queue.recovery import Recovery
from dialpost.flow.mail.queue.retention import Retention
from fakes import a_record, to_mailbox, to_world

SESSIONS = 8
LOG_BYTES = 128 * 1024
"""So small that the log is full again and again."""


class Accounts:
    directory = Directory({name: Account(name) for name in ("anna", "ben")}, {}, ("clinic.example",))
    is_restored = False


async def nothing(*_: object) -> None:
    pass


async def main(directory: Path, seed: int) -> None:
    spool, boxes = Spool(directory / "spool", 0, log_bytes=LOG_BYTES), Maildirs(directory / "mail")
    spool.prepare()
    spool.wait_for_log()
    boxes.prepare()
    store = await Store.open(directory / "queue.db", bodies=spool.ids, ids_elsewhere=boxes.ids, log=spool.log)
    retention = Retention(store, spool, RetentionConfig(), clock_trusted=lambda: False)
    delivery = LocalDelivery(
        store,
        spool,
        boxes,
        Accounts(),
        hostname="station",
        default_quota_bytes=0,
        on_refused=nothing,
        on_delivered=nothing,
        on_finished=retention.wake,
    )
    os.write(1, " ".join(("report", *store.opening_report)).encode() + b"\n")
    background = [Recovery(store, spool).run(), delivery.run(), retention.run()]
    await asyncio.gather(
        *background, *(session(store, spool, delivery, random.Random(seed + n)) for n in range(SESSIONS))
    )


async def session(store: Store, spool: Spool, delivery: LocalDelivery, chance: random.Random) -> None:
    while True:
        queue_id = store.next_id()
        body = b"Return-Path: <>\n" + chance.randbytes(chance.choice([10, 4000, 70_000]))
        writer = spool.begin(queue_id)
        for start in range(0, len(body), 5000):
            writer.write(body[start : start + 5000])
        size = await writer.commit()
        recipients = chance.choice(
            [[to_mailbox("anna")], [to_world()], [to_mailbox("anna"), to_mailbox("ben"), to_world()]]
        )
        message = a_record(queue_id, *recipients, size=size)
        await store.accept(message)
        os.write(1, f"{queue_id} {hashlib.sha256(body).hexdigest()}\n".encode())
        delivery.accepted(message)


if __name__ == "__main__":
    for line in sys.stdin:
        place, number = line.rsplit(maxsplit=1)
        if (child := os.fork()) == 0:
            try:
                os.dup2(os.open(Path(place, "said"), os.O_WRONLY), 1)
                asyncio.run(main(Path(place), int(number)))
            finally:
                traceback.print_exc()  # it runs until it is killed
                os._exit(1)
        os.write(1, f"{child}\n".encode())
        os.write(1, f"{os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])}\n".encode())
