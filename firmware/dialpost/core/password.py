"""Password hashes in the form Dovecot reads: `{SCRAM-SHA-256}iterations,salt,stored,server`.

RFC 5802 §3 with SHA-256 (RFC 7677): the hash is enough to check a password and to answer a SCRAM login, but does
not reveal the password. Pure but slow on purpose: callers on an event loop use a thread.
"""

from __future__ import annotations

import base64
import hashlib
import hmac

from dialpost.core.amounts import whole_number
from dialpost.core.errors import AccountError

SCHEME = "{SCRAM-SHA-256}"
ITERATIONS = 20_000
"""About 50 ms on a Pi Zero 2 W's core: nobody notices it at login, but it is expensive for the thief of a stolen
file. RFC 7677 §4 asks for at least 4096; the number is stored with each hash, so raising this harms no account."""

SALT_BYTES = 16
MIN_LENGTH = 8
MAX_OCTETS = 512
_MAX_ITERATIONS = 10_000_000


def check_strength(password: str) -> None:
    """Refuse an unusable password. Raises: AccountError with what to do."""
    if len(password) < MIN_LENGTH:
        raise AccountError(f"The password is too short: use at least {MIN_LENGTH} characters.")
    if len(password.encode("utf-8", "surrogatepass")) > MAX_OCTETS:
        raise AccountError(f"The password is too long: use at most {MAX_OCTETS} bytes.")
    if not password.strip():
        raise AccountError("The password is only blanks.")
    if any(ord(char) < 0x20 or ord(char) == 0x7F for char in password):
        raise AccountError("The password contains a control character (such as Tab or Enter).")


def hash_password(password: str, salt: bytes, iterations: int = ITERATIONS) -> str:
    """The text to store. `salt` is fresh random bytes, `SALT_BYTES` of them."""
    stored, server = _keys(password, salt, iterations)
    fields = (str(iterations), *(base64.b64encode(part).decode() for part in (salt, stored, server)))
    return SCHEME + ",".join(fields)


def verify_password(password: str, hashed: str) -> bool:
    """Whether `password` matches `hashed`; False for a text that is not such a hash."""
    parts = hashed.removeprefix(SCHEME).split(",")
    if not hashed.startswith(SCHEME) or (iterations := whole_number(parts[0])) is None:
        return False
    if not 1 <= iterations <= _MAX_ITERATIONS:
        return False
    try:
        salt, stored, _server = (base64.b64decode(part, validate=True) for part in parts[1:])
    except ValueError:  # not base64, or not three
        return False
    return hmac.compare_digest(_keys(password, salt, iterations)[0], stored)


def _keys(password: str, salt: bytes, iterations: int) -> tuple[bytes, bytes]:
    salted = hashlib.pbkdf2_hmac("sha256", password.encode("utf-8", "surrogatepass"), salt, iterations)
    client = hmac.digest(salted, b"Client Key", "sha256")
    return hashlib.sha256(client).digest(), hmac.digest(salted, b"Server Key", "sha256")
