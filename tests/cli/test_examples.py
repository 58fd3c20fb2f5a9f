"""Every command has examples, and the command line takes each of them."""

import shlex

from cases import cases
from dialpost.cli.commands import COMMANDS
from dialpost.cli.examples import EXAMPLES, OF_VERBS
from dialpost.cli.parser import make_parser, parse


def test_every_command_has_some() -> None:
    assert list(EXAMPLES) == list(COMMANDS)


@cases("name, line", [(name, line) for name, some in EXAMPLES.items() for line, _ in some])
def test_the_command_line_takes_it(name: str, line: str) -> None:
    program, *words = shlex.split(line)
    assert (program, parse(make_parser(name), words).command) == ("dialpost", name)
    assert f"  {line} " in make_parser().commands.choices[name].format_help()


@cases("name, line", [(name, line) for name, some in OF_VERBS.items() for line, _ in some])
def test_the_help_of_a_verb_shows_its_own(name: str, line: str) -> None:
    command, verb = name.split()
    args = parse(make_parser(command), shlex.split(line)[1:])
    assert (args.command, args.verb) == (command, verb)
    assert f"  {line} " in make_parser().commands.choices[command].commands.choices[verb].format_help()
