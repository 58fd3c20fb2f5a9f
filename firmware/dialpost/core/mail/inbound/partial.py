"""What is kept of a message that was cut, so that the next call goes on at its byte.

A server's UID names one message for ever (RFC 9051 §2.3.1.1), but neither servers nor cards are perfect. So what is
kept has a digest of its own, and the next call fetches the last bytes of it a second time and compares them.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

from dialpost.core.json_text import parse_json

OVERLAP_BYTES = 256
"""A second of a very slow line; a kilobyte of it would be no proof of anything more."""
LEAST_KEPT_BYTES = 2048
"""Less is not worth two files on the card."""


@dataclass(frozen=True, slots=True)
class Kept:
    """The first `length` bytes of a message, and their SHA-256 in hex. `size`: all of it, as the server says."""

    box: str
    uid: str
    size: int
    length: int
    digest: str

    def to_text(self) -> str:
        """For the card."""
        fields = {"box": self.box, "uid": self.uid, "size": self.size, "length": self.length, "sha256": self.digest}
        return json.dumps(fields)

    @classmethod
    def from_text(cls, text: str) -> Kept | None:
        """None if the card damaged it."""
        try:
            given = parse_json(text)
            if not isinstance(given, dict):
                return None
            size, length = given["size"], given["length"]
            if not isinstance(size, int) or not isinstance(length, int) or length < 0:
                return None
            return cls(str(given["box"]), str(given["uid"]), size, length, str(given["sha256"]))
        except (ValueError, KeyError):
            return None

    def is_of(self, box: str, uid: str, size: int) -> bool:
        """Whether it is the beginning of this message."""
        return (self.box, self.uid, self.size) == (box, uid, size)


def resume_at(length: int) -> int:
    """The byte from which to fetch on."""
    return max(0, length - OVERLAP_BYTES)


class Overlap:
    """Compares what is fetched a second time with what was kept of it."""

    def __init__(self, tail: bytes) -> None:
        """`tail`: the kept bytes from `resume_at` on."""
        self._tail = tail

    def take(self, data: bytes) -> bytes | None:
        """The bytes that are new; None if the message is not the one that was cut."""
        expected, self._tail = self._tail[: len(data)], self._tail[len(data) :]
        return data[len(expected) :] if data.startswith(expected) else None

    @property
    def is_proved(self) -> bool:
        """Whether all of the overlap came and was the same."""
        return not self._tail
