"""ATRN over one session: the question, and the server that takes the connection over (RFC 2645)."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from math import inf
from typing import Protocol

from dialpost.core.mail.esmtp.phases import Phase
from dialpost.core.mail.esmtp.wire import AtrnAnswered, Ended
from dialpost.core.mail.reply import Reply
from dialpost.core.mail.smtp_target import AtrnDialogue, SessionEnd, SessionFate
from dialpost.edge.mail.smtp_client.driver import SessionDriver
from dialpost.edge.mail.smtp_client.turned import TurnedTransport


class Served(Protocol):
    """What a turned session brought (the subset of the SMTP server's needed here)."""

    @property
    def is_whole(self) -> bool:
        """Whether the provider ended it with QUIT."""

    @property
    def messages(self) -> int:
        """Messages taken."""


Serve = Callable[[asyncio.Transport, bytes, str], Awaitable[Served]]
"""Serves a connection from the greeting to its end. It gets what came already, and TLS's version."""


async def serve_nobody(transport: asyncio.Transport, data: bytes, tls: str) -> Served:
    """Of a client that is never asked to."""
    raise NotImplementedError("no server takes turned connections")


class AtrnTalk:
    """One ATRN dialogue. `run` is the work of a session."""

    def __init__(self, domains: Sequence[str], serve: Serve) -> None:
        self._domains, self._serve = domains, serve
        self._talk: SessionDriver | None = None
        self._turned: TurnedTransport | None = None
        self.reply: Reply | None = None
        self.served: Served | None = None
        self.is_offered = False
        self.bytes = 0
        self.why = ""
        """What broke the turned session."""

    @property
    def patience_ends_s(self) -> float:
        """As of a session; once it is turned, a call judges it as any connection of the provider: 0."""
        if self._turned is not None:
            return 0.0
        return inf if self._talk is None else self._talk.patience_ends_s

    def stop_waiting(self, why: str) -> None:
        """End it, as after a time-out, if it waits for the provider."""
        if self._turned is not None:
            self.why = why
            self._turned.abort()
        elif self._talk is not None:
            self._talk.stop_waiting(why)

    async def run(self, talk: SessionDriver) -> int:
        """Ask, and if the roles are turned, serve to the end. Returns 0: it delivers nothing."""
        self._talk = talk
        try:
            await self._ask(talk)
            self.is_offered = talk.core.extensions.atrn
            if talk.core.phase is Phase.TURNED:
                await self._be_served(talk)
        finally:
            self._talk = None
        return 0

    def result(self, end: SessionEnd) -> AtrnDialogue:
        """What it brought, once its session is over."""
        served = self.served
        return AtrnDialogue(
            self.reply,
            self.why or (None if end.fate is SessionFate.DONE else end.reason),
            self.is_offered,
            end.fate,
            end.address,
            served is not None and served.is_whole,
            0 if served is None else served.messages,
            self.bytes,
        )

    async def _ask(self, talk: SessionDriver) -> None:
        while talk.ended is None:
            while (event := await talk.next_event()) is not None:
                if isinstance(event, AtrnAnswered):
                    self.reply = event.reply
                    if event.reply.code == 250:
                        return
                elif isinstance(event, Ended):
                    return
            if talk.core.is_idle:
                if self.reply is None:
                    talk.core.atrn(self._domains)
                else:
                    talk.tell(talk.core.quit())
            talk.flush()
            await talk.wait()

    async def _be_served(self, talk: SessionDriver) -> None:
        connection = talk.connection
        before = connection.bytes_down
        turned = self._turned = TurnedTransport(connection, talk.address, talk.target.port)
        try:
            self.served = await self._serve(turned, talk.core.take_turned_input(), connection.tls_version)
            await turned.closed.wait()
        finally:
            turned.abort()
            self._turned = None
            self.bytes = connection.bytes_down - before
            self.why = self.why or turned.why or ""
