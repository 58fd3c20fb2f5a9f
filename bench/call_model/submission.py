"""Mail from the station's own LAN: submitted by SMTP over a connection that takes no time."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from call_model.channel import Channel
from call_model.mail_sender import RECIPIENT, SENDER, Message
from call_model.network import LAN, Network
from call_model.transport import ModelTransport


async def submit(network: Network, contents: Sequence[bytes]) -> None:
    """Returns when the station has accepted each."""
    end, sock = await network.connect(LAN, LAN, 25)
    channel = Channel()
    ModelTransport(asyncio.get_running_loop(), end, sock).begins(channel)
    await channel.reply()
    await _ask(channel, "EHLO office.example", 250)
    for content in contents:
        for command, code in ((f"MAIL FROM:<{RECIPIENT}>", 250), (f"RCPT TO:<{SENDER}>", 250), ("DATA", 354)):
            await _ask(channel, command, code)
        channel.write(Message(content).stuffed)
        await _expect(channel, 250)
    await _ask(channel, "QUIT", 221)
    channel.close()


async def _ask(channel: Channel, command: str, code: int) -> None:
    channel.write(f"{command}\r\n".encode())
    await _expect(channel, code)


async def _expect(channel: Channel, code: int) -> None:
    found, lines = await channel.reply()
    if found != code:
        raise AssertionError(f"the station said {found} {lines}")
