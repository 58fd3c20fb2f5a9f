"""Message content from the card to the client: examined first, then read in blocks.

A message of any size takes one block of memory. Reading happens in a thread, so a slow card does not hold up the
line.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol

from dialpost.core.mail.content.downgrade import CannotDowngradeError, Downgrade, Goal, Plan, plan
from dialpost.core.mail.content.outgoing import ContentFacts, Survey
from dialpost.core.mail.esmtp.extensions import Extensions
from dialpost.core.mail.smtp_target import OutgoingMessage

_READ_BYTES = 65_536


class ContentError(Exception):
    """The stored content has changed or is gone. The text is for people."""


class Source(Protocol):
    """The source of a `Reader`; blocks."""

    def next_block(self) -> bytes:
        """The next piece, b"" at the end."""

    def close(self) -> None:
        """Let go of the file."""


@dataclass(frozen=True, slots=True)
class Content:
    """Content that was examined and may be offered. `plan`: how to rewrite it, if necessary."""

    message: OutgoingMessage
    facts: ContentFacts
    plan: Plan | None = None

    def open(self) -> Reader:
        """Start reading at its beginning. Raises: OSError."""
        file = _FileSource(self.message)
        return Reader(file if self.plan is None else _RewrittenSource(file, self.plan), self.facts.size)


class _FileSource:
    """The file after its prefix. Its last block is released only if the checksum of the whole is right: without its
    end a host does not accept the message, so damaged content is never delivered.
    """

    def __init__(self, message: OutgoingMessage) -> None:
        self._checksum = message.checksum
        try:
            self._file = message.body.open("rb")
        except FileNotFoundError:
            raise ContentError("Its content is missing on the card.") from None
        self._left = self._file.seek(0, os.SEEK_END)
        self._file.seek(0)
        self._sum = 0
        self._read(message.local_prefix)

    def next_block(self) -> bytes:
        block = self._read(_READ_BYTES)
        if self._checksum not in (None, self._sum) and (self._left <= 0 or not block):
            raise ContentError("Its content is damaged on the card: it is not what was stored.")
        return block

    def _read(self, count: int) -> bytes:
        data = self._file.read(count)
        self._left -= len(data)
        self._sum = zlib.crc32(data, self._sum)
        return data

    def close(self) -> None:
        self._file.close()


class _RewrittenSource:
    def __init__(self, source: _FileSource, made: Plan) -> None:
        self._source = source
        self._downgrade: Downgrade | None = Downgrade(made)

    def next_block(self) -> bytes:
        while self._downgrade is not None:
            block = self._source.next_block()
            if block:
                converted = self._downgrade.feed(block)
            else:
                converted = self._downgrade.finish()
                self._downgrade = None
            if converted:
                return converted
        return b""

    def close(self) -> None:
        self._source.close()


class Reader:
    """Reads content of known size in pieces of any size."""

    def __init__(self, source: Source, size: int) -> None:
        self._source = source
        self._left = size
        self._held = b""

    async def read(self, max_bytes: int) -> tuple[bytes, bool]:
        """The next piece, and whether it is the last. Raises: OSError, ContentError."""
        if not self._held and self._left:
            self._held = (await asyncio.to_thread(self._source.next_block))[: self._left]
            if not self._held:
                raise ContentError("Its content is damaged on the card: it became shorter while it was sent.")
            self._left -= len(self._held)
        piece, self._held = self._held[:max_bytes], self._held[max_bytes:]
        return piece, not self._held and not self._left

    def close(self) -> None:
        """Let go of the file."""
        self._source.close()


def look_over(message: OutgoingMessage, offered: Extensions) -> Content:
    """Read the content once for its facts; make a plan if it has to be rewritten for this host.

    Blocks: call it in a thread. Raises: OSError, ContentError (damaged), CannotDowngradeError.
    """
    facts = _survey(_blocks(_FileSource(message)))
    if facts.wire_size < message.wire_size:
        raise ContentError(
            f"Its content is damaged on the card: {facts.wire_size} bytes instead of {message.wire_size}."
        )
    needs_utf8_header = message.envelope.smtputf8 and facts.eight_bit_header and not offered.smtputf8
    goal = Goal(
        ascii_header=needs_utf8_header or (facts.eight_bit and not offered.eight_bit),
        ascii_body=facts.eight_bit and not offered.eight_bit,
        at_any_price=not message.envelope.sender,
    )
    if not (goal.ascii_header or goal.ascii_body or facts.has_long_line):
        return Content(message, facts)
    try:
        made = plan(lambda: _blocks(_FileSource(message)), goal)
    except CannotDowngradeError:
        # The core refuses mail with a UTF-8 header; a long line is for the server to judge.
        if needs_utf8_header or not goal.ascii_body:
            return Content(message, facts)
        raise
    return Content(message, _survey(_blocks(_RewrittenSource(_FileSource(message), made))), made)


def _blocks(source: Source) -> Iterator[bytes]:
    with contextlib.closing(source):
        while block := source.next_block():
            yield block


def _survey(blocks: Iterable[bytes]) -> ContentFacts:
    survey = Survey()
    for block in blocks:
        survey.feed(block)
    return survey.facts()
