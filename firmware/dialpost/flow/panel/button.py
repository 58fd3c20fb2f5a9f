"""The button: turns edges into calls and the factory reset; and darkens the lights at night.

`core/panel/button` says what the operator meant; this carries it out on whatever station runs now: stations come
and go while the panel stays. `edge` may be called from the event loop only (edge/panel/gpio ensures that); `run` is
the one task.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from typing import Protocol

from dialpost.core.call_reason import CallReason
from dialpost.core.config.panel import PanelConfig
from dialpost.core.day_hours import is_within
from dialpost.core.errors import StorageError
from dialpost.core.faults import Fault
from dialpost.core.line.call.states import AT_REST, CallState
from dialpost.core.panel.button import Action, Button, ButtonState
from dialpost.core.panel.station_state import Phase, StationState
from dialpost.flow.panel.state import Panel

LOOK_AT_CLOCK_S = 20.0
"""How often the clock is checked for night: a minute is precise enough."""
SOON_S = 0.001
"""Anything due this soon counts as due: a wait shorter than a timer's resolution would become a busy loop."""
REBOOT_S = 120.0
"""After this time a confirmed reset that has not ended this process is no longer shown."""


_log = logging.getLogger("dialpost.panel")


class Calls(Protocol):
    """The subset of flow/line/call/machine.CallManager (or flow/line/dedicated_line) a button needs."""

    @property
    def state(self) -> CallState:
        """The state of the call."""

    def request(self, reason: CallReason) -> str:
        """Ask for a call; what happens now, in words."""

    def cancel(self, at_once: bool) -> str:
        """Ask for the end of the call under way; what happens now, in words."""


class FactoryReset(Protocol):
    """edge/system/factory_reset."""

    async def request(self, by: str) -> str:
        """Mark the card and restart the machine; what happens now, in words. Raises: StorageError."""


class FrontPanel:
    """One button and the panel it belongs to. `calls` are those of the running station, None if none runs.

    `hours` returns the local time as HH:MM, None while the clock can't be trusted: then it is never night. Without
    a `reset` the button offers none.
    """

    def __init__(
        self, config: PanelConfig, panel: Panel, reset: FactoryReset | None, hours: Callable[[], str | None]
    ) -> None:
        self._config, self._panel, self._reset, self._hours = config, panel, reset, hours
        self._button: Button | None = None
        self._awake_until_s = 0.0
        self._wake = asyncio.Event()
        self._doing: asyncio.Task[None] | None = None
        self.calls: Calls | None = None

    def begin(self, down: bool) -> None:
        """The button is active from now on; `down`: it is already pressed, which counts as stuck."""
        self._button = Button(self._now_s(), down=down, offers_reset=self._offers_reset)
        if down:
            self._stuck("it was down at the start")
        self._wake.set()

    def lend(self) -> None:
        """Somebody else uses the button until `begin` is called again: a press in progress is discarded."""
        self._button = None
        self._panel.button(StationState().button)
        self._panel.fault(Fault.BUTTON, False)

    def edge(self, closed: bool, at_s: float) -> None:
        """The contact closed or opened at that time (monotonic)."""
        if self._button is None:
            return
        self._awake_until_s = self._now_s() + self._config.night_wake_s
        self._carry_out(self._button.contact(closed, at_s))
        self._wake.set()

    def attention(self) -> list[str]:
        """What needs the operator, a sentence each."""
        if self._button is not None and self._button.state is ButtonState.STUCK:
            return ["The panel's button is stuck: free it, or check its wiring (`dialpost board test`)."]
        return []

    async def run(self) -> None:
        """Watch the button's times and the clock until cancelled."""
        try:
            while True:
                self._wake.clear()
                self._look_at_clock()
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._wake.wait(), self._next_s())
                if self._button is not None:
                    self._carry_out(self._button.tick(self._now_s() + SOON_S))
        finally:
            if self._doing is not None:
                self._doing.cancel()

    # -- what the operator meant ----------------------------------------------------------------------

    def _carry_out(self, actions: list[Action]) -> None:
        for action in actions:
            {
                Action.PRESSED: self._pressed,
                Action.HANG_UP: self._hang_up,
                Action.OFFER: lambda: _log.warning("panel: button held 10 s; a second press resets the station"),
                Action.CALLED_OFF: lambda: _log.info("panel: the factory reset was not confirmed"),
                Action.RESET: self._start_reset,
                Action.STUCK: lambda: self._stuck("it is held for more than 30 s"),
                Action.FREED: self._freed,
            }[action]()
        if self._button is not None:
            self._panel.button(self._button.show)

    def _pressed(self) -> None:
        if self.calls is None:
            _log.info("panel: button pressed, but no station runs")
        elif self.calls.state in AT_REST:
            _log.info("panel: button pressed: %s", self.calls.request(CallReason.BUTTON))
        else:
            _log.info("panel: button pressed: %s", self.calls.cancel(at_once=False))

    def _hang_up(self) -> None:
        if self.calls is not None:
            _log.info("panel: button held: %s", self.calls.cancel(at_once=True))

    def _stuck(self, why: str) -> None:
        _log.error("panel: the button is stuck: %s", why)
        self._panel.fault(Fault.BUTTON, True)

    def _freed(self) -> None:
        _log.info("panel: the button is free again")
        self._panel.fault(Fault.BUTTON, False)

    @property
    def _offers_reset(self) -> bool:
        return self._config.button_resets and self._reset is not None

    def _start_reset(self) -> None:
        if self._reset is not None and (self._doing is None or self._doing.done()):
            self._doing = asyncio.create_task(self._carry_out_reset(self._reset.request), name="factory-reset")

    async def _carry_out_reset(self, request: Callable[[str], Awaitable[str]]) -> None:
        self._panel.phase(Phase.RESETTING)
        try:
            _log.warning("panel: factory reset confirmed by the button: %s", await request("button"))
            await asyncio.sleep(REBOOT_S)  # usually the machine goes down meanwhile
        except StorageError as error:
            _log.error("panel: factory reset: %s", error)
            self._panel.fault(Fault.STORAGE, True)
        self._panel.phase(Phase.RUNNING)

    # -- time -----------------------------------------------------------------------------------------

    def _look_at_clock(self) -> None:
        clock = self._hours()
        is_night = clock is not None and is_within(self._config.night_hours, clock)
        self._panel.dark(is_night and self._now_s() >= self._awake_until_s)

    def _next_s(self) -> float | None:
        """Seconds until something has to be checked; None = only an edge can change anything."""
        now_s, due = self._now_s(), []
        if self._button is not None and self._button.deadline_s is not None:
            due.append(self._button.deadline_s - now_s)
        if self._config.night_hours:
            due.append(LOOK_AT_CLOCK_S)
            if self._awake_until_s > now_s:
                due.append(self._awake_until_s - now_s)
        return max(SOON_S, min(due)) if due else None

    def _now_s(self) -> float:
        return asyncio.get_running_loop().time()
