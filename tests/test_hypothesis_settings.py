"""Tests that Hypothesis feeds pass whatever else the machine does, and fail the same way twice."""

from __future__ import annotations

from hypothesis import HealthCheck, settings


def test_no_input_has_a_limit_of_time_and_each_run_has_the_same() -> None:
    default = settings()
    assert default.deadline is None
    assert default.derandomize and default.database is None
    assert HealthCheck.too_slow in default.suppress_health_check
