"""What the log told, told again: which of it, in which words, how much."""

import pytest

from dialpost.core.logged_faults import MOST_SHOWN, LoggedFault, attention, bare, kind_of, notes


def fault(key: str, *, needs_operator: bool = True, count: int = 1, text: str = "It broke") -> LoggedFault:
    return LoggedFault(key, text, needs_operator, count, 0.0)


@pytest.mark.parametrize(
    ("message", "args", "kind"),
    [
        ("%s %s", ("held", "queue_id=Q1"), "held"),
        ("%s %s", (), "%s %s"),
        ("%s %s", None, "%s %s"),
        ("etrn: %s", ("no",), "etrn: %s"),
        ("config: %s", {"a": 1}, "config: %s"),
        ("%s: %s", ("s.toml", "The default is unset."), "configuration: The default is unset."),
        ("%s: %s", ("s.toml",), "%s: %s"),
    ],
)
def test_lines_of_one_kind(message: str, args: object, kind: str) -> None:
    assert kind_of(message, args) == kind


def test_a_kind_without_its_message() -> None:
    assert bare("Q7ABC123: held") == "held"
    assert bare("%s: recovery failed") == "recovery failed"
    assert bare("etrn: %s") == "etrn: %s"


def test_what_needs_an_operator_and_what_was_handled() -> None:
    faults = [
        fault("held"),
        fault("held", needs_operator=False, text="Another"),
        fault("etrn: %s"),
        fault("call: not made", needs_operator=False),
    ]
    assert [line.partition(".")[0] for line in attention(faults)] == ["It broke"]
    assert [line.partition(".")[0] for line in notes(faults)] == ["Another"]


@pytest.mark.parametrize(
    ("key", "next_step"),
    [
        ("Q7ABC123: held", "dialpost queue delete"),
        ("a bug in Dialpost", "This is a bug in Dialpost"),
        ("something failed", "This is a bug in Dialpost"),
        ("a fault", "This is a bug in Dialpost"),
        ("something odd", "`dialpost doctor` checks further"),
        ("configuration: The default is unset.", "`dialpost config explain KEY` explains"),
    ],
)
def test_each_says_what_to_do_next(key: str, next_step: str) -> None:
    words = fault(key).words
    assert words.startswith("It broke. ") and next_step in words


def test_a_line_that_is_a_sentence_gets_no_second_full_stop() -> None:
    assert fault("held", text="It broke.").words.startswith("It broke. `")
    assert fault("held", text="It broke.", count=2).words.startswith("It broke (2 times). ")


def test_how_often_is_reported_from_two_on() -> None:
    assert "(1 times)" not in fault("held").words
    assert fault("held", count=2).words.startswith("It broke (2 times). ")


def test_the_newest_are_shown_and_the_others_counted() -> None:
    faults = [fault("x", text=f"Fault {number}") for number in range(MOST_SHOWN)]
    assert len(attention(faults)) == MOST_SHOWN
    shown = attention([fault("x", text="The oldest"), *faults])
    assert [line.partition(".")[0] for line in shown[:-1]] == [f"Fault {number}" for number in range(MOST_SHOWN)]
    assert shown[-1].startswith("And 1 more: ")
