"""docs/console.md is as the table of commands is."""

from __future__ import annotations

from pathlib import Path

from dialpost.core.console.commands import COMMANDS, Command, Group
from dialpost.core.console.manual import _entry, page

PAGE = Path(__file__).parents[3] / "docs" / "console.md"


def test_the_page_is_as_the_table_is() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "it is old: dialpost console --markdown > docs/console.md"


def test_every_command_is_on_it() -> None:
    for command in COMMANDS:
        assert f"**`{command.usage}`**" in page()


def test_its_name_on_the_command_line_is_given_where_it_is_another() -> None:
    for face in ("b", "z"):
        entry = _entry(Command(Group.LINE, ("m",), "does it", face=(face,)))
        assert entry == f"**`m`**  \nDoes it.\nThe same as `dialpost {face}`.\n"
    entry = _entry(Command(Group.LINE, ("m",), "does it", face=("m",)))
    assert entry == "**`m`**  \nDoes it.\nAs on the command line: `dialpost m --help`.\n"
