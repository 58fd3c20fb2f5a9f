"""What the database gives for the line comes in the order that the core names."""

from __future__ import annotations

import random
from pathlib import Path

from dialpost.core.mail.queue.line_order import place
from dialpost.core.mail.queue.records import Priority
from dialpost.edge.mail.store import Store
from fakes import a_record, to_world

NOW = 1_820_000_000


async def test_the_flush_is_in_the_order_of_the_line(tmp_path: Path) -> None:
    chance = random.Random(5)
    store = await Store.open(tmp_path / "queue.db", wall_clock=lambda: NOW)
    try:
        for _ in range(60):
            priority, size = chance.choice(list(Priority)), chance.choice([100, 200, 300, 9999])
            await store.accept(a_record(store.next_id(), to_world(), priority=priority, wire_size=size))
        given = await store.remote_batch(None, NOW, 100, set())
    finally:
        await store.close()
    assert len(given) == 60
    assert given == sorted(given, key=place)
