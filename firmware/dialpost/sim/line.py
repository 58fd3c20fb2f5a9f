"""A simulated dialled line: TCP relays on 127.0.0.1 that exist only while the line is up.

Each direction is one transmitter. It sends packets in turn from every connection that has any (so one long message
does not starve another's reply), each for `bytes x 10 / rate` seconds, and they arrive half a round trip later. Ten
bits per byte are the start bit, eight data bits and stop bit of a serial line; on a synchronous line they stand for
the cost of PPP, IP and TCP headers. A connection costs the round trips of TCP's handshake before its first byte.
TCP's windows and retransmissions are not simulated, but back-pressure is: a relay accepts no more from a sender
than it has room for.

The carrier can be cut after a chosen byte in one direction. Bytes are counted over all calls, as they arrive:
exactly that many get through, then everything in flight either way vanishes and the line reports that its carrier
is lost. As with a real carrier, TCP is not notified: connections stay dead for LIMBO_S, while the receiver of the
last byte acts on it, and are then reset on both sides. A cut happens once.

Runs in the world's event loop.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from dialpost.core.config.model import LinkKind
from dialpost.core.line.link import DialOutcome, DialResult, Traffic
from dialpost.sim.relay import Direction, Relay

NEGOTIATION_ROUND_TRIPS = 3
"""PPP's LCP, authentication and IPCP, roughly."""


@dataclass(frozen=True, slots=True)
class LineSettings:
    """How the line behaves. `results` are the modem's answers to the first dials; then it connects.

    `cut_up`, `cut_down`: lose the carrier once this many bytes went up or down, counted over all calls.
    """

    rate_bps: int = 33_600
    rtt_s: float = 0.150
    dial_s: float = 3.0
    results: tuple[DialResult, ...] = ()
    cut_up: int | None = None
    cut_down: int | None = None


class SimulatedLine:
    """A Link (see flow/line/link) with a modem, a line and a provider's modem at its far end, all simulated.

    `open_up` and `open_down` add a relay before the first call; each returns the port to connect to, which stays
    the same and refuses connections while the line is down.
    """

    kind = LinkKind.MODEM

    def __init__(self, settings: LineSettings) -> None:
        self.settings = settings
        self._results = deque(settings.results)
        self._relays: list[Relay] = []
        self._lost = asyncio.Event()
        self._why = ""
        rate_bps, rtt_s = settings.rate_bps, settings.rtt_s
        self._up = Direction(rate_bps, rtt_s, cut_at=settings.cut_up, name="to the provider", cut=self._cut)
        self._down = Direction(rate_bps, rtt_s, cut_at=settings.cut_down, name="from the provider", cut=self._cut)
        self._before = Traffic(0, 0)
        self.is_up = False
        self.cuts = 0

    # -- the world's side -----------------------------------------------------------------------------

    def open_up(self, port: int) -> int:
        """A relay from the station to the provider's `port`; returns where the station connects."""
        return self._open(port, self._up, self._down)

    def open_down(self, port: int, source: str = "127.0.0.1") -> int:
        """A relay from the provider to the station's `port`; returns where the provider connects.

        The station sees `source` as the origin.
        """
        return self._open(port, self._down, self._up, source)

    def _open(self, port: int, there: Direction, back: Direction, source: str = "127.0.0.1") -> int:
        relay = Relay(port, there, back, source)
        self._relays.append(relay)
        return relay.port

    def carried(self) -> Traffic:
        """Bytes that arrived over all calls."""
        return Traffic(self._up.arrived, self._down.arrived)

    def lose_carrier(self, why: str = "NO CARRIER") -> None:
        """The line is gone: everything in flight vanishes, and every connection is dead and soon reset."""
        if self.is_up:
            self._why = why
            self._drop()
            self._lost.set()

    def close(self) -> None:
        """End for good: no port is held any longer."""
        self._drop()
        for relay in self._relays:
            relay.close()

    def _cut(self, direction: str) -> None:
        self.cuts += 1
        self.lose_carrier(f"NO CARRIER (cut by the simulation in the direction {direction})")

    # -- the station's side: flow/line/call/machine.Link -----------------------------------------------------------

    async def dial(self) -> DialOutcome:
        """Dial for `dial_s`; the next scripted result, otherwise a carrier."""
        self._lost.clear()
        await asyncio.sleep(self.settings.dial_s)
        result = self._results.popleft() if self._results else DialResult.CONNECTED
        if result is not DialResult.CONNECTED:
            return DialOutcome(result, f"the simulated modem said {result.value}")
        rate_bps = self.settings.rate_bps
        return DialOutcome(result, f"CONNECT {rate_bps}", rate_bps)

    async def negotiate(self) -> DialOutcome:
        """Some round trips, then the relays listen."""
        await asyncio.sleep(NEGOTIATION_ROUND_TRIPS * self.settings.rtt_s)
        self._before = self.carried()
        self.is_up = True
        for direction in (self._up, self._down):
            direction.start()
        for relay in self._relays:
            await relay.listen()
        return DialOutcome(DialResult.CONNECTED)

    async def lost(self) -> str:
        """Wait for the carrier to be lost; returns why."""
        await self._lost.wait()
        return self._why

    async def hang_up(self) -> None:
        """Take the line down; everything in flight vanishes."""
        self._drop()
        await asyncio.sleep(self.settings.rtt_s / 2)

    def traffic(self) -> Traffic | None:
        """Bytes of this call that arrived."""
        now = self.carried()
        return Traffic(now.up - self._before.up, now.down - self._before.down)

    def doubt(self, why: str) -> None:
        """A modem knows its carrier: nothing to check."""

    def _drop(self) -> None:
        self.is_up = False
        for relay in self._relays:
            relay.silence()
        for direction in (self._up, self._down):
            direction.stop()


def parse_results(text: str) -> Sequence[DialResult]:
    """BUSY,NO-ANSWER,CONNECT ... as dial results. Raises: ValueError naming what is allowed."""
    names = {result.value.upper(): result for result in DialResult} | {"CONNECT": DialResult.CONNECTED}
    found = []
    for word in text.split(","):
        name = word.strip().upper().replace(" ", "-").replace("_", "-")
        if name not in names:
            raise ValueError(f"{word.strip()!r} is not a result of dialling; allowed: {', '.join(names)}")
        found.append(names[name])
    return found
