"""Messages being fetched: what is asked of each, what came, and where it ends.

Each is asked for in pieces (`BODY.PEEK[]<offset.count>`, RFC 9051 §6.4.5), a window of them ahead of what has
arrived, so that the line is never idle and a message is never held. The last piece is asked for with a byte more
than the listed size leaves: if that byte does not come, the message ends there. Some servers only estimate the
size: then the end is where a piece brings nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum, auto

PIECE_BYTES = 65_536
AHEAD_BYTES = 262_144
"""What may be asked for and not arrived yet: two seconds of a megabit line."""
MOST_AHEAD = 32
"""Commands in flight."""
MOST_JOBS = 200
"""Messages in hand."""
SMALL_BYTES = 16_384
BATCH_BYTES = 32_768
"""Small messages are asked for with one command: Dovecot ends a block of its compression with each command, which
costs 170 bytes, half a small message."""


class Stand(Enum):
    """How far a message is."""

    COMING = auto()
    COMPLETE = auto()
    MISSING = auto()  # the server hands out nothing of it
    BROKEN = auto()  # it left out some bytes in the middle, or refused


@dataclass(slots=True)
class Job:
    """One message. `next`: the first byte not asked for; `came`: the bytes up to here are here."""

    uid: int
    size: int
    next: int
    came: int
    begin: int
    is_urgent: bool = False
    in_flight: int = 0
    is_short: bool = False  # a piece brought less than was asked for
    is_ended: bool = False  # a piece brought nothing
    is_broken: bool = False
    is_alone: bool = False
    """Not to be asked for together with others: some of them was refused."""
    words: str = ""

    @classmethod
    def of(cls, uid: int, size: int, offset: int, *, is_urgent: bool = False) -> Job:
        """A message from this byte on."""
        return cls(uid, size, next=offset, came=offset, begin=offset, is_urgent=is_urgent)

    @property
    def is_asked(self) -> bool:
        """Whether nothing more can be asked for before something has come."""
        is_at_end = self.next > max(self.size, self.came)
        return self.is_broken or self.is_ended or ((is_at_end or self.is_short) and self.in_flight > 0)

    @property
    def stand(self) -> Stand:
        """How far it is."""
        if self.in_flight:
            return Stand.COMING
        if self.is_broken:
            return Stand.BROKEN
        if self.is_short and self.came == self.size:
            return Stand.COMPLETE
        if self.is_ended:
            return Stand.COMPLETE if self.came > self.begin else Stand.MISSING
        return Stand.COMING

    @property
    def may_share(self) -> bool:
        """Whether it may be asked for together with others: all of it, in one piece."""
        return not (self.next or self.is_alone) and self.size < SMALL_BYTES

    @property
    def is_untouched(self) -> bool:
        """Whether nothing of it has come."""
        return self.came == self.begin

    @property
    def left(self) -> int:
        """What is still to be asked for."""
        return 0 if self.is_asked else max(1, self.size + 1 - self.next)

    def ask(self, count: int = 0) -> tuple[int, int]:
        """The next piece: its first byte, and the most bytes of it. `count`: what those asked for with it need."""
        if not self.in_flight:
            self.next = self.came  # what was asked beyond the end brought nothing
        at = self.next
        left = self.size + 1 - at
        count = count or (min(PIECE_BYTES, left) if left > 0 else PIECE_BYTES)
        self.next += count
        self.in_flight += 1
        self.is_short = False
        return at, count

    def takes(self, at: int, length: int) -> bool:
        """Whether these bytes are the next ones; otherwise something is missing before them."""
        if length and at != self.came:
            self.is_broken = True
            self.words = "the server left out a part of the message"
        if self.is_broken:
            return False
        self.came += length
        return True

    def answered(self, at: int, count: int, came: int) -> None:
        """The server has answered for one piece."""
        self.in_flight -= 1
        self.is_short = self.is_short or came < count
        self.is_ended = self.is_ended or (came == 0 and at >= self.came)

    def ask_alone(self) -> None:
        """The server has refused some of those asked for with it."""
        self.in_flight -= 1
        self.is_alone = True

    def refused(self, words: str) -> None:
        """The server does not hand out a piece."""
        self.in_flight -= 1
        self.is_broken = True
        self.words = self.words or words


class Jobs:
    """The messages being fetched, in the order in which they were wanted."""

    def __init__(self) -> None:
        self._jobs: dict[int, Job] = {}

    def add(self, job: Job) -> None:
        """One more message."""
        self._jobs[job.uid] = job

    def of(self, uid: int) -> Job:
        """The message that is being fetched."""
        return self._jobs[uid]

    def drop(self, uid: int) -> None:
        """It is complete, or given up."""
        del self._jobs[uid]

    def __len__(self) -> int:
        return len(self._jobs)

    @property
    def left(self) -> int:
        """The bytes that are still to be asked for."""
        return sum(job.left for job in self._jobs.values())

    def to_ask(self) -> Iterator[list[Job]]:
        """The message of which a piece is to be asked for next, or several small ones, again and again."""
        while waiting := [job for job in self._jobs.values() if not job.is_asked]:
            yield _together(waiting)


def _together(waiting: list[Job]) -> list[Job]:
    """The first, and those behind it that can be asked for with the same command.

    The server sends them in its own order, so urgent ones don't share with others.
    """
    first, size = waiting[0], waiting[0].size
    batch = [first]
    for job in waiting[1:]:
        size += job.size
        is_alike = job.may_share and first.may_share and job.is_urgent == first.is_urgent
        if size > BATCH_BYTES or not is_alike:
            break
        batch.append(job)
    return batch
