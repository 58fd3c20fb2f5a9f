"""The ways to log in by POP3: which is taken, and what it says."""

from __future__ import annotations

import base64
from dataclasses import replace

import pytest

from cases import cases
from dialpost.core.config.model import TlsMode
from dialpost.core.errors import ProtocolError
from dialpost.core.mail.inbound.dialogue import BoxLogin
from dialpost.core.mail.inbound.pop3.login import Login, Way, timestamp_in, way_for

LOGIN = BoxLogin("clinic", "secret", TlsMode.STARTTLS)
TOKEN = replace(LOGIN, token="t0ken")
ALL = frozenset(("SCRAM-SHA-256", "CRAM-MD5", "PLAIN", "USER", "OAUTHBEARER"))


@cases(
    ("login", "offered", "timestamp", "tls", "verified", "way"),
    [
        (LOGIN, ALL, "<1@a>", True, True, Way.PASS),
        (LOGIN, ALL - {"USER"}, "<1@a>", True, True, Way.PLAIN),
        (LOGIN, ALL, "<1@a>", True, False, Way.SCRAM),
        (LOGIN, ALL, "<1@a>", False, False, Way.SCRAM),
        (LOGIN, frozenset(("PLAIN", "USER")), "<1@a>", False, False, Way.APOP),
        (LOGIN, frozenset(("PLAIN", "USER")), "", False, False, None),
        (replace(LOGIN, clear_password=True), frozenset(("PLAIN",)), "", False, False, Way.PLAIN),
        (LOGIN, frozenset(), "", True, True, Way.PASS),
        (TOKEN, ALL, "<1@a>", True, True, Way.BEARER),
        (TOKEN, ALL, "<1@a>", False, False, None),
        (TOKEN, ALL - {"OAUTHBEARER"}, "<1@a>", True, True, None),
    ],
)
def test_the_way_to_log_in(
    login: BoxLogin, offered: frozenset[str], timestamp: str, tls: bool, verified: bool, way: Way | None
) -> None:
    assert way_for(login, offered, timestamp, tls=tls, verified=verified, has_capa=True) is way


def test_the_example_of_the_rfc() -> None:
    """RFC 1939 §7."""
    stamp = timestamp_in("POP3 server ready <1896.697170952@dbc.mtview.ca.us>")
    login = Login(Way.APOP, BoxLogin("mrose", "tanstaaf", TlsMode.NONE), stamp, str)
    assert login.begin() == [(b"APOP mrose c4c9334bac560ecc979e58001b3e22fb", "APOP ...")]
    assert timestamp_in("ready <nothing>") == ""


def test_an_initial_response_that_was_ignored_is_repeated_once() -> None:
    login = Login(Way.PLAIN, LOGIN, "", str)
    [(line, _)] = login.begin()
    assert login.respond("") == line.split()[-1]
    with pytest.raises(ProtocolError, match="more than PLAIN has"):
        login.respond("")


def test_a_token_that_is_refused_ends_with_the_servers_words() -> None:
    login = Login(Way.BEARER, TOKEN, "", str)
    [(line, _)] = login.begin()
    assert base64.b64decode(line.split()[-1]) == b"n,a=clinic,\x01auth=Bearer t0ken\x01\x01"
    assert login.respond(base64.b64encode(b'{"status":"401"}').decode()) == base64.b64encode(b"\x01")


def test_scram_proves_the_server_too() -> None:
    """RFC 7677 §3."""
    login = Login(Way.SCRAM, BoxLogin("user", "pencil", TlsMode.NONE), "", lambda: "rOprNGfwEbeRWgbNEkqO")
    [(line, _)] = login.begin()
    assert base64.b64decode(line.split()[-1]) == b"n,,n=user,r=rOprNGfwEbeRWgbNEkqO"
    with pytest.raises(ProtocolError, match="does not prove"):
        login.check()
    first = b"r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"
    final = base64.b64decode(login.respond(base64.b64encode(first).decode()))
    assert final.endswith(b"p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=")
    proof = base64.b64encode(b"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=").decode()
    assert login.respond(proof) == b""
    login.check()


def test_nothing_but_a_name_can_be_in_a_command() -> None:
    with pytest.raises(ProtocolError, match="control character"):
        Login(Way.PASS, BoxLogin("clinic\r\nDELE 1", "secret", TlsMode.NONE), "", str).begin()
