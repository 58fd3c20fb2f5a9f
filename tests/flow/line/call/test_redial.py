"""Redials and the country's rules, in virtual time: who waits, how long, what is said, what a restart leaves."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from call_rig import said
from dialpost.core.call_reason import CallReason
from dialpost.core.config.model import CallConfig, ModemConfig
from dialpost.core.line.call.record import CallRecord, HangUpReason
from dialpost.core.line.call.states import CallState
from dialpost.core.line.country import Country
from dialpost.core.line.dial_plan import DialPlan
from dialpost.core.line.link import DialOutcome, DialResult
from dialpost.core.line.redial_rules import RedialRules
from dialpost.flow.line.call.machine import CallManager
from dialpost.flow.line.call.redial import Redials
from dialpost.flow.panel.state import Panel
from fakes import FakeFlush, FakeInbound, FakeLink, MemoryCallStore, now, run_virtual

CONFIG = CallConfig(redial_attempts=5, redial_pause_s=30.0, cooldown_s=5.0)
STRICT = RedialRules(attempts=3, rest_s=3600, pauses_s=(5, 120))
FAILED = CallRecord(CallReason.SCHEDULE, "modem", DialResult.BUSY, 0)
GOOD = CallRecord(CallReason.SCHEDULE, "modem", DialResult.CONNECTED, 0, sent=1, hangup_reason=HangUpReason.DONE)


def plan_for(rules: RedialRules = STRICT, numbers: tuple[str, ...] = ("111",)) -> DialPlan:
    return DialPlan(ModemConfig(numbers=numbers), Country("austria", "Austria", "a test", redial=rules))


@dataclass
class Desk:
    """Redials alone: `dialled` holds the moments at which a call was asked for."""

    plan: DialPlan | None = field(default_factory=plan_for)
    config: CallConfig = CONFIG
    store: MemoryCallStore = field(default_factory=MemoryCallStore)
    wall_s: float = 1_800_000_000.0
    trusted: bool = True
    said: list[str] = field(default_factory=list)
    dialled: list[float] = field(default_factory=list)

    def play(self, scene: Callable[[Desk], Awaitable[None]]) -> None:
        run_virtual(self._play(scene))

    async def _play(self, scene: Callable[[Desk], Awaitable[None]]) -> None:
        self.redials = Redials(
            self.config,
            lambda: self.dialled.append(now()),
            self.said.append,
            self.plan,
            wall_clock=lambda: self.wall_s + now(),
            clock_trusted=lambda: self.trusted,
        )
        await scene(self)
        self.redials.forget()

    def fail(self, number: str = "111", result: DialResult = DialResult.BUSY) -> None:
        if self.plan is not None:
            self.plan.tried(number, result, now())
        self.redials.plan(FAILED)


def test_the_configured_pause_holds_where_it_is_longer_than_the_country_s() -> None:
    async def scene(desk: Desk) -> None:
        desk.fail()
        assert desk.said == ["redialling in 30 s"]
        await asyncio.sleep(29.9)
        assert desk.dialled == []
        await asyncio.sleep(1)
        assert desk.dialled == [30.0]

    Desk().play(scene)


def test_the_country_s_pause_holds_where_it_is_longer_and_is_reported() -> None:
    async def scene(desk: Desk) -> None:
        desk.fail()
        await asyncio.sleep(30.0)
        desk.redials.started(is_redial=True)
        desk.fail()
        assert desk.said[-1].startswith("redialling in 2 min (")
        assert desk.said[-1].endswith("(Austria requires 120 s between such tries)")
        assert desk.redials.words().endswith("then up to 3 more times (Austria requires 120 s between such tries)")
        await asyncio.sleep(119)
        assert desk.dialled == [30.0]
        await asyncio.sleep(2)
        assert desk.dialled == [30.0, 150.0]

    Desk().play(scene)


def test_a_spent_number_rests_and_the_redial_waits_for_that() -> None:
    async def scene(desk: Desk) -> None:
        for _ in range(3):
            desk.fail()
        assert "Austria allows 3 failed tries in a row to one number, then it rests" in desk.said[-1]
        assert "in 1 h (" in desk.said[-1]
        await asyncio.sleep(3599)
        assert desk.dialled == []
        await asyncio.sleep(2)
        assert desk.dialled == [3600.0]

    Desk().play(scene)


def test_a_clock_not_trusted_tells_no_time_of_day() -> None:
    async def scene(desk: Desk) -> None:
        for _ in range(3):
            desk.fail()
        assert "in 1 h (Austria" in desk.said[-1]

    Desk(trusted=False).play(scene)


def test_where_only_an_operator_can_go_on_it_gives_up_and_says_so() -> None:
    async def scene(desk: Desk) -> None:
        desk.fail()
        assert not desk.redials.pending
        assert "redialling takes the operator" in desk.said[-1]
        assert "until the operator asks" in desk.redials.held(CallReason.QUEUE)
        assert not desk.redials.pending
        assert desk.redials.held(CallReason.BUTTON) == ""
        assert desk.redials.held(CallReason.QUEUE) == "", "the operator's call set the counters to zero"
        await asyncio.sleep(1e5)
        assert desk.dialled == []

    Desk(plan_for(RedialRules(attempts=1, rest_s=0))).play(scene)


@pytest.mark.parametrize("reason", [reason for reason in CallReason if not reason.by_hand])
def test_the_rules_bind_every_call_nobody_asked_for_by_hand(reason: CallReason) -> None:
    async def scene(desk: Desk) -> None:
        assert desk.plan is not None
        desk.plan.tried("111", DialResult.BUSY, now())
        desk.plan.tried("111", DialResult.BUSY, now())
        told = desk.redials.held(reason)
        assert told.startswith("No call now: redialling in 2 min (")
        await asyncio.sleep(121)
        assert desk.dialled == [120.0], "it is made when the rules allow it, without a further pause"
        assert desk.redials.held(reason) == ""

    Desk().play(scene)


@pytest.mark.parametrize("reason", [reason for reason in CallReason if reason.by_hand])
def test_an_operator_is_not_held_back(reason: CallReason) -> None:
    async def scene(desk: Desk) -> None:
        for _ in range(3):
            desk.fail()
        assert desk.redials.pending
        assert desk.redials.held(CallReason.SCHEDULE).startswith("The line failed a moment ago; redialling in")
        assert desk.redials.held(reason) == ""

    Desk().play(scene)


def test_another_number_need_not_wait_for_the_first() -> None:
    async def scene(desk: Desk) -> None:
        assert desk.plan is not None
        for _ in range(3):
            desk.fail("111")
        assert "rests" not in desk.said[-1]
        await asyncio.sleep(30)
        assert desk.dialled == [30.0]
        assert desk.plan.next(now()).number == "222"

    Desk(plan_for(numbers=("111", "222"))).play(scene)


def test_a_call_that_moved_mail_starts_again() -> None:
    async def scene(desk: Desk) -> None:
        desk.fail()
        desk.redials.started(is_redial=True)
        desk.redials.plan(GOOD)
        assert (desk.redials.pending, desk.redials.left) == (False, None)

    Desk().play(scene)


@pytest.mark.parametrize(("moved", "left"), [({}, 3), ({"sent": 1}, 4), ({"received": 1}, 4)], ids=str)
def test_a_cut_call_that_moved_mail_either_way_gets_all_its_tries_again(moved: dict[str, Any], left: int) -> None:
    async def scene(desk: Desk) -> None:
        desk.fail()
        desk.redials.started(is_redial=True)
        cut = CallRecord(
            CallReason.SCHEDULE, "modem", DialResult.CONNECTED, 0, hangup_reason=HangUpReason.CARRIER_LOST, **moved
        )
        desk.redials.plan(cut)
        assert desk.redials.left == left

    Desk().play(scene)


def test_without_a_modem_the_configuration_alone_decides() -> None:
    async def scene(desk: Desk) -> None:
        for tries in range(6):
            desk.fail()
            await asyncio.sleep(31)
            desk.redials.started(is_redial=True)
            assert len(desk.dialled) == min(tries + 1, 5)
        assert "given up for now" in desk.said[-1]

    Desk(plan=None).play(scene)


# -- restarts ------------------------------------------------------------------------------------------------


def test_counters_survive_a_restart() -> None:
    store = MemoryCallStore()

    async def before(desk: Desk) -> None:
        for _ in range(3):
            desk.fail()
        await desk.redials.keep(store)

    async def after(desk: Desk) -> None:
        await desk.redials.recall(store)
        assert desk.redials.left == 2
        await asyncio.sleep(2999)
        assert desk.dialled == []
        await asyncio.sleep(2)
        assert desk.dialled == [pytest.approx(3000, abs=1)]

    Desk(store=store).play(before)
    Desk(store=store, wall_s=1_800_000_600.0).play(after)  # 600 s later by a clock that is right


def test_a_board_that_wakes_in_the_past_waits_the_whole_time() -> None:
    store = MemoryCallStore()

    async def before(desk: Desk) -> None:
        for _ in range(3):
            desk.fail()
        desk.redials.forget()
        await desk.redials.keep(store)

    async def after(desk: Desk) -> None:
        await desk.redials.recall(store)
        assert not desk.redials.pending
        assert "1 h" in desk.redials.held(CallReason.SCHEDULE)
        await asyncio.sleep(3601)
        assert desk.dialled == [pytest.approx(3600, abs=1)]

    Desk(store=store).play(before)
    Desk(store=store, wall_s=0.0, trusted=False).play(after)


@pytest.mark.parametrize("kept", ["", "{", "3", '{"next": 3}', '{"history": {"numbers": {"1": 2}}}', "null"])
def test_what_can_not_be_read_is_begun_again(kept: str) -> None:
    async def scene(desk: Desk) -> None:
        await desk.redials.recall(desk.store)
        assert desk.redials.left == 2, "the other value is read all the same"
        assert desk.redials.held(CallReason.BUTTON) == ""

    desk = Desk()
    desk.store.values = {"call.dial_plan": kept, "call.redials_left": "2"}
    desk.play(scene)


def after_power_cut(store: MemoryCallStore, state: CallState, *, redials: int = 2) -> tuple[int | None, bool, str]:
    """The power fails in the state, in a call made as a redial; the tries left, whether one waits, what is said."""
    kept: dict[str, str] = {}

    async def scene() -> None:
        plan = plan_for(numbers=("111", "222"))
        calls = CallManager(
            CallConfig(redial_attempts=redials, redial_pause_s=30.0, cooldown_s=5.0),
            PlanLink(plan, []),
            etrn=None,
            flush=FakeFlush(),
            inbound=FakeInbound(),
            store=store,
            panel=Panel(store),
            dial_plan=plan,
        )
        task = asyncio.create_task(calls.run())
        while calls.state is not state:
            await asyncio.sleep(0.1)
        await asyncio.sleep(1.0)
        kept.update(store.values)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        store.values = kept  # what came after the cut never was

    run_virtual(scene())
    found: list[tuple[int | None, bool, str]] = []

    async def restart(desk: Desk) -> None:
        await desk.redials.recall(store)
        found.append((desk.redials.left, desk.redials.pending, str(kept["call.dial_plan"])))

    Desk(plan=plan_for(numbers=("111", "222")), store=store).play(restart)
    return found[0]


def test_a_board_whose_power_fails_with_each_try_does_not_try_for_ever() -> None:
    store = MemoryCallStore()
    store.values = {"call.redials_left": "2"}
    left, pending, plan = after_power_cut(store, CallState.DIALING)
    assert (left, pending) == (1, True)
    assert '"next": "222"' in plan and '"111": [[' in plan and "timeout" in plan
    left, pending, plan = after_power_cut(store, CallState.DIALING)
    assert (left, pending) == (0, True) and '"222": [[' in plan
    left, pending, plan = after_power_cut(store, CallState.DIALING)
    assert (left, pending) == (None, False)


def test_a_power_cut_after_the_other_end_answered_is_no_failure_of_its_number() -> None:
    store = MemoryCallStore()
    store.values = {"call.redials_left": "2"}
    left, _, plan = after_power_cut(store, CallState.NEGOTIATING)
    assert left == 1 and '"next": "111"' in plan and "timeout" not in plan


# -- in the call ---------------------------------------------------------------------------------------------


class PlanLink(FakeLink):
    """A link that dials by the plan and reports to it, as the modem's does."""

    def __init__(self, plan: DialPlan, outcomes: list[DialOutcome]) -> None:
        super().__init__(outcomes)
        self.plan = plan

    async def dial(self) -> DialOutcome:
        number = self.plan.next(now()).number
        outcome = await super().dial()
        self.plan.tried(number, outcome.result, now())
        return outcome


def test_the_call_keeps_to_the_rules_also_after_it_gave_up() -> None:
    plan = plan_for()
    link = PlanLink(plan, [DialOutcome(DialResult.BUSY)] * 3)

    async def scene() -> None:
        store = MemoryCallStore()
        calls = CallManager(
            CallConfig(redial_attempts=2, redial_pause_s=30.0, cooldown_s=5.0),
            link,
            etrn=None,
            flush=FakeFlush(),
            inbound=FakeInbound(),
            store=store,
            panel=Panel(store),
            dial_plan=plan,
        )
        task = asyncio.create_task(calls.run())
        calls.request(CallReason.SCHEDULE)
        record = await calls.finished()
        assert record.result is DialResult.BUSY
        # 10 s dialling, 1 s hanging up; then 30 s, then Austria's 120 s from the end of the dialling
        assert link.dialled_at == [0.0, 41.0, 171.0]
        while calls.state is not CallState.IDLE:
            await asyncio.sleep(0.5)
        told = calls.request(CallReason.QUEUE)
        assert "Austria allows 3 failed tries in a row" in told
        assert (await calls.finished()).result is DialResult.CONNECTED
        assert link.dialled_at[3] == 181.0 + 3600
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    run_virtual(scene())


def answered(code: int) -> CallRecord:
    return replace(GOOD, etrn=said(code))


@pytest.mark.parametrize(
    ("hanging", "after_s", "redial", "due_s"),
    [
        (2, 40.0, answered(250), 305.0),
        (2, 40.0, answered(251), None),
        (2, 40.0, GOOD, None),  # there is no ETRN
        (0, 40.0, answered(250), None),
        (2, 304.0, answered(250), 305.0),
        (2, 305.0, answered(250), None),  # late enough
    ],
)
def test_one_more_redial_fetches_what_hangs_since_the_line_was_lost(
    hanging: int, after_s: float, redial: CallRecord, due_s: float | None
) -> None:
    async def scene(desk: Desk) -> None:
        desk.redials.hanging = hanging
        desk.redials.plan(replace(answered(250), hangup_reason=HangUpReason.CARRIER_LOST))
        await asyncio.sleep(after_s)
        desk.redials.started(is_redial=True)
        desk.redials.plan(redial)
        assert desk.redials.pending is (due_s is not None)
        if due_s is not None:
            assert desk.redials.words().endswith(" (mail hangs at the provider since the line was lost)")
            desk.dialled.clear()
            await asyncio.sleep(due_s - after_s + 0.1)
            assert desk.dialled == [due_s]
            desk.redials.plan(redial)
        assert not desk.redials.pending, "once"

    Desk().play(scene)


@pytest.mark.parametrize(
    "ended", [HangUpReason.STOPPED, HangUpReason.CANCELLED, HangUpReason.BUDGET_SPENT, HangUpReason.MAX_CALL_TIME]
)
def test_after_a_call_that_was_ended_none_fetches_what_hangs(ended: HangUpReason) -> None:
    """Whoever wants the line, or saves its cost, does not want it dialled again in a few minutes."""

    async def scene(desk: Desk) -> None:
        desk.redials.hanging = 1
        desk.redials.plan(replace(answered(250), hangup_reason=HangUpReason.CARRIER_LOST))
        desk.redials.started(is_redial=True)
        desk.redials.plan(replace(answered(250), hangup_reason=ended))
        assert not desk.redials.pending
        desk.redials.plan(answered(250))
        assert not desk.redials.pending, "nor after a later one"

    Desk().play(scene)


@pytest.mark.parametrize(("received", "again"), [(0, False), (1, True)])
def test_one_that_is_cut_while_it_fetches_what_hangs_is_followed_by_another_only_if_mail_moves(
    received: int, again: bool
) -> None:
    empty = replace(answered(250), sent=0)
    cut = replace(empty, hangup_reason=HangUpReason.CARRIER_LOST)

    async def scene(desk: Desk) -> None:
        desk.redials.hanging = 1
        for record, wait_s in (cut, 40.0), (empty, 300.0), (replace(cut, received=received), 40.0):
            desk.redials.plan(record)
            assert desk.redials.pending
            await asyncio.sleep(wait_s)
            desk.redials.started(is_redial=True)
        desk.redials.plan(empty)
        assert desk.redials.pending is again
        desk.redials.started(is_redial=False)
        desk.redials.plan(cut)
        desk.redials.started(is_redial=True)
        desk.redials.plan(empty)
        assert desk.redials.pending, "after a call for another reason it may"

    Desk().play(scene)


def test_a_call_by_hand_that_comes_too_early_leaves_the_one_that_fetches_what_hangs() -> None:
    async def scene(desk: Desk) -> None:
        desk.redials.hanging = 1
        desk.redials.plan(replace(answered(250), hangup_reason=HangUpReason.CARRIER_LOST))
        for is_redial in (True, False):
            await asyncio.sleep(60.0)
            desk.redials.started(is_redial)
            desk.redials.plan(answered(250))
        desk.dialled.clear()
        await asyncio.sleep(300.0)
        assert desk.dialled == [305.0]

    Desk().play(scene)


def test_without_redials_none_fetches_what_hangs() -> None:
    async def scene(desk: Desk) -> None:
        desk.redials.hanging = 1
        desk.redials.plan(replace(answered(250), hangup_reason=HangUpReason.CARRIER_LOST))
        desk.redials.plan(answered(250))
        assert not desk.redials.pending

    Desk(config=replace(CONFIG, redial_attempts=0)).play(scene)
