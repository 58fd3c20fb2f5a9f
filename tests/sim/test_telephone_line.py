"""One direction of the simulated line keeps its rate however late it is looked at."""

from __future__ import annotations

import pytest

from dialpost.sim.telephone_line import CHUNK_BYTES, Direction, TelephoneSettings

CHUNK_S = 0.25


@pytest.fixture
def arrived() -> bytearray:
    return bytearray()


@pytest.fixture
def direction(arrived: bytearray) -> Direction:
    settings = TelephoneSettings(rate_bps=int(CHUNK_BYTES * 8 / CHUNK_S), rtt_s=0.0)
    return Direction(settings, arrived.extend, "up")


def test_a_line_that_is_looked_at_late_was_not_idle_meanwhile(direction: Direction, arrived: bytearray) -> None:
    direction.take(bytes(5 * CHUNK_BYTES))
    direction.step(1.0)
    assert not arrived
    direction.step(1.0 + 3.5 * CHUNK_S)
    assert len(arrived) == 3 * CHUNK_BYTES
    direction.step(1.0 + 5 * CHUNK_S)
    assert len(arrived) == 5 * CHUNK_BYTES


def test_a_line_that_was_idle_saves_nothing_up(direction: Direction, arrived: bytearray) -> None:
    direction.take(bytes(CHUNK_BYTES))
    direction.step(1.0)
    direction.step(9.0)
    direction.take(bytes(2 * CHUNK_BYTES))
    direction.step(9.0)
    direction.step(9.0 + CHUNK_S)
    assert len(arrived) == 2 * CHUNK_BYTES
    direction.take(bytes(CHUNK_BYTES))
    direction.step(9.0 + 2 * CHUNK_S)
    assert len(arrived) == 3 * CHUNK_BYTES
    direction.step(9.0 + 3 * CHUNK_S)
    assert len(arrived) == 4 * CHUNK_BYTES
