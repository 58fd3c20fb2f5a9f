"""The command line's entry: `dialpost COMMAND ...`.

Exit status, the same for every command: 0 done, 1 it could not be done (the reason is on stderr),
2 the command was not understood. Commands with finer answers say so in their help.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
from collections.abc import Sequence
from contextlib import nullcontext

from dialpost import __version__
from dialpost.cli.arguments import file_path
from dialpost.cli.config import file as config
from dialpost.cli.console import console
from dialpost.cli.line import call, modem
from dialpost.cli.mail import account, queue
from dialpost.cli.panel import board
from dialpost.cli.panel import show as panel
from dialpost.cli.streams import raw_output, run_with_streams, whole_lines
from dialpost.cli.system import apply, daemon, doctor, status, update
from dialpost.core.errors import DialpostError
from dialpost.core.printable import LONGEST_VALUE, one_line
from dialpost.sim import simulate

_DRAWING = frozenset({"simulate", "console", "daemon"})
"""Commands that draw on the terminal, or have a log of their own there."""
_TALKING = frozenset({"account", "alias", "call", "config", "queue", "trace"})
"""Commands whose arguments are kept or looked for as text, and name no file."""
_LONG_WORD = re.compile(rf"\S{{{LONGEST_VALUE},}}")
DEFAULT_CONFIG = "/etc/dialpost/dialpost.toml"

_EPILOG = """\
The usual day:
  dialpost status               what is the station doing, what waits, what needs a person
  dialpost call now             dial, fetch and send
  dialpost trace anna@...       where is my message
  dialpost account add anna     a new mailbox, effective at once
  dialpost doctor               is everything set up so that mail will arrive

Every command has its own --help.
"""


def make_parser() -> argparse.ArgumentParser:
    """The whole command line's grammar."""
    parser = argparse.ArgumentParser(
        prog="dialpost",
        description="Mail station for places whose line to the world is dialled, slow, dear or often down.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"dialpost {__version__}")
    parser.add_argument(
        "--config", type=file_path, default=os.environ.get("DIALPOST_CONFIG") or DEFAULT_CONFIG, metavar="FILE",
        help=f"the configuration file (default: $DIALPOST_CONFIG, or {DEFAULT_CONFIG})",
    )  # fmt: skip
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", dest="command", required=True)
    for face in (
        status,
        call,
        queue,
        account,
        config,
        apply,
        doctor,
        modem,
        board,
        panel,
        console,
        update,
        daemon,
        simulate,
    ):
        face.add_parser(commands)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; its exit status. Every expected failure is one plain message on stderr."""
    return run_with_streams(lambda: _run(list(sys.argv[1:] if argv is None else argv)))


def _run(argv: list[str]) -> int:
    args = make_parser().parse_args(_config_first(argv))
    if args.command == "config":
        whole_lines()
    if args.command in _TALKING and (wrong := [word for word in argv if not _is_text(word)]):
        sys.stderr.write(f"dialpost: {wrong[0]} is no text in this terminal's character set\n")
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
        sys.stderr.write(f"{lead}dialpost: nothing was answered; nothing was done\n")
        return 1
    except UnicodeDecodeError as error:
        if args.command in _DRAWING:
            raise  # nobody typed it: a bug
        sys.stderr.write(f"dialpost: what was read is no text in {error.encoding}\n")
        return 1


def _shortened(word: re.Match[str]) -> str:
    """Of a name of thousands of characters the beginning, so that the reason behind it is still seen."""
    return one_line(word[0])


def _is_text(word: str) -> bool:
    """Whether all of an argument's octets were characters: others come as halves of surrogate pairs (PEP 383)."""
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
