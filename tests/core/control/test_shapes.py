"""Answers as they go over the socket and come back."""

import dataclasses
import json
import types
from pathlib import Path
from typing import Annotated, Any, Union, get_args, get_origin

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cases import cases
from dialpost.core.control import calls, queue, station
from dialpost.core.control.declared import VERSION
from dialpost.core.control.shapes import from_json, members, objects_in, to_json, words
from dialpost.core.control.table import METHODS
from dialpost.core.errors import ControlError

PROMISED = Path(__file__).with_name("api-1.json")
RECIPIENT = {
    "number": 1,
    "address": "a@b.example",
    "state": "waiting",
    "words": "waits",
    "is_local": False,
    "attempts": 0,
    "next_try_s": 0,
    "answer_unknown": False,
}


def of(kind: Any) -> st.SearchStrategy[Any]:
    """Values of a type of an answer."""
    if get_origin(kind) is tuple:
        return st.lists(of(get_args(kind)[0]), max_size=2).map(tuple)
    if get_origin(kind) in {Union, types.UnionType}:
        return st.one_of([st.none() if one is type(None) else of(one) for one in get_args(kind)])
    if dataclasses.is_dataclass(kind):
        make: Any = kind
        return st.builds(make, **{member.name: of(member.kind) for member in members(make)})
    plain: dict[Any, st.SearchStrategy[Any]] = {
        str: st.text(max_size=10),
        int: st.integers(0, 2**40),
        float: st.floats(0, 1e9),
        bool: st.booleans(),
        type(None): st.none(),
    }
    return plain[kind]


@given(st.data())
def test_every_answer_comes_back_from_json_as_it_was(data: st.DataObject) -> None:
    answer: Any = METHODS[data.draw(st.sampled_from(sorted(METHODS)))].answer
    value = data.draw(of(answer))
    assert from_json(answer, json.loads(json.dumps(to_json(value)))) == value


def test_members_of_a_newer_daemon_are_passed_over_and_those_an_older_lacks_take_their_defaults() -> None:
    found = from_json(queue.Recipient, RECIPIENT | {"colour": "blue"})
    assert (found.address, found.name, found.held_because) == ("a@b.example", "", "")


@cases(
    ("kind", "value", "named"),
    [
        (queue.Recipient, {name: RECIPIENT[name] for name in RECIPIENT if name != "state"}, "lacks 'state'"),
        (queue.Recipient, RECIPIENT | {"attempts": "3"}, "'attempts'"),
        (queue.Recipient, RECIPIENT | {"attempts": True}, "'attempts'"),
        (queue.Recipient, [], "The daemon's answer is not"),
        (tuple[queue.Recipient, ...], [RECIPIENT, RECIPIENT | {"is_local": 1}], r"'\[\]\.is_local'"),
        (tuple[queue.Recipient, ...], {}, "The daemon's answer is not"),
        (str, None, "The daemon's answer is not"),
        (station.Status, {"mode": "running", "version": "1", "attention": "one"}, "'attention'"),
        (
            station.Status,
            {"mode": "running", "version": "1", "attention": [], "queue": {}},
            r"'queue\.waiting_local'",
        ),
    ],
)
def test_an_answer_of_another_shape_is_one_error_that_names_the_member(
    kind: Any,
    value: object,
    named: str,
) -> None:
    with pytest.raises(ControlError, match=named) as caught:
        from_json(kind, value)
    assert "restart" in str(caught.value) and not caught.value.kind


def test_a_whole_number_is_a_number_too() -> None:
    spent = dict.fromkeys(("day_s", "day_cost", "month_s", "month_cost", "undated_s", "undated_cost"), 0)
    assert from_json(calls.Spent, spent | {"day": ""}).day_s == 0.0


def test_a_type_in_words() -> None:
    assert words(tuple[queue.Message, ...]) == "list of `Message`"
    assert words(int | None) == "whole number or null"
    assert [kind.__name__ for kind in objects_in(tuple[queue.Message, ...])] == ["Message", "Recipient"]


def promised() -> dict[str, dict[str, Any]]:
    """Each method with its parameters and the members of its answer, as a script may rely on them."""
    return {
        name: {
            "params": {one.name: one.value_type.__name__ for one in method.parameters},
            "required": [one.name for one in method.parameters if one.is_required],
            "answer": words(method.answer),
            "members": {
                f"{kind.__name__}.{one.name}": words(one.kind)
                for kind in objects_in(method.answer)
                for one in members(kind)
            },
        }
        for name, method in METHODS.items()
    }


def test_nothing_that_version_1_promised_has_changed_or_gone() -> None:
    """What is new joins the file; what changes or goes needs another VERSION."""
    assert VERSION == 1
    kept, now = json.loads(PROMISED.read_text("utf-8")), promised()
    for name, method in kept.items():
        assert now[name]["answer"] == method["answer"], name
        assert now[name]["params"].items() >= method["params"].items(), name
        assert set(now[name]["required"]) <= set(method["required"]), name
        assert now[name]["members"].items() >= method["members"].items(), name
    assert kept == now, f"something is new: write it to {PROMISED.name} (`python {Path(__file__).name}` does)"


if __name__ == "__main__":
    PROMISED.write_text(json.dumps(promised(), indent=1, sort_keys=True) + "\n", "utf-8")


def test_a_member_that_an_older_daemon_lacks_says_nothing() -> None:
    """Every default is empty but that of the version, which says what the default is of."""
    kinds = {kind for method in METHODS.values() for kind in objects_in(method.answer)}
    fields = [field for kind in kinds for field in dataclasses.fields(kind)]
    told = {field.name for field in fields if field.default is not dataclasses.MISSING and field.default}
    assert told == {"api"} and len(fields) > 100


def test_only_what_has_no_default_is_required() -> None:
    @dataclasses.dataclass
    class Answer:
        plain: Annotated[int, "x"]
        given: Annotated[int, "x"] = 3
        made: Annotated[int, "x"] = dataclasses.field(default_factory=int)

    assert [member.is_required for member in members(Answer)] == [True, False, False]
