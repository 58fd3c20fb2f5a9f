"""What pppd logged decides what is said of its end: transcripts of pppd 2.4.9 and 2.5.2."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cases import cases
from dialpost.core.line.link import Again
from dialpost.core.line.ppp.end import PppEnd
from dialpost.core.line.ppp.events import MOST_LOGGED, Logged, logged, parse_event
from dialpost.core.line.ppp.log import LOG_REASONS, log_reason

BEGUN = "using channel 1|Using interface ppp0|Connect: ppp0 <--> /dev/ttyUSB0|"
HUNG_UP = "|Connection terminated.|Modem hangup"
UP = BEGUN + "PAP authentication succeeded|local  IP address 10.64.0.2|remote IP address 10.64.0.1|"

TRANSCRIPTS = [
    # (its log, its status, was it up, the word of the row, when it is dialled again)
    (BEGUN + "LCP: timeout sending Config-Requests" + HUNG_UP, 16, False, "ppp-no-answer", Again.SOON),
    (
        BEGUN + "LCP: timeout sending Config-Requests|Connection terminated.|"
        "Receive serial link is not 8-bit clean:|Problem: all had bit 7 set to 0|Modem hangup",
        16,
        False,
        "ppp-no-answer",
        Again.SOON,
    ),
    (
        BEGUN + "LCP terminated by peer (peer refused to authenticate)" + HUNG_UP,
        16,
        False,
        "ppp-no-login",
        Again.AFTER_CHANGE,
    ),
    (
        BEGUN + "LCP terminated by peer (No auth is possible)" + HUNG_UP,
        10,
        False,
        "ppp-no-login",
        Again.AFTER_CHANGE,
    ),
    (BEGUN + "No secret found for PAP login" + HUNG_UP, 16, False, "ppp-no-secret", Again.AFTER_CHANGE),
    (
        BEGUN + 'No CHAP secret found for authenticating us to "ras"|CHAP authentication failed' + HUNG_UP,
        19,
        False,
        "ppp-no-secret",
        Again.AFTER_CHANGE,
    ),
    (BEGUN + "PAP authentication failed" + HUNG_UP, 19, False, "ppp-refused", Again.AFTER_CHANGE),
    (
        BEGUN + "Remote message: Login incorrect|PAP authentication failed" + HUNG_UP,
        16,
        False,
        "ppp-refused",
        Again.AFTER_CHANGE,
    ),
    (BEGUN + "CHAP authentication failed: Access denied" + HUNG_UP, 16, False, "ppp-refused", Again.AFTER_CHANGE),
    (BEGUN + "CHAP authentication failed" + HUNG_UP, 5, False, "ppp-refused", Again.AFTER_CHANGE),
    (
        BEGUN + "MS-CHAP authentication failed: E=691 Authentication failure|CHAP authentication failed" + HUNG_UP,
        19,
        False,
        "ppp-refused",
        Again.AFTER_CHANGE,
    ),
    (
        BEGUN + "MS-CHAP authentication failed: E=648 Password expired|CHAP authentication failed",
        19,
        False,
        "ppp-password-expired",
        Again.AFTER_CHANGE,
    ),
    (
        BEGUN + "MS-CHAP authentication failed: E=647 Account disabled",
        16,
        False,
        "ppp-account-closed",
        Again.AFTER_CHANGE,
    ),
    (
        BEGUN + "MS-CHAP authentication failed: E=649 No dialin permission",
        16,
        False,
        "ppp-account-closed",
        Again.AFTER_CHANGE,
    ),
    (
        BEGUN + "MS-CHAP authentication failed: E=646 Restricted logon hours",
        16,
        False,
        "ppp-hours",
        Again.NEXT_TIME,
    ),
    (BEGUN + "EAP: peer reports authentication failure" + HUNG_UP, 16, False, "ppp-refused", Again.AFTER_CHANGE),
    (
        BEGUN + "LCP terminated by peer (Authentication failed)" + HUNG_UP,
        16,
        False,
        "ppp-refused",
        Again.AFTER_CHANGE,
    ),
    (
        BEGUN + "LCP terminated by peer (Failed to authenticate ourselves to peer)",
        16,
        False,
        "ppp-refused",
        Again.AFTER_CHANGE,
    ),
    (BEGUN + "LCP terminated by peer (invalid username or password)", 16, False, "ppp-refused", Again.AFTER_CHANGE),
    (
        BEGUN + "PAP authentication failed due to protocol-reject" + HUNG_UP,
        19,
        False,
        "ppp-auth-kind",
        Again.AFTER_CHANGE,
    ),
    (BEGUN + "No response to PAP authenticate-requests" + HUNG_UP, 19, False, "ppp-auth-silent", Again.SOON),
    (
        BEGUN + "peer refused to authenticate: terminating link" + HUNG_UP,
        11,
        False,
        "ppp-proof",
        Again.AFTER_CHANGE,
    ),
    (BEGUN + "Serial line is looped back.|Connection terminated.", 17, False, "ppp-echo", Again.NEXT_TIME),
    (BEGUN + "LCP terminated by peer (Loopback detected)", 16, False, "ppp-echo", Again.NEXT_TIME),
    (
        BEGUN + "LCP terminated by peer (MPPE required but peer refused)" + HUNG_UP,
        16,
        False,
        "ppp-encryption",
        Again.AFTER_CHANGE,
    ),
    (
        BEGUN + "MPPE required but peer negotiation failed|Connection terminated.",
        10,
        False,
        "ppp-encryption",
        Again.AFTER_CHANGE,
    ),
    (
        BEGUN + "PAP authentication succeeded|LCP terminated by peer (No network protocols running)" + HUNG_UP,
        16,
        False,
        "ppp-no-ip",
        Again.NEXT_TIME,
    ),
    (
        BEGUN + "Protocol-Reject for 'IP Control Protocol' (0x8021) received",
        10,
        False,
        "ppp-no-ip",
        Again.NEXT_TIME,
    ),
    (
        BEGUN + "PAP authentication succeeded|IPCP: timeout sending Config-Requests|Connection terminated.",
        10,
        False,
        "ppp-address",
        Again.NEXT_TIME,
    ),
    (
        BEGUN + "Could not determine local IP address|Connection terminated.",
        10,
        False,
        "ppp-address",
        Again.NEXT_TIME,
    ),
    (
        BEGUN + "Peer refused to agree to our IP address|Connection terminated.",
        10,
        False,
        "ppp-address",
        Again.NEXT_TIME,
    ),
    (
        UP + "Terminating connection due to lack of activity.|Connect time 9.0 minutes.",
        12,
        True,
        "ppp-inactive",
        Again.SOON,
    ),
    (UP + "LCP terminated by peer (Idle-Timeout)" + HUNG_UP, 16, True, "ppp-inactive", Again.SOON),
    (UP + "Connect time expired|Connection terminated.", 13, True, "ppp-time-over", Again.SOON),
    (UP + "LCP terminated by peer (Session-Timeout)" + HUNG_UP, 16, True, "ppp-time-over", Again.SOON),
    (
        UP + "No response to 4 echo-requests|Serial link appears to be disconnected.",
        15,
        True,
        "ppp-silent-peer",
        Again.SOON,
    ),
    (UP + "LCP terminated by peer (Peer not responding)", 16, True, "ppp-silent-peer", Again.SOON),
    (UP + "LCP terminated by peer (User request)" + HUNG_UP, 16, True, "ppp-peer-ended", Again.SOON),
    (UP + "LCP terminated by peer" + HUNG_UP, 0, True, "ppp-peer-ended", Again.SOON),
    (
        UP + "LCP terminated by peer (No network protocols running)" + HUNG_UP,
        16,
        True,
        "ppp-peer-ended",
        Again.SOON,
    ),
    # Nothing but the status tells, or what is logged is no reason.
    (BEGUN + "Modem hangup|Connection terminated.", 16, False, "ppp-hangup", Again.SOON),
    (
        UP + "Modem hangup|Connect time 2.0 minutes.|Sent 100 bytes, received 200 bytes.",
        16,
        True,
        "ppp-hangup",
        Again.SOON,
    ),
    (
        UP + "Could not determine remote IP address: defaulting to 10.64.64.64|Hangup (SIGHUP)",
        16,
        True,
        "ppp-hangup",
        Again.SOON,
    ),
    (
        UP + "Script /etc/ppp/ip-up finished (pid 7), status = 0x1|Terminating on signal 15",
        5,
        True,
        "ppp-terminated",
        Again.SOON,
    ),
    ("Device ttyUSB0 is locked by pid 7", 7, False, "ppp-port-locked", Again.SOON),
    (
        "Couldn't open the /dev/ppp device: No such device|Sorry - this system lacks PPP kernel support",
        4,
        False,
        "ppp-no-module",
        Again.AFTER_CHANGE,
    ),
    ("", 19, False, "ppp-auth", Again.AFTER_CHANGE),
    ("", 2, False, "ppp-options", Again.AFTER_CHANGE),
]


@cases(("log", "status", "was_up", "word", "again"), TRANSCRIPTS)
def test_the_log_decides_what_is_reported(log: str, status: int, was_up: bool, word: str, again: Again) -> None:
    end = PppEnd(status, tuple(log.split("|")), was_up=was_up)
    assert (end.log, end.again) == (word, again)
    assert end.reason is not None and end.reason.words in end.words
    if word != "ppp-hangup":
        assert "lost its carrier" not in end.words


def test_every_row_is_in_a_transcript() -> None:
    assert {row.reason.log for row in LOG_REASONS} - {word for *_, word, _ in TRANSCRIPTS} == {
        "ppp-callback-wanted"
    }
    assert PppEnd(14, ("LCP terminated by peer (callback required)",)).log == "ppp-callback-wanted"


def test_the_words_of_the_provider_s_end_are_told_and_are_harmless() -> None:
    end = PppEnd(16, ("Remote message: \x1b[31mLogin \u202eincorrect" + "x" * 500, "PAP authentication failed"))
    assert "The provider's end said: \"" in end.words and "incorrect" in end.words
    assert "\x1b" not in end.words and "\u202e" not in end.words and len(end.words) < 500


@given(st.lists(st.text(max_size=200), max_size=30), st.booleans())
def test_no_log_at_all_is_a_fault_of_ours(lines: list[str], was_up: bool) -> None:
    log_reason(lines, was_up=was_up)
    assert PppEnd(16, tuple(lines), was_up=was_up).words
    told = parse_event(logged(lines))
    assert isinstance(told, Logged) and len(told.lines) <= MOST_LOGGED


@pytest.mark.parametrize(
    "datagram", [b'{"event":"log"}', b'{"event":"log","lines":"x"}', b'{"event":"log","lines":7}']
)
def test_a_log_that_is_none_is_nothing(datagram: bytes) -> None:
    assert parse_event(datagram) is None
