"""The result of a simulated run: counted at both ends, never taken from the station's own reports.

Outbound is counted at the provider, inbound in the mailboxes; each message must be there exactly once for each
recipient, byte for byte, apart from prepended trace headers.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from dialpost.core.errors import StorageError
from dialpost.core.json_value import JsonValue
from dialpost.sim.letters import Letter, is_whole, key_of


@dataclass(frozen=True, slots=True)
class Count:
    """One direction. `lost` neither arrived nor is waiting anywhere; `damaged` arrived but not as sent."""

    expected: int
    delivered: int
    duplicates: int
    damaged: int
    waiting: int

    @property
    def lost(self) -> int:
        """The messages that are nowhere."""
        return max(0, self.expected - self.delivered - self.damaged - self.waiting)

    @property
    def is_exact(self) -> bool:
        """Whether everything arrived exactly once."""
        return (self.delivered, self.duplicates, self.damaged) == (self.expected, 0, 0)

    def to_json(self) -> dict[str, JsonValue]:
        """For the report."""
        return {
            "expected": self.expected,
            "delivered": self.delivered,
            "duplicates": self.duplicates,
            "lost": self.lost,
            "damaged": self.damaged,
            "waiting": self.waiting,
        }


def count(
    letters: Sequence[Letter],
    arrived: Mapping[str, Sequence[bytes]],
    waiting: int,
    places: Callable[[Letter], Iterable[str]],
) -> Count:
    """Count one direction: `arrived` has what is in each place; `places` says where a letter belongs.

    A letter is delivered if it is complete in each of its places. Copies beyond the first in any place are
    duplicates, and so is one in a place to which it was not sent.
    """
    copies: Counter[tuple[str, str]] = Counter()
    broken: set[str] = set()
    by_key = {letter.key: letter for letter in letters}
    for place, contents in arrived.items():
        for content in contents:
            letter = by_key.get(key_of(content) or "")
            if letter is None:
                continue
            copies[letter.key, place] += 1
            if not is_whole(letter, content):
                broken.add(letter.key)
    wanted = {(letter.key, place) for letter in letters for place in places(letter)}
    delivered = sum(
        letter.key not in broken and all((letter.key, place) in copies for place in places(letter))
        for letter in letters
    )
    duplicates = sum(number - ((key, place) in wanted) for (key, place), number in copies.items())
    return Count(len(letters), delivered, duplicates, len(broken), waiting)


@dataclass(slots=True)
class Report:
    """A run in the form of the file. `extra` adds keys."""

    outbound: Count
    inbound: Count
    queue_waiting: int
    calls: Sequence[Mapping[str, JsonValue]]
    led_history: Sequence[Mapping[str, object]]
    exit_status: int = 1
    words: Sequence[str] = ()
    extra: dict[str, object] = field(default_factory=dict)

    def to_json(self) -> dict[str, object]:
        """The file's content."""
        return {
            "exit_status": self.exit_status,
            "words": list(self.words),
            "calls": list(self.calls),
            "outbound": self.outbound.to_json(),
            "inbound": self.inbound.to_json(),
            "queue_waiting": self.queue_waiting,
            "led_history": list(self.led_history),
        } | self.extra


def write_report(path: Path, report: Report) -> None:
    """Write the file completely or not at all. Raises: StorageError."""
    text = json.dumps(report.to_json(), indent=2, ensure_ascii=False) + "\n"
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        beside.write_text(text, encoding="utf-8")
        beside.replace(path)
    except OSError as error:
        beside.unlink(missing_ok=True)
        raise StorageError(f"The report {path} can't be written: {error.strerror or error}.") from error
