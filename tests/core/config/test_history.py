"""The line on top of a committed configuration: what goes in comes out, and no text is lost for it."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dialpost.core.config.history import Commit, Proof, Unproven, split_header, with_header

COMMITS = st.builds(
    Commit,
    st.integers(1, 10**6),
    st.text(max_size=40),
    st.integers(0, 4_000_000_000),
    st.booleans(),
    st.text(max_size=40),
)


@given(COMMITS, COMMITS, st.text(max_size=60))
def test_there_and_back(commit: Commit, later: Commit, text: str) -> None:
    body = split_header(text)[1]
    written = with_header(text, commit)
    assert split_header(written) == (commit, body)
    assert split_header(with_header(written, later)) == (later, body)
    assert written.count("\n") == 1 + body.count("\n")


@given(st.text(max_size=60).map(lambda text: "#: " + text))
def test_a_line_that_is_damaged_is_none(text: str) -> None:
    commit, rest = split_header(text)
    assert commit is None or commit.number > 0
    assert rest == text.partition("\n")[2]


@pytest.mark.parametrize(("number", "is_one"), [(1, True), (0, False), (-1, False)])
def test_commits_are_numbered_from_one(number: int, is_one: bool) -> None:
    commit = Commit(number, "anna", 0, True, "")
    assert split_header(with_header("text", commit)) == (commit if is_one else None, "text")


def test_a_mark_that_is_damaged_is_none() -> None:
    trial = Unproven(3, 2, Proof.CONFIRM)
    assert Unproven.from_text(trial.to_text()) == trial
    for text in ("", "{", "[]", '{"number": 1}', '{"number": 3, "back_to": 2, "proof": "x"}', '"x"', "null"):
        assert Unproven.from_text(text) is None


def test_a_commit_for_the_control_api() -> None:
    commit = Commit(14, "anna", 1_820_000_000, False, "a new number")
    assert commit.to_json() == {
        "number": 14,
        "who": "anna",
        "when": commit.when,
        "when_s": 1_820_000_000,
        "clock_trusted": False,
        "comment": "a new number",
    }
    assert commit.when.startswith("2027-09-03 ") and commit.when != replace(commit, clock_trusted=True).when
