"""Incoming content: where it ends, and how its lines end (RFC 5321 §4.5.2, §2.3.8).

Both classes accept any split of the stream and hold back only a few bytes, so that a message is never whole in
memory. Only CR LF . CR LF ends DATA: a dot after a bare LF or CR is content, which prevents SMTP smuggling. The
stored form has no bare CR or LF left that another server could read differently.
"""

from __future__ import annotations

import re

_END = b"\r\n.\r\n"
_STUFFED = b"\r\n."
_LINE_END = b"\r\n"

_ENDING_CRS = re.compile(rb"(?<!\r)\r+\n")
_LEADING_CRS = re.compile(rb"\n\r+")
_OTHER_CRS = re.compile(rb"\r+")


class DotDecoder:
    """Finds the end of DATA and removes the transparency dots."""

    def __init__(self) -> None:
        # The line end before the first line belongs to the DATA command: a lone dot may follow it at once.
        self._held = _LINE_END
        self._foreign = len(_LINE_END)

    def feed(self, data: bytes) -> tuple[bytes, bytes | None]:
        """Returns the content that is certain by now, and the input after the end of DATA (None: no end yet)."""
        data = self._held + data
        end = data.find(_END)
        if end < 0:
            keep = _held_length(data)
            content, rest = data[: len(data) - keep], None
            self._held = data[len(data) - keep :]
        else:
            content, rest = data[: end + len(_LINE_END)], data[end + len(_END) :]
            self._held = b""
        if _STUFFED in content:
            content = content.replace(_STUFFED, _LINE_END)
        if self._foreign and content:
            content = content[self._foreign :]
            self._foreign = 0
        return content, rest


def _held_length(data: bytes) -> int:
    """The number of last bytes that may be the beginning of the end mark."""
    return max(length for length in range(len(_END)) if data.endswith(_END[:length]))


class LineEnds:
    """Converts content into the stored form, with the same lines in the same order.

    CR LF, LF, and CR CR LF (a line ending converted twice) each end a line. Any other run of CRs becomes a space,
    or nothing at the start of a line, where a space would fold it into the previous line.
    """

    def __init__(self) -> None:
        self._has_cr = False
        self._at_line_start = True

    def feed(self, data: bytes) -> bytes:
        """Returns the next piece in the stored form."""
        if self._has_cr:
            data = b"\r" + data
        whole = data.rstrip(b"\r")
        self._has_cr = len(whole) < len(data)
        plain = whole.replace(_LINE_END, b"\n")  # most content has no other CRs, and this is ten times as fast
        if b"\r" not in plain:
            whole = plain
        else:
            whole = _ENDING_CRS.sub(b"\n", whole)
            if self._at_line_start:
                whole = whole.lstrip(b"\r")
            whole = _OTHER_CRS.sub(b" ", _LEADING_CRS.sub(b"\n", whole))
        if whole:
            self._at_line_start = whole.endswith(b"\n")
        return whole

    def finish(self) -> bytes:
        """Returns what is missing for the content to end with a line ending (BDAT may leave it out)."""
        is_open, self._at_line_start = not self._at_line_start, True
        return b"\n" if is_open else b""
