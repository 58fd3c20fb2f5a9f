"""The model of a call (bench/call_model): its line and TCP keep to physics, and the real station calls in it."""

import asyncio
import logging
import random
from collections.abc import Callable, Coroutine
from dataclasses import replace
from typing import Any

import pytest

from call_cells import Cell
from call_model.headers import VanJacobson
from call_model.line import LineRate
from call_model.link import LinkTimes
from call_model.matrix import scene_of
from call_model.network import PROVIDER, STATION, ModelLoop, Network
from call_model.packet import Packet
from call_model.perfect import Waiting, perfect_s
from call_model.play import Played, play
from call_model.providers import KINDS
from call_model.transport import ModelTransport
from call_model.windows import TcpSettings
from dialpost.edge.mail.smtp_server.interface import LineWire

LINE = LineRate(33_600, 0.150)
RANDOM = random.Random(1).randbytes(40_000)


class Sink(asyncio.Protocol):
    """Takes everything; `last_s` is when the last byte came."""

    def __init__(self) -> None:
        self.count, self.last_s = 0, 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.sock = transport.get_extra_info("socket")

    def data_received(self, data: bytes) -> None:
        self.count += len(data)
        self.last_s = asyncio.get_running_loop().time()


def in_model(scene: Callable[[Network, Sink], Coroutine[Any, Any, None]], window: int = 64_240) -> None:
    """Run with a sink at the station's port 25 that offers this window, on segments of 1,000 bytes."""

    async def run() -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, ModelLoop)
        sink = Sink()
        loop.network.lays(LINE, TcpSettings(1000, 3, window), TcpSettings(1000, 10))
        loop.network.listen(STATION, 25, lambda: sink)
        await scene(loop.network, sink)

    with asyncio.Runner(loop_factory=ModelLoop) as runner:
        runner.run(run())


async def from_provider(network: Network) -> ModelTransport:
    end, sock = await network.connect(PROVIDER, STATION, 25)
    transport = ModelTransport(asyncio.get_running_loop(), end, sock)
    transport.begins(asyncio.Protocol())
    return transport


def test_bulk_takes_its_bytes_and_half_a_round_trip() -> None:
    async def scene(network: Network, sink: Sink) -> None:
        transport = await from_provider(network)
        await asyncio.sleep(1)
        began_s, before = asyncio.get_running_loop().time(), network.down.carried
        transport.write(RANDOM)
        await asyncio.sleep(60)
        carried = network.down.carried - before
        assert sink.count == len(RANDOM)
        assert sink.last_s - began_s == pytest.approx(LINE.seconds(carried) + 0.075)
        assert len(RANDOM) < carried < 1.02 * len(RANDOM)  # frames, VJ's headers, escapes: 15 bytes of 1,000

    in_model(scene)


def test_a_window_of_one_segment_gives_one_a_round_trip() -> None:
    async def scene(network: Network, sink: Sink) -> None:
        transport = await from_provider(network)
        await asyncio.sleep(1)
        began_s, before = asyncio.get_running_loop().time(), network.down.carried
        acks = network.up.carried
        transport.write(RANDOM[:20_000])
        await asyncio.sleep(60)
        on_line_s = LINE.seconds(network.down.carried - before + network.up.carried - acks)
        took_s = sink.last_s - began_s
        assert on_line_s + 19.5 * 0.150 <= took_s + 0.01
        # The first 16 segments are acknowledged at once, the others after 40 ms.
        assert took_s <= on_line_s + 19.5 * 0.150 + 4 * 0.040

    in_model(scene, window=1000)


def test_the_clamp_that_the_station_sets_reaches_the_sender() -> None:
    took_s: list[float] = []

    def with_clamp(clamp: int) -> Callable[[Network, Sink], Coroutine[Any, Any, None]]:
        async def scene(network: Network, sink: Sink) -> None:
            transport = await from_provider(network)
            await asyncio.sleep(1)
            LineWire(sink.sock).set_window(clamp)
            began_s = asyncio.get_running_loop().time()
            transport.write(RANDOM)
            await asyncio.sleep(120)
            took_s.append(sink.last_s - began_s)

        return scene

    for clamp in (1152, 8000):
        in_model(with_clamp(clamp), window=2000)
    narrow_s, wide_s = took_s
    assert narrow_s > 1.3 * wide_s


def test_text_takes_less_of_the_line_than_what_is_random() -> None:
    async def scene(network: Network, sink: Sink) -> None:
        transport = await from_provider(network)
        before = network.down.carried
        transport.write(b"the boat comes with the doctor and the medicine for the school " * 300)
        await asyncio.sleep(60)
        assert sink.count == 18_900 and network.down.carried - before < 2000

    in_model(scene)


def test_a_header_costs_some_bytes_where_the_connection_is_known() -> None:
    headers = VanJacobson()
    sizes = []
    for number in range(4):
        packet = Packet(1, number, 1 + number * 500, 1, 2000, bytes(500))
        sizes.append(len(headers.compressed(packet)) - 500)
    assert sizes == [41, 4, 4, 4]  # PPP's protocol; then VJ's mask and the checksum
    assert len(headers.compressed(Packet(2, 1, 1, 1, 2000))) == 41


def test_what_a_perfect_station_needs_is_counted_by_hand() -> None:
    """1,000 bytes a second. PPP: 4 round trips and 0.7 s; ETRN and the last message half of one each.

    Frames of 10 bytes: of n round trips 2n - 1, because the content has its own.
    """
    line, times = LineRate(8000, 1.0), LinkTimes()
    postfix = replace(KINDS["postfix-2"], begins_s=0.0, starts_s=0.0)
    exim = replace(KINDS["exim"], begins_s=0.0, starts_s=0.0, between_s=0.0)
    found = [
        perfect_s(line, kind, times, mail, tls=False)
        for kind, mail in (
            (postfix, Waiting(1, 0, 1000, 0)),  # connection, greeting, EHLO, envelope, content
            (postfix, Waiting(4, 0, 4000, 0)),  # each connection: another one with RSET, envelope, content
            (exim, Waiting(3, 0, 3000, 0)),  # each message is one stream
            (exim, Waiting(0, 3, 0, 3000)),
        )
    ]
    assert found == pytest.approx(
        [
            4.7 + 3 + 5.09 + 1,
            4.7 + 3 + 5.09 + 3.05 + 2,
            4.7 + 3 + 4.07 + 2 * 1.01 + 3,
            4.7 + 3.5 + 3,
        ]
    )


def test_the_real_station_makes_a_call_in_it() -> None:
    """All mail across, and no faster than a perfect station. The log's level, which all tests share, stays."""
    scene, log = scene_of(Cell("B", "postfix-2", "off")), logging.getLogger("dialpost")
    level = log.level
    took: Played = play(scene)
    assert log.level == level
    assert took.stranded == 0
    assert scene.perfect_s(tls=False) < took.across_s < took.hang_up_s
    assert took.limit_s < took.across_s
