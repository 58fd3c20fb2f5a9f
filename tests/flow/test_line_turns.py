"""Few are served at once, in the order they came; nobody waits for ever, nobody holds a turn they don't use."""

import asyncio

import pytest

from dialpost.flow.line_turns import PATIENCE_S, REST_S, SMALL_BYTES, STALLED_S, LineTurns
from fakes import run_virtual


class Crowd:
    """Connections that come at once; `served` is the order in which they were."""

    def __init__(self, count, *, at_once=2, last_sign_s=lambda: None):
        self.turns = LineTurns(last_sign_s, served_at_once=at_once)
        self.served = []
        self.turn_of = {}
        self.tasks = [asyncio.create_task(self._come(number)) for number in range(count)]

    async def _come(self, number):
        self.turn_of[number] = await self.turns.turn()
        self.served.append(number)

    async def settle(self):
        for _ in range(5):
            await asyncio.sleep(0)


def test_few_are_served_and_each_end_lets_in_the_next_in_line():
    async def scene():
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


def test_who_rests_between_messages_gives_the_turn_up_and_takes_it_back_without_waiting():
    async def scene():
        busy = asyncio.get_running_loop().time
        crowd = Crowd(3, at_once=1, last_sign_s=busy)
        await crowd.settle()
        first = crowd.turn_of[0]
        first.rests()
        await asyncio.sleep(REST_S / 2)
        first.works(0)
        await asyncio.sleep(REST_S * 2)
        assert crowd.served == [0]  # the next message came soon enough
        first.rests()
        await asyncio.sleep(REST_S * 1.5)
        assert crowd.served == [0, 1]
        first.works(0)
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


def test_a_small_message_takes_half_a_turn():
    async def scene():
        crowd = Crowd(5, at_once=2, last_sign_s=asyncio.get_running_loop().time)
        await crowd.settle()
        crowd.turn_of[0].works(SMALL_BYTES)
        await crowd.settle()
        assert crowd.served == [0, 1]  # half a turn is none
        crowd.turn_of[1].works(1)
        await crowd.settle()
        assert crowd.served == [0, 1, 2]
        crowd.turn_of[0].works(SMALL_BYTES + 1)  # the next one is large
        crowd.turn_of[2].works(10)
        await crowd.settle()
        assert crowd.served == [0, 1, 2]
        for number in range(3):
            crowd.turn_of[number].done()
        await crowd.settle()
        assert crowd.served == [0, 1, 2, 3, 4]

    run_virtual(scene())


def test_one_more_is_let_in_when_those_served_leave_the_line_idle():
    async def scene():
        crowd = Crowd(3, at_once=1)
        await asyncio.sleep(STALLED_S * 1.6)
        assert crowd.served == [0, 1]
        await asyncio.sleep(STALLED_S * 1.6)
        assert crowd.served == [0, 1, 2]

    run_virtual(scene())


def test_nobody_waits_longer_than_senders_do():
    async def scene():
        crowd = Crowd(5, at_once=1, last_sign_s=asyncio.get_running_loop().time)
        await asyncio.sleep(PATIENCE_S - 1)
        assert crowd.served == [0]
        await asyncio.sleep(2)
        assert sorted(crowd.served) == [0, 1, 2, 3, 4]

    run_virtual(scene())


@pytest.mark.parametrize("called_first", [False, True])
def test_who_leaves_while_waiting_takes_no_turn(called_first):
    async def scene():
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
