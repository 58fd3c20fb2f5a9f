"""The call manager, in virtual time: every way a call can begin, go and end."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace
from typing import Any

import pytest

from call_rig import CONFIG, Rig, said
from cases import cases
from dialpost.core.call_reason import CallReason
from dialpost.core.errors import StorageError
from dialpost.core.faults import Fault
from dialpost.core.json_value import JsonValue
from dialpost.core.line.call.record import CallRecord, HangUpReason
from dialpost.core.line.call.states import CallState
from dialpost.core.line.link import Again, DialOutcome, DialResult, Traffic
from dialpost.core.line.reasons import AGAIN
from dialpost.core.mail.esmtp.tls_cost import TlsCost
from dialpost.core.mail.etrn import EtrnAnswer, EtrnOutcome
from dialpost.core.mail.queue.records import QueueCounts
from dialpost.flow.line.call.machine import CallManager
from dialpost.flow.panel.state import Panel
from fakes import FakeEtrn, FakeFlush, FakeInbound, FakeLink, MemoryCallStore, now, run_virtual


def test_a_record_has_what_tls_took_in_its_call_alone() -> None:
    async def scene(rig: Rig) -> None:
        rig.calls.request(CallReason.BUTTON)
        await rig.reach(CallState.ONLINE)
        rig.tls_cost += TlsCost(2, 1, 3000)
        assert (await rig.calls.finished()).tls == TlsCost(2, 1, 3000)
        assert (await rig.call()).tls == TlsCost()

    Rig(flush=FakeFlush(1.5, 2.5)).play(scene)


def test_a_call_from_button_to_rest() -> None:
    async def scene(rig: Rig) -> None:
        rig.link.counted = Traffic(1234, 5678)
        record = await rig.call()
        assert record == CallRecord(
            CallReason.BUTTON,
            "modem",
            DialResult.CONNECTED,
            1_700_000_000,
            online_s=4.0,
            bytes_up=1234,
            bytes_down=5678,
            sent=2,
            etrn=said(251),
            hangup_reason=HangUpReason.DONE,
            detail="CONNECT 33600",
            rate_bps=33_600,
            connect_s=12.0,
            paid_s=7.0,
        )
        await rig.reach(CallState.IDLE)
        assert rig.states == [
            (0.0, "idle"),
            (0.0, "dialing"),
            (10.0, "negotiating"),
            (12.0, "online"),
            (16.0, "hanging-up"),
            (17.0, "cooldown"),
            (22.0, "idle"),
        ]
        assert rig.records == [record]
        assert not rig.panel.state.faults

    Rig(flush=FakeFlush(1.5, 2.5)).play(scene)


def test_etrn_and_flush_begin_at_the_same_moment_etrn_first() -> None:
    order: list[str] = []

    class Etrn(FakeEtrn):
        async def ask(self, *, is_retry: bool = False) -> tuple[EtrnAnswer, ...]:
            order.append("etrn")
            return await super().ask()

    class Flush(FakeFlush):
        async def run(self) -> Any:
            order.append("flush")
            return await super().run()

    async def scene(rig: Rig) -> None:
        await rig.call()
        assert isinstance(rig.etrn, Etrn)
        assert rig.etrn.asked_at == rig.flush.began_at == [12.0]
        assert order == ["etrn", "flush"]

    Rig(etrn=Etrn(said(251), takes_s=5.0), flush=Flush(1.0)).play(scene)


@cases(
    "result",
    [result for result in DialResult if result not in {DialResult.CONNECTED, DialResult.CANCELLED}],
)
def test_every_failed_dial_is_reported_and_tried_again_where_that_can_help(result: DialResult) -> None:
    async def scene(rig: Rig) -> None:
        record = await rig.call()
        assert rig.records[0].detail == "in its words"
        if AGAIN[result] is not Again.SOON:
            assert [(r.result, r.reason) for r in rig.records] == [(result, CallReason.BUTTON)]
            assert "in its words" in rig.calls.attention()[0]
            return
        assert [(r.result, r.reason) for r in rig.records] == [
            (result, CallReason.BUTTON),
            (DialResult.CONNECTED, CallReason.REDIAL),
        ]
        assert rig.records[0].hangup_reason is HangUpReason.NOT_CONNECTED
        assert rig.records[0].detail == "in its words"
        assert record == rig.records[1]
        assert rig.link.dialled_at == [0.0, 41.0], "10 s dialling, 1 s hanging up, 30 s pause"
        assert Fault.LINE not in rig.panel.state.faults

    Rig(link=FakeLink([DialOutcome(result, "in its words")])).play(scene)


def test_it_gives_up_after_the_tries_allowed() -> None:
    async def scene(rig: Rig) -> None:
        record = await rig.call()
        assert record.result is DialResult.BUSY
        assert [r.reason for r in rig.records] == [
            CallReason.BUTTON,
            CallReason.REDIAL,
            CallReason.REDIAL,
        ]
        assert rig.panel.state.faults == {Fault.LINE}
        assert "given up" in rig.said[-1]
        assert rig.calls.failures == 3
        assert "busy" in rig.calls.attention()[0]
        await asyncio.sleep(10_000)
        assert len(rig.records) == 3

    Rig(link=FakeLink([DialOutcome(DialResult.BUSY)] * 3)).play(scene)


def test_no_redial_where_none_is_allowed() -> None:
    async def scene(rig: Rig) -> None:
        assert (await rig.call()).result is DialResult.NO_ANSWER
        await asyncio.sleep(1000)
        assert len(rig.records) == 1

    link = FakeLink([DialOutcome(DialResult.NO_ANSWER)])
    Rig(replace(CONFIG, redial_attempts=0), link=link).play(scene)


def test_dialling_has_a_deadline() -> None:
    async def scene(rig: Rig) -> None:
        record = await rig.call()
        assert (record.result, record.detail) == (
            DialResult.TIMEOUT,
            "No line within 60 s. Check the number, or raise call.dial_timeout_s.",
        )
        assert rig.link.hung_up_at == [61.0]

    Rig(replace(CONFIG, redial_attempts=0), link=FakeLink(dial_s=1e5)).play(scene)


def test_negotiating_has_a_deadline_and_can_fail() -> None:
    async def scene(rig: Rig) -> None:
        rig.link.negotiate_s = 1e5
        assert (await rig.call()).result is DialResult.TIMEOUT
        rig.link.negotiate_s = 1.0
        rig.link.negotiated = DialOutcome(DialResult.ERROR, "login refused")
        record = await rig.call()
        assert (record.result, record.detail) == (DialResult.ERROR, "login refused")

    Rig(replace(CONFIG, redial_attempts=0)).play(scene)


def test_a_carrier_lost_while_connecting() -> None:
    async def scene(rig: Rig) -> None:
        rig.calls.request(CallReason.BUTTON)
        await rig.reach(CallState.NEGOTIATING)
        rig.link.cut()
        record = await rig.calls.finished()
        assert record.result is DialResult.NO_CARRIER
        assert record.detail.startswith("The line dropped before mail could flow (NO CARRIER). ")

    Rig(replace(CONFIG, redial_attempts=0)).play(scene)


def test_hanging_up_has_a_deadline(caplog: pytest.LogCaptureFixture) -> None:
    async def scene(rig: Rig) -> None:
        rig.link.hang_up_s = 1e6
        await rig.call()
        await rig.reach(CallState.IDLE)
        assert "did not hang up in time" in caplog.text
        rig.link.hang_up_s = 1.0
        assert (await rig.call()).result is DialResult.CONNECTED

    Rig().play(scene)


def test_a_lost_line_is_dialled_again_and_the_count_starts_again_with_mail() -> None:
    async def scene(rig: Rig) -> None:
        rig.calls.request(CallReason.BUTTON)
        for _ in range(4):
            await rig.reach(CallState.ONLINE)
            await asyncio.sleep(2.0)
            rig.link.cut()
            await rig.reach(CallState.IDLE)
        record = await rig.calls.finished()
        assert [(r.hangup_reason, r.sent) for r in rig.records] == [
            (HangUpReason.CARRIER_LOST, 1),
            (HangUpReason.CARRIER_LOST, 1),
            (HangUpReason.CARRIER_LOST, 1),
            (HangUpReason.CARRIER_LOST, 1),
            (HangUpReason.DONE, 1),
        ]
        assert rig.records[0].hangup_detail == "NO CARRIER"
        assert rig.records[0].online_s == pytest.approx(2.0, abs=0.11)
        assert record.hangup_reason is HangUpReason.DONE

    Rig(flush=FakeFlush(*[1.5] * 5)).play(scene)


def test_a_lost_line_tells_the_flush_at_once_and_its_outcomes_count() -> None:
    async def scene(rig: Rig) -> None:
        rig.calls.request(CallReason.BUTTON)
        await rig.reach(CallState.ONLINE)
        await asyncio.sleep(5.0)
        rig.link.cut()
        await rig.reach(CallState.COOLDOWN)
        assert rig.records[0].sent == 2
        assert now() < 12 + 5 + 2, "it did not wait for the long message"

    Rig(flush=FakeFlush(2.0, 2.0, 1000.0)).play(scene)


def test_an_operator_need_not_wait_for_the_redial() -> None:
    async def scene(rig: Rig) -> None:
        rig.calls.request(CallReason.SCHEDULE)
        await rig.reach(CallState.COOLDOWN)
        await rig.reach(CallState.IDLE)
        assert "redialling in" in rig.calls.state_words
        assert "failed a moment ago" in rig.calls.request(CallReason.QUEUE)
        assert rig.calls.state is CallState.IDLE
        record = await rig.call(CallReason.BUTTON)
        assert record.reason is CallReason.BUTTON
        assert record.started < 1_700_000_030

    Rig(link=FakeLink([DialOutcome(DialResult.BUSY)])).play(scene)


def test_cancel_calls_off_the_redial() -> None:
    async def scene(rig: Rig) -> None:
        rig.calls.request(CallReason.BUTTON)
        await rig.reach(CallState.COOLDOWN)
        await rig.reach(CallState.IDLE)
        assert rig.calls.cancel(at_once=False) == "The next call is cancelled."
        assert (await rig.calls.finished()).result is DialResult.BUSY
        await asyncio.sleep(1000)
        assert len(rig.records) == 1
        assert rig.calls.cancel(at_once=True) == "There is no call to end."

    Rig(link=FakeLink([DialOutcome(DialResult.BUSY)])).play(scene)


@pytest.mark.parametrize("at_once", [True, False])
@pytest.mark.parametrize("state", [CallState.DIALING, CallState.NEGOTIATING])
def test_cancel_before_the_line_is_up(state: CallState, at_once: bool) -> None:
    async def scene(rig: Rig) -> None:
        rig.calls.request(CallReason.BUTTON)
        await rig.reach(state)
        rig.calls.cancel(at_once)
        record = await rig.calls.finished()
        assert (record.result, record.hangup_reason) == (DialResult.CANCELLED, HangUpReason.CANCELLED)
        assert len(rig.link.hung_up_at) == 1
        await asyncio.sleep(1000)
        assert len(rig.records) == 1, "nobody wants a redial after a cancel"

    Rig().play(scene)


def test_stop_ends_after_the_current_message() -> None:
    async def scene(rig: Rig) -> None:
        rig.calls.request(CallReason.BUTTON)
        await rig.reach(CallState.ONLINE)
        await asyncio.sleep(1.0)
        assert rig.calls.cancel(at_once=False) == "Hanging up after the current message."
        record = await rig.calls.finished()
        assert (record.hangup_reason, record.sent) == (HangUpReason.STOPPED, 1)
        assert list(rig.flush.waiting) == [10.0]

    Rig(flush=FakeFlush(10.0, 10.0)).play(scene)


def test_cancel_at_once_does_not_wait_for_the_message() -> None:
    async def scene(rig: Rig) -> None:
        rig.calls.request(CallReason.BUTTON)
        await rig.reach(CallState.ONLINE)
        await asyncio.sleep(1.0)
        rig.calls.cancel(at_once=True)
        record = await rig.calls.finished()
        assert (record.hangup_reason, record.sent) == (HangUpReason.CANCELLED, 0)
        assert record.online_s == pytest.approx(1.0, abs=0.2)

    Rig(flush=FakeFlush(100.0)).play(scene)


def test_the_longest_call_ends_between_messages() -> None:
    async def scene(rig: Rig) -> None:
        rig.link.counted = None
        record = await rig.call()
        assert (record.hangup_reason, record.sent) == (HangUpReason.MAX_CALL_TIME, 3)
        assert record.online_s == pytest.approx(750.0)

    Rig(flush=FakeFlush(250.0, 250.0, 250.0, 250.0)).play(scene)


def test_a_message_without_end_is_cut_in_the_end() -> None:
    async def scene(rig: Rig) -> None:
        rig.link.counted = None
        record = await rig.call()
        assert record.hangup_reason is HangUpReason.MAX_CALL_TIME
        assert "max_call_s" in record.hangup_detail
        assert record.online_s == pytest.approx(1200.0)

    Rig(flush=FakeFlush(1e6)).play(scene)


def test_mail_accepted_while_on_line_goes_out_in_this_call() -> None:
    async def scene(rig: Rig) -> None:
        async def more() -> None:
            await asyncio.sleep(15.0)
            rig.flush.waiting.append(1.0)
            rig.calls.mail_accepted()

        task = asyncio.create_task(more())
        record = await rig.call()
        await task
        assert record.sent == 2

    Rig(etrn=FakeEtrn(said(250)), flush=FakeFlush(1.0)).play(scene)


def test_inbound_mail_holds_the_line_and_the_last_etrn_ends_it() -> None:
    async def scene(rig: Rig) -> None:
        deliveries = [
            asyncio.create_task(rig.inbound.deliver(14.0, 2.0)),
            asyncio.create_task(rig.inbound.deliver(18.0, 3.0)),
        ]
        record = await rig.call()
        await asyncio.gather(*deliveries)
        assert (record.received, record.bytes_down) == (2, 2000)
        assert [answer.code for answer in record.etrn] == [253, 251]
        assert rig.etrn is not None
        assert rig.etrn.asked_at == [12.0, 24.0], "last mail at 21, count reached, shortest grace 3"
        assert record.online_s == pytest.approx(13.0)
        assert rig.panel.state.arrived

    link = FakeLink()
    link.counted = None
    Rig(link=link, etrn=FakeEtrn(said(253, "2 pending messages"), said(251))).play(scene)


def test_a_dead_connection_of_a_cut_call_does_not_hold_the_next() -> None:
    async def scene(rig: Rig) -> None:
        rig.inbound.connections = 1
        rig.inbound.last_activity_s = 0.0
        delivery = asyncio.create_task(rig.inbound.deliver(14.0, 2.0))
        record = await rig.call()
        await delivery
        assert (record.received, rig.inbound.connections) == (1, 1)
        assert record.online_s == pytest.approx(4.0 + 3.0 + 1.0, abs=0.6)

    Rig(etrn=FakeEtrn(said(253, "1 pending message"), said(251))).play(scene)


def test_a_late_start_of_the_provider_is_not_missed() -> None:
    async def scene(rig: Rig) -> None:
        delivery = asyncio.create_task(rig.inbound.deliver(12.0 + 1.0 + 55.0, 2.0))
        record = await rig.call()
        await delivery
        assert record.received == 1

    Rig(etrn=FakeEtrn(said(250))).play(scene)


def test_a_provider_that_promises_and_sends_nothing() -> None:
    async def scene(rig: Rig) -> None:
        record = await rig.call()
        assert record.hangup_reason is HangUpReason.PROVIDER_SILENT
        assert record.online_s == pytest.approx(61.0)

    Rig(etrn=FakeEtrn(said(252))).play(scene)


def test_habits_are_learnt_kept_and_used() -> None:
    async def scene(rig: Rig) -> None:
        for _ in range(10):
            deliveries = [
                asyncio.create_task(rig.inbound.deliver(15.0, 1.0)),
                asyncio.create_task(rig.inbound.deliver(17.0, 1.0)),
            ]
            record = await rig.call()
            await asyncio.gather(*deliveries)
            await rig.reach(CallState.IDLE)
            assert record.received == 2
        # The last mail ended 6 s after the line came up; gaps of 1 s and starts of 2 s are known by now.
        assert 6.0 + 3.0 <= record.online_s < 6.0 + 10.0
        record = await rig.call()
        assert 3.0 < record.online_s < 10.0

    store = MemoryCallStore()
    Rig(etrn=FakeEtrn(said(250)), store=store).play(scene)
    assert '"starts"' in store.values["call.habits"]

    async def after_restart(rig: Rig) -> None:
        assert (await rig.call()).online_s < 10.0, "a provider it does not know gets a minute"

    Rig(etrn=FakeEtrn(said(250)), store=store).play(after_restart)


def test_a_refused_etrn_is_shown_and_mail_still_goes(caplog: pytest.LogCaptureFixture) -> None:
    async def scene(rig: Rig) -> None:
        record = await rig.call()
        assert (record.sent, record.hangup_reason) == (1, HangUpReason.DONE)
        assert rig.panel.state.faults == {Fault.ETRN}
        (told,) = rig.calls.attention()
        assert "502 no such command" in told
        assert "does not support ETRN" in told

    Rig(etrn=FakeEtrn(said(502, "no such command")), flush=FakeFlush(1.0)).play(scene)


def test_an_etrn_host_out_of_reach_makes_the_link_look() -> None:
    async def scene(rig: Rig) -> None:
        record = await rig.call()
        assert set(rig.link.doubts) == {"timed out"}
        assert record.etrn[0].outcome is EtrnOutcome.UNREACHABLE

    lost = EtrnAnswer("clinic.example", EtrnOutcome.UNREACHABLE, None, "timed out")
    Rig(etrn=FakeEtrn((lost,))).play(scene)


def test_without_etrn_the_call_ends_after_the_shortest_grace() -> None:
    async def scene(rig: Rig) -> None:
        assert (await rig.call()).online_s == pytest.approx(3.0)

    Rig(etrn=None).play(scene)


def test_a_wish_during_the_end_of_a_call_is_kept() -> None:
    async def scene(rig: Rig) -> None:
        rig.calls.request(CallReason.SCHEDULE)
        await rig.reach(CallState.HANGING_UP)
        assert "the next one follows" in rig.calls.request(CallReason.BUTTON)
        await rig.calls.finished()
        assert [record.reason for record in rig.records] == [CallReason.SCHEDULE, CallReason.BUTTON]

    Rig().play(scene)


def test_a_second_wish_during_a_call_changes_nothing() -> None:
    async def scene(rig: Rig) -> None:
        rig.calls.request(CallReason.BUTTON)
        await rig.reach(CallState.ONLINE)
        assert "under way" in rig.calls.request(CallReason.COMMAND)
        await rig.calls.finished()
        await asyncio.sleep(1000)
        assert len(rig.records) == 1

    Rig().play(scene)


def test_redials_survive_a_restart() -> None:
    store = MemoryCallStore()

    async def before(rig: Rig) -> None:
        rig.calls.request(CallReason.SCHEDULE)
        await rig.reach(CallState.COOLDOWN)
        await asyncio.sleep(1.0)

    async def after(rig: Rig) -> None:
        await asyncio.sleep(100.0)
        assert [record.reason for record in rig.records] == [CallReason.SCHEDULE, CallReason.REDIAL]
        assert rig.link.dialled_at == [30.0]

    Rig(link=FakeLink([DialOutcome(DialResult.BUSY)]), store=store).play(before)
    Rig(store=store).play(after)


class SlowStore(MemoryCallStore):
    """Takes a second to save a call, and finishes what it has begun, as the real one does."""

    def __init__(self) -> None:
        super().__init__()
        self.begun = asyncio.Event()

    async def save_call(self, call: dict[str, JsonValue]) -> None:
        self.begun.set()
        loop = asyncio.get_running_loop()
        saved: asyncio.Future[None] = loop.create_future()

        def save() -> None:
            self.calls.append(call)
            if not saved.done():
                saved.set_result(None)

        loop.call_later(1.0, save)
        await saved


def test_a_record_is_saved_once_whenever_the_daemon_ends() -> None:
    for later_s in (0.0, 0.5, 1.0, 1.5):
        store = SlowStore()

        async def scene(rig: Rig, store: SlowStore = store, later_s: float = later_s) -> None:
            rig.calls.request(CallReason.BUTTON)
            await store.begun.wait()
            await asyncio.sleep(later_s)

        Rig(store=store).play(scene)
        assert len(store.calls) == 1, later_s


def test_the_end_of_the_daemon_hangs_up_and_keeps_the_record() -> None:
    rig = Rig(flush=FakeFlush(1.0, 1000.0))

    async def scene(rig: Rig) -> None:
        rig.calls.request(CallReason.BUTTON)
        await rig.reach(CallState.ONLINE)
        await asyncio.sleep(2.0)

    rig.play(scene)
    (record,) = rig.records
    assert (record.hangup_reason, record.sent) == (HangUpReason.STATION_STOPPED, 1)
    assert len(rig.link.hung_up_at) == 1


def test_a_link_that_breaks_its_promise_fails_the_call_not_the_station() -> None:
    class Broken(FakeLink):
        async def dial(self) -> DialOutcome:
            raise OSError("the tty is gone")

    async def scene(rig: Rig) -> None:
        record = await rig.call()
        assert record.result is DialResult.ERROR
        assert "the tty is gone" in record.detail

    Rig(replace(CONFIG, redial_attempts=0), link=Broken()).play(scene)


def test_a_flush_that_breaks_its_promise_does_not_hold_the_line(caplog: pytest.LogCaptureFixture) -> None:
    class Broken(FakeFlush):
        async def run(self) -> Any:
            raise RuntimeError("a bug")

    async def scene(rig: Rig) -> None:
        record = await rig.call()
        assert record.hangup_reason is HangUpReason.DONE
        assert "a bug" in caplog.text

    Rig(flush=Broken()).play(scene)


def test_a_store_that_fails_does_not_stop_calls(caplog: pytest.LogCaptureFixture) -> None:
    class Full(MemoryCallStore):
        async def save_call(self, call: Any) -> None:
            raise StorageError("the card is gone")

    async def scene(rig: Rig) -> None:
        await rig.call()
        await rig.reach(CallState.IDLE)
        await rig.call()
        assert "the card is gone" in caplog.text
        assert Fault.STORAGE in rig.panel.state.faults

    Rig(store=Full()).play(scene)


def test_a_bug_in_keeping_the_record_ends_the_call_all_the_same(caplog: pytest.LogCaptureFixture) -> None:
    class Broken(MemoryCallStore):
        async def save_call(self, call: Any) -> None:
            raise RuntimeError("a bug")

    async def scene(rig: Rig) -> None:
        for _ in range(2):
            record = await asyncio.wait_for(rig.call(), 1000)
            assert record.result is DialResult.CONNECTED
            await asyncio.wait_for(rig.reach(CallState.IDLE), 1000)
        assert "a bug" in caplog.text

    Rig(store=Broken()).play(scene)


def test_the_log_tells_the_call(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, logger="dialpost.mail")

    async def scene(rig: Rig) -> None:
        await rig.call()

    Rig(flush=FakeFlush(1.0)).play(scene)
    assert [line for line in caplog.messages if line.startswith("call:")] == [
        "call: dialling reason=button link=modem",
        "call: connected link=modem rate_bps=33600",
        "call: hung up reason=done online_s=1.0 sent=1 received=0",
    ]


def test_the_mail_light_flickers_while_bytes_move() -> None:
    async def scene(rig: Rig) -> None:
        seen: list[bool] = []
        rig.panel.watch(lambda state, _: seen.append(state.mail_moving))

        async def move() -> None:
            for number in range(20):
                await asyncio.sleep(1.0)
                rig.link.counted = Traffic(number * 100, 0)

        task = asyncio.create_task(move())
        await rig.call()
        await task
        assert True in seen
        assert seen[-1] is False

    Rig(flush=FakeFlush(6.0)).play(scene)


def test_the_panel_knows_what_waits() -> None:
    async def scene(rig: Rig) -> None:
        rig.store.waiting = QueueCounts(waiting_remote=4, urgent=1)
        task = asyncio.create_task(rig.panel.run())
        await asyncio.sleep(1.0)
        assert (rig.panel.state.waiting, rig.panel.state.urgent) == (4, 1)
        rig.store.waiting = QueueCounts()
        rig.calls.mail_accepted()
        await asyncio.sleep(1.0)
        assert rig.panel.state.waiting == 0
        task.cancel()

    Rig().play(scene)


def test_a_dial_that_failed_carried_nothing() -> None:
    async def scene(rig: Rig) -> None:
        rig.link.counted = Traffic(1234, 5678)
        await rig.call()
        await rig.reach(CallState.IDLE)
        rig.link.outcomes.append(DialOutcome(DialResult.BUSY))
        await rig.call()
        assert [(r.bytes_up, r.bytes_down) for r in rig.records] == [(1234, 5678), (0, 0), (1234, 5678)]
        assert rig.records[1].online_s == 0

    Rig().play(scene)


def test_the_end_of_the_daemon_while_it_hangs_up_keeps_how_the_call_went() -> None:
    rig = Rig(flush=FakeFlush(1.0))

    async def scene(rig: Rig) -> None:
        rig.calls.request(CallReason.BUTTON)
        await rig.reach(CallState.HANGING_UP)

    rig.play(scene)
    (record,) = rig.records
    assert (record.result, record.hangup_reason, record.sent) == (DialResult.CONNECTED, HangUpReason.DONE, 1)


def test_the_end_of_the_daemon_while_it_redials_leaves_the_redial_for_later() -> None:
    store = MemoryCallStore()

    async def before(rig: Rig) -> None:
        rig.calls.request(CallReason.SCHEDULE)
        await rig.reach(CallState.IDLE)
        await rig.reach(CallState.DIALING)
        await rig.reach(CallState.IDLE)
        await rig.reach(CallState.DIALING)

    async def after(rig: Rig) -> None:
        await asyncio.sleep(100.0)
        assert [(r.reason, r.result) for r in rig.records] == [
            (CallReason.SCHEDULE, DialResult.BUSY),
            (CallReason.REDIAL, DialResult.CANCELLED),
            (CallReason.REDIAL, DialResult.CONNECTED),
        ]

    Rig(link=FakeLink([DialOutcome(DialResult.BUSY)]), store=store).play(before)
    Rig(store=store).play(after)


def test_what_a_call_left_behind_is_known_to_the_schedule() -> None:
    async def scene(rig: Rig) -> None:
        rig.store.waiting = QueueCounts(waiting_remote=3)
        await rig.call()
        assert rig.calls.left_behind.waiting_remote == 3
        rig.store.waiting = QueueCounts(waiting_remote=8)
        rig.link.outcomes.append(DialOutcome(DialResult.BUSY))
        rig.calls.request(CallReason.BUTTON)
        await rig.reach(CallState.DIALING)
        await rig.reach(CallState.IDLE)
        assert rig.calls.left_behind.waiting_remote == 3, "a failed call leaves nothing behind: all is still to do"

    Rig().play(scene)


def test_it_can_be_run_again_after_a_bug_ended_it() -> None:
    async def again() -> None:
        rig = Rig()
        rig.inbound = FakeInbound()
        rig.panel = Panel(rig.store)
        rig.calls = CallManager(
            CONFIG, rig.link, etrn=rig.etrn, flush=rig.flush, inbound=rig.inbound, store=rig.store, panel=rig.panel
        )
        task = asyncio.create_task(rig.calls.run())
        rig.calls.request(CallReason.BUTTON)
        await rig.reach(CallState.ONLINE)
        waiting = asyncio.create_task(rig.calls.finished())
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        task = asyncio.create_task(rig.calls.run())
        await rig.reach(CallState.IDLE)
        ended = await asyncio.wait_for(waiting, 1000)
        assert ended.hangup_reason is HangUpReason.STATION_STOPPED, "who waited for that call hears of its end"
        record = await rig.call()
        assert (record.result, record.hangup_reason) == (DialResult.CONNECTED, HangUpReason.DONE)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    run_virtual(again())
