"""The modem's commands step by step, against a scripted one in virtual time."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any, Never

import pytest

from dialpost.core.config.model import ModemConfig
from dialpost.core.errors import PortError, StorageError
from dialpost.core.line.link import Again, DialOutcome, DialResult
from dialpost.core.line.modem.profile import ModemProfile
from dialpost.flow.line.modem.modem import Modem
from dialpost.flow.line.modem.refused_pin import RefusedPin
from dialpost.flow.line.modem.sim import SIM_BUSY_S
from fakes import MemoryCallStore, now, run_virtual

HAYES = ModemProfile(name="test", title="t", source="s")
CELLULAR = replace(HAYES, cellular=True, dial="ATD{number}", init=("AT&F",), registration_s=30)
CONFIG = ModemConfig(port="/dev/scripted", numbers=("0961123",))
OK = "OK"


class ScriptedPort:
    """Answers each command by its script: a text, a list of texts to give in turn, None for silence, or a call."""

    device = "/dev/scripted"

    def __init__(self, **script: Any) -> None:
        self.script = {"ATD": "CONNECT 33600", **script}
        self.commands: list[str] = []
        self.said: list[str] = []
        self._buffer, self._ready, self._line = bytearray(), asyncio.Event(), b""
        self.gone = False

    def push(self, data: bytes) -> None:
        self._buffer += data
        self._ready.set()

    def unplug(self) -> None:
        self.gone = True
        self._ready.set()

    async def write(self, data: bytes) -> None:
        self._check()
        self._line += data
        while b"\r" in self._line:
            line, _, self._line = self._line.partition(b"\r")
            if line.startswith(b"AT"):
                self._command(line.decode())

    def _command(self, command: str) -> None:
        self.commands.append(command)
        key = max((key for key in self.script if command.startswith(key)), key=len, default=None)
        answer = self.script[key] if key is not None else OK
        if callable(answer):
            answer = answer()
        if isinstance(answer, list):
            answer = answer.pop(0) if len(answer) > 1 else answer[0]
        if answer is not None:
            self.push("".join(f"\r\n{line}\r\n" for line in answer.split("\n")).encode())

    async def read(self, most: int) -> bytes:
        while not self._buffer:
            self._check()
            self._ready = asyncio.Event()  # of the loop that runs now
            await self._ready.wait()
        data = bytes(self._buffer[:most])
        del self._buffer[:most]
        return data

    def _check(self) -> None:
        if self.gone:
            raise PortError("/dev/scripted is gone: was the modem unplugged?")

    def set_speed(self, speed_bps: int) -> None:
        self._check()

    device = "/dev/scripted"

    def fileno(self) -> int:
        return -1

    def set_dtr(self, on: bool) -> bool:
        return False

    def carrier(self) -> None:
        self._check()

    def close(self, *, keep_dtr: bool) -> None:
        self.closed = keep_dtr


class ToldModem(Modem):
    """Keeps what it says."""

    said: list[str]


def make(
    port: ScriptedPort, profile: ModemProfile = HAYES, pin: RefusedPin | None = None, **config: Any
) -> ToldModem:
    said: list[str] = []
    modem = ToldModem(replace(CONFIG, **config), profile, lambda *_: port, said.append, refused_pin=pin)
    modem.said = said
    return modem


def dial(
    port: ScriptedPort,
    profile: ModemProfile = HAYES,
    pin: RefusedPin | None = None,
    number: str = "123",
    **config: Any,
) -> DialOutcome:
    """One dial; its outcome."""

    async def run() -> DialOutcome:
        return await make(port, profile, pin, **config).dial(number)

    return run_virtual(run())


def test_the_commands_of_a_call_in_their_order() -> None:
    port = ScriptedPort()
    assert dial(port, extra_init="M0").result is DialResult.CONNECTED
    assert port.commands == [
        "AT",
        "ATH",
        "ATQ0V1E0",
        "AT&F",
        "AT&C1&D2",
        "ATQ0V1E0",
        "ATS7=60",
        "ATM0",
        "ATS12?",
        "ATDT123",
    ]


@pytest.mark.parametrize(("own", "told"), [("X3", ["ATX3"]), ("X1&A0", ["ATX1&A0"]), ("", [])])
def test_blind_dialling_is_reported_as_the_profile_has_it(own: str, told: list[str]) -> None:
    port = ScriptedPort()
    dial(port, replace(HAYES, blind_dial_init=own), wait_for_dial_tone=False)
    assert [command for command in port.commands if command.startswith("ATX")] == told
    assert "ATS6=2" in port.commands


MUST = replace(HAYES, must=("AT&C1&D2",))


def test_a_modem_that_refuses_a_must_is_reset_once() -> None:
    port = ScriptedPort(**{"AT&C1": ["ERROR", OK]})
    assert dial(port, MUST).result is DialResult.CONNECTED
    assert port.commands.count("ATZ") == 1


def test_a_must_that_is_never_taken_is_named() -> None:
    port = ScriptedPort(**{"AT&C1": "ERROR"})
    outcome = dial(port, MUST)
    assert outcome.result is DialResult.ERROR
    assert "AT&C1&D2" in outcome.detail and "ERROR" in outcome.detail and '"test"' in outcome.detail
    assert not any(command.startswith("ATD") for command in port.commands)


@pytest.mark.parametrize("said", ["ERROR", "COMMAND NOT SUPPORT", "TOO MANY PARAMETERS", "+CME ERROR: 4", None])
@pytest.mark.parametrize("command", ["AT&F", "AT&C1", "ATS7", "ATX3", "AT+OWN", "ATQ0V1E0"])
def test_a_command_that_is_no_must_costs_no_call(command: str, said: str | None) -> None:
    async def run() -> None:
        port = ScriptedPort(**{command: said})
        modem = make(port, extra_init="AT+OWN", wait_for_dial_tone=False)
        assert (await modem.dial("123")).result is DialResult.CONNECTED
        assert any(command in words and "going on" in words for words in modem.said)
        assert port.commands.count("ATZ") == 0

    run_virtual(run())


@pytest.mark.parametrize("busy", ["+CME ERROR: 14", "+CME ERROR: 515", "+CME ERROR: SIM busy", "BUSY"])
@pytest.mark.parametrize("command", ["AT&C1", "AT+CGDCONT", "ATQ0V1E0"])
def test_a_modem_that_is_busy_is_asked_again(command: str, busy: str) -> None:
    port = ScriptedPort(**{**READY, command: [busy, busy, OK]})
    assert dial(port, replace(CELLULAR, init=("AT&C1",), must=("AT&C1",)), apn="web").result is DialResult.CONNECTED
    port = ScriptedPort(**{**READY, "AT+CGDCONT": busy})
    outcome = dial(port, CELLULAR, apn="web")
    assert outcome.result is DialResult.ERROR and busy in outcome.detail


def test_the_lines_rate_is_that_of_the_reports() -> None:
    said = "CARRIER 31200\nPROTOCOL: LAP-M\nCOMPRESSION: V.42BIS\nCONNECT 115200"
    outcome = dial(ScriptedPort(ATD=said))
    assert (outcome.detail, outcome.rate_bps) == ("CONNECT 115200", 31_200)


def test_the_calling_card_is_reported_to_nobody() -> None:
    async def run() -> None:
        port = ScriptedPort(ATD="ATDT1,,998877\nNO ANSWER")
        modem = make(port, calling_card=",,998877")
        outcome = await modem.dial("1")
        assert [command for command in port.commands if command.startswith("ATD")] == ["ATDT1,,998877"]
        assert "998877" not in "".join([*modem.said, outcome.detail])

    run_virtual(run())


def test_unplugged_while_dialling_and_plugged_in_again() -> None:
    async def run() -> None:
        port = ScriptedPort(ATD=None)
        modem = make(port)
        asyncio.get_running_loop().call_later(30, port.unplug)
        outcome = await modem.dial("1")
        assert outcome.result is DialResult.ERROR and "unplugged" in outcome.detail
        assert "may still be up" in await modem.hang_up()
        port.gone, port.script["ATD"] = False, "CONNECT 33600"
        assert (await modem.dial("1")).result is DialResult.CONNECTED

    run_virtual(run())


def test_unplugged_on_line_is_seen_and_hanging_up_says_what_may_be() -> None:
    async def run() -> None:
        port = ScriptedPort()
        modem = make(port)
        await modem.dial("1")
        asyncio.get_running_loop().call_later(100, port.unplug)
        began_s = now()
        assert "unplugged" in await modem.carrier_lost()
        assert 100 <= now() - began_s < 100.5
        assert "may still be up" in await modem.hang_up()
        port.gone = False
        assert await modem.hang_up() == ""

    run_virtual(run())


@pytest.mark.parametrize("answer", [None, "ERROR"])
def test_a_modem_that_does_not_hang_up_takes_bounded_time_and_is_reported(answer: str | None) -> None:
    async def run() -> None:
        modem = make(ScriptedPort(ATH=answer))
        await modem.dial("1")
        began_s = now()
        assert "may still" in await modem.hang_up() or "cost money" in await modem.hang_up()
        assert now() - began_s < 20

    run_virtual(run())


def login(pushes: list[tuple[int, bytes]], **config: Any) -> tuple[DialOutcome, float]:
    """The outcome and its time; `pushes` is (after seconds, bytes)."""

    async def run() -> tuple[DialOutcome, float]:
        port = ScriptedPort()
        modem = make(port, login_script=("ogin:", "%u", "assword:", "%p", ">"), login_timeout_s=30, **config)
        await modem.dial("1")
        for after_s, data in pushes:
            asyncio.get_running_loop().call_later(after_s, port.push, data)
        began_s = now()
        return await modem.login("anna", "secret"), now() - began_s

    return run_virtual(run())


def test_each_text_of_a_login_has_its_own_time() -> None:
    outcome, took_s = login([(29, b"login:"), (58, b"password:"), (87, b">")])
    assert outcome.result is DialResult.CONNECTED and took_s == pytest.approx(87)


def test_a_provider_that_chatters_wins_no_time() -> None:
    outcome, took_s = login([(10 * n, b"please wait ...\r\n") for n in range(1, 30)])
    assert outcome.result is DialResult.ERROR and "please wait" in outcome.detail
    assert took_s == pytest.approx(30)


def test_a_line_lost_during_login_is_no_carrier() -> None:
    outcome, took_s = login([(5, b"login:"), (7, b"\r\nNO CARRIER\r\n")])
    assert outcome.result is DialResult.NO_CARRIER and took_s == pytest.approx(7)


@pytest.mark.parametrize(
    "said",
    [
        b"Login incorrect\r\nlogin: ",
        b"% Authentication failed\r\n",
        b"Access denied\r\n",
        b"\r\nUsername: ",
        b"Invalid login\r\n\r\nNO CARRIER\r\n",
    ],
)
def test_a_login_that_is_refused_before_ppp_is_reported_as_that_and_not_dialled_again(said: bytes) -> None:
    outcome, _ = login([(1, b"login:"), (2, b"password:"), (3, b"\r\n" + said)])
    assert outcome.again is Again.AFTER_CHANGE
    assert (
        outcome.detail.startswith("The provider refused the login before PPP.") and "ppp.password" in outcome.detail
    )
    assert "secret" not in outcome.detail


@pytest.mark.parametrize(
    "pushes",
    [
        [(1, b"access denied to strangers\r\nlogin:"), (2, b"password:"), (3, b"welcome\r\n")],
        [(1, b"invalid characters are ignored\r\n")],
        [(1, b"login:"), (2, b"password:"), (3, b"failures since last login: 0\r\n"), (4, b">")],
    ],
)
def test_what_only_sounds_like_a_refusal_is_none(pushes: list[tuple[int, bytes]]) -> None:
    """Said before the password, or followed by what was waited for."""
    outcome, _ = login(pushes)
    assert outcome.again is None


# cellular and satellite


READY = {"AT+CPIN?": "+CPIN: READY\nOK", "AT+CREG": "+CREG: 0,1\nOK", "AT+CEREG": "ERROR", "AT+CGREG": "ERROR"}
LOCKED = {**READY, "AT+CPIN?": "+CPIN: SIM PIN\nOK"}


def pins(port: ScriptedPort) -> list[str]:
    return [command for command in port.commands if command.startswith("AT+CPIN=")]


def test_a_cellular_call() -> None:
    port = ScriptedPort(**{**LOCKED, "AT+CSQ": "+CSQ: 17,99\nOK"})
    outcome = dial(port, replace(CELLULAR, signal_query="+CSQ"), sim_pin="1234", apn="internet", number="*99***1#")
    assert outcome.result is DialResult.CONNECTED
    assert pins(port) == ['AT+CPIN="1234"']
    assert port.commands[-1] == "ATD*99***1#" and 'AT+CGDCONT=1,"IP","internet"' in port.commands


@pytest.mark.parametrize(
    ("answer", "codes"),
    [("+CME ERROR: 16", OK), ("+CME ERROR: incorrect password", OK), ("+CME ERROR: 12", OK), ("ERROR", "ERROR")],
)
def test_a_pin_refused_is_tried_once(answer: str, codes: str) -> None:
    memory, port = MemoryCallStore(), ScriptedPort(**{**LOCKED, "AT+CPIN=": answer, "AT+CMEE": codes})
    for _ in range(3):
        outcome = dial(port, CELLULAR, RefusedPin(memory), sim_pin="1234")
        assert outcome.result is DialResult.ERROR and "1234" not in outcome.detail
        assert outcome.again is Again.AFTER_CHANGE
    assert pins(port) == ['AT+CPIN="1234"']
    dial(port, CELLULAR, RefusedPin(memory), sim_pin="4321")
    assert pins(port) == ['AT+CPIN="1234"', 'AT+CPIN="4321"']


def test_going_back_to_a_pin_refused_earlier_costs_no_try() -> None:
    memory, port = MemoryCallStore(), ScriptedPort(**{**LOCKED, "AT+CPIN=": "+CME ERROR: 16"})
    for pin in ("1111", "2222", "1111", "2222"):
        assert dial(port, CELLULAR, RefusedPin(memory), sim_pin=pin).result is DialResult.ERROR
    assert pins(port) == ['AT+CPIN="1111"', 'AT+CPIN="2222"']


def test_a_modem_that_tells_no_result_is_quoted() -> None:
    outcome = dial(ScriptedPort(ATD="RINGING\nFAX"))
    assert outcome.result is DialResult.TIMEOUT
    assert outcome.detail.startswith(
        'The modem said "FAX" and no result for 120 s after dialling. Check the number'
    )


def test_a_pin_whose_answer_is_not_known_is_tried_twice_until_the_sim_is_open() -> None:
    memory = MemoryCallStore()
    port = ScriptedPort(**{**LOCKED, "AT+CPIN=": None})

    async def called_off() -> None:
        modem = make(port, CELLULAR, RefusedPin(memory), sim_pin="1234")
        dialling = asyncio.create_task(modem.dial("1"))
        while not pins(port):
            await asyncio.sleep(0.1)
        dialling.cancel()
        await asyncio.wait([dialling])
        await modem.hang_up()

    run_virtual(called_off())
    for detail in ("is unknown", "sent 2 times", "sent 2 times"):
        assert detail in dial(port, CELLULAR, RefusedPin(memory), sim_pin="1234").detail
    assert pins(port) == ['AT+CPIN="1234"'] * 2
    port.script.update(READY)  # it was the right one
    assert dial(port, CELLULAR, RefusedPin(memory), sim_pin="1234").result is DialResult.CONNECTED
    port.script.update({**LOCKED, "AT+CPIN=": OK})
    assert dial(port, CELLULAR, RefusedPin(memory), sim_pin="1234").result is DialResult.CONNECTED


def test_a_card_that_cannot_be_read_makes_nobody_try() -> None:
    class Broken(MemoryCallStore):
        async def recall(self, key: str) -> Never:
            raise StorageError("the card")

    port = ScriptedPort(**LOCKED)
    outcome = dial(port, CELLULAR, RefusedPin(Broken()), sim_pin="1234")
    assert outcome.result is DialResult.ERROR and "can't find out whether" in outcome.detail
    assert pins(port) == []


@pytest.mark.parametrize("busy", ["+CME ERROR: 14", "+CME ERROR: SIM busy"])
def test_a_sim_that_is_still_busy_is_waited_for(busy: str) -> None:
    port = ScriptedPort(**{**READY, "AT+CPIN?": [busy, busy, busy, "+CPIN: READY\nOK"]})
    assert dial(port, CELLULAR).result is DialResult.CONNECTED
    assert port.commands.count("AT+CPIN?") == 4


@pytest.mark.parametrize(
    ("answer", "words", "asked"),
    [
        ("+CME ERROR: 10", "+CME ERROR: 10", SIM_BUSY_S + 1),
        ("+CME ERROR: 14", "usable", SIM_BUSY_S + 1),
        ("+CPIN: NOT READY\nOK", "NOT READY", SIM_BUSY_S + 1),
        ("+CPIN: PH-NET PIN\nOK", "another SIM", 1),
        ("+CPIN: SIM PUK\nOK", "PUK", 1),
        ("ERROR", "in the slot", SIM_BUSY_S + 1),
        ("+CPIN: SIM PIN\nOK", "set modem.sim_pin", 1),
    ],
)
def test_a_sim_that_cannot_be_used_is_reported(answer: str, words: str, asked: float) -> None:
    port = ScriptedPort(**{**READY, "AT+CPIN?": answer})
    outcome = dial(port, CELLULAR)
    assert outcome.result is DialResult.ERROR and words in outcome.detail
    assert port.commands.count("AT+CPIN?") == asked


def test_a_network_is_waited_for() -> None:
    port = ScriptedPort(**{**READY, "AT+CREG": ["+CREG: 0,2\nOK", "+CREG: 0,2\nOK", "+CREG: 0,5\nOK"]})
    assert dial(port, CELLULAR).result is DialResult.CONNECTED


@pytest.mark.parametrize(
    ("answer", "result", "words"),
    [("+CREG: 0,2\nOK", DialResult.NO_DIALTONE, "antenna"), ("+CREG: 0,3\nOK", DialResult.ERROR, "contract")],
)
def test_a_network_that_is_not_there_or_refuses_is_reported(answer: str, result: DialResult, words: str) -> None:
    port = ScriptedPort(**{**READY, "AT+CREG": answer})
    outcome = dial(port, CELLULAR)
    assert outcome.result is result and words in outcome.detail
    assert not any(command.startswith("ATD") for command in port.commands)


def test_iridium_asks_its_network_and_tells_the_signal() -> None:
    profile = replace(HAYES, dial="ATDT{number}", registration_query="+CREG", signal_query="+CSQF")

    async def run() -> None:
        port = ScriptedPort(**{"AT+CREG": "+CREG:002,001\nOK", "AT+CSQF": "+CSQF:4\nOK"})
        modem = make(port, profile)
        assert (await modem.dial("008816000025")).result is DialResult.CONNECTED
        assert "signal: +CSQF: 4" in modem.said
        assert port.commands[-1] == "ATDT008816000025" and not modem.has_carrier_line
        assert not any("CPIN" in command or "S7" in command for command in port.commands)

    run_virtual(run())
