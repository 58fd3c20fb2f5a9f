"""The link of the model: a modem's line that comes up and goes down in the time that the real one takes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from call_model.network import INTERFACE, PROVIDER, STATION, Network
from dialpost.core.config.model import LinkKind
from dialpost.core.line.compression import Crossed
from dialpost.core.line.link import DialOutcome, DialResult, Traffic
from dialpost.core.line.ppp.events import PppUp
from dialpost.flow.line.modem.dialled_line import LineWatcher


@dataclass(frozen=True)
class LinkTimes:
    """Of the real cells: exchanges of LCP, CHAP, IPCP and CCP, and their bytes each way; programs on the way."""

    exchanges: int = 4
    bytes_each_way: int = 350
    programs_s: float = 3.0
    hang_up_s: float = 0.9


class ModelLink:
    """Dials at once. `connected_s` is when CONNECT came, `down_s` when the line was hung up."""

    kind = LinkKind.MODEM

    def __init__(
        self,
        network: Network,
        on_rate: Callable[[int], None],
        watchers: Sequence[LineWatcher],
        times: LinkTimes | None = None,
    ) -> None:
        self._network, self._on_rate, self.watchers = network, on_rate, list(watchers)
        self._times = times or LinkTimes()
        self.connected_s = self.down_s = 0.0

    async def dial(self) -> DialOutcome:
        """CONNECT."""
        self.connected_s = asyncio.get_running_loop().time()
        return DialOutcome(DialResult.CONNECTED, "CONNECT", self._network.line.rate_bps)

    async def negotiate(self) -> DialOutcome:
        """PPP: its exchanges cross the line, then the hook and the station's own programs run."""
        self._on_rate(self._network.line.rate_bps)
        times = self._times
        for _ in range(times.exchanges):
            for way in (self._network.up, self._network.down):
                arrived = asyncio.Event()
                way.pass_bytes(times.bytes_each_way // times.exchanges, arrived.set)
                await arrived.wait()
        await asyncio.sleep(times.programs_s)
        for watcher in self.watchers:
            watcher.line_up(PppUp(INTERFACE, STATION, PROVIDER))
        return DialOutcome(DialResult.CONNECTED)

    async def lost(self) -> str:
        """Never."""
        await asyncio.Event().wait()
        return ""

    async def hang_up(self) -> None:
        """PPP's end, and the modem's escape."""
        for watcher in self.watchers:
            watcher.line_down()
        await asyncio.sleep(self._times.hang_up_s + self._network.line.rtt_s)
        self.down_s = asyncio.get_running_loop().time()

    def traffic(self) -> Traffic | None:
        """What both ways carried."""
        return Traffic(self._network.up.carried, self._network.down.carried)

    def crossed(self) -> Crossed | None:
        """What the kernel would count of PPP's compressor."""
        up, down = self._network.up, self._network.down
        return Crossed(up.plain, up.wire, down.plain, down.wire)

    def doubt(self, why: str) -> None:
        """The line is up."""
