"""A provider that refuses connections for a while, or greylists: what a call retries, achieves, says, and redials.

The call, the flush and ETRN are the real ones, in virtual time; the provider's host and the queue are played.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Sequence, Set
from dataclasses import dataclass, field, replace
from math import inf
from pathlib import Path

import pytest

from call_rig import CONFIG
from dialpost.core.call_reason import CallReason
from dialpost.core.config.model import BudgetConfig, CallConfig, Config, EtrnConfig, OutboundConfig, StationConfig
from dialpost.core.faults import Fault
from dialpost.core.line.call.record import CallRecord, HangUpReason
from dialpost.core.line.call.states import CallState
from dialpost.core.line.link import Again
from dialpost.core.mail.dsn import ReportedRecipient
from dialpost.core.mail.envelope import QueueId
from dialpost.core.mail.esmtp.expected import LEAST_WAIT_S
from dialpost.core.mail.mx import AddressAnswer, MxAnswer, NoRecords
from dialpost.core.mail.outcomes import Deferred, Delivered, Outcome
from dialpost.core.mail.queue.records import MessageRecord, RecipientRecord, RecipientState
from dialpost.core.mail.reply import Reply
from dialpost.core.mail.smtp_target import (
    ConnectSettings,
    EtrnDialogue,
    HostTarget,
    OutgoingMessage,
    SessionEnd,
    SessionFate,
)
from dialpost.flow.line.call.budget import Budget
from dialpost.flow.line.call.machine import CallManager
from dialpost.flow.line.call.methods import call_answer, ended_words, exit_status
from dialpost.flow.mail.outgoing.etrn import TRIES, EtrnAsk
from dialpost.flow.mail.outgoing.flush import Flush
from dialpost.flow.panel.state import Panel
from fakes import FakeInbound, FakeLink, MemoryCallStore, a_record, now, run_virtual

ROUND_TRIP_S = 0.3
REFUSED = SessionEnd(
    SessionFate.UNREACHABLE,
    "no connection to mail.provider.example: refused",
    reply=Reply(451, ("no connection to mail.provider.example: refused",), "4.4.1"),
)
GREYLISTED = Reply(450, ("Greylisted, come back later",), "4.2.0")
NO_ROOM = Reply(452, ("Mailbox full",), "4.2.2")
QUEUED = Reply(250, ("queued",), "2.0.0")


@dataclass
class Hub:
    """The provider's host. `opens_s`: it refuses connections until then; `silent`: it drops them without a word.

    `greylist_s`: how long after its first try a message is deferred.
    """

    opens_s: float = 0.0
    silent: bool = False
    greylist_s: float = 0.0
    reply: Reply = GREYLISTED
    tried_s: list[float] = field(default_factory=list)
    etrn_s: list[float] = field(default_factory=list)
    first_s: dict[str, float] = field(default_factory=dict)
    broken: asyncio.Event = field(default_factory=asyncio.Event)
    waiting: dict[object, float] = field(default_factory=dict)

    async def send(
        self,
        target: HostTarget,
        settings: ConnectSettings,
        next_message: Callable[[], Awaitable[OutgoingMessage | None]],
        on_outcome: Callable[[OutgoingMessage, tuple[Outcome, ...]], Awaitable[None]],
    ) -> SessionEnd:
        self.broken.clear()
        self.tried_s.append(now())
        if not await self._connect():
            return REFUSED
        count = 0
        while (message := await next_message()) is not None:
            await asyncio.sleep(ROUND_TRIP_S)
            first_s = self.first_s.setdefault(message.queue_id, now())
            takes = now() >= first_s + self.greylist_s
            outcome = Delivered(QUEUED, target.host) if takes else Deferred(self.reply, target.host)
            count += takes
            await on_outcome(message, (outcome,) * len(message.envelope.recipients))
        return SessionEnd(SessionFate.DONE, "done", ready=True, connected=True, messages=count)

    async def etrn(self, target: HostTarget, settings: ConnectSettings, names: Sequence[str]) -> EtrnDialogue:
        self.etrn_s.append(now())
        if not await self._connect():
            return EtrnDialogue((), REFUSED.reason, offered=False, fate=SessionFate.UNREACHABLE)
        nothing = Reply(251, ("nothing waits",))
        return EtrnDialogue(tuple((name, nothing) for name in names), None, offered=True)

    @property
    def patience_ends_s(self) -> float:
        return max(self.waiting.values(), default=inf)

    def stop_waiting(self, why: str) -> None:
        self.broken.set()

    def break_off(self, why: str) -> None:
        self.broken.set()

    async def _connect(self) -> bool:
        if self.silent and now() < self.opens_s:
            me = object()
            self.waiting[me] = now() + LEAST_WAIT_S
            try:
                async with asyncio.timeout(60.0):
                    await self.broken.wait()
            except TimeoutError:
                pass
            del self.waiting[me]
            return False
        await asyncio.sleep(ROUND_TRIP_S)
        return now() >= self.opens_s

    async def addresses(self, host: str) -> AddressAnswer:
        return ("192.0.2.1",)

    async def mx(self, domain: str) -> MxAnswer:
        return NoRecords(domain)


class Mail:
    """The queue, the spool and the notices, in memory."""

    def __init__(self, count: int) -> None:
        ids = [QueueId(f"A{number}") for number in range(count)]
        self.messages = {queue_id: a_record(queue_id) for queue_id in ids}

    async def remote_batch(
        self, domains: Sequence[str] | None, now_s: int, limit: int, exclude: Set[QueueId]
    ) -> list[MessageRecord]:
        waiting = [m for m in self.messages.values() if m.recipients[0].state is RecipientState.WAITING]
        return [message for message in waiting if message.queue_id not in exclude][:limit]

    async def remote_domains(self, now_s: int) -> list[tuple[str, int]]:
        raise AssertionError("one smarthost takes all")

    async def update_many(self, updates: Sequence[tuple[QueueId, Sequence[RecipientRecord]]]) -> None:
        for queue_id, rows in updates:
            self.messages[queue_id] = replace(self.messages[queue_id], recipients=tuple(rows))

    def stored(self, queue_id: QueueId) -> Path:
        return Path("/nowhere") / queue_id

    async def failed(self, message: MessageRecord, recipients: Sequence[ReportedRecipient]) -> None:
        raise AssertionError("nothing is refused here")

    async def relayed(self, message: MessageRecord, recipients: Sequence[ReportedRecipient]) -> None:
        raise AssertionError("nobody asked")

    @property
    def attempts(self) -> list[int]:
        return [message.recipients[0].attempts for message in self.messages.values()]


class Station:
    """Call, flush and ETRN around a `Hub`, with `mail` messages that wait for the world."""

    def __init__(
        self, hub: Hub, *, mail: int = 3, call: CallConfig = CONFIG, budget: BudgetConfig | None = None
    ) -> None:
        self.hub, self.mail, self.link = hub, Mail(mail), FakeLink()
        self.call_config, self.budget = call, budget or BudgetConfig()
        self.store = MemoryCallStore()
        self.said: list[str] = []
        self.given_up: list[tuple[CallRecord, int]] = []

    def play(self, scene: Callable[[Station], Coroutine[None, None, None]]) -> None:
        run_virtual(self.act(scene))

    async def act(self, scene: Callable[[Station], Coroutine[None, None, None]]) -> None:
        config = Config(
            station=StationConfig(hostname="mail.clinic.example", domains=("clinic.example",)),
            outbound=OutboundConfig(smarthost="mail.provider.example"),
            etrn=EtrnConfig(host="mail.provider.example"),
        )
        self.panel = Panel(self.store)
        self.calls = CallManager(
            self.call_config,
            self.link,
            etrn=EtrnAsk(config, self.hub, self.hub),
            flush=Flush(config, self.mail, self.hub, self.hub, self.mail, self.mail, is_dialled=True),
            inbound=FakeInbound(),
            store=self.store,
            panel=self.panel,
            budget=Budget(self.budget, self.store),
            on_given_up=lambda record, failures: self.given_up.append((record, failures)),
        )
        self.calls.subscribe(self.said.append)
        task = asyncio.create_task(self.calls.run())
        try:
            await scene(self)
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def call(self, reason: CallReason = CallReason.SCHEDULE) -> list[CallRecord]:
        """A call and its redials."""
        before = len(self.store.calls)
        self.calls.request(reason)
        await self.calls.finished()
        while self.calls.state is not CallState.IDLE:
            await asyncio.sleep(1.0)
        return [CallRecord.from_json(call) for call in self.store.calls[before:]]


CONNECT_S = 10.0
"""When the first call is answered; mail may flow 2 s later."""


@pytest.mark.parametrize("after_s", [6.0, 20.0])
def test_a_host_that_refuses_for_seconds_gets_the_mail_in_the_same_unit(after_s: float) -> None:
    async def scene(station: Station) -> None:
        [record] = await station.call()
        assert (record.sent, record.deferred, record.hangup_reason) == (3, 0, HangUpReason.DONE)
        assert record.etrn[-1].code == 251
        assert len(record.etrn) == 1, "that it could not be reached before is no news any more"
        assert after_s < record.paid_s < after_s + 10
        assert not station.panel.state.faults
        assert station.mail.attempts == [2, 2, 2], "however often in vain in a call, that is one attempt"

    Station(Hub(opens_s=CONNECT_S + after_s)).play(scene)


def test_one_that_refuses_for_a_minute_gets_it_in_the_redial() -> None:
    async def scene(station: Station) -> None:
        first, second = await station.call()
        assert (first.sent, first.deferred, first.hangup_reason) == (0, 3, HangUpReason.NOT_SERVED)
        assert 40 < first.paid_s < 60, "what was paid for is used, and no more"
        assert first.hangup_detail == (
            "3 deferred; mail.provider.example: 451 4.4.1 no connection to mail.provider.example: refused"
        )
        assert (second.reason, second.sent, second.deferred) == (CallReason.REDIAL, 3, 0)
        assert second.hangup_reason is HangUpReason.DONE
        assert not station.panel.state.faults
        assert not station.given_up

    Station(Hub(opens_s=CONNECT_S + 60.0)).play(scene)


def test_nobody_at_home_for_the_whole_series_is_reported_and_not_called_for_ever() -> None:
    async def scene(station: Station) -> None:
        records = await station.call()
        assert [record.hangup_reason for record in records] == [HangUpReason.NOT_SERVED] * 3
        assert station.link.dialled_at[2] - station.link.hung_up_at[1] == 300.0
        assert station.panel.state.faults == {Fault.MAIL, Fault.ETRN}
        [(last, failures)] = station.given_up
        assert (last.started, last.hangup_detail, failures) == (records[2].started, records[2].hangup_detail, 3)
        assert station.calls.attention()[0].startswith("The last call achieved nothing: 3 deferred; ")
        assert station.calls.attention()[1].startswith("3 calls in a row failed")
        again = await station.call()
        assert len(again) == 1, "a provider that is down for days costs one series, then a call a time"
        assert len(station.given_up) == 1
        station.hub.opens_s = 0.0
        [served] = await station.call()
        assert served.sent == 3
        assert station.calls.failures == 0

    Station(Hub(opens_s=1e9)).play(scene)


def test_a_dead_host_for_etrn_does_not_cost_a_series_after_each_call_that_sends_mail() -> None:
    class NoEtrn(Hub):
        async def etrn(self, target: HostTarget, settings: ConnectSettings, names: Sequence[str]) -> EtrnDialogue:
            return EtrnDialogue((), REFUSED.reason, offered=False, fate=SessionFate.UNREACHABLE)

    async def scene(station: Station) -> None:
        assert len(await station.call()) == 3
        for number in range(2):
            queue_id = QueueId(f"B{number}")
            station.mail.messages[queue_id] = a_record(queue_id)
            [productive] = await station.call()
            assert (productive.sent, productive.hangup_reason) == (1, HangUpReason.NOT_SERVED)
            assert len(await station.call()) == 1
        assert len(station.given_up) == 1

    Station(NoEtrn(), mail=0).play(scene)


def test_a_restart_does_not_begin_the_series_again() -> None:
    async def scene(station: Station) -> None:
        assert len(await station.call()) == 3
        restarted = Station(station.hub)
        restarted.store = station.store

        async def later(station: Station) -> None:
            assert len(await station.call()) == 1

        await restarted.act(later)

    Station(Hub(opens_s=1e9)).play(scene)


def test_a_host_that_drops_every_packet_costs_one_unit() -> None:
    async def scene(station: Station) -> None:
        [record] = await station.call()
        assert (record.deferred, record.hangup_reason) == (3, HangUpReason.NOT_SERVED)
        assert 50 < record.paid_s < 61

    Station(Hub(opens_s=1e9, silent=True), call=replace(CONFIG, redial_attempts=0)).play(scene)


def test_billed_by_the_second_it_gets_the_least_it_is_worth() -> None:
    async def scene(station: Station) -> None:
        [record] = await station.call()
        assert LEAST_WAIT_S < record.paid_s < LEAST_WAIT_S + 10

    call, by_second = replace(CONFIG, redial_attempts=0), BudgetConfig(billing_step_s=1)
    Station(Hub(opens_s=1e9, silent=True), call=call, budget=by_second).play(scene)


def test_a_retry_that_reaches_nobody_is_interrupted_before_the_next_unit() -> None:
    async def scene(station: Station) -> None:
        async def goes_silent() -> None:
            await asyncio.sleep(CONNECT_S + 36.0)  # a retry now would be worth 30 s by itself
            station.hub.silent = True

        task = asyncio.create_task(goes_silent())
        [record] = await station.call()
        await task
        assert 50 < record.paid_s < 60
        assert record.hangup_reason is HangUpReason.NOT_SERVED

    Station(Hub(opens_s=1e9), call=replace(CONFIG, redial_attempts=0)).play(scene)


def test_a_retry_of_etrn_that_breaks_its_promise_is_not_made_again_and_again(
    caplog: pytest.LogCaptureFixture,
) -> None:
    class Breaking(Hub):
        async def etrn(self, target: HostTarget, settings: ConnectSettings, names: Sequence[str]) -> EtrnDialogue:
            if len(self.etrn_s) >= TRIES:
                self.etrn_s.append(now())
                raise RuntimeError("a bug")
            return await super().etrn(target, settings, names)

    async def scene(station: Station) -> None:
        [record] = await station.call()
        assert record.paid_s < 60
        assert len(station.hub.etrn_s) == TRIES + 1
        assert "a bug" in caplog.text

    Station(Breaking(opens_s=1e9), mail=0, call=replace(CONFIG, redial_attempts=0)).play(scene)


@pytest.mark.parametrize(("step_s", "most_s"), [(1, 12.0), (600, 320.0)])
def test_how_long_it_hopes_goes_by_what_is_paid(step_s: int, most_s: float) -> None:
    async def scene(station: Station) -> None:
        [record] = await station.call()
        assert most_s - 30 < record.paid_s < most_s

    call = replace(CONFIG, redial_attempts=0)
    Station(Hub(opens_s=1e9), call=call, budget=BudgetConfig(billing_step_s=step_s)).play(scene)


@pytest.mark.parametrize(("greylist_s", "calls"), [(25.0, 1), (60.0, 2), (300.0, 3)])
def test_greylisted_mail_goes_in_the_first_call_late_enough(greylist_s: float, calls: int) -> None:
    async def scene(station: Station) -> None:
        records = await station.call()
        assert len(records) == calls
        for record in records[:-1]:
            assert (record.sent, record.deferred, record.hangup_reason) == (0, 3, HangUpReason.DEFERRED)
            assert record.hangup_detail.startswith("3 deferred; mail.provider.example: 450 4.2.0 Greylisted")
            assert record.paid_s < 60
        assert (records[-1].sent, records[-1].deferred) == (3, 0)
        assert records[-1].hangup_reason is HangUpReason.DONE
        assert station.mail.attempts == [max(calls, 2)] * 3
        assert not station.given_up

    Station(Hub(greylist_s=greylist_s)).play(scene)


def test_what_is_deferred_for_days_costs_two_calls_more_and_then_none() -> None:
    async def scene(station: Station) -> None:
        records = await station.call()
        assert [record.again for record in records] == [Again.SOON, Again.SOON, Again.NEXT_TIME]
        [later] = await station.call()
        assert later.hangup_reason is HangUpReason.DEFERRED
        assert later.paid_s < 10, "nor is the line held for it"
        assert not station.given_up, "its sender hears of it; the operator has nothing to do"
        assert station.calls.failures == 0

    Station(Hub(greylist_s=1e9, reply=NO_ROOM)).play(scene)


def test_without_redials_a_greylisting_host_is_no_news_for_the_postmaster() -> None:
    async def scene(station: Station) -> None:
        [record] = await station.call()
        assert record.hangup_reason is HangUpReason.DEFERRED
        assert not station.given_up, "its sender hears of the delay"
        assert station.calls.failures == 1

    Station(Hub(greylist_s=1e9), call=replace(CONFIG, redial_attempts=0)).play(scene)


def test_a_call_in_vain_does_not_claim_to_be_done() -> None:
    async def scene(station: Station) -> None:
        [record] = await station.call()
        assert ended_words(record).startswith("0 sent, 0 received, 3 deferred")
        assert exit_status(record) == 1
        answer = call_answer(record, number=1)
        assert answer.hangup_words == "mail was deferred, and nothing more came"
        assert any(words.startswith("hung up: mail was deferred") for words in station.said)

    Station(Hub(greylist_s=1e9), call=replace(CONFIG, redial_attempts=0)).play(scene)


def test_what_is_deferred_is_retried_once_more_where_some_of_it_went() -> None:
    async def scene(station: Station) -> None:
        station.hub.first_s["A0"] = -1e9
        [record] = await station.call()
        assert (record.sent, record.deferred, record.hangup_reason) == (1, 2, HangUpReason.DEFERRED)
        assert station.calls.failures == 0, "it achieved something: no redial"

    Station(Hub(greylist_s=1e6)).play(scene)
