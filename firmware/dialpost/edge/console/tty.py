"""The operator's terminal: a UART, a pseudo-terminal, the terminal of an ssh login.

Characters arrive one by one, without echo, with eight bits. The kernel stops a paste with XOFF before its buffer
overflows, and lets the user stop the output with Ctrl-S (any key resumes it, so that an XOFF caused by noise stops
it only for a moment). It drops BREAKs and characters with framing errors. A separate thread reads, so that nothing
is lost while a command works, and so that Ctrl-C reaches a running command: within `interruptible` it raises
KeyboardInterrupt in the main thread. Everything else runs in the main thread, as plain blocking code.
"""

from __future__ import annotations

import contextlib
import os
import queue
import select
import signal
import struct
import sys
import termios
import threading
from collections.abc import Iterator
from fcntl import ioctl
from pathlib import Path
from typing import Any

from dialpost.core.console.keys import Key, KeyDecoder
from dialpost.core.errors import IdleTooLongError, PortError, TerminalGoneError

_CHUNK = 4096
_MOST_WAITING = 256
"""Pieces read ahead; more than a minute at 115200 bit/s. Beyond that the kernel's buffer fills, and XOFF is
sent."""
_SPEEDS = {bps: getattr(termios, f"B{bps}") for bps in (1200, 2400, 4800, 9600, 19200, 38400, 57600, 115200)}


class ConsoleTty:
    """An open terminal; `close` leaves it as it was. `path` None: standard input and output."""

    def __init__(self, path: Path | None, speed_bps: int) -> None:
        """Raises: PortError."""
        self._in, self._out = _open(path) if path else (sys.stdin.fileno(), sys.stdout.fileno())
        self._is_ours = path is not None
        self._before = _make_raw(self._in, speed_bps if path else 0)
        self._pieces: queue.Queue[bytes | None] = queue.Queue(_MOST_WAITING)
        self._is_gone = False
        self._decoder = KeyDecoder()  # used only by the reading thread
        self._lock = threading.Lock()
        self._interruptible = False
        self._start()

    # -- bytes ----------------------------------------------------------------------------------------

    def read(self, timeout_s: float) -> bytes:
        """What was typed; b"" if nothing was within `timeout_s`. Ctrl-C is a byte while this waits.

        Raises: TerminalGoneError.
        """
        with self._lock:
            was, self._interruptible = self._interruptible, False
        try:
            return self._next(timeout_s)
        finally:
            with self._lock:
                self._interruptible = was

    def _next(self, timeout_s: float) -> bytes:
        try:
            waits = timeout_s > 0 and not self._is_gone
            piece = self._pieces.get(timeout=timeout_s) if waits else self._pieces.get_nowait()
        except queue.Empty:
            if self._is_gone:
                raise TerminalGoneError("The terminal is gone.") from None
            return b""
        if piece is None:
            self._is_gone = True
            raise TerminalGoneError("The terminal is gone.")
        return piece

    def write(self, data: bytes, timeout_s: float) -> None:
        """Hand all of it to the kernel. Raises: TerminalGoneError; IdleTooLongError if the terminal accepts
        nothing."""
        while data:
            _, ready, _ = select.select([], [self._out], [], timeout_s)
            if not ready:
                raise IdleTooLongError("The terminal has accepted nothing for a long time.")
            try:
                data = data[os.write(self._out, data[:256]) :]
            except BlockingIOError:
                continue
            except OSError as error:
                raise TerminalGoneError(f"The terminal is gone: {error.strerror}.") from error

    def is_busy(self) -> bool:
        """Whether more than a row of output is waiting to be sent, so that drawing should wait."""
        with contextlib.suppress(OSError):
            packed = ioctl(self._out, termios.TIOCOUTQ, b"\0" * 4)
            return int(struct.unpack("i", packed)[0]) > 80
        return False

    def size(self) -> tuple[int, int]:
        """Columns and rows; 80 and 24 if the terminal does not say (a serial line never does)."""
        with contextlib.suppress(OSError):
            found = os.get_terminal_size(self._out)
            if found.columns and found.lines:
                return found.columns, found.lines
        return 80, 24

    # -- running commands ------------------------------------------------------------------------------

    @contextlib.contextmanager
    def interruptible(self) -> Iterator[None]:
        """Within this context, Ctrl-C (or the loss of the terminal) raises KeyboardInterrupt; the caller is the
        main thread."""
        with self._lock:
            self._interruptible = True
        try:
            yield
        finally:
            with self._lock:
                self._interruptible = False

    @contextlib.contextmanager
    def lent(self) -> Iterator[int]:
        """Nothing is read here meanwhile: somebody else uses the descriptor (`modem terminal`)."""
        self._stop()
        try:
            yield self._in
        finally:
            self._start()

    def close(self) -> None:
        """Stop reading; the terminal is as it was before."""
        self._stop()
        if self._before is not None:
            with contextlib.suppress(termios.error):
                termios.tcsetattr(self._in, termios.TCSANOW, self._before)
        if self._is_ours:
            os.close(self._in)

    # -- the reading thread ---------------------------------------------------------------------------

    def _start(self) -> None:
        self._wake, self._waker = os.pipe()
        self._thread = threading.Thread(target=self._keep_reading, name="console input", daemon=True)
        self._thread.start()

    def _stop(self) -> None:
        os.write(self._waker, b".")
        self._thread.join()
        os.close(self._wake)
        os.close(self._waker)

    def _keep_reading(self) -> None:
        while True:
            ready, _, _ = select.select([self._in, self._wake], [], [])
            if self._wake in ready:
                return
            try:
                data = os.read(self._in, _CHUNK)
            except OSError:
                data = b""
            if not data:
                if self._before is not None:  # the end of a pipe interrupts nothing: its commands still run
                    self._interrupt()
                self._hand_over(None)
                return
            interrupt = self._last_interrupt(data)
            if interrupt and self._interrupt():
                data = data[interrupt:]  # earlier input is discarded, as terminals do
            if data and not self._hand_over(data):
                return

    def _last_interrupt(self, data: bytes) -> int:
        """The position after the last Ctrl-C in it, 0 if there is none: the byte 0x03 may be part of something
        else."""
        keys = [self._decoder.receive(byte) for byte in data]
        return max((number for number, key in enumerate(keys, 1) if key is Key.INTERRUPT), default=0)

    def _hand_over(self, piece: bytes | None) -> bool:
        """False if the main thread wants this thread to end instead."""
        while True:
            try:
                self._pieces.put(piece, timeout=0.2)
                return True
            except queue.Full:
                if select.select([self._wake], [], [], 0)[0]:
                    return False

    def _interrupt(self) -> bool:
        """Interrupt the running command; False if there is none."""
        with self._lock:
            if not self._interruptible:
                return False
            self._interruptible = False
            ident = threading.main_thread().ident
            assert ident is not None
            signal.pthread_kill(ident, signal.SIGINT)
            return True


def _open(path: Path) -> tuple[int, int]:
    """Open a terminal's device; it becomes this session's terminal if the process leads a session without one."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)  # without waiting for a carrier
    except OSError as error:
        raise PortError(f"The console's port {path} can't be opened: {error.strerror}.") from error
    if not os.isatty(descriptor):
        os.close(descriptor)
        raise PortError(f"{path} is not a terminal.")
    os.set_blocking(descriptor, True)
    return descriptor, descriptor


def _make_raw(descriptor: int, speed_bps: int) -> list[Any] | None:
    """Set up the terminal; returns its previous settings, None if it is not a terminal (a pipe). `speed_bps` 0
    keeps the speed."""
    if not os.isatty(descriptor):
        return None
    before = termios.tcgetattr(descriptor)
    iflag, oflag, cflag, lflag, ispeed, ospeed, chars = termios.tcgetattr(descriptor)
    iflag = termios.IXON | termios.IXOFF | termios.IXANY | termios.IGNBRK | termios.IGNPAR
    oflag &= ~termios.OPOST
    lflag &= ~(termios.ECHO | termios.ECHONL | termios.ICANON | termios.ISIG | termios.IEXTEN)
    cflag = (cflag & ~(termios.CSIZE | termios.PARENB)) | termios.CS8 | termios.CREAD | termios.CLOCAL
    if speed_bps:
        ispeed = ospeed = _SPEEDS[speed_bps]
    chars[termios.VMIN], chars[termios.VTIME] = 1, 0
    with contextlib.suppress(termios.error):
        termios.tcsetattr(descriptor, termios.TCSANOW, [iflag, oflag, cflag, lflag, ispeed, ospeed, chars])
    return before
