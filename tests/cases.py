"""Many small cases of one test, in one test.

    @cases(("text", "is_right"), [("a@b.example", True), ("a@", False)])
    def test_an_address(text: str, is_right: bool) -> None: ...

It reads like `pytest.mark.parametrize`, and is for cases that take less time than it takes pytest to collect,
distribute and report a test: with thousands of them that was a fifth of the whole run. Each case runs, whatever
happened to those before; all that fail are shown, each with its values. A test with fixtures, marks of single cases
or a skip needs pytest's own.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterable, Sequence
from typing import Any

MOST_SHOWN = 20

Ids = Callable[[Any], object] | Iterable[str] | None


def cases(names: str | Sequence[str], values: Iterable[Any], ids: Ids = None) -> Callable[..., Callable[[], None]]:
    """Run the test with each of `values`; for several names (`"a, b"` or a tuple) each is a tuple.

    `ids` are printed with a failed case beside its values: one for each, or a function of a value. A value may be a
    `pytest.param(..., id="...")`.
    """
    words = tuple(name.strip() for name in names.split(",")) if isinstance(names, str) else tuple(names)
    is_single = isinstance(names, str) and len(words) == 1
    rows, labels = [], []
    for number, value in enumerate(values):
        named = type(value).__name__ == "ParameterSet"  # what pytest.param makes
        assert not (named and value.marks), "a case with marks needs pytest.mark.parametrize"
        row = tuple(value.values) if named else (value,) if is_single else tuple(value)
        rows.append(row)
        labels.append(f"{value.id} " if named else _label(ids, number, row))

    def decorate(test: Callable[..., None]) -> Callable[[], None]:
        assert not inspect.iscoroutinefunction(test), "nobody would wait for a coroutine"

        @functools.wraps(test)
        def run() -> None:
            assert rows, "there is no case"
            failed: list[Exception] = []
            for label, row in zip(labels, rows, strict=True):
                given = dict(zip(words, row, strict=True))
                try:
                    test(**given)
                except Exception as error:
                    error.add_note(f"the case: {label}{given!r}")
                    failed.append(error)
            if failed:
                raise ExceptionGroup(f"{len(failed)} of {len(rows)} cases failed", failed[:MOST_SHOWN])

        run.__signature__ = inspect.Signature(return_annotation=None)  # type: ignore[attr-defined]  # no fixtures
        return run

    return decorate


def _label(ids: Ids, number: int, row: tuple[Any, ...]) -> str:
    if ids is None:
        return ""
    if callable(ids):
        return " ".join(str(ids(value)) for value in row) + " "
    return list(ids)[number] + " "
