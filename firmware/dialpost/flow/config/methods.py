"""The configuration methods on the control socket: `config.open`, `config.set`, `config.commit` ...

One session per connection, opened by `config.open` and closed with the connection. Answers contain no secrets,
except `config.text {secrets: true}`, which is for saving. They call `flow/config/sessions`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import TypeVar

from dialpost.core.config.editing.candidate import Candidate
from dialpost.core.config.editing.compare import blotted, changed_keys, compare, lines_of
from dialpost.core.config.editing.keys import find_in
from dialpost.core.config.fields import sections
from dialpost.core.config.history import Commit
from dialpost.core.config.model import Config
from dialpost.core.config.text import render_config
from dialpost.core.control import config as api
from dialpost.core.control.declared import D, Method, NoParams, P
from dialpost.core.control.serving import Served, serve_talk
from dialpost.core.errors import ConfigError, ControlError
from dialpost.core.json_value import FaceConnection
from dialpost.core.toml_text import parse_toml
from dialpost.flow.config.changes import ConfigChanges
from dialpost.flow.config.sessions import ConfigSessions, Session, table_of

S = TypeVar("S", bound=api.InSession)


def _none(config: Config) -> Sequence[str]:
    return ()


def config_methods(
    sessions: ConfigSessions, changes: ConfigChanges, remarks: Callable[[Config], Sequence[str]] = _none
) -> dict[str, Served]:
    """The methods by name. `remarks`: faults of a usable configuration that only the machine's files show."""
    of_talk: dict[FaceConnection, Session] = {}

    async def open_(wanted: api.OpenParams, talk: FaceConnection) -> api.Opened:
        if talk in of_talk:
            raise ControlError("This connection already has a session.")
        session, mode, problems = await sessions.open(wanted.who.strip() or talk.user)
        of_talk[talk] = session

        def gone() -> None:
            del of_talk[talk]
            sessions.close(session)

        talk.stay(gone)
        return api.Opened(
            session=session.number,
            number=_base_number(session),
            mode=mode.value,
            problems=tuple(problems),
            others=_others(sessions, session),
        )

    def in_session(method: Method[P, D, S], act: Callable[[Session, D], Awaitable[S]]) -> dict[str, Served]:
        async def run(wanted: D, talk: FaceConnection) -> S:
            if talk not in of_talk:
                raise ControlError("No session is open on this connection: config.open begins one.")
            session = of_talk[talk]
            answer = await act(session, wanted)
            return replace(answer, changed=session.has_difference)  # what the prompt shows

        return serve_talk(method, run)

    acts = _Acts(sessions, changes, remarks)
    return {
        **serve_talk(api.OPEN, open_),
        **in_session(api.SHOW, acts.show),
        **in_session(api.SET, acts.set),
        **in_session(api.UNSET, acts.unset),
        **in_session(api.COMPARE, acts.compare),
        **in_session(api.CHECK, acts.check),
        **in_session(api.COMMIT, acts.commit),
        **in_session(api.CONFIRM, acts.confirm),
        **in_session(api.DISCARD, acts.discard),
        **in_session(api.REBASE, acts.rebase),
        **in_session(api.ROLLBACK, acts.rollback),
        **in_session(api.HISTORY, acts.history),
        **in_session(api.LOAD, acts.load),
        **in_session(api.TEXT, acts.text),
        **in_session(api.NOTICES, acts.notices),
    }


class _Acts:
    """The requests within a session."""

    def __init__(
        self, sessions: ConfigSessions, changes: ConfigChanges, remarks: Callable[[Config], Sequence[str]]
    ) -> None:
        self._sessions, self._changes, self._remarks = sessions, changes, remarks

    async def show(self, session: Session, wanted: api.ShowParams) -> api.Lines:
        """Show a section, a key or an item of a list; with `all` including defaults."""
        candidate, key = session.candidate, wanted.key
        table = candidate.table()
        if key and key not in sections():
            key = find_in(key, table).key
        lines = lines_of(table, key)
        if (wanted.all or (key and not lines)) and not candidate.problems():
            everything = render_config(candidate.config(), secrets=True, all_keys=True)
            lines = lines_of(parse_toml(everything), key)
        return api.Lines(lines=tuple(lines))

    async def set(self, session: Session, wanted: api.SetParams) -> api.Changed:
        """Set a value as typed."""
        return self._changed(session, lambda candidate: candidate.set(wanted.key, wanted.value))

    async def unset(self, session: Session, wanted: api.UnsetParams) -> api.Changed:
        """Return to the default."""
        return self._changed(session, lambda candidate: candidate.unset(wanted.key))

    async def compare(self, session: Session, wanted: api.CompareParams) -> api.Lines:
        """Compare with the base, or with the configuration `number`."""
        text = session.base_text
        if wanted.number is not None:
            text = await self._sessions.text_of(wanted.number)
        return api.Lines(lines=tuple(compare(table_of(text), session.candidate.table())))

    async def check(self, session: Session, wanted: NoParams) -> api.Checked:
        """Report faults, warnings, and who would be disconnected."""
        problems, candidate = self._sessions.problems(session), session.candidate
        warnings = () if problems else (*candidate.warnings(), *self._remarks(candidate.config()))
        return api.Checked(problems=tuple(problems), warnings=warnings, cuts=tuple(self._sessions.cuts(session)))

    async def commit(self, session: Session, wanted: api.CommitParams) -> api.Committed:
        """Commit. `problems` are those of the `words` about what could not be applied."""
        minutes = wanted.confirm_min
        done = await self._sessions.commit(
            session,
            comment=wanted.comment,
            anyway=wanted.anyway,
            confirm_s=None if minutes is None else minutes * 60,
        )
        return api.Committed(
            number=done.commit.number,
            words=tuple(done.words),
            problems=tuple(done.problems),
            needs_confirm_s=done.needs_confirm_s,
        )

    async def confirm(self, session: Session, wanted: NoParams) -> api.Numbered:
        """Confirm the last commit."""
        return api.Numbered(number=await self._sessions.confirm(session))

    async def discard(self, session: Session, wanted: NoParams) -> api.Numbered:
        """Discard the changes."""
        await self._sessions.discard(session)
        return api.Numbered(number=_base_number(session))

    async def rebase(self, session: Session, wanted: NoParams) -> api.Rebased:
        """Rebase the changes on the newest configuration."""
        both = await self._sessions.rebase(session)
        return api.Rebased(number=_base_number(session), conflicts=tuple(both))

    async def rollback(self, session: Session, wanted: api.RollbackParams) -> api.RolledBack:
        """Load an earlier configuration into the candidate."""
        problems = await self._sessions.rollback(session, wanted.number)
        return api.RolledBack(number=wanted.number, problems=tuple(problems))

    async def history(self, session: Session, wanted: NoParams) -> api.History:
        """List the commits, newest first."""
        kept = await self._sessions.history()
        return api.History(commits=tuple(_commit(one) for one in reversed(kept)))

    async def load(self, session: Session, wanted: api.LoadParams) -> api.Loaded:
        """Load a whole file: it must be TOML, but may have any other faults."""
        try:
            problems = await asyncio.to_thread(self._sessions.load, session, wanted.text)
        except ConfigError as error:
            return api.Loaded(loaded=False, problems=tuple(error.problems))
        return api.Loaded(loaded=True, problems=tuple(problems))

    async def text(self, session: Session, wanted: api.TextParams) -> api.Text:
        """The candidate as a file. Secrets are redacted unless `secrets`."""
        text = session.candidate.text
        return api.Text(text=text if wanted.secrets else blotted(text))

    async def notices(self, session: Session, wanted: NoParams) -> api.Notices:
        """What happened since the last request, and how long until a commit is rolled back."""
        pending = self._changes.pending
        return api.Notices(
            notices=tuple(self._sessions.notices(session)),
            others=_others(self._sessions, session),
            revert_in_s=self._changes.pending_left_s,
            revert_number=pending.trial.number if pending else None,
            revert_is_mine=pending is not None and pending.owner is session,
        )

    def _changed(self, session: Session, change: Callable[[Candidate], Candidate]) -> api.Changed:
        before = session.candidate
        candidate = self._sessions.change(session, change)
        lost = before.keeps_comments and not candidate.keeps_comments
        words = ("The file's layout is unusual: it was reformatted, and its comments are lost.",) if lost else ()
        return api.Changed(lines=tuple(compare(before.table(), candidate.table())), words=words)


def _base_number(session: Session) -> int:
    return session.base.number if session.base else 0


def _commit(commit: Commit) -> api.Commit:
    return api.Commit(
        number=commit.number,
        who=commit.who,
        when=commit.when,
        when_s=commit.when_s,
        clock_trusted=commit.clock_trusted,
        comment=commit.comment,
    )


def _others(sessions: ConfigSessions, own: Session) -> tuple[api.Other, ...]:
    now_s = asyncio.get_running_loop().time()
    return tuple(
        api.Other(
            who=other.who,
            since_s=round(now_s - other.began_s),
            changes=changed_keys(compare(table_of(other.base_text), other.candidate.table())),
        )
        for other in sessions.sessions
        if other is not own
    )
