"""Which names a certificate is for, and which it lacks."""

import pytest

from dialpost.core.config.text import parse_config
from dialpost.core.mail.certificate import CertificateFacts, certificate_names, is_address

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


@pytest.mark.parametrize(
    ("lan", "addresses"),
    [
        ('fallback_address = "192.0.2.9/24"', ["192.0.2.9"]),
        ('fallback_address = ""', []),
        ('method = "static"\naddress = "192.0.2.5/24"', ["192.0.2.5"]),
    ],
)
def test_each_name_and_address_that_mail_programs_are_given(lan: str, addresses: list[str]) -> None:
    text = (
        '[station]\nhostname = "mail.a.example"\ndomains = ["a.example", "mail.a.example"]\n'
        '[smtp]\nlisten = ["[::]:25", "0.0.0.0:26"]\nsubmission_listen = ["192.0.2.7:587", ":588"]\n'
        'submissions_listen = ["[2001:db8::1]:465", "192.0.2.7:466"]\n'
    )
    names = certificate_names(parse_config(f"{text}[lan]\n{lan}\n"))
    assert list(names) == ["mail.a.example", "a.example", *addresses, "192.0.2.7", "2001:db8::1"]
