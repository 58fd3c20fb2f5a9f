"""A configuration file that the card damaged or lost: the newest usable one that was in force takes its place.

Mail must not stop for a byte while the whole text lies in the history. The file is kept beside the one put back.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from dialpost.core.config.model import Config
from dialpost.core.errors import ConfigError, NotFoundError, StorageError
from dialpost.flow.config.world import Texts


class HistoryForStandIn(Texts, Protocol):
    """The subset of edge/config/history.ConfigHistory needed here. Blocking."""

    def numbers(self) -> Sequence[int]:
        """Those that are kept, ascending. Raises: StorageError."""

    def is_withdrawn(self) -> bool:
        """Whether there is no file because the only configuration was taken back."""

    def is_cut_short(self) -> bool:
        """Whether the file is only the beginning of what was committed, as a card that lost the rest leaves it."""

    def put_back(self, number: int) -> str:
        """Put it in force; the name under which the file before is kept, "" where there was none."""


class FileForStandIn(Protocol):
    """The subset of edge/config/file.ConfigFile needed here."""

    def load(self) -> Config:
        """The configuration in force. Raises: ConfigError, NotFoundError."""

    def parse(self, text: str, source: str = "") -> Config:
        """The configuration in a text. Raises: ConfigError."""


@dataclass(frozen=True, slots=True)
class StandIn:
    """What is in force instead, and all that the operator should know of it."""

    config: Config
    words: str


def stand_in(history: HistoryForStandIn, file: FileForStandIn) -> StandIn | None:
    """Put it in force; None where the file is in order, was never there, or nothing can stand in for it."""
    try:
        file.load()
        if not history.is_cut_short():
            return None
        why = "The configuration file has lost its end."
    except NotFoundError:
        if history.is_withdrawn():
            return None
        why = "The configuration file is missing, though there was one."
    except ConfigError as error:
        why = error.problems[0]
    except StorageError:
        return None
    try:
        numbers = history.numbers()
    except StorageError:
        return None
    for number in reversed(numbers):
        try:
            config = file.parse(history.text_of(number))
        except (ConfigError, NotFoundError, StorageError):
            continue
        return StandIn(config, f"{why} {_put_back(history, number)}")
    return None


def _put_back(history: HistoryForStandIn, number: int) -> str:
    said = f"Configuration {number}, the newest that can be used, is in force in its place."
    try:
        kept = history.put_back(number)
    except StorageError as error:
        return f"{said} It could not be written back: {error}"
    return said + (f" The file is kept as {kept}: commit again what you want to keep of it." if kept else "")
