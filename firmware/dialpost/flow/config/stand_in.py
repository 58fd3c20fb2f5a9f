"""If the card damaged or lost the configuration file, the newest usable one of the history takes its place.

Mail must not stop for one byte while the whole text is in the history. The damaged file is kept beside it.
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
        """The numbers kept, ascending. Raises: StorageError."""

    def is_withdrawn(self) -> bool:
        """Whether there is no file because the only configuration was rolled back."""

    def is_cut_short(self) -> bool:
        """Whether the file is only the beginning of what was committed, because the card lost the rest."""

    def put_back(self, number: int) -> str:
        """Make it active; returns the name under which the old file is kept, "" if there was none."""


class FileForStandIn(Protocol):
    """The subset of edge/config/file.ConfigFile needed here."""

    def load(self) -> Config:
        """The active configuration. Raises: ConfigError, NotFoundError."""

    def parse(self, text: str, source: str = "") -> Config:
        """The configuration in a text. Raises: ConfigError."""


@dataclass(frozen=True, slots=True)
class StandIn:
    """The replacement that is now active, and what the operator should know about it."""

    config: Config
    words: str


def stand_in(history: HistoryForStandIn, file: FileForStandIn) -> StandIn | None:
    """Activate a replacement; None if the file is in order, never existed, or has no usable replacement."""
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
    said = f"Configuration {number}, the newest usable one, is now active."
    try:
        kept = history.put_back(number)
    except StorageError as error:
        return f"{said} It could not be written back: {error}"
    return said + (f" The file is kept as {kept}: commit again what you want to keep of it." if kept else "")
