"""Logging in: which ways, in which order, and the dialogue of each (RFC 9051 §6.2, RFC 4959 SASL-IR).

SCRAM-SHA-256 (RFC 7677), PLAIN (RFC 4616), CRAM-MD5 (RFC 2195), OAUTHBEARER (RFC 7628), Google's XOAUTH2, and the
LOGIN command. What shows the secret itself is used inside TLS only, unless the configuration says otherwise.
"""

from __future__ import annotations

import base64
import binascii
from enum import Enum

from dialpost.core.config.model import AuthMechanism
from dialpost.core.errors import ProtocolError
from dialpost.core.mail.esmtp.login import Login as ChallengeLogin
from dialpost.core.mail.inbound.imap.answers import text_of
from dialpost.core.mail.inbound.imap.settings import ImapSettings, quoted
from dialpost.core.mail.inbound.scram import ScramSha256
from dialpost.core.printable import one_line


class LoginWay(Enum):
    """A way to log in, by its name on the wire."""

    SCRAM = "SCRAM-SHA-256"
    CRAM_MD5 = "CRAM-MD5"
    PLAIN = "PLAIN"
    COMMAND = "LOGIN"  # the command: AUTHENTICATE LOGIN is not used
    OAUTHBEARER = "OAUTHBEARER"
    XOAUTH2 = "XOAUTH2"


_TOKEN = (LoginWay.OAUTHBEARER, LoginWay.XOAUTH2)
_CLEAR = (LoginWay.PLAIN, LoginWay.COMMAND)
_PROVING = (LoginWay.SCRAM, LoginWay.CRAM_MD5)


def ways_to_log_in(
    settings: ImapSettings, offered: frozenset[str], *, tls: bool, verified: bool
) -> tuple[LoginWay, ...]:
    """The ways to try, best first; none if no acceptable one is offered.

    Inside TLS with a verified certificate a plain password is shortest. Otherwise a challenge is tried first, and a
    bearer token, which anybody who sees it can use, needs a verified certificate.
    """
    if settings.token:
        may_show = (tls and verified) or settings.clear_password
        return tuple(way for way in _TOKEN if may_show and f"AUTH={way.value}" in offered)
    order = (*_CLEAR, *_PROVING) if tls and verified else (*_PROVING, *_CLEAR)
    may_show = tls or settings.clear_password
    return tuple(way for way in order if _is_offered(way, settings, offered) and (may_show or way not in _CLEAR))


def _is_offered(way: LoginWay, settings: ImapSettings, offered: frozenset[str]) -> bool:
    if way is not LoginWay.COMMAND:
        return f"AUTH={way.value}" in offered
    can_be_quoted = (settings.user + settings.password).isascii()
    return "LOGINDISABLED" not in offered and can_be_quoted


class Login:
    """One attempt: the command, then an answer to each challenge."""

    def __init__(self, way: LoginWay, settings: ImapSettings) -> None:
        self.way = way
        self._settings = settings
        self._round = 0
        self._scram: ScramSha256 | None = None
        self.refusal = ""
        """What a server says of a bearer token before it refuses it."""
        if way is LoginWay.SCRAM:
            self._scram = ScramSha256(settings.user, settings.password, settings.nonce)

    @property
    def is_trusted(self) -> bool:
        """Whether the server may say that the login has worked: with SCRAM it has to prove itself first."""
        return self._scram is None or self._scram.is_proved

    def begin(self, *, initial: bool) -> bytes:
        """The command; `initial`: the first response may go with it (SASL-IR)."""
        if self.way is LoginWay.COMMAND:
            return b"LOGIN " + quoted(self._settings.user) + b" " + quoted(self._settings.password)
        line: bytes = b"AUTHENTICATE " + self.way.value.encode()
        first = self._first()
        if not initial or first is None:
            return line
        self._round = 1
        return line + b" " + base64.b64encode(first)

    def respond(self, challenge: str) -> bytes:
        """The line that answers a challenge. Raises: ProtocolError if nothing (more) should be asked."""
        self._round += 1
        first = self._first()
        if self._round == 1 and first is not None:
            return base64.b64encode(first)
        if self.way is LoginWay.CRAM_MD5 and self._round == 1:
            asked = ChallengeLogin(AuthMechanism.CRAM_MD5, self._settings.user, self._settings.password)
            return asked.respond(challenge)
        return base64.b64encode(self._later(_decoded(challenge)))

    def _first(self) -> bytes | None:
        """What the client says first, if it does."""
        user, password, token = self._settings.user, self._settings.password, self._settings.token
        if self._scram is not None:
            return self._scram.first()
        if self.way is LoginWay.PLAIN:
            return f"\0{user}\0{password}".encode()
        if self.way is LoginWay.OAUTHBEARER:
            name = user.replace("=", "=3D").replace(",", "=2C")
            where = f"host={self._settings.host}\1port={self._settings.port}"
            return f"n,a={name},\1{where}\1auth=Bearer {token}\1\1".encode()
        if self.way is LoginWay.XOAUTH2:
            return f"user={user}\1auth=Bearer {token}\1\1".encode()
        return None

    def _later(self, challenge: bytes) -> bytes:
        if self._scram is not None and self._round == 2:
            return self._scram.final(challenge)
        if self._scram is not None and self._round == 3:
            self._scram.check(challenge)
            return b""
        if self.way in _TOKEN and self._round == 2:
            self.refusal = one_line(text_of(challenge))
            return b"\1" if self.way is LoginWay.OAUTHBEARER else b""  # RFC 7628 §3.2.3
        raise ProtocolError(f"the server asks for more than {self.way.value} has")


def _decoded(challenge: str) -> bytes:
    try:
        return base64.b64decode(challenge.strip(), validate=True)
    except (binascii.Error, ValueError):
        raise ProtocolError("the server's challenge is not base64") from None
