"""The console's side of an editing session: one connection to the daemon, reopened if it is lost.

The candidate lives in the daemon and ends with the connection. Notices for the operator are collected here: from
other sessions, and about a commit that is about to be rolled back.
"""

from __future__ import annotations

import contextlib
from pathlib import Path

from dialpost.core.control import config as api
from dialpost.core.control.declared import A, D, Method, P
from dialpost.core.errors import ControlError
from dialpost.edge.control_socket import ControlConnection

_LAST_CALL_S = 60.0


class EditingSession:
    """The session of `who` with the daemon behind `socket`; begun at the first request."""

    def __init__(self, socket: Path, who: str) -> None:
        self._socket, self._who = socket, who
        self._talk: ControlConnection | None = None
        self.is_changed = False
        """Whether the candidate has changes that are not committed."""
        self._is_warned = False
        self._on_trial: int | None = None

    def open(self) -> api.Opened:
        """Begin it; returns what it finds (mode, number, problems, others). Raises: ControlError."""
        self.close()
        talk = ControlConnection(self._socket)
        try:
            found = talk.ask(api.OPEN, who=self._who)
        except ControlError:
            talk.close()
            raise
        self._talk = talk
        return found

    def ask(self, method: Method[P, D, A], *args: P.args, **params: P.kwargs) -> A:
        """Send a request. Raises: ControlError; without `kind` the daemon is gone, and with it the candidate."""
        if self._talk is None:
            self.open()
        assert self._talk is not None
        try:
            answer = self._talk.ask(method, *args, **params)
            if isinstance(answer, api.InSession):  # (not every method is one of the session)
                self.is_changed = answer.changed
            if isinstance(answer, api.Committed):
                self._on_trial = None if answer.needs_confirm_s is None else answer.number
            elif method.name == api.CONFIRM.name:
                self._on_trial = None
            return answer
        except ControlError as error:
            if error.kind:
                raise
            lost = " Uncommitted changes are lost." if self.is_changed else ""
            self.close()
            raise ControlError(f"{error}{lost}") from error

    def close(self) -> None:
        """End it: the candidate is discarded, an unconfirmed commit is rolled back."""
        if self._talk is not None:
            self._talk.close()
        self._talk, self.is_changed, self._is_warned = None, False, False
        self._on_trial = None

    def news(self) -> list[str]:
        """The notices to show now; none if nobody answers (the next command says so)."""
        if self._talk is None:
            return []
        with contextlib.suppress(ControlError):
            found = self.ask(api.NOTICES)
            return [*found.notices, *self._rolled_back(found), *self._last_call(found)]
        return ["The daemon has stopped answering."]

    def _rolled_back(self, found: api.Notices) -> list[str]:
        """Shown once, when a commit of this session was rolled back: its candidate still has the changes."""
        was, self._on_trial = self._on_trial, found.revert_number if found.revert_is_mine else None
        if was is None or self._on_trial is not None:
            return []
        self.is_changed = True
        return ["Your candidate still has those changes; `discard` drops them."]

    def _last_call(self, found: api.Notices) -> list[str]:
        """Shown once, when a commit of this session will soon be rolled back."""
        left_s = found.revert_in_s
        if left_s is None or not found.revert_is_mine:
            self._is_warned = False
            return []
        if left_s > _LAST_CALL_S or self._is_warned:
            return []
        self._is_warned = True
        return [f"Number {found.revert_number} will be rolled back in {left_s:.0f} s unless you `confirm` it."]
