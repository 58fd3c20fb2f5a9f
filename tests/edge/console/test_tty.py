"""The console's terminal on a pseudo-terminal: bytes both ways, Ctrl-C at work, a terminal that goes."""

from __future__ import annotations

import fcntl
import math
import os
import select
import struct
import termios
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from dialpost.core.errors import IdleTooLongError, PortError, TerminalGoneError
from dialpost.edge.console.tty import ConsoleTty

HANGS_S = 60.0
"""Only what hangs takes this long."""


@pytest.fixture
def pair() -> Iterator[tuple[int, ConsoleTty]]:
    person, slave = os.openpty()
    console = ConsoleTty(Path(os.ttyname(slave)), 9600)
    os.close(slave)
    yield person, console
    console.close()
    os.close(person)


def test_every_byte_goes_through_both_ways_and_nothing_is_echoed(pair: tuple[int, ConsoleTty]) -> None:
    person, console = pair
    every = bytes(byte for byte in range(256) if byte not in {0x11, 0x13})  # but Ctrl-Q and Ctrl-S
    os.write(person, every)
    found = b""
    while len(found) < len(every):
        piece = console.read(HANGS_S)
        assert piece
        found += piece
    assert found == every
    console.write(b"said\r\n\xff", HANGS_S)
    assert os.read(person, 100) == b"said\r\n\xff"
    assert console.read(0) == b""


def test_a_long_paste_is_read_ahead_while_nobody_asks(pair: tuple[int, ConsoleTty]) -> None:
    person, console = pair
    data = b"x" * 79 + b"\r"
    for _ in range(200):
        os.write(person, data)
    found = b""
    while len(found) < 200 * len(data):
        piece = console.read(HANGS_S)
        assert piece
        found += piece
    assert found == data * 200


def test_ctrl_c_interrupts_a_command_at_work_and_is_no_signal_at_other_times(pair: tuple[int, ConsoleTty]) -> None:
    person, console = pair
    os.write(person, b"\x03")
    assert console.read(HANGS_S) == b"\x03"
    with pytest.raises(KeyboardInterrupt), console.interruptible():
        os.write(person, b"a\x03")
        time.sleep(HANGS_S)
    os.write(person, b"next")
    assert console.read(HANGS_S) == b"next"


def type_at_the_question(person: int, console: ConsoleTty) -> None:
    while console._interruptible:
        time.sleep(0.001)
    os.write(person, b"\x03")


def test_ctrl_c_at_a_question_of_a_command_is_for_the_question(pair: tuple[int, ConsoleTty]) -> None:
    person, console = pair
    with console.interruptible():
        typist = threading.Thread(target=type_at_the_question, args=(person, console))
        typist.start()
        assert console.read(HANGS_S) == b"\x03"
        typist.join()
        with pytest.raises(KeyboardInterrupt):
            os.write(person, b"\x03")
            time.sleep(HANGS_S)


def test_a_closed_terminal_ends_a_command_and_every_question() -> None:
    person, slave = os.openpty()
    other = ConsoleTty(Path(os.ttyname(slave)), 9600)
    os.close(slave)
    with pytest.raises(KeyboardInterrupt), other.interruptible():
        os.close(person)
        time.sleep(HANGS_S)
    with pytest.raises(TerminalGoneError):
        other.read(HANGS_S)
    with pytest.raises(TerminalGoneError):
        other.read(math.inf)  # it waits no more: Python can't wait for ever, and would say so
    with pytest.raises(TerminalGoneError):
        other.write(b"x", HANGS_S)
    other.close()


def test_a_terminal_that_takes_nothing_is_given_up(pair: tuple[int, ConsoleTty]) -> None:
    _, console = pair
    with pytest.raises(IdleTooLongError):
        console.write(b"x" * 1_000_000, 0.1)


def stop_output(person: int) -> None:
    """Press Ctrl-S, and wait until the kernel has obeyed: its own worker brings it the key."""
    fcntl.ioctl(person, termios.TIOCPKT, struct.pack("i", 1))
    os.write(person, b"\x13")
    assert os.read(person, 100) == bytes([termios.TIOCPKT_STOP])
    fcntl.ioctl(person, termios.TIOCPKT, struct.pack("i", 0))


def test_ctrl_s_stops_the_output_and_any_key_goes_on(pair: tuple[int, ConsoleTty]) -> None:
    """An XOFF out of line noise stops it no longer than to the next key."""
    person, console = pair
    for go_on in (b"\x11", b"a"):
        stop_output(person)
        writer = threading.Thread(target=console.write, args=(b"said", HANGS_S))
        writer.start()
        assert not select.select([person], [], [], 0.2)[0]
        os.write(person, go_on)
        assert select.select([person], [], [], HANGS_S)[0]
        assert os.read(person, 100) == b"said"
        writer.join(HANGS_S)


def test_lent_to_somebody_else_nothing_is_taken_from_it(pair: tuple[int, ConsoleTty]) -> None:
    person, console = pair
    with console.lent() as descriptor:
        os.write(person, b"theirs")
        assert os.read(descriptor, 100) == b"theirs"
    os.write(person, b"ours")
    assert console.read(HANGS_S) == b"ours"


def test_what_is_no_terminal_is_refused_in_words(tmp_path: Path) -> None:
    with pytest.raises(PortError, match="can't be opened: No such file"):
        ConsoleTty(tmp_path / "none", 9600)
    with pytest.raises(PortError, match="is not a terminal"):
        ConsoleTty(Path("/dev/null"), 9600)


def test_the_settings_are_as_before_afterwards() -> None:
    person, slave = os.openpty()
    before = termios.tcgetattr(slave)
    console = ConsoleTty(Path(os.ttyname(slave)), 19200)
    assert termios.tcgetattr(slave)[4:6] == [termios.B19200] * 2
    assert console.size() == (80, 24)
    console.close()
    assert termios.tcgetattr(slave) == before
    os.close(slave)
    os.close(person)


def test_a_telnet_option_of_3_interrupts_no_command(pair: tuple[int, ConsoleTty]) -> None:
    """IAC DO SUPPRESS-GO-AHEAD has Ctrl-C's byte in it, and may come in two reads."""
    person, console = pair
    with console.interruptible():
        os.write(person, b"\xff\xfd")
        assert console._pieces.get(timeout=HANGS_S) == b"\xff\xfd"
        os.write(person, b"\x03ok")
        assert console._pieces.get(timeout=HANGS_S) == b"\x03ok"
        assert console._interruptible
