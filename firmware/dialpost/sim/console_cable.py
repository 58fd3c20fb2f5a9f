"""A serial cable between two pseudo-terminals: the station's console at one end, an operator at the other.

Ten bits per byte at the cable's rate, both ways at once. `path` is where minicom, screen or miniterm open their
end; `station_path` is the station's. Both ends stay open when a program leaves, because a pseudo-terminal has no
DTR to report it. Runs in the event loop.
"""

from __future__ import annotations

import asyncio

from dialpost.sim.telephone import SHORTEST_NAP_S
from dialpost.sim.telephone_line import Direction, PtyEnd, TelephoneSettings


class ConsoleCable:
    """`start`, use, `stop`."""

    def __init__(self, rate_bps: int) -> None:
        self._settings = TelephoneSettings(rate_bps=rate_bps, rtt_s=0.0, bits_per_byte=10.0, buffer_bytes=4096)

    def start(self) -> None:
        """Make the pseudo-terminals. Call it in a running loop."""
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._person = PtyEnd(lambda data: self._take(self._to_station, data), lambda: self._to_station.room)
        self._station = PtyEnd(lambda data: self._take(self._to_person, data), lambda: self._to_person.room)
        self._to_person = Direction(self._settings, self._person.write, "to the operator")
        self._to_station = Direction(self._settings, self._station.write, "to the station")
        self.path, self.station_path = self._person.path, self._station.path
        self._person.look()
        self._station.look()

    def stop(self) -> None:
        """Remove the cable."""
        if self._timer is not None:
            self._timer.cancel()
        self._person.close()
        self._station.close()

    def _take(self, direction: Direction, data: bytes) -> None:
        direction.take(data)
        self._move()

    def _move(self) -> None:
        """Deliver what is due; continue later with the rest."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        now_s = self._loop.time()
        for direction in (self._to_person, self._to_station):
            direction.step(now_s)
        self._person.look()
        self._station.look()
        ways = (self._to_person, self._to_station)
        times = [time_s for way in ways if (time_s := way.next_s()) is not None]
        if times:
            self._timer = self._loop.call_at(max(min(times), now_s + SHORTEST_NAP_S), self._move)
