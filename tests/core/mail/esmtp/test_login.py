"""What goes out to log in, and when a password may be sent as it is."""

from __future__ import annotations

import base64

import pytest

from dialpost.core.config.model import AuthMechanism
from dialpost.core.errors import ProtocolError
from dialpost.core.mail.esmtp.login import Login, mechanisms_to_try

PLAIN, LOGIN, CRAM, SCRAM, AUTO = (
    AuthMechanism.PLAIN,
    AuthMechanism.LOGIN,
    AuthMechanism.CRAM_MD5,
    AuthMechanism.SCRAM_SHA_256,
    AuthMechanism.AUTO,
)
ALL = frozenset({"PLAIN", "LOGIN", "CRAM-MD5", "SCRAM-SHA-256"})


@pytest.mark.parametrize("choice", [AUTO, PLAIN, LOGIN, CRAM, SCRAM])
@pytest.mark.parametrize("tls", [False, True])
@pytest.mark.parametrize("verified", [False, True])
@pytest.mark.parametrize("clear_password", [False, True])
def test_the_password_itself_goes_out_only_under_tls_or_where_that_was_allowed(
    choice: AuthMechanism, tls: bool, verified: bool, clear_password: bool
) -> None:
    found = mechanisms_to_try(choice, ALL, tls=tls, verified=verified, clear_password=clear_password)
    best = [PLAIN, LOGIN, SCRAM, CRAM] if tls and verified else [SCRAM, CRAM, PLAIN, LOGIN]
    wanted = best if choice is AUTO else [choice]
    assert list(found) == [one for one in wanted if one in {CRAM, SCRAM} or tls or clear_password]


def test_each_round_of_a_dialogue() -> None:
    plain = Login(PLAIN, "anna", "secret")
    said = base64.b64encode(b"\0anna\0secret")
    assert (plain.word, plain.begin(), plain.respond("")) == ("PLAIN", b"AUTH PLAIN " + said, said)
    login = Login(LOGIN, "anna", "secret")
    assert [login.respond("x"), login.respond("x")] == [base64.b64encode(b"anna"), base64.b64encode(b"secret")]
    cram = Login(CRAM, "anna", "secret")
    assert base64.b64decode(cram.respond(" QQ== ")).startswith(b"anna ")
    for one, word in ((plain, "PLAIN"), (login, "LOGIN"), (cram, "CRAM-MD5")):
        with pytest.raises(ProtocolError, match=f"more than AUTH {word} has"):
            one.respond("QQ==")


NONCE = "rOprNGfwEbeRWgbNEkqO"
CHALLENGE = b"r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"
PROOF = b"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="


def test_scram_is_done_once_the_server_has_proved_itself() -> None:
    scram = Login(SCRAM, "user", "pencil", NONCE)
    assert scram.begin() == b"AUTH SCRAM-SHA-256 " + base64.b64encode(b"n,,n=user,r=" + NONCE.encode())
    assert b"p=dHzbZapWIk4jUhN+" in base64.b64decode(scram.respond(base64.b64encode(CHALLENGE).decode()))
    assert not scram.is_proved
    assert scram.respond(base64.b64encode(PROOF).decode()) == b""
    assert scram.is_proved and Login(PLAIN, "anna", "secret").is_proved
    with pytest.raises(ProtocolError, match="more than AUTH SCRAM-SHA-256 has"):
        scram.respond("")
    with pytest.raises(ProtocolError, match="SCRAM-SHA-256 challenge is not base64"):
        Login(SCRAM, "user", "pencil", NONCE).respond("?")
