"""The dialled link: numbers in turn, login before PPP, the first end that is seen, everything put down."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from dialpost.core.call_reason import CallReason
from dialpost.core.config.model import CallConfig, ModemConfig, PppConfig
from dialpost.core.faults import Fault
from dialpost.core.line.call.states import CallState
from dialpost.core.line.country import Country
from dialpost.core.line.dial_plan import DialPlan
from dialpost.core.line.link import DialOutcome, DialResult, Traffic
from dialpost.core.line.ppp.end import PppEnd
from dialpost.core.line.ppp.events import PppUp
from dialpost.core.line.ppp.options import PppRequest
from dialpost.core.line.reasons import DIAL_REASONS, PPP_REASONS, Reason, ppp_reason
from dialpost.core.panel.blink import Pattern
from dialpost.core.panel.lights import Led
from dialpost.core.panel.station_state import StationState
from dialpost.flow.line.call.machine import CallManager
from dialpost.flow.line.modem.dialled_line import ModemLink
from dialpost.flow.panel.state import Panel
from fakes import FakeFlush, FakeInbound, MemoryCallStore, run_virtual
from known import known

UP = PppUp("ppp0", "10.0.0.2", "10.0.0.1", ("192.0.2.53",))
CONNECTED = DialOutcome(DialResult.CONNECTED, "CONNECT 33600", 33_600)


class FakeModem:
    def __init__(self, *outcomes: DialOutcome | None) -> None:
        self.outcomes = list(outcomes)
        self.done: list[str] = []
        self.login_outcome = DialOutcome(DialResult.CONNECTED)
        self.carrier = asyncio.Event()
        self.doubt = ""
        self.line_may_be_up = False

    async def look_back(self) -> None:
        self.done.append("look back")

    async def dial(self, number: str) -> DialOutcome:
        self.done.append(f"dial {number}")
        outcome = self.outcomes.pop(0) if self.outcomes else CONNECTED
        if outcome is None:
            await asyncio.Event().wait()
        return known(outcome)

    async def login(self, user: str, password: str) -> DialOutcome:
        self.done.append(f"login {user}")
        return self.login_outcome

    def pause_reading(self) -> None:
        self.done.append("pause")

    def resume_reading(self) -> None:
        self.done.append("resume")

    async def carrier_lost(self) -> str:
        await self.carrier.wait()
        return "the modem lost its carrier"

    async def hang_up(self) -> str:
        self.done.append("hang up")
        return self.doubt


class FakePpp:
    def __init__(self, answer: PppUp | PppEnd = UP) -> None:
        self.answer, self.stopped = answer, 0
        self.requests: list[PppRequest] = []
        self.end = asyncio.get_running_loop().create_future()
        self.fails, self.rehearsed = False, 0

    def rehearse(self) -> None:
        self.rehearsed += 1
        assert not self.requests

    async def start(self, request: PppRequest) -> PppEnd | PppUp:
        self.requests.append(request)
        return self.answer

    async def ended(self) -> PppEnd:
        return await asyncio.shield(self.end)

    async def stop(self) -> None:
        self.stopped += 1
        if self.fails:
            raise RuntimeError("a bug")

    def traffic(self) -> Traffic:
        return Traffic(10, 20)


class Watcher:
    def __init__(self) -> None:
        self.seen: list[object] = []

    def line_up(self, up: PppUp) -> None:
        self.seen.append(up.dns)

    def line_down(self) -> None:
        self.seen.append("down")


def link_of(modem: FakeModem, ppp: FakePpp, **more: Any) -> ModemLink:
    plan = DialPlan(ModemConfig(numbers=("111", "222")), Country("generic", "Anywhere", ""))

    def request(rate_bps: int | None) -> PppRequest:
        return PppRequest("/dev/ttyS0", 115_200, rate_bps or 9600)

    return ModemLink(
        PppConfig(user="u", password="p"),
        modem,
        ppp,
        plan,
        request,
        monotonic=asyncio.get_running_loop().time,
        **more,
    )


def play(scene: Callable[..., Any]) -> None:
    run_virtual(scene())


def test_a_call_goes_through_its_steps_and_is_put_down() -> None:
    async def scene() -> None:
        modem, ppp, watcher = FakeModem(), FakePpp(), Watcher()
        waited = []

        async def ready() -> None:
            waited.append(list(watcher.seen))

        link = link_of(modem, ppp, watchers=(watcher,), ready=ready)
        dialled = await link.dial()
        assert ppp.rehearsed == 1
        assert (dialled.result, dialled.number) == (DialResult.CONNECTED, "111")
        assert (await link.negotiate()).result is DialResult.CONNECTED
        assert ppp.requests[0].rate_bps == 33_600
        assert waited == [[("192.0.2.53",)]]  # the name servers are known before the clock is asked for
        assert link.traffic() == Traffic(10, 20)
        await link.hang_up()
        assert watcher.seen == [("192.0.2.53",), "down"]
        assert modem.done == ["dial 111", "login u", "pause", "resume", "hang up"]
        assert ppp.stopped == 1 and link.traffic() == Traffic(10, 20)

    play(scene)


def test_numbers_are_tried_in_turn() -> None:
    async def scene() -> None:
        busy = DialOutcome(DialResult.BUSY, "BUSY")
        modem = FakeModem(busy, busy)
        link = link_of(modem, FakePpp())
        for _ in range(3):
            await link.dial()
            await link.hang_up()
        assert [done for done in modem.done if done.startswith("dial")] == ["dial 111", "dial 222", "dial 111"]

    play(scene)


def test_a_dial_that_was_called_off_counts_as_a_try() -> None:
    async def scene() -> None:
        modem = FakeModem(None)
        link = link_of(modem, FakePpp())
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(120):
                await link.dial()
        assert (await link.dial()).number == "222"

    play(scene)


@pytest.mark.parametrize("what", ["login", "ppp"])
def test_what_fails_after_the_carrier_is_reported(what: str) -> None:
    async def scene() -> None:
        modem, ppp = FakeModem(), FakePpp()
        if what == "login":
            modem.login_outcome = DialOutcome(DialResult.ERROR, "The provider did not say")
        else:
            ppp.answer = PppEnd(19)
        link = link_of(modem, ppp)
        await link.dial()
        outcome = await link.negotiate()
        assert outcome.result is DialResult.ERROR
        assert ("ppp.password" in outcome.detail) is (what == "ppp")
        assert bool(ppp.requests) is (what == "ppp")
        await link.hang_up()
        assert modem.done[-1] == "hang up"

    play(scene)


@pytest.mark.parametrize("first", ["carrier", "pppd"])
def test_the_first_end_seen_is_the_end(first: str) -> None:
    async def scene() -> None:
        modem, ppp = FakeModem(), FakePpp()
        link = link_of(modem, ppp)
        await link.dial()
        await link.negotiate()
        waiting = asyncio.create_task(link.lost())
        await asyncio.sleep(5)
        assert not waiting.done()
        if first == "carrier":
            modem.carrier.set()
        else:
            ppp.end.set_result(PppEnd(15))
        assert ("carrier" in await waiting) is (first == "carrier")

    play(scene)


REFUSED = PppEnd(16, ("CHAP authentication failed: Access denied", "Modem hangup"))


@pytest.mark.parametrize("when", ["before it is up", "on line"])
def test_a_provider_that_hangs_up_is_reported_by_what_pppd_knows_of_it(when: str) -> None:
    """The carrier is gone at once, pppd ends a moment later."""

    async def scene() -> None:
        modem, ppp = FakeModem(), FakePpp()
        link = link_of(modem, ppp)

        async def refuse(request: PppRequest) -> PppEnd:
            modem.carrier.set()
            await asyncio.sleep(2)
            return REFUSED

        if when == "before it is up":
            ppp.start = refuse  # type: ignore[method-assign]
        panel, store = Panel(MemoryCallStore()), MemoryCallStore()
        said: list[str] = []
        calls = CallManager(
            CallConfig(redial_attempts=0),
            link,
            etrn=None,
            flush=FakeFlush(),
            inbound=FakeInbound(),
            store=store,
            panel=panel,
        )
        calls.subscribe(said.append)
        task = asyncio.create_task(calls.run())

        def hang_up(state: StationState, _: Mapping[Led, Pattern]) -> None:
            if state.call is CallState.ONLINE and not modem.carrier.is_set():
                modem.carrier.set()
                asyncio.get_running_loop().call_later(2, ppp.end.set_result, REFUSED)

        panel.watch(hang_up)
        calls.request(CallReason.BUTTON)
        record = await calls.finished()
        words = record.detail if when == "before it is up" else record.hangup_detail
        assert words.startswith("The provider refused the login on the line.")
        assert not any("lost its carrier" in step for step in said)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    play(scene)


def test_a_carrier_that_is_lost_without_a_word_of_pppd_is_told_as_that() -> None:
    async def scene() -> None:
        modem, ppp = FakeModem(), FakePpp()
        link = link_of(modem, ppp)
        await link.dial()
        await link.negotiate()
        modem.carrier.set()
        assert await link.lost() == "the modem lost its carrier"

    play(scene)


@pytest.mark.parametrize("when", ["before it is up", "on line"])
@pytest.mark.parametrize(("code", "reason"), [*PPP_REASONS.items(), (99, ppp_reason(99))])
def test_the_table_of_pppd_s_ends_is_what_log_panel_and_console_show(
    code: int, reason: Reason, when: str, caplog: pytest.LogCaptureFixture
) -> None:
    async def scene() -> None:
        modem, ppp, store = FakeModem(), FakePpp(), MemoryCallStore()
        panel = Panel(store)
        said: list[str] = []
        calls = CallManager(
            CallConfig(redial_attempts=0),
            link_of(modem, ppp),
            etrn=None,
            flush=FakeFlush(),
            inbound=FakeInbound(),
            store=store,
            panel=panel,
        )
        calls.subscribe(said.append)
        task = asyncio.create_task(calls.run())
        if when == "on line":

            def end(state: StationState, _: Mapping[Led, Pattern]) -> None:
                if state.call is CallState.ONLINE and not ppp.end.done():
                    ppp.end.set_result(PppEnd(code))

            panel.watch(end)
        else:
            ppp.answer = PppEnd(code)
        calls.request(CallReason.BUTTON)
        await calls.finished()
        assert f"call: network ended reason={reason.log} " in caplog.text
        assert (Fault.LINE in panel.state.faults) is ("flashes" in reason.light)
        assert any(f"{reason.words} {reason.next_step}".strip() in words for words in said)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    play(scene)


@pytest.mark.parametrize(("result", "reason"), [*DIAL_REASONS.items()])
def test_the_table_of_dial_results_is_what_log_and_panel_show(
    result: DialResult, reason: Reason, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")

    async def scene() -> None:
        store = MemoryCallStore()
        panel = Panel(store)
        modem = FakeModem(DialOutcome(result))
        calls = CallManager(
            CallConfig(redial_attempts=0),
            link_of(modem, FakePpp()),
            etrn=None,
            flush=FakeFlush(),
            inbound=FakeInbound(),
            store=store,
            panel=panel,
        )
        task = asyncio.create_task(calls.run())
        calls.request(CallReason.BUTTON)
        await calls.finished()
        told = "call: connected" if result is DialResult.CONNECTED else f"call: failed result={reason.log}"
        assert told in caplog.text
        assert (Fault.LINE in panel.state.faults) is ("flashes" in reason.light)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    play(scene)


def test_the_modem_hangs_up_whatever_happens_to_pppd(caplog: pytest.LogCaptureFixture) -> None:
    async def scene() -> None:
        modem, ppp = FakeModem(), FakePpp()
        modem.doubt = "The modem does not say that it hung up."
        ppp.fails = True
        link = link_of(modem, ppp)
        await link.dial()
        with pytest.raises(RuntimeError):
            await link.hang_up()
        assert modem.done[-1] == "hang up"

    play(scene)


def test_a_line_that_may_still_be_up_is_reported(caplog: pytest.LogCaptureFixture) -> None:
    async def scene() -> None:
        modem = FakeModem()
        modem.doubt = "The modem does not say that it hung up."
        link = link_of(modem, FakePpp())
        await link.dial()
        await link.hang_up()
        assert "may still be up" in caplog.text

    play(scene)
