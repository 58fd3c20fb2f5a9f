"""docs/console.md is as the table of commands is."""

from __future__ import annotations

from pathlib import Path

from dialpost.core.console.commands import COMMANDS
from dialpost.core.console.manual import page

PAGE = Path(__file__).parents[3] / "docs" / "console.md"


def test_the_page_is_as_the_table_is() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "it is old: dialpost console --markdown > docs/console.md"


def test_every_command_is_on_it() -> None:
    for command in COMMANDS:
        assert f"**`{command.usage}`**" in page()
