"""Nothing can be done by one face only: each act of the command line and of the console is in the table."""

import argparse
import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from cases import cases
from dialpost import cli
from dialpost.cli.parser import Parser, make_parser
from dialpost.core.console import commands as console
from dialpost.core.control import accounts, calls, config, inbound, modem, panel, queue, station
from dialpost.core.control.faces import COMMANDS, CONSOLE, OTHERS, Act
from dialpost.core.control.table import METHODS

CLI = Path(cli.__file__).parent
LISTS = {
    "list",
    "history",
    "countries",
    "probe",
    "trace",
    "status",
    "doctor",
    "budget",
    "forecast",
    "compare",
    "explain",
}
"""Verbs that show what there is. `show` and `test` are told apart below."""
PROSE = {"config show": "it prints TOML, which scripts read", "board show": "its board's file is TOML"}
ALL = (*COMMANDS.values(), *CONSOLE.values(), *OTHERS.values())


def leaves(parser: Parser, words: tuple[str, ...] = ()) -> Iterator[tuple[str, Parser]]:
    """Every command there is, with its parser."""
    inner = [action for action in parser._actions if isinstance(action, argparse._SubParsersAction)]
    if not inner:
        yield " ".join(words), parser
    for action in inner:
        for name, below in action.choices.items():
            yield from leaves(below, (*words, name))


PARSERS = dict(leaves(make_parser()))


def test_every_command_is_in_the_table_and_no_other() -> None:
    assert sorted(PARSERS) == sorted(COMMANDS)


def test_every_command_of_the_console_alone_is_in_the_table_and_no_other() -> None:
    own = {command.name for command in console.COMMANDS if not command.face}
    assert own == set(CONSOLE)
    faces = {command.face for command in console.COMMANDS if command.face}
    assert all(any(" ".join(face).startswith(name) for name in COMMANDS) for face in faces)


@cases(("name", "act"), [*COMMANDS.items(), *CONSOLE.items()])
def test_an_act_asks_or_says_why_not(name: str, act: Act) -> None:
    assert act.methods or act.local.endswith(".")
    assert all(METHODS[method.name] is method for method in act.methods)


def test_every_method_is_asked_by_somebody() -> None:
    asked = {
        method.name for act in (*COMMANDS.values(), *CONSOLE.values(), *OTHERS.values()) for method in act.methods
    }
    assert asked == set(METHODS)


@cases("name", PARSERS)
def test_json_is_offered_where_its_form_is_declared_and_nowhere_else(name: str) -> None:
    offers = any("--json" in action.option_strings for action in PARSERS[name]._actions)
    assert offers == (COMMANDS[name].json is not None)


@cases("name", PARSERS)
def test_no_listing_is_without_json(name: str) -> None:
    verb = name.rsplit(maxsplit=1)[-1]
    if (verb in LISTS or verb == "show") and name not in {*PROSE, "panel show"}:
        assert COMMANDS[name].json is not None, f"`dialpost {name}` lists something: give it --json"


def test_what_the_table_says_is_asked_is_what_the_command_line_asks() -> None:
    """Each method stands in a module of cli/, and each that stands there is in the table."""
    by_constant: dict[Any, Any] = {}
    for module in (accounts, calls, config, inbound, modem, panel, queue, station):
        subject = module.__name__.rpartition(".")[2]
        by_constant |= {
            (subject, name): value.name for name, value in vars(module).items() if value in module.METHODS
        }
    used = set()
    for path in CLI.rglob("*.py"):
        tree = ast.parse(path.read_text("utf-8"))
        modules: dict[str, Any] = {}
        direct: dict[str, Any] = {}
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and node.module == "dialpost.core.control":
                modules |= {alias.asname or alias.name: alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("dialpost.core.control."):
                subject = str(node.module).rpartition(".")[2]
                direct |= {alias.name: (subject, alias.name) for alias in node.names}
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in modules:
                used.add((modules[node.value.id], node.attr))
            elif isinstance(node, ast.Name) and node.id in direct:
                used.add(direct[node.id])
    asked = {by_constant[one] for one in used if one in by_constant}
    told = {method.name for act in ALL for method in act.methods}
    by_modules_elsewhere = {"modem.refused_pins"}  # flow/line/modem/refused_pin asks it for `modem test`
    assert asked | by_modules_elsewhere == told


def test_no_face_asks_by_a_bare_name() -> None:
    """`call` and `events` are the raw wire, which nobody checks."""
    for path in CLI.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.args:
                first = node.args[0]
                is_name = isinstance(first, ast.Constant) and first.value in METHODS
                assert not (is_name and node.func.attr in {"call", "events", "ask"}), f"{path}:{node.lineno}"
