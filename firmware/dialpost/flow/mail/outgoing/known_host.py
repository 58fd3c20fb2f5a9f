"""What is known of the ETRN host from earlier calls, so that the first ETRN of a call need not wait for it.

Two things: the address at which it last did ETRN, and whether it does ETRN before EHLO. Both only spare round trips
on a paid line. Neither is ever used for mail, and a host or port of another name starts without them (decision 45).
Kept across a restart; written only when something changed.
"""

from __future__ import annotations

import contextlib
import json
from dataclasses import dataclass, replace
from enum import Enum

from dialpost.core.errors import StorageError
from dialpost.core.json_text import parse_object
from dialpost.flow.memory import Memory

_KEY = "etrn.host"


class Early(Enum):
    """Whether the host does ETRN before EHLO."""

    UNKNOWN = "unknown"
    MAY_TRY = "may-try"  # it offered ETRN, and neither TLS nor a login was needed
    REFUSED = "refused"  # it was tried in vain: not again


@dataclass(frozen=True, slots=True)
class KnownHost:
    """What is known of a host. `address` "" means none."""

    host: str
    port: int
    address: str = ""
    early: Early = Early.UNKNOWN

    def to_text(self) -> str:
        """For the memory."""
        return json.dumps(
            {"host": self.host, "port": self.port, "address": self.address, "early": self.early.value}
        )

    @classmethod
    def from_text(cls, text: str) -> KnownHost | None:
        """Back from `to_text`; None for anything else."""
        try:
            value = parse_object(text.encode())
            port = value["port"]
            if not isinstance(port, int):
                return None
            return cls(str(value["host"]), port, str(value["address"]), Early(value["early"]))
        except (ValueError, KeyError):
            return None


class KnownHosts:
    """The memory of one host: there is one provider."""

    def __init__(self, memory: Memory | None = None) -> None:
        self._memory = memory
        self._known: KnownHost | None = None

    async def of(self, host: str, port: int) -> KnownHost:
        """What is known of this host."""
        if self._known is None and self._memory is not None:
            with contextlib.suppress(StorageError):
                self._known = KnownHost.from_text(await self._memory.recall(_KEY) or "")
        known = self._known
        if known is None or (known.host, known.port) != (host, port):
            known = self._known = KnownHost(host, port)
        return known

    async def learn(self, new: KnownHost) -> None:
        """Remember it, if it is new. What was refused once stays refused."""
        before = self._known
        if before is not None and before.early is Early.REFUSED:
            new = replace(new, early=Early.REFUSED)
        if new == before:
            return
        self._known = new
        if self._memory is not None:
            with contextlib.suppress(StorageError):
                await self._memory.remember(_KEY, new.to_text())
