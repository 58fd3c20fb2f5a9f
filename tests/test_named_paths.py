"""Every module and every path that a page, a docstring or a comment names is there."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

TREE = Path(__file__).parents[1]
PACKAGE = TREE / "firmware/dialpost"
READ = (".md", ".py", ".toml", ".service", ".socket", ".sh", ".cmd", ".rules", "Makefile")
OLD = ("CHANGELOG.md",)
"""Says what was true when it was written."""

LAYER = r"(?:core|flow|edge|cli|sim)"
BY_LAYER = re.compile(
    rf"(?:firmware/dialpost/|(?<![\w/.$<>-])){LAYER}/[a-z_0-9]+(?:/[a-z_0-9]+)*(?:\.[A-Za-z_]\w*)?"
)
"""`core/mail/routing`, `core/mail/routing.py`, `core/mail/routing.decide`, with or without the folders above."""

DOTTED = re.compile(rf"(?<![\w.])dialpost\.{LAYER}(?:\.(?!__)[A-Za-z_]\w*)+")
"""A module, or what is in one: `dialpost.core.mail.routing.decide`."""

IN_TREE = re.compile(r"(?<![\w/.$<>{}-])(?:tests|bench|docs|board|systemd|image-build)/[\w./@-]*\w")
"""A path of the tree, as prose names it."""


def _names_modules(name: str) -> bool:
    """Pages, code, units, and scripts, which have no suffix."""
    file = TREE / name
    is_script = not file.suffix and file.is_file() and file.read_bytes().startswith(b"#!")
    return is_script or name.endswith(READ)


def texts() -> list[Path]:
    """Every text that git knows and that names modules."""
    listed = subprocess.run(["git", "ls-files"], cwd=TREE, capture_output=True, text=True, check=True).stdout
    names = [name for name in listed.splitlines() if _names_modules(name) and name not in OLD]
    return [TREE / name for name in names if name != f"tests/{Path(__file__).name}"]


def module(parts: list[str]) -> Path | None:
    """The file of a module or package below the import package."""
    path = PACKAGE.joinpath(*parts)
    for file in (path.with_suffix(".py"), path / "__init__.py"):
        if file.is_file():
            return file
    return None


def holds(parts: list[str], name: str | None) -> bool:
    """Whether the module is there, and has what is named of it."""
    file = module(parts)
    if file is None:
        return False
    return (
        name in (None, "py", "toml", "__file__")
        or re.search(rf"\b{name}\b", file.read_text(encoding="utf-8")) is not None
    )


def missing_modules(text: str) -> Iterator[str]:
    for found in BY_LAYER.finditer(text):
        path, _, name = found[0].removeprefix("firmware/dialpost/").partition(".")
        if not holds(path.split("/"), name or None):
            yield found[0]
    for found in DOTTED.finditer(text):
        parts = found[0].split(".")[1:]
        known = next((n for n in range(len(parts), 0, -1) if module(parts[:n])), 0)
        if not known or not holds(parts[:known], parts[known] if known < len(parts) else None):
            yield found[0]


def missing_paths(page: Path) -> Iterator[str]:
    for path in {path.rstrip("/.") for path in IN_TREE.findall(page.read_text(encoding="utf-8"))}:
        if not (TREE / path).exists() and not (page.parent / path).exists():
            yield path


def test_every_module_named_is_there() -> None:
    files = texts()
    assert len(files) > 1000
    missing = {str(file): list(missing_modules(file.read_text(encoding="utf-8"))) for file in files}
    assert {file: names for file, names in missing.items() if names} == {}


def test_every_path_a_page_names_is_there() -> None:
    pages = [file for file in texts() if file.suffix == ".md"]
    assert len(pages) > 50
    missing = {str(page): sorted(missing_paths(page)) for page in pages}
    assert {page: paths for page, paths in missing.items() if paths} == {}


def test_what_is_not_there_is_found(tmp_path: Path) -> None:
    """The rules above are tried on names that went."""
    page = tmp_path / "page.md"
    page.write_text("See docs/flow.md, `docs/no_such.md` and bench/no_such/.", encoding="utf-8")
    assert sorted(missing_paths(page)) == ["bench/no_such", "docs/no_such.md"]
    assert list(missing_modules("`core/routing` firmware/dialpost/core/mail/routing.py")) == ["core/routing"]
    assert list(missing_modules("core/mail/routing.no_such dialpost.core.config_line")) == [
        "core/mail/routing.no_such",
        "dialpost.core.config_line",
    ]
