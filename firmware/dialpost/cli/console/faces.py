"""Commands of the `dialpost` command line run within the console: the same code, its words on this terminal.

A face prints with `print`, asks with `input` and `ask_secret`, and knows no console: while it runs, the standard
streams are the console's terminal.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import sys
from collections.abc import Iterator, Sequence
from typing import Any

from dialpost.cli.console.terminal import ConsoleTerminal
from dialpost.core.errors import DialpostError, IdleTooLongError, TerminalGoneError
from dialpost.core.printable import LONGEST_LINE, one_line

_LENDING = ("modem", "terminal")


class Faces:
    """The commands of an `argparse` parser. `commands` is its action with the sub-parsers."""

    def __init__(self, commands: Any, shared: argparse.Namespace, terminal: ConsoleTerminal) -> None:
        self._commands, self._shared, self._terminal = commands, shared, terminal

    def run(self, words: Sequence[str]) -> None:
        """Carry out a command. Expected failures are told. Raises: KeyboardInterrupt, TerminalGoneError ..."""
        with streams(self._terminal) as fd_of:
            try:
                parser = self._commands.choices[words[0]]
                args = parser.parse_args(list(words[1:]), argparse.Namespace(config=self._shared.config))
                with self._lent(words, fd_of):
                    args.func(args)
            except (TerminalGoneError, IdleTooLongError):
                raise  # that is no matter of the command
            except DialpostError as error:
                self._terminal.say(str(error))
            except SystemExit:
                pass  # the parser has said what it did not understand

    @contextlib.contextmanager
    def _lent(self, words: Sequence[str], streams: _Streams) -> Iterator[None]:
        """`modem terminal` reads and writes the descriptor itself."""
        if tuple(words[:2]) != _LENDING:
            yield
            return
        with self._terminal.tty.lent() as descriptor:
            streams.descriptor = descriptor
            yield

    def options(self, words: Sequence[str]) -> list[tuple[str, str]]:
        """The options of a command, each with its help."""
        parser = self._commands.choices.get(words[0])
        for word in words[1:]:
            verbs = next((each.choices for each in parser._actions if isinstance(each.choices, dict)), {})
            parser = verbs.get(word, parser)
        found = []
        for action in parser._actions if parser is not None else ():
            name = next((each for each in action.option_strings if each.startswith("--")), "")
            if name and name not in {"--help", "--json"}:
                found.append((name, (action.help or "").replace("%%", "%")))
        return found


class _Streams:
    """Standard input and output of a face: whole lines are said, what has no end yet is the next prompt."""

    def __init__(self, terminal: ConsoleTerminal) -> None:
        self.terminal = terminal
        self.descriptor: int | None = None
        self._begun = ""

    def write(self, text: str) -> None:
        *lines, self._begun = (self._begun + text).split("\n")
        for line in lines:
            self.terminal.say(one_line(line, LONGEST_LINE))

    def ask(self, *, secret: bool = False, prompt: str = "") -> str:
        prompt, self._begun = self._begun + prompt, ""
        return self.terminal.ask(prompt, secret=secret)

    def finish(self) -> None:
        if self._begun:
            self.write("\n")


class _Out(io.TextIOBase):
    def __init__(self, streams: _Streams) -> None:
        self._streams = streams

    def write(self, text: str) -> int:
        self._streams.write(text)
        return len(text)

    def isatty(self) -> bool:
        return True

    def fileno(self) -> int:
        return _descriptor(self._streams)


class _In(io.TextIOBase):
    def __init__(self, streams: _Streams) -> None:
        self._streams = streams

    def readline(self, size: int | None = -1, /) -> str:  # type: ignore[override]
        return self._streams.ask() + "\n"

    def ask_secret(self, prompt: str) -> str:
        """Looked for by `cli.output.ask_secret`."""
        return self._streams.ask(secret=True, prompt=prompt)

    def isatty(self) -> bool:
        return True

    def fileno(self) -> int:
        return _descriptor(self._streams)


def _descriptor(streams: _Streams) -> int:
    if streams.descriptor is None:
        raise io.UnsupportedOperation("fileno")
    return streams.descriptor


@contextlib.contextmanager
def streams(terminal: ConsoleTerminal) -> Iterator[_Streams]:
    """Standard input, output and error are the terminal."""
    made = _Streams(terminal)
    before = sys.stdin
    with contextlib.redirect_stdout(_Out(made)), contextlib.redirect_stderr(_Out(made)):
        sys.stdin = _In(made)
        try:
            yield made
            made.finish()
        finally:
            sys.stdin = before
