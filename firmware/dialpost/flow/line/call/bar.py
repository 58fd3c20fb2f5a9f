"""After a refusal that lasts, the station makes no automatic calls: each would be paid for, and refused again.

A call that comes up lifts the bar, or fails for another reason; so does a commit that changes what a refusal can
come from (`settings`, a digest). Who asks for a call by hand is never held back. A bar that cost money outlives a
restart; another one (a wrong PIN, a setting that can't be) does not: a SIM is changed with the power off.
"""

from __future__ import annotations

import json

from dialpost.core.errors import StorageError
from dialpost.core.json_text import parse_object
from dialpost.core.line.call.notes import reason_words
from dialpost.core.line.call.record import CallRecord
from dialpost.flow.memory import Memory

_KEY = "call.barred"

SHORT = "no automatic calls until something changes"
"""For the line that shows what the line does."""
NEXT_STEP = (
    "No automatic calls until a commit changes [modem], [ppp] or [link]: they would be refused again. To "
    "try once, use `dialpost call now` or the button."
)


class CallBar:
    """`reason` is in words, "" where no call is barred. `settings` stands for what a commit must change."""

    def __init__(self, settings: str = "") -> None:
        self._settings = settings
        self._was_paid = False
        self.reason = ""

    @property
    def words(self) -> str:
        """Why automatic calls have stopped, and what to do; "" where they have not."""
        return f"{self.reason} {NEXT_STEP}" if self.reason else ""

    def set(self, record: CallRecord) -> None:
        """This call met a refusal that lasts."""
        self.reason, self._was_paid = reason_words(record), record.paid_s > 0

    def lift(self) -> None:
        """Calls are made again."""
        self.reason, self._was_paid = "", False

    async def keep(self, memory: Memory) -> None:
        """Have it survive a restart. Raises: StorageError."""
        kept = json.dumps({"settings": self._settings, "reason": self.reason}) if self._was_paid else ""
        await memory.remember(_KEY, kept)

    async def recall(self, memory: Memory) -> None:
        """Hold it again, unless the settings were changed since. What can't be read is none."""
        try:
            kept = parse_object(await memory.recall(_KEY) or "{}")
        except (StorageError, ValueError):
            return
        reason = kept.get("reason")
        if isinstance(reason, str) and reason and kept.get("settings") == self._settings:
            self.reason, self._was_paid = reason, True
