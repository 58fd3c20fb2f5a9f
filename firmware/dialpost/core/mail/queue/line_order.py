"""The order in which mail is sent over the line: the most urgent first, then the smallest, then the oldest.

Smallest first gets most people's mail through before the line is cut. The queue's database
(`edge/mail/store/queries`) has the same order in SQL, made from `LINE_ORDER`.
"""

from __future__ import annotations

from enum import Enum, auto

from dialpost.core.mail.queue.ids import queue_number
from dialpost.core.mail.queue.records import MessageRecord


class LineKey(Enum):
    """The sort keys of messages; the lowest goes first."""

    PRIORITY = auto()
    WIRE_SIZE = auto()
    ARRIVAL = auto()


LINE_ORDER = (LineKey.PRIORITY, LineKey.WIRE_SIZE, LineKey.ARRIVAL)
"""The first key decides; each of the others only if those before it are equal."""


def place(message: MessageRecord) -> tuple[int, ...]:
    """A message's position in the order on the line, for sorting."""
    values = {
        LineKey.PRIORITY: message.priority.value,
        LineKey.WIRE_SIZE: message.wire_size,
        LineKey.ARRIVAL: queue_number(message.queue_id) or 0,
    }
    return tuple(values[key] for key in LINE_ORDER)
