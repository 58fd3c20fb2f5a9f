"""`dialpost status`: what the station is doing, what is waiting, what needs attention."""

from __future__ import annotations

import argparse
from typing import Any

from dialpost.cli.arguments import json_option
from dialpost.cli.output import count, etrn_lines, inbound_lines, moment, print_answer, size, span
from dialpost.cli.station import control_client
from dialpost.core.control.calls import Call
from dialpost.core.control.station import STATUS, Status


def add_parser(commands: Any) -> None:
    """Add `status` to the command line."""
    parser = commands.add_parser(
        "status",
        description="Show the station's state in a few lines. Exit status: 0 nothing needs attention, 1 the "
        "daemon does not answer, 3 something needs attention (the lines marked ATTENTION).",
    )
    json_option(parser)
    parser.set_defaults(func=_status)


def _status(args: argparse.Namespace) -> int:
    status = control_client(args).ask(STATUS)
    if args.json:
        print_answer(status)
    else:
        print("\n".join(words(status)))
    return 3 if status.attention else 0


def words(status: Status) -> list[str]:
    """The lines an operator reads."""
    queue = status.queue
    if queue is None:
        return [f"Dialpost {status.version}: {status.words}", *(f"ATTENTION {text}" for text in status.attention)]
    lines = [
        f"{status.hostname}: Dialpost {status.version}, running for {span(status.uptime_s)}",
        f"Line      {status.link}: {status.call_state_words}",
        f"Waiting   {count(queue.waiting_remote, 'message')} for the world"
        + f" ({size(queue.bytes_waiting)})"
        + (f", {queue.urgent} urgent" if queue.urgent else "")
        + (f"; {queue.held} held" if queue.held else "")
        + (f"; {queue.waiting_local} for mailboxes here" if queue.waiting_local else ""),
        *([f"Budget    {'; '.join(status.budget)}"] if status.budget else []),
        f"Accounts  {status.accounts}; free on the card: {size(status.free_bytes)}",
    ]
    lines += _last_run(status.last_call) if status.link == "gateway" else _last_call(status.last_call)
    lines += [f"Note      {text}" for text in status.notes]
    lines += [line for answer in status.etrn for line in etrn_lines(answer)]
    lines += inbound_lines(status.last_call) if status.last_call is not None else []
    lines += [f"ATTENTION {text}" for text in status.attention]
    return lines


def _last_run(run: Call | None) -> list[str]:
    """A line that is always up makes no calls; it shows what an operator or the schedule asked for."""
    if run is None:
        return []
    return [f"Last run  {moment(run.started)}, on request: {run.sent} sent, {run.received} received"]


def _last_call(call: Call | None) -> list[str]:
    if call is None:
        return ["Last call none yet"]
    return [
        f"Last call {moment(call.started)}: {call.result}, {span(call.online_s)} on line, "
        f"{call.sent} sent, {call.received} received; ended: {call.hangup_words}"
    ]
