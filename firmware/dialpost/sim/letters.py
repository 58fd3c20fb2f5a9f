"""The mail of the simulation: made from a seed, varied enough to reveal mistakes, and recognisable on arrival.

Every message has everything that a sending program adds, so that hosts on the way only prepend trace headers (RFC
5321 §4.4). Pure.
"""

from __future__ import annotations

import base64
import random
import re
from dataclasses import dataclass

SMALLEST, LARGEST = 500, 8_000
DOMAIN = "clinic.example"
WORLD = "world.example"
"""The domain of the other end of every message."""

_VOCABULARY = (
    "Befund tide pump generator valve letter weather doctor ward harbour crew order spare part fuel report "
    "Monday please thanks regards Grüße naïve 漁船 Ärztin supply list flight cold chain vaccine"
)
_WORDS = tuple(_VOCABULARY.split())
_TRACE_HEADER = rb"(?:received|return-path|delivered-to|x-original-to):[^\n]*\n(?:[ \t][^\n]*\n)*"
_TRACE = re.compile(rb"(?:" + _TRACE_HEADER + rb")*\Z", re.IGNORECASE)
_MESSAGE_ID = re.compile(rb"^message-id:\s*<([^>]+)>", re.IGNORECASE | re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Letter:
    """One message. `content` has CRLF line endings; `key` is in its Message-ID."""

    key: str
    sender: str
    recipients: tuple[str, ...]
    content: bytes


def make_letters(
    prefix: str, count: int, seed: int, *, sender: str, recipients: tuple[str, ...], size: int | None = None
) -> list[Letter]:
    """This many messages, the same for the same arguments; sizes vary unless `size` is given.

    Each goes to one of the recipients, every fifth to all of them.
    """
    chance = random.Random(f"{prefix} {seed}")
    letters = []
    for number in range(1, count + 1):
        to = recipients if number % 5 == 0 else (chance.choice(recipients),)
        key = f"{prefix}-{number}-{seed}@{DOMAIN if prefix.startswith('out') else WORLD}"
        length = size if size is not None else chance.randint(SMALLEST, LARGEST)
        letters.append(Letter(key, sender, to, _content(chance, key, sender, to, number, length)))
    return letters


def _content(chance: random.Random, key: str, sender: str, to: tuple[str, ...], number: int, length: int) -> bytes:
    is_attachment = number % 4 == 0
    encoding, charset = ("base64", "") if is_attachment else ("8bit", "; charset=utf-8")
    header = "\r\n".join(
        (
            f"From: <{sender}>",
            "To: " + ", ".join(f"<{address}>" for address in to),
            f"Subject: Simulated message {number}",
            "Date: Tue, 03 Nov 2026 08:00:00 +0000",
            f"Message-ID: <{key}>",
            "MIME-Version: 1.0",
            f"Content-Type: {'application/octet-stream' if is_attachment else 'text/plain'}{charset}",
            f"Content-Transfer-Encoding: {encoding}",
            "",
            "",
        )
    ).encode()
    body = _attachment(chance, length) if is_attachment else _text(chance, length)
    return header + body


def _attachment(chance: random.Random, length: int) -> bytes:
    return base64.encodebytes(chance.randbytes(length * 3 // 4)).replace(b"\n", b"\r\n")


def _text(chance: random.Random, length: int) -> bytes:
    """Lines of words, with what trips up mail servers: dots, empty lines, "From ", long lines."""
    lines, total = [b".", b"..", b"From the beginning of a line", b"", b"", b".leading dot"], 0
    while total < length:
        words = " ".join(chance.choice(_WORDS) for _ in range(chance.choice((1, 3, 8, 12, 60))))
        lines.append(("." * chance.choice((0, 0, 0, 1)) + words).encode())
        total += len(lines[-1]) + 2
    return b"\r\n".join(lines) + b"\r\n"


def key_of(content: bytes) -> str | None:
    """The key of a message that arrived, None if it has no Message-ID."""
    header = content.replace(b"\r\n", b"\n").partition(b"\n\n")[0]
    found = _MESSAGE_ID.search(header)
    return found.group(1).decode() if found else None


def is_whole(letter: Letter, content: bytes) -> bool:
    """Whether `content` (CRLF or LF) is the letter byte for byte, apart from prepended trace headers."""
    got, sent = content.replace(b"\r\n", b"\n"), letter.content.replace(b"\r\n", b"\n")
    return got.endswith(sent) and _TRACE.match(got[: len(got) - len(sent)]) is not None
