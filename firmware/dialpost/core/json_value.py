"""The type of a JSON value, for what crosses the control socket and the database's small records."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol, TypeAlias

JsonValue: TypeAlias = "bool | int | float | str | Sequence[JsonValue] | Mapping[str, JsonValue] | None"
"""Read-only on purpose: what came over the wire is taken apart, never changed in place."""

JsonObject: TypeAlias = Mapping[str, JsonValue]


class FaceConnection(Protocol):
    """One connection of a face: what is asked in it one after the other belongs together."""

    @property
    def user(self) -> str:
        """The user of the machine at the other end, by the kernel's word."""

    def stay(self, when_gone: Callable[[], None]) -> None:
        """Let it be silent as long as it likes from now on; `when_gone` is called once it is gone, however."""
