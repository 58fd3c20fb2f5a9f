"""What a PPP session tells on its way to the daemon."""

from dialpost.core.line.ppp.events import MOST_WORDS, Trouble, parse_event, trouble


def test_a_trouble_survives_its_way_on_one_line_and_cut() -> None:
    assert parse_event(trouble("no route\n  to x")) == Trouble("no route to x")
    assert parse_event(trouble("x" * (MOST_WORDS + 50))) == Trouble("x" * MOST_WORDS)
    assert parse_event(b"[]") is parse_event(b'{"event": "other"}') is parse_event(b"\xff") is None
