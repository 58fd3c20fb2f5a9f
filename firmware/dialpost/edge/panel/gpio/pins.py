"""One GPIO line as gpiozero's pin, held by its own libgpiod request.

The line is requested when a device gives it a function, and released by `close`; in between it is only
reconfigured, so that nothing flickers and nobody else can take it. Levels are those of the line (high = 1):
gpiozero decides what counts as lit or pressed. Edges come from the kernel with the time it saw them, on
CLOCK_MONOTONIC, which is what `time.monotonic` and the event loop read.
"""

from __future__ import annotations

import errno
from datetime import timedelta
from typing import Any, Protocol

import gpiod
from gpiod.line import Bias, Clock, Direction, Edge, Value
from gpiozero.exc import (
    PinEdgeDetectUnsupported,
    PinFixedPull,
    PinInvalidBounce,
    PinInvalidEdges,
    PinInvalidFunction,
    PinInvalidPull,
    PinInvalidState,
    PinSetInput,
)
from gpiozero.pins.pi import PiPin

from dialpost.core.errors import GpioError, LineBusyError
from dialpost.edge.panel.gpio.pwm import SoftPwm
from dialpost.edge.panel.gpio.watcher import EdgeWatcher

CONSUMER = "dialpost"
"""The name that `gpioinfo` shows for our lines."""
EVENTS_KEPT = 64
"""The number of edges that the kernel buffers for us: a bouncing contact makes a dozen."""

_BIAS = {"up": Bias.PULL_UP, "down": Bias.PULL_DOWN, "floating": Bias.DISABLED}
_EDGES = {"none": Edge.NONE, "rising": Edge.RISING, "falling": Edge.FALLING, "both": Edge.BOTH}
_LEVEL = {False: Value.INACTIVE, True: Value.ACTIVE}


class Lines(Protocol):
    """The interface of the factory to its pins (`edge/panel/gpio/factory`)."""

    label: str
    chip: gpiod.Chip
    pwm: SoftPwm
    edges: EdgeWatcher

    def ticks(self) -> float:
        """The clock of the edges' times."""


class LibgpiodPin(PiPin):  # type: ignore[misc]  # gpiozero has no types
    """See the module. Not for several threads at once, as gpiozero's own pins."""

    def __init__(self, factory: Lines, info: Any) -> None:
        super().__init__(factory, info)
        self._request: gpiod.LineRequest | None = None
        self._forget()

    def _forget(self) -> None:
        self._output = False
        self._level = False
        self._pull = "floating"
        self._bounce_s: float | None = None
        self._edges = "both"
        self._is_watched = False
        self._frequency_hz: float | None = None
        self._duty = 0.0
        self._seen: int | None = None

    def close(self) -> None:
        """Release the line; the pin may be used again afterwards."""
        self.when_changed = None
        self._factory.pwm.drop(self)
        request, self._request = self._request, None
        self._forget()
        if request is not None:
            request.release()

    # -- what it is ---------------------------------------------------------------------------------------

    def output_with_state(self, state: Any) -> None:
        """An output with that level from its first moment: no blip."""
        self._output, self._level = True, bool(state)
        self._apply()

    def input_with_pull(self, pull: str) -> None:
        """An input with that bias from its first moment."""
        self._check_pull(pull)
        self._factory.pwm.drop(self)
        self._output, self._pull, self._frequency_hz = False, pull, None
        self._apply()

    def _get_function(self) -> str:
        return "output" if self._output else "input"

    def _set_function(self, value: str) -> None:
        if value not in {"input", "output"}:
            raise PinInvalidFunction(f"function of {self!r} must be input or output")
        if value == "output":
            if not self._output:
                self.output_with_state(self._request is not None and self._get_state())
        else:
            self.input_with_pull(self._pull)

    # -- levels -------------------------------------------------------------------------------------------

    def _get_state(self) -> float | int:
        if self._frequency_hz is not None:
            return self._duty
        if self._output:
            return int(self._level)
        return int(self._taken().get_value(self._number) is Value.ACTIVE)

    def _set_state(self, value: float) -> None:
        if not self._output:
            raise PinSetInput(f"{self!r} is an input: it has no level to set")
        if not 0 <= value <= 1:
            raise PinInvalidState(f"the state of {self!r} must be from 0 to 1")
        if self._frequency_hz is None:
            self._write(bool(value))
        else:
            self._duty = float(value)
            self._factory.pwm.set(self, self._write, self._duty, self._frequency_hz)

    def _write(self, level: bool) -> None:
        self._level = level
        self._taken().set_value(self._number, _LEVEL[level])

    def _get_frequency(self) -> float | None:
        return self._frequency_hz

    def _set_frequency(self, value: float | None) -> None:
        if value is None:
            self._factory.pwm.drop(self)
            if self._frequency_hz is not None:
                self._frequency_hz, self._duty = None, 0.0
            return
        if not self._output:
            raise PinInvalidFunction(f"{self!r} is an input: it can't be dimmed")
        if value <= 0:
            raise PinInvalidState(f"the frequency of {self!r} must be above 0")
        self._frequency_hz = float(value)
        self._duty = float(self._level)

    # -- inputs -------------------------------------------------------------------------------------------

    def _get_pull(self) -> str:
        return self._pull

    def _set_pull(self, value: str) -> None:
        if self._output:
            raise PinFixedPull(f"{self!r} is an output: it has no pull")
        self.input_with_pull(value)

    def _check_pull(self, pull: str) -> None:
        if pull not in _BIAS:
            raise PinInvalidPull(f"pull of {self!r} must be floating, up or down")

    def _get_bounce(self) -> float | None:
        return self._bounce_s

    def _set_bounce(self, value: float | None) -> None:
        if value is not None and value < 0:
            raise PinInvalidBounce(f"bounce of {self!r} must be 0 or longer")
        self._bounce_s = value or None
        self._reapply()

    def _get_edges(self) -> str:
        return self._edges

    def _set_edges(self, value: str) -> None:
        if value not in _EDGES:
            raise PinInvalidEdges(f"edges of {self!r} must be none, rising, falling or both")
        self._edges = value
        self._reapply()

    def _call_when_changed(self, ticks: float, state: float) -> None:
        """Without gpiozero's lock: this is the watcher's thread, and whoever holds that lock may wait for it."""
        reference = self._when_changed
        method = reference() if reference is not None else None
        if method is not None:
            method(ticks, state)

    def _enable_event_detect(self) -> None:
        self._is_watched = True
        try:
            self._apply()
        except GpioError as error:
            self._is_watched = False
            raise PinEdgeDetectUnsupported(str(error)) from error
        self._factory.edges.add(self._taken().fd, self._read_edges)

    def _disable_event_detect(self) -> None:
        if self._is_watched:
            self._is_watched = False
            if self._request is not None:
                self._factory.edges.remove(self._request.fd)
                self._apply()

    def _read_edges(self) -> None:
        """In the watcher's thread: pass on the kernel's events, each with its own time.

        A callback for one of them may fail: the others still get theirs, then it is raised.
        """
        request = self._request
        if request is None or not request.wait_edge_events(0):
            return
        told = request.read_edge_events()
        failed: Exception | None = None
        for event in told:
            if self._when_changed is None:
                return
            try:
                self._call_when_changed(event.timestamp_ns / 1e9, int(event.event_type is event.Type.RISING_EDGE))
            except Exception as error:
                failed = error
        last = told[-1].line_seqno if told else self._seen
        lost = self._seen is not None and last is not None and last != self._seen + len(told)
        self._seen = last
        if lost and self._when_changed is not None:
            # The kernel's queue overflowed: what counts is the line's current level.
            self._call_when_changed(self._factory.ticks(), self._get_state())
        if failed is not None:
            raise failed

    # -- the request --------------------------------------------------------------------------------------

    def _settings(self) -> gpiod.LineSettings:
        if self._output:
            return gpiod.LineSettings(direction=Direction.OUTPUT, output_value=_LEVEL[self._level])
        return gpiod.LineSettings(
            direction=Direction.INPUT,
            bias=_BIAS[self._pull],
            edge_detection=_EDGES[self._edges] if self._is_watched else Edge.NONE,
            debounce_period=timedelta(seconds=self._bounce_s or 0),
            event_clock=Clock.MONOTONIC,
        )

    def _reapply(self) -> None:
        if self._request is not None:
            self._apply()

    def _apply(self) -> None:
        """Request the line as wanted now, or reconfigure it. Raises: LineBusyError, GpioError."""
        config: Any = {self._number: self._settings()}
        try:
            if self._request is None:
                self._request = self._factory.chip.request_lines(
                    config, consumer=CONSUMER, event_buffer_size=EVENTS_KEPT
                )
            else:
                self._request.reconfigure_lines(config)
        except OSError as error:
            raise self._told(error) from error

    def _told(self, error: OSError) -> GpioError:
        line = f"line {self._number} of {self._factory.label}"
        if error.errno == errno.EBUSY:
            return LineBusyError(f"{line} is in use{self._user()}.")
        return GpioError(f"{line} can't be set up as {self._get_function()}: {error.strerror or error}.")

    def _user(self) -> str:
        """The line's current user, as far as the kernel knows."""
        try:
            consumer = self._factory.chip.get_line_info(self._number).consumer
        except OSError:
            return ""
        return f" by {consumer}" if consumer else ""

    def _taken(self) -> gpiod.LineRequest:
        if self._request is None:
            self._apply()
        assert self._request is not None
        return self._request
