"""The type of a JSON value, for what crosses the control socket and the database's small records."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol, TypeAlias

JsonValue: TypeAlias = "bool | int | float | str | Sequence[JsonValue] | Mapping[str, JsonValue] | None"
"""Read-only on purpose: what came over the wire is read, never changed in place."""

JsonObject: TypeAlias = Mapping[str, JsonValue]


class FaceConnection(Protocol):
    """One connection of a face: the requests made on it belong together."""

    @property
    def user(self) -> str:
        """The system user at the other end, as the kernel reports it."""

    def stay(self, when_gone: Callable[[], None]) -> None:
        """Allow it to be silent for any length of time; `when_gone` is called once it is gone, for whatever
        reason."""
