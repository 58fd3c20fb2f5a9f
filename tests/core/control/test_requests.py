"""What comes over the control socket, against the declarations: one error for each fault, naming what is wrong."""

import json
from collections.abc import Callable
from math import inf
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cases import cases
from dialpost.core.control import requests
from dialpost.core.control.declared import LONGEST_TEXT, Access, Declared, Parameter
from dialpost.core.control.requests import parse_request, unanswered
from dialpost.core.control.table import METHODS
from dialpost.core.errors import ControlError
from known import known

EVERY = sorted(METHODS)
WITH_PARAMETERS = [name for name in EVERY if METHODS[name].parameters]
OTHER_TYPES = [True, 1.5, 7, "text", ["text"], [1], {"a": 1}]


def good(parameter: Parameter) -> st.SearchStrategy[Any]:
    """A value that is allowed."""
    if parameter.is_list:
        return st.lists(st.text(max_size=20), max_size=3)
    if parameter.choices:
        return st.sampled_from(parameter.choices)
    if parameter.value_type is bool:
        return st.booleans()
    if parameter.value_type is str:
        return st.text(max_size=int(min(parameter.maximum, 30)))
    low, high = parameter.setting.minimum, parameter.maximum
    if parameter.value_type is int:
        return st.integers(int(known(low)), int(high))
    return st.floats(low, high)


def wrongs(parameter: Parameter) -> list[Any]:
    """Values of another type, and just out of range."""
    fits = {bool: (bool,), int: (int,), float: (int, float)}.get(parameter.value_type, (str,))
    found = [one for one in OTHER_TYPES if type(one) not in ((list,) if parameter.is_list else fits)]
    most = parameter.maximum
    if parameter.is_list:
        return [*found, ["x"] * (int(most) + 1), ["x" * (LONGEST_TEXT + 1)], [1, "x"]]
    if parameter.choices:
        return [*found, "", parameter.choices[0].upper()]
    if parameter.value_type is str:
        return [*found, "x" * (int(most) + 1)]
    if parameter.value_type in {int, float}:
        return [*found, known(parameter.setting.minimum) - 1, most + 1]
    return found


def check(method: Declared, params: Any) -> Any:
    """The parameters as the method takes them; `Declared` does not say of which class."""
    return requests.check(cast(Any, method), params)


@st.composite
def good_params(draw: Callable[..., Any], method: Declared) -> dict[str, Any]:
    """Parameters that are allowed: those required, and some of the others."""
    chosen = [one for one in method.parameters if one.is_required or draw(st.booleans())]
    return {one.name: draw(good(one)) for one in chosen}


@given(st.data())
def test_what_is_declared_is_taken_and_reaches_the_handler_as_declared(data: st.DataObject) -> None:
    method = METHODS[data.draw(st.sampled_from(EVERY))]
    params = data.draw(good_params(method))
    taken = check(method, json.loads(json.dumps(params)))
    assert type(taken) is method.params
    for one in method.parameters:
        found = getattr(taken, one.name)
        if one.name in params:
            value = getattr(found, "value", found)
            assert (list(value) if one.is_list else value) == params[one.name]
        else:
            assert found == one.default


@pytest.mark.parametrize("name", WITH_PARAMETERS)
@settings(max_examples=5)
@given(st.data())
def test_a_parameter_of_another_type_or_out_of_range_is_one_error_that_names_it(
    name: str, data: st.DataObject
) -> None:
    method = METHODS[name]
    params = data.draw(good_params(method))
    for wrong in method.parameters:
        for value in wrongs(wrong):
            with pytest.raises(ControlError) as caught:
                check(method, params | {wrong.name: value})
            assert str(caught.value) == f"{wrong.name} must be {wrong.words()}."


@given(st.data())
def test_a_parameter_left_out_or_null_is_one_error_only_where_it_is_required(data: st.DataObject) -> None:
    method = METHODS[data.draw(st.sampled_from(WITH_PARAMETERS))]
    left_out = data.draw(st.sampled_from(method.parameters))
    params = data.draw(good_params(method))
    params.pop(left_out.name, None)
    if data.draw(st.booleans()):
        params[left_out.name] = None
    if left_out.is_required:
        with pytest.raises(ControlError) as caught:
            check(method, params)
        assert str(caught.value) == f"{left_out.name} is missing: it must be {left_out.words()}."
    else:
        assert getattr(check(method, params), left_out.name) == left_out.default


@given(st.sampled_from(EVERY), st.text(max_size=60))
def test_a_parameter_that_is_not_declared_is_one_error_that_names_it(name: str, unknown: str) -> None:
    method = METHODS[name]
    if unknown in {one.name for one in method.parameters}:
        return
    with pytest.raises(ControlError) as caught:
        check(method, {unknown: 1})
    words = str(caught.value)
    assert words.startswith(f"{name} has no parameter ") and "\n" not in words
    assert all(one.name in words for one in method.parameters)
    assert len(words) < 250


@cases(
    ("line", "words"),
    [
        (b"", "not one JSON object"),
        (b"garbage", "not JSON"),
        (b"[1, 2]", "not an object"),
        (b'"status"', "not an object"),
        (b'{"method": "status"', "not JSON"),
        (b'{"method": "status"} {"method": "status"}', "not JSON"),
        (b"{}", 'needs "method", a text'),
        (b'{"method": 7}', 'needs "method", a text'),
        (b'{"method": "status", "params": [1]}', '"params" must be an object'),
        (b'{"method": "status", "params": "x"}', '"params" must be an object'),
        (b'{"method": "status", "parms": {}}', "not 'parms'"),
        (b'{"method": "status", "method": "queue.delete"}', "'method' appears twice"),
        (b'{"method": "trace", "params": {"text": "a", "text": "b"}}', "'text' appears twice"),
        (b'{"method": "trace", "params": {"text": ' + b"[" * 100_000, "too deep"),
        (b'{"method": "trace", "params": {"text": ' + b"[" * 70 + b"]" * 70 + b"}}", "more than 64 deep"),
        (b'{"method": "trace", "params": {"text": "\\ud800"}}', "surrogate"),
        (b'{"method": "trace", "params": {"limit": 123456789012345678901234567890}}', "64 bits"),
        (b'{"method": "trace", "params": {"limit": NaN}}', "NaN is not a JSON number"),
        (b'{"method": "caf\xe9"}', "not UTF-8"),
    ],
)
def test_a_line_that_is_no_request_is_one_error_that_says_why(line: bytes, words: str) -> None:
    with pytest.raises(ControlError) as caught:
        parse_request(line)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 250


def test_a_request_is_its_method_and_its_parameters() -> None:
    assert parse_request(b'{"method": "status"}\n') == ("status", {})
    assert parse_request(b'{"method": "status", "params": null}') == ("status", {})
    assert parse_request(b'{"params": {"text": "\xc3\xa9"}, "method": "trace"}') == ("trace", {"text": "é"})


def test_a_mistyped_method_is_reported_the_nearest() -> None:
    assert str(unanswered("queue.lst")) == "This daemon has no method 'queue.lst'. Is it queue.list?"
    assert str(unanswered("fly")) == "This daemon has no method 'fly'."
    assert str(unanswered("queue.list")) == (
        "queue.list is not available: no station is running. `dialpost status` says why."
    )
    assert len(str(unanswered("x" * 10_000 + "\n"))) < 200


def test_a_secret_parameter_is_not_in_its_error() -> None:
    with pytest.raises(ControlError) as caught:
        check(METHODS["account.passwd"], {"name": "anna", "password": "geheim" * 1000})
    assert "geheim" not in str(caught.value)


def test_every_declaration_is_complete() -> None:
    """Numbers have both bounds, helps are sentences, and only the station's own units have methods of their own."""
    for method in METHODS.values():
        assert method.help.endswith("."), method.name
        for one in method.parameters:
            assert one.setting.help.endswith("."), (method.name, one.name)
            if one.value_type in {int, float}:
                assert one.setting.minimum is not None and one.maximum < inf, (method.name, one.name)
    assert [name for name in EVERY if METHODS[name].access is Access.OWNER] == ["panel.show", "trial.over"]
