"""Making a station from the wizard's answers: admin password, accounts, and the commit that activates it all.

Before there is a station its accounts are written to the card directly, as `dialpost account` does without a
daemon. If the commit fails, what was made before it is undone.
"""

from __future__ import annotations

import asyncio
import contextlib
import stat
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from dialpost.cli.mail.account import service_on_card
from dialpost.core.config.model import Config
from dialpost.core.config.text import render_config
from dialpost.core.console.wizard.machine import Result
from dialpost.core.control import accounts
from dialpost.core.control import config as api
from dialpost.core.errors import ConfigError, ControlError
from dialpost.edge.console.admin_password import AdminPassword
from dialpost.edge.control_socket import ControlConnection
from dialpost.edge.ground.durable import remove_durably, write_durably
from dialpost.flow.mail.accounts import AccountService

_ACCOUNT_FILES = ("accounts.toml", "dovecot-users")
_WARN_FIRST = "WarnFirstError"


@dataclass(frozen=True, slots=True)
class Made:
    """The station runs. `words` should be shown; `problems` are those of them that say what was not applied."""

    words: tuple[str, ...]
    problems: tuple[str, ...]


class Maker:
    """`talk` has an open session. `is_running`: a station already runs, which makes the accounts itself."""

    def __init__(self, config_path: Path, talk: ControlConnection, *, is_running: bool) -> None:
        self._config_path, self._talk, self._is_running = config_path, talk, is_running

    def make(self, result: Result, is_wanted: Callable[[Sequence[str]], bool]) -> Made:
        """Activate it. `is_wanted` is asked if somebody would be disconnected.

        Raises: DialpostError; everything is as before then.
        """
        with contextlib.ExitStack() as undo:
            if result.admin_password:
                password = AdminPassword(self._config_path)
                undo.callback(_put_back, password.path, _as_it_is(password.path))
                password.set(result.admin_password)
            if not self._is_running:
                self._accounts_on_card(result, undo)
            made = self._commit(result.config, is_wanted)
            undo.pop_all()
        if self._is_running:
            for name, secret in result.accounts:
                self._talk.ask(accounts.ADD, name=name, password=secret)
        return made

    def _accounts_on_card(self, result: Result, undo: contextlib.ExitStack) -> None:
        folder = Path(result.config.station.data_dir)
        folder.mkdir(mode=0o750, parents=True, exist_ok=True)
        for name in _ACCOUNT_FILES:
            undo.callback(_put_back, folder / name, _as_it_is(folder / name))
        with service_on_card(result.config) as service:
            for name, secret in result.accounts:
                asyncio.run(_add(service, name, secret))

    def _commit(self, config: Config, is_wanted: Callable[[Sequence[str]], bool]) -> Made:
        loaded = self._talk.ask(api.LOAD, text=render_config(config, secrets=True))
        if loaded.problems:
            raise ConfigError(loaded.problems)
        try:
            done = self._talk.ask(api.COMMIT, comment="set up")
        except ControlError as error:
            if error.kind != _WARN_FIRST or not is_wanted(str(error).splitlines()):
                raise
            done = self._talk.ask(api.COMMIT, comment="set up", anyway=True)
        return Made(done.words, done.problems)


async def _add(service: AccountService, name: str, password: str) -> None:
    """An account of that name was left by a set-up that a power cut interrupted: it gets the new password."""
    if name in service.directory.accounts:
        await service.set_password(name, password)
    else:
        await service.add(name, password)


def _as_it_is(path: Path) -> tuple[bytes, int] | None:
    """Its content and its mode; None if there is no such file."""
    with contextlib.suppress(FileNotFoundError):
        return path.read_bytes(), stat.S_IMODE(path.stat().st_mode)
    return None


def _put_back(path: Path, before: tuple[bytes, int] | None) -> None:
    with contextlib.suppress(OSError):
        if before is not None:
            write_durably(path, *before)
        elif path.exists():
            remove_durably(path)
