"""Which lines answer a question, among all that a modem says unasked."""

import pytest

from dialpost.core.line.at.answers import identity_lines, prefix_of, values


@pytest.mark.parametrize(
    ("command", "prefix"),
    [("AT+CSQ", "+CSQ"), ("at+cgmm=?", "+CGMM"), ("AT^CPIN?", "^CPIN"), ("ATI3", ""), ("AT", ""), ("+CSQ", "")],
)
def test_a_command_s_prefix(command: str, prefix: str) -> None:
    assert prefix_of(command) == prefix


def test_values_stand_behind_their_own_prefix() -> None:
    lines = ["^RSSI:17", "+CSQ: 12,99", "+csq:13,99", "+CSQ", "+CSQF: 3", "RING"]
    assert values(lines, "+CSQ") == ["12,99", "13,99"]
    assert values(lines, "+csq") == ["12,99", "13,99"]


def test_an_identity_is_what_is_neither_chatter_nor_echo() -> None:
    assert identity_lines(["AT", "ATE0", "AT+CGMM", "U.S. Robotics", "^RSSI:17", "ATLAS 3"], "ATI") == [
        "U.S. Robotics",
        "ATLAS 3",
    ]
    assert identity_lines(["AT+CGMM", "+CGMM: E173", "+CREG: 1", "^RSSI:17"], "AT+CGMM") == ["+CGMM: E173"]
    assert identity_lines(["+CGMM: E173"], "ATI") == []
