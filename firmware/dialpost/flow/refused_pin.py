"""A SIM's PIN that was refused is never tried again, not even after a restart: three wrong ones lock the SIM.

What is kept on the card are digests, no PINs, of all that were refused since the SIM was last seen open: who goes
back to an earlier one loses no try either. A corrected modem.sim_pin has another digest, and is tried. `dialpost
modem test --dial`, a process of its own, asks the station for them (`pin_methods`, `StationsPins`).
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import re
from typing import Protocol

from dialpost.core.errors import ControlError, StorageError
from dialpost.core.json_value import ControlMethod, JsonObject, JsonValue
from dialpost.flow import maillog

_KEY = "modem.refused_pin"
_METHOD = "modem.refused_pins"
_MOST_KEPT = 10


class Memory(Protocol):
    """The subset of the store that keeps small values."""

    async def remember(self, key: str, value: str) -> None:
        """Keep a small value. Raises: StorageError."""

    async def recall(self, key: str) -> str | None:
        """The value kept under the key. Raises: StorageError."""


class RefusedPin:
    """The PINs refused: on the card, and in memory what the card did not take. Without a `memory` all of them."""

    def __init__(self, memory: Memory | None = None) -> None:
        self._memory = memory
        self._unkept: tuple[str, ...] = ()

    async def is_known(self, pin: str) -> bool:
        """Whether this PIN was refused before. Raises: StorageError where that can't be found out."""
        return _digest(pin) in await self._all()

    async def note(self, pin: str) -> None:
        """It was refused, or may have been."""
        digest = _digest(pin)
        self._unkept = (*(one for one in self._unkept if one != digest), digest)
        try:
            known = tuple(dict.fromkeys(await self._all()))[-_MOST_KEPT:]
            if self._memory is not None:
                await self._memory.remember(_KEY, " ".join(known))
                self._unkept = ()
        except StorageError as error:
            maillog.person_needed("modem: a refused PIN could not be put on record", error=error)

    async def forget(self) -> None:
        """The SIM is open: whatever was noted holds no more."""
        self._unkept = ()
        with contextlib.suppress(StorageError):  # then they are only remembered for longer
            if self._memory is not None and await self._all():
                await self._memory.remember(_KEY, "")

    async def _all(self) -> tuple[str, ...]:
        """Looked up each time: another process may have noted one. Raises: StorageError."""
        kept = await self._memory.recall(_KEY) if self._memory is not None else None
        return (*(kept or "").split(), *self._unkept)


def _digest(pin: str) -> str:
    return hashlib.sha256(f"dialpost {pin}".encode()).hexdigest()


def pin_methods(memory: Memory) -> dict[str, ControlMethod]:
    """`modem.refused_pins` {keep?}: the digests kept, or others in their place."""

    async def refused_pins(params: JsonObject) -> JsonValue:
        keep = params.get("keep")
        if keep is None:
            return await memory.recall(_KEY) or ""
        if not isinstance(keep, str) or not re.fullmatch(rf"([0-9a-f]{{64}} ?){{0,{_MOST_KEPT}}}", keep):
            raise ControlError("keep must be digests of PINs.")
        await memory.remember(_KEY, keep)
        return keep

    return {_METHOD: refused_pins}


class Ask(Protocol):
    """The station's control API, as edge/control_socket's client has it. Raises: ControlError."""

    def __call__(self, method: str, **params: JsonValue) -> JsonValue:
        """The method's result."""


class StationsPins:
    """A Memory that asks the running station."""

    def __init__(self, ask: Ask) -> None:
        self._ask = ask

    async def remember(self, key: str, value: str) -> None:
        """Have the station keep them. Raises: StorageError."""
        await self._asked(keep=value)

    async def recall(self, key: str) -> str | None:
        """Those the station keeps. Raises: StorageError."""
        return str(await self._asked())

    async def _asked(self, **params: JsonValue) -> JsonValue:
        try:
            return await asyncio.to_thread(self._ask, _METHOD, **params)
        except ControlError as error:
            raise StorageError(str(error)) from error
