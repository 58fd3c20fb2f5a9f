"""Activating a configuration while the station runs, and rolling it back.

A commit is rehearsed, written to the card, loaded by the running process and applied to the system. If the station
does not start with it, the previous configuration is restored and the reason reported. During a call the station
continues as it is and switches to the new configuration when the call has ended. A commit that needs a confirmation
is rolled back if none comes in time, if its connection is lost, and, by its marker on the card, after a power cut.

One change at a time, in the daemon's event loop; time is monotonic, the wall clock only dates the history.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from functools import partial

from dialpost.core.config.applied import ApplyResult, not_applied
from dialpost.core.config.editing.effects import changed_keys, when_it_counts
from dialpost.core.config.history import Commit, Proof, Unproven
from dialpost.core.config.model import Config
from dialpost.core.errors import ConfigError, ControlError, DialpostError, StaleError, StorageError
from dialpost.flow.config.world import Apply, History, Parser, Process, WallClock

_log = logging.getLogger("dialpost.config")

_NOT_APPLIED = "Not applied:  "

Work = Callable[[], Coroutine[object, object, object]]


@dataclass(frozen=True, slots=True)
class Pending:
    """A commit that waits for its confirmation. `until_s` is monotonic; `owner` is who made it."""

    trial: Unproven
    owner: object
    until_s: float


@dataclass(frozen=True, slots=True)
class Done:
    """The result of a commit. `words` says what the operator should know, a sentence each; `problems` are those of
    them about what could not be applied to the system.
    """

    commit: Commit
    words: tuple[str, ...]
    needs_confirm_s: float | None = None
    problems: tuple[str, ...] = ()


class ConfigChanges:
    """The only place that changes the active configuration. `on_change` is called with what happened, in words."""

    def __init__(
        self,
        history: History,
        parser: Parser,
        process: Process,
        apply: Apply,
        clock: WallClock,
        on_change: Callable[[str], None] = lambda words: None,
    ) -> None:
        self.on_change = on_change
        self.remarks: list[str] = []
        """What the operator should know, for `status`: a configuration rolled back, something not applied."""
        self._history, self._parser, self._process = history, parser, process
        self._apply, self._clock = apply, clock
        self._lock = asyncio.Lock()
        self._pending: Pending | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._later: asyncio.Task[None] | None = None
        self._closed = False
        self._active_number = 0
        """The number of the configuration that the running station was made with; 0 = unknown."""

    @property
    def pending(self) -> Pending | None:
        """The commit that waits for a confirmation."""
        return self._pending

    @property
    def pending_left_s(self) -> float | None:
        """Seconds until it is rolled back."""
        if self._pending is None:
            return None
        return max(0.0, self._pending.until_s - asyncio.get_running_loop().time())

    def attention(self) -> list[str]:
        """For `status`, a sentence each."""
        if self._pending is None:
            return self.remarks
        number, left_s = self._pending.trial.number, self.pending_left_s
        return [f"Configuration {number} is rolled back in {left_s:.0f} s unless it is confirmed.", *self.remarks]

    def remark(self, words: str) -> None:
        """Add something about the configuration that the operator should know to `status`."""
        self._remark(words)

    async def before_start(self) -> None:
        """Before a station is started: roll back a commit that was not confirmed before the power failed."""
        trial = await asyncio.to_thread(self._history.unproven)
        if trial is None or trial.proof is not Proof.CONFIRM:
            return
        try:
            await self._write_back(
                trial, f"configuration {trial.number} was not confirmed before the station ended"
            )
        except DialpostError as error:  # a station with the wrong configuration is better than no station
            self._remark(f"Configuration {trial.number} was not confirmed, and could not be rolled back: {error}")

    async def started(self) -> None:
        """A station started with the active configuration: that is its proof, and it is kept."""
        try:
            await asyncio.to_thread(self._history.proven)
            commit = await asyncio.to_thread(self._history.current)
            self._active_number = commit.number if commit else 0
        except StorageError as error:
            self._remark(f"The history of the configuration can't be kept: {error}")
        if self.remarks and self._active_number:  # the system still has the settings that were rolled back
            self._start(partial(self._applied, self._active_number))

    async def start_failed(self) -> bool:
        """No station started. Roll back a commit not yet proven; returns whether there was one."""
        trial = await asyncio.to_thread(self._history.unproven)
        if trial is None:
            return False
        await self._write_back(trial, f"the station did not start with configuration {trial.number}")
        return True

    async def run_again(self) -> None:
        """Start the station again once the reason why none ran is gone. Never raises."""
        async with self._lock:
            if (config := self._process.config) is None:
                return
            try:
                await self._process.take(config)
            except DialpostError as error:
                _log.warning("config: the present configuration still does not start: %s", error)
                return
            if self._process.trouble:
                return
        await self.started()

    async def close(self) -> None:
        """The daemon ends. A commit that waits for confirmation is rolled back at the next start."""
        self._closed = True
        self._stop_timer()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    # -- commit, confirm, revert ----------------------------------------------------------------------

    async def commit(
        self, text: str, base: Commit | None, who: str, comment: str, *, owner: object,
        confirm_s: float | None = None,
    ) -> Done:  # fmt: skip
        """Make `text` the active configuration. `base` is the configuration it was made from.

        Raises: ConfigError (nothing was changed, or it was rolled back: the text says which), StaleError,
        ControlError, StorageError.
        """
        async with self._lock:
            self._refuse_while_pending()
            newest = await asyncio.to_thread(self._history.current)
            # Of two sessions that started from the same one the second must not overwrite the first unseen.
            if (newest and newest.number) != (base and base.number):
                raise StaleError(_stale(newest))
            config = self._parser.parse(text)
            if problems := await self._process.rehearse(config):
                raise ConfigError((*problems, "Nothing was changed."))
            proof = Proof.START if confirm_s is None else Proof.CONFIRM
            commit = await self._write(text, who, comment, proof)
            trial = await asyncio.to_thread(self._history.unproven) or Unproven(commit.number, 0, proof)
            words = await self._activate(config, trial)
            self.remarks = []  # those of earlier configurations no longer matter
            result = await self._applied(commit.number)
            if confirm_s is not None:
                self._await_confirmation(trial, owner, confirm_s)
            _log.info("config: committed number=%s who=%r confirm_s=%s", commit.number, who, confirm_s)
            self.on_change(committed_words(commit.number, who))
            return Done(commit, (*words, *result.notes, *result.problems), confirm_s, result.problems)

    async def confirm(self, owner: object) -> int:
        """Confirm the pending commit of `owner`; returns its number. Raises: ControlError, StorageError."""
        async with self._lock:
            pending = self._pending
            if pending is None:
                raise ControlError("No commit is waiting for confirmation.")
            if pending.owner is not owner:
                raise ControlError(
                    f"Configuration {pending.trial.number} can be confirmed only in the session that committed it: "
                    "that is what shows that the station can still be reached."
                )
            await asyncio.to_thread(self._history.proven)
            self._stop_timer()
            self._pending = None
            _log.info("config: confirmed number=%s", pending.trial.number)
            self.on_change(f"Configuration {pending.trial.number} was confirmed.")
            return pending.trial.number

    def owner_gone(self, owner: object) -> None:
        """Its connection is gone: roll back at once a commit that waits for its confirmation."""
        if self._pending is not None and self._pending.owner is owner:
            self._start(partial(self._take_back, self._pending, "its session ended without a confirmation"))

    async def reload(self, text: str) -> tuple[str, ...]:
        """Load the file as somebody changed it (SIGHUP); returns what the operator should know.

        Raises: ConfigError if it can't be used; the station keeps its configuration then. The file stays as it is,
        unless the station did not start with it: then it is rolled back, and kept in the history.
        """
        async with self._lock:
            self._refuse_while_pending()
            config = self._parser.parse(text)
            if problems := await self._process.rehearse(config):
                raise ConfigError(problems)
            commit = await asyncio.to_thread(self._history.current)
            number = commit.number if commit else 0
            edited = Unproven(number, self._active_number, Proof.START)
            words = await self._activate(config, edited if self._active_number not in {0, number} else None)
            self.on_change(f"Configuration {number} was read from the file.")
            result = await self._applied(number)
            return (*words, *result.notes, *result.problems)

    # -- how it is done -------------------------------------------------------------------------------

    def _refuse_while_pending(self) -> None:
        if self._pending is not None:
            raise ControlError(
                f"Configuration {self._pending.trial.number} is waiting for confirmation "
                f"({self.pending_left_s:.0f} s left): confirm it first, or wait until it is rolled back."
            )

    async def _activate(self, config: Config, trial: Unproven | None) -> list[str]:
        """Let the process switch to it, now or after the call; returns when, in words. Raises: ConfigError."""
        running = self._process.config
        self._not_later()
        if running is None or not self._process.call_is_up:
            await self._take(config, trial)
            keys = changed_keys(running, config) if running is not None else ()
            trouble = [self._process.trouble] if self._process.trouble else []
            return [*when_it_counts(keys, call_is_up=False), *trouble]
        self._later = self._start(partial(self._take_after_call, config, trial))
        return list(when_it_counts(changed_keys(running, config), call_is_up=True))

    async def _take(self, config: Config, trial: Unproven | None) -> None:
        try:
            if config != self._process.config:
                await self._process.take(config)
        except DialpostError as error:
            if trial is None:
                raise ConfigError(
                    (f"The station did not start with it: {error}", "It continues as before.")
                ) from error
            back = await self._write_back(trial, f"the station did not start with configuration {trial.number}")
            raise ConfigError(
                (f"Configuration {trial.number} was rolled back: the station did not start with it: {error}", back)
            ) from error
        if trial is not None:
            self._active_number = trial.number
            if trial.proof is Proof.START and not self._process.trouble:  # the station started: that was its proof
                try:
                    await asyncio.to_thread(self._history.proven)
                except StorageError as error:  # it is active, and the next start proves it again
                    _log.warning("config: the proof of number=%s could not be noted: %s", trial.number, error)

    async def _take_after_call(self, config: Config, trial: Unproven | None) -> None:
        await self._process.call_ended()
        async with self._lock:
            self._later = None
            try:
                await self._take(config, trial)
            except ConfigError as error:
                self._drop_pending()
                self._remark(" ".join(error.problems))
                if self._active_number:
                    await self._applied(self._active_number)

    async def _take_back(self, pending: Pending, why: str) -> None:
        async with self._lock:
            if self._pending is not pending or self._closed:
                return
            self._drop_pending()
            number = pending.trial.number
            try:
                said = await self._write_back(pending.trial, f"configuration {number} was rolled back: {why}")
                await self._run_active()
            except DialpostError as error:
                self._remark(f"Configuration {number} could not be rolled back: {error}")
                return
            self.on_change(f"Configuration {number} was rolled back: {why}. {said}")

    async def _run_active(self) -> None:
        """After a rollback: switch process and system to it, now or after the call. Raises: DialpostError."""
        commit = await asyncio.to_thread(self._history.current)
        if commit is None:
            self._not_later()
            await self._process.take(None)
            return
        try:
            config = self._parser.parse(await asyncio.to_thread(self._history.text_of, commit.number))
        except ConfigError:
            await self._process.take(None)  # the previous configuration could not be read either
        else:
            await self._activate(config, None)
        await self._applied(commit.number)

    def _await_confirmation(self, trial: Unproven, owner: object, confirm_s: float) -> None:
        loop = asyncio.get_running_loop()
        pending = self._pending = Pending(trial, owner, loop.time() + confirm_s)
        self._timer = loop.call_later(
            confirm_s, lambda: self._start(partial(self._take_back, pending, "it was not confirmed in time"))
        )

    async def _write(self, text: str, who: str, comment: str, proof: Proof) -> Commit:
        return await asyncio.to_thread(
            lambda: self._history.commit(
                text, who, comment, int(self._clock.wall_s()), clock_trusted=self._clock.is_trusted(), proof=proof
            )
        )

    async def _write_back(self, trial: Unproven, why: str) -> str:
        """Roll back on the card; returns what is active now, in words."""
        commit = await asyncio.to_thread(
            lambda: self._history.revert(
                trial, why, int(self._clock.wall_s()), clock_trusted=self._clock.is_trusted()
            )
        )
        self._active_number = commit.number if commit else 0
        now = (
            f"Configuration {trial.back_to} is active again"
            if trial.back_to
            else "The station has no configuration again"
        )
        said = now + (f", as number {commit.number}." if commit else ".")
        self._remark(f"{why[0].upper()}{why[1:]}. {said}")
        return said

    async def _applied(self, number: int) -> ApplyResult:
        try:
            result = await self._apply.run(number)
        except DialpostError as error:
            result = not_applied(str(error))
        for words in (*result.notes, *result.problems):
            _log.warning("config: not applied number=%s: %s", number, words)
        # `status` shows where the system differs from the configuration, until a run corrects it.
        kept = [words for words in self.remarks if not words.startswith(_NOT_APPLIED)]
        self.remarks = [*kept, *(f"{_NOT_APPLIED}{problem}" for problem in result.problems)]
        return result

    def _remark(self, words: str) -> None:
        _log.warning("config: %s", words)
        self.remarks = [*self.remarks[-4:], words]

    def _drop_pending(self) -> None:
        self._stop_timer()
        self._pending = None

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _not_later(self) -> None:
        if self._later is not None:
            self._later.cancel()
            self._later = None

    def _start(self, work: Work) -> asyncio.Task[None]:
        task = asyncio.create_task(self._guarded(work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _guarded(self, work: Work) -> None:
        with contextlib.suppress(asyncio.CancelledError):
            try:
                await work()
            except Exception:
                _log.exception("config: a change failed")


def _stale(newest: Commit | None) -> str:
    if newest is None:
        return "The configuration was removed meanwhile: discard, then start over."
    return (
        f"{newest.who} committed configuration {newest.number} meanwhile ({newest.when}). See what differs with "
        f"`compare {newest.number}`, then `rebase` to put your changes on top of it, or `discard` them."
    )


def committed_words(number: int, who: str) -> str:
    """The notice about a commit for the other sessions."""
    return f"Configuration {number} was committed by {who}."
