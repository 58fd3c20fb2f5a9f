"""Who a message says it is from."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cases import cases
from dialpost.core.config.model import FromCheck
from dialpost.core.mail.authors import (
    Named,
    addresses_in,
    claims_to_be_ours,
    repaired,
    sender_field,
    unverified_mark,
    user_refusal,
)

ANNA, BOSS = "anna@clinic.example", "boss@clinic.example"


@cases(
    ("value", "addresses"),
    [
        (b" Anna <anna@clinic.example>\n", (ANNA,)),
        (b" anna@clinic.example (Anna)", (ANNA,)),
        (b' "Boss, the" <anna@clinic.example>', (ANNA,)),
        (b' "boss@clinic.example" <anna@clinic.example>', (ANNA,)),
        (b" anna@clinic.example <anna@clinic.example>", (ANNA,)),
        (b" boss@clinic.example <anna@clinic.example>", (BOSS, ANNA)),
        (b" (anna@clinic.example) boss@clinic.example", (BOSS,)),
        (b" ((x) anna@clinic.example) boss@clinic.example", (BOSS,)),
        (b' "x\\" <anna@clinic.example>" <boss@clinic.example>', (BOSS,)),
        (b" Anna\n <anna@clinic.example>,\n\tboss@clinic.example", (ANNA, BOSS)),
        (b" J\xfcrgen <anna@clinic.example>", (ANNA,)),
        (b' "an na"@clinic.example', ('"an na"@clinic.example',)),
        (b" <@relay.example:anna@clinic.example>", (ANNA,)),
        (b"", ("?",)),
        (b" undisclosed:;", ("?",)),
        (b" x" * 3000, ("?",)),
        (b" a@b.example," * 400, ("?",)),  # cut off: who else may stand in it nobody knows
        (b"(" * 4000, ("?",)),
    ],
)
def test_every_address_of_a_field_is_found(value: bytes, addresses: tuple[str, ...]) -> None:
    assert addresses_in([value], 4096) == addresses


OURS = ("clinic.example", "ward.example")


@cases(
    ("value", "then"),
    [
        (b" bert\n", b" bert@clinic.example\n"),
        (b"bert", b"bert@clinic.example"),
        (b" <b.er-t>\n", b" <b.er-t@clinic.example>\n"),
        (b" Bert Bear <bert> \n", b" Bert Bear <bert@clinic.example> \n"),
        (b' "Bert, B." <bert>', b' "Bert, B." <bert@clinic.example>'),
        (b" =?utf-8?q?B=C3=A4r?= <bert>", b" =?utf-8?q?B=C3=A4r?= <bert@clinic.example>"),
        (b" Bert@home <bert@clinic.example>\n", b' "Bert@home" <bert@clinic.example>\n'),
        (b" Bert @ home <bert@clinic.example>\n", b' "Bert @ home" <bert@clinic.example>\n'),
        (b" B\xc3\xa4r@x <bert@clinic.example>", b' "B\xc3\xa4r@x" <bert@clinic.example>'),
        (b" me@far.example <bert@clinic.example>", b' "me@far.example" <bert@clinic.example>'),
    ],
)
def test_what_mail_programs_get_wrong_is_repaired(value: bytes, then: bytes) -> None:
    assert repaired(value, OURS) == then
    [address] = addresses_in([then], 4096)
    assert address.endswith("@clinic.example")


@cases(
    "value",
    [
        b" bert@clinic.example",
        b" Bert <bert@clinic.example>",
        b' "Bert@home" <bert@clinic.example>',
        b" boss@clinic.example <anna@clinic.example>",
        b" x boss@WARD.example. <anna@clinic.example>",
        b" 'boss@clinic.example' <anna@clinic.example>",
        b" bert, anna",
        b" bert bear",
        b" <bert",
        b" bert>",
        b"",
        b" staff: bert;",
        b" =?utf-8?q?bert?=",
        b" =?utf-8?q?a?= b@c <anna@clinic.example>",
        b" (x) bert",
        b" a@b <c@d> <anna@clinic.example>",
        b" a@b <c@d>, anna@clinic.example",
        b" bert\n <anna@clinic.example>",
        b" <bert> anna@clinic.example",
        b' "bert <bert>',
        b" <>",
        b" @",
        b" bert@",
    ],
)
def test_what_is_right_or_can_be_read_in_two_ways_stays(value: bytes) -> None:
    assert repaired(value, OURS) == value


@given(st.text(alphabet='ab@.<>", (:;=?\n', max_size=24).map(str.encode))
def test_a_repair_never_makes_a_foreign_address_ones_own(value: bytes) -> None:
    """Whoever was found as an author before is one still, unless it stands in front of the brackets."""
    before, then = addresses_in([value], 4096), addresses_in([repaired(value, OURS)], 4096)
    assert len(then) == 1 or then == before
    assert repaired(repaired(value, OURS), OURS) == repaired(value, OURS)
    if repaired(value, OURS) != value and "?" not in before:
        assert then[0] == before[-1]


@given(st.lists(st.binary(max_size=60), max_size=5))
def test_any_bytes_give_addresses(values: list[bytes]) -> None:
    assert all(addresses_in(values, 4096)) or not values


@cases(
    ("mode", "named", "refused", "added"),
    [
        (FromCheck.CHECK, ((ANNA,),), False, b""),
        (FromCheck.CHECK, (), False, b""),
        (FromCheck.CHECK, ((BOSS,),), True, b""),
        (FromCheck.CHECK, ((ANNA, BOSS),), True, b""),
        (FromCheck.CHECK, (("?",),), True, b""),
        (FromCheck.CHECK, ((BOSS,), (ANNA,)), True, b""),
        (FromCheck.CHECK, ((ANNA,), (ANNA,), (ANNA,), (ANNA,)), False, b""),
        (FromCheck.CHECK, ((ANNA,), (BOSS,)), True, b""),
        (FromCheck.CHECK, ((ANNA,), (), (BOSS,)), True, b""),
        (FromCheck.CHECK, ((ANNA,), (), (ANNA,), (BOSS,)), True, b""),
        (FromCheck.SENDER, ((ANNA,),), False, b""),
        (FromCheck.SENDER, ((BOSS,),), False, b"Sender: anna@clinic.example\n"),
        (FromCheck.SENDER, ((BOSS,), (ANNA,)), False, b""),
        (FromCheck.SENDER, ((ANNA,), (BOSS,)), True, b""),
        (FromCheck.SENDER, ((ANNA,), (), (BOSS,)), True, b""),
        (FromCheck.SENDER, ((ANNA,), (), (BOSS,), (ANNA,)), False, b""),
        (FromCheck.SENDER, ((ANNA,), (), (ANNA,), (BOSS,)), True, b""),
        (FromCheck.ALLOW, ((BOSS,), (BOSS,), (BOSS,), (BOSS,)), False, b""),
    ],
)
def test_a_user_writes_as_themselves(
    mode: FromCheck, named: tuple[tuple[str, ...], ...], refused: bool, added: bytes
) -> None:
    def is_own(address: str) -> bool:
        return address == ANNA

    refusal = user_refusal(mode, Named(*named), is_own, ANNA)
    assert (refusal is not None) == refused
    assert refusal is None or (str(refusal).startswith("550 5.7.1") and ANNA in str(refusal))
    assert sender_field(mode, Named(*named), is_own, ANNA) == added


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        (BOSS, f"address {BOSS} does not"),
        ("1@clinic.example", "address 1@clinic.example does not"),
        ("?", "address does not"),
        ("x" * 101, f"address {'x' * 100} does not"),
    ],
    ids=["a letter", "a digit", "unreadable", "long"],
)
def test_a_refusal_names_the_address_if_it_can_be_read(address: str, shown: str) -> None:
    refusal = user_refusal(FromCheck.CHECK, Named((address,)), lambda _: False, ANNA)
    assert f"The From {shown} belong" in str(refusal)


@pytest.mark.parametrize(
    ("addresses", "ours"),
    [
        ((ANNA,), True),
        (("x@CLINIC.example",), True),
        (("", "a@world.example"), False),
        (("?",), False),
        (("x@clinic.example.world.example",), False),
    ],
)
def test_who_claims_to_be_from_here(addresses: tuple[str, ...], ours: bool) -> None:
    assert claims_to_be_ours(addresses, ("clinic.example",)) is ours


def test_the_mark_is_one_field() -> None:
    assert unverified_mark("2001:db8::1").count(b"\n") == 1
    assert b"[192.0.2.1]" in unverified_mark("192.0.2.1")


def test_the_mark_names_an_ipv6_address_as_a_literal() -> None:
    """RFC 5321 §4.1.3."""
    assert unverified_mark("2001:db8::1").endswith(b"from [IPv6:2001:db8::1]\n")


@cases("text", [b"a", b"\\", b'\\"', b'"', b'"a', b"!", b"(", b"@", b'""@', b"[a"])
def test_no_field_takes_time_that_grows_with_its_square(text: bytes) -> None:
    def seconds(count: int) -> float:
        began_s = time.process_time()
        addresses_in([text * count + b"@"], 10**9)
        return time.process_time() - began_s

    assert seconds(100_000) < 40 * max(
        seconds(10_000), 0.005
    )  # linear: 10 times; the square: 100 times and minutes


@cases("text", [b" ", b"@", b" @", b"a@ ", b"a.", b'"', b'" <', b"<", b"\n", b"a<", b"@b <a@"])
def test_no_repair_takes_time_that_grows_with_its_square(text: bytes) -> None:
    def seconds(count: int) -> float:
        began_s = time.process_time()
        assert repaired(text * count, OURS) == text * count
        return time.process_time() - began_s

    assert seconds(100_000) < 40 * max(seconds(10_000), 0.005)


@pytest.mark.parametrize(
    "line",
    [
        b" " * 20 + b"@" * 180 + b" " * 220 + b"<",
        b" " * 20 + b"@" * 180 + b" " * 220 + b"<a@b",
        b" " * 200 + b"@" + b" " * 199 + b"<",
        b" " * 20 + b'"' + b" " * 200 + b'"' + b" " * 20 + b"a." * 9,
        (b" " * 20 + b"a" * 64 + b".") * 9,
    ],
)
def test_no_line_that_cannot_be_repaired_takes_long(line: bytes) -> None:
    """A message may have thousands of them, and every other session waits meanwhile."""

    def seconds(value: bytes, count: int) -> float:
        began_s = time.process_time()
        for _ in range(count):
            repaired(value, OURS)
        return time.process_time() - began_s

    harmless = b" Anna <anna@clinic.example>"
    assert seconds(line, 200) < 200 * max(seconds(harmless, 200), 0.001)
