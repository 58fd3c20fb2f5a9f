"""A board's lamps and button: opens its lines, all or none, with gpiozero's devices on them.

Runs in the event loop. The button's edges are detected in the factory's thread and reach the loop through
`call_soon_threadsafe`; nothing else crosses. gpiozero's own holds, blinking and default factory are not used:
`core/panel/button` decides what a hold means, `flow/panel/lamps` when a light changes, and `DigitalInputDevice`,
unlike `Button`, has no thread that wakes ten times a second.

At full brightness a light is only switched; a light of three colours then has seven. Only below that are lines
dimmed in software (`pwm`).
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable
from typing import Any

from gpiozero import LED, PWMLED, DigitalInputDevice
from gpiozero.exc import GPIOZeroError

from dialpost.core.errors import GpioError, GpioNotThereError, LineBusyError
from dialpost.core.panel.board import Bias, Board, Light, Switch
from dialpost.edge.panel.gpio.factory import LibgpiodFactory

DEBOUNCE_S = 0.005
"""The kernel's debounce time, so that a bounce does not wake us a dozen times; `core/panel/button` the rest."""
TRY_AGAIN_S = 0.1

Colour = tuple[float, float, float]
FactoryFor = Callable[[str], Any]
OnEdge = Callable[[bool, float], None]

_log = logging.getLogger("dialpost.panel")


class BoardPanel:
    """The lines of one board. Raises: LineBusyError, GpioNotThereError, GpioError; no line stays open then."""

    def __init__(self, board: Board, brightness: int = 100, factory_for: FactoryFor = LibgpiodFactory) -> None:
        self._board, self._share = board, brightness / 100
        self._taken = contextlib.ExitStack()
        self._broken: set[int] = set()
        self._contact: DigitalInputDevice | None = None
        try:
            self._factories = {label: self._factory(label, factory_for) for label in board.chips}
            self._lamps = [self._lamp(light) for light in board.lights]
            if board.button is not None:
                self._contact = self._button(board.button)
        except GPIOZeroError as error:
            self._taken.close()
            raise GpioError(f"The panel of {board.name} can't be set up: {error}.") from error
        except BaseException:
            self._taken.close()
            raise

    def show(self, index: int, colour: Colour | None) -> None:
        """Light the board's light of that number (from 0) in that colour; None = dark."""
        try:
            lamp = self._lamps[index]
            if len(lamp) == 1:
                lamp[0].value = self._level(1.0 if colour is not None else 0.0)
                return
            for led, share in zip(lamp, colour or (0.0, 0.0, 0.0), strict=True):
                led.value = self._level(share)
        except OSError as error:
            if index not in self._broken:
                self._broken.add(index)
                _log.error("panel: light %s can't be set: %s", self._board.lights[index].name, error)

    def listen(self, on_edge: OnEdge) -> bool:
        """Call `on_edge(closed, time)` in this event loop from now on; returns whether the button is down now.

        The time is the kernel's, monotonic.
        """
        contact, loop = self._contact, asyncio.get_running_loop()
        if contact is None:
            return False

        def pass_on(closed: bool, since_s: float | None) -> None:  # in the factory's thread
            at_s = contact.pin_factory.ticks() - (since_s or 0.0)
            with contextlib.suppress(RuntimeError):  # the loop has ended
                loop.call_soon_threadsafe(on_edge, closed, at_s)

        contact.when_activated = lambda: pass_on(True, contact.active_time)
        contact.when_deactivated = lambda: pass_on(False, contact.inactive_time)
        return bool(contact.is_active)

    def close(self) -> None:
        """Release every line; the lights are dark if the chip keeps levels. Harmless if called again."""
        for index in range(len(self._lamps)):
            self.show(index, None)
        self._taken.close()
        self._lamps = []

    # -- devices --------------------------------------------------------------------------------------

    def _factory(self, label: str, factory_for: FactoryFor) -> Any:
        factory = factory_for(label)
        self._taken.callback(factory.close)
        return factory

    def _lamp(self, light: Light) -> list[Any]:
        factory = self._factories[self._board.chip_of(light)]
        return [self._led(factory, line, active_high=not light.active_low) for line in light.lines.values()]

    def _led(self, factory: Any, line: int, *, active_high: bool) -> Any:
        if self._share < 1:
            # PWMLED makes the line an output first and sets its level then: an active-low light would flash.
            factory.pin(line).output_with_state(not active_high)
        led = (LED if self._share >= 1 else PWMLED)(line, active_high=active_high, pin_factory=factory)
        self._taken.callback(led.close)
        return led

    def _button(self, switch: Switch) -> DigitalInputDevice:
        """gpiozero derives the pressed level from the pull; without a pull it must be given."""
        pull_up = {Bias.PULL_UP: True, Bias.PULL_DOWN: False, Bias.NONE: None}[switch.bias]
        contact = DigitalInputDevice(
            switch.line,
            pull_up=pull_up,
            active_state=not switch.active_low if pull_up is None else None,
            bounce_time=DEBOUNCE_S,
            pin_factory=self._factories[self._board.chip_of(switch)],
        )
        self._taken.callback(contact.close)
        return contact

    def _level(self, share: float) -> float:
        """At full brightness a line is on or off: no dimming for intermediate colours."""
        return share * self._share if self._share < 1 else float(share > 0)


async def open_panel(
    board: Board, brightness: int, wait_s: float, factory_for: FactoryFor = LibgpiodFactory
) -> BoardPanel:
    """Open the board's lines; wait up to `wait_s` for the chip to appear and for another process to release them.

    A cancellation leaves no line open. Raises: LineBusyError, GpioNotThereError after that time; GpioError at once.
    """
    loop = asyncio.get_running_loop()
    until_s = loop.time() + wait_s
    while True:
        try:
            return BoardPanel(board, brightness, factory_for)
        except (LineBusyError, GpioNotThereError):
            if loop.time() >= until_s:
                raise
        await asyncio.sleep(TRY_AGAIN_S)  # not every kernel reports an event for these
