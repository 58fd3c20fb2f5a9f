"""Hints that name a command, in the form used at the console.

A message may come from any part of the station and names commands as in a shell: `dialpost queue list`. At the
console the word `dialpost` is not needed, and the commands about the configuration have no `config`.
"""

from __future__ import annotations

import re

from dialpost.core.console.commands import COMMANDS, Group

_HINT = re.compile(r"`dialpost ([a-z][^`\n]*)`")
_CONFIG = "config "
_OF_FILES = ("check", "show")
"""`dialpost config` has these too, but there they work on a file."""
_NAMES = tuple(command.name for command in COMMANDS if command.group is not Group.CONFIGURATION)
_CONFIG_NAMES = tuple(
    command.name
    for command in COMMANDS
    if command.group is Group.CONFIGURATION and command.words[0] not in _OF_FILES
)


def at_console(text: str) -> str:
    """The text with each hint in the console's form; commands that the console lacks are unchanged."""
    return _HINT.sub(_short, text)


def _short(found: re.Match[str]) -> str:
    line = found[1]
    if line.startswith(_CONFIG):
        line = line.removeprefix(_CONFIG)
        return f"`{line}`" if _begins(line, _CONFIG_NAMES) else found[0]
    return f"`{line}`" if _begins(line, _NAMES) else found[0]


def _begins(line: str, names: tuple[str, ...]) -> bool:
    return any(f"{line} ".startswith(f"{name} ") for name in names)
