"""Configurations on a USB stick: listed, read, and written so that the stick can be pulled afterwards."""

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
    """The files named *.toml at the top level of a stick, newest first. Raises: StorageError."""
    try:
        found = [path for path in stick.glob("*.toml") if path.is_file()]
        return sorted(found, key=lambda path: path.stat().st_mtime, reverse=True)
    except OSError as error:
        raise StorageError(f"The stick can't be read: {_why(error)}.") from error


def read_text(path: Path) -> str:
    """The text of one. Raises: StorageError; ConfigError if it is not text."""
    try:
        with path.open("rb") as file:
            data = file.read(_LARGEST + 1)
    except OSError as error:
        raise StorageError(f"{path.name} can't be read: {_why(error)}.") from error
    if len(data) > _LARGEST:
        raise ConfigError((f"{path.name} is larger than a megabyte: that is not a configuration.",))
    try:
        return data.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError:
        raise ConfigError((f"{path.name} is not UTF-8 text: that is not a configuration.",)) from None


def write_new(stick: Path, name: str, text: str, *, suffix: str = ".toml") -> Path:
    """Write a new file; `name` gets a number if it is taken. The file is on the stick when this returns.

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
            with contextlib.suppress(OSError):  # not supported by FAT in old kernels
                os.fsync(folder)
            # FAT has no journal: write everything out before the operator pulls the stick.
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
