"""Changing accounts: effective at once, durable before the answer, all or nothing.

The running daemon holds one `AccountService`; a command without a daemon makes its own on the same file. Key
derivation runs in a thread: it is slow on purpose.
"""

from __future__ import annotations

import asyncio
import hmac
import secrets
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Protocol, TypeVar

from dialpost.core.amounts import count_words
from dialpost.core.config.model import Config
from dialpost.core.control.accounts import MailFate
from dialpost.core.errors import AccountError, NotFoundError, StorageError
from dialpost.core.mail.account_rules import AddressRules, checked_full_name, checked_quota
from dialpost.core.mail.accounts import Account, Alias, Directory, check_name, folded
from dialpost.core.password import SALT_BYTES, check_strength, hash_password, verify_password

_T = TypeVar("_T")


class AccountStore(Protocol):
    """Where accounts are kept (edge/mail/account_file)."""

    def load(self) -> tuple[dict[str, Account], dict[str, Alias]]:
        """All of them."""

    def save(self, accounts: Mapping[str, Account], aliases: Mapping[str, Alias]) -> None:
        """Durable when it returns."""

    def locked(self) -> AbstractContextManager[None]:
        """Lock it against other processes."""


class LoginFile(Protocol):
    """The same accounts for the IMAP server (edge/mail/dovecot_users)."""

    def write(self, directory: Directory, default_quota_bytes: int) -> None:
        """Make it list exactly these accounts."""


class Mailboxes(Protocol):
    """The accounts' mail (edge/mail/maildir)."""

    def create(self, account: str) -> None:
        """Make an empty mailbox; an existing one is left as it is."""

    def contents(self, account: str) -> tuple[int, int]:
        """Messages and bytes in it; (0, 0) if it does not exist."""

    def archive(self, account: str) -> str:
        """Move the whole mailbox out of the way; returns its new place."""

    def purge(self, account: str) -> None:
        """Delete it."""


class AccountService:
    """Accounts and aliases of the station."""

    def __init__(
        self,
        config: Config,
        store: AccountStore,
        logins: LoginFile,
        mailboxes: Mailboxes,
        check_room: Callable[[], None] = lambda: None,
    ) -> None:
        self._config = config
        self._store = store
        self._logins = logins
        self._mailboxes = mailboxes
        self._check_room = check_room
        self._change = asyncio.Lock()
        self._verified: dict[str, tuple[str, bytes]] = {}
        self._session_key = secrets.token_bytes(32)
        self.directory = self._make(*store.load())
        self.is_restored = False
        """The accounts come from an older copy: somebody may be missing, so no recipient is refused permanently."""

    def start(self) -> None:
        """Bring everything that depends on the accounts up to date: mailboxes, the IMAP server's file."""
        for name in self.directory.accounts:
            self._mailboxes.create(name)
        self._mailboxes.create(self.directory.postmaster_account)
        self._write_logins(self.directory)

    async def verify(self, name: str, password: str) -> Account | None:
        """The account, if the password is right. `name` may be one of its addresses. An unknown name takes
        equally long. A password that was verified before is recognised without the slow derivation (phones log
        in for every message); only a keyed digest of it is kept, and only in memory.
        """
        account = self.directory.account_of(name)
        hashed = account.password_hash if account else _NOBODY
        digest = self._digest(password)
        # The hash is part of the entry, so a changed password is never recognised by the old one's digest.
        if account and self._verified.get(account.name) == (hashed, digest):
            return account if account.enabled else None
        right = await asyncio.to_thread(verify_password, password, hashed)
        if not right or account is None:
            return None
        self._verified[account.name] = (hashed, digest)
        return account if account.enabled else None

    async def add(
        self,
        name: str,
        password: str,
        *,
        addresses: Iterable[str] = (),
        full_name: str = "",
        quota_bytes: int | None = None,
    ) -> Account:
        """Create an account. Raises: AccountError."""
        name = check_name(name)
        check_strength(password)
        hashed = await self._hash(password)

        def change(accounts: dict[str, Account], aliases: dict[str, Alias]) -> Account:
            if name in accounts:
                raise AccountError(f"There is already an account {name}.")
            self._rules.must_be_free(self.own_address(name), name)
            checked = self._rules.further(name, (self._rules.address(address, name) for address in addresses))
            account = Account(name, checked, hashed, checked_quota(quota_bytes), True, checked_full_name(full_name))
            accounts[name] = account
            return account

        return await self._apply(change, mailbox=name)

    async def set_password(self, name: str, password: str) -> Account:
        """Change an account's password. Raises: AccountError, NotFoundError."""
        check_strength(password)
        hashed = await self._hash(password)
        return await self._edit(name, lambda account: replace(account, password_hash=hashed))

    async def edit(
        self,
        name: str,
        *,
        add_addresses: Iterable[str] = (),
        remove_addresses: Iterable[str] = (),
        full_name: str | None = None,
        quota_bytes: int | None = None,
        default_quota: bool = False,
        enabled: bool | None = None,
    ) -> Account:
        """Change what is given, leave the rest. Raises: AccountError, NotFoundError."""

        def changed(account: Account) -> Account:
            gone = {self._rules.own(address) for address in remove_addresses}
            for address in self.directory.addresses_of(account):
                if address in gone and address not in account.addresses:
                    raise AccountError(f"{address} belongs to the account's name and can't be removed.")
            missing = sorted(gone - set(account.addresses))
            if missing:
                raise AccountError(f"{account.name} does not have the address {', '.join(missing)}.")
            kept = [address for address in account.addresses if address not in gone]
            kept += [self._rules.address(address, account.name) for address in add_addresses]
            own = account.quota_bytes if quota_bytes is None else checked_quota(quota_bytes)
            quota = None if default_quota else own
            return replace(
                account,
                addresses=self._rules.further(account.name, kept),
                full_name=account.full_name if full_name is None else checked_full_name(full_name),
                quota_bytes=quota,
                enabled=account.enabled if enabled is None else enabled,
            )

        return await self._edit(name, changed)

    async def delete(self, name: str, fate: MailFate | None) -> str:
        """Delete an account; returns what happened, in words.

        Without a `fate` nothing is deleted: the refusal says what the mailbox holds and what the choices are.
        """
        account = self._get(name)
        count, size = await asyncio.to_thread(self._mailboxes.contents, account.name)
        holds = f"The mailbox of {account.name} holds {count_words(count, 'message')} ({size} bytes)."
        if fate is None:
            raise AccountError(
                f"{holds} Nothing was deleted. Say what to do with them: --keep-mail, --archive or --purge."
            )
        uses = self.directory.uses_in_configuration(account.name)
        if uses:
            raise AccountError(
                f"The configuration needs {account.name} for {' and '.join(uses)}. Change it there "
                "first (`dialpost config set`). Nothing was deleted."
            )

        def change(accounts: dict[str, Account], aliases: dict[str, Alias]) -> None:
            del accounts[account.name]

        # Deleting has to work on a full card. The account goes before its mail: if the second step fails, mail
        # without an account is left, never an account that has lost its mail.
        await self._apply(change, wants_room=False)
        self._verified.pop(account.name, None)
        return await self._settle_mail(account.name, count, fate)

    async def _settle_mail(self, name: str, count: int, fate: MailFate) -> str:
        """Archive, purge or keep the mail of a deleted account; returns what happened, in words."""
        done, mailbox = f"Account {name} deleted.", f"Its mailbox ({count_words(count, 'message')})"
        try:
            if fate is MailFate.ARCHIVE:
                return f"{done} {mailbox} is now in {await asyncio.to_thread(self._mailboxes.archive, name)}."
            if fate is MailFate.PURGE:
                await asyncio.to_thread(self._mailboxes.purge, name)
                return f"{done} {mailbox} was deleted too."
        except NotFoundError:
            return f"{done} It had no mailbox."
        except StorageError as error:
            raise StorageError(f"{done} {mailbox} is still where it was: {error}") from error
        return f"{done} {mailbox} stays: a new account {name} will find it."

    async def add_alias(self, address: str, targets: Iterable[str], *, replaces: bool = False) -> Alias:
        """Create an alias; an existing one with other targets is replaced only on request. Raises: AccountError."""
        address = self._rules.own(address)
        checked = self._rules.targets(address, targets)

        def change(accounts: dict[str, Account], aliases: dict[str, Alias]) -> Alias:
            before = aliases.get(address)
            if before is None:
                self._rules.must_be_free(address, None)
            elif not replaces and set(before.targets) != set(checked):
                raise AccountError(
                    f"There is already an alias {address}; it goes to {', '.join(before.targets)}. "
                    f"Nothing was changed. To add to it: dialpost alias edit {address} "
                    f"--add {' --add '.join(checked)}. To replace its targets: dialpost alias add --replace "
                    f"{address} {' '.join(checked)}"
                )
            aliases[address] = Alias(address, checked)
            return aliases[address]

        return await self._apply(change)

    async def edit_alias(self, address: str, *, add: Iterable[str] = (), remove: Iterable[str] = ()) -> Alias:
        """Add targets to an alias and remove others. Raises: AccountError, NotFoundError."""
        address = self._rules.own(address)
        more = tuple(self._rules.target(target) for target in add)
        # A target to remove may no longer exist, so it is compared as `alias list` shows it, not resolved.
        less = {folded(target) for target in remove}

        def change(accounts: dict[str, Account], aliases: dict[str, Alias]) -> Alias:
            before = self._alias_in(aliases, address)
            missing = sorted(less - {folded(target) for target in before.targets})
            if missing:
                raise AccountError(f"{address} does not go to {', '.join(missing)}; see: dialpost alias list")
            kept = [target for target in before.targets if folded(target) not in less]
            if not (kept or more):
                raise AccountError(
                    f"That would leave {address} without a target. To delete it: dialpost alias delete {address}"
                )
            aliases[address] = Alias(address, self._rules.targets(address, (*kept, *more)))
            return aliases[address]

        return await self._apply(change)

    @staticmethod
    def _alias_in(aliases: Mapping[str, Alias], address: str) -> Alias:
        if address not in aliases:
            known = ", ".join(aliases) or "none yet"
            raise NotFoundError(f"There is no alias {address}. Aliases: {known}.")
        return aliases[address]

    async def delete_alias(self, address: str) -> Alias:
        """Delete an alias; returns what it was. Raises: NotFoundError."""

        wanted = self._rules.own(address)

        def change(accounts: dict[str, Account], aliases: dict[str, Alias]) -> Alias:
            self._alias_in(aliases, wanted)
            return aliases.pop(wanted)

        return await self._apply(change)

    def usage(self, name: str) -> tuple[int, int]:
        """Messages and bytes in an account's mailbox."""
        return self._mailboxes.contents(name)

    def quota_of(self, name: str) -> int:
        """The account's quota in bytes, 0 = none."""
        account = self.directory.accounts.get(name)
        own = account.quota_bytes if account else None
        return self._config.delivery.default_quota_bytes if own is None else own

    async def _edit(self, name: str, changed: Callable[[Account], Account]) -> Account:
        def change(accounts: dict[str, Account], aliases: dict[str, Alias]) -> Account:
            account = self._get(name)
            accounts[account.name] = changed(account)
            return accounts[account.name]

        return await self._apply(change)

    async def _apply(
        self,
        change: Callable[[dict[str, Account], dict[str, Alias]], _T],
        *,
        mailbox: str = "",
        wants_room: bool = True,
    ) -> _T:
        """Make a change and the mailbox it needs; save it, and only then let it take effect.

        If it raises, nothing has changed, unless the card also refuses the rollback; the error says so then.
        """
        async with self._change:
            accounts, aliases = dict(self.directory.accounts), dict(self.directory.aliases)
            result = change(accounts, aliases)
            changed = self._make(accounts, aliases)
            self._check_targets(changed)
            if wants_room:
                await asyncio.to_thread(self._check_room)
            # The account file first: it is the truth, and every start renders Dovecot's file from it.
            await asyncio.to_thread(self._save, accounts, aliases)
            try:
                if mailbox:
                    await asyncio.to_thread(self._mailboxes.create, mailbox)
                await asyncio.to_thread(self._write_logins, changed)
            except StorageError as error:
                await self._take_back(error, changed)
                raise
            self.directory = changed
            return result

    async def _take_back(self, why: StorageError, changed: Directory) -> None:
        """Roll back a change that is saved but can't take effect everywhere. Raises: StorageError if it stays."""
        try:
            await asyncio.to_thread(self._save, self.directory.accounts, self.directory.aliases)
            await asyncio.to_thread(self._write_logins, self.directory)
        except StorageError as error:
            self.directory = changed
            raise StorageError(
                f"{why} It is in effect all the same, because it could not be rolled back: {error}"
            ) from error

    def _check_targets(self, changed: Directory) -> None:
        """Refuse a change that would leave an alias pointing nowhere."""
        # An alias that was dead before must not block unrelated changes.
        dead = sorted(changed.dead_targets() - self.directory.dead_targets())
        if dead:
            alias, target = dead[0]
            raise AccountError(
                f"The alias {alias} goes to {target}, which would then reach nobody. Change the alias first."
            )

    def _write_logins(self, directory: Directory) -> None:
        self._logins.write(directory, self._config.delivery.default_quota_bytes)

    def _save(self, accounts: Mapping[str, Account], aliases: Mapping[str, Alias]) -> None:
        with self._store.locked():
            self._store.save(accounts, aliases)

    def _make(self, accounts: dict[str, Account], aliases: dict[str, Alias]) -> Directory:
        return Directory.from_config(self._config, accounts, aliases)

    def _get(self, name: str) -> Account:
        account = self.directory.account_of(name)
        if account is None:
            known = ", ".join(self.directory.accounts) or "none yet"
            raise NotFoundError(f"There is no account {name!r}. Accounts: {known}.")
        return account

    def own_address(self, name: str) -> str:
        """The address every account has by its name."""
        return self._rules.own_address(name)

    @property
    def _rules(self) -> AddressRules:
        """The rules for addresses, given the accounts there are now."""
        return AddressRules(self._config.station.domains, self.directory)

    async def _hash(self, password: str) -> str:
        return await asyncio.to_thread(hash_password, password, secrets.token_bytes(SALT_BYTES))

    def _digest(self, password: str) -> bytes:
        return hmac.digest(self._session_key, password.encode("utf-8", "surrogatepass"), "sha256")


_NOBODY = "{SCRAM-SHA-256}20000,bm9ib2R5J3Mgc2FsdC4uLg==,AAAA,AAAA"
"""Checked if the name does not exist, so that the time taken does not reveal which names do."""
