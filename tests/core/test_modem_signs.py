"""Network and signal in words."""

from __future__ import annotations

import pytest

from dialpost.core.findings import Severity
from dialpost.core.modem_signs import registration, registration_finding, signal_finding, sim_finding


@pytest.mark.parametrize(
    ("lines", "states"),
    [
        (["+CREG: 0,1"], [1]), (["+CEREG: 5"], [5]), (["+CREG: 2,3,\"00C3\",\"1A2B\""], [3]),
        (["+CEREG: 0,4", "x", "+CREG:0,5"], [4, 5]), (["OK", "+CSQ: 3,99"], []),
    ],
)  # fmt: skip
def test_registration(lines: list[str], states: list[int]) -> None:
    assert registration(lines) == states


@pytest.mark.parametrize(
    ("states", "severity", "says"),
    [
        ([4, 1], Severity.OK, "in its home network"), ([5], Severity.OK, "roaming"),
        ([3, 3], Severity.FAULT, "refused"), ([2], Severity.FAULT, "looking"), ([], Severity.WARNING, "not tell"),
        ([9], Severity.FAULT, "state 9"),
    ],
)  # fmt: skip
def test_network(states: list[int], severity: Severity, says: str) -> None:
    finding = registration_finding(states)
    assert (finding.severity, says in finding.what) == (severity, True)
    assert bool(finding.advice) is (severity is Severity.FAULT)


@pytest.mark.parametrize(
    ("line", "severity", "says"),
    [
        ("+CSQ: 20,99", Severity.OK, "-73 dBm"), ("+CSQ: 0,0", Severity.WARNING, "-113 dBm"),
        ("+CSQ: 99,99", Severity.FAULT, "No signal"), ("+CSQF:5", Severity.OK, "5 of 5"),
        ("+CSQF:1", Severity.WARNING, "weak"), ("+CSQF:0", Severity.FAULT, "0 of 5"),
        ("", Severity.WARNING, "nothing"),
    ],
)  # fmt: skip
def test_signal(line: str, severity: Severity, says: str) -> None:
    finding = signal_finding(line)
    assert (finding.severity, says in finding.what) == (severity, True)


@pytest.mark.parametrize(
    ("line", "has_pin", "severity", "says"),
    [
        ("+CPIN: READY", False, Severity.OK, "no PIN"), ("+CPIN: SIM PIN", True, Severity.SKIPPED, "not entered"),
        ("+CPIN: SIM PIN", False, Severity.FAULT, "wants its PIN"), ("+CPIN: SIM PUK", True, Severity.FAULT, "PUK"),
        ("+CME ERROR: 10", True, Severity.FAULT, "+CME ERROR: 10"), ("", True, Severity.FAULT, "no usable SIM"),
    ],
)  # fmt: skip
def test_sim(line: str, has_pin: bool, severity: Severity, says: str) -> None:
    finding = sim_finding(line, has_pin)
    assert (finding.severity, says in finding.what) == (severity, True)
