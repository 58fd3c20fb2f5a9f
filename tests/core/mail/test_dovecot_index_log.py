"""Dovecot's log of a mailbox: whole, or torn."""

from __future__ import annotations

import pytest

from dialpost.core.mail.dovecot_index_log import is_whole

HEADER = bytes.fromhex("0103280021e6076b02000000000000000000000021e6076b0100000001000000") + bytes(8)
# As Dovecot 2.4 writes them: 12 and 36 bytes.
RECORDS = bytes.fromhex("8080808300000810c0000000") + bytes.fromhex("8080808940000010ffffffff") + bytes(24)


def test_a_whole_one() -> None:
    assert is_whole(HEADER)
    assert is_whole(HEADER + RECORDS)
    long = bytes([0x80, 0x80, 0x82, 0x81]) + bytes(1024 + 4 - 4)  # 2 * 2**9 + 1 * 2**2 bytes
    assert is_whole(HEADER + long + RECORDS)


@pytest.mark.parametrize("zeros", [1, 4, 8, 3700])
def test_zeros_at_the_end(zeros: int) -> None:
    assert not is_whole(HEADER + RECORDS + bytes(zeros))


def test_cut_anywhere_but_between_records() -> None:
    whole = {40, 52, 88}
    data = HEADER + RECORDS
    for end in range(len(data) + 1):
        assert is_whole(data[:end]) == (end in whole), end


@pytest.mark.parametrize("header", [bytes(40), b"\x01\x03\x10\x00" + bytes(36)])
def test_a_header_that_is_none(header: bytes) -> None:
    assert not is_whole(header + RECORDS)


def test_the_header_says_how_long_it_is_in_two_bytes() -> None:
    longer = HEADER[:2] + (296).to_bytes(2, "little") + HEADER[4:] + bytes(256)
    assert is_whole(longer + RECORDS)
    assert not is_whole(longer[:-1])


def test_a_record_of_no_length_does_not_hold_it_up() -> None:
    assert not is_whole(HEADER + b"\x80\x80\x80\x80" * 4)
