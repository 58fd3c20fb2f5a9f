"""`dialpost inbound list|fetch|drop`: mail that the station left in mailboxes at providers."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from dialpost.cli.arguments import json_option
from dialpost.cli.output import Table, count, print_answer, size
from dialpost.cli.station import control_client
from dialpost.core.control import inbound as api

_NOTHING = "Nothing was left in a mailbox at a provider."
_NO_SENDER = "(not known)"


def add_parser(commands: Any) -> None:
    """Add `inbound` to the command line."""
    parser = commands.add_parser(
        "inbound",
        description="Decide about the messages that the station left in mailboxes at providers: big ones, and "
        "those that could not be fetched. Only `drop` discards mail, and it asks first.",
    )
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    listing = verbs.add_parser("list", help="list the messages left at providers, and why")
    json_option(listing)
    listing.set_defaults(func=_list)
    fetch = verbs.add_parser("fetch", help="fetch a message in the next call, whatever its size")
    fetch.add_argument("id", metavar="ID", help="the message's ID in `inbound list`")
    fetch.set_defaults(func=_fetch)
    drop = verbs.add_parser("drop", help="delete a message at the provider in the next call")
    drop.add_argument("id", metavar="ID", help="the message's ID in `inbound list`")
    drop.add_argument("--yes", action="store_true", help="don't ask for confirmation")
    drop.set_defaults(func=_drop)


def _list(args: argparse.Namespace) -> int:
    found = control_client(args).ask(api.LIST)
    if args.json:
        print_answer(found)
        return 0
    if not found:
        print(_NOTHING)
        return 0
    layout = Table(("ID", "MAILBOX", "SIZE", "FROM", "SUBJECT", "FOR", "WHY"))
    rows = [
        (
            one.id,
            one.mailbox,
            size(one.size),
            one.sender or _NO_SENDER,
            one.subject,
            ", ".join(one.recipients),
            one.words,
        )
        for one in found
    ]
    print(layout.lines(rows))
    print(f"{count(len(found), 'message')}. `dialpost inbound fetch ID` gets one with the next call.")
    return 0


def _fetch(args: argparse.Namespace) -> int:
    print(control_client(args).ask(api.FETCH, id=args.id).words)
    return 0


def _drop(args: argparse.Namespace) -> int:
    client = control_client(args)
    if not args.yes:
        if not sys.stdin.isatty():
            sys.stderr.write("dialpost: nothing deleted; give --yes to delete without confirmation\n")
            return 2
        if input("Delete it at the provider, without notifying the sender? Type yes: ").strip().lower() != "yes":
            print("Nothing was deleted.")
            return 1
    print(client.ask(api.DROP, id=args.id).words)
    return 0
