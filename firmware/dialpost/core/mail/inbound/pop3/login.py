"""Logging in by POP3: which way, and its dialogue (RFC 1939 §7, RFC 5034, RFC 2195, RFC 7628).

The password itself is sent only inside TLS, or if the configuration allows it in clear text.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Callable
from enum import Enum

from dialpost.core.errors import ProtocolError
from dialpost.core.mail.inbound.dialogue import BoxLogin
from dialpost.core.mail.inbound.scram import ScramSha256

_TIMESTAMP = re.compile(r"<[^<>\s@]{1,200}@[^<>\s]{1,200}>")


class Way(Enum):
    """The ways to log in, by their names on the wire."""

    BEARER = "OAUTHBEARER"
    SCRAM = "SCRAM-SHA-256"
    CRAM = "CRAM-MD5"
    PLAIN = "PLAIN"
    APOP = "APOP"
    PASS = "USER"


def timestamp_in(greeting: str) -> str:
    """The part of the greeting that APOP needs, "" if the server does not offer it."""
    found = _TIMESTAMP.search(greeting)
    return found[0] if found else ""


def way_for(
    login: BoxLogin, offered: frozenset[str], timestamp: str, *, tls: bool, verified: bool, has_capa: bool
) -> Way | None:
    """The way to log in; None if no acceptable one is offered. `offered`: SASL names, and USER, in upper case.

    Inside TLS with a verified certificate the shortest way is taken; a challenge before a password otherwise.
    """
    may_show = tls or login.clear_password
    if login.token:
        return Way.BEARER if tls and Way.BEARER.value in offered else None
    challenges = [way for way in (Way.SCRAM, Way.CRAM) if way.value in offered]
    challenges += [Way.APOP] if timestamp else []
    shown = [way for way in (Way.PASS, Way.PLAIN) if way.value in offered] if may_show else []
    if may_show and not shown and not (has_capa and challenges):
        shown = [Way.PASS]  # every server without CAPA has it (RFC 1939); some don't list it
    order = (*shown, *challenges) if tls and verified else (*challenges, *shown)
    return next(iter(order), None)


class Login:
    """One login: the lines to begin with, then an answer to each challenge."""

    def __init__(self, way: Way, login: BoxLogin, timestamp: str, new_nonce: Callable[[], str]) -> None:
        self.way = way
        self._user, self._password, self._token = login.user, login.password, login.token
        self._timestamp = timestamp
        self._scram = ScramSha256(login.user, login.password, new_nonce()) if way is Way.SCRAM else None
        self._round = 0
        self._is_repeated = False

    def begin(self) -> list[tuple[bytes, str]]:
        """The lines to send, one after another, each with how it is shown in a trace. Raises: ProtocolError."""
        way = self.way.value
        if self.way is Way.PASS:
            user, password = _plain(self._user), _plain(self._password)
            return [(b"USER " + user, "USER ..."), (b"PASS " + password, "PASS ...")]
        if self.way is Way.APOP:
            digest = hashlib.md5((self._timestamp + self._password).encode(), usedforsecurity=False).hexdigest()
            return [(b"APOP " + _plain(self._user) + b" " + digest.encode(), "APOP ...")]
        first = self._initial()
        line = f"AUTH {way}".encode() + (b" " + base64.b64encode(first) if first else b"")
        return [(line, f"AUTH {way} ...")]

    def respond(self, challenge: str) -> bytes:
        """The line that answers a challenge. Raises: ProtocolError if nothing (more) should be asked."""
        self._round += 1
        try:
            given = base64.b64decode(challenge.strip(), validate=True)
        except (binascii.Error, ValueError):
            raise ProtocolError("the server's challenge is not base64") from None
        if not given and self._round == 1 and self._initial() and not self._is_repeated:
            self._round, self._is_repeated = 0, True
            return base64.b64encode(self._initial())  # it ignored what came with AUTH
        if self.way is Way.CRAM and self._round == 1:
            digest = hmac.new(self._password.encode(), given, "md5").hexdigest()
            return base64.b64encode(self._user.encode() + b" " + digest.encode())
        if self._scram is not None and self._round == 1:
            return base64.b64encode(self._scram.final(given))
        if self._scram is not None and self._round == 2:
            self._scram.check(given)
            return b""
        if self.way is Way.BEARER and self._round == 1:
            return base64.b64encode(b"\x01")  # it said why in its challenge, and refuses next (RFC 7628 §3.2.3)
        raise ProtocolError(f"the server asks for more than {self.way.value} has")

    def check(self) -> None:
        """The server says that we are in. Raises: ProtocolError if it did not prove what it had to."""
        if self._scram is not None and not self._scram.is_proved:
            raise ProtocolError("the server does not prove that it knows the password")

    def _initial(self) -> bytes:
        if self.way is Way.PLAIN:
            return b"\0" + self._user.encode() + b"\0" + self._password.encode()
        if self._scram is not None:
            return self._scram.first()
        if self.way is Way.BEARER:
            return f"n,a={self._user},\x01auth=Bearer {self._token}\x01\x01".encode()
        return b""


def _plain(text: str) -> bytes:
    """Raises: ProtocolError if it can't stand in a command."""
    if any(ord(char) < 32 for char in text):
        raise ProtocolError("the user name or password has a control character")
    return text.encode()
