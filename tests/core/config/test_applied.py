"""The result of applying a configuration, on its way from root to the daemon."""

import json

import pytest

from dialpost.core.config.applied import ApplyResult, not_applied

FULL = ApplyResult(True, ("/etc/hostname",), ("the host name",), ("späte Sache",), ("a note",))


def test_it_survives_its_way_and_is_text_an_operator_can_read() -> None:
    assert ApplyResult.from_json(FULL.to_json()) == FULL
    assert "späte Sache" in FULL.to_json() and FULL.to_json().endswith("}\n")
    assert FULL.to_json().splitlines()[1] == ' "applied": true,'


def test_what_could_not_be_done_says_why() -> None:
    assert not_applied("no root") == ApplyResult(applied=False, problems=("no root",))


@pytest.mark.parametrize(
    "change",
    [
        {"applied": 1},
        {"applied": None},
        {"changed": "x"},
        {"reloaded": None},
        {"problems": [1]},
        {"notes": {"a": 1}},
    ],
    ids=str,
)
def test_anything_else_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"result of applying|list of strings"):
        ApplyResult.from_json(json.dumps(json.loads(FULL.to_json()) | change))
