"""What the line reports to the front panel. `flow/panel/state.Panel` listens; the line knows nothing of lights."""

from __future__ import annotations

from collections.abc import Set
from typing import Protocol

from dialpost.core.faults import Fault
from dialpost.core.line.call.states import CallState
from dialpost.core.mail.queue.records import QueueCounts


class LinePanel(Protocol):
    """Facts from the line and its calls, and the queue's counts."""

    @property
    def faults(self) -> Set[Fault]:
        """The faults there are now."""

    @property
    def counted(self) -> QueueCounts:
        """The queue's counts when last taken."""

    def call(self, state: CallState) -> None:
        """The call changed its state."""

    def mail_moves(self, moving: bool) -> None:
        """Bytes of mail move over the line, or no longer do."""

    def arrived(self, arrived: bool) -> None:
        """Whether the last call brought mail."""

    def redial(self, pending: bool) -> None:
        """Whether a redial is waiting for its time."""

    def fault(self, fault: Fault, present: bool) -> None:
        """A fault appeared or is gone."""

    def queue_changed(self) -> None:
        """The queue has changed since it was last counted."""

    async def refresh(self) -> None:
        """Count what waits, now."""
