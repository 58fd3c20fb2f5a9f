"""The interface a connection came in on."""

import socket

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
def test_a_connection_tells_its_interface(family, listens, connects):
    try:
        server = socket.create_server((listens, 0), family=family, dualstack_ipv6=listens == "::")
        client = socket.create_connection((connects, server.getsockname()[1]), 10)
    except OSError as error:
        pytest.skip(f"this machine has no {listens}: {error}")
    with server, client:
        taken, _ = server.accept()
        with taken:
            assert came_in_on(taken) == "lo"


def test_a_socket_that_can_not_tell_is_no_fault():
    ours, theirs = socket.socketpair()
    with ours, theirs:
        assert came_in_on(ours) == ""
