"""Notes about messages in mailboxes at providers: durable, by box, never in each other's way."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from dialpost.core.mail.inbound.boxes import BoxNote, BoxState, BoxUid
from dialpost.edge.mail.store import Store
from fakes import a_record, to_mailbox

HELD = BoxNote(BoxState.HELD, 9_000_000, "eve@far.example", "Pictures", ("anna@c.example",), "big", 0, True, 77)
TRIED = BoxNote(BoxState.TRIED, 5, tries=2)


async def test_notes_outlive_the_station_and_are_forgotten_one_by_one(tmp_path: Path) -> None:
    store = await Store.open(tmp_path / "queue.db")
    await store.boxes.note("a@pop", {"1": HELD, "2": TRIED})
    await store.boxes.note("a@pop2", {"1": TRIED})
    await store.boxes.note("a@pop", {})
    await store.remember("box", "not one of them")
    await store.close()
    store = await Store.open(tmp_path / "queue.db")
    assert await store.boxes.of("a@pop") == {"1": HELD, "2": TRIED}
    assert await store.boxes.of("nobody@pop") == {}
    await store.boxes.note("a@pop", {"1": None, "3": None})
    assert await store.boxes.all() == {"a@pop": {"2": TRIED}, "a@pop2": {"1": TRIED}}
    await store.close()


async def test_a_message_that_is_accepted_is_taken_whatever_was_noted(tmp_path: Path) -> None:
    store = await Store.open(tmp_path / "queue.db")
    await store.boxes.note("a@pop", {"u": HELD})
    record = a_record(store.next_id(), to_mailbox("anna"), from_box=BoxUid("a@pop", "u", 7))
    await store.accept(record)
    assert await store.get(record.queue_id) == record
    assert await store.boxes.of("a@pop") == {"u": BoxNote(BoxState.TAKEN, 7)}
    await store.close()


async def test_a_note_that_the_card_damaged_is_no_note(tmp_path: Path) -> None:
    store = await Store.open(tmp_path / "queue.db")
    await store.boxes.note("a@pop", {"1": HELD, "2": TRIED})
    await store.close()
    with closing(sqlite3.connect(tmp_path / "queue.db")) as connection, connection:
        connection.execute("UPDATE memory SET value = 'x' || value WHERE key LIKE '%1'")
    store = await Store.open(tmp_path / "queue.db")
    assert await store.boxes.of("a@pop") == {"2": TRIED}
    await store.close()
