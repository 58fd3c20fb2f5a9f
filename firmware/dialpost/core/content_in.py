"""Message content as it comes in: where it ends, and how its lines end (RFC 5321 §4.5.2, §2.3.8).

Both classes take any split of the stream and hold back a few bytes only, so that a message is never whole
in memory. Only CR LF . CR LF ends DATA: a dot after a bare LF or CR is content, which closes the door to
SMTP smuggling; what is stored then has no bare CR or LF left that another server could read differently.
"""

from __future__ import annotations

_END = b"\r\n.\r\n"
_STUFFED = b"\r\n."
_LINE_END = b"\r\n"


class DotDecoder:
    """Finds the end of DATA and takes the transparency dots off."""

    def __init__(self) -> None:
        # The line end before the first line belongs to the DATA command: a lone dot may follow it at once.
        self._held = _LINE_END
        self._foreign = len(_LINE_END)

    def feed(self, data: bytes) -> tuple[bytes, bytes | None]:
        """Content that is certain now, and what came after the end of DATA (None: no end yet)."""
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
    """How many bytes at the end may be the beginning of the end mark."""
    for length in range(len(_END) - 1, 0, -1):
        if data.endswith(_END[:length]):
            return length
    return 0


class LineEnds:
    """Turns CR LF and bare LF into LF, a bare CR into a blank: the form in which bodies are stored."""

    def __init__(self) -> None:
        self._has_cr = False
        self._last = b"\n"

    def feed(self, data: bytes) -> bytes:
        """The next piece in the stored form."""
        if self._has_cr:
            data = b"\r" + data
        self._has_cr = data.endswith(b"\r")
        if self._has_cr:
            data = data[:-1]
        if b"\r" in data:
            data = data.replace(_LINE_END, b"\n")
            if b"\r" in data:
                data = data.replace(b"\r", b" ")
        self._last = data[-1:] or self._last
        return data

    def finish(self) -> bytes:
        """What is still to be added so that the content ends with a line end (BDAT may leave it out)."""
        if self._has_cr:
            self._has_cr = False
            self._last = b"\n"
            return b" \n"
        if self._last != b"\n":
            self._last = b"\n"
            return b"\n"
        return b""
