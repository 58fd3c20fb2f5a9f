"""Making a server of sessions, and ending it without cutting a commit short."""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
from collections.abc import Callable
from dataclasses import replace

from dialpost.core.config.model import SmtpConfig
from dialpost.core.mail.session import IntakePolicy, Listener, Peer
from dialpost.edge.mail.smtp_server.connection import Running
from dialpost.edge.mail.smtp_server.dialogue import Door
from dialpost.edge.mail.smtp_server.memory import use_small_buffers
from dialpost.edge.mail.smtp_server.replies import GOING_DOWN
from dialpost.edge.mail.smtp_server.session import Session

logging.getLogger("mail.log").disabled = True  # aiosmtpd's: lines about each connection, none about mail

_GRACE_S = 10.0
"""The time that sessions have to reach their next reply when the station shuts down."""


class SmtpServer:
    """The sessions of one listener. Call it as the protocol factory of `loop.create_server`."""

    def __init__(self, door: Door) -> None:
        self._door = door
        self._running = Running()

    def __call__(self) -> Session:
        """A session for a connection just made."""
        return Session(self._door, self._running, asyncio.get_running_loop())

    async def turned(self, transport: asyncio.Transport, data: bytes, tls: str) -> Session:
        """Serve a connection that the station made itself, to its end (RFC 2645 §5.3).

        `data` came already, `tls` is like "TLSv1.3" or "". Returns the session, for what it brought.
        """
        session = self()
        session.peer = replace(session.peer, tls=tls)
        transport.set_protocol(session)
        session.connection_made(transport)
        if data:
            session.data_received(data)
        await session.ended()
        return session

    def abort(
        self, is_theirs: Callable[[Peer], bool], keep: Callable[[socket.socket], None] = lambda sock: None
    ) -> None:
        """Drop the connections of these peers: their line is down, and TCP would not notice for hours.

        `keep` gets each socket, to duplicate it before it is closed.
        """
        for connection in list(self._running.connections):
            if is_theirs(connection.peer):
                connection.cut(keep)

    async def close(self) -> None:
        """Send everybody 421, and wait until every message acknowledged, or about to be, is durable."""
        running = self._running
        running.is_closing = True
        ends = []
        for connection in list(running.connections):
            ends.append(asyncio.ensure_future(connection.ended()))
            if connection.is_waiting or connection.awaits_turn:
                connection.give_up(GOING_DOWN)
            elif connection.is_shaking_hands:
                connection.cut()
        if ends:  # a message being committed gets its reply first: without it the client would send it again
            _, late = await asyncio.wait(ends, timeout=_GRACE_S)
            for task in late:
                task.cancel()
        for connection in list(running.connections):
            connection.cut()
        if running.commits:
            await asyncio.wait(running.commits)


def smtp_protocol_factory(
    policy: IntakePolicy,
    config: SmtpConfig,
    hostname: str,
    listener: Listener,
    tls_context: ssl.SSLContext | None,
) -> SmtpServer:
    """The protocol factory for one listener. On SUBMISSIONS the session itself starts TLS, so that the limits also
    apply to clients that never complete the handshake: pass no `ssl` to `loop.create_server`.
    """
    use_small_buffers()
    return SmtpServer(Door(policy, config, hostname, listener, tls_context))
