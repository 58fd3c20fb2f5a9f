"""What a PPP session tells on its way to the daemon."""

import pytest

from dialpost.core.line.ppp.end import PppEnd
from dialpost.core.line.ppp.events import MOST_WORDS, Trouble, parse_event, trouble
from dialpost.core.line.ppp.log import log_reason
from dialpost.core.line.reasons import ppp_reason

REFUSED = "Peer refused to authenticate itself"


def test_a_trouble_survives_its_way_on_one_line_and_cut() -> None:
    assert parse_event(trouble("no route\n  to x")) == Trouble("no route to x")
    assert parse_event(trouble("x" * (MOST_WORDS + 50))) == Trouble("x" * MOST_WORDS)
    assert parse_event(b"[]") is parse_event(b'{"event": "other"}') is parse_event(b"\xff") is None


@pytest.mark.parametrize(
    ("down", "reason"),
    [
        (PppEnd(None, ("x",)), None),
        (PppEnd(5, (REFUSED,), detail="ended here"), ppp_reason(5)),
        (PppEnd(16), ppp_reason(16)),
        (PppEnd(16, detail="ended here"), ppp_reason(16)),
        (PppEnd(19, (REFUSED,), detail="x"), log_reason((REFUSED,), was_up=False)),
        (PppEnd(5, (REFUSED,)), log_reason((REFUSED,), was_up=False)),
    ],
)
def test_why_a_session_is_over(down: PppEnd, reason: object) -> None:
    assert down.reason == reason
