"""Listening sockets: those systemd passes, and those bound here.

Sockets from `.socket` units (sd_listen_fds(3)) are distinguished by their FileDescriptorName: `smtp`, `submission`,
`submissions`. With them a restart of the daemon refuses no connection, because the kernel keeps the backlog.
"""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Mapping, MutableMapping, Sequence

from dialpost.core.errors import DialpostError

FIRST_FD = 3  # SD_LISTEN_FDS_START
BACKLOG = 128


class ListenError(DialpostError):
    """An address can't be listened on. The text says which one, why, and what to do."""


def inherited_sockets(environ: MutableMapping[str, str] | None = None) -> dict[str, list[socket.socket]]:
    """The sockets passed by the service manager, by name; {} if there are none.

    Removes the variables from the environment, so that no child takes them for its own. A socket whose unit gave
    no name counts as `smtp`.
    """
    environ = os.environ if environ is None else environ
    pid, count = environ.pop("LISTEN_PID", ""), environ.pop("LISTEN_FDS", "0")
    names = [name for name in environ.pop("LISTEN_FDNAMES", "").split(":") if name]
    if pid != str(os.getpid()):
        return {}
    found: dict[str, list[socket.socket]] = {}
    for index in range(int(count)):
        sock = socket.socket(fileno=FIRST_FD + index)
        os.set_inheritable(sock.fileno(), False)
        sock.setblocking(False)
        name = names[index] if index < len(names) else "smtp"
        found.setdefault(name if name != "unknown" else "smtp", []).append(sock)
    return found


def bind(listen: str) -> socket.socket:
    """A listening socket for "ADDRESS:PORT", "[IPv6]:PORT" or ":PORT"; `[::]` accepts IPv4 as well.

    On a machine without IPv6, `[::]` becomes 0.0.0.0. Raises: ListenError.
    """
    host, port = split_listen(listen)
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return _bind(family, host, port)
    except OSError as error:
        if host == "::" and error.errno in {errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL}:
            return bind(f"0.0.0.0:{port}")
        raise ListenError(f"Can't listen on {listen}: {_why(error, port)}") from error


def _bind(family: int, host: str, port: int) -> socket.socket:
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1 if host != "::" else 0)
        sock.bind((host, port))
        sock.listen(BACKLOG)
        sock.setblocking(False)
    except OSError:
        sock.close()
        raise
    return sock


def split_listen(listen: str) -> tuple[str, int]:
    """Host and port of "ADDRESS:PORT"; brackets are removed, an empty address means all of them."""
    host, _, port = listen.rpartition(":")
    return host.strip("[]") or "::", int(port)


def _why(error: OSError, port: int) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"another program has port {port}. Stop it (ss -ltnp shows which), or set another port."
    if error.errno == errno.EACCES:
        return f"port {port} is privileged. Start through systemd, or set a port above 1023."
    if error.errno == errno.EADDRNOTAVAIL:
        return "this machine does not have that address. `ip address` shows those it has."
    return error.strerror or str(error)


def open_listeners(
    wanted: Mapping[str, Sequence[str]], inherited: Mapping[str, Sequence[socket.socket]]
) -> list[tuple[str, socket.socket]]:
    """Every listening socket with the name of its door: inherited ones if the door has any, else bound here.

    Raises: ListenError; no socket is left open then.
    """
    made: list[tuple[str, socket.socket]] = []
    try:
        for door, addresses in wanted.items():
            if inherited.get(door):
                made += [(door, sock) for sock in inherited[door]]
            else:
                for listen in addresses:
                    made.append((door, bind(listen)))
    except ListenError:
        for _, sock in made:
            sock.close()
        raise
    return made


class Doors:
    """Listening sockets that outlive the stations behind them: while one station replaces another, the kernel keeps
    new connections waiting and refuses none.

    A station gets duplicates, which it may close.
    """

    def __init__(self, inherited: Mapping[str, Sequence[socket.socket]]) -> None:
        self._inherited = {door: tuple(socks) for door, socks in inherited.items() if socks}
        self._held: dict[tuple[str, str], socket.socket] = {}

    def rehearse(self, wanted: Mapping[str, Sequence[str]]) -> None:
        """Raises: ListenError if `wanted` can't be bound, as far as that can be tested while these are held."""
        held_ports = {split_listen(listen)[1] for _, listen in self._held}
        for door, listen in self._to_bind(wanted):
            if (door, listen) not in self._held and split_listen(listen)[1] not in held_ports - {0}:
                bind(listen).close()

    def take(self, wanted: Mapping[str, Sequence[str]]) -> dict[str, list[socket.socket]]:
        """Sockets for each door; those no longer wanted are closed. Raises: ListenError."""
        places = self._to_bind(wanted)
        # Old ones first: a wildcard address and a single one can't share a port.
        for place in [place for place in self._held if place not in places]:
            self._held.pop(place).close()
        for place in places:
            if place not in self._held:
                self._held[place] = bind(place[1])
        found = {door: [sock.dup() for sock in socks] for door, socks in self._inherited.items() if door in wanted}
        for door, listen in places:
            found.setdefault(door, []).append(self._held[door, listen].dup())
        return found

    def close(self) -> None:
        """Stop listening."""
        for sock in self._held.values():
            sock.close()
        self._held.clear()

    def _to_bind(self, wanted: Mapping[str, Sequence[str]]) -> list[tuple[str, str]]:
        return [
            (door, listen)
            for door, addresses in wanted.items()
            if door not in self._inherited
            for listen in addresses
        ]
