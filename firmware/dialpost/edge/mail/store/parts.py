"""What the parts of the store (`Store.many`, `Store.boxes`) need of its threads."""

from __future__ import annotations

import sqlite3
from collections.abc import Awaitable, Callable
from typing import Protocol, TypeVar

from dialpost.edge.mail.store.writer import Change

_T = TypeVar("_T")


class Ask(Protocol):
    def __call__(self, query: Callable[[sqlite3.Connection], _T], /) -> Awaitable[_T]:
        """Run a query in the reader thread."""


class Make(Protocol):
    def __call__(self, change: Change[_T], /) -> Awaitable[_T]:
        """Make a change in the writer thread."""
