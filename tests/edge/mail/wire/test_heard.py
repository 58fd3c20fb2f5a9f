"""What the other side can have heard when it said something: from TCP, exactly as far as TCP tells."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dialpost.core.mail.envelope import Envelope, QueueId, Recipient
from dialpost.core.mail.outcomes import Deferred
from dialpost.core.mail.smtp_target import HostTarget, OutgoingMessage, SessionFate
from dialpost.edge.mail.smtp_client import SmtpClient
from dialpost.edge.mail.wire.connection import Connection
from dialpost.edge.mail.wire.heard import Heard
from smtp_peer import SETTINGS, Queue

STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("write"), st.integers(1, 50)),
        st.tuples(st.just("acknowledge"), st.integers(0, 80)),
        st.tuples(st.just("say"), st.integers(1, 20)),
        st.tuples(st.just("read"), st.just(0)),
    ),
    max_size=40,
)


@given(STEPS)
def test_unheard_is_what_was_written_later_or_is_not_acknowledged(steps: list[tuple[str, int]]) -> None:
    heard, written, acknowledged, said, read = Heard(), 0, 0, 0, 0
    written_when = []  # one item a byte: how much had been said before it was written
    for step, number in steps:
        if step == "write":
            heard.wrote(number, number, read=read, unread=said - read, unheard_raw=written - acknowledged)
            written_when += [said] * number
            written += number
        elif step == "acknowledge":
            acknowledged = min(written, acknowledged + number)
        elif step == "say":
            said += number
        elif said > read:
            read = said
            certain = sum(place >= acknowledged or when >= read for place, when in enumerate(written_when))
            assert heard.unheard(read=read, unheard_raw=written - acknowledged) == certain


@given(st.lists(st.tuples(st.integers(1, 40), st.integers(5, 60)), min_size=1, max_size=8), st.data())
def test_inside_tls_nothing_is_unheard_that_may_have_been_heard(
    writes: list[tuple[int, int]], data: st.DataObject
) -> None:
    """A record can be read once all of it is there; never before as many bytes as it has inside."""
    heard = Heard()
    for number, (plain, more) in enumerate(writes):
        before = sum(map(sum, writes[:number]))
        heard.wrote(plain, plain + more, read=0, unread=0, unheard_raw=before)
    there = data.draw(st.integers(0, sum(plain + more for plain, more in writes)))
    readable, place = 0, 0
    for plain, more in writes:
        readable += min(plain, max(0, there - place))
        place += plain + more
    total = sum(plain for plain, _ in writes)
    # It reads something that came later than all writes: only the acknowledgement counts.
    assert total - heard.unheard(read=1, unheard_raw=place - there) == readable


def test_what_was_heard_is_forgotten() -> None:
    heard = Heard()
    for _ in range(1000):
        heard.wrote(10, 10, read=0, unread=0, unheard_raw=20)
    assert len(heard._written) < 5


class Deaf:
    """A host that takes little, reads only when told, and says what it has to."""

    def __init__(self) -> None:
        self.listener = socket.socket()
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2304)
        self.listener.bind(("127.0.0.1", 0))
        self.listener.listen()
        self.listener.setblocking(False)

    async def accept(self) -> None:
        self.peer, _ = await asyncio.get_running_loop().sock_accept(self.listener)

    async def say(self, words: bytes) -> None:
        await asyncio.get_running_loop().sock_sendall(self.peer, words)

    async def read_until(self, end: bytes) -> bytes:
        data = b""
        while not data.endswith(end):
            data += await asyncio.wait_for(asyncio.get_running_loop().sock_recv(self.peer, 500), 60)
        return data


@pytest.fixture
def host() -> Iterator[Deaf]:
    made = Deaf()
    yield made
    made.listener.close()
    made.peer.close()


async def test_words_that_lay_unread_when_something_was_written_came_before_it(host: Deaf) -> None:
    unheard: asyncio.Queue[Any] = asyncio.Queue()
    connection = Connection(lambda _: unheard.put_nowait(connection.unheard), lambda _: None)
    await asyncio.get_running_loop().create_connection(lambda: connection, *host.listener.getsockname())
    await host.accept()
    for said_before, expected in ((True, 6), (False, 0)):
        if said_before:
            host.peer.send(b"250 x\r\n")
        connection.write(b"NOOP\r\n")
        assert host.peer.recv(100) == b"NOOP\r\n"  # it is acknowledged: only what was unread can tell
        if not said_before:
            host.peer.send(b"250 x\r\n")
        assert await asyncio.wait_for(unheard.get(), 60) == expected
    connection.abort()


@pytest.mark.parametrize("limit", [1 << 30, 3216], ids=["", "slow line"])
async def test_one_answer_too_many_is_not_taken_for_that_to_a_chunk_on_its_way(
    host: Deaf, tmp_path: Path, limit: int
) -> None:
    path = tmp_path / "body"
    path.write_bytes((b"x" * 70 + b"\n") * 50)
    envelope = Envelope("anna@clinic.example", (Recipient("bob@example.org"),))
    queue, client = Queue([OutgoingMessage(QueueId("q1"), envelope, 3600, path)]), SmtpClient()
    client.room = lambda round_trip_s, in_flight: limit - in_flight
    target = HostTarget("mail.example", ("127.0.0.1",), host.listener.getsockname()[1])
    sending = asyncio.create_task(client.send(target, SETTINGS, queue.next_message, queue.on_outcome))
    await host.accept()
    await host.say(b"220 x\r\n")
    await host.read_until(b"\r\n")
    await host.say(b"250-x\r\n250-PIPELINING\r\n250 CHUNKING\r\n")
    await host.read_until(b"RCPT TO:<bob@example.org>\r\n")
    while client.bytes_up < 3600:
        await asyncio.sleep(0)
    await host.say(b"250 ok\r\n" * 3)
    end = await asyncio.wait_for(sending, 60)
    assert (end.fate, end.messages) == (SessionFate.LOST, 0)
    assert "out of turn" in end.reason
    [(_, [outcome])] = queue.reports
    assert isinstance(outcome, Deferred) and outcome.answer_unknown
