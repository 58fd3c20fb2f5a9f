"""Delay notices and giving up, over the real queue."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from dialpost.core.config.model import OutboundConfig
from dialpost.core.errors import StorageFullError
from dialpost.core.mail.dsn import ReportedRecipient
from dialpost.core.mail.envelope import Notify, QueueId
from dialpost.core.mail.queue.records import MessageRecord, RecipientRecord
from dialpost.edge.mail.store import Store
from dialpost.flow.mail.queue.expiry import Expiry
from fakes import a_record, to_mailbox, to_world

NOW = 1_820_000_000
HOUR = 3600
OLD, OLDER = NOW - 25 * HOUR, NOW - 130 * HOUR


class Rig:
    """The real store, and the notices to senders: kind, sender, address and answer."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.told: list[tuple[str, str, list[tuple[str, str]]]] = []
        self.trusted, self.full = True, False
        self.finished = 0
        self.in_flight: set[QueueId] = set()
        self.expiry = Expiry(
            OutboundConfig(),
            "mail.clinic.example",
            store,
            self,
            clock_trusted=lambda: self.trusted,
            on_finished=self._on_finished,
            is_in_flight=lambda one: one in self.in_flight,
            wall_clock=lambda: NOW,
        )

    def _on_finished(self) -> None:
        self.finished += 1

    async def failed(self, message: MessageRecord, recipients: Sequence[ReportedRecipient]) -> None:
        self._tell("failed", message, recipients)

    async def delayed(self, message: MessageRecord, recipients: Sequence[ReportedRecipient], until_s: int) -> None:
        assert until_s == max(message.received_s + 120 * HOUR, NOW)
        self._tell("delayed", message, recipients)

    def _tell(self, kind: str, message: MessageRecord, recipients: Sequence[ReportedRecipient]) -> None:
        if self.full:
            raise StorageFullError("The card is full.")
        answers = [(one.record.address, "" if one.reply is None else str(one.reply)) for one in recipients]
        self.told.append((kind, message.sender, answers))

    async def accept(self, received_s: int, *recipients: RecipientRecord, **changes: Any) -> QueueId:
        queue_id = self.store.next_id()
        await self.store.accept(a_record(queue_id, *recipients, received_s=received_s, **changes))
        return queue_id

    async def states(self, queue_id: QueueId) -> list[tuple[str, bool]]:
        message = await self.store.get(queue_id)
        assert message is not None
        return [(one.state.value, one.delay_notified) for one in message.recipients]


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    store = await Store.open(tmp_path / "queue.db", wall_clock=lambda: NOW)
    yield Rig(store)
    await store.close()


def tried(address: str = "bob@far.example", **changes: Any) -> RecipientRecord:
    return to_world(address, **({"attempts": 5, "last_reply": "450 4.2.1 busy", "last_by": "mx.far"} | changes))


async def test_what_waited_and_was_tried_enough_is_given_up_with_the_last_answer(rig: Rig) -> None:
    queue_id = await rig.accept(
        OLDER,
        tried("a@far"),
        tried("b@far", attempts=4, delay_notified=True),
        tried("c@far", last_reply="odd words"),
    )
    assert await rig.expiry.look() == (2, 0)
    assert rig.told == [("failed", "eve@world.example", [("a@far", "450 4.2.1 busy"), ("c@far", "451 odd words")])]
    assert await rig.states(queue_id) == [("bounced", False), ("waiting", True), ("bounced", False)]
    assert rig.finished == 1


async def test_what_was_never_tried_is_not_given_up_but_its_sender_is_told(rig: Rig) -> None:
    queue_id = await rig.accept(NOW - 5000 * HOUR, to_world("a@far"))
    assert await rig.expiry.look() == (0, 1)
    assert await rig.expiry.look() == (0, 0)
    assert rig.told == [("delayed", "eve@world.example", [("a@far", "")])]
    assert await rig.states(queue_id) == [("waiting", True)]


async def test_mail_for_a_full_mailbox_is_looked_after_too(rig: Rig) -> None:
    queue_id = await rig.accept(OLDER, to_mailbox(attempts=5, last_reply="452 4.2.2 full", last_by="station"))
    await rig.expiry.look()
    assert await rig.states(queue_id) == [("bounced", False)]


async def test_who_wants_no_delay_notice_gets_none_and_is_not_looked_at_again(rig: Rig) -> None:
    queue_id = await rig.accept(
        OLD,
        to_world("a@far", notify=frozenset({Notify.FAILURE})),
        to_world("b@far", notify=frozenset({Notify.DELAY})),
    )
    assert await rig.expiry.look() == (0, 1)
    assert rig.told == [("delayed", "eve@world.example", [("b@far", "")])]
    assert await rig.states(queue_id) == [("waiting", True), ("waiting", True)]


async def test_an_untrusted_clock_decides_nothing(rig: Rig) -> None:
    rig.trusted = False
    await rig.accept(OLDER, tried())
    assert await rig.expiry.look() == (0, 0)
    assert rig.told == []


async def test_what_is_just_being_sent_is_not_given_up(rig: Rig) -> None:
    queue_id = await rig.accept(OLDER, tried(delay_notified=True))
    rig.in_flight.add(queue_id)
    assert await rig.expiry.look() == (0, 0)
    rig.in_flight.clear()
    assert await rig.expiry.look() == (1, 0)


async def test_a_full_card_marks_nobody_who_was_not_told(rig: Rig) -> None:
    failing = await rig.accept(OLDER, tried())
    rig.full = True
    with pytest.raises(StorageFullError):
        await rig.expiry.look()
    assert await rig.states(failing) == [("waiting", False)]
    rig.full = False
    assert await rig.expiry.look() == (1, 0)


async def test_every_page_is_looked_at(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dialpost.flow.mail.queue.expiry._BATCH", 3)
    for _ in range(10):
        await rig.accept(OLD)
    assert await rig.expiry.look() == (0, 10)
