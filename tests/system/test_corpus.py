"""What benchmarks send: it is on the line as real mail is, and the same in every run."""

from __future__ import annotations

import zlib
from pathlib import Path

import pytest
from rig.corpus import BIG_BYTES, like_mail
from rig.mailboxes import read_mail

_PACKET_BYTES = 536


def _messages(size: int, count: int) -> list[bytes]:
    return [
        like_mail(f"in.{number}@world.example", "friend@world.example", ["anna@clinic.example"], size=size)
        for number in range(count)
    ]


def _deflated(messages: list[bytes]) -> int:
    """The bytes of a line with deflate, which PPP flushes with each packet (RFC 1979)."""
    line = zlib.compressobj(wbits=-15)
    return sum(
        len(line.compress(message[at : at + _PACKET_BYTES])) + len(line.flush(zlib.Z_PARTIAL_FLUSH))
        for message in messages
        for at in range(0, len(message), _PACKET_BYTES)
    )


def test_small_mail_takes_a_third_of_its_bytes_on_the_line() -> None:
    messages = _messages(1700, 40)
    assert 1500 < sum(map(len, messages)) / 40 < 1900
    assert 450 < _deflated(messages) / 40 < 650


def test_an_attachment_hardly_deflates() -> None:
    (message,) = _messages(82_000, 1)
    assert 78_000 < len(message) < 84_000
    assert 60_000 < _deflated([message]) < 70_000


@pytest.mark.parametrize("size", [300, 1700, BIG_BYTES])
def test_it_is_the_same_in_every_run_and_proves_that_it_is_whole(size: int, tmp_path: Path) -> None:
    (message,) = _messages(size, 1)
    assert [message] == _messages(size, 1)
    stored = tmp_path / "mail"
    stored.write_bytes(message.replace(b"\r\n", b"\n"))
    found = read_mail(stored)
    assert (found.message_id, found.is_whole) == ("in.0@world.example", True)
