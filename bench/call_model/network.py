"""The model's network: two hosts, the line between them, and the station's own LAN, in virtual time.

`ModelLoop` gives asyncio's and the station's calls for connections to it: what listens in this loop listens here,
and what connects, connects here.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable
from typing import Any

from call_model.line import LineRate, Way
from call_model.tcp import TcpEnd
from call_model.transport import ModelSocket, ModelTransport
from call_model.windows import TcpSettings
from virtual_time import VirtualTimeLoop

STATION, PROVIDER, LAN = "10.64.0.2", "10.64.0.1", "127.0.0.1"
INTERFACE = "ppp0"
_LAN_RATE = LineRate(1_000_000_000, 0.0001)
_TICK_S = 1e-8
_AGAIN_S = (1.0, 2.0, 4.0, 8.0, 16.0)
"""After which times a SYN is sent again (RFC 6298 §2); by a host whose route says nothing else."""

Factory = Callable[[], asyncio.BaseProtocol]


class Network:
    """The way from each host to the other, and who listens where. `down` are the settings of the provider's TCP."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._flows = itertools.count(1)
        self._listening: dict[tuple[str, int], Factory] = {}
        self._lan = Way(loop, _LAN_RATE, deflates=False)
        self.lays(LineRate(), TcpSettings(), TcpSettings())

    def lays(self, line: LineRate, up: TcpSettings, down: TcpSettings) -> None:
        """A new line; `up` is how the station's TCP sends and receives, `down` the provider's."""
        self.line = line
        self.up, self.down = Way(self._loop, line), Way(self._loop, line)
        self._settings = {STATION: up, PROVIDER: down, LAN: TcpSettings(mss=1460)}

    def listen(self, host: str, port: int, factory: Factory) -> None:
        """From now on `factory` makes the protocol of each connection to it."""
        self._listening[host, port] = factory

    def _way_from(self, host: str, other: str) -> Way:
        if LAN in (host, other):
            return self._lan
        return self.up if host == STATION else self.down

    async def connect(self, host: str, other: str, port: int) -> tuple[TcpEnd, ModelSocket]:
        """The end of a new connection, at `host`. Raises: ConnectionRefusedError."""
        flow, began_s = next(self._flows), self._loop.time()
        at = STATION if other == LAN else other
        out, back = self._way_from(host, other), self._way_from(other, host)
        client = TcpEnd(self._loop, flow, out, self._settings[host])
        server = TcpEnd(self._loop, flow, back, self._settings[LAN if other == LAN else other])
        client.join(server)
        server.join(client)
        answered: asyncio.Future[float] = self._loop.create_future()

        def syn_came(_: object) -> None:
            factory, came_s = self._listening.get((at, port)), self._loop.time()
            back.send(server.handshake(), lambda _: syn_answered(factory, came_s))

        def syn_answered(factory: Factory | None, came_s: float) -> None:
            if answered.done():
                return
            if factory is None:
                answered.set_exception(ConnectionRefusedError(111, "Connection refused"))
                return
            now_s = self._loop.time()
            client.opens(server.window.edge, now_s - began_s)
            out.send(client.first_ack(), lambda _: accepted(factory, came_s))
            answered.set_result(now_s)

        def accepted(factory: Factory, came_s: float) -> None:
            server.opens(client.window.edge, self._loop.time() - came_s)
            interface = "lo" if other == LAN else INTERFACE
            sock = ModelSocket(interface, at, (host, 40_000 + flow), server)
            ModelTransport(self._loop, server, sock).begins(factory())

        out.send(client.handshake(), syn_came)
        if host == PROVIDER:
            for pause_s in _AGAIN_S:
                done, _ = await asyncio.wait([answered], timeout=pause_s)
                if done:
                    break
                out.send(client.handshake(), lambda _: None)
        await answered
        return client, ModelSocket("lo" if other == LAN else INTERFACE, host, (other, port), client)

    async def open(self, host: str, other: str, port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A connection as streams."""
        end, sock = await self.connect(host, other, port)
        reader = asyncio.StreamReader()
        protocol = asyncio.StreamReaderProtocol(reader)
        transport = ModelTransport(self._loop, end, sock)
        transport.begins(protocol)
        return reader, asyncio.StreamWriter(transport, protocol, reader, self._loop)


class _Listening:
    """What `create_server` returns: the subset of asyncio.Server that the station uses."""

    def __init__(self, sockets: tuple[Any, ...]) -> None:
        self._held = sockets
        self.sockets: tuple[Any, ...] = ()

    def close(self) -> None:
        """Listen no more."""
        for sock in self._held:
            sock.close()


class ModelLoop(VirtualTimeLoop):
    """Virtual time, and the model's network in place of the kernel's TCP."""

    def __init__(self) -> None:
        super().__init__()
        self.jumping.tick_s = _TICK_S
        self.network = Network(self)

    async def create_server(  # type: ignore[override]
        self, factory: Factory, *args: Any, **options: Any
    ) -> Any:
        """The station's door for hosts: everything that the model connects to it comes here."""
        del args
        self.network.listen(STATION, 25, factory)
        return _Listening((options["sock"],))

    async def create_connection(  # type: ignore[override]
        self, factory: Factory, host: Any = None, port: Any = None, *, sock: Any = None, **options: Any
    ) -> Any:
        """From the station, to an address or on a socket that `sock_connect` has connected."""
        del options
        if sock is None:
            end, sock = await self.network.connect(STATION, str(host), int(port))
        else:
            end = sock.end
        protocol = factory()
        transport = ModelTransport(self, end, sock)
        transport.begins(protocol)
        return transport, protocol

    async def sock_connect(self, sock: Any, address: Any) -> None:
        """Connect a socket of the model."""
        sock.end, _ = await self.network.connect(STATION, str(address[0]), int(address[1]))
