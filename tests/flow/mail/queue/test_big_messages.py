"""Big messages over time: held when they come, let go when the window opens, told once; on a real store."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Never

import pytest

from dialpost.core.config.model import BudgetConfig
from dialpost.core.errors import StorageFullError
from dialpost.core.mail.accounts import Account, Directory
from dialpost.core.mail.envelope import Notify
from dialpost.core.mail.queue.records import MessageRecord, Origin, RecipientRecord, RecipientState, SizeHold
from dialpost.edge.mail.spool import Spool
from dialpost.edge.mail.store import Store
from dialpost.flow.mail.bounces import Bouncer
from dialpost.flow.mail.queue.big_messages import BigMessages
from dialpost.flow.mail.queue.control import QueueControl
from fakes import FakeClock, a_record, listed, to_mailbox, to_world

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC).timestamp()
NIGHT = BudgetConfig(big_message_bytes=5000, big_windows=("22:00-06:00",))
HEADER = b"From: anna@clinic.example\nSubject: x-rays\n\n"


@dataclass
class Accounts:
    directory: Directory = field(
        default_factory=lambda: Directory({"anna": Account("anna")}, {}, ("clinic.example",), postmaster="anna")
    )


class Rig:
    def __init__(self, store: Store, spool: Spool, config: BudgetConfig) -> None:
        self.store, self.spool, self.now_s, self.trusted = store, spool, NOON, True
        self.notices: list[MessageRecord] = []
        self.woken = self.held = 0
        self.bouncer = Bouncer(
            "mail.clinic.example",
            spool,
            store,
            Accounts(),
            on_accepted=self.notices.append,
            wall_clock=lambda: self.now_s,
        )
        self.use(config)

    def use(self, config: BudgetConfig) -> None:
        self.big = BigMessages(
            config,
            "mail.clinic.example",
            self.store,
            self.spool,
            self.bouncer,
            zone=UTC,
            clock_trusted=lambda: self.trusted,
            wall_clock=lambda: self.now_s,
            on_work=self._work,
            on_held=self._hold,
        )

    def _work(self) -> None:
        self.woken += 1

    def _hold(self) -> None:
        self.held += 1

    async def come(
        self, *recipients: RecipientRecord, header: bytes = HEADER, size: int = 9000, **changes: Any
    ) -> MessageRecord:
        queue_id = self.store.next_id()
        writer = self.spool.begin(queue_id)
        writer.write(header + b"x\n" * 50)
        await writer.commit()
        values = {
            "sender": "anna@clinic.example",
            "origin": Origin.SUBMITTED,
            "wire_size": size,
            "local_prefix": 0,
            "size": len(header) + 100,
            "subject": "x-rays",
        }
        message = self.big.as_held(a_record(queue_id, *recipients, **(values | changes)))
        await self.store.accept(message)
        self.big.accepted(message)
        return message

    async def on_the_line(self) -> list[str]:
        return [m.queue_id for m in await self.store.remote_batch(None, int(self.now_s), 100, frozenset())]

    def told(self) -> list[tuple[str, bytes]]:
        return [
            (message.recipients[0].address, self.spool.path(message.queue_id).read_bytes())
            for message in self.notices
        ]


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    spool = Spool(tmp_path / "spool", 0)
    spool.prepare()
    store = await Store.open(tmp_path / "queue.db", wall_clock=lambda: NOON)
    yield Rig(store, spool, NIGHT)
    await store.close()
    spool.close()


async def test_sender_and_recipient_are_told_once_and_the_night_lets_it_go(rig: Rig) -> None:
    small, big = await rig.come(size=5000), await rig.come(to_world(), to_mailbox())
    assert await rig.on_the_line() == [small.queue_id]
    await rig.big.look()
    (to_sender, report), (to_recipient, note) = rig.told()
    assert (to_sender, to_recipient) == ("anna@clinic.example", "bob@far.example")
    words = b" ".join(report.split())
    assert b"Your message has not been sent yet. It is big (9.0 kB), and the line is expensive" in words
    assert f"dialpost queue release {big.queue_id}".encode() in words
    assert b"Action: delayed" in report
    assert b"Status: 4.3.4" in report
    assert b"had a line to the world" not in report
    assert b"It is sent between 22:00 and 06:00" in note
    assert rig.notices[1].sender == ""
    assert await rig.on_the_line() == [rig.notices[1].queue_id, small.queue_id], "the note goes in the next call"
    rig.now_s = NOON + 10 * 3600
    await rig.big.look()
    assert big.queue_id in await rig.on_the_line()
    assert (rig.woken, rig.held) == (1, 0), "it came in as held"
    rig.now_s = NOON + 20 * 3600
    await rig.big.look()
    assert big.queue_id not in await rig.on_the_line()
    assert (rig.woken, rig.held) == (1, 1), "who has it in hand learns that it must wait again"
    assert len(rig.notices) == 2


async def test_the_task_wakes_for_new_mail_and_for_the_window(rig: Rig) -> None:
    task = asyncio.create_task(rig.big.run())
    try:
        big = await rig.come()
        async with asyncio.timeout(60):
            while len(rig.notices) < 2:
                await asyncio.sleep(0.01)
            rig.now_s = datetime(2026, 11, 24, 21, 59, 59, 900_000, tzinfo=UTC).timestamp()
            await rig.come()  # it looks at the clock and sleeps until the window opens: 0.1 s, and a little
            while len(rig.notices) < 4:
                await asyncio.sleep(0.01)
            assert await rig.on_the_line() == [one.queue_id for one in (rig.notices[1], rig.notices[3])]
            rig.now_s += 1.0
            while big.queue_id not in await rig.on_the_line():
                await asyncio.sleep(0.01)
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_a_window_that_opens_during_a_look_is_seen_by_the_next(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    big = await rig.come()
    rig.now_s = datetime(2026, 11, 24, 21, 59, 59, 900_000, tzinfo=UTC).timestamp()
    look = rig.big.look

    async def slow_look() -> None:
        await look()
        rig.now_s += 1.0

    monkeypatch.setattr(rig.big, "look", slow_look)
    task = asyncio.create_task(rig.big.run())
    try:
        async with asyncio.timeout(60):
            while big.queue_id not in await rig.on_the_line():
                await asyncio.sleep(0.01)
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_a_released_message_goes_at_once_and_stays_released(rig: Rig) -> None:
    big = await rig.come()
    await rig.big.look()
    control = QueueControl(rig.store, rig.spool, FakeClock(), size_hold=rig.big.words, on_work=rig._work)
    [view] = [view for view in await listed(control.listing()) if view.queue_id == big.queue_id]
    said = "eld: larger than 5.0 kB; goes between 22:00 and 06:00, or release it with `dialpost queue release "
    assert view.recipients[0].held_because == f"h{said}{big.queue_id}`"
    assert view.sentences[-1].endswith(f"H{said}{big.queue_id}`")
    assert (await control.release(big.queue_id)).words.endswith("released.")
    assert rig.woken == 1
    await rig.big.look()
    assert big.queue_id in await rig.on_the_line()
    [view] = [view for view in await listed(control.listing()) if view.queue_id == big.queue_id]
    assert view.recipients[0].held_because == ""


async def test_without_a_trusted_clock_it_waits(rig: Rig) -> None:
    rig.now_s = NOON + 10 * 3600
    rig.trusted = False
    big = await rig.come()
    await rig.big.look()
    assert big.queue_id not in await rig.on_the_line()
    rig.trusted = True
    await rig.big.look()
    assert big.queue_id in await rig.on_the_line()


async def test_a_limit_that_is_gone_lets_everything_go_and_a_new_one_holds_what_waits(rig: Rig) -> None:
    big = await rig.come()
    rig.use(BudgetConfig())
    await rig.big.look()
    assert await rig.on_the_line() == [big.queue_id]
    rig.use(NIGHT)
    await rig.big.look()
    stored = await rig.store.get(big.queue_id)
    assert stored is not None
    assert [(one.state, one.size_hold) for one in stored.recipients] == [(RecipientState.HELD, SizeHold.TOLD)]


@pytest.mark.parametrize(
    ("changes", "readers"),
    [
        ({"sender": ""}, []),
        ({"origin": Origin.OUTSIDE}, []),
        ({"header": b"From: a@b\nList-Id: <x>\n\n"}, []),
        ({"header": b"To: x" + b",\n x" * 100_000 + b"\nList-Id: <x>\n\n"}, []),
        ({"header": b"From: a@b\nAuto-Submitted: auto-replied\n\n"}, []),
    ],
)
async def test_who_is_never_told(rig: Rig, changes: dict[str, Any], readers: list[str]) -> None:
    await rig.come(**changes)
    await rig.big.look()
    assert rig.told() == readers
    assert await rig.store.untold_holds(10) == []


async def test_recipients_are_not_told_where_that_is_not_wanted(rig: Rig) -> None:
    rig.use(BudgetConfig(big_message_bytes=5000, big_message_notice=False))
    await rig.come()
    await rig.big.look()
    [(reader, report)] = rig.told()
    assert reader == "anna@clinic.example"
    assert b"when the operator releases it" in b" ".join(report.split())


async def test_many_recipients_get_no_note(rig: Rig) -> None:
    await rig.come(*[to_world(f"r{number}@far.example") for number in range(21)])
    await rig.big.look()
    assert [reader for reader, _ in rig.told()] == ["anna@clinic.example"]


async def test_a_sender_who_wants_no_notices_of_delay_gets_none(rig: Rig) -> None:
    await rig.come(to_world(notify=frozenset({Notify.FAILURE})))
    await rig.big.look()
    assert [reader for reader, _ in rig.told()] == ["bob@far.example"]


async def test_a_full_card_tells_later(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    await rig.come()

    def full(queue_id: str) -> Never:
        raise StorageFullError("no room")

    with monkeypatch.context() as patch:
        patch.setattr(rig.spool, "begin", full)
        with pytest.raises(StorageFullError):
            await rig.big.look()
    assert rig.told() == []
    await rig.big.look()
    assert len(rig.told()) == 2


async def test_a_note_that_is_big_itself_is_held_in_silence(rig: Rig) -> None:
    rig.use(BudgetConfig(big_message_bytes=100))
    await rig.come()
    for _ in range(3):
        await rig.big.look()
    assert len(rig.told()) == 2
