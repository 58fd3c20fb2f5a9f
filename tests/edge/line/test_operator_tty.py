"""The operator's terminal joined to a port: pseudo-terminals on both sides."""

from __future__ import annotations

import contextlib
import os
import select
import termios
import threading
import tty
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from dialpost.edge.line import operator_tty
from dialpost.edge.line.operator_tty import Ended, join


@dataclass
class Desk:
    """`modem` and `person` are the far ends; `port` and `terminal` what the program holds."""

    modem: int
    port: int
    person: int
    terminal: int
    ended: list[Ended]
    thread: threading.Thread

    def end(self) -> Ended:
        self.thread.join(60)
        assert not self.thread.is_alive()
        return self.ended[0]


def said(fd: int, until: bytes) -> bytes:
    found = b""
    while not found.replace(b"\r", b"\n").endswith(until.replace(b"\r", b"\n")):
        ready, _, _ = select.select([fd], [], [], 60)
        assert ready, f"only {found!r} came"
        found += os.read(fd, 1000)
    return found


@pytest.fixture
def desk() -> Iterator[Desk]:
    modem, port = os.openpty()
    person, terminal = os.openpty()
    tty.setraw(port)
    ended: list[Ended] = []
    thread = threading.Thread(target=lambda: ended.append(join(port, terminal, terminal)), daemon=True)
    made = Desk(modem, port, person, terminal, ended, thread)
    before = termios.tcgetattr(terminal)
    thread.start()
    while termios.tcgetattr(terminal) == before:
        pass  # until the terminal is raw: a few microseconds
    yield made
    for fd in (modem, person):
        with contextlib.suppress(OSError):
            os.close(fd)
    thread.join(60)
    os.close(port)
    os.close(terminal)


def test_bytes_go_both_ways_as_they_are(desk: Desk) -> None:
    os.write(desk.person, b"ATI3\r\x03\x1a")
    assert said(desk.modem, b"\x1a") == b"ATI3\r\x03\x1a", "Ctrl-C and Ctrl-Z are the modem's too"
    os.write(desk.modem, b"\r\nCourier \xff\x00\r\nOK\r\n")
    assert said(desk.person, b"OK\r\n") == b"\r\nCourier \xff\x00\r\nOK\r\n"


def test_ctrl_bracket_leaves_after_what_was_typed_and_the_terminal_is_as_before() -> None:
    modem, port = os.openpty()
    person, terminal = os.openpty()
    tty.setraw(port)
    before = termios.tcgetattr(terminal)
    port_before = termios.tcgetattr(port)
    os.write(person, b"ATZ\r\n\x1dlost\n")  # typed ahead: the terminal still gathers lines
    assert join(port, terminal, terminal) is Ended.LEFT
    assert said(modem, b"\n\n").replace(b"\r", b"\n") == b"ATZ\n\n"
    assert termios.tcgetattr(terminal) == before
    assert termios.tcgetattr(port) == port_before
    for fd in (modem, port, person, terminal):
        os.close(fd)


def test_a_modem_pulled_out_ends_it(desk: Desk) -> None:
    os.close(desk.modem)
    assert desk.end() is Ended.PORT_GONE


def test_a_lost_session_ends_it(desk: Desk) -> None:
    os.close(desk.person)
    assert desk.end() is Ended.INPUT_OVER


def test_a_pipe_is_sent_whole_and_then_it_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    modem, port = os.openpty()
    tty.setraw(port)
    reads, writes = os.pipe()
    out_reads, out_writes = os.pipe()
    os.write(writes, b"AT\r")
    os.close(writes)

    def answer_and_go() -> None:
        os.write(modem, said(modem, b"\r") + b"\r\nOK\r\n")
        select.select([out_reads], [], [], 60)
        os.close(modem)

    for name in ("QUIET_S", "LAST_WORDS_S"):
        monkeypatch.setattr(operator_tty, name, 60.0)  # the answer may take its time, and is the last word
    answering = threading.Thread(target=answer_and_go)
    answering.start()
    assert join(port, reads, out_writes) is Ended.INPUT_OVER
    answering.join(60)
    assert os.read(out_reads, 100) == b"AT\r\r\nOK\r\n", "what is answered at once is still shown"
    for fd in (port, reads, out_reads, out_writes):
        os.close(fd)
