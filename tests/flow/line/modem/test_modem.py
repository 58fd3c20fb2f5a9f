"""The modem over a real pseudo-terminal, with the simulated modem and line (sim/telephone) at its other end.

What waits for seconds goes over a wire in memory instead, in virtual time.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import os
import re
import select
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from typing import Any, cast

import pytest

from dialpost.core.config.model import ModemConfig
from dialpost.core.line.link import DialResult
from dialpost.core.line.modem.profile import FlowControl, ModemProfile
from dialpost.edge.line.serial_port import open_port
from dialpost.flow.line.modem.modem import Modem
from dialpost.flow.line.modem.refused_pin import RefusedPin
from dialpost.sim.telephone import Telephone
from dialpost.sim.telephone_line import TelephoneSettings
from fakes import MemoryCallStore, run_virtual
from known import known

PROFILE = ModemProfile(
    name="test", title="t", source="s", settle_s=0.0, answer_s=2.0, guard_s=0.15, connect_s=5, dtr_pulse_ms=50
)
CONFIG = ModemConfig(numbers=("0961123",), extra_init="S12=5")  # the guard time in fiftieths: as in PROFILE
FAST = TelephoneSettings(rate_bps=400_000, rtt_s=0.01, dial_s=0.05)


def in_virtual_time(test: Callable[..., Any]) -> Callable[..., Any]:
    """Hours pass in milliseconds; only for tests in which no byte goes through the kernel."""

    @functools.wraps(test)
    def run(*args: object, **kwargs: Any) -> None:
        run_virtual(test(*args, **kwargs))

    return run


class Wire:
    """In place of the simulated modem's pseudo-terminal (sim/telephone.PtyEnd), without a kernel between."""

    path = "/dev/wire"

    def __init__(self, on_data: Callable[..., Any], room: Callable[..., Any] | None) -> None:
        self.on_data, self.is_open = on_data, True
        self.to_computer, self.came = bytearray(), asyncio.Event()

    def look(self) -> None:
        """There is always room."""

    def write(self, data: bytes) -> None:
        self.to_computer += data
        self.came.set()

    def close(self) -> None:
        self.is_open = False


class WirePort:
    """The computer's end of it: no control lines."""

    device = Wire.path

    def __init__(self, wire: Wire) -> None:
        self._wire = wire

    async def read(self, most: int) -> bytes:
        while not self._wire.to_computer:
            self._wire.came.clear()
            await self._wire.came.wait()
        data = bytes(self._wire.to_computer[:most])
        del self._wire.to_computer[:most]
        return data

    async def write(self, data: bytes) -> None:
        asyncio.get_running_loop().call_soon(self._wire.on_data, data)

    def set_speed(self, speed_bps: int) -> None:
        self._wire.to_computer.clear()

    def set_dtr(self, on: bool) -> bool:
        return False

    def carrier(self) -> None:
        return None

    def fileno(self) -> int:
        return -1

    def close(self, *, keep_dtr: bool) -> None:
        self._wire.to_computer.clear()


class ToldModem(Modem):
    """Keeps what it says."""

    said: list[str]


Both = tuple[Telephone, ToldModem]


@contextlib.asynccontextmanager
async def wired(settings: TelephoneSettings = FAST, **more: Any) -> AsyncIterator[Both]:
    """The rig over a wire, for virtual time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("dialpost.sim.telephone.PtyEnd", Wire)
        telephone = await Telephone(settings).start()

    def opens(*_: FlowControl | int | str) -> WirePort:
        return WirePort(cast(Wire, telephone._station.pty))

    async with rig(telephone=telephone, opens=opens, **more) as both:
        yield both


@contextlib.asynccontextmanager
async def rig(
    settings: TelephoneSettings = FAST,
    *,
    profile: ModemProfile = PROFILE,
    telephone: Telephone | None = None,
    opens: Callable[..., Any] = open_port,
    **config: Any,
) -> AsyncIterator[Both]:
    telephone = telephone or await Telephone(settings).start()
    said: list[str] = []
    modem = ToldModem(replace(CONFIG, port=telephone.station_path, **config), profile, opens, said.append)
    modem.said = said
    try:
        yield telephone, modem
    finally:
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(modem.hang_up(), 60)
        await telephone.stop()


async def test_it_dials_carries_and_hangs_up_by_escape() -> None:
    async with rig(extra_init="S12=5") as (telephone, modem):
        outcome = await modem.dial("0961123")
        assert (outcome.result, outcome.rate_bps, outcome.detail) == (
            DialResult.CONNECTED,
            400_000,
            "CONNECT 400000",
        )
        assert telephone.is_up and telephone.events[0][1] == "dials 0961123"
        provider = os.open(telephone.provider_path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
        os.write(provider, b"right behind CONNECT")
        got = b""
        while len(got.lstrip(b"\n")) < 5:  # the LF of CONNECT's line end may still come: PPP passes it over
            got += await modem._opened.read(20)
        assert got.lstrip(b"\n").startswith(b"right")
        os.close(provider)
        assert await modem.hang_up() == ""
        assert not telephone.is_up and telephone.events[-1][1] == "hung up"
        assert (await modem.dial("0961123")).result is DialResult.CONNECTED  # and again


CELLULAR = replace(PROFILE, cellular=True, dial="ATD{number}", init=("AT&F",), signal_query="+CSQ")
HABITS = {
    "late": replace(FAST, answer_s=3.0, late=("AT+CSQ",)),
    "slow": replace(FAST, answer_s=1.2),
    "chatters": replace(FAST, chatter="^RSSI:17", dial_s=2.5),
    "silent": replace(FAST, stored="E0Q1"),
    "in numbers": replace(FAST, stored="V0"),
    "refuses": replace(FAST, refuses=("&F", "X", "S7")),
}


@pytest.mark.parametrize("habit", HABITS)
@in_virtual_time
async def test_a_modem_with_bad_habits_can_call_and_is_hung_up(habit: str) -> None:
    profile = CELLULAR if habit in {"late", "chatters"} else replace(PROFILE, init=("AT&F", "AT&C1"))
    async with wired(HABITS[habit], profile=profile, extra_init="S12=5") as (telephone, modem):
        outcome = await modem.dial("*99#" if profile is CELLULAR else "0961123")
        assert (outcome.result, outcome.detail) == (DialResult.CONNECTED, "CONNECT 400000")
        assert telephone.calls == 1 and telephone.is_up
        assert await modem.hang_up() == "" and not telephone.is_up


@pytest.mark.parametrize(
    ("said", "result"),
    [
        ("BUSY", DialResult.BUSY),
        ("NO CARRIER", DialResult.NO_CARRIER),
        ("NO DIALTONE", DialResult.NO_DIALTONE),
        ("NO ANSWER", DialResult.NO_ANSWER),
        ("ERROR", DialResult.ERROR),
        ("DELAYED", DialResult.DELAYED),
        ("BLACKLISTED", DialResult.BLACKLISTED),
    ],
)
@in_virtual_time
async def test_a_call_that_fails_is_reported_in_the_modems_words(said: str, result: DialResult) -> None:
    async with wired(replace(FAST, results=(said,))) as (_telephone, modem):
        outcome = await modem.dial("1")
        assert outcome.result is result
        assert said in outcome.detail and len(outcome.detail) > len(said) + 20
        assert await modem.hang_up() == ""


@in_virtual_time
async def test_a_modem_that_says_nothing_after_dialling_is_a_time_out() -> None:
    async with wired(replace(FAST, results=("SILENCE",)), profile=replace(PROFILE, connect_s=1)) as (
        _telephone,
        modem,
    ):
        assert (await modem.dial("1")).result is DialResult.TIMEOUT


@in_virtual_time
async def test_a_dial_that_is_called_off_leaves_the_modem_free() -> None:
    async with wired(replace(FAST, dial_s=30.0)) as (telephone, modem):
        dialling = asyncio.create_task(modem.dial("1"))
        while not telephone.events:
            await asyncio.sleep(0.01)
        dialling.cancel()
        await asyncio.gather(dialling, return_exceptions=True)
        assert await modem.hang_up() == ""
        assert not telephone.is_up and known(telephone._dialling).cancelled()


@in_virtual_time
async def test_a_call_left_up_by_a_power_cut_is_ended_first() -> None:
    async with wired(extra_init="S12=5") as (telephone, modem):
        await modem.dial("1")
        known(modem._port).close(keep_dtr=True)
        modem._port = None  # the station restarts; the modem is still on line
        assert telephone.is_up
        assert (await modem.dial("2")).result is DialResult.CONNECTED
        assert [what for _, what in telephone.events] == ["dials 1", "CONNECT", "hung up", "dials 2", "CONNECT"]


async def test_a_port_that_is_not_there_is_reported() -> None:
    modem = Modem(replace(CONFIG, port="/dev/no-such-port"), PROFILE, open_port, lambda words: None)
    outcome = await modem.dial("1")
    assert outcome.result is DialResult.ERROR
    assert "/dev/no-such-port" in outcome.detail and "plugged in" in outcome.detail
    assert await modem.hang_up() == ""


async def test_a_port_in_use_by_us_is_reported() -> None:
    async with rig() as (telephone, modem):
        held = open_port(telephone.station_path, 9600, PROFILE.flow_control)
        assert "in use" in (await modem.dial("1")).detail
        held.close(keep_dtr=False)
        assert (await modem.dial("1")).result is DialResult.CONNECTED


@pytest.mark.parametrize(("answer", "words"), [(b"", "does not answer"), (b"\xff\x81\xfe" * 10, "garbage")])
@in_virtual_time
async def test_silence_and_garbage_are_told_apart(answer: bytes, words: str) -> None:
    wire = Wire(lambda data: wire.write(answer), room=None)
    profile = replace(PROFILE, guard_s=0.05, answer_s=0.5)
    modem = Modem(replace(CONFIG, port=wire.path), profile, lambda *_: WirePort(wire), lambda words: None)
    outcome = await modem.dial("1")
    assert outcome.result is DialResult.ERROR and words in outcome.detail
    modem._close()


@in_virtual_time
async def test_a_refused_pin_is_never_tried_again() -> None:
    profile = replace(PROFILE, cellular=True, dial="ATD{number}", init=("AT&F",))
    memory = MemoryCallStore()
    async with wired(replace(FAST, sim_pin="1234"), profile=profile, sim_pin="9999") as (telephone, modem):
        modem._refused_pin = RefusedPin(memory)
        for _ in range(3):
            outcome = await modem.dial("*99#")
            assert outcome.result is DialResult.ERROR and "refused" in outcome.detail
        assert known(telephone._station.modem).pin_tries == 2
        after_restart = Modem(
            modem._config, profile, modem._open_port, modem.said.append, refused_pin=RefusedPin(memory)
        )
        await modem.hang_up()
        assert "does not send it again" in (await after_restart.dial("*99#")).detail
        assert known(telephone._station.modem).pin_tries == 2
        assert "9999" not in str(memory.values)
        await after_restart.hang_up()
        modem._config = replace(modem._config, sim_pin="1234", apn="internet")
        assert (await modem.dial("*99#")).result is DialResult.CONNECTED


async def test_login_answers_what_the_provider_asks() -> None:
    script = ("ogin:", "%u", "assword:", "%p", ">")
    async with rig(login_script=script) as (telephone, modem):
        await modem.dial("1")
        provider = os.open(telephone.provider_path, os.O_RDWR | os.O_NOCTTY)
        os.write(provider, b"Welcome\r\nLogin: ")
        logging_in = asyncio.create_task(modem.login("anna", "s%crt"))
        assert await asyncio.to_thread(os.read, provider, 100) == b"anna\r"
        os.write(provider, b"anna\r\nPass")
        os.write(provider, b"word: ")
        assert await asyncio.to_thread(os.read, provider, 100) == b"s%crt\r"
        os.write(provider, b"\r\nPPP>")
        assert (await logging_in).result is DialResult.CONNECTED
        os.close(provider)
    assert not any("s%crt" in words for words in modem.said)


async def test_a_login_that_stands_still_says_what_it_waited_for() -> None:
    async with rig(login_script=("ogin:", "%u"), login_timeout_s=1) as (telephone, modem):
        await modem.dial("1")
        provider = os.open(telephone.provider_path, os.O_RDWR | os.O_NOCTTY)
        os.write(provider, b"Name? ")
        while not select.select([known(modem._port).fileno()], [], [], 0)[0]:  # it has the whole second
            await asyncio.sleep(0.001)
        outcome = await modem.login("anna", "x")
        assert outcome.result is DialResult.ERROR
        assert '"ogin:"' in outcome.detail and "Name?" in outcome.detail
        os.close(provider)


class FakeLines:
    """A port with control lines: DTR hangs up, DCD tells."""

    device = "/dev/fake"

    def __init__(self, *, dtr_works: bool = True, obeys: bool = True) -> None:
        self.obeys = obeys
        self.dcd, self.dtr_works, self.written = True, dtr_works, b""
        self.dtr: list[bool] = []

    device = "/dev/fake"

    def fileno(self) -> int:
        return -1

    def set_dtr(self, on: bool) -> bool:
        self.dtr.append(on)
        if not on and self.dtr_works:
            self.dcd = False
        return True

    def carrier(self) -> bool:
        return self.dcd

    def set_speed(self, speed_bps: int) -> None:
        pass

    async def write(self, data: bytes) -> None:
        self.written += data
        if data.endswith(b"ATH\r"):
            self.dcd = self.dcd and not self.obeys

    async def read(self, most: int) -> bytes:
        if re.search(rb"ATH?\r\Z", self.written):
            self.written = b""
            return b"\r\nOK\r\n"
        await asyncio.Event().wait()
        return b""

    def close(self, *, keep_dtr: bool) -> None:
        self.closed = keep_dtr


@pytest.mark.parametrize("dtr_works", [True, False])
@in_virtual_time
async def test_dtr_hangs_up_first_and_escape_makes_sure(dtr_works: bool) -> None:
    port = FakeLines(dtr_works=dtr_works)
    modem = Modem(CONFIG, replace(PROFILE, guard_s=0.01, answer_s=0.1), lambda *_: port, lambda words: None)
    modem._port, modem.line_may_be_up, modem.has_carrier_line = port, True, True
    assert await modem.hang_up() == ""
    assert port.dtr[:2] == [False, True] and not port.dcd
    assert port.closed is False


@in_virtual_time
async def test_a_modem_that_will_not_hang_up_is_reported() -> None:
    port = FakeLines(dtr_works=False, obeys=False)
    profile = replace(PROFILE, hang_up=PROFILE.hang_up[:1])
    modem = Modem(CONFIG, profile, lambda *_: port, lambda words: None)
    modem._port, modem.line_may_be_up, modem.has_carrier_line = port, True, True
    assert "does not say that it hung up" in await modem.hang_up()


@in_virtual_time
async def test_the_fall_of_dcd_is_seen_at_once() -> None:
    port = FakeLines()
    modem = Modem(CONFIG, PROFILE, lambda *_: port, lambda words: None)
    modem._port, modem.has_carrier_line = port, True
    waiting = asyncio.create_task(modem.carrier_lost())
    await asyncio.sleep(0.3)
    assert not waiting.done()
    port.dcd = False
    assert "carrier" in await asyncio.wait_for(waiting, 1.0)
