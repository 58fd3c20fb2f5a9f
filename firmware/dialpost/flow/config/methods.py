"""The configuration's methods on the control socket: `config.open`, `config.set`, `config.commit` ...

One session for each connection, opened by `config.open` and closed with the connection. Secrets never come back,
but in `config.text {secrets: true}`, which is for saving. Takes JSON apart and hands it to `flow/config/sessions`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from dialpost.core.config.editing.candidate import Candidate
from dialpost.core.config.editing.compare import blotted, changed_keys, compare, lines_of
from dialpost.core.config.editing.keys import find_in
from dialpost.core.config.fields import sections
from dialpost.core.config.model import Config
from dialpost.core.config.text import render_config
from dialpost.core.errors import ConfigError, ControlError
from dialpost.core.json_value import JsonObject, JsonValue, Talk, TalkMethod
from dialpost.core.toml_text import parse_toml
from dialpost.flow.config.changes import ConfigChanges
from dialpost.flow.config.sessions import ConfigSessions, Session, table_of

MOST_CONFIRM_MIN = 1440.0


def _none(config: Config) -> Sequence[str]:
    return ()


_Method = Callable[[Session, JsonObject], Awaitable[JsonValue]]


def config_methods(
    sessions: ConfigSessions, changes: ConfigChanges, remarks: Callable[[Config], Sequence[str]] = _none
) -> dict[str, TalkMethod]:
    """The methods by name. `remarks`: what the machine's files say of a usable configuration."""
    of_talk: dict[Talk, Session] = {}

    async def open_(params: JsonObject, talk: Talk) -> JsonValue:
        if talk in of_talk:
            raise ControlError("This connection has a session already.")
        who = _text(params, "who").strip() or talk.user
        session, mode, problems = await sessions.open(who)
        of_talk[talk] = session

        def gone() -> None:
            del of_talk[talk]
            sessions.close(session)

        talk.stay(gone)
        return {
            "session": session.number,
            "number": session.base.number if session.base else 0,
            "mode": mode.value,
            "problems": list(problems),
            "others": _others(sessions, session),
        }

    def in_session(method: _Method) -> TalkMethod:
        async def run(params: JsonObject, talk: Talk) -> JsonValue:
            if talk not in of_talk:
                raise ControlError("No session is open on this connection: config.open begins one.")
            session = of_talk[talk]
            result = await method(session, params)
            assert isinstance(result, dict)
            return {**result, "changed": session.has_difference}  # what the prompt shows

        return run

    methods = _Methods(sessions, changes, remarks)
    return {"config.open": open_} | {
        f"config.{name}": in_session(method)
        for name, method in {
            "show": methods.show, "set": methods.set, "unset": methods.unset, "compare": methods.compare,
            "check": methods.check, "commit": methods.commit, "confirm": methods.confirm,
            "discard": methods.discard, "rebase": methods.rebase, "rollback": methods.rollback,
            "history": methods.history, "load": methods.load, "text": methods.text, "notices": methods.notices,
        }.items()
    }  # fmt: skip


class _Methods:
    """What can be asked in a session."""

    def __init__(
        self, sessions: ConfigSessions, changes: ConfigChanges, remarks: Callable[[Config], Sequence[str]]
    ) -> None:
        self._sessions, self._changes, self._remarks = sessions, changes, remarks

    async def show(self, session: Session, params: JsonObject) -> JsonValue:
        """`key`: a section, a key or an item of a list. `all`: defaults too, where the candidate is usable."""
        candidate, key = session.candidate, _text(params, "key")
        table = candidate.table()
        if key and key not in sections():
            key = find_in(key, table).key
        lines = lines_of(table, key)
        if (_flag(params, "all") or (key and not lines)) and not candidate.problems():
            everything = render_config(candidate.config(), secrets=True, all_keys=True)
            lines = lines_of(parse_toml(everything), key)
        return {"lines": lines}

    async def set(self, session: Session, params: JsonObject) -> JsonValue:
        """`key`, `value` as typed."""
        key, value = _text(params, "key"), _text(params, "value")
        return self._changed(session, lambda candidate: candidate.set(key, value))

    async def unset(self, session: Session, params: JsonObject) -> JsonValue:
        """`key`."""
        key = _text(params, "key")
        return self._changed(session, lambda candidate: candidate.unset(key))

    async def compare(self, session: Session, params: JsonObject) -> JsonValue:
        """With the base, or with the configuration of `number`."""
        text = session.base_text
        if (number := _number(params, "number")) is not None:
            text = await self._sessions.text_of(int(number))
        return {"lines": compare(table_of(text), session.candidate.table())}

    async def check(self, session: Session, params: JsonObject) -> JsonValue:
        """What is wrong, what should be known, whom it would cut off."""
        problems = self._sessions.problems(session)
        return {
            "problems": list(problems),
            "warnings": []
            if problems
            else [*session.candidate.warnings(), *self._remarks(session.candidate.config())],
            "cuts": list(self._sessions.cuts(session)),
        }

    async def commit(self, session: Session, params: JsonObject) -> JsonValue:
        """`confirm_min`: to be taken back unless confirmed. `anyway`: although somebody is cut off. `comment`.

        `problems` are those of the `words` that say what could not be put in force.
        """
        minutes = _number(params, "confirm_min")
        if minutes is not None and not 0 < minutes <= MOST_CONFIRM_MIN:
            raise ControlError(f"confirm_min must be more than 0 and at most {MOST_CONFIRM_MIN:g} minutes.")
        done = await self._sessions.commit(
            session, comment=_text(params, "comment"), anyway=_flag(params, "anyway"),
            confirm_s=None if minutes is None else minutes * 60,
        )  # fmt: skip
        answer: dict[str, JsonValue] = {
            "number": done.commit.number, "words": list(done.words), "problems": list(done.problems)
        }  # fmt: skip
        return answer | ({} if done.needs_confirm_s is None else {"needs_confirm_s": done.needs_confirm_s})

    async def confirm(self, session: Session, params: JsonObject) -> JsonValue:
        """The last commit is good."""
        return {"number": await self._sessions.confirm(session)}

    async def discard(self, session: Session, params: JsonObject) -> JsonValue:
        """Begin anew."""
        await self._sessions.discard(session)
        return {"number": session.base.number if session.base else 0}

    async def rebase(self, session: Session, params: JsonObject) -> JsonValue:
        """On top of the newest."""
        both = await self._sessions.rebase(session)
        return {"number": session.base.number if session.base else 0, "conflicts": list(both)}

    async def rollback(self, session: Session, params: JsonObject) -> JsonValue:
        """`number` into the candidate."""
        number = _number(params, "number")
        if number is None:
            raise ControlError("number is missing: config.history lists them.")
        return {"number": int(number), "problems": list(await self._sessions.rollback(session, int(number)))}

    async def history(self, session: Session, params: JsonObject) -> JsonValue:
        """The newest first."""
        return {"commits": [commit.to_json() for commit in reversed(await self._sessions.history())]}

    async def load(self, session: Session, params: JsonObject) -> JsonValue:
        """`text`, whole. What is not TOML is not loaded; what is, is, with its faults."""
        try:
            problems = await asyncio.to_thread(self._sessions.load, session, _text(params, "text"))
        except ConfigError as error:
            return {"loaded": False, "problems": list(error.problems)}
        return {"loaded": True, "problems": list(problems)}

    async def text(self, session: Session, params: JsonObject) -> JsonValue:
        """The candidate as a file. Secrets are blotted out unless `secrets`."""
        text = session.candidate.text
        return {"text": text if _flag(params, "secrets") else blotted(text)}

    async def notices(self, session: Session, params: JsonObject) -> JsonValue:
        """What happened since last asked, and how long until a commit is taken back."""
        pending = self._changes.pending
        return {
            "notices": list(self._sessions.notices(session)),
            "others": _others(self._sessions, session),
            "revert_in_s": self._changes.pending_left_s,
            "revert_number": pending.trial.number if pending else None,
            "revert_is_mine": pending is not None and pending.owner is session,
        }

    def _changed(self, session: Session, change: Callable[[Candidate], Candidate]) -> JsonValue:
        before = session.candidate
        candidate = self._sessions.change(session, change)
        lost = before.keeps_comments and not candidate.keeps_comments
        words = (
            ["The file was written in an unusual way: it is written anew, its comments are lost."] if lost else []
        )
        return {"lines": compare(before.table(), candidate.table()), "words": words}


def _others(sessions: ConfigSessions, own: Session) -> list[JsonValue]:
    now_s = asyncio.get_running_loop().time()
    return [
        {
            "who": other.who,
            "since_s": round(now_s - other.began_s),
            "changes": changed_keys(compare(table_of(other.base_text), other.candidate.table())),
        }
        for other in sessions.sessions
        if other is not own
    ]


def _text(params: JsonObject, key: str) -> str:
    value = params.get(key)
    if value is not None and not isinstance(value, str):
        raise ControlError(f"{key} must be a text.")
    return value or ""


def _flag(params: JsonObject, key: str) -> bool:
    value = params.get(key)
    if value is not None and not isinstance(value, bool):
        raise ControlError(f"{key} must be true or false.")
    return bool(value)


def _number(params: JsonObject, key: str) -> float | None:
    value = params.get(key)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ControlError(f"{key} must be a number.")
    return value
