"""Accepting mail: who may send what to whom, and making a message durable before it is acknowledged.

One `Intake` serves every listener. The relay rule (core/mail/intake_rules): anyone may send to our own domains;
only a user who logged in or a network named in the configuration may send to the world; the provider's side never
may. Runs in the event loop; a message's body streams to the spool (flow/mail/incoming/message).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import lru_cache
from math import ceil
from typing import Protocol

from dialpost.core.amounts import count_words
from dialpost.core.config.model import Config, LinkKind
from dialpost.core.errors import StorageError, StorageFullError
from dialpost.core.line_peers import is_line, served_at_once
from dialpost.core.mail.accounts import Account, Local, NotLocal, Unknown
from dialpost.core.mail.envelope import Envelope, Recipient
from dialpost.core.mail.esmtp.line_trust import LineTrust
from dialpost.core.mail.esmtp.tls_cost import TlsCost
from dialpost.core.mail.inbound.boxes import BoxUid
from dialpost.core.mail.intake_rules import RepeatWindow, Sides, may_relay
from dialpost.core.mail.queue.records import MessageRecord, Origin
from dialpost.core.mail.reply import CARD_FULL, Reply
from dialpost.core.mail.session import Caller, Listener, MessageSink, Peer, Turn
from dialpost.flow import maillog
from dialpost.flow.mail.incoming.connection_pools import ConnectionPools, Pool
from dialpost.flow.mail.incoming.inbound_activity import InboundActivity
from dialpost.flow.mail.incoming.line_turns import LineTurns
from dialpost.flow.mail.incoming.line_windows import Pace
from dialpost.flow.mail.incoming.login_throttle import LoginThrottle
from dialpost.flow.mail.incoming.mailbox_room import Place, Rooms
from dialpost.flow.mail.incoming.message import (
    CARD_FAULT,
    MAILBOX_FULL,
    Incoming,
    IntakeTools,
    SpoolForIntake,
    StoreForIntake,
)
from dialpost.flow.mail.incoming.refusal_pace import RefusalPace
from dialpost.flow.mail.needs import Directories

WRONG_LOGIN = Reply(535, ("Wrong user name or password",), "5.7.8")
NOT_FOR_OTHERS = Reply(535, ("Logging in on behalf of another user is not allowed",), "5.7.8")
NO_RELAY = Reply(554, ("Relaying to that domain is not allowed from here",), "5.7.1")
NO_SUCH_USER = Reply(550, ("No such mailbox here",), "5.1.1")
ACCOUNTS_RESTORED = Reply(451, ("The list of mailboxes is being repaired: try again later",), "4.3.0")
NO_ACCOUNT = Reply(550, ("Your account is disabled: ask the operator of this station",), "5.7.1")
NOT_YOURS = Reply(553, ("That sender address does not belong to your account",), "5.7.1")

_HOUR_S = 3600
_PEERS_KNOWN = 256
"""The number of peers whose side is remembered: it is asked for with every command and every piece of content."""
_ROOM_AT_ONCE = 8
"""The number of idle connections to close if the process runs out of descriptors."""


class Accounts(Directories, Protocol):
    """The subset of flow/mail/accounts the intake needs."""

    @property
    def is_restored(self) -> bool:
        """Whether the accounts come from an older copy, so that some may be missing."""

    async def verify(self, name: str, password: str) -> Account | None:
        """The account, if the password is right."""

    def quota_of(self, name: str) -> int:
        """Bytes, 0 = none."""


class Mailboxes(Protocol):
    """The subset of the Maildirs the intake needs."""

    async def measure(self, account: str) -> int:
        """What a mailbox holds, in bytes."""


class Intake:
    """The decisions behind every SMTP session (core/mail/session.IntakePolicy)."""

    def __init__(
        self,
        config: Config,
        accounts: Accounts,
        store: StoreForIntake,
        spool: SpoolForIntake,
        mailboxes: Mailboxes,
        *,
        activity: InboundActivity,
        pace: Pace,
        on_accepted: Callable[[MessageRecord], None],
        monotonic: Callable[[], float] = time.monotonic,
        wall_clock: Callable[[], float] = time.time,
        as_held: Callable[[MessageRecord], MessageRecord] = lambda message: message,
        most_connections: int | None = None,
        line_trust: LineTrust,
    ) -> None:
        self._config, self._accounts, self._spool = config, accounts, spool
        self._rooms = Rooms(accounts.quota_of, mailboxes.measure, store.waiting_bytes)
        self._activity = activity
        self._line_trust = line_trust
        sides = Sides.from_config(config)
        self._origin_of = lru_cache(_PEERS_KNOWN)(sides.of)
        self._is_provider = lru_cache(_PEERS_KNOWN)(sides.is_provider)
        self._is_named_provider = lru_cache(_PEERS_KNOWN)(sides.is_named_provider)
        self._throttle = LoginThrottle(config.smtp.login_failures, config.smtp.login_pause_s, monotonic)
        self._refusals = RefusalPace(monotonic)
        smtp = config.smtp
        most = smtp.max_connections if most_connections is None else most_connections
        self._pools = ConnectionPools(most, smtp.max_connections_per_peer, self._pool)
        self._turns = LineTurns(
            lambda: activity.last_byte_s, pace, served_at_once=served_at_once(config.link.line_rate_bps)
        )
        self._takes_turns = config.link.kind is not LinkKind.GATEWAY
        window = RepeatWindow(config.smtp.duplicate_window_hours * _HOUR_S)
        self._tools = IntakeTools(
            config,
            accounts,
            store,
            spool,
            activity,
            on_accepted,
            wall_clock,
            monotonic,
            window,
            self.is_over_the_line,
            as_held,
        )

    def line_rate(self, rate_bps: int) -> None:
        """The line that is about to come up has this rate, in bits per second."""
        self._turns.served_at_once = served_at_once(rate_bps)

    # -- connections ----------------------------------------------------------------------------------

    def connected(self, caller: Caller) -> Reply | None:
        """421 if there are too many already."""
        peer = caller.peer
        refusal = self._pools.admit(caller)
        if refusal is not None:
            return self._refuse(peer, "connect", refusal)
        if self.is_over_the_line(peer):
            self._activity.opened()
        return None

    def make_room(self) -> None:
        """The process has run out of descriptors: close some idle connections."""
        self._pools.make_room(_ROOM_AT_ONCE)

    async def turn(self, peer: Peer) -> Turn | None:
        """Connections over a dialled line take turns; on the LAN nobody waits."""
        if self._takes_turns and peer.listener is Listener.MX and self.is_over_the_line(peer):
            return await self._turns.turn()
        return None

    def offers_tls(self, peer: Peer) -> bool:
        """Not to the provider on a trusted line. Users log in at the other doors, and need TLS."""
        if peer.listener is Listener.PROVIDER:  # whether it is protected was decided when it was made
            return False
        return peer.listener is not Listener.MX or not self._line_trust.covers(peer.address, peer.interface)

    def shook_hands(self, peer: Peer, cost: TlsCost) -> None:
        """What it took of the line is counted."""
        if self.is_over_the_line(peer):
            self._activity.shook_hands(cost)

    def disconnected(self, caller: Caller) -> None:
        """A connection is gone."""
        self._pools.gone(caller)
        if self.is_over_the_line(caller.peer):
            self._activity.closed()

    def pause_after_refusal(self, peer: Peer) -> float | None:
        """None for the provider: it passes on what others wrote, and every second on the line costs money."""
        if self._pool(peer) is Pool.PROVIDER:
            return None
        return self._refusals.refused(peer.address)

    async def login(self, peer: Peer, name: str, password: str, acts_as: str = "") -> str | Reply:
        """The account's name; 535 if name or password is wrong, 454 while the address has to wait.

        `acts_as` may be any address of the same account: some mail programs fill in both identities.
        """
        async with self._throttle.turn(peer.address):
            wait_s = self._throttle.wait_s(peer.address, name)
            if wait_s > 0:
                text = f"Too many failed logins: try again in {count_words(ceil(wait_s), 'second')}"
                return self._refuse(peer, "AUTH", Reply(454, (text,), "4.7.0"))
            account = await self._accounts.verify(name, password)
            if account is None:
                self._throttle.failed(peer.address, name)
                return self._refuse(peer, "AUTH", WRONG_LOGIN)
            self._throttle.succeeded(peer.address, name)
            if acts_as and self._accounts.directory.account_of(acts_as) != account:
                return self._refuse(peer, "AUTH", NOT_FOR_OTHERS)
            return account.name

    # -- the envelope ---------------------------------------------------------------------------------

    def home(self, peer: Peer) -> str:
        """The domain that completes a bare name: ours for users and office devices, none for everybody else."""
        return self._config.station.domains[0] if may_relay(self.origin(peer)) else ""

    async def mail_from(self, peer: Peer, envelope: Envelope, declared_bytes: int) -> Reply | None:
        """Users may send only from their own addresses; nobody may send more than there is room for."""
        if self.is_over_the_line(peer):
            self._activity.spoke()
        if peer.account is not None:
            directory = self._accounts.directory
            account = directory.accounts.get(peer.account)
            if account is None or not account.enabled:
                return self._refuse(peer, "MAIL", NO_ACCOUNT, envelope.sender)
            # Everybody may use the null sender: receipts are sent with it (RFC 8098 §2.1).
            if envelope.sender and not directory.owns(peer.account, envelope.sender):
                return self._refuse(peer, "MAIL", NOT_YOURS, envelope.sender)
        # Messages still coming in have not reached the card yet; without them two senders would get the same room.
        if self._spool.free_bytes() - self._rooms.expected_bytes <= declared_bytes:
            return self._refuse(peer, "MAIL", CARD_FULL, envelope.sender)
        return None

    async def rcpt_to(self, peer: Peer, envelope: Envelope, recipient: Recipient) -> Reply | None:
        """Accept a local recipient, and one in the world if this peer may relay."""
        found = self._accounts.directory.resolve(recipient.address)
        # 4yz, not 550: the card lost the account file, and this name may be one of those missing from the copy.
        if isinstance(found, Unknown) and self._accounts.is_restored:
            return self._refuse(peer, "RCPT", ACCOUNTS_RESTORED, envelope.sender, recipient.address)
        if isinstance(found, Unknown):
            return self._refuse(peer, "RCPT", NO_SUCH_USER, envelope.sender, recipient.address)
        if isinstance(found, NotLocal):
            if not may_relay(self.origin(peer)):
                return self._refuse(peer, "RCPT", NO_RELAY, envelope.sender, recipient.address)
            return None
        if not found.forwards and not await self._rooms.fits(found.accounts, envelope.declared_bytes):
            return self._refuse(peer, "RCPT", MAILBOX_FULL, envelope.sender, recipient.address)
        return None

    async def begin(self, peer: Peer, envelope: Envelope) -> MessageSink | Reply:
        """A sink for the content, or the reply that refuses it."""
        return await self._begin(peer, self.origin(peer), envelope)

    async def begin_collected(self, peer: Peer, envelope: Envelope, taken: BoxUid) -> MessageSink | Reply:
        """The same for a message from a mailbox at a provider, whose recipients are local. Only want of room
        refuses it; `taken` is noted when it is accepted."""
        if self._spool.free_bytes() - self._rooms.expected_bytes <= envelope.declared_bytes:
            return self._refuse(peer, "collect", CARD_FULL, envelope.sender)
        found = {one.address: self._accounts.directory.resolve(one.address) for one in envelope.recipients}
        for address, owner in found.items():
            if not isinstance(owner, Local):
                return self._refuse(peer, "collect", NO_RELAY, envelope.sender, address)
        return await self._begin(peer, Origin.OUTSIDE, envelope, taken)

    async def _begin(
        self, peer: Peer, origin: Origin, envelope: Envelope, taken: BoxUid | None = None
    ) -> MessageSink | Reply:
        place = self._place_for(envelope)
        try:
            if not await place.resize(envelope.declared_bytes):
                return self._refuse(peer, "DATA", MAILBOX_FULL, envelope.sender)
            queue_id = self._tools.store.next_id()
            body = self._spool.begin(queue_id)
            return Incoming(self._tools, peer, origin, envelope, queue_id, body, place, taken)
        except StorageFullError:
            place.release()
            return self._refuse(peer, "DATA", CARD_FULL, envelope.sender)
        except StorageError as error:
            place.release()
            maillog.operator_needed("intake: the card failed", error=error)
            return self._refuse(peer, "DATA", CARD_FAULT, envelope.sender)

    def refused(self, peer: Peer, stage: str, reply: Reply) -> None:
        """A line in the log."""
        self._refuse(peer, stage, reply)

    def origin(self, peer: Peer) -> Origin:
        """Which side this peer is on."""
        if peer.account is not None:
            return Origin.SUBMITTED
        if peer.listener is Listener.PROVIDER:
            return Origin.OUTSIDE
        return self._origin_of(peer.address, peer.interface)

    def is_over_the_line(self, peer: Peer) -> bool:
        """Whether a call waits for this peer. A user who submits mail from outside does not prolong it."""
        if peer.listener is Listener.PROVIDER:
            return True
        return peer.listener is Listener.MX and self._is_provider(peer.address, peer.interface)

    def _pool(self, peer: Peer) -> Pool:
        if peer.account is not None:
            return Pool.USERS
        is_theirs = peer.listener is Listener.PROVIDER or is_line(peer.interface)
        if is_theirs or self._is_named_provider(peer.address):
            return Pool.PROVIDER
        return Pool.LAN if self.origin(peer) is Origin.LAN else Pool.STRANGERS

    def _place_for(self, envelope: Envelope) -> Place:
        """The mailboxes that need room. An address that is also forwarded to the world always has room."""
        found = (self._accounts.directory.resolve(recipient.address) for recipient in envelope.recipients)
        groups = (one.accounts if isinstance(one, Local) and not one.forwards else () for one in found)
        return Place(self._rooms, tuple(groups))

    def _refuse(self, peer: Peer, stage: str, reply: Reply, sender: str = "", recipient: str = "") -> Reply:
        maillog.refused(peer=peer.address, stage=stage, sender=sender, recipient=recipient, reply=str(reply))
        return reply
