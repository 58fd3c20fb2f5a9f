"""However many connections there are, together they have in flight what the line takes."""

import asyncio

from dialpost.flow.mail.incoming.line_windows import (
    COMES_S,
    ENVELOPE_BYTES,
    LEAST_BYTES,
    RESTS_S,
    SHARE_S,
    SMALL_BYTES,
    LineWindows,
)
from fakes import FakePace, FakeWire, run_virtual


def test_one_connection_has_the_line_to_itself_and_shares_it_when_another_comes() -> None:
    async def scene() -> None:
        pace = FakePace(8000)
        windows, one, other = LineWindows(pace), FakeWire(0.2), FakeWire(0.3)
        windows.works("one", one, 0)
        assert (one.windows, pace.given) == ([8000], [8000])
        windows.works("other", other, 80_000)
        assert (one.windows, other.windows, pace.given) == ([8000, 4000], [4000], [8000, 8000])
        windows.done("one")
        assert (one.windows[-1], other.windows[-1]) == (4000, 8000)
        windows.done("other")
        assert pace.given[-1] == 0
        assert {*pace.round_trips} == {0.2, 0.3}

    run_virtual(scene())


def test_a_small_message_leaves_what_it_does_not_need() -> None:
    async def scene() -> None:
        pace = FakePace(8000)
        windows, small, large = LineWindows(pace), FakeWire(), FakeWire()
        windows.works("small", small, 1700)
        assert pace.given == [1700 + ENVELOPE_BYTES]
        windows.works("large", large, 0)
        assert large.windows == [6000]
        assert pace.given[-1] == 8000

    run_virtual(scene())


def test_small_messages_alone_go_out_in_one_flight() -> None:
    """Their senders wait for replies in between, so the line is never as full as the sum says."""

    async def scene() -> None:
        windows, one, other = LineWindows(FakePace(2400)), FakeWire(), FakeWire()
        windows.works("one", one, SMALL_BYTES)
        windows.works("other", other, 1700)
        assert one.windows[-1] == other.windows[-1] == 4800 - 1700 - ENVELOPE_BYTES
        windows.works("other", other, SMALL_BYTES + 1)
        assert one.windows[-1] == other.windows[-1] == 1200

    run_virtual(scene())


def test_small_messages_count_for_no_more_than_the_line_takes() -> None:
    async def scene() -> None:
        pace = FakePace(2400)
        windows = LineWindows(pace)
        for number in range(3):
            windows.works(number, FakeWire(), 1700)
        assert pace.given == [1700 + ENVELOPE_BYTES, 2400, 2400]

    run_virtual(scene())


def test_a_connection_counts_from_its_greeting_but_not_for_ever() -> None:
    async def scene() -> None:
        pace = FakePace(8000)
        windows, wire = LineWindows(pace), FakeWire()
        windows.comes("one")
        assert pace.given == [ENVELOPE_BYTES]
        await asyncio.sleep(COMES_S + SHARE_S)
        assert pace.given[-1] == 0
        windows.comes("one")
        windows.works("one", wire, 0)
        assert (wire.windows, pace.given[-1]) == ([8000], 8000)

    run_virtual(scene())


def test_no_window_is_less_than_the_kernel_takes_and_the_sum_is_told() -> None:
    async def scene() -> None:
        pace = FakePace(2400)
        windows, wires = LineWindows(pace), [FakeWire() for _ in range(6)]
        for number, wire in enumerate(wires):
            windows.works(number, wire, 0)
        assert [wire.windows[-1] for wire in wires] == [LEAST_BYTES] * 6
        assert pace.given[-1] == 6 * LEAST_BYTES

    run_virtual(scene())


def test_it_follows_the_line_each_second_while_a_message_lasts_and_no_longer() -> None:
    async def scene() -> None:
        pace = FakePace(8000)
        windows, wire = LineWindows(pace), FakeWire()
        windows.works("one", wire, 0)
        pace.total = 3000
        await asyncio.sleep(SHARE_S * 1.5)
        assert wire.windows == [8000, 3000]
        windows.done("one")
        pace.total = 5000
        await asyncio.sleep(SHARE_S * 3)
        assert wire.windows == [8000, 3000]

    run_virtual(scene())


def test_a_connection_that_rests_keeps_a_share_for_a_moment() -> None:
    async def scene() -> None:
        pace = FakePace(8000)
        windows, one, other = LineWindows(pace), FakeWire(), FakeWire()
        windows.works("one", one, 0)
        windows.works("other", other, 0)
        windows.rests("one")
        windows.works("other", other, 0)
        assert other.windows[-1] == 8000 - LEAST_BYTES, "it begins its next message with commands"
        windows.works("one", one, 0)
        assert other.windows[-1] == 4000
        windows.rests("one")
        windows.rests("other")
        assert pace.given[-1] == 8000
        await asyncio.sleep(RESTS_S + SHARE_S)
        assert pace.given[-1] == 0
        told = len(pace.given)
        await asyncio.sleep(SHARE_S * 3)
        assert len(pace.given) == told

    run_virtual(scene())


def test_where_nothing_is_limited_the_kernel_decides() -> None:
    async def scene() -> None:
        windows, wire = LineWindows(FakePace(0)), FakeWire()
        windows.works("one", wire, 0)
        await asyncio.sleep(SHARE_S * 2)
        assert wire.windows == []

    run_virtual(scene())


def test_who_leaves_twice_or_never_worked_is_no_fault() -> None:
    async def scene() -> None:
        pace = FakePace(8000)
        windows = LineWindows(pace)
        windows.rests("nobody")
        windows.done("nobody")
        assert pace.given == []

    run_virtual(scene())
