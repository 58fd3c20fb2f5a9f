"""A GPIO chip at the level of libgpiod's requests: what was asked for, what the kernel answers, edges with times.

The settings, values and events are libgpiod's own; only the chip and its requests are made up. A descriptor of a
request is a real one, so that the watcher's poll is the real poll.
"""

from __future__ import annotations

import errno
import os
import threading
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace

import gpiod
from gpiod.line import Direction, Value


@dataclass
class FakeLine:
    """One line of the machine: its level, who drives it, and every level an output ever had."""

    level: bool = False
    holder: str = ""
    levels: list[bool] = field(default_factory=list)
    settings: list[gpiod.LineSettings] = field(default_factory=list)
    request: FakeRequest | None = None
    sequence: int = 0


class FakeMachine:
    """A /dev with chips. `chips` are label -> number of lines; put `Chip` where gpiod's is."""

    def __init__(self, folder: Path, **chips: int) -> None:
        self.folder = folder
        self.labels: dict[str, str] = {}
        self.lines: dict[str, list[FakeLine]] = {}
        self.open_chips = 0
        self.denied: set[str] = set()
        for number, (label, count) in enumerate(chips.items()):
            self.plug(number, label, count)

    def plug(self, number: int, label: str, count: int) -> None:
        (self.folder / f"gpiochip{number}").touch()
        self.labels[f"gpiochip{number}"] = label
        self.lines[f"gpiochip{number}"] = [FakeLine() for _ in range(count)]

    def line(self, offset: int, chip: int = 0) -> FakeLine:
        return self.lines[f"gpiochip{chip}"][offset]

    def Chip(self, path: str) -> FakeChip:
        name = Path(path).name
        if name in self.denied:
            raise PermissionError(errno.EACCES, "Permission denied")
        if name not in self.labels:
            raise OSError(errno.ENODEV, "No such device")
        self.open_chips += 1
        return FakeChip(self, name)


class FakeChip:
    """gpiod.Chip as far as the factory uses it."""

    def __init__(self, machine: FakeMachine, name: str) -> None:
        self._machine, self._lines, self._name = machine, machine.lines[name], name
        self._closed = False

    def __enter__(self) -> FakeChip:
        return self

    def __exit__(self, *told: object) -> None:
        self.close()

    def close(self) -> None:
        if not self._closed:
            self._machine.open_chips -= 1
        self._closed = True

    def get_info(self) -> SimpleNamespace:
        return SimpleNamespace(label=self._machine.labels[self._name], num_lines=len(self._lines))

    def get_line_info(self, offset: int) -> SimpleNamespace:
        return SimpleNamespace(consumer=self._lines[offset].holder)

    def request_lines(
        self, config: dict[int, gpiod.LineSettings], consumer: str, event_buffer_size: int
    ) -> FakeRequest:
        assert not self._closed
        ((offset, settings),) = config.items()
        line = self._lines[offset]
        if line.holder:
            raise OSError(errno.EBUSY, "Device or resource busy")
        line.holder = consumer
        return FakeRequest(line, offset, settings, event_buffer_size)


class FakeRequest:
    """gpiod.LineRequest of one line."""

    def __init__(self, line: FakeLine, offset: int, settings: gpiod.LineSettings, room: int) -> None:
        self._line, self._offset, self._room = line, offset, room
        self._events: deque[gpiod.EdgeEvent] = deque()
        self.lock = threading.RLock()
        self.fd, self._told = os.pipe2(os.O_NONBLOCK)
        self.released = False
        line.request = self
        self.reconfigure_lines({offset: settings})

    def reconfigure_lines(self, config: dict[int, gpiod.LineSettings]) -> None:
        assert not self.released
        settings = config[self._offset]
        self._line.settings.append(settings)
        if settings.direction is Direction.OUTPUT:
            self._drive(bool(settings.output_value))

    def set_value(self, offset: int, value: Value) -> None:
        assert offset == self._offset and not self.released
        assert self._line.settings[-1].direction is Direction.OUTPUT
        self._drive(value is Value.ACTIVE)

    def get_value(self, offset: int) -> Value:
        assert offset == self._offset and not self.released
        return Value.ACTIVE if self._line.level else Value.INACTIVE

    def release(self) -> None:
        assert not self.released
        self.released = True
        self._line.holder, self._line.request = "", None
        os.close(self.fd)
        os.close(self._told)

    def _drive(self, level: bool) -> None:
        self._line.level = level
        self._line.levels.append(level)

    # -- edges ----------------------------------------------------------------------------------------

    def edge(self, level: bool, at_s: float, *, lost: bool = False) -> None:
        """The contact changes; the kernel stamps it. `lost`: its queue was full, nobody learns of it."""
        line = self._line
        line.level = level
        if line.settings[-1].edge_detection is gpiod.line.Edge.NONE:
            return
        line.sequence += 1
        if lost:
            return
        kind = gpiod.EdgeEvent.Type.RISING_EDGE if level else gpiod.EdgeEvent.Type.FALLING_EDGE
        event = gpiod.EdgeEvent(kind.value, round(at_s * 1e9), self._offset, line.sequence, line.sequence)
        with self.lock:
            assert len(self._events) < self._room
            self._events.append(event)
            os.write(self._told, b"e")

    def wait_edge_events(self, timeout: float) -> bool:
        assert timeout == 0, "the watcher polls by itself"
        with self.lock:
            return bool(self._events)

    def read_edge_events(self) -> list[gpiod.EdgeEvent]:
        with self.lock:
            events = list(self._events)
            self._events.clear()
            os.read(self.fd, 4096)
        assert events, "the real one would block for ever"
        return events
