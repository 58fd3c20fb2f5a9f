"""Listening sockets: bound here, inherited from the service manager, and the words when neither works."""

import os
import socket
import subprocess
import sys

import pytest

from dialpost.edge.mail.listeners import Doors, ListenError, bind, inherited_sockets, open_listeners, split_listen


@pytest.mark.parametrize(
    ("listen", "expected"),
    [("127.0.0.1:25", ("127.0.0.1", 25)), ("[::1]:587", ("::1", 587)), (":465", ("::", 465))],
)
def test_split_listen(listen: str, expected: tuple[str, int]) -> None:
    assert split_listen(listen) == expected


def test_bind_listens_without_blocking() -> None:
    with bind("127.0.0.1:0") as sock:
        assert not sock.getblocking()
        socket.create_connection(sock.getsockname()).close()


def test_the_wildcard_takes_ipv4_too() -> None:
    with bind("[::]:0") as sock:
        socket.create_connection(("127.0.0.1", sock.getsockname()[1])).close()


def test_a_taken_port_is_named_with_what_to_do() -> None:
    with bind("127.0.0.1:0") as first:
        port = first.getsockname()[1]
        with pytest.raises(ListenError, match=rf"127\.0\.0\.1:{port}.*another program"):
            bind(f"127.0.0.1:{port}")


def test_one_failure_closes_those_already_open() -> None:
    with bind("127.0.0.1:0") as taken, bind("127.0.0.1:0") as probe:
        free = probe.getsockname()[1]
        probe.close()
        with pytest.raises(ListenError):
            open_listeners({"smtp": [f"127.0.0.1:{free}", f"127.0.0.1:{taken.getsockname()[1]}"]}, {})
        bind(f"127.0.0.1:{free}").close()


def test_an_inherited_door_is_not_bound_again() -> None:
    with bind("127.0.0.1:0") as handed:
        made = open_listeners({"smtp": ["192.0.2.1:25"], "submission": ["127.0.0.1:0"]}, {"smtp": [handed]})
        assert [door for door, _ in made] == ["smtp", "submission"]
        assert made[0][1] is handed
        made[1][1].close()


def test_sockets_for_another_process_are_not_taken() -> None:
    environ = {"LISTEN_PID": "1", "LISTEN_FDS": "1", "LISTEN_FDNAMES": "smtp"}
    assert inherited_sockets(environ) == {}
    assert environ == {}


CHILD = """
import os, sys
os.dup2(int(sys.argv[1]), 3); os.dup2(int(sys.argv[2]), 4)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS="2", LISTEN_FDNAMES="smtp:submissions")
from dialpost.edge.mail.listeners import Doors, ListenError, bind, inherited_sockets, open_listeners, split_listen
found = inherited_sockets()
print({name: [s.getsockname()[1] for s in socks] for name, socks in found.items()})
print([os.get_inheritable(s.fileno()) for socks in found.values() for s in socks])
"""


def test_sockets_are_taken_by_name_from_the_service_manager() -> None:
    with bind("127.0.0.1:0") as one, bind("127.0.0.1:0") as two:
        fds = [os.dup(sock.fileno()) for sock in (one, two)]
        for fd in fds:
            os.set_inheritable(fd, True)
        done = subprocess.run(
            [sys.executable, "-c", CHILD, *map(str, fds)],
            close_fds=False,
            capture_output=True,
            text=True,
            check=True,
        )
        for fd in fds:
            os.close(fd)
        ports = one.getsockname()[1], two.getsockname()[1]
    assert done.stdout.splitlines() == [
        str({"smtp": [ports[0]], "submissions": [ports[1]]}),
        "[False, False]",
    ]


def connect(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), 5)


def port_of(socks: list[socket.socket]) -> int:
    return int(socks[0].getsockname()[1])


def closed(found: dict[str, list[socket.socket]]) -> None:
    for sock in (sock for socks in found.values() for sock in socks):
        sock.close()


def test_doors_stay_open_while_stations_change() -> None:
    doors = Doors({})
    first = doors.take({"smtp": ["127.0.0.1:0"], "submission": ["127.0.0.1:0"]})
    port, gone = port_of(first["smtp"]), port_of(first["submission"])
    closed(first)  # the station is stopped
    with connect(port) as waiting:
        second = doors.take({"smtp": ["127.0.0.1:0"], "submission": []})
        assert port_of(second["smtp"]) == port
        second["smtp"][0].setblocking(True)
        taken, _ = second["smtp"][0].accept()
        assert taken.getpeername() == waiting.getsockname()
        taken.close()
    with pytest.raises(ConnectionRefusedError):
        connect(gone)
    closed(second)
    doors.close()
    with pytest.raises(ConnectionRefusedError):
        connect(port)


def test_sockets_handed_over_stay_whatever_is_configured() -> None:
    with socket.create_server(("127.0.0.1", 0)) as handed:
        doors = Doors({"smtp": [handed]})
        for listen in ("127.0.0.1:1", "192.0.2.1:25"):
            doors.rehearse({"smtp": [listen]})
            found = doors.take({"smtp": [listen]})
            assert port_of(found["smtp"]) == handed.getsockname()[1]
            closed(found)
        doors.close()
        connect(handed.getsockname()[1]).close()


def test_a_rehearsal_finds_what_is_taken_and_leaves_nothing_open() -> None:
    doors = Doors({})
    with socket.create_server(("127.0.0.1", 0)) as other:
        with pytest.raises(ListenError, match="another program has port"):
            doors.rehearse({"smtp": [f"127.0.0.1:{other.getsockname()[1]}"]})
        port = other.getsockname()[1]
    doors.rehearse({"smtp": [f"127.0.0.1:{port}"]})
    with pytest.raises(ConnectionRefusedError):
        connect(port)


def test_an_own_port_on_another_address_is_no_conflict() -> None:
    doors = Doors({})
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    closed(doors.take({"smtp": [f"127.0.0.1:{port}"]}))
    doors.rehearse({"smtp": [f"0.0.0.0:{port}"]})
    found = doors.take({"smtp": [f"0.0.0.0:{port}"]})
    assert found["smtp"][0].getsockname() == ("0.0.0.0", port)
    closed(found)
    doors.close()
