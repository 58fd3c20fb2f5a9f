"""Message content from the card to the client: looked over first, then read in blocks.

A message of any size takes one block of memory. Reading happens in a thread, so a slow card does not
hold up the line.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import BinaryIO

from dialpost.core.content_out import ContentFacts, Survey
from dialpost.core.smtp_target import OutgoingMessage

_READ_BYTES = 65_536


class ContentError(Exception):
    """The stored content can't be read, or is not what was stored. The text is for people."""


@dataclass(frozen=True, slots=True)
class Content:
    """Content that was looked over and may be offered."""

    message: OutgoingMessage
    facts: ContentFacts

    def open(self) -> Reader:
        """Start reading at its beginning. Raises: OSError."""
        file = open(self.message.body, "rb")  # noqa: SIM115, PTH123
        file.seek(self.message.local_prefix)
        return Reader(file, self.facts.size)


class Reader:
    """Reads content in pieces of any size."""

    def __init__(self, file: BinaryIO, size: int) -> None:
        self._file = file
        self._left = size
        self._held = b""

    async def read(self, max_bytes: int) -> tuple[bytes, bool]:
        """The next piece, and whether it is the last. Raises: OSError, ContentError."""
        if not self._held and self._left:
            self._held = await asyncio.to_thread(self._file.read, min(_READ_BYTES, self._left))
            if not self._held:
                raise ContentError("the stored message became shorter while it was being sent")
            self._left -= len(self._held)
        piece, self._held = self._held[:max_bytes], self._held[max_bytes:]
        return piece, not self._held and not self._left

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()


def look_over(message: OutgoingMessage) -> Content:
    """Read the content once for its facts (blocking: call it in a thread). Raises: OSError, ContentError."""
    survey = Survey()
    with open(message.body, "rb") as file:  # noqa: PTH123
        file.seek(message.local_prefix)
        while block := file.read(_READ_BYTES):
            survey.feed(block)
    facts = survey.facts()
    if facts.wire_size < message.wire_size:
        raise ContentError(
            f"the stored message is damaged: it had {message.wire_size} bytes when it was accepted, "
            f"now {facts.wire_size}; it stays in the queue"
        )
    return Content(message, facts)
