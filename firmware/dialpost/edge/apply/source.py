"""The committed configuration, read from a folder that is not root's: a small regular file, no link of any kind."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from dialpost.core.config import Config
from dialpost.core.config_text import parse_config
from dialpost.core.errors import ConfigError

_LARGEST = 1_000_000


def load(path: Path) -> Config | None:
    """The configuration; None where there is no file yet. Raises: ConfigError with every fault."""
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
    return parse_config(text, str(path))


def _read(path: Path) -> bytes:
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as file:
        there = os.fstat(descriptor)
        # A second name for somebody else's file would have its words told in the result.
        if not stat.S_ISREG(there.st_mode) or there.st_nlink != 1:
            raise ConfigError((f"{path} is a link or no regular file; it is not read.",))
        data = file.read(_LARGEST + 1)
    if len(data) > _LARGEST:
        raise ConfigError((f"{path} is larger than a megabyte: that is no configuration file.",))
    return data
