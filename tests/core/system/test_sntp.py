"""Which answers of a time server are believed, and what they tell."""

import struct
from typing import Any

import pytest

from cases import cases
from dialpost.core.system.sntp import PACKET_BYTES, ClockOffset, answer, question

COOKIE = 0x0123456789ABCDEF
NOW = 1_800_000_000.0
NOT_BEFORE = 1_793_491_200.0


def packet(
    *,
    mode: int = 4,
    leap: int = 0,
    stratum: int = 2,
    cookie: int = COOKIE,
    came_s: float = NOW,
    left_s: float = NOW,
    reference: bytes = b"LOCL",
) -> bytes:
    def stamp(seconds: float) -> int:
        return int((seconds + 2_208_988_800) * 2**32) % 2**64

    head = struct.pack("!BBbb8x4s8x", leap << 6 | 4 << 3 | mode, stratum, 0, 0, reference)
    return head + struct.pack("!QQQ", cookie, stamp(came_s), stamp(left_s))


def with_delay(data: bytes) -> bytes:
    """The fields in front of the reference are not all zero."""
    return data[:8] + b"xxxx" + data[12:]


def told(data: bytes, *, sent_s: float = 0.0, trip_s: float = 0.2) -> ClockOffset:
    return answer(data, COOKIE, sent_s, trip_s, not_before_s=NOT_BEFORE)


def test_the_question_tells_nothing_but_the_cookie() -> None:
    asked = question(COOKIE)
    assert len(asked) == PACKET_BYTES and asked[0] == 0x23
    assert asked[1:40] == bytes(39) and asked[40:] == COOKIE.to_bytes(8, "big")


def test_a_clock_of_1970_is_moved_to_now() -> None:
    found = told(packet())
    assert found.offset_s == pytest.approx(NOW + 0.1 - 0.2, abs=1e-3)
    assert found.round_trip_s == pytest.approx(0.2, abs=1e-3)


def test_time_spent_at_the_server_is_not_on_the_way() -> None:
    found = told(packet(came_s=NOW - 0.15, left_s=NOW), sent_s=NOW - 0.2)
    assert found.round_trip_s == pytest.approx(0.05, abs=1e-3)
    assert found.offset_s == pytest.approx(0.025, abs=1e-3)


def test_after_2036_seconds_begin_again() -> None:
    later = 2_100_000_000.0
    assert told(packet(came_s=later, left_s=later), sent_s=later - 0.1).offset_s == pytest.approx(0.0, abs=0.1)


@cases(
    ("data", "why"),
    [
        (b"", "short"),
        (packet()[:-1], "short"),
        (packet(cookie=1), "question"),
        (packet(mode=3), "server"),
        (packet(mode=5), "server"),
        (with_delay(packet(stratum=0, reference=b"RATE")), r"\(RATE\)"),
        (packet(stratum=16), "itself"),
        (packet(leap=3), "itself"),
        (packet(came_s=NOW + 100), "sense"),
        (packet(came_s=NOW - 100), "sense"),
        (packet(came_s=NOT_BEFORE - 10, left_s=NOT_BEFORE - 10), "past"),
        (packet(came_s=NOT_BEFORE - 1.8e9, left_s=NOT_BEFORE - 1.8e9), "past"),
        (packet()[:32] + bytes(16), "no time"),
    ],
)
def test_what_is_not_believed(data: bytes, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        told(data)


def test_an_answer_that_was_too_long_on_the_way_is_not_used() -> None:
    with pytest.raises(ValueError, match="sense"):
        told(packet(), trip_s=61.0)


@cases(
    ("changes", "trip_s", "believed"),
    [
        ({"stratum": 1}, 0.25, True),
        ({"stratum": 15}, 0.25, True),
        ({"leap": 2}, 0.25, True),
        ({"came_s": NOW - 1.25}, 0.25, True),  # a second of doubt about its own two times
        ({"came_s": NOW - 1.5}, 0.25, False),
        ({"came_s": NOW + 0.5}, 0.25, False),
        ({"came_s": 10.0}, 0.25, False),  # in 1970
        ({}, 60.0, True),
        ({}, 60.5, False),
        ({"came_s": NOT_BEFORE, "left_s": NOT_BEFORE}, 0.25, True),
        ({"came_s": NOT_BEFORE - 1, "left_s": NOT_BEFORE - 1}, 0.25, False),
    ],
)
def test_what_is_just_believed(changes: dict[str, Any], trip_s: float, believed: bool) -> None:
    if believed:
        assert told(packet(**changes), trip_s=trip_s).stratum == changes.get("stratum", 2)
    else:
        with pytest.raises(ValueError, match=r"sense|past"):
            told(packet(**changes), trip_s=trip_s)


def test_an_answer_without_one_of_its_times_tells_none() -> None:
    data = packet()
    for without in (data[:32] + bytes(8) + data[40:], data[:40] + bytes(8)):
        with pytest.raises(ValueError, match="no time"):
            told(without)


def test_more_than_a_packet_is_as_good_and_a_refusal_is_quoted() -> None:
    assert told(packet() + b"more").stratum == 2
    with pytest.raises(ValueError, match=r"refuses \(DENY\)"):
        told(packet(stratum=0, reference=b"DENY"))
    with pytest.raises(ValueError, match=r"refuses \(X\)"):
        told(packet(stratum=0, reference=b"X\0\0\0"))


def test_the_way_there_and_back_is_never_less_than_nothing() -> None:
    found = told(packet(came_s=NOW - 1.0), sent_s=NOW - 0.5, trip_s=0.5)
    assert (found.round_trip_s, found.offset_s) == (0.0, 0.0)
