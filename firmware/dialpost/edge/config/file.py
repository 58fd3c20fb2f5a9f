"""The active configuration file: reading it with every fault in words, writing a first one.

What the declarations can't know is checked here: whether a time zone exists on this machine.
"""

from __future__ import annotations

import contextlib
import grp
import os
import stat
import zoneinfo
from pathlib import Path

from dialpost.core.config.model import Config
from dialpost.core.config.text import parse_config, render_config
from dialpost.core.errors import ConfigError, StorageError
from dialpost.edge.config.reading import config_text
from dialpost.edge.ground.durable import MODE, write_durably

STATION_GROUP = "dialpost"


class ConfigFile:
    """The file at `path`."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def load(self) -> Config:
        """The configuration. Raises: ConfigError with every fault; NotFoundError if there is no file."""
        return self.parse(self.read(), str(self.path))

    def parse(self, text: str, source: str = "") -> Config:
        """The configuration in `text`, checked like the active one. Raises: ConfigError with every fault."""
        config = parse_config(text, source)
        where = f"{source}: " if source else ""
        problems = tuple(where + sentence for sentence in _problems_here(config))
        if problems:
            raise ConfigError(problems)
        return config

    def read(self) -> str:
        """The text. Raises: ConfigError, NotFoundError."""
        return config_text(self.path)

    def create(self, text: str) -> None:
        """Write a first file; an existing one is left alone. Raises: ConfigError, StorageError."""
        try:
            if self.path.exists():
                raise ConfigError((f"{self.path} already exists; nothing was changed.",))
            write_durably(self.path, text.encode(), MODE)
            _give_to_station(self.path)
        except OSError as error:
            raise StorageError(f"{self.path} can't be written: {error.strerror or error}.") from error

    @property
    def is_open_to_all(self) -> bool:
        """Whether every user of this machine may read it."""
        return bool(self.path.stat().st_mode & stat.S_IROTH)

    def warnings(self, config: Config) -> tuple[str, ...]:
        """Warnings about the file itself. `config` is its content."""
        has_secrets = render_config(config, secrets=True) != render_config(config, secrets=False)
        if not has_secrets or not self.is_open_to_all:
            return ()
        return (
            f"It holds a password, and every user of this machine can read it. Fix that with: chmod o= {self.path}",
        )


def _problems_here(config: Config) -> list[str]:
    zone = config.schedule.timezone
    try:
        if zone:
            zoneinfo.ZoneInfo(zone)
    except (zoneinfo.ZoneInfoNotFoundError, OSError, ValueError):
        return [
            f'schedule.timezone = "{zone}" is not known on this machine; `timedatectl list-timezones` shows all.'
        ]
    return []


def _give_to_station(path: Path) -> None:
    """If root makes the file in a folder of root's for a daemon that is not root, the daemon's group must be able
    to read it. In the station's folder it belongs to the station anyway.
    """
    if os.geteuid() == 0 and path.parent.stat().st_uid == 0:
        with contextlib.suppress(KeyError):
            os.chown(path, 0, grp.getgrnam(STATION_GROUP).gr_gid)
            path.chmod(0o640)
