"""Values as people type them, kind by kind: taken in their normal form, or refused in words."""

from dataclasses import dataclass

import pytest

from dialpost.core.config.fields import fields_of
from dialpost.core.config.setting import setting
from dialpost.core.config.typed import amount
from dialpost.core.config.values import KIND_CHECKS, check_value


@dataclass(frozen=True)
class Sample:
    sign: str = setting("+", "A character.", maximum=1)
    times: int = setting(3, "A number without an upper bound.", minimum=2, unit="times")


@pytest.mark.parametrize(
    ("kind", "value", "words"),
    [
        ("weekday", "mon-fri", "it must be one day"),
        ("weekday", "someday", "it must be one of"),
        ("address", "no at sign", ""),
        ("address", "a@", ""),
    ],
)
def test_what_is_refused(kind: str, value: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        KIND_CHECKS[kind](value)


def test_what_is_taken() -> None:
    assert KIND_CHECKS["weekday"]("Mon") == "mon"
    assert KIND_CHECKS["address"]("Anna@Clinic.Example") == "Anna@clinic.example"


@pytest.mark.parametrize(
    ("word", "number"),
    [
        ("k", 10**3),
        ("M", 10**6),
        ("G", 10**9),
        ("T", 10**12),
        ("Ki", 2**10),
        ("Mi", 2**20),
        ("Gi", 2**30),
        ("Ti", 2**40),
    ],
)
def test_units_of_size(word: str, number: int) -> None:
    assert amount(f"3 {word}", "bytes") == amount(f"3{word}B", "bytes") == 3 * number


@pytest.mark.parametrize(
    ("words", "rate_bps"),
    [(" bps bit/s bd baud", 1), ("k kbps kbit/s", 1000), ("mbit/s", 10**6)],
)
def test_units_of_speed(words: str, rate_bps: int) -> None:
    assert {amount(f"3 {word}".strip(), "bits per second") for word in words.split(" ")} == {3 * rate_bps}


@pytest.mark.parametrize(("unit", "seconds"), [("seconds", 1), ("minutes", 60), ("hours", 3600), ("days", 86_400)])
def test_a_time_in_another_unit_is_converted(unit: str, seconds: int) -> None:
    assert amount("2 days", unit) == 2 * 86_400 / seconds


@pytest.mark.parametrize(
    ("words", "seconds"),
    [
        ("s sec second seconds", 1),
        ("min minute minutes", 60),
        ("h hour hours", 3600),
        ("d day days", 86_400),
        ("w week weeks", 604_800),
    ],
)
def test_units_of_time(words: str, seconds: int) -> None:
    assert {amount(f"3 {word}", "seconds") for word in words.split()} == {3 * seconds}


@pytest.mark.parametrize(
    ("text", "unit", "number"),
    [
        ("7", "bytes", 7),
        ("2.5", "seconds", 2.5),
        ("50 %", "percent", 50),
        ("90 min", "seconds", 5400),
        ("2 hours", "minutes", 120),
        ("33.6k", "bits per second", 33_600),
        ("5M", "bytes", 5_000_000),
    ],
)
def test_amounts(text: str, unit: str, number: float) -> None:
    assert amount(text, unit) == number


@pytest.mark.parametrize("text", ["", "x", "5 %", "5 parsecs"])
def test_what_is_no_amount(text: str) -> None:
    with pytest.raises(ValueError):
        amount(text, "seconds")


def test_a_text_has_its_longest_length() -> None:
    [field, _] = fields_of(Sample, "sample")
    assert check_value(field, "+") == "+"
    with pytest.raises(ValueError, match=r"at most 1 character$"):
        check_value(field, "++")


def test_a_number_may_have_a_lower_bound_alone() -> None:
    [_, field] = fields_of(Sample, "sample")
    assert field.range_words() == " of at least 2 times"
    assert check_value(field, 2) == 2
    with pytest.raises(ValueError, match="at least 2"):
        check_value(field, 1)


def test_a_host_with_a_zone_is_an_address() -> None:
    with pytest.raises(ValueError, match="zone"):
        KIND_CHECKS["host"]("fe80::1%eth0")
    with pytest.raises(ValueError):
        KIND_CHECKS["host"]("mail%x.example")
