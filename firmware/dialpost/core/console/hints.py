"""Hints that name a command, as they are typed at the console.

A message may come from any part of the station and names commands as a shell takes them: `dialpost queue list`. At
the console the word `dialpost` is superfluous, and the commands about the configuration have no `config`.
"""

from __future__ import annotations

import re

from dialpost.core.console.commands import COMMANDS, Group

_HINT = re.compile(r"`dialpost ([a-z][^`\n]*)`")
_CONFIG = "config "
_OF_FILES = ("check", "show")
"""`dialpost config` has these too, but there they are about a file."""
_NAMES = tuple(command.name for command in COMMANDS if command.group is not Group.CONFIGURATION)
_CONFIG_NAMES = tuple(
    command.name
    for command in COMMANDS
    if command.group is Group.CONFIGURATION and command.words[0] not in _OF_FILES
)


def at_console(text: str) -> str:
    """The text with each hint as the console takes it; what the console lacks stays as it is."""
    return _HINT.sub(_short, text)


def _short(found: re.Match[str]) -> str:
    line = found[1]
    if line.startswith(_CONFIG):
        line = line.removeprefix(_CONFIG)
        return f"`{line}`" if _begins(line, _CONFIG_NAMES) else found[0]
    return f"`{line}`" if _begins(line, _NAMES) else found[0]


def _begins(line: str, names: tuple[str, ...]) -> bool:
    return any(f"{line} ".startswith(f"{name} ") for name in names)
