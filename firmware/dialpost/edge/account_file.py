"""`accounts.toml`: accounts and aliases, written whole and durably, never silently empty.

A write goes to a new file, which is fsynced and renamed over the old one, and the folder is fsynced; the one
before stays as `accounts.toml.previous`. Mode 0600: it holds password hashes.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from dialpost.core.accounts import Account, Alias
from dialpost.core.errors import AccountError, DamagedError, StorageError

_HEADER = "# Accounts of this station. Change them with `dialpost account` and `dialpost alias`.\n"


class AccountFile:
    """The file at `path`."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def load(self) -> tuple[dict[str, Account], dict[str, Alias]]:
        """What is on the card; nothing where there is no file yet.

        Raises: DamagedError where neither the file nor its predecessor can be read. If only the file itself is
        damaged, it is kept under another name and the predecessor is taken.
        """
        if not self.path.exists() and not self._previous.exists():
            return {}, {}
        try:
            return _parse(self.path)
        except (OSError, ValueError, TypeError, KeyError) as error:
            try:
                found = _parse(self._previous)
            except (OSError, ValueError, TypeError, KeyError):
                raise DamagedError(
                    f"{self.path} can't be read ({error}) and there is no good copy. Mend it with an editor or put "
                    "back a backup; the station does not start without it, so that no mail is refused by mistake."
                ) from error
            if self.path.exists():
                self.path.rename(self._free_name())
            return found

    def save(self, accounts: Mapping[str, Account], aliases: Mapping[str, Alias]) -> None:
        """Durable when it returns. Raises: StorageError, the old file unchanged."""
        text = _render(accounts, aliases)
        fresh = self.path.with_name(self.path.name + ".new")
        try:
            fd = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(fd, "w", encoding="utf-8") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            if self.path.exists():
                self._previous.unlink(missing_ok=True)
                os.link(self.path, self._previous)
            fresh.replace(self.path)
            _fsync_folder(self.path.parent)
        except OSError as error:
            with contextlib.suppress(OSError):
                fresh.unlink(missing_ok=True)
            raise StorageError(f"The accounts could not be saved: {error.strerror or error}.") from error

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the file against another process that changes it. Raises: AccountError where one does now."""
        lock = os.open(self.path.with_name(self.path.name + ".lock"), os.O_RDWR | os.O_CREAT, 0o600)
        try:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise AccountError("Another command is changing accounts right now; try again.") from None
            yield
        finally:
            os.close(lock)

    @property
    def _previous(self) -> Path:
        return self.path.with_name(self.path.name + ".previous")

    def _free_name(self) -> Path:
        number = 1
        while (candidate := self.path.with_name(f"{self.path.name}.damaged-{number}")).exists():
            number += 1
        return candidate


def _fsync_folder(folder: Path) -> None:
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def _parse(path: Path) -> tuple[dict[str, Account], dict[str, Alias]]:
    table: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8"))
    if table.get("version") != 1:
        raise ValueError("no version line")
    accounts = {
        row["name"]: Account(
            name=row["name"],
            addresses=tuple(row.get("addresses", ())),
            password_hash=row["password_hash"],
            quota_bytes=row.get("quota_bytes"),
            enabled=row.get("enabled", True),
            full_name=row.get("full_name", ""),
        )
        for row in table.get("account", ())
    }
    aliases = {row["address"]: Alias(row["address"], tuple(row["targets"])) for row in table.get("alias", ())}
    return accounts, aliases


def _render(accounts: Mapping[str, Account], aliases: Mapping[str, Alias]) -> str:
    lines = [_HEADER, "version = 1", ""]
    for account in accounts.values():
        lines += ["[[account]]", f"name = {_text(account.name)}", f"password_hash = {_text(account.password_hash)}"]
        if account.addresses:
            lines.append(f"addresses = {_texts(account.addresses)}")
        if account.quota_bytes is not None:
            lines.append(f"quota_bytes = {account.quota_bytes}")
        if not account.enabled:
            lines.append("enabled = false")
        if account.full_name:
            lines.append(f"full_name = {_text(account.full_name)}")
        lines.append("")
    for alias in aliases.values():
        lines += ["[[alias]]", f"address = {_text(alias.address)}", f"targets = {_texts(alias.targets)}", ""]
    return "\n".join(lines)


def _text(value: str) -> str:
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def _texts(values: tuple[str, ...]) -> str:
    return "[" + ", ".join(map(_text, values)) + "]"
