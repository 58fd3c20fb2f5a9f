"""Password hashes: as RFC 7677 defines them, and refused passwords."""

import base64
import hashlib
import hmac

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import quick_passwords
from cases import cases
from dialpost.core.errors import AccountError
from dialpost.core.password import ITERATIONS, SCHEME, check_strength, hash_password, verify_password

SALT = base64.b64decode("W22ZaJ0SNY7soEsUEjb6gQ==")


def test_the_example_of_rfc_7677() -> None:
    """§3: the keys we keep prove the client's proof and make the server's signature."""
    nonce = "rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"
    said = f"n=user,r=rOprNGfwEbeRWgbNEkqO,r={nonce},s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096,c=biws,r={nonce}".encode()
    kept = hash_password("pencil", SALT, 4096).removeprefix(SCHEME).split(",")
    stored, server = base64.b64decode(kept[2]), base64.b64decode(kept[3])
    proof = base64.b64decode("dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=")
    signature = hmac.digest(stored, said, "sha256")
    client_key = bytes(a ^ b for a, b in zip(proof, signature, strict=True))
    assert kept[:2] == ["4096", "W22ZaJ0SNY7soEsUEjb6gQ=="]
    assert hashlib.sha256(client_key).digest() == stored
    assert base64.b64encode(hmac.digest(server, said, "sha256")) == b"6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="


@settings(max_examples=25, deadline=None)
@given(password=st.text(max_size=40), other=st.text(max_size=40))
def test_only_the_password_itself_fits(password: str, other: str) -> None:
    hashed = hash_password(password, SALT, 2)
    assert verify_password(password, hashed)
    assert verify_password(other, hashed) is (other == password)


def test_the_iterations_kept_are_those_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hash_password, "__defaults__", quick_passwords.REAL_DEFAULTS)
    assert hash_password("pencil", SALT).startswith(f"{SCHEME}{ITERATIONS},")
    assert ITERATIONS >= 4096  # RFC 7677 §4


@cases(
    "hashed",
    [
        "",
        "pencil",
        "{PLAIN}pencil",
        SCHEME,
        SCHEME + "4096,W22ZaJ0SNY7soEsUEjb6gQ==,AAAA",
        SCHEME + "0,W22ZaJ0SNY7soEsUEjb6gQ==,AAAA,AAAA",
        SCHEME + "-1,W22ZaJ0SNY7soEsUEjb6gQ==,AAAA,AAAA",
        SCHEME + "²,W22ZaJ0SNY7soEsUEjb6gQ==,AAAA,AAAA",
        SCHEME + "99999999999,W22ZaJ0SNY7soEsUEjb6gQ==,AAAA,AAAA",
        SCHEME + "4096,not base64,AAAA,AAAA",
        SCHEME + "4096,W22ZaJ0SNY7soEsUEjb6gQ==,,",
        SCHEME + "4096,Wü22==,AAAA,AAAA",
        hash_password("pencil", SALT).replace(",", ",!", 1),
    ],
)
def test_what_is_no_hash_fits_nothing(hashed: str) -> None:
    assert verify_password("pencil", hashed) is False
    assert verify_password("", hashed) is False


@pytest.mark.parametrize("password", ["12345678", "a long one with blanks", "pässwörter", "x" * 512, "🐚" * 8])
def test_good_enough(password: str) -> None:
    check_strength(password)


@cases(
    ("password", "why"),
    [
        ("", "too short: use at least 8"),
        ("1234567", "too short: use at least 8"),
        ("x" * 513, "too long"),
        ("🐚" * 129, "too long"),
        ("12345678\n", "control character"),
        ("1234\x005678", "control character"),
        ("1234\x7f5678", "control character"),
        ("        ", "only blanks"),
    ],
)
def test_no_password(password: str, why: str) -> None:
    with pytest.raises(AccountError, match=why):
        check_strength(password)


def test_a_hash_of_one_round_is_one() -> None:
    assert verify_password("pencil", hash_password("pencil", SALT, 1))


def test_a_hash_without_its_scheme_is_none() -> None:
    hashed = hash_password("correct horse", b"salt", 1)
    assert verify_password("correct horse", hashed)
    assert not verify_password("correct horse", hashed.removeprefix(SCHEME))


def test_the_last_control_character_is_one() -> None:
    with pytest.raises(AccountError, match="control character"):
        check_strength("eight or more\x1f")
    check_strength("eight or more ~")
