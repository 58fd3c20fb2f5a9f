"""Logging in: the choice of mechanism, and its dialogue (RFC 4954, RFC 4616 PLAIN, RFC 2195 CRAM-MD5,
RFC 7677 SCRAM-SHA-256).

Name and password are sent in clear text only if the configuration says so.
"""

from __future__ import annotations

import base64
import binascii
import hmac

from dialpost.core.config.model import AuthMechanism
from dialpost.core.errors import ProtocolError
from dialpost.core.mail.inbound.scram import ScramSha256

_WORDS = {
    AuthMechanism.PLAIN: "PLAIN",
    AuthMechanism.LOGIN: "LOGIN",
    AuthMechanism.CRAM_MD5: "CRAM-MD5",
    AuthMechanism.SCRAM_SHA_256: "SCRAM-SHA-256",
}
_CLEAR = (AuthMechanism.PLAIN, AuthMechanism.LOGIN)
_BY_CHALLENGE = (AuthMechanism.SCRAM_SHA_256, AuthMechanism.CRAM_MD5)
CLEAR_WORDS = frozenset(_WORDS[mechanism] for mechanism in _CLEAR)
"""Mechanisms that send the password itself."""


def mechanisms_to_try(
    choice: AuthMechanism, offered: frozenset[str], *, tls: bool, verified: bool, clear_password: bool = False
) -> tuple[AuthMechanism, ...]:
    """The mechanisms to try, best first; none if no acceptable one is offered.

    Inside TLS with a verified certificate, a plain password is shortest and lets the server keep only a hash. With
    unverified TLS, a challenge is tried first; without TLS nothing else is acceptable, unless `clear_password`
    allows it.
    """
    if choice is not AuthMechanism.AUTO:
        order: tuple[AuthMechanism, ...] = (choice,)
    elif verified and tls:
        order = (*_CLEAR, *_BY_CHALLENGE)
    else:
        order = (*_BY_CHALLENGE, *_CLEAR)
    return tuple(
        mechanism
        for mechanism in order
        if _WORDS[mechanism] in offered and (tls or clear_password or mechanism not in _CLEAR)
    )


class Login:
    """One attempt: the first line, then an answer to each challenge."""

    def __init__(self, mechanism: AuthMechanism, user: str, password: str, nonce: str = "") -> None:
        """`nonce`: printable ASCII, never used before; only SCRAM needs one."""
        self._mechanism = mechanism
        self._scram = ScramSha256(user, password, nonce)
        self._user = user.encode()
        self._password = password.encode()
        self._round = 0

    @property
    def word(self) -> str:
        """The mechanism's name on the wire."""
        return _WORDS[self._mechanism]

    @property
    def is_proved(self) -> bool:
        """Whether the server may say now that the login succeeded: with SCRAM, only after it proved itself."""
        return self._mechanism is not AuthMechanism.SCRAM_SHA_256 or self._scram.is_proved

    def begin(self) -> bytes:
        """The AUTH line, without CRLF."""
        if self._mechanism is AuthMechanism.SCRAM_SHA_256:
            return b"AUTH SCRAM-SHA-256 " + base64.b64encode(self._scram.first())
        if self._mechanism is AuthMechanism.PLAIN:
            return b"AUTH PLAIN " + base64.b64encode(b"\0" + self._user + b"\0" + self._password)
        return b"AUTH " + self.word.encode()

    def respond(self, challenge: str) -> bytes:
        """The line that answers a 334. Raises: ProtocolError if nothing (more) should be asked."""
        self._round += 1
        if self._mechanism is AuthMechanism.PLAIN and self._round == 1:
            return self.begin().split()[-1]  # it ignored the initial response sent with AUTH
        if self._mechanism is AuthMechanism.LOGIN and self._round <= 2:
            # The prompts' wording differs between servers; their order doesn't.
            return base64.b64encode(self._user if self._round == 1 else self._password)
        if self._mechanism is AuthMechanism.CRAM_MD5 and self._round == 1:
            digest = hmac.new(self._password, self._decoded(challenge), "md5").hexdigest()
            return base64.b64encode(self._user + b" " + digest.encode())
        if self._mechanism is AuthMechanism.SCRAM_SHA_256 and self._round == 1:
            return base64.b64encode(self._scram.final(self._decoded(challenge)))
        if self._mechanism is AuthMechanism.SCRAM_SHA_256 and self._round == 2:
            self._scram.check(self._decoded(challenge))
            return b""
        raise ProtocolError(f"the server asks for more than AUTH {self.word} has")

    def _decoded(self, challenge: str) -> bytes:
        try:
            return base64.b64decode(challenge.strip(), validate=True)
        except (binascii.Error, ValueError):
            raise ProtocolError(f"the server's {self.word} challenge is not base64") from None
