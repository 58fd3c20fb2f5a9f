"""A line that drops every 60 kB and a message of 80 kB: held, tried more rarely, reported once, never lost.

Real store, spool and notices around the flush; the line is played by the test, a call at a time.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from math import inf
from pathlib import Path

import pytest

from dialpost.core.config.model import Config, OutboundConfig, StationConfig
from dialpost.core.errors import StorageError
from dialpost.core.mail.accounts import Account, Directory
from dialpost.core.mail.envelope import Notify, QueueId
from dialpost.core.mail.mx import AddressAnswer, MxAnswer, NoRecords
from dialpost.core.mail.outcomes import Deferred, Delivered, Outcome
from dialpost.core.mail.queue.hope import Hope
from dialpost.core.mail.queue.records import MessageRecord, Origin, RecipientState
from dialpost.core.mail.reply import Reply
from dialpost.core.mail.smtp_target import ConnectSettings, HostTarget, OutgoingMessage, SessionEnd, SessionFate
from dialpost.edge.mail.spool import Spool
from dialpost.edge.mail.store import Store
from dialpost.flow.mail.bounces import Bouncer
from dialpost.flow.mail.outgoing.flush import Flush
from dialpost.flow.mail.queue.control import QueueControl
from dialpost.flow.mail.queue.cut_messages import CutMessages
from dialpost.flow.mail.queue.expiry import Expiry
from fakes import FakeClock, a_record, run_virtual, to_world

NOW, HOUR_S = 1_820_000_000.0, 3600
BIG, DROPS_AFTER = 80_000, 60_000
TEXT = b"Subject: x\n\nx\n"
CONFIG = Config(
    station=StationConfig(hostname="mail.clinic.example", domains=("clinic.example",)),
    outbound=OutboundConfig(smarthost="smart.example"),
)


@dataclass
class Accounts:
    directory: Directory = field(
        default_factory=lambda: Directory({"anna": Account("anna")}, {}, ("clinic.example",), postmaster="anna")
    )


class Line:
    """Plays edge/mail/smtp_client: one connection a call, lost after `carries` bytes; 0 = never."""

    patience_ends_s = inf

    def __init__(self) -> None:
        self.carries = DROPS_AFTER
        self.offered: list[str] = []

    def break_off(self, why: str) -> None:
        """Nothing to break."""

    def stop_waiting(self, why: str) -> None:
        """Nothing waits."""

    async def send(
        self,
        target: HostTarget,
        settings: ConnectSettings,
        next_message: Callable[[], Awaitable[OutgoingMessage | None]],
        on_outcome: Callable[[OutgoingMessage, tuple[Outcome, ...]], Awaitable[None]],
    ) -> SessionEnd:
        sent = messages = 0
        while (message := await next_message()) is not None:
            self.offered.append(message.queue_id)
            if self.carries and sent + message.wire_size > self.carries:
                lost = Reply(451, ("connection lost",), "4.4.2")
                await on_outcome(message, (Deferred(lost, target.host, carried_bytes=self.carries - sent),))
                return SessionEnd(SessionFate.LOST, "lost", True, True, messages, self.carries, reply=lost)
            sent += message.wire_size
            messages += 1
            await on_outcome(message, (Delivered(Reply(250, ("queued",)), target.host),))
        return SessionEnd(SessionFate.DONE, "done", True, True, messages, sent)


class Names:
    async def mx(self, domain: str) -> MxAnswer:
        return NoRecords(domain)

    async def addresses(self, host: str) -> AddressAnswer:
        return ("192.0.2.1",)


class Rig:
    def __init__(self, store: Store, spool: Spool) -> None:
        self.store, self.spool, self.now_s, self.trusted = store, spool, NOW, True
        self.notices: list[MessageRecord] = []
        self.woken = 0
        self.bouncer = Bouncer(
            "mail.clinic.example",
            spool,
            store,
            Accounts(),
            on_accepted=self.notices.append,
            wall_clock=self.wall_s,
        )
        self.line = Line()
        self.start()

    def wall_s(self) -> float:
        return self.now_s

    def is_trusted(self) -> bool:
        return self.trusted

    def start(self) -> None:
        """As after a restart: nothing but the card remembers."""
        self.cuts = CutMessages(self.store, self.bouncer, self, on_work=self._work)
        self.flush = Flush(
            CONFIG,
            self.store,
            self.line,
            Names(),
            self.spool,
            self.bouncer,
            is_dialled=True,
            wall_clock=self.wall_s,
            cuts=self.cuts,
        )

    def _work(self) -> None:
        self.woken += 1

    async def call(self) -> list[str]:
        """One call; the messages it tried, in their order."""
        self.line.offered.clear()
        self.flush.begin_call()
        await self.flush.run()
        return list(self.line.offered)

    async def accept(self, size: int, *, notify: frozenset[Notify] | None = None) -> QueueId:
        queue_id = self.store.next_id()
        writer = self.spool.begin(queue_id)
        writer.write(TEXT)
        await writer.commit()
        await self.store.accept(
            a_record(
                queue_id,
                to_world(notify=notify),
                sender="anna@clinic.example",
                size=len(TEXT),
                wire_size=size,
                origin=Origin.SUBMITTED,
            )
        )
        return queue_id

    async def state(self, queue_id: QueueId) -> RecipientState:
        message = await self.store.get(queue_id)
        assert message is not None
        return message.recipients[0].state

    async def kept(self) -> str:
        return await self.store.recall("mail.cuts") or ""


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    spool = Spool(tmp_path / "spool", 0)
    spool.prepare()
    store = await Store.open(tmp_path / "queue.db", wall_clock=lambda: NOW)
    yield Rig(store, spool)
    await store.close()
    spool.close()


async def test_on_a_line_that_never_carries_it_other_mail_passes_and_it_is_tried_ever_more_rarely(rig: Rig) -> None:
    big = await rig.accept(BIG)
    tried = []
    for number in range(1, 31):
        small = await rig.accept(2000)
        calls = await rig.call()
        assert calls[0] == small and await rig.state(small) is RecipientState.RELAYED
        tried += [number] if big in calls else []
        rig.start()  # what is known of it is on the card
    assert tried == [1, 2, 4, 8, 16, 24]
    assert await rig.state(big) is RecipientState.HELD, "it is neither lost nor given up"
    assert len(rig.notices) == 1, "one notice to its sender"
    text = rig.spool.path(rig.notices[0].queue_id).read_text()
    assert "58 kB of 80 kB" in " ".join(text.split()) and "several parts" in " ".join(text.split())


async def test_it_goes_in_the_call_after_one_that_sent_as_much(rig: Rig) -> None:
    big = await rig.accept(BIG)
    await rig.call()
    await rig.call()
    assert await rig.state(big) is RecipientState.HELD
    rig.line.carries = 0
    for _ in range(50):
        await rig.accept(2000)
    assert big not in await rig.call()
    assert await rig.call() == [big]
    assert await rig.state(big) is RecipientState.RELAYED
    await rig.call()
    assert await rig.kept() == "{}"


async def test_a_held_message_is_no_reason_to_try_again_in_this_call(rig: Rig) -> None:
    await rig.accept(BIG)
    await rig.call()
    assert rig.flush.result.hope is Hope.LATER
    rig.flush.retry()
    await rig.flush.run()
    assert (rig.flush.result.hope, rig.flush.result.deferred) == (Hope.NONE, 1)


async def test_hours_release_it_as_well_and_start_a_call(rig: Rig) -> None:
    big = await rig.accept(BIG)
    await rig.call()
    await rig.call()
    rig.now_s += 2 * HOUR_S - 1
    await rig.cuts.look()
    assert (await rig.state(big), rig.woken) == (RecipientState.HELD, 0)
    rig.now_s += 1
    rig.trusted = False
    await rig.cuts.look()
    assert await rig.state(big) is RecipientState.HELD, "a clock that is not set proves nothing"
    rig.trusted = True
    await rig.cuts.look()
    assert (await rig.state(big), rig.woken) == (RecipientState.WAITING, 1)


async def test_the_operator_sees_why_and_can_release_it(rig: Rig) -> None:
    big = await rig.accept(BIG)
    await rig.call()
    await rig.call()
    control = QueueControl(rig.store, rig.spool, FakeClock())
    (recipient,) = (await control.show(big)).recipients
    assert recipient.words.startswith(
        "Held by the station: the connection broke 2 times before it was acknowledged"
    )
    assert f"dialpost queue release {big}" in recipient.words
    await control.release(big)
    assert big in await rig.call(), "at once"
    assert await rig.state(big) is RecipientState.HELD
    assert len(rig.notices) == 1


async def test_cuts_that_prove_nothing_hold_nothing(rig: Rig) -> None:
    small = await rig.accept(12_000)
    rig.line.carries = 10_000
    for _ in range(5):
        assert small in await rig.call()
    assert (await rig.kept(), rig.notices) == ("", [])


async def test_a_sender_who_wants_no_notice_gets_none(rig: Rig) -> None:
    big = await rig.accept(BIG, notify=frozenset({Notify.NEVER}))
    await rig.call()
    await rig.call()
    assert (await rig.state(big), rig.notices) == (RecipientState.HELD, [])


async def test_a_card_that_takes_no_record_holds_nothing(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    async def full(key: str, value: str) -> None:
        raise StorageError("full")

    big = await rig.accept(BIG)
    monkeypatch.setattr(rig.store, "remember", full)
    for _ in range(4):
        assert big in await rig.call()
    assert await rig.state(big) is RecipientState.WAITING


@pytest.mark.parametrize("damaged", ["", "nonsense", "[]", '{"D0000000": 5}', '{"D0000000": {"size": -1}}'])
async def test_a_damaged_record_is_as_good_as_none(rig: Rig, damaged: str) -> None:
    big = await rig.accept(BIG)
    await rig.call()
    await rig.store.remember("mail.cuts", damaged)
    rig.start()
    for _ in range(2):
        await rig.call()
    assert await rig.state(big) is RecipientState.HELD


@pytest.mark.parametrize("damaged", ["", "nonsense", '{"D0000000": {"size": -1}}'])
async def test_a_hold_whose_record_the_card_lost_ends_at_the_next_start(rig: Rig, damaged: str) -> None:
    big, by_hand = await rig.accept(BIG), await rig.accept(2000)
    await QueueControl(rig.store, rig.spool, FakeClock()).hold(by_hand)
    await rig.call()
    await rig.call()
    assert await rig.state(big) is RecipientState.HELD
    await rig.store.remember("mail.cuts", damaged)
    rig.start()
    await rig.cuts.look()
    assert (await rig.state(big), rig.woken) == (RecipientState.WAITING, 1)
    assert await rig.state(by_hand) is RecipientState.HELD, "the operator holds it"
    await rig.cuts.look()
    assert rig.woken == 1


async def test_what_has_no_room_for_a_record_is_not_held(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """A hold without a record would never end."""
    monkeypatch.setattr("dialpost.flow.mail.queue.cut_messages.MOST_HISTORIES", 1)
    first, second = [await rig.store.get(await rig.accept(BIG)) for _ in range(2)]
    assert first is not None and second is not None
    assert await rig.cuts.cut(second, 60_000) == ""
    assert await rig.cuts.cut(first, 60_000) == "", "the other makes room: it holds nothing"
    assert await rig.cuts.cut(first, 60_000) != ""
    assert [await rig.cuts.cut(second, 60_000) for _ in range(3)] == [""] * 3
    assert list(json.loads(await rig.kept())) == [first.queue_id]


async def test_a_hold_written_late_ends_although_it_counted_as_released(rig: Rig) -> None:
    """The card took the rows only after the station thought that the operator had released the message."""
    big = await rig.accept(BIG)
    await rig.call()
    await rig.call()
    history = json.loads(await rig.kept())
    history[big]["held"] = False
    await rig.store.remember("mail.cuts", json.dumps(history))
    rig.start()
    await rig.cuts.look()
    assert await rig.state(big) is RecipientState.WAITING


async def test_what_the_operator_holds_after_a_cut_stays_held(rig: Rig) -> None:
    big, control = await rig.accept(BIG), QueueControl(rig.store, rig.spool, FakeClock())
    await rig.call()
    await rig.call()
    await control.release(big)
    await control.hold(big)
    (recipient,) = (await control.show(big)).recipients
    assert recipient.words.startswith("Held by the operator until it is released (2 tries so far; last answer")
    assert "from the station: the connection broke 2 times" in recipient.words
    assert "release D" not in recipient.words
    for _ in range(10):
        rig.now_s += 24 * HOUR_S
        await rig.call()
        rig.start()
    assert await rig.state(big) is RecipientState.HELD


async def test_a_bounce_after_a_hold_names_the_cause_and_no_command(rig: Rig) -> None:
    big, days = await rig.accept(BIG), OutboundConfig(give_up_attempts=1, give_up_hours=1)
    await rig.call()
    await rig.call()
    rig.now_s += 2 * HOUR_S
    expiry = Expiry(
        days, "mail.clinic.example", rig.store, rig.bouncer, clock_trusted=lambda: True, wall_clock=rig.wall_s
    )
    assert await expiry.look() == (0, 0), "while it is held it never expires"
    await rig.cuts.look()
    assert await expiry.look() == (1, 0)
    assert await rig.state(big) is RecipientState.BOUNCED
    text = " ".join(rig.spool.path(rig.notices[-1].queue_id).read_text().split())
    assert "the connection broke 2 times before it was acknowledged" in text
    assert "queue release" not in text and "next try" not in text


async def test_connections_that_break_at_once_are_one_cut(rig: Rig) -> None:
    """As to two hosts of a message's recipients, when the line drops."""
    big = await rig.accept(BIG)
    message = await rig.store.get(big)
    assert message is not None
    lost = (Deferred(Reply(451, ("connection lost",), "4.4.2"), "a.example", carried_bytes=60_000),)
    rig.flush._outcomes.begin_run()
    await asyncio.gather(*(rig.flush._outcomes.record(message, lost) for _ in range(3)))
    assert await rig.state(big) is RecipientState.WAITING
    await rig.call()
    assert await rig.state(big) is RecipientState.HELD


async def test_a_run_in_the_same_call_is_no_further_call(rig: Rig) -> None:
    big = await rig.accept(BIG)
    for _ in range(3):
        await rig.call()
    assert json.loads(await rig.kept())[big]["calls"] == 1
    rig.flush.try_all()  # as when mail is released, or the operator asks for another try
    await rig.flush.run()
    assert json.loads(await rig.kept())[big]["calls"] == 1
    assert big in await rig.call() and rig.woken == 0, "the call that begins needs nobody to start it"


async def test_two_looks_at_once_forget_a_message_once(rig: Rig) -> None:
    big = await rig.accept(BIG)
    await rig.call()
    await QueueControl(rig.store, rig.spool, FakeClock()).delete(big)
    await asyncio.gather(rig.cuts.look(), rig.cuts.look(), rig.cuts.call_begins(0))
    assert await rig.kept() == "{}"


async def test_a_history_without_its_message_is_forgotten(rig: Rig) -> None:
    big = await rig.accept(BIG)
    await rig.call()
    assert list(json.loads(await rig.kept())) == [big]
    await QueueControl(rig.store, rig.spool, FakeClock()).delete(big)
    await rig.cuts.look()
    assert await rig.kept() == "{}"


def test_without_a_clock_or_calls_the_running_time_releases_it_and_a_release_is_noticed() -> None:
    """In virtual time, on a queue in memory: `run` looks by itself."""

    class Memory:
        def __init__(self) -> None:
            self.text: str | None = None
            self.state, self.fault, self.woken = RecipientState.WAITING, True, 0

        async def recall(self, key: str) -> str | None:
            if self.fault:
                raise StorageError("not now")
            return self.text

        async def remember(self, key: str, value: str) -> None:
            self.text = value

        async def get(self, wanted: QueueId) -> MessageRecord:
            held = to_world(state=self.state, last_by="this station", last_reply="the connection broke 2 times")
            return a_record(wanted, held, wire_size=BIG)

        async def listing(self, *, states: object, limit: int) -> list[MessageRecord]:
            return []

        async def set_state(
            self, message: object, before: object, to_state: RecipientState, numbers: object
        ) -> int:
            self.state = to_state
            return 1

        async def held(self, message: MessageRecord, because: str) -> None:
            """No notice here."""

        def wall_s(self) -> float:
            return 0.0

        def is_trusted(self) -> bool:
            return False

        def work(self) -> None:
            self.woken += 1

    async def scene() -> None:
        card = Memory()
        cuts = CutMessages(card, card, card, on_work=card.work)
        task = asyncio.create_task(cuts.run())
        await asyncio.sleep(1)
        card.fault = False  # the first look failed; the next one works
        message = await card.get(QueueId("D0000001"))
        assert await cuts.cut(message, 60_000) == ""
        assert await cuts.cut(message, 60_000) != ""
        await cuts.look()
        assert '"held": true' in str(card.text), "its rows are not written yet: that is no release"
        card.state = RecipientState.HELD
        await asyncio.sleep(2 * HOUR_S + 1200)
        assert (card.state, card.woken) == (RecipientState.WAITING, 1)
        assert await cuts.cut(message, 60_000) != ""
        await asyncio.sleep(1300)  # the operator released it
        assert '"held": false' in str(card.text)
        task.cancel()

    run_virtual(scene())
