"""The grammar of the command line, in `argparse`: a command's face declares it when it is chosen.

The same declarations serve the command line, the console, the man pages and shell completion.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from typing import Any

from dialpost import __version__
from dialpost.cli.arguments import file_path
from dialpost.cli.commands import COMMANDS
from dialpost.cli.examples import examples_text

DEFAULT_CONFIG = "/etc/dialpost/dialpost.toml"

_DESCRIPTION = "Mail station for places with a dialled, slow, expensive or unreliable line."
_EPILOG = """\
Everyday commands:
  dialpost status               what the station is doing, what is waiting, what needs attention
  dialpost call now             dial, fetch and send
  dialpost trace anna@...       find a message
  dialpost account add anna     create a mailbox, effective at once
  dialpost doctor               check whether everything is set up for mail to arrive

`dialpost help COMMAND` explains a command, as COMMAND --help does; each has a manual page, for
example: man dialpost-status.

Files:
  /etc/dialpost/dialpost.toml   the configuration
  /var/lib/dialpost             mail, queue, accounts and certificate (station.data_dir)
  /run/dialpost/control.sock    the daemon's control socket (station.run_dir)

Exit status:
  0  success
  1  failure; the reason is on standard error
  2  the command was not understood
"""
_VALUED = "--config"
"""The only option before the command that takes a value."""


class Layout(argparse.HelpFormatter):
    """Help as wide as the terminal: paragraphs are filled, except those with indented lines, such as examples."""

    def __init__(self, prog: str) -> None:
        # Without a width argparse imports `shutil` and its compressors for each declared argument.
        super().__init__(prog, width=_columns() - 2)

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        blocks = text.strip("\n").split("\n\n")
        return "\n\n".join(self._fill_block(block, width, indent) for block in blocks)

    def _fill_block(self, block: str, width: int, indent: str) -> str:
        lines = block.split("\n")
        if any(line.startswith(" ") for line in lines):
            return "\n".join(indent + line for line in lines)
        return super()._fill_text(block, width, indent)


class Parser(argparse.ArgumentParser):
    """`commands` is what was added by `add_subparsers`; None if the command has no subcommands."""

    commands: Any = None

    def __init__(self, **settings: Any) -> None:
        super().__init__(**({"formatter_class": Layout} | settings))

    def add_subparsers(self, **settings: Any) -> Any:
        """Like argparse. Raises: ValueError, like argparse, if they are added twice."""
        # Given the name, argparse need not lay out a usage line to find it.
        self.commands = super().add_subparsers(**({"prog": self.prog} | settings))
        return self.commands

    def _print_message(self, message: str, file: Any = None) -> None:
        """Like argparse, but help that can't be written is a fault like any other output; argparse ignores that."""
        if file is sys.stdout:
            file.write(message)
        else:
            super()._print_message(message, file)


class _Commands:
    """Where a face adds its commands: their lines of help are in `COMMANDS`, their examples in `EXAMPLES`."""

    def __init__(self, commands: Any) -> None:
        self._commands = commands

    def add_parser(self, name: str, **settings: Any) -> Any:
        epilog = "\n\n".join(filter(None, (settings.pop("epilog", None), examples_text(name))))
        return self._commands.add_parser(name, help=COMMANDS[name][1], epilog=epilog, **settings)


def make_parser(chosen: str | None = None) -> Parser:
    """The whole grammar. With `chosen`, commands from other modules have only their names and lines of help."""
    parser = Parser(prog="dialpost", description=_DESCRIPTION, epilog=_EPILOG, allow_abbrev=False)
    parser.add_argument("--version", action="version", version=f"dialpost {__version__}")
    parser.add_argument(
        _VALUED,
        type=file_path,
        default=os.environ.get("DIALPOST_CONFIG") or DEFAULT_CONFIG,
        metavar="FILE",
        help=f"the configuration file (default: $DIALPOST_CONFIG, or {DEFAULT_CONFIG})",
    )
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", dest="command")
    wanted = {module for name, (module, _) in COMMANDS.items() if chosen in {None, name}}
    for name, (module, line) in COMMANDS.items():
        if module not in wanted:
            commands.add_parser(name, help=line)
        elif name not in commands.choices:
            __import__(module, fromlist=["add_parser"]).add_parser(_Commands(commands))
    return parser


def command_parser(name: str) -> Parser:
    """The parser of one command, whose face is imported now. `name` is one of `COMMANDS`."""
    found: Parser = make_parser(name).commands.choices[name]
    return found


def command_in(words: Sequence[str]) -> str | None:
    """The intended command: the first word that is neither an option nor the value of one."""
    at = _command_at(words)
    return None if at is None else words[at]


def with_help_asked(words: Sequence[str]) -> list[str]:
    """`help COMMAND` as `COMMAND --help`, and `help` as `--help`; other words as they are."""
    at = _command_at(words)
    if at is None or words[at] != "help":
        return list(words)
    return [*words[:at], *words[at + 1 :], "--help"]


def _command_at(words: Sequence[str]) -> int | None:
    passed = ""
    for at, word in enumerate(words):
        if passed != _VALUED and not word.startswith("-"):
            return at
        passed = word
    return None


def parse(parser: Parser, words: Sequence[str], namespace: argparse.Namespace | None = None) -> argparse.Namespace:
    """The arguments. If something is not understood, the process ends with status 2 and suggests the nearest
    match."""
    within, wrong = _follow(parser, words)
    if wrong is not None:
        from dialpost.cli.nearest import no_such_command

        within.error(no_such_command(make_parser() if within is parser else within, wrong))
    if within.commands is not None and within.commands.required and not {"-h", "--help"} & set(words):
        from dialpost.cli.nearest import no_verb

        within.error(no_verb(within, words))
    args, left = parser.parse_known_args(words, namespace)
    if left:
        from dialpost.cli.nearest import not_understood

        within.error(not_understood(within, left))
    return args


def _follow(parser: Parser, words: Sequence[str]) -> tuple[Parser, str | None]:
    """The parser of the innermost command given, and the word where a command was expected but not found."""
    passed = ""
    for word in words:
        if parser.commands is None or word in {"-h", "--help", "--"}:
            break
        if passed != _VALUED and not word.startswith("-"):
            if word not in parser.commands.choices:
                return parser, word
            parser = parser.commands.choices[word]
        passed = word
    return parser, None


def _columns() -> int:
    """The terminal's width, as `shutil.get_terminal_size` finds it."""
    told = os.environ.get("COLUMNS", "")
    if told.isdigit() and int(told):
        return int(told)
    try:
        return os.get_terminal_size(sys.__stdout__.fileno()).columns if sys.__stdout__ else 80
    except (OSError, ValueError):
        return 80
