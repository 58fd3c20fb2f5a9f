"""Connections of a lost line: kept half open, and reset when the next line is up."""

import asyncio
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from dialpost.core.line.ppp.events import PppUp
from dialpost.edge.line import half_open
from dialpost.edge.line.half_open import HalfOpen, being_opened

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


TABLE = """\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 00000000:0019 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 19005 1
   1: 0200000A:0019 0100000A:C362 03 00000000:00000000 01:0000009E 00000001     0        0 0 1
   2: 0200000A:0019 0100000A:C363 01 00000000:00000000 02:000AFAF3 00000000     0        0 19010 1
   3: 0100007F:0019 0100007F:C364 03 00000000:00000000 01:0000009E 00000001     0        0 0 1
   4: 0000000000000000FFFF00000200000A:0019 0000000000000000FFFF00000100000A:C365 03 00000000:00000000 01:1 1 0 0 0
   torn
"""


def test_connections_being_opened_are_counted_when_the_line_goes_down(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = tmp_path / "tcp"
    monkeypatch.setattr(half_open, "_TABLES", (table, tmp_path / "none"))
    kept = HalfOpen()
    kept.line_down()
    assert kept.opening == 0, "it was never up"
    kept.line_up(UP)
    table.write_text(TABLE if sys.byteorder == "little" else "")
    kept.line_down()
    assert kept.opening == (2 if sys.byteorder == "little" else 0)
    kept.line_up(UP)
    assert kept.opening == 0


def test_the_kernels_own_table_is_understood() -> None:
    """A listener's row is as one of a connection, but for its state."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listener:
        rows = Path("/proc/net/tcp").read_text("ascii").splitlines()
        port = f":{listener.getsockname()[1]:04X}"
        mine = [row.replace(" 0A ", " 03 ") for row in rows if port in row]
        assert being_opened("127.0.0.1", mine) == 1
        assert being_opened("127.0.0.2", mine) == 0
