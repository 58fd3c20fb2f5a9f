"""The simulated line on real sockets: rate, round trip, cuts at a byte, ports that come and go."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from dialpost.core.line.link import DialResult, Traffic
from dialpost.sim.line import LineSettings, SimulatedLine, parse_results
from fakes import now, run_virtual

HANGS_S = 60.0
"""Ends a test in which nothing happens any more."""
FAST = LineSettings(rate_bps=10_000_000, rtt_s=0.002, dial_s=0.001)


class Far:
    """A server behind the line: keeps what it gets, answers what the test says."""

    def __init__(self) -> None:
        self.got: list[bytearray] = []
        self.ends: list[str] = []
        self.writers: list[asyncio.StreamWriter] = []
        self.greeting = b""
        self.connected = asyncio.Event()
        self.ended = asyncio.Event()
        self.came = asyncio.Event()

    async def has(self, enough: Callable[[list[int]], bool]) -> None:
        """Wait until the connections have received that many bytes each."""
        while not enough([len(got) for got in self.got]):
            self.came.clear()
            await self.came.wait()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        received = bytearray()
        self.got.append(received)
        self.writers.append(writer)
        self.connected.set()
        writer.write(self.greeting)
        end = "eof"
        try:
            while data := await reader.read(65536):
                received += data
                self.came.set()
        except ConnectionResetError:
            end = "reset"
        self.ends.append(end)
        self.ended.set()
        writer.close()


@asynccontextmanager
async def line_to(far: Far, settings: LineSettings) -> AsyncIterator[tuple[SimulatedLine, int]]:
    server = await asyncio.start_server(far.serve, "127.0.0.1", 0)
    line = SimulatedLine(settings)
    try:
        yield line, line.open_up(server.sockets[0].getsockname()[1])
    finally:
        line.close()
        async with asyncio.timeout(HANGS_S):
            while any(relay._dying for relay in line._relays):  # the reset of what was left
                await asyncio.sleep(0.01)
        server.close()


async def up(line: SimulatedLine) -> None:
    assert (await line.dial()).result is DialResult.CONNECTED
    assert (await line.negotiate()).result is DialResult.CONNECTED


async def test_the_port_refuses_while_the_line_is_down_and_stays_the_same() -> None:
    far = Far()
    async with line_to(far, FAST) as (line, port):
        for _ in range(3):
            with pytest.raises(ConnectionRefusedError):
                await asyncio.open_connection("127.0.0.1", port)
            await up(line)
            far.connected.clear()
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            await far.connected.wait()
            await line.hang_up()
            with pytest.raises(ConnectionResetError):
                await reader.readexactly(1)
            writer.close()


async def test_bytes_pass_both_ways_whole_and_an_end_of_file_too() -> None:
    far = Far()
    far.greeting = b"hello" * 20_000
    async with line_to(far, FAST) as (line, port):
        await up(line)
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        sent = bytes(range(256)) * 800
        writer.write(sent)
        assert await reader.readexactly(100_000) == far.greeting
        writer.write_eof()
        await far.ended.wait()
        assert (far.got, far.ends) == ([bytearray(sent)], ["eof"])
        assert await reader.read() == b""
        assert line.traffic() == Traffic(len(sent), 100_000)
        writer.close()


def test_the_rate_and_the_round_trip_hold() -> None:
    """In virtual time: a loaded machine makes nothing late."""

    async def scene() -> None:
        far = Far()
        far.greeting = b"220 hello\r\n"
        async with line_to(far, LineSettings(rate_bps=100_000, rtt_s=0.2, dial_s=0.0)) as (line, port):
            await up(line)
            began = now()
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            await reader.readexactly(11)
            assert now() - began == pytest.approx(2 * 0.2, abs=0.1), "handshake and greeting: two round trips"
            began = now()
            writer.write(bytes(5000))
            await far.has(lambda got: got[0] == 5000)
            assert now() - began == pytest.approx(0.5 + 0.1, abs=0.1), "5,000 bytes at 10,000 a second"
            writer.close()

    run_virtual(scene())


def test_both_directions_run_at_the_same_time_and_connections_share_one_fairly() -> None:
    async def scene() -> None:
        far = Far()
        far.greeting = bytes(5000)
        async with line_to(far, LineSettings(rate_bps=100_000, rtt_s=0.01, dial_s=0.0)) as (line, port):
            await up(line)
            began = now()
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            second_reader, second = await asyncio.open_connection("127.0.0.1", port)
            writer.write(bytes(4000))
            second.write(bytes(1000))
            await far.has(lambda got: len(got) == 2 and min(got) >= 1000)
            assert max(map(len, far.got)) < 3000, "the short one did not wait for the long one"
            await far.has(lambda got: sum(got) == 5000)
            await asyncio.gather(reader.readexactly(5000), second_reader.readexactly(5000))
            assert now() - began == pytest.approx(1.0, abs=0.25), "10,000 down while 5,000 went up"
            writer.close()
            second.close()

    run_virtual(scene())


async def test_a_sender_is_held_when_the_line_is_full() -> None:
    far = Far()
    async with line_to(far, LineSettings(rate_bps=9600, rtt_s=0.01, dial_s=0.0)) as (line, port):
        await up(line)
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.transport.set_write_buffer_limits(0)
        writer.write(bytes(20_000_000))
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(writer.drain(), 0.3)
        assert writer.transport.get_write_buffer_size() > 0
        writer.transport.abort()


@pytest.mark.parametrize("cut", [1, 2, 1000, 4096, 99_999])
async def test_a_cut_lets_exactly_so_many_bytes_through(cut: int) -> None:
    far = Far()
    async with line_to(far, replace(FAST, cut_up=cut)) as (line, port):
        await up(line)
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(bytes(100_000))
        assert "NO CARRIER" in await asyncio.wait_for(line.lost(), HANGS_S)
        await far.ended.wait()
        assert ([len(got) for got in far.got], far.ends) == ([cut], ["reset"])
        assert not line.is_up
        with pytest.raises(ConnectionResetError):
            await reader.readexactly(1)
        writer.close()
        await line.hang_up()
        await up(line)
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(bytes(cut))
        writer.write_eof()
        assert await reader.read() == b""
        assert len(far.got[1]) == cut, "a cut happens once"
        assert (line.cuts, line.carried().up, line.traffic()) == (1, 2 * cut, Traffic(cut, 0))
        writer.close()


async def test_a_cut_counts_over_all_calls_and_in_its_own_direction() -> None:
    far = Far()
    far.greeting = bytes(600)
    async with line_to(far, replace(FAST, cut_down=1000)) as (line, port):
        await up(line)
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        assert len(await reader.readexactly(600)) == 600
        writer.close()
        await line.hang_up()
        await up(line)
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        await line.lost()
        received = b""
        with pytest.raises(ConnectionResetError):
            while True:
                received += await reader.readexactly(1)
        assert len(received) == 400
        writer.close()


async def test_whoever_got_the_last_byte_may_act_on_it() -> None:
    """The duplicate window of RFC 1047: the server has the final dot, its 250 never arrives."""
    acted = asyncio.Event()

    class Acting(Far):
        async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readexactly(5)
            acted.set()
            writer.write(b"250 ok\r\n")
            await super().serve(reader, writer)

    async with line_to(Acting(), replace(FAST, cut_up=5)) as (line, port):
        await up(line)
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"\r\n.\r\n")
        await line.lost()
        await asyncio.wait_for(acted.wait(), HANGS_S)
        with pytest.raises(ConnectionResetError):
            await reader.readexactly(1)
        writer.close()


async def test_a_closed_connection_leaves_nothing_behind() -> None:
    far = Far()
    async with line_to(far, FAST) as (line, port):
        await up(line)
        for _ in range(5):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"QUIT\r\n")
            writer.write_eof()
            assert await reader.read() == b""
            writer.close()
            await writer.wait_closed()
        async with asyncio.timeout(HANGS_S):
            while any(relay._crossings for relay in line._relays):
                await asyncio.sleep(0)


async def test_nobody_listening_at_the_far_end_is_a_reset() -> None:
    line = SimulatedLine(FAST)
    async with line_to(Far(), FAST) as (_, unused):
        pass
    port = line.open_up(unused)
    await up(line)
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    with pytest.raises(ConnectionResetError):
        await reader.readexactly(1)
    writer.close()
    line.close()


async def test_scripted_results_come_first() -> None:
    script = (DialResult.BUSY, DialResult.CONNECTED, DialResult.NO_DIALTONE)
    line = SimulatedLine(replace(FAST, results=script))
    assert [(await line.dial()).result for _ in range(5)] == [*script, *[DialResult.CONNECTED] * 2]
    line.close()


def test_results_in_text() -> None:
    assert list(parse_results("BUSY, no carrier,CONNECT")) == [
        DialResult.BUSY,
        DialResult.NO_CARRIER,
        DialResult.CONNECTED,
    ]
    with pytest.raises(ValueError, match="not a result of dialling; allowed"):
        parse_results("MAYBE")
