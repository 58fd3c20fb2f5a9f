"""Who has a mailbox here, and who owns an address.

`Directory` is an immutable snapshot of accounts and aliases; a change makes a new one. Names and local parts of our
own domains are compared without regard to case (RFC 5321 §2.4 leaves that to us).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache

from dialpost.core.address import Mailbox, parse_mailbox
from dialpost.core.config.model import Config
from dialpost.core.config.values import ACCOUNT_SIGNS, plain_name_hint
from dialpost.core.errors import AccountError, AddressError

POSTMASTER = "postmaster"  # RFC 5321 §4.5.1: always reachable
_TO_POSTMASTER = frozenset({POSTMASTER, "abuse", "mailer-daemon"})
"""Names that always work without being set up: for complaints (RFC 2142 §4), and for replies to our own bounces."""

_REMEMBERED = 256
_NAME = re.compile(r"[a-z0-9](?:[a-z0-9._-]{0,62}[a-z0-9])?\Z")


@dataclass(frozen=True, slots=True)
class Account:
    """One mailbox. `addresses` are those besides NAME@main domain; `quota_bytes` None = the default, 0 = none.

    A disabled account still gets mail; nobody can log in to it.
    """

    name: str
    addresses: tuple[str, ...] = ()
    password_hash: str = ""
    quota_bytes: int | None = None
    enabled: bool = True
    full_name: str = ""


@dataclass(frozen=True, slots=True)
class Alias:
    """An address that stands for others: accounts by name, or addresses anywhere."""

    address: str
    targets: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Local:
    """The address is ours: `accounts` get the mail here, `forwards` are the addresses in the world to which it is
    forwarded."""

    accounts: tuple[str, ...]
    forwards: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Unknown:
    """The domain is ours, but nobody here has that name."""


@dataclass(frozen=True, slots=True)
class NotLocal:
    """The address is not in one of our domains."""


Resolution = Local | Unknown | NotLocal


def folded(text: str) -> str:
    """For comparing: ignores case, and how accented letters are composed (RFC 6532 §3.1)."""
    return text.lower() if text.isascii() else unicodedata.normalize("NFC", text).lower()


def check_name(name: str) -> str:
    """An account's name in its normal form. Raises: AccountError."""
    normal = name.strip().lower()
    if not _NAME.match(normal) or ".." in normal:
        raise AccountError(
            f"{name!r} can't be an account's name: it has {ACCOUNT_SIGNS}{plain_name_hint(name)}. The user's "
            "full name may have any letters."
        )
    return normal


@dataclass(frozen=True)
class Directory:
    """All accounts and aliases with the domains they live in.

    `domains` are normalised, the first is the main one. `postmaster` is the account of the configuration, "" for
    the first account. `catch_all` maps a domain to an account's name. `hostname`, the station's own name, is not a
    mail domain, but its postmaster is ours.

    An account's name is its address in every domain but `separate_domains`, unless that very address is an alias,
    or another account's: a second domain that nobody set up addresses for must not bounce all its mail
    (decision 46).
    """

    accounts: Mapping[str, Account]
    aliases: Mapping[str, Alias]
    domains: tuple[str, ...]
    catch_all: Mapping[str, str] = field(default_factory=dict)
    postmaster: str = ""
    plus_separator: str = "+"
    hostname: str = ""
    separate_domains: tuple[str, ...] = ()

    @classmethod
    def from_config(
        cls, config: Config, accounts: Mapping[str, Account], aliases: Mapping[str, Alias]
    ) -> Directory:
        """These accounts in the station's domains."""
        station, delivery = config.station, config.delivery
        return cls(
            accounts,
            aliases,
            station.domains,
            delivery.catch_all,
            station.postmaster,
            delivery.plus_separator,
            station.hostname,
            delivery.separate_domains,
        )

    def __post_init__(self) -> None:
        own: dict[str, str] = {}
        for account in self.accounts.values():
            for address in (f"{account.name}@{self.domains[0]}", *account.addresses):
                own[folded(address)] = account.name
        object.__setattr__(self, "_own", own)

    _own: Mapping[str, str] = field(init=False, repr=False, compare=False, default_factory=dict)

    @property
    def postmaster_account(self) -> str:
        """Who gets mail to postmaster: the configured account, one of that name, the first that somebody can log in
        to, or a mailbox of that name.
        """
        if self.postmaster in self.accounts:
            return self.postmaster
        if POSTMASTER in self.accounts:
            return POSTMASTER
        usable = (account.name for account in self.accounts.values() if account.enabled)
        return next(usable, next(iter(self.accounts), POSTMASTER))

    def resolve(self, address: str) -> Resolution:
        """Who gets mail for `address`. A bare "postmaster" is ours, too (RFC 5321 §4.1.1.3)."""
        return self._remembered(address)

    @cached_property
    def _remembered(self) -> Callable[[str], Resolution]:
        """`_resolved`, which each message needs several times."""
        return lru_cache(_REMEMBERED)(self._resolved)

    def _resolved(self, address: str) -> Resolution:
        mailbox = self._parsed(address)
        if mailbox is None:
            return Unknown()
        if mailbox.domain not in self.domains:
            return NotLocal()
        accounts, forwards = self._expand(mailbox, set())
        if not accounts and not forwards:
            return Unknown()
        return Local(tuple(dict.fromkeys(accounts)), tuple(dict.fromkeys(forwards)))

    def owns(self, account: str, address: str) -> bool:
        """Whether this account may send as `address`: its own, with a +suffix, or an alias that reaches it."""
        mailbox = self._parsed(address)
        if mailbox is None or mailbox.domain not in self.domains:
            return False
        accounts, _ = self._expand(mailbox, set())
        return account in accounts and not self._only_catch_all(mailbox)

    def taken_by(self, address: str) -> str | None:
        """What already has this address: "account anna", "an alias", or None."""
        name = self._own.get(folded(address))
        if name is not None:
            return f"account {name}"
        return "an alias" if folded(address) in self.aliases else None

    def addresses_of(self, account: Account) -> tuple[str, ...]:
        """All the account's own addresses: those by its name first, of these the one in the main domain."""
        by_name = (f"{account.name}@{domain}" for domain in self.domains)
        own = (address for address in by_name if self._own_or_by_name(address) == account.name)
        return tuple(dict.fromkeys((*own, *account.addresses)))

    def account_of(self, login: str) -> Account | None:
        """The account of that name, or with that address."""
        wanted = folded(login.strip())
        return self.accounts.get(wanted) or self.accounts.get(self._own_or_by_name(wanted) or "")

    def domains_without_addresses(self) -> tuple[str, ...]:
        """The separate domains in which nobody but postmaster has an address: all other mail for them bounces."""
        used = {address.rpartition("@")[2] for address in (*self._own, *self.aliases)}
        return tuple(one for one in self.separate_domains if one not in used and one not in self.catch_all)

    def uses_in_configuration(self, name: str) -> list[str]:
        """The keys of the configuration file that name this account."""
        uses = [f"delivery.catch_all of {domain}" for domain, target in self.catch_all.items() if target == name]
        return [*uses, "station.postmaster"] if self.postmaster == name else uses

    def dead_targets(self) -> set[tuple[str, str]]:
        """Every alias with a target that no longer exists: (alias, target)."""
        return {
            (alias.address, target)
            for alias in self.aliases.values()
            for target in alias.targets
            if self._target(target, {alias.address}) == ([], [])
        }

    def _parsed(self, address: str) -> Mailbox | None:
        """The parsed address; short and alternative forms for the main domain are completed."""
        if address.lower() == POSTMASTER:
            return Mailbox(POSTMASTER, self.domains[0])
        try:
            mailbox = parse_mailbox(address)
        except AddressError:
            return None
        if mailbox.domain == self.hostname and self._bare(mailbox.local) in _TO_POSTMASTER:
            return Mailbox(self._bare(mailbox.local), self.domains[0])
        return mailbox

    def _expand(self, mailbox: Mailbox, seen: set[str]) -> tuple[list[str], list[str]]:
        """Accounts and outside addresses behind one of our addresses; ([], []) if nobody has it."""
        found = self._lookup(mailbox)
        if isinstance(found, str):
            return [found], []
        if found is None or found.address in seen:  # a loop of aliases: each is followed once
            return [], []
        seen.add(found.address)
        accounts: list[str] = []
        forwards: list[str] = []
        for target in found.targets:
            inner_accounts, inner_forwards = self._target(target, seen)
            accounts += inner_accounts
            forwards += inner_forwards
        return accounts, forwards

    def _target(self, target: str, seen: set[str]) -> tuple[list[str], list[str]]:
        if target in self.accounts:
            return [target], []
        try:
            mailbox = parse_mailbox(target)
        except AddressError:
            return [], []
        if mailbox.domain in self.domains:
            return self._expand(mailbox, seen)
        return [], [str(mailbox)]

    def _own_or_by_name(self, address: str) -> str | None:
        """Whose a folded address is, without aliases: one that was added, or an account's name in a domain."""
        if address in self._own:
            return self._own[address]
        name, _, domain = address.rpartition("@")
        holds = name in self.accounts and domain in self.domains and domain not in self.separate_domains
        return name if holds and address not in self.aliases else None

    def _lookup(self, mailbox: Mailbox) -> str | Alias | None:
        """An exact match, then without the +suffix, then postmaster and similar names, then the catch-all."""
        for local in self._forms(mailbox.local):
            address = f"{local}@{mailbox.domain}"
            if (name := self._own_or_by_name(address)) is not None:
                return name
            if address in self.aliases:
                return self.aliases[address]
        if self._bare(mailbox.local) in _TO_POSTMASTER:
            main = f"{POSTMASTER}@{self.domains[0]}"
            return self._own.get(main) or self.aliases.get(main) or self.postmaster_account
        target = self.catch_all.get(mailbox.domain)
        return target if target in self.accounts else None

    def _only_catch_all(self, mailbox: Mailbox) -> bool:
        known = [f"{local}@{mailbox.domain}" for local in self._forms(mailbox.local)]
        is_known = any(self._own_or_by_name(one) is not None or one in self.aliases for one in known)
        return not is_known and self._bare(mailbox.local) not in _TO_POSTMASTER

    def _forms(self, local: str) -> Sequence[str]:
        return tuple(dict.fromkeys((folded(_unquoted(local)), folded(local), self._bare(local))))

    def _bare(self, local: str) -> str:
        plain = folded(_unquoted(local))
        if not self.plus_separator:
            return plain
        return plain[:1] + plain[1:].partition(self.plus_separator)[0]


def _unquoted(local: str) -> str:
    if local.startswith('"') and local.endswith('"'):
        return re.sub(r"\\(.)", r"\1", local[1:-1])
    return local
