"""Late, doubled and missing answers, chatter in between: none is taken for another's, and no call is left up."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from cases import cases
from dialpost.core.config.model import CallConfig, ModemConfig, PppConfig
from dialpost.core.line.country import Country
from dialpost.core.line.dial_plan import DialPlan
from dialpost.core.line.link import DialOutcome, DialResult
from dialpost.core.line.modem.profile import ModemProfile
from dialpost.flow.line.call.machine import CallManager
from dialpost.flow.line.modem.dialled_line import RELEASE_PAUSE_S, ModemLink
from dialpost.flow.line.modem.modem import Modem
from dialpost.flow.panel.state import Panel
from fake_modem import FakeModem, Habit, Line
from fakes import FakeFlush, FakeInbound, MemoryCallStore, now, run_virtual

HAYES = ModemProfile(name="test", title="t", source="s")
CELLULAR = replace(HAYES, cellular=True, dial="ATD{number}", init=("AT&F",), signal_query="+CSQ")
CONFIG = ModemConfig(port="/dev/fake", numbers=("123",))
LATE, LOST = Habit(late_s=4.0), Habit(copies=0)


def call(fake: FakeModem, profile: ModemProfile = HAYES, **config: Any) -> tuple[DialOutcome, str, float]:
    """One call, hung up at once: outcome, doubt, seconds. What the modem knows is checked against it."""

    async def run() -> tuple[DialOutcome, str, float]:
        modem = Modem(replace(CONFIG, **config), profile, lambda *_: fake, lambda words: None)
        outcome = await modem.dial("123")
        was_up = fake.is_on_line
        assert was_up is (outcome.result is DialResult.CONNECTED) or modem.line_may_be_up
        doubt = await modem.hang_up()
        assert doubt or not fake.costs
        return outcome, doubt, now()

    return run_virtual(run())


@pytest.mark.parametrize("query", ["AT+CSQ", "AT+CEREG?", "AT+CGREG?", "AT+CPIN?", "AT&F", "ATQ0V1E0"])
@pytest.mark.parametrize("late_s", [3.5, 4.0, 8.0])
def test_one_late_answer_is_not_taken_for_the_next_ones(
    query: str, late_s: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake = FakeModem()
    answer = fake._answer

    def late_once(text: str) -> None:
        if fake.commands[-1] == query and fake.commands.count(query) == 1:
            fake._habits.appendleft(Habit(late_s=late_s))
        answer(text)

    monkeypatch.setattr(fake, "_answer", late_once)
    outcome, doubt, _ = call(fake, CELLULAR)
    assert (outcome.result, outcome.detail, doubt) == (DialResult.CONNECTED, "CONNECT 33600", "")
    assert query in fake.commands and fake.dials == 1


@pytest.mark.parametrize("late_s", [1.2, 2.5, 4.0, 6.0])
@pytest.mark.parametrize("one_at_a_time", [False, True])
def test_a_modem_that_is_slow_with_every_answer_can_call(late_s: float, one_at_a_time: bool) -> None:
    fake = FakeModem(usual=Habit(late_s=late_s), one_at_a_time=one_at_a_time)
    outcome, doubt, _ = call(fake)
    assert (outcome.result, fake.dials) == (DialResult.CONNECTED, 1)
    assert not doubt or late_s > 5  # proving that the line is down takes six answers or more


@cases("lost", range(8))
def test_one_answer_that_never_comes_costs_no_call(lost: int) -> None:
    fake = FakeModem(habits=[*[Habit()] * lost, LOST])
    outcome, doubt, _ = call(fake)
    assert (outcome.result, doubt) == (DialResult.CONNECTED, "")


@pytest.mark.parametrize("copies", [2, 3])
@pytest.mark.parametrize("gap_s", [0.0, 0.1, 2.0])
def test_answers_that_come_twice_are_no_result_of_dialling(copies: int, gap_s: float) -> None:
    fake = FakeModem(usual=Habit(copies=copies, gap_s=gap_s))
    outcome, _, _ = call(fake)
    assert outcome.result is DialResult.CONNECTED


def test_an_ok_to_dialling_is_heard_out_and_then_hung_up_for_certain() -> None:
    """The OK is late, of a command before; the call comes up behind it."""
    fake: FakeModem = FakeModem(answers={"ATDT123": lambda: fake._dial() or "OK"})
    outcome, doubt, _ = call(fake)
    assert (outcome.result, doubt) == (DialResult.CONNECTED, "")
    fake = FakeModem(answers={"ATDT123": lambda: fake._dial() or "OK"}, dial_s=90.0)
    outcome, doubt, _ = call(fake)
    assert outcome.result is DialResult.NO_CARRIER and "OK" in outcome.detail
    assert (doubt, fake.line) == ("", Line.ON_HOOK)


@pytest.mark.parametrize("said", ["ERROR", "NO CARRIER", "BUSY", "+CME ERROR: 3", "NO ANSWER"])
def test_a_failure_that_is_reported_though_the_call_comes_up_is_hung_up(said: str) -> None:
    fake: FakeModem = FakeModem(answers={"ATDT123": lambda: fake._dial() or said}, dial_s=0.05)
    outcome, doubt, _ = call(fake)
    assert outcome.result is not DialResult.CONNECTED
    assert (doubt, fake.line) == ("", Line.ON_HOOK)


def test_a_modem_that_cannot_be_hung_up_is_not_dialled_again() -> None:
    fake = FakeModem(obeys_escape=False)

    async def run() -> None:
        modem = Modem(CONFIG, HAYES, lambda *_: fake, lambda words: None)
        assert (await modem.dial("123")).result is DialResult.CONNECTED
        began_s = now()
        assert "may still cost money" in await modem.hang_up()
        assert now() - began_s <= 46 and modem.line_may_be_up
        outcome = await modem.dial("123")
        assert outcome.result is DialResult.ERROR and (fake.dials, fake.is_on_line) == (1, True)
        assert "may still" in await modem.hang_up()
        fake.obeys_escape = True  # it hears again
        assert await modem.hang_up() == "" and not modem.line_may_be_up and not fake.costs
        assert (await modem.dial("123")).result is DialResult.CONNECTED

    run_virtual(run())


def test_a_line_left_up_is_hung_up_by_the_next_start_and_status_says_so_until_then() -> None:
    """The station is killed on line; at the next start the modem does not hear at first."""

    async def run() -> None:
        fake, memory = FakeModem(), MemoryCallStore()

        def make() -> Modem:
            return Modem(CONFIG, HAYES, lambda *_: fake, lambda words: None, memory=memory)

        assert (await make().dial("123")).result is DialResult.CONNECTED
        fake.obeys_escape = False
        no_network: Any = None  # it is not got that far
        link = ModemLink(PppConfig(), make(), no_network, DialPlan(CONFIG, Country("x", "X", "")), no_network)
        store = MemoryCallStore()
        manager = CallManager(
            CallConfig(),
            link,
            etrn=None,
            flush=FakeFlush(),
            inbound=FakeInbound(),
            store=store,
            panel=Panel(store),
            line_doubt=lambda: link.line_doubt,
        )
        released = asyncio.create_task(link.run())
        await asyncio.sleep(100)
        assert fake.is_on_line and "on hook" not in manager.state_words
        assert "cost money" in manager.attention()[0]
        fake.obeys_escape = True
        await asyncio.sleep(RELEASE_PAUSE_S + 60)
        assert not fake.costs and manager.state_words == "on hook" and manager.attention() == []
        assert make().line_may_be_up is False and memory.values["modem.line_may_be_up"] == ""
        released.cancel()

    run_virtual(run())


def test_a_modem_that_says_ok_to_hanging_up_and_keeps_the_carrier_is_reported() -> None:
    fake = FakeModem(has_lines=True, obeys_dtr=False, obeys_hang_up=False)

    async def run() -> None:
        modem = Modem(CONFIG, HAYES, lambda *_: fake, lambda words: None)
        assert (await modem.dial("123")).result is DialResult.CONNECTED and modem.has_carrier_line
        assert "may still cost money" in await modem.hang_up() and fake.costs

    run_virtual(run())


def test_a_carrier_line_that_is_always_on_is_not_believed() -> None:
    for _ in range(2):
        fake = FakeModem(has_lines=True, dcd_is_stuck=True)
        outcome, doubt, _ = call(fake)
        assert (outcome.result, doubt) == (DialResult.CONNECTED, "")


@pytest.mark.parametrize("echo", [False, True])
def test_a_modem_stored_to_say_nothing_is_woken(echo: bool) -> None:
    outcome, doubt, _ = call(FakeModem(quiet=True, echo=echo))
    assert (outcome.result, doubt) == (DialResult.CONNECTED, "")


CHATTER = [
    b"\r\n^RSSI:17\r\n",
    b"\r\n^BOOT:20420160,0,0,0,67\r\n",
    b"\r\nRING\r\n",
    b'\r\n+CMTI: "SM",1\r\n',
    b"\r\n+CREG: 2\r\n",
    b"\r\n+CEREG: 1, 550014, 676\r\n",
    b"\r\n*PSUTTZ: 21,3,4\r\n",
    b"\r\n$GPS,1\r\n",
    b"\r\n^MODE:5,4\r\n",
    b"\r\n17\r\n",
]


@pytest.mark.parametrize("noise", CHATTER)
@pytest.mark.parametrize("profile", [HAYES, CELLULAR])
def test_chatter_each_second_answers_nothing(noise: bytes, profile: ModemProfile) -> None:
    fake = FakeModem(chatter=lambda: [(n + 0.005, noise) for n in range(200)], usual=Habit(late_s=0.4))
    outcome, doubt, _ = call(fake, profile)
    assert (outcome.result, outcome.detail, doubt) == (DialResult.CONNECTED, "CONNECT 33600", "")


def test_a_dial_that_is_called_off_is_hung_up() -> None:
    fake = FakeModem(dial_s=50.0)

    async def run() -> None:
        modem = Modem(CONFIG, HAYES, lambda *_: fake, lambda words: None)
        dialling = asyncio.create_task(modem.dial("123"))
        while not fake.dials:
            await asyncio.sleep(0.1)
        dialling.cancel()
        await asyncio.wait([dialling])
        assert modem.line_may_be_up
        assert await modem.hang_up() == "" and not fake.costs

    run_virtual(run())
