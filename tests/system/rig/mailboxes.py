"""Looking into Maildirs, and making messages whose wholeness can be proved."""

from __future__ import annotations

import hashlib
import random
import re
from dataclasses import dataclass
from pathlib import Path

_MESSAGE_ID = re.compile(rb"^Message-ID:\s*<([^>]*)>", re.IGNORECASE | re.MULTILINE)
_DIGEST = re.compile(rb"^X-Body-SHA256: ([0-9a-f]{64})\r?$", re.MULTILINE)


@dataclass(frozen=True)
class StoredMail:
    """One message as found in a mailbox or on the spool."""

    path: Path
    message_id: str
    is_whole: bool


def make_message(message_id: str, sender: str, recipients: list[str], *, size: int = 1000, seed: int = 0) -> bytes:
    """A message of about `size` bytes with CRLF line endings that carries a digest of its own body."""
    words = random.Random(f"{message_id}/{seed}")
    lines = [words.randbytes(32).hex() for _ in range(max(1, size // 66))]
    lines[len(lines) // 2 : len(lines) // 2] = [".", "..", ".a line that begins with a dot", "From here"]
    body = "\r\n".join([*lines, ""]).encode()
    head = (
        f"From: <{sender}>\r\nTo: {', '.join(f'<{r}>' for r in recipients)}\r\nSubject: {message_id}\r\n"
        f"Date: Mon, 05 Jan 2026 10:00:00 +0000\r\nMessage-ID: <{message_id}>\r\n"
        f"X-Body-SHA256: {digest_of(body)}\r\n\r\n"
    )
    return head.encode() + body


def digest_of(body: bytes) -> str:
    return hashlib.sha256(body.replace(b"\r\n", b"\n")).hexdigest()


def read_mail(path: Path) -> StoredMail:
    """Read one stored message and check that its body is byte for byte what was sent."""
    content = path.read_bytes()
    head, _, body = content.replace(b"\r\n", b"\n").partition(b"\n\n")
    found_id = _MESSAGE_ID.search(head)
    digest = _DIGEST.search(head)
    is_whole = digest is not None and digest.group(1).decode() == digest_of(body)
    return StoredMail(path, found_id.group(1).decode() if found_id else "", is_whole)


def maildir_files(maildir: Path) -> list[Path]:
    """Every message in the inbox of a Maildir, in no order."""
    return [
        path
        for name in ("new", "cur")
        for path in ((maildir / name).iterdir() if (maildir / name).is_dir() else ())
    ]


def arrived(maildir: Path) -> list[str]:
    """The sorted Message-IDs of what is in a Maildir, each message found whole."""
    found = [read_mail(path) for path in maildir_files(maildir)]
    assert [mail for mail in found if not mail.is_whole] == []
    return sorted(mail.message_id for mail in found)
