"""The real call against a provider that begins late, sends slowly, has nothing, or says that it is at work already.

In virtual time; the provider is played. What is waited for follows from what earlier calls showed
(`core/line/call/habits`); `tests/test_provider_model.py` asks the same of the rule alone, with many more providers.
"""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass, field, replace

import pytest

from call_rig import CONFIG, Rig, said
from dialpost.core.call_reason import CallReason
from dialpost.core.faults import Fault
from dialpost.core.line.call.record import CallRecord, HangUpReason
from dialpost.core.line.call.states import CallState
from dialpost.core.mail.etrn import EtrnAnswer, EtrnOutcome
from dialpost.flow.line.call.methods import ended_words, exit_status
from fakes import FakeInbound, FakeLink, MemoryCallStore, now

ONCE = replace(CONFIG, redial_attempts=0)
AT_WORK = said(458, "Already processing clinic.example")


@dataclass
class Provider:
    """Holds mail until asked; then sends one message each `gap_s`, the first after `start_s`.

    `says` are its answers in turn, the last one for ever; `serves` tells whether an ask starts its queue.
    """

    start_s: float = 1.0
    gap_s: float = 1.0
    says: list[tuple[EtrnAnswer, ...]] = field(default_factory=lambda: [said(250)])
    holds: int = 0
    asks: int = 0
    serves: bool = True
    inbound: FakeInbound | None = None
    running: asyncio.Task[None] | None = None

    async def ask(self, *, is_retry: bool = False) -> tuple[EtrnAnswer, ...]:
        await asyncio.sleep(0.5)
        answer = self.says[min(self.asks, len(self.says) - 1)]
        self.asks += 1
        if self.serves and self.holds and (self.running is None or self.running.done()):
            self.running = asyncio.create_task(self._send())
        return answer

    async def _send(self) -> None:
        assert self.inbound is not None
        await asyncio.sleep(self.start_s)
        while self.holds:
            await self.inbound.deliver(0.0, 0.4)
            self.holds -= 1
            await asyncio.sleep(self.gap_s)

    async def hung_up(self) -> None:
        """The line is down: it keeps what it has not sent."""
        if self.running is not None:
            self.running.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self.running
            self.running = None


def calls(provider: Provider, *mails: int, rig: Rig | None = None) -> list[CallRecord]:
    """A call for each number of new messages, one after the other, with the redials of each."""
    played = rig or Rig(config=ONCE)
    played.etrn = provider  # type: ignore[assignment]

    async def scene(rig: Rig) -> None:
        provider.inbound = rig.inbound
        for count in mails:
            provider.holds += count
            await rig.call(CallReason.SCHEDULE)
            await provider.hung_up()
            await rig.reach(CallState.IDLE)

    played.play(scene)
    return played.records


@pytest.mark.parametrize("start_s", [2.0, 25.0, 50.0])
@pytest.mark.parametrize("gap_s", [5.0, 10.0, 20.0, 40.0])
def test_all_mail_of_a_slow_provider_is_fetched_from_the_third_call_on(start_s: float, gap_s: float) -> None:
    provider = Provider(start_s, gap_s)
    records = calls(provider, 4, 4, 4, 4)
    assert sum(record.received for record in records) == 16
    assert [record.received for record in records[2:]] == [4, 4]


def test_an_empty_call_of_an_always_250_provider_is_short_from_the_second_on() -> None:
    provider = Provider()
    first, *others = calls(provider, *[0] * 8)
    assert first.online_s == pytest.approx(60.5, abs=1.0)
    assert max(record.paid_s for record in others) <= 20.0
    assert others[-1].online_s < others[0].online_s < 14.0
    assert {record.hangup_reason for record in others} == {HangUpReason.DONE}


@pytest.mark.parametrize("sends", [False, True])
def test_a_limit_shorter_than_a_long_look_does_not_make_every_call_that_long(sends: bool) -> None:
    store = MemoryCallStore()
    for _ in range(8):
        rig = Rig(config=replace(ONCE, max_call_s=40), store=store)
        rig.flush.waiting.extend([0.5] * sends)
        calls(Provider(), 0, rig=rig)
    limited = [number for number, call in enumerate(store.calls) if call["hangup_reason"] == "max-call-time"]
    assert len(store.calls) == 8
    assert limited == ([0, 2, 6] if sends else [0]), "looks become rarer as if they had gone on"


@dataclass
class Hanging(Provider):
    """From `cut` on its connections hang until `free_s`; only then does an ask start its queue again."""

    free_s: float = 0.0

    async def ask(self, *, is_retry: bool = False) -> tuple[EtrnAnswer, ...]:
        self.serves = now() >= self.free_s
        return await super().ask(is_retry=is_retry)

    async def cut(self, rig: Rig, free_s: float) -> None:
        """The line is lost while it opens its first connection."""
        await self.hung_up()
        rig.link.cut()
        self.free_s = now() + free_s


def after_a_cut(
    pause_s: float,
    *,
    max_s: float = 60.0,
    says: tuple[EtrnAnswer, ...],
    late_s: float = 0.6,
    free_s: float = 31.0,
    hanging: int = 0,
) -> Rig:
    """A quick provider is known well; then a call is lost `late_s` after it came on line, and redialled."""
    config = replace(CONFIG, redial_attempts=1, redial_pause_s=pause_s, grace_max_s=max_s)
    provider, store = Hanging(), MemoryCallStore()
    calls(provider, *[2] * 6, 0, rig=Rig(config=config, store=store))
    rig, provider.says = Rig(config=config, store=store, link=FakeLink(dial_s=2.0), hanging=hanging), [says]
    rig.etrn = provider  # type: ignore[assignment]

    async def scene(rig: Rig) -> None:
        provider.inbound, provider.holds = rig.inbound, 3
        rig.flush.waiting.append(60.0)  # it keeps the line up
        rig.calls.request(CallReason.SCHEDULE)
        await rig.reach(CallState.ONLINE)
        await asyncio.sleep(late_s)
        await provider.cut(rig, free_s)
        rig.flush.waiting.clear()
        await rig.calls.finished()
        await provider.hung_up()
        await rig.call(CallReason.SCHEDULE)

    rig.play(scene)
    assert any(record.hangup_reason is HangUpReason.CARRIER_LOST for record in rig.records[-4:])
    return rig


def test_a_redial_follows_when_what_hung_longest_has_timed_out() -> None:
    """Its connection was open at the provider alone, which waits for a greeting."""
    rig = after_a_cut(30.0, says=said(250), free_s=301.0, hanging=1)
    cut, redial, second, later = rig.records[-4:]
    assert (redial.received, second.received, later.received) == (0, 3, 0)
    assert second.reason is CallReason.REDIAL
    assert 300 < second.started - (cut.started + cut.online_s) < 330
    assert "redialling in 5 min" in " ".join(rig.said)


WHY = "waiting for mail that the lost line left at the provider"


@pytest.mark.parametrize(("pause_s", "online_s", "waits"), [(5.0, 36.0, 1), (30.0, 13.0, 0)])
def test_mail_that_hangs_at_the_provider_since_a_cut_is_fetched_by_the_redial(
    pause_s: float, online_s: float, waits: int
) -> None:
    """It is waited for until 35 s after the cut: a redial half a minute later need not wait at all."""
    rig = after_a_cut(pause_s, says=said(250))
    cut, redial, later = rig.records[-3:]
    assert (cut.received, redial.received, later.received) == (0, 3, 0)
    assert redial.online_s == pytest.approx(online_s, abs=6.0)
    assert later.online_s < 20.0, "only after a cut"
    assert rig.said.count(WHY) == waits


def test_no_longer_than_the_operators_bound_is_waited_for_what_hangs() -> None:
    rig = after_a_cut(5.0, max_s=10.0, says=said(250))
    redial = rig.records[-2]
    assert redial.online_s < 20.0
    assert (redial.received, WHY in rig.said) == (0, True)


def test_what_can_not_hang_is_not_waited_for() -> None:
    """Nothing waits at the provider; or it had been quiet for long when the line was lost."""
    for rig in (after_a_cut(5.0, says=said(251)), after_a_cut(5.0, says=said(250), late_s=50.0)):
        assert WHY not in rig.said
        assert rig.records[-2].online_s < 15.0


def test_an_empty_call_after_a_251_ends_with_the_answer() -> None:
    [record] = calls(Provider(says=[said(251)]), 0)
    assert record.online_s == pytest.approx(0.5, abs=0.1)


def test_a_start_of_25_s_that_was_seen_once_is_waited_for_from_then_on() -> None:
    store, quick, late = MemoryCallStore(), Provider(), Provider(start_s=25.0)
    calls(quick, 2, 2, rig=Rig(config=ONCE, store=store))
    calls(late, 3, 3, rig=Rig(config=ONCE, store=store))
    assert late.holds == 6, "nothing has shown yet that it can be late"
    sending = Rig(config=ONCE, store=store)
    sending.flush.waiting.extend([30.0])
    calls(late, 0, rig=sending)
    assert late.holds == 0, "our own mail held the line for longer"
    calls(late, 3, 3, rig=Rig(config=ONCE, store=store))
    assert [call["received"] for call in store.calls[-2:]] == [3, 3]


def test_an_empty_call_that_sends_mail_looks_longer_in_the_third_one() -> None:
    class Sending(Provider):
        async def ask(self, *, is_retry: bool = False) -> tuple[EtrnAnswer, ...]:
            rig.flush.waiting.append(1.0)
            rig.calls.mail_accepted()
            return await super().ask(is_retry=is_retry)

    rig = Rig(config=ONCE)
    records = calls(Sending(), 0, 0, 0, 0, rig=rig)
    assert [record.sent for record in records] == [1] * 4
    assert [record.online_s > 55.0 for record in records] == [True, False, True, False]


@pytest.mark.parametrize("count", [1, 3])
def test_a_number_too_high_does_not_hold_the_line(count: int) -> None:
    provider = Provider(says=[said(253, "10 pending messages for node clinic.example started")])
    [record] = calls(provider, count)
    assert record.received == count
    assert record.online_s < 35.0
    assert provider.asks == 2


def test_the_first_number_is_believed_also_after_an_ask_that_reached_nobody() -> None:
    class Late(Provider):
        async def ask(self, *, is_retry: bool = False) -> tuple[EtrnAnswer, ...]:
            self.serves = self.asks > 0
            if not self.serves and self.inbound is not None:
                await self.inbound.deliver(0.0, 0.4)  # it comes unasked
            return await super().ask(is_retry=is_retry)

    nobody = (EtrnAnswer("clinic.example", EtrnOutcome.UNREACHABLE, None, "no route"),)
    two = said(253, "2 pending messages for node clinic.example started")
    provider = Late(start_s=30.0, says=[nobody, two, said(251)])
    [record] = calls(provider, 2)
    assert (record.received, provider.asks) == (3, 3)


def test_a_provider_that_was_at_work_and_sends_is_not_a_fault() -> None:
    rig = Rig(config=ONCE)
    provider = Provider(start_s=6.0, says=[AT_WORK, said(250)])
    [record] = calls(provider, 2, rig=rig)
    assert (record.received, record.hangup_reason) == (2, HangUpReason.DONE)
    assert Fault.ETRN not in rig.panel.state.faults
    assert exit_status(record) == 0
    assert "458" not in ended_words(record)


def test_one_that_only_waits_for_a_call_that_was_cut_is_asked_once_more_and_serves_then() -> None:
    class Stuck(Provider):
        async def ask(self, *, is_retry: bool = False) -> tuple[EtrnAnswer, ...]:
            self.serves = self.asks > 0
            return await super().ask(is_retry=is_retry)

    provider = Stuck(says=[AT_WORK, said(250)])
    [record] = calls(provider, 2)
    assert record.received == 2
    assert [answer.code for answer in record.etrn][:2] == [458, 250]
    assert exit_status(record) == 0


def test_one_that_stays_at_work_and_sends_nothing_is_a_fault_and_is_redialled() -> None:
    rig = Rig(config=replace(CONFIG, redial_attempts=1))
    provider = Provider(says=[AT_WORK], serves=False)
    first, second = calls(provider, 2, rig=rig)
    assert (first.received, first.hangup_reason) == (0, HangUpReason.NOT_SERVED)
    assert first.hangup_detail == "458 Already processing clinic.example"
    assert second.reason is CallReason.REDIAL
    assert provider.asks == 4
    assert Fault.ETRN in rig.panel.state.faults
    assert exit_status(first) == 1
    assert "458 Already processing" in ended_words(first)
