"""Who a message says it is from."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dialpost.core.config.model import FromCheck
from dialpost.core.mail.authors import (
    addresses_in,
    claims_to_be_ours,
    sender_field,
    unverified_mark,
    user_refusal,
)

ANNA, BOSS = "anna@clinic.example", "boss@clinic.example"


@pytest.mark.parametrize(
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
        (b"(" * 4000, ("?",)),
    ],
)
def test_every_address_of_a_field_is_found(value, addresses):
    assert addresses_in([value], 4096) == addresses


@given(st.lists(st.binary(max_size=60), max_size=5))
def test_any_bytes_give_addresses(values):
    assert all(addresses_in(values, 4096)) or not values


@pytest.mark.parametrize(
    ("mode", "authors", "senders", "refused", "added"),
    [
        (FromCheck.CHECK, (ANNA,), (), False, b""),
        (FromCheck.CHECK, (), (), False, b""),
        (FromCheck.CHECK, (BOSS,), (), True, b""),
        (FromCheck.CHECK, (ANNA, BOSS), (), True, b""),
        (FromCheck.CHECK, ("?",), (), True, b""),
        (FromCheck.CHECK, (BOSS,), (ANNA,), True, b""),
        (FromCheck.SENDER, (ANNA,), (), False, b""),
        (FromCheck.SENDER, (BOSS,), (), False, b"Sender: anna@clinic.example\n"),
        (FromCheck.SENDER, (BOSS,), (ANNA,), False, b""),
        (FromCheck.SENDER, (ANNA,), (BOSS,), True, b""),
        (FromCheck.ALLOW, (BOSS,), (BOSS,), False, b""),
    ],
)
def test_a_user_writes_as_themselves(mode, authors, senders, refused, added):
    def is_own(address):
        return address == ANNA

    refusal = user_refusal(mode, authors, senders, is_own, ANNA)
    assert (refusal is not None) == refused
    assert refusal is None or (str(refusal).startswith("550 5.7.1") and ANNA in str(refusal))
    assert sender_field(mode, authors, senders, is_own, ANNA) == added


@pytest.mark.parametrize(
    ("addresses", "ours"),
    [((ANNA,), True), (("x@CLINIC.example",), True), (("", "a@world.example"), False), (("?",), False),
     (("x@clinic.example.world.example",), False)],
)  # fmt: skip
def test_who_claims_to_be_from_here(addresses, ours):
    assert claims_to_be_ours(addresses, ("clinic.example",)) is ours


def test_the_mark_is_one_field():
    assert unverified_mark("2001:db8::1").count(b"\n") == 1
    assert b"[192.0.2.1]" in unverified_mark("192.0.2.1")


@pytest.mark.parametrize("text", [b"a", b"\\", b'\\"', b'"', b'"a', b"!", b"(", b"@", b'""@', b"[a"])
def test_no_field_takes_time_that_grows_with_its_square(text):
    def seconds(count):
        began_s = time.process_time()
        addresses_in([text * count + b"@"], 10**9)
        return time.process_time() - began_s

    assert seconds(100_000) < 40 * max(
        seconds(10_000), 0.005
    )  # linear: 10 times; the square: 100 times and minutes
