"""Guessing passwords is slowed down, whatever the number of guessers."""

import pytest

from dialpost.flow import login_throttle
from dialpost.flow.login_throttle import LoginThrottle


@pytest.fixture
def clock():
    return [0.0]


@pytest.fixture
def throttle(clock):
    return LoginThrottle(3, 60, lambda: clock[0])


def test_it_waits_after_so_many_failures_from_the_last_on(throttle, clock):
    waits = []
    for clock[0] in (0.0, 10.0, 20.0):
        throttle.failed("a")
        waits.append(throttle.wait_s("a"))
    assert waits == [0.0, 0.0, 60.0]
    clock[0] = 79.0
    assert (throttle.wait_s("a"), throttle.wait_s("b")) == (1.0, 0.0)
    clock[0] = 80.0
    assert throttle.wait_s("a") == 0.0
    throttle.failed("a")
    assert throttle.wait_s("a") == 0.0


def test_a_right_login_wipes_failures(throttle):
    for _ in range(5):
        throttle.failed("a")
        throttle.failed("a")
        throttle.succeeded("a")
    assert throttle.wait_s("a") == 0.0


def test_memory_is_bounded_and_the_latest_are_kept(throttle, monkeypatch):
    monkeypatch.setattr(login_throttle, "MOST_ADDRESSES", 10)
    for number in range(100):
        for _ in range(3):
            throttle.failed(str(number))
    assert [number for number in range(100) if throttle.wait_s(str(number))] == list(range(90, 100))
