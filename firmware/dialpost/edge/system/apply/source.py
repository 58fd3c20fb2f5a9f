"""The committed configuration, read from a folder that is not root's: a small regular file, not a link of any kind.

If it can't be used, the newest usable one of the history (`FILE.history`, edge/config/history) is.
"""

from __future__ import annotations

import contextlib
import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path

from dialpost.core.config.model import Config
from dialpost.core.config.text import parse_config
from dialpost.core.errors import ConfigError

_LARGEST = 1_000_000
_NUMBERED = re.compile(r"[0-9]{4,9}\.toml")
_MOST_TRIED = 20


def load(path: Path) -> Config | None:
    """The configuration; None if there is no file yet. Raises: ConfigError with every fault."""
    try:
        data = _read(path)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ConfigError((f"{path} can't be read: {error.strerror or error}.",)) from error
    try:
        text = data.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError:
        raise ConfigError((f"{path} is not UTF-8 text.",)) from None
    try:
        return parse_config(text, str(path))
    except ConfigError:
        raise
    except Exception as error:  # a bug of ours must not leave the machine without a firewall
        raise ConfigError((f"{path} can't be read: a fault in Dialpost ({type(error).__name__}).",)) from error


def good_ones(path: Path) -> Iterator[tuple[int, Config]]:
    """The usable configurations in the history of `path`, each with its number, newest first."""
    folder = path.with_name(path.name + ".history")
    try:
        if folder.is_symlink():
            return
        names = [path.name for path in folder.iterdir() if _NUMBERED.fullmatch(path.name)]
    except OSError:
        return
    for number, name in sorted(((int(name[:-5]), name) for name in names), reverse=True)[:_MOST_TRIED]:
        with contextlib.suppress(ConfigError):
            config = load(folder / name)
            if config is not None:
                yield number, config


def _read(path: Path) -> bytes:
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as file:
        there = os.fstat(descriptor)
        # A hard link to somebody else's file would make root quote its content in the result.
        if not stat.S_ISREG(there.st_mode) or there.st_nlink != 1:
            raise ConfigError((f"{path} is a link or not a regular file; it is not read.",))
        data = file.read(_LARGEST + 1)
    if len(data) > _LARGEST:
        raise ConfigError((f"{path} is larger than a megabyte: that is not a configuration file.",))
    return data
