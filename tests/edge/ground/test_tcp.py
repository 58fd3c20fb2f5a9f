"""What the kernel knows of a connection."""

import socket

from dialpost.edge.ground.tcp import round_trip_s


def test_a_connection_knows_its_round_trip() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        socket.create_connection(server.getsockname(), 10) as client,
    ):
        taken, _ = server.accept()
        with taken:
            assert round_trip_s(client) > 0
            assert round_trip_s(taken) > 0


def test_where_none_is_known_it_is_nothing() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs, socket.socket() as unconnected:
        assert (round_trip_s(ours), round_trip_s(unconnected)) == (0.0, 0.0)
