"""What a daemon answered, for commands: a member that is not there is told, where a dictionary raises KeyError.

A daemon of another release, or one that ends in the middle, answers less than a command was written for.
"""

from __future__ import annotations

from typing import Any

from dialpost.core.advice import LOG, RESTART
from dialpost.core.errors import ControlError

_NO_ANSWER = f"The daemon ended before it answered. `dialpost status` shows whether it runs again. Why: {LOG}."


class Answer(dict[str, Any]):
    """A JSON object of the daemon's."""

    def __missing__(self, name: str) -> Any:
        """Raises: ControlError."""
        raise ControlError(
            f"The daemon's answer lacks {name!r}: it may be of another release than this command. Then {RESTART}."
        )


def answer(value: Any) -> Any:
    """A JSON value with its objects made answers."""
    if isinstance(value, dict):
        return Answer({name: answer(item) for name, item in value.items()})
    return [answer(item) for item in value] if isinstance(value, list) else value


def no_answer() -> ControlError:
    """The connection ended first."""
    return ControlError(_NO_ANSWER)
