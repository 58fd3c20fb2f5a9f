"""The budget over time: calls it refuses, calls it ends, and counters that no power cut gives back."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from call_rig import CONFIG, Rig, said
from dialpost.core.call_reason import CallReason
from dialpost.core.config.model import BudgetConfig
from dialpost.core.control import calls as api
from dialpost.core.errors import StorageError
from dialpost.core.faults import Fault
from dialpost.core.json_value import JsonValue
from dialpost.core.line.call.budget import Limit, Spent
from dialpost.core.line.call.forecast import Forecast
from dialpost.core.line.call.record import HangUpReason
from dialpost.core.line.call.states import CallState
from dialpost.core.line.link import DialOutcome, DialResult
from dialpost.core.mail.queue.records import QueueCounts
from dialpost.flow.line.call.budget import Budget
from dialpost.flow.line.call.forecasts import Forecasts
from fakes import FakeEtrn, FakeFlush, FakeLink, MemoryCallStore, now, run_virtual

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC).timestamp()
KEY = "budget.spent"
LONG = FakeEtrn(said(252))  # the provider promises mail for ever: the call lasts grace_max_s


def store_with(**spent: Any) -> MemoryCallStore:
    store = MemoryCallStore()
    store.values[KEY] = json.dumps(Spent("2026-11-24", **spent).to_json())
    return store


def kept(store: MemoryCallStore) -> Spent:
    return Spent.from_json(json.loads(store.values[KEY]))


def test_paid_time_runs_from_the_answer_to_the_end_of_hanging_up() -> None:
    async def scene(rig: Rig) -> None:
        record = await rig.call()
        # 10 s dialling are free; 2 s connecting, 4 s on line, 1 s hanging up are not.
        assert (record.paid_s, record.online_s, record.connect_s) == (7.0, 4.0, 12.0)
        assert (record.cost, record.currency) == (pytest.approx(0.3), "EUR")
        assert kept(rig.store) == Spent("2026-11-24", 7.0, 0.3, 7.0, 0.3)

    priced = BudgetConfig(cost_per_minute=0.2, cost_per_call=0.1, currency="EUR")
    Rig(flush=FakeFlush(1.5, 2.5), budget=priced, wall_at_0_s=NOON).play(scene)


def test_a_dial_that_is_not_answered_costs_nothing() -> None:
    async def scene(rig: Rig) -> None:
        record = await rig.call()
        assert (record.result, record.paid_s, record.cost) == (DialResult.BUSY, 0.0, 0.0)
        assert kept(rig.store) == Spent("2026-11-24")

    link = FakeLink([DialOutcome(DialResult.BUSY)])
    priced = BudgetConfig(cost_per_minute=1, cost_per_call=1)
    Rig(replace(CONFIG, redial_attempts=0), link=link, budget=priced, wall_at_0_s=NOON).play(scene)


def test_a_spent_budget_refuses_every_call_and_says_why(caplog: pytest.LogCaptureFixture) -> None:
    async def scene(rig: Rig) -> None:
        await asyncio.sleep(0.1)
        words = rig.calls.request(CallReason.BUTTON)
        assert words.startswith("The budget is spent: 29.9 of 30 minutes used today (budget.minutes_per_day).")
        assert rig.calls.request(CallReason.SCHEDULE) == words
        assert rig.said == [words], "the schedule asks again and again; it is logged once"
        assert rig.calls.refusal() == words
        assert rig.calls.attention() == [words]
        assert Fault.BUDGET in rig.panel.state.faults
        await asyncio.sleep(100)
        assert (rig.calls.state, rig.link.dialled_at) == (CallState.IDLE, [])
        assert caplog.text.count("call: not made") == 1, "told once, not at each look of the schedule"

    Rig(budget=BudgetConfig(minutes_per_day=30), store=store_with(day_s=1795), wall_at_0_s=NOON).play(scene)


def test_midnight_brings_new_minutes_and_the_light_goes_out() -> None:
    async def scene(rig: Rig) -> None:
        await asyncio.sleep(0.1)
        rig.calls.request(CallReason.BUTTON)
        await asyncio.sleep(12 * 3600)
        assert not rig.panel.state.faults
        assert (await rig.call()).result is DialResult.CONNECTED
        assert kept(rig.store).day == "2026-11-25"
        assert kept(rig.store).month_s == pytest.approx(1800 + 4.0)

    budget = BudgetConfig(minutes_per_day=30)
    Rig(budget=budget, store=store_with(day_s=1800, month_s=1800), wall_at_0_s=NOON).play(scene)


def test_an_untrusted_clock_brings_none() -> None:
    async def scene(rig: Rig) -> None:
        rig.clock_trusted = False
        await asyncio.sleep(0.1)
        assert "once the clock is right" in rig.calls.request(CallReason.BUTTON)
        await asyncio.sleep(48 * 3600)
        assert rig.calls.refusal()
        rig.clock_trusted = True
        assert not rig.calls.refusal()

    budget = BudgetConfig(minutes_per_day=30)
    Rig(budget=budget, store=store_with(day_s=1800), wall_at_0_s=NOON).play(scene)


def test_an_operator_may_call_all_the_same_and_that_is_on_record() -> None:
    async def scene(rig: Rig) -> None:
        await asyncio.sleep(0.1)
        assert rig.calls.request(CallReason.COMMAND, over_budget=True) == "Dialling."
        record = await rig.calls.finished()
        assert record.over_budget
        assert (record.hangup_reason, record.sent) == (HangUpReason.DONE, 2)
        assert kept(rig.store).day_s == pytest.approx(1800 + 403.0)
        assert [call["over_budget"] for call in rig.store.calls] == [True]

    budget = BudgetConfig(minutes_per_day=30, minutes_per_call=1)
    store = store_with(day_s=1800)
    Rig(budget=budget, store=store, flush=FakeFlush(200.0, 200.0), wall_at_0_s=NOON).play(scene)


def test_the_permission_holds_for_the_redials_of_that_call_only() -> None:
    async def scene(rig: Rig) -> None:
        await asyncio.sleep(0.1)
        rig.calls.request(CallReason.COMMAND, over_budget=True)
        await rig.calls.finished()
        assert [(r.reason, r.over_budget) for r in rig.records] == [
            (CallReason.COMMAND, True),
            (CallReason.REDIAL, True),
        ]
        await rig.reach(CallState.IDLE)
        assert "budget is spent" in rig.calls.request(CallReason.COMMAND)

    link = FakeLink([DialOutcome(DialResult.BUSY)])
    budget = BudgetConfig(minutes_per_day=30)
    Rig(link=link, budget=budget, store=store_with(day_s=1800), wall_at_0_s=NOON).play(scene)


def test_a_redial_is_refused_too_and_who_waits_is_reported() -> None:
    async def scene(rig: Rig) -> None:
        rig.calls.request(CallReason.COMMAND)
        await rig.reach(CallState.ONLINE)
        await asyncio.sleep(50.0)
        rig.link.cut()
        record = await rig.calls.finished()
        assert record.hangup_reason is HangUpReason.CARRIER_LOST
        await asyncio.sleep(1000)
        assert len(rig.records) == 1
        assert "budget is spent" in rig.said[-1]

    Rig(budget=BudgetConfig(minutes_per_day=1), etrn=LONG, wall_at_0_s=NOON).play(scene)


def test_the_call_ends_between_messages_when_the_time_is_over() -> None:
    async def scene(rig: Rig) -> None:
        record = await rig.call()
        assert (record.hangup_reason, record.sent) == (HangUpReason.BUDGET_SPENT, 3)
        assert "5 minutes is the most a call may last" in record.hangup_detail
        assert "budget.minutes_per_call" in record.hangup_detail
        assert record.online_s == pytest.approx(300.0), "asked for at 293 s; the third message ends at 300"
        assert any(line.startswith("the budget is spent: ") for line in rig.said)
        assert "its budget was spent" in rig.calls.attention()[0]
        assert not rig.panel.state.faults, "the next call has its minutes again"

    Rig(flush=FakeFlush(*[100.0] * 5), budget=BudgetConfig(minutes_per_call=5), wall_at_0_s=NOON).play(scene)


def test_a_message_without_end_is_cut() -> None:
    async def scene(rig: Rig) -> None:
        rig.link.counted = None
        record = await rig.call()
        assert record.hangup_reason is HangUpReason.BUDGET_SPENT
        assert "cut in the middle of a message" in record.hangup_detail
        assert record.online_s == pytest.approx(293.0 + 295.0, abs=0.5)

    Rig(flush=FakeFlush(1e6), budget=BudgetConfig(minutes_per_call=5), wall_at_0_s=NOON).play(scene)


def test_money_ends_a_call_before_a_step_it_can_not_pay() -> None:
    async def scene(rig: Rig) -> None:
        record = await rig.call()
        assert record.hangup_reason is HangUpReason.BUDGET_SPENT
        assert record.cost == pytest.approx(0.4)
        assert record.paid_s <= 120
        assert kept(rig.store).day_cost == pytest.approx(0.4)
        assert Fault.BUDGET in rig.panel.state.faults

    budget = BudgetConfig(cost_per_minute=0.2, limit_per_day=0.5)
    Rig(flush=FakeFlush(*[2.0] * 500), budget=budget, wall_at_0_s=NOON).play(scene)


def test_a_call_over_midnight_spends_each_day_its_own() -> None:
    async def scene(rig: Rig) -> None:
        rig.calls.request(CallReason.BUTTON)
        await rig.reach(CallState.ONLINE)
        await asyncio.sleep(300)
        record = await rig.calls.finished()
        assert record.hangup_reason is HangUpReason.DONE, "the new day's minutes were enough for the rest"
        spent = kept(rig.store)
        assert spent.day == "2026-11-25"
        assert spent.month_s == pytest.approx(record.paid_s, abs=0.2)
        assert 0 < spent.day_s < record.paid_s

    evening = datetime(2026, 11, 24, 23, 57, tzinfo=UTC).timestamp()
    Rig(flush=FakeFlush(*[10.0] * 40), budget=BudgetConfig(minutes_per_day=6), wall_at_0_s=evening).play(scene)


@pytest.mark.parametrize("after_s", [0.5, 11.0, 30.0, 71.9, 72.0, 133.0, 250.0])
def test_a_power_cut_gives_no_minute_back(after_s: float) -> None:
    """Whatever is on the card at any moment is at least what was used, and at most a good minute more."""

    async def scene(rig: Rig) -> None:
        rig.calls.request(CallReason.BUTTON)
        await asyncio.sleep(after_s)
        on_card = kept(rig.store)
        used_s = rig.calls._budget.spent.day_s
        assert used_s <= on_card.day_s <= used_s + 65.0
        after = Budget(rig.budget, rig.store, zone=UTC, wall_clock=rig.wall_s)
        await after.recall()
        assert after.spent.day_s == on_card.day_s

    Rig(flush=FakeFlush(*[10.0] * 60), budget=BudgetConfig(minutes_per_day=60), wall_at_0_s=NOON).play(scene)


def test_a_power_cut_in_a_long_negotiation_gives_no_minute_back() -> None:
    async def scene(rig: Rig) -> None:
        rig.link.negotiate_s = 110.0
        rig.calls.request(CallReason.BUTTON)
        for _ in range(10):
            await asyncio.sleep(11.0)
            assert rig.calls._budget.spent.day_s <= kept(rig.store).day_s
        assert rig.calls._budget.spent.day_s == pytest.approx(100.0)

    Rig(replace(CONFIG, dial_timeout_s=120), budget=BudgetConfig(minutes_per_day=60), wall_at_0_s=NOON).play(scene)


def test_the_end_of_the_daemon_leaves_the_true_figures() -> None:
    rig = Rig(flush=FakeFlush(1000.0), budget=BudgetConfig(minutes_per_day=60), wall_at_0_s=NOON)

    async def scene(rig: Rig) -> None:
        rig.calls.request(CallReason.BUTTON)
        await rig.reach(CallState.ONLINE)
        await asyncio.sleep(20.0)

    rig.play(scene)
    assert kept(rig.store).day_s == pytest.approx(rig.records[0].paid_s, abs=0.1)
    assert rig.records[0].paid_s == pytest.approx(23.0, abs=0.2)


def test_counters_that_can_not_be_read_are_told(caplog: pytest.LogCaptureFixture) -> None:
    async def scene(rig: Rig) -> None:
        assert (await rig.call()).result is DialResult.CONNECTED
        assert "start from zero" in caplog.text

    store = MemoryCallStore()
    store.values[KEY] = "{spoilt"
    Rig(store=store, wall_at_0_s=NOON).play(scene)


def test_a_card_that_fails_stops_no_call_and_the_counters_go_on(caplog: pytest.LogCaptureFixture) -> None:
    class Full(MemoryCallStore):
        async def remember(self, key: str, value: str) -> None:
            raise StorageError("the card is full")

    async def scene(rig: Rig) -> None:
        assert (await rig.call()).result is DialResult.CONNECTED
        assert "the counters could not be kept" in caplog.text
        assert rig.calls._budget.spent.day_s > 0

    Rig(store=Full(), wall_at_0_s=NOON).play(scene)


def test_the_facts_for_the_command() -> None:
    async def scene() -> api.Budget:
        config = BudgetConfig(minutes_per_day=30, minutes_per_call=20)
        budget = Budget(config, store_with(day_s=720), zone=UTC, wall_clock=lambda: NOON)
        await budget.recall()
        return budget.facts()

    facts = run_virtual(scene())
    assert facts.usage == ("12 of 30 minutes used today", "0 minutes used this month")
    assert (facts.left_s, facts.limit, facts.refusal) == (1080.0, Limit.DAY_MINUTES.value, "")
    assert facts.call_limits == ("a call may last 20 minutes",)


# -- the forecast


class History:
    """A store with calls and counts."""

    def __init__(self, *calls: dict[str, JsonValue], fails: bool = False) -> None:
        self.kept, self.fails = list(calls), fails

    async def calls(self, limit: int) -> list[dict[str, JsonValue]]:
        if self.fails:
            raise StorageError("the card can't be read")
        return self.kept[:limit]

    async def counts(self) -> QueueCounts:
        return QueueCounts(waiting_remote=12, bytes_waiting=340_000)

    async def held_for_size(self) -> tuple[int, int]:
        return 1, 2_100_000


def test_the_forecast_is_said_before_dialling_and_put_on_record() -> None:
    async def scene(rig: Rig) -> None:
        record = await rig.call()
        assert rig.said[0] == (
            "forecast: 12 messages, 340 kB, about 2 min, about 0.40 EUR; 1 big message (2.1 MB) held back"
        )
        assert rig.said[1] == "the budget allows 1 min of it; the rest waits for the next call"
        assert rig.said[2] == "dialling"
        assert isinstance(record.forecast, Forecast)
        assert (record.forecast.messages, record.forecast.held) == (12, 1)
        assert rig.records[0].forecast is not None
        assert rig.records[0].forecast.words() == record.forecast.words()

    budget = BudgetConfig(cost_per_minute=0.2, currency="EUR", minutes_per_call=1)
    forecasts = Forecasts(budget, 33_600, History({"spoilt": True}))
    Rig(budget=budget, forecasts=forecasts, wall_at_0_s=NOON).play(scene)


def test_a_forecast_that_can_not_be_made_stops_no_call(caplog: pytest.LogCaptureFixture) -> None:
    async def scene(rig: Rig) -> None:
        record = await rig.call()
        assert (record.result, record.forecast) == (DialResult.CONNECTED, None)
        assert "no forecast could be made" in caplog.text

    Rig(forecasts=Forecasts(BudgetConfig(), 33_600, History(fails=True)), wall_at_0_s=NOON).play(scene)


def test_those_who_hang_on_the_line_are_told_when_it_is_down() -> None:
    async def scene(rig: Rig) -> None:
        await rig.call()
        assert rig.lines_down == [rig.link.hung_up_at[0]] == [now()]

    Rig().play(scene)


def test_giving_up_is_reported_until_a_call_goes_well() -> None:
    async def scene(rig: Rig) -> None:
        await rig.call()
        await rig.reach(CallState.IDLE)
        failed, given_up = rig.calls.attention()
        assert failed.startswith("The last call did not come up: busy.")
        assert given_up.startswith("3 calls in a row failed, and no redial is due.")
        assert [(record.result, failures) for record, failures in rig.given_up] == [(DialResult.BUSY, 3)]
        await rig.call()
        await rig.reach(CallState.IDLE)
        assert len(rig.given_up) == 1, "told once"
        await rig.call()
        assert rig.calls.attention() == []
        await rig.reach(CallState.IDLE)
        rig.link.outcomes.extend([DialOutcome(DialResult.NO_CARRIER)] * 3)
        await rig.call()
        assert [(record.result, failures) for record, failures in rig.given_up][1:] == [(DialResult.NO_CARRIER, 3)]

    Rig(link=FakeLink([DialOutcome(DialResult.BUSY)] * 6)).play(scene)


def test_a_clock_that_is_set_in_the_call_loses_nothing_of_it() -> None:
    """A board without a battery clock: each call begins in the past, and the line brings the time."""

    async def scene(rig: Rig) -> None:
        rig.clock_trusted = False
        rig.calls.request(CallReason.BUTTON)
        await rig.reach(CallState.ONLINE)
        await asyncio.sleep(30.0)
        assert kept(rig.store).day == "2026-11-23"
        rig.clock_trusted = True
        record = await rig.calls.finished()
        spent = kept(rig.store)
        assert spent.day == "2026-11-24"
        assert spent.day_s == pytest.approx(record.paid_s, abs=0.2)
        assert spent.undated_s == 0

    store = MemoryCallStore()
    store.values[KEY] = json.dumps(Spent("2026-11-23", 900, 0, 900, 0).to_json())
    Rig(flush=FakeFlush(*[10.0] * 6), store=store, wall_at_0_s=NOON).play(scene)
