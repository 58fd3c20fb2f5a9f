"""What a PPP session tells on its way to the daemon."""

import json

import pytest

from dialpost.core.line.ppp.end import PppEnd
from dialpost.core.line.ppp.events import (
    MOST_LOGGED,
    MOST_WORDS,
    Logged,
    PppUp,
    Trouble,
    logged,
    parse_event,
    trouble,
)
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
        (PppEnd(2, (REFUSED,), detail="x"), log_reason((REFUSED,), was_up=False)),
        (PppEnd(19, (REFUSED,), detail="x"), log_reason((REFUSED,), was_up=False)),
        (PppEnd(5, (REFUSED,)), log_reason((REFUSED,), was_up=False)),
    ],
)
def test_why_a_session_is_over(down: PppEnd, reason: object) -> None:
    assert down.reason == reason


@pytest.mark.parametrize(
    ("event", "kind"),
    [
        ("above", None),
        ("log", Logged),
        ("mtu", None),
        ("trouble", Trouble),
        ("under", None),
        ("up", PppUp),
        ("zz", None),
    ],
)
def test_the_name_alone_says_what_an_event_is(event: str, kind: type | None) -> None:
    network = {"IFNAME": "ppp0", "IPLOCAL": "192.0.2.1", "IPREMOTE": "192.0.2.2"}
    found = parse_event(json.dumps({"event": event, "words": "x", "lines": ["x"], **network}).encode())
    assert found is None if kind is None else isinstance(found, kind)


def test_only_the_last_lines_of_a_log_are_reported() -> None:
    lines = [str(number) for number in range(MOST_LOGGED + 2)]
    assert parse_event(logged(lines)) == Logged(tuple(lines[2:]))
