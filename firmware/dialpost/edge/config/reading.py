"""The text of a configuration file, before any of it is parsed."""

from __future__ import annotations

from pathlib import Path

from dialpost.core.errors import ConfigError, NotFoundError

_MAX_BYTES = 1_000_000


def config_text(path: Path) -> str:
    """The text. Raises: ConfigError, NotFoundError."""
    try:
        with path.open("rb") as file:
            data = file.read(_MAX_BYTES + 1)
    except FileNotFoundError:
        raise NotFoundError(
            f"There is no configuration file {path}. Make one with `dialpost config init {path}`, or "
            "name yours with --config FILE."
        ) from None
    except OSError as error:
        raise ConfigError((f"{path} can't be read: {error.strerror or error}.",)) from error
    if len(data) > _MAX_BYTES:
        raise ConfigError((f"{path} is larger than a megabyte: that is not a configuration file.",))
    try:
        return data.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise ConfigError((f"{path}: line {line} is not UTF-8 text; save it as UTF-8.",)) from None
