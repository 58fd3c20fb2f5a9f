"""SCRAM-SHA-256: a login that shows neither side's secret, and proves the server, too (RFC 5802, RFC 7677)."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
import unicodedata

from dialpost.core.errors import ProtocolError

LEAST_ROUNDS = 4096  # RFC 7677 §4
MOST_ROUNDS = 1_000_000
"""A second's work for the board; a server that asks for more wants to keep it busy."""

_FIRST = re.compile(r"r=([!-+\--~]+),s=([A-Za-z0-9/+=]+),i=([1-9]\d{0,9})(?:,.*)?")


class ScramSha256:
    """One login: `first`, then `final` for the server's challenge, then `check` what it proves."""

    def __init__(self, user: str, password: str, nonce: str) -> None:
        """`nonce`: printable ASCII without a comma, never used before."""
        name = unicodedata.normalize("NFKC", user).replace("=", "=3D").replace(",", "=2C")
        self._password = unicodedata.normalize("NFKC", password).encode()
        self._nonce = nonce
        self._bare = f"n={name},r={nonce}"
        self._proof_of_server = b""
        self.is_proved = False
        """Whether the server has shown that it knows the password."""

    def first(self) -> bytes:
        """The client's first message (RFC 5802 §7)."""
        return b"n,," + self._bare.encode()

    def final(self, challenge: bytes) -> bytes:
        """The client's answer to the server's first message. Raises: ProtocolError."""
        text = challenge.decode("utf-8", "replace")
        found = _FIRST.fullmatch(text)
        if found is None or not found[1].startswith(self._nonce) or found[1] == self._nonce:
            raise ProtocolError("the server's SCRAM challenge is not valid")
        rounds = int(found[3])
        if not LEAST_ROUNDS <= rounds <= MOST_ROUNDS:
            raise ProtocolError(f"the server's SCRAM challenge wants {rounds} rounds")
        try:
            salt = base64.b64decode(found[2], validate=True)
        except (binascii.Error, ValueError):
            raise ProtocolError("the server's SCRAM challenge is not valid") from None
        salted = hashlib.pbkdf2_hmac("sha256", self._password, salt, rounds)
        bare_final = f"c=biws,r={found[1]}"
        signed = ",".join((self._bare, text, bare_final)).encode()
        key = _hmac(salted, b"Client Key")
        signature = _hmac(hashlib.sha256(key).digest(), signed)
        self._proof_of_server = _hmac(_hmac(salted, b"Server Key"), signed)
        proof = bytes(a ^ b for a, b in zip(key, signature, strict=True))
        return bare_final.encode() + b",p=" + base64.b64encode(proof)

    def check(self, final: bytes) -> None:
        """The server's last message. Raises: ProtocolError if it does not prove that it knows the password."""
        proof = b"v=" + base64.b64encode(self._proof_of_server)
        if not self._proof_of_server or not hmac.compare_digest(final.split(b",", 1)[0], proof):
            raise ProtocolError("the server does not prove that it knows the password")
        self.is_proved = True


def _hmac(key: bytes, text: bytes) -> bytes:
    return hmac.digest(key, text, "sha256")
