"""Few are served at once, in the order they came; nobody waits for ever, nobody holds a turn they don't use."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from dialpost.flow.mail.incoming.line_turns import (
    PATIENCE_S,
    REST_S,
    STALLED_S,
    LineTurns,
)
from dialpost.flow.mail.incoming.line_windows import SMALL_BYTES
from fakes import FakePace, FakeWire, run_virtual


class Crowd:
    """Connections that come at once; `served` is the order in which they were."""

    def __init__(self, count: int, *, at_once: int = 2, last_sign_s: Callable[..., Any] = lambda: None) -> None:
        self.turns = LineTurns(last_sign_s, FakePace(), served_at_once=at_once)
        self.served: list[int] = []
        self.turn_of: dict[int, Any] = {}
        self.tasks = [asyncio.create_task(self._come(number)) for number in range(count)]

    async def _come(self, number: int) -> None:
        self.turn_of[number] = await self.turns.turn()
        self.served.append(number)

    def works(self, number: int, declared_bytes: int) -> None:
        self.turn_of[number].works(declared_bytes, FakeWire())

    async def leave(self, *numbers: int) -> None:
        for number in numbers:
            self.turn_of[number].done()
        await self.settle()

    async def settle(self) -> None:
        for _ in range(5):
            await asyncio.sleep(0)


def test_few_are_served_and_each_end_lets_in_the_next_in_line() -> None:
    async def scene() -> None:
        busy = asyncio.get_running_loop().time
        crowd = Crowd(6, last_sign_s=busy)
        await crowd.settle()
        assert crowd.served == [0, 1] and crowd.turns.waiting == 4
        crowd.turn_of[1].done()
        await crowd.settle()
        assert crowd.served == [0, 1, 2]
        crowd.turn_of[0].done()
        crowd.turn_of[2].done()
        await crowd.settle()
        assert crowd.served == [0, 1, 2, 3, 4]

    run_virtual(scene())


def test_who_rests_between_messages_gives_the_turn_up_and_takes_it_back_without_waiting() -> None:
    async def scene() -> None:
        busy = asyncio.get_running_loop().time
        crowd = Crowd(3, at_once=1, last_sign_s=busy)
        await crowd.settle()
        first = crowd.turn_of[0]
        first.rests()
        await asyncio.sleep(REST_S / 2)
        crowd.works(0, 0)
        await asyncio.sleep(REST_S * 2)
        assert crowd.served == [0]  # the next message came soon enough
        first.rests()
        await asyncio.sleep(REST_S * 1.5)
        assert crowd.served == [0, 1]
        crowd.works(0, 0)
        assert crowd.turns.served == 2
        first.done()
        await crowd.settle()
        assert crowd.served == [0, 1]  # one is still served
        crowd.turn_of[1].done()
        await crowd.settle()
        assert crowd.served == [0, 1, 2]
        crowd.turn_of[2].done()
        assert crowd.turns.served == 0

    run_virtual(scene())


def test_four_small_messages_take_three_turns() -> None:
    async def scene() -> None:
        crowd = Crowd(6, at_once=3, last_sign_s=asyncio.get_running_loop().time)
        await crowd.settle()
        assert crowd.served == [0, 1, 2]
        for number in range(3):
            crowd.works(number, SMALL_BYTES)
        await crowd.settle()
        assert crowd.served == [0, 1, 2]  # what is left is less than a turn
        await crowd.leave(0, 1, 2)
        assert crowd.served == [0, 1, 2, 3, 4, 5]
        for number in (3, 4):
            crowd.works(number, SMALL_BYTES)
        crowd.works(5, SMALL_BYTES + 1)  # a large one
        assert crowd.turns.served == 2.5

    run_virtual(scene())


def test_a_fourth_is_let_in_when_four_small_ones_fill_three_turns() -> None:
    async def scene() -> None:
        crowd = Crowd(5, at_once=4, last_sign_s=asyncio.get_running_loop().time)
        await crowd.settle()
        assert crowd.served == [0, 1, 2, 3]
        for number in range(4):
            crowd.works(number, 1)
        await crowd.settle()
        assert crowd.served == [0, 1, 2, 3, 4]

    run_virtual(scene())


def test_who_works_has_a_share_of_the_line_until_it_rests_or_leaves() -> None:
    async def scene() -> None:
        pace = FakePace(6000)
        turns = LineTurns(lambda: None, pace, served_at_once=2)
        first, second = await turns.turn(), await turns.turn()
        wires = FakeWire(), FakeWire()
        first.works(0, wires[0])
        second.works(0, wires[1])
        assert [wire.windows[-1] for wire in wires] == [3000, 3000]
        first.rests()
        first.done()
        assert wires[1].windows[-1] == 6000
        second.done()
        assert pace.given[-1] == 0

    run_virtual(scene())


def test_one_more_is_let_in_when_those_served_leave_the_line_idle() -> None:
    async def scene() -> None:
        crowd = Crowd(3, at_once=1)
        await asyncio.sleep(STALLED_S * 1.6)
        assert crowd.served == [0, 1]
        await asyncio.sleep(STALLED_S * 1.6)
        assert crowd.served == [0, 1, 2]

    run_virtual(scene())


def test_nobody_waits_longer_than_senders_do() -> None:
    async def scene() -> None:
        crowd = Crowd(5, at_once=1, last_sign_s=asyncio.get_running_loop().time)
        await asyncio.sleep(PATIENCE_S - 1)
        assert crowd.served == [0]
        await asyncio.sleep(2)
        assert sorted(crowd.served) == [0, 1, 2, 3, 4]

    run_virtual(scene())


@pytest.mark.parametrize("called_first", [False, True])
def test_who_leaves_while_waiting_takes_no_turn(called_first: bool) -> None:
    async def scene() -> None:
        crowd = Crowd(3, at_once=1, last_sign_s=asyncio.get_running_loop().time)
        await crowd.settle()
        if called_first:  # its turn comes in the same moment
            crowd.turn_of[0].done()
        crowd.tasks[1].cancel()
        if not called_first:
            await crowd.settle()
            crowd.turn_of[0].done()
        await crowd.settle()
        assert crowd.served == [0, 2]
        assert crowd.turns.served == 1 and crowd.turns.waiting == 0

    run_virtual(scene())
