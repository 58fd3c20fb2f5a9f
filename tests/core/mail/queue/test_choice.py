"""Filters that choose many messages."""

import pytest

from cases import cases
from dialpost.core.errors import AddressError
from dialpost.core.mail.queue.choice import address_filter


@cases(
    ("typed", "stored"),
    [
        ("anna@Clinic.example", "anna@clinic.example"),
        (" <anna@clinic.example> ", "anna@clinic.example"),
        ("b@MÜNCHEN.example", "b@xn--mnchen-3ya.example"),
        ("@MÜNCHEN.example", "@xn--mnchen-3ya.example"),
        ("<@clinic.example>", "@clinic.example"),
        ("<>", ""),
    ],
)
def test_an_address_a_domain_or_the_null_sender(typed: str, stored: str) -> None:
    assert address_filter(typed) == stored


@cases("typed", ["", "anna", "@", "@a b", "clinic.example", "%", "<", "a@b@", "<a@b.example", "a@b.example>"])
def test_anything_else_is_refused(typed: str) -> None:
    with pytest.raises(AddressError):
        address_filter(typed)


@cases("typed", ["", "anna", "clinic.example", "@", "<"])
def test_a_refusal_names_what_can_be_given(typed: str) -> None:
    with pytest.raises(AddressError, match=r"a filter is name@domain, @domain, or <>"):
        address_filter(typed)
