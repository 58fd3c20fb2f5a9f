"""The order of the line: urgency before size, size before age."""

from __future__ import annotations

from dialpost.core.mail.queue.ids import queue_id
from dialpost.core.mail.queue.line_order import place
from dialpost.core.mail.queue.records import MessageRecord, Priority
from fakes import a_record, to_world


def message(number: int, priority: Priority, wire_size: int) -> MessageRecord:
    return a_record(queue_id(number), to_world(), priority=priority, wire_size=wire_size)


def test_the_urgent_goes_first_then_the_smallest_then_the_oldest() -> None:
    in_order = [
        message(9, Priority.URGENT, 900),
        message(3, Priority.NORMAL, 100),
        message(7, Priority.NORMAL, 100),
        message(1, Priority.NORMAL, 101),
        message(2, Priority.BULK, 10),
    ]
    mixed = [in_order[number] for number in (2, 0, 4, 1, 3)]
    assert sorted(mixed, key=place) == in_order
