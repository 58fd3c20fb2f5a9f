"""Stands in for a station that the card keeps from starting: its doors answer "later", and it says why to whoever
asks.

The daemon starts it and retries from time to time. The process itself serves the configuration.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket

from dialpost import __version__
from dialpost.core.config.model import Config
from dialpost.core.control.declared import NoParams
from dialpost.core.control.serving import serve
from dialpost.core.control.station import STATUS, Status
from dialpost.core.errors import StorageError
from dialpost.core.mail.places import wanted_doors
from dialpost.core.mail.session import Listener
from dialpost.edge.control_socket.server import ControlServer
from dialpost.edge.ground.transports import close_server
from dialpost.edge.mail import listeners
from dialpost.edge.mail.smtp_server import smtp_protocol_factory
from dialpost.flow.mail.incoming.refuse_for_now import RefuseForNow

AGAIN_EVERY_S = 30.0

_log = logging.getLogger(__name__)


class Standstill:
    """No station runs for `why`. Made, started, stopped once."""

    def __init__(self, config: Config, why: StorageError, control: ControlServer) -> None:
        self.why = why
        self._config, self._control = config, control
        self._running = contextlib.AsyncExitStack()

    async def start(self, inherited: dict[str, list[socket.socket]]) -> None:
        """Answer at the doors and at the control socket. Raises: ListenError; nothing is open then."""
        _log.error("the station can't start, and tries again every %.0f s: %s", AGAIN_EVERY_S, self.why)
        try:
            for door, sock in listeners.open_listeners(wanted_doors(self._config), inherited):
                await self._open_door(Listener(door), sock)
        except BaseException:
            await self.stop()
            raise
        self._running.callback(self._control.offer(serve(STATUS, self._status), otherwise=self._words()))

    async def stop(self) -> None:
        """Close all of it."""
        await self._running.aclose()

    async def _open_door(self, door: Listener, sock: socket.socket) -> None:
        if door is Listener.SUBMISSIONS:  # without the certificate nothing can be said there
            sock.close()
            return
        factory = smtp_protocol_factory(
            RefuseForNow(), self._config.smtp, self._config.station.hostname, door, None
        )
        server = await asyncio.get_running_loop().create_server(factory, sock=sock)
        self._running.push_async_callback(factory.close)
        self._running.push_async_callback(close_server, server)

    def _words(self) -> str:
        return (
            f"The station is stopped: {self.why} New mail is deferred (452); none is lost. "
            "It starts when the card can be used again."
        )

    async def _status(self, wanted: NoParams) -> Status:
        return Status(
            mode="standstill",
            version=__version__,
            hostname=self._config.station.hostname,
            words="is stopped because of its card; mail is deferred (452).",
            attention=(self._words(),),
        )
