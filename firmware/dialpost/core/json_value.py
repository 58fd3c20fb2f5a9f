"""The type of a JSON value, for what crosses the control socket and the database's small records."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TypeAlias

JsonValue: TypeAlias = "bool | int | float | str | Sequence[JsonValue] | Mapping[str, JsonValue] | None"
"""Read-only on purpose: what came over the wire is taken apart, never changed in place."""

JsonObject: TypeAlias = Mapping[str, JsonValue]

ControlMethod: TypeAlias = Callable[[JsonObject], Awaitable[JsonValue]]
"""One method of the control API: named parameters in, one value out. Raises DialpostError to refuse."""
