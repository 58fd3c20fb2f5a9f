"""A serial port through pyserial: bytes, speed, flow control, DTR and DCD. No thread: the event loop waits on it.

The port is locked by flock, so that no second program of ours opens it; pppd may open it by name meanwhile. HUPCL
is off, so closing the port does not drop DTR, and with it the call. A pseudo-terminal and a virtual machine's
console have no control lines: there `carrier` is None and `set_dtr` False.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import fcntl
import os
import struct
import termios
from collections.abc import Callable
from pathlib import Path

import serial

from dialpost.core.errors import PortError, fault_words
from dialpost.core.line.modem.profile import FlowControl

_HUPCL = 2  # in the flags of tcgetattr: c_cflag
_WORDS = {
    errno.ENOENT: "There is no {device}. Is the modem plugged in and on? `dialpost modem probe` lists ports.",
    errno.EACCES: "{device} may not be opened by this user: add the user to the group dialout, then log in again.",
    errno.EPERM: "{device} may not be opened by this user: add the user to the group dialout, then log in again.",
    errno.EBUSY: "{device} is in use by another program. Often it is ModemManager: stop and remove it.",
    errno.EAGAIN: "{device} is in use by another Dialpost program (`dialpost modem terminal`?). Stop it first.",
    errno.ENOTTY: "{device} is not a serial port. `dialpost modem probe` lists the serial ports.",
    errno.EINVAL: "{device} does not accept these settings: check modem.speed_bps and the profile's flow control.",
    errno.EIO: "{device} does not answer: was the modem unplugged?",
    errno.ENXIO: "{device} is gone: was the modem unplugged?",
    errno.ENODEV: "{device} is gone: was the modem unplugged?",
}


def open_port(device: str, speed_bps: int, flow_control: FlowControl) -> SerialPort:
    """Open, lock and set up a port. Raises: PortError with what to do."""
    if _is_something_else(device):
        raise PortError(_WORDS[errno.ENOTTY].format(device=device))
    try:
        port = serial.Serial(
            device,
            speed_bps,
            timeout=0,
            write_timeout=0,
            exclusive=True,
            rtscts=flow_control is FlowControl.RTSCTS,
            xonxoff=flow_control is FlowControl.XONXOFF,
        )
    except serial.SerialException as error:
        raise PortError(_in_words(device, error)) from error
    except (ValueError, termios.error, OSError) as error:
        raise PortError(f"{device} can't be opened: {fault_words(error)}") from error
    with contextlib.suppress(termios.error):
        flags = termios.tcgetattr(port.fileno())
        flags[_HUPCL] &= ~termios.HUPCL
        termios.tcsetattr(port.fileno(), termios.TCSANOW, flags)
    return SerialPort(port)


def _is_something_else(device: str) -> bool:
    """Whether the name is that of something else, such as a file or a folder; checked without opening it."""
    try:
        return not Path(device).is_char_device() and Path(device).exists()
    except (OSError, ValueError):  # opening it will show the reason
        return False


def _in_words(device: str, error: Exception) -> str:
    number = getattr(error, "errno", None)
    if number is None and isinstance(error.__context__, termios.error):  # pyserial keeps only the message
        number = error.__context__.args[0]
    if number is None and "lock" in str(error).lower():  # pyserial drops the error number of flock
        number = errno.EAGAIN
    words = _WORDS.get(number) if number is not None else None
    return words.format(device=device) if words else f"{device} can't be used: {fault_words(error)}"


class SerialPort:
    """An open port. Every method except `close` raises PortError once the port is gone."""

    def __init__(self, port: serial.Serial) -> None:
        self._port = port
        self.device = str(port.port)

    def fileno(self) -> int:
        """The open descriptor."""
        self._check_open()
        return int(self._port.fileno())

    async def read(self, most: int) -> bytes:
        """At least one byte, at most `most`; the rest stays in the kernel."""
        loop, descriptor = asyncio.get_running_loop(), self.fileno()
        while True:
            try:
                data = os.read(descriptor, most)
            except BlockingIOError:
                data = None
            except OSError as error:
                raise PortError(_in_words(self.device, error)) from error
            if data:
                return data
            if data is not None and not await self._is_there():
                raise PortError(_WORDS[errno.ENODEV].format(device=self.device))
            await _ready(loop.add_reader, loop.remove_reader, descriptor)

    async def write(self, data: bytes) -> None:
        """Hand all of it to the kernel."""
        loop, descriptor = asyncio.get_running_loop(), self.fileno()
        while data:
            try:
                data = data[os.write(descriptor, data) :]
            except BlockingIOError:
                await _ready(loop.add_writer, loop.remove_writer, descriptor)
            except OSError as error:
                raise PortError(_in_words(self.device, error)) from error

    def set_speed(self, speed_bps: int) -> None:
        """Set up the port again with this speed; what was not read or sent is dropped.

        pppd may have left another speed, and if it was killed, the line discipline of PPP.
        """
        self._check_open()
        try:
            termios.tcflush(self._port.fileno(), termios.TCIOFLUSH)  # or the next line would wait for the output
            fcntl.ioctl(self._port.fileno(), termios.TIOCSETD, struct.pack("i", termios.N_TTY))
            self._port.baudrate = speed_bps
            self._port.apply_settings(self._port.get_settings())
            self._port.reset_input_buffer()
        except (serial.SerialException, termios.error, OSError, ValueError) as error:
            raise PortError(_in_words(self.device, error)) from error

    def set_dtr(self, on: bool) -> bool:
        """Switch DTR; False if the port has no such line."""
        self._check_open()
        try:
            self._port.dtr = on
        except OSError as error:
            if error.errno in {errno.ENOTTY, errno.EINVAL}:
                return False
            raise PortError(_in_words(self.device, error)) from error
        return self.carrier() is not None

    def carrier(self) -> bool | None:
        """DCD; None if the port has no such line."""
        self._check_open()
        try:
            return bool(self._port.cd)
        except OSError as error:
            if error.errno in {errno.ENOTTY, errno.EINVAL}:
                return None
            raise PortError(_in_words(self.device, error)) from error

    def close(self, *, keep_dtr: bool) -> None:
        """Close at once, dropping unwritten output. DTR goes off unless `keep_dtr`. Harmless if already closed."""
        if not self._port.is_open:
            return
        with contextlib.suppress(OSError, termios.error, serial.SerialException):
            termios.tcflush(self._port.fileno(), termios.TCIOFLUSH)
        if not keep_dtr:
            with contextlib.suppress(OSError, serial.SerialException):
                self._port.dtr = False
        with contextlib.suppress(OSError, serial.SerialException):
            self._port.close()

    def _check_open(self) -> None:
        if not self._port.is_open:
            raise PortError(f"{self.device} is closed.")

    async def _is_there(self) -> bool:
        """Whether the port exists, after an empty read: one whose other side is gone stays readable for ever."""
        await asyncio.sleep(0)
        try:
            self._port.in_waiting  # noqa: B018 - the question is whether it can be asked
        except (OSError, serial.SerialException):
            return False
        return os.path.exists(self.device)  # noqa: ASYNC240, PTH110 - a stat of /dev does not block


async def _ready(add: Callable[..., object], remove: Callable[[int], bool], descriptor: int) -> None:
    """Wait until the descriptor can be read or written."""
    ready = asyncio.Event()
    add(descriptor, ready.set)
    try:
        await ready.wait()
    finally:
        remove(descriptor)
