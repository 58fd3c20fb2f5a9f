"""The grammar as a whole: a command's face is imported when it is chosen, and a mistyped word names the nearest."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

from cases import cases
from console_rig import live_daemon
from dialpost import __version__
from dialpost.__main__ import main
from dialpost.cli.commands import COMMANDS
from dialpost.cli.parser import command_in, command_parser, make_parser, with_help_asked

COUNT = """
import os, sys
before = set(sys.modules)
sys.argv = ["dialpost", *sys.argv[1:]]
from dialpost.command import main
try:
    main()
except SystemExit:
    pass
os.write(3, repr(sorted(set(sys.modules) - before)).encode())
"""


def modules_of(folder: Path, *words: str) -> tuple[list[str], str]:
    """What its own process imported for this command, besides what Python begins with, and what it printed."""
    out, into = os.pipe()
    script = f"import os; os.dup2({into}, 3)\n{COUNT}"
    done = subprocess.run(
        [sys.executable, "-c", script, *words],
        pass_fds=(into,),
        cwd=folder,
        capture_output=True,
        timeout=60,
        check=False,
    )
    os.close(into)
    with os.fdopen(out) as told:
        text = told.read()
    assert text, done.stderr
    found: list[str] = ast.literal_eval(text)
    return found, done.stdout.decode()


def test_every_command_of_the_table_is_declared_by_its_module_and_no_other() -> None:
    assert list(make_parser().commands.choices) == list(COMMANDS)


@cases("name", COMMANDS)
def test_a_command_alone_has_the_grammar_it_has_among_all(name: str) -> None:
    assert command_parser(name).format_help() == make_parser().commands.choices[name].format_help()


def test_the_help_of_all_needs_no_face() -> None:
    assert make_parser("").format_help() == make_parser().format_help()


@pytest.mark.parametrize(
    ("words", "command"),
    [
        (["status"], "status"),
        (["--config", "queue", "call", "now"], "call"),
        (["--config=f", "--version"], None),
        ([], None),
        (["--help"], None),
    ],
)
def test_the_command_is_the_first_word_that_is_no_option(words: list[str], command: str | None) -> None:
    assert command_in(words) == command


@cases(
    "typed, same",
    [
        ("help", "--help"),
        ("help queue", "queue --help"),
        ("help queue delete", "queue delete --help"),
        ("--config help help queue", "--config help queue --help"),
        ("status", "status"),
        ("trace help", "trace help"),
        ("", ""),
    ],
)
def test_help_may_come_first(typed: str, same: str) -> None:
    assert with_help_asked(typed.split()) == same.split()


def test_help_of_a_verb_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    for typed, said in (("help queue delete", "usage: dialpost queue delete "), ("help", "usage: dialpost [-h]")):
        with pytest.raises(SystemExit) as ended:
            main(typed.split())
        assert ended.value.code == 0
        assert capsys.readouterr().out.startswith(said)


def test_alone_it_prints_its_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 0
    assert capsys.readouterr().out == make_parser().format_help()


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("stauts", "`dialpost status`"),
        ("queue shwo 3", "`dialpost queue show`"),
        ("queue-show", "`dialpost queue show`"),
        ("queue ls", "`dialpost queue list`"),
        ("release 3", "`dialpost queue release`"),
        ("version", "`dialpost --version`"),
        ("status --jsn", "--json"),
        ("call now --over-budgte", "--over-budget"),
        ("--vers", "--version"),
        ("show 3", "`dialpost call show`, `dialpost queue show` or `dialpost config show`"),
    ],
)
def test_what_is_mistyped_names_the_nearest(capsys: pytest.CaptureFixture[str], typed: str, meant: str) -> None:
    with pytest.raises(SystemExit) as caught:
        main(typed.split())
    assert caught.value.code == 2 and f"Did you mean {meant}?" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("xyzzy", '"xyzzy". `dialpost --help` lists the commands.'),
        ("status x", '`dialpost status` does not take the argument "x"'),
        ("queue", "`dialpost queue` needs one of: list, show, retry, hold, release, delete"),
        ("queue --halp", "`dialpost queue` has no option --halp. Did you mean --help?"),
        ("status --qqq", "has no option --qqq. `dialpost status --help` lists the options."),
        ("\x9b2J", '"?2J"'),
    ],
)
def test_where_nothing_is_near_the_help_is_named(capsys: pytest.CaptureFixture[str], typed: str, said: str) -> None:
    with pytest.raises(SystemExit):
        main(typed.split())
    assert said in capsys.readouterr().err


def test_the_version_needs_next_to_no_module(tmp_path: Path) -> None:
    modules, said = modules_of(tmp_path, "--version")
    assert said == f"dialpost {__version__}\n"
    assert "dialpost.command" in modules and len(modules) <= 60, modules


def test_status_needs_neither_the_daemons_machinery_nor_the_configurations(tmp_path: Path) -> None:
    with live_daemon(tmp_path) as station:
        modules, said = modules_of(tmp_path, "--config", str(station.config_path), "status")
    assert "Dialpost" in said
    # Typed answers cost a fifth of them: the declarations, and `dataclasses` with all that it imports.
    assert "dialpost.cli.system.status" in modules and len(modules) <= 120, modules
    assert not {"asyncio", "dialpost.core.config.model", "dialpost.core.control.table"} & set(modules)
