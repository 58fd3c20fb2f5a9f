"""Which names a certificate is for, and which it lacks."""

import pytest

from dialpost.core.mail.certificate import CertificateFacts, is_address

FACTS = CertificateFacts(("mail.clinic.example", "*.ward.example", "192.0.2.1"), 0, 1, True, "")


@pytest.mark.parametrize(
    ("name", "is_covered"),
    [
        ("Mail.Clinic.Example.", True),
        ("clinic.example", False),
        ("a.ward.example", True),
        ("192.0.2.1", True),
        ("a.b.ward.example", False),
        ("ward.example", False),
        ("192.0.2.2", False),
    ],
)
def test_names(name: str, is_covered: bool) -> None:
    assert FACTS.covers(name) is is_covered
    assert FACTS.lacking((name,)) == (() if is_covered else (name,))


@pytest.mark.parametrize(
    ("name", "is_one"), [("192.0.2.1", True), ("::1", True), ("192.0.2", False), ("mail.example", False)]
)
def test_addresses(name: str, is_one: bool) -> None:
    assert is_address(name) is is_one
