"""A card that is full: a temporary error at whatever write it happens, nothing half done, and an end to it.

The first tests limit the database; the last fill a small file system to its end (it takes root to mount).
"""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from dialpost.core.errors import StorageError, StorageFullError
from dialpost.core.mail.envelope import QueueId
from dialpost.core.mail.queue.records import MessageRecord
from dialpost.edge.mail.maildir import Maildirs
from dialpost.edge.mail.spool import Spool
from dialpost.edge.mail.store import Store, schema
from fakes import a_record, to_mailbox, to_world

BODY = b"Return-Path: <>\n" + b"x" * 4000


async def test_a_database_that_cannot_grow_is_a_full_card_until_it_can(tmp_path: Path) -> None:
    store = await Store.open(tmp_path / "queue.db")
    pages = store._connection.execute("PRAGMA page_count").fetchone()[0]
    store._connection.execute(f"PRAGMA max_page_count = {pages + 4}")
    stored: list[MessageRecord] = []
    with pytest.raises(StorageFullError):
        for _ in range(1000):
            message = a_record(store.next_id(), to_world("a" * 60 + "@x.example"), subject="s" * 100)
            await store.accept(message)
            stored.append(message)
    store._connection.execute("PRAGMA max_page_count = 1000000")
    more = a_record(store.next_id())
    await store.accept(more)
    assert (await store.counts()).waiting_remote == len(stored) + 1
    assert [await store.get(message.queue_id) for message in [*stored, more]] == [*stored, more]
    await store.close()


async def soon_an_id(store: Store) -> QueueId:
    """The first id that is to be had: an asking from before may still be under way, and fail."""
    async with asyncio.timeout(60):
        while True:
            await store.retry_now(None)
            with contextlib.suppress(StorageError):
                return store.next_id()


async def test_ids_run_out_with_the_reason_and_come_back(tmp_path: Path) -> None:
    store = await Store.open(tmp_path / "queue.db")
    for trigger in ("INSERT", "UPDATE"):
        store._connection.execute(
            f"CREATE TEMP TRIGGER full_{trigger} BEFORE {trigger} ON memory BEGIN SELECT raise(ABORT, 'no'); END"
        )
    given: list[QueueId] = []
    with pytest.raises(StorageError, match="no"):
        for _ in range(10_000):
            given.append(store.next_id())
            await store.retry_now(None)
    for trigger in ("INSERT", "UPDATE"):
        store._connection.execute(f"DROP TRIGGER full_{trigger}")
    with pytest.raises(StorageError):
        store.next_id()  # asks again, if the last asking has had its answer
    assert await soon_an_id(store) > given[-1]
    await store.close()


@pytest.fixture
def small_card(tmp_path: Path) -> Iterator[Path]:
    card = tmp_path / "card"
    card.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=2m,nr_inodes=4096", "none", str(card)], capture_output=True, text=True
    )
    if mounted.returncode:
        pytest.skip(f"a small file system can't be mounted here (root is needed): {mounted.stderr.strip()}")
    yield card
    subprocess.run(["umount", "-l", str(card)], check=True)


@pytest.mark.parametrize("ballast_bytes", [0, 150_000, 300_000, 450_000])
async def test_a_card_filled_to_the_last_block(small_card: Path, ballast_bytes: int) -> None:
    """`ballast_bytes` move the moment of the end: a body, the database, a mailbox."""
    ballast = small_card / "ballast"
    ballast.write_bytes(bytes(300_000 + ballast_bytes))
    spool, boxes = Spool(small_card / "spool", 0), Maildirs(small_card / "mail")
    spool.prepare()
    boxes.prepare()
    boxes.create("anna")
    store = await Store.open(small_card / "queue.db", bodies=spool.ids)
    accepted: list[MessageRecord] = []
    refused = 0

    async def accept() -> None:
        queue_id = store.next_id()
        writer = spool.begin(queue_id)
        writer.write(BODY)
        size = await writer.commit()
        message = a_record(queue_id, to_mailbox(), size=size)
        try:
            await store.accept(message)
        except StorageError:
            spool.remove(queue_id)
            raise
        accepted.append(message)
        await boxes.deliver("anna", spool.path(queue_id), queue_id, 1_820_000_000)

    while refused < 20:
        try:
            await accept()
        except StorageFullError:
            refused += 1
    assert accepted
    ballast.unlink()
    for _ in range(5):
        await accept()
    assert sorted(spool.ids()) == [message.queue_id for message in accepted]
    assert [spool.path(message.queue_id).read_bytes() for message in accepted] == [BODY] * len(accepted)
    await store.close()
    store = await Store.open(small_card / "queue.db", bodies=spool.ids)
    assert store.opening_report == ()
    assert [await store.get(message.queue_id) for message in accepted] == accepted
    await store.close()
    spool.close()
    boxes.close()


def fill(card: Path) -> Path:
    """Take every byte that is left."""
    brim = card / "brim"
    with brim.open("wb", buffering=0) as file, pytest.raises(OSError):
        while True:
            file.write(bytes(512))
    return brim


async def test_a_card_that_is_full_when_the_database_is_written(
    small_card: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(schema, "WAL_BYTES", 0)  # its log has to grow
    spool = Spool(small_card / "spool", 0)
    spool.prepare()
    store = await Store.open(small_card / "queue.db", bodies=spool.ids)
    accepted: list[MessageRecord] = []
    refused: list[MessageRecord] = []
    for _ in range(40):
        message = a_record(store.next_id(), subject="s" * 100)
        await spool.begin(message.queue_id).commit()
        brim = fill(small_card)
        try:
            await store.accept(message)
            accepted.append(message)
        except StorageFullError:
            refused.append(message)
        brim.unlink()
    assert refused
    assert (await store.counts()).waiting_remote == len(accepted)
    await store.accept(refused[0])
    await store.close()
    store = await Store.open(small_card / "queue.db", bodies=spool.ids)
    found = {message.queue_id for message in accepted + refused if await store.get(message.queue_id)}
    assert found == {message.queue_id for message in [*accepted, refused[0]]}
    await store.close()
    spool.close()


async def test_a_start_on_a_full_card_says_so_or_works(small_card: Path) -> None:
    store = await Store.open(small_card / "queue.db")
    await store.accept(a_record(store.next_id()))
    await store.close()
    brim = fill(small_card)
    with pytest.raises(StorageFullError):
        await Store.open(small_card / "queue.db")
    brim.unlink()
    store = await Store.open(small_card / "queue.db")
    assert (await store.counts()).waiting_remote == 1
    await store.close()
