"""The flush over the real queue and spool; the hosts and name service of the world are played by the test."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pytest

from dialpost.core.config.model import Config, OutboundConfig, RouteConfig, StationConfig, Via
from dialpost.core.errors import StorageError, StorageFullError
from dialpost.core.mail.dsn import ReportedRecipient
from dialpost.core.mail.envelope import Notify, QueueId
from dialpost.core.mail.mx import AddressAnswer, DnsTrouble, MxAnswer, MxRecord, NoRecords, NoSuchName
from dialpost.core.mail.outcomes import Deferred, Delivered, Outcome, Refused
from dialpost.core.mail.queue.hope import Hope
from dialpost.core.mail.queue.records import MessageRecord, Priority, RecipientRecord, RecipientState
from dialpost.core.mail.reply import Reply
from dialpost.core.mail.smtp_target import ConnectSettings, HostTarget, OutgoingMessage, SessionEnd, SessionFate
from dialpost.edge.mail.spool import Spool
from dialpost.edge.mail.store import Store
from dialpost.flow.mail.outgoing.flush import Flush
from dialpost.flow.mail.outgoing.outcome_record import FlushResult
from fakes import a_record, to_world

NOW = 1_820_000_000
OK = Reply(250, ("queued",), "2.0.0")
BUSY = Reply(450, ("busy",), "4.2.1")
NO_USER = Reply(550, ("no such user",), "5.1.1")
CLOSING = Reply(421, ("too many messages",), "4.3.2")

Answer = Callable[[OutgoingMessage], tuple[Outcome, ...]]


def all_get(outcome: Outcome) -> Answer:
    return lambda message: (outcome,) * len(message.envelope.recipients)


@dataclass
class Host:
    """A mail host of the world. `answers` are by sender's address, `per_connection` messages and then 421."""

    refuses: SessionEnd | None = None
    refusals: int = 1_000_000
    per_connection: int = 1_000_000
    dies_at: str = ""  # the connection is lost when this sender's message ("*": any) was sent whole
    wait: asyncio.Event | None = None  # messages are answered once it is set
    linger: asyncio.Event | None = None  # QUIT is answered once it is set
    hangs: bool = False  # takes no connection until the line is gone


class Gate(asyncio.Event):
    """Opens when `most` wait."""

    def __init__(self, most: int) -> None:
        super().__init__()
        self._missing = most

    async def wait(self) -> Literal[True]:
        self._missing -= 1
        if self._missing == 0:
            self.set()
        return await super().wait()


class World:
    """Plays edge/mail/smtp_client: two messages are under way at a time, as with pipelining."""

    def __init__(self) -> None:
        self.hosts: dict[str, Host] = {}
        self.answers: dict[str, Answer] = {}
        self.sessions: list[tuple[str, list[str]]] = []  # host, senders whose message was offered
        self.transactions: list[tuple[str, tuple[str, ...]]] = []
        self.at_once = self.most_at_once = 0
        self.broken: asyncio.Event = asyncio.Event()

    patience_ends_s = 1e9

    def stop_waiting(self, why: str) -> None:
        raise AssertionError("no flush stops waiting by itself")

    def break_off(self, why: str) -> None:
        self.broken.set()

    async def send(
        self,
        target: HostTarget,
        settings: ConnectSettings,
        next_message: Callable[[], Awaitable[OutgoingMessage | None]],
        on_outcome: Callable[[OutgoingMessage, tuple[Outcome, ...]], Awaitable[None]],
    ) -> SessionEnd:
        host = self.hosts.get(target.host, Host())
        if host.hangs:
            self.sessions.append((target.host, []))
            await self.broken.wait()
            assert UNREACHABLE.refuses is not None
            return UNREACHABLE.refuses
        if host.refuses is not None and host.refusals:
            host.refusals -= 1
            self.sessions.append((target.host, []))
            return host.refuses
        offered: list[str] = []
        self.sessions.append((target.host, offered))
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            return await self._session(target.host, host, offered, next_message, on_outcome)
        finally:
            self.at_once -= 1

    async def _session(
        self, name: str, host: Host, offered: list[str], next_message: Any, on_outcome: Any
    ) -> SessionEnd:
        delivered = 0
        ahead: OutgoingMessage | None = await next_message()
        while ahead is not None:
            current, ahead = ahead, await next_message()
            offered.append(current.envelope.sender)
            if host.wait is not None:
                waits = {asyncio.ensure_future(host.wait.wait()), asyncio.ensure_future(self.broken.wait())}
                await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            if self.broken.is_set() or host.dies_at in ("*", current.envelope.sender):
                lost = Reply(451, ("connection lost",), "4.4.2")
                await self._all(current, Deferred(lost, name, answer_unknown=True), on_outcome)
                if ahead is not None:
                    await self._all(ahead, Deferred(lost, name, counts_as_attempt=False), on_outcome)
                return SessionEnd(
                    SessionFate.LOST, "lost", ready=True, connected=True, messages=delivered, reply=lost
                )
            if len(offered) > host.per_connection:
                for message in (current, ahead):
                    if message is not None:
                        await self._all(message, Deferred(CLOSING, name), on_outcome)
                return SessionEnd(
                    SessionFate.CLOSED, "closed", ready=True, connected=True, messages=delivered, reply=CLOSING
                )
            outcomes = self.answers.get(current.envelope.sender, all_get(Delivered(OK, name)))(current)
            self.transactions.append((name, tuple(one.address for one in current.envelope.recipients)))
            delivered += any(isinstance(outcome, Delivered) for outcome in outcomes)
            await on_outcome(current, outcomes)
            ahead = ahead or await next_message()
        if host.linger is not None:
            await host.linger.wait()
        return SessionEnd(SessionFate.DONE, "done", ready=True, connected=True, messages=delivered, bytes_up=100)

    async def _all(self, message: OutgoingMessage, outcome: Outcome, on_outcome: Any) -> None:
        await on_outcome(message, (outcome,) * len(message.envelope.recipients))


class Names:
    """Name service: what is not in `hosts` has the address 192.0.2.1."""

    def __init__(self) -> None:
        self.domains: dict[str, MxAnswer] = {}
        self.hosts: dict[str, AddressAnswer] = {}
        self.asked: list[str] = []

    async def mx(self, domain: str) -> MxAnswer:
        self.asked.append(domain)
        return self.domains.get(domain, NoRecords(domain))

    async def addresses(self, host: str) -> AddressAnswer:
        return self.hosts.get(host, ("192.0.2.1",))


class Notices:
    """The notices that senders got."""

    def __init__(self) -> None:
        self.told: list[tuple[str, str, list[str]]] = []
        self.fault: StorageError | None = None

    async def failed(self, message: MessageRecord, recipients: Sequence[ReportedRecipient]) -> None:
        if self.fault is not None:
            raise self.fault
        self.told.append(("failed", message.sender, [one.record.address for one in recipients]))

    async def relayed(self, message: MessageRecord, recipients: Sequence[ReportedRecipient]) -> None:
        if self.fault is not None:
            raise self.fault
        self.told.append(("relayed", message.sender, [one.record.address for one in recipients]))


class FailingQueue:
    """The real queue, but for writes that fail while `fault` is set."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.fault: StorageError | None = None
        self.writes = self.reads = 0

    async def remote_batch(self, *asked: Any) -> list[MessageRecord]:
        self.reads += 1
        return await self.store.remote_batch(*asked)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.store, name)

    async def update_many(self, updates: Sequence[tuple[QueueId, Sequence[RecipientRecord]]]) -> None:
        if self.fault is not None:
            raise self.fault
        self.writes += 1
        await self.store.update_many(updates)


class Rig:
    """Real store and spool around the flush."""

    def __init__(self, store: Store, spool: Spool) -> None:
        self.store, self.spool = store, spool
        self.queue = FailingQueue(store)
        self.world, self.names, self.notices = World(), Names(), Notices()
        self.now_s = float(NOW)

    def flush(self, *, is_dialled: bool = True, **outbound: Any) -> Flush:
        station = StationConfig(hostname="mail.clinic.example", domains=("clinic.example",))
        config = Config(station=station, outbound=OutboundConfig(**({"smarthost": "smart.example"} | outbound)))
        return Flush(
            config,
            self.queue,
            self.world,
            self.names,
            self.spool,
            self.notices,
            is_dialled=is_dialled,
            wall_clock=lambda: self.now_s,
            chance=lambda: 0.5,
        )

    async def accept(self, sender: str, *recipients: RecipientRecord | str, **changes: Any) -> QueueId:
        queue_id = self.store.next_id()
        writer = self.spool.begin(queue_id)
        writer.write(b"x" * 100)
        await writer.commit()
        records = [to_world(one) if isinstance(one, str) else one for one in recipients]
        await self.store.accept(a_record(queue_id, *records, sender=sender, **changes))
        return queue_id

    async def recipients(self, queue_id: QueueId) -> tuple[RecipientRecord, ...]:
        message = await self.store.get(queue_id)
        assert message is not None
        return message.recipients

    async def one(self, queue_id: QueueId) -> RecipientRecord:
        (recipient,) = await self.recipients(queue_id)
        return recipient

    async def states(self, *ids: QueueId) -> list[str]:
        return [one.state.value for queue_id in ids for one in await self.recipients(queue_id)]


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    spool = Spool(tmp_path / "spool", 0)
    spool.prepare()
    store = await Store.open(tmp_path / "queue.db", wall_clock=lambda: NOW)
    yield Rig(store, spool)
    await store.close()
    spool.close()


@pytest.fixture(autouse=True)
def no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dialpost.flow.mail.outgoing.run.AGAIN_AFTER_S", 0.0)


def refusing(fate: SessionFate, reply: Reply, *, connected: bool = True) -> Host:
    return Host(SessionEnd(fate, reply.text, connected=connected, reply=reply))


UNREACHABLE = refusing(SessionFate.UNREACHABLE, Reply(451, ("no route",), "4.4.1"), connected=False)


# One smarthost


async def test_everything_goes_through_one_connection_urgent_and_small_first(rig: Rig) -> None:
    await rig.accept("big@x", "a@one.example", wire_size=900)
    await rig.accept("small@x", "b@two.example", wire_size=100)
    await rig.accept("bulk@x", "c@one.example", wire_size=10, priority=Priority.BULK)
    await rig.accept("urgent@x", "d@one.example", wire_size=5000, priority=Priority.URGENT)
    result = await rig.flush().run()
    assert rig.world.sessions == [("smart.example", ["urgent@x", "small@x", "big@x", "bulk@x"])]
    assert result == FlushResult(sent=4, bytes_up=100, taken_bytes=6010)
    assert (await rig.store.counts()).waiting_remote == 0


async def test_one_transaction_for_all_recipients(rig: Rig) -> None:
    queue_id = await rig.accept("anna@x", "a@one.example", "b@two.example", "c@one.example")
    await rig.flush().run()
    assert rig.world.transactions == [("smart.example", ("a@one.example", "b@two.example", "c@one.example"))]
    assert await rig.states(queue_id) == ["relayed"] * 3


async def test_nothing_due_makes_no_connection(rig: Rig) -> None:
    assert await rig.flush().run() == FlushResult()
    assert rig.world.sessions == []


async def test_a_retry_offers_what_was_deferred_and_not_what_may_have_arrived(rig: Rig) -> None:
    deferred = await rig.accept("busy@x", "a@far.example", wire_size=10)
    doubtful = await rig.accept("lost@x", "b@far.example", wire_size=20)
    rig.world.answers["busy@x"] = all_get(Deferred(BUSY, "smart.example"))
    rig.world.hosts["smart.example"] = Host(dies_at="lost@x")
    flush = rig.flush()
    flush.begin_call()
    assert (await flush.run()).deferred == 2
    rig.world.answers.clear()
    rig.world.hosts.clear()
    assert (await flush.run()).sent == 0, "each is tried once"
    flush.retry()
    result = await flush.run()
    assert (result.sent, result.deferred) == (1, 1)
    assert await rig.states(deferred, doubtful) == ["relayed", "waiting"]
    assert [one.attempts for one in (await rig.one(deferred), await rig.one(doubtful))] == [2, 1]


async def test_a_retry_in_vain_goes_through_the_queue_for_new_mail_alone(rig: Rig) -> None:
    first = await rig.accept("first@x", "a@far.example")
    rig.world.hosts["smart.example"] = UNREACHABLE
    flush = rig.flush()
    flush.begin_call()
    await flush.run()
    rig.queue.reads = 0
    flush.retry()
    assert (await flush.run()).deferred == 1
    assert rig.queue.reads == 1, "whether there is anything to send"
    second = await rig.accept("second@x", "b@far.example")
    flush.wake()
    flush.retry()
    assert (await flush.run()).deferred == 2
    assert [(await rig.one(one)).attempts for one in (first, second)] == [1, 1]


PARTNER = RouteConfig(domains=("partner.example",), host="partner-mail.example", port=2525)


async def test_what_may_have_arrived_at_one_host_is_not_sent_again_because_another_was_down(rig: Rig) -> None:
    queue_id = await rig.accept("anna@x", "a@far", "b@partner.example")
    rig.world.hosts |= {"smart.example": Host(dies_at="anna@x"), "partner-mail.example": UNREACHABLE}
    flush = rig.flush(route=(PARTNER,))
    flush.begin_call()
    result = await flush.run()
    assert (result.deferred, result.hope) == (1, Hope.NONE)
    rig.world.hosts.clear()
    flush.retry()
    await flush.run()
    assert "smart.example" not in dict(rig.world.transactions), "it may have arrived there (RFC 1047)"
    flush.begin_call()
    await flush.run()
    assert await rig.states(queue_id) == ["relayed", "relayed"]


@pytest.mark.parametrize("first", [("a@far", "b@partner.example"), ("b@partner.example", "a@far")])
async def test_what_one_host_deferred_is_retried_though_another_took_its_part(
    rig: Rig, first: tuple[str, str]
) -> None:
    queue_id = await rig.accept("anna@x", *first)
    rig.world.hosts["partner-mail.example"] = UNREACHABLE
    flush = rig.flush(route=(PARTNER,), mx_connections=1)
    flush.begin_call()
    result = await flush.run()
    assert (result.sent, result.hope) == (1, Hope.SOON)
    rig.world.hosts.clear()
    flush.retry()
    assert (await flush.run()).hope is Hope.NONE
    assert await rig.states(queue_id) == ["relayed", "relayed"]


async def test_each_recipient_has_its_own_fate_and_one_notice_tells_of_all_refused(rig: Rig) -> None:
    queue_id = await rig.accept("anna@x", "a@far", "b@far", "c@far", "d@far")
    rig.world.answers["anna@x"] = lambda _: (
        Delivered(OK, "h"),
        Refused(NO_USER, "h"),
        Deferred(BUSY, "h"),
        Refused(NO_USER, "h"),
    )
    result = await rig.flush().run()
    assert await rig.states(queue_id) == ["relayed", "bounced", "waiting", "bounced"]
    assert rig.notices.told == [("failed", "anna@x", ["b@far", "d@far"])]
    assert (result.sent, result.deferred, result.refused) == (1, 0, 0)
    assert [(one.was_sent, one.why) for one in result.left.values()] == [(True, "h: 450 4.2.1 busy")]
    replies = [(one.last_reply, one.last_by, one.attempts) for one in await rig.recipients(queue_id)]
    assert replies == [
        ("250 2.0.0 queued", "h", 1),
        ("550 5.1.1 no such user", "h", 1),
        ("450 4.2.1 busy", "h", 1),
        ("550 5.1.1 no such user", "h", 1),
    ]


async def test_success_is_reported_where_the_next_hop_will_not(rig: Rig) -> None:
    wants = frozenset({Notify.SUCCESS})
    await rig.accept("anna@x", to_world("a@far", notify=wants), "b@far")
    await rig.accept("ben@x", to_world("c@far", notify=wants))
    rig.world.answers["ben@x"] = all_get(Delivered(OK, "h", dsn_passed_on=True))
    await rig.flush().run()
    assert rig.notices.told == [("relayed", "anna@x", ["a@far"])]


async def test_what_is_deferred_is_tried_once_a_call(rig: Rig) -> None:
    queue_id = await rig.accept("anna@x", "a@far")
    rig.world.answers["anna@x"] = all_get(Deferred(BUSY, "h"))
    flush = rig.flush()
    assert (await flush.run()).deferred == 1
    await rig.accept("ben@x", "b@far")
    await flush.run()  # new mail came in during the call
    assert rig.world.sessions == [("smart.example", ["anna@x"]), ("smart.example", ["ben@x"])]
    flush.begin_call()
    await flush.run()
    assert rig.world.sessions[2:] == [("smart.example", ["anna@x"])]
    assert (await rig.one(queue_id)).attempts == 2


async def test_on_a_dedicated_line_it_waits_for_its_time(rig: Rig) -> None:
    queue_id = await rig.accept("anna@x", "a@far")
    rig.world.answers["anna@x"] = all_get(Deferred(BUSY, "h"))
    flush = rig.flush(is_dialled=False)
    await flush.run()
    assert (await rig.one(queue_id)).next_try_s == NOW + 1800
    await flush.run()
    rig.now_s += 1800
    await flush.run()
    assert (await rig.one(queue_id)).next_try_s == NOW + 1800 + 3600
    assert len(rig.world.sessions) == 2


async def test_a_server_that_takes_few_messages_a_connection_is_connected_to_again(rig: Rig) -> None:
    ids = [await rig.accept(f"s{n}@x", "a@far", wire_size=n) for n in range(7)]
    rig.world.hosts["smart.example"] = Host(per_connection=3)
    result = await rig.flush().run()
    assert [len(offered) for _, offered in rig.world.sessions] == [4, 4, 1]
    assert await rig.states(*ids) == ["relayed"] * 7
    assert (result.sent, result.deferred) == (7, 0)
    assert {(await rig.one(one)).attempts for one in ids} == {1}


async def test_a_server_that_closes_at_once_is_left_alone(rig: Rig) -> None:
    ids = [await rig.accept(f"s{n}@x", "a@far", wire_size=n) for n in range(5)]
    rig.world.hosts["smart.example"] = Host(per_connection=0)
    flush = rig.flush()
    assert (await flush.run()).deferred == 2
    assert len(rig.world.sessions) == 1
    assert [(await rig.one(one)).attempts for one in ids] == [1, 1, 0, 0, 0]


async def test_a_message_that_kills_the_connection_does_not_stop_the_others(rig: Rig) -> None:
    poison = await rig.accept("poison@x", "a@far", wire_size=1)
    others = [await rig.accept(f"s{n}@x", "a@far", wire_size=10 + n) for n in range(3)]
    rig.world.hosts["smart.example"] = Host(dies_at="poison@x")
    await rig.flush().run()
    assert await rig.states(*others) == ["relayed"] * 3
    one = await rig.one(poison)
    assert (one.state, one.answer_unknown, one.attempts) == (RecipientState.WAITING, True, 1)


async def test_a_line_that_loses_every_message_is_left_alone(rig: Rig) -> None:
    ids = [await rig.accept(f"s{n}@x", "a@far", wire_size=n) for n in range(5)]
    rig.world.hosts["smart.example"] = Host(dies_at="*")
    await rig.flush().run()
    assert len(rig.world.sessions) == 2
    assert [(await rig.one(one)).answer_unknown for one in ids] == [True, True, False, False, False]


async def test_a_message_put_back_by_the_client_is_not_offered_to_the_same_connection(rig: Rig) -> None:
    queue_id = await rig.accept("anna@x", "a@far", wire_size=1)
    await rig.accept("ben@x", "a@far", wire_size=2)
    rig.world.answers["anna@x"] = all_get(Deferred(BUSY, "here", counts_as_attempt=False))
    await asyncio.wait_for(rig.flush().run(), 60)
    assert rig.world.sessions[0] == ("smart.example", ["anna@x", "ben@x"])
    assert (await rig.one(queue_id)).attempts == 0


async def test_mail_accepted_meanwhile_goes_out_in_its_place(rig: Rig) -> None:
    gate = asyncio.Event()
    rig.world.hosts["smart.example"] = Host(wait=gate)
    for number in range(5):
        await rig.accept(f"s{number}@x", "a@far", wire_size=100 + number)
    flush = rig.flush()
    run = asyncio.create_task(flush.run())
    while len(flush.sending) < 2:  # the second waits on the line behind the first
        await asyncio.sleep(0.01)
    assert not flush.drained.is_set()
    urgent = await rig.accept("urgent@x", "a@far", priority=Priority.URGENT)
    assert not flush.is_in_flight(urgent)
    flush.wake()
    gate.set()
    await run
    assert rig.world.sessions == [("smart.example", ["s0@x", "s1@x", "urgent@x", "s2@x", "s3@x", "s4@x"])]
    assert flush.drained.is_set()


# The smarthost fails


@pytest.mark.parametrize(
    ("host", "is_dialled", "attempts", "reply"),
    [
        (UNREACHABLE, True, 1, "451 4.4.1 no route"),
        (UNREACHABLE, False, 1, "451 4.4.1 no route"),  # its name was found, so the line is up
        (refusing(SessionFate.NOT_SERVED, Reply(554, ("go",), "5.7.1")), True, 1, "451 4.7.1 554 5.7.1 go"),
        (refusing(SessionFate.NEEDS_OPERATOR, Reply(535, ("bad",), "5.7.8")), True, 0, "451 4.7.8 535 5.7.8 bad"),
    ],
)
async def test_trouble_with_the_smarthost_only_puts_off(
    rig: Rig, host: Host, is_dialled: bool, attempts: int, reply: str
) -> None:
    ids = [await rig.accept(f"s{n}@x", "a@far", "b@near") for n in range(3)]
    rig.world.hosts["smart.example"] = host
    result = await rig.flush(is_dialled=is_dialled).run()
    assert result.deferred == 3
    tries = 2 if host is UNREACHABLE and is_dialled else 1
    assert rig.world.sessions == [("smart.example", [])] * tries
    found = [(one.attempts, one.last_reply) for queue_id in ids for one in await rig.recipients(queue_id)]
    assert found == [(attempts, reply)] * 6
    assert rig.notices.told == []


async def test_a_smarthost_that_is_reached_the_second_time_gets_everything(rig: Rig) -> None:
    queue_id = await rig.accept("anna@x", "a@far")
    assert UNREACHABLE.refuses is not None
    rig.world.hosts["smart.example"] = Host(UNREACHABLE.refuses, refusals=1)
    assert (await rig.flush().run()).sent == 1
    assert (await rig.one(queue_id)).attempts == 1


async def test_without_signs_of_a_line_no_attempt_is_used_up(rig: Rig) -> None:
    queue_id = await rig.accept("anna@x", "a@far")
    rig.world.hosts["192.0.2.9"] = UNREACHABLE
    rig.names.hosts["192.0.2.9"] = ("192.0.2.9",)
    await rig.flush(is_dialled=False, smarthost="192.0.2.9").run()
    assert (await rig.one(queue_id)).attempts == 0


async def test_a_host_that_failed_rests_until_an_operator_or_a_call_wants_it(rig: Rig) -> None:
    await rig.accept("anna@x", "a@far")
    rig.world.hosts["smart.example"] = UNREACHABLE
    flush = rig.flush(is_dialled=False)
    await flush.run()
    await rig.accept("ben@x", "b@far")
    await flush.run()
    assert len(rig.world.sessions) == 1
    flush.begin_call()
    await flush.run()
    assert len(rig.world.sessions) == 2


async def test_the_same_trouble_again_does_not_wear_out_the_card(rig: Rig) -> None:
    for number in range(5):
        await rig.accept(f"s{number}@x", "a@far")
    rig.names.hosts["smart.example"] = DnsTrouble("smart.example", "no answer")
    flush = rig.flush()
    await flush.run()
    flush.begin_call()
    before = rig.queue.writes
    await flush.run()
    assert (before, rig.queue.writes) == (1, 1)


@pytest.mark.parametrize("answer", [NoSuchName("smart.example"), NoRecords("smart.example")])
async def test_a_smarthost_nobody_knows_bounces_nothing(rig: Rig, answer: AddressAnswer) -> None:
    queue_id = await rig.accept("anna@x", "a@far")
    rig.names.hosts["smart.example"] = answer
    await rig.flush().run()
    one = await rig.one(queue_id)
    assert (one.state, one.attempts) == (RecipientState.WAITING, 0)
    assert "check its name in the configuration" in one.last_reply


async def test_no_way_configured_is_said(rig: Rig) -> None:
    queue_id = await rig.accept("anna@x", "a@far")
    await rig.flush(smarthost="").run()
    assert "set outbound.smarthost" in (await rig.one(queue_id)).last_reply


# Straight out, and routes


def mx(*hosts: str) -> tuple[MxRecord, ...]:
    return tuple(MxRecord(10 * (number + 1), host) for number, host in enumerate(hosts))


async def test_domains_with_the_same_host_share_a_connection_and_a_transaction(rig: Rig) -> None:
    rig.names.domains |= {"one.example": mx("m.example"), "two.example": mx("m.example", "backup.example")}
    rig.names.domains["three.example"] = mx("other.example")
    await rig.accept("anna@x", "a@one.example", "b@two.example", "c@three.example")
    await rig.accept("ben@x", "d@two.example")
    await rig.flush(via=Via.MX).run()
    assert sorted(host for host, _ in rig.world.sessions) == ["m.example", "other.example"]
    assert sorted(rig.world.transactions) == [
        ("m.example", ("a@one.example", "b@two.example")),
        ("m.example", ("d@two.example",)),
        ("other.example", ("c@three.example",)),
    ]


async def test_equal_hosts_are_chosen_alike_for_all_domains_of_a_run(rig: Rig) -> None:
    equals = (MxRecord(10, "m1.example"), MxRecord(10, "m2.example"))
    rig.names.domains |= {f"d{n}.example": equals for n in range(10)}
    for number in range(10):
        await rig.accept("anna@x", f"a@d{number}.example")
    await rig.flush(via=Via.MX).run()
    assert len(rig.world.sessions) == 1


@pytest.mark.parametrize(
    ("mx_connections", "is_dialled", "most"), [(3, True, 3), (3, False, 3), (0, True, 2), (0, False, 20)]
)
async def test_no_more_hosts_at_once_than_allowed(
    rig: Rig, mx_connections: int, is_dialled: bool, most: int
) -> None:
    gate = Gate(most)
    for number in range(most + 5):
        rig.world.hosts[f"d{number}.example"] = Host(wait=gate)
        await rig.accept("anna@x", f"a@d{number}.example")
    async with asyncio.timeout(60):  # fewer never open the gate
        await rig.flush(via=Via.MX, mx_connections=mx_connections, is_dialled=is_dialled).run()
    assert len(rig.world.sessions) == most + 5
    assert rig.world.most_at_once == most


async def test_the_most_pressing_domain_comes_first(rig: Rig) -> None:
    for number in range(6):
        await rig.accept("anna@x", f"a@d{number}.example", wire_size=100 - number)
    await rig.accept("urgent@x", "a@d9.example", priority=Priority.URGENT, wire_size=10_000)
    await rig.flush(via=Via.MX, mx_connections=1).run()
    hosts = [host for host, _ in rig.world.sessions]
    assert hosts.index("d9.example") <= 1  # at most the one found first is ahead of it
    assert len(hosts) == 7


async def test_the_next_host_is_tried_where_one_is_down(rig: Rig) -> None:
    rig.names.domains |= {"one.example": mx("m1", "m2", "m3"), "two.example": mx("m1")}
    rig.names.hosts["m2"] = NoSuchName("m2")
    rig.world.hosts["m1"] = refusing(SessionFate.NOT_SERVED, Reply(421, ("busy",)))
    first = await rig.accept("anna@x", "a@one.example")
    second = await rig.accept("ben@x", "b@two.example")
    await rig.flush(via=Via.MX).run()
    assert [host for host, _ in rig.world.sessions] == ["m1", "m3"]
    assert await rig.states(first, second) == ["relayed", "waiting"]
    assert (await rig.one(second)).last_reply == "421 busy"


async def test_what_may_have_arrived_is_not_sent_to_the_next_host_in_the_same_call(rig: Rig) -> None:
    rig.names.domains["one.example"] = mx("m1", "m2")
    rig.world.hosts["m1"] = Host(dies_at="anna@x")
    doubtful = await rig.accept("anna@x", "a@one.example")
    flush = rig.flush(via=Via.MX)
    flush.begin_call()
    await flush.run()
    rig.world.hosts["m1"] = UNREACHABLE
    later = await rig.accept("ben@x", "b@one.example")
    await flush.run()
    assert await rig.states(doubtful, later) == ["waiting", "relayed"], "m2 takes what m1 can't have"
    flush.begin_call()
    await flush.run()
    assert await rig.states(doubtful) == ["relayed"]


async def test_all_hosts_down_puts_off(rig: Rig) -> None:
    rig.names.domains["one.example"] = mx("m1", "m2")
    rig.world.hosts |= {"m1": UNREACHABLE, "m2": UNREACHABLE}
    queue_id = await rig.accept("anna@x", "a@one.example")
    await rig.flush(via=Via.MX).run()
    assert [host for host, _ in rig.world.sessions] == ["m1", "m2"]
    one = await rig.one(queue_id)
    assert (one.state, one.attempts) == (RecipientState.WAITING, 1)


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (NoSuchName("one.example"), "550 5.1.2 The domain one.example does not exist"),
        ((MxRecord(0, ""),), "556 5.1.10"),
        ((MxRecord(10, "mail.clinic.example"),), "554 5.4.6"),
        ((MxRecord(10, "nowhere.example"),), "550 5.4.4"),
    ],
)
async def test_what_can_never_arrive_bounces(rig: Rig, answer: MxAnswer, said: str) -> None:
    rig.names.domains["one.example"] = answer
    rig.names.hosts["nowhere.example"] = NoSuchName("nowhere.example")
    queue_id = await rig.accept("anna@x", "a@one.example", "b@one.example")
    result = await rig.flush(via=Via.MX).run()
    assert result == FlushResult(refused=1)
    assert await rig.states(queue_id) == ["bounced"] * 2
    assert (await rig.recipients(queue_id))[0].last_reply.startswith(said)
    assert rig.notices.told == [("failed", "anna@x", ["a@one.example", "b@one.example"])]


async def test_a_doubtful_no_is_believed_the_second_time(rig: Rig) -> None:
    rig.names.domains["one.example"] = NoSuchName("one.example", certain=False)
    queue_id = await rig.accept("anna@x", "a@one.example")
    flush = rig.flush(via=Via.MX)
    await flush.run()
    assert await rig.states(queue_id) == ["waiting"]
    flush.begin_call()
    await flush.run()
    assert await rig.states(queue_id) == ["bounced"]


@pytest.mark.parametrize(("control", "attempts"), [(NoRecords("clinic.example"), 1), (DnsTrouble("c", "dead"), 0)])
async def test_trouble_with_names_only_puts_off(rig: Rig, control: MxAnswer, attempts: int) -> None:
    """It uses up an attempt only where name service works for the station's own domain."""
    rig.names.domains |= {"one.example": DnsTrouble("one.example", "SERVFAIL"), "clinic.example": control}
    queue_id = await rig.accept("anna@x", "a@one.example")
    await rig.flush(via=Via.MX).run()
    one = await rig.one(queue_id)
    assert (one.state, one.attempts, one.last_reply[:9]) == (RecipientState.WAITING, attempts, "451 4.4.3")


async def test_an_address_literal_is_its_own_host(rig: Rig) -> None:
    await rig.accept("anna@x", "a@[192.0.2.7]")
    await rig.flush(via=Via.MX).run()
    assert rig.world.sessions == [("[192.0.2.7]", ["anna@x"])]
    assert rig.names.asked == []


async def test_routes_part_one_message(rig: Rig) -> None:
    route = (RouteConfig(domains=("partner.example",), host="partner-mail.example", port=2525),)
    queue_id = await rig.accept("anna@x", "a@far", "b@partner.example")
    await rig.flush(route=route).run()
    assert sorted(rig.world.transactions) == [
        ("partner-mail.example", ("b@partner.example",)),
        ("smart.example", ("a@far",)),
    ]
    assert await rig.states(queue_id) == ["relayed"] * 2


async def test_new_mail_for_a_domain_whose_lane_has_ended_is_sent_too(rig: Rig) -> None:
    gate = asyncio.Event()
    rig.world.hosts["slow.example"] = Host(wait=gate)
    await rig.accept("anna@x", "a@slow.example")
    await rig.accept("ben@x", "a@quick.example")
    flush = rig.flush(via=Via.MX)
    run = asyncio.create_task(flush.run())
    while {host for host, _ in rig.world.sessions} != {"slow.example", "quick.example"} or rig.world.at_once > 1:
        await asyncio.sleep(0.01)
    again = await rig.accept("cy@x", "b@quick.example")
    flush.wake()
    while await rig.states(again) != ["relayed"]:
        await asyncio.sleep(0.01)
    gate.set()
    await run
    assert [host for host, _ in rig.world.sessions].count("quick.example") == 2


async def test_mail_for_another_domain_of_a_host_that_is_just_being_left_is_sent_too(rig: Rig) -> None:
    rig.names.domains |= {"one.example": mx("m.example"), "two.example": mx("m.example")}
    rig.world.hosts["m.example"] = Host(linger=asyncio.Event())
    await rig.accept("anna@x", "a@one.example")
    flush = rig.flush(via=Via.MX)
    run = asyncio.create_task(flush.run())
    while not rig.world.transactions or flush.sending:
        await asyncio.sleep(0.01)
    late = await rig.accept("ben@x", "b@two.example")
    flush.wake()
    await asyncio.sleep(0.1)
    assert rig.world.hosts["m.example"].linger is not None
    rig.world.hosts["m.example"].linger.set()
    await run
    assert await rig.states(late) == ["relayed"]


# Ends


async def test_stopping_lets_the_current_message_end(rig: Rig) -> None:
    gate = asyncio.Event()
    rig.world.hosts["smart.example"] = Host(wait=gate)
    ids = [await rig.accept(f"s{n}@x", "a@far", wire_size=n) for n in range(4)]
    flush = rig.flush()
    run = asyncio.create_task(flush.run())
    while len(flush.sending) < 2:
        await asyncio.sleep(0.01)
    flush.stop(after_current=True)
    gate.set()
    assert (await run).sent == 2  # the current one, and the one that was on the line behind it
    assert await rig.states(*ids) == ["relayed", "relayed", "waiting", "waiting"]


async def test_a_lost_line_leaves_what_was_sent_whole_in_doubt_and_the_rest_untouched(rig: Rig) -> None:
    rig.world.hosts["smart.example"] = Host(wait=asyncio.Event())
    ids = [await rig.accept(f"s{n}@x", "a@far", wire_size=n) for n in range(3)]
    flush = rig.flush()
    run = asyncio.create_task(flush.run())
    while len(flush.sending) < 2:
        await asyncio.sleep(0.01)
    flush.stop(after_current=False)
    await asyncio.wait_for(run, 60)
    found = [(one.answer_unknown, one.attempts) for one in [await rig.one(queue_id) for queue_id in ids]]
    assert found == [(True, 1), (False, 0), (False, 0)]


async def test_a_host_not_reached_before_the_line_went_is_not_blamed(rig: Rig) -> None:
    rig.world.hosts["smart.example"] = Host(hangs=True)
    queue_id = await rig.accept("anna@x", "a@far")
    flush = rig.flush()
    run = asyncio.create_task(flush.run())
    while not rig.world.sessions:
        await asyncio.sleep(0.01)
    flush.stop(after_current=False)
    await asyncio.wait_for(run, 60)
    one = await rig.one(queue_id)
    assert (one.attempts, one.last_reply) == (0, "")


async def test_a_cancellation_ends_it(rig: Rig) -> None:
    rig.world.hosts["smart.example"] = Host(wait=asyncio.Event())
    queue_id = await rig.accept("anna@x", "a@far")
    flush = rig.flush()
    run = asyncio.create_task(flush.run())
    while not flush.sending:
        await asyncio.sleep(0.01)
    run.cancel()
    with pytest.raises(asyncio.CancelledError):
        await run
    assert await rig.states(queue_id) == ["waiting"]
    assert flush.drained.is_set()


# The card


async def test_what_could_not_be_recorded_is_not_sent_again(rig: Rig) -> None:
    ids = [await rig.accept(f"s{n}@x", "a@far", wire_size=n) for n in range(4)]
    rig.queue.fault = StorageFullError("The card is full.")
    flush = rig.flush()
    await flush.run()
    offered = list(rig.world.sessions[0][1])
    assert len(offered) == 2  # the first, and the one on the line behind it
    flush.begin_call()
    await flush.run()  # still full: nothing is sent
    assert len(rig.world.sessions) == 1
    rig.queue.fault = None
    await flush.run()
    assert await rig.states(*ids) == ["relayed"] * 4
    assert sorted(sender for _, senders in rig.world.sessions for sender in senders) == [
        f"s{n}@x" for n in range(4)
    ]


async def test_a_bounce_that_finds_no_room_leaves_the_recipient_waiting(rig: Rig) -> None:
    queue_id = await rig.accept("anna@x", "a@far", "b@far")
    rig.world.answers["anna@x"] = lambda _: (Delivered(OK, "h"), Refused(NO_USER, "h"))
    rig.notices.fault = StorageFullError("The card is full.")
    flush = rig.flush()
    await flush.run()
    assert await rig.states(queue_id) == ["relayed", "waiting"]
    rig.notices.fault = None
    rig.world.answers["anna@x"] = all_get(Refused(NO_USER, "h"))
    flush.begin_call()
    await flush.run()
    assert await rig.states(queue_id) == ["relayed", "bounced"]
    assert rig.notices.told == [("failed", "anna@x", ["b@far"])]


async def test_a_bug_in_one_lane_does_not_stop_the_others(rig: Rig) -> None:
    def bug(_: OutgoingMessage) -> tuple[Outcome, ...]:
        raise ZeroDivisionError

    rig.world.answers["anna@x"] = bug
    bad = await rig.accept("anna@x", "a@one.example")
    good = await rig.accept("ben@x", "b@two.example")
    await rig.flush(via=Via.MX).run()
    assert await rig.states(bad, good) == ["waiting", "relayed"]


async def test_what_an_operator_held_meanwhile_stays_held(rig: Rig) -> None:
    queue_id = await rig.accept("anna@x", "a@far")
    held: list[asyncio.Task[int]] = []

    def hold(_: OutgoingMessage) -> tuple[Outcome, ...]:
        held.append(
            asyncio.create_task(rig.store.set_state(queue_id, {RecipientState.WAITING}, RecipientState.HELD))
        )
        return (Deferred(BUSY, "h"),)

    rig.world.answers["anna@x"] = hold
    await rig.flush().run()
    await asyncio.gather(*held)
    assert await rig.states(queue_id) == ["held"]


async def test_a_long_queue_is_fetched_a_few_at_a_time(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(150):
        await rig.accept(f"s{number}@x", "a@far", wire_size=number)
    sizes: list[int] = []
    fetch = rig.store.remote_batch

    async def counted(domains: Any, now_s: int, limit: int, exclude: Any) -> list[MessageRecord]:
        batch = await fetch(domains, now_s, limit, exclude)
        sizes.append(len(batch))
        return batch

    monkeypatch.setattr(rig.queue, "remote_batch", counted, raising=False)
    await rig.flush().run()
    assert max(sizes) <= 20
    assert rig.world.sessions == [("smart.example", [f"s{number}@x" for number in range(150)])]
