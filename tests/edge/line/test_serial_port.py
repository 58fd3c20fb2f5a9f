"""The serial port over a pseudo-terminal, which has no control lines; what pyserial raises is put into words."""

import asyncio
import errno
import fcntl
import os
import select
import struct
import termios
import time
import tty
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Never

import pytest
import serial

from dialpost.core.errors import PortError
from dialpost.core.line.modem.profile import FlowControl
from dialpost.edge.line.serial_port import SerialPort, open_port


@pytest.fixture
def pair() -> Iterator[tuple[int, str, Callable[..., Any]]]:
    """The modem's end (a descriptor) and the path of ours."""
    master, slave = os.openpty()
    tty.setraw(slave)
    path = os.ttyname(slave)
    os.close(slave)
    ends = [master]
    yield master, path, lambda: os.close(ends.pop())
    for end in ends:
        os.close(end)


@pytest.fixture
def port(pair: tuple[int, str, Callable[..., Any]]) -> Iterator[SerialPort]:
    made = open_port(pair[1], 9600, FlowControl.NONE)
    yield made
    made.close(keep_dtr=False)


async def test_it_reads_no_more_than_asked_for(pair: tuple[int, str, Callable[..., Any]], port: SerialPort) -> None:
    os.write(pair[0], b"CONNECT\rPPP")
    assert b"".join([await port.read(1) for _ in range(8)]) == b"CONNECT\r"
    assert os.read(port.fileno(), 100) == b"PPP"  # still in the kernel, for whoever reads next


async def test_a_read_waits_for_bytes_and_can_be_cancelled(
    pair: tuple[int, str, Callable[..., Any]], port: SerialPort
) -> None:
    reading = asyncio.create_task(port.read(10))
    await asyncio.sleep(0.05)
    assert not reading.done()
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading
    reading = asyncio.create_task(port.read(10))
    os.write(pair[0], b"OK")
    assert await asyncio.wait_for(reading, 60) == b"OK"


async def test_all_is_written_though_the_other_side_is_slow(
    pair: tuple[int, str, Callable[..., Any]], port: SerialPort
) -> None:
    data = bytes(range(256)) * 400
    writing = asyncio.create_task(port.write(data))
    got = b""
    while len(got) < len(data):
        await asyncio.sleep(0)
        os.set_blocking(pair[0], False)
        try:
            got += os.read(pair[0], 3000)
        except BlockingIOError:
            await asyncio.sleep(0.001)
    await asyncio.wait_for(writing, 60)
    assert got == data


async def test_a_port_without_control_lines_says_so(port: SerialPort) -> None:
    assert port.carrier() is None
    assert port.set_dtr(True) is False


async def test_unplugged_while_it_reads(pair: tuple[int, str, Callable[..., Any]], port: SerialPort) -> None:
    reading = asyncio.create_task(port.read(1))
    await asyncio.sleep(0.05)
    pair[2]()
    with pytest.raises(PortError, match="unplugged"):
        await asyncio.wait_for(reading, 60)


async def test_unplugged_is_seen_whatever_is_asked(
    pair: tuple[int, str, Callable[..., Any]], port: SerialPort
) -> None:
    pair[2]()
    with pytest.raises(PortError, match="unplugged"):
        port.carrier()
    with pytest.raises(PortError, match="unplugged"):
        await port.write(b"AT\r")
    with pytest.raises(PortError):
        port.set_speed(115_200)


async def test_a_closed_port_says_so_and_closing_again_is_harmless(port: SerialPort) -> None:
    port.close(keep_dtr=True)
    port.close(keep_dtr=False)
    for ask in (port.fileno, port.carrier, lambda: port.set_dtr(True), lambda: port.set_speed(9600)):
        with pytest.raises(PortError, match="closed"):
            ask()
    with pytest.raises(PortError, match="closed"):
        await port.read(1)


def flags(port: SerialPort) -> list[Any]:
    return termios.tcgetattr(port.fileno())


@pytest.mark.parametrize(
    ("flow_control", "rtscts", "xonxoff"),
    [(FlowControl.RTSCTS, True, False), (FlowControl.XONXOFF, False, True), (FlowControl.NONE, False, False)],
)
def test_the_settings_are_those_asked_for(
    pair: tuple[int, str, Callable[..., Any]], flow_control: FlowControl, rtscts: bool, xonxoff: bool
) -> None:
    made = open_port(pair[1], 57_600, flow_control)
    iflag, _, cflag, lflag, ispeed, ospeed, _ = flags(made)
    assert (ispeed, ospeed) == (termios.B57600, termios.B57600)
    assert bool(cflag & termios.CRTSCTS) is rtscts and bool(iflag & termios.IXOFF) is xonxoff
    assert cflag & termios.CLOCAL and not cflag & termios.HUPCL
    assert not lflag & (termios.ICANON | termios.ECHO | termios.ISIG)
    made.close(keep_dtr=False)


async def test_the_speed_is_set_again_after_somebody_else_changed_the_port(
    pair: tuple[int, str, Callable[..., Any]], port: SerialPort
) -> None:
    changed = flags(port)
    changed[3] |= termios.ICANON | termios.ECHO
    changed[4] = changed[5] = termios.B300
    termios.tcsetattr(port.fileno(), termios.TCSANOW, changed)
    os.write(pair[0], b"left over\n")
    assert select.select([port.fileno()], [], [], 60)[0]  # a worker of the kernel brings it
    port.set_speed(9600)
    assert flags(port)[4:6] == [termios.B9600, termios.B9600]
    assert not flags(port)[3] & (termios.ICANON | termios.ECHO)
    os.write(pair[0], b"OK")
    assert await asyncio.wait_for(port.read(100), 60) == b"OK"


async def test_the_line_discipline_of_ppp_does_not_outlive_a_pppd_that_was_killed(
    port: SerialPort, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With it, nothing could be said to the modem. What waits is dropped first: the change would wait for it."""
    done: list[object] = []
    monkeypatch.setattr(termios, "tcflush", lambda *asked: done.append(asked[1]))
    monkeypatch.setattr(fcntl, "ioctl", lambda *asked: done.append(asked[1:]))
    port.set_speed(9600)
    assert done[:2] == [termios.TCIOFLUSH, (termios.TIOCSETD, struct.pack("i", termios.N_TTY))]


async def test_closing_does_not_wait_for_what_nobody_takes(
    pair: tuple[int, str, Callable[..., Any]], port: SerialPort
) -> None:
    writing = asyncio.create_task(port.write(bytes(200_000)))
    await asyncio.sleep(0.05)
    assert not writing.done()
    writing.cancel()
    await asyncio.wait([writing])
    began_s = time.monotonic()
    port.close(keep_dtr=False)
    assert time.monotonic() - began_s < 20  # the kernel would wait for 30


def test_it_is_locked_against_ourselves_until_closed(
    pair: tuple[int, str, Callable[..., Any]], port: SerialPort
) -> None:
    with pytest.raises(PortError, match="in use by another Dialpost program"):
        open_port(pair[1], 9600, FlowControl.NONE)
    port.close(keep_dtr=False)
    open_port(pair[1], 9600, FlowControl.NONE).close(keep_dtr=False)


def test_others_may_open_it_by_name_as_pppd_does(
    pair: tuple[int, str, Callable[..., Any]], port: SerialPort
) -> None:
    os.close(os.open(pair[1], os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK))


def test_what_is_no_port_is_reported(tmp_path: Path) -> None:
    with pytest.raises(PortError, match=r"There is no /dev/no-such-port. .* plugged in"):
        open_port("/dev/no-such-port", 9600, FlowControl.NONE)
    (tmp_path / "file").write_text("x")
    for path in ("/dev/null", str(tmp_path / "file"), str(tmp_path)):
        with pytest.raises(PortError) as caught:
            open_port(path, 9600, FlowControl.NONE)
        assert str(caught.value) == f"{path} is not a serial port. `dialpost modem probe` lists the serial ports."


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (errno.EACCES, "dialout"),
        (errno.EBUSY, "ModemManager"),
        (errno.EIO, "unplugged"),
        (errno.ENODEV, "unplugged"),
    ],
)
def test_what_the_kernel_refuses_is_reported_with_what_to_do(
    monkeypatch: pytest.MonkeyPatch, number: int, words: str
) -> None:
    def refuse(*_args: int | str, **_more: int) -> Never:
        raise serial.SerialException(number, f"[Errno {number}] could not open port")

    monkeypatch.setattr(serial, "Serial", refuse)
    with pytest.raises(PortError, match=words) as caught:
        open_port("/dev/ttyUSB9", 9600, FlowControl.NONE)
    assert "/dev/ttyUSB9" in str(caught.value) and "Errno" not in str(caught.value)
