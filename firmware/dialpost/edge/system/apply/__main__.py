"""`python3 -P -m dialpost.edge.system.apply [--root FOLDER] FILE`: what dialpost-apply.service runs."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from dialpost.core.printable import LONGEST_LINE, one_line
from dialpost.edge.system.apply.place import Place
from dialpost.edge.system.apply.run import apply


def main() -> int:
    """Exit status 0: the system matches the configuration; 1: it does not, and stderr says why."""
    parser = argparse.ArgumentParser(prog="dialpost-apply", description=__doc__)
    parser.add_argument(
        "--root", type=Path, default=Path("/"), help="write under this folder, and notify no service"
    )
    parser.add_argument("file", type=Path, help="the committed configuration")
    args = parser.parse_args()
    result = apply(args.file, Place(args.root))
    for what, sentences in (
        ("changed", result.changed),
        ("told", result.reloaded),
        ("note", result.notes),
        ("PROBLEM", result.problems),
    ):
        for sentence in sentences:
            sys.stderr.write(f"{what}: {one_line(sentence, LONGEST_LINE)}\n")
    return 0 if result.applied else 1


if __name__ == "__main__":
    sys.exit(main())
