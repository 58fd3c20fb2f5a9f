"""How much waits in front of a line: nobody can look into the tty and the modem, but the kernel counts what it gave
them, and the line carries so much a second.

The line is taken for slightly slower than it is. PPP's escapes are not counted, and what is left out here would
wait unseen, more with each second. If it is faster than its rate says, what is believed to wait would grow for
ever: so it has a limit.
"""

from __future__ import annotations

BELIEVED = 0.98
"""The part of its rate that a line is believed to carry."""
LATE_S = 0.1
"""Between two looks closer than this, what was handed over is taken to have come just now: better too much than too
little."""
MOST_S = 5.0
"""The longest that anything is believed to wait, so that an error lasts no longer."""


class Backlog:
    """One direction of a line of `rate_bps`, from when nothing waits."""

    def __init__(self, rate_bps: int) -> None:
        self._bytes_a_second = rate_bps / 8 * BELIEVED
        self._seen: tuple[float, int] | None = None
        self._waiting = 0.0

    def waits_s(self, now_s: float, crossed: int) -> float:
        """For how long the line has something to send, given what it was handed so far.

        Over a time longer than LATE_S it came little by little, and the line carried it meanwhile.
        """
        if self._seen is not None:
            before_s, before = self._seen
            came, carried = max(0, crossed - before), (now_s - before_s) * self._bytes_a_second
            if now_s - before_s <= LATE_S:
                waiting = max(0.0, self._waiting - carried) + came
            else:
                waiting = max(0.0, self._waiting + came - carried)
            self._waiting = min(waiting, MOST_S * self._bytes_a_second)
        self._seen = now_s, crossed
        return self._waiting / self._bytes_a_second
