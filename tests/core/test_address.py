"""Addresses and domain names as RFC 5321, RFC 6531 and RFC 5890 have them."""

import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cases import cases
from dialpost.core.address import Mailbox, normalise_domain, parse_mailbox
from dialpost.core.errors import AddressError


@cases(
    ("text", "local", "domain"),
    [
        ("anna@clinic.example", "anna", "clinic.example"),
        ("Anna.B+x@Clinic.EXAMPLE.", "Anna.B+x", "clinic.example"),
        ('"a b@c"@clinic.example', '"a b@c"', "clinic.example"),
        ("änna@clinic.example", "änna", "clinic.example"),
        ("anna@büro.example", "anna", "xn--bro-hoa.example"),
        ("@relay.example,@b.example:anna@clinic.example", "anna", "clinic.example"),
        ("anna@[192.0.2.1]", "anna", "[192.0.2.1]"),
        ("anna@[IPv6:2001:DB8::1]", "anna", "[IPv6:2001:db8::1]"),
        ("x%other.example@clinic.example", "x%other.example", "clinic.example"),
        ("a_b@under_score.example", "a_b", "under_score.example"),
        ("mie..k@far.example", '"mie..k"', "far.example"),  # quoted, it is legal for whoever gets it next
        ("mie.k.@far.example", '"mie.k."', "far.example"),
        (".mie@far.example", '".mie"', "far.example"),
        ("..@far.example", '".."', "far.example"),
        ("ä..b@far.example", '"ä..b"', "far.example"),
        ('"mie..k"@far.example', '"mie..k"', "far.example"),
        ("@relay.example:mie..k@far.example", '"mie..k"', "far.example"),
    ],
)
def test_parse_mailbox(text: str, local: str, domain: str) -> None:
    assert parse_mailbox(text) == Mailbox(local, domain)


@cases(
    "text",
    [
        "",
        "anna",
        "@",
        "anna@",
        "@clinic.example",
        "a b@clinic.example",
        "a@clinic..example",
        "a..b c@clinic.example",
        "a..<b@clinic.example",
        'a.."b@clinic.example',
        "a@-x.example",
        "a@[300.1.1.1]",
        "a@[IPv6:fe80::1%x]",
        "a@[192.0.2.1",
        "x" * 256 + "@clinic.example",
        "a@" + "x" * 64 + ".example",
        "a@" + "x." * 130 + "example",
        "a\r\nRCPT TO:<b>@clinic.example",
        "a@clinic.example\n",
        '"a\nb"@clinic.example',
        "a\x00@b.example",
        "@relay.example",
        "ä" * 128 + "@clinic.example",
    ],
)
def test_what_is_no_address_is_refused_with_the_text_and_a_reason(text: str) -> None:
    with pytest.raises(AddressError) as caught:
        parse_mailbox(text)
    assert caught.value.text in {text, text.rpartition("@")[2]}
    assert caught.value.why


def test_a_domain_is_compared_in_one_form() -> None:
    assert normalise_domain("BÜRO.Example.") == normalise_domain("xn--bro-hoa.example")
    assert normalise_domain("ｃｌｉｎｉｃ.example") == "clinic.example"  # full width: UTS 46 maps it


@given(st.text(max_size=80))
def test_any_text_is_parsed_or_refused_and_what_is_parsed_holds_no_control_character(text: str) -> None:
    try:
        mailbox = parse_mailbox(text)
    except AddressError:
        return
    assert not any(ord(char) < 0x20 or char == "\x7f" for char in str(mailbox))
    assert parse_mailbox(str(mailbox)) == mailbox


def test_a_text_of_any_length_is_read_and_not_kept() -> None:
    """A source route has no limit, and a hundred of a megabyte are too much to remember."""
    route = f"@{'relay.example,@' * 70_000}x.example:anna@clinic.example"
    before = sys.getrefcount(route)
    assert str(parse_mailbox(route)) == "anna@clinic.example"
    assert sys.getrefcount(route) == before
