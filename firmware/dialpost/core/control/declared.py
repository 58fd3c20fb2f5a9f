"""What a method of the control API declares: name, parameters, the shape of its answer, who may call it.

A method's parameters are a frozen dataclass: a field has its type and default in the usual places, and its
`Setting` (help, range, unit, secret) beside the type, like the fields of the configuration. So mypy checks every
call and every handler against the declaration, and the same declaration checks what comes over the socket.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from math import inf
from typing import Annotated, Generic, ParamSpec, TypeVar, get_args, get_origin, get_type_hints

from dialpost.core.config.setting import Setting, plain_number

VERSION = 1
"""Of the API. An answer may gain members, and a method may gain parameters with a default. Removing a method,
parameter or member, or changing its meaning, raises this number."""

LONGEST_TEXT = 1000
"""Characters of a text whose declaration sets no other maximum."""
MOST_ITEMS = 1000
"""Items of a list whose declaration sets no other maximum."""

P = ParamSpec("P")
D = TypeVar("D")
A = TypeVar("A")
A_co = TypeVar("A_co", covariant=True)


class Access(Enum):
    """Who may call a method. The socket itself admits root, the daemon's own user and members of its group."""

    OWNER = "owner"  # root and the daemon's own user: the station's own units
    ADMIN = "admin"  # also the group; a face where people log in asks for the administrator's login
    ANYONE = "anyone"  # also the group; a face where people log in may offer it to every user


@dataclass(frozen=True, slots=True)
class Declared:
    """One method, whatever its types.

    `streams`: events come before the answer. `in_session`: it needs the connection's editing session.
    """

    name: str
    help: str
    params: object
    answer: object
    access: Access = Access.ADMIN
    streams: str = ""
    in_session: bool = False

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        """In the order of their declaration."""
        return parameters_of(self.params)


@dataclass(frozen=True, slots=True)
class Method(Declared, Generic[P, D, A_co]):
    """The same with its types: called with P, handled as a D, answered with an A."""

    params: Callable[P, D]
    answer: type[A_co]


@dataclass(frozen=True, slots=True, kw_only=True)
class NoParams:
    """For methods without parameters."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter. `value_type` is that of an item if `is_list`; `default` is None if it is required."""

    name: str
    value_type: type
    choices: tuple[str, ...]
    is_list: bool
    is_required: bool
    may_be_null: bool
    default: object
    setting: Setting

    @property
    def maximum(self) -> float:
        """The largest number, the longest text, the most items of a list; inf: no bound."""
        if self.setting.maximum is not None:
            return self.setting.maximum
        return MOST_ITEMS if self.is_list else LONGEST_TEXT if self.value_type is str else inf

    def words(self) -> str:
        """What it must be, to follow "must be"."""
        if self.is_list:
            return f"a list of at most {plain_number(self.maximum)} texts"
        if self.choices:
            return f"one of: {', '.join(self.choices)}"
        if self.value_type is bool:
            return "true or false"
        if self.value_type is str:
            return f"a text of at most {plain_number(self.maximum)} characters"
        return ("a whole number" if self.value_type is int else "a number") + self._range()

    def _range(self) -> str:
        low, high, unit = self.setting.minimum, self.setting.maximum, self.setting.unit
        suffix = f" {unit}" if unit else ""
        if low is not None and high is not None:
            return f" from {plain_number(low)} to {plain_number(high)}{suffix}"
        return suffix if low is None else f" of at least {plain_number(low)}{suffix}"


@functools.cache
def parameters_of(params: object) -> tuple[Parameter, ...]:
    """The fields of a dataclass of parameters."""
    assert isinstance(params, type) and dataclasses.is_dataclass(params)
    hints = get_type_hints(params, include_extras=True)
    return tuple(_parameter(field, hints[field.name]) for field in dataclasses.fields(params))


def _parameter(field: dataclasses.Field[object], hint: object) -> Parameter:
    assert get_origin(hint) is Annotated, f"{field.name} lacks its Setting"
    kind, setting = get_args(hint)
    assert isinstance(setting, Setting)
    inner = tuple(one for one in get_args(kind) if one not in {type(None), Ellipsis})
    is_list, is_optional = get_origin(kind) is tuple, type(None) in get_args(kind)
    value_type = inner[0] if is_list or is_optional else kind
    assert value_type in {bool, int, float, str} or issubclass(value_type, Enum)
    choices = tuple(str(one.value) for one in value_type) if issubclass(value_type, Enum) else ()
    is_required = field.default is dataclasses.MISSING
    default = None if is_required else field.default
    return Parameter(field.name, value_type, choices, is_list, is_required, is_optional, default, setting)
