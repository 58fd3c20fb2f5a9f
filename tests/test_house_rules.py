"""What import-linter can't say of the tree: no circles, no crowded directories, no long modules."""

from __future__ import annotations

import ast
import contextlib
import re
import warnings
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from cases import cases

TREE = Path(__file__).parents[1]
PACKAGE = TREE / "firmware/dialpost"
MOST_LINES = 400
MOST_FILES = 20
_ASSERT_IF = re.compile(r"\bassert\b[^\n]* if |\bassert \(\n[^\n]*(?:\n\s+| )if ")
MOST_OVERRULED = 20  # tables whose columns say more than one entry a line would
PYTHON = sorted(path for part in ("firmware", "bench") for path in (TREE / part).rglob("*.py"))

NOUNS = re.compile(
    r" (?:more |big |held |waiting )?"
    r"(?:messages|recipients|entries|calls|days|hours|minutes|seconds|times|lines|accounts)\b"
)
NEVER_ONE = frozenset(
    {
        "count",  # core/config/check: how often a name is repeated
        "failures",  # core/line/call/notes: has words of its own for one
        "given_up_after",  # core/line/call/notes: more than one
        "record.attempts",  # core/mail/dsn: "once"
        "note.tries",  # flow/mail/inbound/control: "once"
        "self.count",  # core/logged_faults: more than one
        "max(facts.own_received, returns)",  # core/mail/intake_rules: a loop has several
        "learnt.silent_calls",  # core/mail/inbound/plan: three or more
        "lan.services.count(service)",  # core/config/lan_check: how often a name is repeated
        "recipient.number + 1",  # edge/mail/store/rows: more than a message may have
        "year_bytes / use.card_bytes",  # core/system/doctor/card_use: with a decimal place
        "idle_s / 60",  # the console's limit without input
    }
)


def name_of(path: Path) -> str:
    """The module's dotted name."""
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {name_of(path): path for path in sorted(PACKAGE.rglob("*.py"))}


def imported(source: str, known: frozenset[str]) -> Iterator[str]:
    """Every known module that is imported anywhere: in a function, and for the type checker alone, too."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in known)
        elif isinstance(node, ast.ImportFrom) and node.module in known:
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                yield inner if inner in known else node.module


def circle(graph: dict[str, set[str]]) -> list[str]:
    """One circle, [] if there is none: what imports nothing that is left is taken away until nothing can be."""
    left = {name: set(needs) for name, needs in graph.items()}
    while free := {name for name, needs in left.items() if not needs & left.keys()}:
        for name in free:
            del left[name]
    if not left:
        return []
    path = [min(left)]
    while path[-1] not in path[:-1]:
        path.append(min(left[path[-1]] & left.keys()))
    return path[path.index(path[-1]) :]


def test_no_modules_import_each_other_in_a_circle() -> None:
    known = frozenset(MODULES)
    graph = {
        name: set(imported(path.read_text(encoding="utf-8"), known)) - {name} for name, path in MODULES.items()
    }
    assert circle(graph) == []


def test_the_formatter_is_hardly_ever_overruled() -> None:
    mark = "# fmt: " + "skip"
    everything = (
        path
        for part in ("firmware", "tests", "bench", "release", "image-build")
        for path in (TREE / part).rglob("*.py")
    )
    overruled = [
        path for path in everything for line in path.read_text(encoding="utf-8").splitlines() if line.endswith(mark)
    ]
    assert 0 < len(overruled) <= MOST_OVERRULED, overruled


def test_a_circle_is_found() -> None:
    known = frozenset({"a", "b", "c"})
    source = "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from b import x\n"
    graph = {"a": set(imported(source, known)), "b": {"c"}, "c": {"a"}}
    assert circle(graph) == ["a", "b", "c", "a"]
    assert circle({**graph, "c": set()}) == []


def test_no_module_is_too_long() -> None:
    lines = {str(path): path.read_text(encoding="utf-8").count("\n") for path in PYTHON}
    assert len(lines) > 400
    assert {path: count for path, count in lines.items() if count > MOST_LINES} == {}


def test_no_folder_is_a_crowd() -> None:
    modules = [path for path in PYTHON if path.is_relative_to(PACKAGE) and path.name != "__init__.py"]
    crowds = Counter(str(path.parent) for path in modules)
    assert len(crowds) > 40
    assert {folder: count for folder, count in crowds.items() if count > MOST_FILES} == {}


def bare_system_errors(source: str) -> list[int]:
    """Lines that show an OSError as Python writes it, `[Errno 2] ...`, and not by `fault_words` or its strerror."""
    found = []
    for handler in ast.walk(ast.parse(source)):
        if not isinstance(handler, ast.ExceptHandler) or handler.name is None or handler.type is None:
            continue
        caught = {getattr(name, "id", getattr(name, "attr", "")) for name in ast.walk(handler.type)}
        if "OSError" in caught:
            found += [
                part.lineno
                for part in ast.walk(handler)
                if isinstance(part, ast.FormattedValue)
                and isinstance(part.value, ast.Name)
                and part.value.id == handler.name
                and part.conversion == -1
            ]
    return found


@pytest.mark.parametrize(
    ("shown", "lines"),
    [('f"It failed: {error}"', [4]), ('f"It failed: {fault_words(error)}"', []), ('f"{error!r}"', [])],
)
def test_bare_system_errors_are_found(shown: str, lines: list[int]) -> None:
    assert (
        bare_system_errors(f"try:\n    run()\nexcept (OSError, ValueError) as error:\n    say({shown})\n") == lines
    )


def test_nobody_reads_an_error_number() -> None:
    found = {
        str(path.relative_to(TREE)): bare_system_errors(path.read_text(encoding="utf-8"))
        for path in PACKAGE.rglob("*.py")
    }
    assert {name: lines for name, lines in found.items() if lines} == {}


def half_asserted(source: str) -> list[int]:
    """The lines of `assert a == b if c else d`: brackets are missing, so that `d`, a value, is what holds."""
    if not _ASSERT_IF.search(source):  # parsing all of them takes a second
        return []
    return [
        node.lineno
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Assert)
        and isinstance(node.test, ast.IfExp)
        and isinstance(node.test.orelse, ast.Constant | ast.JoinedStr | ast.List | ast.Tuple | ast.Dict | ast.Set)
    ]


def test_assertions_without_brackets_are_found() -> None:
    for orelse in ("[2]", "(1, 2)", "'c'", "f'{c}'", "b'c'", "3", "True", "{}"):
        assert half_asserted(f"\nassert a == [1] if b else {orelse}") == [2]
    assert half_asserted("assert a == 1 if b else a == 2\nassert a == (1 if b else 2)") == []


def test_no_assertion_holds_by_a_missing_bracket() -> None:
    tests = Path(__file__).parent.rglob("test_*.py")
    found = {str(path.relative_to(TREE)): half_asserted(path.read_text(encoding="utf-8")) for path in tests}
    assert {name: lines for name, lines in found.items() if lines} == {}


def possessive(source: str) -> list[str]:
    """The string constants of a module that are regular expressions with possessive repeats or atomic groups."""
    nodes = list(ast.walk(ast.parse(source)))
    docstrings = {id(node.value) for node in nodes if isinstance(node, ast.Expr)}
    texts = {
        node.value
        for node in nodes
        if isinstance(node, ast.Constant) and isinstance(node.value, str | bytes) and id(node) not in docstrings
    }
    return [str(text) for text in texts if _is_possessive(text)]


def _is_possessive(text: str | bytes) -> bool:
    marks = ("*+", "++", "?+", "}+", "(?>")
    if not any((mark if isinstance(text, str) else mark.encode()) in text for mark in marks):  # type: ignore[operator]
        return False
    with warnings.catch_warnings(), contextlib.suppress(re.error):
        warnings.simplefilter("ignore")
        parsed = str(re._parser.parse(text))  # type: ignore[attr-defined]
        return "POSSESSIVE_REPEAT" in parsed or "ATOMIC_GROUP" in parsed
    return False


def test_possessive_regular_expressions_are_found() -> None:
    assert possessive("A = re.compile(r'(?:a|b)*+c')") and possessive("A = rb'(?>a)'")
    assert not possessive(r"A = re.compile(r'[*+]+ a\*+ [?+}]+ \(\?>')")


@cases("path", PYTHON, ids=lambda path: str(path.relative_to(TREE)))
def test_no_regular_expression_is_possessive(path: Path) -> None:
    """Python 3.11.2, which is Debian 12's, matches some of them wrongly (CPython's issue 106052)."""
    assert possessive(path.read_text(encoding="utf-8")) == []


def uncounted(tree: ast.AST) -> Iterator[str]:
    """The expressions that stand before a plural noun in an f-string, other than constants."""
    for text in ast.walk(tree):
        if isinstance(text, ast.JoinedStr):
            for value, after in zip(text.values, text.values[1:], strict=False):
                if (
                    isinstance(value, ast.FormattedValue)
                    and isinstance(after, ast.Constant)
                    and NOUNS.match(str(after.value))
                ):
                    words = ast.unparse(value.value)
                    if not words.rpartition(".")[2].isupper() and words not in NEVER_ONE:
                        yield words


@cases("path", MODULES.values(), ids=str)
def test_a_number_agrees_with_its_noun(path: Path) -> None:
    """Nothing a user reads says "1 messages are": a number before a noun goes through core/amounts.count_words."""
    text = path.read_text()
    if re.search("}" + NOUNS.pattern, text):
        assert list(uncounted(ast.parse(text))) == []


def test_a_number_before_a_plural_is_found() -> None:
    assert list(uncounted(ast.parse('f"{number} messages are held", f"{MOST} days", f"{a.b} more lines"'))) == [
        "number",
        "a.b",
    ]
