"""The line as mail sees it: which interfaces belong to it, and how many connections are served on it at once.

Imports nothing, because root's process loads it while the line is being paid for (edge/line/ppp/session).
"""

from __future__ import annotations

LINE_INTERFACES = "ppp"
"""The prefix of the line's interface names: only pppd's begin with it."""
OWN_INTERFACE = "lo"

SERVED_AT_ONCE = 8
"""Connections of the provider that are served at the same time on a line of 14.4 kbit/s or more."""


def is_line(interface: str) -> bool:
    """Whether it belongs to a dialled line, which only the provider can use."""
    return interface.startswith(LINE_INTERFACES)


def served_at_once(rate_bps: int) -> int:
    """How many of the provider's connections are served at once: enough to keep the line busy."""
    return SERVED_AT_ONCE if rate_bps >= 14_400 else 4


def level(total: int, needs: list[int]) -> int:
    """The most that each may have in flight, in bytes, so that all together have `total` where they need it.

    `needs` are what each could have in flight at most; where all together need less than `total`, none is limited
    to less than that. A small message never has more in flight than itself: it leaves the rest to the large ones.
    """
    left, others = total, len(needs)
    for need in sorted(needs):
        if need * others > left:
            return left // others
        left -= need
        others -= 1
    return total
