"""The operator's terminal connected to a modem's port, byte for byte, until Ctrl-] or the end of either.

Blocks; for a short-lived command. The terminal is raw meanwhile (every key goes to the modem, including Ctrl-C) and
is restored afterwards, whatever happens. The port keeps the caller's settings.
"""

from __future__ import annotations

import contextlib
import errno
import os
import select
import termios
import time
import tty
from collections.abc import Iterator
from enum import Enum

LEAVE = b"\x1d"  # Ctrl-]
QUIET_S, LAST_WORDS_S = 0.3, 2.0
"""After leaving: the silence of the port before it is closed, and the longest wait for it."""
_CHUNK = 4096


class Ended(Enum):
    """Why the connection ended."""

    LEFT = "left"  # Ctrl-]
    INPUT_OVER = "input over"  # the operator's side was closed: a pipe's end, a lost session
    PORT_GONE = "port gone"  # the modem was unplugged


def join(port_fd: int, in_fd: int, out_fd: int) -> Ended:
    """Copy bytes both ways until one of `Ended` happens. `in_fd` may be a pipe: then all of it is sent."""
    with _raw(in_fd):
        while True:
            ready, _, _ = select.select([port_fd, in_fd], [], [])
            if port_fd in ready:
                data = _read(port_fd)
                if not data:
                    return Ended.PORT_GONE
                _write(out_fd, data)
            if in_fd in ready:
                data = _read(in_fd)
                before, leave, _ = data.partition(LEAVE)
                if before and not _sent(port_fd, before):
                    return Ended.PORT_GONE
                if leave or not data:
                    _last_words(port_fd, out_fd)
                    return Ended.LEFT if leave else Ended.INPUT_OVER


def _last_words(port_fd: int, out_fd: int) -> None:
    """Let the port take the last input, and show the answer, until it is quiet."""
    until_s = time.monotonic() + LAST_WORDS_S
    while (left_s := until_s - time.monotonic()) > 0:
        ready, _, _ = select.select([port_fd], [], [], min(QUIET_S, left_s))
        data = _read(port_fd) if ready else b""
        if not data:
            return
        with contextlib.suppress(OSError):  # the operator may have closed the terminal as well
            _write(out_fd, data)


@contextlib.contextmanager
def _raw(fd: int) -> Iterator[None]:
    if not os.isatty(fd):
        yield
        return
    before = termios.tcgetattr(fd)
    try:
        tty.setraw(fd, termios.TCSADRAIN)  # keeps what was typed ahead
        yield
    finally:
        with contextlib.suppress(termios.error):  # with a lost session the terminal is gone, too
            termios.tcsetattr(fd, termios.TCSADRAIN, before)


def _read(fd: int) -> bytes:
    """Available input; b"" at the end, including an unplugged modem or a lost session."""
    try:
        return os.read(fd, _CHUNK)
    except OSError as error:
        if error.errno in {errno.EIO, errno.ENXIO, errno.ENODEV}:
            return b""
        raise


def _sent(port_fd: int, data: bytes) -> bool:
    try:
        _write(port_fd, data)
    except OSError as error:
        if error.errno in {errno.EIO, errno.ENXIO, errno.ENODEV}:
            return False
        raise
    return True


def _write(fd: int, data: bytes) -> None:
    """Write all of it, even to a non-blocking descriptor."""
    while data:
        try:
            data = data[os.write(fd, data) :]
        except BlockingIOError:
            select.select([], [fd], [])
