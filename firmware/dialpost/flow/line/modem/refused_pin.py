"""A PIN that the SIM refused is never tried again, not even after a restart: three wrong ones lock the SIM.

The card keeps digests, not PINs, from the time since the SIM was last open: of all refused PINs, and of each
attempt whose outcome is unknown (marked with ?; an attempt is noted before it is made). So going back to an earlier
PIN costs no attempt. A PIN with an unclear outcome is tried twice at most, and no more than two attempts are made
in all if the modem does not report how many are left. The operator can lift the bar (`dialpost modem allow-pin`).
`dialpost modem test --dial`, a separate process, asks the station for them (`pin_methods`, `StationsPins`).
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import re
from collections.abc import Callable
from typing import Protocol

from dialpost.core.control import modem as api
from dialpost.core.control.declared import A, D, Method, NoParams, P
from dialpost.core.control.serving import Served, serve
from dialpost.core.errors import ControlError, StorageError
from dialpost.flow import maillog
from dialpost.flow.memory import Memory

_KEY = "modem.refused_pin"
ALLOW = "`dialpost modem allow-pin`"
"""The command that lifts the bar, for messages."""
MOST_UNCLEAR = 2
_MOST_UNSEEN = 2
_MOST_KEPT = 10
_UNCLEAR = "?"


class RefusedPin:
    """The recorded attempts: on the card, or in memory if the card refused them or there is no `memory`."""

    def __init__(self, memory: Memory | None = None) -> None:
        self._memory = memory
        self._unkept: tuple[str, ...] | None = None

    async def why_not(self, pin: str, *, tries_known: bool) -> str:
        """Why this PIN must not be sent, "" if it may. Raises: StorageError if that can't be determined."""
        known, digest = await self._all(), _digest(pin)
        if digest in known:
            return (
                "The SIM refused this PIN before; Dialpost does not send it again. Correct modem.sim_pin. If it is "
                f"right, {ALLOW} allows it again."
            )
        if known.count(_UNCLEAR + digest) >= MOST_UNCLEAR:
            return (
                f"This PIN was sent {MOST_UNCLEAR} times, and the SIM did not say whether it was right; "
                f"Dialpost does not send it again. Correct modem.sim_pin. If it is right, {ALLOW} allows it again."
            )
        if not tries_known and len(known) >= _MOST_UNSEEN:
            return (
                f"{len(known)} attempts were made since the SIM was last open, and the modem does not report how "
                "many are left: a third wrong PIN may lock the SIM, so this one is not tried. If you are sure of "
                f"it, {ALLOW} allows it."
            )
        return ""

    async def trying(self, pin: str) -> None:
        """It is about to be sent; its outcome is unclear until more is known."""
        await self._change(lambda known: (*known, _UNCLEAR + _digest(pin)))

    async def refused(self, pin: str) -> None:
        """The SIM refused it."""
        digest = _digest(pin)
        await self._change(lambda known: (*_without(known, _UNCLEAR + digest), digest))

    async def not_judged(self, pin: str) -> None:
        """The SIM did not look at the last attempt: it cost nothing."""
        await self._change(lambda known: _without(known, _UNCLEAR + _digest(pin)))

    async def forget(self) -> None:
        """The SIM is open, or the operator is sure: discard all records."""
        self._unkept = None if self._memory is not None else ()
        with contextlib.suppress(StorageError):  # records that stay longer do no harm
            if self._memory is not None and await self._all():
                await self._memory.remember(_KEY, "")

    async def _change(self, change: Callable[[tuple[str, ...]], tuple[str, ...]]) -> None:
        try:
            known = await self._all()
        except StorageError:
            known = ()
        self._unkept = change(known)[-_MOST_KEPT:]
        if self._memory is None:
            return
        try:
            await self._memory.remember(_KEY, " ".join(self._unkept))
            self._unkept = None
        except StorageError as error:
            maillog.operator_needed("modem: an attempt with the PIN could not be recorded", error=error)

    async def _all(self) -> tuple[str, ...]:
        """All records, looked up each time because another process may have added one. Raises: StorageError."""
        if self._unkept is not None:
            return self._unkept
        kept = await self._memory.recall(_KEY) if self._memory is not None else None
        return tuple((kept or "").split())


def _without(known: tuple[str, ...], entry: str) -> tuple[str, ...]:
    """The records without the last one like `entry`."""
    if entry not in known:
        return known
    index = len(known) - 1 - known[::-1].index(entry)
    return known[:index] + known[index + 1 :]


def _digest(pin: str) -> str:
    return hashlib.sha256(f"dialpost {pin}".encode()).hexdigest()


def pin_methods(memory: Memory, on_allowed: Callable[[], None] = lambda: None) -> dict[str, Served]:
    """`modem.refused_pins` and `modem.allow_pin`."""

    async def refused_pins(wanted: api.PinsParams) -> str:
        if wanted.keep is None:
            return await memory.recall(_KEY) or ""
        if not re.fullmatch(rf"(\??[0-9a-f]{{64}} ?){{0,{_MOST_KEPT}}}", wanted.keep):
            raise ControlError("keep must be digests of PINs.")
        await memory.remember(_KEY, wanted.keep)
        return wanted.keep

    async def allow_pin(wanted: NoParams) -> int:
        kept = await memory.recall(_KEY) or ""
        await memory.remember(_KEY, "")
        on_allowed()
        return len(kept.split())

    return {**serve(api.REFUSED_PINS, refused_pins), **serve(api.ALLOW_PIN, allow_pin)}


class Ask(Protocol):
    """The station's control API, as offered by the client in edge/control_socket. Raises: ControlError."""

    def __call__(self, method: Method[P, D, A], *args: P.args, **params: P.kwargs) -> A:
        """The method's answer."""


class StationsPins:
    """A Memory that asks the running station."""

    def __init__(self, ask: Ask) -> None:
        self._ask = ask

    async def remember(self, key: str, value: str) -> None:
        """Let the station store the records. Raises: StorageError."""
        await self._asked(value)

    async def recall(self, key: str) -> str | None:
        """The records that the station has. Raises: StorageError."""
        return await self._asked(None)

    async def _asked(self, keep: str | None) -> str:
        try:
            return await asyncio.to_thread(lambda: self._ask(api.REFUSED_PINS, keep=keep))
        except ControlError as error:
            raise StorageError(str(error)) from error
