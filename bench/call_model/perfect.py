"""What a perfect station would have needed with this provider: a lower bound of the seconds until all is across.

It counts what no station can spare: PPP's exchanges and the bytes of both ways, the round trips that this mail
program waits for, its processes' starts, the pauses between its messages, and its number of connections. A perfect
station answers at once, has no queue anywhere, and neither its replies nor headers and envelopes cost bytes.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass

from call_model.line import LineRate
from call_model.link import LinkTimes
from call_model.providers import ProviderKind

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
    """Seconds from CONNECT until both directions are across."""
    ppp_s = times.exchanges * line.rtt_s + line.seconds(2 * times.bytes_each_way)
    inbound_s = outbound_s = 0.0
    if mail.inbound:
        inbound_s = _ETRN_ROUND_TRIPS * line.rtt_s + kind.begins_s + _lanes_s(line, kind, mail, tls=tls)
    if mail.outbound:
        outbound_s = 3.5 * line.rtt_s + kind.manners.greets_after_s + line.seconds(mail.up)
    return ppp_s + max(inbound_s, outbound_s)


def _lanes_s(line: LineRate, kind: ProviderKind, mail: Waiting, *, tls: bool) -> float:
    """All messages over the connections there may be, each with its round trips and its share of the bytes."""
    lanes = min(kind.connections, mail.inbound)
    first = _FIRST[kind.name] + (_TLS_ROUND_TRIPS if tls else 0)
    pause_s = kind.between_s + kind.gap_s
    further = first if tls and kind.name == "postfix" else _NEXT[kind.name]  # Postfix reuses no connection with TLS
    opening_s = kind.starts_s + first * line.rtt_s + pause_s
    more_s = (mail.inbound - lanes) * (further * line.rtt_s + pause_s)
    return max(opening_s + (more_s + line.seconds(mail.down)) / lanes, line.seconds(mail.down))
