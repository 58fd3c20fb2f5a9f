"""Dovecot's transaction log of a mailbox (`dovecot.index.log`): is it complete, or did a power cut tear its end?

A header, then records one after the other up to the end of the file; each begins with its own length. Dovecot does
not wait for the card when it writes there, so a power cut may leave zeros, or a part of a record, at the end. It
then refuses the mailbox ("Unexpected garbage at EOF") for as long as the mail program stays connected.

Source: Dovecot 2.4, src/lib-index/mail-transaction-log.h, and mail_index_offset_to_uint32() in mail-index-util.c;
2.3 has the same.
"""

from __future__ import annotations

_HEADER_BYTES = 40
_RECORD_BYTES = 8
_MARK = 0x80808080


def is_whole(data: bytes) -> bool:
    """Whether its last record ends where the file does."""
    if len(data) < _HEADER_BYTES:
        return False
    place = int.from_bytes(data[2:4], "little")
    if place < _HEADER_BYTES:
        return False
    while place < len(data):
        length = _length(data[place : place + 4])
        if length < _RECORD_BYTES:
            return False
        place += length
    return place == len(data)


def _length(field: bytes) -> int:
    """A record's length in bytes: four times seven bits, the highest first, in words of 4 bytes; 0 if it is not a
    record."""
    value = int.from_bytes(field, "big")
    if value & _MARK != _MARK:  # nor has a shorter field the highest mark
        return 0
    bits = 0
    for byte in field:
        bits = bits << 7 | byte & 0x7F
    return bits << 2
