"""The panel's state: collects the facts behind the lights and notifies the code that shows them.

The lights themselves are `core/panel/lights`, a projection; whoever drives them (GPIO, the simulated panel, a
web page) watches here. Runs in the daemon's event loop; `run` keeps the queue's counts fresh.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Mapping
from dataclasses import replace

from dialpost.core.errors import StorageError
from dialpost.core.faults import Fault
from dialpost.core.line.call.states import CallState
from dialpost.core.mail.queue.records import QueueCounts
from dialpost.core.panel.blink import Pattern
from dialpost.core.panel.lights import Led, project
from dialpost.core.panel.station_state import ButtonShow, Phase, StationState
from dialpost.flow.mail.needs import Counts

REFRESH_S = 0.5
"""The shortest time between two counts, however much mail comes in."""

Lights = Mapping[Led, Pattern]
LightsWatcher = Callable[[StationState, Lights], None]


class Panel:
    """One StationState, changed by those who know the facts, shown by those who watch.

    It lives as long as the process, while stations come and go with the configuration, or none exists yet. `counts`
    is the store of the running station, None if none runs.
    """

    def __init__(self, counts: Counts | None = None) -> None:
        self._counts = counts
        self._state = StationState(phase=Phase.BOOT)
        self._watchers: list[LightsWatcher] = []
        self._stale = asyncio.Event()
        self.counted = QueueCounts()

    @property
    def state(self) -> StationState:
        """The facts now."""
        return self._state

    @property
    def faults(self) -> frozenset[Fault]:
        """The present faults."""
        return self._state.faults

    @property
    def lights(self) -> Lights:
        """The present state of each light."""
        return project(self._state)

    def watch(self, watcher: LightsWatcher) -> Callable[[], None]:
        """Call the watcher now and at every change of the state; the returned function ends it."""
        self._watchers.append(watcher)
        watcher(self._state, self.lights)
        return lambda: self._watchers.remove(watcher)

    def starts(self, counts: Counts) -> None:
        """A station starts, with this store. The previous one's faults go; it reports those that persist."""
        self._counts = counts
        self._become(replace(self._kept(), phase=Phase.BOOT))

    def started(self) -> None:
        """The station accepts mail."""
        self.phase(Phase.RUNNING)

    def phase(self, phase: Phase) -> None:
        """Set the state of the station as a whole."""
        self._become(replace(self._state, phase=phase))

    def waits_for_set_up(self) -> None:
        """There is no usable configuration: no station runs, and an operator is needed."""
        self._counts, self.counted = None, QueueCounts()
        kept = self._kept()
        self._become(replace(kept, faults=kept.faults | {Fault.UNSET}))

    def _kept(self) -> StationState:
        """The panel's own part of the state, independent of the station: the button and the night."""
        now = self._state
        return StationState(button=now.button, dark=now.dark, faults=now.faults & {Fault.BUTTON})

    def call(self, state: CallState) -> None:
        """The call changed its state."""
        self._become(replace(self._state, call=state))

    def mail_moves(self, moving: bool) -> None:
        """Set whether bytes of mail are moving on the line."""
        self._become(replace(self._state, mail_moving=moving))

    def arrived(self, arrived: bool) -> None:
        """Set whether the last call brought mail."""
        self._become(replace(self._state, arrived=arrived))

    def redial(self, pending: bool) -> None:
        """Set whether a redial is due after a failed call."""
        self._become(replace(self._state, redial=pending))

    def button(self, show: ButtonShow) -> None:
        """Set what releasing the button now would do."""
        self._become(replace(self._state, button=show))

    def dark(self, dark: bool) -> None:
        """Set whether the lights sleep."""
        self._become(replace(self._state, dark=dark))

    def fault(self, fault: Fault, present: bool) -> None:
        """A fault appeared or is gone."""
        faults = self._state.faults | {fault} if present else self._state.faults - {fault}
        self._become(replace(self._state, faults=faults))

    def queue_changed(self) -> None:
        """The queue has changed since it was last counted."""
        self._stale.set()

    async def refresh(self) -> None:
        """Count now. If the store can't be read, the counts stay unchanged: that is reported as a fault
        elsewhere."""
        if self._counts is None:
            return
        with contextlib.suppress(StorageError):
            self.counted = await self._counts.counts()
            self._become(replace(self._state, waiting=self.counted.waiting_remote, urgent=self.counted.urgent))

    async def run(self) -> None:
        """Keep the counts fresh until cancelled."""
        self._stale.set()
        while True:
            await self._stale.wait()
            self._stale.clear()
            await self.refresh()
            await asyncio.sleep(REFRESH_S)

    def _become(self, state: StationState) -> None:
        if state == self._state:
            return
        self._state = state
        for watcher in list(self._watchers):
            watcher(state, project(state))
