"""The rescue menu: numbers that never change, faults in words, earlier configurations, a pasted text."""

from __future__ import annotations

import pytest

from cases import cases
from dialpost.core.console.rescue import (
    LONGEST_TEXT,
    MENU,
    Action,
    Earlier,
    PastedText,
    Trouble,
    earlier_page,
    page,
    pick,
)

FILE = "/etc/dialpost/dialpost.toml"
BROKEN = Trouble((f"{FILE}: smtp.foo is unknown.", f"{FILE}: smtp.max_errors is wrong."), True, FILE)


def test_every_action_has_a_line_and_its_number_means_it() -> None:
    lines = page(BROKEN).splitlines()
    for action in Action:
        number = next(line.split()[0] for line in lines if line.endswith(action.value))
        assert pick(f" {number} ") is action
    assert len(MENU) == len(Action)
    assert pick("0") is Action.LEAVE and pick("1") is Action.SHOW


@cases("line", ["", "11", "-1", "²", "1.", "one", "\x00", "01"])
def test_what_is_no_number_of_the_menu_means_nothing(line: str) -> None:
    assert pick(line) is None


@pytest.mark.parametrize(
    ("trouble", "words"),
    [
        (BROKEN, "has 2 faults"),
        (Trouble(("one",), True, FILE), "has 1 fault and"),
        (Trouble(("one",), False, FILE), "The daemon is not running either"),
        (Trouble((), False, FILE), "the mail station is not running"),
    ],
)
def test_the_page_says_what_is_wrong(trouble: Trouble, words: str) -> None:
    assert words in page(trouble)
    assert ("not running either" in trouble.words()) is bool(trouble.problems and not trouble.daemon_runs)


def test_details_name_each_fault_without_the_file() -> None:
    assert BROKEN.details() == "- smtp.foo is unknown.\n- smtp.max_errors is wrong."
    assert "The configuration is valid" in Trouble((), False, FILE).details()


def test_earlier_configurations_are_listed_newest_first() -> None:
    kept = [
        Earlier(1, "an editor", "2026-11-03 08:00"),
        Earlier(12, "anna", "2026-11-04 09:30", "more at once", "x"),
    ]
    first, second = earlier_page(kept).splitlines()
    assert first.split() == ["12", "2026-11-04", "09:30", "anna:", "more", "at", "once", "(not", "usable:", "x)"]
    assert second.split()[0] == "1" and second.endswith("an editor")


def test_a_pasted_text_ends_with_a_dot() -> None:
    pasted = PastedText()
    for line in ("[station]", "", '  hostname = "."', " . ", "late"):
        pasted.line(line)
    assert (pasted.text, pasted.is_over, pasted.is_dropped) == ('[station]\n\n  hostname = "."\n', True, False)


def test_a_pasted_text_can_be_dropped_and_has_a_limit() -> None:
    pasted = PastedText()
    pasted.line("[station]")
    pasted.line("drop")
    assert pasted.is_over and pasted.is_dropped and not pasted.is_too_long
    long = PastedText()
    for _ in range(LONGEST_TEXT // 100 + 1):
        long.line("x" * 99)
    assert long.is_too_long and len(long.text) <= LONGEST_TEXT and not long.is_over


def test_the_longest_text() -> None:
    for more, is_too_long in ((0, False), (1, True)):
        text = PastedText()
        text.line("x" * (LONGEST_TEXT - 1 + more))
        assert text.is_too_long is is_too_long
