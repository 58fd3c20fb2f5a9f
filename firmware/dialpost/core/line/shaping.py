"""Keeping every buffer of a slow line short: how the line's routes are set in the kernel when it comes up.

A line of 4 kB/s has seconds of buffers below any queueing discipline (the tty's 4 kB, the modem's 1-4 kB, the same
at the far end). Bulk data in one direction fills them and delays every reply and ACK of the other, so that the
directions take turns instead of sharing the line. Nobody can look into these buffers, and compression makes shaping
by bytes wrong by a factor, so the amount in flight is limited at its source:

- inbound by the receive windows. A connection begins with the window of a small message (its route's `window`);
  from its first message on, all with a message under way share `in_flight_bytes` (flow/mail/incoming/line_windows);
- outbound by edge/mail/wire/outlet, which hands the kernel no more than that. The kernel's own congestion
  control on the line, TCP Vegas, only has to stay out of the way;
- both by short packets: 576 bytes on a modem's line, 296 below 14.4 kbit/s.

The amount follows the rate, the round trip and the compression of the call (flow/line/pace). Fast lines need none
of this. `make bench` measures the effect of each measure (docs/performance.md).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from math import ceil

SLOW_BPS = 256_000
"""Above this rate the kernel's defaults are good enough."""
HEADERS_BYTES = 40
"""IPv4 and TCP without options."""
START_BYTES = 2100
"""The receive window of a new connection: a small message in one flight."""
ASSUMED_ROUND_TRIP_S = 0.5
"""Until a connection was made."""
FIRST_SEGMENTS = 3
"""Of a connection of ours, up to SURE_BPS: the kernel's ten are seconds of queue. Above, where the line may be a
satellite's, each round trip in which a connection finds its pace would cost more.
"""
LEAST_RTO_S = 3
"""The minimum retransmission time-out: a full line's round trip is 1-2 s, and losses are rare (V.42 repairs
them)."""
QUEUE_PACKETS = 30
"""The transmit queue: ppp interfaces start with 3 packets, and would drop what a second connection sends."""
VEGAS_PACKETS = {"alpha": 16, "beta": 24, "gamma": 1}
"""Of Vegas (alpha's and beta's defaults are 2 and 4): how far it lets the round trip grow, gamma at the start. It
mistakes the queue in the other direction for its own and backs off: with the defaults, outbound mail fell to a
third of a line that inbound mail kept busy.
"""
_NEVER = 1000
VEGAS_IDLE = dict.fromkeys(VEGAS_PACKETS, _NEVER)
"""Up to SURE_BPS, where edge/mail/wire/outlet limits what is in flight. If acknowledgements take a second behind
the mail of many connections, 24 packets are no more than four in flight, and gamma makes it two.
"""
LOSS_PROBES = "/proc/sys/net/ipv4/tcp_early_retrans"
"""Off: Linux sends a reply again after a second while it has measured no round trip. Without timestamps it measures
none if the handshake took longer than a second. At 2,400 bit/s each reply went twice."""
SURE_BPS = 56_000
"""Above this rate a modem reports the speed of its own cable, and the line's is unknown (cellular, USB)."""


class Standing(Enum):
    """How much may wait in a direction's buffers so that it never runs dry: packets, or time where they shrink."""

    ALONE = (3, 1.0)
    """Nothing comes the other way that would have to wait."""
    BESIDE = (3, 0.35)
    """Something goes the other way, too."""


@dataclass(frozen=True, slots=True)
class LineShape:
    """`mtu` in bytes; `window` is the first receive window of a connection in bytes, `first_segments` what it may
    send at first; 0 = the kernel decides.
    """

    mtu: int
    window: int
    delay_based: bool
    first_segments: int = 0


def mtu_for(rate_bps: int) -> int:
    """The largest packet in bytes: at most about 0.15 s of the line (RFC 1144 §5.2 argues for 200 ms at most)."""
    if rate_bps < 14_400:
        return 296
    return 576 if rate_bps <= SLOW_BPS else 1500


def shape(rate_bps: int, mtu: int = 0) -> LineShape:
    """What suits a line of this rate (bits per second); `mtu` as configured, 0 = depending on the rate."""
    mtu = mtu or mtu_for(rate_bps)
    if rate_bps > SLOW_BPS:
        return LineShape(mtu, 0, delay_based=False)
    segment = mtu - HEADERS_BYTES
    first = FIRST_SEGMENTS if rate_bps <= SURE_BPS else 0
    return LineShape(mtu, ceil(START_BYTES / segment) * segment, delay_based=True, first_segments=first)


def tunables(line: LineShape) -> dict[str, int]:
    """Kernel parameters by their files, to be written after running `commands`: only this line uses Vegas."""
    if not line.delay_based:
        return {}
    packets = VEGAS_IDLE if line.first_segments else VEGAS_PACKETS
    vegas = {f"/sys/module/tcp_vegas/parameters/{name}": value for name, value in packets.items()}
    return vegas | {LOSS_PROBES: 0}


def segment_bytes(rate_bps: int, mtu: int = 0) -> int:
    """What a packet carries; `mtu` as configured."""
    return (mtu or mtu_for(rate_bps)) - HEADERS_BYTES


def in_flight_bytes(rate_bps: int, round_trip_s: float, ratio: float, standing: Standing, mtu: int = 0) -> int:
    """How many bytes before compression keep one direction of a line busy: what it holds itself, and what waits.

    In whole segments. `round_trip_s` is that of an idle line, `ratio` the bytes before compression for one on the
    line, `mtu` as configured.
    """
    carried = rate_bps / 8 * ratio
    segment = segment_bytes(rate_bps, mtu)
    packets, seconds = standing.value
    return ceil((carried * round_trip_s + max(packets * segment, carried * seconds)) / segment) * segment


def commands(line: LineShape, interface: str, peer: str, local: str, *, default_route: bool) -> list[str]:
    """The commands for one run of `ip -batch` as root when the line has come up: each process costs a paid line 50
    to 100 ms. Any of them may fail: the line works without it.
    """
    attributes = f" window {line.window}" if line.window else ""
    found = [f"link set dev {interface} txqueuelen {QUEUE_PACKETS}"]
    if line.delay_based:
        attributes += f" initcwnd {line.first_segments}" if line.first_segments else ""
        # An initial RTO of one second sends replies twice. The kernel loads the module automatically.
        attributes += f" rto_min {LEAST_RTO_S}s congctl vegas"
    if not attributes:
        return found
    found.append(f"route replace {peer} dev {interface} proto kernel scope link src {local}{attributes}")
    if default_route:
        found.append(f"route replace default dev {interface}{attributes}")
    return found
