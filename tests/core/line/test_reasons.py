"""Every result and every exit code has its row, and the page is the table."""

from pathlib import Path

import pytest

from cases import cases
from dialpost.core.line.link import DialResult
from dialpost.core.line.ppp.end import PppEnd
from dialpost.core.line.ppp.events import PppUp, event, parse_event
from dialpost.core.line.ppp.log import LOG_REASONS
from dialpost.core.line.reasons import DIAL_REASONS, PPP_REASONS, Reason, advice, ppp_reason
from dialpost.core.line.reasons_page import page


def test_every_result_of_dialling_has_a_row() -> None:
    assert set(DIAL_REASONS) == set(DialResult)


def test_advice_is_the_row_in_one_text() -> None:
    assert advice(DialResult.BUSY) == "The number is busy. The station redials."
    assert advice(DialResult.CONNECTED) == advice(DialResult.CANCELLED) == ""


def test_every_exit_code_of_pppd_has_a_row() -> None:
    assert set(PPP_REASONS) == set(range(22))


@cases(
    "reason",
    [*DIAL_REASONS.values(), *PPP_REASONS.values(), *(row.reason for row in LOG_REASONS)],
    ids=lambda reason: reason.log,
)
def test_each_row_says_what_happened_and_a_fault_what_to_do(reason: Reason) -> None:
    assert reason.words.endswith(".")
    assert "fault" in reason.light
    if "flashes" in reason.light:
        assert reason.next_step.endswith(".")


def test_log_words_are_unique() -> None:
    words = [
        reason.log
        for reason in (*DIAL_REASONS.values(), *PPP_REASONS.values(), *(row.reason for row in LOG_REASONS))
    ]
    assert len(set(words)) == len(words)


def test_a_code_of_a_later_pppd_is_told_all_the_same() -> None:
    assert "99" in ppp_reason(99).words


def test_the_page_is_current() -> None:
    kept = Path(__file__).parents[3] / "docs" / "line-reasons.md"
    assert kept.read_text() == page(), (
        "run: .venv/bin/python -m dialpost.core.line.reasons_page > docs/line-reasons.md"
    )


def test_the_hook_tells_of_the_network_in_one_datagram() -> None:
    told = event(
        "up",
        {
            "IFNAME": "ppp0",
            "IPLOCAL": "10.0.0.2",
            "IPREMOTE": "10.0.0.1",
            "DNS1": "192.0.2.53",
            "DNS2": "192.0.2.53",
            "PATH": "/bin",
            "SECRET": "x",
        },
    )
    assert b"SECRET" not in told
    assert parse_event(told) == PppUp("ppp0", "10.0.0.2", "10.0.0.1", ("192.0.2.53",))


@pytest.mark.parametrize("datagram", [b"", b"x", b"{}", b'{"event":"down"}', b'{"event":"up"}', b"[1]", b"\xff"])
def test_other_datagrams_are_nothing(datagram: bytes) -> None:
    assert parse_event(datagram) is None


def test_the_end_is_reported_with_what_to_do() -> None:
    assert "ppp.password" in PppEnd(19).words
    assert PppEnd(None, detail="gone").words == "gone"
