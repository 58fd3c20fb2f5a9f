"""`dialpost config set|unset|compare|history|rollback`: the configuration of the running station, for scripts.

Each is one session over the control socket: open, change, check, commit. For anything more, use the console.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from typing import Any

from dialpost.cli.arguments import json_option, whole
from dialpost.cli.output import commit_moment, input_line, print_answer
from dialpost.cli.station import control_path
from dialpost.core.control import config as api
from dialpost.core.errors import ControlError
from dialpost.core.printable import one_line
from dialpost.edge.control_socket import ControlConnection

FROM_INPUT = "-"


def add_verbs(verbs: Any) -> None:
    """Add the verbs to `dialpost config`."""
    setting = verbs.add_parser(
        "set",
        help="change settings of the running station",
        description="Set one or more keys, check the whole configuration and commit it. The value - is read from "
        "standard input, which keeps a password out of the process list. Exit status: 0 committed, 1 refused.",
    )
    setting.add_argument("settings", nargs="+", metavar="KEY VALUE", help="for example smtp.max_recipients 600")
    setting.set_defaults(func=_set)
    unset = verbs.add_parser("unset", help="reset settings of the running station to their defaults")
    unset.add_argument(
        "keys", nargs="+", metavar="KEY", help="for example smtp.max_recipients or outbound.route[2]"
    )
    unset.set_defaults(func=_unset)
    rollback = verbs.add_parser("rollback", help="return to an earlier configuration")
    rollback.add_argument("number", type=whole(), metavar="N", help="number in `dialpost config history`")
    rollback.set_defaults(func=_rollback)
    for parser in (setting, unset, rollback):
        parser.add_argument("--comment", default="", help="comment for the history")
        parser.add_argument("--anyway", action="store_true", help="commit even if it cuts somebody off")
    compare = verbs.add_parser("compare", help="show how the current configuration differs from an earlier one")
    compare.add_argument("number", type=whole(), metavar="N", help="number in `dialpost config history`")
    json_option(compare)
    compare.set_defaults(func=_compare)
    history = verbs.add_parser("history", help="list the committed configurations: number, when, who, why")
    json_option(history)
    history.set_defaults(func=_history)


def _set(args: argparse.Namespace) -> int:
    words: Sequence[str] = args.settings
    if len(words) % 2:
        raise ControlError("Give pairs of KEY and VALUE. Put a value that contains spaces in quotes.")
    pairs = [(key, _value(value)) for key, value in zip(words[::2], words[1::2], strict=True)]

    def change(talk: ControlConnection) -> None:
        for key, value in pairs:
            _tell_change(talk.ask(api.SET, key=key, value=value))

    return _commit(args, change)


def _unset(args: argparse.Namespace) -> int:
    def change(talk: ControlConnection) -> None:
        for key in args.keys:
            _tell_change(talk.ask(api.UNSET, key=key))

    return _commit(args, change)


def _rollback(args: argparse.Namespace) -> int:
    def change(talk: ControlConnection) -> None:
        talk.ask(api.ROLLBACK, number=args.number)
        _tell(talk.ask(api.COMPARE).lines)

    return _commit(args, change, f"back to {args.number}")


def _commit(args: argparse.Namespace, change: Callable[[ControlConnection], None], comment: str = "") -> int:
    with _talk(args) as talk:
        change(talk)
        found = talk.ask(api.CHECK)
        for sentence in found.problems:
            sys.stderr.write(f"dialpost: {sentence}\n")
        if found.problems:
            return 1
        try:
            done = talk.ask(api.COMMIT, comment=args.comment or comment, anyway=args.anyway)
        except ControlError as error:
            hint = " To commit it anyway, give --anyway." if error.kind == "WarnFirstError" else ""
            raise ControlError(f"{error}{hint}", error.kind) from None
    for sentence in done.words:
        print(sentence)
    print(f"Committed as number {done.number}.")
    return 0


def _compare(args: argparse.Namespace) -> int:
    with _talk(args) as talk:
        answer = talk.ask(api.COMPARE, number=args.number)
        if args.json:
            print_answer(answer)
            return 0
        _tell(answer.lines)
        if not answer.lines:
            print("No differences.")
    return 0


def _history(args: argparse.Namespace) -> int:
    with _talk(args) as talk:
        commits = talk.ask(api.HISTORY).commits
        if args.json:
            print_answer(commits)
            return 0
        for commit in commits:
            comment = f"  {one_line(commit.comment)}" if commit.comment else ""
            when = commit_moment(commit.when_s, clock_trusted=commit.clock_trusted)
            print(f"{commit.number:4}  {when}  {one_line(commit.who)}{comment}")
    return 0


def _talk(args: argparse.Namespace) -> ControlConnection:
    """A new session. Raises: ControlError."""
    talk = ControlConnection(control_path(args))
    talk.ask(api.OPEN, who="")
    return talk


def _tell_change(change: api.Changed) -> None:
    _tell((*change.lines, *change.words))


def _tell(lines: Sequence[str]) -> None:
    for line in lines:
        print(line)


def _value(word: str) -> str:
    """Raises: EOFError if it is to be read and the input ends: that is not an empty value."""
    return input_line() if word == FROM_INPUT else word
