"""The shapes of answers: frozen dataclasses, turned into JSON by the daemon and back by its faces.

A face reads what it knows: unknown members (from a newer daemon) are ignored, and a missing one (from an older
daemon) takes its default. A missing member without a default, or one of the wrong type, is a ControlError.
"""

from __future__ import annotations

import dataclasses
import functools
import types
from collections.abc import Mapping
from enum import Enum
from typing import Annotated, TypeVar, Union, get_args, get_origin, get_type_hints

from dialpost.core.advice import RESTART
from dialpost.core.errors import ControlError
from dialpost.core.json_value import JsonValue

A = TypeVar("A")
_WORDS = {str: "text", int: "whole number", float: "number", bool: "true or false", type(None): "null"}


@dataclasses.dataclass(frozen=True, slots=True)
class Member:
    """One member of an answer's object. `help` is what it says."""

    name: str
    kind: object
    help: str
    is_required: bool


def to_json(value: object) -> JsonValue:
    """An answer as it goes over the socket."""
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, list | tuple):
        return [to_json(item) for item in value]
    if isinstance(value, Enum):
        return to_json(value.value)
    assert dataclasses.is_dataclass(value) and not isinstance(value, type), f"{type(value)} is in no answer"
    return {name: to_json(getattr(value, name)) for name in _names(type(value))}


@functools.cache
def _names(kind: type) -> tuple[str, ...]:
    """A long list has thousands of the same kind."""
    return tuple(field.name for field in dataclasses.fields(kind))


def from_json(kind: type[A], value: object) -> A:
    """An answer as its method declares it. Raises: ControlError if it has another shape."""
    return _read(kind, value, "")  # type: ignore[return-value]  # `kind` decides it


@functools.cache
def members(kind: type) -> tuple[Member, ...]:
    """The members of an object in an answer, in the order of their declaration."""
    hints = get_type_hints(kind, include_extras=True)
    return tuple(_member(field, hints[field.name]) for field in dataclasses.fields(kind))


def words(kind: object) -> str:
    """A type for the reader of the page: "list of Message", "text or null"."""
    if get_origin(kind) is tuple:
        return f"list of {words(get_args(kind)[0])}"
    if get_origin(kind) in {Union, types.UnionType}:
        return " or ".join(words(one) for one in get_args(kind))
    assert isinstance(kind, type)
    return f"`{kind.__name__}`" if dataclasses.is_dataclass(kind) else _WORDS[kind]


def objects_in(kind: object) -> list[type]:
    """The dataclasses of an answer, outermost first."""
    if isinstance(kind, type) and dataclasses.is_dataclass(kind):
        inner = [one for member in members(kind) for one in objects_in(member.kind)]
        return list(dict.fromkeys([kind, *inner]))
    return list(dict.fromkeys(one for part in get_args(kind) for one in objects_in(part)))


def _member(field: dataclasses.Field[object], hint: object) -> Member:
    assert get_origin(hint) is Annotated, f"{field.name} lacks its words"
    kind, help = get_args(hint)
    is_required = field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
    return Member(field.name, kind, str(help), is_required)


def _read(kind: object, value: object, where: str) -> object:
    if get_origin(kind) is tuple:
        if not isinstance(value, list | tuple):
            raise _another(where)
        return tuple(_read(get_args(kind)[0], item, f"{where}[]") for item in value)
    if get_origin(kind) in {Union, types.UnionType}:
        optional = [one for one in get_args(kind) if one is not type(None)]
        return None if value is None else _read(optional[0], value, where)
    if isinstance(kind, type) and dataclasses.is_dataclass(kind):
        return _read_object(kind, value, where)
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if type(value) is not kind:
        raise _another(where)
    return value


def _read_object(kind: type, value: object, where: str) -> object:
    if not isinstance(value, Mapping):
        raise _another(where)
    found = {}
    for member in members(kind):
        name = f"{where}.{member.name}" if where else member.name
        if member.name in value:
            found[member.name] = _read(member.kind, value[member.name], name)
        elif member.is_required:
            raise ControlError(
                f"The daemon's answer lacks {name!r}: the daemon may be another release than this command. If so, "
                f"{RESTART}."
            )
    made: object = kind(**found)
    return made


def _another(where: str) -> ControlError:
    what = f"{where!r} in the daemon's answer" if where else "The daemon's answer"
    return ControlError(
        f"{what} is not what this command expects: the daemon may be another release. If so, {RESTART}."
    )
