"""The outcome of applying a configuration to the system, for whoever committed it.

Root writes it as JSON, the daemon reads it.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

from dialpost.core.json_text import parse_object


@dataclass(frozen=True, slots=True)
class ApplyResult:
    """`applied`: the system is as the configuration says. If it is not, `problems` says why, a sentence each.

    `changed` lists the files written or removed, `reloaded` the services reloaded for them, in words; both are
    empty if nothing had to change. `notes` are remarks that prevent nothing.
    """

    applied: bool
    changed: tuple[str, ...] = ()
    reloaded: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def to_json(self) -> str:
        """For the file that the daemon reads."""
        return json.dumps(asdict(self), indent=1, ensure_ascii=False) + "\n"

    @classmethod
    def from_json(cls, text: str) -> ApplyResult:
        """Back from `to_json`. Raises: ValueError."""
        value = parse_object(text)
        applied = value.get("applied")
        if not isinstance(applied, bool):
            raise ValueError("it is not the result of applying a configuration")
        lists = {}
        for name in ("changed", "reloaded", "problems", "notes"):
            items = value.get(name)
            if not isinstance(items, list) or not all(isinstance(item, str) for item in items):
                raise ValueError(f"{name} must be a list of strings")
            lists[name] = tuple(items)
        return cls(applied, **lists)


def not_applied(why: str) -> ApplyResult:
    """The result if nothing could be done."""
    return ApplyResult(applied=False, problems=(why,))
