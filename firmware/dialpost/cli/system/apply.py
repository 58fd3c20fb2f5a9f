"""`dialpost apply`: apply the configuration to the system, or show what would change."""

from __future__ import annotations

import argparse
import asyncio
import sys
from pathlib import Path
from typing import Any

from dialpost.cli.station import load_config
from dialpost.core.config.applied import ApplyResult
from dialpost.core.errors import fault_words
from dialpost.edge.system.apply import Place, apply, preview
from dialpost.edge.system.apply_unit import ApplyUnit


def add_parser(commands: Any) -> None:
    """Add `apply` to the command line."""
    parser = commands.add_parser(
        "apply",
        description="Apply the configuration file to this system: LAN address, firewall, host name, time zone, "
        "time servers and Dovecot. dialpost-apply.service runs this at each boot and each commit. Exit status: "
        "0 the system matches the configuration; 1 it does not, or with --dry-run something would change.",
    )
    parser.add_argument("--dry-run", action="store_true", help="only show what would change, as a diff")
    parser.add_argument(
        "--root", type=Path, metavar="FOLDER", help="write below this folder, as for a system that is not running"
    )
    parser.set_defaults(func=_apply)


def _apply(args: argparse.Namespace) -> int:
    place = Place(args.root or Path("/"))
    if args.dry_run:
        return _preview(args, place)
    result = apply(args.config, place) if args.root else asyncio.run(ApplyUnit().apply())
    _show(result)
    return 0 if result.applied else 1


def _preview(args: argparse.Namespace, place: Place) -> int:
    try:
        lines = preview(load_config(args), place)
    except (OSError, ValueError) as error:
        sys.stderr.write(f"dialpost: {fault_words(error)}\n")
        return 1
    print("\n".join(lines) if lines else "Nothing would change.")
    return 1 if lines else 0


def _show(result: ApplyResult) -> None:
    for path in result.changed:
        print(f"changed  {path}")
    for words in result.reloaded:
        print(f"ran      {words}")
    for sentence in result.notes if result.applied else ():
        print(f"note     {sentence}")
    for sentence in result.problems if result.applied else (*result.notes, *result.problems):
        sys.stderr.write(f"dialpost: {sentence}\n")
    if result.applied and not result.changed and not result.reloaded:
        print("The system matches the configuration.")
