"""No more than the limit is with the kernel, whatever is written; all of it arrives, in order."""

from __future__ import annotations

import asyncio
import hashlib
import socket
from collections.abc import AsyncIterator
from typing import Any

import pytest

from dialpost.edge.mail.wire.connection import WRITE_HIGH_BYTES, Connection
from dialpost.edge.mail.wire.outlet import Room
from known import known

LIMIT = 3216
UNLIMITED = 1 << 30
CONTENT = b"".join(hashlib.sha256(bytes([n])).digest() for n in range(256)) * 8  # 64 kB, no two pages alike


class Receiver:
    """A peer whose TCP takes little before it reads, so that the rest can't be acknowledged."""

    def __init__(self) -> None:
        self.listener = socket.socket()
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2304)
        self.listener.bind(("127.0.0.1", 0))
        self.listener.listen()
        self.listener.setblocking(False)

    async def connect(self, limit: int) -> Connection:
        return await self.connect_with(lambda round_trip_s, has: limit - has)

    async def connect_with(self, room: Room) -> Connection:
        loop = asyncio.get_running_loop()
        self.ends: list[object] = []
        self.connection = connection = Connection(lambda data: None, self.ends.append, room)
        await loop.create_connection(lambda: connection, *self.listener.getsockname())
        self.peer, _ = await loop.sock_accept(self.listener)
        return connection

    async def read(self, most: int = 65_536) -> bytes:
        return await asyncio.wait_for(asyncio.get_running_loop().sock_recv(self.peer, most), 60)

    async def read_all(self) -> bytes:
        data = b""
        while piece := await self.read():
            data += piece
        return data


@pytest.fixture
async def receiver() -> AsyncIterator[Any]:
    made = Receiver()
    yield made
    made.connection.break_off("the test is over")
    made.listener.close()
    made.peer.close()
    await asyncio.sleep(0)  # the transport closes in the loop's next round


def in_flight(connection: Connection) -> int:
    return known(connection._outlet)._in_flight()


async def test_the_kernel_never_has_more_than_the_limit_and_all_arrives_in_order(receiver: Receiver) -> None:
    connection = await receiver.connect(LIMIT)
    rooms = []
    connection.when_writable(lambda: rooms.append(connection.unwritten))
    connection.write(CONTENT)
    assert not connection.is_writable
    most, got = 0, b""
    while len(got) < len(CONTENT):
        most = max(most, in_flight(connection))
        got += await receiver.read(1000)
    assert got == CONTENT
    assert 0 < most <= LIMIT
    assert connection.unwritten == 0 and connection.is_writable
    assert rooms and rooms[-1] == 0  # who waits for room has heard


async def test_without_a_limit_the_kernel_takes_what_it_can(receiver: Receiver) -> None:
    connection = await receiver.connect(UNLIMITED)
    connection.write(CONTENT)
    assert in_flight(connection) > 4 * LIMIT
    assert connection.is_writable or connection.unwritten >= WRITE_HIGH_BYTES


async def test_what_waits_still_goes_out_when_the_connection_is_closed_in_order(receiver: Receiver) -> None:
    connection = await receiver.connect(LIMIT)
    connection.write(CONTENT)
    connection.close()
    assert await receiver.read_all() == CONTENT


async def test_a_line_that_is_gone_leaves_nothing_that_still_looks(receiver: Receiver) -> None:
    connection = await receiver.connect(LIMIT)
    connection.write(CONTENT)
    connection.break_off("the line is down")
    assert receiver.ends == ["the line is down"]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert connection.unwritten == 0
    assert known(connection._outlet)._timer is None


async def test_the_limit_follows_the_line_while_content_goes(receiver: Receiver) -> None:
    limits = [LIMIT]
    round_trips: list[float] = []

    def room(round_trip_s: float, has: int) -> int:
        round_trips.append(round_trip_s)
        return limits[0] - has

    connection = await receiver.connect_with(room)
    connection.write(CONTENT)
    assert 0 < in_flight(connection) <= LIMIT
    limits[0] = 2 * LIMIT
    got, most = 0, 0
    while most <= LIMIT:  # more than before is in flight at some time, or this reads until all is there
        got += len(await receiver.read(500))
        most = max(most, in_flight(connection))
        assert got < len(CONTENT)
    limits[0] = UNLIMITED  # a line that is not limited takes all at once
    while connection._outlet is not None and connection._outlet.held:
        await receiver.read()
    assert min(round_trips) > 0


async def test_a_line_without_a_limit_is_full_when_the_kernel_is(receiver: Receiver) -> None:
    connection = await receiver.connect(UNLIMITED)
    connection.write(b"x")
    assert connection.is_writable
