"""The receive windows of the provider's connections: together they fill the line, however many there are.

What may be in flight inbound (`Pace`, measured in flow/line/pace) is shared by the connections with a message under
way, or with one a moment ago: a sender that goes from message to message keeps its share. It is shared again
whenever a message begins or a connection ends, and each second, because the compression changes with what is sent.
One connection alone gets it all; of twenty, few are served at once (line_turns).

TCP can't withdraw what it has offered, but a narrower window takes effect as the bytes offered before arrive, and a
wider one with the next data. `Pace` gets the sum, and keeps outbound mail in proportion.

Runs in the event loop.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Protocol

from dialpost.core.line_peers import level
from dialpost.core.mail.session import Wire

SHARE_S = 1.0
RESTS_S = 2.0
"""How long after a message a connection keeps its share for the next one."""
LEAST_BYTES = 1152
"""Linux accepts no smaller TCP_WINDOW_CLAMP (half of SOCK_MIN_RCVBUF)."""
ENVELOPE_BYTES = 300
"""Beside its content a message has commands; SIZE= does not count them (RFC 1870 section 3)."""
SMALL_BYTES = 5000
"""A message declared as at most this spends more time waiting than sending."""
SMALL_TIMES = 2
"""Where all messages under way are small, this much more may be in flight: each sender waits for a reply or two
between messages, and its message should go out in one flight when it goes."""
COMES_S = 20.0
"""How long a connection is expected to begin its first message."""
_ENDLESS = 1 << 30


class Pace(Protocol):
    """What the line may have in flight (flow/line/pace)."""

    def inbound_bytes(self) -> int:
        """Before compression, over all connections; 0: the kernel decides."""

    def heard(self, round_trip_s: float) -> None:
        """The shortest round trip that a connection has seen."""

    def given_inbound(self, given: int) -> None:
        """What the connections together may now have in flight, in bytes before compression."""


@dataclass(frozen=True, slots=True)
class _Share:
    wire: Wire | None
    need: int
    until_s: float | None = None
    """When it lapses, for one that rests."""


class LineWindows:
    """The windows of all connections with a message under way; `key` is a connection's turn."""

    def __init__(self, pace: Pace) -> None:
        self._pace = pace
        self._shares: dict[object, _Share] = {}
        self._timer: asyncio.TimerHandle | None = None

    def comes(self, key: object) -> None:
        """A connection is greeted. What it says before its first message is a few commands in lock-step."""
        until_s = asyncio.get_running_loop().time() + COMES_S
        self._shares[key] = _Share(None, ENVELOPE_BYTES, until_s)
        self._share()

    def works(self, key: object, wire: Wire, declared_bytes: int) -> None:
        """A message begins; `declared_bytes` is 0 where its size is unknown."""
        self._shares[key] = _Share(wire, declared_bytes + ENVELOPE_BYTES if declared_bytes else _ENDLESS)
        self._share()

    def rests(self, key: object) -> None:
        """The message is over."""
        if (share := self._shares.get(key)) is not None:
            until_s = asyncio.get_running_loop().time() + RESTS_S
            self._shares[key] = _Share(share.wire, min(share.need, LEAST_BYTES), until_s)

    def done(self, key: object) -> None:
        """The connection is gone."""
        if self._shares.pop(key, None) is not None:
            self._share()

    def _share(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        now_s = asyncio.get_running_loop().time()
        lapsed = [key for key, one in self._shares.items() if one.until_s is not None and one.until_s <= now_s]
        for key in lapsed:
            del self._shares[key]
        wires = [one.wire for one in self._shares.values() if one.wire is not None]
        for wire in wires:
            if round_trip_s := wire.round_trip_s():
                self._pace.heard(round_trip_s)
        total = self._pace.inbound_bytes()
        needs = [one.need for one in self._shares.values()]
        are_small = all(need <= SMALL_BYTES + ENVELOPE_BYTES for need in needs)
        window = max(level(total * SMALL_TIMES if are_small else total, needs), LEAST_BYTES)
        given = sum(min(need, window) for need in needs)
        self._pace.given_inbound(min(given, total) if are_small else given)
        if total:
            for wire in wires:
                wire.set_window(window)
        if self._shares:
            self._timer = asyncio.get_running_loop().call_later(SHARE_S, self._share)
