"""The simulated telephone line: what the computers at both ends see, and when."""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest

from dialpost.sim.modem import Answer, Data, Dial, HangUp, Mode, SimulatedModem
from dialpost.sim.telephone import RESULTS, Telephone, _End, order
from dialpost.sim.telephone_line import TelephoneSettings

FAST = TelephoneSettings(rate_bps=1_000_000, rtt_s=0.002, dial_s=0.01)


# -- the modem ----------------------------------------------------------------------------------------


def talk(modem: SimulatedModem, text: str, now_s: float = 0.0) -> tuple[list[Dial | Answer | HangUp | Data], str]:
    events = modem.receive(text.encode(), now_s)
    return events, modem.data_to_send().decode()


@pytest.mark.parametrize("bytewise", [False, True])
@pytest.mark.parametrize(
    ("typed", "answer"),
    [
        ("AT\r", "AT\r\r\nOK\r\n"),
        ("ate0\r", "ate0\r\r\nOK\r\n"),
        ("ATE0V0\r", "ATE0V0\r0\r"),
        ("ATQ1\r", "ATQ1\r"),
        ("AT&F&C1&D2X4S7=60\r", "AT&F&C1&D2X4S7=60\r\r\nOK\r\n"),
        ("ATS7=60S7?\r", "ATS7=60S7?\r\r\n060\r\n\r\nOK\r\n"),
        ("ATS0=999\r", "ATS0=999\r\r\nERROR\r\n"),
        ("AT+NO\r", "AT+NO\r\r\nERROR\r\n"),
        ("AT?\r", "AT?\r\r\nERROR\r\n"),
        ("garbage\r", "garbage\r"),
        ("ATX\x08\r", "ATX\x08\r\r\nOK\r\n"),
        ("AT+CSQ\r", "AT+CSQ\r\r\n+CSQ: 20,99\r\n\r\nOK\r\n"),
        ("ATE0;\r", "ATE0;\r\r\nERROR\r\n"),
        ("ATO\r", "ATO\r\r\nERROR\r\n"),
    ],
)
def test_commands_are_answered_as_modems_do(typed: str, answer: str, bytewise: bool) -> None:
    modem = SimulatedModem()
    pieces = list(typed) if bytewise else [typed]
    assert "".join(talk(modem, piece)[1] for piece in pieces) == answer


def test_repeat_without_a_line_end() -> None:
    modem = SimulatedModem()
    talk(modem, "ATI3\r")
    assert talk(modem, "A/")[1].endswith("Simulated Modem V.90\r\n\r\nOK\r\n")


def test_dialling_connects_carries_escapes_and_hangs_up() -> None:
    modem = SimulatedModem()
    events, said = talk(modem, "ATDT0W0961-12 34 56,#1\r")
    assert events == [Dial("00961123456#1")] and "OK" not in said
    modem.connected(33_600)
    assert modem.data_to_send() == b"\r\nCONNECT 33600\r\n"
    assert talk(modem, "hello", 10.0) == ([Data(b"hello")], "")
    modem.from_line(b"back")
    assert modem.data_to_send() == b"back"
    talk(modem, "+++", 20.0)
    modem.tick(20.5)
    assert modem.mode is Mode.DATA  # the silence is not long enough yet
    modem.tick(21.0)
    assert modem.mode is Mode.ONLINE_COMMAND and modem.data_to_send() == b"\r\nOK\r\n"
    modem.from_line(b"lost while commands are taken")
    assert modem.data_to_send() == b""
    assert talk(modem, "ATO\r", 22.0)[1].endswith("CONNECT\r\n")
    for index in range(3):
        talk(modem, "+", 30.0 + index / 10)
    modem.tick(31.3)
    events, said = talk(modem, "ATH\r", 32.0)
    assert events == [HangUp()] and said.endswith("OK\r\n") and modem.mode is Mode.COMMAND


@pytest.mark.parametrize("content", ["x+++", "+++x", "++++", "++"])
def test_pluses_in_data_are_no_escape(content: str) -> None:
    modem = SimulatedModem()
    talk(modem, "ATD1\r")
    modem.connected(1200)
    modem.data_to_send()
    talk(modem, content, 20.0)
    modem.tick(30.0)
    assert modem.mode is Mode.DATA


def test_a_key_ends_the_dialling() -> None:
    modem = SimulatedModem()
    talk(modem, "ATD1\r")
    events, said = talk(modem, "\r")
    assert events == [HangUp()] and said.endswith("NO CARRIER\r\n") and modem.mode is Mode.COMMAND


@pytest.mark.parametrize(("level", "said"), [(0, "NO CARRIER"), (3, "BUSY"), (4, "BUSY")])
def test_what_is_known_depends_on_x(level: int, said: str) -> None:
    modem = SimulatedModem()
    talk(modem, f"ATE0X{level}\r")
    talk(modem, "ATD1\r")
    modem.failed("BUSY")
    assert modem.data_to_send().decode().strip() == said


def test_a_wrong_pin_uses_up_a_try() -> None:
    modem = SimulatedModem(sim_pin="1234")
    assert "SIM PIN" in talk(modem, "AT+CPIN?\r")[1]
    assert "ERROR" in talk(modem, 'AT+CPIN="1111"\r')[1] and modem.pin_tries == 2
    assert "ERROR" in talk(modem, "ATD*99#\r")[1]
    assert "OK" in talk(modem, 'AT+CPIN="1234"\r')[1]
    assert talk(modem, "ATD*99#\r")[0] == [Dial("*99#")]


def test_ring_is_answered_by_hand_or_by_itself() -> None:
    modem = SimulatedModem()
    modem.ring()
    assert modem.data_to_send() == b"\r\nRING\r\n" and not modem.answers_by_itself
    assert talk(modem, "ATA\r")[0] == [Answer()]
    talk(modem, "ATS0=1\r")
    assert modem.answers_by_itself


# -- the line -----------------------------------------------------------------------------------------


class Computer:
    """Reads and writes one end."""

    def __init__(self, path: str) -> None:
        self.fd = os.open(path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
        self.got = bytearray()

    def write(self, data: bytes) -> int:
        with contextlib.suppress(BlockingIOError):
            return os.write(self.fd, data)
        return 0

    async def until(self, wanted: bytes | int, within_s: float = 60.0) -> bytes:
        """Read until `wanted` (bytes, or a number of them) is there."""
        async with asyncio.timeout(within_s):
            while (len(self.got) < wanted) if isinstance(wanted, int) else (wanted not in self.got):
                readable = asyncio.Event()
                asyncio.get_running_loop().add_reader(self.fd, readable.set)
                await readable.wait()
                asyncio.get_running_loop().remove_reader(self.fd)
                with contextlib.suppress(BlockingIOError):
                    self.got += os.read(self.fd, 65_536)
        return bytes(self.got)


@contextlib.asynccontextmanager
async def line(settings: TelephoneSettings = FAST) -> AsyncIterator[Any]:
    telephone = await Telephone(settings).start()
    station, provider = Computer(telephone.station_path), Computer(telephone.provider_path)
    try:
        yield telephone, station, provider
    finally:
        os.close(station.fd)
        os.close(provider.fd)
        await telephone.stop()


async def connect(station: Computer) -> None:
    station.write(b"ATE0DT123\r")
    await station.until(b"CONNECT")
    await station.until(b"\r\n")
    station.got.clear()


async def test_a_call_carries_bytes_both_ways() -> None:
    async with line() as (telephone, station, provider):
        heard, typed = bytearray(), telephone._typed

        def note(end: _End, data: bytes) -> None:
            heard.extend(data)
            typed(end, data)

        telephone._typed = note
        provider.write(b"between calls this is lost")
        while heard != b"between calls this is lost":
            await asyncio.sleep(0.001)
        await connect(station)
        station.write(bytes(range(256)))
        assert await provider.until(256) == bytes(range(256))
        provider.write(b"answer")
        assert await station.until(6) == b"answer"
        assert telephone.counters["up"] == 256 and telephone.counters["down"] == 6


async def test_the_line_keeps_its_rate_and_its_delay() -> None:
    settings = TelephoneSettings(rate_bps=80_000, rtt_s=0.2, dial_s=0.01, buffer_bytes=8000)
    async with line(settings) as (_telephone, station, provider):
        await connect(station)
        began_s = time.monotonic()
        station.write(b"x" * 3000)
        await provider.until(1)
        first_s = time.monotonic() - began_s
        await provider.until(3000)
        assert first_s >= 0.1  # half a round trip
        assert time.monotonic() - began_s >= 3000 * 8 / 80_000 + 0.1 - 0.005


async def test_a_full_modem_lets_the_tty_fill() -> None:
    settings = TelephoneSettings(rate_bps=2400, rtt_s=0.0, dial_s=0.01, buffer_bytes=1000)
    async with line(settings) as (telephone, station, _provider):
        await connect(station)
        taken = 0
        for _ in range(200):
            taken += station.write(b"x" * 500)
            await asyncio.sleep(0)
        assert taken < 100_000  # the kernel's buffer holds the rest back
        assert telephone.counters["buffered_up"] <= 1000


@pytest.mark.parametrize("result", [result for result in RESULTS if result not in {"CONNECT", "SILENCE"}])
async def test_scripted_results_come_first(result: str) -> None:
    async with line() as (telephone, station, _provider):
        telephone.answer_next(result)
        station.write(b"ATDT1\r")
        await station.until(result.encode())
        assert not telephone.is_up
        station.got.clear()
        await connect(station)
        assert telephone.is_up


@pytest.mark.parametrize("way", ["up", "down"])
@pytest.mark.parametrize("byte", [1, 31, 32, 33, 100])
async def test_a_cut_comes_after_exactly_that_byte(way: str, byte: int) -> None:
    async with line() as (telephone, station, provider):
        await connect(station)
        order(telephone, "cut-at", f"{way} {byte}")
        sender, receiver = (station, provider) if way == "up" else (provider, station)
        sender.write(b"\xaa" * 300)
        await station.until(b"NO CARRIER")
        got = await receiver.until(byte)
        assert got.count(b"\xaa") == byte
        assert not telephone.is_up


async def test_a_dead_line_swallows_everything_and_keeps_its_carrier() -> None:
    async with line() as (telephone, station, provider):
        await connect(station)
        telephone.die()
        station.write(b"lost")
        while telephone.counters["up"] < 4:
            await asyncio.sleep(0.005)
        telephone.die(dead=False)
        station.write(b"here")
        assert await provider.until(4) == b"here"
        assert telephone.is_up


async def test_hang_up_by_escape_frees_the_line() -> None:
    async with line() as (telephone, station, provider):
        await connect(station)
        station.write(b"ATS12=1\r")  # goes over the line: it is data now
        await provider.until(b"ATS12=1\r")
        await asyncio.sleep(1.1)
        station.write(b"+++")
        await station.until(b"OK")
        station.write(b"ATH\r")
        while telephone.is_up:
            await asyncio.sleep(0.005)
        assert [what for _, what in telephone.events] == ["dials 123", "CONNECT", "hung up"]


async def test_a_provider_with_a_modem_is_rung_and_answers() -> None:
    async with line(TelephoneSettings(rate_bps=1_000_000, rtt_s=0.0, dial_s=0.01, provider_is_modem=True)) as (
        telephone,
        station,
        provider,
    ):
        station.write(b"ATE0DT1\r")
        await provider.until(b"RING")
        assert not telephone.is_up
        provider.write(b"ATA\r")
        await provider.until(b"CONNECT")
        await station.until(b"CONNECT")
        provider.got.clear()
        station.write(b"hello")
        await provider.until(b"hello")


async def test_garbage_spoils_some_bytes_and_loses_none() -> None:
    async with line() as (telephone, station, provider):
        await connect(station)
        order(telephone, "garbage", "50")
        station.write(b"\0" * 2000)
        got = await provider.until(2000)
        assert len(got) == 2000 and 0 < 2000 - got.count(0) < 500


@pytest.mark.parametrize(("word", "rest"), [("nonsense", ""), ("results", "MAYBE"), ("cut-at", "up x"), ("", "")])
async def test_an_order_it_does_not_know_is_an_error(word: str, rest: str) -> None:
    async with line() as (telephone, _station, _provider):
        with pytest.raises(ValueError):
            order(telephone, word, rest)
