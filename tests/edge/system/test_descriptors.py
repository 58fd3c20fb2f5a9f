"""Where the system gives no more file descriptors: fewer connections, one line in the log, room made."""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import resource
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from dialpost.edge.system import descriptors
from dialpost.edge.system.descriptors import Shortage

NOFILE = resource.RLIMIT_NOFILE


@pytest.fixture
def limit() -> Iterator[None]:
    """The test may change the limit."""
    before = resource.getrlimit(NOFILE)
    yield
    resource.setrlimit(NOFILE, before)


@pytest.mark.parametrize(("most", "wanted", "got"), [(64, 100, 12), (8, 100, 4), (1024, 100, 100), (1024, 2, 2)])
def test_connections_are_as_many_as_there_are_descriptors_for(
    monkeypatch: pytest.MonkeyPatch, most: int, wanted: int, got: int
) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda kind: (most, most))
    assert descriptors.connections_for(wanted) == got


def test_all_that_may_be_had_is_taken(limit: None) -> None:
    _, hard = resource.getrlimit(NOFILE)
    resource.setrlimit(NOFILE, (min(512, hard), hard))
    descriptors.take_all()
    assert resource.getrlimit(NOFILE) == (hard, hard)


async def test_a_listener_without_descriptors_tells_once_makes_room_and_goes_on(
    limit: None, caplog: pytest.LogCaptureFixture
) -> None:
    loop = asyncio.get_running_loop()
    listening = socket.create_server(("127.0.0.1", 0))
    clients = [socket.socket() for _ in range(3)]
    for client in clients:
        client.setblocking(False)
        await loop.sock_connect(client, listening.getsockname())
    listening.setblocking(False)
    taken: list[int] = []
    served = asyncio.Event()

    def make_room() -> None:
        while taken:
            os.close(taken.pop())

    class Served(asyncio.Protocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            transport.close()
            served.set()

    loop.set_exception_handler(Shortage(make_room))
    resource.setrlimit(NOFILE, (len(list(Path("/proc/self/fd").iterdir())) + 10, resource.getrlimit(NOFILE)[1]))
    try:
        while True:
            taken.append(os.open("/dev/null", os.O_RDONLY))
    except OSError as error:
        assert error.errno == errno.EMFILE
    server = await loop.create_server(Served, sock=listening)
    try:
        async with asyncio.timeout(60):
            await served.wait()
    finally:
        make_room()
        server.close()
        for client in clients:
            client.close()
        loop.set_exception_handler(None)
    told = [record for record in caplog.records if record.levelno >= logging.ERROR]
    assert [record.getMessage() for record in told] == [
        "connections: the system gives no more: [Errno 24] Too many open files"
    ]
    assert [record.exc_info for record in told] == [None]
