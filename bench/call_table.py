"""`make bench ARGS="--only call-table"`: the table of docs/performance.md from bench-calls.json, the weakest first.

A run that was made before the program could read its provider's log is completed from the log that it left
(.cache/bench-logs, beside the file).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from call import MATRIX
from call_cells import Cell
from call_proof import proof
from figures import Amounts, Row

_COLUMNS = (
    "cell",
    "Dialpost, s",
    "in / out, s",
    "Postfix, s",
    "to it",
    "limit, s",
    "ratio",
    "promised",
    "perfect, s",
    "to it",
    "load",
)
_HEAD = (f"| {' | '.join(_COLUMNS)} |", "|---" * len(_COLUMNS) + "|")
Run = Mapping[str, Any]


def table(matrix: Mapping[str, Mapping[str, Run]]) -> list[str]:
    """Its lines. First what is slower than the peer, then what breaks a promise that a station could keep."""
    rows = []
    for name, stations in matrix.items():
        if "dialpost" in stations:
            ours, theirs = stations["dialpost"], stations.get("postfix")
            rows.append((_weakness(ours, theirs), name, _row(name, ours, theirs)))
    return [*_HEAD, *(row for _, _, row in sorted(rows, key=lambda one: (*(-part for part in one[0]), one[1])))]


def _weakness(ours: Run, theirs: Run | None) -> tuple[float, float, float]:
    """How much slower than the peer, how far from a promise that could be kept, how far from a perfect station."""
    beside = ours["across_s"] / theirs["across_s"] if theirs and not theirs["stranded"] else 0.0
    return (max(beside, 1.0), _missed(ours), ours["across_s"] / ours["proof"]["perfect_s"])


def _missed(ours: Run) -> float:
    """The ratio to what was promised where that is broken and could have been kept; else 1."""
    promised = ours["promised"]
    if not promised or ours["ratio"] <= promised or ours["proof"]["perfect_s"] > promised * ours["limit_s"]:
        return 1.0
    return float(ours["ratio"] / promised)


def _row(name: str, ours: Run, theirs: Run | None) -> str:
    perfect_s, promised = ours["proof"]["perfect_s"], ours["promised"]
    beside = left = peer = ""
    if theirs:
        left = f", {theirs['stranded']} left behind" if theirs["stranded"] else ""
        peer = f"{theirs['across_s']:.0f}{left}"
        beside = f"{ours['across_s'] / theirs['across_s']:.2f}"
    own_left = f", {ours['stranded']} left behind" if ours["stranded"] else ""
    if promised and ours["ratio"] <= promised:
        word = f"{promised:.2f}, kept"
    elif promised and perfect_s > promised * ours["limit_s"]:
        word = f"{promised:.2f}, impossible"
    else:
        word = f"**{promised:.2f}**" if promised else ""
    cells = (
        name,
        f"{ours['across_s']:.0f}{own_left}",
        f"{ours['inbound_s']:.0f} / {ours['outbound_s']:.0f}",
        peer,
        beside,
        f"{ours['limit_s']:.0f}",
        f"{ours['ratio']:.2f}",
        word,
        f"{perfect_s:.0f}",
        f"{ours['across_s'] / perfect_s:.2f}",
        f"{ours['load']:.0f}",
    )
    return f"| {' | '.join(cells)} |"


def completed(place: Path) -> dict[str, dict[str, Run]]:
    """The matrix of this file, each run with its proof."""
    matrix: dict[str, dict[str, Any]] = json.loads(place.read_text())
    for name, stations in matrix.items():
        for station, run in stations.items():
            if "proof" not in run:
                log = (
                    place.parent / ".cache" / "bench-logs" / f"{name.replace('/', '.')}.{station}" / "provider.log"
                )
                run["proof"] = asdict(proof(Cell(*name.split("/")), log.read_text()))
    return matrix


def call_table(work: Path, amounts: Amounts) -> list[Row]:
    """Print it; nothing where nothing was measured."""
    del work, amounts
    if MATRIX.exists():
        print("\n".join(table(completed(MATRIX))))
    return []
