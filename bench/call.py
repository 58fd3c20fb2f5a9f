"""A call, side by side: Dialpost, and a station of Postfix, fetchmail and pppd, on the same line and provider.

Each contender is a separate guest with a real pppd, dialling a real mail server over the simulated telephone line.
The measurement begins at CONNECT, so that PPP's negotiation counts, and ends when the last message is in its
Maildir. The limit is the time the line needs for the bytes it carried in the busier direction; compression is on
for both. The matrix (call_cells) is kept in bench-calls.json, where a later run of one cell replaces it.
"""

from __future__ import annotations

import json
import os
import re
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

from rig.line.exchange import Exchange
from rig.line.guests import MailGuest, ProviderGuest
from rig.line.postfix_station import PostfixStation
from rig.line.provider_mail import KINDS
from rig.line.telephone import TelephoneLine
from rig.line.uml import missing_for_guests
from rig.processes import RigError, eventually
from rig.servers.certificates import Authority, Certificate

from call_cells import PROVIDERS, SETS, UNSHAPED, Cell, chosen, dialpost_settings
from call_proof import Proof, proof
from figures import Amounts, Row, show

MATRIX = Path("bench-calls.json")
_LONGEST_S = 900.0
_HEAD = 5
"""The rows of a cell that come first: the targets, and what a perfect station would have needed."""


@dataclass(frozen=True)
class Measured:
    """Seconds from CONNECT; bytes on the line; messages left behind; `load` is this machine's average."""

    inbound_s: float
    outbound_s: float
    hang_up_s: float
    up: int
    down: int
    stranded: int
    limit_s: float
    provider_s: float  # median time a message waited until the provider began to send it
    load: float
    proof: Proof

    @property
    def across_s(self) -> float:
        return max(self.inbound_s, self.outbound_s)

    @property
    def ratio(self) -> float:
        return self.across_s / self.limit_s


def calls(work: Path, amounts: Amounts) -> list[Row]:
    """The rows of the requested cells, the worst first."""
    del work  # a guest's socket paths must be short
    cells = chosen(amounts.cells)
    trees = {"line", *(KINDS[PROVIDERS[cell.provider].kind].tree for cell in cells)}
    if not cells:
        raise RigError(f"no cell of the matrix matches {' '.join(amounts.cells)}")
    if lacking := missing_for_guests(*trees):
        raise RigError(f"this benchmark needs {lacking}")
    heads: list[tuple[float, list[Row]]] = []
    rest: list[Row] = []
    for cell, stations in cells.items():
        measured = {station: _MEASURES[station](cell) for station in stations}
        _keep(cell, measured)
        ours, theirs = measured.get("dialpost"), measured.get("postfix")
        if (unshaped := measured.get(UNSHAPED)) is not None:
            is_faster = ours is not None and unshaped.across_s < ours.across_s
            row = Row("call", f"{cell.name} {UNSHAPED}", unshaped.across_s, None, "s", "no faster", not is_faster)
            show(row)
            rest.append(row)
        found = rows(cell, ours, theirs)
        for row in found:
            show(row)
        heads.append((_badness(cell, ours, theirs), found[:_HEAD]))
        rest += found[_HEAD:]
    print("The worst first:")
    worst_first = [row for _, head in sorted(heads, key=lambda one: one[0], reverse=True) for row in head]
    for row in worst_first:
        show(row)
    return worst_first + rest


def _badness(cell: Cell, ours: Measured | None, theirs: Measured | None) -> float:
    """Above 1: a target is missed, or the peer was faster."""
    if ours is None:
        return 0.0
    beside = ours.across_s / theirs.across_s if theirs and not theirs.stranded else 0.0
    return max(beside, ours.ratio / cell.promised if cell.promised else 0.0, float(ours.stranded))


def rows(cell: Cell, ours: Measured | None, theirs: Measured | None) -> list[Row]:
    """First the targets, then where the time went."""
    figures: list[tuple[str, str, Callable[[Measured], float]]] = [
        ("across", "s", lambda one: one.across_s),
        ("ratio to the limit", "", lambda one: one.ratio),
        ("left behind", "", lambda one: one.stranded),
        ("a perfect station", "s", lambda one: one.proof.perfect_s),
        ("ratio to a perfect station", "", lambda one: one.across_s / one.proof.perfect_s),
        ("inbound", "s", lambda one: one.inbound_s),
        ("outbound", "s", lambda one: one.outbound_s),
        ("hung up", "s", lambda one: one.hang_up_s),
        ("up", "bytes", lambda one: one.up),
        ("down", "bytes", lambda one: one.down),
        ("provider began after", "s", lambda one: one.provider_s),
        ("provider's connections", "", lambda one: one.proof.connections),
        ("round trips that it waited for", "", lambda one: one.proof.round_trips),
        ("its places empty", "s", lambda one: one.proof.empty_s),
        ("load of this machine", "", lambda one: one.load),
    ]
    promises: dict[str, tuple[str, bool | None]] = {}
    if ours and theirs:
        # If Postfix left messages behind, its time is that of the last one that arrived, so it is shown but not
        # compared.
        promises["across"] = "<= Postfix", theirs.stranded > 0 or ours.across_s <= theirs.across_s
    if ours and cell.promised:
        promises["ratio to the limit"] = f"<= {cell.promised:.2f}", ours.ratio <= cell.promised
    if ours:
        promises["left behind"] = "0", ours.stranded == 0
    return [
        Row(
            "call",
            f"{cell.name} {what}",
            of(ours) if ours else None,
            of(theirs) if theirs else None,
            unit,
            *promises.get(what, ("", None)),
        )
        for what, unit, of in figures
    ]


def _keep(cell: Cell, measured: dict[str, Measured]) -> None:
    """Write into the matrix's file, replacing the results of an earlier run."""
    matrix: dict[str, Any] = json.loads(MATRIX.read_text()) if MATRIX.exists() else {}
    when = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    for station, one in measured.items():
        figures = asdict(one) | {
            "across_s": one.across_s,
            "ratio": one.ratio,
            "promised": cell.promised,
            "when": when,
        }
        matrix.setdefault(cell.name, {})[station] = figures
    MATRIX.write_text(json.dumps(matrix, indent=2, sort_keys=True) + "\n")


def _certificate(directory: Path, host: str) -> Certificate:
    return Authority(directory / host).issue(host)


def _dialpost(cell: Cell, *, shaping: bool = True) -> Measured:
    """The default configuration, except for the clock and the dialling pauses of the rig."""
    mail, provider = SETS[cell.mail_set], PROVIDERS[cell.provider]
    with tempfile.TemporaryDirectory(prefix="dp-b-") as name:
        directory = Path(name)
        certificate = _certificate(directory, "mail.provider.example")
        with Exchange(
            directory,
            line=mail.line,
            kind=provider.kind,
            settings=dialpost_settings(cell, shaping=shaping),
            main=provider.main,
            certificate=certificate,
        ) as exchange:
            exchange.load(mail.inbound, mail.outbound, like_mail=True)
            status, said = exchange.station.call(timeout_s=_LONGEST_S)
            if status:
                raise RigError(f"the call ended with {status}: {said}\n{exchange.story()}")
            left = exchange.provider.queue_length() + exchange.station.waiting()
            station = exchange.station
            _save_logs(cell, "dialpost" if shaping else UNSHAPED, exchange.provider, station.log("dialpost"))
            return _measured(cell, exchange.line, exchange.provider, station, station.maildir(), left)


def _postfix(cell: Cell) -> Measured:
    mail, served = SETS[cell.mail_set], PROVIDERS[cell.provider]
    with tempfile.TemporaryDirectory(prefix="dp-b-") as name, TelephoneLine(mail.line) as line:
        directory = Path(name)
        provider = ProviderGuest(
            directory / "provider",
            line.provider_path,
            kind=served.kind,
            main=served.main,
            certificate=_certificate(directory, "mail.provider.example"),
        )
        certificate = _certificate(directory, "mail.clinic.example") if cell.tls == "shipped" else None
        station = PostfixStation(directory / "station", line.station_path, certificate=certificate)
        line.on_carrier = provider.carrier
        with provider, station:
            provider.begin()
            station.begin()
            provider.hold(mail.inbound, like_mail=True)
            station.submit(mail.outbound, like_mail=True)
            waits = mail.counts[::-1]
            eventually(lambda: (station.queue_length(), provider.queue_length()) == waits, what=f"{waits} queued")
            station.dial()
            station.flush()
            left = _until_still(lambda: station.queue_length() + provider.queue_length())
            _save_logs(cell, "postfix", provider, station.mail_log())
            measured = _measured(cell, line, provider, station, station.maildir, left)
            station.hang_up()
            return measured


_MEASURES: dict[str, Callable[[Cell], Measured]] = {
    "dialpost": _dialpost,
    "postfix": _postfix,
    UNSHAPED: partial(_dialpost, shaping=False),
}


def _save_logs(cell: Cell, station: str, provider: ProviderGuest, said: str) -> None:
    """Both ends' logs of the last run of a cell: they prove where its time went."""
    place = Path(".cache") / "bench-logs" / f"{cell.name.replace('/', '.')}.{station}"
    place.mkdir(parents=True, exist_ok=True)
    (place / "provider.log").write_text(provider.mail_log())
    (place / "station.log").write_text(said)


def _until_still(left: Callable[[], int]) -> int:
    """What is left in the queues: 0, or what has not moved for a minute."""
    lowest, since_s = left(), time.monotonic()
    began_s = since_s
    while lowest and time.monotonic() - since_s < 60 and time.monotonic() - began_s < _LONGEST_S:
        time.sleep(1.0)  # each check is a command in both guests and must not load them
        now = left()
        if now < lowest:
            lowest, since_s = now, time.monotonic()
    return lowest


def _measured(
    cell: Cell, line: TelephoneLine, provider: ProviderGuest, station: MailGuest, maildir: str, left: int
) -> Measured:
    mail, counters, events = SETS[cell.mail_set], line.counters, line.events
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
        fuller * mail.line.bits_per_byte / mail.line.rate_bps,
        _provider_waits(provider),
        os.getloadavg()[0],
        proof(cell, provider.mail_log()),
    )


def _provider_waits(provider: ProviderGuest) -> float:
    """The second of Postfix's four `delays`: from its queue manager's decision until a process of it began.

    If it is a good part of the call, the provider limits inbound mail: the line was ready.
    """
    found = re.findall(r"relay=10\..*delays=[^/]+/([\d.]+)/.*status=sent", provider.mail_log())
    return statistics.median(map(float, found)) if found else 0.0


def _last(guest: MailGuest, maildir: str) -> float:
    """When the last message arrived in the Maildir. Guests share this machine's clock."""
    times = guest.run("find", maildir, "-type", "f", "-path", "*/new/*", "-printf", "%C@\n").stdout.split()
    return max(map(float, times))
