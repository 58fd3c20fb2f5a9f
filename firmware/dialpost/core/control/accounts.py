"""The methods about mailboxes and aliases. A password can be set but never read back."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Annotated

from dialpost.core.config.setting import Setting
from dialpost.core.control.declared import Method, NoParams

MOST_QUOTA_BYTES = 1_099_511_627_776


class MailFate(Enum):
    """What happens to the mail of a deleted account."""

    KEEP = "keep"  # stays where it is: a later account of that name finds it
    ARCHIVE = "archive"
    PURGE = "purge"


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """One account."""

    name: Annotated[str, "Its name, with which the user logs in."]
    full_name: Annotated[str, "The user's full name."]
    addresses: Annotated[tuple[str, ...], "Its addresses, the primary one first."]
    enabled: Annotated[bool, "Whether the user can log in."]
    quota_bytes: Annotated[int, "Mailbox limit; 0: no limit."]
    messages: Annotated[int, "Number of messages in its mailbox."]
    bytes: Annotated[int, "Their size."]
    is_postmaster: Annotated[bool, "Whether it receives mail for postmaster."]


@dataclass(frozen=True, slots=True, kw_only=True)
class Alias:
    """One alias."""

    address: Annotated[str, "Its address."]
    targets: Annotated[tuple[str, ...], "The accounts and addresses its mail goes to."]


@dataclass(frozen=True, slots=True, kw_only=True)
class Deleted:
    """What happened to an account's mail."""

    words: Annotated[str, "The result, in words."]


@dataclass(frozen=True, slots=True, kw_only=True)
class AddParams:
    """Of `account.add`."""

    name: Annotated[str, Setting("Its name; NAME@MAIN-DOMAIN becomes its first address.")]
    password: Annotated[str, Setting("Its password.", secret=True)]
    addresses: Annotated[tuple[str, ...], Setting("Its other addresses.")] = ()
    full_name: Annotated[str, Setting("The user's full name.")] = ""
    quota_bytes: Annotated[
        int | None,
        Setting(
            "Mailbox limit; 0: no limit; by default the station's.",
            unit="bytes",
            minimum=0,
            maximum=MOST_QUOTA_BYTES,
        ),
    ] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PasswordParams:
    """Of `account.passwd`."""

    name: Annotated[str, Setting("The account.")]
    password: Annotated[str, Setting("Its new password.", secret=True)]


@dataclass(frozen=True, slots=True, kw_only=True)
class EditParams:
    """Of `account.edit`."""

    name: Annotated[str, Setting("The account.")]
    add_addresses: Annotated[tuple[str, ...], Setting("Addresses to add.")] = ()
    remove_addresses: Annotated[tuple[str, ...], Setting("Addresses to remove.")] = ()
    full_name: Annotated[str | None, Setting("The user's full name.")] = None
    quota_bytes: Annotated[
        int | None,
        Setting("Mailbox limit; 0: no limit.", unit="bytes", minimum=0, maximum=MOST_QUOTA_BYTES),
    ] = None
    default_quota: Annotated[bool, Setting("Give it the station's default quota.")] = False
    enabled: Annotated[bool | None, Setting("Whether the user can log in.")] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DeleteParams:
    """Of `account.delete`."""

    name: Annotated[str, Setting("The account.")]
    fate: Annotated[
        MailFate | None,
        Setting(
            "What to do with its mail; without it, nothing is deleted, and the answer says what the mailbox holds."
        ),
    ] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AliasAddParams:
    """Of `alias.add`."""

    address: Annotated[str, Setting("The address; without @ it is in the main domain.")]
    targets: Annotated[tuple[str, ...], Setting("Names of accounts, or addresses.")]
    replace: Annotated[bool, Setting("Replace the alias if it exists.")] = False


@dataclass(frozen=True, slots=True, kw_only=True)
class AliasEditParams:
    """Of `alias.edit`."""

    address: Annotated[str, Setting("The alias.")]
    add_targets: Annotated[tuple[str, ...], Setting("Targets to add.")] = ()
    remove_targets: Annotated[tuple[str, ...], Setting("Targets to remove.")] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class AliasParams:
    """Of `alias.delete`."""

    address: Annotated[str, Setting("The alias.")]


ADD = Method("account.add", "Create an account and its mailbox.", AddParams, Account)
PASSWD = Method("account.passwd", "Change an account's password.", PasswordParams, Account)
EDIT = Method("account.edit", "Change addresses, name, quota; lock and unlock.", EditParams, Account)
DELETE = Method("account.delete", "Delete an account.", DeleteParams, Deleted)
LIST = Method("account.list", "List the accounts.", NoParams, tuple[Account, ...])
ALIAS_ADD = Method("alias.add", "Create an alias.", AliasAddParams, Alias)
ALIAS_EDIT = Method("alias.edit", "Add targets to an alias, remove others.", AliasEditParams, Alias)
ALIAS_DELETE = Method("alias.delete", "Delete an alias; the answer has its former targets.", AliasParams, Alias)
ALIAS_LIST = Method("alias.list", "List the aliases.", NoParams, tuple[Alias, ...])

METHODS = (ADD, PASSWD, EDIT, DELETE, LIST, ALIAS_ADD, ALIAS_EDIT, ALIAS_DELETE, ALIAS_LIST)
