"""The pages people read: the list of decisions, the first page of the flow, the width of prose."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

from cases import cases

TREE = Path(__file__).parents[1]
DECISIONS = TREE / "docs/decisions"
WIDEST = 100
FIRST_PAGE_WORDS = 500
MOST_ASKED = 8
GLOSSARY_TERMS = range(30, 56)
TITLE = re.compile(r"\A# (\d+)\. (.+)\n\nDate: (\d{4}-\d\d-\d\d)\n\n")
ROW = re.compile(r"^\| \[(\d+)\]\(([^)]+)\) \| (\S+) \| (.+) \|$", re.MULTILINE)
MERGED = re.compile(r"^    .*\s# .*(?:\s# |\.venv/bin/).*$", re.MULTILINE)
"""A comment in a code block that has another command behind it."""
LINK = re.compile(r"\]\(([^)#:\s]+)(#[^)\s]*)?\)")
COMMAND = re.compile(r"(?:make|sudo|export|diskutil|brew|zstd|minicom|python3|\.venv/bin/\w+)(?= [\w-])|\w+=")


def pages() -> list[Path]:
    """Every page of the tree that git knows."""
    listed = subprocess.run(
        ["git", "ls-files", "*.md"], cwd=TREE, capture_output=True, text=True, check=True
    ).stdout.splitlines()
    return [TREE / name for name in listed]


def prose(text: str) -> list[str]:
    """Lines outside code blocks and tables, headings left out."""
    lines, in_code = [], False
    for line in text.split("\n"):
        if line.lstrip().startswith("```"):
            in_code = not in_code
        elif not in_code and not line.startswith(("|", "#", "    ")):
            lines.append(line)
    return lines


def anchors(page: Path) -> set[str]:
    """What can be linked to within a page, as code hosts make it of its headings."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_every_decision_is_listed_with_its_title_and_date() -> None:
    told = [
        (int(n), name, date, title) for n, name, date, title in ROW.findall((DECISIONS / "README.md").read_text())
    ]
    found = []
    for page in sorted(DECISIONS.glob("[0-9]*.md")):
        head = TITLE.match(page.read_text(encoding="utf-8"))
        assert head, f"{page.name} begins with '# NUMBER. TITLE', a blank line, 'Date: YYYY-MM-DD'"
        assert page.name.startswith(f"{int(head[1]):04d}-")
        found.append((int(head[1]), page.name, head[3], head[2]))
    assert told == found
    assert [number for number, *_ in found] == list(range(1, len(found) + 1))


def test_the_first_page_of_the_flow_is_short() -> None:
    first = (TREE / "docs/flow.md").read_text(encoding="utf-8").split("\n## ", 1)[0]
    assert len(first.split()) <= FIRST_PAGE_WORDS


def test_what_the_table_of_decisions_names_is_in_its_module() -> None:
    table = (
        (TREE / "docs/flow.md").read_text(encoding="utf-8").split("## Where is it decided?")[1].split("\n## ")[0]
    )
    named = re.findall(r"`((?:core|flow|edge)/[a-z_/]+)` \(`(\w+)`", table)
    assert len(named) >= MOST_ASKED
    for module, name in named:
        source = (TREE / "firmware/dialpost" / f"{module}.py").read_text(encoding="utf-8")
        assert re.search(rf"^(?:    )?(?:async def|def|class) {name}\b|^{name}\b", source, re.MULTILINE), (
            module,
            name,
        )


def test_the_glossary_has_the_terms() -> None:
    terms = re.findall(r"^\| (?!term \||---)(.+?) \|", (TREE / "docs/glossary.md").read_text(), re.MULTILINE)
    assert len(terms) in GLOSSARY_TERMS
    assert terms == sorted(terms, key=lambda term: term.strip("`").lower().replace("`", ""))


@cases("page", pages(), ids=lambda page: str(page.relative_to(TREE)))
def test_commands_are_not_wrapped_as_prose(page: Path) -> None:
    """Each command of a code block has its own line, with its comment behind it."""
    assert MERGED.findall(page.read_text(encoding="utf-8")) == []


@cases("page", pages(), ids=lambda page: str(page.relative_to(TREE)))
def test_prose_wraps(page: Path) -> None:
    lines = prose(page.read_text(encoding="utf-8"))
    assert [line for line in lines if len(line) > WIDEST and " " in line.strip()] == []


@cases("page", pages(), ids=lambda page: str(page.relative_to(TREE)))
def test_links_lead_somewhere(page: Path) -> None:
    for target, anchor in LINK.findall(page.read_text(encoding="utf-8")):
        found = page.parent / target
        assert found.exists(), target
        if anchor:
            assert anchor[1:] in anchors(found), target + anchor


def commands(text: str) -> list[list[str]]:
    """The indented blocks that begin with a command of the shell; what a backslash continues is one line."""
    blocks: list[list[str]] = [[]]
    for line in text.replace("\\\n", " ").split("\n"):
        if line.startswith("    "):
            blocks[-1].append(line.strip())
        elif blocks[-1]:
            blocks.append([])
    return [block for block in blocks if block and COMMAND.match(block[0])]


@cases("page", pages(), ids=lambda page: str(page.relative_to(TREE)))
def test_a_block_of_commands_has_one_on_each_line(page: Path) -> None:
    """Who fills a page's paragraphs joins the lines of its commands too, and what is copied then does not run."""
    for block in commands(page.read_text(encoding="utf-8")):
        assert [line for line in block if not COMMAND.match(line) or COMMAND.search(line.partition(" # ")[2])] == []
