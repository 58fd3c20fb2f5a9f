"""The configuration file as the daemon finds it: its content, what replaces it, why it can't be used.

Part of the daemon's wiring.
"""

from __future__ import annotations

import asyncio
import contextlib

from dialpost.core.config.model import Config, StationConfig
from dialpost.core.config.setup import run_dir_in
from dialpost.core.errors import ConfigError, NotFoundError
from dialpost.edge.config.file import ConfigFile
from dialpost.edge.config.history import ConfigHistory
from dialpost.flow.config.stand_in import stand_in


class ActiveConfigFile:
    """`problems`: why the file can't be used, as it was last read."""

    def __init__(self, file: ConfigFile, history: ConfigHistory) -> None:
        self._file, self._history = file, history
        self._stand_in: Config | None = None
        self.problems: tuple[str, ...] = ()

    async def repair(self) -> str:
        """A file that the card damaged or lost does not stop the mail as long as a usable one is kept.

        Returns what was done about it in words, "" if nothing.
        """
        found = await asyncio.to_thread(stand_in, self._history, self._file)
        self._stand_in = found.config if found is not None else None
        return found.words if found is not None else ""

    def load(self) -> Config | None:
        """The file's configuration; None if it is missing or can't be used: `problems` then say why."""
        self.problems = ()
        try:
            return self._file.load()
        except (ConfigError, NotFoundError):
            if self._stand_in is not None:  # the card refuses the rollback
                return self._stand_in
            self.look()
            return None

    def look(self) -> None:
        """Read it for its problems alone."""
        self.problems = ()
        try:
            self._file.load()
        except ConfigError as error:
            self.problems = error.problems
        except NotFoundError:
            pass

    def run_dir(self, config: Config | None, usual: str, first: str) -> str:
        """Where the control socket goes, as far as that is known without a configuration."""
        if config is not None:
            return config.station.run_dir
        text = ""
        with contextlib.suppress(ConfigError, NotFoundError):
            text = self._file.read()
        return run_dir_in(text) or usual or run_dir_in(first) or StationConfig().run_dir
