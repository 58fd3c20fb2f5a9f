"""What the box holds: LIST and UIDL (RFC 1939 §5, §7), or the tops of the messages where there is no UIDL.

A message without a usable line in both lists is skipped, and said so; the others are not affected.
"""

from __future__ import annotations

import hashlib
import re

from dialpost.core.mail.inbound.dialogue import LONGEST_UID, MOST_MESSAGES, BoxMessage, Listed
from dialpost.core.printable import one_line

_SIZE = re.compile(rb"[ \t]*([0-9]{1,9})[ \t]+([0-9]{1,12})(?:[ \t].*)?", re.DOTALL)
_UID = re.compile(rb"[ \t]*([0-9]{1,9})[ \t]+([\x21-\x7e]{1,%d})[ \t]*" % LONGEST_UID)
_MOST_SKIPPED = 20
"""Sentences about skipped messages; beyond that they are only counted."""


class Listing:
    """Collects the lists and says what they mean together."""

    def __init__(self) -> None:
        self.sizes: dict[int, int] = {}
        self._uids: dict[int, str] = {}
        self._skipped: list[str] = []
        self._more_skipped = 0
        self._is_whole = True

    def size_line(self, line: bytes) -> None:
        """A line of the answer to LIST."""
        found = _SIZE.fullmatch(line)
        if found is None:
            self._skip(line)
        elif len(self.sizes) < MOST_MESSAGES:
            self.sizes[int(found[1])] = int(found[2])
        else:
            self._is_whole = False

    def uid_line(self, line: bytes) -> None:
        """A line of the answer to UIDL."""
        found = _UID.fullmatch(line)
        if found is None:
            self._is_whole = False
            self._skip(line)
        elif len(self._uids) < MOST_MESSAGES:
            self._uids[int(found[1])] = found[2].decode("ascii")
        else:
            self._is_whole = False

    def too_long(self) -> None:
        """A line that is longer than any of these can be."""
        self._is_whole = False
        self._skip(b"a line without end")

    def top(self, number: int, top: bytes) -> None:
        """The header of a message on a server without UIDL: its digest names it."""
        self._uids[number] = "top:" + hashlib.sha256(top).hexdigest()[:40]

    def no_top(self, number: int, words: str) -> None:
        """The server can't serve it."""
        self._is_whole = False
        self._say(f"message {number}: {words}")

    def numbers(self) -> dict[str, list[int]]:
        """The message numbers behind each UID; identical copies may share one (RFC 1939 §7)."""
        found: dict[str, list[int]] = {}
        for number, uid in self._uids.items():
            if number in self.sizes:
                found.setdefault(uid, []).append(number)
        return found

    def result(self) -> Listed:
        """All messages that can be fetched, in the order of the box."""
        messages = tuple(BoxMessage(uid, self.sizes[of[0]]) for uid, of in self.numbers().items())
        unmatched = self._uids.keys() ^ self.sizes.keys()
        self._is_whole = self._is_whole and not unmatched
        if unmatched and not self._skipped:
            self._say(f"the server's lists name different messages ({len(unmatched)} of them in one only)")
        more = (f"and {self._more_skipped} more",) if self._more_skipped else ()
        return Listed(messages, (*self._skipped, *more), self._is_whole)

    def _skip(self, line: bytes) -> None:
        self._say(f"the server lists a message as {one_line(line.decode('utf-8', 'replace'), 60)!r}")

    def _say(self, words: str) -> None:
        if len(self._skipped) < _MOST_SKIPPED:
            self._skipped.append(words)
        else:
            self._more_skipped += 1
