"""The parts of a simulated telephone line: a direction that takes time, and a pseudo-terminal at each end.

`sim/telephone` combines them. All in one event loop.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import pty
import random
import tty
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

CHUNK_BYTES = 32
"""The line is paced in pieces of this many bytes: at 33,600 bit/s one takes 8 ms."""


@dataclass(frozen=True, slots=True)
class TelephoneSettings:
    """`results` are the answers to the first dials; then calls connect. `dial_s` is from ATD to the result."""

    rate_bps: int = 33_600
    rtt_s: float = 0.150
    bits_per_byte: float = 8.0  # V.42 takes start and stop bits off
    buffer_bytes: int = 2048
    dial_s: float = 1.0
    results: tuple[str, ...] = ()
    provider_is_modem: bool = False
    told_rate: int | None = None  # what CONNECT says, if it is not the line's rate
    sim_pin: str | None = None
    has_sim: bool = True
    seed: int = 0
    answer_s: float = 0.0  # the delay of each answer to a command
    late: tuple[str, ...] = ()  # only for command lines that begin with these, the first time each; empty: all
    chatter: str = ""  # sent unsolicited each second while the modem accepts commands
    stored: str = ""  # E0, Q1 and V0 in the modem's stored settings
    refuses: tuple[str, ...] = ()  # beginnings of command lines, after AT, that it refuses
    number: str = ""  # if given, every other number ends in NO CARRIER: no modem answers there


class Direction:
    """One way of the line. `carried` counts the bytes that arrived, over all calls."""

    def __init__(self, settings: TelephoneSettings, deliver: Callable[[bytes], None], name: str) -> None:
        self._settings, self._deliver, self.name = settings, deliver, name
        self._buffer = bytearray()
        self._flying: deque[tuple[float, bytes]] = deque()
        self._free_s = 0.0
        self._was_idle = True  # it has had nothing to send since `_free_s`
        self.carried = self.taken = 0
        self.cut_at: int | None = None
        self.is_dead = False
        self.garbage_every = 0
        self._chance = random.Random(settings.seed)

    @property
    def room(self) -> int:
        """Bytes that the modem accepts now."""
        return max(0, self._settings.buffer_bytes - len(self._buffer))

    @property
    def buffered(self) -> int:
        """Bytes in the modem's buffer."""
        return len(self._buffer)

    def take(self, data: bytes) -> None:
        """Bytes from the tty."""
        self._buffer += data
        self.taken += len(data)

    def clear(self) -> None:
        """Everything under way is lost."""
        self._buffer.clear()
        self._flying.clear()

    def step(self, now_s: float) -> bool:
        """Move what is due; returns whether that cut the carrier."""
        byte_s = self._settings.bits_per_byte / self._settings.rate_bps
        if self._buffer and self._was_idle:
            self._free_s = max(self._free_s, now_s)
            self._was_idle = False
        while self._buffer and self._free_s <= now_s:
            piece = bytes(self._buffer[:CHUNK_BYTES])
            del self._buffer[: len(piece)]
            self._free_s += len(piece) * byte_s
            self._flying.append((self._free_s + self._settings.rtt_s / 2, piece))
        self._was_idle = not self._buffer
        while self._flying and self._flying[0][0] <= now_s:
            piece = self._flying.popleft()[1]
            if self.cut_at is not None and self.carried + len(piece) >= self.cut_at:
                piece = piece[: max(0, self.cut_at - self.carried)]
                self.cut_at = None
                self._arrive(piece)
                return True
            self._arrive(piece)
        return False

    def _arrive(self, piece: bytes) -> None:
        self.carried += len(piece)
        if self.garbage_every and self._chance.random() < len(piece) / self.garbage_every:
            spoilt = bytearray(piece)
            spoilt[self._chance.randrange(len(piece))] ^= 1 + self._chance.randrange(255)
            piece = bytes(spoilt)
        if not self.is_dead and piece:
            self._deliver(piece)

    def next_s(self) -> float | None:
        """When something is next due."""
        times = [self._free_s] if self._buffer else []
        times += [self._flying[0][0]] if self._flying else []
        return min(times) if times else None


class PtyEnd:
    """The modem's side of a pseudo-terminal. Output that can't be written yet is kept."""

    def __init__(self, on_data: Callable[[bytes], None], room: Callable[[], int]) -> None:
        self._on_data, self._room = on_data, room
        self._master, self._slave = pty.openpty()  # held open, so that the computer may come and go
        tty.setraw(self._slave)
        os.set_blocking(self._master, False)
        self.path = os.ttyname(self._slave)
        self._pending = bytearray()
        self._is_reading = False
        self.is_open = True

    def look(self) -> None:
        """Read only while there is room: otherwise the tty fills up, as with hardware flow control."""
        wanted = self._room() > 0
        loop = asyncio.get_running_loop()
        if wanted and not self._is_reading:
            loop.add_reader(self._master, self._readable)
        elif not wanted and self._is_reading:
            loop.remove_reader(self._master)
        self._is_reading = wanted

    def write(self, data: bytes) -> None:
        """Output for the computer."""
        self._pending += data
        self._writable()

    def close(self) -> None:
        """Release the pseudo-terminal."""
        self.is_open = False
        loop = asyncio.get_running_loop()
        loop.remove_reader(self._master)
        loop.remove_writer(self._master)
        os.close(self._master)
        os.close(self._slave)

    def _readable(self) -> None:
        with contextlib.suppress(BlockingIOError, OSError):
            self._on_data(os.read(self._master, max(1, min(4096, self._room()))))
        self.look()

    def _writable(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            while self._pending:
                del self._pending[: os.write(self._master, self._pending)]
        except BlockingIOError:
            loop.add_writer(self._master, self._writable)
            return
        loop.remove_writer(self._master)
