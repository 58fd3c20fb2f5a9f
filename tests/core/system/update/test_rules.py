"""Which updates are refused, and why."""

from __future__ import annotations

import pytest

from dialpost.core.json_value import JsonValue
from dialpost.core.system.update.rules import BOARD, Release, refusal, release_in, running_release

RUNNING = Release(BOARD, "0.2.0", 1_795_000_000)


def test_a_newer_one_and_the_same_are_taken() -> None:
    assert refusal(Release(BOARD, "0.3.0", 1_795_000_001), RUNNING) == ""
    assert refusal(RUNNING, RUNNING) == ""


def test_an_older_one_is_refused() -> None:
    words = refusal(Release(BOARD, "0.1.0", 1_780_000_000), RUNNING)
    assert (
        "(version 0.1.0 of 2026-05-28 20:26) is older than what runs (version 0.2.0 of 2026-11-18 11:06)" in words
    )


def test_one_for_another_board_is_refused() -> None:
    assert refusal(Release("toaster", "9", 1_999_999_999), RUNNING).startswith("This update is for toaster;")


def test_what_rauc_says_of_a_bundle() -> None:
    info: JsonValue = {
        "compatible": "dialpost-arm64",
        "version": "0.1.0",
        "description": None,
        "build": "1795626323",
        "format": "verity",
        "hooks": [],
        "images": [],
    }
    assert release_in(info) == Release("dialpost-arm64", "0.1.0", 1_795_626_323)


@pytest.mark.parametrize(
    "info",
    [
        None,
        [],
        {},
        {"compatible": "x", "version": "1"},
        {"compatible": "x", "version": "1", "build": "soon"},
        {"compatible": 3, "version": "1", "build": "1"},
    ],
)
def test_a_bundle_that_does_not_say_what_it_is(info: JsonValue) -> None:
    with pytest.raises(ValueError, match="does not say"):
        release_in(info)


def test_what_runs() -> None:
    text = (
        'HOME_URL="https://a.example/?b=c"\n# IMAGE_ID=no\nIMAGE_ID=dialpost\n'
        'IMAGE_VERSION="0.2.0"\nBUILD_ID=1795000000\n'
    )
    assert running_release(text) == RUNNING
    assert running_release("IMAGE_ID=dialpost\nBUILD_ID=\n") == Release(BOARD, "unknown", 0)
    with pytest.raises(ValueError, match="does not run the station's image"):
        running_release("ID=debian\n")
    for other in ("another", "zz"):
        with pytest.raises(ValueError, match="does not run the station's image"):
            running_release(f"IMAGE_ID={other}\n")


def test_a_build_is_named_by_its_date_where_it_has_one() -> None:
    assert Release("board", "1.2.3", 0).name == "1.2.3"
    assert Release("board", "1.2.3", 1_820_000_000).name.startswith("1.2.3 of 2027-09-03")
