"""What makes a valid account or alias: addresses of ours that are free, targets that exist, quotas, full names."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from dialpost.core.address import parse_mailbox
from dialpost.core.control.accounts import MOST_QUOTA_BYTES
from dialpost.core.errors import AccountError, AddressError
from dialpost.core.mail.accounts import Directory, folded
from dialpost.core.printable import printable

LEAST_QUOTA_BYTES = 10_000
"""Less would not hold a single letter: somebody typed 500 and meant 500M. The maximum is more than any card
holds."""
_LONGEST_NAME = 200


@dataclass(frozen=True, slots=True)
class AddressRules:
    """The rules at one moment: `domains` are the station's, the main one first."""

    domains: tuple[str, ...]
    directory: Directory

    def own_address(self, name: str) -> str:
        """The address that every account has by its name."""
        return f"{name}@{self.domains[0]}"

    def own(self, address: str) -> str:
        """One of our addresses in its normal form; a name without @ is in the main domain. Raises: AccountError."""
        if "@" not in address:
            address = self.own_address(address)
        try:
            mailbox = parse_mailbox(address)
        except AddressError as error:
            raise AccountError(str(error)) from None
        if mailbox.domain not in self.domains:
            ours = ", ".join(self.domains)
            raise AccountError(f"{address} is not in a domain of this station ({ours}).")
        if mailbox.local == "*":
            raise AccountError(
                f"{address} would be that one address, not a pattern. "
                "The setting delivery.catch_all names the account for all other addresses of a domain."
            )
        return folded(str(mailbox))

    def further(self, name: str, addresses: Iterable[str]) -> tuple[str, ...]:
        """Each once, without the one that every account has by its name."""
        return tuple(dict.fromkeys(address for address in addresses if address != self.own_address(name)))

    def address(self, address: str, name: str) -> str:
        """A further address of the account, in its normal form. Raises: AccountError."""
        normal = self.own(address)
        self.must_be_free(normal, name)
        return normal

    def must_be_free(self, address: str, name: str | None) -> None:
        """Refuse an address that belongs to somebody other than the account. Raises: AccountError."""
        taken = self.directory.taken_by(address)
        if taken is not None and taken != f"account {name}":
            raise AccountError(f"{address} already belongs to {taken}.")

    def target(self, target: str) -> str:
        """Where an alias may go: an account here, or an address anywhere. Raises: AccountError."""
        if target.lower() in self.directory.accounts:
            return target.lower()
        if "@" not in target:
            raise AccountError(f"{target!r} is neither an account nor an address.")
        try:
            mailbox = parse_mailbox(target)
        except AddressError as error:
            raise AccountError(str(error)) from None
        # A local part of ours is kept case-folded, so that equal targets are equal texts.
        return folded(str(mailbox)) if mailbox.domain in self.domains else str(mailbox)

    def targets(self, address: str, targets: Iterable[str]) -> tuple[str, ...]:
        """All targets of an alias, each once. Raises: AccountError."""
        checked = tuple(dict.fromkeys(self.target(target) for target in targets))
        if not checked:
            raise AccountError("An alias needs at least one target: an account's name or an address.")
        if address in checked:
            raise AccountError(f"{address} can't be an alias of itself.")
        return checked


def checked_quota(value: int | None) -> int | None:
    """A quota in bytes, None = the usual one. Raises: AccountError."""
    if value and not LEAST_QUOTA_BYTES <= value <= MOST_QUOTA_BYTES:
        raise AccountError(
            f"A quota of {value} bytes is not possible: it is 10 kB to 1 TB, like 500M or 2G; none = no limit."
        )
    return value


def checked_full_name(text: str) -> str:
    """On one line, without spaces around it. Raises: AccountError."""
    name = text.strip()
    if len(name) > _LONGEST_NAME or printable(name) != name:
        raise AccountError(f"A full name has at most {_LONGEST_NAME} characters, none of them a control character.")
    return name
