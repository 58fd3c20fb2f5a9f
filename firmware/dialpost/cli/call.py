"""`dialpost call now|cancel|history|show`."""

from __future__ import annotations

import argparse
from typing import Any

from dialpost.cli.output import count, etrn_lines, moment, print_json, size, span, table
from dialpost.cli.station import control_client

_WAIT_S = 24 * 3600.0  # a call has its own limit (call.max_call_s) and always ends


def add_parser(commands: Any) -> None:
    """Add `call` to the command line."""
    parser = commands.add_parser(
        "call", help="dial now, hang up, look at past calls",
        description="Calls to the provider. `now` dials, sends what waits, fetches what the provider holds, "
        "and shows how it goes. Exit status of `now`: 0 the call went well, 1 it failed, 3 it went through "
        "but the provider refused ETRN, so mail may still wait there.",
    )  # fmt: skip
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    now = verbs.add_parser("now", help="dial, fetch and send")
    now.add_argument("--no-wait", action="store_true", help="return at once instead of showing the call")
    now.set_defaults(func=_now)
    cancel = verbs.add_parser("cancel", help="hang up after the current message")
    cancel.add_argument("--now", action="store_true", help="hang up at once; what is under way is sent again")
    cancel.set_defaults(func=_cancel)
    history = verbs.add_parser("history", help="the last calls, newest first")
    history.add_argument("-n", "--limit", type=int, default=20, metavar="N", help="how many (default 20)")
    history.add_argument("--json", action="store_true", help="everything known of them, for scripts")
    history.set_defaults(func=_history)
    show = verbs.add_parser("show", help="everything known of one call")
    show.add_argument("number", type=int, nargs="?", help="its number in `call history` (default: the last)")
    show.set_defaults(func=_show)


def _now(args: argparse.Namespace) -> int:
    client = control_client(args)
    if args.no_wait:
        print(client.call("call.request", reason="command"))
        return 0
    result: dict[str, Any] = {}
    for line in client.events("call.now", {}, timeout_s=_WAIT_S):
        if "event" in line:
            print(line["event"], flush=True)
        else:
            result = line["result"]
    print(result["words"])
    return int(result["exit_status"])


def _cancel(args: argparse.Namespace) -> int:
    print(control_client(args).call("call.cancel", at_once=args.now))
    return 0


def _history(args: argparse.Namespace) -> int:
    calls = control_client(args).call("call.history", limit=args.limit)
    if args.json:
        print_json(calls)
        return 0
    if not calls:
        print("No call has been made yet.")
        return 0
    rows = [
        (
            call["number"], moment(call["started"]), call["reason"], call["result"],
            span(call["online_s"]), f"{call['sent']}/{call['received']}",
            f"{size(call['bytes_up'])}/{size(call['bytes_down'])}", call["hangup_reason"],
        )
        for call in calls
    ]  # fmt: skip
    print(table(("NO", "STARTED", "WHY", "RESULT", "ON LINE", "SENT/RCVD", "BYTES UP/DOWN", "ENDED"), rows))
    return 0


def _show(args: argparse.Namespace) -> int:
    call = control_client(args).call("call.show", number=args.number)
    print(f"Call {call['number']}, {moment(call['started'])}: {call['result']}, made for: {call['reason']}")
    if call["detail"]:
        print(f"  {call['detail']}")
    print(f"  on line {span(call['online_s'])}; ended: {call['hangup_words']}")
    if call["hangup_detail"]:
        print(f"  {call['hangup_detail']}")
    print(f"  {count(call['sent'], 'message')} sent, {count(call['received'], 'message')} received")
    print(f"  {size(call['bytes_up'])} up, {size(call['bytes_down'])} down")
    for answer in call["etrn"]:
        print("\n".join("  " + line for line in etrn_lines(answer)))
    return 0
