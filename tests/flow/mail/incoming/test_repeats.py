"""Senders, sessions, cuts and repeats in any order, on real sockets, against the real intake (RFC 1047).

What must hold after every step, for all that came with the same envelope and the same bytes:

- there are at least as many copies as messages whose sender got 250: nothing is missing;
- there are at most as many copies as messages that were meant. Only where a sender's TCP took the 250 and its
  program never read it, or where it does not wait for answers at all, can nobody tell a repeat from a new message:
  there, a repeat may make one more.
"""

from __future__ import annotations

import asyncio
import itertools
import socket
import struct
import tempfile
from collections import Counter
from collections.abc import Coroutine
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from dialpost.core.config.model import Config, RelayConfig, SmtpConfig, StationConfig
from dialpost.core.mail.accounts import Account, Directory
from dialpost.core.mail.esmtp.line_trust import LineTrust
from dialpost.core.mail.queue.records import MessageRecord
from dialpost.core.mail.session import Listener
from dialpost.edge.mail.smtp_server import smtp_protocol_factory
from dialpost.edge.mail.spool import Spool
from dialpost.edge.mail.store import Store
from dialpost.flow.mail.incoming.inbound_activity import InboundActivity
from dialpost.flow.mail.incoming.intake import Intake
from fakes import FakePace

HOST = "mail.clinic.example"
CONFIG = Config(
    station=StationConfig(hostname=HOST, domains=("clinic.example",)),
    smtp=replace(SmtpConfig(), disk_reserve_bytes=0, max_errors=1000),
    relay=RelayConfig(networks=("10.0.0.0/8",)),
)
DEVICES = ("127.0.0.2", "127.0.0.3")
SERVER = "127.0.0.9"
HELLO = b"EHLO x\r\n"
ENVELOPE = b"MAIL FROM:<a@world.example>\r\nRCPT TO:<anna@clinic.example>\r\nDATA\r\n"
ENDINGS = ("quit", "close", "reset")
CUTS = ("before the answer", "answer never read", "does not wait")


@dataclass
class Meant:
    """One message that somebody wanted to send once. A repeat of it is sent only while its 250 was not heard."""

    address: str
    content: bytes
    is_heard: bool = False


class Accounts:
    is_restored = False
    directory = Directory({"anna": Account("anna")}, {}, ("clinic.example",))

    async def verify(self, name: str, password: str) -> None:
        return None

    def quota_of(self, name: str) -> int:
        return 0


class Mailboxes:
    async def measure(self, account: str) -> int:
        return 0


class Station:
    """The real server, intake, spool and queue, which can be killed and started again."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.cut_after_commit = False
        self.stored: list[tuple[str, bytes]] = []

    async def start(self) -> None:
        self.spool = Spool(self.folder / "spool", 0)
        self.spool.prepare()
        self.store = await Store.open(self.folder / "queue.db")
        self.intake = Intake(
            CONFIG,
            Accounts(),
            self.store,
            self.spool,
            Mailboxes(),
            activity=InboundActivity(lambda: 0.0),
            pace=FakePace(),
            on_accepted=self.accepted,
            line_trust=LineTrust(CONFIG),
        )
        self.sessions = smtp_protocol_factory(self.intake, CONFIG.smtp, HOST, Listener.MX, None)
        self.server = await asyncio.get_running_loop().create_server(self.sessions, "127.0.0.1", 0)
        self.port = self.server.sockets[0].getsockname()[1]

    def accepted(self, message: MessageRecord) -> None:
        """The message is on the card and its sender knows nothing of it yet: as late as a cut can come."""
        with self.spool.open_body(message.queue_id) as body:
            self.stored.append((message.peer, body.read().partition(b"X-Text: ")[2]))
        if self.cut_after_commit:
            self.sessions.abort(lambda address: True)

    async def kill(self) -> None:
        self.sessions.abort(lambda address: True)
        await self.quiet()
        self.server.close()
        await self.store.close()
        self.spool.close()

    async def quiet(self) -> None:
        """Until every session is over and every commit done."""
        running = self.sessions._running
        async with asyncio.timeout(60):
            while running.connections or running.commits:
                await asyncio.sleep(0.002)


class Client:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    @classmethod
    async def connect(cls, station: Station, address: str) -> Client:
        client = cls(*await asyncio.open_connection("127.0.0.1", station.port, local_addr=(address, 0)))
        await client.replies(1)
        await client.say(HELLO)
        return client

    async def say(self, text: bytes, replies: int = 1) -> list[int]:
        self.writer.write(text)
        return await self.replies(replies)

    async def replies(self, count: int) -> list[int]:
        codes: list[int] = []
        while len(codes) < count:
            line = await asyncio.wait_for(self.reader.readline(), 60)
            if not line:
                raise ConnectionResetError
            if line[3:4] == b" ":
                codes.append(int(line[:3]))
        return codes

    async def begin(self) -> None:
        assert await self.say(ENVELOPE, 3) == [250, 250, 354]

    def reset(self) -> None:
        sock = self.writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()

    async def end(self, how: str) -> None:
        if how == "quit":
            assert await self.say(b"QUIT\r\n") == [221]
        if how == "reset":
            self.reset()
        else:
            self.writer.close()


MEANINGS: dict[str, Any] = {
    "is_traced": st.booleans(),
    "text": st.sampled_from([b"fire", b"flood"]),
    "address": st.sampled_from(DEVICES),
}
WAYS = st.one_of(st.sampled_from(ENDINGS), st.sampled_from(CUTS), st.just("one burst"))


class Repeats(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.folder = tempfile.TemporaryDirectory()
        self.station = Station(Path(self.folder.name))
        self.meant: list[Meant] = []
        self.excused: Counter[tuple[str, bytes]] = Counter()
        self.numbers = itertools.count()
        self.run(self.station.start())

    def run(self, what: Coroutine[Any, Any, Any]) -> None:
        async def within_a_minute() -> None:
            return await asyncio.wait_for(what, 60)

        return self.runner.run(within_a_minute())

    def teardown(self) -> None:
        self.run(self.station.kill())
        self.runner.close()
        self.folder.cleanup()

    def new(self, is_traced: bool, text: bytes, address: str) -> Meant:
        """A message somebody means. A mail server's has its own Received line; a device's looks like the last."""
        if not is_traced:
            message = Meant(address, b"X-Text: %s\r\n\r\nAlarm\r\n" % text)
        else:
            received = b"Received: from x by relay.example id %d\r\n" % next(self.numbers)
            message = Meant(SERVER, received + b"X-Text: %d %s\r\n\r\nLetter\r\n" % (next(self.numbers), text))
        self.meant.append(message)
        return message

    @rule(way=WAYS, **MEANINGS)
    def send(self, way: str, **meaning: Any) -> None:
        self.deliver(self.new(**meaning), way)

    @rule(ending=st.sampled_from(ENDINGS), count=st.integers(2, 3), pipelined=st.booleans(), **MEANINGS)
    def send_several_in_a_session(self, ending: str, count: int, pipelined: bool, **meaning: Any) -> None:
        messages = [self.new(**meaning) for _ in range(count)]
        self.run(self._session(messages, ending, pipelined))

    @rule(**MEANINGS)
    def send_two_at_once(self, **meaning: Any) -> None:
        pair = [self.new(**meaning) for _ in range(2)]

        async def both() -> None:
            await asyncio.gather(*(self._session([message], "quit", False) for message in pair))

        self.run(both())

    @precondition(lambda self: any(not one.is_heard for one in self.meant))
    @rule(data=st.data(), way=WAYS)
    def repeat(self, data: st.DataObject, way: str) -> None:
        self.deliver(data.draw(st.sampled_from([one for one in self.meant if not one.is_heard])), way)

    @rule()
    def restart(self) -> None:
        async def again() -> None:
            await self.station.kill()
            await self.station.start()

        self.run(again())

    def deliver(self, message: Meant, way: str) -> None:
        if way in ENDINGS:
            self.run(self._session([message], way, False))
        elif way == "one burst":
            self.run(self._burst(message))
        else:
            self.run(self._cut(message, way))

    async def _session(self, messages: list[Meant], ending: str, pipelined: bool) -> None:
        client = await Client.connect(self.station, messages[0].address)
        if pipelined:
            await client.begin()
            for message in messages[:-1]:
                client.writer.write(message.content + b".\r\n" + ENVELOPE)
            client.writer.write(messages[-1].content + b".\r\n")
            for message in messages:
                assert (await client.replies(1)) == [250]
                message.is_heard = True
                if message is not messages[-1]:
                    assert (await client.replies(3)) == [250, 250, 354]
        else:
            for message in messages:
                await client.begin()
                assert await client.say(message.content + b".\r\n") == [250]
                message.is_heard = True
        await client.end(ending)
        await self.station.quiet()

    async def _burst(self, message: Meant) -> None:
        """As a script does with netcat: everything at once, the sending side closed, then listening."""
        client = await Client.connect(self.station, message.address)
        client.writer.write(ENVELOPE + message.content + b".\r\nQUIT\r\n")
        client.writer.write_eof()
        assert await client.replies(5) == [250, 250, 354, 250, 221]
        message.is_heard = True
        client.writer.close()
        self._excuse(message)
        await self.station.quiet()

    async def _cut(self, message: Meant, how: str) -> None:
        client = await Client.connect(self.station, message.address)
        await client.begin()
        client.writer.write(message.content + b".\r\n")
        if how == "before the answer":
            self.station.cut_after_commit = True
            try:
                await client.replies(1)
            except ConnectionError:
                pass
            else:  # a repeat, which is no new message to cut at: it was answered
                message.is_heard = True
            self.station.cut_after_commit = False
            client.writer.close()
        elif how == "answer never read":
            await asyncio.wait_for(client.reader.readuntil(b"\r\n"), 60)  # by TCP, not by who sends
            client.reset()
            self._excuse(message)
        else:
            client.writer.close()
            self._excuse(message)
        await self.station.quiet()

    def _excuse(self, message: Meant) -> None:
        """It may be stored once more than it was meant."""
        self.excused[message.address, message.content.partition(b"X-Text: ")[2]] += 1

    @invariant()
    def nothing_is_missing_or_doubled(self) -> None:
        copies: Counter[tuple[str, bytes]] = Counter()
        for peer, text in self.station.stored:
            copies[peer, text.replace(b"\n", b"\r\n")] += 1
        heard: Counter[tuple[str, bytes]] = Counter()
        wanted: Counter[tuple[str, bytes]] = Counter()
        for message in self.meant:
            key = message.address, message.content.partition(b"X-Text: ")[2]
            wanted[key] += 1
            heard[key] += message.is_heard
        assert set(copies) <= set(wanted)
        for key in wanted:
            excused = self.excused[key] if key[0] != SERVER else 0
            assert heard[key] <= copies[key] <= wanted[key] + excused, key


TestRepeats = Repeats.TestCase
TestRepeats.settings = settings(max_examples=40, stateful_step_count=12, deadline=None)
