"""What a perfect station would have needed with a provider: a lower bound of the seconds until all is across.

It counts what no station can spare: PPP's exchanges and the bytes of both ways, the round trips that this mail
program waits for, its processes' starts, the pauses between its messages, and its number of connections. A perfect
station answers at once and has no queue anywhere. Headers and envelopes cost no bytes, and each command or reply
nothing but its frame.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass

from rig.line.provider_mail import Kind

from call_model.line import LineRate
from call_model.link import LinkTimes
from call_model.providers import ProviderKind
from provider_log import ProviderLog

_ETRN_ROUND_TRIPS = 3
"""TCP, greeting, and EHLO of a first call. ETRN is at the provider half a round trip later, and the last message is
here half a round trip before its reply is there.
"""
_FIRST = {"postfix": 5, "exim": 4, "sendmail": 6}
"""Of a new connection and its first message: TCP, greeting, EHLO, then the message."""
_NEXT = {"postfix": 3, "exim": 1, "sendmail": 4}
"""Of each further message: RSET (not Exim), the envelope (sendmail in two parts), the content."""
_PACKET_BYTES, _FRAME_BYTES = 1460, 10
_TLS_ROUND_TRIPS = 3
"""STARTTLS, the handshake, EHLO again."""


@dataclass(frozen=True)
class Waiting:
    """What waits at each end: how many messages, and the bytes of their content on the line."""

    inbound: int
    outbound: int
    down: int
    up: int


def waiting(inbound: Sequence[bytes], outbound: Sequence[bytes], *, tls: bool) -> Waiting:
    """Of these messages, in the largest packets there are. What TLS encrypted does not deflate."""

    def crossing(contents: Sequence[bytes]) -> int:
        whole = b"".join(contents)
        packets = [whole[start : start + _PACKET_BYTES] for start in range(0, len(whole), _PACKET_BYTES)]
        if tls:
            return len(whole) + _FRAME_BYTES * len(packets)
        stream = zlib.compressobj(6, zlib.DEFLATED, -15, 8)
        squeezed = sum(len(stream.compress(one)) + len(stream.flush(zlib.Z_SYNC_FLUSH)) - 4 for one in packets)
        return squeezed + _FRAME_BYTES * len(packets)

    return Waiting(len(inbound), len(outbound), crossing(inbound), crossing(outbound))


def perfect_s(line: LineRate, kind: ProviderKind, times: LinkTimes, mail: Waiting, *, tls: bool) -> float:
    """Seconds from CONNECT until both directions are across, with a provider of the model."""
    inbound_s = kind.begins_s + _lanes_s(line, kind, mail, tls=tls) if mail.inbound else 0.0
    return _across_s(line, times, mail, inbound_s, kind.manners.greets_after_s)


def perfect_in_run_s(
    line: LineRate, name: Kind, places: int, log: ProviderLog, mail: Waiting, *, tls: bool
) -> float:
    """The same with a real provider as its log shows it in one run: its connections, places and pauses."""
    inbound_s = 0.0
    if log.deliveries:
        lanes = min(places, len(log.deliveries))
        opening_s = _message_s(line, name, first=True, tls=tls)
        all_s = sum(_message_s(line, name, first=one.connects, tls=tls) for one in log.deliveries)
        all_s += log.own_s(places)
        inbound_s = log.begins_s + _filled_s(line, mail, lanes, opening_s, all_s - lanes * opening_s)
    return _across_s(line, LinkTimes(), mail, inbound_s, 0.0)


def waits(name: Kind, log: ProviderLog, *, tls: bool) -> int:
    """The round trips that this provider waited for, over all its deliveries."""
    return sum(round_trips(name, first=one.connects, tls=tls) for one in log.deliveries)


def round_trips(name: str, *, first: bool, tls: bool) -> int:
    """What a message costs a connection, until its last reply."""
    if first:
        return _FIRST[name] + (_TLS_ROUND_TRIPS if tls else 0)
    return _NEXT[name]


def _message_s(line: LineRate, name: str, *, first: bool, tls: bool) -> float:
    """Its round trips, and the frames of commands and replies; its content has bytes of its own."""
    trips = round_trips(name, first=first, tls=tls)
    return trips * line.rtt_s + line.seconds((2 * trips - 1) * _FRAME_BYTES)


def _across_s(line: LineRate, times: LinkTimes, mail: Waiting, inbound_s: float, greets_after_s: float) -> float:
    """`inbound_s`: from ETRN on."""
    ppp_s = times.exchanges * line.rtt_s + line.seconds(2 * times.bytes_each_way)
    if mail.inbound:
        inbound_s += _ETRN_ROUND_TRIPS * line.rtt_s
    outbound_s = 3.5 * line.rtt_s + greets_after_s + line.seconds(mail.up) if mail.outbound else 0.0
    return ppp_s + max(inbound_s, outbound_s)


def _lanes_s(line: LineRate, kind: ProviderKind, mail: Waiting, *, tls: bool) -> float:
    """All messages over the connections there may be, each with its round trips and its share of the bytes."""
    lanes = min(kind.connections, mail.inbound)
    pause_s = kind.between_s + kind.gap_s
    reuses = not (tls and kind.name == "postfix")  # Postfix reuses no connection with TLS
    opening_s = kind.starts_s + _message_s(line, kind.name, first=True, tls=tls) + pause_s
    more_s = _message_s(line, kind.name, first=not reuses, tls=tls) + pause_s
    return _filled_s(line, mail, lanes, opening_s, (mail.inbound - lanes) * more_s)


def _filled_s(line: LineRate, mail: Waiting, lanes: int, opening_s: float, more_s: float) -> float:
    """No content crosses while a connection opens; then each lane has its share of the rest, the line all bytes."""
    bytes_s = line.seconds(mail.down)
    return opening_s + max((max(0.0, more_s) + bytes_s) / lanes, bytes_s)
