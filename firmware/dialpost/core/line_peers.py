"""The line as mail sees it: which interfaces belong to it, and how many connections are served on it at once.

Imports nothing, because root's script loads it while the line is being paid for (edge/line/ppp/session).
"""

from __future__ import annotations

LINE_INTERFACES = "ppp"
"""The prefix of the line's interface names: only pppd's begin with it."""
OWN_INTERFACE = "lo"

SERVED_AT_ONCE = 6
"""Connections of the provider that are served at the same time on a line of 14.4 kbit/s or more."""


def is_line(interface: str) -> bool:
    """Whether it belongs to a dialled line, which only the provider can use."""
    return interface.startswith(LINE_INTERFACES)


def served_at_once(rate_bps: int) -> int:
    """How many of the provider's connections are served at once: enough to keep the line busy."""
    return SERVED_AT_ONCE if rate_bps >= 14_400 else 3
