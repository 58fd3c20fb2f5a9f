"""A command and what follows it: `command` returns the bytes to send, `receive` the events.

Every final result is an event; the caller decides which command it answers (`flow/line/modem/channel`). After the
CONNECT of a dial command nothing more is examined: those bytes are the other side's (`rest`). While a call is being
set up, the port is read byte by byte, so that none of them are lost to pppd.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from dialpost.core.line.at.results import (
    DIAL_ANSWERS,
    AtResult,
    carrier_rate,
    own_results_of,
    parse_number,
    parse_result,
)
from dialpost.core.line.modem.profile import ResultKind

MAX_LINE_BYTES = 1024
_CHANGES_WORDS = re.compile(r"AT.*(?:V0|Z|&F)", re.IGNORECASE)
_TELL_WORDS = frozenset({ResultKind.OK, ResultKind.ERROR})


@dataclass(frozen=True, slots=True)
class Said:
    """A line on the way to the result: an identity, +CREG: 0,1, CARRIER 31200 ..."""

    text: str


@dataclass(frozen=True, slots=True)
class Rang:
    """An incoming call; not the answer to a command."""


AtEvent = Said | Rang | AtResult


class AtDialogue:
    """The core. `garbage` counts bytes that no modem sends at the right speed."""

    def __init__(self, own_results: Mapping[str, ResultKind] | None = None) -> None:
        self._own = dict(own_results or {})
        self._line = bytearray()
        self._sent = ""
        self._is_over = True
        self._has_words = False
        self.garbage = 0
        self.received = 0
        self.rest = b""
        self.carrier_bps: int | None = None

    def command(self, text: str) -> bytes:
        """The bytes of a command line; earlier input is forgotten. Raises: ValueError if it contains a line
        ending."""
        if any(not sign.isprintable() for sign in text):
            raise ValueError("a command can't contain a line end or control character")
        self._line.clear()
        self._sent, self._is_over = text, False
        if _CHANGES_WORDS.match(text):
            self._has_words = False
        self.garbage = self.received = 0
        self.rest, self.carrier_bps = b"", None
        return text.encode("ascii", "replace") + b"\r"

    def receive(self, data: bytes) -> list[AtEvent]:
        """Bytes from the modem, split anywhere."""
        found: list[AtEvent] = []
        for index, byte in enumerate(data):
            if self._is_over:
                self.rest += data[index:]
                break
            self.received += 1
            if byte in b"\r\n":
                self._end_of_line(found)
            elif byte < 32 or byte > 126:
                self.garbage += byte not in b"\x00\x11\x13\x7f"  # XON, XOFF and padding are not garbage
            else:
                self._line.append(byte)
                if len(self._line) > MAX_LINE_BYTES:
                    self._line.clear()
                    self.garbage += 1
        return found

    def _end_of_line(self, found: list[AtEvent]) -> None:
        text = bytes(self._line).decode("ascii").strip()
        self._line.clear()
        if not text or text == self._sent:
            return  # an empty line, or the echo
        result = self._result(text)
        if result is None:
            self.carrier_bps = carrier_rate(text) or self.carrier_bps
            found.append(Said(text))
        elif result.kind is ResultKind.RING:
            found.append(Rang())
        else:
            self._is_over = result.kind is ResultKind.CONNECT and own_results_of(self._sent) is DIAL_ANSWERS
            found.append(result)

    def _result(self, text: str) -> AtResult | None:
        """A number is a result only from a modem that does not use words (V1); otherwise it is what was asked
        for."""
        if text.isdigit():
            return None if self._has_words else parse_result(text, self._own) or parse_number(text)
        result = parse_result(text, self._own)
        self._has_words |= result is not None and result.kind in _TELL_WORDS
        return result
