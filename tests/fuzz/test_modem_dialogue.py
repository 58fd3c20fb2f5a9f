"""The modem's driver against one that answers late, twice, mixed up or not at all, and chatters at any time.

Virtual time, so that a hang is a failure. What must hold in every case: the time is bounded; nobody says "down" of
a line that is up or is about to come up; no second number is dialled before the line is down; a result of dialling
is one that the modem gave to this dial; the SIM is never locked by our own tries.
"""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from hypothesis import strategies as st

from dialpost.core.config.model import ModemConfig
from dialpost.core.line.link import DialResult
from dialpost.core.line.modem.profile import ModemProfile
from dialpost.flow.line.modem.modem import HANG_UP_S, Modem
from dialpost.flow.line.modem.refused_pin import RefusedPin
from fake_modem import FakeModem, Habit
from fakes import MemoryCallStore, now, run_virtual
from fuzzing import fuzz

HAYES = ModemProfile(name="test", title="t", source="s")
CELLULAR = replace(HAYES, cellular=True, dial="ATD{number}", init=("AT&F",), signal_query="+CSQ", registration_s=10)
MOST_DIAL_S = 1500.0
"""Far above what a call's own limit allows (call.dial_timeout_s): here it is only that a dial ends by itself."""

HABITS = st.builds(
    Habit,
    late_s=st.sampled_from([0.0, 0.01, 0.3, 0.9, 1.2, 2.9, 3.1, 4.0, 6.5, 12.0, 30.0]),
    copies=st.sampled_from([1, 1, 1, 1, 0, 2, 3]),
    gap_s=st.sampled_from([0.0, 0.2, 1.0, 4.0]),
)
MOSTLY_PROPER = st.lists(st.one_of(st.just(Habit()), HABITS), max_size=40)
NOISE = st.one_of(
    st.sampled_from(
        [
            b"\r\n^RSSI:17\r\n",
            b"\r\nRING\r\n",
            b"\r\n+CREG: 2, 550014, 676\r\n",
            b"\r\n+CPIN: NOT READY\r\n",
            b'\r\n+CMTI: "SM",1\r\n',
            b"\r\n17\r\n",
            b"3\r",
            b"0\r",
            b"\xff\xfe\x00",
            b"AT+CSQ\r",
            b"\r\n*X: OK\r\n",
            b"^BOOT:1",
            b"\r\n",
            b"\r\n+CSQ: 99999999999999999999999\r\n",
            b"x" * 3000,
        ]
    ),
    st.binary(max_size=30).filter(lambda noise: b"CONNECT" not in noise.upper()),
)
CHATTER = st.lists(st.tuples(st.floats(0, 200), NOISE), max_size=30)
DIALLED = st.sampled_from(
    ["CONNECT 33600", "CONNECT", "CONNECT 33600", "BUSY", "NO CARRIER", "ERROR", "NO ANSWER", "+CME ERROR: 3"]
)
SPEECH = {
    "ATDT123": st.sampled_from(["ERROR", "BUSY", None]),
    "AT+CPIN?": st.sampled_from(["+CPIN: READY\nOK", "+CME ERROR: 14", "+CPIN: NOT READY\nOK", "ERROR", None]),
    "AT&F": st.sampled_from(["ERROR", "COMMAND NOT SUPPORT", "+CME ERROR: 515", None]),
    "AT+CSQ": st.sampled_from(["OK", "ERROR", "+CSQ: 99,99", None]),
}


@st.composite
def modems(draw: Callable[..., Any]) -> FakeModem:
    rare = {command: said for command, said in SPEECH.items() if draw(st.integers(0, 5)) == 0}
    answers = {command: draw(said) for command, said in rare.items()}
    chatter = draw(CHATTER)
    return FakeModem(
        habits=draw(MOSTLY_PROPER),
        usual=draw(st.one_of(st.just(Habit()), HABITS)),
        answers=answers,
        chatter=lambda: chatter,
        dial_s=draw(st.sampled_from([0.02, 2.0, 20.0, 50.0, 110.0])),
        dialled=draw(DIALLED),
        with_dial=draw(st.sampled_from(["", "", "", "OK", "ERROR", "NO CARRIER", "BUSY"])),
        has_lines=draw(st.booleans()),
        dcd_is_stuck=draw(st.booleans()),
        obeys_dtr=draw(st.booleans()),
        obeys_escape=draw(st.sampled_from([True, True, True, False])),
        echo=draw(st.booleans()),
        quiet=draw(st.booleans()),
        one_at_a_time=draw(st.booleans()),
    )


def driver(fake: FakeModem, profile: ModemProfile) -> Modem:
    config = ModemConfig(port="/dev/fake", numbers=("123",))
    return Modem(config, profile, lambda *_: fake, lambda words: None, refused_pin=RefusedPin(MemoryCallStore()))


async def calls(modem: Modem, fake: FakeModem, times: int) -> None:
    """How many calls with one driver; what it says is compared with what the modem knows."""
    for _ in range(times):
        began_s, connects = now(), fake.results_of_dials.count(fake.dialled)
        outcome = await modem.dial("123")
        assert now() - began_s < MOST_DIAL_S
        came_up = fake.dialled.startswith("CONNECT") and fake.results_of_dials.count(fake.dialled) > connects
        if outcome.result is DialResult.CONNECTED:
            assert came_up, "a call that nobody saw"
        if outcome.result in {DialResult.BUSY, DialResult.NO_ANSWER}:
            told = {fake.dialled, fake.with_dial, fake.answers.get("ATDT123")}
            assert outcome.result.value.replace("-", " ").upper() in told, "the result of nothing"
        assert modem.line_may_be_up or not fake.costs, "on line, and nobody knows"
        began_s = now()
        doubt = await modem.hang_up()
        assert now() - began_s <= HANG_UP_S + 1
        assert bool(doubt) is modem.line_may_be_up
        assert doubt or not fake.costs, "said to be down"
        assert not fake.dialled_on_line


@fuzz(modems(), st.booleans(), examples=150)
def test_whatever_a_modem_says_nobody_believes_a_line_down_that_is_up(fake: FakeModem, cellular: bool) -> None:
    profile = replace(CELLULAR, dial="ATDT{number}") if cellular else HAYES
    run_virtual(calls(driver(fake, profile), fake, 2))


@fuzz(modems(), st.lists(st.floats(0, 400), min_size=1, max_size=3), examples=100)
def test_a_station_killed_at_any_time_knows_of_the_line_it_left_up(
    fake: FakeModem, killed_after_s: list[float]
) -> None:
    memory = MemoryCallStore()

    def start() -> Modem:
        config = ModemConfig(port="/dev/fake", numbers=("123",))
        return Modem(config, HAYES, lambda *_: fake, lambda words: None, memory=memory)

    async def run() -> None:
        for after_s in killed_after_s:
            modem = start()
            await modem.look_back()
            assert modem.line_may_be_up or not fake.costs, "on line, and nobody knows"
            dialling = asyncio.create_task(modem.dial("123"))
            await asyncio.wait([dialling], timeout=after_s)
            dialling.cancel()  # and nothing is put down
            await asyncio.wait([dialling])
        modem = start()
        await modem.look_back()
        await calls(modem, fake, 1)

    run_virtual(run())


PINS = st.lists(st.sampled_from(["1234", "9999", "8888"]), min_size=1, max_size=4)


@fuzz(modems(), PINS, st.booleans(), examples=100)
def test_whatever_a_modem_says_no_sim_is_locked(fake: FakeModem, pins: list[str], tells_tries: bool) -> None:
    fake.pin, fake.is_open, fake.tells_tries = "1234", False, tells_tries
    fake.answers.pop("AT+CPIN?", None)

    async def run() -> None:
        modem = driver(fake, CELLULAR)
        for pin in pins:
            modem._config = replace(modem._config, sim_pin=pin)
            await calls(modem, fake, 1)

    run_virtual(run())
    assert fake.tries >= 1
    wrong = [pin for pin in fake.judged if pin != "1234"]
    assert len(wrong) <= 2
