"""The queue database: what goes in comes out, in the right order, and is counted."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from dialpost.core.errors import StorageError
from dialpost.core.mail.envelope import BodyType, Notify, QueueId, Return
from dialpost.core.mail.queue.ids import queue_id, queue_number
from dialpost.core.mail.queue.records import (
    MessageRecord,
    Origin,
    Priority,
    QueueCounts,
    RecipientRecord,
    RecipientState,
)
from dialpost.edge.mail.store import Store
from dialpost.edge.mail.store.ids import BLOCK
from fakes import a_record, to_mailbox, to_world

NOW = 1_820_000_000
WAITING, HELD = RecipientState.WAITING, RecipientState.HELD


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    opened = await Store.open(tmp_path / "queue.db", wall_clock=lambda: NOW)
    yield opened
    await opened.close()


def ids(messages: list[MessageRecord]) -> list[str]:
    return [message.queue_id for message in messages]


async def test_a_message_comes_back_as_it_went_in(store: Store) -> None:
    recipients = (
        to_mailbox("anna", original_address="info@clinic.example"),
        to_world(
            "bob@far.example",
            attempts=3,
            next_try_s=NOW + 5,
            last_try_s=NOW,
            last_reply="450 4.2.0 Später",
            last_by="mx.far.example",
            answer_unknown=True,
            delay_notified=True,
            orcpt="rfc822;B+6Fb",
            notify=frozenset({Notify.SUCCESS, Notify.DELAY}),
        ),
        to_world("carl@far.example", notify=frozenset({Notify.NEVER}), state=HELD),
        to_world("dora@far.example", notify=frozenset()),
    )
    message = a_record(
        store.next_id(),
        *recipients,
        sender="",
        origin=Origin.STATION,
        body_type=BodyType.EIGHT_BIT,
        smtputf8=True,
        envid="QQ+2B314159",
        ret=Return.HEADERS,
        priority=Priority.URGENT,
        content_digest=bytes(range(32)),
        checksum=0xFFFFFFFF,
        peer="2001:db8::1",
        account="anna",
        message_id_header="<1@x>",
        subject="Grüße, 世界",
    )
    await store.accept(message)
    assert await store.get(message.queue_id) == message
    assert await store.get(queue_id(99_999)) is None


async def test_text_that_is_no_text_does_not_stop_a_message(store: Store) -> None:
    message = a_record(store.next_id(), to_world(last_reply="450 \udce4 \x00"), subject="caf\udce9")
    await store.accept(message)
    stored = await store.get(message.queue_id)
    assert stored is not None
    assert stored.subject.startswith("caf")
    assert stored.recipients[0].last_reply.startswith("450 ")


async def test_ids_are_never_given_twice(tmp_path: Path) -> None:
    seen: list[str] = []
    for _ in range(3):
        store = await Store.open(tmp_path / "queue.db")
        for number in range(BLOCK + 10):
            seen.append(store.next_id())
            if number % 100 == 0:
                await store.retry_now(None)  # queued behind a reservation under way
        await store.close()
    assert len(set(seen)) == len(seen) == 3 * (BLOCK + 10)
    assert sorted(seen) == seen


async def test_ids_start_above_what_mailboxes_and_spool_have_seen(tmp_path: Path) -> None:
    store = await Store.open(
        tmp_path / "queue.db",
        bodies=lambda: [queue_id(70), QueueId("notes.txt")],
        ids_elsewhere=lambda: [queue_id(90_000)],
    )
    assert (queue_number(store.next_id()) or 0) > 90_000
    assert store.bodies_known_from == store.first_new_id
    await store.close()


async def test_an_id_used_by_a_body_the_database_does_not_know_is_not_used_again(tmp_path: Path) -> None:
    store = await Store.open(tmp_path / "queue.db")
    await store.close()
    store = await Store.open(tmp_path / "queue.db", bodies=lambda: [queue_id(50_000)])
    assert (queue_number(store.first_new_id) or 0) > 50_000
    assert store.bodies_known_from == store.first_new_id
    await store.close()


async def test_only_recipients_here_are_in_the_local_batch(store: Store) -> None:
    mixed = a_record(store.next_id(), to_world(), to_mailbox("anna"), to_mailbox("ben", state=HELD))
    later = a_record(store.next_id(), to_mailbox("anna", next_try_s=NOW + 60))
    wrongly_dated = a_record(store.next_id(), to_mailbox("anna", next_try_s=NOW + 30 * 86_400))
    for message in (mixed, later, wrongly_dated):
        await store.accept(message)
    batch = await store.local_batch(10)
    assert [(m.queue_id, [r.number for r in m.recipients]) for m in batch] == [
        (mixed.queue_id, [1]),
        (wrongly_dated.queue_id, [0]),
    ]
    assert ids(await store.local_batch(10, after=mixed.queue_id)) == [wrongly_dated.queue_id]
    assert ids(await store.local_batch(1)) == [mixed.queue_id]


async def test_the_line_gets_the_urgent_first_then_the_smallest_then_the_oldest(store: Store) -> None:
    made = [
        a_record(store.next_id(), wire_size=size, priority=priority)
        for size, priority in (
            (900, Priority.NORMAL),
            (100, Priority.BULK),
            (500, Priority.NORMAL),
            (500, Priority.NORMAL),
            (9000, Priority.URGENT),
        )
    ]
    for message in made:
        await store.accept(message)
    in_order = [made[number].queue_id for number in (4, 2, 3, 0, 1)]
    assert ids(await store.remote_batch(None, NOW, 10, set())) == in_order
    assert ids(await store.remote_batch(None, NOW, 2, {in_order[0]})) == in_order[1:3]


async def test_the_line_gets_only_due_recipients_of_the_domains_asked_for(store: Store) -> None:
    message = a_record(
        store.next_id(),
        to_world("a@One.example"),
        to_world("b@two.example"),
        to_world("c@two.example", next_try_s=NOW + 10),
        to_world("d@two.example", state=HELD),
        to_mailbox(),
        to_world("e@one.example", next_try_s=NOW + 365 * 86_400),
    )
    await store.accept(message)

    async def numbers(domains: list[str] | None, now_s: int = NOW) -> list[int]:
        batch = await store.remote_batch(domains, now_s, 10, set())
        return [recipient.number for found in batch for recipient in found.recipients]

    assert await numbers(None) == [0, 1, 5]
    assert await numbers(["ONE.example"]) == [0, 5]
    assert await numbers(["two.example", "none.example"]) == [1]
    assert await numbers(["two.example"], NOW + 10) == [1, 2]
    assert await numbers(["none.example"]) == []
    assert await store.remote_domains(NOW) == [("one.example", 2), ("two.example", 1)]


async def test_counts_follow_every_change(store: Store) -> None:
    both = a_record(store.next_id(), to_world(), to_mailbox(), to_world("c@x.example"), wire_size=1000)
    urgent = a_record(store.next_id(), priority=Priority.URGENT, wire_size=50)
    await store.accept(both)
    await store.accept(urgent)
    assert await store.counts() == QueueCounts(1, 2, 1, 0, 1050)
    await store.set_state(urgent.queue_id, {WAITING}, HELD)
    assert await store.counts() == QueueCounts(1, 1, 0, 1, 1000)
    relayed = replace(both.recipients[0], state=RecipientState.RELAYED)
    await store.update_recipients(both.queue_id, [relayed])
    assert await store.counts() == QueueCounts(1, 1, 0, 1, 1000)
    delivered = replace(both.recipients[1], state=RecipientState.DELIVERED)
    bounced = replace(both.recipients[2], state=RecipientState.BOUNCED)
    await store.update_recipients(both.queue_id, [delivered, bounced])
    assert await store.counts() == QueueCounts(0, 0, 0, 1, 0)
    await store.set_state(urgent.queue_id, {HELD}, RecipientState.DELETED)
    assert await store.counts() == QueueCounts()


async def test_counts_are_the_same_after_a_restart(tmp_path: Path) -> None:
    store = await Store.open(tmp_path / "queue.db")
    await store.accept(a_record(store.next_id(), to_world(), to_world("c@x.example"), to_mailbox(), wire_size=70))
    await store.accept(a_record(store.next_id(), to_world(), priority=Priority.URGENT, wire_size=70))
    await store.accept(a_record(store.next_id(), to_mailbox("a", state=HELD), to_mailbox("b", state=HELD)))
    before = await store.counts()
    await store.close()
    store = await Store.open(tmp_path / "queue.db")
    assert await store.counts() == before == QueueCounts(1, 2, 1, 1, 140)
    await store.close()


async def test_an_unfinished_try_undoes_neither_hold_nor_deletion_but_a_finished_one_is_a_fact(
    store: Store,
) -> None:
    message = a_record(store.next_id(), *(to_world(f"{name}@x.example") for name in "abc"))
    await store.accept(message)
    await store.set_state(message.queue_id, {WAITING}, HELD, numbers=[0])
    await store.set_state(message.queue_id, {WAITING}, RecipientState.DELETED, numbers=[1, 2])
    tried = [replace(r, attempts=1, last_reply="450 later") for r in message.recipients[:2]]
    relayed = replace(message.recipients[2], state=RecipientState.RELAYED, last_reply="250 ok")
    await store.update_recipients(message.queue_id, [*tried, relayed])
    stored = await store.get(message.queue_id)
    assert stored is not None
    assert [(r.state, r.last_reply) for r in stored.recipients] == [
        (HELD, "450 later"),
        (RecipientState.DELETED, "450 later"),
        (RecipientState.RELAYED, "250 ok"),
    ]


async def test_what_is_finished_is_named_once(store: Store) -> None:
    message = a_record(store.next_id(), to_world("a@x.example"), to_world("b@x.example"))
    await store.accept(message)
    done = [replace(recipient, state=RecipientState.RELAYED) for recipient in message.recipients]
    await store.update_recipients(message.queue_id, done[:1])
    assert store.finished(10) == []
    await store.update_recipients(message.queue_id, done[1:])
    await store.update_recipients(message.queue_id, done)
    assert store.finished(10) == [message.queue_id]
    assert store.finished(10) == []


async def test_release_and_retry_make_due_at_once(store: Store) -> None:
    message = a_record(
        store.next_id(), to_world(next_try_s=NOW + 900), to_mailbox(next_try_s=NOW + 900, state=HELD)
    )
    await store.accept(message)
    assert await store.remote_batch(None, NOW, 10, set()) == []
    assert await store.retry_now(None) == 1
    assert ids(await store.remote_batch(None, NOW, 10, set())) == [message.queue_id]
    assert await store.set_state(message.queue_id, {HELD}, WAITING) == 1
    assert ids(await store.local_batch(10)) == [message.queue_id]
    assert await store.retry_now(queue_id(4711)) == 0


async def test_the_stations_reason_is_kept_with_its_hold(store: Store) -> None:
    message = a_record(store.next_id(), to_world(last_reply="450 later", last_by="mx"))
    await store.accept(message)
    await store.set_state(message.queue_id, {WAITING}, HELD, reason="The card lost it.")
    stored = await store.get(message.queue_id)
    assert stored is not None
    assert (stored.recipients[0].last_reply, stored.recipients[0].last_by) == ("The card lost it.", "this station")


async def test_a_repeat_is_the_same_sender_recipients_and_content_from_outside(store: Store) -> None:
    digest, other = b"1" * 32, b"11111111" + b"2" * 24
    to = (to_mailbox("anna", original_address="info@clinic.example"), to_mailbox("ben"))
    message = a_record(store.next_id(), *to, content_digest=digest, received_s=NOW, peer="192.0.2.1")
    await store.accept(message)

    async def repeats(
        *recipients: RecipientRecord,
        since_s: int = NOW,
        of_same_peer: bool = True,
        not_of: tuple[str, ...] = (),
        **changed: Any,
    ) -> str | None:
        again = replace(a_record(store.next_id(), *(recipients or to), content_digest=digest), received_s=NOW)
        again = replace(again, **{"peer": "192.0.2.1", **changed})
        found = await store.accept_unless_repeat(
            again, since_s, of_same_peer=of_same_peer, not_of=set(map(QueueId, not_of))
        )
        if found is None:
            await store.answer_heard(again.queue_id)
        return found

    assert await repeats() == message.queue_id
    assert await repeats(peer="192.0.2.2", of_same_peer=False) == message.queue_id
    assert await repeats(peer="192.0.2.2") is None
    assert await repeats(sender="other@world.example") is None
    assert await repeats(to[0]) is None
    assert await repeats(content_digest=other) is None
    assert await repeats(content_digest=b"") is None
    assert await repeats(since_s=NOW + 1) is None
    assert await repeats(not_of=(message.queue_id,)) is None
    assert await repeats() == message.queue_id
    await store.answer_heard(message.queue_id)
    assert await repeats() is None


@pytest.mark.parametrize("how", ["deleted", "lost by the card"])
async def test_what_its_sender_was_asked_to_send_again_is_no_repeat(store: Store, how: str) -> None:
    first, again = (a_record(store.next_id(), to_mailbox(), content_digest=b"1" * 32) for _ in range(2))
    await store.accept(first)
    if how == "deleted":
        await store.set_state(first.queue_id, {WAITING}, RecipientState.DELETED)
    else:
        await store.set_state(first.queue_id, {WAITING}, HELD, reason="Its content is missing on the card.")
    assert await store.accept_unless_repeat(again, 0, of_same_peer=True, not_of=set()) is None


async def test_our_own_and_old_versions_messages_are_never_repeated(store: Store, tmp_path: Path) -> None:
    own = a_record(store.next_id(), origin=Origin.SUBMITTED, content_digest=b"3" * 32)
    await store.accept(own)
    old = a_record(store.next_id(), to_mailbox(), content_digest=bytes(range(32)))
    await store.accept(old)
    with closing(sqlite3.connect(tmp_path / "queue.db")) as connection:  # as versions before kept all of them
        connection.execute("UPDATE message SET digest_key = 0x00010203 WHERE digest_key IS NOT NULL")
        connection.commit()
    for first in (own, old):
        again = replace(first, queue_id=store.next_id(), origin=Origin.OUTSIDE)
        assert await store.accept_unless_repeat(again, 0, of_same_peer=False, not_of=set()) is None


async def test_find_by_id_address_or_message_id(store: Store) -> None:
    one = a_record(store.next_id(), to_world("Bob@Far.example"), message_id_header="<Abc@x>")
    two = a_record(
        store.next_id(), to_mailbox("anna", original_address="info@clinic.example"), sender="Bob@far.example"
    )
    await store.accept(one)
    await store.accept(two)
    assert ids(await store.find(one.queue_id.lower(), 9)) == [one.queue_id]
    assert ids(await store.find("bob@far.EXAMPLE", 9)) == [two.queue_id, one.queue_id]
    assert ids(await store.find("<info@clinic.example>", 9)) == [two.queue_id]
    assert ids(await store.find("<Abc@x>", 9)) == ids(await store.find("Abc@x", 9)) == [one.queue_id]
    assert await store.find("abc@x", 9) == []
    assert await store.find("%", 9) == []


async def test_listing_by_state_and_address_in_pages(store: Store) -> None:
    made = [a_record(store.next_id(), to_world(f"p{n}@x.example"), to_mailbox("anna")) for n in range(4)]
    for message in made:
        await store.accept(message)
    await store.set_state(made[1].queue_id, {WAITING}, HELD)
    await store.set_state(made[2].queue_id, {WAITING}, RecipientState.DELETED)
    listed = await store.listing(states={WAITING, HELD}, limit=10)
    assert ids(listed) == [made[n].queue_id for n in (0, 1, 3)]
    assert [len(message.recipients) for message in listed] == [2, 2, 2]
    assert ids(await store.listing(states={HELD}, limit=10)) == [made[1].queue_id]
    assert ids(await store.listing(states={WAITING, HELD}, limit=1, offset=1)) == [made[1].queue_id]
    assert ids(await store.listing(states={WAITING, HELD}, limit=1, offset=1, after=made[0].queue_id)) == [
        made[3].queue_id
    ]
    assert await store.listing(states={WAITING, HELD}, limit=9, after=made[3].queue_id) == []
    assert ids(await store.listing(states={WAITING}, limit=9, address="P3@x.example")) == [made[3].queue_id]
    assert len(await store.listing(states={WAITING}, limit=9, address="eve@world.example")) == 2


async def test_overdue_are_the_old_that_still_wait(store: Store) -> None:
    old = a_record(
        store.next_id(), to_world("a@x.example", delay_notified=True), to_mailbox(), received_s=NOW - 100
    )
    new = a_record(store.next_id(), received_s=NOW)
    held = a_record(store.next_id(), to_world(state=HELD), received_s=NOW - 100)
    for message in (old, new, held):
        await store.accept(message)
    assert [(m.queue_id, len(m.recipients)) for m in await store.overdue(NOW, 10)] == [(old.queue_id, 2)]
    unnotified = await store.overdue(NOW, 10, unnotified=True)
    assert [(m.queue_id, [r.number for r in m.recipients]) for m in unnotified] == [(old.queue_id, [1])]
    assert ids(await store.overdue(NOW + 1, 10, after=old.queue_id)) == [new.queue_id]


async def test_history_is_forgotten_after_its_time_and_only_what_is_finished(store: Store) -> None:
    done = RecipientState.DELIVERED
    unset = a_record(store.next_id(), to_mailbox(state=done), received_s=5)
    old = a_record(store.next_id(), to_mailbox(state=done), received_s=NOW - 1000)
    waiting = a_record(store.next_id(), to_mailbox(state=done), to_world(), received_s=NOW - 1000)
    late = a_record(store.next_id(), to_mailbox(state=done, last_try_s=NOW), received_s=NOW - 1000)
    new = a_record(store.next_id(), to_mailbox(state=done), received_s=NOW)
    unset_later = a_record(store.next_id(), to_mailbox(state=done), received_s=6)
    everything = [unset, old, waiting, late, new, unset_later]
    for message in everything:
        await store.accept(message)
    assert await store.prune(NOW - 500) == 2
    left = [message.queue_id for message in everything if await store.get(message.queue_id)]
    assert left == [message.queue_id for message in everything[2:]]


async def test_calls_and_facts(store: Store) -> None:
    for number in range(5):
        await store.save_call({"result": "connected", "sent": number, "etrn": [{"code": 250}]})
    assert [call["number"] for call in await store.calls(2)] == [5, 4]
    assert (await store.calls(1))[0] == {"result": "connected", "sent": 4, "etrn": [{"code": 250}], "number": 5}
    assert await store.prune_calls(2) == 3
    assert [call["number"] for call in await store.calls(9)] == [5, 4]
    await store.remember("redial", "1")
    await store.remember("redial", "2")
    assert await store.recall("redial") == "2"
    await store.forget("redial")
    assert await store.recall("redial") is None
    await store.remember("ids_reserved", "1")  # a flow's word must not reach the store's own


async def test_one_bad_change_takes_no_other_with_it(store: Store) -> None:
    twice = store.next_id()
    others = [a_record(store.next_id()) for _ in range(5)]
    results = await asyncio.gather(
        store.accept(a_record(twice)),
        *(store.accept(other) for other in others[:3]),
        store.accept(a_record(twice)),
        *(store.accept(other) for other in others[3:]),
        return_exceptions=True,
    )
    assert [isinstance(result, StorageError) for result in results] == [False] * 4 + [True] + [False] * 2
    assert (await store.counts()).waiting_remote == 6
    assert ids(await store.listing(states={WAITING}, limit=9)) == [twice, *ids(others)]


async def test_a_message_without_recipients_is_refused(store: Store) -> None:
    with pytest.raises(StorageError):
        await store.accept(replace(a_record(store.next_id()), recipients=()))
    assert await store.counts() == QueueCounts()


async def test_what_is_cancelled_while_being_stored_is_stored_whole(store: Store) -> None:
    message = a_record(store.next_id())
    task = asyncio.create_task(store.accept(message))
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait([task])
    assert task.cancelled()
    assert await store.retry_now(message.queue_id) == 1  # queued behind it
    assert await store.get(message.queue_id) == message


async def test_waiting_changes_share_a_commit(store: Store, tmp_path: Path) -> None:
    commits: list[str] = []
    store._connection.set_trace_callback(commits.append)
    await asyncio.gather(*(store.accept(a_record(store.next_id())) for _ in range(200)))
    store._connection.set_trace_callback(None)
    assert commits.count("COMMIT") <= 3


async def test_a_commit_is_on_the_card_when_it_returns(store: Store) -> None:
    told = [store._connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("journal_mode", "synchronous")]
    assert told == ["wal", 2]  # 2 = FULL: the log is fsynced at every commit (sqlite.org/pragma.html)


async def test_closed_is_closed(tmp_path: Path) -> None:
    store = await Store.open(tmp_path / "queue.db")
    await store.close()
    await store.close()
    with pytest.raises(StorageError):
        await store.accept(a_record(queue_id(1)))
    with pytest.raises(StorageError):
        await store.get(queue_id(1))


async def test_a_queue_of_a_newer_version_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "queue.db"
    await (await Store.open(path)).close()
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA user_version = 99")
        connection.execute("CREATE TABLE of_the_future (x)")
    connection.close()
    with pytest.raises(StorageError, match="newer Dialpost"):
        await Store.open(path)
    assert [entry.name for entry in tmp_path.iterdir() if "damaged" in entry.name] == []


async def test_a_bug_in_the_writers_thread_leaves_nobody_waiting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = await Store.open(tmp_path / "queue.db")

    def broken(transaction: object) -> None:
        raise KeyError("a bug")

    with monkeypatch.context() as patched:
        patched.setattr(store._writer, "_committed", broken)
        async with asyncio.timeout(60):
            with pytest.raises(StorageError):
                await store.remember("a", "1")
    await store.remember("a", "2")
    assert await store.recall("a") == "2"
    await store.close()


async def test_where_no_thread_can_be_started_a_question_has_an_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = await Store.open(tmp_path / "queue.db")

    def refuse(*args: object) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patched:
        patched.setattr(store._reader_thread, "submit", refuse)
        with pytest.raises(StorageError, match="can't start new thread"):
            await store.recall("a")
    assert await store.recall("a") is None
    await store.close()
