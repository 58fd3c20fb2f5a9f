"""What a station finds on its card before anything runs: room, accounts, certificate; and what it reports as lost.

Part of the station's wiring. If possible, missing or damaged files keep no mail from coming in.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

from dialpost.core.advice import RESTART
from dialpost.core.config.model import Config
from dialpost.core.errors import CertificateError, DamagedError, ReadOnlyError, StorageError, StorageFullError
from dialpost.core.mail.places import wanted_doors
from dialpost.edge.mail import certificate
from dialpost.edge.mail.account_file import AccountFile
from dialpost.edge.mail.dovecot_users import DovecotUsers
from dialpost.edge.mail.listeners import Doors, ListenError
from dialpost.edge.mail.maildir import Maildirs
from dialpost.edge.mail.spool import Spool
from dialpost.edge.mail.store import Store, rehearsal
from dialpost.edge.system.card.spare_room import SpareRoom
from dialpost.flow import maillog
from dialpost.flow.mail.accounts import AccountService

_log = logging.getLogger("dialpost.station")
_T = TypeVar("_T")

ROOM_EVERY_S = 60.0
"""How often the reserved room on the card is checked."""


class Opening:
    """One start. `reports` gets a sentence for each thing that an operator should know."""

    def __init__(self, config: Config, room: SpareRoom, mailboxes: Maildirs, reports: list[str]) -> None:
        self._config, self._room, self._mailboxes, self._reports = config, room, mailboxes, reports
        self._data = Path(config.station.data_dir)

    async def with_room(self, work: Callable[[], Awaitable[_T]]) -> _T:
        """If the card is full, try again with the room reserved for that."""
        while True:
            try:
                return await work()
            except StorageFullError as error:
                maillog.operator_needed("card: full, so the reserve is in use", error=error)
                if not await asyncio.to_thread(self._room.give):
                    raise

    async def queue(self, spool: Spool) -> Store:
        """The queue's database and the spool's log, made to agree. Raises: StorageError."""
        store = await self.with_room(
            lambda: Store.open(
                self._data / "queue.db",
                bodies=spool.ids,
                ids_elsewhere=self._mailboxes.ids,
                make_room=self._room.give,
                log=spool.log,
            )
        )
        self._reports += (*spool.log.report, *store.opening_report)
        return store

    async def accounts(self) -> AccountService:
        """The accounts on the card; if the card lost them, what is left. Raises: StorageError."""
        file = AccountFile(self._data / "accounts.toml")
        why_lost = ""
        try:
            accounts = self._service(file)
        except DamagedError as error:
            why_lost = f"{error} It is kept as {file.put_aside()}."
            accounts = self._service(file)
        await self._bring_up_to_date(accounts, file, why_lost)
        return accounts

    def _service(self, file: AccountFile) -> AccountService:
        logins = DovecotUsers(self._data / "dovecot-users", self._data / "mail")
        return AccountService(self._config, file, logins, self._mailboxes, self._room.check)

    async def _bring_up_to_date(self, accounts: AccountService, file: AccountFile, why_lost: str) -> None:
        """Update what depends on the accounts, unless the card lost them; report what was done."""
        if file.report:
            self._reports.append(
                f"{file.report} Check whether somebody is missing; until an account is added or changed, "
                "mail to unknown names is deferred, not refused."
            )
            maillog.operator_needed("accounts: taken from an older copy", report=file.report)
            accounts.is_restored = True
        elif (lost := self._mailboxes_of_lost(accounts, file)) or why_lost:
            why_lost = why_lost or f"{file.path} is missing."
            self._reports.append(
                f"{why_lost} There are mailboxes of: {', '.join(lost) or 'nobody'}. Add the accounts again with "
                f"`dialpost account add NAME` (each finds its mailbox), then {RESTART}. Until "
                "then mail to unknown names is deferred, not refused, and mail programs log in as before."
            )
            maillog.operator_needed("accounts: the file is missing", mailboxes=len(lost))
            accounts.is_restored = True
            return  # Dovecot's user file is all that is left of the accounts
        try:
            await self.with_room(lambda: asyncio.to_thread(accounts.start))
        except StorageError as error:  # mail is accepted nevertheless
            self._reports.append(f"Mail programs may still see the old accounts: {error}")
            maillog.operator_needed("accounts: not everything is up to date", error=error)

    def _mailboxes_of_lost(self, accounts: AccountService, file: AccountFile) -> list[str]:
        """Whose mailboxes exist although there is no account file: a missing file is not an empty one."""
        if file.path.exists():
            return []
        postmaster = accounts.directory.postmaster_account  # has a mailbox without being in the file
        return [name for name in self._mailboxes.names() if name != postmaster]

    async def own_tls(self) -> ssl.SSLContext | None:
        """What listeners need for TLS; None if the certificate can't be used: mail between hosts continues, mail
        programs have to wait for the operator.
        """
        try:
            pair = await asyncio.to_thread(certificate.station_pair, self._config)
            if pair.note:
                _log.info("tls: %s", pair.note)
            return certificate.server_context(pair)
        except CertificateError as error:
            maillog.operator_needed("tls: no certificate, so no login and no TLS", error=error)
            self._reports.append(f"Mail programs can't log in: {error}")
            return None


async def keep_room(room: SpareRoom) -> None:
    """Restores the reserved room once the card has plenty. Runs until cancelled."""
    while True:
        await asyncio.to_thread(room.keep)
        await asyncio.sleep(ROOM_EVERY_S)


def held_on_trial(config: Config) -> list[str] | None:
    """What would prevent the queue's new format; None if its format does not change."""
    queue = Path(config.station.data_dir) / "queue.db"
    if not rehearsal.format_waits(queue):
        return None
    problem = rehearsal.rehearse(queue)
    return [problem] if problem else []


async def is_the_cards_fault(error: Exception, config: Config) -> bool:
    """Whether a station could not start because the card can't be written, whatever the configuration says."""
    if isinstance(error, StorageFullError | ReadOnlyError):
        return True
    if not isinstance(error, StorageError):
        return False
    try:
        await asyncio.to_thread(SpareRoom(Path(config.station.data_dir)).check)
    except (StorageFullError, ReadOnlyError):
        return True
    except StorageError:
        return False  # an unusable folder: perhaps another configuration names a better one
    return False


async def why_not(config: Config, doors: Doors, running: Config | None) -> tuple[str, ...]:
    """Why a station would not start with this configuration, tried while the one of `running` runs."""
    problems = []
    try:
        doors.rehearse(wanted_doors(config))
        await asyncio.to_thread(SpareRoom(Path(config.station.data_dir)).check)
    except (ListenError, StorageError) as error:
        problems.append(str(error))
    if config.tls.certificate and (running is None or config.tls != running.tls):
        try:
            certificate.server_context(await asyncio.to_thread(certificate.station_pair, config))
        except CertificateError as error:
            problems.append(str(error))
    return tuple(problems)
