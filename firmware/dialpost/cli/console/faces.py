"""Commands of the `dialpost` command line run within the console: the same code, with its output on this terminal.

A face prints with `print`, asks with `input` and `ask_secret`, and knows no console: while it runs, the standard
streams are the console's terminal.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import sys
from collections.abc import Iterator, Sequence

from dialpost.cli.commands import COMMANDS
from dialpost.cli.console.terminal import ConsoleTerminal
from dialpost.cli.parser import command_parser, parse
from dialpost.core.errors import DialpostError, IdleTooLongError, TerminalGoneError
from dialpost.core.printable import LONGEST_LINE, one_line

_LENDING = ("modem", "terminal")


class Faces:
    """Runs them for one console. `shared` has the options given to `dialpost console` itself."""

    def __init__(self, shared: argparse.Namespace, terminal: ConsoleTerminal) -> None:
        self._shared, self._terminal = shared, terminal

    def run(self, words: Sequence[str]) -> None:
        """Carry out a command. Expected failures are reported. Raises: KeyboardInterrupt, TerminalGoneError ..."""
        with streams(self._terminal) as fd_of:
            try:
                parser = command_parser(words[0])
                args = parse(parser, words[1:], argparse.Namespace(config=self._shared.config))
                with self._lent(words, fd_of):
                    args.func(args)
            except (TerminalGoneError, IdleTooLongError):
                raise  # options that do not concern the command
            except DialpostError as error:
                self._terminal.say(str(error))
            except SystemExit:
                pass  # the parser has reported what it did not understand

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
        if words[0] not in COMMANDS:
            return []
        parser = command_parser(words[0])
        for word in words[1:]:
            parser = parser.commands.choices.get(word, parser) if parser.commands else parser
        found = []
        for action in parser._actions:
            name = next((each for each in action.option_strings if each.startswith("--")), "")
            if name and name not in {"--help", "--json"}:
                found.append((name, (action.help or "").replace("%%", "%")))
        return found


class _Streams:
    """Standard input and output of a face: complete lines are printed, an incomplete one becomes the next
    prompt."""

    def __init__(self, terminal: ConsoleTerminal) -> None:
        self.terminal = terminal
        self.descriptor: int | None = None
        self._begun = ""

    def write_exactly(self, text: str) -> None:
        """Text for a program: neither folded nor paged."""
        self.finish()
        self.terminal.say_exactly(text.rstrip("\n"))

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

    @property
    def stream(self) -> _ExactOut:
        """Looked for by `cli.output.print_json`."""
        return _ExactOut(self._streams)

    def isatty(self) -> bool:
        return True

    def fileno(self) -> int:
        return _descriptor(self._streams)


class _ExactOut:
    def __init__(self, streams: _Streams) -> None:
        self._streams = streams
        self.encoding = "utf-8" if streams.terminal.utf8 else "ascii"

    def write(self, text: str) -> None:
        self._streams.write_exactly(text)


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
