"""What a test knows of a value and its type does not say. A test that is wrong there fails on the spot."""

from __future__ import annotations

from typing import TypeVar

T = TypeVar("T")


def known(value: T | None) -> T:
    """The value, which is there."""
    assert value is not None
    return value


def is_a(kind: type[T], value: object) -> T:
    """The value, which is one of these."""
    assert isinstance(value, kind), value
    return value
