"""`dialpost call now|cancel|history|show|forecast|budget`."""

from __future__ import annotations

import argparse
from typing import Any

from dialpost.cli.arguments import json_option, whole
from dialpost.cli.output import count, etrn_lines, moment, print_answer, size, span, table
from dialpost.cli.station import control_client
from dialpost.core.control import calls as api
from dialpost.core.printable import LONGEST_LINE, one_line
from dialpost.edge.control_socket import ControlClient

_WAIT_S = 24 * 3600.0  # a call has its own limit (call.max_call_s) and always ends

_INTERRUPTED = 130  # as a shell tells of Ctrl-C
GOES_ON = (
    "The call goes on, and may cost. `dialpost call cancel` ends it after the current message, "
    "`dialpost call cancel --now` at once; `dialpost call history` tells how it ended."
)

_ABOUT = """Calls to the provider: make one, end it, look at those made, and at what they cost.

A call is made by `call now`, by the button, at the times of [schedule], or because mail waits. It sends what waits,
asks the provider for what it holds (ETRN), takes that in, and ends by itself when nothing more is coming."""

_NOW = """Dial now, send what waits, fetch what the provider holds, and show how it goes, step by step.

First it is said what the call will take ("forecast: 12 messages, 340 kB, about 2 min, about 0.40 EUR"). If the line
fails, the redials of call.redial_attempts are waited for. Interrupting this command (Ctrl-C) ends only the showing;
`dialpost call cancel` ends the call."""

_NOW_END = """exit status:
  0  the call went well
  1  it failed or was cut, or the budget is spent and no call was made (it is said why)
  3  it went well, but the provider refused ETRN, so mail may still wait there

examples:
  dialpost call now
  dialpost call now --no-wait
  dialpost call now --over-budget    # an urgent message must go, whatever it costs"""

_OVER_BUDGET = (
    "call although the budget of the day or month is spent; no limit of [budget] ends this call, and its record "
    "says that it was made so. Its minutes and money are counted all the same"
)

_HISTORY = """The last calls, newest first. SENT/RCVD counts messages, BYTES is what the line carried up and down.

CONNECT is the time from dialling until mail could flow, COST what the call cost by [budget]. `call show NO` tells
everything of one of them, with the provider's own words."""

_SHOW = """Everything known of one call: why it was made, the number and the rate, what was expected and what came,
what it cost, why it ended, and each answer to ETRN in the provider's words with what to do about it."""

_FORECAST = """What a call made now would take: messages, bytes, time and money, and whether the budget is enough.

The rate is that of former calls that were busy; before the first, that of the last CONNECT, or link.line_rate_bps.
What the provider holds can't be known; what it usually sends is in the time. Nothing is dialled."""

_BUDGET = """What is used of the budget today and this month, and how long a call may last now.

The limits are in [budget] of the configuration. Time is counted from the moment the other end answers until the
line is down; days and months are those of the local calendar. The counters survive a restart and a power cut.
While the clock is not right no new day begins."""


def add_parser(commands: Any) -> None:
    """Add `call` to the command line."""
    parser = commands.add_parser("call", **_text(_ABOUT))
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    now = verbs.add_parser("now", help="dial, fetch and send", **_text(_NOW, _NOW_END))
    now.add_argument("--no-wait", action="store_true", help="return at once instead of showing the call")
    now.add_argument("--over-budget", action="store_true", help=_OVER_BUDGET)
    now.set_defaults(func=_now)
    cancel = verbs.add_parser("cancel", help="hang up after the current message")
    cancel.add_argument("--now", action="store_true", help="hang up at once; an interrupted message is resent")
    cancel.set_defaults(func=_cancel)
    history = verbs.add_parser("history", help="the last calls, newest first", **_text(_HISTORY))
    history.add_argument(
        "-n", "--limit", type=whole(1, 10_000), default=20, metavar="N", help="how many (default 20)"
    )
    json_option(history)
    history.set_defaults(func=_history)
    show = verbs.add_parser("show", help="everything known about one call", **_text(_SHOW))
    show.add_argument("number", type=whole(), nargs="?", help="its number in `call history` (default: the last)")
    json_option(show)
    show.set_defaults(func=_show)
    forecast = verbs.add_parser("forecast", help="how long a call made now would take", **_text(_FORECAST))
    json_option(forecast)
    forecast.set_defaults(func=_forecast)
    budget = verbs.add_parser("budget", help="minutes and money used", **_text(_BUDGET))
    json_option(budget)
    budget.set_defaults(func=_budget)


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
    """The steps of a call, made here, until it is over. Raises: KeyboardInterrupt, ControlError."""
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
    """Everything of one call, a line each."""
    over = ", over the budget by hand" if call.over_budget else ""
    lines = [f"Call {call.number}, {moment(call.started)}: {call.result}, made for: {call.reason}{over}"]
    how = [f"dialled {call.dialled}"] if call.dialled else []
    how += [f"{call.rate_bps} bit/s"] if call.rate_bps else []
    how += [f"mail could flow after {_seconds(call.connect_s)}"] if call.connect_s else []
    facts = [
        call.detail,
        "; ".join(how),
        f"expected: {call.forecast_words}" if call.forecast_words else "",
        f"on line {span(call.online_s)}, paid {_paid(call)}",
        f"ended: {call.hangup_words}" + (f" ({call.hangup_detail})" if call.hangup_detail else ""),
        f"{count(call.sent, 'message')} sent, {count(call.received, 'message')} received"
        + (f", {call.deferred} put off" if call.deferred else "")
        + (f", {call.refused} refused" if call.refused else ""),
        f"{size(call.bytes_up)} up, {size(call.bytes_down)} down",
    ]
    lines += [f"  {one_line(fact)}" for fact in facts if fact]
    lines += ["  " + line for answer in call.etrn for line in etrn_lines(answer)]
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
    source = "as former calls showed" if found.measured else "not measured yet"
    print(f"{found.words} (at {found.rate_bps / 1000:.1f} kbit/s, {source})")
    if found.refusal:
        print(found.refusal)
    elif found.left_s is not None and not found.is_enough:
        print(f"The budget allows {span(found.left_s)}: what is left then waits for the next call.")
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
        print("Nothing in [budget] limits a call.")
    else:
        print(f"A call made now may last {span(found.left_s)} ({found.limit}).")
    if not found.clock_trusted:
        print("The clock is not right: no new day begins until it is set, which the next call does.")
    return 0
