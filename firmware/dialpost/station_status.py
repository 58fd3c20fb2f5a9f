"""What `status` reports about a station, and what needs an operator. Part of the station's wiring."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from dialpost import __version__
from dialpost.core import logged_faults
from dialpost.core.advice import MAKE_ROOM
from dialpost.core.config.model import Config
from dialpost.core.control.station import Status
from dialpost.core.line.call import notes as call_notes
from dialpost.core.mail.places import place_words
from dialpost.core.mail.queue.records import QueueCounts
from dialpost.core.mail.session import Listener
from dialpost.edge.mail.spool import Spool
from dialpost.edge.system.card import state as card_state
from dialpost.edge.system.card.meter import CardMeter
from dialpost.edge.system.card.spare_room import SpareRoom
from dialpost.edge.system.clock import Clock
from dialpost.edge.system.log.tail import LogTail
from dialpost.flow.line.call.budget import Budget
from dialpost.flow.line.call.machine import CallManager
from dialpost.flow.line.dedicated_line import DedicatedLine
from dialpost.flow.mail.accounts import AccountService
from dialpost.flow.mail.outgoing.host_troubles import HostTroubles
from dialpost.flow.system.update_news import UpdateNews

_WRITTEN_FOLDERS = ("spool", "mail")


@dataclass(frozen=True, slots=True, kw_only=True)
class StationStatus:
    """The parts of a station that have something to report, at one moment. `reports`: what was found at the start.

    `no_call` is why no call can be made, which the calls then need not report again.
    """

    config: Config
    clock: Clock
    started_s: float
    log: LogTail
    spool: Spool
    room: SpareRoom
    counted: QueueCounts
    accounts: AccountService
    calls: CallManager | DedicatedLine
    budget: Budget
    updates: UpdateNews
    troubles: HostTroubles
    doors: list[tuple[Listener, str, int]]
    reports: list[str]
    no_call: tuple[str, ...]
    card: CardMeter

    def facts(self) -> Status:
        """Who this is, for `status`."""
        return Status(
            mode="running",
            hostname=self.config.station.hostname,
            version=__version__,
            link=self.config.link.kind.value,
            uptime_s=round(self.clock.monotonic_s() - self.started_s),
            accounts=len(self.accounts.directory.accounts),
            free_bytes=self.spool.free_bytes(),
            budget=() if isinstance(self.calls, DedicatedLine) else tuple(self.budget.limits_in_words()),
            notes=tuple(logged_faults.notes(self.log.faults(self.started_s))),
            doors=tuple(f"{door.value} {place_words(host, port)}" for door, host, port in self.doors),
            card=self.card.use(),
            attention=(),
        )

    def _of_calls(self) -> list[str]:
        """What the calls have to report that `no_call` does not say already."""
        told = [one for one in self.calls.attention() if not any(why in one for why in self.no_call)]
        return [one for one in told if one != call_notes.MAIL_STUCK] if self.troubles.attention() else told

    def attention(self) -> list[str]:
        """What needs an operator, a sentence each."""
        found = (
            self.reports
            + self.updates.attention()
            + self._of_calls()
            + self.troubles.attention()
            + logged_faults.attention(self.log.faults(self.started_s))
        )
        data = Path(self.config.station.data_dir)
        card = card_state.trouble([data, *(data / name for name in _WRITTEN_FOLDERS)])
        if card:
            found.append(card)
        elif (
            self.config.smtp.disk_reserve_bytes and not self.spool.free_bytes()  # the reserve is already subtracted
        ) or self.room.is_used():
            found.append(f"The card is full: new mail is deferred. {MAKE_ROOM}")
        held, budget = self.counted.held, self.config.budget
        if held and budget.big_message_bytes and not budget.big_windows:
            found.append(f"Held until you release it: {held}. `dialpost queue list --held` shows it.")
        if not self.clock.is_trusted():
            found.append("The clock is wrong (it shows a time before this release). The next call sets it.")
        if not self.accounts.directory.accounts:
            found.append("There is no account yet: `dialpost account add NAME` adds one.")
        return found
