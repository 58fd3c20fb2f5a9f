"""Where the core can be mutated, by cosmic-ray's operators, and a sample of it that a seed decides.

A site is a place in the source that at least one operator can change. The sample takes each site at most once, with
one of its mutations, so that a `+`, which eleven operators replace, weighs no more than a `not`.
"""

from __future__ import annotations

import ast
import builtins
import difflib
import random
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import parso
from cosmic_ray import plugins
from cosmic_ray.ast import ast_nodes
from cosmic_ray.ast.ast_query import ASTQuery
from cosmic_ray.mutating import mutate_code

Position = tuple[int, int]

_KINDS = {
    "ReplaceBinaryOperator": {"operator"},
    "ReplaceComparisonOperator": {"comparison"},
    "ReplaceUnaryOperator": {"factor", "not_test"},
}
"""The nodes that a large family of operators looks at: asking each of them about each node takes minutes."""
_SAME_HERE = ("_Is_Eq", "_Eq_Is", "_IsNot_NotEq", "_NotEq_IsNot")
"""Identity for equality and back: no difference for enums and classes, and for small numbers by CPython's leave."""
_BINARY_NODES = frozenset({"arith_expr", "term", "power", "expr", "and_expr", "xor_expr", "shift_expr"})
_LOOKED_AT_BY_NONE = frozenset({"name", "string", "newline"})
"""Most of a tree."""


@dataclass(frozen=True, slots=True)
class Mutant:
    """One mutation. `line` and `last_line` bound the statement, `where` is "module stem.Class.function"."""

    path: Path
    line: int
    last_line: int
    where: str
    operator: str
    occurrence: int

    def source(self) -> str:
        """The whole module, mutated."""
        operator = plugins.get_operator(self.operator)()
        original = self.path.read_text()
        mutated: str | None = mutate_code(original, operator, self.occurrence)
        assert mutated is not None and self._is_there(original.splitlines(), mutated.splitlines()), self
        return mutated

    def _is_there(self, was: list[str], now: list[str]) -> bool:
        """Whether only the statement changed: the tests of another line would say nothing."""
        first = self.line - 1
        while first and (not was[first - 1].strip() or was[first - 1].lstrip().startswith("#")):
            first -= 1  # a decorator goes with the empty lines and comments before it
        after = len(was) - self.last_line
        return was[:first] == now[:first] and was[self.last_line :] == now[len(now) - after :]

    def is_python(self) -> bool:
        """Whether it can be parsed: every test notices one that does not, and that says nothing of the tests."""
        try:
            ast.parse(self.source())
        except SyntaxError:
            return False
        return True

    def change(self) -> tuple[str, str]:
        """What it takes away and what it puts there, as stripped lines."""
        lines = difflib.ndiff(self.path.read_text().splitlines(), self.source().splitlines())
        changed = [line for line in lines if line[0] in "+-"]
        return _joined(changed, "-"), _joined(changed, "+")


def _joined(lines: list[str], sign: str) -> str:
    return " ".join(line[1:].strip() for line in lines if line[0] == sign)


def sample(paths: list[Path], seed: int, count: int) -> list[Mutant]:
    """`count` mutants at different sites, or all there are; the same for the same sources and seed."""
    chooser = random.Random(seed)
    sites = [site for path in sorted(paths) for site in sites_of(path)]
    chooser.shuffle(sites)
    found: list[Mutant] = []
    for mutants in sites:
        if len(found) == count:
            break
        in_turn = chooser.sample(mutants, len(mutants))
        found += next(([mutant] for mutant in in_turn if mutant.is_python()), [])
    return found


def sites_of(path: Path) -> list[list[Mutant]]:
    """The mutants of one module, those at the same place together."""
    source = path.read_text()
    tree = ast.parse(source)
    idle, statements = [*_idle_spans(tree), *_excused_spans(tree, source)], _statements(tree)
    nodes = [node for node in ast_nodes(parso.parse(source)) if getattr(node, "type", "") not in _LOOKED_AT_BY_NONE]
    found: dict[tuple[Position, Position], list[Mutant]] = defaultdict(list)
    for name in plugins.operator_names():
        operator_class = plugins.get_operator(name)
        if operator_class.arguments() or name.endswith(_SAME_HERE):
            continue  # VariableReplacer and VariableInserter need names
        operator = operator_class()
        kinds = next((kinds for family, kinds in _KINDS.items() if family in name), None)
        of_kind = nodes if kinds is None else [node for node in nodes if node.type in kinds]
        positions = ((node, *place) for node in of_kind for place in operator.mutation_positions(node))
        for occurrence, (node, start, end) in enumerate(positions):
            if _is_star(node) or any(first <= start and end <= last for first, last in idle):
                continue  # counted nevertheless: an occurrence is a number among all positions
            where = ".".join(filter(None, (path.stem, ASTQuery(node).get_definition_name())))
            line, last_line = statements.get(start[0], (start[0], start[0]))
            found[start, end].append(Mutant(path, line, last_line, where, name, occurrence))
    return [found[place] for place in sorted(found)]


def _is_star(node: object) -> bool:
    """The stars of parameters and arguments multiply nothing."""
    parent = getattr(node, "parent", None)
    return getattr(node, "type", "") == "operator" and getattr(parent, "type", "") not in _BINARY_NODES


def _idle_spans(tree: ast.Module) -> Iterator[tuple[Position, Position]]:
    """What no test runs: annotations, aliases of types, protocols, what a module does as a program. And what a test
    could only repeat: a dataclass's options, the value of a named constant, a setting's default and bounds.
    """
    for at_top in tree.body:
        if isinstance(at_top, ast.Assign | ast.AnnAssign) and at_top.value is not None and _is_figure(at_top.value):
            yield _span(at_top.value)
    for node in ast.walk(tree):
        idle: list[ast.expr | ast.stmt | None] = []
        if isinstance(node, ast.arg | ast.AnnAssign):
            idle.append(node.annotation)
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            idle.append(node.returns)
        elif isinstance(node, ast.ClassDef) and any(getattr(base, "id", "") == "Protocol" for base in node.bases):
            idle.append(node)
        elif isinstance(node, ast.ClassDef):
            idle += [one.value for one in node.body if isinstance(one, ast.Assign) and _is_figure(one.value)]
            # frozen and slots guard against authors, and mypy holds them.
            idle += [
                keyword.value
                for call in node.decorator_list
                if isinstance(call, ast.Call) and ast.unparse(call.func) in {"dataclass", "dataclasses.dataclass"}
                for keyword in call.keywords
            ]
        elif isinstance(node, ast.If) and getattr(node.test, "id", "") == "TYPE_CHECKING":
            idle += node.body
        elif isinstance(node, ast.If) and ast.unparse(node.test) == "__name__ == '__main__'":
            yield _span(node)
        elif isinstance(node, ast.Assert):
            idle.append(node)  # it holds: mypy reads it
        elif isinstance(node, ast.Call) and getattr(node.func, "id", "") == "TypeVar":
            idle.append(node)
        elif isinstance(node, ast.Call) and getattr(node.func, "id", "") == "zip":
            idle += [keyword.value for keyword in node.keywords]  # strict guards against authors, too
        elif isinstance(node, ast.Assign) and _is_alias(node.value):
            idle.append(node.value)
        elif isinstance(node, ast.Call) and getattr(node.func, "id", "") == "setting":
            idle += [
                argument for argument in (*node.args, *(k.value for k in node.keywords)) if _is_figure(argument)
            ]
        for part in idle:
            if part is not None:
                yield _span(part)


def _excused_spans(tree: ast.Module, source: str) -> Iterator[tuple[Position, Position]]:
    """What no test need run, and why is said there (`make cover` asks for it)."""
    lines = source.splitlines()
    for node in ast.walk(tree):
        if isinstance(node, ast.stmt | ast.ExceptHandler):
            body = getattr(node, "body", None)
            end = body[0].lineno - 1 if body else node.end_lineno or node.lineno
            if any("# pragma: no cover" in line for line in lines[node.lineno - 1 : end]):
                yield _span(node)


def _span(node: ast.expr | ast.stmt | ast.ExceptHandler) -> tuple[Position, Position]:
    assert node.end_lineno is not None and node.end_col_offset is not None
    return (node.lineno, node.col_offset), (node.end_lineno, node.end_col_offset)


def _is_figure(value: ast.expr) -> bool:
    """A number, or reckoned from numbers alone: `64 * 1024`; or several of them."""
    if isinstance(value, ast.Tuple):
        return all(map(_is_figure, value.elts))
    if isinstance(value, ast.BinOp):
        return _is_figure(value.left) and _is_figure(value.right)
    if isinstance(value, ast.UnaryOp):
        return _is_figure(value.operand)
    return isinstance(value, ast.Constant) and type(value.value) in {int, float}


def _is_alias(value: ast.expr) -> bool:
    """`X = A | B` of names with a capital, or of None."""
    if isinstance(value, ast.BinOp) and isinstance(value.op, ast.BitOr):
        return _is_alias(value.left) and _is_alias(value.right)
    name = value.value if isinstance(value, ast.Subscript) else value
    if isinstance(name, ast.Constant):
        return name.value is None
    return isinstance(name, ast.Name) and (
        (name.id[0].isupper() and not name.id.isupper()) or hasattr(builtins, name.id)
    )


def _statements(tree: ast.Module) -> dict[int, tuple[int, int]]:
    """The first and last line of the statement each line belongs to; of a compound one, only its head."""
    found = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.stmt):
            body = getattr(node, "body", None)
            last = body[0].lineno - 1 if isinstance(body, list) and body else node.end_lineno or node.lineno
            for line in range(node.lineno, max(last, node.lineno) + 1):
                found[line] = (node.lineno, max(last, node.lineno))
    return found
