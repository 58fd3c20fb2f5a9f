"""What TLS takes of a line: its handshakes. (What it protects can't be compressed either, which is not counted.)"""

from __future__ import annotations

from dataclasses import dataclass

from dialpost.core.amounts import count_words, size_words
from dialpost.core.json_value import JsonValue


@dataclass(frozen=True, slots=True)
class TlsCost:
    """Handshakes, those of them that resumed a session, and their bytes in both directions together.

    One follows the other, so their time is that of all their bytes.
    """

    handshakes: int = 0
    resumed: int = 0
    bytes: int = 0

    def __add__(self, other: TlsCost) -> TlsCost:
        return TlsCost(self.handshakes + other.handshakes, self.resumed + other.resumed, self.bytes + other.bytes)

    def __sub__(self, other: TlsCost) -> TlsCost:
        return TlsCost(self.handshakes - other.handshakes, self.resumed - other.resumed, self.bytes - other.bytes)

    def words(self, rate_bps: int | None) -> str:
        """In words for people; "" if there was no TLS. `rate_bps` is the line's rate, None if it is unknown."""
        if not self.handshakes:
            return ""
        resumed = f" ({self.resumed} resumed)" if self.resumed else ""
        time = f", about {8 * self.bytes / rate_bps:.1f} s of line" if rate_bps else ""
        what = f"{count_words(self.handshakes, 'handshake')}{resumed}, {size_words(self.bytes)}{time}"
        return f"TLS: {what}; encrypted mail can't be compressed"

    def to_json(self) -> dict[str, JsonValue]:
        """For the call's record."""
        return {"handshakes": self.handshakes, "resumed": self.resumed, "bytes": self.bytes}

    @classmethod
    def from_json(cls, value: object) -> TlsCost:
        """Back from `to_json`; what is missing or no number is nothing."""
        if not isinstance(value, dict):
            return cls()
        found = (value.get(key) for key in ("handshakes", "resumed", "bytes"))
        return cls(*(count if isinstance(count, int) and not isinstance(count, bool) else 0 for count in found))
