"""One call in virtual time: the real station, the model's line, a provider of the model."""

from __future__ import annotations

import asyncio
import logging
import shutil
import ssl
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rig.corpus import like_mail
from rig.line.guests import Sizes, station_settings
from rig.station import PASSWORD, config_text

from call_model.edges import modelled_edges
from call_model.line import LineRate
from call_model.link import LinkTimes, ModelLink
from call_model.mail_host import MailHost, Processes
from call_model.mail_sender import RECIPIENT, SENDER, Message
from call_model.network import LAN, PROVIDER, ModelLoop
from call_model.perfect import perfect_s, waiting
from call_model.providers import Provider, ProviderKind
from call_model.submission import submit
from call_model.windows import TcpSettings
from dialpost.core.call_reason import CallReason
from dialpost.core.config.text import parse_config
from dialpost.core.line.shaping import HEADERS_BYTES, LEAST_RTO_S, mtu_for, shape
from dialpost.flow.line.pace import LinePace
from dialpost.flow.mail.incoming.inbound_activity import InboundActivity
from dialpost.station import Station

_LONGEST_S = 3600.0
_KERNELS_FIRST_SEGMENTS = 10
_DEFAULT_WINDOW = 64_240


@dataclass(frozen=True)
class Scene:
    """A call: the line, the provider, what waits at each end, the station's settings; `tls`: server's, client's."""

    line: LineRate
    provider: ProviderKind
    inbound: Sizes
    outbound: Sizes
    settings: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    tls: tuple[ssl.SSLContext, ssl.SSLContext] | None = None
    times: LinkTimes = field(default_factory=LinkTimes)

    def perfect_s(self, *, tls: bool) -> float:
        """What a perfect station would have needed."""
        inbound = [received(one, self.provider.name) for one in messages(self.inbound, "in")]
        mail = waiting(inbound, messages(self.outbound, "out"), tls=tls)
        return perfect_s(self.line, self.provider, self.times, mail, tls=tls)


@dataclass(frozen=True)
class Played:
    """What one call took, in seconds from CONNECT, and carried."""

    inbound_s: float
    outbound_s: float
    hang_up_s: float
    up: int
    down: int
    stranded: int
    limit_s: float
    starts_s: float  # of the provider's processes

    @property
    def across_s(self) -> float:
        return max(self.inbound_s, self.outbound_s)

    @property
    def ratio(self) -> float:
        return self.across_s / self.limit_s


def play(scene: Scene) -> Played:
    """Make the call; in a folder of its own that is gone afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="dp-m-"))
    log = logging.getLogger("dialpost")
    level = log.level
    log.setLevel(logging.CRITICAL)
    try:
        with asyncio.Runner(loop_factory=ModelLoop) as runner:
            loop = runner.get_loop()
            assert isinstance(loop, ModelLoop)
            with modelled_edges(loop):
                return runner.run(asyncio.wait_for(_Play(scene, folder, loop).run(), _LONGEST_S))
    finally:
        log.setLevel(level)
        shutil.rmtree(folder, ignore_errors=True)


class _Play:
    def __init__(self, scene: Scene, folder: Path, loop: ModelLoop) -> None:
        self._scene, self._loop, self._network = scene, loop, loop.network
        settings = station_settings(scene.settings)
        settings["station"] |= {"data_dir": str(folder / "data"), "run_dir": str(folder / "run")}
        settings["smtp"] |= {"listen": [f"{LAN}:0"]}
        settings["link"] |= {"line_rate_bps": scene.line.rate_bps}
        self._config = parse_config(config_text(settings))
        (folder / "run").mkdir()
        self._came_s: list[float] = []

    async def run(self) -> Played:
        self._lay_line()
        station, link = self._station()
        kind = self._scene.provider
        server_tls, client_tls = self._scene.tls or (None, None)
        provider = Provider(kind, self._network, client_tls)
        offered = server_tls if kind.offers_tls else None
        host = MailHost(kind.manners, Processes(kind.starts_s, idle=1), provider.asked, offered)
        self._network.listen(PROVIDER, 25, host)
        await station.start()
        try:
            await station.accounts.add("anna", PASSWORD)
            await submit(self._network, messages(self._scene.outbound, "out"))
            inbound = [Message(received(one, kind.name)) for one in messages(self._scene.inbound, "in")]
            provider.queue.extend(reversed(inbound) if kind.name == "postfix" else inbound)  # as in the real cells
            watching = asyncio.create_task(self._watch(station.inbound))
            station.calls.request(CallReason.COMMAND)
            await station.calls.finished()
            watching.cancel()
            counts = await station.counts()
            return self._played(link, host, provider, counts.waiting_remote)
        finally:
            await provider.stop()
            await station.stop()

    def _lay_line(self) -> None:
        """How the station's routes set both TCPs (core/line/shaping), and the MTU that PPP negotiates."""
        line, ppp = self._scene.line, self._config.ppp
        mss = (ppp.mtu or mtu_for(line.rate_bps)) - HEADERS_BYTES
        shaped = shape(line.rate_bps, ppp.mtu)
        is_shaped = ppp.shaping and shaped.delay_based
        window = shaped.window if is_shaped and shaped.window else _DEFAULT_WINDOW
        first = (shaped.first_segments if is_shaped else 0) or _KERNELS_FIRST_SEGMENTS
        up = TcpSettings(mss, first, window, LEAST_RTO_S) if is_shaped else TcpSettings(mss, first, window)
        self._network.lays(line, up, TcpSettings(mss, _KERNELS_FIRST_SEGMENTS, _DEFAULT_WINDOW))

    def _station(self) -> tuple[Station, ModelLink]:
        """The station with the model's clock: what it measures by, before anything runs."""

        def on_rate(rate_bps: int) -> None:
            station.pace.begins(rate_bps if self._config.ppp.shaping else 0)
            station.intake.line_rate(rate_bps)

        link = ModelLink(self._network, on_rate, [], self._scene.times)
        station = Station(self._config, link=link)
        link.watchers.append(station.line_trust)
        station.pace = LinePace(link.crossed, mtu=self._config.ppp.mtu, monotonic=self._loop.time)
        station.client.room = station.pace.outbound_room
        station.inbound = InboundActivity(self._loop.time)
        return station, link

    async def _watch(self, inbound: InboundActivity) -> None:
        """Note when each message came."""
        while True:
            await inbound.changed()
            self._came_s += [self._loop.time()] * (inbound.messages - len(self._came_s))

    def _played(self, link: ModelLink, host: MailHost, provider: Provider, left: int) -> Played:
        network, began_s = self._network, link.connected_s
        fuller = max(network.up.carried, network.down.carried)
        return Played(
            max(self._came_s, default=began_s) - began_s,
            max(host.received.times_s, default=began_s) - began_s,
            link.down_s - began_s,
            network.up.carried,
            network.down.carried,
            len(provider.queue) + left,
            self._scene.line.seconds(fuller),
            provider.starts_s,
        )


def messages(sizes: Sizes, prefix: str) -> list[bytes]:
    """As the real cells make them: the same bytes each time."""
    to, sender = (RECIPIENT, SENDER) if prefix == "in" else (SENDER, RECIPIENT)
    return [
        like_mail(f"{prefix}.{size}.{number}@{sender.partition('@')[2]}", sender, [to], size=size)
        for size, count in sizes
        for number in range(count)
    ]


def received(content: bytes, name: str) -> bytes:
    """With the header that a server of this kind put before it."""
    by = {"postfix": "(Postfix) with ESMTP id 4bKxYz1sQv", "exim": "with esmtp (Exim 4.98.2) id 1xXtkK-0000Bk-2S"}
    return (
        b"Received: from client.example (localhost [127.0.0.1])\r\n"
        + f"\tby mail.provider.example {by.get(name, 'with ESMTP id 4AU5H1Zx000123')}\r\n".encode()
        + f"\tfor <{RECIPIENT}>; Mon, 30 Nov 2026 05:16:12 +0000 (UTC)\r\n".encode()
        + content
    )
