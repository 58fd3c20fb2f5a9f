"""docs/control-api.md is what the declarations say."""

from pathlib import Path

from dialpost.core.control.page import page
from dialpost.core.control.table import METHODS

PAGE = Path(__file__).parents[3] / "docs" / "control-api.md"


def test_the_page_is_made_from_the_declarations() -> None:
    assert PAGE.read_text("utf-8") == page(), (
        "docs/control-api.md is old: .venv/bin/python -m dialpost.core.control.page > docs/control-api.md"
    )


def test_the_page_has_every_method_once() -> None:
    headings = [line for line in page().splitlines() if line.startswith("### ")]
    assert headings == [f"### `{name}`" for name in METHODS]
