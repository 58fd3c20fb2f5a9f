"""Editing sessions: each has its own candidate configuration, sees the others, and ends with its connection.

Candidates are not kept: uncommitted changes are lost with their session. Runs in the daemon's event loop.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from typing import Protocol

from dialpost.core.config.editing.candidate import Candidate
from dialpost.core.config.editing.compare import compare, still_blotted, with_secrets
from dialpost.core.config.editing.effects import cut_off
from dialpost.core.config.editing.rebase import rebase
from dialpost.core.config.history import Commit
from dialpost.core.config.model import Config
from dialpost.core.config.text import render_config
from dialpost.core.errors import ConfigError, ControlError, NotFoundError, WarnFirstError
from dialpost.flow.config.changes import ConfigChanges, Done, committed_words
from dialpost.flow.config.world import Parser, Process, Texts

MOST_SESSIONS = 16
_MOST_NOTICES = 50


class Mode(Enum):
    """The situation that an editing session finds."""

    RUNNING = "running"
    SET_UP = "set-up"  # there is no configuration yet
    UNREADABLE = "unreadable"  # there is one, but it can't be used


class Book(Texts, Protocol):
    """The subset of edge/config/history.ConfigHistory needed here. Blocking."""

    def current(self) -> Commit | None:
        """The active one."""

    def commits(self) -> tuple[Commit, ...]:
        """All that are kept, oldest first."""


class Checker(Parser, Protocol):
    """The subset of edge/config/file.ConfigFile needed here. Blocking."""

    def load(self) -> Config:
        """The file's configuration, or every fault."""


@dataclass(eq=False)
class Session:
    """One session. `base` is the configuration it started from, `base_text` its text."""

    number: int
    who: str
    began_s: float
    base: Commit | None
    base_text: str
    candidate: Candidate
    notices: list[str] = field(default_factory=list)

    @property
    def is_changed(self) -> bool:
        """Whether there is something to commit."""
        return self.candidate.text != self.base_text

    @property
    def has_difference(self) -> bool:
        """Whether `compare` has something to show: a different text may mean the same."""
        return self.is_changed and bool(compare(table_of(self.base_text), self.candidate.table()))


class ConfigSessions:
    """The open sessions. `first_text` is the initial text of a first configuration."""

    def __init__(
        self, book: Book, checker: Checker, changes: ConfigChanges, process: Process, first_text: str = ""
    ) -> None:
        self._book, self._checker, self._changes, self._process = book, checker, changes, process
        self._first_text = first_text
        self._sessions: list[Session] = []
        self._numbers = 0
        changes.on_change = self.tell_all

    @property
    def sessions(self) -> tuple[Session, ...]:
        """The open sessions, oldest first."""
        return tuple(self._sessions)

    async def open(self, who: str) -> tuple[Session, Mode, tuple[str, ...]]:
        """Open a session; returns it, the mode, and the faults found. Raises: ControlError, StorageError."""
        if len(self._sessions) >= MOST_SESSIONS:
            raise ControlError(f"{MOST_SESSIONS} sessions are already open: close one first.")
        base, text = await self._newest()
        mode, problems = await self._look(base)
        self._numbers += 1
        session = Session(self._numbers, who, _now_s(), base, text, _candidate(text))
        self._tell(f"{who} began to edit the configuration.", but=None)
        self._sessions.append(session)
        return session, mode, problems

    def close(self, session: Session) -> None:
        """The session ended, for whatever reason; an unconfirmed commit of it is rolled back."""
        if session not in self._sessions:
            return
        self._sessions.remove(session)
        self._changes.owner_gone(session)
        self._tell(
            f"{session.who} ended the session{' without committing' if session.has_difference else ''}.", but=None
        )

    def tell_all(self, words: str) -> None:
        """Send a notice to every session."""
        self._tell(words, but=None)

    def notices(self, session: Session) -> tuple[str, ...]:
        """The notices since the last call."""
        told, session.notices = tuple(session.notices), []
        return told

    # -- what a session does --------------------------------------------------------------------------

    def change(self, session: Session, change: Callable[[Candidate], Candidate]) -> Candidate:
        """Change its candidate and return it. Raises: whatever `change` raises."""
        session.candidate = change(session.candidate)
        return session.candidate

    async def discard(self, session: Session) -> None:
        """Discard its changes and start from the newest configuration."""
        session.base, session.base_text = await self._newest()
        session.candidate = _candidate(session.base_text)

    async def rebase(self, session: Session) -> tuple[str, ...]:
        """Rebase its changes on the newest; returns the keys changed on both sides. Raises: StorageError."""
        base, text = await self._newest()
        made, both = rebase(_candidate(session.base_text), session.candidate, _candidate(text))
        session.base, session.base_text, session.candidate = base, text, made
        return both

    async def rollback(self, session: Session, number: int) -> tuple[str, ...]:
        """Load an earlier configuration into the candidate; returns its faults. Raises: NotFoundError."""
        candidate = Candidate(await asyncio.to_thread(self._book.text_of, number))
        session.candidate = candidate
        return self.problems(session)

    def load(self, session: Session, text: str) -> tuple[str, ...]:
        """Load a whole text into the candidate; returns its faults. Redacted secrets keep their present values.

        Raises: ConfigError if it is not TOML; the candidate is unchanged then.
        """
        session.candidate = with_secrets(text, session.candidate.table())
        return self.problems(session)

    def problems(self, session: Session) -> tuple[str, ...]:
        """The reasons why its candidate can't take effect."""
        blots = still_blotted(session.candidate.table())
        try:
            self._checker.parse(session.candidate.text)
        except ConfigError as error:
            return (*blots, *error.problems)
        return blots

    def cuts(self, session: Session) -> tuple[str, ...]:
        """Who would be disconnected by its candidate. () if it is not usable or no station runs."""
        running = self._process.config
        if running is None or self.problems(session):
            return ()
        return cut_off(running, session.candidate.config(), call_is_up=self._process.call_is_up)

    async def commit(
        self, session: Session, *, comment: str = "", confirm_s: float | None = None, anyway: bool = False
    ) -> Done:
        """Make its candidate the active configuration. Raises: WarnFirstError, and whatever `ConfigChanges.commit`
        raises."""
        if not session.is_changed and session.base is not None:
            raise ControlError("Nothing has changed: there is nothing to commit.")
        if problems := self.problems(session):
            raise ConfigError(problems)
        if not anyway and (cuts := self.cuts(session)):
            raise WarnFirstError(cuts)
        text = session.candidate.text
        done = await self._changes.commit(
            text, session.base, session.who, comment, owner=session, confirm_s=confirm_s
        )
        session.base, session.base_text = done.commit, text
        own = committed_words(done.commit.number, session.who)  # a notice for the others: this one has the answer
        session.notices = [words for words in session.notices if words != own]
        return done

    async def confirm(self, session: Session) -> int:
        """Confirm its commit; returns the number. Raises: ControlError."""
        return await self._changes.confirm(session)

    async def history(self) -> tuple[Commit, ...]:
        """All commits kept, oldest first."""
        await asyncio.to_thread(self._book.current)  # a file changed in an editor gets its number here
        return await asyncio.to_thread(self._book.commits)

    async def text_of(self, number: int) -> str:
        """The text of a commit. Raises: NotFoundError."""
        return await asyncio.to_thread(self._book.text_of, number)

    # -- inside ---------------------------------------------------------------------------------------

    async def _newest(self) -> tuple[Commit | None, str]:
        """The newest configuration and its text; if that is not even TOML, the text of the running one."""
        base = await asyncio.to_thread(self._book.current)
        if base is None:
            return None, self._first_text
        text = await asyncio.to_thread(self._book.text_of, base.number)
        if not _is_toml(text) and self._process.config is not None:
            text = render_config(self._process.config, secrets=True)
        return base, text

    async def _look(self, base: Commit | None) -> tuple[Mode, tuple[str, ...]]:
        try:
            await asyncio.to_thread(self._checker.load)
            problems: tuple[str, ...] = ()
        except (ConfigError, NotFoundError) as error:
            problems = error.problems if isinstance(error, ConfigError) else ()
        if self._process.config is not None:
            return Mode.RUNNING, problems
        return (Mode.UNREADABLE if base is not None else Mode.SET_UP), problems

    def _tell(self, words: str, but: Session | None) -> None:
        for session in self._sessions:
            if session is not but:
                session.notices = [*session.notices, words][-_MOST_NOTICES:]


def _candidate(text: str) -> Candidate:
    return Candidate(text if _is_toml(text) else "")


def _is_toml(text: str) -> bool:
    try:
        Candidate(text)
    except ConfigError:
        return False
    return True


def _now_s() -> float:
    return asyncio.get_running_loop().time()


def table_of(text: str) -> dict[str, object]:
    """The table of a text; empty if it is not TOML."""
    try:
        return Candidate(text).table()
    except ConfigError:
        return {}
