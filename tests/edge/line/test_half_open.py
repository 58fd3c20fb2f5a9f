"""Connections of a lost line: kept half open, and reset when the next line is up."""

import asyncio
import socket
from collections.abc import Iterator

import pytest

from dialpost.core.line.ppp.events import PppUp
from dialpost.edge.line import half_open
from dialpost.edge.line.half_open import HalfOpen

UP = PppUp("ppp0", "10.0.0.2", "10.0.0.1")


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    """A connection: our end, and the provider's."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        theirs = socket.create_connection(listener.getsockname())
        ours, _ = listener.accept()
        with ours, theirs:
            theirs.settimeout(60)
            yield ours, theirs


def test_the_provider_hears_nothing_until_the_line_is_up_again_and_then_that_it_is_dead(
    pair: tuple[socket.socket, socket.socket],
) -> None:
    ours, theirs = pair
    kept = HalfOpen()
    kept.keep(ours)
    ours.close()
    theirs.settimeout(0.1)
    with pytest.raises(TimeoutError):
        theirs.recv(10)  # no end, no reset
    theirs.sendall(b"250 what it was about to say")  # the kernel still takes it
    kept.line_down()
    assert len(kept) == 1
    kept.line_up(UP)
    assert len(kept) == 0
    theirs.settimeout(60)
    with pytest.raises(ConnectionResetError):
        theirs.recv(10)


async def test_the_socket_of_an_asyncio_transport_is_kept_over_its_abort(
    pair: tuple[socket.socket, socket.socket],
) -> None:
    ours, theirs = pair
    kept = HalfOpen()
    transport, _ = await asyncio.get_running_loop().connect_accepted_socket(asyncio.Protocol, ours)
    kept.keep(transport.get_extra_info("socket"))
    transport.abort()
    await asyncio.sleep(0.05)
    theirs.setblocking(False)
    with pytest.raises(BlockingIOError):
        theirs.recv(10)
    kept.close()
    theirs.settimeout(60)
    with pytest.raises(ConnectionResetError):
        theirs.recv(10)


def test_the_oldest_make_room_and_a_socket_that_is_closed_already_does_no_harm(
    pair: tuple[socket.socket, socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(half_open, "MOST", 2)
    ours, theirs = pair
    kept = HalfOpen()
    for _ in range(3):
        kept.keep(ours)
    assert len(kept) == 2
    ours.close()
    kept.keep(ours)
    assert len(kept) == 2
    kept.close()
    with pytest.raises(ConnectionResetError):
        theirs.recv(10)
