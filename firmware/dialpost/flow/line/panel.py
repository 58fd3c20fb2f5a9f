"""What the line tells the front panel. `flow/panel/state.Panel` listens; the line knows no lights."""

from __future__ import annotations

from collections.abc import Set
from typing import Protocol

from dialpost.core.faults import Fault
from dialpost.core.line.call.states import CallState
from dialpost.core.mail.queue.records import QueueCounts


class LinePanel(Protocol):
    """The facts that come from the line and its calls, and what is known of the queue."""

    @property
    def faults(self) -> Set[Fault]:
        """The faults there are now."""

    @property
    def counted(self) -> QueueCounts:
        """What waited when it was last counted."""

    def call(self, state: CallState) -> None:
        """The call changed its state."""

    def mail_moves(self, moving: bool) -> None:
        """Bytes of mail go over the line, or no longer do."""

    def arrived(self, arrived: bool) -> None:
        """Whether the last call brought mail."""

    def redial(self, pending: bool) -> None:
        """Whether a call waits for its time after a failed one."""

    def fault(self, fault: Fault, present: bool) -> None:
        """A fault is there, or gone."""

    def queue_changed(self) -> None:
        """The queue is not as last counted."""

    async def refresh(self) -> None:
        """Count what waits, now."""
