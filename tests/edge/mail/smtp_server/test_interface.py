"""The interface a connection came in on."""

import socket
import struct

import pytest

from dialpost.edge.mail.smtp_server.interface import LEAST_WINDOW, LineWire, came_in_on


@pytest.mark.parametrize(
    ("family", "listens", "connects"),
    [
        (socket.AF_INET, "127.0.0.1", "127.0.0.1"),
        (socket.AF_INET6, "::", "127.0.0.1"),
        (socket.AF_INET6, "::1", "::1"),
    ],
)
def test_a_connection_tells_its_interface(family: socket.AddressFamily, listens: str, connects: str) -> None:
    try:
        server = socket.create_server((listens, 0), family=family, dualstack_ipv6=listens == "::")
        client = socket.create_connection((connects, server.getsockname()[1]), 10)
    except OSError as error:
        pytest.skip(f"this machine has no {listens}: {error}")
    with server, client:
        taken, _ = server.accept()
        with taken:
            assert came_in_on(taken) == "lo"


def test_a_socket_that_can_not_tell_is_no_fault() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        assert came_in_on(ours) == ""


class Told:
    """A socket of a system that answers something else than Linux does today."""

    family = socket.AF_INET

    def __init__(self, answer: bytes) -> None:
        self._answer = answer

    def setsockopt(self, level: int, option: int, value: int, /) -> None:
        pass

    def getsockopt(self, level: int, option: int, size: int, /) -> bytes:
        return self._answer


@pytest.mark.parametrize("index", [None, 0, -1, 2**31 - 1])
def test_an_answer_that_names_no_interface_is_none(index: int | None) -> None:
    header = bytes(socket.CMSG_LEN(0))
    assert came_in_on(Told(b"" if index is None else header + struct.pack("@i", index))) == ""


def _clamp(sock: socket.socket) -> int:
    return sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_WINDOW_CLAMP)


def test_a_window_is_set_in_whole_segments_up_and_down() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        socket.create_connection(server.getsockname(), 10),
    ):
        taken, _ = server.accept()
        with taken:
            taken.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, 536)
            segment = taken.getsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG)
            wire = LineWire(taken)
            wire.set_window(3 * segment + segment // 2)
            assert _clamp(taken) == 3 * segment
            wire.set_window(2 * segment)
            assert _clamp(taken) == 2 * segment
            wire.set_window(1)
            assert _clamp(taken) == LEAST_WINDOW
            assert wire.round_trip_s() > 0


class Counting(socket.socket):
    """Counts how often something is set."""

    sets = 0

    def setsockopt(self, *arguments: object) -> None:
        self.sets += 1
        super().setsockopt(*arguments)  # type: ignore[call-overload]


def test_a_window_that_stays_is_not_set_again() -> None:
    """Older kernels would begin to grow it again."""
    with socket.create_server(("127.0.0.1", 0)) as server, Counting() as client:
        client.settimeout(10)
        client.connect(server.getsockname())
        wire = LineWire(client)
        for window in (1 << 20, (1 << 20) + 1, 1 << 20):
            wire.set_window(window)
        assert client.sets == 1


def test_a_socket_without_windows_is_no_fault() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        LineWire(ours).set_window(5000)
        assert LineWire(ours).round_trip_s() == 0
