"""The command line's grammar as data, for what is generated from it: one `Command` for each command and verb."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass

from dialpost.cli.parser import Parser, make_parser

FILE_NAMES = {"FILE", "DIR", "FOLDER", "DEVICE"}
"""Metavars that a shell completes with file names."""


@dataclass(frozen=True)
class Option:
    """An option or a positional argument."""

    names: tuple[str, ...]
    """Empty for a positional argument."""
    value: str
    """The placeholder for its value in help; "" if it takes none."""
    choices: tuple[str, ...]
    help: str
    repeats: bool = False

    @property
    def is_file(self) -> bool:
        """Whether its value names a file."""
        return self.value.upper() in FILE_NAMES


@dataclass(frozen=True)
class Command:
    """A command or verb. `path` is what is typed after `dialpost`; () is the program itself."""

    path: tuple[str, ...]
    line: str
    usage: str
    description: str
    epilog: str
    options: tuple[Option, ...]
    arguments: tuple[Option, ...]
    commands: tuple[Command, ...]

    @property
    def name(self) -> str:
        """As it is typed."""
        return " ".join(("dialpost", *self.path))

    def all(self) -> Iterator[Command]:
        """This one and all its subcommands."""
        yield self
        for each in self.commands:
            yield from each.all()


def grammar() -> Command:
    """The whole grammar, from the parser that reads the command line."""
    return _command(make_parser(), (), "")


def _command(parser: Parser, path: tuple[str, ...], line: str) -> Command:
    lines = {each.dest: each.help or "" for each in (parser.commands._choices_actions if parser.commands else ())}
    inner = parser.commands.choices if parser.commands else {}
    shown = [each for each in parser._actions if each.help != argparse.SUPPRESS and each is not parser.commands]
    options = [_option(parser, each) for each in shown]
    return Command(
        path,
        line,
        _usage(parser),
        (parser.description or "").strip(),
        (parser.epilog or "").strip(),
        tuple(each for each in options if each.names),
        tuple(each for each in options if not each.names),
        tuple(_command(each, (*path, name), lines.get(name, "")) for name, each in inner.items()),
    )


def _usage(parser: Parser) -> str:
    """On one line, without the program's name."""
    return " ".join(parser.format_usage().split()).removeprefix(f"usage: {parser.prog}").strip()


def _option(parser: Parser, action: argparse.Action) -> Option:
    formatter = parser.formatter_class(prog=parser.prog)
    choices = tuple(str(each) for each in action.choices or ())
    takes_value = not action.option_strings or action.nargs != 0
    named = action.metavar if isinstance(action.metavar, str) else ""
    value = (named or "|".join(choices) or action.dest.upper().replace("_", "-")) if takes_value else ""
    text = formatter._expand_help(action) if action.help else ""
    return Option(tuple(action.option_strings), value, choices, text, _repeats(action.nargs))


def _repeats(nargs: object) -> bool:
    return nargs in {"*", "+", argparse.REMAINDER}
