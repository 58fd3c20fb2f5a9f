"""Asking a time server on loopback: an answer, none, a wrong one, nobody there."""

from __future__ import annotations

import asyncio
import struct
import time
from collections.abc import Callable
from typing import Any, cast

import pytest

from dialpost.edge.system.sntp_client import ask


class Server(asyncio.DatagramProtocol):
    """Answers as `reply` says: a function of the question, giving packets."""

    def __init__(self, reply: Callable[..., Any]) -> None:
        self._reply, self.asked = reply, 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)  # no subclass of it in Python 3.11

    def datagram_received(self, data: bytes, address: tuple[str, int]) -> None:
        self.asked += 1
        for packet in self._reply(data):
            self._transport.sendto(packet, address)


def right(data: bytes, *, off_s: float = 0.0, stratum: int = 1) -> bytes:
    now = int((time.time() + off_s + 2_208_988_800) * 2**32)
    return struct.pack("!BBbb20x", 0x24, stratum, 0, 0) + data[40:48] + struct.pack("!QQ", now, now)


async def serve(reply: Callable[..., Any]) -> tuple[asyncio.DatagramTransport, Server, int]:
    transport, server = await asyncio.get_running_loop().create_datagram_endpoint(
        lambda: Server(reply), local_addr=("127.0.0.1", 0)
    )
    return transport, server, transport.get_extra_info("sockname")[1]


async def test_the_offset_is_reported() -> None:
    transport, _, port = await serve(lambda data: [right(data, off_s=1000.0)])
    found = await ask("127.0.0.1", not_before_s=1.0, port=port)
    assert found.offset_s == pytest.approx(1000.0, abs=60.0)  # a pause of the machine is no offset
    transport.close()


async def test_a_lost_question_is_asked_again() -> None:
    seen = []
    transport, server, port = await serve(lambda data: seen.append(1) or ([right(data)] if len(seen) > 1 else []))
    assert (await ask("127.0.0.1", not_before_s=1.0, port=port, try_s=0.2)).stratum == 1
    assert server.asked >= 2
    transport.close()


async def test_silence_is_an_error_with_the_servers_name() -> None:
    transport, server, port = await serve(lambda data: [])
    with pytest.raises(TimeoutError, match=r"127\.0\.0\.1"):
        await ask("127.0.0.1", not_before_s=1.0, port=port, try_s=0.05, tries=2)
    assert server.asked == 2
    transport.close()


@pytest.mark.parametrize(
    "reply", [lambda data: [b"x"], lambda data: [right(data, stratum=0)], lambda data: [right(bytes(48))]]
)
async def test_an_answer_that_cant_be_believed_is_an_error(reply: Callable[..., Any]) -> None:
    transport, _, port = await serve(reply)
    with pytest.raises(ValueError):
        await ask("127.0.0.1", not_before_s=1.0, port=port, try_s=1.0)
    transport.close()
