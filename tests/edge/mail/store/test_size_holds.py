"""Messages held for their size: who is held, who goes, and what an attempt or an operator meanwhile changes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from dialpost.core.mail.queue.records import MessageRecord, QueueCounts, RecipientRecord, RecipientState, SizeHold
from dialpost.edge.mail.store import Store
from fakes import a_record, to_mailbox, to_world

WAITING, HELD = RecipientState.WAITING, RecipientState.HELD
NOW = 1_820_000_000


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    opened = await Store.open(tmp_path / "queue.db", wall_clock=lambda: NOW)
    yield opened
    await opened.close()


async def accept(store: Store, size: int, *recipients: RecipientRecord, **changes: Any) -> MessageRecord:
    message = a_record(store.next_id(), *recipients, wire_size=size, **changes)
    await store.accept(message)
    return message


async def standing(store: Store, message: MessageRecord) -> list[tuple[RecipientState, SizeHold]]:
    stored = await store.get(message.queue_id)
    assert stored is not None
    return [(one.state, one.size_hold) for one in stored.recipients]


async def on_the_line(store: Store) -> list[str]:
    return [message.queue_id for message in await store.remote_batch(None, NOW, 100, frozenset())]


@pytest.mark.parametrize("hold", list(SizeHold))
async def test_it_comes_back_as_it_went_in(store: Store, hold: SizeHold) -> None:
    message = await accept(store, 5, to_world(state=HELD, size_hold=hold, answer_unknown=True, delay_notified=True))
    assert await store.get(message.queue_id) == message


async def test_only_what_is_larger_and_for_the_world_is_held(store: Store) -> None:
    small = await accept(store, 500)
    big = await accept(store, 501, to_world(), to_mailbox(), to_world("c@x.example"))
    relayed = await accept(store, 900, to_world(state=RecipientState.RELAYED))
    assert await store.hold_big(500) == [big.queue_id]
    assert await on_the_line(store) == [small.queue_id]
    assert await standing(store, big) == [
        (HELD, SizeHold.HELD),
        (WAITING, SizeHold.NONE),
        (HELD, SizeHold.HELD),
    ]
    assert await standing(store, relayed) == [(RecipientState.RELAYED, SizeHold.NONE)]
    assert await store.counts() == QueueCounts(waiting_local=1, waiting_remote=1, held=1, bytes_waiting=500)
    assert await store.held_for_size() == (1, 501)
    assert await store.hold_big(500) == [], "held already"


async def test_what_is_held_starves_nobody(store: Store) -> None:
    for _ in range(30):
        await accept(store, 900)
    small = [await accept(store, size) for size in (400, 300)]
    await store.hold_big(500)
    batch = await store.remote_batch(None, NOW, 20, frozenset())
    assert [message.queue_id for message in batch] == [small[1].queue_id, small[0].queue_id]
    assert await store.remote_domains(NOW) == [("far.example", 2)]


async def test_a_window_opens_and_closes_and_the_sender_is_told_once(store: Store) -> None:
    big = await accept(store, 900)
    await store.hold_big(500)
    assert [message.queue_id for message in await store.untold_holds(10)] == [big.queue_id]
    await store.told_of_hold(big.queue_id)
    assert await store.untold_holds(10) == []
    assert await store.pass_big(None) == [big.queue_id]
    assert await on_the_line(store) == [big.queue_id]
    assert await standing(store, big) == [(WAITING, SizeHold.PASSED)]
    assert await store.hold_big(500) == [big.queue_id]
    assert await standing(store, big) == [(HELD, SizeHold.TOLD)]
    assert await store.untold_holds(10) == []


async def test_a_higher_limit_lets_go_what_is_below_it(store: Store) -> None:
    first, second = await accept(store, 600), await accept(store, 900)
    await store.hold_big(500)
    assert await store.pass_big(700) == [first.queue_id]
    assert await standing(store, second) == [(HELD, SizeHold.HELD)]


async def test_what_an_operator_released_is_not_held_again(store: Store) -> None:
    big = await accept(store, 900)
    await store.hold_big(500)
    assert await store.set_state(big.queue_id, {HELD}, WAITING) == 1
    assert await standing(store, big) == [(WAITING, SizeHold.RELEASED)]
    assert await store.hold_big(500) == []
    assert await on_the_line(store) == [big.queue_id]


async def test_what_an_operator_held_no_window_lets_go(store: Store) -> None:
    big = await accept(store, 900)
    await store.hold_big(500)
    await store.pass_big(None)
    await store.set_state(big.queue_id, {WAITING}, HELD)
    assert await store.pass_big(None) == []
    assert await store.held_for_size() == (0, 0)


async def test_what_is_spoilt_no_window_lets_go(store: Store) -> None:
    big = await accept(store, 900)
    await store.hold_big(500)
    await store.set_state(big.queue_id, {WAITING, HELD}, HELD, reason="its content is gone")
    assert await store.pass_big(None) == []
    assert await standing(store, big) == [(HELD, SizeHold.NONE)]


async def test_an_attempt_that_ends_after_the_window_closed_changes_nothing_of_the_hold(store: Store) -> None:
    big = await accept(store, 900)
    await store.hold_big(500)
    await store.pass_big(None)
    [in_flight] = await store.remote_batch(None, NOW, 1, frozenset())
    await store.hold_big(500)
    [one] = in_flight.recipients
    deferred = replace(one, attempts=1, last_reply="450 later", last_by="mx", answer_unknown=True)
    await store.update_recipients(big.queue_id, [deferred])
    stored = await store.get(big.queue_id)
    assert stored is not None
    [after] = stored.recipients
    assert (after.state, after.size_hold, after.attempts, after.answer_unknown) == (HELD, SizeHold.TOLD, 1, True)
    assert after.is_held_for_size
    assert await store.pass_big(None) == [big.queue_id]


async def test_holds_survive_a_restart(tmp_path: Path) -> None:
    first = await Store.open(tmp_path / "queue.db")
    message = await accept(first, 900)
    await first.hold_big(500)
    await first.close()
    second = await Store.open(tmp_path / "queue.db")
    assert await standing(second, message) == [(HELD, SizeHold.HELD)]
    assert await second.held_for_size() == (1, 900)
    await second.close()
