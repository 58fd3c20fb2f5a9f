"""A session's memory is given back at its end, without the garbage collector, and TLS buffers are small."""

import asyncio
import gc
import weakref
from collections.abc import Awaitable, Callable, Iterator

import pytest

from dialpost.core.mail.session import Listener
from smtp_door import Client, NotingPolicy, door, server_tls


@pytest.fixture(autouse=True)
def uncollected() -> Iterator[None]:
    gc.disable()
    yield
    gc.enable()


async def quits(client: Client) -> None:
    await client.talk("EHLO x.example", "QUIT")
    client.writer.close()


async def closes(client: Client) -> None:
    await client.talk("EHLO x.example")
    client.writer.close()


async def vanishes(client: Client) -> None:
    await client.talk("EHLO x.example")
    client.vanish()


async def vanishes_in_the_middle(client: Client) -> None:
    await client.talk("EHLO x.example", "MAIL FROM:<a@world.example>", "RCPT TO:<anna@clinic.example>", "DATA")
    client.send("Subject: half\r\n")
    client.vanish()


@pytest.mark.parametrize("end", [quits, closes, vanishes, vanishes_in_the_middle])
@pytest.mark.parametrize("tls", ["none", "starttls", "implicit"])
async def test_nothing_of_a_session_is_left_when_it_is_over(
    tls: str, end: Callable[[Client], Awaitable[None]]
) -> None:
    policy = NotingPolicy()
    listener = Listener.SUBMISSIONS if tls == "implicit" else Listener.MX
    async with door(policy, listener=listener, tls=server_tls()) as connect:
        client = await connect()
        if tls == "starttls":
            await client.talk("EHLO x.example")
            await client.starttls()
        await client.talk("NOOP")  # answered: the server's side of the handshake is over, too
        [served] = connect.server._running.connections
        held = [served] if tls == "none" else [served, served._writer.transport]
        left = [asyncio.Event() for _ in held]
        for one, event in zip(held, left, strict=True):
            weakref.finalize(one, event.set)
        policy.callers.clear()
        held.clear()
        del served, one
        await end(client)
        for event in left:
            await asyncio.wait_for(event.wait(), 60)


async def test_tls_reads_through_a_small_buffer() -> None:
    async with door(NotingPolicy(), listener=Listener.SUBMISSIONS, tls=server_tls()) as connect:
        await connect()
        [served] = connect.server._running.connections
        protocol = served._writer.transport._ssl_protocol  # type: ignore[attr-defined]  # asyncio's own
        assert len(protocol._ssl_buffer) == 16_384
