"""Headers on a PPP line: VJ compression (RFC 1144 §3.2), in the bytes that it would send.

The real bytes count, because deflate sees them too. TCP's timestamps are off, as the station sees to.
"""

from __future__ import annotations

import struct
import zlib

from call_model.packet import Packet

_IP, _UNCOMPRESSED, _COMPRESSED = b"\x21", b"\x2f", b"\x2d"
"""PPP's protocol numbers, in one byte."""
_NEW_CONNECTION, _NEW_ID, _PUSH = 0x40, 0x20, 0x10
_NEW_SEQ, _NEW_ACK, _NEW_WINDOW = 0x08, 0x04, 0x02
_ECHO, _STREAM = 0x0B, 0x0F
_MOST_SLOTS = 16


class VanJacobson:
    """The compressor of one direction."""

    def __init__(self) -> None:
        self._last: dict[int, Packet] = {}
        self._current = -1

    def compressed(self, packet: Packet) -> bytes:
        """PPP's protocol, the header and the data."""
        before = self._last.pop(packet.flow, None)
        if packet.syn or packet.fin or packet.reset:
            if before is not None:
                self._last[packet.flow] = before
            return _IP + _whole(packet) + packet.data
        self._last[packet.flow] = packet
        if len(self._last) > _MOST_SLOTS:
            del self._last[next(iter(self._last))]
        deltas = _deltas(before, packet) if before is not None else None
        if deltas is None:
            self._current = packet.flow
            return _UNCOMPRESSED + _whole(packet) + packet.data
        mask, coded = deltas
        new = b""
        if self._current != packet.flow:
            mask, new, self._current = mask | _NEW_CONNECTION, bytes([packet.flow % _MOST_SLOTS]), packet.flow
        checksum = struct.pack(">H", zlib.crc32(packet.data, packet.seq) & 0xFFFF)
        return _COMPRESSED + bytes([mask]) + new + checksum + coded + packet.data


def _whole(packet: Packet) -> bytes:
    """IPv4 and TCP, and the one option of a SYN."""
    option = b"\x02\x04\x02\x18" if packet.syn else b""
    length = 40 + len(option) + len(packet.data)
    ip = struct.pack(">HHHHBBHII", 0x4500, length, packet.number & 0xFFFF, 0x4000, 64, 6, 0, 0x0A400001, 0x0A400002)
    ports = 40_000 + packet.flow, 25
    flags = 0x5000 | packet.syn << 1 | packet.fin | packet.reset << 2 | 0x10
    tcp = (*ports, packet.seq & 0xFFFFFFFF, packet.ack & 0xFFFFFFFF, flags, min(packet.window, 65_535), 0, 0)
    return ip + struct.pack(">HHIIHHHH", *tcp) + option


def _deltas(before: Packet, packet: Packet) -> tuple[int, bytes] | None:
    """What changed since the flow's last packet; None if VJ sends the header whole."""
    window = (packet.window - before.window) & 0xFFFF
    ack, seq = packet.ack - before.ack, packet.seq - before.seq
    if not (0 <= ack < 65_536 and 0 <= seq < 65_536):
        return None
    mask, coded = 0, b""
    for bit, delta in ((_NEW_WINDOW, window), (_NEW_ACK, ack), (_NEW_SEQ, seq)):
        if delta:
            mask |= bit
            coded += _coded(delta)
    sent = len(before.data)
    if mask == 0 and (sent or not packet.data):
        return None  # a repetition
    if mask == _NEW_SEQ and seq == sent:
        mask, coded = _STREAM, b""
    elif mask == _NEW_SEQ | _NEW_ACK and seq == ack == sent:
        mask, coded = _ECHO, b""
    step = packet.number - before.number
    if step != 1:
        mask, coded = mask | _NEW_ID, coded + _coded(step)
    return mask | (_PUSH if packet.data else 0), coded


def _coded(delta: int) -> bytes:
    return bytes([delta]) if 1 <= delta <= 255 else b"\0" + struct.pack(">H", delta & 0xFFFF)
