"""Calling again after a failed dial or a lost line: how often, after what pause, remembered over a restart.

Runs in the daemon's event loop; a timer asks for the call, `flow/call` makes it.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Callable
from typing import Protocol

from dialpost.core.call_notes import failed, was_cut
from dialpost.core.call_record import CallRecord
from dialpost.core.config import CallConfig
from dialpost.core.errors import StorageError
from dialpost.flow import maillog

_KEY = "call.redials_left"


class Memory(Protocol):
    """The subset of the store that keeps small values."""

    async def remember(self, key: str, value: str) -> None:
        """Keep a small value."""

    async def recall(self, key: str) -> str | None:
        """The value kept under the key."""


class Redials:
    """The tries left, and the timer of the next. `left` is None while no redial is due."""

    def __init__(self, config: CallConfig, dial: Callable[[], None], say: Callable[[str], None]) -> None:
        self._config, self._dial, self._say = config, dial, say
        self._timer: asyncio.TimerHandle | None = None
        self.left: int | None = None

    @property
    def pending(self) -> bool:
        """Whether a redial is waiting for its time."""
        return self._timer is not None

    def words(self) -> str:
        """When the next try is, for a person; "" where none is."""
        if self._timer is None:
            return ""
        left_s = max(0.0, self._timer.when() - asyncio.get_running_loop().time())
        return f"dialling again in {left_s:.0f} s, then {self.left} more times if need be"

    def plan(self, record: CallRecord) -> None:
        """After a call: again, if it failed or was cut and tries are left.

        A call that moved mail starts the count anew: a bad line still gets everything through.
        """
        if not failed(record) and not was_cut(record):
            self.forget()
            return
        left = self.left
        if left is None or record.sent or record.received:
            left = self._config.redial_attempts
        if left <= 0:
            self.forget()
            if self._config.redial_attempts:
                maillog.fault("call: given up for now", next="at the next scheduled time, or by the button")
                self._say("given up for now; the next try is at the next scheduled time, or by the button")
            return
        self.left = left - 1
        self._wait()

    def started(self, is_redial: bool) -> None:
        """A call begins: this one counts as the next try; one for another reason starts anew."""
        self._stop_timer()
        if not is_redial:
            self.left = None

    def forget(self) -> None:
        """No further try."""
        self._stop_timer()
        self.left = None

    def _wait(self) -> None:
        self._stop_timer()
        pause_s = max(self._config.redial_pause_s, self._config.cooldown_s)
        self._timer = asyncio.get_running_loop().call_later(pause_s, self._now)
        self._say(f"dialling again in {pause_s:.3g} s")

    def _now(self) -> None:
        self._timer = None
        self._dial()

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    async def keep(self, memory: Memory) -> None:
        """Have the tries left survive a restart. Raises: StorageError."""
        await memory.remember(_KEY, json.dumps(self.left))

    async def recall(self, memory: Memory) -> None:
        """Go on where a restart broke off: a try that was due is made after the pause."""
        with contextlib.suppress(StorageError, ValueError):
            left = json.loads(await memory.recall(_KEY) or "null")
            if isinstance(left, int) and not isinstance(left, bool) and left >= 0:
                self.left = min(left, self._config.redial_attempts)
                self._wait()
