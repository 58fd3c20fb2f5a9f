"""`dialpost call now|cancel|history|show|forecast|budget|learned`."""

from __future__ import annotations

import argparse
from typing import Any

from dialpost.cli.arguments import json_option, whole
from dialpost.cli.output import count, etrn_lines, inbound_lines, moment, print_answer, size, span, table
from dialpost.cli.station import control_client
from dialpost.core.control import calls as api
from dialpost.core.printable import LONGEST_LINE, one_line
from dialpost.edge.control_socket import ControlClient

_WAIT_S = 24 * 3600.0  # a call has its own limit (call.max_call_s) and always ends

_INTERRUPTED = 130  # as a shell reports Ctrl-C
GOES_ON = (
    "The call continues and may cost money. To end it after the current message: `dialpost call cancel`; at "
    "once: `dialpost call cancel --now`. To see its result: `dialpost call history`."
)

_ABOUT = """Make and end calls to the provider, and show past calls and their cost.

A call starts with `call now`, the button, a time in [schedule], or because mail is waiting. The station sends
waiting mail, requests the provider's waiting mail (ETRN), receives it, and hangs up when nothing more is coming."""

_NOW = """Dial now, send waiting mail, fetch what the provider holds, and show each step.

The first line is a forecast ("forecast: 12 messages, 340 kB, about 2 min, about 0.40 EUR"). If the line fails, the
command waits for the redials that call.redial_attempts allows. Ctrl-C stops the display, not the call;
`dialpost call cancel` ends the call."""

_NOW_END = """exit status:
  0  the call succeeded
  1  the call failed, was cut off or achieved nothing, or the budget is spent; the output says why
  3  the call succeeded, but the provider refused ETRN: mail may still be waiting there

examples:
  dialpost call now
  dialpost call now --no-wait
  dialpost call now --over-budget    # an urgent message must go, whatever it costs"""

_OVER_BUDGET = (
    "call even if the daily or monthly budget is spent. No limit in [budget] ends this call. Its minutes and "
    "cost still count, and its record shows the override"
)

_HISTORY = """List the last calls, newest first.

SENT/RCVD counts messages; BYTES UP/DOWN is what the line carried. CONNECT is the time from dialling until mail
could flow; COST is the price of the call according to [budget]. `call show NO` shows one call in full."""

_SHOW = """Show everything known about one call: why it was made, the number dialled and the line rate, the forecast
and the result, its cost, why it ended, what TLS took of the line, and the provider's answers to ETRN with what to
do about them."""

_FORECAST = """Estimate what a call made now would take: messages, bytes, time and money, and whether the budget is
enough. Nothing is dialled.

The line rate comes from earlier calls that carried enough mail; before the first, from the last CONNECT or
link.line_rate_bps. The station can't know what the provider holds; the time allows for what it usually sends,
and for TLS handshakes as in earlier calls. On a trusted line (ppp.trusted_line) there are none."""

_BUDGET = """Show how much of the budget is used today and this month, and how long a call may last now.

Section [budget] of the configuration sets the limits. Time counts from the moment the other end answers until the
line is down; days and months follow the local calendar. The counters survive restarts and power cuts. Until the
clock is set, no new day begins."""

_LEARNED = """Show what calls taught about the provider: how soon it begins to send after its answer to ETRN, how
far apart its messages come, and how long a call waits therefore.

A call waits as long as the expected mail is worth the cost of waiting. Some calls wait longer, up to
call.grace_max_s, to learn: the first, then ever rarer ones. Waits that you set are kept within call.grace_min_s and
call.grace_max_s, and nothing longer is tried."""

_LEARNED_END = """examples:
  dialpost call learned
  dialpost call learned --start 45         # the provider says that it needs up to 45 s
  dialpost call learned --forget           # learn from scratch, and no longer use what was set"""


def add_parser(commands: Any) -> None:
    """Add `call` to the command line."""
    parser = commands.add_parser("call", **_text(_ABOUT))
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    now = verbs.add_parser("now", help="dial, fetch and send", **_text(_NOW, _NOW_END))
    now.add_argument("--no-wait", action="store_true", help="start the call and return at once")
    now.add_argument("--over-budget", action="store_true", help=_OVER_BUDGET)
    now.set_defaults(func=_now)
    cancel = verbs.add_parser("cancel", help="hang up after the current message")
    cancel.add_argument("--now", action="store_true", help="hang up at once; an interrupted message is resent")
    cancel.set_defaults(func=_cancel)
    history = verbs.add_parser("history", help="the last calls, newest first", **_text(_HISTORY))
    history.add_argument(
        "-n", "--limit", type=whole(1, 10_000), default=20, metavar="N", help="how many calls (default 20)"
    )
    json_option(history)
    history.set_defaults(func=_history)
    show = verbs.add_parser("show", help="show everything known about one call", **_text(_SHOW))
    show.add_argument("number", type=whole(), nargs="?", help="number in `call history` (default: the last call)")
    json_option(show)
    show.set_defaults(func=_show)
    forecast = verbs.add_parser("forecast", help="estimate a call made now", **_text(_FORECAST))
    json_option(forecast)
    forecast.set_defaults(func=_forecast)
    budget = verbs.add_parser("budget", help="show minutes and money used", **_text(_BUDGET))
    json_option(budget)
    budget.set_defaults(func=_budget)
    learned = verbs.add_parser(
        "learned", help="how long calls wait for mail, and why", **_text(_LEARNED, _LEARNED_END)
    )
    learned.add_argument(
        "--start", type=_wait, metavar="SECONDS", help="set how long to wait for the provider to begin"
    )
    learned.add_argument("--gap", type=_wait, metavar="SECONDS", help="set how long to wait for another message")
    learned.add_argument("--forget", action="store_true", help="forget what was learnt and set")
    json_option(learned)
    learned.set_defaults(func=_learned)


def _text(description: str, epilog: str = "") -> dict[str, str]:
    return {"description": description} | ({"epilog": epilog} if epilog else {})


def _now(args: argparse.Namespace) -> int:
    client = control_client(args)
    if args.no_wait:
        print(client.ask(api.REQUEST, over_budget=args.over_budget))
        return 0
    try:
        return _show_call(client, args.over_budget)
    except KeyboardInterrupt:
        print(f"\n{GOES_ON}")
        return _INTERRUPTED


def _show_call(client: ControlClient, over_budget: bool) -> int:
    """Make a call and show its steps until it is over. Raises: KeyboardInterrupt, ControlError."""
    ended = client.follow(api.NOW, lambda step: print(step, flush=True), _WAIT_S, over_budget=over_budget)
    print(ended.words)
    return ended.exit_status


def _cancel(args: argparse.Namespace) -> int:
    print(control_client(args).ask(api.CANCEL, at_once=args.now))
    return 0


def _history(args: argparse.Namespace) -> int:
    calls = control_client(args).ask(api.HISTORY, limit=args.limit)
    if args.json:
        print_answer(calls)
        return 0
    if not calls:
        print("No call has been made yet.")
        return 0
    rows = [
        (
            call.number,
            moment(call.started),
            call.reason,
            call.result,
            _seconds(call.connect_s),
            span(call.online_s),
            f"{call.sent}/{call.received}",
            f"{size(call.bytes_up)}/{size(call.bytes_down)}",
            call.cost_words or "-",
            call.hangup_reason,
        )
        for call in calls
    ]
    headers = (
        "NO",
        "STARTED",
        "WHY",
        "RESULT",
        "CONNECT",
        "ON LINE",
        "SENT/RCVD",
        "BYTES UP/DOWN",
        "COST",
        "ENDED",
    )
    print(table(headers, rows))
    return 0


def _show(args: argparse.Namespace) -> int:
    call = control_client(args).ask(api.SHOW, number=args.number)
    if args.json:
        print_answer(call)
    else:
        print("\n".join(call_lines(call)))
    return 0


def call_lines(call: api.Call) -> list[str]:
    """Everything about one call, one line each."""
    over = ", budget overridden by the operator" if call.over_budget else ""
    lines = [f"Call {call.number}, {moment(call.started)}: {call.result}, reason: {call.reason}{over}"]
    how = [f"dialled {call.dialled}"] if call.dialled else []
    how += [f"{call.rate_bps} bit/s"] if call.rate_bps else []
    how += [f"connected after {_seconds(call.connect_s)}"] if call.connect_s else []
    facts = [
        call.detail,
        "; ".join(how),
        f"expected: {call.forecast_words}" if call.forecast_words else "",
        f"on line {span(call.online_s)}, charged {_paid(call)}",
        f"ended: {call.hangup_words}" + (f" ({call.hangup_detail})" if call.hangup_detail else ""),
        f"{count(call.sent, 'message')} sent, {count(call.received, 'message')} received"
        + (f", {call.deferred} deferred" if call.deferred else "")
        + (f", {call.refused} refused" if call.refused else ""),
        f"{size(call.bytes_up)} up, {size(call.bytes_down)} down",
        call.tls_words,
    ]
    lines += [f"  {one_line(fact)}" for fact in facts if fact]
    lines += ["  " + line for answer in call.etrn for line in etrn_lines(answer)]
    lines += ["  " + line for line in inbound_lines(call)]
    lines += [f"  {one_line(note, LONGEST_LINE)}" for note in call.notes]
    return lines


def _paid(call: api.Call) -> str:
    paid = span(call.paid_s)
    return f"{paid}: {call.cost_words}" if call.cost_words else paid


def _seconds(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds else "-"


def _forecast(args: argparse.Namespace) -> int:
    found = control_client(args).ask(api.FORECAST)
    if args.json:
        print_answer(found)
        return 0
    source = "measured in earlier calls" if found.measured else "not measured yet"
    print(f"{found.words} (at {found.rate_bps / 1000:.1f} kbit/s, {source})")
    if found.refusal:
        print(found.refusal)
    elif found.left_s is not None and not found.is_enough:
        print(f"The budget allows {span(found.left_s)}; the rest of the mail waits for the next call.")
    return 0


def _budget(args: argparse.Namespace) -> int:
    found = control_client(args).ask(api.BUDGET)
    if args.json:
        print_answer(found)
        return 0
    for sentence in [*found.usage, *found.call_limits]:
        print(sentence)
    if found.refusal:
        print(found.refusal)
    elif found.left_s is None:
        print("No limit in [budget] applies to a call.")
    else:
        print(f"A call made now may last {span(found.left_s)} ({found.limit}).")
    if not found.clock_trusted:
        print("The clock is not set. No new day begins until it is; the next call sets it.")
    return 0


def _wait(text: str) -> float:
    """A number of seconds, as the API takes it. Raises: ArgumentTypeError."""
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0.1 <= seconds <= 3600:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds from 0.1 to 3600")
    return seconds


def _learned(args: argparse.Namespace) -> int:
    client = control_client(args)
    if args.forget:
        said = client.ask(api.FORGET_LEARNED)
        if not args.json and args.start is args.gap is None:
            print(said)
            return 0
    wants = args.start is not None or args.gap is not None
    found = client.ask(api.SET_WAITS, start_s=args.start, gap_s=args.gap) if wants else client.ask(api.LEARNED)
    if args.json:
        print_answer(found)
        return 0
    for sentence in found.words:
        print(one_line(sentence))
    return 0
