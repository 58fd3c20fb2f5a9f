"""Types of arguments shared by several commands: each refuses a wrong value with one sentence."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

from dialpost.core.amounts import bytes_in, span_s, whole_number

MOST = 1_000_000_000
"""The highest number of anything counted here: calls, configurations, messages."""
MOST_BYTES = 1_000_000_000_000


def whole(low: int = 1, high: int = MOST) -> Callable[[str], int]:
    """A whole number within these bounds, in plain digits."""

    def parse(text: str) -> int:
        number = whole_number(text)
        if number is None or not low <= number <= high:
            raise argparse.ArgumentTypeError(f"must be a whole number from {low} to {high}")
        return number

    return parse


def age(text: str) -> int:
    """A length of time in seconds."""
    seconds = span_s(text)
    if seconds is None or seconds > MOST:
        raise argparse.ArgumentTypeError("must be a length of time such as 45min, 12h or 5d")
    return seconds


def byte_count(text: str) -> int:
    """A size in bytes."""
    found = bytes_in(text)
    if found is None or found > MOST_BYTES:
        raise argparse.ArgumentTypeError("must be a size such as 500k or 10M")
    return int(found)


def json_option(parser: argparse.ArgumentParser) -> None:
    """docs/control-api.md describes what `--json` prints for each command."""
    parser.add_argument("--json", action="store_true", help="print JSON, for scripts")


def file_path(text: str) -> Path:
    """A path whose last part can be a file name: not "/", "." or empty."""
    path = Path(text)
    if path.name in {"", ".."}:
        raise argparse.ArgumentTypeError(f"{text!r} is not a file name")
    return path
