"""Looking for a modem, and testing one, where it has bad habits."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from dialpost.core.config.model import ModemConfig, PortFlow
from dialpost.core.findings import Finding, Severity
from dialpost.core.line.country import Country
from dialpost.core.line.link import DialOutcome
from dialpost.core.line.modem.probe import Hints, PortFacts
from dialpost.core.line.modem.profile import FlowControl, ModemProfile
from dialpost.flow.line.modem.check import ModemCheck
from dialpost.flow.line.modem.find import look, needed_flow
from dialpost.flow.line.modem.modem import Modem
from fake_modem import FakeModem, Habit
from fakes import run_virtual
from known import known

HAYES = ModemProfile(name="test", title="t", source="s")
CELLULAR = replace(HAYES, cellular=True, dial="ATD{number}", init=("AT&F",), signal_query="+CSQ")
CONFIG = ModemConfig(port="/dev/fake", numbers=("123",))
SERIAL_CABLE = PortFacts("/dev/serial/by-id/usb-Prolific", "/dev/ttyUSB0", "USB-Serial", "067b:2303")
HINTS = {"hayes": Hints(), "cellular": Hints(), "quectel": Hints(says=("Quectel",))}
CHATTER = [(n + 0.005, noise) for n in range(300) for noise in (b"\r\n^RSSI:17\r\n", b"\r\n^BOOT:204,0,0\r\n")]


class AtOneSpeed(FakeModem):
    """Hears and speaks at its own speed only, and only where the port does not wait for a CTS that never comes."""

    own_speed_bps, speed_bps, is_held = 4800, 0, False

    def opened(self, device: str, speed_bps: int, flow_control: FlowControl) -> AtOneSpeed:
        self.speed_bps, self.is_held = speed_bps, flow_control is FlowControl.RTSCTS and not self.has_cts
        return self

    has_cts = True

    def set_speed(self, speed_bps: int) -> None:
        self.speed_bps = speed_bps

    async def write(self, data: bytes) -> None:
        if self.is_held:
            await asyncio.Event().wait()
        if self.speed_bps == self.own_speed_bps:
            await super().write(data)


@pytest.mark.parametrize("speed_bps", [115_200, 38_400, 19_200, 4800, 1200, 300])
@pytest.mark.parametrize("habits", [{}, {"quiet": True, "echo": False}, {"usual": Habit(late_s=1.2)}])
def test_every_usual_speed_is_tried_behind_a_serial_cable(speed_bps: int, habits: dict[str, Any]) -> None:
    fake = AtOneSpeed(**habits)
    fake.own_speed_bps = speed_bps
    found = run_virtual(look(SERIAL_CABLE, HINTS, fake.opened))
    assert (found.speed_bps, found.lacks_flow_control) == (speed_bps, False)


def test_a_port_without_rts_and_cts_is_found_and_told() -> None:
    fake = AtOneSpeed()
    fake.has_cts = False
    found = run_virtual(look(SERIAL_CABLE, HINTS, fake.opened))
    assert found.suggestion is not None and found.lacks_flow_control
    assert needed_flow(found, HAYES) is PortFlow.NONE
    assert needed_flow(found, replace(HAYES, flow_control=FlowControl.XONXOFF)) is PortFlow.PROFILE

    async def call(flow_control: PortFlow) -> DialOutcome:
        config = replace(CONFIG, speed_bps=4800, flow_control=flow_control)
        return await Modem(config, HAYES, fake.opened, lambda words: None).dial("123")

    assert 'modem.flow_control to "none"' in run_virtual(call(PortFlow.PROFILE)).detail
    assert run_virtual(call(PortFlow.NONE)).detail == "CONNECT 33600"


def test_chatter_hides_neither_name_nor_sim() -> None:
    fake = FakeModem(
        chatter=lambda: CHATTER, usual=Habit(late_s=0.4), answers={"AT+CGMM": "EC25\nOK", "ATI": "Q\nOK"}
    )
    found = run_virtual(look(SERIAL_CABLE, HINTS, lambda *_: fake))
    assert (known(found.suggestion).profile, found.says) == ("cellular", "Q; EC25")


def examine(fake: FakeModem, profile: ModemProfile = CELLULAR, **config: Any) -> dict[str, Finding]:
    async def run() -> dict[str, Finding]:
        check = ModemCheck(replace(CONFIG, **config), profile, Country("x", "X", ""), lambda *_: fake)
        return {finding.subject: finding async for finding in check.examine()}

    return run_virtual(run())


def test_chatter_hides_neither_sim_nor_network_nor_signal() -> None:
    found = examine(FakeModem(chatter=lambda: CHATTER, usual=Habit(late_s=0.4)))
    for subject in ("SIM", "network", "signal"):
        assert found[subject].severity is Severity.OK


def test_a_refused_command_is_a_warning_and_a_refused_must_a_fault() -> None:
    fake = FakeModem(answers={"AT&C1": "ERROR"})
    profile = replace(HAYES, init=("AT&F", "AT&C1"))
    finding = examine(fake, profile)["set-up"]
    assert finding.severity is Severity.WARNING and "AT&C1" in finding.what and "all the same" in finding.what
    finding = examine(fake, replace(profile, must=("AT&C1",)))["set-up"]
    assert finding.severity is Severity.FAULT and "AT&C1" in finding.what
