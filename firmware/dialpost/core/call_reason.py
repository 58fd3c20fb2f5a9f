"""Why a call is made: one word for the faces, the panel, the schedule and the record."""

from __future__ import annotations

from enum import Enum


class CallReason(Enum):
    """Why a call was made."""

    BUTTON = "button"
    COMMAND = "command"  # dialpost call now, the console
    SCHEDULE = "schedule"
    QUEUE = "queue"  # schedule.when_waiting messages wait
    URGENT = "urgent"
    REDIAL = "redial"  # after a failed dial or a lost line

    @property
    def by_hand(self) -> bool:
        """Whether somebody asked for it by hand; then no pause delays it."""
        return self in {CallReason.BUTTON, CallReason.COMMAND}
