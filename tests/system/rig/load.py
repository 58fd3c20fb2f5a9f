"""Clients that make load: Postfix's smtp-source, and one of our own that notes what was acknowledged."""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass, field
from pathlib import Path

from rig.mailboxes import make_message
from rig.servers.chroots import Chroot, Inmate


def smtp_source(
    port: int, log: Path, *, messages: int, sessions: int, size: int, sender: str, recipient: str
) -> Inmate:
    """Start smtp-source: `messages` of `size` bytes over `sessions` sessions, one connection a message."""
    return Chroot("postfix").start(
        "smtp-source",
        "-m",
        str(messages),
        "-s",
        str(sessions),
        "-l",
        str(size),
        "-f",
        sender,
        "-t",
        recipient,
        f"127.0.0.1:{port}",
        log=log,
    )


@dataclass
class Ledger:
    """What our own load client sent, and what it read a 250 for after the final dot."""

    offered: set[str] = field(default_factory=set)
    acknowledged: set[str] = field(default_factory=set)

    def acknowledge(self, message_id: str) -> None:
        """Its 250 was read just now."""
        self.acknowledged.add(message_id)


class Loader:
    """Keeps `sessions` connections busy until stopped; each message has its own id and digest.

    One that is not acknowledged (the server was killed) is not sent again: it may be there or not. `pause_s`:
    after a connection that was refused or lost.
    """

    def __init__(
        self,
        port: int,
        ledger: Ledger,
        *,
        recipients: tuple[str, ...],
        sessions: int,
        seed: int,
        name: str,
        pause_s: float = 0.002,
    ) -> None:
        self._port = port
        self._pause_s = pause_s
        self._ledger = ledger
        self._recipients = recipients
        self._random = random.Random(seed)
        self._name = name
        self._number = 0
        self._tasks = [asyncio.create_task(self._session()) for _ in range(sessions)]

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        for ended in await asyncio.gather(*self._tasks, return_exceptions=True):
            if isinstance(ended, Exception):
                raise ended

    async def _session(self) -> None:
        while True:
            writer = None
            try:
                reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
                await _expect(reader, 220)
                writer.write(b"EHLO loader.example\r\n")
                await _expect(reader, 250)
                while True:
                    await self._one(reader, writer)
            except (OSError, EOFError):
                await asyncio.sleep(self._pause_s)  # the server was killed; it listens again in a moment
            finally:
                if writer is not None:
                    writer.transport.abort()

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._number += 1
        message_id = f"{self._name}.{self._number}@loader.example"
        size = self._random.choice((300, 2000, 4000, 4000, 20_000, 120_000))
        message = make_message(message_id, "load@loader.example", list(self._recipients), size=size)
        commands = ["MAIL FROM:<load@loader.example>", *(f"RCPT TO:<{r}>" for r in self._recipients), "DATA"]
        writer.write("".join(f"{command}\r\n" for command in commands).encode())
        for _ in commands[:-1]:
            await _expect(reader, 250)
        await _expect(reader, 354)
        self._ledger.offered.add(message_id)
        stuffed = b"".join(b"." + line if line.startswith(b".") else line for line in message.splitlines(True))
        writer.write(stuffed + b".\r\n")
        await _expect(reader, 250)
        self._ledger.acknowledge(message_id)


class RefusedError(Exception):
    """The server said something no server may say under this load."""


async def _expect(reader: asyncio.StreamReader, code: int) -> None:
    while True:
        line = await reader.readuntil(b"\r\n")
        if line[:3] != str(code).encode():
            if line[:3] == b"421":
                raise EOFError  # closing: as good as a lost connection
            raise RefusedError(line.decode("utf-8", "replace"))
        if line[3:4] != b"-":
            return
