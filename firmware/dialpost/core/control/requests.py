"""The one place where a request is parsed and its parameters are checked against their declaration.

Every fault is one ControlError that names what is wrong; a handler sees only parameters as declared. `null` means
that a parameter is left out.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from enum import Enum

from dialpost.core.control.declared import LONGEST_TEXT, A, D, Method, P, Parameter, parameters_of
from dialpost.core.control.table import METHODS
from dialpost.core.errors import ControlError, JsonError
from dialpost.core.json_text import parse_object
from dialpost.core.json_value import JsonObject, JsonValue
from dialpost.core.printable import one_line

_LONGEST_NAME = 40
_MEMBERS = frozenset({"method", "params"})


def parse_request(line: bytes) -> tuple[str, JsonObject]:
    """Method and parameters of one line. Raises: ControlError with what is wrong."""
    try:
        request = parse_object(line)
    except JsonError as error:
        raise ControlError(f"The request is not one JSON object with a method. {error}") from None
    method, params = request.get("method"), request.get("params")
    if not isinstance(method, str):
        raise ControlError('The request is not one JSON object with a method: it needs "method", a text.')
    if params is not None and not isinstance(params, Mapping):
        raise ControlError('The request\'s "params" must be an object in { }.')
    for name in request.keys() - _MEMBERS:
        raise ControlError(f'A request has only "method" and "params", not {_named(name)}.')
    return method, params or {}


def unanswered(name: str) -> ControlError:
    """What to say when a method is called that nobody answers now."""
    if name in METHODS:
        return ControlError(f"{name} is not available: no station is running. `dialpost status` says why.")
    hint = _nearest(name, METHODS)
    return ControlError(f"This daemon has no method {_named(name)}." + (f" Is it {hint}?" if hint else ""))


def check(method: Method[P, D, A], given: JsonObject) -> D:
    """The parameters as the method's handler takes them. Raises: ControlError naming the parameter."""
    parameters = {parameter.name: parameter for parameter in parameters_of(method.params)}
    for name in given:
        if name not in parameters:
            known = ", ".join(parameters) or "none"
            raise ControlError(f"{method.name} has no parameter {_named(name)}; it has: {known}.")
    values: dict[str, object] = {}
    for name, parameter in parameters.items():
        value = given.get(name)
        if value is not None:
            values[name] = _value(parameter, value)
        elif parameter.is_required:
            raise ControlError(f"{name} is missing: it must be {parameter.words()}.")
    return method.params(**values)  # type: ignore[arg-type, call-arg]  # they are the P that `parameters_of` reads


def _value(parameter: Parameter, value: JsonValue) -> object:
    if parameter.is_list:
        return _texts(parameter, value)
    if parameter.value_type is str or parameter.choices:
        return _text(parameter, value)
    if parameter.value_type is bool:
        if not isinstance(value, bool):
            raise _wrong(parameter)
        return value
    allowed = int if parameter.value_type is int else (int, float)
    if isinstance(value, bool) or not isinstance(value, allowed):
        raise _wrong(parameter)
    low = parameter.setting.minimum
    if (low is not None and value < low) or value > parameter.maximum:
        raise _wrong(parameter)
    number: object = parameter.value_type(value)
    return number


def _text(parameter: Parameter, value: JsonValue) -> object:
    if not isinstance(value, str):
        raise _wrong(parameter)
    if issubclass(parameter.value_type, Enum):
        if value not in parameter.choices:
            raise _wrong(parameter)
        return parameter.value_type(value)
    if len(value) > parameter.maximum:
        raise _wrong(parameter)
    return value


def _texts(parameter: Parameter, value: JsonValue) -> tuple[str, ...]:
    if isinstance(value, str | Mapping) or not isinstance(value, list | tuple):
        raise _wrong(parameter)
    if len(value) > parameter.maximum:
        raise _wrong(parameter)
    texts: list[str] = []
    for text in value:
        if not isinstance(text, str) or len(text) > LONGEST_TEXT:
            raise _wrong(parameter)
        texts.append(text)
    return tuple(texts)


def _wrong(parameter: Parameter) -> ControlError:
    return ControlError(f"{parameter.name} must be {parameter.words()}.")


def _named(name: str) -> str:
    return repr(one_line(name, _LONGEST_NAME))


def _nearest(name: str, known: Iterable[str]) -> str:
    return next(iter(difflib.get_close_matches(name, list(known), 1, 0.7)), "")
