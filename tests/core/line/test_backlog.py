"""What waits grows with what the kernel handed over, and shrinks as the line carries it."""

from __future__ import annotations

import pytest

from dialpost.core.line.backlog import BELIEVED, LATE_S, MOST_S, Backlog

RATE = 8000  # a thousand bytes a second


def test_it_counts_from_nothing_and_never_below() -> None:
    backlog = Backlog(RATE)
    assert backlog.waits_s(5.0, 90_000) == 0, "what crossed before is not known to wait"
    assert backlog.waits_s(5.0, 90_490) == pytest.approx(0.49 / BELIEVED)
    assert backlog.waits_s(5.25, 90_490) == pytest.approx(0.49 / BELIEVED - 0.25)
    assert backlog.waits_s(9.0, 90_490) == 0
    assert backlog.waits_s(9.0, 90_980) == pytest.approx(0.5), "an idle line saves nothing up"


def test_counts_that_were_reset_hand_over_nothing() -> None:
    backlog = Backlog(RATE)
    backlog.waits_s(0.0, 1000)
    assert backlog.waits_s(0.0, 10) == 0
    assert backlog.waits_s(0.0, 990) == pytest.approx(0.98 / BELIEVED)


def test_what_was_handed_over_long_ago_has_been_carried() -> None:
    backlog = Backlog(RATE)
    backlog.waits_s(0.0, 0)
    assert backlog.waits_s(100.0, 95_000) == 0
    assert backlog.waits_s(101.0, 95_000 + 1470) == pytest.approx(0.5)


def test_what_was_handed_over_since_a_moment_ago_may_have_come_just_now() -> None:
    backlog = Backlog(RATE)
    backlog.waits_s(0.0, 0)
    assert backlog.waits_s(LATE_S, 490) == pytest.approx(0.5)
    backlog.waits_s(9.0, 490)
    assert backlog.waits_s(9.0 + 2 * LATE_S, 980) == pytest.approx(0.5 - 2 * LATE_S)


def test_a_line_that_carries_more_than_it_says_is_not_believed_to_hold_it_all() -> None:
    backlog = Backlog(RATE)
    for second in range(100):
        backlog.waits_s(float(second), 2000 * second)
    assert backlog.waits_s(99.0, 2000 * 99) == pytest.approx(MOST_S)
