"""`dialpost queue list|show|retry|hold|release|delete` and `dialpost trace`."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator, Sequence
from typing import Any

from dialpost.cli.arguments import json_option, whole
from dialpost.cli.examples import examples_text
from dialpost.cli.mail.queue_many import add_filters, one_or_many
from dialpost.cli.output import Table, count, fitted, print_answer, print_answers, size, span
from dialpost.cli.station import control_client
from dialpost.core.control import queue as api
from dialpost.core.control.local import QueueChange
from dialpost.core.printable import one_line, printable

_PAGE = 500
_NOTHING = "No messages are waiting."
_STATION = "(the station)"
_MOVES = {"hold": api.HOLD, "release": api.RELEASE}


def add_parser(commands: Any) -> None:
    """Add `queue` and `trace` to the command line."""
    parser = commands.add_parser(
        "queue",
        description="Manage the messages that have not reached all their recipients yet. Only `delete` discards "
        "mail, and it asks first.",
    )
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    listing = verbs.add_parser("list", help="list waiting and held messages, oldest first")
    listing.add_argument("address", nargs="?", help="only messages from or to this address")
    listing.add_argument("--held", action="store_true", help="only held messages")
    listing.add_argument(
        "-n", "--limit", type=whole(), default=100, metavar="N", help="at most N messages (default 100)"
    )
    listing.add_argument("--offset", type=whole(0), default=0, metavar="N", help="skip the first N messages")
    json_option(listing)
    listing.set_defaults(func=_list)
    show = verbs.add_parser("show", help="show everything known about one message, recipient by recipient")
    show.add_argument("id", help="the message's ID in `queue list`")
    json_option(show)
    show.set_defaults(func=_show)
    retry = verbs.add_parser("retry", help="retry at the next opportunity", epilog=examples_text("queue retry"))
    retry.add_argument("id", nargs="?", help="one message; otherwise give filters or --all")
    add_filters(retry, api.Action.RETRY)
    retry.set_defaults(func=one_or_many(_retry))
    for verb, action, text, more in (
        (
            "hold",
            api.Action.HOLD,
            "hold messages until you release them",
            "A held message stays in the queue and is not sent.",
        ),
        (
            "release",
            api.Action.RELEASE,
            "release held messages",
            "The message goes with the next call, whether an operator held it or the station did because it is "
            "larger than budget.big_message_bytes, or the line kept cutting it. Once released, it is not held for "
            "its size again.",
        ),
    ):
        move = verbs.add_parser(verb, help=text, description=more, epilog=examples_text(f"queue {verb}"))
        _one_or_many(move, action)
        move.set_defaults(func=one_or_many(_move))
    delete = verbs.add_parser(
        "delete", help="delete messages; the senders are not notified", epilog=examples_text("queue delete")
    )
    _one_or_many(delete, api.Action.DELETE)
    delete.add_argument("--yes", action="store_true", help="don't ask for confirmation")
    delete.set_defaults(func=one_or_many(_delete))
    trace = commands.add_parser(
        "trace",
        description="Show where messages are. Give a queue ID, an address (sender or recipient) or a Message-ID.",
    )
    trace.add_argument("text", metavar="ID|ADDRESS|MESSAGE-ID", help="what to look for")
    trace.add_argument("-n", "--limit", type=whole(), default=20, metavar="N", help="the newest N (default 20)")
    json_option(trace)
    trace.set_defaults(func=_trace)


def _one_or_many(parser: Any, action: api.Action) -> None:
    parser.add_argument("id", nargs="?", help="one message's ID in `queue list`; otherwise give filters or --all")
    parser.add_argument("address", nargs="?", help="only this recipient of the message")
    add_filters(parser, action)


def _list(args: argparse.Namespace) -> int:
    pages = _pages(args)
    if args.json:
        print_answers(pages)
        return 0
    layout = Table(("ID", "FOR", "SIZE", "FROM", "TO", "STATE"))
    found = 0
    for page in pages:
        if page:
            print(layout.lines(_rows(page)))
        found += len(page)
    print(f"{count(found, 'message')}. `dialpost queue show ID` shows one in full." if found else _NOTHING)
    return 0


def _pages(args: argparse.Namespace) -> Iterator[tuple[api.Message, ...]]:
    """So that a long list is whole in the memory of neither side."""
    client, left, offset, after = control_client(args), args.limit, args.offset, None
    while left:
        wanted = min(left, _PAGE)
        page = client.ask(
            api.LIST, address=args.address, held_only=args.held, limit=wanted, offset=offset, after=after
        )
        yield page
        if len(page) < wanted:
            return
        left, offset, after = left - wanted, 0, page[-1].queue_id


def _rows(page: Sequence[api.Message]) -> Sequence[tuple[str, ...]]:
    now = time.time()
    rows = []
    for message in page:
        lead = (message.queue_id, span(now - message.received_s), size(message.size), message.sender or _STATION)
        for one in message.recipients:
            mark = " (sent, not acknowledged)" if one.answer_unknown else ""
            rows.append((*lead, one.name or one.address, (one.held_because or one.state) + mark))
            lead = ("", "", "", "")
    return rows


def _show(args: argparse.Namespace) -> int:
    message = control_client(args).ask(api.SHOW, queue_id=args.id)
    if args.json:
        print_answer(message)
    else:
        _tell(message)
    return 0


def _tell(message: api.Message) -> None:
    subject = one_line(message.subject) or "(no subject)"
    print(fitted(f"{one_line(message.queue_id)}  {size(message.size)}  {subject}"))
    print("\n".join(fitted(f"  {printable(sentence)}", indent=4) for sentence in message.sentences))


def _retry(args: argparse.Namespace) -> int:
    return _say(args, control_client(args).ask(api.RETRY, queue_id=args.id))


def _move(args: argparse.Namespace) -> int:
    return _say(args, control_client(args).ask(_MOVES[args.verb], queue_id=args.id, address=args.address))


def _delete(args: argparse.Namespace) -> int:
    client = control_client(args)
    if not args.yes:
        _tell(client.ask(api.SHOW, queue_id=args.id))
        if not sys.stdin.isatty():
            sys.stderr.write("dialpost: nothing deleted; give --yes to delete without confirmation\n")
            return 2
        if input("Delete it permanently, without notifying the sender? Type yes: ").strip().lower() != "yes":
            print("Nothing was deleted.")
            return 1
    return _say(args, client.ask(api.DELETE, queue_id=args.id, address=args.address))


def _say(args: argparse.Namespace, done: api.Done) -> int:
    if args.json:
        print_answer(QueueChange(matched=1, messages=1, recipients=done.count))
    else:
        print(done.words)
    return 0


def _trace(args: argparse.Namespace) -> int:
    found = control_client(args).ask(api.TRACE, text=args.text, limit=args.limit)
    if args.json:
        print_answer(found)
        return 0
    for message in found:
        _tell(message)
    return 0
