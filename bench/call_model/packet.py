"""A TCP segment in the model, with what VJ looks at."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Packet:
    """`flow` numbers the connection, `number` its packets in this direction (IP's identification)."""

    flow: int
    number: int
    seq: int
    ack: int
    window: int
    data: bytes = b""
    syn: bool = False
    fin: bool = False
    reset: bool = False

    @property
    def end(self) -> int:
        """The sequence number after it."""
        return self.seq + len(self.data) + self.syn + self.fin
