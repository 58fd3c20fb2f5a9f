"""SCRAM-SHA-256 against the example of RFC 7677 §3, and against servers that cheat."""

import pytest

from cases import cases
from dialpost.core.errors import ProtocolError
from dialpost.core.mail.inbound.scram import ScramSha256

NONCE = "rOprNGfwEbeRWgbNEkqO"
CHALLENGE = b"r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"
PROOF = b"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="


def test_the_example_of_the_rfc() -> None:
    scram = ScramSha256("user", "pencil", NONCE)
    assert scram.first() == b"n,,n=user,r=rOprNGfwEbeRWgbNEkqO"
    assert scram.final(CHALLENGE) == (
        b"c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
        b"p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="
    )
    assert not scram.is_proved
    scram.check(PROOF)
    assert scram.is_proved


def test_a_name_is_normalised_and_its_separators_escaped() -> None:
    assert ScramSha256("a=b,ª", "x", "n").first() == b"n,,n=a=3Db=2Ca,r=n"


@cases(
    "challenge",
    [
        b"",
        b"r=,s=,i=",
        b"r=other,s=QQ==,i=4096",
        b"r=rOprNGfwEbeRWgbNEkqO,s=QQ==,i=4096",  # nothing of the server's own
        CHALLENGE.replace(b"i=4096", b"i=4095"),
        CHALLENGE.replace(b"i=4096", b"i=2000000000"),
        CHALLENGE.replace(b"gQ==", b"g"),
        b"m=ext," + CHALLENGE,
        b"\xff",
    ],
)
def test_a_challenge_that_is_not_one(challenge: bytes) -> None:
    with pytest.raises(ProtocolError, match="SCRAM challenge"):
        ScramSha256("user", "pencil", NONCE).final(challenge)


@cases("final", [b"", b"e=other-error", b"v=", PROOF[:-2] + b"5="])
def test_a_server_that_does_not_know_the_password(final: bytes) -> None:
    scram = ScramSha256("user", "pencil", NONCE)
    scram.final(CHALLENGE)
    with pytest.raises(ProtocolError, match="does not prove"):
        scram.check(final)
    assert not scram.is_proved


def test_no_proof_holds_before_the_challenge() -> None:
    with pytest.raises(ProtocolError, match="does not prove"):
        ScramSha256("user", "pencil", NONCE).check(b"v=")
