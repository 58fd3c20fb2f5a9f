"""Making a server of sessions, and ending it without cutting a commit short."""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
from collections.abc import Callable

from dialpost.core.config.model import SmtpConfig
from dialpost.core.mail.session import IntakePolicy, Listener, Peer
from dialpost.edge.mail.smtp_server.connection import Running
from dialpost.edge.mail.smtp_server.dialogue import Door
from dialpost.edge.mail.smtp_server.replies import GOING_DOWN
from dialpost.edge.mail.smtp_server.session import Session

logging.getLogger("mail.log").disabled = True  # aiosmtpd's: lines about each connection, none about mail

_GRACE_S = 10.0
"""How long sessions under way get to reach their next reply when the station shuts down."""


class SmtpServer:
    """The sessions of one listener. Call it as the protocol factory of `loop.create_server`."""

    def __init__(self, door: Door) -> None:
        self._door = door
        self._running = Running()

    def __call__(self) -> Session:
        """A session for a connection just made."""
        return Session(self._door, self._running, asyncio.get_running_loop())

    def abort(
        self, is_theirs: Callable[[Peer], bool], keep: Callable[[socket.socket], None] = lambda sock: None
    ) -> None:
        """Drop the connections of such peers: their line is down, and TCP would not know for hours.

        `keep` gets the socket of each, to duplicate before it is closed.
        """
        for connection in list(self._running.connections):
            if is_theirs(connection.peer):
                connection.cut(keep)

    async def close(self) -> None:
        """Say 421 to everybody and wait until what was promised, or is about to be, is durable."""
        running = self._running
        running.is_closing = True
        ends = []
        for connection in list(running.connections):
            ends.append(asyncio.ensure_future(connection.ended()))
            if connection.is_waiting:
                connection.give_up(GOING_DOWN)
            elif connection.is_shaking_hands:
                connection.cut()
        if ends:  # a message being made durable gets its answer first: without it the client sends it again
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
    """The protocol factory for one listener. On SUBMISSIONS the session itself begins with TLS, so that the limits
    hold for clients that never shake hands: give `loop.create_server` no `ssl`.
    """
    return SmtpServer(Door(policy, config, hostname, listener, tls_context))
