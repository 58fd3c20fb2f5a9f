"""The line of the model: one transmitter each way, PPP's frames, VJ's headers, deflate.

A packet takes its bytes / rate, waits until those before it are out, and arrives half a round trip after its last
byte. The queue before the transmitter has no end and loses nothing. What crosses the line for a packet is made for
real: VJ's header (RFC 1144); the packet through this direction's zlib stream, which is flushed for each (RFC 1979),
less the four bytes that every flush ends with; HDLC's frame with its escapes (RFC 1662).
"""

from __future__ import annotations

import asyncio
import random
import zlib
from collections.abc import Callable
from dataclasses import dataclass

from call_model.headers import VanJacobson
from call_model.packet import Packet

_INSTANT_S = 1e-7
"""The loop runs timers of the same time in no order."""
_FLUSH_BYTES = 4
_DEFLATED = b"\xfd"
_SEQUENCE_BYTES, _FCS_BYTES, _FLAG_BYTES = 2, 2, 1


@dataclass(frozen=True, slots=True)
class LineRate:
    """Bits per second each way, and the seconds of a round trip of an idle line.

    `wakes_s`: until a host does something with what has arrived, at most; never quite the same. Without it two
    connections may follow each other in lock-step, or collide, for a whole call, by a millisecond at its start.
    """

    rate_bps: int = 33_600
    rtt_s: float = 0.150
    wakes_s: float = 0.0

    def seconds(self, count: float) -> float:
        """How long this many bytes take."""
        return count * 8 / self.rate_bps


class Way:
    """One direction. `carried`: bytes on the line; `plain` and `wire`: before and after compression (pppstats)."""

    def __init__(self, loop: asyncio.AbstractEventLoop, line: LineRate, *, deflates: bool = True) -> None:
        self._loop, self._line, self._deflates = loop, line, deflates
        self._headers = VanJacobson()
        self._zip = zlib.compressobj(6, zlib.DEFLATED, -15, 8)
        self._free_s = self._taken_s = 0.0
        self._chance = random.Random(1)
        self.carried = self.plain = self.wire = 0
        self.busy_s = 0.0

    def send(self, packet: Packet, deliver: Callable[[Packet], None]) -> None:
        """Queue a packet; `deliver` gets it when it has arrived."""
        self.pass_bytes(self._frame_bytes(packet), lambda: deliver(packet))

    def pass_bytes(self, count: int, arrived: Callable[[], None]) -> None:
        """The same for bytes of any kind, PPP's own among them."""
        self.carried += count
        took_s = self._line.seconds(count)
        self._free_s = max(self._loop.time(), self._free_s) + took_s
        self.busy_s += took_s
        arrives_s = self._free_s + self._line.rtt_s / 2 + self._chance.uniform(0.0, self._line.wakes_s)
        self._taken_s = max(self._taken_s + _INSTANT_S, arrives_s)  # what comes first is taken first
        self._loop.call_at(self._taken_s, arrived)

    @property
    def queued_s(self) -> float:
        """How long what waits here now will take."""
        return max(0.0, self._free_s - self._loop.time())

    def _frame_bytes(self, packet: Packet) -> int:
        content = self._headers.compressed(packet)
        self.plain += len(content)
        if self._deflates:
            squeezed = self._zip.compress(content) + self._zip.flush(zlib.Z_SYNC_FLUSH)
            if len(squeezed) - _FLUSH_BYTES + _SEQUENCE_BYTES < len(content):
                content = _DEFLATED + bytes(_SEQUENCE_BYTES) + squeezed[:-_FLUSH_BYTES]
        self.wire += len(content)
        escapes = content.count(0x7D) + content.count(0x7E)
        return len(content) + escapes + _FCS_BYTES + _FLAG_BYTES
