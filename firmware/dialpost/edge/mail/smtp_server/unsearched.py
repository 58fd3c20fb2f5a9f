"""Hides attributes from the search in aiosmtpd's constructor.

For each connection the constructor searches all attributes of connection and handler for its own kind of commands,
logins and hooks. There are none (`session` has a table of its commands), and the search took a fifth of a session's
time.
"""

from __future__ import annotations


class Unsearched:
    """Shows no attributes to a search; they work nevertheless."""

    def __dir__(self) -> tuple[str, ...]:
        return ()


NO_HANDLER = Unsearched()
"""For aiosmtpd, which wants one. Nothing ever calls it."""
