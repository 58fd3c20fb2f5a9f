"""Taking mail in: who may send what to whom, and making it durable before it is promised.

One `Intake` serves every listener. The relay rule (core/intake_rules): to our own domains from anywhere; to the
world only from a user who logged in or a network named in the configuration; never from the provider's side. Runs
in the event loop; a message's body streams to the spool (flow/incoming).
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from typing import Protocol

from dialpost.core.accounts import Account, Directory, Local, NotLocal, Unknown
from dialpost.core.config import Config, LinkKind
from dialpost.core.envelope import Envelope, QueueId, Recipient
from dialpost.core.errors import StorageError, StorageFullError
from dialpost.core.intake_rules import RepeatWindow, may_relay, parse_networks, side_of
from dialpost.core.line_shaping import served_at_once
from dialpost.core.queue_records import MessageRecord, Origin
from dialpost.core.reply import Reply
from dialpost.core.session import Listener, MessageSink, Peer, Turn
from dialpost.flow import maillog
from dialpost.flow.inbound_activity import InboundActivity
from dialpost.flow.incoming import CARD_FAULT, CARD_FULL, Incoming, IntakeTools, SpoolForIntake, StoreForIntake
from dialpost.flow.line_turns import LineTurns
from dialpost.flow.login_throttle import LoginThrottle

TOO_MANY_HERE = Reply(421, ("Too many connections: come again later",), "4.7.0")
TOO_MANY_FROM_YOU = Reply(421, ("Too many connections from your address: come again later",), "4.7.0")
WRONG_LOGIN = Reply(535, ("The name or the password is wrong",), "5.7.8")
NO_RELAY = Reply(554, ("This station takes no mail for that domain from here",), "5.7.1")
NO_SUCH_USER = Reply(550, ("There is no such mailbox here",), "5.1.1")
ACCOUNTS_RESTORED = Reply(451, ("The list of mailboxes is being mended: come again later",), "4.3.0")
MAILBOX_FULL = Reply(452, ("That mailbox is full: come again later",), "4.2.2")
NO_ACCOUNT = Reply(550, ("Your account is closed: ask who looks after this station",), "5.7.1")
NOT_YOURS = Reply(553, ("That sender address does not belong to your account",), "5.7.1")

_MOST_SIDES = 1000
_HOUR_S = 3600


class Accounts(Protocol):
    """The subset of flow/accounts the intake needs."""

    @property
    def directory(self) -> Directory:
        """Who has a mailbox here at this moment."""

    @property
    def is_restored(self) -> bool:
        """Whether the accounts come from an older copy, so that somebody may be missing."""

    async def verify(self, name: str, password: str) -> Account | None:
        """The account, if the password is its own."""

    def quota_of(self, name: str) -> int:
        """Bytes, 0 = none."""


class Mailboxes(Protocol):
    """The subset of the Maildirs the intake needs."""

    async def measure(self, account: str, limit_bytes: int) -> int:
        """What a mailbox holds; exact where it is over the limit."""


class Intake:
    """The decisions behind every SMTP session (core.session.IntakePolicy)."""

    def __init__(
        self, config: Config, accounts: Accounts, store: StoreForIntake, spool: SpoolForIntake,
        mailboxes: Mailboxes, *, activity: InboundActivity, on_accepted: Callable[[MessageRecord], None],
        monotonic: Callable[[], float] = time.monotonic, wall_clock: Callable[[], float] = time.time,
        as_held: Callable[[MessageRecord], MessageRecord] = lambda message: message,
    ) -> None:  # fmt: skip
        self._config, self._accounts, self._spool, self._mailboxes = config, accounts, spool, mailboxes
        self._activity = activity
        self._networks = parse_networks(config.relay.networks)
        self._provider_networks = parse_networks(config.relay.provider_networks)
        self._sides: dict[str, Origin] = {}
        self._throttle = LoginThrottle(config.smtp.login_failures, config.smtp.login_pause_s, monotonic)
        self._connections: Counter[str] = Counter()
        self._turns = LineTurns(
            lambda: activity.last_byte_s, served_at_once=served_at_once(config.link.line_rate_bps)
        )
        self._takes_turns = config.link.kind is not LinkKind.GATEWAY
        window = RepeatWindow(config.smtp.duplicate_window_hours * _HOUR_S)
        self._tools = IntakeTools(
            config, accounts, store, spool, activity, on_accepted, wall_clock, monotonic, window, as_held
        )

    def line_rate(self, rate_bps: int) -> None:
        """The line that is about to come up has this rate, in bits per second."""
        self._turns.served_at_once = served_at_once(rate_bps)

    # -- connections ----------------------------------------------------------------------------------

    def connected(self, address: str, listener: Listener) -> Reply | None:
        """421 where there are too many already."""
        refusal = None
        if self._connections.total() >= self._config.smtp.max_connections:
            refusal = TOO_MANY_HERE
        elif self._connections[address] >= self._config.smtp.max_connections_per_peer:
            refusal = TOO_MANY_FROM_YOU
        if refusal is not None:
            maillog.refused(peer=address, stage="connect", sender="", recipient="", reply=str(refusal))
            return refusal
        self._connections[address] += 1
        if self._is_provider_like(address, listener):
            self._activity.opened()
        return None

    async def turn(self, address: str, listener: Listener) -> Turn | None:
        """Those who come over a dialled line take turns; on the LAN nobody waits."""
        if self._takes_turns and self._is_provider_like(address, listener):
            return await self._turns.turn()
        return None

    def disconnected(self, address: str, listener: Listener) -> None:
        """One less."""
        self._connections[address] -= 1
        if self._connections[address] <= 0:
            del self._connections[address]
        if self._is_provider_like(address, listener):
            self._activity.closed()

    async def login(self, peer: Peer, name: str, password: str) -> str | Reply:
        """The account's name; 535 where name or password is wrong, 454 while the address has to wait."""
        async with self._throttle.turn(peer.address):
            wait_s = self._throttle.wait_s(peer.address, name)
            if wait_s > 0:
                text = f"Too many failed logins: try again in {wait_s:.0f} seconds"
                return self._refuse(peer, "AUTH", Reply(454, (text,), "4.7.0"))
            account = await self._accounts.verify(name, password)
            if account is None:
                self._throttle.failed(peer.address, name)
                return self._refuse(peer, "AUTH", WRONG_LOGIN)
            self._throttle.succeeded(peer.address, name)
            return account.name

    # -- the envelope ---------------------------------------------------------------------------------

    async def mail_from(self, peer: Peer, envelope: Envelope, declared_bytes: int) -> Reply | None:
        """A user sends as themselves only; nobody sends what there is no room for."""
        if self.origin(peer) is Origin.OUTSIDE:
            self._activity.spoke()
        if peer.account is not None:
            directory = self._accounts.directory
            account = directory.accounts.get(peer.account)
            if account is None or not account.enabled:
                return self._refuse(peer, "MAIL", NO_ACCOUNT, envelope.sender)
            # The null sender is everybody's: receipts go out with it (RFC 8098 §2.1).
            if envelope.sender and not directory.owns(peer.account, envelope.sender):
                return self._refuse(peer, "MAIL", NOT_YOURS, envelope.sender)
        if self._spool.free_bytes() <= declared_bytes:
            return self._refuse(peer, "MAIL", CARD_FULL, envelope.sender)
        return None

    async def rcpt_to(self, peer: Peer, envelope: Envelope, recipient: Recipient) -> Reply | None:
        """Ours, or somebody's whom this peer may send to."""
        found = self._accounts.directory.resolve(recipient.address)
        if isinstance(found, Unknown) and self._accounts.is_restored:
            return self._refuse(peer, "RCPT", ACCOUNTS_RESTORED, envelope.sender, recipient.address)
        if isinstance(found, Unknown):
            return self._refuse(peer, "RCPT", NO_SUCH_USER, envelope.sender, recipient.address)
        if isinstance(found, NotLocal):
            if not may_relay(self.origin(peer)):
                return self._refuse(peer, "RCPT", NO_RELAY, envelope.sender, recipient.address)
            return None
        if await self._is_full(found):
            return self._refuse(peer, "RCPT", MAILBOX_FULL, envelope.sender, recipient.address)
        return None

    async def begin(self, peer: Peer, envelope: Envelope) -> MessageSink | Reply:
        """A place for the content, or why there is none."""
        queue_id: QueueId | None = None
        try:
            queue_id = self._tools.store.next_id()
            return Incoming(self._tools, peer, self.origin(peer), envelope, queue_id, self._spool.begin(queue_id))
        except StorageFullError:
            return self._refuse(peer, "DATA", CARD_FULL, envelope.sender)
        except StorageError as error:
            maillog.person_needed("intake: the card failed", error=error)
            return self._refuse(peer, "DATA", CARD_FAULT, envelope.sender)

    def refused(self, peer: Peer, stage: str, reply: Reply) -> None:
        """A line in the log."""
        self._refuse(peer, stage, reply)

    def origin(self, peer: Peer) -> Origin:
        """From which side this peer sends."""
        if peer.account is not None:
            return Origin.SUBMITTED
        return self._side(peer.address)

    def is_over_the_line(self, address: str) -> bool:
        """Whether a connection to port 25 from there is taken for one that came over the line."""
        return self._is_provider_like(address, Listener.MX)

    def _is_provider_like(self, address: str, listener: Listener) -> bool:
        """What a call waits for: a user who hands in mail from outside is no reason to keep the line."""
        return listener is Listener.MX and self._side(address) is Origin.OUTSIDE

    def _side(self, address: str) -> Origin:
        """`side_of`, remembered: it is asked with every command."""
        side = self._sides.get(address)
        if side is None:
            if len(self._sides) >= _MOST_SIDES:
                self._sides.clear()
            side = self._sides[address] = side_of(address, self._networks, self._provider_networks)
        return side

    async def _is_full(self, found: Local) -> bool:
        """Whether no account behind the address has room: with one that has, the message is taken."""
        if found.forwards:
            return False
        for name in found.accounts:
            quota = self._accounts.quota_of(name)
            if not quota or await self._mailboxes.measure(name, quota) < quota:
                return False
        return True

    def _refuse(self, peer: Peer, stage: str, reply: Reply, sender: str = "", recipient: str = "") -> Reply:
        maillog.refused(peer=peer.address, stage=stage, sender=sender, recipient=recipient, reply=str(reply))
        return reply
