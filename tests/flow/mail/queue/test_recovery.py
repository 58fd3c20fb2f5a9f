"""After a start: every combination of body and row, and what is done about it."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from dialpost.core.errors import StorageError
from dialpost.core.mail.envelope import QueueId
from dialpost.core.mail.queue.ids import queue_id
from dialpost.core.mail.queue.records import MessageRecord, RecipientState
from dialpost.edge.mail.spool import Spool
from dialpost.edge.mail.store import Store
from dialpost.flow.mail.queue import recovery
from dialpost.flow.mail.queue.recovery import Recovery
from fakes import a_record, to_mailbox, to_world

DELIVERED, HELD = RecipientState.DELIVERED, RecipientState.HELD


class Rig:
    def __init__(self, root: Path) -> None:
        self.root = root
        self.spool = Spool(root / "spool", 0)
        self.spool.prepare()
        self.store: Store
        self.left: list[Store] = []

    async def start(self) -> None:
        self.store = await Store.open(self.root / "queue.db", bodies=self.spool.ids)

    async def crash(self) -> None:
        """Start again as if the power had failed: the old store is just left where it is."""
        await self.store._writer.close()
        self.left.append(self.store)
        await self.start()

    async def accept(self, message: MessageRecord, *, body: bytes | None = b"x" * 100) -> MessageRecord:
        if body is not None:
            self.spool.path(message.queue_id).write_bytes(body)
        await self.store.accept(message)
        return message

    async def recover(self) -> tuple[int, int, int, int]:
        report = await Recovery(self.store, self.spool).run()
        return report.removed, report.set_aside, report.held, len(report.sentences)


@pytest.fixture
async def rig(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Rig]:
    monkeypatch.setattr(recovery, "_SLICE", 3)
    made = Rig(tmp_path)
    await made.start()
    yield made
    for store in [made.store, *made.left]:
        await store.close()
    made.spool.close()


async def test_nothing_wrong_nothing_done(rig: Rig) -> None:
    messages = [await rig.accept(a_record(rig.store.next_id())) for _ in range(10)]
    await rig.crash()
    assert await rig.recover() == (0, 0, 0, 0)
    assert sorted(rig.spool.ids()) == [message.queue_id for message in messages]


async def test_finished_and_empty_bodies_go_without_a_word(rig: Rig) -> None:
    finished = [await rig.accept(a_record(rig.store.next_id(), to_mailbox(state=DELIVERED))) for _ in range(5)]
    waiting = await rig.accept(a_record(rig.store.next_id(), to_mailbox(state=DELIVERED), to_world()))
    for _ in range(5):
        rig.spool.path(rig.store.next_id()).touch()
    await rig.crash()
    assert await rig.recover() == (len(finished) + 5, 0, 0, 0)
    assert list(rig.spool.ids()) == [waiting.queue_id]


async def test_a_whole_body_that_was_not_acknowledged_is_kept_aside(rig: Rig) -> None:
    one = rig.store.next_id()
    rig.spool.path(one).write_bytes(b"whole")
    await rig.crash()
    report = await Recovery(rig.store, rig.spool).run()
    assert (report.removed, report.set_aside, report.unconfirmed) == (0, 0, 1)
    assert ["not yet acknowledged" in sentence for sentence in report.sentences] == [True]
    assert (rig.root / "set-aside" / "unconfirmed" / f"{one}.eml").read_bytes() == b"whole"
    assert "not yet acknowledged" in (rig.root / "set-aside" / "unconfirmed" / f"{one}.txt").read_text()


async def test_bodies_of_a_lost_database_are_set_aside_also_at_a_later_start(rig: Rig) -> None:
    ids = [queue_id(number) for number in range(5, 12)]
    for one in ids:
        rig.spool.path(one).write_bytes(b"somebody's mail")
    await rig.store.close()
    (rig.root / "queue.db").unlink()
    await rig.start()
    await rig.crash()  # before recovery came to it
    removed, set_aside, held, said = await rig.recover()
    assert (removed, set_aside, held, said) == (0, len(ids), 0, 1)
    kept = sorted(path.name for path in (rig.root / "set-aside").glob("*.eml"))
    assert kept == [f"{one}.eml" for one in ids]
    assert list(rig.spool.ids()) == []
    assert await rig.recover() == (0, 0, 0, 0)


async def test_missing_and_spoiled_bodies_are_held_with_the_reason(rig: Rig) -> None:
    missing = await rig.accept(a_record(rig.store.next_id(), to_mailbox(), to_world(state=HELD)), body=None)
    good = [await rig.accept(a_record(rig.store.next_id())) for _ in range(4)]
    short = await rig.accept(a_record(rig.store.next_id(), to_mailbox(state=DELIVERED), to_world()), body=b"x")
    await rig.crash()
    assert await rig.recover() == (0, 0, 2, 1)

    async def shown(message: MessageRecord) -> list[tuple[str, str]]:
        stored = await rig.store.get(message.queue_id)
        assert stored is not None
        return [(recipient.state.value, recipient.last_reply) for recipient in stored.recipients]

    assert await shown(missing) == [("held", "Its content is missing on the card.")] * 2
    assert await shown(short) == [("delivered", ""), ("held", "Its content is damaged: 1 bytes instead of 100.")]
    assert [await rig.store.get(message.queue_id) for message in good] == good


async def test_what_came_after_the_start_is_not_looked_at(rig: Rig) -> None:
    await rig.crash()
    rig.spool.path(rig.store.next_id()).write_bytes(b"just coming in")
    await rig.accept(a_record(rig.store.next_id()), body=None)
    assert await rig.recover() == (0, 0, 0, 0)
    assert len(list(rig.spool.ids())) == 1


async def test_a_fault_is_reported_and_the_rest_is_done(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    bodies = [rig.store.next_id() for _ in range(5)]
    for one in bodies:
        rig.spool.path(one).touch()
    await rig.crash()
    real = rig.spool.remove

    def failing(one: QueueId) -> None:
        if one == bodies[2]:
            raise StorageError(f"The body of {one} can't be removed")
        real(one)

    monkeypatch.setattr(rig.spool, "remove", failing)
    report = await Recovery(rig.store, rig.spool).run()
    assert (report.removed, report.sentences) == (4, (f"The body of {bodies[2]} can't be removed",))


async def test_a_released_message_that_lost_its_body_again_is_held_again(rig: Rig) -> None:
    message = await rig.accept(a_record(rig.store.next_id()), body=None)
    await rig.crash()
    assert await rig.recover() == (0, 0, 1, 1)
    stored = await rig.store.get(message.queue_id)
    assert stored == replace(message, recipients=stored.recipients if stored else ())
    await rig.crash()
    assert await rig.recover() == (0, 0, 1, 1)


async def lose_rows(rig: Rig, condition: str) -> None:
    """As a damaged page leaves it: rows are gone, the rest is sound."""
    await rig.store.close()
    with closing(sqlite3.connect(rig.root / "queue.db")) as connection, connection:
        connection.execute(f"DELETE FROM recipient WHERE {condition}")
    await rig.start()


@pytest.mark.parametrize("state", [DELIVERED, HELD, RecipientState.WAITING])
async def test_a_recipient_whose_row_is_lost_is_not_finished(rig: Rig, state: RecipientState) -> None:
    message = await rig.accept(a_record(rig.store.next_id(), to_mailbox(state=state), to_world("eve@far.example")))
    whole = await rig.accept(a_record(rig.store.next_id(), to_mailbox(state=DELIVERED), to_world()))
    await lose_rows(rig, "address = 'eve@far.example'")
    report = await Recovery(rig.store, rig.spool).run()
    assert (report.removed, report.incomplete) == (0, 1)
    assert ["lost some of the recipients" in sentence for sentence in report.sentences] == [True]
    assert sorted(rig.spool.ids()) == [message.queue_id, whole.queue_id]
    (shown,) = await rig.store.listing(states={HELD}, limit=9)
    assert (shown.queue_id, shown.recipients[-1].address) == (message.queue_id, "")
    assert "lost a recipient" in shown.recipients[-1].last_reply
    assert (await rig.store.counts()).held == 1


async def test_a_message_without_any_recipient_left_is_held_too(rig: Rig) -> None:
    message = await rig.accept(a_record(rig.store.next_id(), to_mailbox(), to_world()))
    await lose_rows(rig, "1")
    assert await rig.recover() == (0, 0, 0, 1)
    assert list(rig.spool.ids()) == [message.queue_id]


async def test_who_is_unknown_is_never_sent_to_and_goes_when_deleted(rig: Rig) -> None:
    message = await rig.accept(a_record(rig.store.next_id(), to_mailbox(), to_world("eve@far.example")))
    await lose_rows(rig, "address = 'eve@far.example'")
    await rig.recover()
    done = [replace(message.recipients[0], state=DELIVERED)]
    await rig.store.update_recipients(message.queue_id, done)
    assert rig.store.finished(9) == []
    assert await rig.store.set_state(message.queue_id, {HELD}, RecipientState.WAITING) == 0
    await rig.crash()
    assert (await Recovery(rig.store, rig.spool).run()).incomplete == 0  # it stands there already
    assert await rig.store.set_state(message.queue_id, {HELD}, RecipientState.DELETED) == 1
    assert rig.store.finished(9) == [message.queue_id]


async def test_the_last_known_recipient_does_not_take_the_body_along(rig: Rig) -> None:
    """Mail is delivered while recovery is still looking."""
    message = await rig.accept(a_record(rig.store.next_id(), to_mailbox(), to_world("eve@far.example")))
    await lose_rows(rig, "address = 'eve@far.example'")
    await rig.store.update_recipients(message.queue_id, [replace(message.recipients[0], state=DELIVERED)])
    assert rig.store.finished(9) == []
    assert (await Recovery(rig.store, rig.spool).run()).incomplete == 1


async def test_an_empty_body_that_a_lost_database_may_have_known_is_reported(rig: Rig) -> None:
    rig.spool.path(queue_id(5)).touch()
    await rig.store.close()
    (rig.root / "queue.db").unlink()
    await rig.start()
    assert await rig.recover() == (0, 1, 0, 1)
    assert (rig.root / "set-aside" / f"{queue_id(5)}.eml").exists()


@pytest.mark.parametrize("state", ["x'000000000000'", "18", "-1", "'text'", "1.5"])
async def test_a_state_the_card_spoilt_is_not_a_finished_one(rig: Rig, state: str) -> None:
    message = await rig.accept(
        a_record(rig.store.next_id(), to_mailbox(state=DELIVERED), to_world("eve@x.example"))
    )
    await rig.store.close()
    with closing(sqlite3.connect(rig.root / "queue.db")) as connection, connection:
        connection.execute(f"UPDATE recipient SET state = {state} WHERE address = 'eve@x.example'")
    await rig.start()
    assert (await Recovery(rig.store, rig.spool).run()).incomplete == 1
    assert list(rig.spool.ids()) == [message.queue_id]
    (shown,) = await rig.store.listing(states={HELD}, limit=9)
    assert [one.state for one in shown.recipients] == [DELIVERED, HELD]
