"""What to say about an unknown command or option: the nearest one. Imported only then."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from difflib import get_close_matches
from typing import Any, Protocol

from dialpost.core.printable import one_line

_MOST = 3
"""The most commands that are suggested."""
_LONGEST = 40
"""The most characters of a typed word that are quoted."""


class Parser(Protocol):
    """The subset of `cli/parser.Parser` needed here."""

    prog: str
    commands: Any
    _actions: list[argparse.Action]


def no_such_command(parser: Parser, word: str) -> str:
    """The sentence about `word`, found where a command of `parser` should be. At the top level all commands count:
    a verb may have been typed without its command.
    """
    lines = {line.removeprefix(f"{parser.prog} "): line for line in _lines(parser)}
    lines |= {option: f"{parser.prog} {option}" for option in _options(parser)}
    near = [line for typed, line in lines.items() if word in {typed.split()[-1], typed.lstrip("-")}]
    near = near or [lines[typed] for typed in get_close_matches(word.lower().replace("-", " "), lines, 1, 0.6)]
    shown = one_line(word, _LONGEST)
    if not near:
        return f'unknown command "{shown}". `{parser.prog} --help` lists the commands.'
    return f'unknown command "{shown}". Did you mean {_or([f"`{line}`" for line in near[:_MOST]])}?'


def no_verb(parser: Parser, words: Sequence[str]) -> str:
    """The sentence about a line that ends, or continues with an option, where a command of `parser` is needed."""
    options = [word for word in words if word.startswith("--") and not word.startswith("--config")]
    if options:
        return not_understood(parser, options)
    return f"`{parser.prog}` needs one of: {', '.join(parser.commands.choices)}"


def not_understood(parser: Parser, words: Sequence[str]) -> str:
    """The sentence about arguments that the command of `parser` does not accept."""
    word = words[0]
    shown = one_line(word, _LONGEST)
    if not word.startswith("-"):
        return f'`{parser.prog}` does not take the argument "{shown}"'
    near = get_close_matches(word.partition("=")[0], _options(parser), 1, 0.6)
    more = f"Did you mean {near[0]}?" if near else f"`{parser.prog} --help` lists the options."
    return f"`{parser.prog}` has no option {shown}. {more}"


def _lines(parser: Parser) -> Iterator[str]:
    """Every command within it, as it is typed."""
    for inner in parser.commands.choices.values() if parser.commands else ():
        yield inner.prog
        yield from _lines(inner)


def _options(parser: Parser) -> list[str]:
    shown = (action for action in parser._actions if action.help != argparse.SUPPRESS)
    return [name for action in shown for name in action.option_strings if name.startswith("--")]


def _or(words: Sequence[str]) -> str:
    return " or ".join(filter(None, (", ".join(words[:-1]), words[-1])))
