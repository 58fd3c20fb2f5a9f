"""The command line's entry: `dialpost COMMAND ...`.

Exit status, the same for every command: 0 done, 1 it could not be done (the reason is on stderr),
2 the command was not understood. Commands with finer answers say so in their help.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from contextlib import nullcontext

from dialpost.cli.parser import command_in, make_parser, parse, with_help_asked
from dialpost.cli.streams import raw_output, run_with_streams, whole_lines
from dialpost.core.errors import DialpostError
from dialpost.core.printable import LONGEST_VALUE, one_line

_DRAWING = frozenset({"simulate", "console", "daemon"})
"""Commands that draw on the terminal, or log to it."""
_TALKING = frozenset({"account", "alias", "call", "config", "queue", "trace"})
"""Commands whose arguments are stored or searched as text, and name no file."""
_LONG_WORD = re.compile(rf"\S{{{LONGEST_VALUE},}}")


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; its exit status. Every expected failure is one plain message on stderr."""
    return run_with_streams(lambda: _run(list(sys.argv[1:] if argv is None else argv)))


def _run(argv: list[str]) -> int:
    words = with_help_asked(_config_first(argv))
    parser = make_parser(command_in(words) or "")
    args = parse(parser, words)
    if args.command is None:
        parser.print_help()
        return 0
    if args.command == "config":
        whole_lines()
    if args.command in _TALKING and (wrong := [word for word in argv if not _is_text(word)]):
        sys.stderr.write(f"dialpost: {wrong[0]} is not text in this terminal's character set\n")
        return 2
    try:
        with raw_output() if args.command in _DRAWING else nullcontext():
            return int(args.func(args))
    except DialpostError as error:
        sys.stderr.write(f"dialpost: {_LONG_WORD.sub(_shortened, str(error))}\n")
        return 1
    except KeyboardInterrupt:
        sys.stderr.write("\n")
        return 130
    except OSError as error:
        if error.filename is None or error.strerror is None:
            raise
        sys.stderr.write(f"dialpost: {one_line(error.filename)}: {error.strerror}\n")
        return 1
    except EOFError:  # Ctrl-D, or the end of a pipe, instead of an answer
        lead = "\n" if sys.stdin.isatty() else ""  # the question's line goes on
        sys.stderr.write(f"{lead}dialpost: no answer; nothing was done\n")
        return 1
    except UnicodeDecodeError as error:
        if args.command in _DRAWING:
            raise  # nobody typed it: a bug
        sys.stderr.write(f"dialpost: the input is not text in {error.encoding}\n")
        return 1


def _shortened(word: re.Match[str]) -> str:
    """Only the beginning of a name of thousands of characters, so that the reason after it is still visible."""
    return one_line(word[0])


def _is_text(word: str) -> bool:
    """Whether all of an argument's octets were characters: others arrive as surrogate halves (PEP 383)."""
    try:
        word.encode()
    except UnicodeEncodeError:
        return False
    return True


def _config_first(argv: list[str]) -> list[str]:
    """`dialpost status --config FILE` means what `dialpost --config FILE status` does: people write both."""
    for index, word in enumerate(argv):
        if word == "--":
            break
        if word == "--config" and index + 1 < len(argv):
            return argv[index : index + 2] + argv[:index] + argv[index + 2 :]
        if word.startswith("--config="):
            return [word, *argv[:index], *argv[index + 1 :]]
    return argv


if __name__ == "__main__":
    sys.exit(main())
