"""TCP relays across a simulated line: what happens to a byte between the two ends (see sim/line.py).

A `Direction` is one transmitter with its delay and its cut; a `Relay` is a port that accepts connections while the
line is up. Runs in the world's event loop.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from dialpost.edge.ground.transports import abort, close_server_soon

BITS_PER_BYTE = 10
PACKET_S = 0.05
"""The time a packet takes on the line, within MIN_PACKET and MAX_PACKET bytes."""
MIN_PACKET, MAX_PACKET = 64, 8192
ROOM_PACKETS = 4
"""How many packets of a connection may wait for the line before its sender is held back."""
SOCKET_BUFFER = 8192
"""The relay's own socket buffers, kept small: what is in them is on neither side."""
LIMBO_S = 0.25
"""The time from the loss of the line to the reset of its connections."""


@dataclass(slots=True)
class _Packet:
    """What crosses the line in one piece: `data`, or the call `then` for an event (connect, end of file)."""

    data: bytes
    arrive: Callable[[bytes], None]
    sent: Callable[[], None]


@dataclass(slots=True, eq=False)
class _Lane:
    """One connection's packets in one direction, in order."""

    packets: deque[_Packet] = field(default_factory=deque)
    waiting_bytes: int = 0


class Direction:
    """One transmitter: packets of all lanes in turn, at the line's rate."""

    def __init__(
        self, rate_bps: int, rtt_s: float, *, cut_at: int | None, name: str, cut: Callable[[str], None]
    ) -> None:
        self._rate_bps, self._rtt_s = rate_bps, rtt_s
        self._cut_at, self._name, self._cut = cut_at, name, cut
        self._lanes: deque[_Lane] = deque()
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._in_flight: deque[tuple[float, _Packet]] = deque()
        self._landing: asyncio.TimerHandle | None = None
        self.arrived = 0
        bytes_per_s = rate_bps / BITS_PER_BYTE
        self.packet_bytes = int(min(max(bytes_per_s * PACKET_S, MIN_PACKET), MAX_PACKET))

    def start(self) -> None:
        """The line is up."""
        self._task = asyncio.create_task(self._transmit())

    def stop(self) -> None:
        """The line is down: everything waiting or in flight is gone."""
        if self._task is not None:
            self._task.cancel()
            self._task = None
        if self._landing is not None:
            self._landing.cancel()
            self._landing = None
        self._in_flight.clear()
        self._lanes.clear()

    def put(self, lane: _Lane, packet: _Packet) -> None:
        """Queue a packet behind those of its lane."""
        if not lane.packets:
            self._lanes.append(lane)
        lane.packets.append(packet)
        lane.waiting_bytes += len(packet.data)
        self._wake.set()

    async def _transmit(self) -> None:
        loop = asyncio.get_running_loop()
        free_at = loop.time()  # kept exact, so that the rate is right however late the sleeps return
        while True:
            if not self._lanes:
                self._wake.clear()
                await self._wake.wait()
                free_at = max(free_at, loop.time())
            lane = self._lanes.popleft()
            packet = lane.packets.popleft()
            lane.waiting_bytes -= len(packet.data)
            if lane.packets:
                self._lanes.append(lane)
            free_at += len(packet.data) * BITS_PER_BYTE / self._rate_bps
            await asyncio.sleep(max(0.0, free_at - loop.time()))
            self._fly(packet, free_at + self._rtt_s / 2)
            packet.sent()

    def _fly(self, packet: _Packet, at_s: float) -> None:
        """Packets in flight keep their order: one timer, for the first of them."""
        self._in_flight.append((at_s, packet))
        if self._landing is None:
            self._landing = asyncio.get_running_loop().call_at(at_s, self._land)

    def _land(self) -> None:
        loop = asyncio.get_running_loop()
        self._landing = None
        while self._in_flight and self._in_flight[0][0] <= loop.time():
            self._arrive(self._in_flight.popleft()[1])
        if self._in_flight:
            self._landing = loop.call_at(self._in_flight[0][0], self._land)

    def _arrive(self, packet: _Packet) -> None:
        data = packet.data
        cut = self._cut_at is not None and self.arrived + len(data) >= self._cut_at
        if cut:
            assert self._cut_at is not None
            data = data[: self._cut_at - self.arrived]
            self._cut_at = None
        self.arrived += len(data)
        if data or not packet.data:
            packet.arrive(data)
        if cut:
            self._cut(self._name)


class Relay:
    """Listens on a port while the line is up; each connection becomes a pair of ends across the line."""

    def __init__(self, target_port: int, there: Direction, back: Direction, source: str = "127.0.0.1") -> None:
        self._target_port, self._there, self._back, self._source = target_port, there, back, source
        self._holder = _bound(0)
        self.port: int = self._holder.getsockname()[1]
        self._server: asyncio.Server | None = None
        self._crossings: set[_Crossing] = set()
        self._dying: set[_Crossing] = set()

    async def listen(self) -> None:
        """Accept connections. A socket that never listens has reserved the port so far."""
        sock = _bound(self.port)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SOCKET_BUFFER)
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(self._accept, sock=sock)

    def silence(self) -> None:
        """Accept no connections; existing ones die."""
        if self._server is not None:
            close_server_soon(self._server)
            self._server = None
        for crossing in self._crossings:
            crossing.die()
        self._dying |= self._crossings
        self._crossings = set()

    def close(self) -> None:
        """Release the port; connections still in limbo end now."""
        for crossing in self._crossings | self._dying:
            crossing.abort()
        self._holder.close()

    def _accept(self) -> _End:
        crossing = _Crossing(self._target_port, self._there, self._back, source=self._source, gone=self._gone)
        self._crossings.add(crossing)
        return crossing.near

    def _gone(self, crossing: _Crossing) -> None:
        self._crossings.discard(crossing)
        self._dying.discard(crossing)


def _bound(port: int) -> socket.socket:
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.setblocking(False)
    sock.bind(("127.0.0.1", port))
    return sock


class _Crossing:
    """One connection across the line: the near end is the caller's, the far end is made later."""

    def __init__(
        self,
        target_port: int,
        there: Direction,
        back: Direction,
        *,
        source: str,
        gone: Callable[[_Crossing], None],
    ) -> None:
        self._target_port, self._there, self._back = target_port, there, back
        self._source, self._gone = source, gone
        self.near = _End(self, there)
        self.far = _End(self, back)
        self.near.other, self.far.other = self.far, self.near
        self._task: asyncio.Task[None] | None = None

    def called(self) -> None:
        """The caller is connected: TCP's handshake crosses the line (there, back, there)."""
        self._sign(self._there, self.near, self._shake_back)

    def _shake_back(self) -> None:
        self._sign(self._back, self.far, self._shake_there)

    def _shake_there(self) -> None:
        self._sign(self._there, self.near, self._connect)
        self.near.begin()

    def _sign(self, direction: Direction, end: _End, then: Callable[[], None]) -> None:
        direction.put(end.lane, _Packet(b"", lambda _: then(), lambda: None))

    def _connect(self) -> None:
        self._task = asyncio.create_task(self._connect_far())

    async def _connect_far(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            await loop.create_connection(
                lambda: self.far, "127.0.0.1", self._target_port, local_addr=(self._source, 0)
            )
        except OSError:
            self._sign(self._back, self.far, self.abort)  # the refusal comes back over the line

    def ended(self) -> None:
        """One side is gone for good: so is the other, once it has everything."""
        if self.near.closed and self.far.closed:
            self._gone(self)

    def die(self) -> None:
        """Nothing passes any more; the reset follows later, when a real peer would notice."""
        self.near.dead = self.far.dead = True
        asyncio.get_running_loop().call_later(LIMBO_S, self.abort)

    def abort(self) -> None:
        """Both sides see a reset."""
        if self._task is not None:
            self._task.cancel()
        self.near.abort()
        self.far.abort()
        self._gone(self)


class _End(asyncio.Protocol):
    """One side's TCP connection to the relay. What it receives goes into `direction`."""

    def __init__(self, crossing: _Crossing, direction: Direction) -> None:
        self._crossing, self._direction = crossing, direction
        self.other: _End
        self.lane = _Lane()
        self._transport: asyncio.Transport | None = None
        self._early: list[bytes | None] = []
        self._paused = self._eof_in = self._eof_out = self._has_begun = False
        self.dead = False
        self.closed = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        if self.closed:  # reset while it was being made
            abort(transport)
            return
        sock = transport.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SOCKET_BUFFER)
        for piece in self._early:
            self._deliver(piece)
        self._early.clear()
        if self is self._crossing.near:
            # A caller's data follows its handshake. Pausing here has no effect on Python 3.11.2: the transport
            # begins to read after this.
            asyncio.get_running_loop().call_soon(self._hold)
            self._crossing.called()

    def _hold(self) -> None:
        if self._transport is not None and not self._has_begun:
            self._transport.pause_reading()

    def begin(self) -> None:
        """The handshake is complete: accept data."""
        self._has_begun = True
        if self._transport is not None and not self.dead:
            self._transport.resume_reading()

    def data_received(self, data: bytes) -> None:
        if self.dead:
            return
        size = self._direction.packet_bytes
        for start in range(0, len(data), size):
            piece = data[start : start + size]
            self._direction.put(self.lane, _Packet(piece, self.other.arrived, self._was_sent))
        if self.lane.waiting_bytes > ROOM_PACKETS * size and self._transport is not None:
            self._paused = True
            self._transport.pause_reading()

    def _was_sent(self) -> None:
        room = self.lane.waiting_bytes <= ROOM_PACKETS * self._direction.packet_bytes
        if self._paused and room and self._transport is not None:
            self._paused = False
            self._transport.resume_reading()

    def eof_received(self) -> bool:
        self._eof_in = True
        self._send_end()
        return not self._eof_out

    def connection_lost(self, exc: Exception | None) -> None:
        self.closed = True
        self._transport = None
        self._send_end()
        self._crossing.ended()

    def _send_end(self) -> None:
        """Tell the other side, after the data, that nothing more comes."""
        if not self.dead:
            self._direction.put(self.lane, _Packet(b"", lambda _: self.other.ended(), lambda: None))

    def arrived(self, data: bytes) -> None:
        """Data from the other side came over the line."""
        self._deliver(data)

    def ended(self) -> None:
        """The other side sends no more."""
        self._deliver(None)

    def _deliver(self, piece: bytes | None) -> None:
        if self._transport is None:
            if not self.closed:
                self._early.append(piece)
        elif piece is not None:
            self._transport.write(piece)
        elif self._eof_in or self.other.closed:
            self._transport.close()
        elif not self._eof_out:
            self._eof_out = True
            self._transport.write_eof()

    def abort(self) -> None:
        """Reset this side."""
        self.dead = True
        if self._transport is not None:
            sock = self._transport.get_extra_info("socket")
            with contextlib.suppress(OSError):
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            abort(self._transport)
        self.closed = True
