"""How to talk to one IMAP server, and what is asked of it."""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass

from dialpost.core.config.model import TlsMode


@dataclass(frozen=True, slots=True)
class ImapSettings:
    """One mailbox. `token`: an OAuth bearer token, used instead of the password.

    `clear_password`: name and password may be sent without TLS. `compress`: use COMPRESS=DEFLATE where it is
    offered. `nonce`: printable ASCII that was never used before, for SCRAM.
    """

    host: str
    port: int
    user: str
    password: str = ""
    token: str = ""
    folder: str = "INBOX"
    tls: TlsMode = TlsMode.IMPLICIT
    clear_password: bool = False
    compress: bool = True
    nonce: str = ""

    def __repr__(self) -> str:
        """Without the secrets, because this may end up in a log or a traceback."""
        return f"ImapSettings(host={self.host!r}, port={self.port}, tls={self.tls.value}, user={self.user!r})"


def quoted(text: str) -> bytes:
    """A quoted string. Raises: ValueError if the text can't be one (RFC 9051 §4.3)."""
    if not text.isascii() or any(character in text for character in "\r\n\0"):
        raise ValueError(text)
    return b'"' + re.sub(r'(["\\])', r"\\\1", text).encode() + b'"'


def folder_name(name: str) -> bytes:
    """A mailbox's name in modified UTF-7, which every server understands (RFC 3501 §5.1.3), quoted."""
    shown = re.sub(r"[^ -%'-~]+", lambda found: _shifted(found[0]), name)
    return quoted(shown)


def _shifted(text: str) -> str:
    if text == "&":
        return "&-"
    letters = base64.b64encode(text.encode("utf-16-be", "replace")).decode()
    return "&" + letters.rstrip("=").replace("/", ",") + "-"


def number_set(numbers: tuple[int, ...]) -> bytes:
    """A set of numbers as in 1:3,7 (RFC 9051 §9)."""
    ranges: list[list[int]] = []
    for number in sorted(set(numbers)):
        if ranges and number == ranges[-1][1] + 1:
            ranges[-1][1] = number
        else:
            ranges.append([number, number])
    return b",".join(b"%d" % a if a == b else b"%d:%d" % (a, b) for a, b in ranges)
