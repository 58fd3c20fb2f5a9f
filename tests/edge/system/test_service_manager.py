"""sd_notify: what is sent, and silence where nobody listens."""

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from dialpost.edge.system.service_manager import ServiceManager


@pytest.fixture
def listener(tmp_path: Path) -> Iterator[tuple[socket.socket, dict[str, str]]]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.bind(str(tmp_path / "notify"))
        sock.settimeout(60)
        yield sock, {"NOTIFY_SOCKET": str(tmp_path / "notify")}


def test_every_notice_arrives_as_its_own_datagram(listener: tuple[socket.socket, dict[str, str]]) -> None:
    sock, environ = listener
    manager = ServiceManager(environ)
    manager.ready("waiting for mail")
    manager.alive()
    manager.status("on line")
    manager.stopping()
    received = [sock.recv(200) for _ in range(4)]
    assert received == [b"READY=1\nSTATUS=waiting for mail", b"WATCHDOG=1", b"STATUS=on line", b"STOPPING=1"]


def test_without_a_manager_nothing_happens() -> None:
    manager = ServiceManager({})
    manager.ready("x")
    assert manager.watchdog_s == 0


def test_a_vanished_manager_does_no_harm(tmp_path: Path) -> None:
    ServiceManager({"NOTIFY_SOCKET": str(tmp_path / "nobody")}).alive()


@pytest.mark.parametrize(("pid", "expected"), [("us", 30.0), ("1", 0.0), ("", 30.0)])
def test_the_watchdog_is_ours_only_if_it_names_us(pid: str, expected: float) -> None:
    pid = str(os.getpid()) if pid == "us" else pid  # which differs between the processes that run the tests
    environ = {"WATCHDOG_USEC": "30000000"} | ({"WATCHDOG_PID": pid} if pid else {})
    assert ServiceManager(environ).watchdog_s == expected
