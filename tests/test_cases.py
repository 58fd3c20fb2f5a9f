"""The tests' own way to run many cases in one."""

from __future__ import annotations

import pytest

from cases import cases


def test_each_case_runs_and_all_that_fail_are_shown_with_their_values() -> None:
    seen = []

    @cases(("number", "limit"), [(1, 2), (3, 2), (2, 2), (5, 2)], ids=str)
    def within(number: int, limit: int) -> None:
        seen.append(number)
        assert number <= limit

    with pytest.raises(ExceptionGroup, match="2 of 4 cases failed") as caught:
        within()
    assert seen == [1, 3, 2, 5]
    notes = [error.__notes__ for error in caught.value.exceptions]
    assert notes == [
        ["the case: 3 2 {'number': 3, 'limit': 2}"],
        ["the case: 5 2 {'number': 5, 'limit': 2}"],
    ]


def test_a_value_of_a_single_name_is_taken_as_it_is() -> None:
    seen = []

    @cases("text", [("a", "b"), pytest.param("c", id="letter")])
    def look(text: object) -> None:
        seen.append(text)

    look()
    assert seen == [("a", "b"), "c"]


def test_a_mark_of_a_single_case_is_refused() -> None:
    with pytest.raises(AssertionError, match="a case with marks"):
        cases("text", [pytest.param("a", marks=pytest.mark.slow)])


def test_no_case_at_all_is_a_failure() -> None:
    @cases("text", [])
    def look(text: str) -> None:
        raise AssertionError

    with pytest.raises(AssertionError, match="no case"):
        look()


def test_a_coroutine_is_refused() -> None:
    async def look(text: str) -> None:
        raise AssertionError(text)

    with pytest.raises(AssertionError, match="coroutine"):
        cases("text", ["a"])(look)
