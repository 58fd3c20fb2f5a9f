"""The doors through which mail comes in: a server on each listening socket, stopped before the flows to which it
hands mail.

Part of the station's wiring.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
from collections.abc import Callable
from contextlib import AsyncExitStack

from dialpost.core.config.model import Config
from dialpost.core.mail.places import wanted_doors
from dialpost.core.mail.session import IntakePolicy, Listener, Peer
from dialpost.edge.ground.transports import close_server
from dialpost.edge.mail import listeners
from dialpost.edge.mail.smtp_client.atrn import Served
from dialpost.edge.mail.smtp_server import SmtpServer, smtp_protocol_factory
from dialpost.edge.system import descriptors

_log = logging.getLogger(__name__)


class SmtpDoors:
    """All doors of one station. `addresses`: which door, address, port of those that are open."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._from_the_line: list[SmtpServer] = []
        self._for_turned: SmtpServer | None = None
        self.addresses: list[tuple[Listener, str, int]] = []

    @property
    def most_connections(self) -> int:
        """As configured, or fewer if the process may not have as many descriptors."""
        wanted = self._config.smtp.max_connections
        most = descriptors.connections_for(wanted)
        if most < wanted:
            _log.warning("connections: file descriptors for %s only", most)
        return most

    async def open(
        self,
        policy: IntakePolicy,
        tls: ssl.SSLContext | None,
        inherited: dict[str, list[socket.socket]],
        running: AsyncExitStack,
    ) -> None:
        """Open what the configuration wants; `running` closes it. `inherited`: sockets from the service manager."""
        config = self._config
        hostname, ours = config.station.hostname, Listener.PROVIDER
        self._for_turned = smtp_protocol_factory(policy, config.smtp, hostname, ours, None)
        self._from_the_line.append(self._for_turned)
        running.push_async_callback(self._for_turned.close)
        for door, sock in listeners.open_listeners(wanted_doors(self._config), inherited):
            await self._open_one(Listener(door), sock, policy, tls, running)

    async def turned(self, transport: asyncio.Transport, data: bytes, tls: str) -> Served:
        """Serve a connection of the station's own whose roles ATRN has turned round."""
        assert self._for_turned is not None, "it comes up once the doors are open"
        return await self._for_turned.turned(transport, data, tls)

    def abort(self, is_theirs: Callable[[Peer], bool], keep: Callable[[socket.socket], None] | None) -> None:
        """Drop the connections of such peers; `keep` gets the socket of each, to duplicate before it is closed."""
        for door in self._from_the_line:
            if keep is None:
                door.abort(is_theirs)
            else:
                door.abort(is_theirs, keep)

    async def _open_one(
        self,
        door: Listener,
        sock: socket.socket,
        policy: IntakePolicy,
        tls: ssl.SSLContext | None,
        running: AsyncExitStack,
    ) -> None:
        config = self._config
        factory = smtp_protocol_factory(policy, config.smtp, config.station.hostname, door, tls)
        if door is Listener.SUBMISSIONS and tls is None:
            sock.close()
            return
        if door is Listener.MX:
            self._from_the_line.append(factory)
        server = await asyncio.get_running_loop().create_server(factory, sock=sock)
        # Stopped in reverse order: no new connections, then 421 to the existing ones, with commits finished.
        running.push_async_callback(factory.close)
        running.push_async_callback(close_server, server)
        self.addresses.append((door, *sock.getsockname()[:2]))
