"""SNTP: one query, one answer, and whether the answer can be trusted (RFC 4330, packet of RFC 5905 §7.3).

Pure: the client's own times and the random cookie are passed in. Times are Unix seconds.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

PORT = 123
PACKET_BYTES = 48
_ERA_S = 2**32
_UNIX_IN_NTP_S = 2_208_988_800
"""1970 in seconds since 1900."""
_CLIENT, _SERVER, _VERSION = 3, 4, 4
_UNSYNCHRONISED = 3
_LONGEST_TRIP_S = 60.0


@dataclass(frozen=True, slots=True)
class ClockOffset:
    """`offset_s` is to be added to our own clock; it is accurate to within half of `round_trip_s`."""

    offset_s: float
    round_trip_s: float
    stratum: int


def question(cookie: int) -> bytes:
    """The packet to send. `cookie` (64 random bits) comes back as the originate time, so nobody can forge an answer
    without having seen the query; it reveals nothing about the time here.
    """
    return struct.pack("!B39xQ", _VERSION << 3 | _CLIENT, cookie)


def answer(packet: bytes, cookie: int, sent_s: float, trip_s: float, *, not_before_s: float) -> ClockOffset:
    """The offset according to an answer. `sent_s` is our own clock when the query was sent, `trip_s` the measured
    (monotonic) time until the answer came; `not_before_s` is a time that is certainly past.

    Raises: ValueError with what is wrong with it, for the log.
    """
    if len(packet) < PACKET_BYTES:
        raise ValueError("it is too short")
    first, stratum = packet[0], packet[1]
    originate, receive, transmit = struct.unpack_from("!QQQ", packet, 24)
    if originate != cookie:
        raise ValueError("it does not answer the question asked")
    if first & 7 != _SERVER:
        raise ValueError("it is not the answer of a server")
    if stratum == 0:
        raise ValueError(f"the server refuses ({packet[12:16].decode('ascii', 'replace').strip(chr(0))})")
    if stratum > 15 or first >> 6 == _UNSYNCHRONISED:
        raise ValueError("the server does not know the time itself")
    if not transmit or not receive:
        raise ValueError("it tells no time")
    theirs_in, theirs_out = _unix(receive, not_before_s), _unix(transmit, not_before_s)
    at_server_s = theirs_out - theirs_in
    if not 0 <= at_server_s <= trip_s + 1 or trip_s > _LONGEST_TRIP_S:
        raise ValueError("its times make no sense")
    if theirs_out < not_before_s:
        raise ValueError("it tells a time that is past")
    on_the_way_s = max(0.0, trip_s - at_server_s)
    return ClockOffset(theirs_out + on_the_way_s / 2 - (sent_s + trip_s), on_the_way_s, stratum)


def _unix(timestamp: int, not_before_s: float) -> float:
    """NTP's 32 bits of seconds wrap around in 2036: the era is the one that is not past (RFC 5905 §6)."""
    seconds = timestamp / _ERA_S - _UNIX_IN_NTP_S
    while seconds < not_before_s - _ERA_S / 2:
        seconds += _ERA_S
    return seconds
