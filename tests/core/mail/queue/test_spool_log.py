"""The log's bytes: what is written is read back, and what is not whole, or another log's, is nothing."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from cases import cases
from dialpost.core.mail.queue.spool_log import (
    BLOCK_BYTES,
    Head,
    LogEntry,
    group_bytes,
    group_length,
    head_block,
    read_group,
    read_head,
    write_group,
)

SALT, OTHER = bytes(range(16)), bytes(range(1, 17))
ENTRIES = [
    LogEntry(7, b"{note}", b"body of seven"),
    LogEntry(2**60, b"", b""),
    LogEntry(9, b"n" * 500, b"b" * 9000),
]


def bodies(data: bytes, salt: bytes = SALT) -> list[tuple[int, bytes, bytes]] | None:
    group = read_group(salt, data)
    if group is None:
        return None
    return [(p.number, p.note, data[p.body_at : p.body_at + p.body_bytes]) for p in group.places]


@given(
    st.lists(st.builds(LogEntry, st.integers(0, 2**64 - 1), st.binary(max_size=99), st.binary(max_size=5000))),
    st.integers(0, 2**64 - 1),
    st.integers(0, 2**64 - 1),
)
def test_a_group_is_read_as_it_was_written(entries: list[LogEntry], sequence: int, oldest: int) -> None:
    data, written = write_group(SALT, sequence, oldest, entries)
    assert read_group(SALT, data) == written
    assert (written.sequence, written.oldest) == (sequence, oldest)
    assert bodies(data) == [(one.number, one.note, one.body) for one in entries]
    assert len(data) == group_bytes(sum(one.size for one in entries)) == written.blocks * BLOCK_BYTES


def test_a_group_that_is_not_whole_is_none() -> None:
    data, group = write_group(SALT, 5, 3, ENTRIES)
    for length in (*range(64), *range(64, group.length, 509), group.length - 1):
        assert read_group(SALT, data[:length]) is None, length
        assert read_group(SALT, data[:length].ljust(len(data), b"\0")) is None, length
    for at in (*range(48), *range(48, group.length, 97)):
        torn = data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]
        assert read_group(SALT, torn) is None, at


def test_only_the_own_salt_begins_a_group() -> None:
    data, group = write_group(OTHER, 5, 3, ENTRIES)
    assert read_group(SALT, data) is None
    assert group_length(SALT, data) is None
    assert group_length(OTHER, data) == group.length
    assert group_length(OTHER, data[:20]) is None


@cases("length", [0, 43, 2**31])
def test_an_impossible_length_is_no_group(length: int) -> None:
    data, _ = write_group(SALT, 5, 3, ENTRIES)
    assert group_length(SALT, data[:16] + length.to_bytes(4, "little") + data[20:]) is None


@cases("head", [Head(SALT, 1, is_empty=True), Head(OTHER, 2**64 - 1, is_empty=False)])
def test_the_head_is_read_as_it_was_written(head: Head) -> None:
    block = head_block(head)
    assert len(block) == BLOCK_BYTES
    assert read_head(block) == head
    assert read_head(block[:20]) is None
    for at in range(37):
        assert read_head(block[:at] + bytes([block[at] ^ 1]) + block[at + 1 :]) is None, at
