"""After a lasting refusal the station makes no automatic calls: each would be paid for and refused again.

The bar is lifted by a call that succeeds or fails for another reason, and by a commit that changes the settings
that can cause a refusal (`settings`, a digest). An operator's call is never held back. A bar that cost money
outlives a restart; others (a wrong PIN, an impossible setting) do not, because a SIM is changed with the power off
(decision 33).
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
"""For the state of the line in `status`."""
NEXT_STEP = (
    "No automatic calls until a commit changes [modem], [ppp] or [link]: they would be refused again. To "
    "try once, use `dialpost call now` or the button."
)


class CallBar:
    """`reason` is in words, "" if no call is barred. `settings` is a digest of what a commit must change."""

    def __init__(self, settings: str = "") -> None:
        self._settings = settings
        self._was_paid = False
        self.reason = ""

    @property
    def words(self) -> str:
        """Why automatic calls have stopped, and what to do; "" if they have not."""
        return f"{self.reason} {NEXT_STEP}" if self.reason else ""

    def set(self, record: CallRecord) -> None:
        """This call met a lasting refusal."""
        self.reason, self._was_paid = reason_words(record), record.paid_s > 0

    def lift(self) -> None:
        """Resume automatic calls."""
        self.reason, self._was_paid = "", False

    async def keep(self, memory: Memory) -> None:
        """Save it, so that it survives a restart. Raises: StorageError."""
        # Written even when empty, so that a lifted bar does not come back after a restart.
        kept = json.dumps({"settings": self._settings, "reason": self.reason}) if self._was_paid else ""
        await memory.remember(_KEY, kept)

    async def recall(self, memory: Memory) -> None:
        """Restore the bar, unless the settings have changed since. An unreadable one is ignored."""
        try:
            kept = parse_object(await memory.recall(_KEY) or "{}")
        except (StorageError, ValueError):
            return
        reason = kept.get("reason")
        if isinstance(reason, str) and reason and kept.get("settings") == self._settings:
            self.reason, self._was_paid = reason, True
