"""The interface a connection came in on."""

import socket
import struct

import pytest

from dialpost.edge.mail.smtp_server.interface import came_in_on


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
