"""Whole numbers and moments out of anybody's hands."""

import os
from pathlib import Path

import pytest

from cases import cases
from dialpost.cli.mail.account import quota_bytes
from dialpost.cli.output import moment
from dialpost.core.amounts import (
    about_span,
    bytes_in,
    count_words,
    minutes_count,
    minutes_words,
    moment_words,
    money,
    size_words,
    span_s,
    span_words,
    whole_number,
)
from dialpost.core.config.history import Commit
from dialpost.core.console.wizard.facts import picked
from dialpost.core.errors import AccountError
from dialpost.core.password import SCHEME, verify_password
from dialpost.core.system.update.rules import BOARD, Release, release_in


@cases(
    ("text", "number"),
    [
        ("0", 0),
        ("12", 12),
        ("9" * 18, 10**18 - 1),
        ("9" * 19, None),
        ("9" * 5_000, None),
        ("", None),
        ("-1", None),
        ("1.5", None),
        ("²", None),
        ("٣", None),
        (" 1", None),
        ("1_0", None),
    ],
)
def test_a_whole_number_is_a_few_digits_or_none(text: str, number: int | None) -> None:
    assert whole_number(text) == number


@cases(
    ("text", "seconds"),
    [
        ("45s", 45),
        ("30min", 1800),
        ("12h", 43_200),
        ("5d", 432_000),
        ("1 D 2 H", 93_600),
        ("0s", 0),
        ("", None),
        ("5", None),
        ("5m", None),
        ("2h1d", None),
        ("-1h", None),
        ("1.5h", None),
        ("٣h", None),
        ("9" * 39 + "s", int("9" * 39)),
        ("9" * 40 + "s", None),
    ],
)
def test_a_length_of_time_is_typed_with_its_units(text: str, seconds: int | None) -> None:
    assert span_s(text) == seconds


@cases(
    ("text", "count"),
    [
        ("500k", 500_000),
        (" 1.5 GB ", 1.5e9),
        ("12", 12),
        ("2T", 2e12),
        ("0", 0),
        ("k", None),
        ("", None),
        ("1e3", None),
        ("5 kk", None),
        ("9" * 16, None),
    ],
)
def test_a_size_is_typed_in_powers_of_1000(text: str, count: float | None) -> None:
    assert bytes_in(text) == count


@pytest.mark.parametrize("unix_s", [2**63 - 1, -(2**63), 10**15, float("inf"), float("nan"), -1e300])
def test_a_moment_no_calendar_has_is_reported_as_unknown(unix_s: float) -> None:
    assert moment_words(unix_s) == moment(unix_s) == "an unknown time"
    assert Release(BOARD, "1", 10**15).name == "1 of an unknown time"
    assert Commit(1, "anna", 10**15, True).when == "an unknown time"


def test_a_file_from_the_far_future_has_a_time(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.touch()
    os.utime(path, (2**33, 2**33))
    assert Commit(1, "anna", int(path.stat().st_mtime), True).when.startswith("2242-")


def test_numbers_of_thousands_of_digits_break_nobody() -> None:
    digits = "9" * 5_000
    assert picked(digits, ()) is None
    assert not verify_password("x", f"{SCHEME}{digits},a,b,c")
    with pytest.raises(ValueError, match="when it was built"):
        release_in({"compatible": BOARD, "version": "1", "build": digits})
    with pytest.raises(AccountError, match="example 500M"):
        quota_bytes(digits + "T")


@cases(
    ("count", "words"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 kB"),
        (9940, "9.9 kB"),
        (9950, "10 kB"),
        (999_499, "999 kB"),
        (1_000_000, "1.0 MB"),
        (12_000_000, "12 MB"),
        (999_999_999, "1000 MB"),
        (1_000_000_000, "1.0 GB"),
        (34_000_000_000, "34 GB"),
        (999_000_000_000, "999 GB"),
        (1_250_000_000_000, "1.2 TB"),
        (3_504_000_000_000_000, "3504 TB"),
    ],
)
def test_sizes(count: float, words: str) -> None:
    assert size_words(count) == words


@cases(
    ("seconds", "words"),
    [
        (0, "5 s"),
        (7.4, "5 s"),
        (7.6, "10 s"),
        (57.4, "55 s"),
        (57.5, "1 min"),
        (89, "1 min"),
        (91, "2 min"),
        (59.4 * 60, "59 min"),
        (59.5 * 60, "1 h"),
        (60.4 * 60, "1 h"),
        (61 * 60, "1 h 1 min"),
        (119 * 60, "1 h 59 min"),
        (120 * 60, "2 h"),
    ],
)
def test_spans_that_are_only_guessed(seconds: float, words: str) -> None:
    assert about_span(seconds) == words


@cases(
    ("seconds", "expected"),
    [
        (-3, "0 s"),
        (59.9, "59 s"),
        (119, "1 min 59 s"),
        (60, "1 min"),
        (3600, "1 h"),
        (7800, "2 h 10 min"),
        (86_400, "1 d"),
        (97_200, "1 d 3 h"),
    ],
)
def test_spans_of_time(seconds: float, expected: str) -> None:
    assert span_words(seconds) == expected


def test_minutes_money_and_counts() -> None:
    assert [minutes_words(seconds) for seconds in (0, 30, 60, 63, 720)] == ["0", "0.5", "1", "1.1", "12"]
    assert (money(0.4, "EUR"), money(12, "")) == ("0.40 EUR", "12.00")
    assert [count_words(number, "message") for number in (0, 1, 2)] == ["0 messages", "1 message", "2 messages"]
    assert [count_words(number, "entry is", "entries are") for number in (1, 2)] == ["1 entry is", "2 entries are"]
    assert [minutes_count(seconds) for seconds in (30, 60, 120)] == ["0.5 minutes", "1 minute", "2 minutes"]
