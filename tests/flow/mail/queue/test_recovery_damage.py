"""Whatever page of the queue database the card spoils: no body of a message that was not finished goes."""

from __future__ import annotations

import asyncio
import random
import shutil
import tempfile
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from dialpost.core.mail.envelope import QueueId
from dialpost.core.mail.queue.records import RecipientState
from dialpost.edge.mail.spool import Spool
from dialpost.edge.mail.store import Store
from dialpost.flow.mail.queue.recovery import Recovery
from fakes import a_record, to_mailbox, to_world

MESSAGES = 40


async def fill(folder: Path) -> set[QueueId]:
    """Messages of two recipients: nothing, one of them, or both finished. Returns those that are not."""
    spool = Spool(folder / "spool", 0)
    spool.prepare()
    store = await Store.open(folder / "queue.db", bodies=spool.ids)
    unfinished = set()
    for number in range(MESSAGES):
        message = a_record(store.next_id(), to_world(f"eve{number}@far.example"), to_mailbox("anna"))
        spool.path(message.queue_id).write_bytes(b"x" * 100)
        await store.accept(message)
        done = [replace(one, state=RecipientState.RELAYED, attempts=1) for one in message.recipients[: number % 3]]
        await store.update_recipients(message.queue_id, done)
        if number % 3 < 2:
            unfinished.add(message.queue_id)
    await store.close()
    spool.close()
    return unfinished


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, set[QueueId]]:
    folder = tmp_path_factory.mktemp("filled")
    return folder, asyncio.run(fill(folder))


async def start(folder: Path) -> set[str]:
    """A start, recovery, and an orderly stop; the bodies that are there after it."""
    spool = Spool(folder / "spool", 0)
    spool.prepare()
    store = await Store.open(folder / "queue.db", bodies=spool.ids)
    await Recovery(store, spool).run()
    kept = {str(one) for one in spool.ids()} | {path.stem for path in (folder / "set-aside").rglob("*.eml")}
    finished = set(store.finished(MESSAGES))
    await store.close()
    spool.close()
    return kept - finished


@settings(max_examples=15, deadline=None)
@example(where=0.607421875, how="ones", length=115, seed=0)  # SQLite: out of memory
@given(
    where=st.floats(0, 0.999),
    how=st.sampled_from(["zeros", "ones", "flip", "noise"]),
    length=st.integers(1, 1500),
    seed=st.integers(0, 999),
)
def test_no_spoilt_page_takes_a_body_along(
    filled: tuple[Path, set[QueueId]], where: float, how: str, length: int, seed: int
) -> None:
    made, unfinished = filled
    with tempfile.TemporaryDirectory(dir=made.parent) as name:
        folder = Path(name) / "spoilt"
        shutil.copytree(made, folder)
        database = folder / "queue.db"
        data = bytearray(database.read_bytes())
        offset = int(where * len(data))
        end = min(len(data), offset + length)
        piece = {
            "zeros": bytes(end - offset),
            "ones": b"\xff" * (end - offset),
            "noise": random.Random(seed).randbytes(end - offset),
            "flip": bytes([data[offset] ^ 0x10]) + bytes(data[offset + 1 : end]),
        }[how]
        data[offset:end] = piece
        database.write_bytes(data)
        for _ in range(2):
            kept = asyncio.run(start(folder))
            assert {str(one) for one in unfinished} <= kept
