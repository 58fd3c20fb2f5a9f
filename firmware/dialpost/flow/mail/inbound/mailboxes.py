"""Collects the mail of one mailbox in a call (flow/line/call/mail_needs.Collector): as many sessions as it takes.

Safe at any cut: a message is taken in the same transaction in which it is accepted, deleted there after that, and
recognised by its UID if the deletion did not come about.
"""

from __future__ import annotations

from collections.abc import Callable
from math import inf

from dialpost.core.errors import StorageError, fault_words
from dialpost.core.mail.inbound.collected import Collected, CollectFate
from dialpost.core.mail.inbound.dialogue import Ended
from dialpost.core.mail.mx import AddressAnswer
from dialpost.core.mail.smtp_target import HostTarget
from dialpost.flow import maillog
from dialpost.flow.mail.inbound.session import Box, BoxSession, BoxTools, SessionRun, Tally
from dialpost.flow.mail.needs import HostAddresses

_SHARED_ADVICE = (
    "A message that was held in this mailbox is gone: another program empties it, too. Make the station the only "
    "one that collects it, or set the other one to leave the mail there."
)


class MailboxCollector:
    """One mailbox. `open_session` makes a session; it raises OSError if the login can't be read from its file."""

    def __init__(
        self,
        box: Box,
        tools: BoxTools,
        addresses: HostAddresses,
        open_session: Callable[[HostTarget], BoxSession],
    ) -> None:
        self.box = box
        self._tools, self._addresses, self._open = tools, addresses, open_session
        self._run: SessionRun | None = None
        self._is_stopped = False

    @property
    def patience_ends_s(self) -> float:
        """See `Collector`."""
        return inf if self._run is None else self._run.session.patience_ends_s

    def stop(self) -> None:
        """See `Collector`."""
        self._is_stopped = True
        if self._run is not None:
            self._run.stop()

    def stop_waiting(self, why: str) -> None:
        """See `Collector`."""
        if self._run is not None:
            self._run.session.break_off(why)

    async def collect(self) -> Collected:
        """See `Collector`."""
        self._is_stopped = False
        tally = Tally()
        try:
            ended = await self._sessions(tally)
        except StorageError as error:
            ended = Ended(CollectFate.NOT_NOW, f"the station can't store mail at the moment: {error}")
        if tally.gone:
            maillog.operator_needed("mailbox: another program empties it, too", mailbox=self.box.name)
        return _result(self.box, ended, tally)

    async def _sessions(self, tally: Tally) -> Ended:
        found = await self._addresses.addresses(self.box.host)
        if not isinstance(found, tuple):
            return Ended(CollectFate.UNREACHABLE, _no_address(found, self.box.host))
        while True:
            before = len(tally.taken)
            try:
                session = self._open(HostTarget(self.box.host, found, self.box.port))
            except OSError as error:
                return Ended(CollectFate.NEEDS_OPERATOR, f"the mailbox's login can't be read: {fault_words(error)}")
            self._run = SessionRun(self.box, self._tools, session, tally)
            try:
                ended = await self._run.run()
                has_more = self._run.has_more
            finally:
                self._run = None
            # Not by messages: a server that only claims to delete would keep the line up for ever.
            is_getting_on = has_more and len(tally.taken) > before
            if ended.fate is not CollectFate.DONE or not is_getting_on or self._is_stopped:
                return ended


def _result(box: Box, ended: Ended, tally: Tally) -> Collected:
    fate = ended.fate
    if fate is CollectFate.DONE and not (tally.messages or tally.held or tally.left or tally.skipped):
        fate = CollectFate.NOTHING
    words = [ended.words] if ended.words else []
    if tally.skipped:
        words.append(f"{len(tally.skipped)} listed in no usable form: {tally.skipped[0]}")
    advice = ended.advice or (_SHARED_ADVICE if tally.gone else "")
    return Collected(
        box.way, box.name, fate, "; ".join(words), advice, tally.messages, tally.bytes, tally.held, tally.left
    )


def _no_address(found: AddressAnswer, host: str) -> str:
    why = getattr(found, "why", "")
    return f"the name {host} can't be looked up{f': {why}' if why else ''}"
