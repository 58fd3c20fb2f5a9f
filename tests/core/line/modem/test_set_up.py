"""A modem's commands before a call, and which rate its line is taken to have."""

from dataclasses import replace

import pytest

from cases import cases
from dialpost.core.config.model import LinkConfig, ModemConfig, PortFlow
from dialpost.core.line.country import Country
from dialpost.core.line.modem.profile import FlowControl, Medium, ModemProfile
from dialpost.core.line.modem.set_up import (
    PLAIN_WORDS,
    SetUpCommand,
    guard_time_s,
    line_rate_bps,
    port_settings,
    set_up_commands,
    sets_guard,
)

COUNTRY = Country("generic", "Anywhere", "a test")
PROFILE = ModemProfile(
    "test",
    "A test modem",
    "made up",
    speed_bps=57_600,
    init=("ATZ", "AT&F1"),
    must=("AT&F1",),
    dial="ATD{mode}{number}",
    blind_dial_init="X1",
)
ELSEWHERE = replace(PROFILE, dial="ATD{number}")


def test_what_kind_of_line_it_has() -> None:
    assert PROFILE.medium is Medium.TELEPHONE
    assert ELSEWHERE.medium is Medium.SATELLITE
    assert replace(ELSEWHERE, cellular=True).medium is Medium.CELLULAR


def test_the_port_is_as_configured_or_else_as_the_profile_says() -> None:
    assert port_settings(PROFILE, ModemConfig(speed_bps=0, flow_control=PortFlow.PROFILE)) == (
        57_600,
        FlowControl.RTSCTS,
    )
    assert port_settings(PROFILE, ModemConfig(speed_bps=9600, flow_control=PortFlow.XONXOFF)) == (
        9600,
        FlowControl.XONXOFF,
    )


DEFAULT_BPS = LinkConfig().line_rate_bps


@cases(
    ("told", "profile", "configured", "rate"),
    [
        (31_200, PROFILE, 9600, 31_200),
        (56_000, PROFILE, 9600, 56_000),
        (56_001, PROFILE, 9600, 9600),
        (38_400, PROFILE, 9600, 9600),
        (38_400, ELSEWHERE, 9600, 38_400),
        (128_000, ELSEWHERE, 9600, 128_000),
        (115_200, PROFILE, 9600, 9600),
        (115_200, ELSEWHERE, 9600, 9600),
        (None, PROFILE, 9600, 9600),
        (31_200, replace(PROFILE, line_rate_bps=2400), DEFAULT_BPS, 2400),
        (31_200, replace(PROFILE, line_rate_bps=2400), 4800, 4800),
    ],
)
def test_the_rate_of_the_line(told: int | None, profile: ModemProfile, configured: int, rate: int) -> None:
    assert line_rate_bps(told, profile, configured, 115_200) == rate


def test_the_profile_comes_first_and_the_operator_s_own_last() -> None:
    commands = set_up_commands(PROFILE, ModemConfig(numbers=("111",), extra_init="S7=90"), COUNTRY)
    assert commands[:3] == [
        SetUpCommand("ATZ"),
        SetUpCommand("AT&F1", is_must=True),
        SetUpCommand(PLAIN_WORDS),
    ]
    assert commands[-1] == SetUpCommand("ATS7=90", is_own=True)
    [own] = [each for each in set_up_commands(PROFILE, ModemConfig(extra_init="at+x"), COUNTRY) if each.is_own]
    assert own.command == "at+x"


def test_a_telephone_line_has_settings_of_its_own() -> None:
    blind = ModemConfig(numbers=("111",), wait_for_dial_tone=False)
    told = [each.command for each in set_up_commands(PROFILE, blind, COUNTRY)]
    assert "ATX1" in told and "ATX3" not in told
    silent = replace(PROFILE, blind_dial_init="")
    assert not [each for each in set_up_commands(silent, blind, COUNTRY) if each.command.startswith("ATX")]
    assert [each.command for each in set_up_commands(ELSEWHERE, blind, COUNTRY)] == ["ATZ", "AT&F1", PLAIN_WORDS]


@cases(
    ("lines", "guard_s"),
    [
        (("050",), 1.1),
        (("^RSSI:17", "20"), 0.5),
        (("0",), 0.1),
        (("13",), 0.36),
        (("255",), 5.2),
        (("256",), None),
        (("050", "050"), None),
        (("S12: 50",), None),
        (("\u0665\u0660",), None),
        ((), None),
    ],
)
def test_the_guard_time_as_the_modem_reports_it(lines: tuple[str, ...], guard_s: float | None) -> None:
    assert guard_time_s(lines) == (guard_s if guard_s is None else pytest.approx(guard_s))


def test_a_guard_time_that_somebody_chose_is_seen() -> None:
    for extra, found in (("", False), ("S7=90", False), ("at&k3 s12 = 100", True), ("ATS12=20", True)):
        assert sets_guard(PROFILE, ModemConfig(extra_init=extra)) is found
    assert sets_guard(replace(PROFILE, init=("AT&F", "ATS12=75")), ModemConfig())
