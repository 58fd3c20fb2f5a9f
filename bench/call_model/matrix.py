"""`make bench ARGS="--only call-model"`: the matrix of calls in virtual time, then made-up providers.

Each cell of call_cells is played with the real station (call_model/play). Beside it stands what a perfect station
would have needed with that provider. Where bench-calls.json has a real run of the cell, it is also played on a
machine as busy as that one was (call_model/guests), with the deviation. The worst cell comes first. All is kept in
bench-call-model.json.
"""

from __future__ import annotations

import json
import ssl
import tempfile
from collections.abc import Mapping
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import Any

from rig.servers.certificates import Authority

from call_cells import SETS, UNSHAPED, Cell, chosen, dialpost_settings
from call_model.guests import at_load
from call_model.line import LineRate
from call_model.play import Scene, play
from call_model.providers import KINDS
from call_model.strangers import strangers
from figures import Amounts, Row, show

KEPT = Path("bench-call-model.json")
REAL = Path("bench-calls.json")
"""What `--only call` measured."""
NEAR = 0.10
WAKES_S = 0.03
"""Of a guest on a machine that is not busy."""


def call_model(work: Path, amounts: Amounts) -> list[Row]:
    """The rows of the requested cells, the worst first, then those of the made-up providers."""
    del work
    real: Mapping[str, Any] = json.loads(REAL.read_text()) if REAL.exists() else {}
    kept: dict[str, Any] = {}
    heads: list[tuple[float, list[Row]]] = []
    for cell, stations in chosen(amounts.cells).items():
        for station in ("dialpost", UNSHAPED):
            if station in stations:
                measured = real.get(cell.name, {}).get(station)
                found = played(cell, measured, shaping=station == "dialpost")
                kept.setdefault(cell.name, {})[station] = found
                heads.append((found["across_s"] / found["perfect_s"], _rows(cell, station, found)))
    rows: list[Row] = []
    for _, some in sorted(heads, key=lambda one: one[0], reverse=True):
        for row in some:
            show(row)
        rows += some
    if amounts.strangers:
        made = strangers(amounts.strangers)
        kept["strangers"] = [asdict(one) for one in made.all]
        rows += made.rows()
    KEPT.write_text(json.dumps(kept, indent=2, sort_keys=True) + "\n")
    return rows


def played(cell: Cell, real: Mapping[str, Any] | None = None, *, shaping: bool = True) -> dict[str, Any]:
    """One cell: what it took, and what a perfect station would have needed.

    Beside a real run it is played once more on a machine as busy as the one of that run.
    """
    scene = scene_of(cell, shaping=shaping)
    took = play(scene)
    tls = cell.tls == "shipped"
    found = asdict(took) | {
        "across_s": took.across_s,
        "ratio": took.ratio,
        "promised": cell.promised,
        "perfect_s": scene.perfect_s(tls=tls),
    }
    if real is not None:
        busy = play(at_load(scene, real["load"]))
        found |= {
            "real": {
                key: real[key] for key in ("across_s", "inbound_s", "outbound_s", "hang_up_s", "load", "when")
            },
            "at_its_load": asdict(busy) | {"across_s": busy.across_s},
            "deviation": busy.across_s / real["across_s"] - 1,
        }
    return found


def scene_of(cell: Cell, *, shaping: bool = True, wakes_s: float = WAKES_S) -> Scene:
    """The same line, mail, provider and settings as in the real cell."""
    mail = SETS[cell.mail_set]
    line = LineRate(mail.line.rate_bps, mail.line.rtt_s, wakes_s)
    settings = dialpost_settings(cell, shaping=shaping)
    return Scene(line, KINDS[cell.provider], mail.inbound, mail.outbound, settings, tls_contexts())


@cache
def tls_contexts() -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """The provider's: as a server, with the certificate that the real one has, and as a client that checks none."""
    server, client = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.check_hostname, client.verify_mode = False, ssl.CERT_NONE
    with tempfile.TemporaryDirectory(prefix="dp-m-") as name:
        certificate = Authority(Path(name)).issue("mail.provider.example")
        server.load_cert_chain(certificate.certificate, certificate.key)
    return server, client


def _rows(cell: Cell, station: str, found: Mapping[str, Any]) -> list[Row]:
    name = cell.name if station == "dialpost" else f"{cell.name} {station}"
    ratio, promised = found["ratio"], cell.promised if station == "dialpost" else None
    is_kept = ratio <= promised if promised else None
    figures: list[tuple[str, float, str, str, bool | None]] = [
        ("across", found["across_s"], "s", "", None),
        ("what a perfect station needed", found["perfect_s"], "s", "", None),
        ("ratio to that", found["across_s"] / found["perfect_s"], "", "", None),
        ("ratio to the limit", ratio, "", f"<= {promised:.2f}" if promised else "", is_kept),
        ("the limit", found["limit_s"], "s", "", None),
        ("left behind", found["stranded"], "", "0", found["stranded"] == 0),
        ("inbound", found["inbound_s"], "s", "", None),
        ("outbound", found["outbound_s"], "s", "", None),
        ("hung up", found["hang_up_s"], "s", "", None),
    ]
    if "real" in found:
        load = f"at its load of {found['real']['load']:.0f}"
        figures.append(("across, real run", found["real"]["across_s"], "s", "", None))
        figures.append((f"across {load}", found["at_its_load"]["across_s"], "s", "", None))
        is_near = abs(found["deviation"]) <= NEAR
        figures.append(("deviation from the real run", 100 * found["deviation"], "%", "within 10", is_near))
    return [
        Row("call-model", f"{name} {what}", value, None, unit, promise, kept)
        for what, value, unit, promise, kept in figures
    ]
