"""Parses replies from a stream of bytes, however it is split (RFC 5321 §4.2).

Bounded: a server that never ends a line or a reply is distinguished from a slow one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from dialpost.core.errors import ProtocolError
from dialpost.core.mail.reply import Reply

MAX_LINE_BYTES = 4096  # RFC 5321 §4.5.3.1.5 says 512; servers put more in
MAX_REPLY_BYTES = 65_536  # all lines of one reply

_LINE = re.compile(r"([2-5]\d\d)(?:([ -])(.*))?\Z", re.DOTALL)
_BEGINNING = re.compile(rb"[2-5](?:\d(?:\d(?:[ \r-].*)?)?)?", re.DOTALL)
_UNPRINTABLE = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")


class ReplyReader:
    """Collects bytes and returns complete replies, in order."""

    def __init__(self) -> None:
        self._line = bytearray()
        self._code = 0
        self._texts: list[str] = []
        self._bytes = 0
        self._is_broken = False
        self._ahead: list[bytes] = []

    @property
    def unread(self) -> bytes:
        """What came with the last reply, behind it."""
        return b"".join(reversed(self._ahead))

    @property
    def holds_input(self) -> bool:
        """Whether it holds bytes of an incomplete reply."""
        return bool(self._line or self._texts)

    def receive(self, data: bytes) -> Iterator[Reply]:
        """Take bytes; the replies they complete, one by one.

        Raises: ProtocolError if it can't be SMTP, as soon as that is clear; everything after that is meaningless
        and is not kept.
        """
        if self._is_broken:
            return
        try:
            yield from self._read(data)
        except ProtocolError:
            self._is_broken = True
            self._line, self._texts = bytearray(), []
            raise

    def _read(self, data: bytes) -> Iterator[Reply]:
        self._ahead = _lines(data)
        self._ahead.reverse()
        while self._ahead:
            piece = self._ahead.pop()
            self._line += piece
            if len(self._line) > MAX_LINE_BYTES:
                raise ProtocolError("the server sends a line without end")
            if not piece.endswith(b"\n"):
                if not _BEGINNING.fullmatch(self._line):
                    raise _no_reply(self._line)  # waiting for its end would be pointless
                return
            raw, self._line = self._line, bytearray()
            reply = self._take_line(raw)
            if reply is not None:
                yield reply

    def _take_line(self, raw: bytearray) -> Reply | None:
        self._bytes += len(raw)
        if self._bytes > MAX_REPLY_BYTES:
            raise ProtocolError("the server's reply is too long")
        text = raw.rstrip(b"\r\n").decode("utf-8", "replace")
        match = _LINE.match(text)
        if match is None:
            raise _no_reply(raw)
        code, mark = int(match[1]), match[2]
        if self._texts and code != self._code:
            raise ProtocolError(f"the server changed the code within one reply ({self._code}, then {code})")
        self._code = code
        self._texts.append(_printable(match[3] or ""))
        if mark == "-":
            return None
        reply = Reply.from_lines(code, tuple(self._texts))
        self._texts, self._bytes = [], 0
        return reply


def _no_reply(line: bytearray) -> ProtocolError:
    text = _printable(line[:80].rstrip(b"\r\n").decode("utf-8", "replace"))
    return ProtocolError(f"the server's answer is not SMTP: {text!r}")


def _lines(data: bytes) -> list[bytes]:
    """Split after each LF only: a bare CR ends no line."""
    *whole, rest = data.split(b"\n")
    return [line + b"\n" for line in whole] + ([rest] if rest else [])


def _printable(text: str) -> str:
    """A server's words go into logs and terminals: no control characters."""
    return _UNPRINTABLE.sub("?", text).strip()
