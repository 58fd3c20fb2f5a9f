"""Values as people type them, kind by kind: taken in their normal form, or refused in words."""

from dataclasses import dataclass

import pytest

from cases import cases
from dialpost.core.config.fields import fields_of
from dialpost.core.config.setting import setting
from dialpost.core.config.typed import amount
from dialpost.core.config.values import KIND_CHECKS, check_value, plain_name_hint


@dataclass(frozen=True)
class Sample:
    sign: str = setting("+", "A character.", maximum=1)
    times: int = setting(3, "A number without an upper bound.", minimum=2, unit="times")


@cases(
    ("kind", "value", "words"),
    [
        ("weekday", "mon-fri", "it must be one day"),
        ("weekday", "someday", "it must be one of"),
        ("address", "no at sign", "it must look like name@domain"),
        ("address", "a@", "the domain is empty"),
        ("network", "10.1.2.3/16", "such as 10.1.0.0/16"),
        ("network", "10.1.2.*", "such as 10.1.2.0/24"),
        ("listen", "25", "it must be ADDRESS:PORT"),
        ("listen", "127.0.0.1:smtp", "it must be ADDRESS:PORT"),
        ("listen", "127.0.0.1:\u0662\u0665", "it must be ADDRESS:PORT"),
    ],
)
def test_what_is_refused(kind: str, value: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        KIND_CHECKS[kind](value)


def test_what_is_taken() -> None:
    assert KIND_CHECKS["weekday"]("Mon") == "mon"
    assert KIND_CHECKS["address"]("Anna@Clinic.Example") == "Anna@clinic.example"


@cases(
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


BOUNDS = [
    ("listen", "127.0.0.1:65535", "127.0.0.1:65535", "127.0.0.1:65536"),
    ("listen", "0.0.0.0:00025", "0.0.0.0:25", "0.0.0.0:000025"),
    ("listen", ":0", ":0", ":"),
    ("listen", "[::1]:25", "[::1]:25", "::1:25"),
    ("listen", "[::]:25", "[::]:25", "[::]:x"),
    ("account", "a", "a", "-a"),
    ("account", "A" + "b" * 63, "a" + "b" * 63, "a" * 65),
    ("interface", "e" * 15, "e" * 15, "e" * 16),
    ("interface", "pppoe", "pppoe", "ppp12"),
    ("apn", "a" * 100, "a" * 100, "a" * 101),
    ("sim-pin", "1234", "1234", "123"),
    ("sim-pin", "12345678", "12345678", "123456789"),
    ("dial-prefix", "0 " * 30 + "0" * 30, "0" * 60, "0" * 61),
    ("etrn-name", "#" + "x" * 255, "#" + "x" * 255, "#" + "x" * 256),
    ("etrn-name", "@A.example", "@a.example", "#a b"),
    ("etrn-name", "A.example", "a.example", "#"),
    ("line-login", "x" * 255, "x" * 255, "x" * 256),
    ("fingerprint", "AB:" * 31 + "CD", "ab" * 31 + "cd", "ab" * 31 + "c"),
    ("hostname", "Mail.A.example", "mail.a.example", "mail"),
    ("domain", " A.example ", "a.example", "1.2.3"),
    ("route-domain", ".A.example", ".a.example", "."),
    ("host", "[::1]", "::1", "[::1]:25"),
    ("host", "A.example", "a.example", "255.255.255.255"),
    ("ip", " [::1] ", "::1", "fe80::1%eth0"),
    ("ipv4", "192.0.2.1", "192.0.2.1", "::1"),
    ("network", "192.0.2.1", "192.0.2.1/32", "192.0.2.0"),
    ("network", "2001:db8::/32", "2001:db8::/32", "192.0.2.1/24"),
    ("interface-address", "192.0.2.1/24", "192.0.2.1/24", "192.0.2.1"),
    ("interface-address", "223.0.2.1/24", "223.0.2.1/24", "224.0.2.1/24"),
    ("separator", "+", "+", "*"),
    ("path", "/", "/", "a/b"),
    ("timezone", "Etc/GMT+1", "Etc/GMT+1", "/UTC"),
    ("at-command", "AT&F~", "AT&F~", "AT\u00fc"),
    ("weekday", "Sunday", "sun", "sat-sun"),
]


@cases(("kind", "typed", "taken", "refused"), BOUNDS)
def test_what_is_just_taken_and_what_is_not(kind: str, typed: str, taken: str, refused: str) -> None:
    assert KIND_CHECKS[kind](typed) == taken
    with pytest.raises(ValueError, match=r"."):
        KIND_CHECKS[kind](refused)


@pytest.mark.parametrize("value", [2, 2**63 - 1])
def test_a_number_within_its_bounds(value: int) -> None:
    [_, times] = fields_of(Sample, "sample")
    assert check_value(times, value) == value
    for wrong in (1, 2**63, True, 2.0, "2"):
        with pytest.raises(ValueError, match="must be a whole number of at least 2"):
            check_value(times, wrong)


def test_a_text_has_its_longest_length_and_no_line_break() -> None:
    [sign, _] = fields_of(Sample, "sample")
    assert (check_value(sign, "x"), check_value(sign, "")) == ("x", "")
    with pytest.raises(ValueError, match=r"at most 1 character\Z"):
        check_value(sign, "xy")
    for broken in ("\n", "\r", "\0"):
        with pytest.raises(ValueError, match=r"must not contain"):
            check_value(sign, broken)


def test_a_name_is_proposed_only_if_it_is_another_and_a_good_one() -> None:
    assert plain_name_hint("jos\u00e9") == ", for example jose"
    assert [plain_name_hint(name) for name in ("jose", "", "\u4e2d", "...")] == [""] * 4
