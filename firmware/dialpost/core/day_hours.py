"""Spans of the day: "22:00-06:30" passes midnight. Pure."""

from __future__ import annotations

from collections.abc import Iterable


def is_within(spans: Iterable[str], clock: str) -> bool:
    """Whether `clock` (HH:MM) is in one of the spans (HH:MM-HH:MM, the end excluded)."""
    return any(_covers(span, clock) for span in spans)


def _covers(span: str, clock: str) -> bool:
    start, _, end = span.partition("-")
    if start < end:
        return start <= clock < end
    return clock >= start or clock < end
