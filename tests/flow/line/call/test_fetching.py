"""A call that fetches mail over its own connections (ATRN, mailboxes): when it ends, what it records.

In virtual time; the collectors are played.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from math import inf

import pytest

from call_rig import CONFIG, Rig, said
from dialpost.core.call_reason import CallReason
from dialpost.core.line.call.record import HangUpReason
from dialpost.core.line.call.states import CallState
from dialpost.core.mail.etrn import EtrnAnswer
from dialpost.core.mail.inbound.collected import Collected, CollectFate, Way
from dialpost.flow.line.call.mail_needs import Collector, Start
from fakes import FakeEtrn, FakeFlush, now

ONCE = replace(CONFIG, redial_attempts=0)
DONE = Collected(Way.IMAP, "office", CollectFate.DONE, messages=2, bytes=3000)


class Box:
    """Takes `takes_s` for each result, the last one for ever. `patience_s`: how long it is worth waiting for."""

    def __init__(self, *results: Collected, takes_s: float = 4.0, patience_s: float = inf) -> None:
        self.results, self.takes_s, self.patience_s = [*results], takes_s, patience_s
        self.began_at: list[float] = []
        self.ended_by: list[str] = []
        self._end: asyncio.Event | None = None

    async def collect(self) -> Collected:
        self.began_at.append(round(now(), 1))
        self._end = asyncio.Event()
        try:
            async with asyncio.timeout(self.takes_s):
                await self._end.wait()
        except TimeoutError:
            pass
        return self.results.pop(0) if len(self.results) > 1 else self.results[0]

    def stop(self) -> None:
        self.ended_by.append("stop")
        self._over()

    @property
    def patience_ends_s(self) -> float:
        return self.began_at[-1] + self.patience_s if self.began_at else inf

    def stop_waiting(self, why: str) -> None:
        self.ended_by.append(why)
        self._over()

    def _over(self) -> None:
        assert self._end is not None
        self._end.set()


class NoFlush(FakeFlush):
    """Has no session that waits for its other side."""

    def stop_waiting(self, why: str) -> None:
        pass


class Broken(Box):
    async def collect(self) -> Collected:
        raise RuntimeError("a bug")


@dataclass
class Plan:
    """Begins with `first`; what follows is looked up."""

    first: Start
    on_answers: Callable[[tuple[EtrnAnswer, ...]], Start] = lambda answers: Start()
    on_collected: Callable[[Collected], Start] = lambda result: Start()
    ended: list[tuple[int, bool]] = field(default_factory=list)

    def begin_call(self) -> Start:
        return self.first

    def answered(self, answers: tuple[EtrnAnswer, ...]) -> Start:
        return self.on_answers(answers)

    def collected(self, result: Collected) -> Start:
        return self.on_collected(result)

    def end_call(self, *, received: int, is_cut: bool) -> None:
        self.ended.append((received, is_cut))


def only(*collectors: Collector) -> Plan:
    return Plan(Start(collectors=collectors, why="as configured"))


def test_the_line_goes_down_as_soon_as_all_is_fetched_and_sent() -> None:
    box, plan = Box(DONE), only(Box(DONE, takes_s=9.0))
    plan.first = replace(plan.first, collectors=(box, *plan.first.collectors))
    rig = Rig(config=ONCE, ways=plan, flush=FakeFlush(2.0))

    async def scene(rig: Rig) -> None:
        record = await rig.call()
        assert (record.hangup_reason, round(record.online_s, 1)) == (HangUpReason.DONE, 9.0)
        assert record.inbound == (replace(DONE, messages=4, bytes=6000),), "both are called office"
        assert record.inbound_why == ("as configured",)
        assert rig.etrn is not None and rig.etrn.asked_at == [], "this plan has no ETRN"
        assert rig.records == [record]
        assert "IMAP office: 2 messages" in rig.said

    rig.play(scene)
    assert plan.ended == [(0, False)]


def test_what_etrn_answers_may_begin_another_way() -> None:
    box = Box(DONE)
    plan = Plan(Start(etrn=True), on_answers=lambda answers: Start(collectors=(box,), why=answers[0].words()))
    rig = Rig(config=ONCE, ways=plan, etrn=FakeEtrn(said(502, "no such command")))

    async def scene(rig: Rig) -> None:
        record = await rig.call()
        assert [answer.code for answer in record.etrn] == [502]
        assert (record.inbound, record.inbound_why) == ((DONE,), ("502 no such command",))
        assert round(record.online_s, 1) == 5.0, "one second for ETRN, four for the mailbox, no grace"

    rig.play(scene)


def test_what_one_way_brings_may_begin_the_next_or_etrn() -> None:
    refused = Collected(Way.ATRN, "", CollectFate.NOT_SUPPORTED, "502 no")
    box = Box(DONE)
    follows = {Way.ATRN: Start(etrn=True), Way.IMAP: Start()}
    plan = Plan(
        Start(collectors=(Box(refused),)),
        on_answers=lambda answers: Start(collectors=(box,)),
        on_collected=lambda result: follows[result.way],
    )
    rig = Rig(config=ONCE, ways=plan, etrn=FakeEtrn(said(502)))

    async def scene(rig: Rig) -> None:
        record = await rig.call()
        assert record.inbound == (refused, DONE)
        assert round(record.online_s, 1) == 9.0

    rig.play(scene)


@pytest.mark.parametrize("fate", [CollectFate.UNREACHABLE, CollectFate.CUT])
def test_what_reached_nobody_is_tried_again_while_the_line_is_paid_for(fate: CollectFate) -> None:
    box = Box(Collected(Way.ATRN, "", fate, "no route", messages=1), replace(DONE, way=Way.ATRN, box=""))
    rig = Rig(config=ONCE, ways=only(box))

    async def scene(rig: Rig) -> None:
        record = await rig.call()
        assert record.hangup_reason is HangUpReason.DONE
        assert [one.messages for one in record.inbound] == [3]
        assert len(box.began_at) == 2

    rig.play(scene)


def test_a_way_that_reaches_nobody_is_why_the_call_left_mail_behind() -> None:
    rig = Rig(config=ONCE, ways=only(Box(Collected(Way.ATRN, "", CollectFate.UNREACHABLE, "no route"))))

    async def scene(rig: Rig) -> None:
        record = await rig.call()
        assert record.hangup_reason is HangUpReason.NOT_SERVED
        assert record.hangup_detail == "ATRN: no route"
        assert rig.calls.attention()[0] == "The last call achieved nothing: ATRN: no route."

    rig.play(scene)


def test_a_server_that_is_silent_does_not_hold_a_paid_line() -> None:
    box = Box(Collected(Way.ATRN, "", CollectFate.NOT_NOW, "no answer"), takes_s=600.0, patience_s=30.0)
    rig = Rig(config=ONCE, ways=only(box), flush=NoFlush())

    async def scene(rig: Rig) -> None:
        record = await rig.call()
        assert box.ended_by == ["no answer, and nothing else to keep the line up for"]
        assert record.online_s < 70.0

    rig.play(scene)


def test_stop_ends_after_the_message_being_fetched() -> None:
    box = Box(DONE, takes_s=100.0)
    rig = Rig(config=ONCE, ways=only(box))

    async def scene(rig: Rig) -> None:
        rig.calls.request(CallReason.BUTTON)
        await rig.reach(CallState.ONLINE)
        await asyncio.sleep(2.0)
        rig.calls.cancel(at_once=False)
        record = await rig.calls.finished()
        assert (record.hangup_reason, record.inbound) == (HangUpReason.STOPPED, (DONE,))
        assert box.ended_by == ["stop"]

    rig.play(scene)


def test_a_lost_line_cancels_what_is_being_fetched() -> None:
    plan = only(Box(DONE, takes_s=100.0))
    rig = Rig(config=ONCE, ways=plan)

    async def scene(rig: Rig) -> None:
        rig.calls.request(CallReason.BUTTON)
        await rig.reach(CallState.ONLINE)
        rig.link.cut()
        record = await rig.calls.finished()
        assert (record.hangup_reason, record.inbound) == (HangUpReason.CARRIER_LOST, ())

    rig.play(scene)
    assert len(plan.ended) == 1


def test_a_bug_in_one_way_does_not_strand_the_call() -> None:
    rig = Rig(config=ONCE, ways=only(Broken(DONE), Box(DONE)))

    async def scene(rig: Rig) -> None:
        record = await rig.call()
        assert (record.hangup_reason, record.inbound) == (HangUpReason.DONE, (DONE,))

    rig.play(scene)
