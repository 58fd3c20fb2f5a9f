"""Mail that stays: into the mailbox once, whatever fails in between, with the outcome on record."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from dialpost.core.errors import StorageFullError
from dialpost.core.mail.accounts import Account, Directory
from dialpost.core.mail.envelope import Notify, QueueId
from dialpost.core.mail.outcomes import Delivered, Refused
from dialpost.core.mail.queue.records import MessageRecord, RecipientRecord, RecipientState
from dialpost.edge.mail.maildir import Maildirs
from dialpost.edge.mail.spool import Spool
from dialpost.edge.mail.store import Store
from dialpost.flow.mail import local_delivery
from dialpost.flow.mail.local_delivery import RETRY_S, STORAGE_RETRY_S, LocalDelivery
from fakes import a_record, to_mailbox, to_world

NOW = 1_820_000_000


@dataclass
class Accounts:
    is_restored: bool = False
    directory: Directory = field(
        default_factory=lambda: Directory(
            {"anna": Account("anna"), "ben": Account("ben", quota_bytes=250), "cy": Account("cy", quota_bytes=0)},
            {},
            ("clinic.example",),
        )
    )


class Rig:
    """Real store, spool and mailboxes around the flow under test."""

    def __init__(self, store: Store, spool: Spool, boxes: Maildirs, root: Path) -> None:
        self.store, self.spool, self.boxes, self.root = store, spool, boxes, root
        self.accounts = Accounts()
        self.told: list[tuple[str, str, str]] = []
        self.now_s = float(NOW)
        self.flow = self.make()

    def make(self, default_quota_bytes: int = 0) -> LocalDelivery:
        async def on_refused(message: MessageRecord, recipient: RecipientRecord, outcome: Refused) -> None:
            self.told.append(("refused", recipient.address, str(outcome.reply)))

        async def on_delivered(message: MessageRecord, recipient: RecipientRecord, outcome: Delivered) -> None:
            self.told.append(("delivered", recipient.address, str(outcome.reply)))

        return LocalDelivery(
            self.store,
            self.spool,
            self.boxes,
            self.accounts,
            hostname="station.example",
            default_quota_bytes=default_quota_bytes,
            on_refused=on_refused,
            on_delivered=on_delivered,
            wall_clock=lambda: self.now_s,
        )

    async def accept(self, *recipients: RecipientRecord, size: int = 100) -> MessageRecord:
        queue_id = self.store.next_id()
        writer = self.spool.begin(queue_id)
        writer.write(b"x" * size)
        await writer.commit()
        message = a_record(queue_id, *recipients, size=size)
        await self.store.accept(message)
        return message

    async def recipients(self, message: MessageRecord) -> tuple[RecipientRecord, ...]:
        stored = await self.store.get(message.queue_id)
        assert stored is not None
        return stored.recipients

    async def states(self, message: MessageRecord) -> list[RecipientState]:
        return [recipient.state for recipient in await self.recipients(message)]

    def mailbox(self, account: str) -> list[str]:
        """The queue ids in a mailbox, each as often as it is there."""
        return sorted(path.name.split(".")[1] for path in (self.root / "mail" / account).rglob("*,S=*"))


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    spool, boxes = Spool(tmp_path / "spool", 0), Maildirs(tmp_path / "mail")
    spool.prepare()
    boxes.prepare()
    rigged: Rig | None = None
    store = await Store.open(tmp_path / "queue.db", wall_clock=lambda: rigged.now_s if rigged else NOW)
    rigged = Rig(store, spool, boxes, tmp_path)
    yield rigged
    await store.close()
    spool.close()
    boxes.close()


DELIVERED, WAITING, BOUNCED, HELD = (
    RecipientState.DELIVERED,
    RecipientState.WAITING,
    RecipientState.BOUNCED,
    RecipientState.HELD,
)


async def test_into_each_mailbox_once_and_the_rest_waits(rig: Rig, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "dialpost.mail")
    message = await rig.accept(
        to_mailbox("anna"), to_mailbox("anna", address="a@x.example"), to_world(), to_mailbox("ben")
    )
    assert await rig.flow.deliver_due() == 1
    assert (rig.mailbox("anna"), rig.mailbox("ben")) == ([message.queue_id], [message.queue_id])
    assert await rig.states(message) == [DELIVERED, DELIVERED, WAITING, DELIVERED]
    assert (await rig.recipients(message))[0].last_try_s == NOW
    assert f"{message.queue_id}: delivered to=<ben@clinic.example> account=ben" in caplog.messages
    assert await rig.flow.deliver_due() == 0
    assert rig.told == []


async def test_success_is_reported_where_it_was_asked_for(rig: Rig) -> None:
    await rig.accept(to_mailbox("anna", notify=frozenset({Notify.SUCCESS})), to_mailbox("ben"))
    await rig.flow.deliver_due()
    assert rig.told == [("delivered", "anna@clinic.example", "250 2.0.0 Delivered")]


async def test_a_full_mailbox_puts_off_and_gets_it_once_there_is_room(rig: Rig) -> None:
    messages = [await rig.accept(to_mailbox("ben")) for _ in range(3)]
    await rig.flow.deliver_due()
    assert [await rig.states(message) for message in messages] == [[DELIVERED], [DELIVERED], [WAITING]]
    (deferred,) = await rig.recipients(messages[2])
    assert (deferred.attempts, deferred.next_try_s) == (1, NOW + RETRY_S)
    assert deferred.last_reply == "452 4.2.2 The mailbox ben is full"
    assert deferred.last_by == "station.example"
    assert await rig.flow.deliver_due() == 0
    next((rig.root / "mail/ben/new").iterdir()).unlink()
    rig.now_s += RETRY_S
    assert await rig.flow.deliver_due() == 1
    assert await rig.states(messages[2]) == [DELIVERED]


async def test_the_default_quota_is_for_accounts_without_one(rig: Rig) -> None:
    flow = rig.make(default_quota_bytes=50)
    message = await rig.accept(to_mailbox("anna"), to_mailbox("cy"))
    await flow.deliver_due()
    assert await rig.states(message) == [BOUNCED, DELIVERED]


async def test_what_can_never_fit_goes_back(rig: Rig) -> None:
    message = await rig.accept(to_mailbox("ben"), size=251)
    await rig.flow.deliver_due()
    assert await rig.states(message) == [BOUNCED]
    assert rig.told == [
        ("refused", "ben@clinic.example", "552 5.2.2 The message is larger than the limit of the mailbox ben")
    ]


async def test_an_account_that_is_gone_bounces(rig: Rig) -> None:
    message = await rig.accept(to_mailbox("gone"), to_mailbox("anna"))
    await rig.flow.deliver_due()
    assert await rig.states(message) == [BOUNCED, DELIVERED]
    assert rig.told == [("refused", "gone@clinic.example", "550 5.1.1 The mailbox gone no longer exists")]
    assert not rig.boxes.exists("gone")


async def test_an_account_the_card_may_have_lost_bounces_nothing(rig: Rig) -> None:
    rig.accounts.is_restored = True
    message = await rig.accept(to_mailbox("gone"), to_mailbox("anna"))
    await rig.flow.deliver_due()
    assert await rig.states(message) == [WAITING, DELIVERED]
    assert rig.told == []


async def test_the_postmasters_mailbox_needs_no_account(rig: Rig) -> None:
    rig.accounts.directory = Directory({}, {}, ("clinic.example",))
    message = await rig.accept(to_mailbox("postmaster"))
    await rig.flow.deliver_due()
    assert await rig.states(message) == [DELIVERED]


async def test_a_bounce_that_cannot_be_stored_leaves_the_recipient_waiting(rig: Rig) -> None:
    async def full(*_: object) -> None:
        raise StorageFullError("The card is full.")

    rig.flow._on_refused = full
    message = await rig.accept(to_mailbox("gone"))
    await rig.flow.deliver_due()
    (recipient,) = await rig.recipients(message)
    assert (recipient.state, recipient.attempts, recipient.next_try_s) == (WAITING, 0, NOW + STORAGE_RETRY_S)


async def test_a_full_card_uses_up_no_attempt(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    async def full(account: str, deliveries: Sequence[object], **_: object) -> list[StorageFullError]:
        return [StorageFullError("full")] * len(deliveries)

    message = await rig.accept(to_mailbox("anna"))
    with monkeypatch.context() as patch:
        patch.setattr(rig.boxes, "deliver_many", full)
        await rig.flow.deliver_due()
    (recipient,) = await rig.recipients(message)
    assert (recipient.state, recipient.attempts, recipient.last_reply) == (
        WAITING,
        0,
        "452 4.3.1 The station's card is full",
    )
    rig.now_s += STORAGE_RETRY_S
    await rig.flow.deliver_due()
    assert await rig.states(message) == [DELIVERED]


@pytest.mark.parametrize("left", [None, b"short"], ids=["missing", "short"])
async def test_a_lost_body_is_held_for_an_operator_and_nobody_is_told_a_lie(
    rig: Rig, left: bytes | None, caplog: pytest.LogCaptureFixture
) -> None:
    message = await rig.accept(to_mailbox("anna"))
    rig.spool.path(message.queue_id).unlink()
    if left is not None:
        rig.spool.path(message.queue_id).write_bytes(left)
    await rig.flow.deliver_due()
    (recipient,) = await rig.recipients(message)
    assert (recipient.state, recipient.last_by) == (HELD, "this station")
    assert message.queue_id in recipient.last_reply
    assert (rig.told, rig.mailbox("anna")) == ([], [])
    assert [record.levelname for record in caplog.records] == ["ERROR"]


async def test_an_outcome_that_cannot_be_written_is_written_first_next_time(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def full(*_: object) -> None:
        raise StorageFullError("The card is full.")

    message = await rig.accept(to_mailbox("anna"), to_mailbox("gone"))
    with monkeypatch.context() as patch:
        patch.setattr(rig.store, "update_many", full)
        for _ in range(3):
            with pytest.raises(StorageFullError):
                await rig.flow.deliver_due()
    assert await rig.states(message) == [WAITING, WAITING]
    next((rig.root / "mail/anna/new").iterdir()).unlink()  # read and deleted meanwhile: must not return
    await rig.flow.deliver_due()
    assert await rig.states(message) == [DELIVERED, BOUNCED]
    assert rig.mailbox("anna") == []
    assert len(rig.told) == 1


async def test_after_a_crash_it_is_found_where_its_reader_moved_it(rig: Rig) -> None:
    message = await rig.accept(to_mailbox("anna"))
    await rig.boxes.deliver("anna", rig.spool.path(message.queue_id), message.queue_id, message.received_s)
    (there,) = (rig.root / "mail/anna/new").iterdir()
    there.rename(rig.root / "mail/anna/cur" / f"{there.name}:2,S")
    rig.store.first_new_id = QueueId("D0009999")  # as if accepted before this start
    await rig.flow.deliver_due()
    assert (rig.mailbox("anna"), await rig.states(message)) == ([message.queue_id], [DELIVERED])


async def test_it_wakes_delivers_and_rests(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    finished = asyncio.Event()
    rig.flow._on_finished = finished.set
    task = asyncio.create_task(rig.flow.run())
    for _ in range(3):
        message = await rig.accept(to_mailbox("anna"))
        rig.flow.wake()
        await asyncio.wait_for(finished.wait(), 60)
        finished.clear()
        assert await rig.states(message) == [DELIVERED]
    task.cancel()


async def test_a_fault_does_not_end_it(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local_delivery, "TROUBLE_PAUSE_S", 0.0)
    finished = asyncio.Event()
    rig.flow._on_finished = finished.set
    real, failures = rig.store.local_batch, [ValueError("a bug"), StorageFullError("full")]

    async def failing(limit: int) -> list[MessageRecord]:
        if failures:
            raise failures.pop()
        return await real(limit)

    monkeypatch.setattr(rig.store, "local_batch", failing)
    message = await rig.accept(to_mailbox("anna"))
    task = asyncio.create_task(rig.flow.run())
    await asyncio.wait_for(finished.wait(), 60)
    assert await rig.states(message) == [DELIVERED]
    task.cancel()


def asked(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Grows with each question to the queue."""
    real, times = rig.store.local_batch, list[int]()

    async def counting(limit: int) -> list[MessageRecord]:
        times.append(limit)
        return await real(limit)

    monkeypatch.setattr(rig.store, "local_batch", counting)
    return times


async def test_a_new_message_is_delivered_without_a_question(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    assert await rig.flow.deliver_due() == 0
    questions = asked(rig, monkeypatch)
    message = await rig.accept(to_mailbox("anna"), to_world(), to_mailbox("ben", state=HELD))
    rig.flow.accepted(message)
    assert await rig.flow.deliver_due() == 1
    assert await rig.states(message) == [DELIVERED, WAITING, HELD]
    assert (rig.mailbox("anna"), rig.mailbox("ben"), questions) == ([message.queue_id], [], [])
    assert await rig.flow.deliver_due() == 0
    assert len(questions) == 1


async def test_a_message_that_the_queue_named_first_is_delivered_once(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, late = rig.store.local_batch, list[MessageRecord]()

    async def meanwhile(limit: int) -> list[MessageRecord]:
        early = await rig.accept(to_mailbox("anna"))
        late.append(await rig.accept(to_mailbox("anna")))
        found = await real(limit)
        rig.flow.accepted(early)
        return found

    monkeypatch.setattr(rig.store, "local_batch", meanwhile)
    assert await rig.flow.deliver_due() == 2
    monkeypatch.undo()
    rig.flow.accepted(late[0])
    assert await rig.flow.deliver_due() == 0
    assert len(rig.mailbox("anna")) == 2


async def test_more_than_a_batch_of_new_messages_is_asked_for(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """Until it is their turn, an operator may have held some."""
    monkeypatch.setattr(local_delivery, "BATCH", 2)
    assert await rig.flow.deliver_due() == 0
    messages = [await rig.accept(to_mailbox("anna")) for _ in range(4)]
    for message in messages:
        rig.flow.accepted(message)
    assert len(rig.flow._new) == 3, "the rest is in the queue"
    await rig.store.set_state(messages[3].queue_id, {WAITING}, HELD)
    assert [await rig.flow.deliver_due() for _ in range(3)] == [2, 1, 0]
    assert rig.mailbox("anna") == [message.queue_id for message in messages[:3]]


async def test_after_a_full_batch_the_queue_is_asked_again(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local_delivery, "BATCH", 2)
    for _ in range(3):
        await rig.accept(to_mailbox("anna"))
    assert await rig.flow.deliver_due() == 2
    rig.flow.accepted(await rig.accept(to_mailbox("anna")))
    assert [await rig.flow.deliver_due() for _ in range(2)] == [2, 0]


async def test_the_queue_is_asked_now_and_then_whatever_comes_in(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    assert await rig.flow.deliver_due() == 0
    due = await rig.accept(to_mailbox("anna"))  # nobody says so: as a deferred one whose time has come
    monkeypatch.setattr(local_delivery, "STORAGE_RETRY_S", 0)
    rig.flow.accepted(await rig.accept(to_mailbox("ben")))
    assert await rig.flow.deliver_due() == 2
    assert await rig.states(due) == [DELIVERED]


async def test_new_messages_are_not_forgotten_after_a_fault(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local_delivery, "TROUBLE_PAUSE_S", 0.0)
    finished = asyncio.Event()
    rig.flow._on_finished = finished.set
    real, failures = rig.boxes.deliver_many, [ValueError("a bug")]

    async def failing(*arguments: Any, **options: Any) -> Any:
        if failures:
            messages.append(await rig.accept(to_mailbox("anna")))
            rig.flow.accepted(messages[1])
            raise failures.pop()
        return await real(*arguments, **options)

    assert await rig.flow.deliver_due() == 0
    monkeypatch.setattr(rig.boxes, "deliver_many", failing)
    messages = [await rig.accept(to_mailbox("anna"))]
    rig.flow.accepted(messages[0])
    task = asyncio.create_task(rig.flow.run())
    await asyncio.wait_for(finished.wait(), 60)
    assert [await rig.states(message) for message in messages] == [[DELIVERED], [DELIVERED]]
    task.cancel()


async def test_a_message_deleted_while_it_was_delivered_is_on_record_as_delivered(rig: Rig) -> None:
    message = await rig.accept(to_mailbox("anna"))
    (stale,) = await rig.store.local_batch(1)
    await rig.store.set_state(message.queue_id, {WAITING}, RecipientState.DELETED)
    delivered = replace(stale.recipients[0], state=DELIVERED)
    await rig.store.update_recipients(message.queue_id, [delivered])
    assert await rig.states(message) == [DELIVERED]
