"""Room in a mailbox while several messages come in: what is reserved counts from the moment it is given."""

from __future__ import annotations

import asyncio

from dialpost.flow.mail.incoming.mailbox_room import Place, Rooms
from fakes import run_virtual


def test_two_that_ask_at_the_same_moment_do_not_get_the_same_room() -> None:
    async def measure(account: str) -> int:
        await asyncio.sleep(0.01)  # the card is asked: others come in meanwhile
        return 0

    async def scene() -> None:
        rooms = Rooms(lambda account: 100_000, measure, measure)
        places = [Place(rooms, (("anna",),)) for _ in range(3)]
        granted = await asyncio.gather(*(place.resize(60_000) for place in places))
        assert granted == [True, False, False]
        assert rooms.expected_bytes == 60_000

    run_virtual(scene())
