"""Tables, sizes and spans as people read them."""

import pytest

from dialpost.cli.output import count, fitted, size, table


def test_table_pads_all_but_the_last_column_and_cuts_what_is_too_wide() -> None:
    rows = [("a", "x" * 50, "y" * 60), ("long id", "b", "c")]
    assert table(("ID", "FROM", "TEXT"), rows, widest=10).splitlines() == [
        "ID       FROM        TEXT",
        "a        xxxxxxxxx…  " + "y" * 60,
        "long id  b           c",
    ]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 kB"),
        (3_449, "3.4 kB"),
        (12_000_000, "12 MB"),
        (2.5e9, "2.5 GB"),
    ],
)
def test_size(value: float, expected: str) -> None:
    assert size(value) == expected


def test_count() -> None:
    assert [count(1, "message"), count(2, "message"), count(0, "reply", "replies")] == [
        "1 message",
        "2 messages",
        "0 replies",
    ]


def test_on_a_terminal_a_table_fits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dialpost.cli.output.terminal_columns", lambda: 60)
    rows = [
        (
            "D0000001",
            "anna.with.a.long.name@clinic.example",
            "bob@far.example",
            "held: larger than 1 MB; release it",
        ),
        ("D0000002", "日本語の差出人の長い名前@例え.example", "x", "waiting"),
    ]
    shown = table(("ID", "FROM", "TO", "STATE"), rows)
    assert shown.split("\n") == [
        "ID        FROM           TO             STATE",
        "D0000001  anna.with.a.…  bob@far.exam…  held: larger than 1",
        "                                        MB; release it",
        "D0000002  日本語の差出…  x              waiting",
    ]


def test_a_sentence_is_broken_between_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dialpost.cli.output.terminal_columns", lambda: 20)
    assert fitted("  one two three four five", indent=4) == "  one two three\n    four five"
    monkeypatch.setattr("dialpost.cli.output.terminal_columns", lambda: 0)
    assert fitted("  one two three four five", indent=4) == "  one two three four five"
