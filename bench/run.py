"""`make bench`: measures the targets for speed, with Postfix on the same disk in the same run.

Prints a table and writes JSON (bench-results.json). Contenders take turns, so that other load on the machine
affects both equally; a figure is the median of its runs. Nothing here is a test: the exit status is 0 unless
something could not be measured at all (or, with --enforce, a target is missed). What is left out because something
is missing is reported at the beginning and at the end.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

from image.rig.needs import lacking as image_needs
from rig.servers.chroots import missing

from call import calls
from call_model.matrix import call_model
from call_table import call_table
from calls_model import calls_model
from card import card
from commands import commands
from empty_call import empty_calls
from emulated import image
from figures import FULL, HEADING, QUICK, Amounts, Row, show
from hub import hub
from hub_kills import hub_kills
from memory import memory
from speed import large_queue, rate
from writes import writes

_ROOT = Path(__file__).parents[1]


def client_on_the_wire(work: Path, amounts: Amounts) -> list[Row]:
    """Idle round trips and protocol bytes for one message on slow lines."""
    del work, amounts
    from client_wire import measure

    rows = [Row(**row) for row in asyncio.run(measure())]
    for row in rows:
        show(row)
    return rows


SECTIONS: dict[str, Callable[[Path, Amounts], list[Row]]] = {
    "rate": rate,
    "writes": writes,
    "card": card,
    "memory": memory,
    "large": large_queue,
    "commands": commands,
    "client": client_on_the_wire,
    "call": calls,
    "call-table": call_table,
    "empty-call": empty_calls,
    "call-model": call_model,
    "calls-model": calls_model,
    "hub": hub,
    "hub-kills": hub_kills,
    "image": image,
}


def main() -> int:
    parser = argparse.ArgumentParser(description="Measure what is promised about speed.")
    parser.add_argument("--quick", action="store_true", help="small amounts: does it run, and roughly")
    parser.add_argument("--only", choices=SECTIONS, action="append", help="only this part (may be repeated)")
    parser.add_argument(
        "--cells",
        action="append",
        metavar="SET/PROVIDER/TLS/STATION",
        help="only these calls (a pattern; repeated)",
    )
    parser.add_argument("--strangers", type=int, metavar="N", help="made-up providers of call-model (default 100)")
    parser.add_argument("--json", type=Path, default=Path("bench-results.json"), metavar="FILE")
    parser.add_argument("--enforce", action="store_true", help="exit 1 if a promise is not kept")
    args = parser.parse_args()
    amounts = QUICK if args.quick else FULL
    if args.cells:
        amounts = replace(amounts, cells=tuple(args.cells))
    if args.strangers is not None:
        amounts = replace(amounts, strangers=args.strangers)
    work = _working_directory()
    rows: list[Row] = []
    wanted = args.only or list(SECTIONS)
    unmeasured = {name: needs for name in wanted if (needs := lacking(name))}
    tell(unmeasured)
    print(HEADING)
    try:
        for name in wanted:
            if name not in unmeasured:
                rows += SECTIONS[name](work, amounts)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    args.json.write_text(json.dumps(report(rows, amounts) | {"not measured": unmeasured}, indent=2) + "\n")
    print(f"Written to {args.json}.")
    tell(unmeasured)
    broken = [row for row in rows if row.kept is False]
    # The image takes half an hour to make: without a request by name it is skipped, with a message.
    failed = unmeasured.keys() - (set() if args.only else {"image"})
    return 1 if failed or (args.enforce and broken) else 0


def lacking(section: str) -> str:
    """What a section needs that is missing, and how to get it; "" if nothing is."""
    if section in {"call-model", "calls-model", "call-table"}:
        return ""
    if section == "image":
        return image_needs()
    if section in {"hub", "hub-kills"}:
        return missing(servers=("hub", "hub-exim"))
    needs = missing(servers=("postfix",), commands=("mke2fs", "losetup", "debugfs"))
    devices = [name for name in ("fuse", "loop-control") if not Path("/dev", name).exists()]
    if section == "card" and devices and not needs:
        return f"a kernel with FUSE and loop devices (no /dev/{', /dev/'.join(devices)})"
    return needs


def tell(unmeasured: dict[str, str]) -> None:
    for name, needs in unmeasured.items():
        print(f"NOT MEASURED: {name}; that needs {needs}", file=sys.stderr, flush=True)


def _working_directory() -> Path:
    """On the tree's own disk: /tmp may be in memory, where nothing is ever written to a disk."""
    cache = _ROOT / ".cache"
    cache.mkdir(exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix="bench-", dir=cache))
    work.chmod(0o755)
    (work / "logs").mkdir(mode=0o777)
    return work


def report(rows: list[Row], amounts: Amounts) -> dict[str, object]:
    return {
        "when": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "machine": {"cpus": os.cpu_count(), "kernel": platform.release(), "python": platform.python_version()},
        "amounts": asdict(amounts),
        "rows": [asdict(row) for row in rows],
    }


if __name__ == "__main__":
    sys.exit(main())
