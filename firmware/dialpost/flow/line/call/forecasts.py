"""Gathering the data for a forecast of the next call: the queue's counts and the calls on record."""

from __future__ import annotations

import contextlib
from typing import Protocol

from dialpost.core.config.model import BudgetConfig
from dialpost.core.line.call.forecast import Forecast, LineSpeed, forecast, line_speed
from dialpost.core.line.call.record import CallRecord
from dialpost.flow.line.call.history import CallHistory
from dialpost.flow.mail.needs import Counts

CALLS_LOOKED_AT = 20


class HistoryAndQueue(CallHistory, Counts, Protocol):
    """The subset of the store a forecast needs."""

    async def held_for_size(self) -> tuple[int, int]:
        """The number of messages held for their size, and their bytes on the line."""


class Forecasts:
    """Estimates the next call. Every method raises StorageError if the card can't be read.

    `is_plain`: no call needs TLS.
    """

    def __init__(
        self, budget: BudgetConfig, nominal_bps: int, store: HistoryAndQueue, *, is_plain: bool = False
    ) -> None:
        self._budget, self._nominal_bps, self._store, self._is_plain = budget, nominal_bps, store, is_plain

    async def speed(self) -> LineSpeed:
        """The speed of the line as measured in past calls."""
        past = []
        for call in await self._store.calls(CALLS_LOOKED_AT):
            with contextlib.suppress(KeyError, ValueError):  # damaged, or written by another version
                past.append(CallRecord.from_json(call))
        return line_speed(past, self._nominal_bps, is_plain=self._is_plain)

    async def next_call(self) -> Forecast:
        """What a call made now would take."""
        speed, counts = await self.speed(), await self._store.counts()
        held, held_bytes = await self._store.held_for_size()
        return forecast(
            counts.waiting_remote, counts.bytes_waiting, speed, self._budget, held=held, held_bytes=held_bytes
        )
