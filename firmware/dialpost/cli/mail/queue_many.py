"""`dialpost queue retry|hold|release|delete` for many messages: the filters, the question, the progress."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from typing import Any

from dialpost.cli.arguments import age, byte_count, json_option
from dialpost.cli.output import print_answer, size, span, table
from dialpost.cli.station import control_client
from dialpost.core.control import queue as api
from dialpost.core.control.local import QueueChange
from dialpost.core.mail.queue.ids import queue_number
from dialpost.core.printable import one_line
from dialpost.edge.control_socket import ControlClient

_FILTERS = ("sender", "recipient", "older_than", "larger_than", "state")
_DONE = {
    api.Action.RETRY: "made ready for the next opportunity",
    api.Action.HOLD: "held",
    api.Action.RELEASE: "released",
    api.Action.DELETE: "deleted",
}
_TELL_EVERY_S = 3.0
_WAITING, _HELD = api.Standing.WAITING, api.Standing.HELD
_STANDINGS = {
    api.Action.RETRY: ((_WAITING, "all that wait, as --all does"),),
    api.Action.HOLD: ((_WAITING, "all that wait, as --all does"),),
    api.Action.RELEASE: ((_HELD, "all that are held, as --all does"),),
    api.Action.DELETE: ((_HELD, "only if held"), (_WAITING, "only if waiting")),
}
"""The states that a command can be limited to; where there is one, who names it means all."""


def add_filters(parser: Any, action: api.Action) -> None:
    """The options that choose many messages instead of one ID."""
    many = parser.add_argument_group("many messages", "A message must pass every filter given.")
    many.add_argument(
        "--all", action="store_true", dest="every", help="all messages (with a filter: all it matches)"
    )
    many.add_argument(
        "--from",
        dest="sender",
        metavar="ADDRESS",
        help="from this address, @DOMAIN, or <> for notices of a station",
    )
    many.add_argument(
        "--to", dest="recipient", metavar="ADDRESS", help="only recipients with this address or @DOMAIN"
    )
    many.add_argument("--older-than", type=age, metavar="AGE", help="accepted longer ago: 45min, 12h, 5d")
    many.add_argument("--larger-than", type=byte_count, metavar="SIZE", help="larger than: 500k, 10M")
    state = many.add_mutually_exclusive_group()
    for standing, text in _STANDINGS[action]:
        state.add_argument(f"--{standing.value}", dest="state", action="store_const", const=standing, help=text)
    many.add_argument(
        "--dry-run", action="store_true", help="change nothing; show how many match, and some of them"
    )
    json_option(parser)
    parser.set_defaults(action=action, state=None)


def one_or_many(one: Callable[[argparse.Namespace], int]) -> Callable[[argparse.Namespace], int]:
    """What runs such a command: `one` if it names an ID, `_change_many` if it has filters."""

    def run(args: argparse.Namespace) -> int:
        by_filter = args.every or any(getattr(args, name) is not None for name in _FILTERS)
        if bool(args.id) == by_filter:
            sys.stderr.write("dialpost: give either an ID, or --all or filters such as --from and --older-than\n")
            return 2
        if args.id and args.dry_run:
            sys.stderr.write(
                "dialpost: --dry-run needs --all or filters; `dialpost queue show ID` shows a message\n"
            )
            return 2
        if args.id and queue_number(args.id) is None:
            sys.stderr.write(f"dialpost: {one_line(args.id)} is not an ID; give --all, --from or --to for many\n")
            return 2
        if args.json and args.action is api.Action.DELETE and not (args.yes or args.dry_run):
            sys.stderr.write("dialpost: nothing deleted; --json asks nothing, so give --yes, too\n")
            return 2
        return _change_many(args) if by_filter else one(args)

    return run


def _change_many(args: argparse.Namespace) -> int:
    """Do it, after a question if it deletes; `--dry-run` only counts."""
    client = control_client(args)
    chosen = {
        "action": args.action,
        "every": args.every,
        "sender": args.sender,
        "recipient": args.recipient,
        "older_than_s": args.older_than,
        "larger_than": args.larger_than,
        "state": args.state,
    }
    found = client.ask(api.MATCH, **chosen)
    if args.json and (args.dry_run or not found.messages):
        print_answer(QueueChange(matched=found.messages, messages=0, recipients=0))
        return 0
    if not found.messages:
        print("No message matches.")
        return 0
    if args.dry_run or (args.action is api.Action.DELETE and not args.yes):
        _show(found)
        if args.dry_run:
            return 0
        if not sys.stdin.isatty():
            sys.stderr.write("dialpost: nothing deleted; give --yes to delete without confirmation\n")
            return 2
        question = f"Delete {_these(found.messages)} permanently, without notifying the senders? Type yes: "
        if input(question).strip().lower() != "yes":
            print("Nothing was deleted.")
            return 1
    done = _change(client, args.action, chosen, found, with_progress=not args.json)
    if args.json:
        print_answer(done)
        return 0
    print(f"{_these(done.messages)} ({_these(done.recipients, 'recipient')}) {_DONE[args.action]}.")
    if done.damaged:
        print(f"{_these(done.damaged)} can't be sent, because the content is missing or damaged on the card.")
    return 0


def _change(
    client: ControlClient, action: api.Action, chosen: dict[str, Any], found: api.Match, *, with_progress: bool
) -> QueueChange:
    """Ask until nothing is left; `with_progress`: print how far it is."""
    messages = recipients = damaged = 0
    after, told_s = "", time.monotonic()
    while True:
        try:
            done = client.ask(api.CHANGE, **chosen, up_to=found.newest, after=after or None)
        except KeyboardInterrupt:  # the station finishes at most the slice that it has begun
            words = f"Interrupted: at least {messages:,} of {_these(found.messages)} {_DONE[action]}."
            print(f"\n{words}", file=sys.stdout if with_progress else sys.stderr, flush=True)
            raise
        messages, recipients, damaged = (
            messages + done.messages,
            recipients + done.recipients,
            damaged + done.damaged,
        )
        if not done.next:
            break
        after = done.next
        if with_progress and time.monotonic() - told_s >= _TELL_EVERY_S:
            told_s = time.monotonic()
            print(f"{messages:,} of {found.messages:,} {_DONE[action]} ...", flush=True)
    return QueueChange(matched=found.messages, messages=messages, recipients=recipients, damaged=damaged)


def _show(found: api.Match) -> None:
    now_s = time.time()
    rows = [
        (
            one.queue_id,
            span(now_s - one.received_s),
            size(one.size),
            one.sender or "(the station)",
            ", ".join(each.name or each.address for each in one.recipients),
        )
        for one in found.examples
    ]
    print(table(("ID", "FOR", "SIZE", "FROM", "TO"), rows))
    if found.messages > len(rows):
        print(f"... and {found.messages - len(rows):,} more.")
    print(f"{_these(found.messages)} ({_these(found.recipients, 'recipient')}, {size(found.bytes)}) match.")


def _these(number: int, one: str = "message") -> str:
    return f"1 {one}" if number == 1 else f"{number:,} {one}s"
