"""Replies: the enhanced code is taken off only where it is one (RFC 2034 §4)."""

import pytest

from dialpost.core.mail.reply import Reply


@pytest.mark.parametrize(
    ("code", "lines", "expected"),
    [
        (250, ("2.1.5 Ok",), Reply(250, ("Ok",), "2.1.5")),
        (550, ("5.1.1 No such", "5.1.1 user"), Reply(550, ("No such", "user"), "5.1.1")),
        (550, ("4.1.1 odd",), Reply(550, ("4.1.1 odd",), None)),
        (220, ("2.example.org ready",), Reply(220, ("2.example.org ready",), None)),
        (250, ("2.0.0",), Reply(250, ("",), "2.0.0")),
        (354, ("go on",), Reply(354, ("go on",), None)),
    ],
)
def test_from_lines(code: int, lines: tuple[str, ...], expected: Reply) -> None:
    assert Reply.from_lines(code, lines) == expected


@pytest.mark.parametrize(
    ("codes", "kinds"),
    [
        ((200, 250, 299), {"is_positive", "is_completion"}),
        ((300, 354, 399), {"is_positive", "is_intermediate"}),
        ((400, 451, 499), {"is_transient"}),
        ((500, 554, 599), {"is_permanent"}),
    ],
)
def test_the_first_digit_is_the_class_of_a_reply(codes: tuple[int, ...], kinds: set[str]) -> None:
    every = ("is_positive", "is_completion", "is_intermediate", "is_transient", "is_permanent")
    for code in codes:
        assert {kind for kind in every if getattr(Reply(code, ("x",)), kind)} == kinds


def test_in_the_servers_words_on_one_line() -> None:
    assert str(Reply.from_lines(550, ("5.1.1 No such", "5.1.1 user"))) == "550 5.1.1 No such user"
    assert Reply(450, ("busy",)).status() == "4.0.0"
