"""Keeping every buffer of a slow line short: how the line's routes are set in the kernel when it comes up.

A line of 4 kB/s has seconds of buffers below any queueing discipline (the tty's 4 kB, the modem's 1-4 kB, the same
at the far end). Bulk data in one direction fills them and delays every reply and ACK of the other, so that the
directions take turns instead of sharing the line. Nobody can look into these buffers, and compression makes shaping
by bytes wrong by a factor, so the amount in flight is limited at its source:

- inbound by the receive window, one segment for each connection (six are served at once, see
flow/mail/incoming/line_turns);
- outbound by edge/mail/smtp_client/outlet, under delay-based congestion control (TCP Vegas), which finds the true
  rate whatever the compression;
- both by short packets: 576 bytes on a modem's line, 296 below 14.4 kbit/s.

Fast lines need none of this. `make bench` measures the effect of each measure (docs/performance.md).
"""

from __future__ import annotations

from dataclasses import dataclass

from dialpost.core.line_peers import served_at_once

SLOW_BPS = 256_000
"""Above this rate the kernel's defaults are good enough."""
HEADERS_BYTES = 40
"""IPv4 and TCP without options."""
IN_FLIGHT_S = 0.5
"""How much of the line's time may be in flight inbound over all connections served at once."""
FIRST_SEGMENTS = 3
LEAST_RTO_S = 3
"""The minimum retransmission time-out: a full line's round trip is 1-2 s, and losses are rare (V.42 repairs
them)."""
QUEUE_PACKETS = 30
"""The transmit queue: ppp interfaces start with 3 packets, and would drop what a second connection sends."""
VEGAS_PACKETS = (16, 24)
"""Vegas' alpha and beta (the defaults are 2 and 4): how far it lets the round trip grow. It mistakes the queue in
the other direction for its own and backs off: with the defaults, outbound mail fell to a third of a line that
inbound mail kept busy. edge/mail/smtp_client/outlet limits what is in flight instead."""
OUTBOUND_S = 0.75
"""How much of the line's time a connection of ours may fill."""
LEAST_OUTBOUND_SEGMENTS = 4
SURE_BPS = 56_000
"""Above this rate a modem reports the speed of its own cable, and the line's is unknown (cellular, USB)."""


@dataclass(frozen=True, slots=True)
class LineShape:
    """`mtu` in bytes; `window` is the receive window of one connection in bytes, 0 = the kernel decides."""

    mtu: int
    window: int
    delay_based: bool


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
    share = rate_bps / 8 * IN_FLIGHT_S / served_at_once(rate_bps)
    return LineShape(mtu, max(1, round(share / segment)) * segment, delay_based=True)


def tunables(line: LineShape) -> dict[str, int]:
    """Kernel parameters by their files, to be written after running `commands`: only this line uses Vegas."""
    if not line.delay_based:
        return {}
    return {
        f"/sys/module/tcp_vegas/parameters/{name}": value
        for name, value in zip(("alpha", "beta"), VEGAS_PACKETS, strict=True)
    }


def outbound_bytes(rate_bps: int) -> int:
    """How much a connection of ours may have in flight on a line of this rate (bits per second), 0 = no limit."""
    if rate_bps > SURE_BPS:
        return 0
    segment = mtu_for(rate_bps) - HEADERS_BYTES
    return max(LEAST_OUTBOUND_SEGMENTS, round(rate_bps / 8 * OUTBOUND_S / segment)) * segment


def commands(line: LineShape, interface: str, peer: str, local: str, *, default_route: bool) -> list[list[str]]:
    """The commands, run as root when the line has come up. Any of them may fail: the line works without it."""
    attributes = ["window", str(line.window)] if line.window else []
    found = [["ip", "link", "set", "dev", interface, "txqueuelen", str(QUEUE_PACKETS)]]
    if line.delay_based:
        # Ten initial segments are seconds of queue, and an initial RTO of one second sends replies twice.
        attributes += ["initcwnd", str(FIRST_SEGMENTS), "rto_min", f"{LEAST_RTO_S}s"]
        attributes += ["congctl", "vegas"]  # the kernel loads the module automatically
    if not attributes:
        return found
    to_peer = ["ip", "route", "replace", peer, "dev", interface, "proto", "kernel", "scope", "link", "src", local]
    found.append(to_peer + attributes)
    if default_route:
        found.append(["ip", "route", "replace", "default", "dev", interface, *attributes])
    return found
