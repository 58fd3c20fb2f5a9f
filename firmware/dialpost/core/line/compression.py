"""How much smaller PPP's compressor makes what crosses the line: a ratio for each direction, as measured lately.

Text shrinks to a third, an attachment in base64 by a quarter, what TLS encrypts not at all; and a call has them in
turns. So the ratio follows the last seconds of the kernel's counts (edge/line/ppp/compressed).
"""

from __future__ import annotations

from dataclasses import dataclass

ASSUMED = 2.0
"""Before anything was measured: mail is mostly text."""
_LEAST_BYTES = 1500
"""Fewer bytes before compression prove nothing."""
_MOST = 6.0


@dataclass(frozen=True, slots=True)
class Crossed:
    """Bytes since the line came up, before compression and as they crossed the line."""

    plain_up: int
    wire_up: int
    plain_down: int
    wire_down: int


class Ratio:
    """Bytes before compression for one byte on the line, in one direction."""

    def __init__(self) -> None:
        self.value = ASSUMED
        self._plain = self._wire = 0

    def saw(self, plain: int, wire: int) -> None:
        """The counts so far. Half of the new ratio counts: one picture in between is not the end of text."""
        if plain < self._plain or wire < self._wire:  # the compressor was reset
            self._plain = self._wire = 0
        more, crossed = plain - self._plain, wire - self._wire
        if more < _LEAST_BYTES or crossed <= 0:
            return
        self._plain, self._wire = plain, wire
        now = min(max(more / crossed, 1.0), _MOST)
        self.value += (now - self.value) / 2
