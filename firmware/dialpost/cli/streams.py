"""Standard input, output and error of every command: set up once, whatever terminal, locale or pipe they connect
to.

Whatever a terminal or its character set can't show is replaced on the way (core/printable), so that no command has
to think of it: a letter by its nearest in ASCII (in an address by its code), control characters and direction marks
in foreign text by something harmless. A reader that is gone (`head`, a closed window) ends the command quietly.
"""

from __future__ import annotations

import codecs
import contextlib
import io
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TextIO

from dialpost.core.printable import LONGEST_LINE, in_ascii, lines

NEAREST = "dialpost-nearest"
"""The name of our error handler for characters that an encoding lacks."""
READER_GONE = 141
"""Exit status: 128 + SIGPIPE, as shells have it."""


def _replace(error: UnicodeError) -> tuple[str | bytes, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return in_ascii(error.object, error.start, error.end), error.end


codecs.register_error(NEAREST, _replace)


class _OutputError(OSError):
    """The error of writing to standard output or error, if the stream does not buffer."""


class HarmlessOut(io.TextIOBase):
    """A text stream that passes all text through `core/printable`.

    `longest`: a line is cut after this many characters; None if the reader wants every line whole.
    """

    def __init__(self, stream: TextIO, longest: int | None = LONGEST_LINE) -> None:
        self.stream, self.longest = stream, longest
        self._column = 0

    def write(self, text: str) -> int:
        try:
            self.stream.write(self._cut(lines(text)))
        except BrokenPipeError:
            raise
        except OSError as error:
            raise _OutputError(*error.args) from error
        return len(text)

    def _cut(self, text: str) -> str:
        if self.longest is None:
            return text
        first, *rest = text.split("\n")
        shown = [
            self._cut_at(first, self.longest - self._column),
            *(self._cut_at(line, self.longest) for line in rest),
        ]
        self._column = len(rest[-1]) if rest else self._column + len(first)
        return "\n".join(shown)

    @staticmethod
    def _cut_at(line: str, room: int) -> str:
        return line if len(line) <= room else f"{line[: room - 1]}…" if room > 0 else ""

    def flush(self) -> None:
        self.stream.flush()

    def close(self) -> None:
        """The inner stream is for its owner to close; it may be closed long before this object is collected."""

    def fileno(self) -> int:
        return self.stream.fileno()

    def isatty(self) -> bool:
        return self.stream.isatty()

    def writable(self) -> bool:
        return True

    @property
    def encoding(self) -> str:  # type: ignore[override]  # `input` asks for it
        return self.stream.encoding

    @property
    def errors(self) -> str | None:  # type: ignore[override]
        return self.stream.errors


def run_with_streams(command: Callable[[], int]) -> int:
    """Run a command with its output made harmless; returns its exit status. Output that nobody reads causes no
    traceback."""
    with _set_up() as (out, err):
        try:
            try:
                return command()
            finally:
                out.flush()
                err.flush()
        except BrokenPipeError:
            _forget(out, err)
            return READER_GONE
        except OSError as error:
            if not _is_about_output(error, out):
                raise
            with contextlib.suppress(OSError):
                err.write(f"dialpost: can't write the output: {error.strerror}\n")
            _forget(out, err)
            return 1


@contextlib.contextmanager
def _set_up() -> Iterator[tuple[TextIO, TextIO]]:
    """A stream closed by whoever started us leads nowhere; `print` would skip it, other code would fail."""
    before = sys.stdin, sys.stdout, sys.stderr
    with contextlib.ExitStack() as opened:
        if not sys.stdin:
            sys.stdin = opened.enter_context(Path(os.devnull).open(encoding="utf-8"))
        made = []
        for given in before[1:]:
            stream = given or opened.enter_context(Path(os.devnull).open("w", encoding="utf-8"))
            if isinstance(stream, io.TextIOWrapper):
                opened.callback(_reset, stream, stream.errors)
                stream.reconfigure(errors=NEAREST)
            made.append(stream)
        sys.stdout, sys.stderr = (HarmlessOut(stream) for stream in made)
        try:
            yield made[0], made[1]
        finally:
            sys.stdin, sys.stdout, sys.stderr = before


def _reset(stream: io.TextIOWrapper, errors: str | None) -> None:
    with contextlib.suppress(OSError, ValueError):  # it is gone, or closed
        stream.reconfigure(errors=errors)


@contextlib.contextmanager
def raw_output() -> Iterator[None]:
    """For a command that draws on the terminal itself: only characters that the encoding lacks are replaced."""
    before = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = (getattr(stream, "stream", stream) for stream in before)
    try:
        yield
    finally:
        sys.stdout, sys.stderr = before


def whole_lines() -> None:
    """From here on no line is cut: the output is a file, such as a configuration."""
    if isinstance(sys.stdout, HarmlessOut):
        sys.stdout.longest = None


def _is_about_output(error: OSError, out: TextIO) -> bool:
    """An error in writing to standard output names no file, and buffered output would fail again."""
    if isinstance(error, _OutputError):
        return True
    if error.filename is not None:
        return False
    try:
        out.flush()
    except OSError:
        return True
    return False


def _forget(*streams: TextIO) -> None:
    """Keep the interpreter's own flush at exit from failing again."""
    null = os.open(os.devnull, os.O_WRONLY)
    for stream in streams:
        try:
            stream.flush()
        except OSError:
            with contextlib.suppress(OSError, ValueError):
                os.dup2(null, stream.fileno())
    os.close(null)
