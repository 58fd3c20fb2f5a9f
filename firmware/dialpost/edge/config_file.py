"""The configuration file on the card: read with faults in words, written durably, every earlier one kept by number.

A write goes to a new file, fsynced and renamed into place; the text it replaces is first copied into the folder
`FILE.history` as 0001.toml, 0002.toml ... Mode 0600 (or what the file has, if that is less open to others): there
are passwords in it. What the declarations can't know is checked here: whether a time zone exists on this machine.
"""

from __future__ import annotations

import contextlib
import grp
import os
import stat
import zoneinfo
from pathlib import Path

from dialpost.core.config import Config
from dialpost.core.config_text import parse_config, render_config
from dialpost.core.errors import ConfigError, NotFoundError, StorageError

KEPT = 100
STATION_GROUP = "dialpost"
_MAX_BYTES = 1_000_000
_MODE = 0o600


class ConfigFile:
    """The file at `path`."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def load(self) -> Config:
        """The configuration. Raises: ConfigError with every fault; NotFoundError where there is no file."""
        config = parse_config(self.read(), str(self.path))
        problems = tuple(f"{self.path}: {sentence}" for sentence in _problems_here(config))
        if problems:
            raise ConfigError(problems)
        return config

    def read(self) -> str:
        """The text. Raises: ConfigError, NotFoundError."""
        try:
            with self.path.open("rb") as file:
                data = file.read(_MAX_BYTES + 1)
        except FileNotFoundError:
            raise NotFoundError(
                f"There is no configuration file {self.path}. Make one with `dialpost config init {self.path}`, or "
                "name yours with --config FILE."
            ) from None
        except OSError as error:
            raise ConfigError((f"{self.path} can't be read: {error.strerror or error}.",)) from error
        if len(data) > _MAX_BYTES:
            raise ConfigError((f"{self.path} is larger than a megabyte: that is no configuration file.",))
        try:
            return data.decode("utf-8-sig").replace("\r\n", "\n")
        except UnicodeDecodeError as error:
            line = data[: error.start].count(b"\n") + 1
            raise ConfigError((f"{self.path}: line {line} is not UTF-8 text; save it as UTF-8.",)) from None

    def save(self, text: str) -> None:
        """Put `text` in force for the next start, and the one before into the history. Durable when it returns.

        Raises: ConfigError where `text` is no usable configuration, StorageError; nothing is changed then.
        """
        parse_config(text, str(self.path))
        try:
            mode = stat.S_IMODE(self.path.stat().st_mode) & 0o660 if self.path.exists() else _MODE
            if self.path.exists():
                self._keep(self.path.read_bytes())
            _write(self.path, text.encode(), mode)
        except OSError as error:
            raise StorageError(f"{self.path} could not be saved: {error.strerror or error}.") from error

    def create(self, text: str) -> None:
        """Write a first file; one that is there is left alone. Raises: ConfigError, StorageError."""
        if self.path.exists():
            raise ConfigError((f"{self.path} is there already; nothing was changed.",))
        try:
            _write(self.path, text.encode(), _MODE)
            _give_to_station(self.path)
        except OSError as error:
            raise StorageError(f"{self.path} can't be written: {error.strerror or error}.") from error

    def history(self) -> dict[int, Path]:
        """Every earlier text by its number, oldest first."""
        with contextlib.suppress(FileNotFoundError):
            found = {int(path.stem): path for path in self._folder.glob("*.toml") if path.stem.isdecimal()}
            return dict(sorted(found.items()))
        return {}

    @property
    def is_open_to_all(self) -> bool:
        """Whether any user of this machine may read it."""
        return bool(self.path.stat().st_mode & stat.S_IROTH)

    def warnings(self, config: Config) -> tuple[str, ...]:
        """What should be known of the file itself. `config` is what is in it."""
        has_secrets = render_config(config, secrets=True) != render_config(config, secrets=False)
        if not has_secrets or not self.is_open_to_all:
            return ()
        return (
            f"A password is in it, and every user of this machine can read it. Close it with: chmod o= {self.path}",
        )

    @property
    def _folder(self) -> Path:
        return self.path.with_name(self.path.name + ".history")

    def _keep(self, data: bytes) -> None:
        self._folder.mkdir(mode=0o700, exist_ok=True)
        there = self.history()
        number = max(there, default=0) + 1
        _write(self._folder / f"{number:04}.toml", data, _MODE)
        for old in list(there.values())[: -(KEPT - 1)]:
            old.unlink(missing_ok=True)


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
    """Where root makes the file for a daemon that is not root, its group must be able to read it."""
    if os.geteuid() == 0:
        with contextlib.suppress(KeyError):
            os.chown(path, 0, grp.getgrnam(STATION_GROUP).gr_gid)
            path.chmod(0o640)


def _write(path: Path, data: bytes, mode: int) -> None:
    fresh = path.with_name(path.name + ".new")
    try:
        fd = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, _MODE)
        with os.fdopen(fd, "wb") as file:
            os.fchmod(file.fileno(), mode)
            if path.exists():
                there = path.stat()
                with contextlib.suppress(PermissionError):  # only root may give a file away
                    os.fchown(file.fileno(), there.st_uid, there.st_gid)
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(path)
        folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except OSError:
        with contextlib.suppress(OSError):
            fresh.unlink(missing_ok=True)
        raise
