"""A call, side by side: Dialpost, and a station of Postfix, fetchmail and pppd, on the same line and provider.

Each contender is a guest of its own with a real pppd, dialling a real Postfix over the simulated telephone line.
What is measured begins at CONNECT, so that PPP's negotiation counts, and ends when the last message lies in its
Maildir. The limit is what the line needs for the bytes it carried in the fuller direction; compression is on for
both.
"""

from __future__ import annotations

import re
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rig.line.exchange import Exchange
from rig.line.guests import MailGuest, ProviderGuest, Sizes
from rig.line.postfix_station import PostfixStation
from rig.line.telephone import TelephoneLine
from rig.line.uml import missing_for_guests
from rig.processes import RigError, eventually

from dialpost.sim.telephone_line import TelephoneSettings
from figures import Amounts, Row, show

_LONGEST_S = 900.0


@dataclass(frozen=True)
class Load:
    """What goes over the line, the same each way, and what is promised of it."""

    name: str
    line: TelephoneSettings
    sizes: Sizes
    within: float

    @property
    def count(self) -> int:
        return sum(count for _, count in self.sizes)


_TELEPHONE = TelephoneSettings(rate_bps=33_600, rtt_s=0.150)
_SATELLITE = TelephoneSettings(rate_bps=2400, rtt_s=1.8)
LOADS = (
    Load("40 of 2 kB and 4 of 80 kB each way", _TELEPHONE, ((2000, 40), (80_000, 4)), 1.35),
    Load("60 of 2 kB each way", _TELEPHONE, ((2000, 60),), 1.6),
    Load("20 of 2 kB each way, 2,400 bit/s, 1.8 s", _SATELLITE, ((2000, 20),), 1.6),
)
QUICK_LOADS = (Load("20 of 2 kB each way", _TELEPHONE, ((2000, 20),), 1.6),)


@dataclass(frozen=True)
class Measured:
    """Seconds from CONNECT; bytes on the line; messages that stayed behind."""

    inbound_s: float
    outbound_s: float
    hang_up_s: float
    up: int
    down: int
    stranded: int
    limit_s: float
    provider_s: float  # median time a message waited for the provider to begin with it

    @property
    def across_s(self) -> float:
        return max(self.inbound_s, self.outbound_s)

    @property
    def ratio(self) -> float:
        return self.across_s / self.limit_s


def calls(work: Path, amounts: Amounts) -> list[Row]:
    """The rows of every load."""
    del work  # a guest's socket paths must be short
    lacking = missing_for_guests("line")
    if lacking:
        raise RigError(f"this benchmark needs {lacking}")
    rows = []
    for load in LOADS if amounts.rounds > 2 else QUICK_LOADS:
        theirs, ours = _postfix(load), _dialpost(load)
        rows += _rows(load, ours, theirs)
    return rows


def _rows(load: Load, ours: Measured, theirs: Measured) -> list[Row]:
    # A time of Postfix's with messages left behind is the last one's that came, not all's: it is shown, not raced.
    across = ours.stranded == 0 and (theirs.stranded > 0 or ours.across_s <= theirs.across_s)
    found = [
        Row(
            "call",
            f"{load.name}: all across",
            ours.across_s,
            theirs.across_s,
            "s",
            "<= Postfix, none stranded",
            across,
        ),
        Row("call", "  of it inbound", ours.inbound_s, theirs.inbound_s, "s"),
        Row("call", "  the provider began with a message after (median)", ours.provider_s, theirs.provider_s, "s"),
        Row("call", "  of it outbound", ours.outbound_s, theirs.outbound_s, "s"),
        Row(
            "call",
            "  ratio to the line's limit",
            ours.ratio,
            theirs.ratio,
            "",
            f"<= {load.within}",
            ours.ratio <= load.within,
        ),
        Row("call", "  hung up", ours.hang_up_s, None, "s"),
        Row("call", "  line bytes up", ours.up, theirs.up, "bytes"),
        Row("call", "  line bytes down", ours.down, theirs.down, "bytes"),
        Row("call", "  messages left behind", ours.stranded, theirs.stranded, "", "0", ours.stranded == 0),
    ]
    for row in found:
        show(row)
    return found


def _dialpost(load: Load) -> Measured:
    """As configured by default but for the clock and the dialling pauses of the rig."""
    settings: dict[str, dict[str, Any]] = {
        "call": {"grace_min_s": 3.0, "grace_max_s": 60.0, "redial_attempts": 0, "cooldown_s": 0},
        "link": {"kind": "modem", "line_rate_bps": load.line.rate_bps},
    }
    with (
        tempfile.TemporaryDirectory(prefix="dp-b-") as directory,
        Exchange(Path(directory), line=load.line, settings=settings) as exchange,
    ):
        exchange.load(load.sizes, load.sizes)
        status, said = exchange.station.call(timeout_s=_LONGEST_S)
        if status:
            raise RigError(f"the call ended with {status}: {said}")
        left = exchange.provider.queue_length() + exchange.station.waiting()
        return _measured(load, exchange.line, exchange.provider, exchange.station, exchange.station.maildir(), left)


def _postfix(load: Load) -> Measured:
    with tempfile.TemporaryDirectory(prefix="dp-b-") as directory, TelephoneLine(load.line) as line:
        provider = ProviderGuest(Path(directory) / "provider", line.provider_path)
        station = PostfixStation(Path(directory) / "station", line.station_path)
        line.on_carrier = provider.carrier
        with provider, station:
            provider.begin()
            station.begin()
            provider.hold(load.sizes)
            station.submit(load.sizes)
            eventually(lambda: (station.queue_length(), provider.queue_length()) == (load.count, load.count))
            station.dial()
            station.flush()
            left = _until_still(lambda: station.queue_length() + provider.queue_length())
            measured = _measured(load, line, provider, station, station.maildir, left)
            station.hang_up()
            return measured


def _until_still(left: Callable[[], int]) -> int:
    """What stays in the queues: 0, or what has not moved for a minute."""
    lowest, since_s = left(), time.monotonic()
    began_s = since_s
    while lowest and time.monotonic() - since_s < 60 and time.monotonic() - began_s < _LONGEST_S:
        time.sleep(1.0)  # each look is a command in both guests: it must not load them
        now = left()
        if now < lowest:
            lowest, since_s = now, time.monotonic()
    return lowest


def _measured(
    load: Load, line: TelephoneLine, provider: ProviderGuest, station: MailGuest, maildir: str, left: int
) -> Measured:
    counters, events = line.counters, line.events
    began = line.do(lambda telephone: time.time() - telephone.seconds)
    connect = began + next(seconds for seconds, what in events if what == "CONNECT")
    ends = [seconds for seconds, what in events if what == "hung up"]
    fuller = max(counters["up"], counters["down"])
    return Measured(
        _last(station, maildir) - connect,
        _last(provider, provider.world) - connect,
        began + ends[-1] - connect if ends else 0.0,
        counters["up"],
        counters["down"],
        left,
        fuller * load.line.bits_per_byte / load.line.rate_bps,
        _provider_waits(provider),
    )


def _provider_waits(provider: ProviderGuest) -> float:
    """The second of Postfix's four `delays`: from its queue manager's decision until a process of it began.

    Where it is a good part of the call, the provider bounds inbound: the line was ready.
    """
    found = re.findall(r"relay=10\..*delays=[^/]+/([\d.]+)/.*status=sent", provider.mail_log())
    return statistics.median(map(float, found)) if found else 0.0


def _last(guest: MailGuest, maildir: str) -> float:
    """When the last message came into the Maildir. Guests share this machine's clock."""
    times = guest.run("find", maildir, "-type", "f", "-path", "*/new/*", "-printf", "%C@\n").stdout.split()
    return max(map(float, times))
