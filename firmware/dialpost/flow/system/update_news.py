"""News of updates: mail, the fault light and `status` report one that proved itself or was rolled back.

Checked when the station starts, and when dialpost-health.service has judged the start (`update.look` on the control
socket). The letter is written once for each update; a power cut between the letter and the note may cause a second
one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Protocol

from dialpost.core.control import station as api
from dialpost.core.control.declared import NoParams
from dialpost.core.control.serving import Served, serve
from dialpost.core.errors import DialpostError
from dialpost.core.faults import Fault
from dialpost.core.system.update.record import UpdateRecord, UpdateState
from dialpost.flow import maillog

_UNDER_WAY = frozenset({UpdateState.INSTALLED, UpdateState.TRYING})
_TOLD, _SEEN = "told", "seen"


class Records(Protocol):
    """The subset of the record's file needed here."""

    def now(self) -> UpdateRecord | None:
        """The last update, as seen from this start."""


class Notes(Protocol):
    """What was reported and seen."""

    def get(self, name: str) -> str:
        """ "" if nothing was noted."""

    def note(self, name: str, value: str) -> None:
        """Durable."""


class Faults(Protocol):
    """The subset of the panel needed here."""

    def fault(self, fault: Fault, present: bool) -> None:
        """Show it, or no longer."""


class UpdateNews:
    """`tell` writes a letter to the postmaster: subject, text."""

    def __init__(
        self, records: Records, notes: Notes, panel: Faults, tell: Callable[[str, str], Awaitable[None]]
    ) -> None:
        self._records, self._notes, self._panel, self._tell = records, notes, panel, tell
        self._record: UpdateRecord | None = None
        self._is_seen = False
        self._one = asyncio.Lock()

    async def begin(self) -> None:
        """Check when the station starts. A letter that can't be written is logged."""
        try:
            await self.look()
        except DialpostError as error:
            maillog.fault("update: the postmaster could not be notified", error=error)

    async def look(self) -> None:
        """Find out how the last update ended, and report what is new. Raises: DialpostError if that fails."""
        async with self._one:
            self._record = record = await asyncio.to_thread(self._records.now)
            self._is_seen = record is not None and await asyncio.to_thread(self._notes.get, _SEEN) == record.id
            self._panel.fault(Fault.UPDATE, self._is_trouble)
            if record is None or record.letter is None:
                return
            if await asyncio.to_thread(self._notes.get, _TOLD) == record.id:
                return
            await self._tell(*record.letter)
            await asyncio.to_thread(self._notes.note, _TOLD, record.id)

    def attention(self) -> list[str]:
        """What the operator should know, a sentence each."""
        record = self._record
        if record is None or not (self._is_trouble or record.state in _UNDER_WAY):
            return []
        return [record.words]

    def methods(self) -> dict[str, Served]:
        """The methods of the control socket by name."""
        return {
            **serve(api.UPDATE_LOOK, self._looked),
            **serve(api.UPDATE_STATUS, self._status),
            **serve(api.UPDATE_SEEN, self._seen),
        }

    @property
    def _is_trouble(self) -> bool:
        return self._record is not None and self._record.is_trouble and not self._is_seen

    async def _looked(self, wanted: NoParams) -> None:
        await self.look()

    async def _status(self, wanted: NoParams) -> api.UpdateState:
        await self.look()
        return api.UpdateState(words=self._record.words if self._record is not None else "")

    async def _seen(self, wanted: NoParams) -> None:
        if self._record is not None:
            await asyncio.to_thread(self._notes.note, _SEEN, self._record.id)
        await self.look()
