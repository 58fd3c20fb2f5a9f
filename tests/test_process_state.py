"""What belongs to the whole process (umask, folder, locale, limits ...) is never changed where tasks share it.

Between a change and its undoing an `async def` may wait, and every other task then runs with the change: folders
without their x bit, names looked up in another folder. So such calls stand in plain functions only.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import dialpost

SOURCES = sorted(Path(dialpost.__file__).parent.rglob("*.py"))
PROCESS_WIDE = {
    "os.umask",
    "os.chdir",
    "os.fchdir",
    "os.chroot",
    "os.putenv",
    "os.unsetenv",
    "os.nice",
    "os.setuid",
    "os.setgid",
    "os.seteuid",
    "os.setegid",
    "os.setreuid",
    "os.setregid",
    "os.setresuid",
    "os.setresgid",
    "os.setgroups",
    "os.environ.update",
    "os.environ.pop",
    "os.environ.setdefault",
    "os.environ.clear",
    "locale.setlocale",
    "time.tzset",
    "socket.setdefaulttimeout",
    "resource.setrlimit",
    "signal.signal",
    "sys.setrecursionlimit",
    "sys.setswitchinterval",
    "warnings.simplefilter",
    "warnings.filterwarnings",
    "contextlib.chdir",
    "contextlib.redirect_stdout",
    "contextlib.redirect_stderr",
}


def in_coroutines(tree: ast.AST, inside: bool = False) -> Iterator[ast.AST]:
    """The nodes that run as a part of an `async def`; a plain function in it is called from there too."""
    for node in ast.iter_child_nodes(tree):
        within = inside or isinstance(node, ast.AsyncFunctionDef)
        if within:
            yield node
        yield from in_coroutines(node, within)


def process_wide_changes(source: str) -> list[str]:
    found = []
    if "async def" not in source:
        return []  # parsing takes time
    for node in in_coroutines(ast.parse(source)):
        if isinstance(node, ast.Call) and ast.unparse(node.func) in PROCESS_WIDE:
            found.append(f"line {node.lineno}: {ast.unparse(node.func)}")
        is_set = isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Store | ast.Del)
        if isinstance(node, ast.Subscript) and is_set and ast.unparse(node).startswith("os.environ["):
            found.append(f"line {node.lineno}: os.environ")
    return found


def test_no_coroutine_changes_the_process() -> None:
    assert len(SOURCES) > 400
    found = {str(path): process_wide_changes(path.read_text()) for path in SOURCES}
    assert {path: changes for path, changes in found.items() if changes} == {}


@pytest.mark.parametrize(
    "line",
    [
        "os.umask(0o077)",
        "os.environ['TZ'] = 'UTC'",
        "del os.environ['TZ']",
        "with contextlib.chdir('/'): await x()",
    ],
)
def test_such_a_change_is_found(line: str) -> None:
    assert len(process_wide_changes(f"async def f():\n    {line}\n")) == 1
    assert process_wide_changes(f"def f():\n    {line.replace('await ', '')}\n") == []
