"""The replies to clients while the card keeps the station from starting: try again later.

A host gets a temporary refusal for each message and keeps it (RFC 5321 §4.2.1); mail programs, which can't log in
either, get one when they connect. Nothing is acknowledged, so nothing can be lost.
"""

from __future__ import annotations

from dialpost.core.mail.envelope import Envelope, Recipient
from dialpost.core.mail.esmtp.tls_cost import TlsCost
from dialpost.core.mail.reply import CARD_FULL, Reply
from dialpost.core.mail.session import Caller, Listener, MessageSink, Peer, Turn
from dialpost.flow import maillog

NO_SERVICE = Reply(421, ("No room for mail at the moment: try again later",), "4.3.1")
NO_LOGIN = Reply(454, ("Nobody can log in at the moment: try again later",), "4.7.0")
_MOST_CONNECTIONS = 50
"""A flat limit will do: no connection has more rights than another here, and none lasts."""


class RefuseForNow:
    """The decisions behind every SMTP session meanwhile (core/mail/session.IntakePolicy)."""

    def __init__(self) -> None:
        self._connections = 0

    def connected(self, caller: Caller) -> Reply | None:
        """Hosts are admitted, so that each message gets its own 452; mail programs are not."""
        if caller.peer.listener is not Listener.MX or self._connections >= _MOST_CONNECTIONS:
            return NO_SERVICE
        self._connections += 1
        return None

    async def turn(self, peer: Peer) -> Turn | None:
        """Nobody waits."""
        return None

    def offers_tls(self, peer: Peer) -> bool:
        """No: nothing is accepted that would need it."""
        return False

    def shook_hands(self, peer: Peer, cost: TlsCost) -> None:
        """Nobody does."""

    def disconnected(self, caller: Caller) -> None:
        """A connection is gone."""
        self._connections -= 1

    def pause_after_refusal(self, peer: Peer) -> float | None:
        """None: the refusal is not the peer's fault."""
        return None

    async def login(self, peer: Peer, name: str, password: str, acts_as: str = "") -> str | Reply:
        """Refused: the accounts are not known."""
        return NO_LOGIN

    def home(self, peer: Peer) -> str:
        """None: no name is completed while no mail is accepted."""
        return ""

    async def mail_from(self, peer: Peer, envelope: Envelope, declared_bytes: int) -> Reply | None:
        """452."""
        self.refused(peer, "MAIL", CARD_FULL)
        return CARD_FULL

    async def rcpt_to(self, peer: Peer, envelope: Envelope, recipient: Recipient) -> Reply | None:
        """452."""
        return CARD_FULL

    async def begin(self, peer: Peer, envelope: Envelope) -> MessageSink | Reply:
        """452."""
        return CARD_FULL

    def refused(self, peer: Peer, stage: str, reply: Reply) -> None:
        """A line in the log."""
        maillog.refused(peer=peer.address, stage=stage, sender="", recipient="", reply=str(reply))
