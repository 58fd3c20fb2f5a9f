"""`dialpost account add|passwd|edit|delete|list` and `dialpost alias add|edit|delete|list`.

The running daemon makes the change, so it takes effect immediately. Without one the same methods work on the files,
as the user they belong to and under the data directory's lock.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from dialpost.cli.arguments import json_option
from dialpost.cli.output import ask_secret, count, input_line, print_answer, size, table
from dialpost.cli.station import control_client, load_config
from dialpost.core.amounts import bytes_in
from dialpost.core.config.model import Config
from dialpost.core.control import accounts as api
from dialpost.core.control.accounts import MOST_QUOTA_BYTES, MailFate
from dialpost.core.control.declared import A, D, Method, P
from dialpost.core.control.serving import answer_here
from dialpost.core.errors import AccountError
from dialpost.core.password import check_strength
from dialpost.core.printable import one_line
from dialpost.edge.mail.account_file import AccountFile
from dialpost.edge.mail.dovecot_users import DovecotUsers
from dialpost.edge.mail.maildir import Maildirs
from dialpost.edge.system.card.spare_room import SpareRoom
from dialpost.edge.system.data_lock import DataLock
from dialpost.edge.system.privileges import become_owner_of
from dialpost.flow.mail.account_methods import account_methods
from dialpost.flow.mail.accounts import AccountService

_NO_QUOTA, _DEFAULT_QUOTA = "none", "default"


def add_parser(commands: Any) -> None:
    """Add `account` and `alias` to the command line."""
    _add_account_parser(commands)
    _add_alias_parser(commands)


def _add_account_parser(commands: Any) -> None:
    parser = commands.add_parser(
        "account",
        description="Manage the station's accounts. Changes take effect at once, for mail delivery, SMTP, IMAP "
        "and POP3. Passwords are typed at a prompt or read from standard input, never given on the command "
        "line.",
    )
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    add = verbs.add_parser("add", help="create an account and its mailbox")
    add.add_argument("name", help="name of the account; NAME@MAIN-DOMAIN becomes its first address")
    add.add_argument(
        "--address",
        action="append",
        default=[],
        dest="addresses",
        metavar="ADDRESS",
        help="another address for the account (repeatable)",
    )
    add.add_argument("--full-name", default="", metavar="TEXT", help="the user's full name")
    add.add_argument(
        "--quota",
        metavar="SIZE",
        help="mailbox limit, for example 500M or 2G; none = no limit (default: the station's)",
    )
    _add_password_option(add)
    add.set_defaults(func=_add)
    passwd = verbs.add_parser("passwd", help="change an account's password")
    passwd.add_argument("name", help="the name of the account")
    _add_password_option(passwd)
    passwd.set_defaults(func=_passwd)
    edit = verbs.add_parser("edit", help="change addresses, name, quota; lock and unlock")
    edit.add_argument("name", help="the name of the account")
    edit.add_argument(
        "--add-address",
        action="append",
        default=[],
        metavar="ADDRESS",
        help="add an address (repeatable)",
    )
    edit.add_argument(
        "--remove-address",
        action="append",
        default=[],
        metavar="ADDRESS",
        help="remove an address (repeatable)",
    )
    edit.add_argument("--full-name", metavar="TEXT", help="the user's full name")
    edit.add_argument(
        "--quota",
        metavar="SIZE",
        help="mailbox limit, for example 500M or 2G; none = no limit; default = the station's",
    )
    lock = edit.add_mutually_exclusive_group()
    lock.add_argument(
        "--disable",
        action="store_false",
        dest="enabled",
        default=None,
        help="lock: the user can't log in; mail still arrives",
    )
    lock.add_argument(
        "--enable", action="store_true", dest="enabled", default=None, help="unlock: the user can log in again"
    )
    edit.set_defaults(func=_edit)
    delete = verbs.add_parser(
        "delete",
        help="delete an account; first shows what its mailbox holds",
        description="Without --keep-mail, --archive or --purge, nothing is deleted; the command only shows what "
        "the mailbox holds.",
    )
    delete.add_argument("name", help="the name of the account")
    fate = delete.add_mutually_exclusive_group()
    for option, value, text in (
        ("--keep-mail", MailFate.KEEP, "leave the mailbox where it is"),
        ("--archive", MailFate.ARCHIVE, "move the mailbox to the archive folder in the data directory"),
        ("--purge", MailFate.PURGE, "delete the mail permanently"),
    ):
        fate.add_argument(option, action="store_const", const=value, dest="fate", help=text)
    delete.set_defaults(func=_delete)
    listing = verbs.add_parser("list", help="all accounts")
    json_option(listing)
    listing.set_defaults(func=_list)


def _add_password_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--password-stdin",
        action="store_true",
        help="read the password from standard input (one line) instead of asking",
    )


def _add_alias_parser(commands: Any) -> None:
    parser = commands.add_parser(
        "alias",
        description="Manage aliases. An alias is an address on this station whose mail goes to accounts here or to "
        "addresses elsewhere. An alias with several targets is a group.",
    )
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    add = verbs.add_parser("add", help="create an alias")
    add.add_argument("address", help="the alias; without an @ it belongs to the main domain")
    add.add_argument("targets", nargs="+", metavar="target", help="the name of an account, or an address")
    add.add_argument("--replace", action="store_true", help="replace the alias if it exists")
    add.set_defaults(func=_alias_add)
    edit = verbs.add_parser("edit", help="add or remove an alias's targets")
    edit.add_argument("address", help="the address of the alias")
    edit.add_argument("--add", action="append", default=[], metavar="TARGET", help="(repeatable)")
    edit.add_argument("--remove", action="append", default=[], metavar="TARGET", help="(repeatable)")
    edit.set_defaults(func=_alias_edit)
    delete = verbs.add_parser("delete", help="delete an alias")
    delete.add_argument("address", help="the address of the alias")
    delete.set_defaults(func=_alias_delete)
    listing = verbs.add_parser("list", help="all aliases")
    json_option(listing)
    listing.set_defaults(func=_alias_list)


def _add(args: argparse.Namespace) -> int:
    quota = quota_bytes(args.quota)
    account = _ask(
        args,
        api.ADD,
        name=args.name,
        addresses=tuple(args.addresses),
        full_name=args.full_name,
        quota_bytes=quota,
        password=_password(args),
    )
    print(f"Account {account.name} created: {', '.join(account.addresses)}")
    if account.messages:
        print(f"It takes over an existing mailbox of that name, which holds {count(account.messages, 'message')}.")
    if account.is_postmaster:
        print("It receives mail for postmaster.")
    return 0


def _passwd(args: argparse.Namespace) -> int:
    account = _ask(args, api.PASSWD, name=args.name, password=_password(args))
    print(f"Account {account.name} has a new password.")
    return 0


def _edit(args: argparse.Namespace) -> int:
    add, remove = tuple(args.add_address), tuple(args.remove_address)
    if not (add or remove) and args.full_name is None and args.enabled is None and args.quota is None:
        raise AccountError("Say what to change: `dialpost account edit --help` lists the options.")
    quota = quota_bytes(args.quota)
    account = _ask(
        args,
        api.EDIT,
        name=args.name,
        add_addresses=add,
        remove_addresses=remove,
        full_name=args.full_name,
        quota_bytes=quota,
        default_quota=args.quota is not None and quota is None,
        enabled=args.enabled,
    )
    state = "" if account.enabled else "; locked, nobody can log in"
    print(f"Account {account.name}: {', '.join(account.addresses)}; quota {_quota(account)}{state}")
    return 0


def _delete(args: argparse.Namespace) -> int:
    print(_ask(args, api.DELETE, name=args.name, fate=args.fate).words)
    return 0


def _list(args: argparse.Namespace) -> int:
    accounts = _ask(args, api.LIST)
    if args.json:
        print_answer(accounts)
    elif not accounts:
        print("No accounts yet. Create one with: dialpost account add NAME")
    else:
        rows = [
            (
                account.name,
                account.full_name,
                count(account.messages, "message"),
                f"{size(account.bytes)} of {_quota(account)}",
                _marks(account),
                ", ".join(account.addresses),
            )
            for account in accounts
        ]
        print(table(("NAME", "PERSON", "MAIL", "SPACE", "", "ADDRESSES"), rows))
    return 0


def _marks(account: api.Account) -> str:
    return " ".join((["postmaster"] if account.is_postmaster else []) + ([] if account.enabled else ["locked"]))


def _quota(account: api.Account) -> str:
    return size(account.quota_bytes) if account.quota_bytes else "no limit"


def _alias_add(args: argparse.Namespace) -> int:
    alias = _ask(args, api.ALIAS_ADD, address=args.address, targets=tuple(args.targets), replace=args.replace)
    print(f"{alias.address} goes to {', '.join(alias.targets)}")
    return 0


def _alias_edit(args: argparse.Namespace) -> int:
    if not (args.add or args.remove):
        raise AccountError("Say what to change: `dialpost alias edit --help` lists the options.")
    add, remove = tuple(args.add), tuple(args.remove)
    alias = _ask(args, api.ALIAS_EDIT, address=args.address, add_targets=add, remove_targets=remove)
    print(f"{alias.address} goes to {', '.join(alias.targets)}")
    return 0


def _alias_delete(args: argparse.Namespace) -> int:
    alias = _ask(args, api.ALIAS_DELETE, address=args.address)
    print(f"Alias {alias.address} deleted; it went to {', '.join(alias.targets)}.")
    return 0


def _alias_list(args: argparse.Namespace) -> int:
    aliases = _ask(args, api.ALIAS_LIST)
    if args.json:
        print_answer(aliases)
    elif not aliases:
        print("No aliases yet. Create one with: dialpost alias add ADDRESS TARGET")
    else:
        print(table(("ADDRESS", "GOES TO"), [(each.address, ", ".join(each.targets)) for each in aliases]))
    return 0


def quota_bytes(text: str | None) -> int | None:
    """ "500M" as bytes (powers of 1000), "none" as 0, "default" as None. Raises: AccountError."""
    word = _DEFAULT_QUOTA if text is None else text.strip().lower()
    if word in {_DEFAULT_QUOTA, _NO_QUOTA}:
        return 0 if word == _NO_QUOTA else None
    wanted = bytes_in(word)
    # Neither may become "no limit" or an impossible request.
    if wanted is None or 0 < wanted < 1 or wanted > MOST_QUOTA_BYTES:
        raise AccountError(
            f"{one_line((text or '').strip(), 40)!r} is not a valid size; write for example 500M or 2G, or none."
        )
    return int(wanted)


def _password(args: argparse.Namespace) -> str:
    """Asked for twice without echo, or one line of standard input. Raises: AccountError, EOFError."""
    if args.password_stdin:
        password = input_line()
        check_strength(password)
        return password
    if not sys.stdin.isatty():
        raise AccountError("Can't ask for the password without a terminal: use --password-stdin.")
    password = ask_secret(f"Password for {args.name}: ")
    check_strength(password)
    if ask_secret("Repeat: ") != password:
        raise AccountError("The passwords don't match. Nothing was changed.")
    return password


def _ask(args: argparse.Namespace, method: Method[P, D, A], *rest: P.args, **params: P.kwargs) -> A:
    """Let the running daemon do it; without one, do it here."""
    client = control_client(args)
    if client.available():
        return client.ask(method, *rest, **params)
    with service_on_card(load_config(args)) as service:
        return asyncio.run(answer_here(account_methods(service), method, *rest, **params))


@contextmanager
def service_on_card(config: Config) -> Iterator[AccountService]:
    """The accounts on the card, with no daemon running. Raises: AlreadyRunningError if there is one after all."""
    data_dir = Path(config.station.data_dir)
    become_owner_of(data_dir)
    lock = DataLock(data_dir)
    lock.acquire()
    mailboxes = Maildirs(data_dir / "mail")
    try:
        mailboxes.prepare()
        store = AccountFile(data_dir / "accounts.toml")
        logins = DovecotUsers(data_dir / "dovecot-users", data_dir / "mail")
        service = AccountService(config, store, logins, mailboxes, SpareRoom(data_dir).check)
        if store.report:
            sys.stderr.write(f"dialpost: {store.report}\n")
        yield service
    finally:
        mailboxes.close()
        lock.release()
