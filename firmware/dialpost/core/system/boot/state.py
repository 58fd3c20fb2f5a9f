"""The boot state: which slot U-Boot starts next, and how often it may still try.

Two records of 512 bytes are on the card in front of its first partition, at 1 MiB and 2 MiB. The valid one with the
higher number counts; a change overwrites the other, so a power cut during the write leaves the previous state. A
record is a checksummed U-Boot environment (`env import -c`, `env export -c`): the CRC-32 of what follows (4 bytes,
little-endian), then NAME=VALUE texts, each terminated by a zero byte, an empty one last, zeros up to the end;
numbers are hexadecimal. image-build/boot/selector.cmd is the counterpart: it does what `choose` does here.

An update gets TRIES_ON_TRIAL starts to prove itself. A proven slot has TRIES_PROVEN, topped up after each healthy
start, so that a few power cuts soon after a start do not bring back an older release.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import Enum

RECORD_BYTES = 512
RECORD_OFFSETS = (1 << 20, 2 << 20)
"""The positions of the records on the disk, in bytes: for even and for odd sequence numbers."""
TRIES_ON_TRIAL = 3
TRIES_PROVEN = 9

_NAMES = ("dp_seq", "dp_first", "dp_good", "dp_left_a", "dp_left_b")
_CRC_BYTES = 4
_HIGHEST = 0xFFFFFFFF


class Slot(Enum):
    """A root file system on the card."""

    A = "a"
    B = "b"

    @property
    def other(self) -> Slot:
        return Slot.B if self is Slot.A else Slot.A


@dataclass(frozen=True, slots=True)
class BootState:
    """`first` is the wanted slot, `good` the one proven last; `left_a` and `left_b` are the tries left, 0 to 15."""

    sequence: int
    first: Slot
    good: Slot
    left_a: int
    left_b: int

    def left(self, slot: Slot) -> int:
        """Tries left for a slot."""
        return self.left_a if slot is Slot.A else self.left_b

    @property
    def next_slot(self) -> Slot:
        """The slot that starts next."""
        return choose(self)[0]

    @property
    def offset(self) -> int:
        """The position of this state on the disk."""
        return RECORD_OFFSETS[self.sequence & 1]

    def on_trial(self, slot: Slot) -> BootState:
        """Start that slot from now on, as one that has yet to prove itself (proven ones keep their tries)."""
        tries = self.left(slot) if slot is self.good and self.left(slot) else TRIES_ON_TRIAL
        return replace(self._with_left(slot, tries), first=slot)

    def proven(self, slot: Slot) -> BootState:
        """That slot runs and is healthy. If the wanted slot has used up its tries, it is no longer wanted."""
        first = slot if not self.left(self.first) else self.first
        return replace(self._with_left(slot, TRIES_PROVEN), good=slot, first=first)

    def unusable(self, slot: Slot) -> BootState:
        """That slot must not be started, for example while it is being written."""
        return self._with_left(slot, 0)

    def _with_left(self, slot: Slot, tries: int) -> BootState:
        following = replace(self, sequence=self.sequence + 1)
        return replace(following, left_a=tries) if slot is Slot.A else replace(following, left_b=tries)

    def render(self) -> bytes:
        """The record."""
        values = (f"{self.sequence:x}", self.first.value, self.good.value, f"{self.left_a:x}", f"{self.left_b:x}")
        text = "".join(f"{name}={value}\0" for name, value in zip(_NAMES, values, strict=True)) + "\0"
        data = text.encode("ascii").ljust(RECORD_BYTES - _CRC_BYTES, b"\0")
        return zlib.crc32(data).to_bytes(_CRC_BYTES, "little") + data


FRESH = BootState(sequence=2, first=Slot.A, good=Slot.A, left_a=TRIES_PROVEN, left_b=0)
"""The state of a card that was just flashed."""
UNKNOWN = BootState(sequence=0, first=Slot.A, good=Slot.A, left_a=1, left_b=1)
"""The state if no record can be read; the selector assumes the same."""


def choose(state: BootState) -> tuple[Slot, BootState | None]:
    """The slot to start, and the state to write beforehand (None if no tries are left anywhere: then the slot
    proven last is started, indefinitely).
    """
    for slot in (state.first, state.first.other):
        if state.left(slot):
            return slot, state._with_left(slot, state.left(slot) - 1)
    return state.good, None


def parse(record: bytes) -> BootState | None:
    """The state in a record; None if it is invalid."""
    if len(record) != RECORD_BYTES:
        return None
    crc, data = record[:_CRC_BYTES], record[_CRC_BYTES:]
    if zlib.crc32(data) != int.from_bytes(crc, "little"):
        return None
    try:
        texts = data.partition(b"\0\0")[0].decode("ascii").split("\0")
        values = dict(text.split("=") for text in texts)
        sequence, left_a, left_b = (int(values[name], 16) for name in ("dp_seq", "dp_left_a", "dp_left_b"))
        state = BootState(sequence, Slot(values["dp_first"]), Slot(values["dp_good"]), left_a, left_b)
    except (ValueError, KeyError):
        return None
    in_range = 0 <= sequence <= _HIGHEST and 0 <= left_a <= 15 and 0 <= left_b <= 15
    return state if in_range else None


def newest(records: Sequence[bytes]) -> BootState | None:
    """The state that counts among all records read; None if none is valid."""
    states = [state for state in map(parse, records) if state is not None]
    return max(states, key=lambda state: state.sequence, default=None)
