"""Network and signal in words."""

from __future__ import annotations

import pytest

from cases import cases
from dialpost.core.findings import Severity
from dialpost.core.line.modem.signs import (
    SIM_READY,
    _registration_state,
    is_sim_starting,
    registration,
    registration_finding,
    signal_finding,
    signal_line,
    sim_finding,
    sim_state,
)


@cases(
    ("lines", "states"),
    [
        (["+CREG: 0,1"], 1),
        (["+CREG: 5"], 5),
        (['+CREG: 2,3,"00C3","1A2B"'], 3),
        (["+CREG:002,001"], 1),
        (["+CEREG: 0,1", "x", "+CREG:0,5"], 5),
        (["OK", "+CSQ: 3,99"], None),
        (["+CREG: 2,5,550014,676"], 5),
        (["+CREG: 1, 550014, 676"], 1),
        (["+CREG: 5, 81BF"], 5),
        (['+CREG: 1,"00C3","7B2A"'], 1),
        (['+CREG: 2,"550014","676",7'], 2),
        (["+CREG: 1, 0005, 0676, 7"], 1),
        (["+CREG: 0,2", "+CREG: 5"], 2),
        (["+CREG: 2", "+CREG: 0,1", "+CREG: 3, 81BF, 1"], 1),
        (["+CREG: 0,2", "+CREG: 0,1"], 1),
        (["+CREG: 9"], 9),
        (["+CREG: 99999999999"], None),
        (["+CREG:", "+CREG: ,", "+CREG: x,1", "+CREG"], None),
        (["+CREG: 0, 6"], 6),
        (["+CREG: 2, 0"], 0),
    ],
)
def test_registration(lines: list[str], states: int | None) -> None:
    assert registration(lines, "+CREG") == states


@cases(
    ("states", "severity", "says"),
    [
        ([4, 1], Severity.OK, "in its home network"),
        ([5], Severity.OK, "roaming"),
        ([3, 3], Severity.FAULT, "refused"),
        ([2], Severity.FAULT, "looking"),
        ([], Severity.WARNING, "not say"),
        ([9], Severity.OK, "home"),
        ([6], Severity.FAULT, "text messages only"),
        ([12], Severity.FAULT, "state 12"),
    ],
)
def test_network(states: list[int], severity: Severity, says: str) -> None:
    finding = registration_finding(states)
    assert (finding.severity, says in finding.what) == (severity, True)
    assert bool(finding.advice) is (severity is Severity.FAULT)


@pytest.mark.parametrize(
    ("line", "severity", "says"),
    [
        ("+CSQ: 20,99", Severity.OK, "-73 dBm"),
        ("+CSQ: 0,0", Severity.WARNING, "-113 dBm"),
        ("+CSQ: 99,99", Severity.FAULT, "signal strength is unknown"),
        ("+CSQF:5", Severity.OK, "5 of 5"),
        ("+CSQF:1", Severity.WARNING, "weak"),
        ("+CSQF:0", Severity.FAULT, "0 of 5"),
        ("", Severity.WARNING, "nothing"),
    ],
)
def test_signal(line: str, severity: Severity, says: str) -> None:
    finding = signal_finding(line)
    assert (finding.severity, says in finding.what) == (severity, True)


@cases(
    ("line", "has_pin", "severity", "says"),
    [
        ("+CPIN: SIM PIN2", False, Severity.OK, "not ask for a PIN"),
        ("+CPIN: SIM PUK2", False, Severity.OK, "not ask for a PIN"),
        ("+CPIN: PH-NET PIN", True, Severity.FAULT, "locked to another SIM"),
        ("+CPIN: READY", False, Severity.OK, "not ask for a PIN"),
        ("+CPIN: SIM PIN", True, Severity.SKIPPED, "not enter it"),
        ("+CPIN: SIM PIN", False, Severity.FAULT, "asks for its PIN"),
        ("+CPIN: SIM PUK", True, Severity.FAULT, "PUK"),
        ("+CME ERROR: 10", True, Severity.FAULT, "+CME ERROR: 10"),
        ("", True, Severity.FAULT, "no usable SIM"),
    ],
)
def test_sim(line: str, has_pin: bool, severity: Severity, says: str) -> None:
    said = "" if line.startswith("+CPIN") else line
    finding = sim_finding(sim_state(["^RSSI:17", line]), said, has_pin)
    assert (finding.severity, says in finding.what) == (severity, True)


def test_a_state_may_come_without_its_cell() -> None:
    assert _registration_state('2,5,"00A1"') == (5, True)
    assert _registration_state("5") == (5, False)
    assert _registration_state("2,5,81") == (2, False)


@pytest.mark.parametrize(
    ("state", "words", "may_say_more"),
    [
        ("NOT READY", "", True),
        ("", "+CME ERROR: 14", True),
        ("", "+CME ERROR: 12", False),
        ("SIM PIN", "+CME ERROR: 14", False),
        ("READY", "", False),
    ],
)
def test_a_sim_that_starts(state: str, words: str, may_say_more: bool) -> None:
    assert is_sim_starting(state, words) is may_say_more


def test_the_line_that_tells_the_signal() -> None:
    assert signal_line(["+CSQ: 1,99", "RING", "+CSQ: 17,99"], "+csq") == "+CSQ: 17,99"
    assert signal_line(["RING"], "+CSQ") == ""


def test_the_best_of_what_several_queries_told_counts() -> None:
    assert "roaming" in registration_finding([0, 2, 5, 1]).what
    assert "looking" in registration_finding([2, 3]).what  # none is registered: the first
    refused, searching = registration_finding([3, 2]), registration_finding([2])
    assert "refused" in refused.what
    assert "contract" in refused.advice and "antenna" in searching.advice


@cases(
    ("state", "says"),
    [
        (0, "is not looking for a network"),
        (1, "is in its home network"),
        (2, "is looking for a network"),
        (3, "is refused by the network"),
        (4, "does not know"),
        (5, "(roaming)"),
        (6, "has a network for text messages only"),
        (7, "has a foreign network for text messages only"),
        (8, "emergency calls only"),
        (9, "is in its home network"),
        (10, "(roaming)"),
        (11, "emergency calls only"),
        (12, "is in state 12"),
    ],
)
def test_each_state_of_3gpp_ts_27_007(state: int, says: str) -> None:
    """§7.2: what +CREG's <stat> means."""
    finding = registration_finding([state])
    assert says in finding.what
    assert (finding.severity is Severity.OK) is (state in {1, 5, 9, 10})


def test_a_line_with_more_than_a_place_is_no_answer_because_of_its_third_field() -> None:
    assert _registration_state('1,5,"00C3"') == (5, True)
    assert _registration_state('1,5,"00C3","7"') == (1, False)


def test_the_last_word_of_a_sim_counts() -> None:
    assert sim_state(["+CPIN: NOT READY", "+CPIN: READY"]) == SIM_READY


def test_from_six_of_31_a_signal_is_not_weak() -> None:
    weak = ["That is weak" in signal_finding(f"+CSQ: {value},99").what for value in (5, 6)]
    assert weak == [True, False]
