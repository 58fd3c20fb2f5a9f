"""One end of a TCP connection in the model, as Linux sends and acknowledges where nothing is lost.

Sending: slow start from the route's first segments, no more than the peer's window, whole segments or the rest of
what there is. Acknowledging (tcp_input.c): at once each second segment, and every one while the connection is young
and has not answered; otherwise after 40 ms, or with the next data. Nothing is lost, but an acknowledgement may be
later than the time-out: then the first segment crosses once more, in vain, as with F-RTO (RFC 5682).
"""

from __future__ import annotations

import asyncio
from collections import deque

from call_model.line import Way
from call_model.packet import Packet
from call_model.windows import DelayedAcks, Reader, ReceiveWindow, RoundTrips, TcpSettings

_MOST_CWND = 1000


class TcpEnd:
    """One end. `join` gives it its peer; `reader` is set by the transport before anything arrives."""

    def __init__(self, loop: asyncio.AbstractEventLoop, flow: int, way: Way, settings: TcpSettings) -> None:
        self._loop, self._flow, self._way, self.settings = loop, flow, way, settings
        self.reader: Reader | None = None
        self._peer: TcpEnd | None = None
        self._early: list[Packet] = []
        # Sending
        self._out = bytearray()
        self._first = self._next = 1  # the first byte not acknowledged, the next to be sent
        self._edge = 0  # of the peer's window
        self._widest = 0
        self._cwnd = settings.first_segments
        self._fin_at: int | None = None
        self._sent_at: deque[tuple[int, float]] = deque()
        self._number = 0
        self._again: asyncio.TimerHandle | None = None
        self._is_again = False
        self.round_trips = RoundTrips(settings.least_rto_s)
        # Receiving
        self._came_to = 1
        self.window = ReceiveWindow(settings)
        self._acks = DelayedAcks(loop, settings.mss, self._acknowledge)
        self._held: list[bytes] = []
        self.is_paused = False
        self.is_dead = self.is_deaf = False
        self._peer_ended = False

    # -- what the sockets ask -------------------------------------------------------------------------

    @property
    def unacknowledged(self) -> int:
        """SIOCOUTQ: bytes written and not acknowledged, sent or not."""
        return len(self._out)

    @property
    def unsent(self) -> int:
        """Bytes written and not sent."""
        return max(0, self._first + len(self._out) - self._next)

    @property
    def received(self) -> int:
        """Bytes that arrived."""
        return self._came_to - 1

    @property
    def sent(self) -> int:
        """Bytes sent."""
        return self._next - 1

    # -- the handshake --------------------------------------------------------------------------------

    def join(self, peer: TcpEnd) -> None:
        """Say who is at the other end."""
        self._peer = peer

    def handshake(self) -> Packet:
        """A SYN or the answer to it."""
        return Packet(self._flow, self._numbered(), 0, 0, self.window.edge - 1, syn=True)

    def first_ack(self) -> Packet:
        """The client's answer to the answer."""
        return self._packet(1)

    def opens(self, edge: int, rtt_s: float) -> None:
        """The handshake is over: the peer offers to take data up to `edge`."""
        self._edge = self._widest = edge
        self.round_trips.took(rtt_s)

    # -- sending --------------------------------------------------------------------------------------

    def write(self, data: bytes) -> None:
        """Send, as soon as window and congestion window allow."""
        self._out += data
        self._push()

    def finish(self) -> None:
        """No more will be written."""
        if self._fin_at is None and not self.is_dead:
            self._fin_at = self._first + len(self._out)
            self._push()

    def abort(self) -> None:
        """Reset the connection, unless it is over."""
        if not self.is_dead:
            self._send(Packet(self._flow, self._numbered(), self._next, self._came_to, 0, reset=True))
            self._die()

    def _push(self) -> None:
        if self.is_dead:
            return
        mss, end = self.settings.mss, self._first + len(self._out)
        while self._next < end and len(self._sent_at) < self._cwnd:
            room = self._edge - self._next
            size = min(mss, end - self._next)
            if size > room:
                size = room if self._widest // 2 <= room else 0
            if size <= 0:
                return
            start = self._next - self._first
            data = bytes(self._out[start : start + size])
            self._next += size
            self._sent_at.append((self._next, self._loop.time()))
            self._acks.answers()
            self._send(self._packet(self._next - size, data))
            if self._again is None:
                self._watch()
        if self._next == self._fin_at:
            self._next += 1
            self._send(self._packet(self._next - 1, fin=True))

    def _packet(self, seq: int, data: bytes = b"", *, fin: bool = False) -> Packet:
        """With it goes what there is to acknowledge."""
        self._acks.sent(self._came_to)
        window = self.window.offer(self._came_to, is_open=not self.is_paused)
        return Packet(self._flow, self._numbered(), seq, self._came_to, window, data, fin=fin)

    def _numbered(self) -> int:
        self._number += 1
        return self._number

    def _send(self, packet: Packet) -> None:
        peer = self._peer
        assert peer is not None
        self._way.send(packet, peer.take)

    def _watch(self) -> None:
        """Begin to wait for the first segment's acknowledgement."""
        if self._again is not None:
            self._again.cancel()
        waits = bool(self._sent_at) and not self.is_dead
        self._again = self._loop.call_later(self.round_trips.time_out_s, self._send_again) if waits else None

    def _send_again(self) -> None:
        self.round_trips.timed_out()
        size = self._sent_at[0][0] - self._first
        self._send(self._packet(self._first, data=bytes(self._out[:size])))
        self._is_again = True
        self._watch()

    # -- receiving ------------------------------------------------------------------------------------

    def take(self, packet: Packet) -> None:
        """A packet has arrived."""
        if self.is_dead:
            if packet.data:
                self._send(Packet(self._flow, self._numbered(), self._next, packet.end, 0, reset=True))
            return
        if self.reader is None:
            self._early.append(packet)
            return
        if packet.reset:
            self._die()
            self.reader.broke()
            return
        self._take_ack(packet)
        if packet.end > self._came_to:
            self._take_data(packet)
        elif packet.data:  # it crossed twice
            self._acknowledge()
        self._push()

    def begins(self, reader: Reader) -> None:
        """From here on `reader` takes what comes, and what came before."""
        self.reader = reader
        early, self._early = self._early, []
        for packet in early:
            self.take(packet)

    def _take_ack(self, packet: Packet) -> None:
        edge = packet.ack + packet.window
        self._edge = max(self._edge, edge)
        self._widest = max(self._widest, packet.window)
        acked = packet.ack - self._first
        if acked <= 0:
            return
        while self._sent_at and self._sent_at[0][0] <= packet.ack:
            _, at_s = self._sent_at.popleft()
            self._cwnd = min(self._cwnd + 1, _MOST_CWND)
            is_last = not self._sent_at or self._sent_at[0][0] > packet.ack
            if is_last and not self._is_again:  # of what went twice nobody knows (RFC 6298 §3)
                self.round_trips.took(self._loop.time() - at_s)
        self._is_again = False
        self._watch()
        del self._out[:acked]
        self._first = packet.ack
        if self._fin_at is not None and self._first > self._fin_at and self._peer_ended:
            self._die()
        assert self.reader is not None
        self.reader.drained()

    def _take_data(self, packet: Packet) -> None:
        assert self.reader is not None
        data = packet.data[self._came_to - packet.seq :]
        self._came_to = packet.end
        self.window.came(len(data))
        if self.is_deaf and data:
            self.abort()
            return
        if data and self.is_paused:
            self._held.append(data)
        elif data:
            self.reader.came(data)
        if packet.fin:
            self._peer_ended = True
            self._acknowledge()
            if self._fin_at is not None and self._first > self._fin_at:
                self._die()
            else:
                self.reader.ended()
        elif not self.is_dead:
            self._acks.owes(self._came_to)

    def _acknowledge(self) -> None:
        if not self.is_dead:
            self._send(self._packet(self._next))

    def resume(self) -> None:
        """Reading goes on: deliver what came meanwhile, and offer its room again."""
        self.is_paused = False
        held, self._held = self._held, []
        for number, data in enumerate(held):
            if self.is_paused:
                self._held = held[number:]
                return
            assert self.reader is not None
            self.reader.came(data)
        if held and not self.is_dead:
            self._acknowledge()

    def _die(self) -> None:
        self.is_dead = True
        self._out.clear()
        self._sent_at.clear()
        self._acks.sent(self._came_to)
        if self._again is not None:
            self._again.cancel()
