"""`accounts.toml`: accounts and aliases, written whole and durably, never silently empty.

Each write goes to a new file, which is fsynced and renamed over the old one, and the folder is fsynced; the old
version stays as `accounts.toml.previous`. Mode 0600, because it holds password hashes.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from dialpost.core.errors import AccountError, ConfigError, DamagedError, StorageError, fault_words
from dialpost.core.mail.accounts import Account, Alias, check_name, folded
from dialpost.core.toml_text import parse_toml
from dialpost.edge.ground.durable import storage_error, write_durably

_HEADER = "# Accounts of this station. Change them with `dialpost account` and `dialpost alias`.\n"


_LARGEST = 20_000_000
"""The largest file read, in characters: tens of thousands of accounts."""

_Contents = tuple[dict[str, Account], dict[str, Alias]]


class AccountFile:
    """The file at `path`. After `load`, `report` says what had to be repaired; "" = nothing."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.report = ""

    def load(self, *, set_aside: bool = True) -> _Contents:
        """The accounts and aliases on the card; none if there is no file yet.

        If only the file itself is damaged, its predecessor is used, and the damaged one is kept under another name
        (unless `set_aside` is False: a reader must not change anything).
        Raises: DamagedError if neither can be read, StorageError if access is denied.
        """
        try:
            return _parse(self.path)
        except PermissionError as error:
            raise StorageError(
                f"{self.path} can't be read by this user ({error.strerror}); try as root."
            ) from error
        except FileNotFoundError as error:
            if not self._previous.exists():
                return {}, {}
            return self._fall_back("is missing", error, set_aside)
        except (OSError, ValueError) as error:
            return self._fall_back(f"is damaged ({fault_words(error)})", error, set_aside)

    def _fall_back(self, what: str, error: Exception, set_aside: bool) -> _Contents:
        try:
            found = _parse(self._previous)
        except (OSError, ValueError):
            raise DamagedError(
                f"{self.path} {what}, and there is no good {self._previous.name} beside it."
            ) from error
        self.report = f"{self.path} {what}: the copy from before its last change is used instead."
        if not set_aside:
            return found
        with contextlib.suppress(OSError):
            aside = self._free_name()
            self.path.rename(aside)
            self.report += f" It is kept as {aside.name}."
        return found

    def put_aside(self) -> str:
        """Keep unreadable files under other names, so that the station starts without them; returns the names.

        Raises: StorageError.
        """
        kept = []
        try:
            for path in (self.path, self._previous):
                if path.exists():
                    aside = self._free_name()
                    path.rename(aside)
                    kept.append(aside.name)
        except OSError as error:
            raise storage_error(error, f"{self.path} can't be set aside") from error
        return " and ".join(kept)

    def save(self, accounts: Mapping[str, Account], aliases: Mapping[str, Alias]) -> None:
        """Durable when it returns. Raises: StorageError; the old file is unchanged then."""
        text = _render(accounts, aliases)
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            write_durably(self.path, text.encode(), before_rename=lambda _: self._keep_previous())
        except OSError as error:
            raise storage_error(error, "The accounts could not be saved") from error

    def _keep_previous(self) -> None:
        """Give the present file a second name. A file system without links keeps no second copy."""
        if self.path.exists():
            self._previous.unlink(missing_ok=True)
            with contextlib.suppress(OSError):
                os.link(self.path, self._previous)

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Lock the file against other processes that change it. Raises: AccountError if one holds it now."""
        try:
            lock = os.open(
                self.path.with_name(self.path.name + ".lock"),
                os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC,
                0o600,
            )
        except OSError as error:
            raise storage_error(error, "The accounts could not be saved") from error
        try:
            try:
                # A lock file of its own: every save replaces the accounts' file, and a lock on it would be lost.
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


def _parse(path: Path) -> _Contents:
    """Raises: OSError; ValueError if it is not what `_render` writes."""
    data = path.read_bytes()
    try:
        table: dict[str, Any] = parse_toml(data.decode("utf-8"), largest=_LARGEST)
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ValueError(f"line {line} is not UTF-8 text") from None
    except ConfigError as error:
        raise ValueError(str(error)) from None
    # An empty or truncated file may still be valid TOML; without this line it would count as "no accounts".
    if table.get("version") != 1:
        raise ValueError('its line "version = 1" is missing')
    accounts: dict[str, Account] = {}
    for number, row in enumerate(_tables(table, "account"), 1):
        account = _account(row, f"account number {number}")
        if account.name in accounts:
            raise ValueError(f"account {account.name} is in it twice")
        accounts[account.name] = account
    aliases: dict[str, Alias] = {}
    for number, row in enumerate(_tables(table, "alias"), 1):
        where = f"alias number {number}"
        address = _get(row, "address", str, where)
        aliases[folded(address)] = Alias(folded(address), _get_texts(row, "targets", where))
    return accounts, aliases


def _account(row: dict[str, Any], where: str) -> Account:
    try:
        name = check_name(_get(row, "name", str, where))
    except AccountError as error:
        raise ValueError(str(error)) from None
    return Account(
        name=name,
        addresses=_get_texts(row, "addresses", where, ()),
        password_hash=_get(row, "password_hash", str, where),
        quota_bytes=_get(row, "quota_bytes", int, where, None),
        enabled=_get(row, "enabled", bool, where, True),
        full_name=_get(row, "full_name", str, where, ""),
    )


def _tables(table: dict[str, Any], key: str) -> list[dict[str, Any]]:
    rows = table.get(key, [])
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise ValueError(f"[[{key}]] is not a list of tables")
    return rows


_MUST: Any = object()


def _get(row: dict[str, Any], key: str, kind: type, where: str, default: Any = _MUST) -> Any:
    value = row.get(key, default)
    if value is _MUST:
        raise ValueError(f"{where} has no {key}")
    if value is not default and (not isinstance(value, kind) or isinstance(value, bool) != (kind is bool)):
        raise ValueError(f"{key} of {where} has the wrong type")
    return value


def _get_texts(row: dict[str, Any], key: str, where: str, default: Any = _MUST) -> tuple[str, ...]:
    values = _get(row, key, list, where, default)
    if not all(isinstance(value, str) for value in values):
        raise ValueError(f"{key} of {where} is not a list of texts")
    return tuple(values)


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
