"""Messages that behave on a line as real mail does: text that deflates, attachments that do not.

A message is made from its Message-ID alone, so every run sends the same bytes.
"""

from __future__ import annotations

import base64
import random
import textwrap

from rig.mailboxes import digest_of

BIG_BYTES = 10_000
"""From this size on a message is an attachment: random bytes in base64, like pictures and documents."""
_HEADER_BYTES = 600
_TEXT = """\
the of and to in a is that for it as was with be by on not he his but at are this have from or had an they which
one you were all her she there would their we him been has when who will no more if out so up said what its
about than into them can only other time new some could these two may first then do any like my now over such
our man me even most made after also did many fore must through back years where much your way well down should
because each just those people how too little state good very make world still see own work men day get here old
life both between being under three never know same last another while us off might great go come since against
right came take used himself few house use place during high without again home around small however found
thought went say part once general upon school every until always away something fact water though less public
put think almost hand enough far took head yet government system set better told nothing night end why called
find going look asked later point knew next boat clinic doctor harbour medicine nurse patient road school ship
supply teacher tide vaccine village weather
"""
_WORDS = _TEXT.split()
_WEIGHTS = [1 / (rank + 3) for rank in range(len(_WORDS))]


def like_mail(message_id: str, sender: str, recipients: list[str], *, size: int) -> bytes:
    """A message of about `size` bytes; a small one of 1.7 kB takes some 600 of a line with deflate."""
    chance = random.Random(message_id)
    body = _attachment(chance, size) if size >= BIG_BYTES else _text(chance, max(1, size - _HEADER_BYTES))
    subject = " ".join(chance.choices(_WORDS, _WEIGHTS, k=5))
    kind = (
        "application/octet-stream\r\nContent-Transfer-Encoding: base64"
        if size >= BIG_BYTES
        else "text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 7bit"
    )
    head = (
        f"From: {_name(sender)}\r\nTo: {', '.join(map(_name, recipients))}\r\nSubject: {subject}\r\n"
        f"Date: Mon, 30 Nov 2026 {chance.randrange(24):02}:{chance.randrange(60):02}:00 +0000\r\n"
        f"Message-ID: <{message_id}>\r\nUser-Agent: Mozilla Thunderbird\r\nMIME-Version: 1.0\r\n"
        f"Content-Type: {kind}\r\nX-Body-SHA256: {digest_of(body)}\r\n\r\n"
    )
    return head.encode() + body


def _name(address: str) -> str:
    return f"{address.partition('@')[0].title()} <{address}>"


def _text(chance: random.Random, size: int) -> bytes:
    words: list[str] = []
    length = 0
    while length < size:
        words.append(chance.choices(_WORDS, _WEIGHTS)[0])
        length += len(words[-1]) + 1
    return "\r\n".join([*textwrap.wrap(" ".join(words), 72), ""]).encode()


def _attachment(chance: random.Random, size: int) -> bytes:
    text = base64.encodebytes(chance.randbytes(size * 57 // 78))
    return text.replace(b"\n", b"\r\n")
