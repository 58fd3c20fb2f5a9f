"""What is on record of the queue before anything of it was counted."""

from dialpost.core.mail.queue.records import QueueCounts


def test_before_the_first_count_nothing_waits() -> None:
    assert QueueCounts() == QueueCounts(waiting_local=0, waiting_remote=0, urgent=0, held=0, bytes_waiting=0)
