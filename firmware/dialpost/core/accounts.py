"""Who has a mailbox here, and whose an address is.

`Directory` is one immutable picture of accounts and aliases; a change makes a new one. Names and local parts of
our own domains are compared without regard to case (RFC 5321 §2.4 leaves that to us).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from dialpost.core.address import Mailbox, parse_mailbox
from dialpost.core.errors import AccountError, AddressError

POSTMASTER = "postmaster"  # RFC 5321 §4.5.1: always reachable
_NAME = re.compile(r"[a-z0-9](?:[a-z0-9._-]{0,62}[a-z0-9])?\Z")


@dataclass(frozen=True, slots=True)
class Account:
    """One mailbox. `addresses` are those beside NAME@main domain; `quota_bytes` None = the default, 0 = none."""

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
    """The address is ours: `accounts` get it here, `forwards` are addresses in the world it goes on to."""

    accounts: tuple[str, ...]
    forwards: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Unknown:
    """The domain is ours, the name is nobody's."""


@dataclass(frozen=True, slots=True)
class NotLocal:
    """The address belongs to the world."""


Resolution = Local | Unknown | NotLocal


def check_name(name: str) -> str:
    """An account's name in its normal form. Raises: AccountError."""
    normal = name.strip().lower()
    if not _NAME.match(normal) or ".." in normal:
        raise AccountError(
            f"{name!r} can't be an account's name: use letters, digits, dots, hyphens and underscores "
            "(at most 64, a letter or digit first and last)."
        )
    return normal


@dataclass(frozen=True)
class Directory:
    """All accounts and aliases with the domains they live in.

    `domains` are normalised, the first is the main one. `postmaster` is the account of the configuration, "" for
    the first account. `catch_all` maps a domain to an account's name.
    """

    accounts: Mapping[str, Account]
    aliases: Mapping[str, Alias]
    domains: tuple[str, ...]
    catch_all: Mapping[str, str] = field(default_factory=dict)
    postmaster: str = ""
    plus_separator: str = "+"

    def __post_init__(self) -> None:
        own: dict[str, str] = {}
        for account in self.accounts.values():
            own[f"{account.name}@{self.domains[0]}"] = account.name
            for address in account.addresses:
                own[address.lower()] = account.name
        object.__setattr__(self, "_own", own)

    _own: Mapping[str, str] = field(init=False, repr=False, compare=False, default_factory=dict)

    @property
    def postmaster_account(self) -> str:
        """Who gets what is sent to postmaster: the configured account, the first one, or a mailbox of that name."""
        if self.postmaster in self.accounts:
            return self.postmaster
        return next(iter(self.accounts), POSTMASTER)

    def resolve(self, address: str) -> Resolution:
        """Whose mail for `address` is. A bare "postmaster" is ours too (RFC 5321 §4.1.1.3)."""
        if address.lower() == POSTMASTER:
            return Local((self.postmaster_account,))
        try:
            mailbox = parse_mailbox(address)
        except AddressError:
            return Unknown()
        if mailbox.domain not in self.domains:
            return NotLocal()
        accounts, forwards = self._expand(mailbox, set())
        return (
            Local(tuple(dict.fromkeys(accounts)), tuple(dict.fromkeys(forwards)))
            if (accounts or forwards)
            else Unknown()
        )

    def owns(self, account: str, address: str) -> bool:
        """Whether this account may send as `address`: its own, with a +suffix, or an alias that reaches it."""
        try:
            mailbox = parse_mailbox(address)
        except AddressError:
            return False
        if mailbox.domain not in self.domains:
            return False
        accounts, _ = self._expand(mailbox, set())
        return account in accounts and not self._only_catch_all(mailbox)

    def taken_by(self, address: str) -> str | None:
        """What already has this address: "account anna", "alias", or None."""
        name = self._own.get(address.lower())
        if name is not None:
            return f"account {name}"
        return "an alias" if address.lower() in self.aliases else None

    def uses_of(self, name: str) -> list[str]:
        """What would lose its target without this account, in words."""
        uses = [f"alias {alias.address}" for alias in self.aliases.values() if name in alias.targets]
        uses += [f"the catch-all of {domain}" for domain, target in self.catch_all.items() if target == name]
        return [*uses, "station.postmaster in the configuration"] if self.postmaster == name else uses

    def _expand(self, mailbox: Mailbox, seen: set[str]) -> tuple[list[str], list[str]]:
        """Accounts and outside addresses behind one of our addresses; ([], []) if it is nobody's."""
        found = self._lookup(mailbox)
        if isinstance(found, str):
            return [found], []
        if found is None or found.address in seen:  # a ring of aliases: each is followed once
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

    def _lookup(self, mailbox: Mailbox) -> str | Alias | None:
        """Exact, then without the +suffix, then postmaster, then the catch-all."""
        for local in self._forms(mailbox.local):
            address = f"{local}@{mailbox.domain}"
            if address in self._own:
                return self._own[address]
            if address in self.aliases:
                return self.aliases[address]
        if self._bare(mailbox.local) == POSTMASTER:
            return self.postmaster_account
        target = self.catch_all.get(mailbox.domain)
        return target if target in self.accounts else None

    def _only_catch_all(self, mailbox: Mailbox) -> bool:
        known = [f"{local}@{mailbox.domain}" for local in self._forms(mailbox.local)]
        is_known = any(address in self._own or address in self.aliases for address in known)
        return not is_known and self._bare(mailbox.local) != POSTMASTER

    def _forms(self, local: str) -> Sequence[str]:
        whole, bare = _unquoted(local).lower(), self._bare(local)
        return (whole,) if whole == bare else (whole, bare)

    def _bare(self, local: str) -> str:
        plain = _unquoted(local).lower()
        if not self.plus_separator or self.plus_separator not in plain[1:]:
            return plain
        return plain[0] + plain[1:].split(self.plus_separator, 1)[0]


def _unquoted(local: str) -> str:
    if local.startswith('"') and local.endswith('"'):
        return re.sub(r"\\(.)", r"\1", local[1:-1])
    return local
