"""Configurations on a USB stick: listed, read, written so that the stick can be pulled."""

from __future__ import annotations

import contextlib
import errno
import os
from pathlib import Path

from dialpost.core.errors import ConfigError, StorageError

_LARGEST = 1_000_000
_WORDS = {
    errno.EROFS: "the stick can't be written (write-protected?)",
    errno.ENOSPC: "the stick is full",
    errno.EIO: "the stick does not answer: was it pulled?",
    errno.ENODEV: "the stick is gone",
}


def configurations(stick: Path) -> list[Path]:
    """The files named *.toml at the top of a stick, the newest first. Raises: StorageError."""
    try:
        found = [path for path in stick.glob("*.toml") if path.is_file()]
        return sorted(found, key=lambda path: path.stat().st_mtime, reverse=True)
    except OSError as error:
        raise StorageError(f"The stick can't be read: {_why(error)}.") from error


def read_text(path: Path) -> str:
    """The text of one. Raises: StorageError; ConfigError where it is no text."""
    try:
        with path.open("rb") as file:
            data = file.read(_LARGEST + 1)
    except OSError as error:
        raise StorageError(f"{path.name} can't be read: {_why(error)}.") from error
    if len(data) > _LARGEST:
        raise ConfigError((f"{path.name} is larger than a megabyte: that is no configuration.",))
    try:
        return data.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError:
        raise ConfigError((f"{path.name} is no UTF-8 text: that is no configuration.",)) from None


def write_new(stick: Path, name: str, text: str, *, suffix: str = ".toml") -> Path:
    """Write a file that was not there; `name` gets a number where there is one. On the stick when it returns.

    Raises: StorageError; nothing is left then.
    """
    path = _free(stick, name, suffix)
    fresh = path.with_suffix(".part")
    try:
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        fresh.rename(path)
        folder = os.open(stick, os.O_RDONLY | os.O_DIRECTORY)
        try:
            with contextlib.suppress(OSError):  # FAT of old kernels does not know it
                os.fsync(folder)
            os.sync()
        finally:
            os.close(folder)
    except OSError as error:
        with contextlib.suppress(OSError):
            fresh.unlink(missing_ok=True)
        raise StorageError(f"{path.name} could not be written: {_why(error)}.") from error
    return path


def _free(stick: Path, name: str, suffix: str) -> Path:
    path, number = stick / f"{name}{suffix}", 1
    while path.exists():
        number += 1
        path = stick / f"{name}-{number}{suffix}"
    return path


def _why(error: OSError) -> str:
    return _WORDS.get(error.errno or 0, error.strerror or str(error))
