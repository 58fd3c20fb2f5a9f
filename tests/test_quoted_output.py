"""What pages quote of the program's output is what the program says."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

from cases import cases
from dialpost.core.system.update import record

TREE = Path(__file__).parents[1]
BLANK = "\x00"
"""Where an f-string puts a value."""


def page(name: str) -> str:
    return (TREE / "docs" / name).read_text(encoding="utf-8")


@cache
def texts() -> str:
    """Every string of the program, on a line each; values put in are one character."""
    found = []
    for path in sorted((TREE / "firmware/dialpost").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.JoinedStr):
                parts = (part.value if isinstance(part, ast.Constant) else BLANK for part in node.values)
                found.append("".join(str(part) for part in parts))
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                found.append(node.value)
    return "\n".join(" ".join(text.split()) for text in found)


def first_column(name: str, header: str) -> list[str]:
    """The first cells of the table with this header."""
    table = page(name).split(header, 1)[1].split("\n\n", 1)[0]
    return [line.split("|")[1].strip() for line in table.splitlines() if line.startswith("|") and "---" not in line]


@cases("cell", first_column("updating.md", "| it says | what it means | what to do |"))
def test_a_refusal_of_an_update_is_worded_as_the_page_has_it(cell: str) -> None:
    for sentence in cell.split(", or the computer says 404", maxsplit=1)[0].split("..."):
        if words := sentence.strip():
            assert words in texts()


def test_the_letters_of_an_update_have_the_subjects_of_the_page() -> None:
    source = Path(record.__file__).read_text(encoding="utf-8")
    subjects = re.findall(r"\*(The [^*]+)\*", " ".join(page("updating.md").split()))
    assert len(subjects) == 3
    assert [subject for subject in subjects if f'"{subject}"' not in source] == []


def test_the_wizard_asks_what_the_page_lists() -> None:
    asked = ", ".join(first_column("set-up.md", "| question | goes to | checked |"))
    for question in asked.split(", "):
        wanted = {"password": "Dial-in password", "Users": "User ", "their passwords": "'s password"}.get(
            question, question
        )
        assert re.search(rf"(?m)^[^a-z]*{re.escape(wanted)}|{re.escape(wanted)}$", texts()), question


def test_the_console_page_quotes_what_commit_says() -> None:
    quoted = re.search(r"^    dialpost\*> commit confirm 5\n((?:    .+\n)+)", page("console.md"), re.MULTILINE)
    assert quoted
    said = [line.strip() for line in quoted[1].splitlines() if not line.startswith("    dialpost")]
    for line in said:
        pattern = re.sub(r"\d+( min)?", BLANK, line)
        assert pattern in texts(), line


def test_the_boot_messages_are_those_of_the_image() -> None:
    scripts = (TREE / "image-build/boot/selector.cmd").read_text() + (
        TREE / "image-build/rootfs/usr/lib/dialpost/start-again"
    ).read_text()
    for cell in first_column("flashing.md", "| what you see | what to do |"):
        for quoted in re.findall(r"`(dialpost: .+|Dialpost: .+)`", cell):
            assert quoted.replace("slot a", "slot ${slot}") in scripts
