"""Queue ids."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from cases import cases
from dialpost.core.mail.queue.ids import queue_id, queue_number

NUMBERS = st.integers(0, 2**40 - 1)


@given(NUMBERS)
def test_an_id_says_its_number(number: int) -> None:
    assert queue_number(queue_id(number)) == number


@given(st.integers(0, 2**35 - 1), st.integers(0, 2**35 - 1))
def test_text_order_is_number_order(one: int, other: int) -> None:
    assert (queue_id(one) < queue_id(other)) == (one < other)


def test_what_is_read_aloud_is_understood() -> None:
    assert queue_number("d00000io") == queue_number("D0000010") == 32
    assert queue_number("D00000L1") == queue_number("D0000011") == 33
    assert queue_number("DOOOOOO1") == queue_number("D0000001") == 1


@cases(
    "text",
    ["", "D", "D000001", "X0000012", "D00000U1", "D0000012.part", "D000000000012", "../D0000012", "D00000é1"],
)
def test_other_text_is_no_id(text: str) -> None:
    assert queue_number(text) is None
