"""Slowing down who tries names."""

import pytest

from dialpost.flow.mail.incoming import refusal_pace
from dialpost.flow.mail.incoming.refusal_pace import RefusalPace


class Clock:
    now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


def test_the_first_few_are_free_then_each_waits_longer_up_to_a_limit() -> None:
    pace = RefusalPace(Clock())
    waits = [pace.refused("192.0.2.1") for _ in range(40)]
    assert waits[:10] == [0.0] * 10
    assert waits[10:13] == [0.25, 0.5, 0.75]
    assert waits == sorted(waits) and waits[-1] == 5.0


def test_another_connection_of_the_same_host_begins_where_the_first_ended() -> None:
    pace = RefusalPace(Clock())
    for number in range(10):
        pace.refused(f"2001:db8::{number:x}")
    assert pace.refused("2001:db8::ffff") > 0
    assert pace.refused("2001:db8:0:1::1") == 0.0


def test_a_quiet_time_wipes_the_slate() -> None:
    clock = Clock()
    pace = RefusalPace(clock)
    for _ in range(30):
        pace.refused("192.0.2.1")
    clock.now_s += 601
    assert pace.refused("192.0.2.1") == 0.0


def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(refusal_pace, "MOST_REMEMBERED", 3)
    pace = RefusalPace(Clock())
    for number in range(100):
        pace.refused(f"192.0.2.{number}")
    assert len(pace._by_host) == 3
